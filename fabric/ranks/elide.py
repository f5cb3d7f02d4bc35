"""Removes the initial copies of a schedule where later steps can read the send buffer directly.

Most reductions begin by copying the send buffer to another one, and combine there. But later steps
can send such bytes from the send buffer, and combine them with received ones from there, and bytes
that are overwritten before they are read need no copy at all. The results are the same bit for bit;
a large all-reduce takes at least a quarter less time.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.schedule.plan import PlanStep
from fabric.schedule.step import MAX_SIZE
from fabric.schedule.traits import NO_TRAITS

_Longs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Detours:
    """Rows of a part, by number, that use a place in the send buffer instead of the copied one.

    ``sends``: for each row, where it sends from; ``bases``: what its received bytes are combined
    with.
    """

    sends: dict[int, int] = field(default_factory=dict)
    bases: dict[int, int] = field(default_factory=dict)


def without_copies(parts: Sequence[PlanStep], rank: int) -> tuple[list[PlanStep], list[Detours]]:
    """A rank's parts without initial copies that can be avoided, and what is read instead.

    The send and recv buffers must not share memory. Parts that end up without rows are kept.
    """
    parts, detours = list(parts), [Detours() for _ in parts]
    copies = _copies(parts[0], rank) if len(parts) > 1 else np.zeros(0, np.int64)
    if not len(copies):
        return parts, detours
    target = parts[0].writes
    pending = _Pending(parts, rank, copies)
    for part, detour in zip(parts[1:], detours[1:], strict=True):
        if part.reads == target:
            _read(part, rank, pending, detour)
        if part.writes == target:
            _write(part, rank, pending, detour)
    if target == "work":  # nobody looks there in the end
        pending.overwrite(np.array([0]), np.array([MAX_SIZE]))
    parts[0] = _with(parts[0], copies, pending.kept(), rank)
    return parts, detours


def _copies(first: PlanStep, rank: int) -> _Longs:
    """The rows that copy from the send buffer, where no other row writes; none where one does."""
    none = np.zeros(0, np.int64)
    if first.reduces or first.reads != "send":
        return none
    written = np.flatnonzero(first.dst == rank)
    begin = first.dst_at[written]
    order = begin.argsort(kind="stable")
    end = (begin + first.size[written])[order]
    if (begin[order][1:] < end[:-1]).any():
        return none
    return np.flatnonzero((first.src == rank) & (first.dst == rank) & (first.size > 0))


class _Pending:
    """The bytes still to be copied, in segments that later rows read or write as a whole.

    ``begin``, ``end``: in the buffer that is copied to; ``shift``: from there to the bytes' origin.
    A segment waits until it is written, or read in a way that needs the copy.
    """

    def __init__(self, parts: Sequence[PlanStep], rank: int, copies: _Longs) -> None:
        first = parts[0]
        cut = _cuts(parts[1:], rank, first.writes)
        self.begin: list[int] = []
        self.end: list[int] = []
        self.shift: list[int] = []
        for row in copies[first.dst_at[copies].argsort()].tolist():
            at, size = int(first.dst_at[row]), int(first.size[row])
            inner = cut[(cut > at) & (cut < at + size)].tolist()
            self.begin += [at, *inner]
            self.end += [*inner, at + size]
            self.shift += [int(first.src_at[row]) - at] * (len(inner) + 1)
        self.waits = [True] * len(self.begin)
        self.keeps = [True] * len(self.begin)

    def waiting(self, begin: _Longs, end: _Longs) -> NDArray[np.bool_]:
        """Whether anything in each of these ranges waits."""
        first, last = (np.searchsorted(self.begin, edge) for edge in (begin, end))
        before = np.concatenate([[0], np.cumsum(self.waits)])
        found: NDArray[np.bool_] = before[last] > before[first]
        return found

    def waits_in(self, begin: int, end: int) -> bool:
        """The same of one range."""
        return any(self.waits[i] for i in self._inside(begin, end))

    def place(self, begin: int, end: int) -> int | None:
        """Where those bytes are in the send buffer, if all of them still wait."""
        inside = self._inside(begin, end)
        covered = sum(self.end[i] - self.begin[i] for i in inside)
        shifts = {self.shift[i] for i in inside}
        if covered != end - begin or len(shifts) != 1 or not all(self.waits[i] for i in inside):
            return None
        return begin + shifts.pop()

    def need(self, begin: int, end: int) -> None:
        """Somebody reads there what was copied."""
        for i in self._inside(begin, end):
            self.waits[i] = False

    def overwrite(self, begin: _Longs, end: _Longs) -> None:
        """What waits in any of these ranges need not be copied any more."""
        first, last = (np.searchsorted(self.begin, edge) for edge in (begin, end))
        n = len(self.begin)
        inside = np.cumsum(np.bincount(first, minlength=n + 1) - np.bincount(last, minlength=n + 1))
        for i in np.flatnonzero((inside[:n] > 0) & self.waits).tolist():
            self.keeps[i] = self.waits[i] = False

    def kept(self) -> _Longs:
        """Source, place and size of what is copied after all, in as few rows as can be."""
        made: list[tuple[int, int, int]] = []
        kept = (number for number, keeps in enumerate(self.keeps) if keeps)
        for number in kept:
            begin, end, shift = self.begin[number], self.end[number], self.shift[number]
            source = begin + shift
            if made and (made[-1][0] + made[-1][2], made[-1][1] + made[-1][2]) == (source, begin):
                source, begin, _ = made.pop()
            made.append((source, begin, end - begin))
        return np.array(made, np.int64).reshape(-1, 3)

    def _inside(self, begin: int, end: int) -> range:
        return range(bisect_left(self.begin, begin), bisect_left(self.begin, end))


def _cuts(parts: Sequence[PlanStep], rank: int, target: str) -> _Longs:
    """Where the rows of a rank begin and end in a buffer."""
    cuts = [np.zeros(0, np.int64)]
    for part in parts:
        for at, mine, buffer in (
            (part.src_at, part.src == rank, part.reads),
            (part.dst_at, part.dst == rank, part.writes),
        ):
            if buffer == target:
                cuts += [at[mine], (at + part.size)[mine]]
    return np.unique(np.concatenate(cuts))


def _read(part: PlanStep, rank: int, pending: _Pending, detour: Detours) -> None:
    begin, end = part.src_at, part.src_at + part.size
    for row in _rows(part.src == rank, begin, end, pending):
        at, until = int(begin[row]), int(end[row])
        place = pending.place(at, until) if part.dst[row] != rank else None
        if place is None:
            pending.need(at, until)
        else:
            detour.sends[row] = place


def _write(part: PlanStep, rank: int, pending: _Pending, detour: Detours) -> None:
    begin, end, mine = part.dst_at, part.dst_at + part.size, part.dst == rank
    if not part.reduces:
        pending.overwrite(begin[mine], end[mine])
        return
    for row in _rows(mine, begin, end, pending):
        at, until = int(begin[row]), int(end[row])
        place = pending.place(at, until)
        if place is None:
            pending.need(at, until)
        else:
            detour.bases[row] = place
            pending.overwrite(begin[[row]], end[[row]])


def _rows(mine: NDArray[np.bool_], begin: _Longs, end: _Longs, pending: _Pending) -> Iterator[int]:
    """Those of the rows from ``begin`` to ``end`` in whose range anything waits.

    To the others nothing happens. Most rows of wide steps are: once a place is written, all that
    comes to it later.
    """
    rows = np.flatnonzero(mine & (begin < end) & pending.waiting(begin, end))
    over = None
    for row, *place in zip(rows.tolist(), begin[rows].tolist(), end[rows].tolist(), strict=True):
        if place == over:
            continue
        if pending.waits_in(*place):  # still, as rows before it may have changed that
            yield row
        else:
            over = place


def _with(first: PlanStep, copies: _Longs, kept: _Longs, rank: int) -> PlanStep:
    """The part with the copies ``kept`` instead of these."""
    me = np.full(len(kept), rank)
    source, at, size = kept.T
    new = {
        "src": me, "dst": me, "size": size, "src_at": source, "dst_at": at,
        "messages": np.ones_like(me),
    }  # fmt: skip
    rows: dict[str, Any] = {
        name: np.concatenate([np.delete(getattr(first, name), copies), column])
        for name, column in new.items()
    }
    return replace(first, traits=NO_TRAITS, **rows)  # which are for engines only
