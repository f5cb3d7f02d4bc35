"""What nccl-tests (and rccl-tests, and `triplane bench`) print, as rows: the text, and -J's JSON.

Of a row the time out of place counts. Operation and number of ranks come from the header; versions
before 2.12 do not name the operation, and the user does. What stands between the lines, such as
NCCL's own messages, and what mpirun writes before them, is passed over.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.cases.operations import OPERATIONS
from bench.measured.setting import MeasuredError, Setting, number
from bench.published.rows import PublishedRow
from topology.files.reading import json_of, shown

_BEFORE = re.compile(r"^\s*(?:>\s*)?(?:\[\d+,\d+\]<std(?:out|err)>:)?\s?")
_PROGRAM = re.compile(r"\b(\w+_perf)\b")
_PROGRAMS = {one.program: name for name, one in OPERATIONS.items()}
_SIZES = re.compile(r"# *nThread +(\d+) +nGpus +(\d+)", re.IGNORECASE)
_RANK = re.compile(r"# +Rank +(\d+) ")
_ROW = re.compile(r"\d+\s+\d+\s+[a-z]\w*\s")


def is_text(text: str) -> bool:
    """True if ``text`` has the head of a table of nccl-tests."""
    return bool(re.search(r"^.*#\s+size\s+count\s+type\b.*\bbusbw\b", text, re.MULTILINE))


@dataclass
class _Head:
    """What the lines above a table say: operation, the ranks that are listed, columns."""

    op: str = ""
    listed: set[int] = field(default_factory=set)
    shape: int = 0
    columns: list[str] = field(default_factory=list)

    @property
    def ranks(self) -> int:
        return max(len(self.listed), self.shape)

    def read(self, line: str) -> None:
        """Take in a line that begins with ``#``."""
        if named := _PROGRAM.search(line):
            self.op = _PROGRAMS.get(named[1], named[1].removesuffix("_perf"))
        if shape := _SIZES.search(line):
            self.listed, self.shape = set(), int(shape[1]) * int(shape[2])
        elif rank := _RANK.match(line):
            self.listed.add(int(rank[1]))
        elif {"size", "count", "time"} <= set(words := line.lstrip("# ").split()):
            self.columns = words


def rows_of_text(text: str, name: str, setting: Setting) -> Iterator[PublishedRow]:
    """The rows of the tables in ``text``; ``name``: of its file.

    Raises `MeasuredError` naming the line that is wrong.
    """
    head = _Head()
    for number_of, raw in enumerate(text.split("\n"), start=1):
        line = _BEFORE.sub("", raw).strip()
        if line.startswith("#"):
            head.read(line)
        elif named := re.search(r"(?:^|[\s/])(\w+_perf)\s+-", line):
            head.op = _PROGRAMS.get(named[1], "")
        elif _ROW.match(line) and head.columns:
            yield from _row(head, line.split(), name, number_of, setting)


def _row(
    head: _Head, cells: list[str], name: str, line: int, setting: Setting
) -> Iterator[PublishedRow]:
    where, at = f"{name}: line {line}", head.columns.index("time")
    if len(cells) <= at:
        raise MeasuredError(f"{where}: the row ends before its time, the column {at + 1}")
    if int(cells[0]) > 0 and cells[at] != "N/A":
        time = number(cells[at], where)
        yield setting.completed(op=head.op, ranks=head.ranks).row(
            name, line, time, size=int(cells[0])
        )


def rows_of_json(text: str, name: str, setting: Setting) -> Iterator[PublishedRow]:
    """The rows of the report that nccl-tests' ``-J`` writes; raises `MeasuredError`."""
    report = json_of(text, name, MeasuredError)
    results = report.get("results") if isinstance(report, dict) else None
    if not isinstance(results, list):
        raise MeasuredError(f"{name} is JSON, and no report of nccl-tests: it has no results")
    devices = report.get("config", {}).get("devices", [])
    known = setting.completed(op=_named(report.get("args", [])), ranks=len(devices))
    for at, result in enumerate(results):
        where = f"{name}: results[{at}]"
        if not isinstance(result, dict):
            raise MeasuredError(f"{where} is {shown(result)}; it has to be an object")
        size, time = result.get("size"), _time(result)
        if not isinstance(size, int) or isinstance(size, bool):
            raise MeasuredError(f"{where}: size is {shown(size)}; it has to be a number of bytes")
        if size > 0 and time is not None:
            yield known.row(name, at, number(str(time), where), size=size)


def _time(result: Mapping[str, Any]) -> object:
    half = result.get("out_of_place")
    return half.get("time") if isinstance(half, dict) else None


def _named(arguments: object) -> str:
    """The operation that a command line has measured: nccl-tests' own, or ours; else ""."""
    words = [str(one) for one in arguments] if isinstance(arguments, list) else []
    for word in words:
        if found := _PROGRAM.search(word):
            return _PROGRAMS.get(found[1], "")
        if word in OPERATIONS:
            return word
    return ""
