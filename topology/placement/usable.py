"""Which endpoints ranks can be placed on: those that are left, reach each other, and are free."""

from collections.abc import Iterable, Sequence

import numpy as np

from topology.analysis.connected import switch_graph
from topology.errors import PlacementError, TopologyError
from topology.graph import Ints, Topology
from topology.names import groups, near, vertices_called


def usable(
    topology: Topology,
    *,
    busy: Iterable[str] = (),
    planes: Sequence[str] = (),
    unhurt_of: Topology | None = None,
) -> Ints:
    """The endpoints that ranks can be placed on, int32 in ascending order.

    These are the accelerators that all reach each other over the switches of one of the ``planes``
    (none: all of the topology's), as many as there are, without those that are ``busy``: names as
    `Topology.without` takes them for vertices. ``unhurt_of``: the topology before faults; endpoints
    that have lost a link of their own are left out, too. Raises `TopologyError` for an unknown
    name, `PlacementError` if nothing is left.
    """
    free = np.zeros(topology.n_vertices, np.bool_)
    free[_joined(topology, planes or topology.planes)] = True
    for name in busy:
        free[_called(topology, name)] = False
    if unhurt_of is not None:
        free &= ~_hurt(topology, unhurt_of)
    found = np.flatnonzero(free).astype(np.int32)
    if not len(found):
        raise PlacementError(
            f"no endpoint of {topology.name} is free: it has {len(topology.accelerators)} for ranks"
        )
    return found


def _called(topology: Topology, name: str) -> Ints:
    found = vertices_called(topology, name)
    if not len(found):
        raise TopologyError(
            f"{topology.name} has nothing called {name!r}{near(name, groups(topology))}"
        )
    return found


def _joined(topology: Topology, planes: Sequence[str]) -> Ints:
    """The largest set of accelerators of which each reaches every other over switches of one plane.

    All accelerators where no plane has two of them on switches (a topology of direct links).
    """
    sets = [ends for plane in planes for ends in _meeting(topology, plane)]
    largest = max(sets, key=len, default=topology.accelerators)
    return largest if len(largest) > 1 else topology.accelerators


def _meeting(topology: Topology, plane: str) -> list[Ints]:
    """The accelerators that send to and receive from one set of switches that all reach each other.

    A list with a set of accelerators for each set of switches.
    """
    import networkx as nx

    n = topology.n_endpoints
    mine = topology.link_plane == topology.plane(plane)
    src, dst = topology.link_src[mine], topology.link_dst[mine]
    graph = switch_graph(n, src, dst)
    place = np.full(topology.n_vertices, -1)
    for number, switches in enumerate(nx.strongly_connected_components(graph)):
        place[list(switches)] = number
    up, down = (src < n) & (dst >= n), (src >= n) & (dst < n)
    sends = np.unique(np.stack([place[dst[up]], src[up]], 1), axis=0)
    receives = np.unique(np.stack([place[src[down]], dst[down]], 1), axis=0)
    both = set(map(tuple, sends.tolist())) & set(map(tuple, receives.tolist()))
    ranks = set(topology.accelerators.tolist())
    found: dict[int, list[int]] = {}
    for number, end in sorted(both):
        if end in ranks:
            found.setdefault(number, []).append(end)
    return [np.array(ends, np.int32) for ends in found.values()]


def _hurt(topology: Topology, whole: Topology) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each vertex has fewer links than it had in ``whole``: bool [vertices]."""
    now, then = _links_by_id(topology), _links_by_id(whole)
    return np.array([now[each] < then[each] for each in topology.vertex_id.tolist()], np.bool_)


def _links_by_id(topology: Topology) -> dict[int, int]:
    """How many links begin or end at each vertex, by the vertex's id."""
    ends = np.concatenate([topology.link_src, topology.link_dst])
    counts = np.bincount(ends, minlength=topology.n_vertices)
    return dict(zip(topology.vertex_id.tolist(), counts.tolist(), strict=True))
