"""What the OSU Micro-Benchmarks print, as rows: collectives, and the latency of a pair.

OSU counts a rank's block where nccl-tests counts all of them, so sizes are turned into nccl-tests'
S. The output does not say how many ranks ran it: the user does.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from bench.measured.setting import MeasuredError, Setting, number
from bench.published.rows import PublishedRow

_TITLE = re.compile(r"^\s*# *OSU (?:MPI|NCCL|RCCL|XCCL)[-\w]*(.*?) Test\b", re.IGNORECASE)

_OPERATIONS = {
    "allreduce": ("all_reduce", False), "allgather": ("all_gather", True),
    "reducescatter": ("reduce_scatter", False), "broadcast": ("broadcast", False),
    "bcast": ("broadcast", False), "reduce": ("reduce", False), "gather": ("gather", True),
    "scatter": ("scatter", True), "alltoall": ("all_to_all", True),
    "alltoallpersonalizedexchange": ("all_to_all", True), "": ("send_recv", False),
}  # fmt: skip
"""By what stands between "OSU MPI" and "Latency Test": our name, and whether sizes are blocks."""


def is_text(text: str) -> bool:
    """True if ``text`` has the title of a benchmark of OSU's."""
    return any(map(_TITLE.match, text.split("\n")))


def rows_of_text(text: str, name: str, setting: Setting) -> Iterator[PublishedRow]:
    """The rows of the tables in ``text``; ``name``: of its file.

    Raises `MeasuredError` naming the line that is wrong, and for what is not a latency.
    """
    known: tuple[str, bool] | None = None
    for line_number, line in enumerate(text.split("\n"), start=1):
        where = f"{name}: line {line_number}"
        if title := _TITLE.match(line):
            known = _operation(title[1], where)
        elif known and re.match(r"\s*\d+\s+[\d.]", line):
            op, is_block = known
            size, time = line.split()[:2]
            given = replace(setting, ranks=2) if op == "send_recv" else setting
            if not given.ranks:
                raise MeasuredError(f"{where}: OSU does not print the number of ranks; --ranks N")
            yield given.row(
                name, line_number, number(time, where), op=op,
                size=int(size) * (given.ranks if is_block else 1),
            )  # fmt: skip


def _operation(title: str, where: str) -> tuple[str, bool]:
    words = re.sub(r"[^a-z]", "", title.lower())
    stem, latency, _ = words.rpartition("latency")
    if latency and stem in _OPERATIONS:
        return _OPERATIONS[stem]
    there = ", ".join(dict.fromkeys(name for name, _ in _OPERATIONS.values()))
    raise MeasuredError(f"{where}: the test{title} is not read: only the latency of {there} is")
