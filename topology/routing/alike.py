"""Paths by hierarchy: found once for endpoints that hang on the fabric alike, not once a pair.

The 16 dies of a node have one link each to the same seven L1 chips. Whatever way leads from one of
them to a die of another node, the way from its neighbour is the same but for the first links, and
to the other's neighbour the same but for the last ones. So 8,192 dies have 512 x 512 ways in the
middle, not 8,192 x 8,192. Exact, for any graph: endpoints are alike only if their links are.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled
from topology.graph import Floats, Ints, Longs
from topology.routing.walk import SPRAY, FoldedPlane, walk

MOST_WAYS = 1 << 24
"""Pairs of groups at most, of which a table is kept; with more, each pair is walked for itself."""

Found = tuple[Longs, Ints, Floats, Floats]
"""What `walk` returns: the resources on each path, their shares, and its latency."""


class Ends(NamedTuple):
    """Groups of endpoints whose links out (or in) are alike, bundle by bundle.

    ``group``: int64 [endpoints]; ``begin``, ``bundle``: endpoint a's bundles are
    ``bundle[begin[a]:begin[a + 1]]``. ``count``: how many groups.
    """

    group: Longs
    begin: Longs
    bundle: Longs
    count: int


class Ways(NamedTuple):
    """Ways between groups, as columns: way w is ``step[begin[w]:begin[w + 1]]`` with ``weight``.

    A step is a resource; or, below 0, one of the bundles of the source (-1, -3, ... for the first,
    the second) or of the destination (-2, -4, ...). ``latency``: float64 [ways].
    """

    begin: Longs
    step: Longs
    weight: Floats
    latency: Floats


class AlikePaths:
    """The paths of one plane between ``n`` endpoints, under even spray."""

    def __init__(self, plane: FoldedPlane, n: int) -> None:
        self._plane, self._n = plane, n
        self._out, self._in = _ends(plane, n, of_source=True), _ends(plane, n, of_source=False)
        self._ways = Ways(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))

    @property
    def pays(self) -> bool:
        """Whether groups are few enough for a table of their pairs."""
        return self._out.count * self._in.count <= min(MOST_WAYS, self._n * self._n // 4)

    @cached_property
    def _way_of(self) -> Ints:
        """The number of the way between two groups, int32 [out groups, in groups]; -1: none yet."""
        return np.full((self._out.count, self._in.count), -1, np.int32)

    def walk(self, src: Ints, dst: Ints) -> Found:
        """What `topology.routing.walk.walk` returns for these pairs of different endpoints."""
        new = _new(src, dst, self._out.group, self._in.group, self._way_of, len(self._ways.latency))
        if len(new):
            found = walk(src[new], dst[new], self._plane, self._n, SPRAY)
            self._ways = _joined(self._ways, self._coded(src[new], dst[new], found))
        return _expanded(
            src, dst, self._way_of, self._out, self._in, self._ways, self._plane.resource
        )

    def _coded(self, src: Ints, dst: Ints, found: Found) -> Ways:
        """Ways between groups, of the paths that were found for one pair of each."""
        size, resource, weight, latency = found
        begin = np.concatenate([[0], np.cumsum(size)])
        first = int(self._plane.resource[0]) if len(self._plane.resource) else 0
        return Ways(begin, _code(src, dst, begin, resource, first, self._out, self._in), weight,
                    latency)  # fmt: skip


def _joined(ways: Ways, more: Ways) -> Ways:
    begin = np.concatenate([ways.begin, more.begin[1:] + ways.begin[-1]])
    rest = (np.concatenate(pair) for pair in zip(ways[1:], more[1:], strict=True))
    return Ways(begin, *rest)


def _ends(plane: FoldedPlane, n: int, *, of_source: bool) -> Ends:
    """The groups of endpoints by their links out (``of_source``) or in.

    An endpoint with a link to another endpoint, and not to a switch, is a group of its own.
    """
    source = np.repeat(np.arange(len(plane.begin) - 1), np.diff(plane.begin))
    mine, other = (source, plane.target) if of_source else (plane.target, source)
    bundle = np.flatnonzero(mine < n)
    bundle = bundle[np.argsort(mine[bundle], kind="stable")]
    begin = np.searchsorted(mine[bundle], np.arange(n + 1))
    columns = [column[bundle] for column in (other, plane.share, plane.bandwidth, plane.latency)]
    example = _examples(begin, columns)
    direct = other[bundle] < n
    direct_ends = mine[bundle][direct]
    example[direct_ends] = direct_ends
    numbers, group = np.unique(example, return_inverse=True)
    return Ends(group.astype(np.int64, copy=False), begin, bundle, len(numbers))


def _examples(begin: Longs, columns: list[NDArray[np.generic]]) -> Longs:
    """For each endpoint, the first one whose rows of ``columns`` are the same."""
    n, size = len(begin) - 1, np.diff(begin)
    row = np.repeat(np.arange(n), size)
    place = np.arange(begin[-1]) - begin[row]
    mixed = size.astype(np.uint64)
    for column in columns:
        bits = column.astype(np.float64).view(np.uint64) + place.astype(np.uint64)
        np.add.at(mixed, row, _stirred(bits * np.uint64(2 * len(columns) + 1)))
        mixed = _stirred(mixed)
    _, first, group = np.unique(mixed, return_index=True, return_inverse=True)
    example = first[group].astype(np.int64)
    # Numbers that are equal by chance only must not make endpoints alike.
    like = size == size[example]
    at = np.where(like[row], begin[example[row]] + place, 0)
    for column in columns:
        like[row[column != column[at]]] = False
    return np.where(like, example, np.arange(n))


def _stirred(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x


@compiled
def _new(src: Ints, dst: Ints, out: Longs, into: Longs, way_of: Ints, count: int) -> Longs:
    """Rows that are the first of their pair of groups; these ways are numbered from ``count``."""
    at = 0
    rows = np.empty(min(len(src), way_of.size), np.int64)
    for i in range(len(src)):
        if way_of[out[src[i]], into[dst[i]]] < 0:
            way_of[out[src[i]], into[dst[i]]] = count + at
            rows[at] = i
            at += 1
    return rows[:at]


@compiled
def _code(
    src: Ints, dst: Ints, begin: Longs, resource: Ints, first: int, out: Ends, into: Ends
) -> Longs:
    """The paths' resources as `Ways.step`; ``first``: the number of bundle 0's."""
    step = resource.astype(np.int64)
    for i in range(len(src)):
        for e in range(begin[i], begin[i + 1]):
            bundle = resource[e] - first
            for k in range(out.begin[src[i]], out.begin[src[i] + 1]):
                if out.bundle[k] == bundle:
                    step[e] = -1 - 2 * (k - out.begin[src[i]])
            for k in range(into.begin[dst[i]], into.begin[dst[i] + 1]):
                if into.bundle[k] == bundle and step[e] >= 0:
                    step[e] = -2 - 2 * (k - into.begin[dst[i]])
    return step


@compiled
def _expanded(
    src: Ints, dst: Ints, way_of: Ints, out: Ends, into: Ends, ways: Ways, resource: Ints
) -> Found:
    """The paths of pairs, from the ways of their groups."""
    size, latency = np.empty(len(src), np.int64), np.empty(len(src))
    total = 0
    for i in range(len(src)):
        way = way_of[out.group[src[i]], into.group[dst[i]]]
        size[i] = ways.begin[way + 1] - ways.begin[way]
        latency[i] = ways.latency[way]
        total += size[i]
    found, weight = np.empty(total, np.int32), np.empty(total)
    at = 0
    for i in range(len(src)):
        way = way_of[out.group[src[i]], into.group[dst[i]]]
        first, last = out.begin[src[i]], into.begin[dst[i]]
        for e in range(ways.begin[way], ways.begin[way + 1]):
            step = ways.step[e]
            if step >= 0:
                found[at] = step
            elif step & 1:
                found[at] = resource[out.bundle[first + (-1 - step) // 2]]
            else:
                found[at] = resource[into.bundle[last + (-2 - step) // 2]]
            weight[at] = ways.weight[e]
            at += 1
    return size, found, weight, latency
