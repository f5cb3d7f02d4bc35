"""What is left of a topology when links, chips, dies or whole nodes are taken out of it."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from topology.errors import TopologyError
from topology.names import groups, near, vertices_called

if TYPE_CHECKING:
    from topology.graph import Topology

Mask = NDArray[np.bool_]

_LINK = re.compile(
    r"(?P<a>.+?)\s*(?P<way><->|->)\s*(?P<b>.+?)(?:\s*#(?P<number>\d{1,9}))?"
    r"(?:\s*\((?P<plane>[^()]+)\))?"
)


def without(topology: "Topology", names: tuple[str, ...]) -> "Topology":
    """A copy of ``topology`` without what ``names`` mean; `Topology.without` calls this.

    Raises `TopologyError` for an unknown name, or if no endpoint is left.
    """
    dead, cut = called(topology, names)
    if dead[: topology.n_endpoints].all():
        raise TopologyError(f"{topology.name}: without {', '.join(names)} no endpoint is left")
    cut |= dead[topology.link_src] | dead[topology.link_dst]
    return _kept(topology, ~dead, ~cut, names)


def called(topology: "Topology", names: tuple[str, ...]) -> tuple[Mask, Mask]:
    """What ``names`` mean, as in `Topology.without`: two masks, bool [vertices] and bool [links].

    The second has links that are named themselves, not those of a named vertex. Raises
    `TopologyError` for an unknown name, with similar ones.
    """
    vertices = np.zeros(topology.n_vertices, dtype=np.bool_)
    links = np.zeros(topology.n_links, dtype=np.bool_)
    for name in names:
        link = _LINK.fullmatch(name.strip())
        if link:
            links |= _links(topology, link)
        else:
            vertices[_vertices(topology, name)] = True
    return vertices, links


def _vertices(topology: "Topology", text: str) -> NDArray[np.int32]:
    found = vertices_called(topology, text)
    if not len(found):
        gone = " any more (it has been taken out)" if text in topology.removed else ""
        raise TopologyError(
            f"{topology.name} has nothing called {text!r}{gone}{near(text, groups(topology))}"
        )
    return found


def _links(topology: "Topology", link: re.Match[str]) -> Mask:
    a, b = (_member(topology, link[end]) for end in "ab")
    found = a[topology.link_src] & b[topology.link_dst]
    if link["way"] == "<->":
        found |= b[topology.link_src] & a[topology.link_dst]
    if link["plane"]:
        found &= topology.link_plane == topology.plane(link["plane"])
    if link["number"]:
        found = _one_of_parallel(topology, found, int(link["number"]), link[0])
    if not found.any():
        raise TopologyError(f"{topology.name} has no link {link[0]}; {_neighbours(topology, a)}")
    return found


def _one_of_parallel(topology: "Topology", found: Mask, number: int, name: str) -> Mask:
    """Of links from one vertex to another the one of this number, from 0, in either direction."""
    ends = topology.link_src.astype(np.int64) * topology.n_vertices + topology.link_dst
    chosen = np.zeros_like(found)
    for way in np.unique(ends[found]).tolist():
        beside = np.flatnonzero(found & (ends == way))
        if number >= len(beside):
            raise TopologyError(
                f"{topology.name} has no link {name}: there are {len(beside)} of them, from #0 on"
            )
        chosen[beside[number]] = True
    return chosen


def _member(topology: "Topology", text: str) -> Mask:
    mask = np.zeros(topology.n_vertices, dtype=np.bool_)
    mask[_vertices(topology, text)] = True
    return mask


def _neighbours(topology: "Topology", start: Mask) -> str:
    links = np.flatnonzero(start[topology.link_src])[:3]
    if not len(links):
        return "no link begins there"
    return "there are " + ", ".join(topology.link_name(int(link)) for link in links)


def _kept(topology: "Topology", alive: Mask, whole: Mask, names: tuple[str, ...]) -> "Topology":
    number = np.cumsum(alive, dtype=np.int32) - 1
    rows = np.flatnonzero(alive)
    return replace(
        topology,
        vertex_names=tuple(topology.vertex_names[row] for row in rows),
        vertex_kinds=tuple(topology.vertex_kinds[row] for row in rows),
        n_endpoints=int(alive[: topology.n_endpoints].sum()),
        node=topology.node[alive],
        package=topology.package[alive],
        rack=topology.rack[alive],
        supernode=topology.supernode[alive],
        in_switch=topology.in_switch[alive],
        vertex_id=topology.vertex_id[alive],
        link_id=topology.link_id[whole],
        link_src=number[topology.link_src[whole]],
        link_dst=number[topology.link_dst[whole]],
        link_plane=topology.link_plane[whole],
        link_bandwidth=topology.link_bandwidth[whole],
        link_latency=topology.link_latency[whole],
        removed=(*topology.removed, *names),
    )
