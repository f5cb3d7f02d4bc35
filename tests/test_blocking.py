"""Non-blocking means connected: proofs beside paths and largest flows as networkx finds them."""

import itertools
import json
import math
from dataclasses import asdict

import networkx as nx
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from bench.records import as_text
from bench.topo import plane_record
from collectives import init, schedule
from fabric import Fabric, launch
from topology import (
    Blocking,
    Topology,
    cluster,
    from_toml,
    non_blocking,
    save,
    star,
    supernode,
    to_toml,
)
from topology.draft import Draft

LIMITS = settings(deadline=None, max_examples=50)


def made(
    links: list[tuple[int, int, float]], ends: int, switches: int, nodes: list[int] | None = None
) -> Topology:
    """Endpoints ``e0``.. and switches ``s0``.. on one plane; links are (from, to, bandwidth)."""
    src, dst, bandwidth = zip(*links, strict=True) if links else ((), (), ())
    names = [*(f"e{i}" for i in range(ends)), *(f"s{i}" for i in range(switches))]
    node = np.array([*(nodes or [-1] * ends), *[-1] * switches])
    return Topology(
        "made", tuple(names), ("host",) * ends + ("switch",) * switches, ends, node,
        np.full(len(names), -1), ("net",), np.array(src, np.int32), np.array(dst, np.int32),
        np.zeros(len(links), np.int32), np.array(bandwidth, np.float64), np.zeros(len(links)),
    )  # fmt: skip


def flows(topology: Topology) -> "nx.DiGraph[object]":
    """The plane for largest flows: each endpoint apart as a sender and as a receiver."""
    graph: nx.DiGraph[object] = nx.DiGraph()
    n = topology.n_endpoints
    graph.add_nodes_from((side, end) for end in range(n) for side in ("out", "in"))
    rows = zip(*(c.tolist() for c in (topology.link_src, topology.link_dst,
                                      topology.link_bandwidth)), strict=True)  # fmt: skip
    for a, b, bandwidth in rows:
        u, v = ("out", a) if a < n else a, ("in", b) if b < n else b
        before = graph.get_edge_data(u, v, {"capacity": 0.0})["capacity"]
        graph.add_edge(u, v, capacity=before + bandwidth)
    return graph


def flow(graph: "nx.DiGraph[object]", first: set[int], second: set[int]) -> float:
    """Bytes per second from some endpoints to others, at most; inf where there is no limit."""
    graph = graph.copy()
    for a, b, data in list(graph.edges(data=True)):
        if math.isinf(data["capacity"]):
            del graph[a][b]["capacity"]  # networkx' way to say so
    graph.add_edges_from(("source", ("out", end)) for end in first)
    graph.add_edges_from((("in", end), "sink") for end in second)
    try:
        return float(nx.maximum_flow_value(graph, "source", "sink"))
    except nx.NetworkXUnbounded:
        return math.inf


def subsets(ends: range) -> list[set[int]]:
    some = (itertools.combinations(ends, count) for count in range(1, len(ends)))
    return [set(one) for one in itertools.chain(*some)]


def checked(topology: Topology) -> Blocking:
    """What is found of the plane, after it has been held against networkx."""
    report = non_blocking(topology, "net")
    graph, ends = flows(topology), range(topology.n_endpoints)
    place = {"": [0] * len(ends), "node": topology.node, "package": topology.package}
    group = place[report.inside]
    pairs = list(itertools.permutations(ends, 2))
    to_join = [(a, b) for a, b in pairs if group[a] == group[b]]
    joined = {(a, b) for a, b in pairs if nx.has_path(graph, ("out", a), ("in", b))}
    cut = [pair for pair in to_join if pair not in joined]
    if topology.n_links and topology.n_endpoints > 1:
        assert (report.apart is None) == (not cut)
    if report.apart:
        assert tuple(topology.index[name] for name in report.apart) in cut
        assert (report.guaranteed, report.non_blocking) == (0.0, False)
    assert joined <= set(to_join)
    values = [value for value in asdict(report).values() if isinstance(value, float)]
    assert not any(math.isnan(value) for value in values)
    if report.non_blocking:
        assert len(ends) > 1
        sends = np.bincount(topology.link_src, topology.link_bandwidth, len(ends))
        takes = np.bincount(topology.link_dst, topology.link_bandwidth, len(ends))
        for first, second in itertools.product(subsets(ends), repeat=2):
            if not first & second and len({group[end] for end in first | second}) == 1:
                least = min(sends[list(first)].sum(), takes[list(second)].sum())
                assert flow(graph, first, second) >= least * (1 - 1e-9)
    return report


BANDWIDTH = st.sampled_from((1e9, 2e9, math.inf))


@st.composite
def anything(draw: st.DrawFn) -> Topology:
    """A few endpoints and switches, and any links between them, most of them both ways."""
    ends, switches = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    every = list(itertools.permutations(range(ends + switches), 2))
    links: list[tuple[int, int, float]] = []
    for a, b in draw(st.lists(st.sampled_from(every), max_size=12)) if every else []:
        links.append((a, b, draw(BANDWIDTH)))
        if draw(st.integers(0, 3)):
            links.append((b, a, links[-1][2]))
    nodes = draw(st.lists(st.integers(-1, 1), min_size=ends, max_size=ends))
    return made(links, ends, switches, nodes)


@st.composite
def clos(draw: st.DrawFn) -> Topology:
    """Leaves and spines, on several sub-planes, now and then with a link less."""
    links: list[tuple[int, int, float]] = []
    ends, leaves, spines, planes = (draw(st.integers(1, most)) for most in (5, 3, 2, 2))
    for part in range(planes):
        first = ends + part * (leaves + spines)
        port, trunk = draw(BANDWIDTH), draw(BANDWIDTH) * draw(st.integers(1, 3))
        for end in range(ends):
            links += [(end, first + end % leaves, port), (first + end % leaves, end, port)]
        for leaf, spine in itertools.product(range(leaves), range(spines)):
            up = first + leaf, first + leaves + spine
            links += [(*up, trunk), (*up[::-1], trunk)]
    gone = draw(st.sets(st.integers(0, len(links) - 1), max_size=1))
    left = [link for i, link in enumerate(links) if i not in gone]
    return made(left, ends, planes * (leaves + spines))


@LIMITS
@given(st.one_of(anything(), clos()))
def test_what_is_proved_is_connected_and_carries_the_largest_flows(topology: Topology) -> None:
    checked(topology)
    assert "nan" not in as_text([plane_record(topology, "net")], "table").split()


def test_two_stars_are_no_network() -> None:
    links = [(e, 4 + e // 2, 1e9) for e in range(4)] + [(4 + e // 2, e, 1e9) for e in range(4)]
    report = checked(made(links, 4, 2))
    assert report.apart == ("e0", "e2")
    assert report.reason == "no path from e0 to e2"
    assert (report.guaranteed, report.bisection, report.sub_planes) == (0.0, 0.0, 2)
    # By design, on the other hand, NVLink joins what is in a node.
    inside = checked(made(links, 4, 2, [0, 0, 1, 1]))
    assert (inside.inside, inside.non_blocking, inside.bisection) == ("node", True, 2e9)


@pytest.mark.parametrize(
    ("topology", "said"),
    [
        (star(4).without("host1->switch"), "no path from host1 to host0: no link of it begins at"),
        (star(4).without("switch->host1"), "no path from host0 to host1: no link of it leads to"),
        (star(4).without("host1<->switch"), "no path from host0 to host1: no link of it leads to"),
        (star(4).without("switch"), "it joins no two endpoints"),
        (star(1), "it joins no two endpoints"),
        (star(2).without("host1"), "it joins no two endpoints"),
    ],
    ids=lambda value: value[-30:] if isinstance(value, str) else ", ".join(value.removed),
)
def test_what_a_fault_cuts_off_is_named(topology: Topology, said: str) -> None:
    assert checked(topology).reason.startswith(said)


def test_nodes_that_a_fault_has_parted_are_not_taken_for_a_design() -> None:
    machine = supernode(64)
    assert non_blocking(machine, "ub").non_blocking
    assert (non_blocking(machine, "package").inside, non_blocking(machine, "ub").inside) == (
        "package", "",
    )  # fmt: skip
    parted = non_blocking(machine.without("l2.*"), "ub")
    assert parted.apart == ("node0.die0", "node1.die0")
    assert (parted.bisection, parted.guaranteed) == (0.0, 0.0)
    fabric = cluster(2)
    assert non_blocking(fabric, "nvlink").inside == "node"
    assert non_blocking(fabric.without("node0.nvswitch"), "nvlink").apart is not None


def test_direct_links_carry_a_pair_each() -> None:
    """Three endpoints linked to each other: a port's bandwidth cannot all go to one peer."""
    pairs = list(itertools.permutations(range(3), 2))
    report = checked(made([(a, b, 1e9) for a, b in pairs], 3, 0))
    assert (report.guaranteed, report.non_blocking) == (0.5, False)
    both = checked(made([(0, 1, 1e9), (1, 0, 1e9), (0, 1, 1e9), (1, 0, 1e9)], 2, 0))
    assert (both.guaranteed, both.non_blocking) == (1.0, True)


def test_ports_in_unlike_proportions_do_not_add_up() -> None:
    """e0 has most of its bandwidth on the one sub-plane, e1 on the other."""
    ports = [(0, 2, 2e9), (0, 3, 1e9), (1, 2, 1e9), (1, 3, 2e9)]
    report = checked(made([*ports, *((b, a, bandwidth) for a, b, bandwidth in ports)], 2, 2))
    assert report.guaranteed == pytest.approx(2 / 3)


def unlimited(uplink: float) -> Topology:
    draft = Draft(("net",))
    hosts = draft.endpoints([f"h{i}" for i in range(4)], "host")
    leaves, spine = draft.switches(["l0", "l1"], "leaf"), draft.switches(["top"], "spine")
    draft.connect(hosts, leaves.repeat(2), "net", math.inf, 0.0)
    draft.connect(leaves, spine, "net", uplink, 0.0)
    return draft.freeze("unlimited")


def test_unlimited_is_what_it_is() -> None:
    free, narrow = checked(unlimited(math.inf)), checked(unlimited(1e9))
    assert (free.guaranteed, free.oversubscription, free.bisection) == (1.0, 0.0, math.inf)
    assert free.non_blocking
    assert (narrow.guaranteed, narrow.oversubscription, narrow.bisection) == (0.0, math.inf, 1e9)
    assert narrow.reason == "the ports below l0 are unlimited, and its uplinks are not"


def test_everything_that_shows_a_topology_takes_unlimited_links(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """No nan, no infinity in JSON, no share of infinity, from the summary to pictures and pages."""
    folder = tmp_path_factory.mktemp("unlimited")
    system, run = folder / "u.toml", CliRunner()
    save(unlimited(math.inf), system)
    for arguments in (
        f"topo show {system}",
        f"topo show {system} --format json",
        f"topo export {system} --format json",
        f"topo draw {system} -o {folder}/n.svg",
        f"bench all_reduce --ranks 4 -b 8 -e 8 --system {system} --software raw --format json"
        f" --trace {folder}/t.json --timeline {folder}/t.npz --heatmap {folder}/h.svg"
        f" --plot {folder}/p.svg",
        f"bench moe --ep 4 --experts 8 --hidden 64 --tokens 4 --software raw --system {system}",
        f"bench all_gather --ranks 4 -b 64 -e 64 --system {system} --software raw",
        f"view {folder}/t.npz -o {folder}/t.html",
    ):  # fmt: skip
        done = run.invoke(main, arguments.split())
        assert done.exit_code == 0, (arguments, done.output, done.exception)
        assert not {"nan", "inf%", "nan%", "NaN", "Infinity"} & set(done.output.split()), arguments
        if "--format json" in arguments:
            json.loads(done.stdout, parse_constant=pytest.fail)
    graph = json.loads(run.invoke(main, ["topo", "export", str(system), "--format", "json"]).stdout)
    assert {edge["bandwidth"] for edge in graph["edges"]} == {"inf GB/s"}
    json.loads((folder / "t.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert "nan" not in unlimited(math.inf)._repr_html_()


def test_an_engine_takes_an_unlimited_link_for_a_very_wide_one() -> None:
    """Simulated, and with running ranks; the times are those of links that nothing can fill."""
    steps = list(schedule("all_to_all", 4, 1 << 20))
    for uplink in (1e9, math.inf):
        wide = to_toml(unlimited(uplink)).replace("inf GB/s", "1e15 GB/s")
        found = [Fabric(made, endpoint="raw") for made in (unlimited(uplink), from_toml(wide))]
        times = [fabric.simulate(steps).duration for fabric in found]
        assert times[0] == pytest.approx(times[1], abs=1e-9, rel=1e-3)
        live = launch(times_of_all_to_all, 4, found[0], "inproc", software="raw")
        assert live == pytest.approx([times[0]] * 4, abs=1e-12, rel=1e-3)


def times_of_all_to_all() -> float:
    with init() as comm:
        comm.all_to_all(np.zeros(4 << 20, np.uint8), np.zeros(4 << 20, np.uint8))
        comm.barrier()
        return comm.now()
