"""How many hops there are from each switch class to each endpoint, kept by what differs.

Endpoints that hang alike are as far from everything, and what is in another part of a plane is out
of reach: so a number is kept for each switch class and group of endpoints of one part, and none for
the pairs of all.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined
from topology.graph import Ints, Longs
from topology.routing.ends import Bundles, Ends
from topology.routing.grouping import in_groups

FAR = np.int16(32767)
"""Hops to what cannot be reached."""


class Hops(NamedTuple):
    """Hops from switch class c to endpoint e are ``value[row[c - n] + group[e]]``, in one part.

    ``part``: of each class and endpoint; ``row``: int64 [switch classes]; ``group``: int64
    [endpoints]; ``value``: int16.
    """

    part: Longs
    row: Longs
    group: Longs
    value: NDArray[np.int16]


AT_ONCE = 1 << 16
"""Groups of endpoints up to which the hops to all are found at once, else when they are needed."""


class HopSearch:
    """Finds the ``hops`` to ``n`` endpoints, which pass no traffic on; ``into``: their groups."""

    def __init__(self, bundles: Bundles, into: Ends, n: int) -> None:
        part = bundles.part
        width = into.groups[part[n:]]
        row = np.cumsum(width) - width
        self.hops = Hops(part, row, into.group, np.full(int(width.sum()), FAR, np.int16))
        self._n = n
        self._begin, order = in_groups(bundles.target, len(part))
        self._source = bundles.source[order]
        first = np.cumsum(into.groups) - into.groups
        self._number = first[part[:n]] + into.group
        _, self._example = np.unique(self._number, return_index=True)
        self._left = np.ones(int(into.groups.sum()), np.bool_)
        if len(self._example) <= AT_ONCE:
            self.find_all()

    def find_all(self) -> None:
        """Fill in the hops to every endpoint."""
        self.find(self._example)

    def find(self, ends: NDArray[np.integer]) -> None:
        """Fill in the hops to the endpoints ``ends``, where that has not been done."""
        if not len(self._example):
            return
        number = np.unique(self._number[ends])
        number = number[self._left[number]]
        example = self._example[np.searchsorted(self._number[self._example], number)]
        _search(self.hops, self._begin, self._source, example, self._n)
        self._left[number] = False
        if not self._left[self._number[self._example]].any():
            self._example = self._example[:0]  # nothing is left to be found


@compiled
def _search(hops: Hops, begin: Longs, source: Ints, ends: Longs, n: int) -> None:
    """Fill in the hops to ``ends``, one endpoint of each group, breadth first.

    Bundles into class c are from ``source[begin[c]:begin[c + 1]]``.
    """
    queue = np.empty(len(begin), np.int64)
    for end in ends:
        head, tail = 0, 1
        queue[0] = end
        group = hops.group[end]
        while head < tail:
            here = queue[head]
            head += 1
            so_far = 0 if here == end else hops.value[hops.row[here - n] + group]
            for k in range(begin[here], begin[here + 1]):
                c = source[k]
                if c >= n and hops.value[hops.row[c - n] + group] == FAR:
                    hops.value[hops.row[c - n] + group] = so_far + 1
                    queue[tail] = c
                    tail += 1


@inlined
def hops_to(c: int, end: int, hops: Hops, n: int) -> int:
    """Hops from class ``c`` to the endpoint ``end``; `FAR` where there is no way."""
    if c < n:
        return 0 if c == end else int(FAR)
    if hops.part[c] != hops.part[end]:
        return int(FAR)
    return int(hops.value[hops.row[c - n] + hops.group[end]])
