"""Endpoints that hang on a plane alike, and the parts of a plane that nothing joins."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled
from topology.graph import Floats, Ints, Longs
from topology.routing.grouping import join
from topology.stirring import all_stirred


class Ends(NamedTuple):
    """Groups of endpoints whose links out (or in) are alike, bundle by bundle.

    ``group``: int64 [endpoints], the number of its group among those of its part of the plane;
    ``groups``: int64 [parts], how many of them a part has. ``begin``, ``bundle``: endpoint a's
    bundles are ``bundle[begin[a]:begin[a + 1]]``.
    """

    group: Longs
    groups: Longs
    begin: Longs
    bundle: Longs


class Bundles(NamedTuple):
    """The bundles of a folded plane, see `topology.routing.walk.FoldedPlane`; ``source``: classes.

    ``part``: int64 [classes], the part of the plane that a class, or an endpoint, is in: parts are
    joined by nothing, such as the UB planes of two supernodes.
    """

    begin: Longs
    source: Ints
    target: Ints
    share: Floats
    bandwidth: Floats
    latency: Floats
    part: Longs


def bundles_of(
    begin: Longs, target: Ints, share: Floats, bandwidth: Floats, latency: Floats
) -> Bundles:
    """The bundles with their source classes, and the parts that they make."""
    source = np.repeat(np.arange(len(begin) - 1, dtype=np.int32), np.diff(begin))
    return Bundles(begin, source, target, share, bandwidth, latency,
                   _parts(source, target, len(begin) - 1))  # fmt: skip


@compiled
def _parts(source: Ints, target: Ints, classes: int) -> Longs:
    """The part of each class, numbered from 0 in order."""
    root = np.arange(classes)
    for e in range(len(source)):
        join(root, source[e], target[e])
    part, count = np.empty(classes, np.int64), 0
    for c in range(classes):  # a root is the least of its part
        if root[c] == c:
            part[c] = count
            count += 1
        else:
            part[c] = part[root[c]]
    return part


def ends_of(bundles: Bundles, n: int, *, of_source: bool) -> Ends:
    """The groups of the ``n`` endpoints by their links out (``of_source``) or in.

    An endpoint with a link to another endpoint, and not to a switch, is a group of its own.
    """
    pair = bundles.source, bundles.target
    mine, other = pair if of_source else pair[::-1]
    bundle = np.flatnonzero(mine < n)
    bundle = bundle[np.argsort(mine[bundle], kind="stable")]
    begin = np.searchsorted(mine[bundle], np.arange(n + 1))
    columns = (other, bundles.share, bundles.bandwidth, bundles.latency)
    example = _examples(begin, [column[bundle] for column in columns])
    direct_ends = mine[bundle][other[bundle] < n]
    example[direct_ends] = direct_ends
    parts = int(bundles.part.max()) + 1
    # A group is in one part, but for endpoints without links, which are alike and in many.
    numbers, at = np.unique(bundles.part[:n] * n + example, return_inverse=True)
    count = np.bincount(numbers // n, minlength=parts)
    return Ends(at - (np.cumsum(count) - count)[bundles.part[:n]], count, begin, bundle)


def _examples(begin: Longs, columns: list[NDArray[np.generic]]) -> Longs:
    """For each endpoint, the first one whose rows of ``columns`` are the same."""
    n, size = len(begin) - 1, np.diff(begin)
    row = np.repeat(np.arange(n), size)
    place = np.arange(begin[-1]) - begin[row]
    mixed = size.astype(np.uint64)
    for column in columns:
        bits = column.astype(np.float64).view(np.uint64) + place.astype(np.uint64)
        np.add.at(mixed, row, all_stirred(bits * np.uint64(2 * len(columns) + 1)))
        mixed = all_stirred(mixed)
    _, first, group = np.unique(mixed, return_index=True, return_inverse=True)
    example: Longs = first[group].astype(np.int64)
    # Numbers that are equal by chance only must not make endpoints alike.
    like = size == size[example]
    at = np.where(like[row], begin[example[row]] + place, 0)
    for column in columns:
        like[row[column != column[at]]] = False
    return np.where(like, example, np.arange(n))
