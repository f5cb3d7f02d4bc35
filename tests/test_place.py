"""``triplane topo place``: its answers are placements that other commands take."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cli import main
from fabric.machine import MachineSpec


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["topo", "place", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["topo", "place", *arguments])
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    return result.output


def test_a_placement_is_a_table_records_or_a_list() -> None:
    common = ("supernode:16", "-n", "3", "--without", "node0")
    assert run(*common).splitlines()[1].split() == ["0", "16", "node1.die0", "1", "8", "0", "0"]
    assert run(*common, "--format", "csv").splitlines() == [
        "rank,endpoint,name,node,package,rack,supernode",
        "0,16,node1.die0,1,8,0,0", "1,17,node1.die1,1,8,0,0", "2,18,node1.die2,1,9,0,0",
    ]  # fmt: skip
    assert run(*common, "--format", "list") == "16,17,18\n"


def test_endpoints_are_counted_with_those_that_are_taken_out(tmp_path: Path) -> None:
    file = tmp_path / "placed.json"
    run("supernode:16", "-n", "4", "--policy", "spread", "--without", "node0.die0",
        "--format", "json", "--output", str(file))  # fmt: skip
    found: Any = json.loads(file.read_text("utf-8"))
    assert [row["name"] for row in found["ranks"]] == [
        "node0.die1", "node1.die0", "node0.die2", "node1.die1",
    ]  # fmt: skip
    machine = MachineSpec.load(file)
    assert machine.placement == (1, 16, 2, 17)
    topology, places = machine.placed()
    assert places is not None
    assert [topology.vertex_names[at] for at in places] == [row["name"] for row in found["ranks"]]
    result = CliRunner().invoke(
        main, ["bench", "barrier", "--machine", str(file), "--ranks", "4", "--format", "json"]
    )
    assert json.loads(result.output)[0]["ranks"] == 4


def test_the_planes_of_a_machine_say_who_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    MachineSpec("supernode:16", planes=("ub",), without=("node0.die0<->node0.l1.*",)).save(file)
    assert run("--machine", str(file), "-n", "2", "--format", "list") == "2,3\n"
    assert run("supernode:16", "-n", "2", "--format", "list") == "0,1\n"


def test_blocks_with_a_number_before_them() -> None:
    text = run("supernode:16", "--blocks", "2x7,9", "--level", "node", "--format", "list")
    found = list(map(int, text.split(",")))  # the largest went first, a smaller one beside it
    assert found == [*range(9, 16), *range(16, 23), *range(9)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["supernode:16"], "either --ranks or --blocks is needed"),
        (["supernode:16", "-n", "2", "--blocks", "2"], "either --ranks or --blocks"),
        (["supernode:16", "--blocks", "2"], "--blocks needs a --level"),
        (["supernode:16", "--blocks", "2", "--level", "node", "--policy", "packed"], "no --policy"),
        (["supernode:16", "--blocks", "2x", "--level", "node"], "'2x' is no number of ranks of a"),
        (["supernode:16", "--blocks", "0x2", "--level", "node"], "'0x2' is no number of ranks"),
        (["supernode:16", "--blocks", "65536x1,1", "--level", "node"], "more than 65536 blocks"),
        (["supernode:16", "-n", "33"], "33 ranks do not fit on supernode(16): 32 of its 32"),
        (["supernode:16", "-n", "2", "--policy", "within"], "within needs a level; there are"),
        (["supernode:16", "-n", "2", "--level", "node"], "packed takes no level"),
        (["supernode:16", "-n", "2", "--busy", "node7"], "has nothing called 'node7'"),
        ([], "Missing argument"),
    ],
)
def test_what_is_impossible_is_one_line(arguments: list[str], words: str) -> None:
    assert words in refused(*arguments)
