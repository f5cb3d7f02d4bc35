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
from topology.routing.grouping import bits, first_of_equal, in_groups, read_only
from topology.stirring import stirred


@dataclass(frozen=True)
class Fold:
    """The classes of a plane's vertices, and its bundles in order of their source class.

    ``colour``: the class of each vertex. ``link_of_plane``: the plane's links; ``bundle``: the
    bundle of each of them. By bundle: ``first_link``, one of its links; ``links``, how many it has;
    ``src``, ``dst``, the classes that it joins.
    """

    colour: Longs
    n_classes: int
    link_of_plane: Ints
    bundle: Ints
    first_link: Ints
    links: Longs
    src: Ints
    dst: Ints


def fold(
    graph: Topology, plane: int, apart: bool, factor: Floats | None = None,
    marks: Longs | None = None,
) -> Fold:  # fmt: skip
    """Plane number ``plane`` of ``graph``, folded; ``apart``: each vertex and link for itself.

    ``factor``: float64 [links], ``marks``: int64 [links]; links with another factor or mark are not
    alike. None: all have one.
    """
    number, which = _links_of(graph, plane)
    kind = _numbers(graph.link_bandwidth[which], graph.link_latency[which])
    for column in (factor, marks):
        if column is not None:
            kind = _numbers(kind, column[which])
    src, dst = read_only(graph.link_src[which]), read_only(graph.link_dst[which])
    colour = np.arange(graph.n_vertices) if apart else _refine(graph, src, dst, kind)
    unlike = np.arange(len(number), dtype=np.int32) if apart else kind
    found = _bundled(colour, src, dst, number, unlike)
    return Fold(colour, int(colour.max()) + 1, number, *found)


def _links_of(graph: Topology, plane: int) -> "tuple[Ints, slice | Ints]":
    """The numbers of a plane's links, and what picks them: a slice if that will do.

    Columns of millions of links take longer to copy than to look at.
    """
    mine = graph.link_plane == plane
    count, first = int(np.count_nonzero(mine)), int(mine.argmax()) if len(mine) else 0
    if mine[first : first + count].all():
        return np.arange(first, first + count, dtype=np.int32), slice(first, first + count)
    number: Ints = np.flatnonzero(mine).astype(np.int32)
    return number, number


@compiled
def _bundled(
    colour: Longs, src: Ints, dst: Ints, number: Ints, unlike: Ints
) -> tuple[Ints, Ints, Longs, Ints, Ints]:
    """The columns of a `Fold` from ``bundle`` on, in order of source, target, kind.

    ``number``: of each link.
    """
    n, classes, kinds = len(src), colour.max() + 1, 1
    of = np.empty(n, np.int32)
    for k in range(n):
        of[k] = colour[src[k]]
        kinds = max(kinds, unlike[k] + 1)
    begin, order = in_groups(of, classes)
    bundle, first, links = of, np.empty(n, np.int32), np.empty(n, np.int64)
    source, target = np.empty(n, np.int32), np.empty(n, np.int32)
    key, spare, bundles = np.empty(0, np.int64), np.empty((0, 2), np.int64), 0
    for c in range(classes):
        mine, rising = order[begin[c] : begin[c + 1]], True
        if len(mine) > len(key):
            key, spare = np.empty(2 * len(mine), np.int64), np.empty((2 * len(mine), 2), np.int64)
        for k in range(len(mine)):
            key[k] = colour[dst[mine[k]]] * kinds + unlike[mine[k]]
            rising &= k == 0 or key[k - 1] <= key[k]
        if not rising:
            _sort(key, mine, spare)
        for k in range(len(mine)):
            if k == 0 or key[k] != key[k - 1]:
                first[bundles], links[bundles] = number[mine[k]], 0
                source[bundles], target[bundles] = c, key[k] // kinds
                bundles += 1
            links[bundles - 1] += 1
            bundle[mine[k]] = bundles - 1
    return bundle, first[:bundles], links[:bundles], source[:bundles], target[:bundles]


@inlined
def _sort(key: Longs, links: Ints, spare: Longs) -> None:
    """Sort ``links`` and their keys, equal ones as they stand; ``spare``: room for as many.

    A merge sort, which leaves halves that are in order, as many are.
    """
    n, width = len(links), 1
    while width < n:
        for low in range(0, n - width, 2 * width):
            middle, high = low + width, min(low + 2 * width, n)
            if key[middle - 1] <= key[middle]:
                continue
            for k in range(width):
                spare[k, 0], spare[k, 1] = key[low + k], links[low + k]
            a, b, at = 0, middle, low
            while a < width:
                if b < high and key[b] < spare[a, 0]:
                    key[at], links[at] = key[b], links[b]
                    b += 1
                else:
                    key[at], links[at] = spare[a, 0], spare[a, 1]
                    a += 1
                at += 1
        width *= 2


def _refine(graph: Topology, src: Ints, dst: Ints, kind: Ints) -> Longs:
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
def _look(src: Ints, dst: Ints, kind: Ints, colour: Longs, seen: NDArray[np.uint64]) -> None:
    """Add up at each vertex what it sees at the other end of each of its links."""
    for link in range(len(src)):
        seen[src[link]] += _mix(colour[dst[link]], kind[link], 1)
        seen[dst[link]] += _mix(colour[src[link]], kind[link], 2)


@inlined
def _mix(colour: int, kind: int, side: int) -> np.uint64:
    """A well-stirred 64-bit number for a neighbour: sums of them tell multisets apart."""
    return stirred((np.uint64(colour) << np.uint64(20)) + np.uint64(kind * 4 + side))


def _numbers(first: NDArray[Any], second: NDArray[Any]) -> Ints:
    """Each pair of values numbered 0, 1, ... in order of the pairs."""
    number, row = first_of_equal(bits(first), bits(second))
    order = np.lexsort((second[row], first[row]))
    if (order[1:] < order[:-1]).any():
        place = np.empty(len(row), np.int32)
        place[order] = np.arange(len(row))
        number = place[number]
    return number


def number_bundles(folds: list[Fold], n_links: int) -> Longs:
    """The resource of every link: bundles counted over all planes, -1 for planes not in use."""
    resource = np.full(n_links, -1, np.int64)
    offset = 0
    for fold in folds:
        _write(resource, fold.link_of_plane, fold.bundle, offset)
        offset += len(fold.first_link)
    return resource


@compiled
def _write(resource: Longs, link: Ints, bundle: Ints, offset: int) -> None:
    for k in range(len(link)):
        resource[link[k]] = bundle[k] + offset
