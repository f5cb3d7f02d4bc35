"""Allocators: ranks are on free endpoints, once each, as close or as far apart as was asked for."""

from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topology import Topology, cloudmatrix384, dgx_h800, gb200_nvl72, ring, star, supernode
from topology.errors import ArgumentError, PlacementError, TopologyError
from topology.placement.allocate import blocks, packed, place, spread, within
from topology.placement.levels import containers, levels, parts
from topology.placement.usable import usable

SMALL = supernode(32)
"""Four nodes of 16 dies in one rack."""


@cache
def full() -> Topology:
    return cloudmatrix384()


@st.composite
def rooms(draw: st.DrawFn) -> tuple[Any, int]:
    """Free dies of `SMALL`, and how many of them a job asks for."""
    free = np.array(sorted(draw(st.sets(st.integers(0, 63), min_size=1))), np.int32)
    return free, draw(st.integers(1, len(free)))


def nodes_of(places: Any) -> list[int]:
    return np.unique(SMALL.node[places]).tolist()


@settings(max_examples=150, derandomize=True, deadline=None)
@given(rooms(), st.sampled_from(["packed", "spread"]))
def test_ranks_are_on_free_endpoints_once_each(room: Any, policy: str) -> None:
    free, ranks = room
    before = free.copy()
    places = place(SMALL, policy, ranks, free)
    assert (places.shape, places.dtype) == ((ranks,), np.int32)
    assert len(set(places.tolist())) == ranks
    assert set(places.tolist()) <= set(free.tolist())
    np.testing.assert_array_equal(places, place(SMALL, policy, ranks, before))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(rooms())
def test_packed_ranks_are_on_as_few_nodes_as_can_be(room: Any) -> None:
    free, ranks = room
    there = [len(part) for part in parts(free, SMALL.node)]
    fewest = next(
        n
        for n in range(1, 5)
        if any(sum(some) >= ranks for some in combinations(there, min(n, len(there))))
    )
    places = packed(SMALL, ranks, free)
    assert len(nodes_of(places)) == fewest
    assert (np.diff(places) > 0).all()
    if fewest == 1 and ranks > 2:  # and what is left over is as little as can be
        room_there = {node: int((SMALL.node[free] == node).sum()) for node in nodes_of(free)}
        mine = room_there[nodes_of(places)[0]]
        assert mine == min(n for n in room_there.values() if n >= ranks)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(rooms())
def test_spread_ranks_are_on_all_nodes_alike(room: Any) -> None:
    free, ranks = room
    places = spread(SMALL, ranks, free)
    got = {node: int((SMALL.node[places] == node).sum()) for node in nodes_of(free)}
    has = {node: int((SMALL.node[free] == node).sum()) for node in nodes_of(free)}
    most = max(got.values())
    assert all(got[node] >= min(most - 1, has[node]) for node in got)
    first = places[: len(got)]  # one each, as long as there are ranks
    assert len(nodes_of(first)) == len(first)


def test_a_packed_pair_shares_a_package() -> None:
    free = np.array([0, 3, 4, 5, 16], np.int32)
    assert packed(SMALL, 2, free).tolist() == [4, 5]
    assert packed(SMALL, 1, free).tolist() == [16]  # alone on its package, and on its node


def test_whole_racks_are_filled_before_one_is_begun() -> None:
    places = packed(full(), 16 * 4 + 3, usable(full(), busy=["node0"]))
    # Rack 0 has three free nodes, the others four: the last three ranks go where least is left.
    assert np.unique(full().rack[places]).tolist() == [0, 1]
    assert int((full().rack[places] == 1).sum()) == 64


def test_blocks_are_each_in_one_container_and_best_fit() -> None:
    free = usable(full(), busy=["node0.die[0-9]"])  # node 0 has six left
    places = blocks(full(), [4, 16, 6], free, "node")
    assert np.unique(full().node[places[:4]]).tolist() == [2]
    assert np.unique(full().node[places[4:20]]).tolist() == [1]
    assert places[20:].tolist() == [10, 11, 12, 13, 14, 15]
    assert blocks(full(), [8, 8], free, "node").tolist() == list(range(16, 32))


def test_within_takes_the_tightest_container() -> None:
    free = usable(full(), busy=["node7.die1[0-5]"])  # ten left on node 7
    assert np.unique(full().node[within(full(), 9, free, "node")]).tolist() == [7]
    assert np.unique(full().node[within(full(), 11, free, "node")]).tolist() == [0]


def test_a_rail_of_the_rdma_plane_is_a_level() -> None:
    rails = containers(full(), "rdma")
    assert np.unique(rails[full().accelerators]).tolist() == list(range(8))
    places = within(full(), 96, full().accelerators, "rdma")
    assert set((places % 16 // 2).tolist()) == {0}
    with pytest.raises(PlacementError, match="97 ranks do not fit into one rdma"):
        within(full(), 97, full().accelerators, "rdma")
    # On UB the dies of a node hang on the same chips.
    np.testing.assert_array_equal(containers(full(), "ub")[:768], full().node[:768])


def test_levels_are_those_that_a_topology_has() -> None:
    assert levels(full()) == ("package", "node", "rack", "supernode", "ub", "rdma")
    assert "supernode" in levels(gb200_nvl72(144))
    assert levels(star(4))[0] == "node"
    assert packed(star(4), 3, star(4).accelerators).tolist() == [0, 1, 2]


def test_what_is_taken_out_cut_off_or_busy_is_placed_around() -> None:
    left = full().without("node0", "node1.die3")
    names = [left.vertex_names[at] for at in packed(left, 16, usable(left)).tolist()]
    assert names == [f"node2.die{die}" for die in range(16)]
    cut = full().without("node0.die0<->node0.l1.* (ub)")
    assert len(usable(cut)) == 768  # it still has the RDMA plane
    assert usable(cut, planes=["ub"]).tolist() == list(range(1, 768))
    # One way is enough to be of no use.
    assert usable(full().without("node0.die5->node0.l1.*"), planes=["ub"])[5] == 6
    assert len(usable(full(), busy=["node0", "node1.die*"])) == 768 - 32


def test_of_a_fabric_in_two_halves_the_larger_one_is_taken() -> None:
    cut = SMALL.without("node0.l1.*<->l2 (ub)")
    assert usable(cut, planes=["ub"]).tolist() == list(range(16, 64))
    up_alone = SMALL.without("l2->node0.l1.* (ub)")  # node 0 sends and hears nothing
    assert usable(up_alone, planes=["ub"]).tolist() == list(range(16, 64))


def test_endpoints_that_lost_a_link_can_be_left_out() -> None:
    hurt = full().without("node0.l1.3", "node1.die4<->node1.l1.0")
    found = usable(hurt, unhurt_of=full())
    assert found.tolist() == [16, 17, 18, 19, *range(21, 768)]


def test_a_ring_without_switches_and_servers_without_racks() -> None:
    assert usable(ring(4)).tolist() == [0, 1, 2, 3]
    servers = dgx_h800(2)
    assert servers.node[spread(servers, 4, usable(servers))].tolist() == [0, 1, 0, 1]


FREE = SMALL.accelerators


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: packed(SMALL, 65, FREE), PlacementError,
         r"65 ranks do not fit on supernode\(32\): 64 of its 64 endpoints for ranks are free"),
        (lambda: spread(SMALL, 9, FREE[:8]), PlacementError, "9 ranks .* 8 of its 64"),
        (lambda: packed(SMALL, 0, FREE), PlacementError, "ranks is 0; it has to be an integer"),
        (lambda: packed(SMALL, 1.5, FREE), PlacementError, "ranks is 1.5"),  # type: ignore[arg-type]
        (lambda: within(SMALL, 17, FREE, "node"), PlacementError,
         r"17 ranks do not fit into one node of supernode\(32\): the one with the most room has 16"
         " free endpoints, all together have 64; other levels are package, rack"),
        (lambda: blocks(SMALL, [3, 17], FREE, "node"), PlacementError, "a block of 17 ranks does"),
        (lambda: blocks(SMALL, [0], FREE, "node"), ArgumentError, r"blocks\[0\] is 0"),
        (lambda: spread(SMALL, 2, FREE, "rak"), PlacementError,
         "has no level 'rak'; it has package, node, .*; near it: rack"),
        (lambda: place(SMALL, "best", 2, FREE), PlacementError,
         "no policy 'best'; there are packed, spread, within"),
        (lambda: place(SMALL, "packed", 2, FREE, "node"), PlacementError, "packed takes no level"),
        (lambda: place(SMALL, "within", 2, FREE), PlacementError, "within needs a level; there"),
        (lambda: usable(SMALL, busy=["node9"]), TopologyError, "nothing called 'node9'; near it"),
        (lambda: usable(SMALL, busy=["*"]), PlacementError, "no endpoint of .* is free"),
        (lambda: usable(SMALL, planes=["roce"]), TopologyError, "has no plane 'roce'; it has"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()
