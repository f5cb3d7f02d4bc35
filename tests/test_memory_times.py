"""How long one-sided accesses take: closed forms, the same transfers simulated, what they meet."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collectives import Communicator, init
from collectives.memory.window import Window
from fabric import Costs, Endpoint, Fabric, Step, launch
from fabric.clock.accesses import AccessTerms
from fabric.clock.emulator import Emulator
from fabric.endpoint.one_sided import SIDES, with_memory
from fabric.endpoint.stacks import named, usual
from fabric.failure import WorldError
from fabric.faults.table import Fault
from topology import cloudmatrix384, star
from topology.units import GB, US

SIZES = (1, 512, 1 << 16, 3 << 20)
DIES = {"package": 1, "node": 2, "supernode": 16}
"""A second die, by how far it is from the first one."""


@cache
def supernode() -> Any:
    return cloudmatrix384()


def joined(body: Callable[..., Any], *args: Any) -> Any:
    with init() as comm:
        return body(comm, *args)


def timed(comm: Communicator, kind: str, sizes: tuple[int, ...], device: str, near: str) -> Any:
    """What accesses of rank 0 to rank 1 take, one after the other, in seconds."""
    found = []
    with Window(comm, max(sizes), device=device) as window:
        for size in sizes if comm.rank == 0 else ():
            x = np.zeros(size, np.uint8)
            work = window.put(x, 1, source=near) if kind == "put" else window.get(x, 1, into=near)
            begin, end = work.times()
            found.append(end - begin)
    return found


@pytest.mark.parametrize("kind", ["put", "get"])
@pytest.mark.parametrize("far", DIES)
def test_an_access_takes_what_its_transfer_takes_in_a_simulation(kind: str, far: str) -> None:
    endpoint = with_memory(usual(supernode()), supernode(), ("package", "ub"))
    fabric = Fabric(supernode(), endpoint=usual(supernode()), placement=[0, DIES[far]])
    simulated = Fabric(supernode(), endpoint=endpoint, placement=[0, DIES[far]])
    found = launch(joined, 2, fabric, args=(timed, kind, SIZES, "npu", "npu"))[0]
    src, dst, operation = (0, 1, "write") if kind == "put" else (1, 0, "read")
    expected = [
        simulated.simulate([Step(src, dst, size)], operation=operation, ranks=2).duration
        for size in SIZES
    ]
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("near", "far"), SIDES)
@pytest.mark.parametrize("kind", ["put", "get"])
def test_memory_of_a_cpu_has_a_port_and_costs_of_its_own(kind: str, near: bool, far: bool) -> None:
    topology, name = supernode(), "hixl-fabricmem-aicpu"
    device, own = ("cpu" if far else "npu"), ("cpu" if near else "npu")
    fabric = Fabric(topology, endpoint=name, placement=[0, 16])
    found = launch(joined, 2, fabric, args=(timed, kind, SIZES, device, own))[0]
    cpus = topology.of_kind("cpu")
    ends = [int(cpus[0]) if near else 0, int(cpus[4]) if far else 16]
    simulated = Fabric(topology, endpoint=name, placement=ends)
    src, dst = (0, 1) if kind == "put" else (1, 0)
    operation = ("write" if kind == "put" else "read") + SIDES[near, far]
    expected = [
        simulated.simulate([Step(src, dst, size)], operation=operation, ranks=2).duration
        for size in SIZES
    ]
    assert found == pytest.approx(expected, abs=1e-12)


WIRE = star(4, bandwidth=10 * GB, latency=1 * US)
"""1 us from host to host; an access takes two, as its initiator waits for the answer."""


def test_the_wire_there_and_back_is_what_an_access_without_a_stack_takes() -> None:
    found = launch(joined, 4, Fabric(WIRE), args=(timed, "get", (10_000, 20_000), "npu", "npu"))[0]
    one = Fabric(WIRE).simulate([Step(0, 1, 0)]).duration
    assert one == 1 * US
    assert found == pytest.approx([3 * US, 4 * US], rel=1e-6)


def all_to_one(comm: Communicator, sizes: tuple[int, ...]) -> list[float]:
    """Every other rank writes to rank 0 at once: when each is over."""
    found = []
    with Window(comm, max(sizes)) as window:
        for size in sizes:
            comm.barrier()
            start = comm.now()
            if comm.rank:
                window.put(np.zeros(size, np.uint8), 0)
            found.append(comm.now() - start)
            comm.barrier()
    return found


def test_accesses_to_one_rank_share_its_port_as_the_same_transfers_do() -> None:
    sizes = (1000, 40_000)
    found = launch(joined, 4, Fabric(WIRE), args=(all_to_one, sizes))
    fabric = Fabric(WIRE, endpoint=with_memory(named("raw"), WIRE, ("net",)))
    for at, size in enumerate(sizes):
        step = Step([1, 2, 3], [0, 0, 0], size)
        expected = fabric.simulate([step], operation="write", ranks=4).duration
        assert [found[rank][at] for rank in (1, 2, 3)] == pytest.approx([expected] * 3, abs=1e-12)
    assert found[1][1] == pytest.approx(2 * US + 3 * 40_000 / (10 * GB), rel=1e-6)


def beside(comm: Communicator, together: bool) -> tuple[float, float]:
    """An all-reduce and a put, at once or one after the other: what each takes."""
    with Window(comm, 1 << 20) as window:
        x, peer = np.zeros(1 << 17, np.float32), (comm.rank + 1) % comm.size
        comm.barrier()
        reduced = comm.all_reduce(x, async_op=True, algorithm="ring")
        if not together:
            reduced.wait()
            comm.barrier()
        put = window.put(np.zeros(1 << 20, np.uint8), peer, async_op=True)
        window.flush()
        (a, b), (c, d) = reduced.times(), put.times()
        return b - a, d - c


def test_accesses_and_collectives_slow_each_other_down() -> None:
    alone = launch(joined, 4, Fabric(WIRE), args=(beside, False))[0]
    both = launch(joined, 4, Fabric(WIRE), args=(beside, True))[0]
    assert both[0] > 1.3 * alone[0]
    assert both[1] > 1.3 * alone[1]
    # The links carry all of the bytes in the end, and no less time than that.
    assert max(both) >= (1 << 20) * 1.75 / (10 * GB)


def fenced(comm: Communicator, fence: bool) -> tuple[float, float, float]:
    with Window(comm, 1 << 20) as window:
        if comm.rank == 1:
            window.wait(0, 1)
            return comm.now(), 0.0, 0.0
        if comm.rank:
            return 0.0, 0.0, 0.0
        big = window.put(np.zeros(1 << 19, np.uint8), 1, 8, async_op=True)
        if fence:
            window.fence()
        small = window.signal(1, 0, 1, async_op=True)
        window.flush()
        return 0.0, big.times()[1], small.times()[1]


@pytest.mark.parametrize("fence", [False, True])
def test_what_follows_a_fence_begins_when_what_was_before_it_is_over(fence: bool) -> None:
    found = launch(joined, 3, Fabric(WIRE), args=(fenced, fence))
    _, big, small = found[0]
    assert (small > big) is fence
    assert found[1][0] == small
    if fence:
        assert small - big == pytest.approx(2 * US + 8 / (10 * GB), rel=1e-6)


def test_blocks_of_one_access_are_paced_as_the_messages_of_its_stack() -> None:
    """Closed form: blocks leave a gap apart, and the last one ends a latency later."""
    stack = Endpoint("gaps", {"read": Costs(message_gap=2 * US, launch=5 * US, crossings=2.0),
                              "write": Costs(message_gap=2 * US, launch=5 * US)})  # fmt: skip
    fabric = Fabric(WIRE, endpoint=stack)
    found = launch(joined, 2, fabric, args=(in_blocks, 8, 1000))[0]
    way = Fabric(WIRE).simulate([Step(0, 1, 0)]).duration
    assert found == pytest.approx(5 * US + 2 * way + 8 * 2 * US, rel=1e-6)


def in_blocks(comm: Communicator, blocks: int, size: int) -> float:
    with Window(comm, blocks * size) as window:
        if comm.rank:
            return 0.0
        room = np.zeros((blocks, size), np.uint8)
        work = window.getv([(row, at * size) for at, row in enumerate(room)], 1)
        begin, end = work.times()
        return end - begin


def test_collective_libraries_do_not_time_accesses() -> None:
    """Their constants for every other operation are of kernels that ranks launch together."""
    topology, planes = supernode(), ("package", "ub")
    table_1 = named("raw").costs("read")
    assert with_memory(usual(topology), topology, planes).costs("read") == table_1
    assert usual(topology).costs("read") != table_1
    roce = with_memory(usual(topology), topology, ("rdma",))
    assert (roce.stack("write"), roce.costs("write")) == (
        "hixl-roce", named("hixl-roce").costs("write"),
    )  # fmt: skip
    assert with_memory(named("hixl-roce"), topology, ("rdma",)) == named("hixl-roce")
    assert with_memory(named("raw"), topology, ("rdma",)).costs("read") == Costs(crossings=2.0)
    own = replace(named("hccl"), by_operation={"read": Costs(launch=1.0), "write": Costs()})
    assert with_memory(own, topology, planes) is own


def crowded(comm: Communicator) -> None:
    """Memory is registered while a long message is in flight, and accessed before it is over."""
    work = comm.isend(np.zeros(1 << 20), 1) if comm.rank == 0 else None
    if comm.rank == 1:
        work = comm.irecv(np.zeros(1 << 20), 0)
    for _ in range(2):
        if comm.rank == 2:
            comm.send(np.zeros(1), 3)
        elif comm.rank == 3:
            comm.recv(np.zeros(1), 2)
    comm.barrier()
    comm.now()  # known when the barrier is over, and the first call is in flight still
    window = Window(comm, 8)
    if comm.rank == 2:
        window.put(b"1", 3)
        comm.now()
    if work is not None:
        work.wait()


def test_memory_registered_in_the_middle_of_a_long_transfer_says_so() -> None:
    errors = launch(joined, 4, Fabric(WIRE), args=(crowded,), return_exceptions=True, timeout=60)
    assert isinstance(errors[2], WorldError)  # others may have ended before
    assert "while other calls were in flight" in str(errors[2])


def outstanding(comm: Communicator, count: int, size: int) -> tuple[float, float, list[int]]:
    """Puts that are begun at one instant; the same as one access of as many blocks; additions."""
    with Window(comm, count * size) as window:
        if comm.rank:
            return 0.0, 0.0, []
        rows = np.zeros((count, size), np.uint8)
        apart = [window.put(row, 1, at * size, async_op=True) for at, row in enumerate(rows)]
        window.flush()
        spans = {work.times() for work in apart}
        begin, end = window.putv([(row, at * size) for at, row in enumerate(rows)], 1).times()
        added = [window.atomic(1, 0, "add", 1) for _ in range(5)]
        values = [work.value() for work in added]
        ((first, last),) = spans
        return last - first, end - begin, values


def test_accesses_begun_at_one_instant_are_messages_of_one_queue() -> None:
    stack = Endpoint("gaps", {"write": Costs(message_gap=2 * US, launch=5 * US, crossings=2.0,
                                             pair_bandwidth=1 * GB), "read": Costs()})  # fmt: skip
    for size in (8, 100_000):
        found = launch(joined, 2, Fabric(WIRE, endpoint=stack), args=(outstanding, 6, size))[0]
        apart, at_once, values = found
        assert apart == at_once
        assert apart == pytest.approx(7 * US + 6 * max(2 * US, size / GB), rel=1e-6)
        assert values == [0, 1, 2, 3, 4]


def test_packets_of_accesses_take_what_they_take_in_a_simulation() -> None:
    """Whatever engine times it: an access is a call like others."""
    fabric = Fabric(WIRE, engine="packet")
    found = launch(joined, 4, fabric, args=(all_to_one, (40_000,)), timeout=300)
    whole = Fabric(WIRE, engine="packet", endpoint=with_memory(named("raw"), WIRE, ("net",)))
    step = Step([1, 2, 3], [0, 0, 0], 40_000)
    expected = whole.simulate([step], operation="write", ranks=4).rank_finish
    ends = [found[rank][0] for rank in (1, 2, 3)]
    assert max(ends) == pytest.approx(expected.max(), abs=1e-11)


def test_traces_show_accesses_by_name_with_the_stack_that_times_them(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    fabric = Fabric(supernode(), endpoint=usual(supernode()))
    launch(joined, 2, fabric, args=(timed, "put", (512,), "npu", "npu"), trace=trace)
    slices = [one for one in json.loads(trace.read_text())["traceEvents"] if one["ph"] == "X"]
    (put,) = [one for one in slices if one["name"].startswith("put")]
    assert put["name"] == "put(512 B, rank 1, window 'window')"
    assert put["args"]["software"] == "raw"
    assert put["dur"] == pytest.approx(1.3, rel=0.1)  # Table 1: a write within a node


def test_what_words_were_is_known_however_many_accesses_have_ended_since() -> None:
    """More than the emulator remembers of calls that are over: 65,536 parts of them."""
    emulator, count, word = Emulator(Fabric(WIRE), 2), 40_000, [0]
    emulator.with_memory()

    def add() -> tuple[int, int]:
        word[0] += 1
        return word[0] - 1, word[0]

    terms = AccessTerms(0, False, 8, 1, (False, False), (0, 0, 0), add)
    for op in range(count):
        emulator.access(1, op, terms)
    for op in range(count):
        emulator.wait(1, op)
    emulator.end(0)
    assert emulator.advance() == []
    for op in range(count):
        emulator.word(1, op, op)
    assert [answer.word for answer in emulator.advance()] == list(range(count))


def test_a_cpu_that_dies_is_named_and_is_no_rank() -> None:
    fabric = Fabric(supernode(), faults=[Fault(("node0.cpu0",), start=1 * US)], placement=[0, 2])
    asked = (timed, "put", (1 << 24,), "cpu", "npu")
    with pytest.raises(WorldError) as error:
        launch(joined, 2, fabric, args=asked, timeout=60)
    assert "no path from node0.die0 (rank 0) to node0.cpu0 on cloudmatrix384" in str(error.value)
    assert "node0.cpu0 dead" in str(error.value)
