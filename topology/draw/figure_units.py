"""Units: what a figure draws as one box or one dot, and the wires between them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topology.draw.groups import groups
from topology.graph import NOWHERE, Topology

LEVELS = ("rack", "node", "link")
"""What a box is: a rack of nodes, a node, or with ``link`` every vertex a dot by itself."""


@dataclass(frozen=True, eq=False)
class Units:
    """The boxes of a figure: every vertex is in one.

    ``of``: int64 [vertices], the box of each. ``names``, ``contents``: texts [boxes], the second
    such as ``"16 die, 4 cpu"``. ``places``: bool [boxes], True where endpoints are in it.
    """

    of: NDArray[np.int64]
    names: tuple[str, ...]
    contents: tuple[str, ...]
    places: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class Wires:
    """The wires of a figure: all links of a plane between the same two boxes, both ways together.

    ``a``, ``b``: int64, boxes, ``a`` below ``b``; ``plane``: int64; ``links``: int64, how many, one
    way; ``bandwidth``: float64, bytes per second one way.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    plane: NDArray[np.int64]
    links: NDArray[np.int64]
    bandwidth: NDArray[np.float64]


def units(topology: Topology, level: str) -> Units:
    """The boxes to draw for ``topology`` at ``level``, which is ``"rack"`` or ``"node"``."""
    found = groups(topology)
    of, names = found.of.astype(np.int64), list(found.names)
    if level == "rack" and (found.rack != NOWHERE).any():
        merged = np.where(found.rack == NOWHERE, -1 - np.arange(len(names)), found.rack)
        _, first, number = np.unique(merged, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        racked = found.rack[first[order]]
        of = place[number][of]
        names = [
            names[at] if rack == NOWHERE else f"rack {rack}"
            for at, rack in zip(first[order].tolist(), racked.tolist(), strict=True)
        ]
    places = np.zeros(len(names), np.bool_)
    places[of[: topology.n_endpoints]] = True
    return Units(of, tuple(names), _contents(topology, of, len(names)), places)


def _contents(topology: Topology, of: NDArray[np.int64], count: int) -> tuple[str, ...]:
    kinds = list(dict.fromkeys(topology.vertex_kinds))
    number = np.array([kinds.index(kind) for kind in topology.vertex_kinds])
    table = np.bincount(of * len(kinds) + number, minlength=count * len(kinds))
    rows = table.reshape(count, len(kinds)).tolist()
    return tuple(
        ", ".join(f"{n} {kind}" for n, kind in zip(row, kinds, strict=True) if n) for row in rows
    )


def wires(topology: Topology, of: NDArray[np.int64], links: NDArray[np.bool_]) -> Wires:
    """The bundles of links between different boxes.

    ``of``: int64 [vertices], the box of each vertex. ``links``: bool [links], which links count.
    """
    rows = np.flatnonzero(links & (of[topology.link_src] != of[topology.link_dst]))
    src, dst = of[topology.link_src[rows]], of[topology.link_dst[rows]]
    low, high = np.minimum(src, dst), np.maximum(src, dst)
    size = int(of.max()) + 1
    key = (topology.link_plane[rows] * size + low) * size + high
    _, first, wire = np.unique(key, return_index=True, return_inverse=True)
    bandwidth, each = topology.link_bandwidth[rows], np.ones(len(rows))
    up, down = ((src == low), (src == high))
    ways = [np.bincount(wire[way], bandwidth[way], len(first)) for way in (up, down)]
    counts = [np.bincount(wire[way], each[way], len(first)) for way in (up, down)]
    return Wires(
        low[first], high[first], topology.link_plane[rows][first].astype(np.int64),
        np.maximum(*counts).astype(np.int64), np.maximum(*ways),
    )  # fmt: skip
