"""The flow engine: steps run under the one ordering rule, transfers share links max-min fairly.

Time goes from event to event. A transfer begins when both of its ranks have reached its step, waits
for its latency, then moves at its max-min fair rate until its last byte has arrived. A rank goes on
to its next step when its last transfer of this one has ended, plus what its software costs.

The tolerance: between two solves of the rates at most a share of the flows in flight may end (one
at a time when they are few, which is exact). What the ended flows leave free until the next solve
is kept as credit and carried by the same full resources right after, so no capacity is lost, and
none is ever used twice: no answer lies below the closed form.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.engines.flow import in_flight
from fabric.engines.flow.heap import sort_by
from fabric.engines.flow.in_flight import Flows, join, leave, mark
from fabric.engines.flow.maxmin import solve
from fabric.engines.flow.priorities import solve_by_priority
from topology.compiled import compiled, inner_with_arrays

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

WAITING, UNDER_WAY, IN_FLIGHT, DONE = range(4)
"""What a flow's status may be."""

UNDER, IDLE, RANKS, GONE, WAITING_FLOWS, FREED = range(6)
"""What the numbers of `EventWindow.n` are: flows under way, ranks without flows, ..."""

ARRIVAL, SETTLE, LEAST_LATENCY, SPAN, TOGETHER = range(5)
"""What the numbers of `EventWindow.times` are, in seconds: `ARRIVAL`, when the next of the flows
under way arrives; `SETTLE`, when credit must be settled; `LEAST_LATENCY` of any flow; `SPAN`, over
how long credit is carried; `TOGETHER`, how far arrivals may lie apart to share a solve."""

EXACT_BELOW = 500  # with fewer flows in flight, one ends at a time
SAMPLE = 1024  # of the flows in flight, to see when a share of them will have ended


class EventWindow(NamedTuple):
    """Some consecutive steps of a schedule, as columns over their flows and over the ranks.

    Flows: ``src``, ``dst`` (ranks), ``step``, ``latency`` (s), ``src_cost``, ``dst_cost`` (seconds
    that the flow costs each rank at its step's end), ``status``, ``missing`` (number of its ranks
    that have not reached its step), ``start``, ``arrive`` (when its bytes begin to move),
    ``finish``. Ranks: their flows in order of steps are ``rank_flow[rank_at[r]:rank_end[r]]``, for
    `run` those after the window's first step; ``open``: number of flows of its step not yet done;
    ``ready``: when it reached its step; ``latest`` and ``cost``: of its step so far.
    ``under_way[:n[0]]``: flows that wait for their latency; ``n[1]``: how many of the ``n[2]``
    ranks have no flow left here.

    ``times``: five numbers, see `ARRIVAL`.
    """

    src: _Ints
    dst: _Ints
    step: _Longs
    latency: _Floats
    src_cost: _Floats
    dst_cost: _Floats
    status: NDArray[np.int8]
    missing: NDArray[np.int8]
    start: _Floats
    arrive: _Floats
    finish: _Floats
    rank_flow: _Longs
    rank_at: _Longs
    rank_end: _Longs
    open: _Longs
    ready: _Floats
    latest: _Floats
    cost: _Floats
    under_way: _Longs
    ended: _Longs
    through: _Longs
    freed: _Longs
    dues: _Floats
    times: _Floats
    n: _Longs


def fresh_window(
    src: _Ints, dst: _Ints, step: _Longs, latency: _Floats, src_cost: _Floats, dst_cost: _Floats,
    status: NDArray[np.int8], start: _Floats, arrive: _Floats, finish: _Floats, ready: _Floats,
    latest: _Floats, cost: _Floats, *, watched: int, least: float,
) -> EventWindow:  # fmt: skip
    """A window of these columns, with its working memory.

    ``watched``: how many ranks are watched for having no flows left; ``least``: the least latency
    of a flow between two ranks, seconds.
    """
    n, ranks = len(src), len(ready)
    rank_flow, rank_begin = by_rank(src, dst, step, ranks)
    return EventWindow(
        src=src, dst=dst, step=step, latency=latency, src_cost=src_cost, dst_cost=dst_cost,
        status=status, missing=np.where(src == dst, 1, 2).astype(np.int8), start=start,
        arrive=arrive, finish=finish, rank_flow=rank_flow, rank_at=rank_begin[:-1].copy(),
        rank_end=rank_begin[1:], open=np.zeros(ranks, np.int64), ready=ready, latest=latest,
        cost=cost, under_way=np.empty(n, np.int64), ended=np.empty(n, np.int64),
        through=np.empty(n, np.int64), freed=np.empty(ranks, np.int64), dues=np.empty(n),
        times=np.array([np.inf, np.inf, least, 0.0, 0.0]),
        n=np.array([0, 0, watched, 0, (status == WAITING).sum(), 0]),
    )  # fmt: skip


@compiled
def run(
    w: EventWindow, f: Flows, time: float, share: float, grain: float, more: bool, until: float
) -> float:
    """Run until everything has ended or, if ``more`` steps will come, until a rank has no rows.

    Or until ``until``. Returns the time; both in seconds. ``share``: the fraction of the flows in
    flight that may end between two solves. ``grain``: events closer together than this fraction of
    a flow's time are handled in one solve, each at its own time.
    """
    _resume(w, f, time)
    time = proceed(w, f, time, until, share, grain, more)
    for k in range(f.n[in_flight.IN_FLIGHT]):
        i = f.active[k]
        if f.rate[i] > 0.0:
            f.size[i] = min(max((f.due[i] - time) * f.rate[i], 0.0), f.size[i])
    return time


@inner_with_arrays
def enter_and_proceed(
    w: EventWindow, f: Flows, time: float, until: float, share: float, grain: float
) -> float:
    """Let the ranks in ``freed`` come to their next step, then go on as `proceed`."""
    _enter(w)
    return proceed(w, f, time, until, share, grain, True)


@inner_with_arrays
def proceed(
    w: EventWindow, f: Flows, time: float, until: float, share: float, grain: float, more: bool
) -> float:
    """Go on as `run` does, from what is under way and in flight; stops at ``until``, in seconds.

    Returns the time, in seconds. Stopping changes no answer.
    """
    span = w.times[SPAN]
    while not (more and w.n[IDLE] > 0) and time < until:
        if w.times[ARRIVAL] <= time * (1 + 1e-12):
            _arrivals(w, f, time, grain)
            continue
        if f.n[in_flight.CHANGED] > 0 and f.n[in_flight.ALIVE] > 0:
            if f.n[in_flight.PRIORITIES] > 0:
                everything = solve_by_priority(f, time, max(span, 1e-30))
            else:
                everything = solve(f, time, max(span, 1e-30))
            owed = time + span if f.n[in_flight.CREDITED] > 0 else np.inf
            w.times[SETTLE] = owed if everything else min(owed, w.times[SETTLE])
        coming = _horizon(w, f, share, grain) - time
        if f.n[in_flight.IN_FLIGHT] == 0:
            if w.n[UNDER] == 0 or w.times[ARRIVAL] > until:
                break
            time = w.times[ARRIVAL]
            continue
        before = time
        time = _departures(w, f, min(time + coming, w.times[SETTLE], until))
        if f.n[in_flight.CREDITED] > 0:
            w.times[SETTLE] = _settle_credit(f, time, time - before, span)
        if w.n[GONE] > 0:
            leave(f, w.ended[: w.n[GONE]], time)
        if coming > 0.0:
            span = coming
    w.times[SPAN] = span
    return time


@inner_with_arrays
def _resume(w: EventWindow, f: Flows, time: float) -> None:
    """Take up what the window before left; every rank comes to its next step."""
    w.times[ARRIVAL] = np.inf
    n = 0
    for i in range(len(w.src)):
        if w.status[i] == IN_FLIGHT:
            w.ended[n] = i
            n += 1
        elif w.status[i] == UNDER_WAY:
            w.under_way[w.n[UNDER]] = i
            w.n[UNDER] += 1
            w.times[ARRIVAL] = min(w.times[ARRIVAL], w.arrive[i])
    join(f, w.ended[:n], time)
    _enter_first(w)


@inner_with_arrays
def _enter_first(w: EventWindow) -> None:
    """Every rank comes to its next step: to the window's first in one pass, else as in `_enter`."""
    i, waiting, soonest = 0, w.n[UNDER], w.times[ARRIVAL]
    while i < len(w.src) and w.step[i] == w.step[0]:
        src, dst = w.src[i], w.dst[i]
        w.open[src] += 1
        if src != dst:
            w.open[dst] += 1
        if w.status[i] == WAITING:
            w.start[i] = max(w.ready[src], w.ready[dst])
            w.arrive[i] = w.start[i] + w.latency[i]
            w.status[i] = UNDER_WAY
            w.n[WAITING_FLOWS] -= 1
            w.under_way[waiting] = i
            waiting += 1
            soonest = min(soonest, w.arrive[i])
        i += 1
    w.n[UNDER], w.times[ARRIVAL] = waiting, soonest
    for r in range(len(w.ready)):
        if w.open[r] == 0:
            w.freed[w.n[FREED]] = r
            w.n[FREED] += 1
    _enter(w)


@inner_with_arrays
def _enter(w: EventWindow) -> None:
    """Freed ranks come to their next step: flows whose two ranks are there set out."""
    for k in range(w.n[FREED]):
        r = w.freed[k]
        at, end = w.rank_at[r], w.rank_end[r]
        w.open[r] = 0
        if at == end:
            w.n[IDLE] += r < w.n[RANKS]
            continue
        step = w.step[w.rank_flow[at]]
        while at < end and w.step[w.rank_flow[at]] == step:
            i = w.rank_flow[at]
            at += 1
            w.open[r] += 1
            w.missing[i] -= 1
            if w.missing[i] == 0 and w.status[i] == WAITING:
                w.start[i] = max(w.ready[w.src[i]], w.ready[w.dst[i]])
                w.arrive[i] = w.start[i] + w.latency[i]
                w.status[i] = UNDER_WAY
                w.n[WAITING_FLOWS] -= 1
                w.under_way[w.n[UNDER]] = i
                w.n[UNDER] += 1
                w.times[ARRIVAL] = min(w.times[ARRIVAL], w.arrive[i])
        w.rank_at[r] = at
    w.n[FREED] = 0


@inner_with_arrays
def _arrivals(w: EventWindow, f: Flows, time: float, grain: float) -> None:
    """Flows whose latency is over go into flight, with those of nearly the same instant."""
    waiting, arrived, through = w.n[UNDER], 0, 0
    late = np.inf
    for k in range(waiting):
        i = w.under_way[k]
        if w.arrive[i] <= time * (1 + 1e-12):
            late = min(late, w.latency[i])
    until = time * (1 + 1e-12) + max(grain * late, w.times[TOGETHER])
    w.n[UNDER] = 0
    w.times[ARRIVAL] = np.inf
    for k in range(waiting):
        i = w.under_way[k]
        if w.arrive[i] > until:
            w.under_way[w.n[UNDER]] = i
            w.n[UNDER] += 1
            w.times[ARRIVAL] = min(w.times[ARRIVAL], w.arrive[i])
        elif f.size[i] == 0.0 or (
            f.record[i + 1] == f.record[i] + 2 and f.limits[f.limit[i]] == np.inf
        ):
            f.due[i] = w.arrive[i]
            w.through[through] = i
            through += 1
        else:
            w.status[i] = IN_FLIGHT
            f.due[i] = w.arrive[i]
            w.ended[arrived] = i
            arrived += 1
    join(f, w.ended[:arrived], time)
    if through > 0:
        _complete(w, f.due, w.through[:through], np.inf, False)
        _enter(w)


@inner_with_arrays
def _complete(w: EventWindow, due: _Floats, flows: _Longs, until: float, ordered: bool) -> int:
    """``flows`` are through; ranks that are thereby through with their step are freed.

    Where they are ``ordered``, only those due ``until`` then, and only up to the first instant that
    frees a rank. Returns how many are through.
    """
    instant = until
    for k in range(len(flows)):
        i = flows[k]
        if ordered and due[i] > instant:
            return k
        w.finish[i] = due[i]
        w.status[i] = DONE
        for side in range(2):
            r = w.src[i] if side == 0 else w.dst[i]
            w.cost[r] += w.src_cost[i] if side == 0 else w.dst_cost[i]
            if side == 0 and w.dst[i] == r:
                continue  # a copy inside a rank: counted once
            w.latest[r] = max(w.latest[r], due[i])
            w.open[r] -= 1
            if w.open[r] == 0:
                w.ready[r] = w.latest[r] + w.cost[r]
                w.latest[r] = 0.0
                w.cost[r] = 0.0
                w.freed[w.n[FREED]] = r
                w.n[FREED] += 1
                instant = min(instant, due[i] * (1 + 1e-12))
    return len(flows)


@inner_with_arrays
def _horizon(w: EventWindow, f: Flows, share: float, grain: float) -> float:
    """Until when the present rates may hold: a share of the flows has ended, or one arrives.

    Drops the flows that have ended from ``active`` on the way.
    """
    n, soonest, first = 0, np.inf, 0
    for k in range(f.n[in_flight.IN_FLIGHT]):
        i = f.active[k]
        if f.rate[i] >= 0.0:
            f.active[n] = i
            w.dues[n] = f.due[i]
            if f.due[i] < soonest:
                soonest, first = f.due[i], i
            n += 1
    f.n[in_flight.IN_FLIGHT] = n
    if f.n[in_flight.PRIORITIES] > 0 and share * (n - EXACT_BELOW) > 1.0:
        soonest = max(soonest, _first_share(w, n, share))
    elif share * (n - EXACT_BELOW) > 1.0:
        sample = np.empty(SAMPLE, np.int32)
        dues = np.empty(SAMPLE)
        size = min(n, SAMPLE)
        for k in range(size):
            sample[k] = k
            dues[k] = w.dues[k * n // size]
        many = int(share * (n - EXACT_BELOW) / n * size)
        sort_by(dues[:size], sample[:size], 2 * many + 2)
        last = dues[sample[many]]
        if dues[sample[min(2 * many + 1, size - 1)]] <= last * (1 + 1e-9):
            # Many end together: whatever ends before must be dealt with before, for what it leaves
            # free is of use to nobody afterwards.
            while many > 0 and dues[sample[many]] >= last * (1 - 1e-9):
                many -= 1
        soonest = max(soonest, dues[sample[many]])
    elif soonest < np.inf:  # else all stand still
        soonest += grain * max(soonest - w.arrive[first], 0.0)
    return float(min(soonest * (1 + 1e-12), w.times[ARRIVAL]))


@inner_with_arrays
def _first_share(w: EventWindow, n: int, share: float) -> float:
    """When a share of the flows that move has ended; those that have to wait never do."""
    moving, dues, flows = 0, np.empty(n), np.empty(n, np.int32)
    for k in range(n):
        if w.dues[k] < np.inf:
            dues[moving], flows[moving] = w.dues[k], k
            moving += 1
    many = int(share * (moving - EXACT_BELOW))
    if many < 1:
        return 0.0
    sort_by(dues[:moving], flows[:moving], many + 1)
    last = w.dues[flows[many]]
    # As where there are no priorities: whatever ends before many that end together comes first.
    together = np.sum(dues[:moving] <= last * (1 + 1e-9))
    if together > 2 * many:
        before = 0.0
        for k in range(moving):
            if dues[k] < last * (1 - 1e-9):
                before = max(before, dues[k])
        return before
    return float(last)


@inner_with_arrays
def _departures(w: EventWindow, f: Flows, until: float) -> float:
    """End the flows that are due, in order, unless one lets another arrive before that.

    Returns the time at which the last of them ended, or ``until`` where none did.
    """
    ended = 0
    for k in range(f.n[in_flight.IN_FLIGHT]):
        if w.dues[k] <= until:
            w.ended[ended] = f.active[k]
            ended += 1
    low, high = np.inf, 0.0
    for k in range(ended):
        low, high = min(low, f.due[w.ended[k]]), max(high, f.due[w.ended[k]])
    ordered = w.n[WAITING_FLOWS] > 0 and high - low >= w.times[LEAST_LATENCY]
    if ordered:  # else none can let another arrive before the last of them has ended
        for k in range(ended):
            w.dues[k] = f.due[w.ended[k]]
        sort_by(w.dues[:ended], w.ended[:ended], ended)
    done = 0
    while done < ended and (not ordered or f.due[w.ended[done]] <= w.times[ARRIVAL]):
        until_then = w.times[ARRIVAL] if ordered else np.inf
        done += _complete(w, f.due, w.ended[done:ended], until_then, ordered)
        _enter(w)
    w.n[GONE] = done
    last = 0.0
    for k in range(done):
        last = max(last, f.due[w.ended[k]])
    return last if done > 0 else until


@inner_with_arrays
def _settle_credit(f: Flows, time: float, passed: float, span: float) -> float:
    """Take off what full resources carried above their capacity; returns until when they may."""
    if f.n[in_flight.CREDITED] == 0:
        return np.inf
    f.n[in_flight.CREDITED] = 0
    until = np.inf
    for r in range(len(f.credit)):
        if f.bonus[r] > 0.0:
            f.n[in_flight.CREDITED] = 1
            f.credit[r] -= f.bonus[r] * passed
            owed = time + f.credit[r] / f.bonus[r]
            # Too little to be worth an event, or to be told from now.
            if f.credit[r] <= 1e-6 * f.bonus[r] * span or owed <= time * (1 + 1e-12):
                f.credit[r] = 0.0
                mark(f, r)
            else:
                until = min(until, owed)
    return until


@compiled
def by_rank(src: _Ints, dst: _Ints, step: _Longs, ranks: int) -> tuple[_Longs, _Longs]:
    """Each rank's flows after the first step, in order: ``flow[begin[r]:begin[r + 1]]``.

    Returns ``begin`` and ``flow``. A copy inside a rank stands there once.
    """
    begin = np.zeros(ranks + 1, np.int64)
    first = 0
    while first < len(src) and step[first] == step[0]:
        first += 1
    for i in range(first, len(src)):
        begin[src[i] + 1] += 1
        if dst[i] != src[i]:
            begin[dst[i] + 1] += 1
    for r in range(ranks):
        begin[r + 1] += begin[r]
    at = begin.copy()
    flow = np.empty(begin[ranks], np.int64)
    for i in range(first, len(src)):
        flow[at[src[i]]] = i
        at[src[i]] += 1
        if dst[i] != src[i]:
            flow[at[dst[i]]] = i
            at[dst[i]] += 1
    return flow, begin
