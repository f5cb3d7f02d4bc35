"""Routing policies: their texts, and the ways that they choose against slow versions of each."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric import Endpoint, Fabric, Step
from fabric.engines.base import EngineError
from fabric.machine import MachineSpec
from tests.support import constant_engine, slow_ways
from topology import Router, Topology, TopologyError, ring, star, supernode, system
from topology.draft import Draft
from topology.errors import ArgumentError, RouteError
from topology.faults import called
from topology.presets.full_mesh import PLANES, mesh_racks
from topology.routing.detours import walk_all_paths
from topology.routing.policies import (
    Adaptive,
    AllPath,
    EvenSpray,
    PerFlowHash,
    PerPacketHash,
    Policy,
    StaticTables,
    Weighted,
    policy_of,
)

TEXTS: dict[str, Policy] = {
    "spray": EvenSpray(), "adaptive": Adaptive(), "hash": PerFlowHash(),
    "hash:seed=7": PerFlowHash(7), "packet-hash": PerPacketHash(),
    "packet-hash:seed=3": PerPacketHash(3), "weighted": Weighted(),
    "weighted:l2.3=0.5,node0.l1.*->l2.4.1=3": Weighted(
        (("l2.3", 0.5), ("node0.l1.*->l2.4.1", 3.0))
    ),
    "all-path": AllPath(), "all-path:direct=0.25": AllPath(0.25),
    "static:a:b.toml": StaticTables("a:b.toml"),
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_policy_and_its_text_are_one(text: str) -> None:
    assert policy_of(text) == TEXTS[text]
    assert str(policy_of(text)) == text
    assert policy_of(TEXTS[text]) is TEXTS[text]
    assert MachineSpec(routing=TEXTS[text]).routing == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sprey", "'sprey'; there are spray, adaptive, hash.*static:FILE; near it: spray"),
        ("spray:x", "spray takes nothing"), ("hash:", "nothing follows"),
        ("hash:seed=x", "'seed=x' is not known; seed=N is"),
        ("hash:seed=9999999999999999999", "integer from 0 to"),
        ("packet-hash:7", "'7' is not known"), ("weighted:l2.3", "'l2.3' is no NAME=WEIGHT"),
        ("weighted:l2.3=0", "weight of l2.3 is 0"), ("weighted:l2.3=x", "'x', which is no number"),
        ("weighted:l2.3=-1", "weight of l2.3"), ("all-path:x=1", "'x=1' is not known; direct"),
        ("all-path:direct=0", "above 0"), ("all-path:direct=2", "from 0 to 1"),
        ("all-path:direct=nan", "above 0, to 1"), ("static:", "nothing follows"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(text: str, said: str) -> None:
    with pytest.raises(TopologyError, match=said):
        Router(star(2), text)


def test_values_are_checked_in_python() -> None:
    with pytest.raises(ArgumentError, match="seed of hash is -1"):
        PerFlowHash(-1)
    with pytest.raises(TopologyError, match="not 3"):
        policy_of(3)  # type: ignore[arg-type]


def load(router: Router, src: int, dst: int) -> dict[int, float]:
    """What fraction of the bytes each link carries."""
    (number,) = router.paths(np.array([src], np.int32), np.array([dst], np.int32))
    table, found = router.table, {}
    for entry in range(table.begin[number], table.begin[number + 1]):
        links = router.links(int(table.resource[entry]))
        for link in links.tolist():
            assert link not in found
            found[link] = float(table.weight[entry]) / len(links)
    return found


def test_seeds_hash_differently_and_seed_0_is_plain_hash() -> None:
    machine = supernode(16)
    src, dst = (c.ravel().astype(np.int32) for c in np.meshgrid(np.arange(16), np.arange(16, 32)))
    tables = {}
    for text in ("hash", "hash:seed=0", "hash:seed=1"):
        router = Router(machine, text, ("ub",))
        router.paths(src, dst)
        tables[text] = router.table.resource
    assert np.array_equal(tables["hash"], tables["hash:seed=0"])
    assert (tables["hash"] != tables["hash:seed=1"]).mean() > 0.5


# Weighted.


@pytest.mark.parametrize("weights", [{}, {"l2.0": 0.5, "node1.l1.0->l2.0.1": 3}, {"l2.*.0": 2}])
def test_weighted_goes_by_bandwidth_and_weight(weights: dict[str, float]) -> None:
    whole = supernode(24, l2_chips=4)
    machine = _with_bandwidth(whole.without("l2.1.3"), lambda n: 1.0 + n % 3)
    factor = np.ones(machine.n_links)
    for name, weight in weights.items():
        vertices, links = called(machine, (name,))
        factor[links | vertices[machine.link_src] | vertices[machine.link_dst]] *= weight
    router = Router(machine, Weighted(tuple(weights.items())), ("ub",))
    for src, dst in [(0, 17), (17, 40), (33, 2), (0, 5)]:
        split = slow_ways.weighted(machine, "ub", dst, factor)
        assert load(router, src, dst) == pytest.approx(slow_ways.ways(src, dst, split, machine))


def _with_bandwidth(topology: Topology, factor: Callable[[int], float]) -> Topology:
    every = np.array([factor(link) for link in range(topology.n_links)])
    return replace(topology, link_bandwidth=topology.link_bandwidth * every)


def test_weighted_is_spray_where_links_are_alike() -> None:
    machine = supernode(16)
    for src, dst in [(0, 2), (0, 17)]:
        spread = load(Router(machine, planes=("ub",)), src, dst)
        assert load(Router(machine, "weighted", ("ub",)), src, dst) == pytest.approx(spread)


def test_weights_of_what_is_not_there_are_refused() -> None:
    with pytest.raises(TopologyError, match="nothing called 'l3'"):
        Router(supernode(16), "weighted:l3=2")


# All-path.


def mesh(columns: int, rows: int = 1, link: float = 1e9) -> Topology:
    """NPUs that are a full mesh of one dimension, or two."""
    draft = Draft(PLANES[:1])
    mesh_racks(draft, 1, rows, columns, link, 1e-7)
    return draft.freeze(f"mesh({columns}x{rows})")


@pytest.mark.parametrize("direct", [None, 1.0, 0.5])
@pytest.mark.parametrize("lost", [(), ("rack0.npu0.ub<->rack0.npu1.ub",), ("rack0.npu2",)])
def test_all_path_is_what_it_says(direct: float | None, lost: tuple[str, ...]) -> None:
    machine = mesh(4, 3).without(*lost) if lost else mesh(4, 3)
    router = Router(machine, AllPath(direct))
    for src in range(machine.n_endpoints):
        for dst in range(machine.n_endpoints):
            if src != dst:
                split = slow_ways.all_path(machine, "mesh", src, dst, direct)
                expected = slow_ways.ways(src, dst, split, machine)
                assert load(router, src, dst) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_all_path_on_any_network(data: st.DataObject) -> None:
    draw = data.draw
    hosts, switches = draw(st.integers(2, 4)), draw(st.integers(3, 5))
    draft = Draft(("net",))
    ends = draft.endpoints([f"h{i}" for i in range(hosts)], "host").tolist()
    inner = draft.switches([f"s{i}" for i in range(switches)], "switch").tolist()
    full = [(0, 1, 1e9), (1, 2, 1e9), (0, 2, 2e9)]  # for all-path to be taken at all
    hangs = [0, 1, *(draw(st.integers(0, switches - 1)) for _ in ends[2:])]
    pair = st.tuples(st.sampled_from(ends + inner), st.sampled_from(ends + inner))
    more = draw(st.lists(pair, max_size=12))
    wide = st.sampled_from([1e9, 3e9])
    for a, b, bandwidth in [
        *((inner[a], inner[b], bandwidth) for a, b, bandwidth in full),
        *((inner[0], other, 1e9) for other in inner[3:]),
        *((end, inner[at], 1e9) for end, at in zip(ends, hangs, strict=True)),
        *((a, b, draw(wide)) for a, b in more if a != b),
    ]:
        draft.link(a, b, "net", bandwidth, 0)
        draft.link(b, a, "net", bandwidth, 0)
    machine = draft.freeze("any")
    direct = draw(st.sampled_from([None, 0.25]))
    router = Router(machine, AllPath(direct))
    for src in ends:
        for dst in ends:
            if src != dst:
                split = slow_ways.all_path(machine, "net", src, dst, direct)
                expected = slow_ways.ways(src, dst, split, machine)
                assert load(router, src, dst) == pytest.approx(expected)


@pytest.mark.parametrize("engine", ["flow", "packet"])
def test_a_pair_alone_has_all_links_of_its_mesh(engine: str) -> None:
    """Closed form: n - 1 ways of one link's bandwidth each; uniform traffic loads links twice."""
    n, size = 6, 30 << 20
    machine = mesh(n)
    fabric = {
        text: Fabric(machine, engine=engine, routing=text, endpoint=Endpoint("test"))
        for text in ("spray", "all-path")
    }  # fmt: skip
    alone = {text: one.simulate([Step([0], [1], size)]).duration for text, one in fabric.items()}
    assert alone["spray"] == pytest.approx(size / 1e9, rel=1e-3)
    assert alone["all-path"] == pytest.approx(size / 1e9 / (n - 1), rel=5e-3)
    src, dst = (1 - np.eye(n, dtype=int)).nonzero()
    every = {text: one.simulate([Step(src, dst, size)]).duration for text, one in fabric.items()}
    loads = (1 + 2 * (n - 2)) / (n - 1)  # of each link, in parts of a pair's bytes
    assert every["spray"] == pytest.approx(size / 1e9, rel=1e-3)
    assert every["all-path"] == pytest.approx(loads * size / 1e9, rel=2e-2)


def test_all_path_with_all_direct_is_spray_to_the_bit() -> None:
    machine = system("atlas950:128")
    src, dst = (c.astype(np.int32) for c in (1 - np.eye(128, dtype=int)).nonzero())
    tables = []
    for text in ("spray", "all-path:direct=1"):
        router = Router(machine, text)
        router.paths(src, dst)
        tables.append(router.table)
    for column, other in zip(*(vars(table).values() for table in tables), strict=True):
        assert np.array_equal(column, other)


def test_all_path_needs_a_full_mesh() -> None:
    for machine in (supernode(16), star(4), ring(5)):
        with pytest.raises(TopologyError, match=r"full mesh.*ubmesh and atlas950"):
            Router(machine, "all-path")


# Hashing each packet.


def test_packets_that_are_hashed_are_sprayed_where_there_are_none() -> None:
    machine, steps = supernode(16), [Step(np.arange(16), np.arange(16, 32), 1 << 20)]
    times = [
        Fabric(machine, routing=text, planes=("ub",)).simulate(steps).finish
        for text in ("spray", "packet-hash:seed=5")
    ]  # fmt: skip
    assert np.array_equal(*times)


def test_an_engine_that_does_not_hash_packets_says_so() -> None:
    words = "engine constant does not model the routing packet-hash"
    with constant_engine.installed(), pytest.raises(EngineError, match=words):
        Fabric(star(2), engine="constant", routing=PerPacketHash())


# Static tables.

TOML = """
plane = "ub"
otherwise = "spray"

[[routes]]
at = "node0.l1.0"
to = "node1"
next = { "l2.0.0" = 1, "l2.0.1" = 3 }
"""


def tables(folder: Path, text: str) -> StaticTables:
    path = folder / "tables.toml"
    path.write_text(text)
    return StaticTables(str(path))


def test_a_table_is_taken_where_a_row_fits(tmp_path: Path) -> None:
    machine = supernode(24, l2_chips=4)
    router = Router(machine, tables(tmp_path, TOML), ("package", "ub"))
    spread = Router(machine, planes=("package", "ub"))
    for src, dst in [(0, 1), (0, 5), (17, 3), (3, 40)]:  # not from node 0 to node 1
        assert load(router, src, dst) == pytest.approx(load(spread, src, dst))
    found, usual = load(router, 3, 17), load(spread, 3, 17)
    chip = machine.vertex("node0.l1.0")
    above = {f"l2.0.{c}": sum(part for link, part in found.items()
                              if machine.link_src[link] == chip
                              and machine.vertex_names[machine.link_dst[link]] == f"l2.0.{c}")
             for c in range(4)}  # fmt: skip
    assert above == pytest.approx({"l2.0.0": 1 / 28, "l2.0.1": 3 / 28, "l2.0.2": 0, "l2.0.3": 0})
    same = [link for link in usual if ".0" not in machine.link_name(link).replace("node0", "")]
    assert {k: found[k] for k in same} == pytest.approx({k: usual[k] for k in same})


@pytest.mark.parametrize("engine", ["flow", "packet"])
def test_tables_of_a_whole_network_are_followed(tmp_path: Path, engine: str) -> None:
    """Everything goes one way round a ring; JSON."""
    rows = [{"at": "host*", "next": ["router*"]}]
    rows += [{"at": f"router{k}", "next": [f"router{(k + 1) % 4}"]} for k in range(4)]
    rows += [{"at": f"router{k}", "to": f"host{k}", "next": [f"host{k}"]} for k in range(4)]
    path = tmp_path / "tables.json"
    path.write_text(str({"routes": rows}).replace("'", '"'))
    machine = ring(4)
    router = Router(machine, StaticTables(str(path)))
    for src in range(4):
        for dst in range(4):
            steps = [f"router{(src + k) % 4}" for k in range((dst - src) % 4 + 1)]
            names = [f"host{src}", *steps, f"host{dst}"] if src != dst else []
            hops = [f"{a}->{b} (net)" for a, b in pairwise(names)]
            found = load(router, src, dst)
            assert sorted(map(machine.link_name, found)) == sorted(hops)
            assert set(found.values()) <= {1.0}
    fabric = Fabric(machine, engine=engine, routing=f"static:{path}", endpoint=Endpoint("test"))
    assert fabric.simulate([Step([0], [3], 1 << 20)]).link_bytes.sum() == 5 << 20


HOSTS = '[[routes]]\nat = "host*"\nnext = ["router*"]\n'
BAD = [
    ("[[routes]\n", TopologyError, "not TOML: line 1"),
    ("x = 1\n", TopologyError, "unknown key 'x'"), ("routes = []\n", TopologyError, "no rows"),
    ('otherwise = "ecmp"\n' + HOSTS, TopologyError, "otherwise is 'ecmp'"),
    ('plane = "ub"\n' + HOSTS, TopologyError, "plane 'ub' is not used here; net are"),
    ('[[routes]]\nat = 3\nnext = ["host1"]\n', TopologyError, "line 1.*at is 3"),
    ('[[routes]]\nat = "host0"\nnext = {}\n', TopologyError, "line 1.*next is"),
    ('[[routes]]\nat = "host0"\nnext = { router0 = 0 }\n', TopologyError, "weight of router0 is 0"),
    (HOSTS + '[[routes]]\nat = "rooter1"\nnext = ["router2"]\n', TopologyError,
     "line 4.*'rooter1'; near it: router1"),
    (HOSTS + '[[routes]]\nat = "router1"\nnext = ["router3"]\n', TopologyError,
     "line 4.*router3 is no neighbour of router1; its are host1, router0, router2"),
    (HOSTS, RouteError, "no row says how router1 sends to host0"),
    (HOSTS + '[[routes]]\nat = "router*"\nnext = ["host*"]\n', RouteError,
     "line 4.*what router1 sends to host0 ends there"),
    ('otherwise = "spray"\n[[routes]]\nat = "router1"\nto = "host0"\nnext = ["router2"]\n'
     '[[routes]]\nat = "router2"\nto = "host0"\nnext = ["router1"]\n', RouteError,
     "line [26].*router[12] sends to host0 comes round to it again: a loop"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "error", "said"), BAD, ids=[said for *_, said in BAD])
def test_tables_that_cannot_be_are_refused(
    tmp_path: Path, text: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=f"tables.toml.*{said}"):
        Router(ring(4), tables(tmp_path, text))


def test_a_plane_has_to_be_named_where_there_are_several(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"plane is missing; supernode.16. uses package, ub"):
        Router(supernode(16), tables(tmp_path, TOML.replace('plane = "ub"', "")))
    with pytest.raises(TopologyError, match=r"none\.toml"):
        Router(star(2), f"static:{tmp_path}/none.toml")


def test_hops_that_were_taken_out_are_passed_over(tmp_path: Path) -> None:
    hurt = supernode(24, l2_chips=4).without("l2.0.0")
    found = load(Router(hurt, tables(tmp_path, TOML), ("ub",)), 3, 17)
    chip = hurt.vertex("l2.0.1")
    assert sum(v for k, v in found.items() if hurt.link_dst[k] == chip) == pytest.approx(1 / 7)
    with pytest.raises(RouteError, match=r"line 5.*node0.l1.0 sends to node1.die0 ends there"):
        Router(hurt.without("l2.0.1"), tables(tmp_path, TOML), ("ub",))


def test_detours_by_groups_are_those_of_each_pair() -> None:
    """NPUs of a rack hang alike on its backplanes: detours between racks are found once."""
    machine, rng = system("ubmesh:1024"), np.random.default_rng(1)
    src, dst = rng.permutation(1024).astype(np.int32).reshape(2, -1)
    for plane, find in Router(machine, "all-path")._planes:
        expected = walk_all_paths(src, dst, plane, machine.n_endpoints, -1.0)
        for column, other in zip(find(src, dst), expected, strict=True):
            assert np.array_equal(column, other)


# How uneven it is.


def test_an_even_spray_has_no_imbalance_and_others_say_theirs() -> None:
    machine, rows = supernode(16), Step(np.arange(16), np.arange(16, 32), 1 << 20)
    found = {
        text: Fabric(machine, routing=text, planes=("ub",)).simulate([rows]).link_imbalance
        for text in (
            "spray",
            "packet-hash",
            "adaptive",
            "weighted",
            "hash",
            "weighted:node*.l1.3=2",
        )
    }
    assert found["spray"] is found["packet-hash"] is None
    assert found["adaptive"] == pytest.approx(1)
    assert found["weighted"] == pytest.approx(1)
    assert found["weighted:node*.l1.3=2"] == pytest.approx(7 * 2 / 8)  # of a die's seven links
    # One of a die's seven links has all of its bytes; others may be fuller, none beside it is.
    assert found["hash"] >= 7
    assert Fabric(machine, routing="hash").simulate([]).link_imbalance == 1.0
