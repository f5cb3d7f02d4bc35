"""The transfers in flight and the resources that they load, as columns; who joins and who leaves.

Solving for their rates is bound by memory, not by arithmetic, so what it needs of a transfer is
stored together in one *record* of int32, mostly one cache line: ``[state, flow, r0, r1, ...,
~last]``, its resources, the last one complemented. Resources list the records that load them; those
of ended transfers are dropped when a list is next read.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inner_with_arrays

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

RISING, ENDED, AT_LIMIT, HELD = -1, -2, -3, -4
"""States of a record: its rate still rises with the level, as it is being solved; it has ended; its
own limit holds it back; others go before it and are solved first. From 0 up: the resource that
holds it back."""

ENDED_RATE = -1.0
"""The rate of a flow that has left."""


IN_FLIGHT, CHANGED, STAMP, SKIP, TOUCHED, CREDITED, SOLVES, ALIVE, PRIORITIES = range(9)
"""What the numbers of `Flows.n` are: see the functions that use them."""


class Priorities(NamedTuple):
    """How many priorities there are, and that of each flow and class: int8, 0 goes first.

    Where no class goes before another, ``number`` is 0 and the columns are empty.
    """

    number: int
    of_flows: NDArray[np.int8]
    of_classes: NDArray[np.int8]


NO_PRIORITIES = Priorities(0, np.zeros(0, np.int8), np.zeros(0, np.int8))
"""The priorities of flows that are all alike."""


NO_PROMISE = np.zeros(0)
"""What is promised where no class has a guarantee."""


def alike(flows: int) -> Priorities:
    """Of flows that all have one priority, in the solver that knows of flows at rate 0."""
    return Priorities(1, np.zeros(flows, np.int8), np.zeros(0, np.int8))


class Flows(NamedTuple):
    """The transfers of a window of steps, and the state of the resources that they load.

    Over flows: ``size``, bytes to go when it joins; ``rate``; ``due``, when it ends at that rate;
    ``limit``, the index in ``limits`` (ascending, bytes per second) of its own rate limit;
    ``record``, where its record begins in ``records``. ``weights`` is parallel to ``records``, and
    empty if every weight is 1. Over resources: ``capacity``; ``load`` and ``pull``, the number of
    flows in flight and the sum of their weights; ``inside[first[r]:first[r] + length[r]]``, records
    of flows that are in flight or have ended. ``credit``: bytes that a full resource could have
    carried since flows ended between two solves; they are carried later, at rate ``bonus``.
    Where there are priorities, ``n[8]`` says how many, and ``priority`` that of each flow: 0 goes
    first; else it is empty. Flows that may stand still have one at least, see `alike`.
    ``promise``, over resources: bytes per second of those that stand for a guarantee, else inf;
    empty where there is none, and where there is one there are priorities, one at least.
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
    priority: NDArray[np.int8]
    promise: _Floats


def make_flows(
    size: _Floats,
    limit: _Ints,
    limits: _Floats,
    entries: _Longs,
    resource: _Ints,
    weight: _Floats,
    capacity: _Floats,
    priorities: Priorities = NO_PRIORITIES,
    promise: _Floats = NO_PROMISE,
) -> Flows:
    """Flows that are not in flight yet; flow i loads ``resource[entries[i]:entries[i + 1]]``.

    ``size``: bytes [flows]; ``limits[limit]``: the most bytes per second of each flow; ``weight``:
    by entry, how much of a flow's rate the resource carries; ``capacity``: bytes per second
    [resources]; ``priorities``: of the flows and of the traffic classes; ``promise``: see `Flows`.
    """
    n, n_resources, numbers = len(size), len(capacity), np.zeros(9, np.int64)
    numbers[PRIORITIES] = priorities.number
    weighted = bool((weight != 1).any())
    record, records, weights = records_of(entries, resource, weight, weighted)
    per_resource = np.bincount(resource, minlength=n_resources)
    zero, empty = np.zeros, np.empty  # empty: never read before it is written
    return Flows(
        size=size, rate=zero(n), due=zero(n), limit=limit, limits=limits,
        record=record, records=records, weights=weights,
        capacity=capacity, first=np.cumsum(per_resource) - per_resource,
        length=zero(n_resources, np.int64), load=zero(n_resources, np.int64),
        pull=zero(n_resources), inside=empty(len(resource), np.int32), credit=zero(n_resources),
        bonus=zero(n_resources), full=zero(n_resources, np.bool_), active=empty(n, np.int32),
        changed=zero(n_resources + 1, np.int32), is_changed=zero(n_resources, np.bool_),
        n=numbers, seen=zero(n_resources, np.int64), room=zero(n_resources),
        pulling=zero(n_resources), waiting=zero(n_resources, np.int64), level=zero(n_resources),
        heap_level=zero(n_resources + 1), heap_resource=zero(n_resources + 1, np.int32),
        found=empty(n, np.int32), touched=zero(n_resources, np.int32),
        priority=priorities.of_flows, promise=promise,
    )  # fmt: skip


def records_of(
    entries: _Longs, resource: _Ints, weight: _Floats, weighted: bool
) -> tuple[_Longs, _Ints, _Floats]:
    """Where each flow's record begins, the records, and what is parallel to them: see `Flows`.

    ``entries``, ``resource``, ``weight``: as in `make_flows`. Not ``weighted``: no weights.
    """
    n = len(entries) - 1
    record = entries + 2 * np.arange(n + 1)
    # Made here, as numpy has large arrays in large pages, and kernels read these in any order.
    records = np.empty(len(resource) + 2 * n, np.int32)
    weights = np.ones(len(records) if weighted else 0)
    _fill_records(entries, resource, weight, record, records, weights)
    return record, records, weights


@compiled
def _fill_records(
    entries: _Longs, resource: _Ints, weight: _Floats, record: _Longs, records: _Ints,
    weights: _Floats,
) -> None:  # fmt: skip
    for i in range(len(entries) - 1):
        b = record[i]
        records[b] = AT_LIMIT
        records[b + 1] = i
        for e in range(entries[i], entries[i + 1]):
            at = b + 2 + e - entries[i]
            records[at] = resource[e] if e + 1 < entries[i + 1] else ~resource[e]
            if len(weights) > 0:
                weights[at] = weight[e]


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


@inner_with_arrays
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
        f.records[f.record[i]] = ENDED
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


@inner_with_arrays
def _leave_all(f: Flows, flows: _Longs) -> None:
    """As `leave`, where nothing stays in flight: no resource needs to be looked at for each."""
    for i in flows:
        f.rate[i] = ENDED_RATE
        f.records[f.record[i]] = ENDED
    for r in range(len(f.load)):
        if f.load[r] > 0:
            mark(f, r)
            f.load[r] = 0
            f.pull[r] = 0.0
            f.length[r] = 0


@inner_with_arrays
def mark(f: Flows, r: int) -> None:
    """Mark resource ``r`` as changed, so that the next `solve` starts from it."""
    if not f.is_changed[r]:
        f.is_changed[r] = True
        f.changed[f.n[CHANGED]] = r
        f.n[CHANGED] += 1
