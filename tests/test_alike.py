"""Paths that are found once for endpoints that hang alike: bit for bit those of each pair."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topology import Router, Topology, cluster, fat_tree, mi300x, ring, star, supernode, system
from topology.draft import Draft
from topology.routing.alike import AlikePaths
from topology.routing.ends import bundles_of, ends_of
from topology.routing.walk import SPRAY, FoldedPlane, walk

MACHINES = {
    "star": lambda: star(5), "ring": lambda: ring(5), "fat tree": lambda: fat_tree(4),
    "supernode": lambda: supernode(24), "of uneven wiring": lambda: supernode(16, l2_chips=12),
    "without a chip": lambda: supernode(16).without("l2.0.1", "node1.l1.3"),
    "without die links": lambda: supernode(16).without("node0.die1->node0.l1.1", "node1.die3"),
    "of links between endpoints": lambda: mi300x(3), "NVLink": lambda: system("h20:3"),
    "supernodes": lambda: cluster(2, of="supernode:8"),
    "full meshes": lambda: system("atlas950:128").without("rack0.npu3.ub<->rack0.npu4.ub"),
}  # fmt: skip


def planes(topology: Topology) -> list[tuple[FoldedPlane, AlikePaths]]:
    """Every plane by groups, also where the router would walk it pair by pair."""
    found, n = [], topology.n_endpoints
    for plane, _ in Router(topology)._planes:
        bundles = bundles_of(*(getattr(plane, name) for name in
                               ("begin", "target", "share", "bandwidth", "latency")))  # fmt: skip
        found.append((plane, AlikePaths(plane, bundles, ends_of(bundles, n, of_source=False), n)))
    return found


def same(topology: Topology) -> int:
    """Compare every pair on every plane; how many ways between groups there are."""
    n, ways = topology.n_endpoints, 0
    src, dst = np.array([(a, b) for a, b in product(range(n), range(n)) if a != b], np.int32).T
    for plane, alike in planes(topology):
        expected = walk(src, dst, plane, n, SPRAY)
        half = len(src) // 2  # in two calls, the second of which knows the ways of the first
        found = [alike.walk(src[:half], dst[:half]), alike.walk(src[half:], dst[half:])]
        for column, parts in zip(expected, zip(*found, strict=True), strict=True):
            assert np.array_equal(column, np.concatenate(parts))
        ways += len(alike._ways.latency)
    return ways


@pytest.mark.parametrize("name", MACHINES)
def test_paths_by_groups_are_those_of_each_pair(name: str) -> None:
    same(MACHINES[name]())


def test_there_are_few_ways() -> None:
    whole = supernode(32)  # nodes of dies and CPUs, 4 x 4 of each pair; links of packages and RDMA
    n, by_plane = whole.n_endpoints, dict(zip(whole.planes, planes(whole), strict=True))
    alike = by_plane["ub"][1]
    src, dst = np.nonzero(~np.eye(n, dtype=bool))
    alike.walk(src.astype(np.int32), dst.astype(np.int32))
    assert len(alike._ways.latency) == (2 * 4) ** 2
    assert alike.pays
    assert not by_plane["package"][1].pays


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_on_any_network(data: st.DataObject) -> None:
    draw = data.draw
    hosts, switches = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    draft = Draft(("net",))
    ends = draft.endpoints([f"h{i}" for i in range(hosts)], "host")
    inner = draft.switches([f"s{i}" for i in range(switches)], "switch")
    every = [*ends.tolist(), *inner.tolist()]
    pair = st.tuples(st.sampled_from(every), st.sampled_from(every))
    for a, b in draw(st.lists(pair, min_size=hosts, max_size=30)):
        if a != b:
            bandwidth, latency = draw(st.sampled_from([(1e9, 0), (3e9, 0), (1e9, 1e-6)]))
            draft.link(a, b, "net", bandwidth, latency)
    if len(draft._links):
        same(draft.freeze("any"))
