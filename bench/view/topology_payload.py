"""The page's data about a topology: its columns, its boxes, and what has been taken out of it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.view.packing import narrow
from bench.view.sources import plane_notes, sources
from topology.draw.groups import groups
from topology.errors import TopologyError
from topology.graph import Ints, Topology
from topology.labels import label


@dataclass(frozen=True, eq=False)
class Shown:
    """A topology as it is drawn: ``whole`` with every link, and what of it is still there.

    ``vertices`` and ``links``: int64, the numbers in ``whole`` of those that are left, in order.
    ``removed``: what has been taken out, in the words of who did.
    """

    whole: Topology
    vertices: NDArray[np.int64]
    links: NDArray[np.int64]
    removed: tuple[str, ...]


def shown(topology: Topology, whole: Topology | None) -> Shown:
    """``topology`` as part of ``whole``, from which parts were removed; alone if ``whole`` is None.

    Raises `TopologyError` if ``whole`` without ``topology.removed`` is not this topology.
    """
    if whole is None or not topology.removed:
        every = np.arange(topology.n_vertices), np.arange(topology.n_links)
        return Shown(topology, *every, topology.removed)
    left = whole.without(*topology.removed)
    if not replace(left, name=topology.name, removed=topology.removed).equals(topology):
        raise TopologyError(
            f"{whole.name} without {', '.join(topology.removed)} is not {topology.name} as given"
        )
    # Ids go up from row to row.
    vertices = np.searchsorted(whole.vertex_id, topology.vertex_id)
    links = np.searchsorted(whole.link_id, topology.link_id)
    return Shown(whole, vertices, links, topology.removed)


def topology_part(view: Shown) -> dict[str, Any]:
    """The page's data on one topology, a dict for `bench.view.packing.pack`."""
    topology, boxes = view.whole, groups(view.whole)
    kinds = tuple(dict.fromkeys(topology.vertex_kinds))
    bandwidths, bandwidth = _classes(topology.link_bandwidth)
    latencies, latency = _classes(topology.link_latency)
    return {
        "name": label(topology.name),
        "endpoints": topology.n_endpoints,
        "planes": [
            {"name": label(name), "note": plane_notes(topology, number)}
            for number, name in enumerate(topology.planes)
        ],
        "vertices": {
            "names": [label(name) for name in topology.vertex_names],
            "kinds": [label(kind) for kind in kinds],
            "kind": narrow(np.array([kinds.index(kind) for kind in topology.vertex_kinds])),
            "package": topology.package,
            "group": narrow(boxes.of),
            "gone": _gone(topology.n_vertices, view.vertices),
        },
        "groups": {
            "names": [label(name) for name in boxes.names],
            "kinds": list(boxes.kinds),
            "rack": boxes.rack,
            "plane": boxes.plane,
        },
        "links": {
            "src": narrow(topology.link_src),
            "dst": narrow(topology.link_dst),
            "plane": narrow(topology.link_plane),
            "bandwidth": narrow(bandwidth),
            "bandwidths": [x if np.isfinite(x) else None for x in bandwidths.tolist()],
            "latency": narrow(latency),
            "latencies": latencies.tolist(),
            "gone": _gone(topology.n_links, view.links),
        },
        "removed": [label(name) for name in view.removed],
        "sources": sources(topology),
    }


def _gone(count: int, left: NDArray[np.int64]) -> NDArray[np.uint8]:
    gone = np.ones(count, np.uint8)
    gone[left] = 0
    return gone


def _classes(column: NDArray[np.float64]) -> tuple[NDArray[np.float64], Ints]:
    values, number = np.unique(column, return_inverse=True)
    return values, number.astype(np.int32)
