"""Traffic in which no two transfers ever meet: times follow one another without any events.

In a ring, a pairwise exchange or a tree on a non-blocking fabric, every port carries one transfer
at a time, and its next one begins only when a rank of both has finished the one before. Each then
has the full rate of its path from its first byte to its last, so one pass over the schedule in its
order gives every time, exactly: a transfer starts when both of its ranks have reached its step, and
a rank reaches its next step when its last transfer of this one has ended. `rates` finds out whether
a window is such traffic; any other is for `fabric.engines.flow.events`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.engines.flow.events import DONE, IN_FLIGHT, UNDER_WAY, WAITING
from topology.compiled import compiled, inner

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]


class Uncontended(NamedTuple):
    """A window of uncontended traffic: columns as in `fabric.engines.flow.events.EventWindow`.

    ``size``: bytes to go. ``rate``: of each flow, bytes per second.
    """

    src: _Ints
    dst: _Ints
    step: _Longs
    latency: _Floats
    src_cost: _Floats
    dst_cost: _Floats
    size: _Floats
    rate: _Floats
    status: NDArray[np.int8]
    start: _Floats
    arrive: _Floats
    finish: _Floats
    ready: _Floats
    latest: _Floats
    cost: _Floats


@compiled
def rates(
    src: _Ints,
    dst: _Ints,
    step: _Longs,
    size: _Floats,
    limit: _Ints,
    limits: _Floats,
    entries: _Longs,
    resource: _Ints,
    weight: _Floats,
    capacity: _Floats,
) -> _Floats:
    """The rate of each flow in bytes per second, if no two flows ever share a resource; else empty.

    Two flows never meet when they are of different steps and have a rank in common: it finishes the
    one before it begins the other. It is enough that each flow is so ordered with the next one on
    each of its resources. Columns as in `events.EventWindow` and `columns.FlowLoads`.
    """
    last = np.full(len(capacity), -1)
    rate = np.empty(len(src))
    for i in range(len(src)):
        rate[i] = limits[limit[i]]
        if size[i] == 0.0:
            continue  # never in flight
        for e in range(entries[i], entries[i + 1]):
            r = resource[e]
            rate[i] = min(rate[i], capacity[r] / weight[e])
            before = last[r]
            last[r] = i
            if before >= 0 and not (
                step[before] < step[i]
                and (
                    src[before] == src[i] or dst[before] == dst[i]
                    or src[before] == dst[i] or dst[before] == src[i]
                )
            ):  # fmt: skip
                return np.empty(0)
        if rate[i] <= 0.0:
            return np.empty(0)  # it never ends
    return rate


def run(a: Uncontended, time: float, watched: int, more: bool) -> float:
    """Run to the end or, with ``more`` steps, until one of the ``watched`` ranks has no rows.

    ``time`` and the returned time are in seconds. From the returned time on, ranks may take part in
    steps that are not in this window.
    """
    if not more:
        return float(_advance(a, time, np.inf).max(initial=time))
    trial = a._replace(
        status=a.status.copy(), ready=a.ready.copy(), latest=a.latest.copy(), cost=a.cost.copy()
    )
    until = float(_advance(trial, time, np.inf)[:watched].min(initial=np.inf))
    _advance(a, time, until)
    return until


@compiled
def _advance(a: Uncontended, time: float, until: float) -> _Floats:
    """Run until ``until``; returns when each rank was last through with a flow, or ``time``."""
    ranks = len(a.ready)
    at = np.full(ranks, -1)  # the step that a rank has come to
    held = np.zeros(ranks, np.bool_)  # a flow of that step goes on after ``until``
    through = np.full(ranks, time)
    _go(a, time, until, at, held, through)
    return through


@inner
def _go(
    a: Uncontended, time: float, until: float, at: _Longs, held: NDArray[np.bool_], through: _Floats
) -> None:  # fmt: skip
    """The loop of `_advance`, which makes the columns over ranks."""
    for i in range(len(a.src)):
        src, dst, step = a.src[i], a.dst[i], a.step[i]
        waits = False
        for side in range(2):
            r = src if side == 0 else dst
            if at[r] == step:
                continue
            if held[r]:
                waits = True
                continue
            if at[r] >= 0:
                a.ready[r] = a.latest[r] + a.cost[r]
                a.latest[r] = 0.0
                a.cost[r] = 0.0
            at[r] = step
        if waits:
            held[src] = held[dst] = True
            continue
        if a.status[i] == WAITING:
            a.start[i] = max(a.ready[src], a.ready[dst])
            a.arrive[i] = a.start[i] + a.latency[i]
            a.status[i] = UNDER_WAY
        begin = max(a.arrive[i], time) if a.status[i] == IN_FLIGHT else a.arrive[i]
        end = begin + a.size[i] / a.rate[i]
        if end > until:
            held[src] = held[dst] = True
            if begin <= until and a.size[i] > 0.0:
                a.status[i] = IN_FLIGHT
                a.size[i] = min(a.size[i], (end - until) * a.rate[i])
            continue
        a.finish[i] = end
        a.status[i] = DONE
        a.cost[src] += a.src_cost[i]
        a.cost[dst] += a.dst_cost[i]
        a.latest[src] = max(a.latest[src], end)
        a.latest[dst] = max(a.latest[dst], end)
        through[src] = max(through[src], end)
        through[dst] = max(through[dst], end)
    for r in range(len(a.ready)):
        if at[r] >= 0 and not held[r]:
            a.ready[r] = a.latest[r] + a.cost[r]
            a.latest[r] = 0.0
            a.cost[r] = 0.0
