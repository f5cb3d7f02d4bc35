"""The things of a kind that can fail alone: links, chips, NICs, dies, nodes, racks, planes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.analysis.connected import components
from topology.errors import TopologyError
from topology.graph import NOWHERE, Topology
from topology.names import near

MODULE_LINKS = 2
"""Links of 224 Gbit/s of a 400G optical module. Assumption: SemiAnalysis counts 5,376 modules for
the 5,376 UB links between L1 and L2 chips of a CloudMatrix384, so that with a module at each end
one carries two links. Which two is not published: here neighbours in order, of each chip."""

NIC_PLANE = "rdma"
"""The plane that accelerators reach through a NIC of their own."""


class Element(NamedTuple):
    """A thing that can fail: its ``name``, and what `Topology.without` calls its parts."""

    name: str
    without: tuple[str, ...]


def kinds(topology: Topology, planes: Sequence[str]) -> list[str]:
    """The kinds of which a topology has elements on these planes, for `elements`."""
    chips = dict.fromkeys(topology.vertex_kinds[topology.n_endpoints :])
    known = [kind for kind, find in _FINDERS.items() if next(find(topology, planes), None)]
    return [*known, *(kind for kind in chips if kind not in known)]


def elements(topology: Topology, kind: str, planes: Sequence[str]) -> list[Element]:
    """All elements of a kind that are there; links and NICs of ``planes`` only.

    ``kind``: ``link`` (a cable, both ways), ``module``, ``nic``, ``die`` (an accelerator),
    ``package`` (of several), ``node``, ``rack``, ``sub-plane`` (switches of a plane that reach each
    other and no others), ``plane``; or a kind of switch, such as ``l2``. Raises `TopologyError` for
    one that the topology does not have, with the choices.
    """
    if kind in topology.vertex_kinds[topology.n_endpoints :]:
        chips = topology.of_kind(kind)
        return [_vertex(topology, chip) for chip in chips[chips >= topology.n_endpoints].tolist()]
    if found := list(_FINDERS[kind](topology, planes) if kind in _FINDERS else ()):
        return found
    choices = kinds(topology, planes)
    raise TopologyError(
        f"{topology.name} has no {kind!r} that could fail on {', '.join(planes)}; it has"
        f" {', '.join(choices)}{near(kind, choices)}"
    )


def _vertex(topology: Topology, vertex: int) -> Element:
    name = topology.vertex_names[vertex]
    return Element(name, (name,))


def _links(topology: Topology, planes: Sequence[str]) -> Iterator[Element]:
    """Cables: a link and the one back, or a link alone; parallel ones are counted from 0."""
    for plane in planes:
        links = np.flatnonzero(topology.link_plane == topology.plane(plane))
        ways: dict[tuple[int, int], int] = {}
        for a, b in zip(topology.link_src[links].tolist(), topology.link_dst[links].tolist(),
                        strict=True):  # fmt: skip
            ways[a, b] = ways.get((a, b), 0) + 1
        for (a, b), count in ways.items():
            back = ways.get((b, a), 0)
            if back and a > b:
                continue
            for number in range(max(count, back)):
                name = _cable(topology, a, b, plane, number if max(count, back) > 1 else None,
                              both=count == back)  # fmt: skip
                yield Element(name, (name,))
                if back and back != count:  # not pairs: each direction is for itself
                    other = _cable(topology, b, a, plane, number, both=False)
                    if number < back:
                        yield Element(other, (other,))


def _cable(
    topology: Topology, a: int, b: int, plane: str, number: int | None, *, both: bool
) -> str:
    arrow = "<->" if both else "->"
    count = "" if number is None else f" #{number}"
    return f"{topology.vertex_names[a]}{arrow}{topology.vertex_names[b]}{count} ({plane})"


def _modules(topology: Topology, planes: Sequence[str]) -> Iterator[Element]:
    """Modules of a CloudMatrix384 and its relatives: each has `MODULE_LINKS` links of one chip."""
    if topology.provenance.family != "cloudmatrix" or "ub" not in planes:
        return
    kinds = np.array(topology.vertex_kinds)
    ub = topology.link_plane == topology.plane("ub")
    for kind, other in (("l1", "l2"), ("l2", "l1")):
        src, dst = topology.link_src, topology.link_dst
        up = np.flatnonzero(ub & (kinds[src] == kind) & (kinds[dst] == other))
        order = up[np.lexsort((up, src[up]))]
        for chip in np.unique(src[order]).tolist():
            mine = order[src[order] == chip]
            for at in range(0, len(mine), MODULE_LINKS):
                pair = mine[at : at + MODULE_LINKS]
                names = tuple(_one(topology, link, mine) for link in pair.tolist())
                number = at // MODULE_LINKS
                yield Element(f"module {number} of {topology.vertex_names[chip]}", names)


def _one(topology: Topology, link: int, beside: NDArray[np.int64]) -> str:
    """The name of a link and the one back; ``beside``: all links of its chip, upwards."""
    end = topology.link_dst[link]
    parallel = beside[topology.link_dst[beside] == end]
    number = None if len(parallel) == 1 else int(np.searchsorted(parallel, link))
    return _cable(topology, int(topology.link_src[link]), int(end), "ub", number, both=True)


def _nics(topology: Topology, planes: Sequence[str]) -> Iterator[Element]:
    if NIC_PLANE not in planes:
        return
    mine = topology.link_plane == topology.plane(NIC_PLANE)
    for end in np.intersect1d(topology.link_src[mine], topology.accelerators).tolist():
        name = topology.vertex_names[end]
        yield Element(f"{name} ({NIC_PLANE})", (f"{name}<->* ({NIC_PLANE})",))


def _dies(topology: Topology, _planes: Sequence[str]) -> Iterator[Element]:
    for end in topology.accelerators.tolist():
        yield _vertex(topology, end)


def _in(column: str) -> Callable[[Topology, Sequence[str]], Iterator[Element]]:
    def find(topology: Topology, _planes: Sequence[str]) -> Iterator[Element]:
        places = getattr(topology, column)
        numbers = np.unique(places[topology.accelerators])
        inside = {number: np.flatnonzero(places == number) for number in numbers.tolist()}
        if column == "package" and max(map(len, inside.values())) < 2:
            return
        for number, vertices in inside.items():
            if number != NOWHERE:
                names = tuple(topology.vertex_names[vertex] for vertex in vertices.tolist())
                yield Element(f"{column}{number}", names)

    return find


def _sub_planes(topology: Topology, planes: Sequence[str]) -> Iterator[Element]:
    n = topology.n_endpoints
    for plane in planes:
        mine = topology.link_plane == topology.plane(plane)
        src, dst = topology.link_src[mine], topology.link_dst[mine]
        label = components(topology.n_vertices, n, src, dst)
        switches = np.unique(np.concatenate([src, dst]))
        switches = switches[switches >= n]
        found = np.unique(label[switches])
        for number, first in enumerate(found.tolist() if len(found) > 1 else ()):
            names = (topology.vertex_names[v] for v in switches[label[switches] == first].tolist())
            yield Element(f"sub-plane {number} of {plane}", tuple(names))


def _planes(_topology: Topology, planes: Sequence[str]) -> Iterator[Element]:
    for plane in planes:
        yield Element(plane, (f"*<->* ({plane})",))


_FINDERS: Mapping[str, Callable[[Topology, Sequence[str]], Iterator[Element]]] = MappingProxyType(
    {
        "link": _links, "module": _modules, "nic": _nics, "die": _dies, "package": _in("package"),
        "node": _in("node"), "rack": _in("rack"), "sub-plane": _sub_planes, "plane": _planes,
    }
)  # fmt: skip
