"""Machines whose racks are full meshes: Atlas 950 and 960, UB-Mesh."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from bench.published.standing import Question, standing
from bench.view.sources import sources
from fabric import Fabric, Step
from fabric.endpoint.presets import preset
from fabric.endpoint.stacks import usual
from tests.support.slow_fluid import spray
from topology import Router, Topology, TopologyError, non_blocking, system
from topology.draft import Draft
from topology.presets.full_mesh import PLANES, backplanes, mesh_racks, second_layer
from topology.presets.superpod import HOP, PORT, atlas950, atlas960
from topology.presets.ubmesh import ubmesh
from topology.units import GB


def little(racks: int = 3, rows: int = 2, columns: int = 3) -> Topology:
    """Racks of six: small enough to look at every pair."""
    draft = Draft(PLANES)
    npus = mesh_racks(draft, racks, rows, columns, PORT, HOP)
    second_layer(draft, backplanes(draft, npus, 2, PORT, HOP), 4, 6, PORT, HOP)
    return draft.freeze("little")


def plane_graph(topology: Topology, plane: str) -> nx.DiGraph:
    graph = nx.DiGraph()
    for link in np.flatnonzero(topology.link_plane == topology.plane(plane)):
        ends = int(topology.link_src[link]), int(topology.link_dst[link])
        graph.add_edge(*ends, latency=float(topology.link_latency[link]))
    return graph


def some_pairs(topology: Topology, step: int) -> list[tuple[int, int]]:
    n = topology.n_endpoints
    every = [divmod(k, n) for k in range(0, n * n, step)]
    return [(src, dst) for src, dst in every if src != dst]


MACHINES = {
    "little": (little, 1), "one rack": (lambda: little(1, 3, 3), 1),
    "without an NPU's controller": (lambda: little().without("rack0.npu1.ub"), 1),
    "without a link": (lambda: little().without("rack1.npu0.ub<->rack1.npu2.ub"), 1),
    "atlas950": (lambda: atlas950(128), 331), "atlas960": (lambda: atlas960(176), 691),
    "a pod of ubmesh": (ubmesh, 40_009), "ubmesh": (lambda: ubmesh(2048), 160_001),
}  # fmt: skip


@pytest.mark.parametrize("name", MACHINES)
def test_paths_are_the_shortest_ones_evenly(name: str) -> None:
    make, step = MACHINES[name]
    topology = make()
    router = Router(topology)
    pairs = np.array(some_pairs(topology, step), np.int32)
    paths, graphs = router.paths(*pairs.T), {p: plane_graph(topology, p) for p in PLANES}
    table = router.table
    for (src, dst), path in zip(pairs.tolist(), paths, strict=True):
        load: dict[int, float] = {}
        for entry in range(table.begin[path], table.begin[path + 1]):
            links = router.links(int(table.resource[entry]))
            load |= dict.fromkeys(links.tolist(), float(table.weight[entry]) / len(links))
        expected = spray(topology, src, dst)
        assert load == pytest.approx(expected.load)
        assert topology.planes[table.plane[path]] == expected.plane
        graph = graphs[expected.plane]
        inner = [v for v in graph if v >= topology.n_endpoints or v in (src, dst)]
        ways = list(nx.all_shortest_paths(graph.subgraph(inner), src, dst))
        ends = zip(topology.link_src[list(load)], topology.link_dst[list(load)], strict=True)
        assert set(ends) == {hop for way in ways for hop in pairwise(way)}
        late = max(nx.path_weight(graph, way, "latency") for way in ways)
        assert table.latency[path] == pytest.approx(late)


def test_two_npus_of_neither_row_nor_column_have_two_ways() -> None:
    graph = plane_graph(atlas950(64), "mesh")
    ways = list(nx.all_shortest_paths(graph.subgraph([0, 9, *range(64, 128)]), 0, 9))
    assert sorted(ways) == [[0, 64, 65, 73, 9], [0, 64, 72, 73, 9]]


@pytest.mark.parametrize(
    ("name", "npus", "racks", "size", "hrs", "mesh", "out"),
    [("atlas950", 1024, 16, 64, 32, 784, 224), ("atlas950:8192", 8192, 128, 64, 256, 784, 224),
     ("atlas960", 15488, 176, 88, 352, 855.56, 244.44), ("ubmesh", 1024, 16, 64, 0, 784, 224),
     ("ubmesh:8192", 8192, 128, 64, 64, 784, 224)],
)  # fmt: skip
def test_machines_are_as_published(
    name: str, npus: int, racks: int, size: int, hrs: int, mesh: float, out: float
) -> None:
    made = system(name)
    assert len(made.accelerators) == npus == made.n_endpoints
    assert np.bincount(made.rack[:npus]).tolist() == [size] * racks
    assert len(made.of_kind("hrs")) == hrs
    kinds = np.array(made.vertex_kinds)
    begins = made.link_src < npus
    for plane, bandwidth in (("mesh", mesh), ("racks", out)):
        of_npu = begins & (made.link_plane == made.plane(plane))
        sums = np.bincount(made.link_src[of_npu], made.link_bandwidth[of_npu], npus)
        assert sums == pytest.approx(np.full(npus, bandwidth * GB), rel=1e-4)
    neighbours = (kinds[made.link_src] == "ub-port") & (kinds[made.link_dst] == "ub-port")
    degree = np.bincount(made.link_src[neighbours], minlength=made.n_vertices)
    assert set(degree[made.of_kind("ub-port")]) == {17 if size == 88 else 14}
    crowded = made.link_plane == made.plane("racks")
    ports = np.bincount(made.link_src[crowded], minlength=made.n_vertices)
    assert all(ports[made.of_kind("hrs")] == (128 if size == 64 else 176))
    assert made.level(0, [0, 1, size]).tolist() == [0, 1, 2]
    assert made.node_planes == ("mesh",)


def test_a_rack_has_448_edges_and_640_with_those_out_of_it() -> None:
    made = atlas950(64)
    assert made.n_links == 2 * (448 + 64 + 64 * 4)  # and one to each NPU's controller


def test_between_racks_the_clos_is_non_blocking_and_ubmesh_is_not() -> None:
    report = non_blocking(atlas950(), "racks")
    assert report.non_blocking
    assert report.tiers == 2
    assert "of one tier and linked" in non_blocking(ubmesh(), "racks").reason


@pytest.mark.parametrize("racks", [2, 3, 5, 16, 100, 128])
def test_any_number_of_racks_is_non_blocking(racks: int) -> None:
    assert non_blocking(atlas950(64 * racks), "racks").non_blocking


def test_all_to_all_in_a_rack_is_as_the_mesh_has_it() -> None:
    """Each of 14 ports carries 1 share of its own and 7 of those that pass by two ways."""
    made = atlas950(64)
    me, size = np.arange(64), float(1 << 20)
    src, dst = np.nonzero(me[:, None] != me)
    time = Fabric(made).simulate([Step(src, dst, np.full(len(src), size))]).duration
    assert time == pytest.approx(8 * size / PORT + 2 * HOP, rel=0.01)


@pytest.mark.parametrize(
    ("name", "message"),
    [("atlas950:100", "not a multiple of the 64 NPUs of a rack"),
     ("atlas950:0", "not a multiple"), ("atlas950:16384", "256 racks need switches of 256 ports"),
     ("atlas960:64", "not a multiple of the 88"), ("ubmesh:64", "not a multiple of the 1024"),
     ("ubmesh:16384", "256 racks need")],
)  # fmt: skip
def test_other_sizes_are_refused(name: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        system(name)


@pytest.mark.parametrize("name", ["atlas950:128", "atlas960:176", "ubmesh:2048"])
def test_every_number_has_its_source(name: str) -> None:
    made = system(name)
    for quantity in ("bandwidth", "latency"):
        column = getattr(made, f"link_{quantity}")
        for plane in range(len(made.planes)):
            known = [row["value"] for row in sources(made)
                     if row["plane"] == plane and row["quantity"] == quantity]  # fmt: skip
            found = np.unique(column[made.link_plane == plane])
            assert all(np.isclose(value, [0.0, *known]).any() for value in found), (quantity, plane)


@pytest.mark.parametrize("name", ["atlas950:64", "atlas960:88", "ubmesh"])
def test_their_software_is_extrapolated_and_says_so(name: str) -> None:
    stack = usual(system(name))
    assert stack.name == "cann-ep-950,hccl-950"
    assert stack.planes == PLANES
    for operation, lender in (("dispatch", "cann-ep"), ("all_gather", "hccl")):
        mine, theirs = stack.costs(operation), preset(lender).costs(operation)
        assert (mine.launch, mine.barrier) == (theirs.launch, theirs.barrier)
    share = preset("cann-ep-950").costs("dispatch").initiator_bandwidth / (18 * PORT)
    lent = preset("cann-ep").costs("dispatch").initiator_bandwidth / (7 * 28 * GB)
    assert share == pytest.approx(lent, rel=1e-3)
    question = Question("cann-ep-950", "dispatch", "dispatch", name, 8, tokens=128)
    assert standing(question).calibration == "extrapolated"
