"""Max-min fair rates for the transfers in flight, computed anew only where something changed.

Progressive filling: all rates rise together; the resource (a bundle of links, a port, a limit of an
initiator) that is full first freezes its transfers at that level, then the next, and so on. A
transfer of rate r loads resource l with ``r * weight``. Resources wait in a heap by the level at
which they would fill; levels only rise as transfers freeze, so a stale entry is put back when met.

Only the transfers that share resources, directly or through others, with a changed one are solved
again (their *component*).

A call inside a loop counts references to every array that its caller holds, which costs more than
the loop's own work. So functions here take many flows at a time, and loops over flows call only
functions that are inlined and get plain arrays.
"""

import numpy as np
from numpy.typing import NDArray

from fabric.engines.flow.heap import pop, push, sort_by
from fabric.engines.flow.in_flight import (
    ALIVE,
    AT_LIMIT,
    CHANGED,
    ENDED,
    ENDED_RATE,
    IN_FLIGHT,
    RISING,
    SKIP,
    SOLVES,
    STAMP,
    TOUCHED,
    Flows,
)
from topology.compiled import inlined, inner_with_arrays
from topology.prefetch import prefetch

_Floats = NDArray[np.float64]

_AHEAD = 16  # records, in a list of which each lies somewhere else: what memory takes to find one

CROWDED = 16
"""Flows a changed resource, from which on all are taken to hang together."""


@inner_with_arrays
def solve(f: Flows, time: float, span: float) -> bool:
    """Compute new max-min rates from ``time`` (s) on for all flows that a change can affect.

    ``span``: the number of seconds over which outstanding `credit` is to be carried. Returns True
    if every flow in flight was solved again.
    """
    f.n[SOLVES] += 1
    everything = f.n[SKIP] > 0 or f.n[ALIVE] > CROWDED * f.n[CHANGED]
    found = 0
    if everything:
        touch_all(f)
    else:
        found = component(f)
    low, high = levels(f, span)
    if everything and high <= low * (1 + 1e-12) and low <= f.limits[0]:
        _fill_alike(f, low, time)
    else:
        if everything:
            found = all_in_flight(f)
        if len(f.limits) > 1:
            sort_by_limit(f, found)
        fill(f, found)
        _settle(f, found, time)
    close(f)
    return bool(everything)


@inlined
def close(f: Flows) -> None:
    """After a solve: which resources are full, what bonus they carry; nothing has changed."""
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


@inner_with_arrays
def levels(f: Flows, span: float) -> tuple[float, float]:
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


@inner_with_arrays
def component(f: Flows) -> int:
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
            if f.records[b] == ENDED:
                continue  # drop it from the list
            f.inside[kept] = b
            kept += 1
            if f.records[b] == RISING:
                continue
            f.records[b] = RISING
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


@inner_with_arrays
def touch_all(f: Flows) -> None:
    """Every resource in use is touched, where all hangs together or very likely does."""
    f.n[SKIP] = max(f.n[SKIP] - 1, 0)
    n_touched = 0
    for r in range(len(f.capacity)):
        if f.load[r] > 0 or f.is_changed[r]:
            f.touched[n_touched] = r
            n_touched += 1
    f.n[TOUCHED] = n_touched


@inner_with_arrays
def all_in_flight(f: Flows) -> int:
    """As `component` after `touch_all`: there is nothing to search."""
    n_found = 0
    for k in range(f.n[IN_FLIGHT]):
        i = f.active[k]
        b = f.record[i]
        if f.records[b] != ENDED and f.record[i + 1] > b + 2:
            f.records[b] = RISING
            f.found[n_found] = b
            n_found += 1
    return n_found


@inner_with_arrays
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


@inner_with_arrays
def sort_by_limit(f: Flows, found: int) -> None:
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


@inner_with_arrays
def fill(f: Flows, found: int) -> None:
    """Raise the level; freeze the flows of each resource that is full, or at their limits."""
    heap_level, heap_resource, top = f.heap_level, f.heap_resource, 0
    for k in range(f.n[TOUCHED]):
        r = f.touched[k]
        if f.waiting[r] > 0:
            top = push(heap_level, heap_resource, top, f.room[r] / f.pulling[r], r)
    limited = 0  # found[:limited] have been held against their limits
    while top > 0:
        level, r = f.heap_level[0], f.heap_resource[0]
        if len(f.limits) > 1:
            limited = _freeze_limited(f, limited, found, level)
        top = pop(heap_level, heap_resource, top)
        if f.waiting[r] == 0:
            continue
        now = max(f.room[r], 0.0) / f.pulling[r]
        if now > level * (1 + 1e-12):
            top = push(heap_level, heap_resource, top, now, r)
            continue
        f.level[r] = now
        kept, end = f.first[r], f.first[r] + f.length[r]
        for k in range(f.first[r], end):
            if k + _AHEAD < end:
                prefetch(f.records, f.inside[k + _AHEAD])
            b = f.inside[k]
            state = f.records[b]
            if state == ENDED:
                continue  # drop it from the list
            f.inside[kept] = b
            kept += 1
            if state != RISING:
                continue
            f.records[b] = r
            _take(f, b, now)
        f.length[r] = kept - f.first[r]


@inner_with_arrays
def _freeze_limited(f: Flows, limited: int, found: int, level: float) -> int:
    """Freeze the flows whose limits are below ``level``; returns how many have been looked at."""
    while limited < found:
        b = f.found[limited]
        rate = f.limits[f.limit[f.records[b + 1]]]
        if rate > level:
            break
        limited += 1
        if f.records[b] != RISING:
            continue
        f.records[b] = AT_LIMIT
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


@inner_with_arrays
def _settle(f: Flows, found: int, time: float) -> None:
    """Give the flows that were solved their rates, and when they will be through at those."""
    for k in range(found):
        b = f.found[k]
        state, i = f.records[b], f.records[b + 1]
        if state == RISING:  # only its own limit is left
            state = AT_LIMIT
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
