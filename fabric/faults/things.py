"""What names in faults mean: links of a topology, by the names that it has already."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fabric.faults.table import Fault, FaultError
from topology.errors import TopologyError
from topology.faults import called
from topology.graph import Topology
from topology.names import near

_Longs = NDArray[np.int64]
_Mask = NDArray[np.bool_]

_PLACE = re.compile(r"(rack|supernode)(\d{1,9})")
_ON_PLANE = re.compile(r"(?P<thing>[^<>]+?)\s*\((?P<plane>[^()]+)\)")
_WILD = re.compile(r"[*?\[]")


def links_of(topology: Topology, name: str) -> _Mask:
    """The links that break with what ``name`` means: bool [links].

    - whatever `topology.graph.Topology.without` takes: a chip, a die, a node, a group such as
      ``l2.3``, a pattern, ``a->b`` and ``a<->b`` for links (an optical module is at both ends of
      one);
    - ``rack3``, ``supernode0``: all that stands in it; a plane's name: all of its links;
    - any of these with a plane: ``node0.die3 (rdma)``, a die's NIC: its links on that plane.

    Raises `TopologyError` for an unknown name, with similar ones, `FaultError` for one without any
    links.
    """
    wanted = _ON_PLANE.fullmatch(name.strip())
    found = _named(topology, wanted["thing"] if wanted else name.strip())
    if wanted:
        found &= topology.link_plane == topology.plane(wanted["plane"].strip())
    if not found.any():
        raise FaultError(f"{name} has no links on {topology.name}: nothing could break")
    return found


def _named(topology: Topology, name: str) -> _Mask:
    place = _PLACE.fullmatch(name)
    if place and name not in topology.index:
        return _at(topology, getattr(topology, place[1]) == int(place[2]), name)
    if name in topology.planes and name not in topology.index:
        return np.asarray(topology.link_plane == topology.plane(name))
    try:
        vertices, links = called(topology, (name,))
    except TopologyError as error:
        others = [*_places(topology), *topology.planes]
        raise TopologyError(f"{error}{near(name, others)}") from None
    return _touching(topology, vertices) | links


def _at(topology: Topology, vertices: _Mask, name: str) -> _Mask:
    if not vertices.any():
        there = list(_places(topology))
        raise TopologyError(
            f"{topology.name} has nothing called {name!r}; there are {_some(there) or 'no racks'}"
        )
    return _touching(topology, vertices)


def _touching(topology: Topology, vertices: _Mask) -> _Mask:
    return np.asarray(vertices[topology.link_src] | vertices[topology.link_dst])


def _places(topology: Topology) -> Iterator[str]:
    for kind in ("rack", "supernode"):
        numbers = np.unique(getattr(topology, kind))
        yield from (f"{kind}{number}" for number in numbers if number >= 0)


def _some(names: list[str]) -> str:
    return ", ".join(names if len(names) < 6 else [*names[:3], "...", names[-1]])


def things_of(topology: Topology, fault: Fault) -> Iterator[tuple[str, _Longs]]:
    """What breaks for itself: a name for it, and its links, int64.

    All together, but where times are drawn: then each name, and each thing that a pattern means;
    of links, both directions together.
    """
    if not fault.drawn:
        masks = [links_of(topology, name) for name in fault.what]
        yield _some(list(fault.what)), np.flatnonzero(np.any(masks, axis=0))
        return
    for name in fault.what:
        mask = links_of(topology, name)
        if not _WILD.search(name):
            yield name, np.flatnonzero(mask)
        elif "->" in name:
            yield from _cables(topology, np.flatnonzero(mask))
        else:
            yield from _vertices(topology, name, mask)


def _cables(topology: Topology, links: _Longs) -> Iterator[tuple[str, _Longs]]:
    """Links between the same two vertices on a plane, whichever way, are one thing."""
    ends = np.sort(np.stack([topology.link_src[links], topology.link_dst[links]]), axis=0)
    keys = np.stack([*ends, topology.link_plane[links]], axis=1)
    _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    for number, at in enumerate(first.tolist()):
        mine = links[which.ravel() == number]
        arrow = "<->" if len(np.unique(topology.link_src[mine])) > 1 else "->"
        yield topology.link_name(int(links[at])).replace("->", arrow), mine


def _vertices(topology: Topology, name: str, mask: _Mask) -> Iterator[tuple[str, _Longs]]:
    wanted = _ON_PLANE.fullmatch(name.strip())
    vertices, _ = called(topology, (wanted["thing"] if wanted else name.strip(),))
    for vertex in np.flatnonzero(vertices).tolist():
        of = (topology.link_src == vertex) | (topology.link_dst == vertex)
        mine = np.flatnonzero(of & mask)
        if len(mine):
            yield topology.vertex_names[vertex], mine
