"""The packet engine against closed forms, the flow engine, and what must hold of any traffic."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric import Fabric, Step
from fabric.endpoint.costs import Costs, Endpoint
from fabric.engines import columns
from fabric.engines.account import Account
from fabric.engines.base import EngineError
from fabric.engines.columns import batches
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.simulation import PacketSimulation
from fabric.engines.packet.state import FREE
from topology import cloudmatrix384, fat_tree, ring, star
from topology.errors import ArgumentError
from topology.graph import Topology
from topology.routing import router

PS = 1e-12
BANDWIDTH = 1e9  # bytes per second: a byte takes a nanosecond
MTU = 1000


def fabric(topology: Topology | None = None, costs: Costs | None = None, **options: Any) -> Fabric:
    made = star(6, bandwidth=BANDWIDTH) if topology is None else topology
    endpoint = Endpoint("test", {"": costs or Costs()})
    return Fabric(made, engine="packet", endpoint=endpoint, engine_options={"mtu": MTU, **options})


def exactly(seconds: float) -> Any:
    return pytest.approx(seconds, abs=0.4 * PS, rel=0)


def wire(size: int) -> float:
    return size / BANDWIDTH


def test_one_packet_is_stored_and_forwarded() -> None:
    found = fabric().simulate([Step(0, 1, 600)])
    assert found.duration == exactly(1e-6 + 2 * wire(600))
    assert fabric(ring(8, bandwidth=BANDWIDTH)).simulate([Step(0, 3, 600)]).duration == exactly(
        4e-6 + 5 * wire(600)
    )


@pytest.mark.parametrize("crossings", [0, 0.5, 1, 2])
def test_the_wires_latency_counts_as_often_as_the_stack_says(crossings: float) -> None:
    costs = Costs(crossings=crossings, latency=3e-6)
    found = fabric(costs=costs).simulate([Step(0, 1, 600)])
    assert found.duration == exactly(3e-6 + crossings * 1e-6 + 2 * wire(600))


@pytest.mark.parametrize("packets", [1, 2, 7, 400])
@pytest.mark.parametrize("header", [0, 40])
def test_a_pipeline_of_packets(packets: int, header: int) -> None:
    found = fabric(header=header).simulate([Step(0, 1, packets * MTU)])
    assert found.duration == exactly(1e-6 + (packets + 1) * wire(MTU + header))


@pytest.mark.parametrize(("senders", "packets"), [(2, 1), (5, 1), (5, 30)])
def test_incast(senders: int, packets: int) -> None:
    found = fabric().simulate([Step(list(range(1, senders + 1)), 0, packets * MTU)])
    assert found.duration == exactly(1e-6 + (1 + senders * packets) * wire(MTU))
    last = (1 + senders * packets - np.arange(senders)[::-1]) * wire(MTU) + 1e-6
    np.testing.assert_allclose(np.sort(found.finish), last, atol=0.4 * PS, rtol=0)


@pytest.mark.parametrize(("receivers", "packets"), [(2, 1), (5, 1), (5, 30)])
def test_outcast(receivers: int, packets: int) -> None:
    found = fabric().simulate([Step(0, list(range(1, receivers + 1)), packets * MTU)])
    assert found.duration == exactly(1e-6 + (1 + receivers * packets) * wire(MTU))
    # the transfers take turns, so they end a packet apart, that to the next rank first
    last = 1e-6 + (2 + receivers * (packets - 1) + np.arange(receivers)) * wire(MTU)
    np.testing.assert_allclose(found.finish, last, atol=0.4 * PS, rtol=0)


def test_a_transfer_without_bytes_takes_its_latency() -> None:
    assert fabric().simulate([Step(0, 1, 0)]).duration == exactly(1e-6)


def test_limits_of_pairs_and_initiators_hold() -> None:
    for costs in (Costs(pair_bandwidth=BANDWIDTH / 4), Costs(initiator_bandwidth=BANDWIDTH / 4)):
        found = fabric(costs=costs).simulate([Step(0, 1, 50 * MTU)])
        assert found.duration == exactly(1e-6 + 50 * 4 * wire(MTU) + 2 * wire(MTU))
    one = fabric(costs=Costs(initiator_bandwidth=BANDWIDTH / 4))
    assert one.simulate([Step(0, [1, 2], 50 * MTU)]).duration == exactly(
        1e-6 + 100 * 4 * wire(MTU) + 2 * wire(MTU)
    )
    pair = fabric(costs=Costs(pair_bandwidth=BANDWIDTH / 4))
    both = pair.simulate([Step(0, [1, 2, 3, 4], 50 * MTU)])
    assert both.duration == pytest.approx(1e-6 + 200 * wire(MTU), rel=0.03)


def test_full_buffers_hold_back_who_sends_elsewhere() -> None:
    """Head of line: what waits for a slow port fills the buffer that the others pass through."""
    shallow, deep = (fabric(credits=cells, cell=MTU) for cells in (4, None))
    steps = [Step([1, 2, 3, 4, 4], [0, 0, 0, 0, 5], 100 * MTU)]
    held, free = (one.simulate(steps) for one in (shallow, deep))
    assert free.duration == exactly(1e-6 + 401 * wire(MTU))
    assert free.duration <= held.duration < 1.02 * free.duration
    assert free.finish[4] < 1e-6 + 205 * wire(MTU)
    assert held.finish[4] > 1e-6 + 350 * wire(MTU)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.integers(0, 99), st.sampled_from(["star", "ring", "fat_tree", "faulty"]),
    st.sampled_from(["spray", "hash", "adaptive"]), st.sampled_from([None, 1, 3]),
)  # fmt: skip
def test_every_byte_arrives_no_sooner_than_it_can(
    seed: int, shape: str, routing: str, packets: int | None
) -> None:
    rng = np.random.default_rng(seed)
    topology = {
        "star": star(8), "ring": ring(3), "fat_tree": fat_tree(4),
        "faulty": fat_tree(4).without("core0"),
    }[shape]  # fmt: skip
    n = min(topology.n_endpoints, 8)
    options = {"mtu": 500, "cell": 500, "credits": packets, "header": 0, "seed": seed}
    made = Fabric(topology, engine="packet", routing=routing, engine_options=options)
    rows = int(rng.integers(1, 12))
    steps = [
        Step(rng.integers(0, n, rows), rng.integers(0, n, rows), rng.integers(0, 9000, rows))
        for _ in range(3)
    ]
    found = made.simulate(steps)
    assert found.duration >= found.bound * (1 - 1e-9)
    assert (found.finish >= found.start).all()
    again = made.simulate(steps)
    np.testing.assert_array_equal(found.finish, again.finish)
    packets_in_all = sum(int((-(-step.size // 500)).sum()) for step in steps)
    assert found.duration < 3 * 12e-6 + packets_in_all * 6e-6  # one after the other


def test_nothing_is_left_behind_in_the_network() -> None:
    made = fabric(credits=3, cell=MTU)
    run = PacketSimulation(Account(made, "", None), PacketOptions(MTU, 0, 3, MTU, 0))
    for batch in batches([Step([0, 1, 2, 2], [5, 5, 5, 4], 20_500)] * 3, 6):
        run.batch(batch, more=False)
    state = run.state
    assert state is not None
    assert state.n[FREE] == len(state.packets)
    assert (state.queues["credit"] == 3).all()
    assert (state.queues["waiting"] == 0).all()
    assert run.hops == 3 * 4 * 21 * 2
    assert (state.to_come == 0).all()


@pytest.mark.parametrize("routing", ["spray", "adaptive"])
def test_large_sprayed_traffic_is_that_of_the_flow_engine(routing: str) -> None:
    topology = cloudmatrix384()
    src, dst = np.nonzero(~np.eye(48, dtype=bool))
    steps = [Step(src, dst, (32 << 20) // 48)]
    packet = Fabric(topology, engine="packet", routing=routing).simulate(steps)
    flow = Fabric(topology, routing=routing).simulate(steps)
    assert flow.duration < packet.duration < 1.02 * flow.duration


def test_links_of_a_bundle_are_dealt_packets_in_turn() -> None:
    """One die over its 7 links: as fast as all of them together."""
    found = Fabric(cloudmatrix384(), engine="packet").simulate([Step(0, 100, 7 * 100 * 4096)])
    each = 100 * math.ceil(4096 / 28e9 / PS) * PS
    hops = 3 * math.ceil(4096 / 28e9 / PS) * PS
    assert found.duration == pytest.approx(found.bound - 7 * 100 * 4096 / 196e9 + each + hops)


def test_a_world_takes_what_its_schedule_takes_to_the_bit() -> None:
    from fabric.engines.columns import rank_streams
    from fabric.schedule.plan import plans

    rng = np.random.default_rng(3)
    steps = [
        Step(rng.integers(0, 6, 9), rng.integers(0, 6, 9), rng.integers(0, 20 * MTU, 9))
        for _ in range(5)
    ]
    made = fabric(costs=Costs(per_byte=3e-11, launch=1e-6), credits=8, cell=MTU)
    session = made.session(6)
    for rank, plan in enumerate(plans(steps, 6)):
        session.enter(1, 1e-6, rank_streams(plan.rows, tuple(range(6)), rank, ""))
    found: dict[int, float] = {}
    while ended := session.advance():
        found |= {one.position: one.time for one in ended}
    expected = made.simulate(steps, ranks=6).rank_finish
    assert [found[rank] for rank in range(6)] == expected.tolist()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mtu": 0}, ArgumentError, "mtu is 0"),
        ({"header": -1}, ArgumentError, "header is -1"),
        ({"credits": 3, "mtu": 4096}, EngineError, "credits is 3.*fills 26 cells of 160: 26 or"),
        ({"seed": "x"}, ArgumentError, "seed is 'x'"),
        ({"drops": True}, EngineError, "no option 'drops'; it has mtu, header, credits, cell"),
    ],
)
def test_wrong_options(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Fabric(star(2), engine="packet", engine_options=options)


def test_what_picoseconds_cannot_count_is_refused() -> None:
    slow = Fabric(star(2, bandwidth=1e-3), engine="packet")
    with pytest.raises(EngineError, match="cannot count in picoseconds"):
        slow.simulate([Step(0, 1, 40960)])
    assert math.isfinite(slow.simulate([Step(0, 1, 1)]).duration)


@pytest.mark.parametrize("kept", [True, False])
def test_a_schedule_of_several_windows(monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    ranks = np.arange(6)
    schedule = [Step(ranks, (ranks + by) % 6, 5000 * by) for by in (1, 2, 4, 1)]
    whole = fabric().simulate(schedule)
    monkeypatch.setattr(columns, "WINDOW_ROWS", 6)
    if not kept:  # as on machines of very many endpoints
        monkeypatch.setattr(router, "_REMEMBERED_ENDPOINTS", 3)
        with pytest.raises(EngineError, match="one window of steps"):
            fabric().simulate(schedule)
        return
    assert fabric().simulate(schedule).finish.tolist() == whole.finish.tolist()
