"""Whether a plane has a path between every two of its endpoints; asked before anything is proved.

A path leads over switches, or over one link from endpoint to endpoint: no endpoint passes on what
is for another (as `topology.routing.router` has it). Switches that reach each other are one
*meeting place*; an endpoint sends into some of them and receives from some, and two endpoints have
a path where what the one sends into leads to what the other receives from.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from topology.graph import NOWHERE, Ints, Topology

if TYPE_CHECKING:
    import networkx as nx

_Longs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scope:
    """The endpoints that a plane is meant to join.

    ``inside``: "package", "node" or "supernode" if no link of the plane leads from one to another
    of several by design, such as NVLink; "" if it is to join all. ``group``: int64 [ends],
    endpoints with the same number are to reach each other; ``ends``: the endpoints that count.
    """

    inside: str
    ends: Ints
    group: _Longs


def scope(topology: Topology, src: Ints, dst: Ints, ends: Ints) -> Scope:
    """The endpoints that a plane is meant to join, in groups: all, or those of a container.

    Containers are packages, nodes and supernodes.

    ``src``, ``dst``: the plane's links; ``ends``: the endpoints that count. If anything was removed
    from the topology, the plane is meant to join all, as the state before the fault is not known.
    """
    who, where = _met(topology, src, dst, ends)
    for inside in ("package", "node", "supernode") if not topology.removed else ():
        column = getattr(topology, inside).astype(np.int64)
        if inside == "supernode" and len(np.unique(column[ends])) < 2:
            continue  # the only one is all there is
        if _joins_within(who, where, column):
            return Scope(inside, ends, column[ends])
    return Scope("", ends, np.zeros(len(ends), np.int64))


def _met(topology: Topology, src: Ints, dst: Ints, ends: Ints) -> tuple[_Longs, _Longs]:
    """Endpoints, and the number of a place where each meets others, in pairs."""
    n = topology.n_endpoints
    label = components(topology.n_vertices, n, src, dst)
    counts = np.zeros(topology.n_vertices, np.bool_)
    counts[ends] = True
    out, back = counts[src] & (dst >= n), counts[dst] & (src >= n)
    direct = np.flatnonzero(counts[src] & counts[dst])
    number = topology.n_vertices + direct
    who = np.concatenate([src[out], dst[back], src[direct], dst[direct]]).astype(np.int64)
    return who, np.concatenate([label[dst[out]], label[src[back]], number, number])


def components(vertices: int, endpoints: int, src: Ints, dst: Ints) -> _Longs:
    """A label for each vertex: the lowest vertex that it reaches over switches alone, int64.

    Links count in either direction. Vertices with one label are one component.
    """
    label = np.arange(vertices, dtype=np.int64)
    between = (src >= endpoints) & (dst >= endpoints)
    src, dst = src[between], dst[between]
    while True:
        before = label.copy()
        np.minimum.at(label, dst, label[src])
        np.minimum.at(label, src, label[dst])
        if np.array_equal(before, label):
            return label


def _joins_within(who: _Longs, where: _Longs, column: _Longs) -> bool:
    """Whether endpoints meet, and only those that share a number of ``column``."""
    if not len(who):
        return False
    place = np.unique(where, return_inverse=True)[1]
    least, most = np.full(place.max() + 1, np.iinfo(np.int64).max), np.full(place.max() + 1, -2)
    np.minimum.at(least, place, column[who])
    np.maximum.at(most, place, column[who])
    first = np.full(place.max() + 1, -1)
    first[place] = who
    meets = np.zeros(place.max() + 1, np.bool_)
    np.logical_or.at(meets, place, who != first[place])
    return bool(meets.any() and ((least == most) & (least != NOWHERE))[meets].all())


def apart(topology: Topology, src: Ints, dst: Ints, whom: Scope) -> tuple[int, int] | None:
    """Two endpoints of one group without a path from the first to the second; None if all have one.

    ``src``, ``dst``: the links of the plane, int32 [links]. ``whom``: the endpoints, by group.
    """
    sends, receives = _places(topology, src, dst)
    n = topology.n_endpoints
    direct = set(zip(*(end[(src < n) & (dst < n)].tolist() for end in (src, dst)), strict=True))
    alike: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for end, group in zip(whom.ends.tolist(), whom.group.tolist(), strict=True):
        alike[group, sends[end], receives[end]].append(end)
    groups: dict[int, list[tuple[int, int, list[int]]]] = defaultdict(list)
    for (group, into, out_of), members in alike.items():
        groups[group].append((into, out_of, members))
    for classes in groups.values():
        for into, _, first in classes:
            for _, out_of, second in classes:
                if into & out_of:
                    continue
                for pair in ((a, b) for a in first for b in second if a != b):
                    if pair not in direct:
                        return pair
    return None


def _places(topology: Topology, src: Ints, dst: Ints) -> tuple[dict[int, int], dict[int, int]]:
    """For each endpoint, as bits, the places that its bytes get to, and those that serve it."""
    n = topology.n_endpoints
    place, beyond = _condensed(topology, src, dst)
    sends: dict[int, int] = defaultdict(int)
    receives: dict[int, int] = defaultdict(int)
    for a, b in set(zip(src.tolist(), dst.tolist(), strict=True)):
        if a < n <= b:
            sends[a] |= beyond[place[b]]
        elif b < n <= a:
            receives[b] |= 1 << place[a]
    return sends, receives


def switch_graph(endpoints: int, src: Ints, dst: Ints) -> "nx.DiGraph[int]":
    """The switches of a plane as a networkx graph, with an edge where links join two.

    ``endpoints``: how many vertices are none; ``src``, ``dst``: the plane's links, int32 [links].
    """
    import networkx as nx

    graph: nx.DiGraph[int] = nx.DiGraph()
    ends = np.union1d(src, dst)
    graph.add_nodes_from(ends[ends >= endpoints].tolist())
    between = (src >= endpoints) & (dst >= endpoints)
    graph.add_edges_from(np.unique(np.stack([src[between], dst[between]], 1), axis=0).tolist())
    return graph


def _condensed(topology: Topology, src: Ints, dst: Ints) -> tuple[dict[int, int], list[int]]:
    """The place of each switch, and for each place, as bits, itself and those it leads to."""
    import networkx as nx

    small = nx.condensation(switch_graph(topology.n_endpoints, src, dst))
    beyond = [1 << number for number in range(len(small))]
    for number in reversed(list(nx.topological_sort(small))):
        for after in small.successors(number):
            beyond[number] |= beyond[after]
    place: dict[int, int] = small.graph["mapping"]
    return place, beyond
