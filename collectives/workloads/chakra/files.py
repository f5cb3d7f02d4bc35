"""The files of a Chakra trace: which rank each belongs to, and what is in a gzipped one."""

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from collectives.workloads.workload import WorkloadError

MOST = 1 << 30
"""Bytes of a rank's trace at most, unpacked."""

_NAME = re.compile(r"(?P<prefix>.+)\.(?P<rank>[0-9]{1,9})\.et(\.gz)?")


def files(prefix: str | Path) -> list[Path]:
    """The files ``PREFIX.0.et``, ``PREFIX.1.et`` ... in one folder, in the order of ranks.

    ``prefix`` may be one of them. Raises `WorkloadError` if one is missing, or there twice.
    """
    given = Path(prefix)
    if not given.name:
        raise WorkloadError(f"{str(prefix)!r} is no prefix of names of traces, such as run/ring")
    name = stem(given)
    try:
        beside = [path for path in given.parent.iterdir() if path.name.startswith(f"{name}.")]
    except (OSError, ValueError):
        beside = []
    return _by_rank(given.with_name(name), beside)


def _by_rank(prefix: Path, paths: Sequence[Path]) -> list[Path]:
    """Those of a prefix in the order of the ranks in their names, of which none may be missing."""
    found: dict[int, Path] = {}
    for path in sorted(paths):
        name = _NAME.fullmatch(path.name)
        if name is None or name["prefix"] != prefix.name:
            continue
        rank = int(name["rank"])
        if rank in found:
            raise WorkloadError(f"{found[rank]} and {path} are both of rank {rank}")
        found[rank] = path
    missing = next((rank for rank in range(max(len(found), 1)) if rank not in found), None)
    if missing is not None:
        raise WorkloadError(f"there is no {prefix.with_name(f'{prefix.name}.{missing}.et')}")
    return [found[rank] for rank in sorted(found)]


def stem(path: Path) -> str:
    """The prefix in the name of a rank's file; the whole name if it does not end in a rank."""
    match = _NAME.fullmatch(path.name)
    return match["prefix"] if match else path.name


def in_order(paths: list[Path]) -> list[Path]:
    """The files of a trace by rank: as their names say, else as given; raises `WorkloadError`."""
    if not paths:
        raise WorkloadError("a trace of no files")
    prefixes = {path.parent / stem(path) for path in paths}
    of_ranks = len(prefixes) == 1 and all(_NAME.fullmatch(path.name) for path in paths)
    return _by_rank(prefixes.pop(), paths) if of_ranks else paths


def unpacked(data: bytes) -> bytes:
    """The bytes of a trace, decompressed if they are gzip.

    Raises `WorkloadError` beyond `MOST` bytes.
    """
    if data[:2] != b"\x1f\x8b":
        return data
    parts, size = [], 0
    while data.strip(b"\0"):
        stream = zlib.decompressobj(wbits=31)
        try:
            parts.append(stream.decompress(data, MOST - size + 1))
        except zlib.error:
            raise WorkloadError("it cannot be read: it is damaged gzip") from None
        size += len(parts[-1])
        if size > MOST:
            raise WorkloadError(f"it unpacks to more than {MOST} bytes")
        if not stream.eof:
            raise WorkloadError("it cannot be read: its gzip is cut off")
        data = stream.unused_data
    return b"".join(parts)
