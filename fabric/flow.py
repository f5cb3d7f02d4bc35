"""The flow engine: steps run under the one ordering rule, transfers share links max-min fairly.

Time goes from event to event. A transfer begins when both of its ranks have come to its step,
is under way for its latency, then moves at its max-min fair rate until its bytes are through. A
rank goes on to its next step when its last transfer of this one is through, plus what its software
costs.

The tolerance: between two solves of the rates at most a share of the flows in flight ends (one at
a time when they are few, which is exact). What the ended flows leave free until the next solve is
kept as credit and carried by the same full resources right after, so no capacity is lost, and none
is ever used twice: no answer lies below the closed form.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.maxmin import Flows, join, leave, mark, solve
from topology.compiled import compiled

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

WAITING, UNDER_WAY, IN_FLIGHT, DONE = 0, 1, 2, 3


class Window(NamedTuple):
    """Some consecutive steps of a schedule, as columns over their flows and over the ranks.

    Flows: ``src``, ``dst`` (ranks), ``step``, ``latency`` (s), ``src_cost``, ``dst_cost``
    (seconds that the flow costs each rank at its step's end), ``status``, ``missing`` (ranks that
    have not come to its step), ``start``, ``arrive`` (when its bytes begin to move), ``finish``.
    Ranks: their flows in order of steps are ``rank_flow[rank_at[r]:rank_end[r]]``; ``open``: flows
    of its step not yet done; ``ready``: when it came to its step; ``latest`` and ``cost``: of its
    step so far. ``under_way[:n[0]]``: flows that wait for their latency; ``n[1]``: how
    many of the ``n[3]`` ranks have no flow left here.
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
    dues: _Floats
    soonest: _Floats
    n: _Longs


@compiled
def run(w: Window, f: Flows, time: float, share: float, more: bool) -> float:
    """Run until everything has ended or, where ``more`` steps will come, a rank runs out.

    ``share``: of the flows in flight, how many may end between two solves. Returns the time.
    """
    w.soonest[0] = np.inf
    for i in range(len(w.src)):  # what the window before left
        if w.status[i] == IN_FLIGHT:
            join(f, i, time)
        elif w.status[i] == UNDER_WAY:
            _set_out(w, i)
    for r in range(len(w.ready)):
        _enter(w, r)
    span = 0.0
    while not (more and w.n[1] > 0):
        time = _arrivals(w, f, time)
        if more and w.n[1] > 0:
            break
        if f.n[1] > 0:
            solve(f, time, max(span, 1e-30))
        if f.n[0] == 0:
            if w.n[0] == 0:
                break
            time = w.soonest[0]
            continue
        until = _horizon(w, f, share)
        if f.n[6] > 0:
            until = min(until, time + span, w.soonest[1])
        before = time
        time = _departures(w, f, until)
        w.soonest[1] = _settle_credit(f, time, time - before)
        _give_credit(w, f, time)
        if time > before:
            span = time - before
    for k in range(f.n[0]):
        i = f.active[k]
        f.left[i] = max(f.left[i] - f.rate[i] * (time - f.since[i]), 0.0)
    return time


@compiled
def _enter(w: Window, r: int) -> None:
    """Rank ``r`` comes to its next step: flows whose two ranks are there set out."""
    at, end = w.rank_at[r], w.rank_end[r]
    if at == end:
        w.n[1] += r < w.n[3]
        return
    step = w.step[w.rank_flow[at]]
    w.open[r] = 0
    while at < end and w.step[w.rank_flow[at]] == step:
        i = w.rank_flow[at]
        w.open[r] += 1
        w.missing[i] -= 1
        if w.missing[i] == 0 and w.status[i] == WAITING:
            w.start[i] = max(w.ready[w.src[i]], w.ready[w.dst[i]])
            w.arrive[i] = w.start[i] + w.latency[i]
            w.status[i] = UNDER_WAY
            _set_out(w, i)
        at += 1
    w.rank_at[r] = at


@compiled
def _set_out(w: Window, i: int) -> None:
    w.under_way[w.n[0]] = i
    w.n[0] += 1
    w.soonest[0] = min(w.soonest[0], w.arrive[i])


@compiled
def _arrivals(w: Window, f: Flows, time: float) -> float:
    """Flows whose latency is over go into flight, with those of the same instant."""
    while w.n[0] > 0 and w.soonest[0] <= time * (1 + 1e-12):
        waiting = w.n[0]
        w.n[0] = 0
        w.soonest[0] = np.inf
        arrived = 0
        for k in range(waiting):
            i = w.under_way[k]
            if w.arrive[i] <= time * (1 + 1e-12):
                w.ended[arrived] = i
                arrived += 1
            else:
                _set_out(w, i)
        for k in range(arrived):
            i = w.ended[k]
            bare = f.entries[i] == f.entries[i + 1] and f.limits[f.limit[i]] == np.inf
            if f.left[i] == 0.0 or bare:
                _complete(w, i, w.arrive[i])
            else:
                w.status[i] = IN_FLIGHT
                join(f, i, max(time, w.arrive[i]))
    return time


@compiled
def _complete(w: Window, i: int, time: float) -> None:
    w.finish[i] = time
    w.status[i] = DONE
    if w.dst[i] == w.src[i]:
        _count_off(w, w.src[i], time, w.src_cost[i] + w.dst_cost[i])
    else:
        _count_off(w, w.src[i], time, w.src_cost[i])
        _count_off(w, w.dst[i], time, w.dst_cost[i])


@compiled
def _count_off(w: Window, r: int, time: float, cost: float) -> None:
    w.latest[r] = max(w.latest[r], time)
    w.cost[r] += cost
    w.open[r] -= 1
    if w.open[r] == 0:
        w.ready[r] = w.latest[r] + w.cost[r]
        w.latest[r] = 0.0
        w.cost[r] = 0.0
        _enter(w, r)


@compiled
def _horizon(w: Window, f: Flows, share: float) -> float:
    """Until when the present rates may hold: a share of the flows has ended, or one arrives."""
    n = f.n[0]
    many = int(share * n)
    soonest = np.inf
    for k in range(n):
        w.dues[k] = f.due[f.active[k]]
        soonest = min(soonest, w.dues[k])
    if many > 1:
        soonest = np.partition(w.dues[:n], many)[many]
    return min(soonest * (1 + 1e-12), w.soonest[0])


@compiled
def _departures(w: Window, f: Flows, until: float) -> float:
    """End the flows that are due, in order, unless one lets another arrive before that."""
    ended = 0
    for k in range(f.n[0]):
        if w.dues[k] <= until:
            w.ended[ended] = f.active[k]
            ended += 1
    w.n[2] = 0
    if ended > 1:
        order = np.argsort(f.due[w.ended[:ended]], kind="mergesort")
        w.ended[:ended] = w.ended[:ended][order]
    for k in range(ended):
        i = w.ended[k]
        if f.due[i] > w.soonest[0]:
            break
        leave(f, i)
        f.left[i] = 0.0
        w.n[2] += 1
        _complete(w, i, f.due[i])
    return f.due[w.ended[w.n[2] - 1]] if w.n[2] > 0 else until


@compiled
def _settle_credit(f: Flows, time: float, passed: float) -> float:
    """Take off what full resources carried above their capacity; returns until when they may."""
    if f.n[6] == 0:
        return np.inf
    f.n[6] = 0
    until = np.inf
    for r in range(len(f.credit)):
        if f.bonus[r] > 0.0:
            f.n[6] = 1
            f.credit[r] -= f.bonus[r] * passed
            if f.credit[r] <= 1e-9 * f.bonus[r] * passed:
                f.credit[r] = 0.0
                mark(f, r)
            else:
                until = min(until, time + f.credit[r] / f.bonus[r])
    return until


@compiled
def _give_credit(w: Window, f: Flows, time: float) -> None:
    """Full resources keep what flows that ended before ``time`` left unused until then."""
    for k in range(w.n[2]):
        i = w.ended[k]
        unused = f.rate[i] * (time - f.due[i])
        if unused <= 0.0:
            continue
        for e in range(f.entries[i], f.entries[i + 1]):
            if f.full[f.resource[e]]:
                f.credit[f.resource[e]] += unused * f.weight[e]
                f.n[6] = 1
