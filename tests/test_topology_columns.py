"""What vertices sit in, how far apart they are, and ids that faults do not change."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from bench.view.topology_payload import shown
from fabric import Fabric, Step
from topology import (
    NOWHERE,
    Topology,
    TopologyError,
    cloudmatrix384,
    cluster,
    dgx_h800,
    from_networkx,
    from_toml,
    star,
    supernode,
    to_networkx,
    to_toml,
)
from topology.graph import ABILITIES, LEVELS, abilities


def named(topology: Topology, *names: str) -> list[int]:
    return [topology.vertex(name) for name in names]


@pytest.mark.parametrize(
    ("topology", "ends", "level"),
    [(cloudmatrix384(), ("node0.die0", "node0.die1"), "package"),
     (cloudmatrix384(), ("node0.die0", "node0.die2"), "node"),
     (cloudmatrix384(), ("node0.die0", "node0.cpu1"), "node"),
     (cloudmatrix384(), ("node0.die0", "node47.die0"), "supernode"),
     (cloudmatrix384(), ("node0.l1.3", "l2.3.1"), "supernode"),
     (cloudmatrix384(), ("node0.die0", "rdma.leaf0"), "beyond"),
     (dgx_h800(2), ("node0.gpu0", "node0.gpu1"), "node"),
     (dgx_h800(2), ("node0.gpu0", "node1.gpu0"), "beyond"),
     (star(2), ("switch", "switch"), "beyond")],
)  # fmt: skip
def test_a_level_says_how_far_apart(topology: Topology, ends: tuple[str, str], level: str) -> None:
    a, b = named(topology, *ends)
    assert LEVELS[topology.level(a, b)] == LEVELS[topology.level(b, a)] == level


def test_levels_of_arrays_are_broadcast() -> None:
    whole = supernode(16)
    dies = np.arange(32)
    found = whole.level(dies[:, None], dies)
    assert found.dtype == np.int8
    assert np.bincount(found.ravel()).tolist() == [32 * 2, 32 * 14, 32 * 16]


def test_nodes_stand_in_racks_of_four() -> None:
    whole = cloudmatrix384()
    inside = whole.node != NOWHERE
    assert (whole.rack[inside] == whole.node[inside] // 4).all()
    assert (whole.rack[~inside] == NOWHERE).all()
    assert (dgx_h800(2).rack == NOWHERE).all()


@pytest.mark.parametrize(
    ("topology", "planes"),
    [(cloudmatrix384(), ()), (dgx_h800(2), ("nvlink",)), (dgx_h800(1), ("nvlink",)), (star(3), ()),
     (cluster(2, fabric="glass"), ("glass",)),
     (cluster(2, fabric="a b").without("rdma.*"), ("a b",))],
)  # fmt: skip
def test_planes_that_stay_in_nodes(topology: Topology, planes: tuple[str, ...]) -> None:
    assert topology.node_planes == planes


def test_the_width_of_a_node_counts_those_given() -> None:
    whole = dgx_h800(2)
    assert whole.node_width(whole.accelerators) == 8
    assert whole.node_width([3, 4, 9]) == 2
    assert whole.node_width(named(whole, "rdma.leaf0", "rdma.leaf1")) == 1
    assert whole.without("node0.gpu7").node_width(np.arange(7)) == 7


def test_faults_keep_ids_and_what_vertices_sit_in() -> None:
    whole = supernode(32)
    left = whole.without("node1.die3", "l2.2.0").without("node0.l1.1->l2.1.0")
    assert left.n_links < whole.n_links
    for one, two in ((left.link_id, left.link_src), (left.link_id, left.link_dst)):
        ends = whole.link_src if two is left.link_src else whole.link_dst
        assert (whole.vertex_id[ends[one]] == left.vertex_id[two]).all()
    assert [whole.vertex_names[i] for i in left.vertex_id] == list(left.vertex_names)
    for column in ("rack", "supernode", "node", "package"):
        assert (getattr(whole, column)[left.vertex_id] == getattr(left, column)).all()
    assert left.link_id.dtype == left.vertex_id.dtype == np.int64
    for again in (from_toml(to_toml(left)), from_networkx(to_networkx(left)),
                  pickle.loads(pickle.dumps(left))):  # fmt: skip
        assert again.equals(left)
        assert not again.equals(supernode(32))


def test_answers_of_machines_with_faults_lie_over_the_whole() -> None:
    whole = supernode(16)
    step = Step([0], [20], 1 << 20)
    healthy = Fabric(whole).simulate([step])
    left = Fabric(whole.without("l2.2.*", "node0.die1")).simulate([step])
    carried = np.zeros(whole.n_links)
    carried[left.link_id] = left.link_bytes
    first = whole.link_src == 0
    ub = first & (whole.link_plane == whole.plane("ub"))
    assert (healthy.link_bytes[ub] > 0).sum() == 7
    assert (carried[ub] > 0).sum() == 6
    assert carried[ub].sum() == pytest.approx(1 << 20)


def test_the_page_finds_what_is_left_by_its_ids() -> None:
    made = supernode(8)
    whole = replace(
        made, vertex_id=7 + 3 * np.arange(made.n_vertices), link_id=5 + 2 * np.arange(made.n_links)
    )
    left = whole.without("node0.die1")
    view = shown(left, whole)
    assert [whole.vertex_names[row] for row in view.vertices] == list(left.vertex_names)
    assert (whole.link_id[view.links] == left.link_id).all()


def test_a_pickle_from_before_these_columns_is_read() -> None:
    made = star(3)
    state = {
        name: value for name, value in made.__dict__.items()
        if name not in ("rack", "supernode", "vertex_id", "link_id", "in_switch", "provenance")
    }  # fmt: skip
    old = Topology.__new__(Topology)
    old.__setstate__(state)
    assert old.equals(made)


def test_switches_say_what_they_can_do_with_data() -> None:
    made = dgx_h800(2, rdma="ib")
    assert abilities(int(made.in_switch[made.vertex("node0.nvswitch")])) == ABILITIES
    assert (made.in_switch[made.of_kind("nvswitch", "rdma-leaf", "rdma-spine")] == 3).all()
    assert not made.in_switch[made.accelerators].any()
    ethernet = dgx_h800(2)
    assert not ethernet.in_switch[ethernet.of_kind("rdma-leaf", "rdma-spine")].any()
    assert not cloudmatrix384().in_switch.any()  # nothing is published of UB's switches
    left = made.without("node0")
    assert left.in_switch[left.vertex("node1.nvswitch")] == 3


@pytest.mark.parametrize(
    ("able", "message"),
    [([1, 0, 0], "in_switch of host0 is 1"), ([0, 0, 4], "in_switch of switch is 4")],
)
def test_abilities_that_cannot_be_are_refused(able: list[int], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        replace(star(2), in_switch=np.array(able))
    text = to_toml(star(2)) + '\n[[switches]]\nkind = "s"\nnames = "s"\nin_switch = "reduces"\n'
    with pytest.raises(TopologyError, match=r"in_switch has 'reduces'.*near it: reduce"):
        from_toml(text)


@pytest.mark.parametrize(
    ("lines", "message"),
    [("link_ids = [[0, 3]]", "link_ids are 3 for 4 rows"),
     ("vertex_ids = [[0, 1], [0, 2]]", "vertex_id in row 1 is 0; ids go up"),
     ("link_ids = [[0, 4, 1]]", "link_ids is .*first, how many"),
     ("link_ids = [[-1, 4]]", "link_ids is "),
     ("vertex_ids = 3", "vertex_ids is 3")],
)  # fmt: skip
def test_ids_that_cannot_be_are_refused(lines: str, message: str) -> None:
    text = to_toml(star(2))
    with pytest.raises(TopologyError, match=message):
        from_toml(lines + "\n" + text)


def test_a_graph_with_an_id_that_is_none_is_refused() -> None:
    graph = to_networkx(star(2))
    graph.nodes["host0"]["vertex"] = "first"
    with pytest.raises(TopologyError, match="vertex of host0 is 'first'"):
        from_networkx(graph)
