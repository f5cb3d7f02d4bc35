"""Max-min fair rates where some transfers go before others, or are promised something.

The highest priority is filled as if it were alone, the next one fills what that leaves, and so on.
A transfer for which nothing is left waits at rate 0, with what it has to go.

Before all of them the transfers of classes with a guarantee are filled, as if each rank's sending
in the class carried what it is promised and no more, and its receiving likewise. That is the
*base* of their rates; then come the priorities, and give everybody a share of what is left, on top.
So Linux's hierarchical token buckets do it (Devera, HTB, 2002): a class has its rate assured, and
the rest goes by priority, then by weight.
"""

import numpy as np
from numpy.typing import NDArray

from fabric.classes.table import TRAIT, TrafficClasses
from fabric.engines.columns import Streams
from fabric.engines.flow.heap import sort_by
from fabric.engines.flow.in_flight import (
    ALIVE,
    AT_LIMIT,
    CHANGED,
    HELD,
    NO_PRIORITIES,
    PRIORITIES,
    RISING,
    SKIP,
    SOLVES,
    TOUCHED,
    Flows,
    Priorities,
)
from fabric.engines.flow.maxmin import (
    CROWDED,
    all_in_flight,
    close,
    component,
    fill,
    levels,
    sort_by_limit,
    touch_all,
)
from topology.compiled import inner_with_arrays

_Ints = NDArray[np.int32]
_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]


def priorities(
    classes: TrafficClasses, streams: Streams, alike: Priorities = NO_PRIORITIES
) -> Priorities:
    """The priorities of the ``streams`` as flows; ``alike`` where all classes have the same."""
    found = priorities_of(classes, classes.rows(streams.trait(TRAIT)))
    return found if found.number else alike


def priorities_of(classes: TrafficClasses, row: _Longs) -> Priorities:
    """The priorities of flows; `NO_PRIORITIES` where all classes are served alike.

    ``row``: the place of each flow's class in the table, int64.
    """
    different, of_classes = np.unique(-classes.priorities, return_inverse=True)
    if len(different) < 2 and not classes.guaranteed:
        return NO_PRIORITIES
    ranked = of_classes.astype(np.int8)
    return Priorities(len(different), ranked[row], ranked)


@inner_with_arrays
def solve_by_priority(f: Flows, time: float, span: float) -> bool:
    """Compute new rates from ``time`` (s) on for all flows that a change can affect.

    As `fabric.engines.flow.maxmin.solve`, priority after priority.
    """
    f.n[SOLVES] += 1
    everything = f.n[SKIP] > 0 or f.n[ALIVE] > CROWDED * f.n[CHANGED]
    found = 0
    if everything:
        touch_all(f)
        found = all_in_flight(f)
    else:
        found = component(f)
    levels(f, span)
    every, begin = _by_priority(f, found)
    if len(f.promise) > 0:
        _fill_above(f, every, begin, time, _promised(f, every))
        close(f)
        return bool(everything)
    for priority in range(f.n[PRIORITIES]):
        first, end = begin[priority], begin[priority + 1]
        if first == end:
            continue
        _open(f, every[first:end])
        if len(f.limits) > 1:
            sort_by_limit(f, end - first)
        fill(f, end - first)
        _settle(f, end - first, time)
    close(f)
    return bool(everything)


@inner_with_arrays
def _fill_above(f: Flows, every: _Ints, begin: _Longs, time: float, base: _Floats) -> None:
    """Priority after priority, on top of the ``base`` that flows have; as `solve_by_priority`."""
    for priority in range(f.n[PRIORITIES]):
        first, end = begin[priority], begin[priority + 1]
        if first == end:
            continue
        _open(f, every[first:end])
        g = _with_rest(f, end - first, base)
        sort_by_limit(g, end - first)
        fill(g, end - first)
        for k in range(end - first):  # their rates, as if these were their limits
            b = g.found[k]
            state, i = g.records[b], g.records[b + 1]
            above = g.level[state] if state >= 0 else g.limits[g.limit[i]]
            g.limits[g.limit[i]], g.records[b] = base[i] + above, AT_LIMIT
        _settle(g, end - first, time)


@inner_with_arrays
def _promised(f: Flows, every: _Ints) -> _Floats:
    """Fill the flows among these records that a guarantee is for, up to it; their rates, by flow.

    Those of others are 0. What they have is taken from their resources.
    """
    base, mine, n = np.zeros(len(f.rate)), np.empty(len(every), np.int32), 0
    for k in range(len(every)):
        at, is_promised = every[k] + 2, False
        while f.records[at] >= 0:
            is_promised |= f.promise[f.records[at]] < np.inf
            at += 1
        if is_promised or f.promise[~f.records[at]] < np.inf:
            mine[n] = every[k]
            n += 1
    _promise(f, True)
    _open(f, mine[:n])
    if len(f.limits) > 1:
        sort_by_limit(f, n)
    fill(f, n)
    for k in range(n):
        b = f.found[k]
        state, i = f.records[b], f.records[b + 1]
        base[i] = f.level[state] if state >= 0 else f.limits[f.limit[i]]
        f.records[b] = HELD
    _promise(f, False)
    return base


@inner_with_arrays
def _promise(f: Flows, holds: bool) -> None:
    """Let what is promised be the room of the resources that stand for it, or nothing at all."""
    for k in range(f.n[TOUCHED]):
        r = f.touched[k]
        if f.promise[r] < np.inf:
            f.room[r] = f.promise[r] if holds else np.inf


@inner_with_arrays
def _with_rest(f: Flows, found: int, base: _Floats) -> Flows:
    """The flows with what their limits leave of the first ``found`` above the base as limits."""
    flow, rest, limit = np.empty(found, np.int32), np.empty(found), f.limit.copy()
    for k in range(found):
        flow[k] = f.records[f.found[k] + 1]
        rest[k] = max(f.limits[f.limit[flow[k]]] - base[flow[k]], 0.0)
    sort_by(rest, flow, found)
    limits = np.full(found + 1, np.inf)  # one at least is none: with a single one none is looked at
    for k in range(found):
        i = flow[k]
        limits[k], limit[i] = max(f.limits[f.limit[i]] - base[i], 0.0), k
    return Flows(
        f.size, f.rate, f.due, limit, limits, f.record, f.records, f.weights, f.capacity, f.first,
        f.length, f.load, f.pull, f.inside, f.credit, f.bonus, f.full, f.active, f.changed,
        f.is_changed, f.n, f.seen, f.room, f.pulling, f.waiting, f.level, f.heap_level,
        f.heap_resource, f.found, f.touched, f.priority, f.promise,
    )  # fmt: skip


@inner_with_arrays
def _by_priority(f: Flows, found: int) -> tuple[_Ints, _Longs]:
    """The records in ``found``, highest priority first, and where each priority begins.

    All of them are held until their priority is filled.
    """
    begin = np.zeros(f.n[PRIORITIES] + 1, np.int64)
    for k in range(found):
        b = f.found[k]
        f.records[b] = HELD
        begin[f.priority[f.records[b + 1]] + 1] += 1
    for p in range(f.n[PRIORITIES]):
        begin[p + 1] += begin[p]
    at, every = begin.copy(), np.empty(found, np.int32)
    for k in range(found):
        b = f.found[k]
        p = f.priority[f.records[b + 1]]
        every[at[p]] = b
        at[p] += 1
    return every, begin


@inner_with_arrays
def _open(f: Flows, records: _Ints) -> None:
    """Make these ``records`` of one priority ready to be filled, into what the others leave."""
    for k in range(f.n[TOUCHED]):
        r = f.touched[k]
        f.pulling[r] = 0.0
        f.waiting[r] = 0
        if f.room[r] <= 1e-9 * f.capacity[r] < np.inf:
            f.room[r] = 0.0  # rounding must not look like bandwidth that is left
    for k in range(len(records)):
        b = records[k]
        f.found[k] = b
        f.records[b] = RISING
        at, more = b + 2, True
        while more:
            r = f.records[at]
            more = r >= 0
            r = r if more else ~r
            f.pulling[r] += f.weights[at] if len(f.weights) else 1.0
            f.waiting[r] += 1
            at += 1


@inner_with_arrays
def _settle(f: Flows, found: int, time: float) -> None:
    """Give the flows that were solved their rates, and when they will be through at those.

    The first lines are also those of `maxmin`'s: as a function that both call, they take a solve
    twice its time.
    """
    for k in range(found):
        b = f.found[k]
        state, i = f.records[b], f.records[b + 1]
        if state == RISING:  # only its own limit is left
            state = AT_LIMIT
            f.records[b] = state
        rate = f.level[state] if state >= 0 else f.limits[f.limit[i]]
        old, due = f.rate[i], f.due[i]
        if old > 0.0 and (rate == old or due <= time * (1 + 2e-12)):
            continue  # nothing changes, or it has its last byte at this very instant
        left, begin = f.size[i], time
        if old > 0.0:
            left = (due - time) * old
            if left > f.size[i]:  # it joined a little early, and has not begun
                left, begin = f.size[i], due - f.size[i] / old
        elif due < np.inf:  # before its first rate it is due to begin
            begin = max(time, due)
        if rate > 0.0:
            f.due[i] = begin + left / rate
        else:
            f.size[i] = left
            f.due[i] = np.inf
        f.rate[i] = rate
