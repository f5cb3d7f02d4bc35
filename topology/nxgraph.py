"""To networkx and back, for analysis with everything that networkx has."""

from typing import TYPE_CHECKING, Any

import numpy as np

from topology.errors import TopologyError
from topology.graph import NOWHERE, Topology

if TYPE_CHECKING:
    import networkx as nx

_NODE = ("kind", "endpoint")
_EDGE = ("plane", "bandwidth", "latency")


def to_networkx(topology: Topology) -> "nx.MultiDiGraph":
    """``topology`` as a multigraph: a node a vertex, by name, and an edge a directed link.

    Nodes have ``kind``, ``endpoint`` (bool), ``node`` and ``package`` (`NOWHERE` for none); edges
    have ``plane``, ``bandwidth`` (bytes per second), ``latency`` (seconds) and ``link``, the link's
    number; the graph has ``name``, ``planes`` and ``removed``.
    """
    import networkx as nx

    graph = nx.MultiDiGraph(name=topology.name, planes=topology.planes, removed=topology.removed)
    places = zip(topology.node.tolist(), topology.package.tolist(), strict=True)
    for vertex, (node, package) in enumerate(places):
        graph.add_node(
            topology.vertex_names[vertex], kind=topology.vertex_kinds[vertex],
            endpoint=vertex < topology.n_endpoints, node=node, package=package,
        )  # fmt: skip
    names = topology.vertex_names
    for link, (a, b, plane, bandwidth, latency) in enumerate(_rows(topology)):
        graph.add_edge(
            names[a], names[b], plane=topology.planes[plane], bandwidth=bandwidth,
            latency=latency, link=link,
        )  # fmt: skip
    return graph


def from_networkx(graph: "nx.Graph", name: str | None = None) -> Topology:
    """The topology of a graph with the attributes that `to_networkx` writes.

    Needed are a node's ``kind`` and ``endpoint``, and an edge's ``plane``, ``bandwidth`` and
    ``latency``. An undirected edge is a link each way. Endpoints are put first, links in the order
    of ``link`` where every edge has it; ``planes`` is the graph's, or in order of appearance.
    Raises `TopologyError` naming a node or edge that lacks an attribute.
    """
    directed = graph if graph.is_directed() else graph.to_directed()
    nodes = sorted(
        directed.nodes(data=True), key=lambda item: not _need(item[1], _NODE, item[0])[1]
    )
    edges = [
        (a, b, _need(data, _EDGE, f"{a}->{b}"), data) for a, b, data in directed.edges(data=True)
    ]
    if graph.is_directed() and all("link" in data for *_, data in edges):
        edges.sort(key=lambda edge: edge[3]["link"])
    planes = tuple(graph.graph.get("planes", dict.fromkeys(values[0] for _, _, values, _ in edges)))
    number = {vertex: i for i, (vertex, _) in enumerate(nodes)}
    for a, b, values, _ in edges:
        if values[0] not in planes:
            raise TopologyError(
                f"{a}->{b} is on plane {values[0]!r}; there are {', '.join(planes)}"
            )
    return Topology(
        name=graph.graph.get("name", "graph") if name is None else name,
        vertex_names=tuple(str(vertex) for vertex, _ in nodes),
        vertex_kinds=tuple(data["kind"] for _, data in nodes),
        n_endpoints=sum(bool(data["endpoint"]) for _, data in nodes),
        node=np.array([data.get("node", NOWHERE) for _, data in nodes], dtype=np.int32),
        package=np.array([data.get("package", NOWHERE) for _, data in nodes], dtype=np.int32),
        planes=planes,
        link_src=np.array([number[a] for a, *_ in edges], dtype=np.int32),
        link_dst=np.array([number[b] for _, b, *_ in edges], dtype=np.int32),
        link_plane=np.array([planes.index(v[0]) for _, _, v, _ in edges], dtype=np.int32),
        link_bandwidth=np.array([v[1] for _, _, v, _ in edges], dtype=np.float64),
        link_latency=np.array([v[2] for _, _, v, _ in edges], dtype=np.float64),
        removed=tuple(graph.graph.get("removed", ())),
    )


def _rows(topology: Topology) -> "zip[tuple[Any, ...]]":
    columns = ("link_src", "link_dst", "link_plane", "link_bandwidth", "link_latency")
    return zip(*(getattr(topology, column).tolist() for column in columns), strict=True)


def _need(data: dict[str, Any], keys: tuple[str, ...], where: object) -> list[Any]:
    missing = [key for key in keys if key not in data]
    if missing:
        raise TopologyError(
            f"{where} of the graph has no {missing[0]!r}; needed: {', '.join(keys)}"
        )
    return [data[key] for key in keys]
