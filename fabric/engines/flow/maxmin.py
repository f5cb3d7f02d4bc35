"""Max-min fair rates for the transfers in flight, computed anew only where something changed.

Progressive filling: all rates rise together; the resource (a bundle of links, a port, a limit of an
initiator) that is full first freezes its transfers at that level, then the next, and so on. A
transfer of rate r loads resource l with ``r * weight``. Resources wait in a heap by the level at
which they would fill; levels only rise as transfers freeze, so a stale entry is put back when met.

Only the transfers that share resources, directly or through others, with a changed one are solved
again (their *component*).

Solving is bound by memory, not by arithmetic, so what filling needs of a transfer is stored
together in one *record* of int32, mostly one cache line: ``[state, flow, r0, r1, ..., ~last]``, its
resources, the last one complemented. Resources list the records that load them; those of ended
transfers are dropped when a list is next read.

A call inside a loop counts references to every array that its caller holds, which costs more than
the loop's own work. So functions here take many flows at a time, and loops over flows call only
functions that are inlined and get plain arrays.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

# States of a record from 0 up: the resource that holds the flow back. Below:
_RISING = -1  # being solved: its rate still rises with the level
_ENDED = -2
_AT_LIMIT = -3  # its own limit holds it back

ENDED_RATE = -1.0
"""The rate of a flow that has left."""


class Flows(NamedTuple):
    """The transfers of a window of steps, and the state of the resources that they load.

    Over flows: ``size``, bytes to go when it joins; ``rate``; ``due``, when it ends at that rate;
    ``limit``, the index in ``limits`` (ascending, bytes per second) of its own rate limit;
    ``record``, where its record begins in ``records``. ``weights`` is parallel to ``records``, and
    empty if every weight is 1. Over resources: ``capacity``; ``load`` and ``pull``, the number of
    flows in flight and the sum of their weights; ``inside[first[r]:first[r] + length[r]]``, records
    of flows that are in flight or have ended. ``credit``: bytes that a full resource could have
    carried since flows ended between two solves; they are carried later, at rate ``bonus``.
    ``active[:n[0]]``: the flows in flight; ``changed[:n[1]]``: the resources to solve from. The
    rest is working memory.
    """

    size: _Floats
    rate: _Floats
    due: _Floats
    limit: _Ints
    limits: _Floats
    record: _Longs
    records: _Ints
    weights: _Floats
    capacity: _Floats
    first: _Longs
    length: _Longs
    load: _Longs
    pull: _Floats
    inside: _Ints
    credit: _Floats
    bonus: _Floats
    full: NDArray[np.bool_]
    active: _Ints
    changed: _Ints
    is_changed: NDArray[np.bool_]
    n: _Longs
    seen: _Longs
    room: _Floats
    pulling: _Floats
    waiting: _Longs
    level: _Floats
    heap_level: _Floats
    heap_resource: _Ints
    found: _Ints
    touched: _Ints


_CROWDED = 16  # flows a changed resource, from which on all are taken to hang together

IN_FLIGHT, CHANGED, STAMP, SKIP, TOUCHED, CREDITED, SOLVES, ALIVE = range(8)
"""What the numbers of `Flows.n` are: see the functions that use them."""


def make_flows(
    size: _Floats,
    limit: _Ints,
    limits: _Floats,
    entries: _Longs,
    resource: _Ints,
    weight: _Floats,
    capacity: _Floats,
) -> Flows:
    """Flows that are not in flight yet; flow i loads ``resource[entries[i]:entries[i + 1]]``.

    ``size``: bytes [flows]; ``limits[limit]``: the most bytes per second of each flow; ``weight``:
    by entry, how much of a flow's rate the resource carries; ``capacity``: bytes per second
    [resources].
    """
    n, n_resources = len(size), len(capacity)
    weighted = bool((weight != 1).any())
    record, records, weights = _records(entries, resource, weight, weighted)
    per_resource = np.bincount(resource, minlength=n_resources)
    zero = np.zeros
    return Flows(
        size=size, rate=zero(n), due=zero(n), limit=limit, limits=limits,
        record=record, records=records, weights=weights,
        capacity=capacity, first=np.cumsum(per_resource) - per_resource,
        length=zero(n_resources, np.int64), load=zero(n_resources, np.int64),
        pull=zero(n_resources), inside=zero(len(resource), np.int32), credit=zero(n_resources),
        bonus=zero(n_resources), full=zero(n_resources, np.bool_), active=zero(n, np.int32),
        changed=zero(n_resources + 1, np.int32), is_changed=zero(n_resources, np.bool_),
        n=zero(8, np.int64), seen=zero(n_resources, np.int64), room=zero(n_resources),
        pulling=zero(n_resources), waiting=zero(n_resources, np.int64), level=zero(n_resources),
        heap_level=zero(n_resources + 1), heap_resource=zero(n_resources + 1, np.int32),
        found=zero(n, np.int32), touched=zero(n_resources, np.int32),
    )  # fmt: skip


@compiled
def _records(
    entries: _Longs, resource: _Ints, weight: _Floats, weighted: bool
) -> tuple[_Longs, _Ints, _Floats]:
    n = len(entries) - 1
    record = entries + 2 * np.arange(n + 1)
    records = np.empty(len(resource) + 2 * n, np.int32)
    weights = np.ones(len(records) if weighted else 0)
    for i in range(n):
        b = record[i]
        records[b] = _AT_LIMIT
        records[b + 1] = i
        for e in range(entries[i], entries[i + 1]):
            at = b + 2 + e - entries[i]
            records[at] = resource[e] if e + 1 < entries[i + 1] else ~resource[e]
            if weighted:
                weights[at] = weight[e]
    return record, records, weights


@compiled
def join(f: Flows, flows: _Longs, time: float) -> None:
    """Put ``flows`` in flight at ``time`` (s), or later where they are ``due`` to begin later."""
    f.n[ALIVE] += len(flows)
    n_changed, n = f.n[CHANGED], f.n[IN_FLIGHT]
    f.n[IN_FLIGHT] += len(flows)
    for i in flows:
        f.active[n] = i
        n += 1
        if f.record[i + 1] == f.record[i] + 2:  # loads nothing: only its limit holds it
            f.rate[i] = f.limits[f.limit[i]]
            f.due[i] = max(time, f.due[i]) + f.size[i] / f.rate[i]
            continue
        for at in range(f.record[i] + 2, f.record[i + 1]):
            r = f.records[at]
            r = r if r >= 0 else ~r
            f.inside[f.first[r] + f.length[r]] = f.record[i]
            f.length[r] += 1
            f.load[r] += 1
            f.pull[r] += f.weights[at] if len(f.weights) else 1.0
            f.changed[n_changed] = r
            n_changed += not f.is_changed[r]
            f.is_changed[r] = True
    f.n[CHANGED] = n_changed


@compiled
def leave(f: Flows, flows: _Longs, time: float) -> None:
    """Take ``flows`` out of flight, which ended at their ``due`` times, before ``time`` (s).

    Full resources get a credit of the bytes that these flows would have moved from then until now.
    """
    f.n[ALIVE] -= len(flows)
    if f.n[ALIVE] == 0 and 4 * len(flows) > len(f.load):
        _leave_all(f, flows)
        return
    n_changed = f.n[CHANGED]
    for i in flows:
        unused = f.rate[i] * (time - f.due[i])
        f.rate[i] = ENDED_RATE
        f.records[f.record[i]] = _ENDED
        for at in range(f.record[i] + 2, f.record[i + 1]):
            r = f.records[at]
            r = r if r >= 0 else ~r
            weight = f.weights[at] if len(f.weights) else 1.0
            f.load[r] -= 1
            f.pull[r] -= weight
            if f.load[r] == 0:
                f.pull[r] = 0.0  # rounding must not pull at an empty resource
                f.length[r] = 0
            if unused > 0.0 and f.full[r] and f.load[r] > 0:
                f.credit[r] += unused * weight
                f.n[CREDITED] = 1
            f.changed[n_changed] = r
            n_changed += not f.is_changed[r]
            f.is_changed[r] = True
    f.n[CHANGED] = n_changed


@compiled
def _leave_all(f: Flows, flows: _Longs) -> None:
    """As `leave`, where nothing stays in flight: no resource needs to be looked at for each."""
    for i in flows:
        f.rate[i] = ENDED_RATE
        f.records[f.record[i]] = _ENDED
    for r in range(len(f.load)):
        if f.load[r] > 0:
            mark(f, r)
            f.load[r] = 0
            f.pull[r] = 0.0
            f.length[r] = 0


@compiled
def mark(f: Flows, r: int) -> None:
    """Mark resource ``r`` as changed, so that the next `solve` starts from it."""
    if not f.is_changed[r]:
        f.is_changed[r] = True
        f.changed[f.n[CHANGED]] = r
        f.n[CHANGED] += 1


@compiled
def solve(f: Flows, time: float, span: float) -> bool:
    """Compute new max-min rates from ``time`` (s) on for all flows that a change can affect.

    ``span``: the number of seconds over which outstanding `credit` is to be carried. Returns True
    if every flow in flight was solved again.
    """
    f.n[SOLVES] += 1
    everything = f.n[SKIP] > 0 or f.n[ALIVE] > _CROWDED * f.n[CHANGED]
    found = 0
    if everything:
        _touch_all(f)
    else:
        found = _component(f)
    low, high = _levels(f, span)
    if everything and high <= low * (1 + 1e-12) and low <= f.limits[0]:
        _fill_alike(f, low, time)
    else:
        if everything:
            found = _everything(f)
        if len(f.limits) > 1:
            _sort_by_limit(f, found)
        _fill(f, found)
        _settle(f, found, time)
    for k in range(f.n[TOUCHED]):
        r = f.touched[k]
        above = f.bonus[r] - f.room[r]  # what it carries above its capacity
        f.full[r] = above >= -1e-9 * f.capacity[r]
        f.bonus[r] = max(above, 0.0) if f.credit[r] > 0.0 else 0.0
        if not f.full[r]:  # what it did not carry nobody wanted
            f.credit[r] = 0.0
    for k in range(f.n[CHANGED]):
        f.is_changed[f.changed[k]] = False
    f.n[CHANGED] = 0
    return bool(everything)


@compiled
def _levels(f: Flows, span: float) -> tuple[float, float]:
    """Make the touched resources ready to be filled; the lowest and highest level of one alone."""
    low, high = np.inf, 0.0
    for k in range(f.n[TOUCHED]):
        r = f.touched[k]
        f.bonus[r] = f.credit[r] / span
        f.room[r] = f.capacity[r] + f.bonus[r]
        f.pulling[r] = f.pull[r]
        f.waiting[r] = f.load[r]
        if f.load[r] > 0:
            level = f.room[r] / f.pull[r]
            low, high = min(low, level), max(high, level)
    return low, high


@compiled
def _component(f: Flows) -> int:
    """The records that a changed resource can touch, into ``found``; resources into ``touched``."""
    f.n[STAMP] += 1
    stamp = f.n[STAMP]
    n_touched, n_found = 0, 0
    for k in range(f.n[CHANGED]):
        f.touched[n_touched] = f.changed[k]
        f.seen[f.changed[k]] = stamp
        n_touched += 1
    head = 0
    while head < n_touched:
        r = f.touched[head]
        head += 1
        kept = f.first[r]
        for k in range(f.first[r], f.first[r] + f.length[r]):
            b = f.inside[k]
            if f.records[b] == _ENDED:
                continue  # drop it from the list
            f.inside[kept] = b
            kept += 1
            if f.records[b] == _RISING:
                continue
            f.records[b] = _RISING
            f.found[n_found] = b
            n_found += 1
            at = b + 2
            more = True
            while more:
                other = f.records[at]
                more = other >= 0
                other = other if more else ~other
                if f.seen[other] != stamp:
                    f.seen[other] = stamp
                    f.touched[n_touched] = other
                    n_touched += 1
                at += 1
        f.length[r] = kept - f.first[r]
    if n_found > 1000 and 2 * n_found > f.n[IN_FLIGHT]:
        f.n[SKIP] = 16  # so it will be for a while
    f.n[TOUCHED] = n_touched
    return n_found


@compiled
def _touch_all(f: Flows) -> None:
    """Every resource in use is touched, where all hangs together or very likely does."""
    f.n[SKIP] = max(f.n[SKIP] - 1, 0)
    n_touched = 0
    for r in range(len(f.capacity)):
        if f.load[r] > 0 or f.is_changed[r]:
            f.touched[n_touched] = r
            n_touched += 1
    f.n[TOUCHED] = n_touched


@compiled
def _everything(f: Flows) -> int:
    """As `_component` after `_touch_all`: there is nothing to search."""
    n_found = 0
    for k in range(f.n[IN_FLIGHT]):
        i = f.active[k]
        b = f.record[i]
        if f.records[b] != _ENDED and f.record[i + 1] > b + 2:
            f.records[b] = _RISING
            f.found[n_found] = b
            n_found += 1
    return n_found


@compiled
def _fill_alike(f: Flows, level: float, time: float) -> None:
    """Every resource fills at one level: it is the rate of all flows, as in uniform traffic."""
    for k in range(f.n[TOUCHED]):
        r = f.touched[k]
        f.room[r] -= level * f.pull[r]
    for k in range(f.n[IN_FLIGHT]):
        i = f.active[k]
        if f.rate[i] == ENDED_RATE or f.record[i + 1] == f.record[i] + 2:
            continue
        f.due[i] = _due(f.due[i], f.size[i], f.rate[i], level, time)
        f.rate[i] = level


@compiled
def _sort_by_limit(f: Flows, found: int) -> None:
    """Flows with the lowest limit first: they freeze at it before any resource above it."""
    if found < len(f.limits):
        keys = np.empty(found)
        for k in range(found):
            keys[k] = f.limit[f.records[f.found[k] + 1]]
        sort_by(keys, f.found[:found], found)
        return
    at = np.zeros(len(f.limits) + 1, np.int64)
    for k in range(found):
        at[f.limit[f.records[f.found[k] + 1]] + 1] += 1
    for c in range(len(f.limits)):
        at[c + 1] += at[c]
    before = f.found[:found].copy()
    for k in range(found):
        limit = f.limit[f.records[before[k] + 1]]
        f.found[at[limit]] = before[k]
        at[limit] += 1


@compiled
def _fill(f: Flows, found: int) -> None:
    """Raise the level; freeze the flows of each resource that is full, or at their limits."""
    heap_level, heap_resource, top = f.heap_level, f.heap_resource, 0
    for k in range(f.n[TOUCHED]):
        r = f.touched[k]
        if f.load[r] > 0:
            top = _push(heap_level, heap_resource, top, f.room[r] / f.pull[r], r)
    limited = 0  # found[:limited] have been held against their limits
    while top > 0:
        level, r = f.heap_level[0], f.heap_resource[0]
        if len(f.limits) > 1:
            limited = _freeze_limited(f, limited, found, level)
        top = _pop(heap_level, heap_resource, top)
        if f.waiting[r] == 0:
            continue
        now = max(f.room[r], 0.0) / f.pulling[r]
        if now > level * (1 + 1e-12):
            top = _push(heap_level, heap_resource, top, now, r)
            continue
        f.level[r] = now
        kept = f.first[r]
        for k in range(f.first[r], f.first[r] + f.length[r]):
            b = f.inside[k]
            state = f.records[b]
            if state == _ENDED:
                continue  # drop it from the list
            f.inside[kept] = b
            kept += 1
            if state != _RISING:
                continue
            f.records[b] = r
            _take(f, b, now)
        f.length[r] = kept - f.first[r]


@compiled
def _freeze_limited(f: Flows, limited: int, found: int, level: float) -> int:
    """Freeze the flows whose limits are below ``level``; returns how many have been looked at."""
    while limited < found:
        b = f.found[limited]
        rate = f.limits[f.limit[f.records[b + 1]]]
        if rate > level:
            break
        limited += 1
        if f.records[b] != _RISING:
            continue
        f.records[b] = _AT_LIMIT
        _take(f, b, rate)
    return limited


@inlined
def _take(f: Flows, b: int, rate: float) -> None:
    """Take what a flow that is frozen at ``rate`` has from the resources on its way."""
    at = b + 2
    more = True
    while more:
        r = f.records[at]
        more = r >= 0
        r = r if more else ~r
        weight = f.weights[at] if len(f.weights) else 1.0
        f.room[r] -= rate * weight
        f.pulling[r] -= weight
        f.waiting[r] -= 1
        at += 1


@compiled
def _settle(f: Flows, found: int, time: float) -> None:
    """Give the flows that were solved their rates, and when they will be through at those."""
    for k in range(found):
        b = f.found[k]
        state, i = f.records[b], f.records[b + 1]
        if state == _RISING:  # only its own limit is left
            state = _AT_LIMIT
            f.records[b] = state
        rate = f.level[state] if state >= 0 else f.limits[f.limit[i]]
        f.due[i] = _due(f.due[i], f.size[i], f.rate[i], rate, time)
        f.rate[i] = rate


@inlined
def _due(due: float, size: float, old: float, rate: float, time: float) -> float:
    """When a flow ends whose rate changes at ``time``; before its first, it is due to begin."""
    if old == 0.0:
        return max(time, due) + size / rate
    if rate == old:
        return due
    left = (due - time) * old
    if left > size:  # it joined a little early, and has not begun
        return due + size / rate - size / old
    return time + left / rate


@compiled
def sort_by(keys: _Floats, values: NDArray[np.signedinteger[Any]], most: int) -> None:
    """Sort ``values`` by ascending ``keys``, in place, as far as the first ``most`` entries.

    The entries after these are undefined. Compiles far faster than numpy's sorts.
    """
    heap_key, heap_value = np.empty(len(keys)), np.empty_like(values)
    top = 0
    for k in range(len(keys)):
        top = _push(heap_key, heap_value, top, keys[k], values[k])
    for k in range(min(most, len(keys))):
        values[k] = heap_value[0]
        top = _pop(heap_key, heap_value, top)


@inlined
def _push(levels: _Floats, resources: _Ints, top: int, level: float, r: int) -> int:
    k = top
    while k > 0:
        parent = (k - 1) >> 1
        if levels[parent] <= level:
            break
        levels[k] = levels[parent]
        resources[k] = resources[parent]
        k = parent
    levels[k] = level
    resources[k] = r
    return top + 1


@inlined
def _pop(levels: _Floats, resources: _Ints, top: int) -> int:
    top -= 1
    level, r = levels[top], resources[top]
    k = 0
    while True:
        child = 2 * k + 1
        if child >= top:
            break
        if child + 1 < top and levels[child + 1] < levels[child]:
            child += 1
        if levels[child] >= level:
            break
        levels[k] = levels[child]
        resources[k] = resources[child]
        k = child
    levels[k] = level
    resources[k] = r
    return top
