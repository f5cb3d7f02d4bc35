"""What a benchmark found, as records whose keys carry units, and how records are written.

Any benchmark can use the writers: a record is a flat dictionary.
"""

import csv
import io
import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from bench.streams import somebody_reads_along, stdout
from topology.files.output import text_file
from topology.text import visible
from topology.units import GB

if TYPE_CHECKING:
    from fabric.machine import MachineSpec

Value = str | int | float | bool | None
Record = Mapping[str, Value]
Item = TypeVar("Item")


def over(size: float, seconds: float) -> float | None:
    """``size`` bytes over ``seconds``, as bytes per second; None if no time was taken."""
    if not seconds > 0:
        return None
    rate = size / seconds
    return rate if math.isfinite(rate) else None


def in_gb(bandwidth: float | None) -> float | None:
    """``bandwidth`` in bytes per second as GB/s; None stays None."""
    return None if bandwidth is None else bandwidth / GB


def bandwidths(size: int, seconds: float, factor: float) -> tuple[float | None, float | None]:
    """The bandwidths algbw and busbw (``factor`` times as much), bytes per second or None."""
    algbw = over(size, seconds)
    return algbw, None if algbw is None else algbw * factor


def size_text(size: float) -> str:
    """``size`` in bytes as nccl-tests' options write it: 512, 4K, 1.5M, 1G; powers of 1024."""
    for unit, letter in ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")):
        if size >= unit:
            return f"{size / unit:.4g}{letter}"
    return f"{size:g}"


def as_text(records: Sequence[Record], form: str, machine: "MachineSpec | None" = None) -> str:
    """The records as ``"json"``, ``"csv"`` or ``"table"`` text, ending in a newline.

    JSON has every text unchanged, and each record ends with the ``machine`` that it was found on,
    if one is given: `MachineSpec.load` takes it from there. In the other two a record is a line,
    and control characters are escaped (`topology.text.visible`).
    """
    if form == "json":
        last = {} if machine is None else {"machine": machine.to_json()}
        return _as_json(records, [last] * len(records))
    return {"csv": _as_csv, "table": as_table}[form](records)


def with_machines(records: Sequence[Record], machines: Sequence["MachineSpec | None"]) -> str:
    """The records as JSON text, each with a machine of its own, or null, as its last key.

    Of a machine only what is not the default is written.
    """
    last = [{"machine": None if one is None else one.to_short_json()} for one in machines]
    return _as_json(records, last)


def _as_json(records: Sequence[Record], last: Sequence[Mapping[str, Any]]) -> str:
    """``last``: what each record ends with."""
    rows = ",\n ".join(
        json.dumps({**_finite(one), **more}, allow_nan=False)
        for one, more in zip(records, last, strict=True)
    )
    return f"[{rows}]\n"


def _finite(record: Record) -> dict[str, Value]:
    """JSON has no infinity and no NaN: null, as for anything that nobody knows."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in record.items()
    }


def _as_csv(records: Sequence[Record]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns_of(records), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_lines(record) for record in records)
    return text.getvalue()


def _lines(record: Record) -> dict[str, Value]:
    """A record that is a line: what cannot be seen is written out, as in a table."""
    return {
        key: visible(value) if isinstance(value, str) else value
        for key, value in _finite(record).items()
    }


def columns_of(records: Sequence[Record]) -> list[str]:
    """Every key that any record has, in the order of first appearance."""
    return list(dict.fromkeys(key for record in records for key in record))


def as_table(records: Sequence[Record]) -> str:
    """The records as a text table: numbers to five digits on the right, text on the left."""
    names = columns_of(records)
    columns = [_column(name, [record.get(name) for record in records]) for name in names]
    return "".join("  ".join(cells).rstrip() + "\n" for cells in zip(*columns, strict=True))


def _column(name: str, values: Sequence[Value]) -> list[str]:
    cells = [name, *map(_cell, values)]
    width = max(map(len, cells))
    is_text = any(isinstance(value, str) for value in values)
    return [cell.ljust(width) if is_text else cell.rjust(width) for cell in cells]


def _cell(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "*" if value else ""
    return f"{value:.5g}" if isinstance(value, float) else visible(str(value))


@contextmanager
def opened(path: Path | None) -> Iterator[IO[str]]:
    """A context manager for the file at ``path``, to write text; None: standard output.

    Raises `OSError`.
    """
    if path is None:
        file = stdout()
        yield file
        file.flush()
        return
    with text_file(path, errors="backslashreplace") as file:
        yield file


@contextmanager
def reserved(path: str | None) -> Iterator[IO[str] | None]:
    """A context manager for a new file at ``path``, or ``path.0`` ...: no report is overwritten.

    None for no path. A device or a pipe is written to. A file that nothing was written to is
    removed. Raises `OSError` if none can be made.
    """
    if path is None:
        yield None
        return
    with _new(path) as file:
        try:
            yield file
        finally:
            if os.path.isfile(file.name) and not file.tell():
                Path(file.name).unlink()


def _new(path: str) -> IO[str]:
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        return open(path, "w", encoding="ascii")
    for name in itertools.chain([path], (f"{path}.{i}" for i in itertools.count())):
        with suppress(FileExistsError):
            return open(name, "x", encoding="ascii")
    raise AssertionError("the names never end")


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Iterate over ``items``, with a progress bar on standard error if that is a terminal."""
    if not somebody_reads_along():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, label, total, transient=True, console=Console(stderr=True))
