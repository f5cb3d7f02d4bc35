"""The executor against the reference, bit for bit: every algorithm, and schedules nobody wrote.

All ranks run in this one thread, each advanced when chance says so: whatever order the messages of
a schedule can come in, the bytes must be those of `collectives.algorithms.reference`.
"""

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from collectives import ALGORITHMS, buffers, schedule
from collectives.algorithms import reference
from collectives.algorithms.spec import combiner
from fabric.failure import CallMismatch
from fabric.ranks.at_once import CallAtOnce, call_at_once
from fabric.ranks.execution import Execution, PreparedCall
from fabric.ranks.ready import AHEAD, ReadyPlan, made_ready
from fabric.ranks.schedule_moves import scheduled
from fabric.ranks.work_buffers import WorkBuffers
from fabric.schedule.plan import Plan, plans
from fabric.schedule.step import ScheduleError, Step
from fabric.transports import inproc
from fabric.transports.base import BriefMove, MadeAtOnce, MayChange, Request
from fabric.transports.inproc import Inproc, connect

Array = NDArray[Any]
UNIFORM = [(op, name) for op in ALGORITHMS for name in ALGORITHMS[op]]
REDUCING = ("all_reduce", "reduce", "reduce_scatter")
DTYPES = ("bool", "int8", "uint16", "int64", "float16", "float32", "float64", "complex64")
SMALL = (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)


def connected(ranks: int) -> list[Inproc]:
    boxes: list[Any] = [None] * ranks

    def exchange_of(rank: int) -> Any:
        def exchange(box: Any) -> list[Any]:
            boxes[rank] = box
            return boxes

        return exchange

    return [connect(rank, ranks, exchange_of(rank)) for rank in range(ranks)]


def bytes_of(array: Array) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)


class SomeBriefly:
    """A `Brief` between threads that moves some messages, as chance says.

    Large ones of moves at once are read where they lie.
    """

    most = 100

    def __init__(self, transport: Inproc, chance: random.Random) -> None:
        self._transport, self._chance = transport, chance
        self._lent = defaultdict[int, deque[Request]](deque)

    def put(self, peer: int, tag: int, mark: int, data: NDArray[np.uint8]) -> bool:
        there = self._chance.random() < 0.8
        if there:
            self._transport.send(peer, tag, mark, data.copy())
        return there

    def take(
        self, peer: int, tag: int, mark: int, size: int, until: float
    ) -> NDArray[np.uint8] | None:
        self._transport.progress(0)
        if (peer, tag) not in self._transport.unclaimed() or self._chance.random() < 0.2:
            return None
        piece = np.empty(size, np.uint8)
        assert self._transport.receive(peer, tag, mark, size, piece).done
        return piece

    def taken(self, peer: int) -> None:
        """It was copied."""

    def at_once(
        self, moves: Sequence[BriefMove | MayChange], combine: np.ufunc | None,
        dtype: np.dtype[Any] | None,
    ) -> MadeAtOnce | None:  # fmt: skip
        """What compiled code does, until chance stops it."""

        def make(tag: int, mark: int, *buffers: NDArray[np.uint8]) -> int:
            lent: dict[int, Request] = {}
            for number, move in enumerate(moves):
                if isinstance(move, MayChange):
                    self._transport.progress(0)
                    if move.move in lent and not lent[move.move].done:
                        return number
                    continue
                peer, source, into, size, combines, base = move
                come: NDArray[np.uint8] | None = None
                if source is not None:
                    come = buffers[source[0]][source[1] : source[1] + size]
                if peer is not None and into is None:
                    if come is not None and size > self.most and self._chance.random() < 0.8:
                        lent[number] = self._transport.send(peer, tag, mark, come)
                        self._lent[peer].append(lent[number])
                        continue
                    if come is None or size > self.most or not self.put(peer, tag, mark, come):
                        return number
                    continue
                if peer is not None:
                    come = self.take(peer, tag, mark, size, 0.0)
                if come is None or into is None:
                    return number
                target = buffers[into[0]][into[1] : into[1] + size]
                if combines and combine is not None and dtype is not None:
                    first = target if base is None else buffers[0][base : base + size]
                    with np.errstate(all="ignore"):
                        combine(first.view(dtype), come.view(dtype), out=target.view(dtype))
                else:
                    target[:] = come
            return len(moves)

        return make

    def under_way(self, peer: int, data: NDArray[np.uint8]) -> Request | None:
        return self._lent[peer].popleft() if data.size > self.most else None


def execute(
    all_plans: Sequence[Plan], send: Sequence[Array], recv: Sequence[Array], op: str = "sum",
    seed: int = 0, shifts: Sequence[int | None] | None = None,
) -> None:  # fmt: skip
    """Run the plans of all ranks to their end, in an order that the seed decides.

    By an odd seed, ranks handle the messages of a step as one from another number of them on each;
    by one that 3 divides, some move some of their messages without requests, or begin with as many
    moves at once as chance lets them make.
    """
    ranks = len(all_plans)
    transports, chance = connected(ranks), random.Random(seed)
    running: list[tuple[Execution | Callable[[], Execution], Inproc]] = []
    for plan, transport in zip(all_plans, transports, strict=True):
        wide = chance.choice((None, 1, 2)) if seed % 2 else None
        if seed % 3 == 0 and chance.random() < 0.8:
            transport.brief = SomeBriefly(transport, chance)  # type: ignore[attr-defined]
        made = made_ready(plan, shifts[plan.rank] if shifts else None, wide)
        mine, filled = bytes_of(send[plan.rank]), bytes_of(recv[plan.rank])
        room = np.full(made.rooms[2], reference.POISON, np.uint8)
        call = PreparedCall("test", plan, made, "", combiner(op), send[plan.rank].dtype)
        everybody = tuple(range(ranks))
        one = None
        if chance.random() < 0.5:
            one = call_at_once(call, transport, everybody, WorkBuffers())
        if one is None:
            begun = scheduled(call, transport, everybody, 7, (mine, filled, room))
            running.append((begun, transport))
        else:
            running.append((partial(begin_at_once, one, transport, mine, filled), transport))
    for _ in range(10_000):
        if not running:
            break
        place = chance.randrange(len(running))
        execution, transport = running[place]
        transport.progress(0)
        if not isinstance(execution, Execution):
            execution = execution()
            running[place] = execution, transport
        if execution.advance():
            del running[place]
    assert not running, running
    for transport in transports:
        assert not transport.progress(0) or not transport._matching.messages()
        transport.close()


def begin_at_once(
    one: CallAtOnce, transport: Inproc, send: NDArray[np.uint8], recv: NDArray[np.uint8]
) -> Execution:
    return one.rest(transport, 7, send, recv, one.begin(7, send, recv))


def verify(
    steps: Iterable[Step], send: Sequence[Array], recv_size: int, op: str = "sum", seed: int = 0
) -> None:
    steps = list(steps)
    want = reference.run(steps, send, recv_size, op if op != "avg" else "sum")
    recv = [np.full(recv_size, reference.POISON, np.uint8).view(a.dtype) for a in send]
    execute(plans(steps, len(send)), send, recv, op, seed)
    for got, right in zip(recv, want, strict=True):
        assert got.tobytes() == right.tobytes()


def numbers(ranks: int, items: int, dtype: Any, seed: int = 1) -> list[Array]:
    """Values small enough for the smallest types, of both signs where there are two."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    low = 0 if dtype.kind in "bu" else -3
    values = rng.integers(low, 4, (ranks, items))
    if dtype.kind in "fcV":
        return list((values * 0.37 + rng.random((ranks, items))).astype(dtype))
    return list(values.astype(dtype))


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize(("op", "name"), UNIFORM)
def test_every_algorithm_gives_the_bytes_of_the_reference(op: str, name: str, ranks: int) -> None:
    for items in (0, 1, 37):
        send_size, recv_size = buffers(op, ranks, 4 * items)
        steps = schedule(op, ranks, 4 * items, name, root=ranks - 1, itemsize=4, ranks_per_node=3)
        verify(steps, numbers(ranks, send_size // 4, np.float32), recv_size, seed=items + ranks)


def test_what_was_sent_in_one_go_is_not_changed_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rank 0 sends what it then writes over, once in the next step and once as it comes."""
    monkeypatch.setattr(inproc, "SMALL", SomeBriefly.most)  # larger ones are read where they lie
    size = 200
    steps = [
        Step([1], [0], size),
        Step([0], [1], size, reads="recv"),
        Step([0], [0], size, size, 0),
        Step([0], [1], size, 0, size, reads="recv"),
        Step([1], [0], size, size),
    ]
    for seed in range(0, 120, 3):
        verify(steps, numbers(2, 2 * size, np.uint8, seed), 3 * size, seed=seed)


@pytest.mark.parametrize("reduction", ["sum", "prod", "min", "max"])
@pytest.mark.parametrize("dtype", [*DTYPES, *SMALL], ids=str)
def test_every_reduction_of_every_type(dtype: Any, reduction: str) -> None:
    itemsize = np.dtype(dtype).itemsize
    for op in REDUCING:
        for name in ALGORITHMS[op]:
            send_size, recv_size = buffers(op, 4, 11 * itemsize)
            steps = schedule(op, 4, 11 * itemsize, name, itemsize=itemsize, ranks_per_node=2)
            send = numbers(4, send_size // itemsize, dtype)
            steps = list(steps)
            for seed in (0, 1):
                verify(steps, send, recv_size, reduction, seed)


def large(op: str, name: str, ranks: int = 4) -> tuple[list[Step], list[Array], int]:
    """Messages that the transport hands over only when they are asked for."""
    size = 4 * 30_000
    send_size, recv_size = buffers(op, ranks, size)
    steps = schedule(op, ranks, size, name, itemsize=4, ranks_per_node=2)
    return list(steps), numbers(ranks, send_size // 4, np.float32), recv_size


@pytest.mark.parametrize(("op", "name"), UNIFORM)
def test_large_messages_in_many_orders(op: str, name: str) -> None:
    steps, send, recv_size = large(op, name)
    for seed in range(4):
        verify(steps, send, recv_size, seed=seed)


def in_place(op: str, rank: int, size: int) -> int | None:
    if op in ("all_reduce", "reduce", "broadcast"):
        return 0
    if op in ("all_gather", "gather"):
        return -rank * size
    return rank * size if op in ("reduce_scatter", "scatter") else None


@pytest.mark.parametrize("ranks", [1, 2, 5, 8])
@pytest.mark.parametrize(
    ("op", "name"), [case for case in UNIFORM if in_place(case[0], 0, 0) is not None]
)
def test_in_place(op: str, name: str, ranks: int) -> None:
    size = 4 * 12
    send_size, recv_size = buffers(op, ranks, size)
    steps = list(schedule(op, ranks, size, name, itemsize=4, ranks_per_node=2))
    send = numbers(ranks, send_size // 4, np.float32)
    want = reference.run(steps, send, recv_size)
    shifts = [in_place(op, rank, size) for rank in range(ranks)]
    lines = [np.zeros(max(send_size, recv_size) // 4, np.float32) for _ in range(ranks)]
    given, filled = [], []
    for line, mine, place in zip(lines, send, shifts, strict=True):
        assert place is not None
        given.append(line[max(-place, 0) // 4 :][: len(mine)])
        filled.append(line[max(place, 0) // 4 :][: recv_size // 4])
        given[-1][:] = mine
    execute(plans(steps, ranks), given, filled, shifts=shifts, seed=ranks)
    receivers = (0,) if op in ("reduce", "gather") else range(ranks)
    for rank in receivers:
        assert filled[rank].tobytes() == want[rank].tobytes()


@st.composite
def schedules(draw: st.DrawFn) -> tuple[int, list[Step]]:
    """Any rows at all, as long as the reference can run them: reads before writes, in row order."""
    ranks = draw(st.integers(1, 4))
    steps = []
    for _ in range(draw(st.integers(1, 6))):
        n = draw(st.integers(1, 6))
        column = st.lists(st.integers(0, ranks - 1), min_size=n, max_size=n)
        place = st.lists(st.integers(0, 6).map(lambda i: 4 * i), min_size=n, max_size=n)
        sizes = st.lists(st.integers(0, 4).map(lambda i: 4 * i), min_size=n, max_size=n)
        writes = draw(st.sampled_from(["recv", "work"]))
        reads, reduces = draw(st.sampled_from(["send", "recv", "work"])), draw(st.booleans())
        columns = [draw(column), draw(column), draw(sizes), draw(place), draw(place)]
        steps.append(Step(
            *columns, reduces=reduces, reads=reads, writes=writes, beside=draw(st.booleans())
        ))  # fmt: skip
    return ranks, steps


@settings(max_examples=300, deadline=None, derandomize=True)
@given(schedules(), st.integers(0, 1000))
def test_any_schedule_means_what_the_reference_says(
    drawn: tuple[int, list[Step]], seed: int
) -> None:
    ranks, steps = drawn
    # All of the work buffer is written first: how far it reaches is else up to what writes it.
    me = np.arange(ranks)
    copies = [Step(me, me, 40, writes="work"), Step(me, me, 40)]
    steps = [*copies[:: 1 if seed % 2 else -1], *steps]
    send = numbers(ranks, 10, np.int32, seed)
    verify(steps, send, 40, seed=seed)


def stages(*steps: Step, shift: int | None = None, rank: int = 0, ranks: int = 3) -> ReadyPlan:
    return made_ready(plans(steps, ranks)[rank], shift)


def test_what_a_step_also_writes_is_put_aside() -> None:
    swap = Step([0, 1], [1, 0], 8, reads="recv")
    assert stages(swap).stages[0].staged
    apart = Step([0, 1], [1, 0], 8, [0, 8], [0, 8], reads="recv")
    assert not stages(apart).stages[0].staged
    assert not stages(Step([0, 1], [1, 0], 8)).stages[0].staged
    assert stages(Step([0, 1], [1, 0], 8), shift=0).stages[0].staged


def test_bytes_that_are_where_they_belong_are_not_copied() -> None:
    copy = Step([0, 1, 2], [0, 1, 2], 8)
    assert stages(copy).stages[0].copies
    assert not stages(copy, shift=0).stages
    assert stages(copy, shift=4).stages[0].copies


def test_what_later_steps_can_do_without_is_not_copied() -> None:
    """A reduction combines what it was given with what comes, and copies nothing before."""
    copy, far = Step([0, 1], [0, 1], 24), [1, 0]
    halves = Step([0, 1], far, 8, [8, 0], [8, 0], reduces=True, reads="recv")
    gather = Step([0, 1], far, 8, [0, 8], [0, 8], reads="recv")
    first, second = stages(copy, halves, gather, ranks=2).stages[-2:]
    assert [send.buffer for send in (*first.sends, *second.sends)] == [0, 1]
    assert first.receives[0].base == 0
    assert stages(copy, halves, gather, ranks=2).stages[0].copies[0][1:4] == (16, 16, 8)
    assert len(stages(copy, halves, gather, shift=0, ranks=2).stages) == 2


def test_what_a_step_reads_here_is_copied_all_the_same() -> None:
    copy, twice = Step(0, 0, 8), Step(0, 0, 8, 0, 8, reads="recv")
    assert [len(stage.copies) for stage in stages(copy, twice).stages] == [1, 1]


def test_writes_to_one_place_are_a_chain_in_row_order() -> None:
    step = Step([1, 2, 0, 1], 0, 8, 0, [0, 0, 4, 32], reduces=True)
    (stage,) = stages(step).stages
    # The last row meets nobody, but its peer's messages come in one order.
    assert [[write.peer for write in chain] for chain in stage.chains] == [[1, 2, None, 1]]
    assert not stage.receives
    assert not stage.copies


def test_receives_are_posted_early_where_that_does_no_harm() -> None:
    def ring(k: int) -> Step:
        return Step([0, 1], [1, 0], 8, 8 * k, 8 * k + 8, reads="recv")

    fresh = stages(*(ring(k) for k in range(AHEAD + 3)), ranks=2).stages
    # What step k writes, step k + 1 sends: later steps write elsewhere.
    assert [stage.early for stage in fresh] == [max(k - AHEAD, 0) for k in range(AHEAD + 3)]
    same = stages(*[Step([0, 1], [1, 0], 8)] * 3, ranks=2).stages
    assert [stage.early for stage in same] == [0, 1, 2]


def test_nobody_writes_the_send_buffer() -> None:
    with pytest.raises(ScheduleError, match=r"step 0 \(odd\) writes the send buffer"):
        stages(Step(0, 1, 8, writes="send", label="odd"), rank=1)


def test_messages_of_other_calls_are_refused() -> None:
    step = Step([0, 1], [1, 0], 8)
    transports = connected(2)
    nothing = np.zeros(0, np.uint8)
    runs = []
    for plan, words in zip(plans([step], 2), ("all_reduce(4)", "broadcast(4)"), strict=True):
        call = PreparedCall(words, plan, made_ready(plan))
        buffers = (np.zeros(8, np.uint8), np.zeros(8, np.uint8), nothing)
        runs.append(scheduled(call, transports[plan.rank], (0, 1), 1, buffers))
    assert not runs[0].advance()
    assert not runs[1].advance()
    assert runs[0].missing() == ([1], [])
    transports[1].progress(0)
    assert isinstance(runs[1].refused(), CallMismatch)
    for _ in range(2):  # it stays so
        with pytest.raises(CallMismatch):
            runs[1].advance()
    runs[0].stop(CallMismatch("of the other"))
    with pytest.raises(CallMismatch, match="of the other"):
        runs[0].advance()
    for transport in transports:
        transport.close()


def test_what_comes_for_the_next_step_alone_is_used_as_it_comes() -> None:
    def direct(op: str, name: str) -> list[int]:
        steps = schedule(op, 4, 64, name, itemsize=4)
        return [len(stage.direct) for stage in made_ready(plans(steps, 4)[1]).stages]

    assert direct("all_reduce", "recursive_doubling") == [1, 0, 1, 0]
    twice = [
        Step([0, 1], [1, 0], 8, reads="send", writes="work"),
        Step([0, 1], [0, 1], 8, reads="work", writes="recv"),
        Step([0, 1], [0, 1], 8, 0, 8, reads="work", writes="recv"),
    ]
    for many, used in ((2, [1, 0]), (3, [0, 0, 0])):
        stages = made_ready(plans(twice[:many], 2)[0], 0).stages
        assert [len(stage.direct) for stage in stages] == used
