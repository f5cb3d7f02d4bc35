"""A policy on a graph: what of a plane may be folded, and how the ways of pairs are found in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from topology.compiled import compiled
from topology.errors import TopologyError
from topology.faults import called
from topology.graph import Floats, Ints, Longs, Topology
from topology.routing.alike import AlikePaths, Found
from topology.routing.detours import has_detours, walk_all_paths
from topology.routing.ends import Bundles, Ends, bundles_of, ends_of
from topology.routing.fold import Fold
from topology.routing.grouping import read_only
from topology.routing.hops import HopSearch
from topology.routing.policies import (
    Adaptive,
    AllPath,
    PerFlowHash,
    Policy,
    StaticTables,
    Weighted,
)
from topology.routing.tables import TableFile, choices, load_tables, walk_tables
from topology.routing.walk import ADAPTIVE, HASH, SPRAY, FoldedPlane, walk


@dataclass(frozen=True, eq=False)
class Finder:
    """Finds the ways of pairs of endpoints in one plane, as `topology.routing.walk.walk` does.

    ``hops``: finds the hops to endpoints, which ``walk`` has to know.
    """

    walk: Callable[[Ints, Ints], Found]
    hops: HopSearch

    def __call__(self, src: Ints, dst: Ints) -> Found:
        """The ways of these pairs."""
        self.hops.find(dst)
        return self.walk(src, dst)


_WIDEST = 1e30
"""Bytes per second that an unlimited link counts as when links are weighed."""


@dataclass(frozen=True, eq=False)
class PolicyOnGraph:
    """A policy on the graph of a topology.

    ``factor``: how many times as much each link counts, float64 [links]; None: all alike.
    ``tables``: of `StaticTables`, with the number of their plane in ``tables_of``.
    """

    graph: Topology
    rule: Policy
    factor: Floats | None = None
    tables: TableFile | None = None
    tables_of: int = -1

    def apart(self, plane: int) -> bool:
        """Whether each vertex and link of a plane, by its number, is to be taken for itself."""
        return isinstance(self.rule, PerFlowHash) or plane == self.tables_of

    def plane(
        self, folded: Fold, link_resource: Longs, bandwidth: Floats
    ) -> tuple[FoldedPlane, Finder]:
        """A folded plane for the kernels, and how ways are found in it.

        ``link_resource``: the resource of every link; ``bandwidth``: float64 [links], by which ways
        are weighed, bytes per second. Raises as `topology.routing.tables.choices`.
        """
        graph, first, src, dst = self.graph, folded.first_link, folded.src, folded.dst
        begin, share, each, latency, resource = _of_bundles(
            folded.colour,
            src,
            folded.links,
            first,
            read_only(bandwidth),
            graph.link_latency,
            link_resource,
        )
        if isinstance(self.rule, Weighted):
            share = share * np.minimum(bandwidth[first], _WIDEST)
        if self.factor is not None:
            share = share * self.factor[first]
        bundles = bundles_of(begin, dst, share, each, latency)
        into = ends_of(bundles, graph.n_endpoints, of_source=False)
        hops = HopSearch(bundles, into, graph.n_endpoints)
        plane = FoldedPlane(
            number=int(graph.link_plane[first[0]]) if len(first) else -1,
            begin=bundles.begin, target=bundles.target, share=bundles.share,
            bandwidth=bundles.bandwidth, latency=bundles.latency,
            resource=resource,
            distance=hops.hops,
        )  # fmt: skip
        return plane, Finder(self._finder(plane, bundles, into), hops)

    def check(self, planes: Sequence[FoldedPlane]) -> None:
        """Raise `TopologyError` if none of the planes has what the policy is for."""
        n = self.graph.n_endpoints
        if isinstance(self.rule, AllPath) and not any(has_detours(one, n) for one in planes):
            raise TopologyError(
                f"all-path needs switches that are joined as a full mesh, and {self.graph.name} has"
                " none on its planes; for such are ubmesh and atlas950"
            )

    def _finder(
        self, plane: FoldedPlane, bundles: Bundles, into: Ends
    ) -> Callable[[Ints, Ints], Found]:  # fmt: skip
        n, rule = self.graph.n_endpoints, self.rule
        if self.tables is not None and plane.number == self.tables_of:
            table = choices(self.graph, plane, self.tables)
            return lambda src, dst: walk_tables(src, dst, plane, table, n)
        if isinstance(rule, Adaptive):
            return lambda src, dst: walk(src, dst, plane, n, ADAPTIVE)
        if isinstance(rule, PerFlowHash):
            return lambda src, dst: walk(src, dst, plane, n, HASH + rule.seed)
        direct = -1.0
        if isinstance(rule, AllPath) and rule.direct is not None:
            direct = float(rule.direct)

        def find(src: Ints, dst: Ints) -> Found:
            if isinstance(rule, AllPath):
                return walk_all_paths(src, dst, plane, n, direct)
            return walk(src, dst, plane, n, SPRAY)

        alike = AlikePaths(plane, bundles, into, n, find)
        return alike.walk if alike.pays else find


@compiled
def _of_bundles(
    colour: Longs, src: Ints, links: Longs, first: Ints, bandwidth: Floats, latency: Floats,
    link_resource: Longs,
) -> tuple[Longs, Floats, Floats, Floats, Ints]:  # fmt: skip
    """Columns of a `FoldedPlane`: ``begin``, links a vertex of the source, rates, and so on.

    From those of a `Fold`, and of all links.
    """
    classes = colour.max() + 1
    alike, begin = np.zeros(classes, np.int64), np.zeros(classes + 1, np.int64)
    for vertex in range(len(colour)):
        alike[colour[vertex]] += 1
    share, carried, late = np.empty(len(first)), np.empty(len(first)), np.empty(len(first))
    resource = np.empty(len(first), np.int32)
    for b in range(len(first)):
        link = first[b]
        begin[src[b] + 1] += 1
        share[b] = links[b] / alike[src[b]]
        carried[b], late[b] = links[b] * bandwidth[link], latency[link]
        resource[b] = link_resource[link]
    for c in range(classes):
        begin[c + 1] += begin[c]
    return begin, share, carried, late, resource


def on_graph(graph: Topology, rule: Policy, planes: Sequence[str]) -> PolicyOnGraph:
    """A policy on a graph, of which ``planes`` are used.

    Raises `TopologyError` for names in the policy that the graph does not have, and faults of a
    file of tables.
    """
    if isinstance(rule, Weighted) and rule.weights:
        return PolicyOnGraph(graph, rule, _factor(graph, rule))
    if isinstance(rule, StaticTables):
        file = load_tables(rule.path)
        if file.plane is None and len(planes) > 1:
            raise TopologyError(
                f"{file.path}: plane is missing; {graph.name} uses {', '.join(planes)}"
            )
        name = file.plane or planes[0]
        if name not in planes:
            raise TopologyError(
                f"{file.path}: plane {name!r} is not used here; {', '.join(planes)} are"
            )
        return PolicyOnGraph(graph, rule, tables=file, tables_of=graph.plane(name))
    return PolicyOnGraph(graph, rule)


def _factor(graph: Topology, rule: Weighted) -> Floats:
    """How many times as much each link counts: float64 [links]."""
    factor = np.ones(graph.n_links)
    for name, weight in rule.weights:
        vertices, links = called(graph, (name,))
        factor[links | vertices[graph.link_src] | vertices[graph.link_dst]] *= weight
    return factor
