"""Paths by hierarchy: found once for endpoints that hang on the fabric alike, not once a pair.

The 16 dies of a node have one link each to the same seven L1 chips. Whatever way leads from one of
them to a die of another node, the way from its neighbour is the same but for the first links, and
to the other's neighbour the same but for the last ones. So 8,192 dies have 512 x 512 ways in the
middle, not 8,192 x 8,192. Exact, for any graph: endpoints are alike only if their links are.
"""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from topology.compiled import compiled
from topology.graph import Floats, Ints, Longs
from topology.routing.ends import Bundles, Ends, ends_of
from topology.routing.walk import SPRAY, FoldedPlane, walk

MOST_WAYS = 1 << 24
"""Pairs of groups at most, of which a table is kept; with more, each pair is walked for itself."""

Found = tuple[Longs, Ints, Floats, Floats]
"""What `walk` returns: the resources on each path, their shares, and its latency."""


class GroupWays(NamedTuple):
    """Ways between groups as columns: way w is ``step[begin[w]:begin[w + 1]]``, with ``weight``.

    A step is a resource; or, below 0, one of the bundles of the source (-1, -3, ... for the first,
    the second) or of the destination (-2, -4, ...). ``latency``: float64 [ways].
    """

    begin: Longs
    step: Longs
    weight: Floats
    latency: Floats


class AlikePaths:
    """The paths of one plane between ``n`` endpoints, under even spray.

    ``bundles``: the plane's; ``into``: the groups of endpoints by their links in. ``find``: of
    another policy, under which what is alike is treated alike: the paths of pairs, as of `walk`.
    """

    def __init__(
        self, plane: FoldedPlane, bundles: Bundles, into: Ends, n: int,
        find: Callable[[Ints, Ints], Found] | None = None,
    ) -> None:  # fmt: skip
        self._find = find or (lambda src, dst: walk(src, dst, plane, n, SPRAY))
        self._plane, self._n, self._in = plane, n, into
        self._out = ends_of(bundles, n, of_source=True)
        self._part = bundles.part[:n]
        pairs = self._out.groups * into.groups
        # The way from group a to group b of a part: way_of[row[a's endpoint] + b].
        self._row = (np.cumsum(pairs) - pairs)[self._part]
        self._row += self._out.group * into.groups[self._part]
        self._pairs = int(pairs.sum())
        self._ways = GroupWays(
            np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        )

    @property
    def pays(self) -> bool:
        """Whether groups are few enough for a table of their pairs."""
        ends = np.bincount(self._part)
        return self._pairs <= min(MOST_WAYS, int((ends * ends).sum()) // 4)

    @cached_property
    def _way_of(self) -> Ints:
        """The number of the way between two groups of one part, int32 [pairs]; -1: none yet."""
        return np.full(self._pairs, -1, np.int32)

    def walk(self, src: Ints, dst: Ints) -> Found:
        """What `topology.routing.walk.walk` returns for these pairs of different endpoints."""
        pair = _pairs(src, dst, self._part, self._row, self._in.group)
        new = _new(pair, self._way_of, len(self._ways.latency))
        if len(new):
            try:
                found = self._find(src[new], dst[new])
                more = self._coded(src[new], dst[new], found)
                self._ways = _joined(self._ways, more)
            except BaseException:  # interrupted: they are as unknown as before
                self._way_of[pair[new]] = -1
                raise
        return _expanded(
            src, dst, pair, self._way_of, self._out, self._in, self._ways, self._plane.resource
        )

    def _coded(self, src: Ints, dst: Ints, found: Found) -> GroupWays:
        """GroupWays between groups, of the paths that were found for one pair of each."""
        size, resource, weight, latency = found
        begin = np.concatenate([[0], np.cumsum(size)])
        bundle = np.searchsorted(self._plane.resource, resource)  # which rise with the bundles
        step = _code(src, dst, begin, resource, bundle, self._out, self._in)
        return GroupWays(begin, step, weight, latency)


def _joined(ways: GroupWays, more: GroupWays) -> GroupWays:
    begin = np.concatenate([ways.begin, more.begin[1:] + ways.begin[-1]])
    rest = (np.concatenate(pair) for pair in zip(ways[1:], more[1:], strict=True))
    return GroupWays(begin, *rest)


@compiled
def _pairs(src: Ints, dst: Ints, part: Longs, row: Longs, into: Longs) -> Longs:
    """The pair of groups of each pair of endpoints; -1 where nothing joins their parts."""
    pair = np.empty(len(src), np.int64)
    for i in range(len(src)):
        joined = part[src[i]] == part[dst[i]]
        pair[i] = row[src[i]] + into[dst[i]] if joined else -1
    return pair


@compiled
def _new(pair: Longs, way_of: Ints, count: int) -> Longs:
    """Rows that are the first of their pair of groups; these ways are numbered from ``count``."""
    at = 0
    rows = np.empty(min(len(pair), len(way_of)), np.int64)
    for i in range(len(pair)):
        if pair[i] >= 0 and way_of[pair[i]] < 0:
            way_of[pair[i]] = count + at
            rows[at] = i
            at += 1
    return rows[:at]


@compiled
def _code(
    src: Ints, dst: Ints, begin: Longs, resource: Ints, bundles: Longs, out: Ends, into: Ends
) -> Longs:
    """The paths' resources as `GroupWays.step`; ``bundles``: the bundle of each of them."""
    step = resource.astype(np.int64)
    for i in range(len(src)):
        for e in range(begin[i], begin[i + 1]):
            bundle = bundles[e]
            for k in range(out.begin[src[i]], out.begin[src[i] + 1]):
                if out.bundle[k] == bundle:
                    step[e] = -1 - 2 * (k - out.begin[src[i]])
            for k in range(into.begin[dst[i]], into.begin[dst[i] + 1]):
                if into.bundle[k] == bundle and step[e] >= 0:
                    step[e] = -2 - 2 * (k - into.begin[dst[i]])
    return step


@compiled
def _expanded(
    src: Ints, dst: Ints, pair: Longs, way_of: Ints, out: Ends, into: Ends, ways: GroupWays,
    resource: Ints,
) -> Found:  # fmt: skip
    """The paths of pairs, from the ways of their groups."""
    size, latency = np.zeros(len(src), np.int64), np.zeros(len(src))
    total = 0
    for i in range(len(src)):
        if pair[i] >= 0:
            way = way_of[pair[i]]
            size[i] = ways.begin[way + 1] - ways.begin[way]
            latency[i] = ways.latency[way]
            total += size[i]
    found, weight = np.empty(total, np.int32), np.empty(total)
    at = 0
    for i in range(len(src)):
        if pair[i] < 0:
            continue
        way, first, last = way_of[pair[i]], out.begin[src[i]], into.begin[dst[i]]
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
