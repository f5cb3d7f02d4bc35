"""The flow engine for calls whose ranks join one by one, while other calls are in flight.

A *lane* is one rank's part in one call; to the engine it is a rank. It joins at some time, perhaps
while other lanes move, and its transfers start when the lanes at their other ends have joined too.
The engine stops whenever a lane ends, continues from exactly there, and keeps everything that it
knows of rates and credit: stopping changes no answer. Lanes of the same rank share the links of its
endpoint and its limit as an initiator.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from fabric.classes.table import NO_CLASSES, TrafficClasses
from fabric.engines.flow import events, in_flight, live_columns, rebuilt
from fabric.engines.flow.events import EventWindow
from fabric.engines.flow.in_flight import Flows, Priorities, make_flows
from fabric.engines.flow.live_columns import AWAY, CROWDED, FLOWS, GONE, LANES, RECORDED
from fabric.engines.flow.placed import LoadedStreams, RankShare
from fabric.engines.flow.priorities import priorities_of
from fabric.engines.flow.run import liberties
from fabric.engines.room import longer
from fabric.failure import CallMismatch

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]


_MANY = 1 << 14  # transfers from which on those that have ended are forgotten
_FIRST_ROOM = 64  # lanes and flows that there is room for at first
_AT_RESOURCE = 4  # and transfers of a resource


class PeersHere:
    """Which ranks of a call have joined: two int64 columns [ranks of the group].

    ``lane``: the number of each position's lane, `AWAY` before it has joined, `GONE` after it was
    dropped. ``open``: how many transfers the lanes that have joined have with a position that has
    not.
    """

    __slots__ = ("lane", "open")

    def __init__(self, ranks: int) -> None:
        self.lane, self.open = np.full(ranks, AWAY), np.zeros(ranks, np.int64)


class Live:
    """The engine with lanes in it. Times are in seconds since `reset`.

    ``capacity``: of each resource, bytes per second; ``tolerance``: as in `Flow`; ``classes``: the
    traffic classes, in whose weights' bytes the streams are; ``promise``: what they are promised of
    the resources, see `in_flight.Flows`. ``lanes``: how many have not ended. ``crowded``: True if
    so much has ended that it is time to `compact`.
    """

    def __init__(
        self, capacity: _Floats, tolerance: float, classes: TrafficClasses = NO_CLASSES,
        promise: _Floats = in_flight.NO_PROMISE,
    ) -> None:  # fmt: skip
        self._classes = classes
        self._share, self._grain = liberties(tolerance)
        self._least: dict[int, float] = {}
        self.time, self.lanes, self._many = 0.0, 0, _MANY
        self._have = np.zeros(5, np.int64)
        self._w = _window(_FIRST_ROOM)
        # A class's priority, by its place in the table; empty if all have the same.
        self._priority_of = priorities_of(classes, np.zeros(0, np.int64)).of_classes
        self._priorities = len(np.unique(self._priority_of))
        self._f = _flows(_FIRST_ROOM, capacity, promise)
        self._room = np.full(len(capacity), _AT_RESOURCE)
        self._need = np.zeros(len(capacity), np.int64)
        self._key, self._first = np.zeros(_FIRST_ROOM, np.int64), np.zeros(_FIRST_ROOM, np.int64)
        self._ended = np.zeros(_FIRST_ROOM, np.int64)
        self._limits = frozenset([np.inf])
        self.reset()

    def reset(self) -> None:
        """Remove all ranks, and set the time back to 0 s."""
        w, f = self._w, self._f
        for column in (self._have, self._need, w.n, f.n, f.length, f.load, f.seen):
            column.fill(0)
        for room in (f.pull, f.credit, f.bonus):
            room.fill(0.0)
        f.n[in_flight.PRIORITIES] = self._priorities
        f.full.fill(False)
        f.is_changed.fill(False)
        w.times[:] = np.inf, np.inf, np.inf, 0.0, 0.0
        w.n[events.RANKS] = 1 << 62  # all lanes are watched: whenever one ends, the engine stops
        self._f, self._limits = f._replace(limits=np.array([np.inf])), frozenset([np.inf])
        self._least.clear()
        self.time, self.lanes, self._many = 0.0, 0, _MANY

    @property
    def moves(self) -> bool:
        """True if transfers are in flight or on their way."""
        return bool(self._f.n[in_flight.ALIVE] > 0 or self._w.n[events.UNDER] > 0)

    def change(self, capacity: _Floats, parts: Sequence[RankShare], at: float) -> None:
        """From time ``at`` (s) on resources have another ``capacity``, and ranks take other ways.

        ``parts``: of all ranks in order of their numbers; none may have ended (`compact`).
        """
        self.time, self._priorities = max(at, self.time), max(self._priorities, 1)
        n, first = int(self._have[FLOWS]), self._first[: len(parts)]
        loads = rebuilt.of_flows(self._w, self._key[:n], first, [one.streams for one in parts])
        self._limits = frozenset([np.inf]).union(*(one.limits for one in parts))
        table = np.array(sorted(self._limits))
        self._f = rebuilt.flows(
            self._w, self._f, loads, table, capacity, self._priorities, self.time, len(self._key)
        )
        self._room = np.diff(self._f.first, append=len(self._f.inside))
        self._need = np.bincount(loads.resource, minlength=len(capacity))
        self._have[RECORDED], self._have[CROWDED] = self._f.record[n], 0
        self._least = {lane: one.least for lane, one in enumerate(parts)}

    def standing(self, resource: int) -> tuple[int, int, float] | None:
        """The two ranks, by number, of a transfer that loads ``resource``, and since when (s).

        None if there is none. Of several it is the one that began to move first.
        """
        if not self._f.load[resource]:
            return None
        f, w = self._f, self._w
        inside = f.inside[f.first[resource] :][: f.length[resource]]
        flows = f.records[inside[f.records[inside] != in_flight.ENDED] + 1]
        flow = min(flows.tolist(), key=lambda i: (w.arrive[i], i))
        return int(w.src[flow]), int(w.dst[flow]), float(w.arrive[flow])

    @property
    def crowded(self) -> bool:
        """True if enough has ended that `compact` is worthwhile."""
        return bool(self._have[FLOWS] > self._many)

    def add(
        self,
        seats: PeersHere,
        positions: Sequence[int],
        parts: Sequence[RankShare],
        ready: Sequence[float],
    ) -> None:
        """Add ranks to a call; that at ``positions[k]`` begins its first step at ``ready[k]`` (s).

        Ranks are numbered in the order of adding, from 0. Raises `CallMismatch` if the transfers of
        a rank do not match those of ranks added before.
        """
        lanes = [part.streams for part in parts]
        first, flows = int(self._have[LANES]), int(self._have[FLOWS])
        self._make_room(lanes)
        self._learn(frozenset().union(*(part.limits for part in parts)))
        begin = np.array([0, *accumulate([len(lane.key) for lane in lanes])])
        bad = live_columns.add(
            self._w, self._f, self._have, self._key, self._first, self._need, self._room,
            seats.lane, seats.open, np.array(positions), np.array(ready), begin, _joined(lanes),
        )  # fmt: skip
        if bad >= 0:
            raise CallMismatch(self._mismatch(bad, positions, begin, _joined(lanes)))
        if len(self._priority_of):
            self._prioritise(flows)
        self.lanes += len(lanes)
        self._least |= {first + k: part.least for k, part in enumerate(parts)}

    def go(self, until: float = np.inf) -> list[tuple[int, float]]:
        """Go on to the next instant at which a lane ends.

        Returns (lane, time) of those that end then.

        Times are in seconds. Empty if nothing can end before others come, or by ``until``.
        """
        if not self.lanes:
            return []
        if self._have[CROWDED]:
            self._spread()
        dense = self._have[FLOWS] > events.EXACT_BELOW
        self._w.times[events.TOGETHER] = self._grain * min(self._least.values()) if dense else 0.0
        self.time, ended = live_columns.go(
            self._w,
            self._f,
            self._have,
            self._ended,
            self.time,
            until,
            self._share,
            self._grain,
        )
        which = self._ended[:ended]
        lanes = which.tolist()
        self.lanes -= ended
        for lane in lanes:
            del self._least[lane]
        return [*zip(lanes, self._w.ready[which].tolist(), strict=True)]

    def compact(self, seats: Iterable[_Longs]) -> _Longs:
        """Drop ended ranks and their transfers from memory; no result changes.

        Returns the new number of each, -1 for those dropped. ``seats``: the `PeersHere.lane` of
        every call with ranks that are still there; they are renumbered in place.
        """
        number = np.full(int(self._have[LANES]), GONE)
        live_columns.compact(
            self._w, self._f, self._have, self._key, self._first, self._need, number
        )
        if len(self._priority_of):
            self._prioritise(0)
        for lane in seats:
            here = lane >= 0
            lane[here] = number[lane[here]]
        self._least = {int(number[lane]): least for lane, least in self._least.items()}
        self._many = max(_MANY, 2 * int(self._have[FLOWS]))
        return number

    def _make_room(self, lanes: Sequence[LoadedStreams]) -> None:
        have, flows, listed, recorded, _ = self._have.tolist()
        n = sum(len(lane.key) for lane in lanes)
        if have + len(lanes) > len(self._ended):
            self._grow_lanes(2 * (have + len(lanes)))
        if listed + n > len(self._w.rank_flow):
            self._w = self._w._replace(rank_flow=longer(self._w.rank_flow, 2 * (listed + n)))
        if flows + n >= len(self._key):
            self._grow_flows(2 * (flows + n))
        recorded += 2 * n + sum(len(lane.resource) for lane in lanes)
        if recorded > len(self._f.records):
            self._f = self._f._replace(
                records=longer(self._f.records, 2 * recorded),
                weights=longer(self._f.weights, 2 * recorded),
            )

    def _grow_lanes(self, n: int) -> None:
        names = ("rank_at", "rank_end", "open", "ready", "latest", "cost", "freed")
        self._w = self._w._replace(**{name: longer(getattr(self._w, name), n) for name in names})
        self._first, self._ended = longer(self._first, n), longer(self._ended, n)

    def _grow_flows(self, n: int) -> None:
        of_window = (
            "src", "dst", "step", "latency", "src_cost", "dst_cost", "status", "missing", "start",
            "arrive", "finish", "under_way", "ended", "through", "dues",
        )  # fmt: skip
        of_flows = ("size", "rate", "due", "limit", "record", "active", "found", "priority")
        self._w = self._w._replace(**{k: longer(getattr(self._w, k), n) for k in of_window})
        self._f = self._f._replace(**{k: longer(getattr(self._f, k), n) for k in of_flows})
        self._key = longer(self._key, n)

    def _learn(self, limits: frozenset[float]) -> None:
        """Limits, perhaps not seen before: their table stays sorted."""
        if limits <= self._limits:
            return
        self._limits |= limits
        table = np.array(sorted(self._limits))
        of = self._f.limit[: self._have[FLOWS]]
        of[:] = np.searchsorted(table, self._f.limits)[of]
        self._f = self._f._replace(limits=table)

    def _prioritise(self, first: int) -> None:
        """Write down the priorities of the flows from number ``first`` on, from their keys.

        Not where they are added, as that has to be quick where there are no classes.
        """
        new = slice(first, int(self._have[FLOWS]))
        self._f.priority[new] = self._priority_of[self._key[new] % len(self._priority_of)]

    def _spread(self) -> None:
        """Longer lists for the resources that need them."""
        self._room = np.where(self._need > self._room, 2 * self._need, self._room)
        first = np.cumsum(self._room) - self._room
        inside = np.zeros(int(self._room.sum()), np.int32)
        live_columns.move(self._f, first, inside)
        self._f = self._f._replace(first=first, inside=inside)
        self._have[CROWDED] = 0

    def _mismatch(
        self, bad: int, positions: Sequence[int], begin: _Longs, lanes: LoadedStreams
    ) -> str:
        if bad >= len(lanes.key):
            who = positions[bad - len(lanes.key)]
            return f"rank {who} of the group lacks transfers that others have with it"
        who, size, which = (
            positions[int(np.searchsorted(begin, bad, side="right")) - 1], lanes.size[bad], "",
        )  # fmt: skip
        if self._classes:
            one = self._classes.classes[int(lanes.key[bad]) % len(self._classes.classes)]
            size, which = size * one.weight, f" in traffic class {one.number} ({one.name})"
        return (
            f"rank {who} of the group has a transfer of {size:.0f} bytes from"
            f" {lanes.src[bad]} to {lanes.dst[bad]}{which} in step {lanes.step[bad]}; the rank at"
            " its other end has not"
        )


def _window(n: int) -> EventWindow:
    def floats() -> _Floats:
        return np.zeros(n)

    def longs() -> _Longs:
        return np.zeros(n, np.int64)

    return EventWindow(
        src=np.zeros(n, np.int32), dst=np.zeros(n, np.int32), step=longs(), latency=floats(),
        src_cost=floats(), dst_cost=floats(), status=np.zeros(n, np.int8),
        missing=np.zeros(n, np.int8), start=floats(), arrive=floats(), finish=floats(),
        rank_flow=longs(), rank_at=longs(), rank_end=longs(), open=longs(), ready=floats(),
        latest=floats(), cost=floats(), under_way=longs(), ended=longs(), through=longs(),
        freed=longs(), dues=floats(), times=np.zeros(5), n=np.zeros(6, np.int64),
    )  # fmt: skip


def _flows(n: int, capacity: _Floats, promise: _Floats) -> Flows:
    """No flows yet, with room for ``n`` of two resources each."""
    size = len(capacity)
    empty = np.zeros(0, np.int32)
    flows = make_flows(
        np.zeros(n), np.zeros(n, np.int32), np.array([np.inf]), np.zeros(n + 1, np.int64), empty,
        np.zeros(0), capacity, Priorities(0, np.zeros(n, np.int8), np.zeros(0, np.int8)),
        promise,
    )  # fmt: skip
    room = np.full(size, _AT_RESOURCE)
    return flows._replace(
        records=np.zeros(4 * n, np.int32), weights=np.zeros(4 * n),
        first=np.cumsum(room) - room, inside=np.zeros(int(room.sum()), np.int32),
    )  # fmt: skip


def _joined(lanes: Sequence[LoadedStreams]) -> LoadedStreams:
    """One after another, as if they were one."""
    if len(lanes) == 1:
        return lanes[0]
    ends = accumulate([len(lane.resource) for lane in lanes])
    after = [lane.entries[1:] + end for lane, end in zip(lanes[1:], ends, strict=False)]
    key, step, src, dst, size, latency, src_cost, dst_cost, limit, _, resource, weight = (
        np.concatenate(column) for column in zip(*lanes, strict=True)
    )
    entries = np.concatenate([lanes[0].entries, *after])
    return LoadedStreams(
        key, step, src, dst, size, latency, src_cost, dst_cost, limit, entries, resource, weight
    )
