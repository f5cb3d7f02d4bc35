from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topology import (
    Topology,
    TopologyError,
    cloudmatrix384,
    fat_tree,
    non_blocking,
    star,
    supernode,
)
from topology.units import GB

FULL = cloudmatrix384()


@cache
def small(which: str) -> Topology:
    return {"star": star(4), "tree": fat_tree(4), "supernode": supernode(16)}[which]


def names_of_links(topology: Topology) -> list[str]:
    return [topology.link_name(link) for link in range(topology.n_links)]


def test_without_leaves_the_original_alone() -> None:
    before = FULL.n_links
    less = FULL.without("l2.3.4")
    assert FULL.n_links == before
    assert FULL.removed == ()
    assert less.removed == ("l2.3.4",)
    assert less.name == FULL.name


def test_without_nothing_is_the_same() -> None:
    assert FULL.without().equals(FULL)


def test_a_chip_takes_its_links_with_it() -> None:
    less = FULL.without("l2.3.4")
    assert FULL.n_vertices - less.n_vertices == 1
    assert FULL.n_links - less.n_links == 2 * 48
    assert "l2.3.4" not in less.index
    assert non_blocking(less, "ub").guaranteed == pytest.approx(15 / 16)


def test_a_die_takes_its_links_with_it() -> None:
    less = FULL.without("node3.die11")
    assert len(less.accelerators) == 767
    assert FULL.n_links - less.n_links == 2 * (7 + 1 + 1)  # UB, package, RDMA
    assert less.vertex_names[16 * 3 + 11] == "node3.die12"


def test_a_node_goes_as_a_whole_and_others_keep_their_number() -> None:
    less = FULL.without("node3")
    assert FULL.n_vertices - less.n_vertices == 16 + 4 + 7 + 1
    assert not any(name.startswith("node3.") for name in less.vertex_names)
    assert sorted(set(less.node)) == [-1, *range(3), *range(4, 48)]
    assert less.package[less.vertex("node4.die0")] == 4 * 8
    # A whole node less, and the rest is as non-blocking as before.
    assert non_blocking(less, "ub").non_blocking


def test_node3_is_not_node30() -> None:
    assert "node30.die0" in FULL.without("node3").index
    assert "l2.3.10" in FULL.without("l2.3.1").index


@pytest.mark.parametrize(
    ("pattern", "vertices"),
    [("l2.3.*", 16), ("l2.3", 16), ("l2", 112), ("node?.cpu*", 40), ("*.qingtian", 48),
     ("node[01].die*", 32), ("rdma", 11)],
)  # fmt: skip
def test_patterns_and_groups(pattern: str, vertices: int) -> None:
    assert FULL.n_vertices - FULL.without(pattern).n_vertices == vertices


@pytest.mark.parametrize(
    ("link", "links"),
    [
        ("node0.l1.3->l2.3.4", 1),
        ("node0.l1.3<->l2.3.4", 2),
        ("l2.3.4 <-> node0.l1.3", 2),
        ("node0.l1.3->l2.3.4 (ub)", 1),
        ("node0.die0<->node0.die1", 2),
        ("node0.l1.3->l2.3.*", 16),
        ("node*.l1.3<->l2.3.4", 96),
        ("node0<->l2.3", 32),
        ("rdma.leaf0->rdma.spine1", 16),
    ],
)
def test_links_one_way_and_both(link: str, links: int) -> None:
    less = FULL.without(link)
    assert less.n_vertices == FULL.n_vertices
    assert FULL.n_links - less.n_links == links


def test_a_plane_narrows_a_link() -> None:
    with pytest.raises(TopologyError, match="no link"):
        FULL.without("node0.die0->node0.die1 (ub)")
    with pytest.raises(TopologyError, match="no plane 'bu'"):
        FULL.without("node0.die0->node0.die1 (bu)")


def test_faults_add_up() -> None:
    both = FULL.without("l2.3.4", "node7.l1.2")
    apart = FULL.without("l2.3.4").without("node7.l1.2")
    assert both.equals(apart)
    assert both.removed == ("l2.3.4", "node7.l1.2")


def test_overlapping_names_are_no_error() -> None:
    assert FULL.without("node3", "node3.die1", "node3.l1.*<->l2").n_endpoints == 940


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("node3.dye11", r"'node3.dye11'.*near it.*node3\.die11"),
        ("nod3", r"near it: .*node3"),
        ("node48", "nothing called 'node48'.*node4"),
        ("l2.9.*", r"nothing called 'l2.9.\*'"),
        ("", "nothing called ''"),
        ("node0.die0->l2.0.0", r"no link node0.die0->l2.0.0; there are node0.die0->"),
        ("nowhere->l2.0.0", "nothing called 'nowhere'"),
        ("l2.0.0->", "nothing called"),
    ],
)
def test_an_unknown_name_is_refused_with_those_near_it(name: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        FULL.without("node5", name)


def test_what_is_gone_cannot_go_again() -> None:
    with pytest.raises(TopologyError, match="it has been taken out"):
        FULL.without("l2.3.4").without("l2.3.4")


def test_some_endpoint_must_be_left() -> None:
    with pytest.raises(TopologyError, match="no endpoint is left"):
        star(3).without("host*")
    assert star(3).without("host0", "host1", "switch").n_links == 0


def test_a_link_less_is_bandwidth_less() -> None:
    less = FULL.without("node0.l1.3<->l2.3.4")
    report = non_blocking(less, "ub")
    assert report.worst == "node0.l1.3"
    assert report.oversubscription == pytest.approx(16 / 15)
    assert report.uplink_bandwidth == (48 * 3136 - 28) * GB


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_faults_leave_a_sound_topology(data: st.DataObject) -> None:
    whole = small(data.draw(st.sampled_from(["star", "tree", "supernode"])))
    pool = [*whole.vertex_names[1:], *names_of_links(whole)]
    names = data.draw(st.lists(st.sampled_from(pool), max_size=6))
    less = whole.without(*names)
    gone = set(names)
    kept = [name for name in whole.vertex_names if name not in gone]
    assert list(less.vertex_names) == kept
    expected = [
        name
        for link, name in enumerate(names_of_links(whole))
        if name not in gone
        and whole.vertex_names[whole.link_src[link]] not in gone
        and whole.vertex_names[whole.link_dst[link]] not in gone
    ]
    assert names_of_links(less) == expected
    assert np.isin(less.node, whole.node).all()
    assert less.removed == tuple(names)
