"""Traffic classes in the packet engine: closed forms, the flow engine, and what always holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cases.moe import Experts
from collectives.workloads.background.beside import Beside, beside
from collectives.workloads.background.streams import background
from fabric import Fabric, Step
from fabric.classes.table import TrafficClass
from fabric.endpoint.costs import Costs, Endpoint
from fabric.engines.account import Account
from fabric.engines.base import EngineError, Session
from fabric.engines.columns import batches, rank_streams
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.simulation import PacketSimulation
from fabric.engines.packet.state import FREE
from fabric.failure import CallMismatch
from fabric.machine import MachineSpec
from fabric.schedule.plan import plans
from topology import fat_tree, ring, star
from topology.graph import Topology

PS = 1e-12
BANDWIDTH = 1e9  # bytes per second: a byte takes a nanosecond
MTU = 1000
WIRE = MTU / BANDWIDTH
"""Seconds of a packet on a link."""
LATENCY = 1e-6
"""Seconds from host to switch in a star; from there on it is 0."""

FIRST = TrafficClass("first", 1, priority=1)
HEAVY = TrafficClass("heavy", 2, weight=3.0)
SLOW = TrafficClass("slow", 3, rate_limit=BANDWIDTH / 4)
TABLE = (FIRST, HEAVY, SLOW)


def fabric(
    topology: Topology | None = None, costs: Costs | None = None, *, engine: str = "packet",
    classes: Sequence[TrafficClass] = TABLE, **options: Any,
) -> Fabric:  # fmt: skip
    made = star(6, bandwidth=BANDWIDTH) if topology is None else topology
    endpoint = Endpoint("test", {"": costs or Costs()})
    given = {"mtu": MTU, **options} if engine == "packet" else {"tolerance": 0.0}
    return Fabric(made, engine=engine, endpoint=endpoint, engine_options=given, classes=classes)


def enter(session: Session, call: int, step: Step, ready: float, ranks: int = 6) -> None:
    """Let the ranks of a step enter a call at ``ready``, in seconds."""
    group = tuple(range(ranks))
    for rank, plan in enumerate(plans([step], ranks)):
        if len(plan.rows):
            session.enter(call, ready, rank_streams(plan.rows, group, rank, ""))


def test_the_higher_priority_waits_for_the_packet_under_way_and_no_longer() -> None:
    """A port that two others keep busy, packet after packet, from when their first are there."""
    for late in (0.1, 0.25, 7.9, 100.5):
        session = fabric().session(6)
        enter(session, 1, Step([2, 3], 1, 500 * MTU), 0.0)
        enter(session, 2, Step(0, 1, MTU, traffic_class=1), late * WIRE)
        found = {one.call: one.time for ends in iter(session.advance, []) for one in ends}
        opened = WIRE + LATENCY
        arrives = late * WIRE + opened
        begins = opened + np.ceil((arrives - opened) / WIRE) * WIRE
        assert found[2] == pytest.approx(begins + WIRE, abs=0.4 * PS)
        assert found[1] == pytest.approx(LATENCY + (2 * 500 + 2) * WIRE, abs=0.4 * PS)


@pytest.mark.parametrize("packets", [1, 10])
@pytest.mark.parametrize("limit", [np.inf, BANDWIDTH / 2])
def test_beside_a_full_stream_a_class_above_is_a_packet_a_hop_late(
    packets: int, limit: float
) -> None:
    """The stream fills the sender's link, its limit as an initiator, and the receiver's link."""
    made = fabric(costs=Costs(initiator_bandwidth=limit))
    each = WIRE * max(BANDWIDTH / limit, 1)
    hops = 2 + (limit < np.inf)
    alone = made.simulate([Step(0, 1, packets * MTU, traffic_class=1)]).duration
    for late in (0.0, 0.3, 17.7):
        session = made.session(6)
        enter(session, 1, Step([0, 2, 0], [1, 1, 3], 400 * MTU), 0.0)
        enter(session, 2, Step(0, 1, packets * MTU, traffic_class=1), late * WIRE)
        found = {one.call: one.time for ends in iter(session.advance, []) for one in ends}
        took = found[2] - late * WIRE
        assert alone - PS < took < alone + hops * each + PS
        assert found[1] > 800 * WIRE


SHAPES = {
    "incast": Step([1, 2], 0, 400 * MTU, traffic_class=[2, 0]),
    "outcast": Step(0, [1, 2], 400 * MTU, traffic_class=[2, 0]),
    "pair": Step(0, [1, 1], 400 * MTU, traffic_class=[2, 0]),
    "both": Step([0, 0, 1, 1], [2, 3, 3, 2], 400 * MTU, traffic_class=[2, 0, 2, 0]),
    "three": Step([1, 2, 3], 0, 400 * MTU, traffic_class=[2, 0, 1]),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limit", [np.inf, BANDWIDTH / 2])
def test_within_a_priority_classes_share_by_weight_as_in_the_flow_engine(
    shape: str, limit: float
) -> None:
    costs = Costs(initiator_bandwidth=limit)
    packet, flow = (
        fabric(costs=costs, engine=engine, credits=4, cell=MTU).simulate([SHAPES[shape]])
        for engine in ("packet", "flow")
    )
    np.testing.assert_allclose(packet.finish, flow.finish, rtol=0.02)
    assert packet.duration >= packet.bound * (1 - 1e-9)


def test_a_class_that_was_away_gets_nothing_for_that_time() -> None:
    """The light one has had the port for 300 packets when the heavy one comes: 3 to 1 from then."""
    session = fabric().session(6)
    enter(session, 1, Step(1, 0, 400 * MTU), 0.0)
    enter(session, 2, Step(2, 0, 150 * MTU, traffic_class=2), 300 * WIRE)
    found = {one.call: one.time for ends in iter(session.advance, []) for one in ends}
    assert found[2] == pytest.approx(LATENCY + 500 * WIRE, abs=4 * WIRE)
    assert found[1] == pytest.approx(LATENCY + 551 * WIRE, abs=0.4 * PS)


@pytest.mark.parametrize("initiator", [np.inf, BANDWIDTH])
def test_a_rate_limit_is_of_all_that_a_rank_sends_in_a_class(initiator: float) -> None:
    made = fabric(costs=Costs(initiator_bandwidth=initiator))
    more = WIRE if initiator < np.inf else 0.0
    one = made.simulate([Step(0, 1, 50 * MTU, traffic_class=3)])
    assert one.duration == pytest.approx(LATENCY + (50 * 4 + 2) * WIRE + more, abs=0.4 * PS)
    two = made.simulate([Step(0, [1, 2], 50 * MTU, traffic_class=3)])
    assert two.duration == pytest.approx(LATENCY + (100 * 4 + 2) * WIRE + more, abs=0.4 * PS)
    beside_ = made.simulate([Step(0, [1, 2], 50 * MTU, traffic_class=[3, 0])])
    assert beside_.finish[0] == pytest.approx(one.duration, abs=2 * WIRE)
    assert beside_.finish[1] < 75 * WIRE + LATENCY


@pytest.mark.parametrize(("buffers", "late"), [("class", False), ("shared", True)])
def test_a_buffer_that_classes_share_is_filled_by_the_lowest(buffers: str, late: bool) -> None:
    """A low transfer that waits for a slow port fills the buffer behind the sender's link."""
    made = fabric(star(40, bandwidth=BANDWIDTH), credits=4, cell=MTU, buffers=buffers)
    low, high = Step(np.arange(1, 31), 0, 20 * MTU), Step(4, 35, 20 * MTU, traffic_class=1)
    alone = made.simulate([high]).duration
    session = made.session(40)
    enter(session, 1, low, 0.0, 40)
    enter(session, 2, high, 20 * WIRE, 40)
    found = {one.call: one.time for ends in iter(session.advance, []) for one in ends}
    took = found[2] - 20 * WIRE
    assert (took > 2 * alone) == late
    if not late:
        assert took < alone + 2 * WIRE + PS


@st.composite
def tables(draw: st.DrawFn) -> tuple[TrafficClass, ...]:
    numbers = draw(st.lists(st.integers(0, 6), min_size=1, max_size=4, unique=True))
    return tuple(
        TrafficClass(
            f"c{number}", number, draw(st.integers(-1, 1)), draw(st.sampled_from([0.25, 1.0, 3.0])),
            draw(st.sampled_from([np.inf, np.inf, 3e8, 40e9])),
        )
        for number in numbers
    )  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.integers(0, 99), st.sampled_from(["star", "ring", "fat_tree", "faulty"]), tables(),
    st.sampled_from(["spray", "hash", "adaptive"]), st.sampled_from([None, 1, 3]),
    st.sampled_from(["class", "shared"]), st.sampled_from([np.inf, 2e9]),
)  # fmt: skip
def test_every_byte_of_every_class_arrives_and_nothing_is_left_behind(
    seed: int, shape: str, table: tuple[TrafficClass, ...], routing: str, packets: int | None,
    buffers: str, limit: float,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    topology = {
        "star": star(8), "ring": ring(3), "fat_tree": fat_tree(4),
        "faulty": fat_tree(4).without("core0"),
    }[shape]  # fmt: skip
    n, rows = min(topology.n_endpoints, 8), int(rng.integers(1, 12))
    numbers = [0, *(one.number for one in table)]
    src = rng.integers(0, n, (3, rows))
    dst = (src + rng.integers(1, n, (3, rows))) % n
    steps = [
        Step(src[k], dst[k], rng.integers(0, 9000, rows), traffic_class=rng.choice(numbers, rows))
        for k in range(3)
    ]
    options = PacketOptions(500, 0, packets, 500, seed, buffers)
    endpoint = Endpoint("test", {"": Costs(initiator_bandwidth=limit)})
    made = Fabric(topology, engine="packet", routing=routing, endpoint=endpoint, classes=table)
    run, packets_in_all = PacketSimulation(Account(made, "", None), options), 0
    for batch in batches(steps, len(made.places)):
        run.batch(batch, more=False)
        packets_in_all += int((-(-batch.streams.size // 500)).sum())
    state, found = run.state, run.timeline()
    assert state is not None
    assert run.hops == 2 * packets_in_all if shape == "star" else run.hops >= packets_in_all
    assert state.n[FREE] == len(state.packets)
    assert (state.queues["waiting"] == 0).all()
    assert (state.queues["credit"] == (1 << 60 if packets is None else packets)).all()
    assert (state.links["mask"] == 0).all()
    assert (state.initiators["mask"] == 0).all()
    assert not state.initiators["busy"].any()
    assert (state.to_come == 0).all()
    assert found.duration >= found.bound * (1 - 1e-9)
    assert (found.finish >= found.start).all()


def test_a_world_takes_what_its_schedule_takes_to_the_bit() -> None:
    rng = np.random.default_rng(3)
    steps = [
        Step(rng.integers(0, 6, 9), rng.integers(0, 6, 9), rng.integers(0, 20 * MTU, 9),
             traffic_class=rng.integers(0, 4, 9))
        for _ in range(5)
    ]  # fmt: skip
    costs = Costs(per_byte=3e-11, launch=1e-6, initiator_bandwidth=BANDWIDTH / 2)
    made = fabric(costs=costs, credits=8, cell=MTU)
    session = made.session(6)
    for rank, plan in enumerate(plans(steps, 6)):
        session.enter(1, 1e-6, rank_streams(plan.rows, tuple(range(6)), rank, ""))
    found = {one.position: one.time for ends in iter(session.advance, []) for one in ends}
    expected = made.simulate(steps, ranks=6).rank_finish
    assert [found[rank] for rank in range(6)] == expected.tolist()


@pytest.mark.parametrize("table", [(), (FIRST,), TABLE])
def test_a_table_changes_nothing_for_transfers_of_one_class(
    table: tuple[TrafficClass, ...],
) -> None:
    rng = np.random.default_rng(5)
    steps = [
        Step(rng.integers(0, 16, 30), rng.integers(0, 16, 30), rng.integers(0, 20 * MTU, 30))
        for _ in range(3)
    ]
    plain, classed = (
        fabric(fat_tree(4), classes=of, credits=4, cell=MTU).simulate(steps) for of in ((), table)
    )
    assert classed.finish.tolist() == plain.finish.tolist()


def dispatch(*classes: TrafficClass) -> Beside:
    """An MoE dispatch over the RDMA plane of CloudMatrix384, beside streams that fill it."""
    machine = MachineSpec(
        "cloudmatrix384", "cann-ep", engine="packet", planes=("rdma",), classes=classes
    )
    made, work = machine.build(), Experts("dispatch", "low-latency", 8)
    steps = work.steps(made.software.stack("dispatch"), None)
    return beside(made, steps, [background("kv:inf GB/s")], ranks=8, operation="dispatch")


def test_strict_priority_isolates_a_dispatch_from_a_stream_that_fills_its_links() -> None:
    plain, first = dispatch(), dispatch(TrafficClass("ep", 1, 1, operations=("dispatch",)))
    assert plain.leakage > 0.2
    assert abs(first.leakage) < 0.03
    assert first.streams[0].goodput > 0.3 * plain.streams[0].goodput


def test_both_ends_must_name_the_same_class() -> None:
    session = fabric().session(6)
    enter(session, 1, Step(0, 1, MTU, traffic_class=1), 0.0)
    session = fabric().session(6)
    group = (0, 1)
    for rank, number in enumerate((1, 2)):
        plan = plans([Step(0, 1, MTU, traffic_class=number)], 2)[rank]
        session.enter(1, 0.0, rank_streams(plan.rows, group, rank, ""))
    with pytest.raises(CallMismatch, match="from 0 to 1 in traffic class"):
        session.advance()


def test_more_classes_than_a_link_has_queues_are_refused() -> None:
    many = [TrafficClass(f"c{number}", number) for number in range(1, 17)]
    with pytest.raises(EngineError, match=r"17 traffic classes with the default.*16 queues a link"):
        fabric(classes=many).simulate([Step(0, 1, 1)])
    assert fabric(classes=many[1:]).simulate([Step(0, 1, 1, traffic_class=16)]).duration > 0


def test_a_rate_limit_inside_an_endpoint_is_refused() -> None:
    made = Fabric(star(4), engine="packet", placement=[0, 0, 1], classes=TABLE)
    assert made.simulate([Step(0, 1, 10)]).duration >= 0
    with pytest.raises(EngineError, match=r"ranks 0 and 1 are on one endpoint.*class slow"):
        made.simulate([Step([0, 0], [2, 1], 10, traffic_class=[3, 3])])


def test_buffers_are_one_of_two() -> None:
    with pytest.raises(EngineError, match="buffers is 'pooled'; there are class, shared"):
        fabric(buffers="pooled")
