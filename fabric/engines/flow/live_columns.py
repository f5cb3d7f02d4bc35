"""How lanes join the flow engine, stop it, and are dropped: the kernels of `flow.live`.

``have`` counts what is there; ``key`` identifies a flow within a call; ``first`` is where the list
of a lane begins; ``need`` and ``room`` are how many flows load a resource, and for how many there
is room in its list.
"""

import numpy as np
from numpy.typing import NDArray

from fabric.engines.flow import events, in_flight
from fabric.engines.flow.events import EventWindow, enter_and_proceed
from fabric.engines.flow.in_flight import Flows
from fabric.engines.flow.placed import LoadedStreams
from topology.compiled import compiled, inlined, inner_with_arrays

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

LANES, FLOWS, LISTED, RECORDED, CROWDED = range(5)
"""What the numbers of ``have`` are; `CROWDED`: a list of a resource may become too short."""

AWAY, GONE = -1, -2
"""In `flow.live.PeersHere`: the lane has not come; it has ended and been forgotten."""

_TOLD = -1  # as the number of open transfers: the lane has ended, and its end has been told


@compiled
def add(
    w: EventWindow,
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
    lanes: LoadedStreams,
) -> int:
    """Add the streams of ranks that join a call; ``seat`` and ``waited`` are its `PeersHere`.

    Rank k, at ``positions[k]`` of the call, has streams ``begin[k]`` to ``begin[k + 1]`` and is
    ``ready[k]`` (seconds). Returns -1 if all streams match those of the ranks that have joined
    before. Else returns the index of the first stream without a counterpart, or the number of
    streams plus the index k of a rank that has fewer streams than its peers expect.
    """
    src, dst, rank_flow, rank_end = lanes.src, lanes.dst, w.rank_flow, w.rank_end
    for k in range(len(positions)):
        me, here, listed, matched = positions[k], have[LANES], have[LISTED], 0
        for i in range(begin[k], begin[k + 1]):
            peer = dst[i] if src[i] == me else src[i]
            other = seat[peer]
            if other == AWAY or peer == me:
                at = _new_flow(w, f, have, key, lanes, i, 1 if peer == me else 2)
                _load(f, have, need, room, lanes, i, at)
                if peer != me:
                    waited[peer] += 1
                    w.times[events.LEAST_LATENCY] = min(
                        w.times[events.LEAST_LATENCY], lanes.latency[i]
                    )
            else:
                if other == GONE:
                    return i
                low = _find(key, rank_flow, first[other], rank_end[other], lanes.key[i])
                if low == rank_end[other]:
                    return i
                at = rank_flow[low]
                if key[at] != lanes.key[i] or f.size[at] != lanes.size[i]:
                    return i
                matched += 1
            if src[i] == me:
                w.src[at] = here
            if dst[i] == me:
                w.dst[at] = here
            rank_flow[listed] = at
            listed += 1
        if matched != waited[me]:
            return len(src) + k
        seat[me] = here
        first[here], w.rank_at[here], rank_end[here] = have[LISTED], have[LISTED], listed
        w.open[here], w.ready[here], w.latest[here], w.cost[here] = 0, ready[k], 0.0, 0.0
        w.freed[w.n[events.FREED]] = here
        w.n[events.FREED] += 1
        have[LANES], have[LISTED] = here + 1, listed
    return -1


@inlined
def _find(key: _Longs, rank_flow: _Longs, low: int, high: int, wanted: int) -> int:
    """Where in a lane's list the flow with a key is, or would be."""
    while low < high:
        middle = (low + high) >> 1
        if key[rank_flow[middle]] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def _new_flow(
    w: EventWindow, f: Flows, have: _Longs, key: _Longs, lanes: LoadedStreams, i: int, missing: int
) -> int:
    """Stream i as a flow for which so many ranks are ``missing``; returns its number."""
    at = have[FLOWS]
    have[FLOWS] += 1
    key[at] = lanes.key[i]
    w.step[at], w.latency[at] = lanes.step[i], lanes.latency[i]
    w.src_cost[at], w.dst_cost[at] = lanes.src_cost[i], lanes.dst_cost[i]
    w.status[at], w.missing[at] = events.WAITING, missing
    w.src[at], w.dst[at] = AWAY, AWAY
    w.n[events.WAITING_FLOWS] += 1
    f.size[at], f.rate[at], f.due[at] = lanes.size[i], 0.0, 0.0
    f.limit[at] = np.searchsorted(f.limits, lanes.limit[i])
    return int(at)


@inlined
def _load(
    f: Flows, have: _Longs, need: _Longs, room: _Longs, lanes: LoadedStreams, i: int, at: int
) -> None:
    """Write down what stream i, which is flow ``at``, loads."""
    records, weights, resource = f.records, f.weights, lanes.resource
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


@compiled
def go(
    w: EventWindow, f: Flows, have: _Longs, ended: _Longs, time: float, until: float, share: float,
    grain: float,
) -> tuple[float, int]:  # fmt: skip
    """Run until lanes end, at most until ``until``; their numbers are put into ``ended``.

    Returns the time, in seconds, and how many have ended.
    """
    time = enter_and_proceed(w, f, time, until, share, grain)
    n = 0
    for lane in range(have[LANES]):
        if w.open[lane] == 0 and w.rank_at[lane] == w.rank_end[lane]:
            w.open[lane] = _TOLD
            ended[n] = lane
            n += 1
    w.n[events.IDLE] = 0
    return time, n


@compiled
def move(f: Flows, first: _Longs, inside: _Ints) -> None:
    """Copy the list of flows of each resource to its new begin, ``first[r]`` in ``inside``."""
    for r in range(len(first)):
        for k in range(f.length[r]):
            inside[first[r] + k] = f.inside[f.first[r] + k]


@compiled
def compact(
    w: EventWindow, f: Flows, have: _Longs, key: _Longs, first: _Longs, need: _Longs, number: _Longs
) -> None:
    """Close the gaps that ended ranks and flows have left.

    The order, and so all sums, stay the same.

    Writes the new numbers of those that have not ended into ``number``.
    """
    flow_at = np.full(have[FLOWS], -1)
    record_at = np.full(have[FLOWS], -1)
    flows, records = 0, 0
    for i in range(have[FLOWS]):
        if w.status[i] != events.DONE:
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


@inner_with_arrays
def _compact_lanes(
    w: EventWindow, have: _Longs, first: _Longs, number: _Longs, flow_at: _Longs
) -> None:
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
    for k in range(w.n[events.FREED]):
        w.freed[k] = number[w.freed[k]]
    have[LANES], have[LISTED] = lanes, listed


@inner_with_arrays
def _compact_resources(f: Flows, record_at: _Longs) -> None:
    for r in range(len(f.first)):
        kept = f.first[r]
        for k in range(f.first[r], f.first[r] + f.length[r]):
            i = f.records[f.inside[k] + 1]
            if record_at[i] >= 0:
                f.inside[kept] = record_at[i]
                kept += 1
        f.length[r] = kept - f.first[r]


@inner_with_arrays
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


@inner_with_arrays
def _compact_flows(
    w: EventWindow, f: Flows, have: _Longs, key: _Longs, number: _Longs, flow_at: _Longs
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
    before, active = f.n[in_flight.IN_FLIGHT], 0
    for k in range(before):
        if flow_at[f.active[k]] >= 0:
            f.active[active] = flow_at[f.active[k]]
            active += 1
    f.n[in_flight.IN_FLIGHT] = active
    for k in range(w.n[events.UNDER]):
        w.under_way[k] = flow_at[w.under_way[k]]
    at = 0
    for i in range(have[FLOWS]):  # last, since what is above reads it
        if flow_at[i] >= 0:
            f.record[flow_at[i]] = at
            at += f.record[i + 1] - f.record[i]
