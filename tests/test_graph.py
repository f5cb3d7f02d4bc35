import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from bench.topo import exported
from topology import (
    NOWHERE,
    Topology,
    TopologyError,
    cloudmatrix384,
    cluster,
    dgx_h800,
    fat_tree,
    from_networkx,
    ring,
    star,
    supernode,
    to_networkx,
)
from topology.draft import Draft
from topology.errors import ArgumentError
from topology.units import GB, US


def columns(**changes: Any) -> dict[str, Any]:
    """Two hosts on a switch, as columns."""
    return {
        "name": "pair",
        "vertex_names": ("a", "b", "hub"),
        "vertex_kinds": ("host", "host", "switch"),
        "n_endpoints": 2,
        "node": np.array([0, 1, NOWHERE]),
        "package": np.array([NOWHERE] * 3),
        "planes": ("net",),
        "link_src": np.array([0, 1, 2, 2]),
        "link_dst": np.array([2, 2, 0, 1]),
        "link_plane": np.zeros(4),
        "link_bandwidth": np.full(4, 1 * GB),
        "link_latency": np.array([1 * US, 1 * US, 0, 0]),
    } | changes


def test_a_topology_knows_its_vertices_and_links() -> None:
    pair = Topology(**columns())
    assert (pair.n_vertices, pair.n_links, pair.n_endpoints) == (3, 4, 2)
    assert pair.vertex("hub") == 2
    assert pair.link_name(2) == "hub->a (net)"
    assert pair.of_kind("switch").tolist() == [2]
    assert pair.accelerators.tolist() == [0, 1]
    assert pair.plane("net") == 0
    assert pair.link_bandwidth.dtype == np.float64


def test_cpus_are_no_accelerators() -> None:
    assert Topology(**columns(vertex_kinds=("cpu", "host", "switch"))).accelerators.tolist() == [1]


def test_a_topology_is_frozen_and_leaves_its_makers_arrays_alone() -> None:
    made = columns()
    pair = Topology(**made)
    with pytest.raises(dataclasses.FrozenInstanceError):
        pair.name = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        pair.link_bandwidth[0] = 0
    made["link_bandwidth"][0] = 7
    assert pair.link_bandwidth[0] == 1 * GB


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vertex_names": ("a", "a", "hub")}, "two vertices are called 'a'"),
        ({"vertex_names": ("a", "", "hub")}, "cannot be called ''"),
        ({"vertex_names": ("a", "b->c", "hub")}, "cannot be called 'b->c'"),
        ({"vertex_kinds": ("host", "host")}, "vertex_kinds"),
        ({"node": np.array([0, 1])}, "node"),
        ({"node": np.array([0, -2, -1])}, "node of b is -2"),
        ({"n_endpoints": 0}, "0 endpoints"),
        ({"n_endpoints": 4}, "4 endpoints"),
        ({"link_dst": np.array([2, 2, 0, 3])}, "link_dst of link 3 is 3, outside 0..2"),
        ({"link_src": np.array([0, -1, 2, 2])}, "link_src of link 1 is -1"),
        ({"link_src": np.array([[0, 1], [2, 2]])}, "link_src has shape"),
        ({"link_plane": np.array([0, 0, 1, 0])}, "link_plane of link 2"),
        ({"link_latency": np.zeros(3)}, "link_latency has shape"),
        ({"link_bandwidth": np.array([1, 1, -1, 1])}, r"hub->a \(net\) has bandwidth -1"),
        ({"link_bandwidth": np.array([1, 0, 1, 1])}, r"b->hub \(net\) has bandwidth 0"),
        ({"link_bandwidth": np.array([1, 1, 1, np.nan])}, "bandwidth nan"),
        ({"link_latency": np.array([0, -1, 0, 0])}, "latency -1"),
        ({"link_latency": np.array([0, np.inf, 0, 0])}, "latency inf"),
        ({"link_dst": np.array([2, 1, 0, 1])}, "b->b"),
    ],
)
def test_a_topology_that_is_not_sound_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        Topology(**columns(**change))


def test_unknown_names_are_refused_with_those_near_them() -> None:
    system = cloudmatrix384()
    with pytest.raises(TopologyError, match=r"node3\.dye11.*node3\.die11"):
        system.vertex("node3.dye11")
    with pytest.raises(TopologyError, match="package, ub, rdma, vpc"):
        system.plane("udma")
    with pytest.raises(TopologyError, match="'xyz'; one is 'host0'"):
        star(2).vertex("xyz")


def test_equality_is_column_by_column() -> None:
    assert Topology(**columns()).equals(Topology(**columns()))
    slower = columns(link_bandwidth=np.full(4, 2 * GB))
    assert not Topology(**columns()).equals(Topology(**slower))
    assert not Topology(**columns()).equals(Topology(**columns(removed=("x",))))


def test_a_draft_wants_endpoints_first() -> None:
    draft = Draft(("net",))
    draft.switches(["hub"], "switch")
    with pytest.raises(TopologyError, match="after switches"):
        draft.endpoints(["a"], "host")


@pytest.mark.parametrize("made", [star(3), fat_tree(4), supernode(16)], ids=lambda t: t.name)
def test_networkx_takes_a_topology_and_gives_it_back(made: Topology) -> None:
    graph = to_networkx(made)
    assert graph.number_of_nodes() == made.n_vertices
    assert graph.number_of_edges() == made.n_links
    assert from_networkx(graph).equals(made)


def test_networkx_has_si_attributes() -> None:
    graph = to_networkx(star(2, bandwidth=5 * GB, latency=2 * US))
    assert graph.nodes["host0"] == {
        "kind": "host", "endpoint": True, "node": 0, "package": -1, "rack": -1, "supernode": -1,
        "vertex": 0,
    }  # fmt: skip
    [edge] = graph["host0"]["switch"].values()
    assert edge == {"plane": "net", "bandwidth": 5e9, "latency": 2e-6, "link": 0}


def test_any_undirected_graph_becomes_links_both_ways() -> None:
    graph = nx.star_graph(3)  # 0 in the middle
    for vertex, data in graph.nodes(data=True):
        data.update(kind="host" if vertex else "switch", endpoint=vertex > 0)
    for *_, data in graph.edges(data=True):
        data.update(plane="net", bandwidth=1e9, latency=1e-6)
    made = from_networkx(graph, name="mine")
    assert (made.name, made.n_endpoints, made.n_links) == ("mine", 3, 6)
    assert made.vertex_names == ("1", "2", "3", "0")


@pytest.mark.parametrize("missing", ["kind", "endpoint"])
def test_a_graph_without_an_attribute_of_a_node_is_refused(missing: str) -> None:
    graph = to_networkx(star(2))
    del graph.nodes["host1"][missing]
    with pytest.raises(TopologyError, match=f"host1.*{missing}"):
        from_networkx(graph)


def test_a_graph_without_an_attribute_of_an_edge_is_refused() -> None:
    graph = to_networkx(star(2))
    del graph.edges["host0", "switch", 0]["bandwidth"]
    with pytest.raises(TopologyError, match=r"host0->switch.*bandwidth"):
        from_networkx(graph)


def test_a_graph_comes_back_from_graphml(tmp_path: Path) -> None:
    made = star(2).without("host0->switch")
    (tmp_path / "g.graphml").write_text(exported(made, "graphml"))
    again = from_networkx(nx.read_graphml(tmp_path / "g.graphml"))
    assert (again.planes, again.removed) == (made.planes, made.removed)
    assert (again.vertex_names, again.n_links) == (made.vertex_names, made.n_links)


def test_what_a_graph_says_is_heeded_or_refused() -> None:
    edge = ("host0", "switch", 0)
    cases: list[tuple[Callable[[Any], Any], str]] = [
        (lambda g: g.edges[edge].update(count=2), "has 'count', which is not known here"),
        (lambda g: g.nodes["host0"].update(endpoint="False"), "endpoint of host0 is 'False'"),
        (lambda g: g.nodes["host0"].update(node=0.5), "node of host0 is 0.5"),
        (lambda g: g.nodes["host0"].update(node=2**40), "node of host0 is 1099511627776"),
        (lambda g: g.nodes["host0"].update(kind=3), "kind of host0 is 3; a text"),
        (lambda g: g.edges[edge].update(bandwidth=True), "bandwidth of host0->switch is true"),
        (lambda g: g.edges[edge].update(bandwidth="4"), "bandwidth of .* '4' is no bandwidth"),
        (lambda g: g.edges[edge].update(latency=10**400), "latency of .* a smaller number"),
        (lambda g: g.edges[edge].update(latency=float("nan")), "has latency nan"),
        (lambda g: g.edges[edge].update(bandwidth=1e-320), "has bandwidth .*; at least 0.001"),
        (lambda g: g.edges[edge].update(link=1), "link of .* is 1, as of another edge"),
        (lambda g: g.edges[edge].update(plane=["net"]), "plane of .* is .*; a text is needed"),
        (lambda g: g.graph.update(planes={"net"}), "planes of the graph is"),
    ]
    for change, words in cases:
        graph = to_networkx(star(2))
        change(graph)
        with pytest.raises(TopologyError, match=words):
            from_networkx(graph)
    graph = to_networkx(star(2))
    graph.edges[edge].update(weight=3, color="red", bandwidth="28 GB/s")
    assert from_networkx(graph, ignored={"weight"}).link_bandwidth[0] == 28 * GB


def test_importing_topology_loads_no_heavyweight() -> None:
    code = "import sys, topology; print([m for m in ('networkx', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("make", [star, ring, supernode, cluster, dgx_h800])
@pytest.mark.parametrize("size", [10**9, 2.5, "8", None])
def test_a_size_that_is_none_is_refused_before_anything_is_made(make: Any, size: Any) -> None:
    with pytest.raises(ArgumentError, match="it has to be an integer"):
        make(size)


def test_a_fat_tree_has_no_more_hosts_than_fit() -> None:
    with pytest.raises(ArgumentError, match=r"hosts of fat_tree\(2000\) is 2000000000"):
        fat_tree(2000)
