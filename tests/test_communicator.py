"""The calls of a communicator, on threads, against numpy; the same smaller set on processes."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from collectives import ALGORITHMS, Communicator, Recv, Send, buffers, init
from collectives.algorithms import reference, spec
from collectives.algorithms.offload import NAMES
from collectives.algorithms.table import schedule
from fabric.failure import CallMismatch, Deadlock, RankFailed, TimedOut, WorldError
from fabric.launching.launch import launch
from fabric.schedule.plan import plan
from fabric.schedule.step import ScheduleError, Step
from tests.support.every_byte import (
    EXACT,
    FLOATS,
    REDUCING,
    ROOTED,
    call,
    numbers,
    reductions,
    wanted,
)

Array = NDArray[Any]
RANKS = (1, 2, 3, 4, 7, 8)
ANYWHERE = {op: [name for name in table if name not in NAMES] for op, table in ALGORITHMS.items()}
"""The algorithms that need no switches that combine or copy; tests/test_in_switch.py has those."""

OPS = tuple(op for op in ALGORITHMS if op not in ("all_to_all_v", "send_recv", "barrier"))


def world(
    main: Callable[..., Any], ranks: int, *args: Any, transport: str = "inproc", **options: Any
) -> list[Any]:
    """What each rank returns, without an emulated machine unless one is named."""
    options = {"system": None, "timeout": 60.0, "grace": 2.0, **options}
    return launch(main, ranks, transport=transport, args=args, **options)


def collectives_are_right(cases: list[tuple[str, str, str, str, int, int]]) -> int:
    """In a rank: make every call, and compare what it holds with numpy and the reference."""
    with init() as comm:
        for op, name, dtype, reduction, items, root in cases:
            size = items * np.dtype(getattr(ml_dtypes, dtype, dtype)).itemsize
            send_size, recv_size = buffers(op, comm.size, size)
            itemsize = size // items if items else 1
            inputs = numbers(comm.size, send_size // itemsize, dtype, exact=False)
            got = np.zeros(recv_size // itemsize, inputs[0].dtype)
            call(comm, op, inputs[comm.rank].copy(), got, root, reduction, algorithm=name)
            want = wanted(op, inputs, root, reduction)[comm.rank]
            if want is None:
                continue
            if op in REDUCING and dtype in FLOATS:
                steps = schedule(
                    op, comm.size, size, name, root=root, itemsize=itemsize, ranks_per_node=16
                )
                want = reference.run(steps, inputs, recv_size, reduction)[comm.rank]
            assert got.tobytes() == want.tobytes(), (op, name, dtype, reduction, items, root)
    return len(cases)


def cases(ranks: int) -> list[tuple[str, str, str, str, int, int]]:
    """Every algorithm of every collective; types, reductions, sizes and roots in turn."""
    dtypes, kinds = itertools.cycle(EXACT + FLOATS), itertools.cycle(spec.COMBINE)
    sizes, roots = itertools.cycle((0, 1, 13, 5000)), itertools.cycle(range(ranks))
    chosen = []
    for op in OPS:
        for name, _ in itertools.product(ANYWHERE[op], range(6 if op in REDUCING else 3)):
            dtype, reduction = next(dtypes), next(kinds)
            if reduction not in reductions(dtype):
                reduction = "sum"
            root = next(roots) if op in ROOTED else 0
            chosen.append((op, name, dtype, reduction, next(sizes), root))
    return chosen


@pytest.mark.parametrize("ranks", RANKS)
def test_every_collective_by_every_algorithm(ranks: int) -> None:
    every = cases(ranks)
    assert world(collectives_are_right, ranks, every) == [len(every)] * ranks


@pytest.mark.parametrize("ranks", [2, 3])
def test_every_collective_between_processes(ranks: int) -> None:
    every = cases(ranks)
    assert world(collectives_are_right, ranks, every, transport="zmq") == [len(every)] * ranks


@pytest.mark.parametrize("reduction", spec.COMBINE)
def test_every_type_under_every_reduction(reduction: str) -> None:
    chosen = [
        (op, name, dtype, reduction, 9, 1)
        for op, name in (("all_reduce", "ring"), ("reduce", "binomial"), ("reduce_scatter", "ring"))
        for dtype in EXACT + FLOATS
        if reduction in reductions(dtype)
    ]
    world(collectives_are_right, 4, chosen)


def in_place() -> dict[str, Any]:
    with init() as comm:
        n, me = comm.size, comm.rank
        x = np.full(3, me + 1.0)
        comm.all_reduce(x)
        line = np.full(2 * n, -1)
        line[2 * me : 2 * me + 2] = me
        comm.all_gather(line, line[2 * me : 2 * me + 2])
        blocks = np.arange(2.0 * n)
        comm.reduce_scatter(blocks[2 * me : 2 * me + 2], blocks)
        root = np.full(2, float(me))
        comm.reduce(root, root=1)
        whole = np.full(n, me)
        comm.gather(whole if me == 0 else None, whole[me : me + 1] if me == 0 else whole[:1])
        parts = np.arange(n) * 10
        comm.scatter(parts[me : me + 1], parts, root=2)
    return {
        "all_reduce": x.tolist(), "all_gather": line.tolist(), "reduce": root.tolist(),
        "reduce_scatter": blocks[2 * me : 2 * me + 2].tolist(), "gather": whole.tolist(),
        "scatter": parts.tolist(),
    }  # fmt: skip


def test_in_place() -> None:
    for me, held in enumerate(world(in_place, 4)):
        assert held["all_reduce"] == [10.0] * 3
        assert held["all_gather"] == [0, 0, 1, 1, 2, 2, 3, 3]
        assert held["reduce_scatter"] == [8.0 * me, 8.0 * me + 4]
        assert held["reduce"] == ([6.0, 6.0] if me == 1 else [me, me])
        assert held["gather"] == ([0, 1, 2, 3] if me == 0 else [me] * 4)
        assert held["scatter"] == [0, 10, 20, 30]


def averaged_in_place() -> dict[str, Any]:
    with init() as comm:
        n, me = comm.size, comm.rank
        blocks = np.full(2 * n, 40000, np.float16)
        comm.reduce_scatter(blocks[2 * me : 2 * me + 2], blocks, "avg")
        x = np.full((2, 4), 40000 + 32 * me, np.float16)
        comm.all_reduce(x[:, ::2], "avg")
        kept = np.full(3, 40000, np.float16)
        root = np.zeros(3, np.float16)
        comm.reduce(kept, 1, "avg", root)
        steps = [Step([0, 1, 2], [0, 1, 2], 6), Step([0, 1], [2, 2], 6, reduces=True)]
        out = np.zeros(3, np.float16)
        comm.run(steps, kept, out, "avg")
        comm.run(steps, same := kept.copy(), same, "avg")
    return {
        "blocks": blocks.tolist(), "x": x.tolist(), "kept": kept.tolist(), "root": root.tolist(),
        "run": [out.tolist(), same.tolist()],
    }  # fmt: skip


def test_averages_change_no_more_than_they_fill() -> None:
    for me, held in enumerate(world(averaged_in_place, 3)):
        assert held["blocks"] == [40000.0] * 6
        assert held["x"] == [[40032, 40000 + 32 * me] * 2] * 2
        assert held["kept"] == [40000.0] * 3
        assert held["root"] == ([40000.0] * 3 if me == 1 else [0] * 3)
        if me == 2:
            assert held["run"] == [[40000.0] * 3] * 2


def averages() -> int:
    made = 0
    with init() as comm:
        for op in ("all_reduce", "reduce", "reduce_scatter"):
            for name, dtype in itertools.product(ANYWHERE[op], ("float16", "bfloat16", "int8")):
                kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
                value = {"float16": 40000, "bfloat16": 2.0**127, "int8": 100}[dtype]
                x = np.full(5 * comm.size, value).astype(kind)
                out = np.zeros(5 if op == "reduce_scatter" else 5 * comm.size, kind)
                call(comm, op, x, out, 0, "avg", algorithm=name)
                if op != "reduce" or comm.rank == 0:
                    want = [14 if dtype == "int8" else value]  # 300 is 44 in int8
                    assert out.astype(float).tolist() == want * len(out), (op, name, dtype)
                made += 1
    return made


def test_averages_overflow_no_sooner_than_their_numbers_by_every_algorithm() -> None:
    assert world(averages, 3)[0] > 40


def apart() -> tuple[list[Any], list[Any], list[Any], float]:
    with init() as comm:
        matrix = np.zeros((4, 3))
        matrix[:, 1] = comm.rank + 1
        comm.all_reduce(matrix[:, 1])
        both = np.zeros((comm.size, 4))
        work = comm.all_gather(both[:, ::2], np.array([[comm.rank, -comm.rank]]).astype(float),
                               async_op=True)  # fmt: skip
        work.wait()
        scalar = np.array(comm.rank)
        comm.all_reduce(scalar, "max")
        empty = np.zeros((0, 5))
        comm.all_reduce(empty)
        return matrix.tolist(), both.tolist(), [empty.shape, scalar.shape], float(scalar)


def test_items_that_are_apart_and_items_that_are_not() -> None:
    for matrix, both, shapes, scalar in world(apart, 3):
        assert matrix == [[0, 6, 0]] * 4
        assert both == [[0, 0, 0, 0], [1, 0, -1, 0], [2, 0, -2, 0]]
        assert shapes == [(0, 5), ()]
        assert scalar == 2


def counts(ranks: int) -> NDArray[np.int64]:
    matrix = np.random.default_rng(ranks).integers(0, 5, (ranks, ranks))
    matrix[ranks // 2] = 0
    return matrix


def exchanged(algorithm: str | None, times: int) -> int:
    comm = init()
    matrix = counts(comm.size)
    items = int(matrix.sum(1).max()) + 2
    inputs = [np.arange(items, dtype=np.int16) + 100 * rank for rank in range(comm.size)]
    shares = [each[: row.sum()] for each, row in zip(inputs, matrix, strict=True)]
    want = spec.all_to_all_v(shares, matrix * 2)[comm.rank]
    for _ in range(times):
        out = np.full(int(matrix.sum(0).max()) + 3, -1, np.int16)
        comm.all_to_all_v(
            out, inputs[comm.rank], matrix[comm.rank], matrix[:, comm.rank], algorithm=algorithm
        )
        assert out[: len(want)].tolist() == want.tolist()
        assert (out[len(want) :] == -1).all()
    return len(want)


@pytest.mark.parametrize("algorithm", [None, "direct", "pairwise", "hierarchical"])
@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_counts_that_only_two_ranks_know(algorithm: str | None, ranks: int) -> None:
    assert world(exchanged, ranks, algorithm, 2) == counts(ranks).sum(0).tolist()


def disagreeing(zero_expects: int, one_sends: int) -> None:
    """Neither sees of the other's counts more than what comes, or does not."""
    comm = init()
    x, out = np.zeros(8), np.zeros(8)
    if comm.rank == 0:
        comm.all_to_all_v(out, x, [1, 1], [1, zero_expects])
    else:
        comm.all_to_all_v(out, x, [one_sends, 1], [1, 1])
    comm.barrier()


@pytest.mark.parametrize("counts_of_both", [(0, 2), (2, 0), (2, 3)])
@pytest.mark.parametrize("system", [None, "cloudmatrix384"])
def test_counts_that_do_not_agree(system: str | None, counts_of_both: tuple[int, int]) -> None:
    with pytest.raises(CallMismatch):
        world(disagreeing, 2, *counts_of_both, system=system)


def messages() -> list[Any]:
    comm = init()
    n, me = comm.size, comm.rank
    right, left = (me + 1) % n, (me - 1) % n
    got = [np.zeros(4, np.int64) for _ in range(5)]
    mine = np.full(4, me)
    if me % 2:
        comm.recv(got[0], left)
        comm.send(mine, right)
    else:
        comm.send(mine, right)
        comm.recv(got[0], left)
    # Tags are streams of their own, whatever order they are asked for in.
    sends = [comm.isend(mine + 10 * tag, right, tag) for tag in (1, 2)]
    recvs = [comm.irecv(got[tag], left, tag) for tag in (2, 1)]
    for work in sends + recvs:
        work.wait(10)
    comm.batch([Send(mine * 2, right), Recv(got[3], left), Send(mine, me), Recv(got[4], me)])
    ends = np.zeros(1 << 16), np.zeros(1 << 16)
    work = comm.batch([Recv(ends[0], left), Send(ends[1] + me, right)], async_op=True)
    work.wait()
    assert work.done()
    assert (ends[0] == left).all()
    return [int(each[0]) for each in got]


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_point_to_point(transport: str) -> None:
    for me, got in enumerate(world(messages, 4, transport=transport)):
        left = (me - 1) % 4
        assert got == [left, left + 10, left + 20, 2 * left, me]


def groups() -> list[Any]:
    comm = init()
    halves = comm.split(comm.rank % 2, key=-comm.rank)
    assert halves is not None
    x = np.array([comm.rank])
    halves.all_reduce(x)
    order = np.zeros(halves.size, np.int64)
    halves.all_gather(order, np.array([comm.rank]))
    one = comm.group([3, 0, 1])
    assert (one is None) == (comm.rank == 2)
    again = comm.group([3, 0, 1])
    work = None
    if one is not None and again is not None:
        # Groups of the same ranks are not each other, and overlap in time.
        a, b = np.array([one.rank]), np.array([10 * again.rank])
        later = one.all_reduce(a, async_op=True)
        work = again.all_reduce(b, async_op=True)
        comm_of_two = one.group([0, 1])
        later.wait()
        work.wait()
        assert (comm_of_two is None) == (comm.rank == 1)
    none = comm.split(None if comm.rank else 0)
    assert (none is None) == (comm.rank > 0)
    return [int(x[0]), order.tolist(), None if work is None else (int(a[0]), int(b[0]))]


def test_groups() -> None:
    held = world(groups, 4)
    assert [each[0] for each in held] == [2, 4, 2, 4]
    assert [each[1] for each in held] == [[2, 0], [3, 1], [2, 0], [3, 1]]
    assert [each[2] for each in held] == [(3, 30), (3, 30), None, (3, 30)]


def overlapped(calls: int) -> float:
    comm = init()
    data = [np.full(4096, comm.rank + k, np.float64) for k in range(calls)]
    works = [comm.all_reduce(x, async_op=True) for x in data]
    total = np.array([1.0])
    comm.all_reduce(total)
    for work in reversed(works):
        work.wait(30)
    assert all(work.done() for work in works)
    base = comm.size * (comm.size - 1) / 2
    assert [x[0] for x in data] == [base + comm.size * k for k in range(calls)]
    return float(total[0])


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_calls_under_way_together(transport: str) -> None:
    assert world(overlapped, 3, 12, transport=transport) == [3.0] * 3


def unwaited() -> float:
    """A rank that ends without waiting still does its part for the others."""
    comm = init()
    x = np.ones(1 << 18, np.float32)
    if comm.rank:
        comm.all_reduce(x)
    else:
        comm.all_reduce(x, async_op=True)
        comm.close()
    return float(x.sum())


def test_what_nobody_waits_for_is_seen_through() -> None:
    assert world(unwaited, 3) == [3.0 * (1 << 18)] * 3


def threaded() -> list[float]:
    """Two threads of a rank, each with a group of its own, call at the same time."""
    comm = init()
    teams = [comm.group(range(comm.size)), comm.group(range(comm.size))]
    sums = [0.0, 0.0]

    def loop(number: int) -> None:
        for k in range(15):
            x = np.array([float(k + number)])
            teams[number].all_reduce(x)
            sums[number] += x[0]

    other = threading.Thread(target=loop, args=(1,))
    other.start()
    loop(0)
    other.join(30)
    return sums


def test_two_threads_of_a_rank() -> None:
    sums = world(threaded, 2, system="cloudmatrix384", sync="eager")
    assert sums == [[2.0 * 105, 2.0 * 120]] * 2


def scheduled() -> list[Any]:
    comm = init()
    n = comm.size
    me = np.arange(n)
    mine = np.array([comm.rank, 5])
    out = np.zeros(2, np.int64)
    steps = [Step(me, me, 16), Step(me, (me + 1) % n, 8, 0, 8, reduces=True)]
    comm.run(steps, mine, out, "max", name="shift")
    again = np.zeros(2, np.int64)
    comm.run(plan(steps, n, comm.rank), mine, again, "max", name="shift", async_op=True).wait()
    assert again.tolist() == out.tolist()
    comm.run([], name="nothing")
    return out.tolist()


def test_a_schedule_of_the_users_own() -> None:
    assert world(scheduled, 3) == [[0, 5], [1, 5], [2, 5]]


REFUSED: dict[str, Callable[[Communicator], Any]] = {
    r"all_reduce of 1 ranks: out is int64\[2\], but must be float64\[3\]":
        lambda c: c.all_reduce(np.zeros(3), out=np.zeros(2, int)),
    r"all_gather of 1 ranks: out is float64\[4\], but must be float64\[3\]":
        lambda c: c.all_gather(np.zeros(4), np.zeros(3)),
    r"reduce_scatter of 1 ranks: x is float64\[5\]":
        lambda c: c.reduce_scatter(np.zeros(3), np.zeros(5)),
    "out is read-only": lambda c: c.all_gather(b"1234", np.zeros(4, np.uint8)),
    "x is a list": lambda c: c.all_reduce([1, 2]),
    "root is 3; there are ranks 0 to 0": lambda c: c.broadcast(np.zeros(2), root=3),
    "min of complex128 has no meaning": lambda c: c.all_reduce(np.zeros(2, complex), "min"),
    "unknown reduction 'mean'": lambda c: c.all_reduce(np.zeros(2), "mean"),
    "all_reduce has no algorithm 'best'": lambda c: c.all_reduce(np.zeros(2), algorithm="best"),
    "all_to_all_v has no algorithm 'best'":
        lambda c: c.all_to_all_v(np.zeros(2), np.ones(2), [1], [1], algorithm="best"),
    "dst is 1; there are ranks 0 to 0": lambda c: c.send(np.zeros(2), 1),
    "rank 0 sends to itself": lambda c: c.send(np.zeros(2), 0),
    "what the batch does not receive": lambda c: c.batch([Send(np.zeros(2), 0)]),
    r"sends itself float64\[2\] and receives float64\[1\]":
        lambda c: c.batch([Send(np.zeros(2), 0), Recv(np.zeros(1), 0)]),
    r"send_counts has 2 entries; it has to be 1 integers":
        lambda c: c.all_to_all_v(np.zeros(2), np.ones(2), [1, 1], [1]),
    "recv_counts sum to 3; the buffer has 2": lambda c: c.all_to_all_v(
        np.zeros(2), np.ones(4), [3], [3]),
    r"send_counts\[0\] is -1; it has to be an integer from 0 on":
        lambda c: c.all_to_all_v(np.zeros(2), np.ones(2), [-1], [1]),
    "sends 16 bytes to itself and receives 8":
        lambda c: c.all_to_all_v(np.zeros(2), np.ones(2), [2], [1]),
    "x is int64, and out is float64":
        lambda c: c.all_to_all_v(np.zeros(2), np.ones(2, int), [1], [1]),
    r"messages is .* \(generator\); it has to be a list of Send and Recv":
        lambda c: c.batch(each for each in ()),
    r"messages\[1\] is 5; it has to be a Send or Recv":
        lambda c: c.batch([Send(np.zeros(2), 0), 5]),
    "two messages of the batch share memory": lambda c: (lambda line: c.batch(
        [Send(np.ones(2), 0), Recv(line[:2], 0), Send(np.ones(2), 0), Recv(line[1:], 0)]
    ))(np.zeros(3)),
    "step 1 of the schedule is 5, and no Step": lambda c: c.run([Step(0, 0, 0), 5]),
    "steps is 5; it has to be an iterable of Step": lambda c: c.run(5),
    "send is float64, and recv is int64": lambda c: c.run(
        [Step(0, 0, 8, reduces=True)], np.ones(1), np.ones(1, int)),
    r"out is float64 \[1, 3\]; it has to be as x, float64 \[1, 2\]":
        lambda c: c.inform(np.zeros((1, 3)), np.zeros((1, 2)), "words"),
    r"it has to be an array \[1, ...\]":
        lambda c: c.inform(np.zeros((2, 3)), np.zeros((2, 3)), "words"),
    "a rank is twice in the group": lambda c: c.group([0, 0]),
    "seconds is -1; it has to be a number of seconds from 0 to 1e": lambda c: c.compute(-1),
    "run: the recv buffer has 0 bytes; its steps need 8":
        lambda c: c.run([Step(0, 0, 8)], np.ones(1)),
    "run: a step has rank 4": lambda c: c.run([Step(0, 4, 8)], np.ones(1), np.ones(1)),
    "cuts items of 8 bytes":
        lambda c: c.run([Step(0, 0, 4, reduces=True)], np.ones(1), np.ones(1)),
    "a plan of rank 1 of 2, at rank 0 of 1":
        lambda c: c.run(plan([Step(0, 1, 4)], 2, 1), np.ones(1), np.ones(1)),
}  # fmt: skip


def refused(comm: Communicator, message: str, do: Callable[[Communicator], Any]) -> None:
    with pytest.raises((WorldError, ScheduleError, ValueError), match=message):
        do(comm)
    x = np.ones(2)  # and nothing has happened: the communicator is as good as before
    comm.all_reduce(x)


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_sent(message: str) -> None:
    world(lambda: refused(init(), message, REFUSED[message]), 1)


def beside() -> list[Any]:
    comm = init()
    table = np.zeros((3, 4))
    columns = [Recv(table[:, k], 1 - comm.rank, k) for k in range(3)]  # that lie between each other
    comm.batch([*columns, *(Send(np.full(3, k + 1.0), 1 - comm.rank, k) for k in range(3))])
    return table.tolist()


def test_messages_into_columns_of_one_table() -> None:
    assert world(beside, 2) == [[[1, 2, 3, 0]] * 3] * 2


def overlapping(op: str) -> None:
    comm = init()
    line = np.zeros(8)
    calls: dict[str, Callable[[], Any]] = {
        "all_reduce": lambda: comm.all_reduce(line[:4], out=line[2:6]),
        "all_gather": lambda: comm.all_gather(line, line[2 * (1 - comm.rank) + 1 :][:4]),
        "all_to_all": lambda: comm.all_to_all(line, line),
        "all_to_all_v": lambda: comm.all_to_all_v(line, line, [1, 1], [1, 1]),
    }
    with pytest.raises(ValueError, match=f"{op}: what it reads and what it fills share memory"):
        calls[op]()


@pytest.mark.parametrize("op", ["all_reduce", "all_gather", "all_to_all", "all_to_all_v"])
def test_memory_that_overlaps_otherwise_is_refused(op: str) -> None:
    world(overlapping, 2, op)


def two_worlds() -> tuple[float, float]:
    first, second = init(), init()
    x, y = np.array([1.0]), np.array([10.0])
    work = first.all_reduce(x, async_op=True)
    second.all_reduce(y)
    work.wait()
    return float(x[0]), float(y[0])


def test_init_may_be_called_again() -> None:
    assert world(two_worlds, 2) == [(2.0, 20.0)] * 2


def different() -> None:
    comm = init()
    x = np.zeros(4, np.float32)
    comm.broadcast(x) if comm.rank == 1 else comm.all_reduce(x)


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_calls_that_do_not_fit_together(transport: str) -> None:
    with pytest.raises(CallMismatch, match=r"all_reduce\(sum, float32\[4\]\)") as caught:
        world(different, 3, transport=transport)
    assert "broadcast(float32[4], root 0)" in str(caught.value)


def unequal() -> None:
    comm = init()
    x = np.zeros(100_000 + comm.rank)
    comm.send(x, 1) if comm.rank == 0 else comm.recv(x, 0)


def test_messages_of_other_lengths() -> None:
    with pytest.raises(CallMismatch, match=r"float64\[100000\].*float64\[100001\]"):
        world(unequal, 2)


def late() -> list[str]:
    comm = init()
    errors = []
    x = np.zeros(2)
    if comm.rank == 0:
        work = comm.irecv(x, 1)
        for _ in range(2):
            with pytest.raises(TimedOut) as caught:
                work.wait(0.05)
            errors.append(str(caught.value))
        comm.send(x, 1)
        work.wait(20)
    else:
        comm.recv(np.zeros(2), 0)
        comm.send(np.ones(2), 0)
    return [*errors, str(x[0])]


def test_a_wait_that_is_too_long_can_be_waited_for_again() -> None:
    first, _ = world(late, 2)
    assert first[0] == first[1]
    assert "rank 0: send_recv(float64[2], rank 1 to rank 0, tag 0) was not over" in first[0]
    assert "nothing has come from rank 1" in first[0]
    assert first[2] == "1.0"


def never() -> None:
    comm = init(timeout=0.1)
    if comm.rank == 0:
        comm.barrier()
    else:
        threading.Event().wait(1)
        comm.barrier()


def test_a_call_that_is_too_long_ends_the_world() -> None:
    with pytest.raises(TimedOut, match=r"rank 0: barrier\(\) was not over after 0.1 s"):
        world(never, 2)


def crossed(payload: int) -> None:
    comm = init()
    x, y = np.zeros(payload, np.uint8), np.zeros(payload, np.uint8)
    comm.recv(y, 1 - comm.rank)
    comm.send(x, 1 - comm.rank)


def test_a_deadlock_is_seen() -> None:
    with pytest.raises(Deadlock, match="nobody can go on"):
        world(crossed, 2, 1000)


def crossed_threads() -> list[float]:
    """Each rank waits in the call that the other is about to make, by another thread."""
    comm = init()
    teams, mine = [comm.split(0), comm.split(0)], np.ones((2, 2))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(teams[comm.rank].all_reduce, mine[comm.rank])
        wait([first], 0.3)
        second = pool.submit(teams[1 - comm.rank].all_reduce, mine[1 - comm.rank])
    first.result()
    second.result()
    return [float(part.sum()) for part in mine]


def crossed_after_threads() -> None:
    assert crossed_threads() == [4.0, 4.0]
    crossed(1000)


def test_a_rank_of_several_threads_is_not_stuck_while_one_of_them_may_go_on() -> None:
    with pytest.raises(Deadlock, match="rank 0 waits in send_recv"):
        world(crossed_after_threads, 2)


def test_strict_time_says_that_it_has_one_order_for_several_threads() -> None:
    with pytest.raises(Deadlock, match=r'ranks 0 and 1 make calls .* order: sync="eager" does not'):
        world(crossed_threads, 2, system="cloudmatrix384")
    both = world(crossed_threads, 2, system="cloudmatrix384", sync="eager")
    assert both == [[4.0, 4.0], [4.0, 4.0]]


def differing_while_nobody_waits() -> str:
    comm = init()
    work = comm.all_reduce(np.zeros(4 + comm.rank), async_op=True)
    while comm.driver.error is None:  # the rank's own thread finds out
        time.sleep(0.01)
    with pytest.raises(CallMismatch, match="rank 0 called"), comm.driver:
        raise CallMismatch("what another thread was told of its own message at that time")
    with pytest.raises(CallMismatch) as caught:
        work.wait()
    raise AssertionError(str(caught.value))


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_who_waits_later_learns_what_was_wrong(transport: str) -> None:
    said = world(differing_while_nobody_waits, 2, transport=transport, return_exceptions=True)
    assert [type(one) for one in said] == [AssertionError] * 2, said
    for one in said:
        assert "rank 0 called all_reduce(sum, float64[4]); rank 1 called" in str(one)


def raising() -> None:
    comm = init()
    if comm.rank == 1:
        raise RuntimeError("no more")
    comm.all_reduce(np.zeros(2))


def test_a_rank_that_raises_is_what_the_others_hear_of() -> None:
    with pytest.raises(RuntimeError, match="no more"):
        world(raising, 3)
    zero, one, two = world(raising, 3, return_exceptions=True)
    assert isinstance(one, RuntimeError)
    for error in (zero, two):
        assert isinstance(error, RankFailed)
        assert "rank 1 raised RuntimeError: no more" in str(error)


def after_the_end() -> str:
    comm = init()
    comm.barrier()
    comm.close()
    comm.close()
    with pytest.raises(WorldError) as caught:
        comm.barrier()
    return str(caught.value)


def test_a_closed_communicator_says_so() -> None:
    assert set(world(after_the_end, 2)) == {
        "barrier() was called after its communicator was closed"
    }


def timed(op: str) -> float:
    comm = init()
    comm.compute(1e-3)
    x = np.zeros(1024 * comm.size, np.float32)
    out = np.zeros_like(x)
    call(comm, op, x, out, 0, "sum")
    return comm.now()


@pytest.mark.parametrize("op", ["all_reduce", "all_to_all"])
def test_emulated_time_is_that_of_the_simulation(op: str) -> None:
    from collectives.algorithms.choose import choose, node_size
    from fabric.endpoint.stacks import usual
    from fabric.fabric import Fabric
    from topology.presets.catalogue import system

    machine = system("cloudmatrix384")
    fabric = Fabric(machine, endpoint=usual(machine))
    size = 4 * 1024 * (4 if op == "all_reduce" else 1)
    name = choose(fabric, op, 4, size, itemsize=4, ranks_per_node=node_size(fabric, 4))
    steps = schedule(op, 4, size, name, itemsize=4, ranks_per_node=node_size(fabric, 4))
    finish = fabric.simulate(steps, operation=op, size=size, ranks=4).rank_finish
    clocks = world(timed, 4, op, system="cloudmatrix384")
    assert clocks == pytest.approx((finish + 1e-3).tolist(), abs=1e-11)


def everybody_to_everybody(items: int) -> bool:
    comm = init()
    n, me = comm.size, comm.rank
    x = (np.arange(n * items, dtype=np.uint32) + 1_000_003 * me).astype(np.uint32)
    out = np.zeros(n * items, np.uint32)
    comm.all_to_all(out, x)
    want = np.arange(me * items, (me + 1) * items, dtype=np.uint32)
    want = want + (np.arange(n, dtype=np.uint32) * np.uint32(1_000_003))[:, None]
    return bool((out.reshape(n, items) == want).all())


def test_expert_parallelism_over_64_ranks() -> None:
    assert all(world(everybody_to_everybody, 64, 64))
