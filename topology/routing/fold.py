"""Folding one plane of a topology: what no endpoint can tell apart becomes one.

Switches that no endpoint can tell apart (the 7 L1 chips of a node, the 112 L2 chips) become one
*class*, and the parallel links between two classes one *bundle*, whose links every flow loads
alike. A fault makes chips distinguishable, and the bundle splits by itself. Folding is colour
refinement with every endpoint of a colour of its own, so it holds for any graph.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topology.graph import Floats, Longs, Topology


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
    src, dst = graph.link_src[links].astype(np.int64), graph.link_dst[links].astype(np.int64)
    colour = np.arange(graph.n_vertices) if apart else _refine(graph, src, dst, kind)
    unlike = np.arange(len(links)) if apart else kind
    order = np.lexsort((unlike, colour[dst], colour[src]))
    key = np.stack([colour[src], colour[dst], unlike])[:, order]
    is_first = np.ones(len(links), bool)
    is_first[1:] = (key[:, 1:] != key[:, :-1]).any(0)
    bundle = np.empty(len(links), np.int64)
    bundle[order] = np.cumsum(is_first) - 1
    return Fold(
        colour, int(colour.max()) + 1, links, bundle, links[order[is_first]],
        np.bincount(bundle), key[0, is_first], key[1, is_first],
    )  # fmt: skip


def _refine(graph: Topology, src: Longs, dst: Longs, kind: Longs) -> Longs:
    """The coarsest classes of switches that see alike neighbours over alike links."""
    n = graph.n_endpoints
    colour = np.minimum(np.arange(graph.n_vertices), n)
    while True:
        seen = np.zeros(graph.n_vertices, np.uint64)
        np.add.at(seen, src, _mix(colour[dst], kind, 1))
        np.add.at(seen, dst, _mix(colour[src], kind, 2))
        finer = colour.copy()
        finer[n:] = n + _numbers(colour[n:], seen[n:])
        if finer.max() == colour.max():
            return colour
        colour = finer


def _mix(colour: Longs, kind: Longs, side: int) -> NDArray[np.uint64]:
    """A well-stirred 64-bit number for a neighbour: sums of them tell multisets apart."""
    x = (colour.astype(np.uint64) << np.uint64(20)) + (kind * 4 + side).astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x


def _numbers(first: NDArray[np.generic], second: NDArray[np.generic]) -> Longs:
    """Each pair of values numbered 0, 1, ... in order of the pairs."""
    if not len(first):
        return np.zeros(0, np.int64)
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    changes = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    numbers = np.zeros(len(order), np.int64)
    numbers[order[1:]] = np.cumsum(changes)
    return numbers


def number_bundles(folds: list[Fold], n_links: int) -> Longs:
    """The resource of every link: bundles counted over all planes, -1 for planes not in use."""
    resource = np.full(n_links, -1, np.int64)
    offset = 0
    for fold in folds:
        resource[fold.link_of_plane] = fold.bundle + offset
        offset += len(fold.first_link)
    return resource
