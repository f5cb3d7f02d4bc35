import networkx as nx
import numpy as np
import pytest

from topology import (
    Router,
    Topology,
    TopologyError,
    cluster,
    dgx_b200,
    dgx_h100,
    dgx_h200,
    dgx_h800,
    fat_tree,
    gb200_nvl72,
    hgx_h20,
    mi300x,
    non_blocking,
    p5en,
    p6_b200,
    ring,
    star,
    system,
    systems,
    to_networkx,
)
from topology.presets.catalogue import large_enough
from topology.units import GB, US, Gbit


def one_way(topology: Topology, plane: str, a: str, b: str) -> tuple[float, list[str]]:
    """Latency and vertices of the shortest way on a plane."""
    graph = nx.DiGraph()
    for src, dst, data in to_networkx(topology).edges(data=True):
        if data["plane"] == plane:
            graph.add_edge(src, dst, latency=data["latency"])
    path = nx.shortest_path(graph, a, b)
    return nx.path_weight(graph, path, "latency"), path


def bandwidths(topology: Topology, plane: str) -> set[float]:
    return set(topology.link_bandwidth[topology.link_plane == topology.plane(plane)])


@pytest.mark.parametrize(
    ("make", "rdma", "same", "across"),
    [
        (dgx_h800, "roce", 3.6, 5.6),
        (dgx_h800, "ib", 2.8, 3.7),
        (dgx_h100, "roce", 3.6, 5.6),
        (dgx_h100, "ib", 2.8, 3.7),
    ],
)
def test_latencies_are_table_5_of_deepseeks_paper(
    make: type, rdma: str, same: float, across: float
) -> None:
    made = make(4, rdma=rdma)
    time, path = one_way(made, "rdma", "node0.gpu3", "node2.gpu3")
    assert path == ["node0.gpu3", "rdma.leaf3", "node2.gpu3"]
    assert time == pytest.approx(same * US, rel=1e-12)
    time, path = one_way(made, "rdma", "node0.gpu3", "node2.gpu4")
    assert [made.vertex_kinds[made.vertex(v)] for v in path] == [
        "gpu", "rdma-leaf", "rdma-spine", "rdma-leaf", "gpu",
    ]  # fmt: skip
    assert time == pytest.approx(across * US, rel=1e-12)
    time, path = one_way(made, "nvlink", "node0.gpu0", "node0.gpu7")
    assert path == ["node0.gpu0", "node0.nvswitch", "node0.gpu7"]
    assert time == pytest.approx(3.33 * US, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "nvlink"),
    [(dgx_h800, 200), (dgx_h100, 450), (dgx_h200, 450), (dgx_b200, 900), (p5en, 450),
     (p6_b200, 900)],
)  # fmt: skip
def test_bandwidths_are_the_data_sheets(make: type, nvlink: float) -> None:
    made = make()
    assert made.planes == ("nvlink", "rdma")
    assert len(made.accelerators) == 320
    assert bandwidths(made, "nvlink") == {nvlink * GB}
    assert bandwidths(made, "rdma") == {400 * Gbit}


def test_a_gb200_rack_is_one_nvlink_domain_of_18_trays_and_18_switch_chips() -> None:
    made = gb200_nvl72()
    assert made.of_kind("nvswitch").size == 18
    assert np.bincount(made.node[made.accelerators]).tolist() == [4] * 18
    assert bandwidths(made, "nvlink") == {50 * GB}
    report = non_blocking(made, "nvlink")
    assert report.non_blocking
    assert (report.endpoints, report.tiers) == (72, 1)
    assert report.port_bandwidth / report.endpoints == 900 * GB
    # The published 130 TB/s counts both ways.
    assert 2 * report.port_bandwidth == pytest.approx(130e12, rel=0.01)
    time, path = one_way(made, "nvlink", "node0.gpu0", "node17.gpu3")
    assert len(path) == 3
    assert time == pytest.approx(3.33 * US, rel=1e-12)


def test_racks_of_gb200_meet_over_their_nics() -> None:
    made = gb200_nvl72(576)
    gpus = made.accelerators
    assert np.bincount(made.rack[gpus]).tolist() == [72] * 8
    assert made.level(gpus[0], gpus[[1, 4, 71, 72]]).tolist() == [1, 2, 2, 3]
    assert non_blocking(made, "nvlink").inside == "supernode"
    assert non_blocking(made, "nvlink").non_blocking
    assert non_blocking(made, "rdma").non_blocking
    assert bandwidths(made, "rdma") == {400 * Gbit}
    router = Router(made)
    paths = router.paths(gpus[[0, 0]], gpus[[71, 72]])
    assert [made.planes[plane] for plane in router.table.plane[paths]] == ["nvlink", "rdma"]


def test_the_last_rack_may_have_fewer_trays() -> None:
    made = gb200_nvl72(80, nic_bandwidth=800 * Gbit)
    assert np.bincount(made.rack[made.accelerators]).tolist() == [72, 8]
    assert bandwidths(made, "rdma") == {800 * Gbit}
    for gpus, message in ((0, "not a multiple"), (70, "not a multiple of the 4 of a tray")):
        with pytest.raises(TopologyError, match=message):
            gb200_nvl72(gpus)


def test_two_gpus_of_h20_share_a_nic() -> None:
    made = hgx_h20(2)
    time, path = one_way(made, "rdma", "node0.gpu3", "node1.gpu2")
    assert path == ["node0.gpu3", "node0.nic1", "rdma.leaf1", "node1.nic1", "node1.gpu2"]
    assert time == pytest.approx(3.6 * US, rel=1e-12)
    ports = bandwidths(made, "rdma")
    assert ports == {64 * GB, 400 * Gbit}
    assert bandwidths(hgx_h20(2, nics=8), "rdma") == {400 * Gbit}
    with pytest.raises(TopologyError, match="nics is 3; it must divide the 8"):
        hgx_h20(2, nics=3)


def test_the_gpus_of_mi300x_are_a_full_mesh() -> None:
    made = mi300x(2)
    time, path = one_way(made, "xgmi", "node1.gpu0", "node1.gpu7")
    assert path == ["node1.gpu0", "node1.gpu7"]
    assert time == pytest.approx(3.33 * US, rel=1e-12)
    report = non_blocking(made, "xgmi")
    assert report.port_bandwidth / report.endpoints == 7 * 64 * GB
    assert report.inside == "node"


@pytest.mark.parametrize("nodes", [1, 2, 7, 18, 40, 64, 128])
def test_clusters_of_any_size_are_non_blocking_within_their_switches_ports(nodes: int) -> None:
    made = dgx_h100(nodes)
    report = non_blocking(made, "rdma")
    assert report.non_blocking, report.reason
    assert report.endpoints == 8 * nodes
    kinds = np.array(made.vertex_kinds)
    degree = np.bincount(made.link_src, minlength=made.n_vertices)
    assert degree[np.isin(kinds, ["rdma-leaf", "rdma-spine"])].max() <= 64


def test_nvlink_ends_at_the_node() -> None:
    report = non_blocking(dgx_h800(3), "nvlink")
    assert (report.tiers, report.sub_planes) == (1, 3)
    assert report.non_blocking
    assert report.oversubscription is None


def test_a_cluster_is_what_one_asks_for() -> None:
    made = cluster(
        3, per_node=2, kind="xpu", fabric="bus", switch="hub", nic="eth", fabric_bandwidth=10 * GB,
        nic_bandwidth=1 * GB, oversubscription=1.5, spines=1,
    )  # fmt: skip
    assert made.planes == ("bus", "eth")
    assert made.vertex_names[:3] == ("node0.xpu0", "node0.xpu1", "node1.xpu0")
    assert made.vertex_kinds[made.vertex("node2.hub")] == "hub"
    assert bandwidths(made, "bus") == {10 * GB}
    assert non_blocking(made, "eth").oversubscription == 1.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"nodes": 0}, "nodes = 0"),
        ({"nodes": 2, "per_node": 0}, "per_node = 0"),
        ({"nodes": 2, "oversubscription": -1}, "oversubscription is -1"),
        ({"nodes": 4096, "radix": 32}, "ask for fewer nodes"),
        ({"nodes": 2, "nic_bandwidth": -1.0}, "bandwidth -1"),
    ],
)
def test_impossible_clusters_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        cluster(**wrong)  # type: ignore[arg-type]


def test_an_unknown_rdma_is_refused_with_the_choices() -> None:
    with pytest.raises(TopologyError, match=r"'rocev'.*roce, ib; near it: roce"):
        dgx_h800(2, rdma="rocev")


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_star(n: int) -> None:
    made = star(n, bandwidth=3 * GB, latency=2 * US)
    assert (made.n_endpoints, made.n_links) == (n, 2 * n)
    assert bandwidths(made, "net") == {3 * GB}
    if n > 1:
        assert one_way(made, "net", "host0", "host1")[0] == 2 * US


@pytest.mark.parametrize(("n", "links"), [(1, 2), (2, 6), (3, 12), (7, 28)])
def test_a_ring(n: int, links: int) -> None:
    made = ring(n)
    assert made.n_links == links
    for to in range(1, n):
        time, path = one_way(made, "net", "host0", f"host{to}")
        hops = min(to, n - to)
        assert len(path) == hops + 3
        assert time == pytest.approx((hops + 1) * US)


def test_a_ring_is_not_proved_non_blocking() -> None:
    assert "router0 and router1" in non_blocking(ring(4), "net").reason


@pytest.mark.parametrize("k", [2, 4, 6, 8])
def test_a_fat_tree(k: int) -> None:
    made = fat_tree(k)
    assert made.n_endpoints == k**3 // 4
    assert len(made.of_kind("edge")) == len(made.of_kind("agg")) == k * k // 2
    assert len(made.of_kind("core")) == k * k // 4
    switches = np.arange(made.n_endpoints, made.n_vertices)
    assert set(np.bincount(made.link_src)[switches]) == {k}
    report = non_blocking(made, "net")
    assert report.non_blocking
    assert report.tiers == 3
    assert report.bisection == pytest.approx(made.n_endpoints / 2 * 196 * GB)


def test_ways_through_a_fat_tree() -> None:
    made = fat_tree(4)
    for peer, switches in (("host1", 1), ("host2", 3), ("host15", 5)):
        time, path = one_way(made, "net", "host0", peer)
        assert len(path) == switches + 2
        assert time == pytest.approx(switches * US)


@pytest.mark.parametrize("k", [-2, 0, 1, 3])
def test_an_odd_fat_tree_is_refused(k: int) -> None:
    with pytest.raises(TopologyError, match="even"):
        fat_tree(k)


@pytest.mark.parametrize("make", [star, ring])
def test_no_host_is_no_network(make: type) -> None:
    with pytest.raises(TopologyError, match="needs a host"):
        make(0)


@pytest.mark.parametrize(
    ("gone", "plane", "share"),
    [
        ("pod0.agg0", "net", 0.5),
        ("pod0.edge0<->pod0.agg0", "net", 0.5),
        ("core0", "net", 0.75),
        ("core0->pod1.agg0", "net", 0.75),
    ],
)
def test_a_fault_takes_its_share_of_a_fat_tree(gone: str, plane: str, share: float) -> None:
    report = non_blocking(fat_tree(4).without(gone), plane)
    assert report.reason
    assert report.guaranteed == pytest.approx(share)


def test_every_system_of_the_list_can_be_had() -> None:
    for name, about in systems().items():
        assert about
        if name != "supernode:8192":
            assert system(name).n_endpoints


@pytest.mark.parametrize(
    ("name", "accelerators"),
    [("star:5", 5), ("ring:3", 3), ("fat_tree:4", 16), ("dgx_h800:2", 16), ("h100:3", 24),
     ("h800", 320), ("gb200", 72), ("gb200:1440", 1440), ("p6-b200:2", 16),
     ("supernode:16", 32), ("cloudmatrix192", 384)],
)  # fmt: skip
def test_systems_with_a_size(name: str, accelerators: int) -> None:
    assert len(system(name).accelerators) == accelerators


@pytest.mark.parametrize(
    ("name", "ranks", "enough"),
    [("gb200", 72, "gb200"), ("gb200", 73, "gb200:144"), ("gb200", 1440, "gb200:1440"),
     ("gb200:4", 72, "gb200:4"), ("h100", 321, "h100:80"), ("star", 8, "star"),
     ("cloudmatrix384", 9999, "cloudmatrix384")],
)  # fmt: skip
def test_as_many_machines_as_ranks_need(name: str, ranks: int, enough: str) -> None:
    assert large_enough(name, ranks) == enough


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cloudmatrx384", "there are cloudmatrix384.*near it: cloudmatrix384"),
        ("", "no system ''"),
        ("star", "needs a size: star:N"),
        ("star:", "N is ''"),
        ("star:many", "N is 'many'"),
        ("star:-3", "N is '-3'"),
        ("star:0", "needs a host"),
        ("cloudmatrix384:12", "takes no size"),
        ("supernode:12", "8 NPUs"),
    ],
)
def test_an_unknown_system_is_refused_with_the_choices(name: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        system(name)
