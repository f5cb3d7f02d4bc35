"""Closed forms: the least time that any engine may answer, and what sets it.

A rank needs for each step at least the longest of: one of its transfers alone on its path, and its
own bytes over each resource that they load; then what its software costs. Its steps follow one
another, so these add up. A resource needs at least its bytes over all steps. The bound is the
largest of all of these.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

PAIR = -1
"""In `Chain.setter`: a limit of a pair of ranks, not a resource, sets the time."""

_FEW = 4  # resources remembered for each rank


class Chain(NamedTuple):
    """What the steps of each rank need at least, one after the other.

    float64 [ranks], seconds: ``wire``, ``latency``, ``cost``. ``setter``: int64 [ranks, few], the
    resources (or `PAIR`) that set most of ``wire``, with their ``votes`` in seconds: heavy hitters
    kept as by Misra and Gries, since no table of all ranks and resources would fit.
    """

    wire: _Floats
    latency: _Floats
    cost: _Floats
    setter: _Longs
    votes: _Floats


class Columns(NamedTuple):
    """What `extend` needs to know of the flows of a window; see `fabric.flow.Window`."""

    step: _Longs
    src: _Ints
    dst: _Ints
    src_cost: _Floats
    dst_cost: _Floats
    latency: _Floats
    size: _Floats
    limit: _Floats
    entries: _Longs
    resource: _Ints
    weight: _Floats
    rank_flow: _Longs
    rank_begin: _Longs


def make_chain(ranks: int) -> Chain:
    """The chains of ranks that have done nothing yet."""
    zero = np.zeros
    few = (ranks, _FEW)
    return Chain(zero(ranks), zero(ranks), zero(ranks), np.full(few, PAIR), zero(few))


@compiled
def extend(chain: Chain, c: Columns, capacity: _Floats) -> None:
    """Add the steps of a window to every rank's chain."""
    load = np.zeros(len(capacity))
    per_byte = 1 / capacity
    for r in range(len(c.rank_begin) - 1):
        at = c.rank_begin[r]
        while at < c.rank_begin[r + 1]:
            step = c.step[c.rank_flow[at]]
            soon, needed, late, setter = np.inf, 0.0, 0.0, PAIR
            end = at
            while end < c.rank_begin[r + 1] and c.step[c.rank_flow[end]] == step:
                i = c.rank_flow[end]
                end += 1
                chain.cost[r] += c.src_cost[i] if c.src[i] == r else 0.0
                chain.cost[r] += c.dst_cost[i] if c.dst[i] == r else 0.0
                time, by = c.size[i] / c.limit[i], PAIR
                for e in range(c.entries[i], c.entries[i + 1]):
                    share = c.size[i] * c.weight[e] * per_byte[c.resource[e]]
                    load[c.resource[e]] += share
                    if share > time:
                        time, by = share, c.resource[e]
                    soon = min(soon, c.latency[i])
                if c.latency[i] + time > needed:
                    needed, late, setter = c.latency[i] + time, c.latency[i], by
            for k in range(at, end):
                for e in range(c.entries[c.rank_flow[k]], c.entries[c.rank_flow[k] + 1]):
                    if load[c.resource[e]] + soon > needed:
                        needed = load[c.resource[e]] + soon
                        late, setter = soon, c.resource[e]
                    load[c.resource[e]] = 0.0
            at = end
            chain.latency[r] += late
            chain.wire[r] += needed - late
            _vote(chain.setter[r], chain.votes[r], setter, needed - late)


@inlined
def _vote(setters: _Longs, votes: _Floats, setter: int, time: float) -> None:
    slot = 0
    for k in range(len(votes)):
        if setters[k] == setter and votes[k] > 0.0:
            votes[k] += time
            return
        if votes[k] < votes[slot]:
            slot = k
    least = min(votes[slot], time)
    for k in range(len(votes)):
        votes[k] -= least
    if time > least:
        setters[slot] = setter
        votes[slot] = time - least
