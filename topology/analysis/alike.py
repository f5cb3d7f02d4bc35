"""Which failures nobody can tell apart: what is left of the machine is the same after each.

Ranks are told apart, and nothing else: vertices are coloured by what they see over their links, as
many links far as any way is long (colour refinement). Where all links of two machines have the same
colours at their ends, every policy that treats alike what is alike takes the same ways on both.
Colours are hashed to 64 bits.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined
from topology.graph import Ints, Topology
from topology.routing.policies import PerFlowHash, Policy, StaticTables, Weighted

_Colours = NDArray[np.uint64]


def by_number(policy: Policy) -> bool:
    """Whether a policy tells apart what is alike, by the numbers or names of vertices."""
    named = isinstance(policy, Weighted) and bool(policy.weights)
    return named or isinstance(policy, PerFlowHash | StaticTables)


def signature(topology: Topology, planes: Sequence[str], places: Ints, hops: int) -> int:
    """The same number for topologies that ranks on ``places`` (int32 [ranks]) cannot tell apart.

    ``planes``: those in use; ``hops``: links of the longest way between two ranks at most.
    """
    mine = np.isin(topology.link_plane, [topology.plane(name) for name in planes])
    colour = np.zeros(topology.n_vertices, np.uint64)
    colour[: topology.n_endpoints] = 1
    factor, rank = np.uint64(0x9E3779B97F4A7C15), np.arange(len(places), dtype=np.uint64)
    np.add.at(colour, places, (rank + np.uint64(2)) * factor)  # several may sit on one endpoint
    src, dst = topology.link_src[mine], topology.link_dst[mine]
    return int(_signature(src, dst, _kinds(topology, mine), colour, hops))


def _kinds(topology: Topology, mine: NDArray[np.bool_]) -> _Colours:
    """A number for what each link is by itself: plane, bandwidth and latency."""
    columns = (topology.link_bandwidth[mine], topology.link_latency[mine])
    bandwidth, latency = (np.ascontiguousarray(column).view(np.uint64) for column in columns)
    plane = topology.link_plane[mine].astype(np.uint64)
    plane += bandwidth * np.uint64(0xC2B2AE3D27D4EB4F) + latency * np.uint64(0x165667B19E3779F9)
    return plane


@compiled
def _signature(src: Ints, dst: Ints, kind: _Colours, colour: _Colours, rounds: int) -> np.uint64:
    now, seen = colour.copy(), np.zeros(len(colour), np.uint64)
    for _ in range(rounds):
        for e in range(len(src)):
            seen[src[e]] += _mixed(now[dst[e]], kind[e], 1)
            seen[dst[e]] += _mixed(now[src[e]], kind[e], 2)
        for v in range(len(now)):
            now[v] = _mixed(now[v], seen[v], 3)
            seen[v] = 0
    total = np.uint64(0)
    for e in range(len(src)):
        total += _mixed(_mixed(now[src[e]], now[dst[e]], 4), kind[e], 5)
    return total


@inlined
def _mixed(x: np.uint64, y: np.uint64, side: int) -> np.uint64:
    """A well-stirred number for a pair; sums of them tell multisets apart."""
    z = (x + np.uint64(side)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) + y
    z = (z ^ (z >> np.uint64(32))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
