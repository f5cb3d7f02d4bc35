"""Clusters of systems that have a name: copies, joined by a scale-out plane."""

import numpy as np
import pytest

from fabric import Fabric, Step
from fabric.endpoint.stacks import usual
from tests.support.slow_fluid import spray
from topology import Router, Topology, TopologyError, cluster, non_blocking, system
from topology.presets.catalogue import whole_of
from topology.presets.copies import copied
from topology.units import GB, US, Gbit


def links(topology: Topology, plane: str, within: str = "") -> list[tuple[str, str, float, float]]:
    """The links of a plane by names, of ends that begin with ``within``, which is left out."""
    names = topology.vertex_names
    rows = np.flatnonzero(topology.link_plane == topology.plane(plane))
    ends = [(names[topology.link_src[k]], names[topology.link_dst[k]]) for k in rows]
    return sorted(
        (a.removeprefix(within), b.removeprefix(within), float(topology.link_bandwidth[k]),
         float(topology.link_latency[k]))
        for k, (a, b) in zip(rows, ends, strict=True)
        if a.startswith(within) and b.startswith(within)
    )  # fmt: skip


def test_each_copy_is_the_system() -> None:
    base, made = system("supernode:16"), cluster(3, of="supernode:16")
    assert made.n_endpoints == 3 * base.n_endpoints
    assert made.planes == base.planes
    for plane in ("package", "ub", "vpc"):
        assert sum(made.link_plane == made.plane(plane)) == 3 * len(links(base, plane))
        for copy in range(3):
            assert links(made, plane, f"supernode{copy}.") == links(base, plane)
    n = len(base.accelerators)
    assert made.accelerators.reshape(3, n)[1].tolist() == (base.accelerators + 40).tolist()
    assert [made.vertex_names[v] for v in made.accelerators[[0, n]]] == [
        "supernode0.node0.die0", "supernode1.node0.die0",
    ]  # fmt: skip
    first = made.accelerators[0]
    assert made.level(first, made.accelerators[[1, 2, 16, n]]).tolist() == [0, 1, 2, 3]
    assert made.node_width(made.accelerators) == n
    assert np.unique(made.node[made.accelerators]).tolist() == list(range(6))


def test_the_scale_out_plane_joins_them_rail_by_rail() -> None:
    made = system("cloudmatrix384-cluster:16")
    assert len(made.accelerators) == 16 * 768
    up = links(made, "rdma")
    leaf = {b: a for a, b, *_ in up if a.startswith("rdma.leaf")}
    assert leaf["supernode0.node0.die0"] == leaf["supernode0.node0.die1"] == "rdma.leaf0"
    assert leaf["supernode7.node47.die15"] == "rdma.leaf7"  # 384 nodes a pod, as 384 ports are down
    assert leaf["supernode8.node0.die0"] == "rdma.leaf8"
    report = non_blocking(made, "rdma")
    assert report.non_blocking
    assert (report.tiers, report.oversubscription) == (2, 1.0)
    ports = np.bincount(made.link_src, minlength=made.n_vertices)
    assert ports[made.of_kind("rdma-spine")].max() <= 768


def test_oversubscription_is_a_parameter() -> None:
    made = cluster(4, of="supernode:16", radix=16, oversubscription=2.0)
    assert non_blocking(made, "rdma").oversubscription == pytest.approx(2.0)
    assert non_blocking(cluster(4, of="supernode:16", radix=16), "rdma").non_blocking


def test_paths_between_copies_are_the_shortest_ones_evenly() -> None:
    made = cluster(3, of="supernode:8", radix=4, spines=4)
    router, ends = Router(made), made.accelerators
    pairs = np.array([(a, b) for a in ends[::5] for b in ends[::3] if a != b], np.int32)
    paths, table = router.paths(*pairs.T), router.table
    for (src, dst), path in zip(pairs.tolist(), paths, strict=True):
        load: dict[int, float] = {}
        for entry in range(table.begin[path], table.begin[path + 1]):
            of_link = router.links(int(table.resource[entry])).tolist()
            load |= dict.fromkeys(of_link, float(table.weight[entry]) / len(of_link))
        expected = spray(made, src, dst)
        assert load == pytest.approx(expected.load)
        assert made.planes[table.plane[path]] == expected.plane
        assert table.latency[path] == pytest.approx(expected.latency)


def test_traffic_between_supernodes_takes_rdma() -> None:
    fabric = Fabric(cluster(2, of="cloudmatrix384"))
    size = 1 << 20
    time = fabric.simulate([Step([0], [768], size)]).duration
    assert time == pytest.approx(size / (200 * Gbit) + 3.6 * US)
    assert fabric.simulate([Step([0], [766], size)]).duration < time / 7


def test_a_system_without_such_a_plane_gets_a_port_an_accelerator() -> None:
    made = system("atlas950-cluster:2")
    assert made.planes == ("mesh", "racks", "rdma")
    ports = np.bincount(made.link_src[made.link_plane == 2], minlength=made.n_vertices)
    assert set(ports[made.accelerators]) == {1}
    assert {row[2] for row in links(made, "rdma")} == {50 * GB}
    assert len(made.of_kind("rdma-leaf")) == 8
    assert made.level(0, [1023, 1024]).tolist() == [2, 3]


def test_it_is_made_again_and_runs_the_same_software() -> None:
    made = system("cloudmatrix384-cluster:2")
    assert made.provenance.arguments == {"nodes": 2, "of": "cloudmatrix384"}
    assert usual(made).stack("dispatch") == usual(system("cloudmatrix384")).stack("dispatch")
    whole = whole_of(made.without("supernode1.node3.die4"))
    assert whole is not None
    assert whole.equals(made)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nodes": 0, "of": "gb200"}, "nodes = 0"),
        ({"nodes": 2, "of": "cloudmatrx384"}, "near it: cloudmatrix384"),
        ({"nodes": 2, "of": "gb200", "per_node": 4}, "a cluster of gb200 takes no per_node"),
        ({"nodes": 2, "of": "gb200", "mesh": True}, "takes no mesh"),
        (
            {"nodes": 1 << 15, "of": "cloudmatrix384"},
            "48103424 endpoints and switches; 1428 copies fit",
        ),
        ({"nodes": 400, "of": "supernode:16", "radix": 8}, "leaves need spines"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        cluster(**given)  # type: ignore[arg-type]


def test_copies_are_of_a_whole() -> None:
    with pytest.raises(TopologyError, match=r"lacks l2\.0\.0; copies are of a whole"):
        copied(system("cloudmatrix384").without("l2.0.0"), 2, "rdma")
