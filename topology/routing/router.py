"""Which links carry what goes from one endpoint to another, for a whole column of pairs at once.

The fabric is first folded (`topology.routing.fold`), so that a path names bundles of parallel links
and not each link.

Which ways these are is a policy's choice: `topology.routing.policies`.
"""

import copy
from dataclasses import replace
from functools import cached_property
from itertools import chain, compress

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled
from topology.errors import RouteError, TopologyError
from topology.graph import Floats, Ints, Longs, Topology
from topology.routing.finding import Finder, on_graph
from topology.routing.fold import Fold, fold, number_bundles
from topology.routing.grouping import in_groups
from topology.routing.hops import FAR
from topology.routing.policies import Policy, StaticTables, policy_of
from topology.routing.routes import Routes, RouteStore
from topology.routing.walk import FoldedPlane, reaches

PACKAGE = "package"
"""The plane of the links inside a chip package: no network, so limits of the network spare it."""

_REMEMBERED_ENDPOINTS = 4096  # a table of all pairs of more endpoints than this is too large


class Router:
    """Finds paths in a topology under a policy, and remembers them.

    ``policy``: one of `topology.routing.policies`, or its text; as an attribute its text, and
    ``rule`` the policy. ``planes``: the planes that may be used, in order of preference; all of the
    topology's by default. A pair uses the first plane that connects it. ``capacity``: float64
    [resources], bytes per second; ``plane``: int32 [resources]. ``version``: rises whenever `table`
    changes. ``marks``: int64 [links]; links with different marks are of different resources, as
    they may come to differ (`changed`); None: all are alike that are built alike. ``apart``: other
    choices of planes that traffic may ask for, by number from 1 on (`paths`). Raises
    `TopologyError` for a policy or plane that there is not, or that does not fit.
    """

    def __init__(
        self, topology: Topology, policy: Policy | str = "spray",
        planes: tuple[str, ...] | None = None, marks: Longs | None = None,
        apart: tuple[tuple[str, ...], ...] = (),
    ) -> None:  # fmt: skip
        self.topology, self.rule, self.marks, self.apart = topology, policy_of(policy), marks, apart
        self.policy = str(self.rule)
        self.planes = tuple(topology.planes if planes is None else planes)
        every = tuple(dict.fromkeys([*self.planes, *chain(*apart)]))
        numbers = [topology.plane(name) for name in every]
        if not self.planes:
            raise TopologyError(f"{topology.name} has no planes, or none that may be used")
        if len(set(self.planes)) < len(self.planes):
            raise TopologyError(f"planes {', '.join(self.planes)} name a plane twice")
        self._may_use = np.array([[name in one for name in every] for one in (self.planes, *apart)])
        made = on_graph(topology, self.rule, every)
        folds = [
            fold(topology, number, made.apart(number), made.factor, marks) for number in numbers
        ]  # fmt: skip
        self.link_resource = number_bundles(folds, topology.n_links)
        first, links = (
            np.concatenate([getattr(folded, name) for folded in folds])
            for name in ("first_link", "links")
        )
        self.capacity = _capacity(topology.link_bandwidth[first], links)
        self.plane: Ints = topology.link_plane[first]
        self._folds, self._on_graph = folds, made
        self._planes: list[tuple[FoldedPlane, Finder]] = [
            made.plane(folded, self.link_resource, topology.link_bandwidth) for folded in folds
        ]
        made.check([plane for plane, _ in self._planes])
        self._forget()

    def _forget(self) -> None:
        """Begin without any path."""
        self._store = RouteStore()
        self.version = 0
        self._leaving: tuple[int, NDArray[np.bool_]] | None = None
        n = self.topology.n_endpoints
        small = n <= _REMEMBERED_ENDPOINTS
        choices = len(self._may_use)
        self._path_of = np.full((choices * n, n) if small else (0, 0), -1, np.int32)

    def changed(self, share: Floats, routed: Floats) -> "Router":
        """The router of the same machine, and the same resources, after links have changed.

        ``share``: float64 [links], what each carries as a fraction of what it was built for, which
        gives `capacity`; ``routed``: the same, as far as it is known where routes are chosen: none
        goes over a link of which it is 0. Both are the same for links of one resource. Raises
        `TopologyError` if the policy has tables that are read from a file.
        """
        if isinstance(self.rule, StaticTables):
            raise TopologyError(
                f"the routing {self.policy} does not follow changes of links in time"
            )
        made = copy.copy(self)
        first = np.concatenate([folded.first_link for folded in self._folds])
        made.capacity = self.capacity * share[first]
        bandwidth = self.topology.link_bandwidth * routed
        alive = [_of_links(folded, routed > 0) for folded in self._folds]
        made._planes = [self._on_graph.plane(f, self.link_resource, bandwidth) for f in alive]
        made._forget()
        return made

    def connects(self, src: Ints, dst: Ints, choice: int = 0) -> NDArray[np.bool_]:
        """Which pairs of endpoints have a path: bool [pairs]; ``choice``: as in `paths`."""
        found: NDArray[np.bool_] = src == dst
        for plane, find in compress(self._planes, self._may_use[choice]):
            find.hops.find(dst)
            found |= reaches(src, dst, plane, self.topology.n_endpoints)
        return found

    def paths(self, src: Ints, dst: Ints, choice: int | Ints = 0) -> Ints:
        """The number of the path of each pair, int32 like ``src`` and ``dst`` (endpoints).

        ``choice``: of planes, for all pairs or for each: 0, or the number of one in ``apart``.
        `table` holds the paths. Raises `RouteError` if two endpoints are not connected.
        """
        if len(self.apart):
            src = (src + np.asarray(choice) * self.topology.n_endpoints).astype(np.int32)
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
    def folded(self) -> list[FoldedPlane]:
        """The planes that may be used, folded, in order of preference."""
        return [plane for plane, _ in self._planes]

    @property
    def table(self) -> Routes:
        """All paths found so far, as columns."""
        return self._store.table()

    def forget(self) -> bool:
        """Forget the paths of the last call of `paths`, if the next one would; whether it did.

        That is where endpoints are too many for a table of their pairs.
        """
        if len(self._path_of):
            return False
        self._store, self._leaving = RouteStore(), None
        self.version += 1
        return True

    @property
    def farthest(self) -> int:
        """Links on the longest of the shortest ways over switches, 1 where there are none."""
        for _, find in self._planes:
            find.hops.find_all()
        hops = [plane.distance.value for plane, _ in self._planes]
        return 1 + max(int(one[one < FAR].max(initial=0)) for one in hops)

    @property
    def leaves_package(self) -> NDArray[np.bool_]:
        """For each path, True if it uses another plane than ``"package"``: bool [paths]."""
        if self._leaving is None or self._leaving[0] != self.version:
            inside = [i for i, name in enumerate(self.topology.planes) if name == PACKAGE]
            self._leaving = self.version, ~np.isin(self.table.plane, [-1, *inside])
        return self._leaving[1]

    @cached_property
    def _links(self) -> tuple[Ints, Longs]:
        begin, order = in_groups(self.link_resource + 1, len(self.capacity) + 1)
        return order, begin[1:]

    def links(self, resource: int) -> Longs:
        """The physical links of a resource, their numbers in ascending order: int64."""
        order, begin = self._links
        return order[begin[resource] : begin[resource + 1]].astype(np.int64)

    def name(self, resource: int) -> str:
        """The name of a resource: its link's, or its links' with ``*`` where they differ."""
        links, graph = np.flatnonzero(self.link_resource == resource), self.topology
        if len(links) == 1:
            return graph.link_name(int(links[0]))
        ends = [
            _pattern([graph.vertex_names[v] for v in column[links]])
            for column in (graph.link_src, graph.link_dst)
        ]
        plane = graph.planes[graph.link_plane[links[0]]]
        return f"{ends[0]}->{ends[1]} ({plane}, {len(links)} links)"

    def _add(self, src: Ints, dst: Ints) -> None:
        """Find paths; to ``src`` its choice of planes times the number of endpoints is added."""
        asked, choice = src, np.broadcast_to(np.int32(0), len(src))
        if self.apart:
            choice, src = np.divmod(asked, np.int32(self.topology.n_endpoints))
        found: NDArray[np.bool_] = src == dst
        for number, (plane, find) in enumerate(self._planes):
            left = np.flatnonzero(~found & self._may_use[choice, number])
            if len(left):
                ways = find(src[left], dst[left])
                found[left] = self._store.add(plane.number, left, ways)
        if not found.all():
            self._store.drop()
            self.version += 1
            if len(self._path_of):
                self._path_of[asked, dst] = -1
            first = np.flatnonzero(~found)[0]
            raise self._cut(int(src[first]), int(dst[first]), int(choice[first]))
        self._store.close(len(src))
        self.version += 1

    def _cut(self, src: int, dst: int, choice: int) -> RouteError:
        graph = self.topology
        names = graph.vertex_names
        lost = f"; taken out: {', '.join(graph.removed)}" if graph.removed else ""
        return RouteError(
            f"no path from {names[src]} to {names[dst]} on {graph.name}"
            f" over {', '.join((self.planes, *self.apart)[choice])}{lost}"
        )


def _of_links(folded: Fold, which: NDArray[np.bool_]) -> Fold:
    """The fold without the bundles of other links than ``which``, bool [links]."""
    kept = which[folded.first_link]
    columns = ("first_link", "links", "src", "dst")
    return replace(folded, **{name: getattr(folded, name)[kept] for name in columns})


def _pattern(names: list[str]) -> str:
    low, high = min(names), max(names)
    same = next((i for i, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), 0)
    return low if low == high else f"{low[:same]}*"


@compiled
def _capacity(each: Floats, links: Longs) -> Floats:
    """What so many links of ``each`` carry together, added up one by one: bytes per second."""
    capacity = np.zeros(len(each))
    for resource in range(len(each)):
        for _ in range(links[resource]):
            capacity[resource] += each[resource]
    return capacity


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
