"""Planes of RoCE in the packet engine: losses, pauses and rates in closed form, and what holds."""

import json
from itertools import count
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from fabric import Fabric, Step
from fabric.classes.table import TrafficClass
from fabric.endpoint.costs import Costs, Endpoint
from fabric.engines.account import Account
from fabric.engines.base import EngineError
from fabric.engines.columns import batches, rank_streams
from fabric.engines.conformance import CHECKS, check
from fabric.engines.packet.engine import Packet
from fabric.engines.packet.session import PacketSession
from fabric.engines.packet.simulation import PacketSimulation
from fabric.engines.packet.state import FREE, State
from fabric.schedule.plan import plans
from fabric.timeline.packets import RoceStatistics
from fabric.timeline.value import Timeline
from topology import cloudmatrix384, fat_tree, ring, star
from topology.draft import Draft
from topology.errors import ArgumentError
from topology.graph import Topology

PS = 1e-12
BANDWIDTH = 1e9  # bytes per second: a byte takes a nanosecond
MTU = 1000
WIRE = MTU / BANDWIDTH
"""Seconds of a packet on a link."""
LATENCY = 1e-6
"""Seconds from host to switch in a star; from there on it is 0."""
LOSSY: dict[str, Any] = {"pfc": False, "dcqcn": False}


def fabric(
    topology: Topology | None = None, costs: Costs | None = None,
    classes: tuple[TrafficClass, ...] = (), **options: Any,
) -> Fabric:  # fmt: skip
    made = star(6, bandwidth=BANDWIDTH) if topology is None else topology
    given = {"mtu": MTU, "roce": "net", **options}
    return Fabric(made, engine="packet", endpoint=Endpoint("t", {"": costs or Costs()}),
                  engine_options=given, classes=classes)  # fmt: skip


def roce(timeline: Timeline) -> RoceStatistics:
    assert timeline.packets is not None
    assert timeline.packets.roce is not None
    return timeline.packets.roce


def exactly(seconds: float) -> Any:
    return pytest.approx(seconds, abs=2 * PS, rel=0)


def enter(session: PacketSession, call: int, size: int, src: int, dst: int, ready: float) -> None:
    """Let two ranks enter a call in which one sends to the other, at ``ready``, in seconds."""
    for position, plan in enumerate(plans([Step(0, 1, size)], 2)):
        session.enter(call, ready, rank_streams(plan.rows, (src, dst), position, ""))


def ends(session: PacketSession) -> dict[int, float]:
    """When each call has ended, in seconds."""
    found: dict[int, float] = {}
    while ended := session.advance():
        found |= {one.call: one.time for one in ended}
    return found


def session_of(made: Fabric) -> PacketSession:
    session = made.session(6)
    assert isinstance(session, PacketSession)
    return session


@pytest.mark.parametrize("recovery", ["selective-repeat", "go-back-n"])
@pytest.mark.parametrize("more", [{}, {"window": 4, "timeout_us": 1.0}, LOSSY])
def test_what_meets_nobody_takes_what_it_takes_with_credits(
    recovery: str, more: dict[str, Any]
) -> None:
    """One packet, a pipeline, and one that waits for room in its window, or in vain."""
    for size in (0, 600, MTU, 40 * MTU + 1):
        found = fabric(recovery=recovery, statistics=True, **more).simulate([Step(0, 1, size)])
        packets = -(-size // MTU)
        last = (size - max(packets - 1, 0) * MTU) / BANDWIDTH
        if "window" not in more:
            first = WIRE if packets > 1 else last
            assert found.duration == exactly(LATENCY + max(packets - 1, 0) * WIRE + first + last)
            assert roce(found).resent.tolist() == [0]
        assert found.packets is not None
        assert found.packets.packets.tolist() == [packets]


@pytest.mark.parametrize("window", [1, 2, 3, 5])
def test_a_window_lets_so_many_packets_go_in_a_round_trip(window: int) -> None:
    found = fabric(window=window).simulate([Step(0, 1, 60 * MTU)])
    trip = 2 * LATENCY + 2 * WIRE  # there, and the answer
    rounds, rest = divmod(60 - 1, window)
    expected = rounds * max(trip, window * WIRE) + rest * WIRE + LATENCY + 2 * WIRE
    assert found.duration == exactly(expected)


# One packet is dropped.

PACE = 1.25 * WIRE
"""Seconds between packets of the long transfer, so that the port that it goes to has time left."""


def one_drop(recovery: str) -> tuple[float, State]:
    """When a transfer of 60 packets from rank 1 to 0 has ended of which one is dropped.

    The switch has room for 1,400 bytes. Two short transfers meet the 11th packet: one begins while
    the 10th is sent on and waits, and so does the other behind it, whose 500 bytes and the 1,000 of
    the 11th are too many.
    """
    made = fabric(costs=Costs(pair_bandwidth=BANDWIDTH / 1.25), recovery=recovery, buffer=1400,
                  timeout_us=1000.0, **LOSSY)  # fmt: skip
    session = session_of(made)
    enter(session, 1, 60 * MTU, 1, 0, 0.0)
    tenth = 10 * PACE + WIRE + LATENCY  # it has come to the switch, and goes on at once
    # A packet is made in its time at the pair's bandwidth, and then sent.
    enter(session, 2, 900, 2, 0, tenth + 0.1 * WIRE - 0.9 * (WIRE + PACE) - LATENCY)
    enter(session, 3, 500, 3, 0, tenth + 0.2 * WIRE - 0.5 * (WIRE + PACE) - LATENCY)
    return ends(session)[1], session._live.state


def test_selective_repeat_repeats_the_packet_that_was_dropped() -> None:
    ended, state = one_drop("selective-repeat")
    (losses,) = state.losses
    assert (losses["dropped"], losses["resent"], losses["doubled"]) == (1, 1, 0)
    assert ended == exactly(61 * PACE + 2 * WIRE + LATENCY)


def test_go_back_n_repeats_all_that_followed() -> None:
    ended, state = one_drop("go-back-n")
    # The packet after the one that was dropped, the 12th, waits for the short transfers: the port
    # is free of them 2.4 packets after it began with the 10th, and the 12th has come after 2.5.
    told = 12 * PACE + 2 * WIRE + 2 * LATENCY
    # By then others have been made; the 12th is not the last of them.
    sent = next(k for k in count(12) if (k + 1) * PACE > told)
    again = sent - 10  # from the 11th on
    (losses,) = state.losses
    assert (losses["dropped"], losses["resent"], losses["doubled"]) == (1, again, again - 1)
    assert ended == exactly((60 + again) * PACE + 2 * WIRE + LATENCY)


def test_a_lost_last_packet_is_sent_again_when_the_alarm_rings() -> None:
    """Two packets meet in a switch that holds none but the one that goes on."""
    made = fabric(buffer=MTU, timeout_us=77.0, statistics=True, **LOSSY)
    found = made.simulate([Step([1, 2, 3], 0, MTU)])
    assert roce(found).dropped.tolist() == [1]
    assert roce(found).resent.tolist() == [1]
    assert found.duration == exactly(77e-6 + LATENCY + 2 * WIRE)


# Whatever is dropped, every byte arrives, once.


def _shape(name: str) -> Topology:
    shapes = {"star": star(8), "ring": ring(3), "one way": fat_tree(2), "sprayed": fat_tree(4)}
    return shapes[name]


def _alive(state: State) -> Any:
    """The packets that are under way, and not answers."""
    free = state.free_packets[: state.n[FREE]]
    used = np.setdiff1d(np.arange(len(state.packets)), free)
    return used[~state.labels["returning"][used]]


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 999), shape=st.sampled_from(["star", "ring", "one way", "sprayed"]),
    recovery=st.sampled_from(["selective-repeat", "go-back-n"]), pfc=st.booleans(),
    dcqcn=st.booleans(), room=st.integers(1, 6), window=st.sampled_from([1, 3, 16]),
    reordering=st.sampled_from([None, 0, 2]), routing=st.sampled_from(["spray", "packet-hash"]),
    switching=st.sampled_from(["store-and-forward", "cut-through"]),
)  # fmt: skip
def test_every_byte_arrives_once_whatever_is_dropped(
    seed: int, shape: str, recovery: str, pfc: bool, dcqcn: bool, room: int, window: int,
    reordering: int | None, routing: str, switching: str,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    topology = _shape(shape)
    n, rows = min(topology.n_endpoints, 8), int(rng.integers(1, 10))
    steps = [
        Step(rng.integers(0, n, rows), rng.integers(0, n, rows), rng.integers(0, 9000, rows))
        for _ in range(3)
    ]
    options: dict[str, Any] = {
        "mtu": 500, "roce": "net", "recovery": recovery, "pfc": pfc, "dcqcn": dcqcn,
        "buffer": (100 if pfc else room) * 500, "window": window, "timeout_us": 30.0, "cell": 100,
        "switching": switching, "statistics": True,
    }  # fmt: skip
    if pfc:
        options |= {"pfc_headroom": 500 * (room - 1), "pfc_xoff": 500}
    if dcqcn:
        options |= {"ecn_low": 500, "ecn_high": 2000}
    if recovery == "selective-repeat":
        options["reordering"] = reordering
    made = Fabric(topology, engine="packet", routing=routing, engine_options=options)
    run = PacketSimulation(Account(made, "", None), Packet(**options).options)
    stuck = ""
    try:
        for batch in batches(steps, len(made.places)):
            run.batch(batch, more=False)
    except EngineError as error:  # pauses in a circle
        stuck = str(error)
    if stuck:
        assert pfc
        assert shape == "ring"
        assert "deadlock" in stuck
        return
    found, state = run.timeline(), run.state
    assert state is not None
    assert found.packets is not None
    counted = roce(found)
    streams = [batch.streams for batch in batches(steps, n)]
    sent = sum(int((-(-one.size // 500))[one.src != one.dst].sum()) for one in streams)
    assert found.packets.packets.sum() == sent
    assert (state.to_come[state.transfers["entry"] >= 0] == 0).all()
    left = _alive(state)
    lost = counted.doubled.sum() + counted.dropped.sum()
    assert sent + counted.resent.sum() == sent + lost + len(left)
    if not len(left):
        assert (state.switches["used"] == 0).all()
        assert all((state.ports[name] == 0).all() for name in ("held", "over", "bytes"))
    assert found.duration >= found.bound * (1 - 1e-9)
    assert made.simulate(steps).finish.tolist() == found.finish.tolist()


def test_a_world_takes_what_its_schedule_takes_to_the_bit() -> None:
    rng = np.random.default_rng(3)
    steps = [
        Step(rng.integers(0, 6, 9), rng.integers(0, 6, 9), rng.integers(0, 20 * MTU, 9))
        for _ in range(5)
    ]
    for more in ({"buffer": 3 * MTU, "timeout_us": 40.0, **LOSSY},
                 {"ecn_low": MTU, "ecn_high": 9 * MTU, "pfc_xoff": 4 * MTU}):  # fmt: skip
        made = fabric(costs=Costs(per_byte=3e-11, launch=1e-6), **more)
        session = session_of(made)
        for rank, plan in enumerate(plans(steps, 6)):
            session.enter(1, 1e-6, rank_streams(plan.rows, tuple(range(6)), rank, ""))
        found: dict[int, float] = {}
        while ended := session.advance():
            found |= {one.position: one.time for one in ended}
        expected = made.simulate(steps, ranks=6).rank_finish
        assert [found[rank] for rank in range(6)] == expected.tolist()
        assert session._live.state.losses["resent" if "timeout_us" in more else "marked"].any()


def test_answers_under_way_hold_nobody_up() -> None:
    """A call that begins before the answers of the one before have come begins when it does."""
    session = session_of(fabric(costs=Costs()))
    enter(session, 1, MTU, 0, 1, 0.0)
    (first,) = set(ends(session).values())
    enter(session, 2, MTU, 0, 1, first)
    assert ends(session)[2] == exactly(2 * first)
    # What is sent over a dead link is lost here, so that a transfer waits for its alarm.
    names = [name for name in CHECKS if name not in ("classes", "dead")]
    check(lambda: Packet(roce="net", dcqcn=False), names, tolerance=2e-2)


def test_planes_that_are_not_named_keep_their_credits() -> None:
    """UB by credits beside an RDMA plane of RoCE: what goes over UB takes what it took."""
    steps = [Step(np.arange(24), np.arange(24)[::-1], 300_000)]
    found = [
        Fabric(cloudmatrix384(), engine="packet", planes=("ub", "rdma"), routing="hash",
               engine_options={"credits": 60, **more}).simulate(steps).finish.tolist()
        for more in ({}, {"roce": "rdma"}, {"roce": "ub"})
    ]  # fmt: skip
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_classes_are_dropped_and_paused_each_for_itself() -> None:
    """The class above loses nothing to those below, whose packets are dropped or stopped."""
    table = (TrafficClass("first", 1, priority=1), TrafficClass("heavy", 2, weight=3.0))
    step = Step([1, 2, 3, 4, 5], 0, 200 * MTU, traffic_class=[1, 0, 2, 2, 0])
    for more in ({"pfc_xoff": 10 * MTU, "dcqcn": False},
                 {"buffer": 30 * MTU, "timeout_us": 100.0, **LOSSY},
                 {"ecn_low": 5 * MTU, "ecn_high": 20 * MTU}):  # fmt: skip
        found = fabric(classes=table, statistics=True, **more).simulate([step])
        assert found.packets is not None
        assert found.packets.packets.tolist() == [400, 200, 400]
        counted = roce(found)
        if "timeout_us" not in more:
            assert counted.dropped.tolist() == [0, 0, 0]
            # It is sent first, and waits for no more than the packet that is being sent.
            assert found.finish[0] < LATENCY + 204 * WIRE
        suffered = counted.dropped + counted.pauses + counted.marked
        assert suffered[1] == 0 or "timeout_us" in more
        assert suffered[[0, 2]].all()


# PFC.


@pytest.mark.parametrize(("headroom", "drops"), [(None, False), (3 * MTU, False), (0, True)])
def test_pauses_prevent_drops_if_there_is_room_for_what_is_on_its_way(
    headroom: int | None, drops: bool
) -> None:
    """A pause takes a latency and its own 64 bytes to the sender, who has begun with 3 packets.

    Those that have come to the switch when it hears: one that was on the wire, one that was sent
    meanwhile, and one that it had just begun.
    """
    more = {} if headroom is None else {"pfc_headroom": headroom}
    made = fabric(pfc_xoff=10 * MTU, dcqcn=False, timeout_us=500.0, statistics=True, **more)
    found = made.simulate([Step([1, 2, 3, 4, 5], 0, 200 * MTU)])
    counted = roce(found)
    assert bool(counted.dropped[0]) is drops
    assert counted.pauses[0] > 0
    if not drops:
        assert counted.resent.tolist() == [0]
        assert found.duration == exactly(LATENCY + (1 + 5 * 200) * WIRE)
        assert found.packets is not None
        assert found.packets.deepest is not None
        assert found.packets.deepest[1] <= 5 * 13 * MTU


def dumbbell() -> Topology:
    """Hosts 0 to 5 on a switch, 6 and 7 on another; the link between is five times as fast."""
    draft = Draft(("net",))
    hosts = draft.endpoints([f"host{i}" for i in range(8)], "host", node=np.arange(8))
    a, b = draft.switches(["a", "b"], "switch")
    draft.connect(hosts[:6], [a], "net", BANDWIDTH, LATENCY, 0.0)
    draft.connect(hosts[6:], [b], "net", BANDWIDTH, LATENCY, 0.0)
    draft.connect([a], [b], "net", 5 * BANDWIDTH, LATENCY, LATENCY)
    return draft.freeze("dumbbell")


TABLE = (TrafficClass("bulk", 1), TrafficClass("other", 2))


@pytest.mark.parametrize(
    ("options", "apart", "suffers"),
    [
        ({"dcqcn": False}, False, True), ({"dcqcn": False}, True, False),
        ({"roce": "", "credits": 20, "cell": MTU}, False, True),
        ({"roce": "", "credits": 20, "cell": MTU}, True, False), (LOSSY, False, False),
    ],
)  # fmt: skip
def test_who_suffers_from_an_incast_of_others(
    options: dict[str, Any], apart: bool, suffers: bool
) -> None:
    """Four senders to host 6, and one to host 7, over one link between the switches.

    Where that link is stopped for the four, all of its class stand still: the fifth gets no more
    than each of them. In a class of its own, or where packets are dropped instead, it has its rate.
    """
    given = {"pfc_xoff": 20 * MTU} if options.get("pfc", True) and "roce" not in options else {}
    made = fabric(dumbbell(), classes=TABLE, **options, **given)
    step = Step([0, 1, 2, 3, 4], [6, 6, 6, 6, 7], 200 * MTU,
                traffic_class=[1, 1, 1, 1, 2 if apart else 1])  # fmt: skip
    alone = made.simulate([Step(4, 7, 200 * MTU, traffic_class=1)]).duration
    victim = made.simulate([step]).finish[4]
    assert victim > 2.5 * alone if suffers else victim < 1.1 * alone


# ECN and DCQCN.


def test_a_queue_marks_what_comes_when_more_than_so_much_waits() -> None:
    """The same queue as without: senders may not slow down."""
    senders, packets, low = 5, 40, 30 * MTU
    made = fabric(ecn_low=low, ecn_high=low, least=1.0, statistics=True)
    found = made.simulate([Step(np.arange(1, senders + 1), 0, packets * MTU)])
    # Round r of arrivals: behind r rounds that took 5 times as long to send as to arrive. All of a
    # round have come before the port begins with the next packet.
    ahead = [r * (senders - 1) + k for r in range(packets) for k in range(senders)]
    expected = sum(one * MTU > low for one in ahead)
    assert roce(found).marked.tolist() == [expected]
    assert found.duration == exactly(LATENCY + (1 + senders * packets) * WIRE)


def test_marks_between_the_thresholds_are_as_probable_as_they_should_be() -> None:
    low, high, most = 100 * MTU, 1100 * MTU, 0.5
    more: dict[str, Any] = {"ecn_low": low, "ecn_high": high, "ecn_most": most, "least": 1.0,
                            "statistics": True, "pfc": False, "window": 1024}  # fmt: skip
    found = fabric(**more).simulate([Step([1, 2], 0, 1000 * MTU)])
    waits = np.array([r + k - 1 for r in range(1000) for k in range(2)]) * MTU
    chance = np.clip((waits - low) / (high - low), 0, 1) * most
    sigma = np.sqrt((chance * (1 - chance)).sum())
    assert abs(roce(found).marked[0] - chance.sum()) < 3 * sigma
    other = fabric(seed=2, **more).simulate([Step([1, 2], 0, 1000 * MTU)])
    assert roce(other).marked[0] != roce(found).marked[0]
    assert other.finish.tolist() == found.finish.tolist()


def test_a_sender_that_is_warned_once_slows_to_half_and_recovers_as_the_paper_says() -> None:
    """Fast recovery: each tick takes half of the way back."""
    made = fabric(ecn_low=0, ecn_high=0, cnp_us=1e6, rate_bytes=1 << 40)
    session = session_of(made)
    enter(session, 1, 4000 * MTU, 1, 0, 0.0)
    for call, src in ((2, 2), (3, 3)):  # whose packets come before the first of the long one
        enter(session, call, MTU, src, 0, 0.0)
    told = 2 * LATENCY + 4 * WIRE  # it waits for two, is marked, and answered
    rates = []
    for tick in range(4):
        while session.advance(told + (tick + 0.9) * 55e-6):
            pass
        flows = session._live.state.flows
        rates.append(float(flows["rate"][flows["total"] == 4000 * MTU][0]))
    assert rates == pytest.approx([1 / 2, 3 / 4, 7 / 8, 15 / 16])


def test_two_senders_come_to_half_each_whenever_they_begin() -> None:
    """After 60 ms, the mean of the rates over 60 ms: within 15% of half; no drop, a short queue."""
    session = session_of(fabric())
    enter(session, 1, 200_000 * MTU, 1, 0, 0.0)
    session.advance(5e-3)
    enter(session, 2, 200_000 * MTU, 2, 0, 5e-3)
    session.advance(60e-3)
    before = session._live.state.to_come.copy()
    assert not session.advance(120e-3)
    state = session._live.state
    moved = (before - state.to_come)[state.flows["total"] == 200_000 * MTU]
    assert len(moved) == 2
    assert moved / 60e-3 == pytest.approx([BANDWIDTH / 2] * 2, rel=0.15)
    assert moved.sum() / 60e-3 > 0.9 * BANDWIDTH
    (losses,) = state.losses
    assert losses["dropped"] == 0
    assert losses["warned"] > 100


# Where it is shown.


def test_a_bench_says_what_became_of_packets() -> None:
    args = ["bench", "gather", "--system", "star:4", "--ranks", "4", "--software", "raw", "-b",
            "1M", "-e", "1M", "--algorithm", "direct", "--engine", "packet"]  # fmt: skip
    options = ["roce=net", "statistics=true", "pfc_xoff=50000", "ecn_low=8192", "ecn_high=8192"]
    chosen = [part for one in options for part in ("--engine-option", one)]
    run = CliRunner().invoke
    (row,) = json.loads(run(main, [*args, *chosen, "--format", "json"]).stdout)
    assert row["packets"] == 3 * 64
    assert row["packets_dropped"] == row["packets_resent"] == row["packets_doubled"] == 0
    assert row["packets_marked"] > 0
    assert row["cnps"] > 0
    assert row["pauses"] > 0
    assert row["paused_us"] >= row["paused_most_us"] > 0
    assert row["paused_most_link"].endswith("->switch (net)")
    text = run(main, [*args, *chosen]).stdout
    assert f"{row['packets_marked']} marked, {row['cnps']} warnings, {row['pauses']} pauses" in text
    assert f"longest paused: {row['paused_most_link']}" in text
    lossy = ["roce=net", "statistics=true", "pfc=false", "dcqcn=false", "buffer=20000"]
    chosen = [part for one in lossy for part in ("--engine-option", one)]
    (row,) = json.loads(run(main, [*args, *chosen, "--format", "json"]).stdout)
    assert row["packets_resent"] >= row["packets_dropped"] > 0
    assert row["paused_most_link"] is None


# What is refused.


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"window": 9}, EngineError, "window is 9, but no plane is of RoCE: name them, as in roce"),
        ({"roce": "rdma"}, EngineError, "roce names plane 'rdma', which is not used; net are"),
        ({"roce": "net", "recovery": "tcp"}, EngineError, "recovery is 'tcp'; there are select"),
        ({"roce": "net", "window": 0}, ArgumentError, "window is 0"),
        ({"roce": "net", "gain": 2.0}, ArgumentError, "gain is 2"),
        ({"roce": "net", "pfc": False, "pfc_xoff": 9}, EngineError, "pfc_xoff is 9, but pfc is f"),
        ({"roce": "net", "dcqcn": False, "gain": 0.5}, EngineError, "gain is 0.5, but dcqcn is"),
        ({"roce": "net", "recovery": "go-back-n", "reordering": 2}, EngineError, "in order only"),
        ({"roce": "net", "ecn_low": 9, "ecn_high": 8}, EngineError, "ecn_low is 9, above ecn_high"),
        ({"roce": "net", "buffer": 9000}, EngineError, "headroom of 2 ports.*at switch; a packet"),
    ],
)  # fmt: skip
def test_wrong_options(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Fabric(star(2), engine="packet", engine_options=options).simulate([Step(0, 1, 1)])
