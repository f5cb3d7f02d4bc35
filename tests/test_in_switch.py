"""Switches that combine and copy data: which can, what links carry, how long it takes, the data."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.collectives import measure
from bench.options import Flags
from collectives import ALGORITHMS, Communicator, init, schedule
from collectives.algorithms import reference
from collectives.algorithms.choose import choose
from collectives.algorithms.offload import NAMES, lacking, possible
from collectives.algorithms.reference import check
from fabric import Fabric, Step, launch
from fabric.clock.calls import grid
from fabric.clock.emulator import Emulator
from fabric.endpoint.costs import Costs, Endpoint
from fabric.engines.columns import batches
from fabric.engines.flow.engine import Flow
from fabric.engines.in_switch import MODELS, shares
from fabric.failure import WorldError
from fabric.machine import MachineSpec
from fabric.schedule.in_switch import COMBINED, COPIED, REDUCED, RETURNED, marks
from fabric.schedule.plan import plans
from fabric.schedule.step import ScheduleError
from topology import (
    RouteError,
    Topology,
    cloudmatrix384,
    cluster,
    dgx_h100,
    dgx_h800,
    gb200_nvl72,
    hgx_h20,
    mi300x,
    star,
)
from topology.analysis.in_switch import can_meet, domains
from topology.graph import MULTICAST, REDUCE
from topology.units import GB, US, Gbit

B, NIC = 450 * GB, 400 * Gbit
"""Of H100: NVLink and a NIC, each way a GPU."""

NEAR, FAR = 3.33 * US, 2.8 * US
"""Latencies over NVSwitch, and over an InfiniBand leaf."""

BOTH = MULTICAST | REDUCE
S = 64 << 20
CASES = [(op, name) for op, table in ALGORITHMS.items() for name in table if name in NAMES]


@cache
def h100(nodes: int = 1) -> Fabric:
    return Fabric(dgx_h100(nodes))


# Which switches can.


@pytest.mark.parametrize(
    ("topology", "plane", "sizes"),
    [(dgx_h100(2), "nvlink", [8, 8]), (dgx_h100(2), "rdma", [16]),
     (dgx_h800(2), "rdma", []), (gb200_nvl72(80), "nvlink", [72, 8]),
     (cloudmatrix384(), "ub", []), (cloudmatrix384(), "package", []),
     (mi300x(2), "xgmi", []), (hgx_h20(2, rdma="ib"), "rdma", [])],
    ids=lambda given: getattr(given, "name", ""),
)  # fmt: skip
def test_domains_are_what_able_switches_join(
    topology: Topology, plane: str, sizes: list[int]
) -> None:
    found = domains(topology, topology.plane(plane), BOTH)
    assert np.unique(found[found >= 0], return_counts=True)[1].tolist() == sizes


def test_one_switch_that_cannot_is_enough_to_refuse() -> None:
    made = dgx_h100(2)
    able = made.in_switch.copy()
    able[made.vertex("node0.nvswitch")] = MULTICAST
    half = replace(made, in_switch=able)
    ends = half.accelerators
    assert not can_meet(half, ("nvlink", "rdma"), ends[:8], BOTH)
    assert can_meet(half, ("nvlink", "rdma"), ends[:8], MULTICAST)
    assert can_meet(half, ("nvlink", "rdma"), ends[8:], BOTH)
    # Some of these meet over NVLink and some over NICs: no one plane joins them all.
    assert not can_meet(half, ("nvlink", "rdma"), ends, BOTH)
    assert can_meet(half, ("rdma",), ends, BOTH)


@pytest.mark.parametrize(
    ("fabric", "ranks", "node", "names"),
    [(h100(), 8, 8, {"nvls"}), (h100(2), 16, 8, {"nvls_tree", "sharp"}), (h100(), 1, 1, {*NAMES}),
     (Fabric(gb200_nvl72(144)), 144, 72, {"nvls_tree", "sharp"}),
     (Fabric(dgx_h800(2)), 16, 8, {"nvls_tree"}), (Fabric(gb200_nvl72()), 72, 4, {"nvls"}),
     (Fabric(dgx_h100(2), planes=("rdma",)), 16, 1, {"nvls"}),
     (Fabric(cloudmatrix384()), 32, 16, set()), (Fabric(star(8)), 8, 1, set())],
)  # fmt: skip
def test_an_algorithm_is_possible_where_switches_can(
    fabric: Fabric, ranks: int, node: int, names: set[str]
) -> None:
    found = possible(fabric, "all_reduce", range(ranks), node)
    assert {*found} & {*NAMES} == names
    assert {"ring", "direct"} <= {*found}


def test_an_engine_that_models_no_switches_does_not_get_such_schedules() -> None:
    blind = replace(h100())
    object.__setattr__(blind, "_engine", _Blind())
    assert "does not model" in lacking(blind, "all_reduce", "nvls", range(8), 8)


class _Blind(Flow):
    models = Flow.models - MODELS


# What links carry, and how long that takes.


@pytest.mark.parametrize("size", [1 << 13, S, S + 4 * 12345])
@pytest.mark.parametrize(
    ("topology", "ranks", "bandwidth"),
    [(dgx_h100(1), 8, B), (dgx_h100(1), 5, B), (gb200_nvl72(), 72, 2 * B),
     (dgx_h800(1), 2, 200 * GB)],
    ids=lambda given: getattr(given, "name", ""),
)  # fmt: skip
def test_every_link_carries_an_all_reduce_once_each_way(
    topology: Topology, ranks: int, bandwidth: float, size: int
) -> None:
    found = Fabric(topology).simulate(
        schedule("all_reduce", ranks, size, "nvls", itemsize=4), ranks=ranks
    )
    # Chunks differ by an item where the ranks do not divide the items.
    alike = {"rel": 0, "abs": 8 * ranks}
    ports = 1 if "dgx" in topology.name else 18
    for ends in (topology.link_src, topology.link_dst):
        for gpu in topology.accelerators[:ranks]:
            mine = (ends == gpu) & (topology.link_plane == 0)
            assert mine.sum() == ports
            assert found.link_bytes[mine].sum() == pytest.approx(size, **alike)
    assert found.duration == pytest.approx(NEAR + size / bandwidth, rel=2e-3)
    assert found.bound <= found.duration * (1 + 1e-9)


@pytest.mark.parametrize(
    ("op", "out", "back"),
    [("all_gather", 1 / 7, 1), ("reduce_scatter", 1, 1 / 7)],
)
def test_a_gather_leaves_once_and_a_scatter_arrives_once(op: str, out: float, back: float) -> None:
    fabric, block = h100(), S // 8
    found = fabric.simulate(schedule(op, 8, block, "nvls"), ranks=8)
    graph = fabric.topology
    up = found.link_bytes[(graph.link_src == 0) & (graph.link_plane == 0)]
    down = found.link_bytes[(graph.link_dst == 0) & (graph.link_plane == 0)]
    assert (up[0], down[0]) == pytest.approx((out * 7 * block, back * 7 * block))
    assert found.duration == pytest.approx(NEAR + 7 * block / B)


def test_a_broadcast_takes_what_one_copy_takes() -> None:
    found = h100().simulate(schedule("broadcast", 8, S, "nvls", root=3), ranks=8)
    assert found.duration == pytest.approx(NEAR + S / B)
    assert found.link_bytes.sum() == pytest.approx(8 * S)


@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_sharp_sends_a_part_of_a_node_once_over_each_nic(nodes: int) -> None:
    fabric, ranks, size = h100(nodes), 8 * nodes, 1 << 30
    found = fabric.simulate(
        schedule("all_reduce", ranks, size, "sharp", itemsize=4, ranks_per_node=8), ranks=ranks
    )
    graph = fabric.topology
    for ends, plane, bytes_ in product((graph.link_src, graph.link_dst), (0, 1), (size,)):
        mine = (ends == 5) & (graph.link_plane == plane)
        assert found.link_bytes[mine].sum() == pytest.approx(bytes_ / (1, 8)[plane], rel=1e-4)
    wire = size / 8 / NIC  # of 16 pieces one after the other, that of NVLink is hidden behind it
    assert wire < found.duration < wire * 17 / 16 + 18 * (NEAR + FAR) + size / 16 / B
    small = fabric.simulate(
        schedule("all_reduce", ranks, 1024, "sharp", itemsize=4, ranks_per_node=8), ranks=ranks
    )
    assert small.duration == pytest.approx(NEAR + FAR, rel=0.01)


def test_trees_between_nodes_carry_twice_a_part_of_a_node() -> None:
    for nodes in (2, 4):
        fabric, ranks, size = h100(nodes), 8 * nodes, 1 << 30
        steps = schedule("all_reduce", ranks, size, "nvls_tree", ranks_per_node=8)
        found = fabric.simulate(steps, ranks=ranks)
        graph = fabric.topology
        out = [found.link_bytes[(graph.link_src == gpu) & (graph.link_plane == 1)].sum()
               for gpu in range(ranks)]  # fmt: skip
        assert max(out) <= 2 * size / 8 * (1 + 1e-9)
        assert 2 * size / 8 / NIC * (nodes - 1) / nodes < found.duration < 1.2 * 2 * size / 8 / NIC


def test_trees_between_nodes_take_no_longer_than_what_is_slowest() -> None:
    # S passes a port of NVLink, here of 200 GB/s, each way; S/8 goes up and down between nodes, at
    # once and beside it, in less time. The last of 16 pieces has three stages more.
    ranks, size, rate = 16, 1 << 30, 200 * GB
    slow = Endpoint("slow", {"": Costs(efficiency={"nvlink": rate / B})})
    steps = schedule("all_reduce", ranks, size, "nvls_tree", ranks_per_node=8)
    found = Fabric(dgx_h100(2), endpoint=slow).simulate(steps, ranks=ranks)
    assert size / rate < found.duration < 19 / 16 * size / rate * 1.01


def test_times_never_fall_with_size() -> None:
    for (op, name), fabric in product(CASES, (h100(), h100(2))):
        ranks = len(fabric.places)
        if name not in possible(fabric, op, range(ranks), 8):
            continue
        sizes = [0, 8, 1024, 1 << 16, 1 << 20, 5 << 20, 1 << 24, 1 << 28]
        times = [
            fabric.simulate(
                schedule(op, ranks, size, name, ranks_per_node=8), ranks=ranks
            ).duration for size in sizes
        ]  # fmt: skip
        assert times == sorted(times), (op, name)


def test_what_software_costs_is_paid_for_what_a_rank_gets() -> None:
    rows = [Step([1, 2, 3], 0, 12, reduces=True, **marks(COMBINED, 4)),
            Step(0, [1, 2, 3], 12, **marks(COPIED, 4)),
            Step([1, 2], [0, 3], 12, reduces=True, **marks(REDUCED, 4)),
            Step(0, 1, 12, **marks(RETURNED, 4)), Step(0, 1, 12)]  # fmt: skip
    (batch,) = batches(rows, 4)
    source, target = shares(batch.streams)
    third, more = pytest.approx(1 / 3), pytest.approx(4 / 3)
    assert source.tolist() == [1, 1, 1, *[third] * 3, more, more, 0, 1]
    assert target.tolist() == [*[third] * 3, 1, 1, 1, more, more, 0, 1]


# Who asks for what cannot be is told.


def test_steps_for_switches_that_cannot_are_refused_by_name() -> None:
    steps = list(schedule("all_reduce", 4, 64, "nvls"))
    with pytest.raises(
        RouteError,
        match=r"star\(4\): the switches of plane net between host0 and"
        r" host1 cannot combine data and copy the result",
    ):
        Fabric(star(4)).simulate(steps)
    with pytest.raises(RouteError, match=r"plane rdma between node0\.gpu0 and node1"):
        Fabric(dgx_h800(2)).simulate(schedule("all_gather", 16, 64, "nvls"))


@pytest.mark.parametrize("name", NAMES)
def test_a_bench_refuses_them_by_name_and_all_are_those_that_can_be(name: str) -> None:
    flags = Flags(ranks=8, minbytes=64, maxbytes=64)
    ideal = MachineSpec("star:8")
    with pytest.raises(ScheduleError, match=rf"all_reduce by {name}: .*it can be done by direct"):
        measure.prepare("all_reduce", flags, ideal, name, environment={})
    every = measure.prepare("all_reduce", flags, ideal, "all", environment={})
    assert name not in every.algorithms
    able = measure.prepare("all_reduce", flags, MachineSpec("h100:1"), "all", environment={})
    assert {*able.algorithms} & {*NAMES} == {"nvls"}


def test_the_library_takes_switches_where_they_are_fastest() -> None:
    assert choose(h100(), "all_reduce", 8, S, ranks_per_node=8) == "nvls"
    assert choose(h100(2), "all_reduce", 16, S, ranks_per_node=8) == "sharp"


# The data, by real ranks.


def program(cases: Sequence[tuple[str, str]]) -> list[str]:
    """What is wrong at a rank with these cases, for whole numbers."""
    wrong = []
    with init() as comm:
        n, me = comm.size, comm.rank
        for op, name in cases:
            for items in (1, 7, 120):
                sent = [np.arange(items * n, dtype=np.float32) % 13 + rank for rank in range(n)]
                if not _done(comm, op, name, sent, items):
                    wrong.append(f"{op} {name} of {items} at {me}")
    return wrong


def _done(
    comm: Communicator, op: str, name: str, sent: Sequence[NDArray[np.float32]], items: int
) -> bool:
    n, me = comm.size, comm.rank
    call = getattr(comm, op)
    x = sent[me].copy()
    if op == "all_reduce":
        call(x, algorithm=name)
        return bool((x == sum(sent)).all())
    if op == "broadcast":
        call(x, root=n - 1, algorithm=name)
        return bool((x == sent[-1]).all())
    block = slice(me * items, (me + 1) * items)
    if op == "all_gather":
        out = np.empty(items * n, np.float32)
        call(out, x[:items], algorithm=name)
        return bool((out == np.concatenate([one[:items] for one in sent])).all())
    out = np.empty(items, np.float32)
    call(out, x, algorithm=name)
    return bool((out == sum(sent)[block]).all())


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
@pytest.mark.parametrize("nodes", [1, 2])
def test_real_ranks_get_the_right_data(transport: str, nodes: int) -> None:
    machine = cluster(nodes, per_node=4 // nodes, in_switch=BOTH, nic_in_switch=BOTH)
    cases = [case for case in CASES if (case[1] == "nvls") == (nodes == 1)]
    assert launch(program, 4, Fabric(machine), transport, args=(cases,)) == [[]] * 4


def timed() -> float:
    with init() as comm:
        x = np.ones(1 << 18, np.float32)
        comm.all_reduce(x, algorithm="nvls")
        assert (x == comm.size).all()
        return comm.now()


def test_real_ranks_take_the_time_of_the_simulation() -> None:
    ends = launch(timed, ranks=4, system="h100:1", software="raw")
    expected = NEAR + (1 << 20) / B
    assert ends == [pytest.approx(expected, rel=1e-4)] * 4


def refused() -> str:
    with init() as comm:
        comm.all_reduce(np.ones(4, np.float32), algorithm="nvls")
        return "done"


def test_real_ranks_are_told_what_their_machine_cannot() -> None:
    with pytest.raises(WorldError, match="all_reduce by nvls: on star"):
        launch(refused, ranks=2, system="star:2")


@pytest.mark.parametrize(("op", "name"), CASES)
def test_a_call_of_ranks_one_by_one_takes_what_it_takes_simulated(op: str, name: str) -> None:
    nodes = 2 if name in ("nvls_tree", "sharp") else 1
    fabric, ranks = h100(nodes), 8 * nodes
    steps = list(schedule(op, ranks, 1680 * 4, name, ranks_per_node=8))
    check(steps, ranks)
    expected = fabric.simulate(steps, operation=op, ranks=ranks).rank_finish
    emulator, group = Emulator(fabric, ranks), tuple(range(ranks))
    for plan in plans(steps, ranks):
        emulator.begin(plan.rank, 1, group, plan.rows, op)
        emulator.wait(plan.rank, 1)
        emulator.ask(plan.rank, 1)
        emulator.end(plan.rank)
    ends = {answer.rank: answer.time for answer in emulator.advance()}
    assert [ends[rank] for rank in group] == [grid(t) for t in expected.tolist()]


@pytest.mark.parametrize("ranks", [2, 3, 8, 12, 16, 24])
@pytest.mark.parametrize("name", ["nvls_tree", "sharp"])
def test_domains_and_pieces_of_any_number_give_the_sum(name: str, ranks: int) -> None:
    for items, node in product((0, 1, 5, 24, 3 << 20), (1, 4, 8)):
        if items > 24 and (ranks, node) != (8, 4):
            continue  # long enough for three pieces
        sent = [np.full(items, rank + 1, np.int32) for rank in range(ranks)]
        steps = list(
            schedule("all_reduce", ranks, 4 * items, name, itemsize=4, ranks_per_node=node)
        )
        check(steps, ranks)
        found = reference.run(steps, sent, 4 * items)
        assert all((got == ranks * (ranks + 1) // 2).all() for got in found)
