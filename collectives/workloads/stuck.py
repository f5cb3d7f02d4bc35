"""Why a workload never ends: who waits for whom, and whether they wait in a circle."""

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from collectives.workloads.circle import shortest_circle
from collectives.workloads.workload import (
    ANY,
    CALC,
    COLLECTIVE,
    COLLECTIVES,
    RECV,
    SEND,
    Workload,
    called,
)

SHOWN = 4
"""Operations that a message names at most; of a circle, twice as many."""

CANDIDATES = 8
"""Messages that one waiting operation may be waiting for, of those that are looked at."""


def circle_of_needs(w: Workload) -> str:
    """The description of a shortest circle of dependencies; ``""`` if there is none."""
    forward = np.flatnonzero(w.earlier >= w.later)
    if not len(forward):  # every operation needs only operations before it
        return ""
    edges = zip(w.later.tolist(), w.earlier.tolist(), strict=True)
    circle = shortest_circle(edges)
    return _said(w, circle, lambda op: "needs") if circle else ""


def _said(w: Workload, circle: list[int], verb: Callable[[int], str]) -> str:
    ranks = {int(w.rank[op]) for op in circle}
    names = [called(w, op, len(ranks) > 1) for op in circle]
    steps = [f"{verb(op)} {name}" for op, name in zip(circle, [*names[1:], names[0]], strict=True)]
    if len(steps) > 2 * SHOWN:
        steps = [*steps[:SHOWN], f"... {len(steps) - 2 * SHOWN} more ...", *steps[-SHOWN:]]
    where = "" if len(ranks) > 1 else f" of rank {ranks.pop()}"
    return (
        f"a circle of {len(circle)} operations{where} never ends: {names[0]}"
        f" {', which '.join(steps)}"
    )


def reason(w: Workload, start: NDArray[np.float64], finish: NDArray[np.float64]) -> str:
    """A text on why the operations that have not finished never will.

    ``finish`` is NaN for them.
    """
    left = np.flatnonzero(np.isnan(finish)).tolist()
    waits = _Waits(w, start, finish, left)
    circle = shortest_circle((op, other) for op in left for other in waits.of(op))
    if circle:
        return _said(w, circle, lambda op: "waits for" if waits.begun[op] else "needs")
    begun = [op for op in left if not np.isnan(start[op])]
    said = [
        f"rank {w.rank[op]} waits in {described(w, op)}{waits.missing(op)}" for op in begun[:SHOWN]
    ]
    if not begun:
        said = [f"rank {w.rank[op]}: {described(w, op)} is never begun" for op in left[:SHOWN]]
    more = len(begun or left) - SHOWN
    rest = f", and {more} more" if more > 0 else ""
    return f"{len(left)} operations never end: {'; '.join(said)}{rest}"


class _Waits:
    """What each operation that is left waits for."""

    def __init__(
        self, w: Workload, start: NDArray[np.float64], finish: NDArray[np.float64],
        left: list[int],
    ) -> None:  # fmt: skip
        self.w = w
        self.begun = (~np.isnan(start)).tolist()
        self.ended = (~np.isnan(finish)).tolist()
        self._needs: dict[int, list[int]] = defaultdict(list)
        for later, earlier, started in zip(
            w.later.tolist(), w.earlier.tolist(), w.started.tolist(), strict=True
        ):
            if not (self.begun if started else self.ended)[earlier]:
                self._needs[later].append(earlier)
        self._coming: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._calls: dict[int, dict[int, int]] = defaultdict(dict)
        for op in left:
            if not self.begun[op]:
                self._register(op)

    def _register(self, op: int) -> None:
        kind, rank = int(self.w.kind[op]), int(self.w.rank[op])
        if kind == SEND:
            self._coming[SEND, int(self.w.peer[op])].append(op)
        elif kind == RECV:
            self._coming[RECV, rank].append(op)
        elif kind == COLLECTIVE:
            self._calls[int(self.w.group[op])].setdefault(rank, op)

    def of(self, op: int) -> Iterator[int]:
        """The operations that ``op`` waits for."""
        if not self.begun[op]:
            yield from self._needs[op]
        elif self.w.kind[op] == COLLECTIVE:
            calls = self._calls[int(self.w.group[op])]
            yield from (other for rank, other in calls.items() if rank != self.w.rank[op])
        elif self.w.kind[op] != CALC:
            yield from self._partners(op)

    def _partners(self, op: int) -> Iterator[int]:
        """Messages not yet begun that would let a receive or a send end."""
        w, receives = self.w, bool(self.w.kind[op] == RECV)
        where = (SEND, int(w.rank[op])) if receives else (RECV, int(w.peer[op]))
        found = 0
        for other in self._coming[where]:
            send, recv = (other, op) if receives else (op, other)
            if w.peer[recv] in (ANY, w.rank[send]) and w.tag[recv] in (ANY, w.tag[send]):
                yield other
                found += 1
            if found == CANDIDATES:
                return

    def missing(self, op: int) -> str:
        """``", which nobody sends"`` where nothing is there that could end a message."""
        if self.w.kind[op] not in (SEND, RECV) or any(True for _ in self._partners(op)):
            return ""
        return ", which nobody sends" if self.w.kind[op] == RECV else ", which nobody receives"


def described(w: Workload, op: int) -> str:
    """An operation in a few words, for errors."""
    kind, size = int(w.kind[op]), int(w.size[op])
    if kind == COLLECTIVE:
        return f"{COLLECTIVES[int(w.collective[op])]}({size} bytes)"
    if kind == CALC:
        return f"computing {w.name[op]!r:.40}"
    peer = "anybody" if w.peer[op] == ANY else f"rank {w.peer[op]}"
    way = "send to" if kind == SEND else "receive from"
    return f"{way} {peer} ({size} bytes, tag {w.tag[op]})"
