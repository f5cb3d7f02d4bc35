"""How long a workload takes on a fabric, its messages contending for the same links.

An operation begins as soon as what it needs is there. Computing takes its duration; each processor
of a rank does one computing after the other, in the order in which they could begin. A message sets
out when its send begins, as in LogGOPSim below its rendezvous threshold and in ASTRA-sim; the
receive ends when it has begun and the message is there. A message of `rendezvous` bytes or more
waits for its receive. A rank comes to a collective when its own part begins; the others may come
later. What the software costs is the fabric's endpoint's, by the operation "send_recv" or the
collective's name; messages are calls of their own, so the cost of one does not hold up the next.

A session of the fabric's engine times it all (`fabric.engines.base.Session`); a computing is a
call of one rank that loads nothing.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.choose import choose, node_size
from collectives.algorithms.table import schedule
from collectives.workloads.chakra.trace import sizes
from collectives.workloads.mailbox import Mailbox
from collectives.workloads.stuck import circle_of_needs, described, reason
from collectives.workloads.workload import (
    CALC,
    COLLECTIVE,
    COLLECTIVES,
    SEND,
    Workload,
    WorkloadError,
)
from fabric.clock.calls import Catalogue, Family, grid
from fabric.endpoint.costs import FREE, MESSAGE
from fabric.engines.base import Session
from fabric.fabric import Fabric
from fabric.schedule.plan import TimedRows, plans
from fabric.timeline.perfetto.events import Event, arrow, entry_of, nanoseconds, slice_of, track
from fabric.timeline.perfetto.events import write as write_events
from fabric.timeline.perfetto.tracks import Tracks, assigned, ranks_and_nodes

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Replay:
    """When every operation of a workload begins and ends.

    ``start``, ``finish``: float64 [operations], seconds; a message's send ends when it is
    received. ``into``: int64 [operations], of a send the receive that took it, else -1.
    """

    workload: Workload
    fabric: Fabric
    start: _Floats
    finish: _Floats
    into: NDArray[np.int64]

    @property
    def duration(self) -> float:
        """Seconds until the last operation has ended."""
        return float(self.finish.max(initial=0.0))

    @property
    def rank_finish(self) -> _Floats:
        """Seconds at which each rank's last operation ends: float64 [ranks]."""
        last = np.zeros(self.workload.ranks)
        np.maximum.at(last, self.workload.rank, self.finish)
        return last

    @property
    def busy(self) -> _Floats:
        """Seconds that each rank computes, on all its processors together: float64 [ranks]."""
        return np.bincount(self.workload.rank, self.workload.duration, self.workload.ranks).astype(
            np.float64
        )

    def to_perfetto(self, path: str | Path) -> None:
        """Write a trace for ui.perfetto.dev: a track for each rank, more for overlaps.

        Raises `TraceError`.
        """
        about = {
            "system": self.fabric.topology.name, "software": self.fabric.software.name,
            **entry_of(self.fabric.described),
        }  # fmt: skip
        write_events(_events(self), path, about)


class EndedOperation(NamedTuple):
    """An operation of a replay that is over.

    ``kind``: of `Workload.kind`; ``start``, ``finish``: seconds; ``src``, ``dst``, ``size``: int64,
    what its rank has sent, a row a transfer.
    """

    rank: int
    kind: int
    name: str
    start: float
    finish: float
    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    size: NDArray[np.int64]


def replay(
    workload: Workload, fabric: Fabric, *, algorithm: str | None = None,
    rendezvous: float = math.inf, ended: Callable[[EndedOperation], None] | None = None,
    session: Session | None = None,
) -> Replay:  # fmt: skip
    """Time ``workload`` on ``fabric``; rank i sits on the fabric's place i.

    ``algorithm``: of collectives; None: the fastest on the fabric for each. ``rendezvous``: bytes
    from which on a message waits for its receive. ``ended``: is told of each operation when it is
    over, in the order of time, while the others go on. ``session``: that times it, of the fabric;
    None: a new one. Raises `WorldError` for more ranks than
    places, and `WorkloadError` for operations that can never begin: it says which, and what they
    wait for, or in which circle.
    """
    circle = circle_of_needs(workload)
    if circle:
        raise WorkloadError(circle)
    run = _Run(workload, fabric, algorithm, rendezvous, ended, session)
    run.play()
    return Replay(workload, fabric, run.start, run.finish, run.into)


class _OpenCall(NamedTuple):
    """A call under way, by its number in the session."""

    number: int
    family: Family


class _Run:
    """A workload under way; operations are called by their numbers."""

    def __init__(
        self, workload: Workload, fabric: Fabric, algorithm: str | None, rendezvous: float,
        ended: Callable[[EndedOperation], None] | None, session: Session | None,
    ) -> None:  # fmt: skip
        self.w, self.fabric, self.algorithm, self.rendezvous = (
            workload, fabric, algorithm, rendezvous,
        )  # fmt: skip
        self._told = ended
        self._session = fabric.session(workload.ranks) if session is None else session
        self._catalogue = Catalogue(fabric, workload.ranks, self._session)
        n = len(workload)
        self.start, self.finish = np.full(n, np.nan), np.full(n, np.nan)
        self.into = np.full(n, -1)
        self._away = np.bincount(workload.later, minlength=n).tolist()
        self._after, self._with = self._followers(workload)
        self._kind, self._rank = workload.kind.tolist(), workload.rank.tolist()
        self._free: dict[tuple[int, int], bool] = defaultdict(lambda: True)
        self._waiting: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
        self._boxes: dict[int, Mailbox] = defaultdict(Mailbox)
        self._there: dict[int, float] = {}
        self._turn: dict[tuple[int, int], int] = defaultdict(int)
        self._calls: dict[tuple[int, int], tuple[_OpenCall, list[int]]] = {}
        self._ends: dict[tuple[int, int], tuple[int, bool]] = {}
        self._number = 0
        self._nothing = self._rows(0, 0, 0)

    def play(self) -> None:
        """To the end of all operations."""
        now = [(0.0, op) for op, away in enumerate(self._away) if not away]
        while now:
            self._begin(now)
            now = []
            while not now:
                ended = self._session.advance()
                if not ended:
                    break
                for call, position, time in ended:
                    now += self._part_ended(call, position, grid(time))
        if np.isnan(self.finish).any():
            raise WorkloadError(reason(self.w, self.start, self.finish))

    def _begin(self, ready: list[tuple[float, int]]) -> None:
        """Operations begin, and whatever waits only for that."""
        heapq.heapify(ready)
        while ready:
            time, op = heapq.heappop(ready)
            kind = self._kind[op]
            if kind == CALC:
                started = self._compute(time, op)
            else:
                self.start[op] = time
                started = [op]
                if kind == COLLECTIVE:
                    self._collective(time, op)
                else:
                    done = self._send(time, op) if kind == SEND else self._receive(time, op)
                    for one in done:
                        heapq.heappush(ready, one)
            for begun in started:
                for later in self._with[begun]:
                    if self._freed(later):
                        heapq.heappush(ready, (time, later))

    def _freed(self, op: int) -> bool:
        self._away[op] -= 1
        return not self._away[op]

    def _ended(self, op: int, time: float) -> Iterator[tuple[float, int]]:
        self.finish[op] = time
        if self._told:
            self._told(self._over(op))
        for later in self._after[op]:
            if self._freed(later):
                yield time, later

    def _over(self, op: int) -> EndedOperation:
        w, kind, rank = self.w, self._kind[op], self._rank[op]
        src, dst, size = (np.zeros(0, np.int64) for _ in range(3))
        if kind == SEND:
            src, dst, size = np.array([[rank], [w.peer[op]], [w.size[op]]])
        elif kind == COLLECTIVE:
            group = np.array(w.groups[int(w.group[op])])
            position = int(np.flatnonzero(group == rank)[0])
            rows = self._parts(op)[position]
            mine = rows.src == position
            src, dst, size = group[rows.src[mine]], group[rows.dst[mine]], rows.size[mine]
        name = w.name[op] or described(w, op)
        return EndedOperation(
            rank, kind, name, float(self.start[op]), float(self.finish[op]), src, dst, size
        )

    # Computing.

    def _compute(self, time: float, op: int) -> list[int]:
        place = self._rank[op], int(self.w.unit[op])
        duration = float(self.w.duration[op])
        if duration and not self._free[place]:
            heapq.heappush(self._waiting[place], (time, op))
            return []
        self.start[op] = time
        if duration:
            self._free[place] = False
        call = self._new(self._catalogue.family(FREE, (place[0],)))
        self._enter(call, [(time + duration, 0, self._nothing, op)])
        return [op]

    def _processor_freed(self, op: int, time: float) -> Iterator[tuple[float, int]]:
        place = self._rank[op], int(self.w.unit[op])
        self._free[place] = True
        if self._waiting[place]:
            yield time, heapq.heappop(self._waiting[place])[1]

    # Messages.

    def _send(self, time: float, op: int) -> list[tuple[float, int]]:
        if self.w.size[op] < self.rendezvous:
            self._set_out(time, op)
        box = self._boxes[int(self.w.peer[op])]
        return self._met(time, op, box.sent(op, self._rank[op], int(self.w.tag[op])))

    def _receive(self, time: float, op: int) -> list[tuple[float, int]]:
        box = self._boxes[self._rank[op]]
        return self._met(time, box.wanted(op, int(self.w.peer[op]), int(self.w.tag[op])), op)

    def _met(self, time: float, send: int | None, recv: int | None) -> list[tuple[float, int]]:
        """A receive takes a message, where there are both; returns what that lets begin."""
        if send is None or recv is None:
            return []
        rank = self._rank[recv]
        if self.w.size[send] != self.w.size[recv]:
            raise WorkloadError(
                f"rank {self._rank[send]} sends {self.w.size[send]} bytes to rank {rank},"
                f" which receives {self.w.size[recv]}"
            )
        self.into[send] = recv
        if self.w.size[send] >= self.rendezvous:
            self._set_out(time, send)
        elif send in self._there:
            return list(self._ended(recv, time))
        return []

    def _set_out(self, time: float, op: int) -> None:
        src, dst, size = self._rank[op], int(self.w.peer[op]), int(self.w.size[op])
        if src == dst:
            family = self._catalogue.family(MESSAGE, (src,), size)
            self._enter(self._new(family), [(time, 0, self._rows(0, 0, size), op)])
            return
        call = self._new(self._catalogue.family(MESSAGE, (src, dst), size))
        rows = self._rows(0, 1, size)
        self._enter(call, [(time, 0, rows, op), (time, 1, rows, op)])

    def _arrived(self, send: int, time: float) -> Iterator[tuple[float, int]]:
        """The receiver's part is over."""
        self._there[send] = time
        recv = int(self.into[send])
        if recv >= 0:
            yield from self._ended(recv, time)

    # Collectives.

    def _collective(self, time: float, op: int) -> None:
        w = self.w
        group, rank = int(w.group[op]), self._rank[op]
        turn = self._turn[rank, group]
        self._turn[rank, group] += 1
        members = w.groups[group]
        if (group, turn) not in self._calls:
            name, size = self._asked(op)
            family = self._catalogue.family(name, members, size)
            self._calls[group, turn] = self._new(family), [op]
        call, ops = self._calls[group, turn]
        if not _alike(w, ops[0], op):
            raise WorkloadError(
                f"ranks {w.rank[ops[0]]} and {rank} make different calls:"
                f" {described(w, ops[0])} and {described(w, op)}"
            )
        ops.append(op)
        position = members.index(rank)
        rows = self._parts(op)[position]
        if len(ops) == len(members) + 1:
            del self._calls[group, turn]
        self._enter(call, [(time, position, rows, op)])

    def _parts(self, op: int) -> Sequence[TimedRows]:
        (name, size), ranks = self._asked(op), len(self.w.groups[int(self.w.group[op])])
        return self._planned(name, ranks, size, int(self.w.root[op]))

    def _asked(self, op: int) -> tuple[str, int]:
        """What a collective is, and of which size, as `schedule` counts it (bytes)."""
        w = self.w
        name = COLLECTIVES[int(w.collective[op])]
        return name, sizes(name, int(w.size[op]), len(w.groups[int(w.group[op])]))

    @lru_cache(maxsize=64)  # noqa: B019 - a run does not outlive its workload
    def _planned(self, name: str, ranks: int, size: int, root: int) -> tuple[TimedRows, ...]:
        node = node_size(self.fabric, ranks)
        algorithm = self.algorithm or choose(
            self.fabric, name, ranks, size, itemsize=1, root=root, ranks_per_node=node
        )
        steps = schedule(name, ranks, size, algorithm, root=root, ranks_per_node=node)
        return tuple(plan.rows for plan in plans(steps, ranks))

    # Calls.

    def _new(self, family: Family) -> "_OpenCall":
        self._number += 1
        return _OpenCall(self._number, family)

    def _enter(self, call: "_OpenCall", parts: Iterable[tuple[float, int, TimedRows, int]]) -> None:
        family = call.family
        for time, position, rows, op in parts:
            share = self._catalogue.part(family, rows, position)
            self._ends[call.number, position] = op, len(family.group) == 1
            self._session.enter(call.number, time + family.start, share.streams)

    def _part_ended(self, call: int, position: int, time: float) -> list[tuple[float, int]]:
        op, alone = self._ends.pop((call, position))
        kind = self._kind[op]
        if kind == SEND:
            ended = [] if position == 1 else list(self._ended(op, time))
            return ended + (list(self._arrived(op, time)) if alone or position == 1 else [])
        ended = list(self._ended(op, time))
        if kind == CALC and self.w.duration[op]:
            ended += self._processor_freed(op, time)
        return ended

    @staticmethod
    def _rows(src: int, dst: int, size: int) -> TimedRows:
        one, none = np.ones(1, np.int64), np.zeros(1, np.int64)
        return TimedRows(none, none + src, none + dst, none + size, one, none)

    @staticmethod
    def _followers(w: Workload) -> tuple[list[list[int]], list[list[int]]]:
        """By operation: which wait for its end, and which for its begin."""
        after: list[list[int]] = [[] for _ in range(len(w))]
        at_begin: list[list[int]] = [[] for _ in range(len(w))]
        columns = (w.later.tolist(), w.earlier.tolist(), w.started.tolist())
        for later, earlier, started in zip(*columns, strict=True):
            (at_begin if started else after)[earlier].append(later)
        return after, at_begin


def _alike(w: Workload, one: int, other: int) -> bool:
    return all(
        getattr(w, name)[one] == getattr(w, name)[other] for name in ("collective", "size", "root")
    )


def _events(found: Replay) -> Iterator[Event]:
    w = found.workload
    tracks = Tracks(found.fabric.topology.node, found.fabric.places[: w.ranks])
    yield from ranks_and_nodes(tracks, range(w.ranks))
    begin, end = nanoseconds(found.start), nanoseconds(found.finish)
    shown = np.flatnonzero((end > begin) | (w.kind != CALC))
    layer = np.zeros(len(w), np.int64)
    layer[shown] = assigned(w.rank[shown], begin[shown], end[shown])
    for rank, most in sorted({(int(r), int(n)) for r, n in zip(w.rank, layer, strict=True)}):
        if most:
            yield from track(*tracks.of(rank, most), f"rank {rank} meanwhile")
    columns: list[Any] = [column.tolist() for column in (w.rank, layer, begin, end, w.size)]
    where = [tracks.of(rank, on) for rank, on in zip(columns[0], columns[1], strict=True)]
    for op in shown.tolist():
        _, _, since, until, size = (column[op] for column in columns)
        yield slice_of(where[op], w.name[op] or described(w, op), since, until, bytes=size)
    for op in np.flatnonzero(found.into >= 0).tolist():
        into = int(found.into[op])
        if begin[op] < end[op] and begin[into] < end[into]:
            yield from arrow(
                op, "message", where[op], columns[2][op], where[into], columns[3][into] - 1
            )
