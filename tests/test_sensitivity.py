"""What matters to an answer: every number behind it is changed, and the answer simulated anew."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cases.moe import Experts
from bench.cli import main
from bench.moe.measure import effects_of, simulate
from bench.sensitivity import CHANGE, CONSTANT, LIMIT, LINK, Effect, effects, exact, knobs
from fabric import Fabric, Step
from fabric.endpoint.costs import Costs, Endpoint
from fabric.machine import MachineSpec
from topology import star
from topology.units import GB, US

WORK = Experts("dispatch", "low-latency", 16, tokens=16)


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    """The default machine."""
    return MachineSpec().build()


@pytest.fixture(scope="module")
def found(fabric: Fabric) -> list[Effect]:
    """What matters to a dispatch."""
    return effects_of(fabric, WORK)


def one_transfer(costs: Costs, size: int) -> list[Effect]:
    """The effects on a transfer between two ranks of a star, with these constants."""
    fabric = Fabric(star(2), endpoint=Endpoint("made", {"": costs, "other": Costs(launch=1.0)}))
    step = Step(0, 1, size)
    return effects(fabric, ("send",), lambda other: other.simulate([step], ranks=2).duration)


def test_a_launch_that_is_all_of_the_time_moves_it_by_a_tenth() -> None:
    first, *others = one_transfer(Costs(launch=1.0), 0)
    assert (first.knob.name, first.knob.kind) == ("default.launch", CONSTANT)
    assert (first.knob.value, first.knob.unit) == (pytest.approx(1e6), "us")
    assert (first.up, first.down) == (pytest.approx(CHANGE), pytest.approx(-CHANGE))
    assert {effect.knob.kind for effect in others} == {LINK}
    assert not any(effect.matters for effect in others if "bandwidth" in effect.knob.name)


def test_only_the_bottleneck_matters() -> None:
    by_name = {one.knob.name: one for one in one_transfer(Costs(pair_bandwidth=1 * GB), 10**9)}
    limit = by_name.pop("default.pair_bandwidth")
    assert limit.knob.kind == LIMIT
    assert limit.up == pytest.approx(1 / (1 + CHANGE) - 1, rel=1e-4)
    assert limit.down == pytest.approx(1 / (1 - CHANGE) - 1, rel=1e-4)
    assert all(one.size < 1e-4 for one in by_name.values())


def test_links_move_an_answer_of_the_wire_alone() -> None:
    wire = {one.knob.name: one for one in one_transfer(Costs(), 10**9)}
    (bandwidth,) = (one for name, one in wire.items() if name.endswith("bandwidth"))
    assert bandwidth.up == pytest.approx(1 / (1 + CHANGE) - 1, rel=1e-3)


def test_an_efficiency_cannot_rise_above_one() -> None:
    costs = Costs(efficiency={"net": 0.95}, per_message={"node": 2 * US})
    by_name = {one.knob.name: one for one in one_transfer(costs, 10**6)}
    efficiency = by_name["default.efficiency.net"]
    assert efficiency.up is None
    assert efficiency.down is not None
    assert efficiency.down > 0.05
    assert by_name["default.per_message.node"].knob.value == pytest.approx(2)


def test_every_effect_is_what_a_changed_machine_says(fabric: Fabric, found: list[Effect]) -> None:
    base = simulate(WORK, exact(fabric)).duration
    name = found[0].knob.name.partition(".")[2]
    costs = fabric.software.costs(WORK.operation)
    changed = replace(costs, **{name: getattr(costs, name) * (1 + CHANGE)})
    key = fabric.software.key(WORK.operation) or ""
    software = replace(fabric.software, by_operation={**fabric.software.by_operation, key: changed})
    anew = simulate(WORK, replace(exact(fabric), endpoint=software)).duration
    assert found[0].up == pytest.approx(anew / base - 1)


def test_the_largest_comes_first_and_nothing_is_left_out(
    fabric: Fabric, found: list[Effect]
) -> None:
    sizes = [one.size for one in found]
    assert sizes == sorted(sizes, reverse=True)
    assert len({one.knob.name for one in found}) == len(found)
    assert {one.knob.name for one in found} == {
        knob.name for knob in knobs(fabric, (WORK.operation,))
    }
    assert {one.knob.kind for one in found} == {CONSTANT, LIMIT, LINK}
    planes = {one.knob.name.split()[0] for one in found if one.knob.kind == LINK}
    assert planes == set(fabric.router.planes)


def run(*arguments: str) -> str:
    """What ``triplane bench`` prints."""
    found = CliRunner().invoke(main, ["bench", *arguments])
    assert found.exit_code == 0, found.stderr
    return found.stdout


MOE = ("moe", "--ep", "8", "--tokens", "4", "--sensitivity")
REDUCE = ("all_reduce", "--ranks", "4", "-b", "64K", "-e", "128K", "-f", "2", "--sensitivity")


def test_tables_say_what_matters() -> None:
    for arguments, answers in ((MOE, 2), (REDUCE, 2), ((*REDUCE, "--algorithms", "ring,tree"), 4)):
        text = run(*arguments)
        assert text.count(" moves with\n") == answers
        assert text.count("+10%") == answers
        assert "# does not matter at all: " in text


def test_records_say_what_matters() -> None:
    records = json.loads(run(*MOE, "--format", "json"))
    assert {one["op"] for one in records} == {"dispatch", "combine"}
    assert {"ranks", "tokens", "time_us", "what", "value", "unit", "machine"} <= records[0].keys()
    assert records[0]["percent_at_plus_10"] * records[0]["percent_at_minus_10"] < 0
    rows = [*csv.DictReader(run(*REDUCE, "--format", "csv").splitlines())]
    assert {row["size_bytes"] for row in rows} == {"65536", "131072"}


def test_of_a_workload_too(tmp_path: Path) -> None:
    path = tmp_path / "a.goal"
    run("all_gather", "--ranks", "4", "-b", "64K", "-e", "64K", "--goal", str(path))
    text = run("trace", str(path), "--sensitivity")
    assert text.count(" moves with\n") == 1
    (plain,) = json.loads(run("trace", str(path), "--format", "json"))
    assert plain["calibration"]
    moved = json.loads(run("trace", str(path), "--sensitivity", "--format", "json"))
    assert {one["time_us"] for one in moved} == {plain["time_us"]}


@pytest.mark.parametrize("arguments", [MOE, REDUCE])
def test_real_ranks_are_refused(arguments: tuple[str, ...]) -> None:
    found = CliRunner().invoke(main, ["bench", *arguments, "--transport", "inproc"])
    assert found.exit_code == 2
    assert "--sensitivity simulates anew" in found.stderr
