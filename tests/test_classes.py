"""Traffic classes: the table, and the flow engine held to a slow water-filling by priority."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from collectives import init
from collectives.algorithms.alltoall import pairwise
from fabric import Costs, Fabric, Step, launch
from fabric.classes.file import classes_of_toml, load_classes
from fabric.classes.table import ClassError, TrafficClass, TrafficClasses, in_class
from fabric.clock.calls import TICK
from fabric.clock.emulator import Emulator
from fabric.engines.columns import RankStreams, rank_streams
from fabric.engines.conformance import check
from fabric.engines.flow import live
from fabric.engines.flow.engine import Flow
from fabric.machine import MachineSpec
from fabric.schedule.plan import plans
from tests.support.slow_fluid import simulate
from tests.test_emulator import merged, programs_of, run, together
from tests.test_flow import COSTS, SIZES, Where, on, places
from topology import RouteError, TriplaneError, fat_tree, star, system
from topology.presets.shapes import BANDWIDTH, LATENCY
from topology.units import GB

SIZE = 10 << 20
FIRST = TrafficClass("first", 1, priority=1)
HEAVY = TrafficClass("heavy", 2, weight=3.0)
SLOW = TrafficClass("slow", 3, rate_limit=5 * GB)
FABRIC = Fabric(star(4), tolerance=0.0, classes=(FIRST, HEAVY, SLOW))
WIRE = SIZE / BANDWIDTH
ALONE = LATENCY + WIRE
"""Seconds that SIZE bytes take at the full bandwidth of a port."""


@st.composite
def tables(draw: st.DrawFn) -> tuple[TrafficClass, ...]:
    numbers = draw(st.lists(st.integers(0, 6), min_size=1, max_size=4, unique=True))
    return tuple(
        TrafficClass(
            f"c{number}", number, draw(st.integers(-1, 1)),
            draw(st.sampled_from([0.25, 1.0, 1.0, 3.0])),
            draw(st.sampled_from([np.inf, np.inf, 3 * GB, 40 * GB])),
        )
        for number in numbers
    )  # fmt: skip


@st.composite
def classed(draw: st.DrawFn, ranks: int, numbers: list[int]) -> list[Step]:
    steps = []
    for number in range(draw(st.integers(1, 4))):
        rows = draw(st.integers(0, 14))
        rank = st.lists(st.integers(0, ranks - 1), min_size=rows, max_size=rows)
        of = st.lists(st.sampled_from(numbers), min_size=rows, max_size=rows)
        size = draw(st.lists(SIZES, min_size=rows, max_size=rows))
        steps.append(
            Step(draw(rank), draw(rank), size, reduces=number % 2 == 1, traffic_class=draw(of))
        )
    return steps


@given(data=st.data(), where=places(), costs=COSTS | st.just(Costs()), table=tables())
@settings(max_examples=60, deadline=None)
def test_the_engine_is_the_fluid_limit_with_classes(
    data: st.DataObject, where: Where, costs: Costs, table: tuple[TrafficClass, ...]
) -> None:
    topology = where.topology()
    ranks = min(len(topology.accelerators), data.draw(st.integers(2, 8)))
    steps = data.draw(classed(ranks, [0, *(one.number for one in table)]))
    fabric = Fabric(topology, endpoint=on(costs), planes=where.planes, tolerance=0.0, classes=table)
    try:
        expected = simulate(topology, steps, costs, ranks=ranks, planes=where.planes, classes=table)
    except RouteError:
        with pytest.raises(RouteError):
            fabric.simulate(steps)
        return
    timeline = fabric.simulate(steps, ranks=ranks)
    np.testing.assert_allclose(timeline.start, expected.start, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.finish, expected.finish, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.rank_finish, expected.rank_finish, rtol=1e-6, atol=1e-15)
    if timeline.size.sum():
        assert timeline.bound <= timeline.duration * (1 + 1e-9)


@st.composite
def overlapping(
    draw: st.DrawFn,
) -> tuple[list[list[Step]], list[list[float]], tuple[TrafficClass, ...]]:
    """Calls of the same ranks, each step in a class; when each rank comes to each; the table."""
    _, calls, comes, _ = draw(together())
    table = draw(tables())
    numbers = st.sampled_from([0, *(one.number for one in table)])
    classes = [[step.with_traits(in_class(step.traits, draw(numbers), len(step))) for step in call]
               for call in calls]  # fmt: skip
    return classes, comes, table


@settings(max_examples=60, deadline=None)
@given(overlapping())
def test_overlapping_calls_in_classes_are_as_the_slow_oracle_says(
    given: tuple[list[list[Step]], list[list[float]], tuple[TrafficClass, ...]],
) -> None:
    calls, comes, table = given
    fabric = Fabric(fat_tree(4), tolerance=0.0, classes=table)
    ranks = len(comes[0])
    emulator = Emulator(fabric, ranks, record=True)
    run(emulator, programs_of(calls, comes))
    found = {call.op: call for call in emulator.finished()}
    expected = merged(fabric.topology, calls, comes, Costs(), table)
    for op in range(len(calls)):
        assert list(found[op].finish) == pytest.approx(expected[op], rel=1e-6, abs=2 * TICK)


def test_a_session_that_grows_and_forgets_keeps_priorities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls one after another, those that have ended are dropped, and a low one goes on beside."""
    monkeypatch.setattr(live, "_MANY", 200)
    low, size, long = TrafficClass("low", 1, priority=-1), 200_000, 500
    session = Fabric(star(4), tolerance=0.0, classes=(low,)).session(4)
    quick = shares(Step(0, 1, size), (0, 1))
    for one in shares(Step(0, 1, long * size, traffic_class=1), (2, 1)):
        session.enter(0, 0.0, one)
    now, number, last = 0.0, 0, 0.0
    while not last:
        number += 1
        for one in quick:
            session.enter(number, now, one)
        ended = session.advance()
        now = max([now, *(end.time for end in ended if end.call)])
        last = max((end.time for end in ended if not end.call), default=0.0)
    wire = size / SIZE * WIRE
    assert number > 400
    # Each call has the port for its bytes, and the low one for its latency.
    assert now == pytest.approx((number - 1) * (LATENCY + wire), rel=0.01)
    assert last == pytest.approx(long * wire * (LATENCY + wire) / LATENCY, rel=0.01)


def shares(step: Step, group: tuple[int, ...]) -> list[RankStreams]:
    """What each rank of a group brings to a call of one step."""
    made = plans([step], len(group))
    return [rank_streams(plan.rows, group, at, "") for at, plan in enumerate(made)]


# Closed forms.


def incast(*classes: int, fabric: Fabric = FABRIC) -> list[float]:
    """When SIZE bytes from each of several ranks to rank 3 are there, less latency, over `WIRE`."""
    ranks = np.arange(len(classes))
    found = fabric.simulate([Step(ranks, 3, SIZE, traffic_class=list(classes))])
    return [round(float(end - LATENCY) / WIRE, 9) for end in found.finish]


def test_the_higher_priority_goes_as_if_it_were_alone() -> None:
    assert incast(0, 1, 0) == [3.0, 1.0, 3.0]
    assert incast(1, 1, 0) == [2.0, 2.0, 3.0]


def test_within_a_priority_transfers_share_by_weight() -> None:
    assert incast(2, 0) == [pytest.approx(4 / 3), 2.0]
    assert incast(2, 2) == [2.0, 2.0]


def test_a_rate_limit_is_of_all_that_a_rank_sends_in_a_class() -> None:
    two = FABRIC.simulate([Step(0, [1, 2], SIZE, traffic_class=3)])
    assert two.finish == pytest.approx([2 * SIZE / (5 * GB) + LATENCY] * 2)
    assert str(two.bottleneck).startswith("limit of rank 0 in traffic class slow")
    assert two.bound == pytest.approx(two.duration)


def test_a_limit_of_pairs_holds_where_all_transfers_are_of_one_weight() -> None:
    limited = Fabric(star(4), endpoint=on(Costs(pair_bandwidth=5 * GB)), tolerance=0.0,
                     classes=(HEAVY,))  # fmt: skip
    found = limited.simulate([Step([0, 1], 3, SIZE, traffic_class=2)])
    assert found.finish == pytest.approx([LATENCY + SIZE / (5 * GB)] * 2)


def test_default_class_may_be_described() -> None:
    low = Fabric(
        star(4), tolerance=0.0, classes=(TrafficClass("rest", 0, -1), TrafficClass("x", 7))
    )
    assert incast(0, 7, fabric=low) == [2.0, 1.0]


def test_a_transfer_waits_while_others_go_first_and_then_goes_on() -> None:
    """Rank 0's goes for a while, is stopped by rank 1's, and has its rest after it."""
    steps = [Step(1, 2, SIZE // 2), Step([0, 1], 3, SIZE, traffic_class=[0, 1])]
    found = FABRIC.simulate(steps)
    assert found.finish[2] == pytest.approx(2 * LATENCY + 1.5 * WIRE)
    # Only rank 1 has a step before: rank 0 begins at once, and is half through when it comes.
    late = [Step([0, 1], [0, 2], [0, SIZE // 2]), Step([0, 1], 3, SIZE, traffic_class=[0, 1])]
    first, second = FABRIC.simulate(late).finish[2:]
    assert second == pytest.approx(2 * LATENCY + 1.5 * WIRE)
    assert first == pytest.approx(LATENCY + 2 * WIRE)


def test_many_transfers_keep_their_priority_within_the_tolerance() -> None:
    """More than 500 in flight, where several end between two solves."""
    steps = [Step(*np.divmod(np.arange(48 * 48), 48), 1 << 20, traffic_class=0)]
    src, dst = np.divmod(np.arange(48 * 48), 48)
    apart = src != dst
    size = np.where((src + dst) % 3, 1 << 20, 3 << 18)[apart]
    of = np.where(src % 2, 1, 0)[apart]
    steps = [Step(src[apart], dst[apart], size, traffic_class=of)] * 2
    exact, quick = (
        Fabric(star(48), tolerance=t, classes=(FIRST,)).simulate(steps) for t in (0.0, 1e-3)
    )
    assert quick.duration == pytest.approx(exact.duration, rel=3e-3)
    assert quick.bound <= quick.duration * (1 + 1e-9)
    only = [Step(step.src[of == 1], step.dst[of == 1], step.size[of == 1]) for step in steps]
    first = exact.finish[: len(of)][of == 1].max()
    assert first == pytest.approx(Fabric(star(48), tolerance=0.0).simulate(only[:1]).duration)


def test_a_table_changes_nothing_for_transfers_of_one_class() -> None:
    plain, classes = Fabric(system("supernode:8")), (FIRST, HEAVY)
    same = Fabric(system("supernode:8"), classes=classes)
    steps = list(pairwise(8, SIZE))
    assert same.simulate(steps).finish.tolist() == plain.simulate(steps).finish.tolist()


def test_flow_conforms_with_classes() -> None:
    check(Flow, ["classes", "session_is_simulation", "mismatch", "in_switch"])
    check(lambda: Flow(0.0), ["classes"])


# What names a class.


def test_operations_are_of_the_class_that_names_them() -> None:
    kv = TrafficClass("kv", 1, priority=-1, operations=("send", "all_to_all"))
    table = TrafficClasses((kv,))
    assert [table.of_operation(name) for name in ("send", "send:small", "dispatch")] == [1, 1, 0]
    fabric = Fabric(star(4), classes=(TrafficClass("slow", 1, 0, 1.0, 1 * GB, ("all_to_all",)),))
    named, other = (fabric.simulate([Step(0, 1, SIZE)], operation=o) for o in ("all_to_all", "x"))
    assert named.duration == pytest.approx(SIZE / GB + LATENCY)
    assert other.duration == pytest.approx(ALONE)


def two_sends() -> float:
    """Rank 2's clock after it and rank 1 have received from rank 0, in two calls at a time."""
    comm = init()
    buffer = np.zeros(SIZE, np.uint8)
    if comm.rank == 0:
        works = [comm.isend(buffer, dst) for dst in (1, 2)]
        for work in works:
            work.wait()
    else:
        comm.recv(buffer, 0)
    return comm.now()


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_running_ranks_have_the_classes_of_their_operations(transport: str) -> None:
    half = TrafficClass("half", 4, rate_limit=5 * GB, operations=("send_recv",))
    clocks = launch(two_sends, 3, Fabric(star(3), classes=(half,)), transport=transport)
    assert max(clocks) == pytest.approx(2 * SIZE / (5 * GB) + LATENCY, rel=1e-6)


# The file, and the machine.

KV = """
[[classes]]
name = "kv"
number = 2
priority = -1
weight = 0.5
rate_limit = "25 GB/s"
operations = ["all_to_all"]
"""


def test_a_file_says_what_a_table_is() -> None:
    assert classes_of_toml(KV) == (TrafficClass("kv", 2, -1, 0.5, 25 * GB, ("all_to_all",)),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "key 'classes' is missing"),
        ("[class]", "the file: unknown key 'class'; known are classes; near it: classes"),
        ("[classes]", r"classes is no array of tables; write \[\[classes\]\]"),
        (KV.replace("weight", "wait"), "line 2, .* unknown key 'wait'; known are name, .*weight"),
        (KV.replace("number = 2", ""), "key 'number' is missing"),
        (KV.replace("2\n", "70000\n"), "number of traffic class 'kv' is 70000; .* 0 to 65535"),
        (KV.replace("-1", "-1000"), "priority .* is -1000; .* from -128 to 127"),
        (KV.replace("0.5", "0"), "weight .* is 0; .* from 1e-06 to 1e.06"),
        (KV.replace("25 GB/s", "0 GB/s"), "rate_limit .* it could never send"),
        (KV.replace("25 GB/s", "25 GB"), "'25 GB' is no bandwidth"),
        (KV.replace('["all_to_all"]', '"x"'), "operations .* a list of names"),
        (KV.replace('"kv"', '""'), "has no name"),
        (KV + KV, "2 traffic classes have the name 'kv'"),
        (KV + KV.replace("kv", "b").replace("= 2", "= 3"), "have the operation 'all_to_all'"),
        (KV.replace("kv", "default"), "2 traffic classes have the name 'default'"),
        ("x", "not TOML: end of document"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ClassError, match=why) as caught:
        load_classes(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_no_class_of_that_name() -> None:
    with pytest.raises(ClassError, match="no traffic class 'kvs'; there are default, kv; near it"):
        TrafficClasses(classes_of_toml(KV)).called("kvs")


def test_what_is_no_class_is_refused() -> None:
    with pytest.raises(ClassError, match="has to be a TrafficClass"):
        Fabric(star(2), classes=("kv",))  # type: ignore[arg-type]
    with pytest.raises(TriplaneError, match="weight of traffic class 'x' is 'a'"):
        TrafficClass("x", 1, weight="a")  # type: ignore[arg-type]


def test_a_name_that_no_operation_has_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(KV.replace("all_to_all", "dispach"), "utf-8")
    args = ["bench", "barrier", "--system", "star:4", "--ranks", "4", "--software", "raw"]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        found = CliRunner().invoke(main, [*args, "--classes", str(tmp_path / "c.toml")])
    assert found.exit_code == 0
    assert "warning: " in found.stderr
    assert "no operation of ours is called 'dispach'" in found.stderr
    assert "near it: dispatch" in found.stderr


def test_a_command_takes_the_file_and_its_answer_has_the_classes(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(KV.replace("25 GB/s", "2 GB/s"), "utf-8")
    common = ["bench", "all_to_all", "--ranks", "4", "--system", "star:4", "--software", "raw"]
    common += ["-b", "4M", "-e", "4M", "--format", "json"]
    plain = CliRunner().invoke(main, common)
    found = CliRunner().invoke(main, [*common, "--classes", str(tmp_path / "c.toml")])
    assert found.exit_code == 0, found.output
    (slow,), (fast,) = json.loads(found.output), json.loads(plain.output)
    spec = MachineSpec.from_json(slow["machine"])
    assert spec.classes[0].rate_limit == 2 * GB
    assert slow["time_us"] > 20 * fast["time_us"]
    (tmp_path / "m.json").write_text(found.output, "utf-8")
    again = CliRunner().invoke(
        main, [*common[:4], *common[8:], "--machine", str(tmp_path / "m.json")]
    )
    assert json.loads(again.output)[0]["time_us"] == slow["time_us"]
