"""How many hops there are from each switch class to each endpoint, kept by what differs.

Endpoints that hang alike are as far from everything, and what is in another part of a plane is out
of reach: so a number is kept for each switch class and group of endpoints of one part, and none for
the pairs of all.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined
from topology.graph import Longs
from topology.routing.ends import Bundles, Ends

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


def hops_of(bundles: Bundles, into: Ends, n: int) -> Hops:
    """Hops to each of ``n`` endpoints, which pass no traffic on; ``into``: their groups."""
    part = bundles.part
    width = into.groups[part[n:]]
    row = np.cumsum(width) - width
    hops = Hops(part, row, into.group, np.full(int(width.sum()), FAR, np.int16))
    order = np.argsort(bundles.target, kind="stable")
    begin = np.searchsorted(bundles.target[order], np.arange(len(part) + 1))
    first = np.cumsum(into.groups) - into.groups
    _, example = np.unique(first[part[:n]] + into.group, return_index=True)
    _search(hops, begin, bundles.source[order], example, n)
    return hops


@compiled
def _search(hops: Hops, begin: Longs, source: Longs, ends: Longs, n: int) -> None:
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
