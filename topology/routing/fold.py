"""Folding one plane of a topology: what no endpoint can tell apart becomes one.

Switches that no endpoint can tell apart (the 7 L1 chips of a node, the 112 L2 chips) become one
*class*, and the parallel links between two classes one *bundle*, whose links every flow loads
alike. A fault makes chips distinguishable, and the bundle splits by itself. Folding is colour
refinement with every endpoint of a colour of its own, so it holds for any graph.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined
from topology.graph import Floats, Ints, Longs, Topology
from topology.routing.grouping import bits, first_of_equal, in_groups


@dataclass(frozen=True)
class Fold:
    """The classes of a plane's vertices, and its bundles in order of their source class.

    ``colour``: the class of each vertex. ``link_of_plane``: the plane's links; ``bundle``: the
    bundle of each of them. By bundle: ``first_link``, one of its links; ``links``, how many it has;
    ``src``, ``dst``, the classes that it joins.
    """

    colour: Longs
    n_classes: int
    link_of_plane: Longs
    bundle: Longs
    first_link: Longs
    links: Longs
    src: Longs
    dst: Longs


def fold(
    graph: Topology, plane: int, apart: bool, factor: Floats | None = None,
    marks: Longs | None = None,
) -> Fold:  # fmt: skip
    """Plane number ``plane`` of ``graph``, folded; ``apart``: each vertex and link for itself.

    ``factor``: float64 [links], ``marks``: int64 [links]; links with another factor or mark are not
    alike. None: all have one.
    """
    links = np.flatnonzero(graph.link_plane == plane)
    kind = _numbers(graph.link_bandwidth[links], graph.link_latency[links])
    for column in (factor, marks):
        if column is not None:
            kind = _numbers(kind, column[links])
    src, dst = graph.link_src[links], graph.link_dst[links]
    colour = np.arange(graph.n_vertices) if apart else _refine(graph, src, dst, kind)
    unlike = np.arange(len(links)) if apart else kind
    bundle, first = _bundled(colour, src, dst, unlike, int(unlike.max(initial=-1)) + 1)
    return Fold(
        colour, int(colour.max()) + 1, links, bundle, links[first],
        np.bincount(bundle), colour[src[first]], colour[dst[first]],
    )  # fmt: skip


@compiled
def _bundled(
    colour: Longs, src: Ints, dst: Ints, unlike: Longs, kinds: int
) -> tuple[Longs, Longs]:  # fmt: skip
    """The bundle of each link, and the first link of each; in order of source, target, kind."""
    n, classes = len(src), colour.max() + 1
    key = np.empty(n, np.int64)
    _, order = in_groups(unlike, kinds)
    for side in range(2):
        for k in range(n):
            key[k] = colour[dst[order[k]] if side == 0 else src[order[k]]]
        _, moved = in_groups(key, classes)
        for k in range(n):
            moved[k] = order[moved[k]]
        order = moved
    bundle, first, count = key, np.empty(n, np.int64), 0
    before = -1
    for k in range(n):
        link = order[k]
        if (
            before < 0 or colour[src[link]] != colour[src[before]]
            or colour[dst[link]] != colour[dst[before]] or unlike[link] != unlike[before]
        ):  # fmt: skip
            first[count] = link
            count += 1
        bundle[link] = count - 1
        before = link
    return bundle, first[:count].copy()


def _refine(graph: Topology, src: Ints, dst: Ints, kind: Longs) -> Longs:
    """The coarsest classes of switches that see alike neighbours over alike links."""
    n = graph.n_endpoints
    colour = np.minimum(np.arange(graph.n_vertices), n)
    while True:
        seen = np.zeros(graph.n_vertices, np.uint64)
        _look(src, dst, kind, colour, seen)
        finer = colour.copy()
        finer[n:] = n + _numbers(colour[n:], seen[n:])
        if finer.max() == colour.max():
            return colour
        colour = finer


@compiled
def _look(src: Ints, dst: Ints, kind: Longs, colour: Longs, seen: NDArray[np.uint64]) -> None:
    """Add up at each vertex what it sees at the other end of each of its links."""
    for link in range(len(src)):
        seen[src[link]] += _mix(colour[dst[link]], kind[link], 1)
        seen[dst[link]] += _mix(colour[src[link]], kind[link], 2)


@inlined
def _mix(colour: int, kind: int, side: int) -> np.uint64:
    """A well-stirred 64-bit number for a neighbour: sums of them tell multisets apart."""
    x = (np.uint64(colour) << np.uint64(20)) + np.uint64(kind * 4 + side)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _numbers(first: NDArray[Any], second: NDArray[Any]) -> Longs:
    """Each pair of values numbered 0, 1, ... in order of the pairs."""
    number, row = first_of_equal(bits(first), bits(second))
    place = np.empty(len(row), np.int64)
    place[np.lexsort((second[row], first[row]))] = np.arange(len(row))
    return place[number]


def number_bundles(folds: list[Fold], n_links: int) -> Longs:
    """The resource of every link: bundles counted over all planes, -1 for planes not in use."""
    resource = np.full(n_links, -1, np.int64)
    offset = 0
    for fold in folds:
        resource[fold.link_of_plane] = fold.bundle + offset
        offset += len(fold.first_link)
    return resource
