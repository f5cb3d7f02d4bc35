"""Faults in time in the packet engine: closed forms, the flow engine, and what holds of any."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.cli import main
from fabric import Fabric, Step, Timeline, launch
from fabric.classes.table import TrafficClass
from fabric.endpoint.costs import Costs, Endpoint
from fabric.engines.base import EngineError, LinkChange
from fabric.engines.columns import RankStreams, rank_streams, windows
from fabric.engines.conformance import check
from fabric.engines.packet.changing_run import ChangingPacketSimulation
from fabric.engines.packet.engine import Packet
from fabric.engines.packet.state import FREE, State
from fabric.failure import WorldError
from fabric.faults.table import Fault, FaultPlan
from fabric.schedule.plan import plans
from fabric.timeline.faults import PacketsOnFaults
from tests.support.between_nodes import AT, BYTES, CHIP, DIES, FULL, LATENCY, WIRE
from tests.support.calls_in_time import all_reduces
from tests.test_faults_in_time import PROGRAM, triplane
from topology import RouteError, Topology, fat_tree, ring, star
from topology.units import GB, US

PS = 1e-12
MTU = 1000
STAR = star(6, bandwidth=1e9)  # a byte takes a nanosecond; 1 us on the first link, 0 on the second
LATE = 1.0  # seconds until faults are detected: never


def fabric(
    *faults: Fault, detection: float | str = LATE, topology: Topology = STAR, **more: Any
) -> Fabric:
    options = {"mtu": MTU, **more.pop("options", {})}
    return Fabric(
        topology, engine="packet", endpoint=Endpoint("test", {"": Costs()}), engine_options=options,
        faults=FaultPlan(faults, detection), **more,
    )  # fmt: skip


def packets(found: Timeline) -> PacketsOnFaults:
    assert found.faulted is not None
    assert found.faulted.packets is not None
    return found.faulted.packets


def exactly(seconds: float) -> Any:
    return pytest.approx(seconds, abs=0.4 * PS, rel=0)


# One packet, to the picosecond.


def sent(begin: int, size: int, fault: Fault) -> int:
    """When a link with a fault has sent a packet, in ns; it may begin at ``begin``."""
    start, until = round(fault.start * 1e9), round(fault.until * 1e9)
    if begin >= until or begin + size <= start:
        return begin + size
    if fault.kind == "dead":
        return until + size
    share = fault.share or 1 - (fault.loss or 0)
    first = max(begin, start)
    left = size - (first - begin)
    if first + left / share <= until:
        return round(first + left / share)
    return round(until + left - (until - first) * share)


@settings(deadline=None, max_examples=60)
@given(
    size=st.sampled_from([240, 480, 720, 960]), start=st.integers(0, 40),
    length=st.integers(1, 40), kind=st.sampled_from(["dead", "degraded", "lossy"]),
    link=st.sampled_from([0, 1]),
)  # fmt: skip
def test_one_packet_across_a_link_that_changes(
    size: int, start: int, length: int, kind: str, link: int
) -> None:
    name = ("host0->switch", "switch->host1")[link]
    more: dict[str, Any] = {"degraded": {"share": 0.5}, "lossy": {"loss": 0.75}}.get(kind, {})
    fault = Fault((name,), kind, start * 1e-7, (start + length) * 1e-7, **more)
    there = sent(0, size, fault) if link == 0 else size
    end = sent(there + 1000, size, fault) if link == 1 else there + 1000 + size
    found = fabric(fault).simulate([Step(0, 1, size)])
    assert found.duration == exactly(end * 1e-9)


def test_a_pipeline_stops_while_its_link_is_dead_and_loses_what_was_sent_of_a_packet() -> None:
    """The link has sent 3.4 packets of 20; 0.4 of one is sent a second time."""
    fault = Fault(("switch->host1",), start=5.4e-6, until=9e-6)
    found = fabric(fault).simulate([Step(0, 1, 20 * MTU)])
    assert found.duration == exactly(9e-6 + 17 * 1e-6)
    assert packets(found) == PacketsOnFaults(0, 0, 0, 1)
    assert found.faulted is not None
    assert found.faulted.longest == exactly(3.6e-6)
    assert found.faulted.late == 17 * MTU


def test_before_during_and_after_a_detection_bytes_go_as_theory_says() -> None:
    """One of the seven links of a die dies: six are left, and all are used once it is back."""
    wire = BYTES / (7 * 28 * GB)
    at = LATENCY + 0.25 * wire
    fault = Fault(("node0.die0<->node0.l1.2",), start=at, until=at + 0.4 * wire)
    plan = FaultPlan((fault,), 20 * US)
    found = Fabric(
        FULL, planes=("ub",), engine="packet", engine_options={"credits": 104}, faults=plan
    ).simulate([Step(0, 16, BYTES)])  # fmt: skip
    moved = 0.25 + (0.4 * wire - 20 * US + 20 * US) / wire * 6 / 7  # it is used again 20 us late
    expected = at + 20 * US + 0.4 * wire + (1 - moved) * wire
    assert found.duration == pytest.approx(expected, rel=0.01)


# Large sprayed traffic is that of the flow engine.


def both(
    *faults: Fault, routing: str = "spray", detection: float | str = "hardware", credits: int = 104,
    planes: tuple[str, ...] = ("ub",),
) -> tuple[Timeline, Timeline]:  # fmt: skip
    """What the flow engine says, and the packet engine with buffers of ``credits`` cells."""
    given: dict[str, Any] = {
        "planes": planes,
        "routing": routing,
        "faults": FaultPlan(faults, detection),
    }
    packet = Fabric(FULL, engine="packet", engine_options={"credits": credits}, **given)
    return Fabric(FULL, tolerance=0.0, **given).simulate(DIES), packet.simulate(DIES)


@pytest.mark.parametrize("detection", [0.0, "hardware", 60 * US])
@pytest.mark.parametrize("routing", ["spray", "adaptive", "hash"])
def test_a_dead_chip_costs_what_it_costs_in_the_flow_engine(
    routing: str, detection: float | str
) -> None:
    flow, found = both(Fault((CHIP,), start=AT), routing=routing, detection=detection)
    assert found.duration == pytest.approx(flow.duration, rel=0.02)
    assert found.link_bytes.sum() == pytest.approx(4 * BYTES * 16)
    assert found.faulted is not None
    assert flow.faulted is not None
    assert found.faulted.marks == flow.faulted.marks
    if detection == 60 * US and routing == "spray":
        assert found.faulted.stood == 16
        assert 59 * US < found.faulted.longest <= 60.001 * US
        assert packets(found).turned > 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault((CHIP,), start=AT, until=AT + 0.3 * WIRE),
        Fault((f"node0.l1.3->{CHIP}",), "degraded", AT, share=0.5),
        Fault((f"node0.l1.3->{CHIP}",), "lossy", AT, AT + 0.5 * WIRE, loss=0.2),
        Fault((CHIP,), "flapping", AT, AT + 0.1 * WIRE, period=0.05 * WIRE, duty=0.25),
        Fault(("node0.l1.3",), start=AT),
        Fault(("node0.die3<->node0.l1.2",), start=AT),
    ],
    ids=lambda one: f"{one.kind} {one.what[0]}",
)
def test_other_faults_cost_what_they_cost_in_the_flow_engine(fault: Fault) -> None:
    credits = 416 if fault.kind == "lossy" else 104  # what is even only on average needs some room
    flow, found = both(fault, detection=0.04 * WIRE, credits=credits)
    assert found.duration == pytest.approx(flow.duration, rel=0.02)


def test_traffic_takes_another_plane_while_the_first_is_dead() -> None:
    """What is inside dead switches is lost, and sent again over RDMA."""
    flow, found = both(
        Fault(("ub",), start=AT), detection=5 * US, planes=("ub", "rdma"), credits=6553
    )
    assert found.duration == pytest.approx(flow.duration, rel=0.02)
    assert packets(found).lost > 0
    assert packets(found).lost_bytes == packets(found).lost * 4096


def test_deep_buffers_go_on_taking_packets_while_a_dead_chip_is_not_detected() -> None:
    """The flow engine's transfers stand still at once; packets fill buffers of a MiB first."""
    flow, found = both(Fault((CHIP,), start=AT), detection=60 * US, credits=6553)
    assert flow.duration - 60 * US < found.duration < flow.duration - 50 * US


def test_a_cut_is_an_error_that_names_both_ranks_and_the_fault() -> None:
    plan = FaultPlan((Fault(("node0.die3",), start=AT), Fault(("l2.0.0",))), 50 * US)
    cut = Fabric(FULL, planes=("ub",), engine="packet", faults=plan)
    why = (
        r"from node0.die3 \(rank 3\) to node1.die3 \(rank 19\) .*"
        rf" at {(AT + 50 * US) / US:.10g} us: node0.die3 dead, l2.0.0 dead$"
    )
    with pytest.raises(RouteError, match=why):
        cut.simulate(DIES)
    assert cut.simulate([Step(0, 16, BYTES)]).duration > AT  # others go on


def test_a_transfer_whose_way_is_back_before_it_sets_out_is_not_cut() -> None:
    fault = Fault(("host1",), until=30 * US)
    steps = [Step(2, 3, 40 * MTU), Step([2, 3], [1, 1], 100)]
    found = fabric(fault, detection=0.0).simulate(steps)
    assert found.finish[1] > 30 * US
    with pytest.raises(RouteError, match=r"rank 2\) to host1 \(rank 1\) .* at 43 us: host1 dead"):
        fabric(Fault(("host1",), until=90 * US), detection=0.0).simulate(steps)


# Whatever breaks, every byte arrives once, or is counted.


@st.composite
def broken(draw: st.DrawFn, topology: Topology, within: float) -> FaultPlan:
    """Faults of what a topology has, in a time."""
    links = [topology.link_name(link) for link in range(topology.n_links)]
    switches = list(topology.vertex_names[topology.n_endpoints :])
    faults = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["dead", "dead", "degraded", "lossy", "flapping"]))
        start = draw(st.integers(0, 40)) * within / 40
        until = start + draw(st.integers(1, 40)) * within / 40
        if kind != "flapping" and draw(st.booleans()):
            until = math.inf
        more: dict[str, Any] = {
            "degraded": {"share": 0.25}, "lossy": {"loss": 0.125},
            "flapping": {"period": within / 7, "duty": 0.3},
        }.get(kind, {})  # fmt: skip
        what = draw(st.sampled_from([*switches, *links, *links]))
        faults.append(Fault((what,), kind, start, until, **more))
    return FaultPlan(tuple(faults), draw(st.sampled_from([0.0, within / 10, within, "hardware"])))


SHAPES = {"star": star(8), "ring": ring(3), "one way": fat_tree(2), "sprayed": fat_tree(4)}
TABLE = (TrafficClass("a", 1, 1), TrafficClass("b", 2, 0, 2.0, 2e9), TrafficClass("c", 3, -1))


def random_steps(seed: int, n: int, most: int, classes: bool) -> list[Step]:
    rng, steps = np.random.default_rng(seed), []
    for _ in range(3):
        rows = int(rng.integers(1, 10))
        src = rng.integers(0, n, rows)
        dst = (src + rng.integers(1, n, rows)) % n
        trait = rng.integers(0, 4, rows) if classes else np.zeros(rows, np.int64)
        steps.append(Step(src, dst, rng.integers(0, most, rows), traffic_class=trait))
    return steps


def simulated(made: Fabric, steps: list[Step]) -> tuple[ChangingPacketSimulation, State]:
    options = Packet(**made.engine_options).options
    run = ChangingPacketSimulation(made, "", None, options)
    for batch, more in windows(steps, len(made.places)):
        run.batch(batch, more=more)
    assert run.state is not None
    return run, run.state


@settings(deadline=None, max_examples=80)
@given(
    data=st.data(), seed=st.integers(0, 999), shape=st.sampled_from([*SHAPES]),
    routing=st.sampled_from(["spray", "hash", "adaptive", "packet-hash"]), classes=st.booleans(),
    room=st.sampled_from([None, 1, 3]), buffers=st.sampled_from(["class", "shared"]),
)  # fmt: skip
def test_every_byte_arrives_and_nothing_is_left_behind_whatever_breaks(
    data: st.DataObject, seed: int, shape: str, routing: str, classes: bool, room: int | None,
    buffers: str,
) -> None:  # fmt: skip
    topology = SHAPES[shape]
    steps = random_steps(seed, min(topology.n_endpoints, 8), 9000, classes)
    plan = data.draw(broken(topology, data.draw(st.sampled_from([5 * US, 20 * US]))))
    options = {"mtu": 500, "cell": 500, "credits": room, "buffers": buffers, "statistics": True}
    made = Fabric(
        topology, engine="packet", routing=routing, engine_options=options, faults=plan,
        classes=TABLE if classes else (),
    )  # fmt: skip
    assume(made.changes)
    try:
        run, state = simulated(made, steps)
    except (RouteError, EngineError) as error:
        with pytest.raises(type(error), match=r"no path from|deadlock") as again:
            made.simulate(steps)
        assume(str(again.value) != str(error))  # the same error
        raise
    found = run.timeline()
    assert state.n[FREE] == len(state.packets)
    assert (state.queues["waiting"] == 0).all()
    assert (state.queues["credit"] == (1 << 60 if room is None else room)).all()
    assert (state.links["mask"] == 0).all()
    assert (state.to_come == 0).all()
    assert (found.finish >= found.start).all()
    assert found.packets is not None
    streams = [batch.streams for batch, _ in windows(steps, topology.n_endpoints)]
    least = sum(int((-(-s.size // 500)).sum()) for s in streams)
    assert found.packets.packets.sum() >= least
    assert packets(found).lost_bytes <= 500 * packets(found).lost
    assert made.simulate(steps).finish.tolist() == found.finish.tolist()
    session = made.session(len(made.places))
    for one in shares(steps, len(made.places)):
        session.enter(1, 0.0, one)
    ends = {one.position: one.time for some in iter(session.advance, []) for one in some}
    assert [ends[rank] for rank in range(len(found.rank_finish))] == found.rank_finish.tolist()


def shares(steps: list[Step], n: int) -> list[RankStreams]:
    made = plans(steps, n)
    return [rank_streams(plan.rows, tuple(range(n)), at, "") for at, plan in enumerate(made)]


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(), seed=st.integers(0, 999), shape=st.sampled_from([*SHAPES]),
    room=st.sampled_from([None, 1, 3]), classes=st.booleans(),
)  # fmt: skip
def test_no_packet_overtakes_another_of_its_transfer_while_its_one_way_is_kept(
    data: st.DataObject, seed: int, shape: str, room: int | None, classes: bool
) -> None:
    """Links die and come back under packets, and routes do not follow."""
    topology = SHAPES[shape]
    steps = random_steps(seed, min(topology.n_endpoints, 8), 9000, classes)
    plan = data.draw(broken(topology, 20 * US))
    plan = FaultPlan(tuple(one for one in plan.faults if one.until < math.inf), LATE)
    assume(plan)
    options = {"mtu": 500, "cell": 500, "credits": room, "statistics": True}
    found = Fabric(
        topology, engine="packet", routing="hash", engine_options=options, faults=plan,
        classes=TABLE if classes else (),
    ).simulate(steps)  # fmt: skip
    assert found.packets is not None
    assert (found.packets.overtaken == 0).all()
    streams = [batch.streams for batch, _ in windows(steps, topology.n_endpoints)]
    assert found.packets.packets.sum() == sum(int((-(-s.size // 500)).sum()) for s in streams)
    assert packets(found)[:3] == (0, 0, 0)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(), seed=st.integers(0, 999), shape=st.sampled_from([*SHAPES]),
    recovery=st.sampled_from(["selective-repeat", "go-back-n"]), pfc=st.booleans(),
    routing=st.sampled_from(["spray", "hash"]),
)  # fmt: skip
def test_roce_sends_again_what_faults_take(
    data: st.DataObject, seed: int, shape: str, recovery: str, pfc: bool, routing: str
) -> None:
    topology = SHAPES[shape]
    steps = random_steps(seed, min(topology.n_endpoints, 8), 9000, False)
    plan = data.draw(broken(topology, 20 * US))
    options = {
        "mtu": 500, "roce": "net", "recovery": recovery, "pfc": pfc, "window": 8,
        "timeout_us": 15.0, "statistics": True,
    }  # fmt: skip
    made = Fabric(topology, engine="packet", routing=routing, engine_options=options, faults=plan)
    assume(made.changes)
    try:
        run, state = simulated(made, steps)
    except (RouteError, EngineError) as error:
        assume(re.search("no path from|deadlock", str(error)) is None)
        raise
    found = run.timeline()
    assert found.packets is not None
    assert found.packets.roce is not None
    counted = found.packets.roce
    free = state.free_packets[: state.n[FREE]]
    left = np.setdiff1d(np.arange(len(state.packets)), free)
    left = left[~state.labels["returning"][left]]
    lost = counted.doubled.sum() + counted.dropped.sum() + packets(found).lost
    assert counted.resent.sum() == lost + len(left)
    streams = [batch.streams for batch, _ in windows(steps, topology.n_endpoints)]
    assert found.packets.packets.sum() == sum(int((-(-s.size // 500)).sum()) for s in streams)
    assert (state.to_come[state.transfers["entry"] >= 0] == 0).all()


def test_a_lossy_link_of_roce_loses_as_many_as_it_says() -> None:
    options = {"roce": "net", "timeout_us": 50.0, "statistics": True}
    fault = Fault(("switch->host1",), "lossy", loss=0.05)
    found = fabric(fault, options=options).simulate([Step(0, 1, 10_000 * MTU)])
    tries = 10_000 + packets(found).lost
    assert packets(found).lost == pytest.approx(0.05 * tries, abs=4 * (0.05 * 0.95 * tries) ** 0.5)
    assert packets(found).lost_bytes == packets(found).lost * MTU
    assert found.duration > 1e-6 + 10_500 * 1e-6


def test_what_is_sent_over_a_dead_link_of_roce_is_lost_until_the_alarm_rings() -> None:
    """Eight of a window are sent in vain; the alarm rings after they were, when it is back."""
    options = {"roce": "net", "timeout_us": 30.0, "window": 8, "dcqcn": False}
    fault = Fault(("switch->host1",), start=1.5e-6, until=20e-6)
    found = fabric(fault, options=options).simulate([Step(0, 1, 8 * MTU)])
    assert packets(found) == PacketsOnFaults(8, 8 * MTU, 0, 0)
    assert found.duration == exactly(30e-6 + 1e-6 + 9e-6)


def test_a_transfer_cannot_go_over_to_roce_on_its_way() -> None:
    plan = FaultPlan((Fault(("ub",), start=20 * US),), 0.0)
    made = Fabric(
        FULL, planes=("ub", "rdma"), engine="packet", engine_options={"roce": "rdma"}, faults=plan
    )
    with pytest.raises(EngineError, match="rank 0 has to go over to a plane of RoCE"):
        made.simulate([Step(0, 16, BYTES)])


def test_cut_through_is_refused() -> None:
    made = fabric(Fault(("host0",), until=1e-6), options={"switching": "cut-through"})
    with pytest.raises(EngineError, match=r"switching is cut-through, .* links change in time"):
        made.simulate([Step(0, 1, MTU)])


# Sessions, worlds, commands.


def test_the_engine_conforms_with_changes() -> None:
    check(Packet, ["changes", "dead", "changing_machine", "cut_off"])


def test_a_change_in_the_past_is_refused() -> None:
    session = Fabric(STAR, engine="packet").session(2)
    for one in shares([Step(0, 1, MTU)], 2):
        session.enter(1, 0.0, one)
    session.advance()
    with pytest.raises(EngineError, match=r"a change of 2 links at 0.0 s; it is .* s already"):
        session.change(0.0, LinkChange(np.arange(2), 0.5))


def test_a_session_learns_of_changes_that_split_what_was_folded() -> None:
    made = Fabric(FULL, planes=("ub",), engine="packet", engine_options={"credits": 104})
    session = made.session(32)
    for one in shares(DIES, 32):
        session.enter(1, 0.0, one)
    chip = FULL.vertex(CHIP)
    links = np.flatnonzero((FULL.link_src == chip) | (FULL.link_dst == chip))
    session.change(AT, LinkChange(links, 0.0, 1.0))
    session.change(AT + US, LinkChange(links, 0.0))
    found = [one.time for some in iter(session.advance, []) for one in some]
    assert found == pytest.approx([AT + US + 0.6 * WIRE * 16 / 15] * 32, rel=0.02)


def test_a_world_lives_through_a_dead_link_and_goes_on_as_before() -> None:
    plain = launch(all_reduces, 4, Fabric(star(4), engine="packet"), args=(1 << 16,))[0]
    dead = Fault(("host1->switch",), start=plain[1] + 3 * US, until=plain[1] + 53 * US)
    plan = FaultPlan((dead,), LATE)
    faulty = Fabric(star(4), engine="packet", faults=plan)
    found = launch(all_reduces, 4, faulty, args=(1 << 16,))[0]
    assert found[:2] == plain[:2]
    later = found[2] - plain[2]
    assert 45 * US < later < 50.1 * US
    assert np.diff(found)[2:] == pytest.approx(np.diff(plain)[2:])


def test_a_cut_ends_a_world_with_an_error_that_names_it() -> None:
    plan = FaultPlan((Fault(("host2<->switch",), start=30 * US),))
    with pytest.raises(WorldError, match=r"no path from host\d \(rank \d\) .* host2<->switch dead"):
        launch(all_reduces, 4, Fabric(star(4), engine="packet", faults=plan), args=(1 << 16,))


def test_strict_times_are_the_same_to_the_bit_between_processes(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(PROGRAM)
    (tmp_path / "f.toml").write_text(
        'seed = 3\ndetection = "5 us"\n[[faults]]\nwhat = "node0.die*<->node0.l1.*"\n'
        'mtbf = "2 ms"\nmttr = "50 us"\nuntil = "1 ms"\n'
    )
    common = ["-n", "4", "--system", "supernode:16", "--placement", "0,5,16,17", "--engine",
              "packet", "--faults", str(tmp_path / "f.toml"), str(tmp_path / "p.py")]  # fmt: skip
    shown = [triplane("--transport", one, *common) for one in ("inproc", "zmq")]
    assert [one.stderr for one in shown] == ["", ""]
    assert shown[0].stdout == shown[1].stdout
    assert len(json.loads(shown[0].stdout)) == 10


def test_a_bench_says_what_became_of_packets(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text(
        'detection = "20 us"\n[[faults]]\nwhat = "l2.0.0"\nfrom = "20 us"\n', "utf-8"
    )
    common = ["bench", "all_to_all", "--ranks", "32", "--system", "supernode:16", "-b", "8M"]
    common += ["-e", "8M", "--software", "raw", "--faults", str(tmp_path / "f.toml")]
    common += ["--engine", "packet", "--engine-option", "credits=104"]
    found = CliRunner().invoke(main, [*common, "--format", "json"])
    assert found.exit_code == 0, found.output
    (row,) = json.loads(found.output)
    assert row["link_changes"] == 2
    assert row["stalled_us"] == pytest.approx(20, abs=0.01)
    assert row["turned_packets"] > 0
    text = CliRunner().invoke(main, common).output
    assert f"{row['lost_packets']} packets lost, {row['turned_packets']} turned to other" in text
