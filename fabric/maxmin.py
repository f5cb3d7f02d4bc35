"""Max-min fair rates for the transfers in flight, found again only where something changed.

Progressive filling: all rates rise together; the resource (a bundle of links, a port, a limit of
an initiator) with the least room a transfer fills first and freezes its transfers, and so on. A
transfer of rate r loads resource l with ``r * weight``. Resources wait in a heap by the level at
which they would fill; levels only rise as transfers freeze, so a stale one is put back when met.

Only the transfers that share resources, directly or through others, with a changed one are solved
again (their *component*). Everything is columns, so that numba compiles it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]


class Flows(NamedTuple):
    """The transfers of a window of steps, and the state of the fabric under them.

    Columns over flows: ``left`` bytes to go at time ``since`` with ``rate``, hence ``due``;
    ``limit`` is the index in ``limits`` (rising float64, bytes per second) of its own rate limit.
    Its resources are entries ``entries[i]:entries[i + 1]`` of ``resource`` and ``weight``.
    Over resources: ``capacity``, and the entries now in flight: ``inside[first[l]:first[l] +
    count[l]]`` with weights summing to ``pull``. ``credit``: bytes that a full resource could have
    carried since flows ended between two solves; they are carried later, at rate ``bonus``.
    ``active``: the flows in flight, ``n[0]`` of them; ``changed``: ``n[1]`` resources to solve
    from. The rest is working room.
    """

    left: _Floats
    rate: _Floats
    since: _Floats
    due: _Floats
    limit: _Ints
    limits: _Floats
    entries: _Longs
    resource: _Ints
    weight: _Floats
    flow: _Ints
    at: _Ints
    capacity: _Floats
    first: _Longs
    count: _Longs
    inside: _Ints
    pull: _Floats
    credit: _Floats
    bonus: _Floats
    full: NDArray[np.bool_]
    active: _Ints
    active_at: _Ints
    changed: _Ints
    is_changed: NDArray[np.bool_]
    n: _Longs
    seen_flow: _Longs
    seen_resource: _Longs
    frozen: _Longs
    room: _Floats
    pulling: _Floats
    waiting: _Longs
    heap_level: _Floats
    heap_resource: _Ints
    flows_found: _Ints
    resources_found: _Ints


def make_flows(
    left: _Floats,
    limit: _Ints,
    limits: _Floats,
    entries: _Longs,
    resource: _Ints,
    weight: _Floats,
    capacity: _Floats,
) -> Flows:
    """Flows that are not yet in flight, over resources of these capacities."""
    n, n_resources = len(left), len(capacity)
    per_resource = np.bincount(resource, minlength=n_resources)
    zero = np.zeros
    return Flows(
        left=left, rate=zero(n), since=zero(n), due=np.full(n, np.inf), limit=limit,
        limits=limits, entries=entries, resource=resource, weight=weight,
        flow=np.repeat(np.arange(n, dtype=np.int32), np.diff(entries)),
        at=zero(len(resource), np.int32), capacity=capacity,
        first=np.cumsum(per_resource) - per_resource, count=zero(n_resources, np.int64),
        inside=zero(len(resource), np.int32), pull=zero(n_resources), credit=zero(n_resources),
        bonus=zero(n_resources), full=zero(n_resources, np.bool_), active=zero(n, np.int32),
        active_at=zero(n, np.int32), changed=zero(n_resources, np.int32),
        is_changed=zero(n_resources, np.bool_), n=zero(8, np.int64),
        seen_flow=zero(n, np.int64), seen_resource=zero(n_resources, np.int64),
        frozen=zero(n, np.int64), room=zero(n_resources), pulling=zero(n_resources),
        waiting=zero(n_resources, np.int64), heap_level=zero(n_resources + 1),
        heap_resource=zero(n_resources + 1, np.int32), flows_found=zero(n, np.int32),
        resources_found=zero(n_resources, np.int32),
    )  # fmt: skip


@compiled
def join(f: Flows, i: int, time: float) -> None:
    """Put flow ``i`` in flight at ``time``."""
    f.active[f.n[0]] = i
    f.active_at[i] = f.n[0]
    f.n[0] += 1
    f.since[i] = time
    f.rate[i] = 0.0
    if f.entries[i] == f.entries[i + 1]:
        f.rate[i] = f.limits[f.limit[i]]
        f.due[i] = time + f.left[i] / f.rate[i]
    for e in range(f.entries[i], f.entries[i + 1]):
        r = f.resource[e]
        f.inside[f.first[r] + f.count[r]] = e
        f.at[e] = f.count[r]
        f.count[r] += 1
        f.pull[r] += f.weight[e]
        mark(f, r)


@compiled
def leave(f: Flows, i: int) -> None:
    """Take flow ``i`` out of flight."""
    f.n[0] -= 1
    moved = f.active[f.n[0]]
    f.active[f.active_at[i]] = moved
    f.active_at[moved] = f.active_at[i]
    for e in range(f.entries[i], f.entries[i + 1]):
        r = f.resource[e]
        f.count[r] -= 1
        last = f.inside[f.first[r] + f.count[r]]
        f.inside[f.first[r] + f.at[e]] = last
        f.at[last] = f.at[e]
        f.pull[r] -= f.weight[e]
        if f.count[r] == 0:
            f.pull[r] = 0.0  # rounding must not pull at an empty resource
        mark(f, r)


@compiled
def mark(f: Flows, r: int) -> None:
    """Resource ``r`` has changed: the next `solve` starts from it."""
    if not f.is_changed[r]:
        f.is_changed[r] = True
        f.changed[f.n[1]] = r
        f.n[1] += 1


@compiled
def solve(f: Flows, time: float, span: float) -> None:
    """New rates from ``time`` on for every flow that the changed resources can touch.

    ``span``: over how many seconds outstanding `credit` is to be carried.
    """
    found = _component(f)
    f.n[2] += 1
    top = 0
    for k in range(f.n[5]):
        r = f.resources_found[k]
        f.bonus[r] = f.credit[r] / span if f.credit[r] > 0.0 else 0.0
        f.room[r] = f.capacity[r] + f.bonus[r]
        f.pulling[r] = f.pull[r]
        f.waiting[r] = f.count[r]
        f.full[r] = False
        if f.count[r] > 0:
            top = _push(f, top, f.room[r] / f.pull[r], r)
    _sort_by_limit(f, found)
    _fill(f, found, top, time)
    for k in range(f.n[5]):
        r = f.resources_found[k]
        if not f.full[r]:  # what it did not carry nobody wanted
            f.credit[r] = 0.0
            f.bonus[r] = 0.0
    for k in range(f.n[1]):
        f.is_changed[f.changed[k]] = False
    f.n[1] = 0


@compiled
def _component(f: Flows) -> int:
    """The flows that a changed resource can touch, into ``flows_found``; resources likewise."""
    stamp = f.n[3] + 1
    f.n[3] = stamp
    if f.n[4] > 0:  # lately everything hung together: do not look again each time
        f.n[4] -= 1
        return _everything(f)
    n_resources, n_flows = 0, 0
    for k in range(f.n[1]):
        f.resources_found[n_resources] = f.changed[k]
        f.seen_resource[f.changed[k]] = stamp
        n_resources += 1
    head = 0
    while head < n_resources:
        r = f.resources_found[head]
        head += 1
        for k in range(f.first[r], f.first[r] + f.count[r]):
            i = f.flow[f.inside[k]]
            if f.seen_flow[i] == stamp:
                continue
            f.seen_flow[i] = stamp
            f.flows_found[n_flows] = i
            n_flows += 1
            for e in range(f.entries[i], f.entries[i + 1]):
                other = f.resource[e]
                if f.seen_resource[other] != stamp:
                    f.seen_resource[other] = stamp
                    f.resources_found[n_resources] = other
                    n_resources += 1
    if n_flows > 1000 and 2 * n_flows > f.n[0]:
        f.n[4] = 16
    f.n[5] = n_resources
    return n_flows


@compiled
def _everything(f: Flows) -> int:
    n_resources = 0
    for r in range(len(f.capacity)):
        if f.count[r] > 0 or f.is_changed[r]:
            f.resources_found[n_resources] = r
            n_resources += 1
    f.n[5] = n_resources
    for k in range(f.n[0]):
        f.flows_found[k] = f.active[k]
    return int(f.n[0])


@compiled
def _sort_by_limit(f: Flows, found: int) -> None:
    """Flows with the lowest limit first: they freeze at it before any resource above it."""
    if len(f.limits) > 1:
        order = np.argsort(f.limit[f.flows_found[:found]], kind="mergesort")
        f.flows_found[:found] = f.flows_found[:found][order]


@compiled
def _fill(f: Flows, found: int, top: int, time: float) -> None:
    stamp = f.n[2]
    limited = 0  # flows_found[:limited] have been held against their limits
    while top > 0:
        level, r = f.heap_level[0], f.heap_resource[0]
        while limited < found and f.limits[f.limit[f.flows_found[limited]]] <= level:
            i = f.flows_found[limited]
            limited += 1
            if f.frozen[i] != stamp:
                _freeze(f, i, f.limits[f.limit[i]], stamp, time)
        top = _pop(f, top)
        if f.waiting[r] == 0:
            continue
        now = max(f.room[r], 0.0) / f.pulling[r]
        if now > level * (1 + 1e-12):
            top = _push(f, top, now, r)
            continue
        f.full[r] = True
        for k in range(f.first[r], f.first[r] + f.count[r]):
            i = f.flow[f.inside[k]]
            if f.frozen[i] != stamp:
                _freeze(f, i, now, stamp, time)
    for k in range(limited, found):
        if f.frozen[f.flows_found[k]] != stamp:
            i = f.flows_found[k]
            _freeze(f, i, f.limits[f.limit[i]], stamp, time)


@compiled
def _freeze(f: Flows, i: int, rate: float, stamp: int, time: float) -> None:
    f.frozen[i] = stamp
    for e in range(f.entries[i], f.entries[i + 1]):
        r = f.resource[e]
        f.room[r] -= rate * f.weight[e]
        f.pulling[r] -= f.weight[e]
        f.waiting[r] -= 1
    f.left[i] = max(f.left[i] - f.rate[i] * (time - f.since[i]), 0.0)
    f.since[i] = time
    f.rate[i] = rate
    f.due[i] = time + f.left[i] / rate


@compiled
def _push(f: Flows, top: int, level: float, r: int) -> int:
    k = top
    while k > 0:
        parent = (k - 1) >> 1
        if f.heap_level[parent] <= level:
            break
        f.heap_level[k] = f.heap_level[parent]
        f.heap_resource[k] = f.heap_resource[parent]
        k = parent
    f.heap_level[k] = level
    f.heap_resource[k] = r
    return top + 1


@compiled
def _pop(f: Flows, top: int) -> int:
    top -= 1
    level, r = f.heap_level[top], f.heap_resource[top]
    k = 0
    while True:
        child = 2 * k + 1
        if child >= top:
            break
        if child + 1 < top and f.heap_level[child + 1] < f.heap_level[child]:
            child += 1
        if f.heap_level[child] >= level:
            break
        f.heap_level[k] = f.heap_level[child]
        f.heap_resource[k] = f.heap_resource[child]
        k = child
    f.heap_level[k] = level
    f.heap_resource[k] = r
    return top
