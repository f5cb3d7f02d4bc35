from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise, product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric import Endpoint, Fabric, Step
from tests.support.slow_fluid import spray
from topology import (
    Node,
    RouteError,
    Router,
    Topology,
    TopologyError,
    cloudmatrix384,
    fat_tree,
    ring,
    star,
    supernode,
    to_networkx,
)
from topology.units import GB

LITTLE = Node(npus=2, dies_per_npu=2, cpus=1, sub_planes=2)
SMALL = {
    "star": star(4),
    "ring of 4": ring(4),  # two shortest paths to the opposite host
    "ring of 5": ring(5),
    "fat tree": fat_tree(4),
    "supernode": supernode(6, node=LITTLE, rails=2),
    "without a chip": supernode(6, node=LITTLE, rails=2).without("l2.0.1"),
    "without an uplink": supernode(6, node=LITTLE, rails=2).without("node1.l1.0->l2.0.0"),
    "without a die link": supernode(6, node=LITTLE, rails=2).without("node0.die1<->node0.l1.1"),
    "without a chip of L1": supernode(6, node=LITTLE, rails=2).without("node2.l1.0"),
}


def path_of(router: Router, src: int, dst: int) -> tuple[dict[int, float], float, str]:
    """What each link carries, the latency and the plane."""
    number = int(router.paths(np.array([src], np.int32), np.array([dst], np.int32))[0])
    table = router.table
    load: dict[int, float] = {}
    for entry in range(table.begin[number], table.begin[number + 1]):
        links = router.links(int(table.resource[entry]))
        for link in links:
            assert int(link) not in load
            load[int(link)] = float(table.weight[entry]) / len(links)
    plane = int(table.plane[number])
    return load, float(table.latency[number]), router.topology.planes[plane] if plane >= 0 else ""


@cache
def graph_of(topology: Topology, plane: str) -> nx.MultiDiGraph:
    """One plane; edges are keyed by their link."""
    whole = nx.MultiDiGraph()
    whole.add_nodes_from(range(topology.n_vertices))
    for link in np.flatnonzero(topology.link_plane == topology.plane(plane)):
        ends = int(topology.link_src[link]), int(topology.link_dst[link])
        whole.add_edge(*ends, key=int(link))
    return whole


def shortest(topology: Topology, src: int, dst: int) -> tuple[str, list[list[int]]]:
    """The first plane that connects, and all shortest paths there; hosts pass nothing on."""
    for plane in topology.planes:
        graph = graph_of(topology, plane)
        inner = [v for v in graph if v >= topology.n_endpoints or v in (src, dst)]
        try:
            return plane, list(nx.all_shortest_paths(graph.subgraph(inner), src, dst))
        except nx.NetworkXNoPath:
            continue
    raise AssertionError(f"{src} and {dst} are cut off")


def pairs(topology: Topology) -> list[tuple[int, int]]:
    ends = range(topology.n_endpoints)
    kinds = [kind == "cpu" for kind in topology.vertex_kinds]
    found = [(a, b) for a, b in product(ends, ends) if a != b and not kinds[a] and not kinds[b]]
    return found[:: max(1, len(found) // 60)]


@pytest.mark.parametrize("policy", ["spray", "adaptive"])
@pytest.mark.parametrize("name", SMALL)
def test_paths_are_all_the_shortest_ones(name: str, policy: str) -> None:
    topology = SMALL[name]
    router = Router(topology, policy)
    for src, dst in pairs(topology):
        load, latency, plane = path_of(router, src, dst)
        expected_plane, ways = shortest(topology, src, dst)
        assert plane == expected_plane
        graph = graph_of(topology, plane)
        hops = {hop for way in ways for hop in pairwise(way)}
        assert set(load) == {link for a, b in hops for link in graph[a][b]}
        # A link's latency is the same for all that run beside it, here.
        late = [
            sum(topology.link_latency[next(iter(graph[a][b]))] for a, b in pairwise(way))
            for way in ways
        ]
        assert latency == pytest.approx(max(late))
        for cut in range(len(ways[0]) - 1):  # as many links from the source: all bytes pass
            across = {link for way in ways for link in graph[way[cut]][way[cut + 1]]}
            assert sum(load[link] for link in across) == pytest.approx(1)


@pytest.mark.parametrize("name", SMALL)
def test_spray_splits_evenly_hop_by_hop(name: str) -> None:
    topology = SMALL[name]
    router = Router(topology, "spray")
    for src, dst in pairs(topology):
        load, latency, plane = path_of(router, src, dst)
        expected = spray(topology, src, dst)
        assert load == pytest.approx(expected.load)
        assert latency == pytest.approx(expected.latency)
        assert plane == expected.plane


@given(
    lost=st.lists(st.integers(0, 500), max_size=6),
    speed=st.lists(st.sampled_from([1.0, 2.0]), min_size=1, max_size=6),
    name=st.sampled_from(["fat tree", "supernode", "ring of 4"]),
)
@settings(max_examples=40, deadline=None)
def test_folding_is_exact_whatever_is_broken(
    lost: list[int], speed: list[float], name: str
) -> None:
    whole = SMALL[name]
    links = [whole.link_name(link % whole.n_links) for link in lost]
    topology = whole.without(*links)
    factor = np.resize(speed, topology.n_links)
    topology = replace(topology, link_bandwidth=topology.link_bandwidth * factor)
    router = Router(topology, "spray")
    for src, dst in pairs(topology)[::5]:
        try:
            expected = spray(topology, src, dst)
        except RouteError:
            with pytest.raises(RouteError):
                path_of(router, src, dst)
            continue
        load, latency, _ = path_of(router, src, dst)
        assert load == pytest.approx(expected.load)
        assert latency == pytest.approx(expected.latency)


@pytest.mark.parametrize("name", SMALL)
def test_hash_takes_one_shortest_path(name: str) -> None:
    topology = SMALL[name]
    router = Router(topology, "hash")
    for src, dst in pairs(topology):
        load, latency, plane = path_of(router, src, dst)
        _, ways = shortest(topology, src, dst)
        assert set(load.values()) == {1.0}
        walk = [src]
        while walk[-1] != dst:
            (link,) = [link for link in load if topology.link_src[link] == walk[-1]]
            walk.append(int(topology.link_dst[link]))
        assert walk in ways
        assert latency == pytest.approx(sum(topology.link_latency[link] for link in load))
        assert path_of(Router(topology, "hash"), src, dst) == (load, latency, plane)


def test_hash_spreads_pairs_over_the_paths() -> None:
    machine = supernode(32)
    router = Router(machine, "hash", ("ub",))
    src, dst = (column.ravel() for column in np.meshgrid(np.arange(16), np.arange(16, 32)))
    paths = router.paths(src.astype(np.int32), dst.astype(np.int32))
    first = [int(router.table.resource[router.table.begin[path]]) for path in paths]
    chips = [int(machine.link_dst[router.links(resource)[0]]) for resource in first]
    sub_planes = Counter(machine.vertex_names[chip] for chip in chips)
    assert len(sub_planes) == 7
    assert max(sub_planes.values()) < 2 * 256 / 7


def test_a_vertex_to_itself_takes_no_link() -> None:
    assert path_of(Router(star(3)), 1, 1) == ({}, 0.0, "")


def test_paths_of_a_column_are_those_of_its_rows() -> None:
    rng = np.random.default_rng(0)
    topology = SMALL["supernode"]
    src, dst = (rng.choice(topology.accelerators, 200).astype(np.int32) for _ in range(2))
    together = Router(topology)
    numbers = together.paths(src, dst)
    assert numbers.dtype == np.int32
    np.testing.assert_array_equal(numbers, together.paths(src, dst))  # remembered
    assert len(together.table.latency) == len(set(zip(src.tolist(), dst.tolist(), strict=True)))
    for a, b in zip(src.tolist(), dst.tolist(), strict=True):
        assert path_of(together, a, b) == path_of(Router(topology), a, b)


# Folding.


def bundles(router: Router) -> int:
    return len(router.capacity)


@cache
def full() -> Topology:
    return cloudmatrix384()


def test_bundles_of_cloudmatrix384() -> None:
    # A node's L1 chips are one class, the 112 L2 chips another. A bundle out of and one into each
    # of 768 dies, 192 CPU sockets and 48 nodes.
    router = Router(full(), planes=("ub",))
    assert bundles(router) == 2 * (768 + 192 + 48)
    one = int(router.link_resource[full().link_src == full().vertex("node3.die4")].max())
    assert len(router.links(one)) == 7
    assert router.capacity[one] == pytest.approx(196 * GB)
    assert router.name(one) == "node3.die4->node3.l1.* (ub, 7 links)"
    up = int(router.link_resource[full().link_dst == full().vertex("l2.3.12")][0])
    assert len(router.links(up)) == 7 * 16
    assert router.capacity[up] == pytest.approx(16 * 196 * GB)


def test_hash_folds_nothing() -> None:
    assert bundles(Router(SMALL["supernode"], "hash")) == SMALL["supernode"].n_links


def test_every_link_has_one_resource_whose_links_add_up() -> None:
    topology = SMALL["without an uplink"]
    router = Router(topology)
    assert (router.link_resource >= 0).all()
    sums = np.bincount(router.link_resource, topology.link_bandwidth)
    np.testing.assert_allclose(sums, router.capacity)
    one = Router(topology, planes=("rdma",))
    rdma = topology.link_plane == topology.plane("rdma")
    np.testing.assert_array_equal(one.link_resource >= 0, rdma)


FAULTS = {
    "a dead L2 chip": ("l2.3.12",),
    "a dead L1 chip": ("node0.l1.2",),
    "a dead die link": ("node0.die5<->node0.l1.6",),
    "a dead uplink": ("node1.l1.0->l2.0.3",),
    "a dead logical switch": ("l2.1.*",),
    "all of them": ("l2.3.12", "node0.l1.2", "node0.die5<->node0.l1.6", "node1.l1.0->l2.0.3"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_splits_the_bundle(fault: str) -> None:
    whole = supernode(24, l2_chips=16)
    hurt = whole.without(*FAULTS[fault])
    router = Router(hurt, planes=("ub",))
    assert router.capacity.sum() < Router(whole, planes=("ub",)).capacity.sum()
    if fault != "a dead logical switch":  # there all nodes have lost alike, but one sub-plane of 7
        assert bundles(router) > bundles(Router(whole, planes=("ub",)))
    dies = hurt.accelerators
    for src, dst in [(0, 1), (0, 17), (5, 20), (17, 5), (20, 40), (47, 0), (5, 4)]:
        ends = int(dies[src]), int(dies[dst])
        load, latency, _ = path_of(router, *ends)
        expected = spray(hurt, *ends, ("ub",))
        assert load == pytest.approx(expected.load)
        assert latency == pytest.approx(expected.latency)


def test_faults_of_the_whole_machine() -> None:
    hurt = full().without("l2.3.12", "node3.l1.0", "node7.die1<->node7.l1.4")
    router = Router(hurt, planes=("ub",))
    for src, dst in [("node3.die0", "node7.die1"), ("node7.die1", "node9.die2")]:
        ends = hurt.vertex(src), hurt.vertex(dst)
        assert path_of(router, *ends)[0] == pytest.approx(spray(hurt, *ends, ("ub",)).load)


# Adaptive.


def all_to_all(topology: Topology, policy: str) -> Fabric:
    return Fabric(topology, endpoint=Endpoint("test"), planes=("ub",), routing=policy)


def direct(ranks: int, size: int) -> Step:
    src, dst = np.divmod(np.arange(ranks * ranks), ranks)
    return Step(src[src != dst], dst[src != dst], size)


def test_adaptive_spares_what_has_lost_uplinks() -> None:
    hurt = supernode(96, l2_chips=16).without(*(f"node0.l1.0<->l2.0.{chip}" for chip in range(4)))
    load = {}
    for policy in ("spray", "adaptive"):
        path, _, _ = path_of(Router(hurt, policy, ("ub",)), hurt.vertex("node0.die0"),
                             hurt.vertex("node1.die0"))  # fmt: skip
        chip = hurt.vertex("node0.l1.0")
        load[policy] = sum(part for link, part in path.items() if hurt.link_dst[link] == chip)
    assert load["spray"] == pytest.approx(1 / 7)
    assert load["adaptive"] < 0.95 * load["spray"]
    ranks = len(hurt.accelerators)
    lasts = {
        policy: all_to_all(hurt, policy).simulate([direct(ranks, 1 << 20)]).duration
        for policy in ("spray", "adaptive")
    }
    assert lasts["adaptive"] < 0.95 * lasts["spray"]


def test_adaptive_is_spray_where_nothing_is_broken() -> None:
    machine = supernode(16)
    for src, dst in [(0, 1), (0, 2), (0, 17), (31, 3)]:
        spread = path_of(Router(machine, "spray"), src, dst)[0]
        assert path_of(Router(machine, "adaptive"), src, dst)[0] == pytest.approx(spread)


# Planes, and what cannot be reached.


def test_the_first_plane_that_connects_is_taken() -> None:
    machine = supernode(16)
    assert path_of(Router(machine), 0, 1)[2] == "package"
    assert path_of(Router(machine), 0, 2)[2] == "ub"
    assert path_of(Router(machine, planes=("rdma", "ub")), 0, 1)[2] == "rdma"
    lonely = machine.without(*(f"node0.die0<->node0.l1.{chip}" for chip in range(7)))
    assert path_of(Router(lonely), 0, 2)[2] == "rdma"
    assert path_of(Router(lonely), 0, 1)[2] == "package"
    np.testing.assert_array_equal(Router(machine).leaves_package, [])
    router = Router(machine)
    router.paths(np.array([0, 0, 0], np.int32), np.array([0, 1, 2], np.int32))
    np.testing.assert_array_equal(router.leaves_package, [False, False, True])


def test_a_cut_names_both_ends_and_what_was_taken_out() -> None:
    cut = supernode(16).without("node1.l1.*", "l2.0.1")
    with pytest.raises(RouteError) as raised:
        Router(cut, planes=("ub",)).paths(np.array([3], np.int32), np.array([18], np.int32))
    for part in ("node0.die3", "node1.die2", "supernode(16)", "ub", "node1.l1.*", "l2.0.1"):
        assert part in str(raised.value)


def test_a_cut_one_way_only() -> None:
    half = star(3).without("host1->switch")
    router = Router(half)
    assert len(path_of(router, 0, 1)[0]) == 2
    with pytest.raises(RouteError, match="host1 to host0"):
        path_of(router, 1, 0)
    assert path_of(router, 0, 2)[1] == pytest.approx(1e-6)  # the error has spoilt nothing


def test_hosts_pass_nothing_on() -> None:
    # die0 - die1 in a package: what is cut off from UB does not go through its neighbour.
    lonely = supernode(16).without(*(f"node0.die0<->node0.l1.{chip}" for chip in range(7)))
    with pytest.raises(RouteError):
        path_of(Router(lonely, planes=("package", "ub")), 0, 2)


def test_unknown_names() -> None:
    with pytest.raises(TopologyError, match=r"'sprey'.*spray, adaptive, hash"):
        Router(star(2), "sprey")
    with pytest.raises(TopologyError, match=r"'ub'.*net"):
        Router(star(2), planes=("ub",))


def test_to_networkx_agrees_about_the_links() -> None:
    graph = to_networkx(SMALL["fat tree"])
    assert graph.number_of_edges() == SMALL["fat tree"].n_links
