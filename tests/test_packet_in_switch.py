"""Packets that switches combine and copy: closed forms, room in buffers, and the fluid engine."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from collectives import schedule
from collectives.algorithms.offload import NAMES, lacking, possible
from fabric import Fabric, Step
from fabric.clock.calls import grid
from fabric.clock.emulator import Emulator
from fabric.engines.account import Account
from fabric.engines.base import EngineError, LinkChange
from fabric.engines.columns import windows
from fabric.engines.packet.engine import Packet
from fabric.engines.packet.simulation import PacketSimulation
from fabric.engines.packet.state import FREE, NONE, UNUSED
from fabric.faults.table import Fault
from fabric.machine import MachineSpec
from fabric.schedule.in_switch import COMBINED, COPIED, REDUCED, RETURNED, marks
from fabric.schedule.plan import plans
from topology import Topology, cluster, gb200_nvl72, star
from topology.graph import MULTICAST, REDUCE
from topology.units import GB, US

MTU, RATE, LATENCY = 4096, 100 * GB, 1 * US
T = MTU / RATE  # of a packet on a link


def able_star(hosts: int, slow: int | None = None) -> Topology:
    """A star whose switch combines and copies; the links of host ``slow`` carry half."""
    made = star(hosts, bandwidth=RATE, latency=2 * LATENCY)
    switches = np.arange(made.n_vertices) >= made.n_endpoints
    rate = made.link_bandwidth.copy()
    if slow is not None:
        rate[(made.link_src == slow) | (made.link_dst == slow)] /= 2
    return replace(
        made, link_bandwidth=rate, in_switch=np.where(switches, MULTICAST | REDUCE, 0)
    )  # fmt: skip


def copied(ranks: int, size: int, root: int = 0) -> list[Step]:
    others = [rank for rank in range(ranks) if rank != root]
    return [Step(root, others, size, **marks(COPIED, ranks))]


def combined(ranks: int, size: int) -> list[Step]:
    return [Step(np.arange(1, ranks), 0, size, reduces=True, **marks(COMBINED, ranks))]


def reduced(ranks: int, size: int) -> list[Step]:
    """An all-reduce of ``size`` bytes a rank, a whole number of packets for each rank."""
    src, dst = (a.ravel() for a in np.meshgrid(*[np.arange(ranks)] * 2, indexing="ij"))
    pairs = src[src != dst], dst[src != dst]
    return [Step(*pairs, size // ranks, reduces=True, **marks(REDUCED, ranks)),
            Step(*pairs, size // ranks, **marks(RETURNED, ranks))]  # fmt: skip


EXCHANGES = (copied, combined, reduced)


def seconds(topology: Topology, steps: list[Step], **options: Any) -> float:
    return Fabric(topology, engine="packet", engine_options=options).simulate(steps).duration


# Closed forms.


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("ranks", [2, 3, 8])
@pytest.mark.parametrize("packets", [1, 5])
def test_it_takes_what_one_copy_takes(
    exchange: Callable[[int, int], list[Step]], ranks: int, packets: int
) -> None:
    """Each link carries so many packets a rank, the last of which the switch sends on."""
    many = packets * (ranks if exchange is reduced else 1)
    found = seconds(able_star(ranks), exchange(ranks, many * MTU))
    assert found == pytest.approx((many + 1) * T + 2 * LATENCY, abs=1e-12)


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize(
    "options",
    [{"switching": "cut-through"}, {"credits": 64}, {"mtu": 1000, "header": 24}, {"credits": None},
     {"statistics": True}],
    ids=str,
)  # fmt: skip
def test_whatever_switches_and_packets_are_it_takes_what_a_transfer_takes(
    exchange: Callable[[int, int], list[Step]], options: dict[str, Any]
) -> None:
    size = 8 * 12345
    plain = seconds(able_star(2), [Step(0, 1, size)], **options)
    # A stripe's last packet is shorter: eight of these are in the last round, not one.
    most = 8 * 1024 / RATE if exchange is reduced else 0.0
    assert plain <= seconds(able_star(8), exchange(8, size), **options) <= plain + most + 1e-12


def test_two_that_copy_to_the_same_ranks_share_their_links() -> None:
    """Host 0 and host 1 send 4 packets to each other, and to two more: 8 on each link of these."""
    both = [Step([0] * 3 + [1] * 3, [1, 2, 3, 0, 2, 3], 4 * MTU, **marks(COPIED, 4))]
    assert seconds(able_star(4), both) == pytest.approx(9 * T + 2 * LATENCY, abs=1e-12)


@pytest.mark.parametrize("room", [None, 3, 50])
def test_a_copy_that_finds_no_way_holds_up_the_others_only_by_the_room_in_the_switch(
    room: int | None,
) -> None:
    """Host 3 has half the bandwidth: each packet has to leave for it, ``room`` before the next.

    All of a path's latency is on the link into the switch.
    """
    packets, cells = 100, MTU // 128
    fabric = Fabric(
        able_star(4, slow=3), engine="packet",
        engine_options={"cell": 128, "credits": None if room is None else room * cells},
    )  # fmt: skip
    found = fabric.simulate(copied(4, packets * MTU)).finish
    alone = (packets + 1) * T + 2 * LATENCY
    if room is None:
        assert found[:2] == pytest.approx([alone] * 2, abs=1e-12)
        assert found[2] == pytest.approx(T + 2 * packets * T + 2 * LATENCY, abs=1e-12)
        return
    # The source may begin packet n when packet n - room begins to leave for host 3.
    begin, leave = [0.0] * packets, [0.0] * packets
    for n in range(packets):
        begin[n] = max(begin[n - 1] + T if n else 0.0, leave[n - room] if n >= room else 0.0)
        leave[n] = max(begin[n] + T + 2 * LATENCY, leave[n - 1] + 2 * T if n else 0.0)
    fast = begin[-1] + T + 2 * LATENCY + T
    assert found == pytest.approx([fast, fast, leave[-1] + 2 * T], abs=1e-12)
    assert fast > alone


def test_a_partial_result_waits_for_the_slowest() -> None:
    """Host 3 sends at half the rate: each packet goes on when its own has come."""
    found = seconds(able_star(4, slow=3), combined(4, 6 * MTU))
    assert found == pytest.approx(12 * T + LATENCY + T + LATENCY, abs=1e-12)


# What is left.


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_all_room_is_free_at_the_end(exchange: Callable[[int, int], list[Step]]) -> None:
    fabric = Fabric(able_star(5), engine="packet")
    run = PacketSimulation(Account(fabric, "", 5), Packet().options)
    steps = [step for _ in range(3) for step in exchange(5, 50 * MTU)]
    for batch, more in windows(steps, 5, empty=True):
        run.batch(batch, more=more)
    state = run.state
    assert state is not None
    assert state.n[FREE] == len(state.packets)
    assert state.n[UNUSED] == len(state.transfers)
    assert len(set(state.queues["credit"].tolist())) == 1
    assert (state.teams["left"] == 0).all()
    assert (state.members["team"] == NONE).all()
    assert (state.copies["of"] == NONE).all()


# Beside the fluid engine.


@cache
def machine(name: str) -> Topology:
    if name == "cluster":
        return cluster(2, per_node=4, in_switch=MULTICAST | REDUCE,
                       nic_in_switch=MULTICAST | REDUCE)  # fmt: skip
    return gb200_nvl72()


@pytest.mark.parametrize(
    ("name", "ranks", "op", "algorithm"),
    [("cluster", 8, "all_reduce", "sharp"), ("cluster", 8, "all_reduce", "nvls_tree"),
     ("cluster", 4, "broadcast", "nvls"), ("gb200", 72, "all_reduce", "nvls"),
     ("gb200", 72, "reduce_scatter", "nvls"), ("gb200", 36, "all_gather", "nvls")],
)  # fmt: skip
def test_large_and_quiet_it_takes_what_flows_take(
    name: str, ranks: int, op: str, algorithm: str
) -> None:
    """Chips of GB200 each get a part of the packets, of all ranks alike."""
    size = (16 << 20) // (ranks if op in ("reduce_scatter", "all_gather") else 1)
    more = {"itemsize": 4} if op == "all_reduce" else {}
    steps = list(schedule(op, ranks, size, algorithm, ranks_per_node=4, **more))
    flow = Fabric(machine(name)).simulate(steps, ranks=ranks)
    packet = Fabric(machine(name), engine="packet", engine_options={"credits": None})
    found = packet.simulate(steps, ranks=ranks)
    assert found.duration == pytest.approx(flow.duration, rel=0.02)
    assert found.link_bytes == pytest.approx(flow.link_bytes)


@pytest.mark.parametrize("routing", ["packet-hash:seed=1", "adaptive"])
def test_where_packets_find_their_own_ways_those_of_a_team_still_meet(routing: str) -> None:
    steps = list(schedule("all_reduce", 8, 1 << 20, "nvls", itemsize=4))
    even, other = (
        Fabric(machine("gb200"), engine="packet", routing=name).simulate(steps, ranks=8).duration
        for name in ("spray", routing)
    )
    assert other == pytest.approx(even, rel=0.1)


@pytest.mark.parametrize(("name", "algorithm"), [("gb200", "nvls"), ("cluster", "sharp")])
def test_ranks_one_by_one_take_what_it_takes_simulated(name: str, algorithm: str) -> None:
    fabric = Fabric(machine(name), engine="packet")
    steps = list(schedule("all_reduce", 8, 8 * 1000 * 4, algorithm, itemsize=4, ranks_per_node=4))
    expected = fabric.simulate(steps, ranks=8).rank_finish
    emulator, group = Emulator(fabric, 8), tuple(range(8))
    for plan in plans(steps, 8):
        emulator.begin(plan.rank, 1, group, plan.rows, "")
        emulator.wait(plan.rank, 1)
        emulator.ask(plan.rank, 1)
        emulator.end(plan.rank)
    ends = {answer.rank: answer.time for answer in emulator.advance()}
    assert [ends[rank] for rank in group] == [grid(time) for time in expected.tolist()]


# What is refused.


def test_what_the_engine_does_not_model_is_named_and_not_chosen() -> None:
    far = MachineSpec("h100:64", "raw", engine="packet").build()
    why = lacking(far, "all_reduce", "sharp", range(512), 8)
    assert "models what one switch does, and the ranks from node0.gpu0 to node63.gpu0" in why
    steps = schedule("all_reduce", 512, 1 << 20, "sharp", ranks_per_node=8)
    with pytest.raises(EngineError, match=r"ranks 0 and 256 of dgx_h100.* do not meet in one sw"):
        far.simulate(steps, ranks=512)
    fault = [Fault("host0", "degraded", share=0.5, start=1e-6)]
    broken = Fabric(able_star(4), engine="packet", faults=fault)
    assert "while links change" in lacking(broken, "all_reduce", "nvls", range(4), 4)
    with pytest.raises(EngineError, match="on a machine that changes in time"):
        broken.simulate(copied(4, MTU))
    lossy = Fabric(able_star(4), engine="packet", engine_options={"roce": "net"})
    assert not {*possible(lossy, "all_reduce", range(4), 4)} & {*NAMES}
    with pytest.raises(EngineError, match=r"step 0: 2 rows of 4096 bytes at rank 0 meet .* be 7"):
        seconds(able_star(4), [Step(0, [1, 2], MTU, **marks(COPIED, 8))])


def test_a_session_refuses_changes_beside_it() -> None:
    fabric = Fabric(able_star(2), engine="packet")
    session, emulator = fabric.session(2), Emulator(fabric, 2)
    for plan in plans(copied(2, MTU), 2):
        share = emulator._catalogue.part(
            emulator._catalogue.family("", (0, 1)), plan.rows, plan.rank
        )
        session.prepare(share.streams)
        session.enter(0, 0.0, share.streams)
    session.advance()
    with pytest.raises(EngineError, match="on a machine that changes in time"):
        session.change(1.0, LinkChange(np.array([0]), np.array([0.5])))
