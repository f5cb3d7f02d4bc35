"""Files for schedulers and launchers: their readers' rules hold, and nothing is lost in them."""

import json
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from tests.support.crd_rules import (
    HYPERNODE,
    TOPOLOGY,
    broken,
    broken_levels,
    broken_selectors,
)
from topology import Topology, cloudmatrix384, dgx_h800, gb200_nvl72, rank_table, star, supernode
from topology.errors import PlacementError, TopologyError
from topology.formats.rank_files import hccl, host_list, open_mpi, sp_block
from topology.formats.schedulers import HostNames, hierarchy, hypernodes, kueue, slurm
from topology.formats.yaml_text import yaml_text
from topology.placement.rank_cost import as_json, rank_costs
from topology.routing.router import Router
from topology.units import GB, NS

yaml = pytest.importorskip("yaml", reason="PyYAML is a development dependency")

HOSTS = HostNames()
FULL = cloudmatrix384()
MACHINES = [FULL, FULL.without("node5", "node6.die1"), gb200_nvl72(144), dgx_h800(3), star(4),
            supernode(16)]  # fmt: skip

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["yes", "Null", "1e3", "0o7", "1_0", "12:30", "a: b", "- a", "#", "~", "=",
                     1e16, -1e-7, 1e300, "2026-11-26", "\x85",
                     "\u2028", "\ufeff", "'", '"', "node[0-3]", " a", ""]),
)  # fmt: skip


KEYS = st.text(max_size=12)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner,
                                                                             max_size=3),
        max_leaves=8,
    )
)  # fmt: skip
def test_yaml_reads_as_what_was_written(value: Any) -> None:
    read = yaml.safe_load(yaml_text(value))
    assert read == value
    assert repr(read) == repr(value) or isinstance(value, float | list | dict)


def test_several_documents_of_yaml() -> None:
    assert list(yaml.safe_load_all(yaml_text({"a": 1}, {"b": [2]}))) == [{"a": 1}, {"b": [2]}]
    with pytest.raises(TypeError, match="YAML of a set"):
        yaml_text({1})


def expanded(names: str) -> list[str]:
    """The hosts of a list as Slurm reads it, of those that are written here."""
    if "[" not in names:
        return [names]
    before, inside = names.removesuffix("]").split("[")
    ends = [list(map(int, part.split("-"))) for part in inside.split(",")]
    return [f"{before}{number}" for a, *b in ends for number in range(a, (b or [a])[0] + 1)]


def nodes_of(machine: Topology) -> set[str]:
    return {f"node{node}" for node in machine.node[machine.accelerators].tolist()}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_slurm_has_every_node_once_under_one_root(machine: Topology) -> None:
    tree, *others = yaml.safe_load(slurm(machine, HOSTS))
    assert [*tree] == ["topology", "cluster_default", "tree"]
    switches = {one["switch"]: one for one in tree["tree"]["switches"]}
    leaves = [
        host for one in switches.values() if "nodes" in one for host in expanded(one["nodes"])
    ]
    assert len(leaves) == len(set(leaves))
    assert set(leaves) == nodes_of(machine)
    children = [
        name for one in switches.values() if "children" in one for name in expanded(one["children"])
    ]
    assert len(children) == len(set(children)) == len(switches) - 1
    assert set(children) < set(switches)
    for block in others:
        assert [*block["block"]] == ["block_sizes", "blocks"]
        hosts = [len(expanded(one["nodes"])) for one in block["block"]["blocks"]]
        assert sum(hosts) == len(leaves)
        assert block["block"]["block_sizes"] == [min(hosts)]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_kueue_takes_the_topology(machine: Topology) -> None:
    text = kueue(machine, HOSTS)
    resource = yaml.safe_load(text)
    assert broken(resource, TOPOLOGY) + broken_levels(resource) == []
    labels = {line.split()[4] for line in text.splitlines() if line.startswith("# kubectl")}
    levels = [level["nodeLabel"] for level in resource["spec"]["levels"]]
    assert labels == (nodes_of(machine) if len(levels) > 1 else set())
    assert all(f" {level}=" in text for level in levels[:-1])


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_volcano_takes_the_hypernodes(machine: Topology) -> None:
    resources = list(yaml.safe_load_all(hypernodes(machine, HOSTS)))
    for resource in resources:
        assert broken(resource, HYPERNODE) + broken_selectors(resource) == []
    tier = {one["metadata"]["name"]: one["spec"]["tier"] for one in resources}
    assert len(tier) == len(resources)
    below = {"Node": list[str](), "HyperNode": list[str]()}
    for one in resources:
        for member in one["spec"]["members"]:
            name = member["selector"]["exactMatch"]["name"]
            below[member["type"]].append(name)
            assert member["type"] == "Node" or tier[name] == one["spec"]["tier"] - 1
    assert sorted(below["Node"]) == sorted(nodes_of(machine))
    assert sorted([*below["HyperNode"], resources[-1]["metadata"]["name"]]) == sorted(tier)


def test_the_rules_of_resources_catch_what_breaks_them() -> None:
    good = yaml.safe_load(kueue(FULL, HOSTS))
    levels = good["spec"]["levels"]
    assert [level["nodeLabel"] for level in levels] == [
        "triplane.dev/supernode", "triplane.dev/rack", "kubernetes.io/hostname",
    ]  # fmt: skip
    assert broken_levels({"spec": {"levels": [*levels, levels[0]]}}) != []
    assert broken({**good, "spec": {"levels": [{"nodeLabel": "-"}]}}, TOPOLOGY) != []
    assert broken({**good, "spec": {"levels": []}}, TOPOLOGY) != []
    assert broken({**good, "more": 1}, TOPOLOGY) == [".more is unknown"]
    assert broken({**good, "kind": "Topologie"}, TOPOLOGY) != []
    node = next(yaml.safe_load_all(hypernodes(FULL, HOSTS)))
    assert broken({**node, "spec": {"tier": -1}}, HYPERNODE) != []
    assert broken({**node, "spec": {"members": []}}, HYPERNODE) != []
    assert broken_selectors({"spec": {"members": [{"type": "Node"}]}}) != []


def test_racks_that_are_supernodes_are_one_level() -> None:
    assert [*hierarchy(gb200_nvl72(144)).levels] == ["supernode"]
    assert [*hierarchy(FULL).levels] == ["rack", "supernode"]


def test_rank_files_name_host_and_device_of_each_rank() -> None:
    places = np.array([16, 3, 19], np.int32)
    assert open_mpi(FULL, places, HostNames("cn{}.x")) == (
        "rank 0=cn1.x slot=0\nrank 1=cn0.x slot=3\nrank 2=cn1.x slot=3\n"
    )
    assert host_list(FULL, places, HOSTS) == "node1\nnode0\nnode1\n"


@pytest.mark.parametrize("machine", [FULL, dgx_h800(3), gb200_nvl72(144)], ids=lambda m: m.name)
def test_a_rank_table_is_read_as_the_same_placement(machine: Topology) -> None:
    ends = machine.accelerators
    places = np.random.default_rng(0).permutation(ends)[: len(ends) // 2].astype(np.int32)
    table = rank_table(json.loads(hccl(machine, places, HOSTS)))
    nodes = {f"node{node}": node for node in machine.node[ends].tolist()}
    np.testing.assert_array_equal(table.placement(machine, nodes), places)
    assert bool(table.super_pods) == bool((machine.supernode[ends] >= 0).all())


def test_an_annotation_is_of_blocks_of_one_size() -> None:
    found = yaml.safe_load(sp_block(FULL, [128, 128]))
    assert found == {"metadata": {"annotations": {"sp-block": "128"}}}
    with pytest.raises(PlacementError, match="blocks of 16 to 32 ranks; sp-block is one size"):
        sp_block(FULL, [32, 16])
    with pytest.raises(PlacementError, match=r"24 ranks is no number of whole nodes .* have 16"):
        sp_block(FULL, [24])


def test_costs_are_latency_and_the_narrowest_link() -> None:
    places = np.array([0, 1, 2, 16], np.int32)
    costs = rank_costs(Router(FULL), places, 7680)
    package = 200 * NS + 7680 / (270 * GB)
    near, far = 187.5 * NS + 7680 / (196 * GB), 3 * 187.5 * NS + 7680 / (196 * GB)
    wanted = [[0, package, near, far], [package, 0, near, far], [near, near, 0, far],
              [far, far, far, 0]]  # fmt: skip
    np.testing.assert_allclose(costs, wanted)
    matrix = json.loads(as_json(costs))["rank_cost_matrix"]  # as SGLang's loader checks it
    np.testing.assert_allclose(np.array(matrix) * 1e-6, wanted, atol=1e-12)
    assert np.diag(matrix).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: HostNames("node"), "hosts are called 'node'; it has to be a name"),
        (lambda: HostNames("{}{}"), "it has to be a name of small letters"),
        (lambda: HostNames("Node{}"), "hosts are called 'Node{}'"),
        (lambda: HostNames("a" * 250 + "{}"), "it has to be a name"),
        (lambda: rank_costs(Router(star(2)), np.zeros(0, np.int32)), "the costs of 0 ranks; 1 to"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_named(call: Any, words: str) -> None:
    with pytest.raises((TopologyError, PlacementError), match=words):
        call()


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["topo", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_commands_write_the_same_files() -> None:
    assert run("export", "supernode:16", "--format", "slurm") == slurm(supernode(16), HOSTS)
    text = run("export", "supernode:16", "--format", "hypernode", "--hosts", "cn{}")
    assert text == hypernodes(supernode(16), HostNames("cn{}"))
    common = ("place", "supernode:16", "--blocks", "2x2", "--level", "node", "--without", "node0")
    assert run(*common, "--format", "hosts") == "node1\n" * 4
    assert run(*common, "--format", "openmpi").endswith("rank 3=node1 slot=3\n")
    assert "sp-block" in run(*common, "--format", "sp-block")
    assert len(json.loads(run(*common, "--format", "rank-cost"))["rank_cost_matrix"]) == 4
    assert json.loads(run(*common, "--format", "hccl"))["server_count"] == "1"
    result = CliRunner().invoke(main, ["topo", "export", "star:2", "--hosts", "x"])
    assert result.exit_code == 2
    assert "hosts are called 'x'" in result.output
