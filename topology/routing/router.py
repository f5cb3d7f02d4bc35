"""Which links carry what goes from one endpoint to another, for a whole column of pairs at once.

The fabric is first folded: switches that no endpoint can tell apart (the 7 L1 chips of a node, the
112 L2 chips) become one *class*, and the parallel links between two classes one *bundle*, whose
links every flow loads alike. A fault makes chips distinguishable, and the bundle splits by itself.
Folding is colour refinement with every endpoint of a colour of its own, so it holds for any graph.

Policies (``POLICIES``):

- ``spray``: packets go evenly over all shortest paths (what MatrixLink's multipath tends to).
- ``adaptive``: as spray, but in proportion to the bandwidth beyond each next hop, so that a chip
  that has lost uplinks is given less.
- ``hash``: one path a pair, picked by a hash at every switch (ECMP); nothing is folded.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined
from topology.errors import RouteError, TopologyError
from topology.graph import Floats, Ints, Topology

POLICIES = ("spray", "adaptive", "hash")

PACKAGE = "package"
"""The plane of the links inside a chip package: no network, so limits of the network spare it."""

_FAR = np.int16(32767)
_REMEMBERED_ENDPOINTS = 4096  # a table of all pairs of more endpoints than this is too large
_Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Routes:
    """Paths as rows: path i loads ``resource[begin[i]:begin[i + 1]]``.

    ``weight``: the fraction of the path's bytes that each resource carries. ``latency``: float64
    [paths], seconds one way. ``plane``: int32 [paths], of the topology's; -1 for a path from an
    endpoint to itself. A resource is a bundle of links: `Router.capacity`, `Router.name`.
    """

    begin: _Longs
    resource: Ints
    weight: Floats
    latency: Floats
    plane: Ints


@dataclass(frozen=True)
class _Plane:
    """One plane, folded. Classes: the endpoints by number, then the switch classes."""

    number: int
    begin: _Longs  # out-bundles of each class: begin[c] .. begin[c + 1]
    target: Ints  # the class that a bundle leads to
    share: Floats  # links of the bundle per vertex of its source class
    bandwidth: Floats  # of the whole bundle
    latency: Floats
    resource: Ints  # the bundle's number over all planes
    distance: NDArray[np.int16]  # [switch classes, endpoints], hops, `_FAR` where there is no way


class Router:
    """Finds paths in a topology under a policy, and remembers them.

    ``planes``: the planes that may be used, in order of preference; all of the topology's by
    default. A pair uses the first plane that connects it. ``capacity``: float64 [resources],
    bytes per second; ``plane``: int32 [resources]. ``version``: rises whenever `table` changes.
    """

    def __init__(
        self, topology: Topology, policy: str = "spray", planes: tuple[str, ...] | None = None
    ) -> None:
        if policy not in POLICIES:
            raise TopologyError(f"no routing policy {policy!r}; there are {', '.join(POLICIES)}")
        self.topology, self.policy = topology, policy
        self.planes = tuple(topology.planes if planes is None else planes)
        numbers = [topology.plane(name) for name in self.planes]
        if len(set(numbers)) < len(numbers):
            raise TopologyError(f"planes {', '.join(self.planes)} name a plane twice")
        self._folds = [_fold(topology, number, policy) for number in numbers]
        self.link_resource = _number_bundles(self._folds, topology.n_links)
        used = self.link_resource >= 0
        bandwidth = topology.link_bandwidth[used]
        self.capacity = np.bincount(self.link_resource[used], bandwidth).astype(np.float64)
        self.plane: Ints = np.concatenate(
            [topology.link_plane[fold.first_link] for fold in self._folds]
        )
        self._planes = [self._build(fold) for fold in self._folds]
        self._store = _Store()
        self.version = 0
        n = topology.n_endpoints
        small = n <= _REMEMBERED_ENDPOINTS
        self._path_of = np.full((n, n) if small else (0, 0), -1, np.int32)

    def paths(self, src: Ints, dst: Ints) -> Ints:
        """The number of the path of each pair, int32 like ``src`` and ``dst`` (endpoints).

        `table` holds the paths. Raises `RouteError` if two endpoints are not connected.
        """
        if not len(self._path_of):
            self._store = _Store()
            self._add(src, dst)
            return np.arange(len(src), dtype=np.int32)
        path, all_known = _known(src, dst, self._path_of)
        if not all_known:
            new_src, new_dst = _unknown(src, dst, self._path_of, self._store.count)
            self._add(new_src, new_dst)
            path, _ = _known(src, dst, self._path_of)
        return path

    @property
    def table(self) -> Routes:
        """All paths found so far, as columns."""
        return self._store.table()

    @property
    def leaves_package(self) -> NDArray[np.bool_]:
        """For each path, True if it uses another plane than ``"package"``: bool [paths]."""
        inside = [i for i, name in enumerate(self.topology.planes) if name == PACKAGE]
        return ~np.isin(self.table.plane, [-1, *inside])

    @cached_property
    def _links(self) -> tuple[_Longs, _Longs]:
        order = np.argsort(self.link_resource, kind="stable")
        order = order[self.link_resource[order] >= 0]
        return order, np.searchsorted(self.link_resource[order], np.arange(len(self.capacity) + 1))

    def links(self, resource: int) -> _Longs:
        """The physical links of a resource, their numbers in ascending order: int64."""
        order, begin = self._links
        return order[begin[resource] : begin[resource + 1]]

    def name(self, resource: int) -> str:
        """The name of a resource: its link's, or its links' with ``*`` where they differ."""
        links, graph = self.links(resource), self.topology
        if len(links) == 1:
            return graph.link_name(int(links[0]))
        ends = [
            _pattern([graph.vertex_names[v] for v in column[links]])
            for column in (graph.link_src, graph.link_dst)
        ]
        plane = graph.planes[graph.link_plane[links[0]]]
        return f"{ends[0]}->{ends[1]} ({plane}, {len(links)} links)"

    def _add(self, src: Ints, dst: Ints) -> None:
        found: NDArray[np.bool_] = src == dst
        for plane in self._planes:
            left = np.flatnonzero(~found)
            if len(left):
                found[left] = self._store.walk(plane, self.topology, self.policy, src, dst, left)
        if not found.all():
            self._store.drop()
            self.version += 1
            if len(self._path_of):
                self._path_of[src, dst] = -1
            raise self._cut(int(src[~found][0]), int(dst[~found][0]))
        self._store.close(len(src))
        self.version += 1

    def _cut(self, src: int, dst: int) -> RouteError:
        graph = self.topology
        names = graph.vertex_names
        lost = f"; taken out: {', '.join(graph.removed)}" if graph.removed else ""
        return RouteError(
            f"no path from {names[src]} to {names[dst]} on {graph.name}"
            f" over {', '.join(self.planes)}{lost}"
        )

    def _build(self, fold: "_Fold") -> _Plane:
        graph = self.topology
        count = fold.n_classes
        first, src, dst = fold.first_link, fold.src, fold.dst
        members = np.bincount(fold.colour, minlength=count)
        begin = np.searchsorted(src, np.arange(count + 1))
        distance = _distances(begin, dst, count, graph.n_endpoints)
        return _Plane(
            number=int(graph.link_plane[first[0]]) if len(first) else -1,
            begin=begin,
            target=dst.astype(np.int32),
            share=fold.links / members[src],
            bandwidth=fold.links * graph.link_bandwidth[first],
            latency=graph.link_latency[first],
            resource=self.link_resource[first].astype(np.int32),
            distance=distance,
        )


@dataclass(frozen=True)
class _Fold:
    """The classes of a plane's vertices, and its bundles in order of their source class."""

    colour: _Longs  # class of each vertex
    n_classes: int
    link_of_plane: _Longs  # the plane's links
    bundle: _Longs  # bundle of each of them
    first_link: _Longs  # one link of each bundle
    links: _Longs  # how many links each bundle has
    src: _Longs  # classes that each bundle joins
    dst: _Longs


def _fold(graph: Topology, plane: int, policy: str) -> _Fold:
    links = np.flatnonzero(graph.link_plane == plane)
    kind = _numbers(graph.link_bandwidth[links], graph.link_latency[links])
    src, dst = graph.link_src[links].astype(np.int64), graph.link_dst[links].astype(np.int64)
    alone = policy == "hash"
    colour = np.arange(graph.n_vertices) if alone else _refine(graph, src, dst, kind)
    apart = np.arange(len(links)) if alone else kind
    order = np.lexsort((apart, colour[dst], colour[src]))
    key = np.stack([colour[src], colour[dst], apart])[:, order]
    is_first = np.ones(len(links), bool)
    is_first[1:] = (key[:, 1:] != key[:, :-1]).any(0)
    bundle = np.empty(len(links), np.int64)
    bundle[order] = np.cumsum(is_first) - 1
    return _Fold(
        colour, int(colour.max()) + 1, links, bundle, links[order[is_first]],
        np.bincount(bundle), key[0, is_first], key[1, is_first],
    )  # fmt: skip


def _refine(graph: Topology, src: _Longs, dst: _Longs, kind: _Longs) -> _Longs:
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


def _mix(colour: _Longs, kind: _Longs, side: int) -> NDArray[np.uint64]:
    """A well-stirred 64-bit number for a neighbour: sums of them tell multisets apart."""
    x = (colour.astype(np.uint64) << np.uint64(20)) + (kind * 4 + side).astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x


def _numbers(first: NDArray[np.generic], second: NDArray[np.generic]) -> _Longs:
    """Each pair of values numbered 0, 1, ... in order of the pairs."""
    if not len(first):
        return np.zeros(0, np.int64)
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    changes = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    numbers = np.zeros(len(order), np.int64)
    numbers[order[1:]] = np.cumsum(changes)
    return numbers


def _number_bundles(folds: list[_Fold], n_links: int) -> _Longs:
    """The resource of every link: bundles counted over all planes, -1 for planes not in use."""
    resource = np.full(n_links, -1, np.int64)
    offset = 0
    for fold in folds:
        resource[fold.link_of_plane] = fold.bundle + offset
        offset += len(fold.first_link)
    return resource


def _pattern(names: list[str]) -> str:
    low, high = min(names), max(names)
    same = next((i for i, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), 0)
    return low if low == high else f"{low[:same]}*"


class _Store:
    """The paths found so far, in growing columns."""

    def __init__(self) -> None:
        self.count = 0
        self._begin = [np.zeros(1, np.int64)]
        self._columns: list[tuple[Ints, Floats]] = []
        self._ways: list[tuple[Floats, Ints]] = []
        self._parts: list[tuple[int, _Longs, _Longs, Ints, Floats, Floats]] = []

    def walk(
        self, plane: _Plane, graph: Topology, policy: str, src: Ints, dst: Ints, rows: _Longs
    ) -> NDArray[np.bool_]:
        """Look for paths of these rows in one plane; true where there is one."""
        choice = POLICIES.index(policy)
        size, resource, weight, latency = _walk(
            src[rows], dst[rows], plane.begin, plane.target, plane.share, plane.bandwidth,
            plane.latency, plane.resource, plane.distance, graph.n_endpoints, choice,
        )  # fmt: skip
        self._parts.append((plane.number, rows, size, resource, weight, latency))
        return size > 0

    def drop(self) -> None:
        """Forget what the planes found since the last `close`."""
        self._parts = []

    def close(self, count: int) -> None:
        """Join what the planes found into rows in order."""
        size, delay = np.zeros(count, np.int64), np.zeros(count)
        plane = np.full(count, -1, np.int32)
        for number, rows, lengths, _, _, latency in self._parts:
            found = rows[lengths > 0]
            size[found], delay[found] = lengths[lengths > 0], latency[lengths > 0]
            plane[found] = number
        begin = np.concatenate([[0], np.cumsum(size)])
        resource, weight = np.zeros(begin[-1], np.int32), np.zeros(begin[-1])
        for _, rows, lengths, its_resource, its_weight, _ in self._parts:
            at = _spread(begin[rows], lengths)
            resource[at], weight[at] = its_resource, its_weight
        self._parts = []
        self._begin.append(begin[1:] + self._begin[-1][-1])
        self._columns.append((resource, weight))
        self._ways.append((delay, plane))
        self.count += count

    def table(self) -> Routes:
        if len(self._columns) != 1:
            self._begin = [np.concatenate(self._begin)]
            empty = np.zeros(0, np.int32)
            self._columns = [_stacked([(empty, np.zeros(0)), *self._columns])]
            self._ways = [_stacked([(np.zeros(0), empty), *self._ways])]
        begin = np.concatenate(self._begin)
        return Routes(begin, *self._columns[0], *self._ways[0])


def _stacked(pairs: list[tuple[NDArray[Any], NDArray[Any]]]) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def _spread(begin: _Longs, length: _Longs) -> _Longs:
    """begin[0], begin[0] + 1, ... ``length[0]`` of them, then from begin[1], and so on."""
    ends = np.cumsum(length)
    return np.repeat(begin - ends + length, length) + np.arange(ends[-1] if len(ends) else 0)


@compiled
def _known(src: Ints, dst: Ints, path_of: Ints) -> tuple[Ints, bool]:
    """The path of each pair, -1 where it has none yet; whether all have one."""
    path, least = np.empty(len(src), np.int32), 0
    for i in range(len(src)):
        path[i] = path_of[src[i], dst[i]]
        least = min(least, path[i])
    return path, least == 0


@compiled
def _unknown(src: Ints, dst: Ints, path_of: Ints, count: int) -> tuple[Ints, Ints]:
    """The pairs that have no path yet, each once; they are given the numbers from ``count``."""
    at = 0
    rows = np.empty(len(src), np.int64)
    for i in range(len(src)):
        if path_of[src[i], dst[i]] < 0:
            path_of[src[i], dst[i]] = count + at
            rows[at] = i
            at += 1
    return src[rows[:at]], dst[rows[:at]]


@compiled
def _distances(begin: _Longs, target: _Longs, n_classes: int, n: int) -> NDArray[np.int16]:
    """Hops from each switch class to each endpoint; endpoints do not pass traffic on."""
    source = np.empty(len(target), np.int64)
    into = np.zeros(n_classes + 1, np.int64)
    for c in range(n_classes):
        for e in range(begin[c], begin[c + 1]):
            source[e] = c
            into[target[e] + 1] += 1
    for c in range(n_classes):
        into[c + 1] += into[c]
    at = into.copy()
    back = np.empty(len(target), np.int64)
    for e in range(len(target)):
        back[at[target[e]]] = source[e]
        at[target[e]] += 1
    distance = np.full((n_classes - n, n), _FAR, np.int16)
    queue = np.empty(n_classes + 1, np.int64)
    for end in range(n):
        head, tail = 0, 1
        queue[0] = end
        while head < tail:
            here = queue[head]
            head += 1
            hops = 0 if here == end else distance[here - n, end]
            for k in range(into[here], into[here + 1]):
                c = back[k]
                if c >= n and distance[c - n, end] == _FAR:
                    distance[c - n, end] = hops + 1
                    queue[tail] = c
                    tail += 1
    return distance


@compiled
def _walk(
    src: Ints,
    dst: Ints,
    begin: _Longs,
    target: Ints,
    share: Floats,
    bandwidth: Floats,
    latency: Floats,
    resource: Ints,
    distance: NDArray[np.int16],
    n: int,
    choice: int,
) -> tuple[_Longs, Ints, Floats, Floats]:
    """Follow every shortest path of each pair, splitting as the policy says.

    Returns the number of resources on each path (0: none found), and the paths' columns.
    """
    size = np.zeros(len(src), np.int64)
    delay = np.zeros(len(src))
    out_resource = np.empty(8 * len(src) + 64, np.int32)
    out_weight = np.empty(8 * len(src) + 64)
    filled = 0
    n_classes = len(begin) - 1
    switches = begin[1:].copy()  # where each class's bundles to other switches begin
    for c in range(n_classes):
        while switches[c] > begin[c] and target[switches[c] - 1] >= n:
            switches[c] -= 1
    here = np.empty(n_classes, np.int64)
    there = np.empty(n_classes, np.int64)
    held = np.zeros(n_classes)
    late = np.zeros(n_classes)
    for row in range(len(src)):
        end = dst[row]
        hops = int(_FAR)
        for e in range(begin[src[row]], begin[src[row] + 1]):
            hops = min(hops, _hops(target[e], end, distance, n))
        if hops == int(_FAR):
            continue
        count = 1
        here[0] = src[row]
        held[src[row]] = 1.0
        late[src[row]] = 0.0
        started = filled
        while count:
            found = 0
            for h in range(count):
                c = here[h]
                first, last = _ahead(c, end, hops, begin, switches, target)
                amount, soon = held[c], late[c]
                held[c] = 0.0
                late[c] = 0.0
                if choice == 2:
                    first = _pick(src[row], end, c, first, last, target, hops, distance, n)
                    last = first + 1
                total = 0.0
                for e in range(first, last):
                    if _hops(target[e], end, distance, n) == hops:
                        total += _pull(e, end, begin, target, share, bandwidth, hops, distance, n,
                                       choice)  # fmt: skip
                for e in range(first, last):
                    if _hops(target[e], end, distance, n) != hops:
                        continue
                    part = (
                        amount
                        / total
                        * _pull(e, end, begin, target, share, bandwidth, hops, distance, n, choice)
                    )
                    if filled == len(out_resource):
                        out_resource = np.append(out_resource, np.empty_like(out_resource))
                        out_weight = np.append(out_weight, np.empty_like(out_weight))
                    out_resource[filled] = resource[e]
                    out_weight[filled] = part
                    filled += 1
                    to = target[e]
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
        held[end] = 0.0
        late[end] = 0.0
        size[row] = filled - started
    return size, out_resource[:filled], out_weight[:filled], delay


@inlined
def _ahead(
    c: int, end: int, hops: int, begin: _Longs, switches: _Longs, target: Ints
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


@compiled
def _hops(c: int, end: int, distance: NDArray[np.int16], n: int) -> int:
    if c < n:
        return 0 if c == end else int(_FAR)
    return int(distance[c - n, end])


@compiled
def _pull(
    e: int,
    end: int,
    begin: _Longs,
    target: Ints,
    share: Floats,
    bandwidth: Floats,
    hops: int,
    distance: NDArray[np.int16],
    n: int,
    choice: int,
) -> float:
    """How strongly a bundle draws traffic: its links, times (adaptive) what goes on behind it."""
    if choice != 1 or target[e] == end:
        return float(share[e])
    c = target[e]
    leaving, entering = 0.0, 0.0
    for k in range(begin[c], begin[c + 1]):
        if _hops(target[k], end, distance, n) == hops - 1:
            leaving += bandwidth[k]
        elif target[k] < n:
            entering += bandwidth[k]
    return float(share[e] * min(1.0, leaving / entering)) if entering > 0 else float(share[e])


@compiled
def _pick(
    src: int,
    end: int,
    c: int,
    first: int,
    last: int,
    target: Ints,
    hops: int,
    distance: NDArray[np.int16],
    n: int,
) -> int:
    """The one link that a hash of the pair and the switch chooses among those that lead on."""
    ways = 0
    for e in range(first, last):
        if _hops(target[e], end, distance, n) == hops:
            ways += 1
    x = np.uint64(src) * np.uint64(0x9E3779B97F4A7C15)
    x ^= np.uint64(end) * np.uint64(0xC2B2AE3D27D4EB4F)
    x += np.uint64(c) * np.uint64(0x165667B19E3779F9)
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(32)
    wanted = int(x % np.uint64(ways))
    for e in range(first, last):
        if _hops(target[e], end, distance, n) == hops:
            if wanted == 0:
                return e
            wanted -= 1
    return first
