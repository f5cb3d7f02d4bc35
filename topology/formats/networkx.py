"""To networkx and back, for analysis with everything that networkx has."""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from topology.errors import TopologyError, UnitError
from topology.files.reading import shown, whole
from topology.graph import ABILITIES, CONTAINERS, NOWHERE, Topology
from topology.provenance import UNKNOWN, provenance_of_json
from topology.units import parse

if TYPE_CHECKING:
    import networkx as nx

DECORATION = (
    "id", "label", "title", "description", "comment", "pos", "x", "y", "z", "layer", "subset",
    "color", "colour", "fill", "shape", "style", "fontsize", "viz",
)  # fmt: skip
"""Attributes of nodes and edges that only pictures and people use."""


def to_networkx(topology: Topology) -> "nx.MultiDiGraph":
    """``topology`` as a multigraph: a node a vertex, by name, and an edge a directed link.

    Nodes have ``kind``, ``endpoint`` (bool), ``node``, ``package``, ``rack`` and ``supernode``
    (`NOWHERE` for none), ``in_switch`` where a switch can do something with data (bits, as in
    `Topology`), and ``vertex``, the vertex's id; edges have ``plane``, ``bandwidth``
    (bytes per second), ``latency`` (seconds) and ``link``, the link's id; the graph has ``name``,
    ``planes``, ``removed`` and, where it is known, ``provenance`` (JSON).
    """
    import networkx as nx

    graph = nx.MultiDiGraph(name=topology.name, planes=topology.planes, removed=topology.removed)
    if topology.provenance != UNKNOWN:
        graph.graph["provenance"] = topology.provenance.as_json()
    able = topology.in_switch.tolist()
    columns = (topology.vertex_id, *(getattr(topology, key) for key in CONTAINERS))
    for vertex, (number, *places) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        graph.add_node(
            topology.vertex_names[vertex], kind=topology.vertex_kinds[vertex],
            endpoint=vertex < topology.n_endpoints, **dict(zip(CONTAINERS, places, strict=True)),
            vertex=number, **({"in_switch": able[vertex]} if able[vertex] else {}),
        )  # fmt: skip
    names = topology.vertex_names
    for link, (a, b, plane, bandwidth, latency) in enumerate(_rows(topology)):
        graph.add_edge(
            names[a], names[b], plane=topology.planes[plane], bandwidth=bandwidth,
            latency=latency, link=int(topology.link_id[link]),
        )  # fmt: skip
    return graph


def from_networkx(
    graph: "nx.Graph", name: str | None = None, ignored: Collection[str] = ()
) -> Topology:
    """The topology of a graph with the attributes that `to_networkx` writes.

    Needed are a node's ``kind`` and ``endpoint``, and an edge's ``plane``, ``bandwidth`` and
    ``latency``: numbers, or texts with units. An undirected edge is a link each way. Endpoints are
    put first; where all of them have ``link``, links are in that order, and it is their id, as
    ``vertex`` is of vertices; ``planes`` is the graph's, or
    in order of appearance. Attributes that only pictures use (`DECORATION`) are passed over, and
    those named in ``ignored``; another could decide how fast a link is, or how many there are.
    Raises `TopologyError` naming node or edge and attribute.
    """
    directed = graph if graph.is_directed() else graph.to_directed()
    known = {*DECORATION, *ignored}
    nodes, identified = _nodes(directed, known)
    edges, numbered = _edges(directed, known, graph.is_directed())
    planes = _planes(graph, [data["plane"] for *_, data in edges])
    number = {vertex: i for i, (vertex, _) in enumerate(nodes)}
    for a, b, data in edges:
        if data["plane"] not in planes:
            raise TopologyError(
                f"{a}->{b} is on plane {data['plane']!r}; there are {', '.join(planes)}"
            )
    columns: dict[str, Any] = {
        **{
            key: np.array([data[key] for _, data in nodes], dtype=np.int32)
            for key in (*CONTAINERS, "in_switch")
        },
        **_ids("vertex", nodes, identified),
        **_ids("link", [(a, data) for a, _, data in edges], numbered),
    }
    return Topology(
        name=str(graph.graph.get("name", "graph") if name is None else name),
        vertex_names=tuple(vertex for vertex, _ in nodes),
        vertex_kinds=tuple(data["kind"] for _, data in nodes),
        n_endpoints=sum(data["endpoint"] for _, data in nodes),
        planes=planes,
        link_src=np.array([number[a] for a, *_ in edges], dtype=np.int32),
        link_dst=np.array([number[b] for _, b, _ in edges], dtype=np.int32),
        link_plane=np.array([planes.index(e["plane"]) for *_, e in edges], dtype=np.int32),
        link_bandwidth=np.array([e["bandwidth"] for *_, e in edges], dtype=np.float64),
        link_latency=np.array([e["latency"] for *_, e in edges], dtype=np.float64),
        removed=_texts(graph.graph.get("removed", ()), "removed"),
        provenance=provenance_of_json(graph.graph.get("provenance", {}), "the graph"),
        **columns,
    )


def _nodes(
    directed: "nx.Graph", known: Collection[str]
) -> tuple[list[tuple[str, dict[str, Any]]], bool]:
    """The nodes in the order of vertices, and whether all of them have ids."""
    nodes = [
        (str(vertex), _node(vertex, data, known)) for vertex, data in directed.nodes(data=True)
    ]
    identified = all(data["vertex"] is not None for _, data in nodes)
    nodes.sort(key=lambda item: (not item[1]["endpoint"], identified and item[1]["vertex"]))
    return nodes, identified


def _edges(
    directed: "nx.Graph", known: Collection[str], each_way: bool
) -> tuple[list[tuple[str, str, dict[str, Any]]], bool]:
    """The edges in the order of links, and whether all of them have ids, as links one way may."""
    edges = [
        (str(a), str(b), _edge(f"{a}->{b}", data, known))
        for a, b, data in directed.edges(data=True)
    ]
    numbered = each_way and all(data["link"] is not None for *_, data in edges)
    if numbered:
        edges.sort(key=lambda edge: edge[2]["link"])
        for (_, _, one), (a, b, other) in pairwise(edges):
            if one["link"] == other["link"]:
                raise TopologyError(f"link of {a}->{b} is {one['link']}, as of another edge")
    return edges, numbered


def _ids(
    key: str, rows: Sequence[tuple[str, Mapping[str, Any]]], given: bool
) -> dict[str, NDArray[np.int64]]:
    """The column of ids as an argument, where every row has one."""
    return {f"{key}_id": np.array([data[key] for _, data in rows], np.int64)} if given else {}


def _planes(graph: "nx.Graph", used: Sequence[str]) -> tuple[str, ...]:
    given = graph.graph.get("planes")
    return tuple(dict.fromkeys(used)) if given is None else _texts(given, "planes")


def _texts(given: object, key: str) -> tuple[str, ...]:
    """A list of names, or one text with commas between them, as GraphML has to have it."""
    if isinstance(given, str):
        return tuple(given.split(",")) if given else ()
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise TopologyError(f"{key} of the graph is {shown(given)}; a list of names is needed")
    return tuple(given)


def _node(name: object, data: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    where = str(name)
    _check_keys(where, data, ("kind", "endpoint"), (*CONTAINERS, "in_switch", "vertex"), known)
    endpoint = data["endpoint"]
    if not isinstance(endpoint, bool | np.bool_):
        raise _wrong(where, "endpoint", endpoint, "true or false")
    places = {}
    for key in CONTAINERS:
        places[key] = _whole(data.get(key, NOWHERE), NOWHERE, (1 << 31) - 1)
        if places[key] is None:
            raise _wrong(where, key, data[key], "a whole number")
    able = _whole(data.get("in_switch", 0), 0, (1 << len(ABILITIES)) - 1)
    if able is None:
        raise _wrong(where, "in_switch", data["in_switch"], "bits of what a switch can do")
    number = _whole(data["vertex"], 0, 1 << 62) if "vertex" in data else None
    if number is None and "vertex" in data:
        raise _wrong(where, "vertex", data["vertex"], "the number of a vertex")
    kind = _name(where, "kind", data["kind"])
    return {"kind": kind, "endpoint": bool(endpoint), "vertex": number, "in_switch": able,
            **places}  # fmt: skip


def _edge(where: str, data: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    _check_keys(where, data, ("plane", "bandwidth", "latency"), ("link",), known)
    link = _whole(data["link"], 0, 1 << 62) if "link" in data else None
    if link is None and "link" in data:
        raise _wrong(where, "link", data["link"], "the number of a link")
    return {
        "plane": _name(where, "plane", data["plane"]), "link": link,
        "bandwidth": _number(where, "bandwidth", data["bandwidth"], "bandwidth"),
        "latency": _number(where, "latency", data["latency"], "time"),
    }  # fmt: skip


def _check_keys(
    where: str, data: Mapping[str, Any], needed: Sequence[str], more: Sequence[str],
    known: Collection[str],
) -> None:  # fmt: skip
    missing = [key for key in needed if key not in data]
    if missing:
        raise TopologyError(
            f"{where} of the graph has no {missing[0]!r}; needed: {', '.join(needed)}"
        )
    for key in data:
        if key not in known and key not in (*needed, *more):
            raise TopologyError(
                f"{where} of the graph has {shown(key)}, which is not known here and may decide"
                f" something; known are {', '.join((*needed, *more))}, and what is in `ignored`"
            )


def _wrong(where: str, key: str, value: object, expected: str) -> TopologyError:
    return TopologyError(f"{key} of {where} is {shown(value)}; {expected} is needed")


def _name(where: str, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(where, key, value, "a text")
    return value


def _whole(value: object, low: int, high: int) -> int | None:
    if isinstance(value, np.integer):
        value = int(value)
    return None if isinstance(value, str) else whole(value, low, high)


def _number(where: str, key: str, value: object, quantity: str) -> float:
    if isinstance(value, str):
        try:
            return parse(value, quantity)
        except UnitError as error:
            raise TopologyError(f"{key} of {where}: {error}") from None
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise _wrong(where, key, value, "a number, or a text with a unit,")
    try:
        return float(value)
    except (OverflowError, TypeError):  # a huge int; a complex number
        raise _wrong(where, key, value, "a smaller number") from None


def _rows(topology: Topology) -> "zip[tuple[Any, ...]]":
    columns = ("link_src", "link_dst", "link_plane", "link_bandwidth", "link_latency")
    return zip(*(getattr(topology, column).tolist() for column in columns), strict=True)
