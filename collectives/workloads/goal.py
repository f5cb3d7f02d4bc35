"""GOAL schedules as text, in and out: the language of LogGOPSim and ATLAHS.

The grammar is that of LogGOPSim's reader (spcl/LogGOPSim, ``src/LogGOPSim/txt2bin.re``)::

    num_ranks 2
    rank 0 {
    l1: calc 100 cpu 0
    l2: send 10b to 1 tag 7 cpu 0 nic 0
    l2 requires l1
    }
    rank 1 {
    l1: recv 10b from -1 tag -1
    }

``requires``: needs its end; ``irequires``: only its begin. What ``calc`` counts is up to whoever
reads it: nanoseconds in both tools, and here. ``//`` and ``/* */`` are comments. Every rank needs
its section, as in LogGOPSim: a file that ends early is refused. ``nic``, and the ``cpu`` of a
message, are kept and decide nothing here: how a message goes is the fabric's, and what it costs
the software's.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from collectives.workloads.workload import (
    ANY,
    CALC,
    COLLECTIVE,
    RECV,
    SEND,
    Workload,
    WorkloadError,
    Writer,
    check_own_needs,
)
from topology.files.output import text_file
from topology.files.reading import read_text
from topology.units import NS

_TOKEN = re.compile(
    r"[ \t\r]+|//[^\n]*|/\*.*?\*/|(?P<word>[A-Za-z][A-Za-z0-9_]*)|(?P<number>-?[0-9]+)"
    r"|(?P<mark>[{}:])|(?P<line>\n)",
    re.DOTALL,
)
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

LONGEST = 1 << 20
"""Ranks of a schedule at most."""


class _Token(NamedTuple):
    """A word of a schedule and where it stands."""

    text: str
    line: int
    column: int


def load(path: str | Path) -> Workload:
    """The workload in the GOAL file at ``path``.

    Raises `WorkloadError` naming file, line and fault.
    """
    text = read_text(path, WorkloadError)
    try:
        return parse(text)
    except WorkloadError as error:
        raise WorkloadError(f"{path}: {error}") from None


def parse(text: str) -> Workload:
    """The workload that the GOAL ``text`` describes.

    Raises `WorkloadError` naming line and fault.
    """
    reader = _GoalReader(text)
    reader.schedule()
    return reader.writer.done(reader.ranks)


def _tokens(text: str) -> Iterator[_Token]:
    at, line, begin = 0, 1, 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise WorkloadError(
                f"line {line}: {text[at : at + 20]!r} is no part of GOAL (column {at - begin + 1})"
            )
        if found.lastgroup is not None:
            yield _Token(found[0], line, at - begin + 1)
        at = found.end()
        if "\n" in found[0]:
            line += found[0].count("\n")
            begin = text.rindex("\n", 0, at) + 1
    yield _Token("", line, at - begin + 1)


class _GoalReader:
    """Reads a schedule token by token; the last token is empty."""

    def __init__(self, text: str) -> None:
        self._coming = _tokens(text + "\n")
        self._token = next(self._coming)
        self.ranks = 0
        self.writer = Writer("line")

    def schedule(self) -> None:
        """All of it."""
        self._lines()
        self._word("num_ranks")
        self.ranks = self._number("the number of ranks", 1, LONGEST)
        self._lines()
        seen: set[int] = set()
        while self._token.text:
            self._word("rank")
            rank = self._number("a rank", 0, self.ranks - 1)
            if rank in seen:
                raise self._wrong(f"rank {rank} comes twice")
            seen.add(rank)
            self._word("{")
            self._rank(rank)
            self._lines()
        missing = self.ranks - len(seen)
        if missing:
            first = next(rank for rank in range(self.ranks) if rank not in seen)
            raise self._wrong(
                f"{missing} of {self.ranks} ranks have no section, rank {first} the first of them;"
                " one that does nothing needs an empty one"
            )

    def _rank(self, rank: int) -> None:
        labels: dict[str, int] = {}
        needs: list[tuple[str, str, bool, int]] = []
        self._lines()
        while self._token.text != "}":
            line, label = self._token.line, ""
            if self._token.text not in _OPERATIONS:
                label = self._label()
                if self._token.text in ("requires", "irequires"):
                    started = self._next().text == "irequires"
                    needs.append((label, self._label(), started, line))
                    self._end()
                    continue
                self._word(":")
            if label in labels:
                raise self._wrong(f"label {label!r:.40} of rank {rank} comes twice")
            at = self._operation(rank, label)
            if label:
                labels[label] = at
            self._end()
        self._next()
        for later, earlier, started, line in needs:
            for label in (later, earlier):
                if label not in labels:
                    raise WorkloadError(f"line {line}: rank {rank} has no label {label!r:.40}")
            self.writer.need(labels[later], labels[earlier], started)

    def _operation(self, rank: int, label: str) -> int:
        what, line = self._token.text, self._token.line
        if what not in _OPERATIONS:
            raise self._wrong(f"{what!r:.40} is no operation; there are calc, send, recv")
        self._next()
        kind = _OPERATIONS[what]
        size = self._number("a size", 0, 1 << 62)
        more = {"tag": 0, "cpu": 0, "nic": 0}
        if kind == CALC:
            self._options(more, ("cpu",))
            return self.writer.add(
                rank, CALC, label, duration=size * NS, unit=more["cpu"], number=line
            )
        self._word("b")
        self._word("to" if kind == SEND else "from")
        low = ANY if kind == RECV else 0
        peer = self._number("a rank", low, self.ranks - 1)
        self._options(more, ("tag", "cpu", "nic"), low)
        return self.writer.add(
            rank, kind, label, size=size, peer=peer, tag=more["tag"], unit=more["cpu"],
            nic=more["nic"], number=line,
        )  # fmt: skip

    def _options(self, more: dict[str, int], known: tuple[str, ...], low: int = 0) -> None:
        for name in known:
            if self._token.text == name:
                self._next()
                more[name] = self._number(f"a {name}", low if name == "tag" else 0, (1 << 62) - 1)

    # Tokens.

    def _next(self) -> _Token:
        token = self._token
        if token.text:
            self._token = next(self._coming)
        return token

    def _wrong(self, what: str) -> WorkloadError:
        return WorkloadError(f"line {self._token.line}: {what} (column {self._token.column})")

    def _word(self, word: str) -> None:
        if self._token.text != word:
            raise self._wrong(f"{word!r} is expected, not {self._shown()}")
        self._next()

    def _shown(self) -> str:
        return {"": "the end", "\n": "the end of the line"}.get(
            self._token.text, repr(self._token.text[:40])
        )

    def _label(self) -> str:
        if not _LABEL.fullmatch(self._token.text):
            raise self._wrong(f"calc, send, recv or a label is expected, not {self._shown()}")
        return self._next().text

    def _number(self, what: str, low: int, high: int) -> int:
        text = self._token.text
        if not re.fullmatch(r"-?[0-9]{1,20}", text) or not low <= int(text) <= high:
            raise self._wrong(f"{what}, {low} to {high}, is expected, not {self._shown()}")
        return int(self._next().text)

    def _end(self) -> None:
        if self._token.text != "}":
            self._word("\n")
        self._lines()

    def _lines(self) -> None:
        while self._token.text == "\n":
            self._next()


_OPERATIONS = {"calc": CALC, "send": SEND, "recv": RECV}


def save(workload: Workload, path: str | Path) -> None:
    """Write ``workload`` as GOAL to the file at ``path``.

    Raises `WorkloadError` as `dump`, and `OSError`.
    """
    lines = dump(workload)
    with text_file(path, "ascii") as file:
        file.writelines(f"{line}\n" for line in lines)


def dump(workload: Workload) -> Iterator[str]:
    """Iterate over the lines of ``workload`` in GOAL; durations are rounded to whole nanoseconds.

    Raises `WorkloadError` for collectives, which GOAL has only as messages, and for an operation
    that needs another rank's.
    """
    calls = np.flatnonzero(workload.kind == COLLECTIVE)
    if len(calls):
        raise WorkloadError(f"{len(calls)} operations are collectives; GOAL has only messages")
    check_own_needs(workload, "GOAL")
    return _lines_of(workload)


def _lines_of(w: Workload) -> Iterator[str]:
    yield f"num_ranks {w.ranks}"
    first = np.searchsorted(w.rank, np.arange(w.ranks + 1)).tolist()
    order = np.argsort(w.later, kind="stable")
    bounds = np.searchsorted(w.later[order], np.arange(len(w) + 1)).tolist()
    earlier, started = w.earlier[order].tolist(), w.started[order].tolist()
    for rank in range(w.ranks):
        yield f"\nrank {rank} {{"
        for at in range(first[rank], first[rank + 1]):
            label = f"l{at - first[rank] + 1}"
            yield f"{label}: {_operation(w, at)}"
            for need in range(bounds[at], bounds[at + 1]):
                word = "irequires" if started[need] else "requires"
                yield f"{label} {word} l{earlier[need] - first[rank] + 1}"
        yield "}"


def _operation(w: Workload, at: int) -> str:
    unit = f" cpu {w.unit[at]}" if w.unit[at] else ""
    if w.kind[at] == CALC:
        return f"calc {round(w.duration[at] / NS)}{unit}"
    way = "send {}b to" if w.kind[at] == SEND else "recv {}b from"
    nic = f" nic {w.nic[at]}" if w.nic[at] else ""
    return f"{way.format(w.size[at])} {w.peer[at]} tag {w.tag[at]}{unit}{nic}"
