"""Which links carry what goes from one endpoint to another, for a whole column of pairs at once.

The fabric is first folded (`topology.routing.fold`), so that a path names bundles of parallel links
and not each link.

Policies (``POLICIES``):

- ``spray``: packets go evenly over all shortest paths (what MatrixLink's multipath tends to).
- ``adaptive``: as spray, but in proportion to the bandwidth beyond each next hop, so that a chip
  that has lost uplinks is given less.
- ``hash``: one path a pair, picked by a hash at every switch (ECMP); nothing is folded.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled
from topology.errors import RouteError, TopologyError
from topology.graph import Ints, Longs, Topology
from topology.routing.alike import AlikePaths
from topology.routing.ends import Bundles, Ends, bundles_of, ends_of
from topology.routing.fold import Fold, fold, number_bundles
from topology.routing.hops import hops_of
from topology.routing.routes import Routes, RouteStore
from topology.routing.walk import SPRAY, FoldedPlane, walk

POLICIES = ("spray", "adaptive", "hash")
"""In the order of `topology.routing.walk.SPRAY` and its like."""

PACKAGE = "package"
"""The plane of the links inside a chip package: no network, so limits of the network spare it."""

_REMEMBERED_ENDPOINTS = 4096  # a table of all pairs of more endpoints than this is too large


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
        if not numbers:
            raise TopologyError(f"{topology.name} has no planes, or none that may be used")
        if len(set(numbers)) < len(numbers):
            raise TopologyError(f"planes {', '.join(self.planes)} name a plane twice")
        self._choice = POLICIES.index(policy)
        folds = [fold(topology, number, policy == "hash") for number in numbers]
        self.link_resource = number_bundles(folds, topology.n_links)
        used = self.link_resource >= 0
        bandwidth = topology.link_bandwidth[used]
        self.capacity = np.bincount(self.link_resource[used], bandwidth).astype(np.float64)
        self.plane: Ints = np.concatenate(
            [topology.link_plane[folded.first_link] for folded in folds]
        )
        self._planes = [self._build(folded) for folded in folds]
        self._store = RouteStore()
        self.version = 0
        n = topology.n_endpoints
        small = n <= _REMEMBERED_ENDPOINTS
        self._path_of = np.full((n, n) if small else (0, 0), -1, np.int32)

    def paths(self, src: Ints, dst: Ints) -> Ints:
        """The number of the path of each pair, int32 like ``src`` and ``dst`` (endpoints).

        `table` holds the paths. Raises `RouteError` if two endpoints are not connected.
        """
        if not len(self._path_of):
            self._store = RouteStore()
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
    def _links(self) -> tuple[Longs, Longs]:
        order = np.argsort(self.link_resource, kind="stable")
        order = order[self.link_resource[order] >= 0]
        return order, np.searchsorted(self.link_resource[order], np.arange(len(self.capacity) + 1))

    def links(self, resource: int) -> Longs:
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
        for plane, alike in self._planes:
            left = np.flatnonzero(~found)
            if len(left):
                ways = (
                    alike.walk(src[left], dst[left]) if alike is not None
                    else walk(src[left], dst[left], plane, self.topology.n_endpoints, self._choice)
                )  # fmt: skip
                found[left] = self._store.add(plane.number, left, ways)
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

    def _by_groups(self, plane: FoldedPlane, bundles: Bundles, into: Ends) -> AlikePaths | None:
        """The plane's paths by groups of endpoints, where that is exact and groups are few."""
        if self._choice != SPRAY:
            return None
        alike = AlikePaths(plane, bundles, into, self.topology.n_endpoints)
        return alike if alike.pays else None

    def _build(self, folded: Fold) -> tuple[FoldedPlane, AlikePaths | None]:
        graph, count = self.topology, folded.n_classes
        first, src, dst = folded.first_link, folded.src, folded.dst
        members = np.bincount(folded.colour, minlength=count)
        bundles = bundles_of(
            np.searchsorted(src, np.arange(count + 1)), dst.astype(np.int32),
            folded.links / members[src], folded.links * graph.link_bandwidth[first],
            graph.link_latency[first],
        )  # fmt: skip
        into = ends_of(bundles, graph.n_endpoints, of_source=False)
        plane = FoldedPlane(
            number=int(graph.link_plane[first[0]]) if len(first) else -1,
            begin=bundles.begin, target=bundles.target, share=bundles.share,
            bandwidth=bundles.bandwidth, latency=bundles.latency,
            resource=self.link_resource[first].astype(np.int32),
            distance=hops_of(bundles, into, graph.n_endpoints),
        )  # fmt: skip
        return plane, self._by_groups(plane, bundles, into)


def _pattern(names: list[str]) -> str:
    low, high = min(names), max(names)
    same = next((i for i, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), 0)
    return low if low == high else f"{low[:same]}*"


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
