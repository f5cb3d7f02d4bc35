"""Live: the flow engine for calls whose ranks come one by one, while others are in flight.

A *lane* is one rank's part in one call; to the engine it is a rank. It comes at a time, perhaps
while other lanes move, and its transfers set out when the lanes at their other ends have come too.
The engine stops whenever a lane ends, goes on from exactly there, and never forgets on the way what
it knows of rates and credit: stopping changes no answer. Lanes of the same rank share the links of
its endpoint and its limit as an initiator.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric import flow, maxmin
from fabric.call import Part
from fabric.failure import CallMismatch
from fabric.flow import Window, enter_and_proceed
from fabric.lane import Ground, Lane
from fabric.maxmin import Flows
from fabric.run import liberties
from topology.compiled import compiled

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

LANES, FLOWS, LISTED, RECORDED, CROWDED = range(5)
"""What the numbers of `Live.have` are; `CROWDED`: a list of a resource may become too short."""

AWAY, GONE = -1, -2
"""In `Seats.lane`: the lane has not come; it has ended and been forgotten."""

_TOLD = -1  # as the number of open transfers: the lane has ended, and its end has been told
_MANY = 1 << 14  # transfers from which on those that have ended are forgotten
_FIRST_ROOM = 64  # lanes and flows that there is room for at first
_AT_RESOURCE = 4  # and transfers of a resource


class Seats:
    """Where a call's lanes are. Both int64 [ranks of the group].

    ``lane``: the number of each position's lane, `AWAY` before it has come, `GONE` when it has been
    forgotten. ``open``: how many transfers those who have come have with a position that has not.
    """

    __slots__ = ("lane", "open")

    def __init__(self, ranks: int) -> None:
        self.lane, self.open = np.full(ranks, AWAY), np.zeros(ranks, np.int64)


class Live:
    """The engine over some ground, with lanes in it. Times are in seconds since `reset`.

    ``lanes``: how many have not ended. ``crowded``: much of what is there has ended, and it is time
    to `compact`.
    """

    def __init__(self, ground: Ground) -> None:
        self._share, self._grain = liberties(ground.fabric.tolerance)
        self._least: dict[int, float] = {}
        self.time, self.lanes, self._many = 0.0, 0, _MANY
        self._have = np.zeros(5, np.int64)
        self._w = _window(_FIRST_ROOM)
        self._f = _flows(_FIRST_ROOM, ground.capacity)
        self._room = np.full(len(ground.capacity), _AT_RESOURCE)
        self._need = np.zeros(len(ground.capacity), np.int64)
        self._key, self._first = np.zeros(_FIRST_ROOM, np.int64), np.zeros(_FIRST_ROOM, np.int64)
        self._ended = np.zeros(_FIRST_ROOM, np.int64)
        self._limits = frozenset([np.inf])
        self.reset()

    def reset(self) -> None:
        """Forget every lane; time begins again."""
        w, f = self._w, self._f
        for column in (self._have, self._need, w.n, f.n, f.length, f.load, f.seen):
            column.fill(0)
        for room in (f.pull, f.credit, f.bonus):
            room.fill(0.0)
        f.full.fill(False)
        f.is_changed.fill(False)
        w.soonest[:] = np.inf, np.inf, np.inf, 0.0, 0.0
        w.n[flow.RANKS] = 1 << 62  # all lanes are watched: whenever one ends, the engine stops
        self._f, self._limits = f._replace(limits=np.array([np.inf])), frozenset([np.inf])
        self._least.clear()
        self.time, self.lanes, self._many = 0.0, 0, _MANY

    @property
    def crowded(self) -> bool:
        """Whether there is much to forget."""
        return bool(self._have[FLOWS] > self._many)

    def add(
        self, seats: Seats, positions: Sequence[int], parts: Sequence[Part], ready: Sequence[float]
    ) -> None:
        """Ranks at these ``positions`` of a call come to their first steps, each when ``ready``.

        Lanes get numbers in order, from 0. Raises `CallMismatch` where the transfers of a rank are
        not those of the ranks that have come before it.
        """
        lanes = [part.lane for part in parts if part.lane is not None]
        first = int(self._have[LANES])
        self._make_room(lanes)
        self._learn(frozenset().union(*(part.limits for part in parts)))
        begin = np.cumsum([0, *(len(lane.key) for lane in lanes)])
        bad = _add(
            self._w, self._f, self._have, self._key, self._first, self._need, self._room,
            seats.lane, seats.open, np.array(positions), np.array(ready), begin, _joined(lanes),
        )  # fmt: skip
        if bad >= 0:
            raise CallMismatch(_mismatch(bad, positions, begin, _joined(lanes)))
        self.lanes += len(lanes)
        self._least |= {first + k: part.least for k, part in enumerate(parts)}

    def go(self) -> list[tuple[int, float]]:
        """On to the next instant at which a lane ends: those that end, and when.

        None: nothing more can happen before others come.
        """
        if not self.lanes:
            return []
        if self._have[CROWDED]:
            self._spread()
        dense = self._have[FLOWS] > flow.EXACT_BELOW
        self._w.soonest[4] = self._grain * min(self._least.values()) if dense else 0.0
        self.time, ended = _go(
            self._w, self._f, self._have, self._ended, self.time, self._share, self._grain
        )
        which = self._ended[:ended].tolist()
        self.lanes -= ended
        for lane in which:
            del self._least[lane]
        return [(lane, float(self._w.ready[lane])) for lane in which]

    def compact(self, seats: Iterable[_Longs]) -> _Longs:
        """Forget the lanes that have ended, and their transfers; no answer changes.

        Returns the new number of each lane, -1 for those; ``seats``: the `Seats.lane` of every call
        that has lanes, which get the new numbers.
        """
        number = np.full(int(self._have[LANES]), GONE)
        _compact(self._w, self._f, self._have, self._key, self._first, self._need, number)
        for lane in seats:
            here = lane >= 0
            lane[here] = number[lane[here]]
        self._least = {int(number[lane]): least for lane, least in self._least.items()}
        self._many = max(_MANY, 2 * int(self._have[FLOWS]))
        return number

    def _make_room(self, lanes: Sequence[Lane]) -> None:
        have, flows, listed, recorded, _ = self._have.tolist()
        n = sum(len(lane.key) for lane in lanes)
        if have + len(lanes) > len(self._ended):
            self._grow_lanes(2 * (have + len(lanes)))
        if listed + n > len(self._w.rank_flow):
            self._w = self._w._replace(rank_flow=_longer(self._w.rank_flow, 2 * (listed + n)))
        if flows + n >= len(self._key):
            self._grow_flows(2 * (flows + n))
        recorded += 2 * n + sum(len(lane.resource) for lane in lanes)
        if recorded > len(self._f.records):
            self._f = self._f._replace(
                records=_longer(self._f.records, 2 * recorded),
                weights=_longer(self._f.weights, 2 * recorded),
            )

    def _grow_lanes(self, n: int) -> None:
        names = ("rank_at", "rank_end", "open", "ready", "latest", "cost", "freed")
        self._w = self._w._replace(**{name: _longer(getattr(self._w, name), n) for name in names})
        self._first, self._ended = _longer(self._first, n), _longer(self._ended, n)

    def _grow_flows(self, n: int) -> None:
        of_window = (
            "src", "dst", "step", "latency", "src_cost", "dst_cost", "status", "missing", "start",
            "arrive", "finish", "under_way", "ended", "through", "dues",
        )  # fmt: skip
        of_flows = ("size", "rate", "due", "limit", "record", "active", "found")
        self._w = self._w._replace(**{k: _longer(getattr(self._w, k), n) for k in of_window})
        self._f = self._f._replace(**{k: _longer(getattr(self._f, k), n) for k in of_flows})
        self._key = _longer(self._key, n)

    def _learn(self, limits: frozenset[float]) -> None:
        """Limits, perhaps not seen before: their table stays sorted."""
        if limits <= self._limits:
            return
        self._limits |= limits
        table = np.array(sorted(self._limits))
        of = self._f.limit[: self._have[FLOWS]]
        of[:] = np.searchsorted(table, self._f.limits)[of]
        self._f = self._f._replace(limits=table)

    def _spread(self) -> None:
        """Longer lists for the resources that need them."""
        self._room = np.where(self._need > self._room, 2 * self._need, self._room)
        first = np.cumsum(self._room) - self._room
        inside = np.zeros(int(self._room.sum()), np.int32)
        _move(self._f, first, inside)
        self._f = self._f._replace(first=first, inside=inside)
        self._have[CROWDED] = 0


def _window(n: int) -> Window:
    def floats() -> _Floats:
        return np.zeros(n)

    def longs() -> _Longs:
        return np.zeros(n, np.int64)

    return Window(
        src=np.zeros(n, np.int32), dst=np.zeros(n, np.int32), step=longs(), latency=floats(),
        src_cost=floats(), dst_cost=floats(), status=np.zeros(n, np.int8),
        missing=np.zeros(n, np.int8), start=floats(), arrive=floats(), finish=floats(),
        rank_flow=longs(), rank_at=longs(), rank_end=longs(), open=longs(), ready=floats(),
        latest=floats(), cost=floats(), under_way=longs(), ended=longs(), through=longs(),
        freed=longs(), dues=floats(), soonest=np.zeros(5), n=np.zeros(6, np.int64),
    )  # fmt: skip


def _flows(n: int, capacity: _Floats) -> Flows:
    """No flows yet, with room for ``n`` of two resources each."""
    size = len(capacity)
    empty = np.zeros(0, np.int32)
    flows = maxmin.make_flows(
        np.zeros(n), np.zeros(n, np.int32), np.array([np.inf]), np.zeros(n + 1, np.int64), empty,
        np.zeros(0), capacity,
    )  # fmt: skip
    room = np.full(size, _AT_RESOURCE)
    return flows._replace(
        records=np.zeros(4 * n, np.int32), weights=np.zeros(4 * n),
        first=np.cumsum(room) - room, inside=np.zeros(int(room.sum()), np.int32),
    )  # fmt: skip


def _longer(column: NDArray[Any], n: int) -> NDArray[Any]:
    longer = np.zeros(n, column.dtype)
    longer[: len(column)] = column
    return longer


def _joined(lanes: Sequence[Lane]) -> Lane:
    """One after another, as if they were one."""
    if len(lanes) == 1:
        return lanes[0]
    columns = Lane(*(np.concatenate(column) for column in zip(*lanes, strict=True)))
    ends = np.cumsum([0, *(len(lane.resource) for lane in lanes)])
    entries = [lane.entries[:-1] + end for lane, end in zip(lanes, ends[:-1], strict=True)]
    return columns._replace(entries=np.concatenate([*entries, ends[-1:]]))


def _mismatch(bad: int, positions: Sequence[int], begin: _Longs, lanes: Lane) -> str:
    if bad >= len(lanes.key):
        who = positions[bad - len(lanes.key)]
        return f"rank {who} of the group lacks transfers that others have with it"
    who = positions[int(np.searchsorted(begin, bad, side="right")) - 1]
    return (
        f"rank {who} of the group has a transfer of {lanes.size[bad]:.0f} bytes from"
        f" {lanes.src[bad]} to {lanes.dst[bad]} in step {lanes.step[bad]}; the rank at its other"
        " end has not"
    )


@compiled
def _add(
    w: Window,
    f: Flows,
    have: _Longs,
    key: _Longs,
    first: _Longs,
    need: _Longs,
    room: _Longs,
    seat: _Longs,
    waited: _Longs,
    positions: _Longs,
    ready: _Floats,
    begin: _Longs,
    lanes: Lane,
) -> int:
    """Put lanes' streams beside those that are there; ``seat`` and ``waited`` are `Seats`.

    Lane k has streams ``begin[k]`` to ``begin[k + 1]``. Returns -1; or which stream another lane
    does not have; or the number of streams plus the lane to which others have more.
    """
    src, dst, limits, limit = lanes.src, lanes.dst, f.limits, lanes.limit
    w_src, w_dst, size, rank_flow, rank_end = w.src, w.dst, f.size, w.rank_flow, w.rank_end
    records, weights, resource = f.records, f.weights, lanes.resource
    for k in range(len(positions)):
        me, here, listed, matched = positions[k], have[LANES], have[LISTED], 0
        for i in range(begin[k], begin[k + 1]):
            peer = dst[i] if src[i] == me else src[i]
            other = seat[peer]
            if other != AWAY and peer != me:
                low = 0
                if other >= 0:
                    low, high = first[other], rank_end[other]
                    while low < high:
                        middle = (low + high) >> 1
                        if key[rank_flow[middle]] < lanes.key[i]:
                            low = middle + 1
                        else:
                            high = middle
                if other == GONE or low == rank_end[other]:
                    return i
                at = rank_flow[low]
                if key[at] != lanes.key[i] or size[at] != lanes.size[i]:
                    return i
                matched += 1
            else:
                at = have[FLOWS]
                have[FLOWS] += 1
                key[at] = lanes.key[i]
                w.step[at], w.latency[at] = lanes.step[i], lanes.latency[i]
                w.src_cost[at], w.dst_cost[at] = lanes.src_cost[i], lanes.dst_cost[i]
                w.status[at] = flow.WAITING
                w.missing[at] = 1 if peer == me else 2
                w_src[at], w_dst[at] = AWAY, AWAY
                w.n[flow.WAITING_FLOWS] += 1
                size[at], f.rate[at], f.due[at] = lanes.size[i], 0.0, 0.0
                low, high = 0, len(limits)
                while low < high:
                    middle = (low + high) >> 1
                    if limits[middle] < limit[i]:
                        low = middle + 1
                    else:
                        high = middle
                f.limit[at] = low
                if peer != me:
                    waited[peer] += 1
                    w.soonest[2] = min(w.soonest[2], lanes.latency[i])
                b, end = have[RECORDED], lanes.entries[i + 1]
                f.record[at] = b
                records[b], records[b + 1] = 0, at  # in no state that `solve` knows
                b += 2
                for e in range(lanes.entries[i], end):
                    r = resource[e]
                    records[b] = r if e + 1 < end else ~r
                    weights[b] = lanes.weight[e]
                    b += 1
                    need[r] += 1
                    if need[r] > room[r]:
                        have[CROWDED] = 1
                have[RECORDED] = b
                f.record[at + 1] = b
            if src[i] == me:
                w_src[at] = here
            if dst[i] == me:
                w_dst[at] = here
            rank_flow[listed] = at
            listed += 1
        if matched != waited[me]:
            return len(src) + k
        seat[me] = here
        first[here], w.rank_at[here], rank_end[here] = have[LISTED], have[LISTED], listed
        w.open[here], w.ready[here], w.latest[here], w.cost[here] = 0, ready[k], 0.0, 0.0
        w.freed[w.n[flow.FREED]] = here
        w.n[flow.FREED] += 1
        have[LANES], have[LISTED] = here + 1, listed
    return -1


@compiled
def _go(
    w: Window, f: Flows, have: _Longs, ended: _Longs, time: float, share: float, grain: float
) -> tuple[float, int]:
    """Run until lanes end; puts their numbers into ``ended`` and returns the time and how many."""
    time = enter_and_proceed(w, f, time, share, grain)
    n = 0
    for lane in range(have[LANES]):
        if w.open[lane] == 0 and w.rank_at[lane] == w.rank_end[lane]:
            w.open[lane] = _TOLD
            ended[n] = lane
            n += 1
    w.n[flow.IDLE] = 0
    return time, n


@compiled
def _move(f: Flows, first: _Longs, inside: _Ints) -> None:
    """Copy the lists of the resources to where they are to begin."""
    for r in range(len(first)):
        for k in range(f.length[r]):
            inside[first[r] + k] = f.inside[f.first[r] + k]


@compiled
def _compact(
    w: Window, f: Flows, have: _Longs, key: _Longs, first: _Longs, need: _Longs, number: _Longs
) -> None:
    """Close the gaps that ended lanes and flows have left; order stays, so all sums do.

    Puts the new numbers of the lanes that have not ended into ``number``.
    """
    flow_at = np.full(have[FLOWS], -1)
    record_at = np.full(have[FLOWS], -1)
    flows, records = 0, 0
    for i in range(have[FLOWS]):
        if w.status[i] != flow.DONE:
            flow_at[i], record_at[i] = flows, records
            flows += 1
            records += f.record[i + 1] - f.record[i]
    _compact_lanes(w, have, first, number, flow_at)
    _compact_resources(f, record_at)
    need[:] = 0
    _compact_records(f, have, need, flow_at, record_at)
    _compact_flows(w, f, have, key, number, flow_at)
    have[FLOWS], have[RECORDED] = flows, records
    f.record[flows] = records


@compiled
def _compact_lanes(w: Window, have: _Longs, first: _Longs, number: _Longs, flow_at: _Longs) -> None:
    lanes, listed = 0, 0
    for lane in range(have[LANES]):
        if w.open[lane] == _TOLD:
            continue
        number[lane] = lanes
        begin, at = listed, listed
        for k in range(first[lane], w.rank_end[lane]):
            if k == w.rank_at[lane]:
                at = listed
            if flow_at[w.rank_flow[k]] >= 0:
                w.rank_flow[listed] = flow_at[w.rank_flow[k]]
                listed += 1
        if w.rank_at[lane] == w.rank_end[lane]:
            at = listed
        first[lanes], w.rank_at[lanes], w.rank_end[lanes] = begin, at, listed
        w.open[lanes], w.ready[lanes] = w.open[lane], w.ready[lane]
        w.latest[lanes], w.cost[lanes] = w.latest[lane], w.cost[lane]
        lanes += 1
    for k in range(w.n[flow.FREED]):
        w.freed[k] = number[w.freed[k]]
    have[LANES], have[LISTED] = lanes, listed


@compiled
def _compact_resources(f: Flows, record_at: _Longs) -> None:
    for r in range(len(f.first)):
        kept = f.first[r]
        for k in range(f.first[r], f.first[r] + f.length[r]):
            i = f.records[f.inside[k] + 1]
            if record_at[i] >= 0:
                f.inside[kept] = record_at[i]
                kept += 1
        f.length[r] = kept - f.first[r]


@compiled
def _compact_records(
    f: Flows, have: _Longs, need: _Longs, flow_at: _Longs, record_at: _Longs
) -> None:
    for i in range(have[FLOWS]):
        if flow_at[i] < 0:
            continue
        old, n, new = f.record[i], f.record[i + 1] - f.record[i], record_at[i]
        for k in range(n):
            f.records[new + k], f.weights[new + k] = f.records[old + k], f.weights[old + k]
        f.records[new + 1] = flow_at[i]
        for k in range(2, n):
            r = f.records[new + k]
            need[r if r >= 0 else ~r] += 1


@compiled
def _compact_flows(
    w: Window, f: Flows, have: _Longs, key: _Longs, number: _Longs, flow_at: _Longs
) -> None:
    for i in range(have[FLOWS]):
        n = flow_at[i]
        if n < 0:
            continue
        key[n], w.step[n], w.latency[n] = key[i], w.step[i], w.latency[i]
        w.src[n] = number[w.src[i]] if w.src[i] >= 0 else AWAY
        w.dst[n] = number[w.dst[i]] if w.dst[i] >= 0 else AWAY
        w.src_cost[n], w.dst_cost[n] = w.src_cost[i], w.dst_cost[i]
        w.status[n], w.missing[n] = w.status[i], w.missing[i]
        w.start[n], w.arrive[n] = w.start[i], w.arrive[i]
        f.size[n], f.rate[n], f.due[n], f.limit[n] = f.size[i], f.rate[i], f.due[i], f.limit[i]
    before, active = f.n[maxmin.IN_FLIGHT], 0
    for k in range(before):
        if flow_at[f.active[k]] >= 0:
            f.active[active] = flow_at[f.active[k]]
            active += 1
    f.n[maxmin.IN_FLIGHT] = active
    for k in range(w.n[flow.UNDER]):
        w.under_way[k] = flow_at[w.under_way[k]]
    at = 0
    for i in range(have[FLOWS]):  # last, since what is above reads it
        if flow_at[i] >= 0:
            f.record[flow_at[i]] = at
            at += f.record[i + 1] - f.record[i]
