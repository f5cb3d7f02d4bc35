"""The containers that ranks are placed by: packages, nodes, racks, supernodes, leaf switches."""

import numpy as np

from topology.errors import PlacementError
from topology.graph import NOWHERE, Ints, Topology
from topology.names import near

FINEST_FIRST = ("package", "node", "rack", "supernode")
"""The columns of a topology that say what an endpoint sits in, the smallest container first."""


def levels(topology: Topology) -> tuple[str, ...]:
    """The levels that this topology has: of `FINEST_FIRST` those that are given, and its planes.

    A plane is a level where its endpoints hang on switches.
    """
    ends = topology.accelerators
    given = [name for name in FINEST_FIRST if (getattr(topology, name)[ends] != NOWHERE).any()]
    planes = [name for name in topology.planes if name not in FINEST_FIRST]
    return (*given, *(name for name in planes if (_leaves(topology, name)[ends] != NOWHERE).any()))


def containers(topology: Topology, level: str) -> Ints:
    """The number of the container of every endpoint at a ``level``: int32 [endpoints].

    ``level``: one of `levels`. At a plane's level endpoints are together that hang on the same
    switches of this plane: a rail of an RDMA plane, or a node where each node has switches of its
    own. `NOWHERE` for endpoints in no container. Raises `PlacementError` with the choices.
    """
    known = levels(topology)
    if level not in known:
        raise PlacementError(
            f"{topology.name} has no level {level!r}; it has {', '.join(known) or 'none'}"
            f"{near(level, known)}"
        )
    if level in FINEST_FIRST:
        column: Ints = getattr(topology, level)[: topology.n_endpoints]
        return column
    return _leaves(topology, level)


def _leaves(topology: Topology, plane: str) -> Ints:
    """Endpoints with the same switches next to them on a plane have the same number."""
    n = topology.n_endpoints
    src, dst = topology.link_src, topology.link_dst
    mine = (topology.link_plane == topology.plane(plane)) & (src < n) & (dst >= n)
    switches: dict[int, set[int]] = {}
    for end, switch in zip(src[mine].tolist(), dst[mine].tolist(), strict=True):
        switches.setdefault(end, set()).add(switch)
    number: dict[frozenset[int], int] = {}
    found = np.full(n, NOWHERE, np.int32)
    for end in sorted(switches):
        found[end] = number.setdefault(frozenset(switches[end]), len(number))
    return found


def parts(ends: Ints, column: Ints) -> list[Ints]:
    """``ends`` (ascending) by their container in ``column``, in the order of their first members.

    An endpoint in no container is a part of its own.
    """
    place = column[ends].astype(np.int64)
    alone = place == NOWHERE
    place[alone] = -2 - ends[alone]
    _, first, which = np.unique(place, return_index=True, return_inverse=True)
    order = np.argsort(which, kind="stable")
    groups = np.split(ends[order], np.cumsum(np.bincount(which))[:-1])
    return [groups[number] for number in np.argsort(first)]
