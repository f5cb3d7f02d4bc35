"""Schedulers' topologies in: what is written is read again, and examples of their manuals are."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric import Fabric, Step
from tests.support.commands import refused, run
from topology import Topology, cloudmatrix384, dgx_h800, gb200_nvl72, load, star, supernode, system
from topology.errors import TopologyError
from topology.formats.scheduler_trees import HOP, PORT, hosts_of, scheduler_tree
from topology.formats.schedulers import HostNames, hierarchy, hypernodes, slurm

pytest.importorskip("yaml", reason="PyYAML is a development dependency")

FULL = cloudmatrix384()
MACHINES = [FULL, FULL.without("node5", "node6.die1"), gb200_nvl72(144), dgx_h800(3), star(4),
            supernode(16), system("cloudmatrix384-cluster:2")]  # fmt: skip

CONF = """
# Switch Configuration
SwitchName=s0 Nodes=tux[0-3] LinkSpeed=900
SwitchName=s1 Nodes=tux[4-7]
SwitchName=s2 Nodes=tux[8-11]    # a remark
SwitchName=s3 \\
  Nodes=tux[12-15]
switchname=s4 switches=s[0-3]
"""
"""As in Slurm's guide of topologies, with a line that goes on, and a speed, which is not heeded
there either."""

DOCUMENT = """
apiVersion: topology.volcano.sh/v1alpha1
kind: HyperNode
metadata:
  name: s0
spec:
  tier: 1
  members:
  - type: Node
    selector:
      exactMatch:
        name: "node-0"
"""


def read(folder: Path, name: str, text: str, devices: int = 2) -> Topology:
    (folder / name).write_text(text, "utf-8")
    return scheduler_tree(folder / name, devices)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
@pytest.mark.parametrize("write", [slurm, hypernodes])
@pytest.mark.parametrize("pattern", ["node{}", "cn{}.cluster2"])
def test_what_we_write_is_read_again(
    tmp_path: Path, machine: Topology, write: "type[slurm]", pattern: str
) -> None:
    hosts = HostNames(pattern)
    again = read(tmp_path, "t.yaml", write(machine, hosts))
    assert hierarchy(again) == hierarchy(machine)
    assert write(again, hosts) == write(machine, hosts)


def test_the_example_of_slurm_s_guide(tmp_path: Path) -> None:
    found = read(tmp_path, "topology.conf", CONF)
    assert found.n_endpoints == 32
    assert [found.vertex_names[at] for at in (0, 1, 31)] == [
        "tux0.device0", "tux0.device1", "tux15.device1",
    ]  # fmt: skip
    assert found.node[:32].tolist() == np.repeat(range(16), 2).tolist()
    assert found.rack[:32].tolist() == np.repeat(range(4), 8).tolist()
    fabric = Fabric(found)
    far = fabric.simulate([Step([0, 1], [31, 30], 10**6)])  # three switches, nothing is shared
    assert far.duration == pytest.approx(3 * HOP + 1e6 / PORT)
    everyone = np.arange(16)
    cross = fabric.simulate([Step(everyone, everyone + 16, 10**6)])
    assert cross.duration == pytest.approx(3 * HOP + 1e6 / PORT), "what is above is as wide"


def test_trees_of_three_levels_are_racks_and_supernodes(tmp_path: Path) -> None:
    lines = [f"SwitchName=l{k} Nodes=h[{2 * k}-{2 * k + 1}]" for k in range(8)]
    lines += ["SwitchName=m0 Switches=l[0-3]", "SwitchName=m1 Switches=l[4-7]"]
    for top in (["SwitchName=top Switches=m[0-1]"], []):  # a switch that is not named is above both
        found = read(tmp_path, "topology.conf", "\n".join([*lines, *top]), 1)
        assert found.rack[:16].tolist() == np.repeat(range(8), 2).tolist()
        assert found.supernode[:16].tolist() == np.repeat(range(2), 8).tolist()
        assert Fabric(found).simulate([Step(0, 15, 0)]).duration == pytest.approx(5 * HOP)


def test_blocks_are_read_where_there_is_no_tree(tmp_path: Path) -> None:
    conf = "BlockName=b1 Nodes=n[01-02]\nBlockName=b2 Nodes=n[03-04]\nBlockSizes=2\n"
    text = "- topology: t\n  block:\n    block_sizes: [2]\n    blocks:\n"
    text += "    - {block: b1, nodes: 'n[01-02]'}\n    - {block: b2, nodes: 'n[03-04]'}\n"
    for found in (read(tmp_path, "a.conf", conf), read(tmp_path, "b.yaml", text)):
        assert found.n_endpoints == 8
        assert found.rack[:8].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
        assert found.node[:8].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


def test_the_command_writes_a_system_for_other_commands(tmp_path: Path) -> None:
    (tmp_path / "topology.conf").write_text(CONF, "utf-8")
    out = tmp_path / "cluster.toml"
    line = ["topo", "import", str(tmp_path / "topology.conf"), "--output", str(out)]
    run(*line, "--devices", "4", "--port-bandwidth", "25 GB/s", "--hop", "1 us")
    found = load(out)
    assert found.n_endpoints == 64
    assert found.link_bandwidth.min() == 25e9
    costs = run("topo", "cost-matrix", str(out), "--format", "csv").splitlines()
    assert [row.split(",")[1:4] for row in costs[1:]] == [
        ["node", "192", "1.0"], ["beyond", "3840", "1.0"],
    ]  # fmt: skip
    assert "--devices is not of a file like topo.json" in refused(
        "topo", "import", "topo.json", "--devices", "4"
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.conf", "SwitchName=s0 Nodes=n[3-1]", "'3-1' in 'n[3-1]' is no number or range"),
        ("a.conf", "SwitchName=s0 Nodes=n[0-99999999]", "is no number or range of them"),
        ("a.conf", "SwitchName=s0 Nodes=a[0-999]b[0-999]", "has more than 131072 hosts"),
        ("a.conf", "SwitchName=s0 Nodes=n[1-2", "is no list of hosts"),
        ("a.conf", "SwitchName=s0", "line 1: a name (switchname) is needed, and either"),
        ("a.conf", "SwitchName=s0 Switches=s1", "s0 has 's1' below it, which is not there"),
        ("a.conf", "SwitchName=s0 Switches=s1\nSwitchName=s1 Switches=s0\nSwitchName=s2 Nodes=n1",
         "these are below themselves: s0, s1"),
        ("a.conf", "SwitchName=s0 Nodes=n1\nSwitchName=s0 Nodes=n2", "'s0' is there twice"),
        ("a.conf", "SwitchName=s0 Nodes=n1\nSwitchName=s1 Nodes=n1", "'n1' is below s0 and s1"),
        ("a.conf", "SwitchName=s0 Nodes=n1,n1", "host 'n1' is below s0 and s0"),
        ("a.conf", "Nodes=n1", "line 1: 'Nodes=n1' has no SwitchName or BlockName"),
        ("a.conf", "# nothing", "it has no hosts"),
        ("a.yaml", "a: [", "it is no YAML"),
        ("a.yaml", "a: 1", "it is neither a topology.yaml of Slurm, a list, nor HyperNodes"),
        ("a.yaml", "- topology: t\n  flat: true", "no tree with switches, and no block"),
        ("a.yaml", DOCUMENT.replace("exactMatch", "regexMatch").replace("name: \"", "pattern: \""),
         "only the cluster knows what patterns and labels match"),
        ("a.yaml", DOCUMENT.replace("type: Node", "type: Pod"), "HyperNode s0, members[0] is"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_that_names_it(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(TopologyError, match=re.escape(said)) as caught:
        read(tmp_path, name, text)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


@given(st.lists(st.integers(0, 40), min_size=1, unique=True), st.booleans())
def test_lists_of_hosts_are_what_we_write(numbers: list[int], is_padded: bool) -> None:
    names = HostNames("rack7-n{}")
    wanted = sorted(numbers)
    assert hosts_of(names.listed(wanted)) == [names.of(number) for number in wanted]
    if is_padded:
        padded = ",".join(f"{number:03}" for number in wanted)
        assert hosts_of(f"a[{padded}]b,c") == [*(f"a{n:03}b" for n in wanted), "c"]
