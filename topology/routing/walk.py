"""The kernels of routing: shortest paths with what each link carries.

They see a plane that is folded (`topology.routing.fold`): *classes* are the endpoints by number,
then the classes of switches; *bundles* are what joins them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined
from topology.graph import Floats, Ints, Longs
from topology.routing.hops import FAR, Hops, hops_to

SPRAY, ADAPTIVE, HASH = range(3)
"""How `walk` splits what has several shortest paths: see `topology.routing.policies`. HASH + s is
the hash with seed s."""


class FoldedPlane(NamedTuple):
    """A folded plane as `walk` reads it.

    By bundle, sorted by source class and then by target: ``target``, the class that it leads to;
    ``share``, its links per vertex of its source class; ``bandwidth``, bytes per second of the
    whole bundle; ``latency`` in seconds; ``resource``, its number over all planes. ``begin``: class
    c has bundles ``begin[c]`` to ``begin[c + 1]``. ``distance``: hops from each switch class to
    each endpoint. ``number``: the plane's, of the topology.
    """

    number: int
    begin: Longs
    target: Ints
    share: Floats
    bandwidth: Floats
    latency: Floats
    resource: Ints
    distance: Hops


@compiled
def walk(
    src: Ints, dst: Ints, plane: FoldedPlane, n: int, policy: int
) -> tuple[Longs, Ints, Floats, Floats]:
    """Follow every shortest path of each pair of ``n`` endpoints, splitting as the policy says.

    Returns the number of resources on each path (0: none found), then over all paths, one after
    the other, the resources and the fraction of the path's bytes that each carries, and the latency
    of each path in seconds.
    """
    begin, target, resource, latency = plane.begin, plane.target, plane.resource, plane.latency
    distance, switches = plane.distance, _switches(plane.begin, plane.target, n)
    size, delay = np.zeros(len(src), np.int64), np.zeros(len(src))
    out_resource, out_weight = np.empty(8 * len(src) + 64, np.int32), np.empty(8 * len(src) + 64)
    filled = 0
    # The classes that the pair's bytes have reached, with what fraction of them, how late.
    here, there = np.empty(len(begin) - 1, np.int64), np.empty(len(begin) - 1, np.int64)
    held, late = np.zeros(len(begin) - 1), np.zeros(len(begin) - 1)
    for row in range(len(src)):
        end, started = dst[row], filled
        hops = nearest(src[row], end, begin, target, distance, n)
        count = 0 if hops == int(FAR) else 1
        here[0], held[src[row]], late[src[row]] = src[row], float(count), 0.0
        while count:
            found = 0
            for h in range(count):
                c = here[h]
                amount, soon = held[c], late[c]
                held[c], late[c] = 0.0, 0.0
                first, last = _ahead(c, end, hops, begin, switches, target)
                if policy >= HASH:
                    seed = policy - HASH
                    first = _pick(src[row], end, c, first, last, target, hops, distance, n, seed)
                    last = first + 1
                per_pull = amount / _pulls(first, last, end, plane, hops, n, policy)
                while filled + last - first > len(out_resource):
                    out_resource = np.append(out_resource, np.empty_like(out_resource))
                    out_weight = np.append(out_weight, np.empty_like(out_weight))
                for e in range(first, last):
                    to = target[e]
                    if hops_to(to, end, distance, n) != hops:
                        continue
                    part = per_pull * _pull(e, end, plane, hops, n, policy)
                    out_resource[filled], out_weight[filled] = resource[e], part
                    filled += 1
                    late[to] = max(late[to], soon + latency[e])
                    if to == end:
                        delay[row] = max(delay[row], late[to])
                    elif held[to] == 0.0:
                        there[found] = to
                        found += 1
                    held[to] += part
            for h in range(found):
                here[h] = there[h]
            count = found
            hops -= 1
        held[end], late[end] = 0.0, 0.0
        size[row] = filled - started
    return size, out_resource[:filled].copy(), out_weight[:filled].copy(), delay


@compiled
def reaches(src: Ints, dst: Ints, plane: FoldedPlane, n: int) -> NDArray[np.bool_]:
    """Which pairs of ``n`` endpoints have a path in the plane, and are two: bool [pairs]."""
    found = np.empty(len(src), np.bool_)
    for row in range(len(src)):
        hops = nearest(src[row], dst[row], plane.begin, plane.target, plane.distance, n)
        found[row] = hops != int(FAR)
    return found


@compiled
def _switches(begin: Longs, target: Ints, n: int) -> Longs:
    """Where each class's bundles to switches begin: behind those to endpoints."""
    switches = begin[1:].copy()
    for c in range(len(switches)):
        while switches[c] > begin[c] and target[switches[c] - 1] >= n:
            switches[c] -= 1
    return switches


@inlined
def nearest(src: int, end: int, begin: Longs, target: Ints, distance: Hops, n: int) -> int:
    """Hops to ``end`` from the nearest class that ``src`` is joined to; `FAR`: from none."""
    hops = int(FAR)
    for e in range(begin[src], begin[src + 1]):
        hops = min(hops, hops_to(target[e], end, distance, n))
    return hops


@inlined
def _ahead(
    c: int, end: int, hops: int, begin: Longs, switches: Longs, target: Ints
) -> tuple[int, int]:
    """The bundles of class ``c`` that can lead on: to the end itself, or to other switches.

    They are sorted by target, endpoints first: a wide switch need not be looked through.
    """
    if hops > 0:
        return int(switches[c]), int(begin[c + 1])
    low, high = begin[c], switches[c]
    while low < high:
        middle = (low + high) // 2
        if target[middle] < end:
            low = middle + 1
        else:
            high = middle
    high = low
    while high < switches[c] and target[high] == end:
        high += 1
    return int(low), int(high)


@inlined
def _pulls(
    first: int, last: int, end: int, plane: FoldedPlane, hops: int, n: int, policy: int
) -> float:
    """The sum of `_pull` over bundles ``first`` to ``last - 1`` that lead on to ``end``."""
    total = 0.0
    for e in range(first, last):
        if hops_to(plane.target[e], end, plane.distance, n) == hops:
            total += _pull(e, end, plane, hops, n, policy)
    return total


@inlined
def _pull(e: int, end: int, plane: FoldedPlane, hops: int, n: int, policy: int) -> float:
    """How strongly a bundle draws traffic: its links, times (adaptive) what goes on behind it."""
    share, c = float(plane.share[e]), plane.target[e]
    if policy != ADAPTIVE or c == end:
        return share
    leaving, entering = 0.0, 0.0
    for k in range(plane.begin[c], plane.begin[c + 1]):
        if hops_to(plane.target[k], end, plane.distance, n) == hops - 1:
            leaving += plane.bandwidth[k]
        elif plane.target[k] < n:
            entering += plane.bandwidth[k]
    return share * min(1.0, leaving / entering) if entering > 0 else share


@compiled
def _pick(
    src: int, end: int, c: int, first: int, last: int, target: Ints, hops: int, distance: Hops,
    n: int, seed: int,
) -> int:  # fmt: skip
    """The one link that a hash of the pair and the switch chooses among those that lead on."""
    ways = 0
    for e in range(first, last):
        if hops_to(target[e], end, distance, n) == hops:
            ways += 1
    x = np.uint64(src) * np.uint64(0x9E3779B97F4A7C15)
    x ^= np.uint64(end) * np.uint64(0xC2B2AE3D27D4EB4F)
    x += np.uint64(c) * np.uint64(0x165667B19E3779F9)
    x ^= np.uint64(seed) * np.uint64(0xD6E8FEB86659FD93)
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(32)
    wanted = int(x % np.uint64(ways))
    for e in range(first, last):
        if hops_to(target[e], end, distance, n) == hops:
            if wanted == 0:
                return e
            wanted -= 1
    return first
