import dataclasses
import time
from collections import Counter

import networkx as nx
import numpy as np
import pytest

from topology import (
    Node,
    Topology,
    TopologyError,
    cloudmatrix384,
    non_blocking,
    supernode,
    system,
)
from topology.units import GB, NS, US, Gbit

SYSTEM = cloudmatrix384()


def links(topology: Topology, plane: str, a: str, b: str) -> np.ndarray:
    """Link numbers of a plane from vertices of kind ``a`` to those of kind ``b``."""
    kinds = np.array(topology.vertex_kinds)
    on = topology.link_plane == topology.plane(plane)
    match = (kinds[topology.link_src] == a) & (kinds[topology.link_dst] == b)
    return np.flatnonzero(on & match)


def plane_graph(topology: Topology, plane: str, *ends: str) -> nx.DiGraph:
    """The plane between ``ends`` only, in GB/s, with parallel links added up."""
    inside = np.arange(topology.n_vertices) >= topology.n_endpoints  # endpoints do not forward
    inside[[topology.vertex(name) for name in ends]] = True
    graph, names = nx.DiGraph(), topology.vertex_names
    on = topology.link_plane == topology.plane(plane)
    for i in np.flatnonzero(on & inside[topology.link_src] & inside[topology.link_dst]):
        a, b = names[topology.link_src[i]], names[topology.link_dst[i]]
        before = graph.edges[a, b]["capacity"] if graph.has_edge(a, b) else 0
        capacity = before + topology.link_bandwidth[i] / GB
        graph.add_edge(a, b, capacity=capacity, latency=topology.link_latency[i])
    return graph


def test_vertices_are_the_papers() -> None:
    assert Counter(SYSTEM.vertex_kinds) == {
        "die": 48 * 16, "cpu": 48 * 4, "l1": 48 * 7, "l2": 7 * 16, "qingtian": 48,
        "rdma-leaf": 8, "rdma-spine": 3, "vpc-leaf": 1,
    }  # fmt: skip
    assert SYSTEM.n_endpoints == 960
    assert SYSTEM.planes == ("package", "ub", "rdma", "vpc")


def test_rank_i_is_vertex_i() -> None:
    assert SYSTEM.accelerators.tolist() == list(range(768))
    assert SYSTEM.vertex_names[16 * 3 + 11] == "node3.die11"
    assert SYSTEM.node[SYSTEM.vertex("node3.die11")] == 3
    assert SYSTEM.package[SYSTEM.vertex("node3.die11")] == 3 * 8 + 5
    assert SYSTEM.vertex_names[768] == "node0.cpu0"


@pytest.mark.parametrize(
    "name", ["node3.cpu2", "node3.l1.5", "l2.5.12", "rdma.leaf3", "rdma.spine1", "node3.qingtian",
             "vpc.leaf0", "node47.die15", "node47.l1.6", "l2.6.15"],
)  # fmt: skip
def test_names_are_stable(name: str) -> None:
    assert name in SYSTEM.index


@pytest.mark.parametrize(
    ("plane", "a", "b", "count", "bandwidth", "latency"),
    [
        ("package", "die", "die", 384 * 2, 270 * GB, 200 * NS),
        ("ub", "die", "l1", 768 * 7, 28 * GB, 187.5 * NS),
        ("ub", "l1", "die", 768 * 7, 28 * GB, 0),
        ("ub", "cpu", "l1", 192 * 7, 160 * GB / 7, 187.5 * NS),
        ("ub", "l1", "cpu", 192 * 7, 160 * GB / 7, 0),
        ("ub", "l1", "l2", 336 * 16, 28 * GB, 187.5 * NS),
        ("ub", "l2", "l1", 336 * 16, 28 * GB, 187.5 * NS),
        ("rdma", "die", "rdma-leaf", 768, 200 * Gbit, 3.6 * US),
        ("rdma", "rdma-leaf", "die", 768, 200 * Gbit, 0),
        ("rdma", "rdma-leaf", "rdma-spine", 384, 400 * Gbit, 1 * US),
        ("rdma", "rdma-spine", "rdma-leaf", 384, 400 * Gbit, 1 * US),
        ("vpc", "cpu", "qingtian", 192, 400 * Gbit, 5 * US),
        ("vpc", "qingtian", "vpc-leaf", 48, 400 * Gbit, 1 * US),
        ("vpc", "vpc-leaf", "qingtian", 48, 400 * Gbit, 5 * US),
    ],
)
def test_links_are_the_papers(
    plane: str, a: str, b: str, count: int, bandwidth: float, latency: float
) -> None:
    found = links(SYSTEM, plane, a, b)
    assert len(found) == count
    assert set(SYSTEM.link_bandwidth[found]) == {bandwidth}
    assert set(SYSTEM.link_latency[found]) == {latency}


def test_no_link_is_of_another_sort() -> None:
    assert SYSTEM.n_links == 768 + 2 * (768 * 7 + 192 * 7 + 336 * 16 + 768 + 384 + 192 + 48)


def test_each_l2_chip_has_a_port_a_node_in_its_own_sub_plane() -> None:
    up = links(SYSTEM, "ub", "l1", "l2")
    names = SYSTEM.vertex_names
    pairs = [(names[SYSTEM.link_src[i]], names[SYSTEM.link_dst[i]]) for i in up]
    assert len(set(pairs)) == len(pairs)
    assert all(low.split(".")[2] == high.split(".")[1] for low, high in pairs)
    assert set(Counter(high for _, high in pairs).values()) == {48}


def test_only_dies_are_on_rdma_and_only_cpus_on_vpc() -> None:
    for plane, kind in (("rdma", "die"), ("vpc", "cpu")):
        ends = SYSTEM.link_src[SYSTEM.link_plane == SYSTEM.plane(plane)]
        ends = ends[ends < SYSTEM.n_endpoints]
        assert {SYSTEM.vertex_kinds[end] for end in ends} == {kind}


@pytest.mark.parametrize("peer", ["node0.die2", "node47.die15"])
def test_max_flow_between_two_dies_is_196(peer: str) -> None:
    graph = plane_graph(SYSTEM, "ub", "node0.die0", peer)
    assert nx.maximum_flow_value(graph, "node0.die0", peer) == pytest.approx(196)


@pytest.mark.parametrize(("peer", "ns"), [("node0.die2", 187.5), ("node9.die0", 562.5)])
def test_one_way_latency_over_ub(peer: str, ns: float) -> None:
    graph = plane_graph(SYSTEM, "ub", "node0.die0", peer)
    time = nx.shortest_path_length(graph, "node0.die0", peer, weight="latency")
    assert time == pytest.approx(ns * NS)


@pytest.mark.parametrize(("peer", "us"), [("node9.die0", 3.6), ("node0.die2", 5.6)])
def test_one_way_latency_over_rdma(peer: str, us: float) -> None:
    graph = plane_graph(SYSTEM, "rdma", "node0.die0", peer)
    time = nx.shortest_path_length(graph, "node0.die0", peer, weight="latency")
    assert time == pytest.approx(us * US)


def test_ub_is_proved_non_blocking_for_the_dies() -> None:
    report = non_blocking(SYSTEM, "ub")
    assert report.non_blocking
    assert report.counted == ("die",)
    assert (report.tiers, report.sub_planes, report.edge_switches) == (2, 7, 336)
    assert report.port_bandwidth == report.uplink_bandwidth == 48 * 3136 * GB
    assert report.guaranteed == report.oversubscription == 1
    assert report.bisection == 24 * 3136 * GB


def test_ub_with_its_cpus_is_oversubscribed_by_a_fifth() -> None:
    report = non_blocking(SYSTEM, "ub", ("die", "cpu"))
    assert not report.non_blocking
    assert report.oversubscription == pytest.approx((3136 + 640) / 3136)


def test_rdma_is_non_blocking_unless_asked() -> None:
    assert non_blocking(SYSTEM, "rdma").non_blocking
    halved = non_blocking(cloudmatrix384(oversubscription=2), "rdma")
    assert halved.oversubscription == 2
    assert "rdma.leaf0" in halved.reason


@pytest.mark.parametrize("rails", [1, 2, 4, 8, 16])
def test_rails(rails: int) -> None:
    made = cloudmatrix384(rails=rails)
    assert non_blocking(made, "rdma").non_blocking
    rail = {made.vertex_names[v].split(".")[1] for v in made.of_kind("rdma-leaf")}
    assert len(rail) % rails == 0


@pytest.mark.parametrize(
    ("npus", "chips", "utilisation"),
    [(384, 16, 100), (352, 16, 92), (288, 12, 100), (256, 12, 89), (192, 8, 100)],
)
def test_table_11_of_the_paper(npus: int, chips: int, utilisation: int) -> None:
    made = supernode(npus)
    up = links(made, "ub", "l1", "l2")
    assert len(made.of_kind("l2")) == 7 * chips
    assert round(100 * len(up) / (7 * chips * 48)) == utilisation
    assert set(Counter(made.link_src[up].tolist()).values()) == {16}
    ports = Counter(made.link_dst[up].tolist()).values()
    assert max(ports) <= 48
    assert max(ports) - min(ports) <= 1
    named = system(f"cloudmatrix{npus}")
    assert made.equals(dataclasses.replace(named, name=made.name))


@pytest.mark.parametrize(("npus", "share"), [(384, 1), (352, 1), (288, 0.75), (192, 1)])
def test_what_a_pair_of_nodes_is_sure_of(npus: int, share: float) -> None:
    made = supernode(npus, node=Node(sub_planes=1, cpus=0))
    assert non_blocking(made, "ub").guaranteed == share
    # The least max-flow between the L1 chips of two nodes agrees, if no third node forwards.
    graph = plane_graph(made, "ub")
    flows = []
    for peer in ("node1.l1.0", "node2.l1.0", "node3.l1.0"):
        others = [v for v in graph if v.startswith("node") and v not in ("node0.l1.0", peer)]
        pair = graph.subgraph(set(graph) - set(others))
        flows.append(nx.maximum_flow_value(pair, "node0.l1.0", peer))
    assert min(flows) == pytest.approx(share * 448)


@pytest.mark.parametrize("npus", [8, 16, 40, 72, 160])
def test_any_size_is_sound(npus: int) -> None:
    made = supernode(npus)
    assert len(made.accelerators) == 2 * npus
    assert non_blocking(made, "rdma").non_blocking


def test_8192_npus_need_larger_l2_chips() -> None:
    with pytest.raises(TopologyError, match=r"1024 nodes have 16384 uplinks.*1024 ports"):
        supernode(8192, l2_ports=48, l2_chips=16)
    with pytest.raises(TopologyError, match="at least 64 ports"):
        supernode(512, l2_ports=48, l2_chips=16)
    assert len(supernode(512, l2_chips=16).of_kind("l2")) == 112


@pytest.mark.parametrize("npus", [0, -8, 12, 383])
def test_a_size_that_is_no_whole_number_of_nodes_is_refused(npus: int) -> None:
    with pytest.raises(TopologyError, match="8 NPUs"):
        supernode(npus)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rails": 17}, "rails is 17"),
        ({"rails": 0}, "rails is 0"),
        ({"oversubscription": 0}, "oversubscription is 0"),
        ({"spines": 0}, "spines is 0"),
        ({"l2_chips": 0}, "0 L2 chips"),
        ({"l2_ports": 0}, "of 0 ports"),
        ({"node": Node(npus=0)}, "npus = 0"),
        ({"node": Node(ub_link=-1.0)}, "bandwidth -1"),
    ],
)
def test_impossible_parts_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        supernode(16, **wrong)  # type: ignore[arg-type]


def test_other_hardware_is_a_parameter() -> None:
    made = supernode(32, node=Node(npus=4, dies_per_npu=4, cpus=0, sub_planes=3, uplinks=8))
    assert len(links(made, "package", "die", "die")) == 32 * 4 * 3
    assert len(links(made, "ub", "l1", "l2")) == 8 * 3 * 8
    assert non_blocking(made, "ub").oversubscription == 2
    assert not len(made.of_kind("qingtian"))


def test_building_is_quick() -> None:
    begin = time.perf_counter()
    cloudmatrix384()
    assert time.perf_counter() - begin < 0.2
