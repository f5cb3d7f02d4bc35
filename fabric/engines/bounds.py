"""Closed forms: the least time that any engine may answer, and what sets it.

A rank needs for each step at least the longest of: one of its transfers alone on its path, and its
own bytes over each resource that no other rank loads in that step; then what its software costs.
Its steps follow one another, so these add up. A resource needs at least its bytes over all steps.
The bound is the largest of all of these.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inner, lean_inlined

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

PAIR = -1
"""In `Chain.setter`: a limit of a pair of ranks, not a resource, sets the time."""

_FEW = 4  # resources remembered for each rank


class Chain(NamedTuple):
    """The least time that the steps of each rank need, added up.

    float64 [ranks], seconds: ``wire``, ``latency``, ``cost``. ``setter``: int64 [ranks, few], the
    resources (or `PAIR`) that set most of ``wire``, with their ``votes`` in seconds: heavy hitters
    kept as by Misra and Gries, since a table of all ranks and resources would not fit into memory.
    """

    wire: _Floats
    latency: _Floats
    cost: _Floats
    setter: _Longs
    votes: _Floats


class Columns(NamedTuple):
    """The columns that `extend` needs of the flows of a window; see `flow.events.EventWindow`.

    ``limits[limit]``: the most bytes per second of each flow.
    """

    step: _Longs
    src: _Ints
    dst: _Ints
    src_cost: _Floats
    dst_cost: _Floats
    latency: _Floats
    size: _Floats
    limit: _Ints
    limits: _Floats
    entries: _Longs
    resource: _Ints
    weight: _Floats


def make_chain(ranks: int) -> Chain:
    """The chains of ``ranks`` ranks that have done nothing yet: all times are 0 s."""
    zero = np.zeros
    few = (ranks, _FEW)
    return Chain(zero(ranks), zero(ranks), zero(ranks), np.full(few, PAIR), zero(few))


@compiled
def extend(chain: Chain, c: Columns, capacity: _Floats) -> float:
    """Add the steps of a window to the chain of every rank, in place.

    ``capacity``: bytes per second of each resource. A step adds the longest of its rank's transfers
    alone, or its bytes over the busiest resource if that takes longer. Returns the least latency of
    a flow that moves bytes between two ranks, in seconds.
    """
    ranks, resources = len(chain.wire), len(capacity)
    work = _Work(
        np.zeros(resources), np.full(resources, -1), np.full(resources, -1), np.zeros(ranks),
        np.zeros(ranks), np.full(ranks, np.inf), np.full(ranks, PAIR), np.zeros(ranks, np.bool_),
        np.zeros(ranks, np.int64), 1 / capacity,
    )  # fmt: skip
    first, least = 0, np.inf
    while first < len(c.step):
        end = first + 1
        while end < len(c.step) and c.step[end] == c.step[first]:
            end += 1
        least = min(least, _add_step(chain, c, work, first, end))
        first = end
    return least


class _Work(NamedTuple):
    """Working memory for one step, by resource and by rank.

    For each resource: ``load`` in seconds; ``sender`` and ``receiver``, the only rank whose flows
    load it, -2 if several; ``sender`` is -1 if none. For each rank: the seconds that it needs
    (``need``), the part of these that is latency (``late``), the least latency (``soonest``), the
    resource that sets the need (``setter``); ``ranks``: those that have flows.
    """

    load: _Floats
    sender: _Longs
    receiver: _Longs
    need: _Floats
    late: _Floats
    soonest: _Floats
    setter: _Longs
    is_in: NDArray[np.bool_]
    ranks: _Longs
    per_byte: _Floats


@inner
def _add_step(chain: Chain, c: Columns, work: _Work, first: int, end: int) -> float:
    n, is_shared, least = 0, False, np.inf
    for i in range(first, end):
        src, dst = c.src[i], c.dst[i]
        chain.cost[src] += c.src_cost[i]
        chain.cost[dst] += c.dst_cost[i]
        time, by = c.size[i] / c.limits[c.limit[i]], PAIR
        if src != dst and c.size[i] > 0.0 and c.latency[i] < least:
            least = c.latency[i]
        for e in range(c.entries[i], c.entries[i + 1]):
            r = c.resource[e]
            share = c.size[i] * c.weight[e] * work.per_byte[r]
            if work.sender[r] == -1:
                work.load[r], work.sender[r], work.receiver[r] = share, src, dst
            else:
                is_shared = True
                work.load[r] += share
                if work.sender[r] != src:
                    work.sender[r] = -2
                if work.receiver[r] != dst:
                    work.receiver[r] = -2
            if share > time:
                time, by = share, r
        for side in range(2):
            rank = src if side == 0 else dst
            if not work.is_in[rank]:
                work.is_in[rank] = True
                work.ranks[n] = rank
                n += 1
            if src != dst:
                work.soonest[rank] = min(work.soonest[rank], c.latency[i])
            if c.latency[i] + time > work.need[rank]:
                work.need[rank] = c.latency[i] + time
                work.late[rank] = c.latency[i]
                work.setter[rank] = by
    # What one flow alone loads it has been asked for above.
    for i in range(first, end if is_shared else first):
        for e in range(c.entries[i], c.entries[i + 1]):
            r = c.resource[e]
            for side in range(2):
                rank = work.sender[r] if side == 0 else work.receiver[r]
                if rank >= 0 and work.load[r] + work.soonest[rank] > work.need[rank]:
                    work.need[rank] = work.load[r] + work.soonest[rank]
                    work.late[rank] = work.soonest[rank]
                    work.setter[rank] = r
    for i in range(first, end):
        for e in range(c.entries[i], c.entries[i + 1]):
            work.sender[c.resource[e]] = -1
    setters, votes = chain.setter, chain.votes
    for k in range(n):
        rank = work.ranks[k]
        wire = work.need[rank] - work.late[rank]
        chain.latency[rank] += work.late[rank]
        chain.wire[rank] += wire
        _vote(setters, votes, rank, work.setter[rank], wire)
        work.need[rank] = 0.0
        work.late[rank] = 0.0
        work.soonest[rank] = np.inf
        work.setter[rank] = PAIR
        work.is_in[rank] = False
    return least


@lean_inlined
def _vote(setters: _Longs, votes: _Floats, rank: int, setter: int, time: float) -> None:
    slot = 0
    for k in range(_FEW):
        if setters[rank, k] == setter and votes[rank, k] > 0.0:
            votes[rank, k] += time
            return
        if votes[rank, k] < votes[rank, slot]:
            slot = k
    least = min(votes[rank, slot], time)
    for k in range(_FEW):
        votes[rank, k] -= least
    if time > least:
        setters[rank, slot] = setter
        votes[rank, slot] = time - least
