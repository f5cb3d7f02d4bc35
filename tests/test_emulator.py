import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.algorithms import allreduce, alltoall
from collectives.algorithms.offload import NAMES
from collectives.algorithms.table import ALGORITHMS, schedule
from fabric import Costs, Endpoint, Fabric, Step
from fabric.classes.table import TrafficClass
from fabric.clock.calls import TICK, grid
from fabric.clock.emulator import Emulator
from fabric.clock.posts import Answer
from fabric.failure import CallMismatch, WorldError
from fabric.faults.changes import TimedChange
from fabric.schedule.plan import TimedRows, plans
from tests.support.slow_fluid import ONE_CLASS, Changing, Stream, _prepare, _run, _streams, spray
from topology import RouteError, Topology, cloudmatrix384, fat_tree, ring, star
from topology.units import GB, US

Post = tuple[str, *tuple[object, ...]]
"""A method of `Emulator`, and what it gets after the rank."""


@cache
def machine(name: str) -> Fabric:
    made: dict[str, Callable[[], Fabric]] = {
        "star": lambda: Fabric(star(8)),
        "cloudmatrix384": lambda: Fabric(cloudmatrix384()),
        "cann-ep": lambda: Fabric(cloudmatrix384(), endpoint="cann-ep"),
        "deepep-v1": lambda: Fabric(cloudmatrix384(), endpoint=Endpoint("gaps", GAPS)),
        "fat tree": lambda: Fabric(fat_tree(4), tolerance=0.0),
        "ring": lambda: Fabric(ring(6), tolerance=0.0),
    }
    return made[name]()


GAPS = {
    "": Costs(launch=2 * US, message_gap=0.1 * US, per_message=0.05 * US, per_byte=1e-12),
    "dispatch": Costs(efficiency={"ub": 0.5}, initiator_bandwidth=100 * GB, barrier=1 * US),
    "combine": Costs(efficiency={"ub": 0.8}, initiator_bandwidth=120 * GB, per_peer=0.1 * US),
}


def rows_of(steps: list[Step], ranks: int) -> list[TimedRows]:
    return [plan.rows for plan in plans(steps, ranks)]


def everybody(n: int) -> tuple[int, ...]:
    return tuple(range(n))


def programs_of(
    calls: list[list[Step]], comes: list[list[float]], operation: str = ""
) -> list[list[Post]]:
    """What each rank posts that makes ``calls``, asynchronously; it comes to call i at comes[i]."""
    ranks = len(comes[0])
    programs: list[list[Post]] = [[] for _ in range(ranks)]
    before = [0.0] * ranks
    for op, steps in enumerate(calls):
        for rank, rows in enumerate(rows_of(steps, ranks)):
            programs[rank] += [("compute", comes[op][rank] - before[rank])]
            programs[rank] += [("begin", op, everybody(ranks), rows, operation)]
        before = comes[op]
    return [[*program, ("end",)] for program in programs]


def run(emulator: Emulator, programs: list[list[Post]]) -> dict[tuple[int, int], float]:
    """Rank 0 posts all of its program, then rank 1, ..: as far ahead of time as can be."""
    for rank, program in enumerate(programs):
        post(emulator, rank, program)
        if ("end",) not in program[-1:]:
            emulator.end(rank)
    return answers(emulator.advance())


def post(emulator: Emulator, rank: int, program: list[Post]) -> None:
    for name, *arguments in program:
        getattr(emulator, name)(rank, *arguments)


def answers(given: list[Answer]) -> dict[tuple[int, int], float]:
    return {(answer.rank, answer.token): answer.time for answer in given}


def blocking(op: int, group: tuple[int, ...], rows: TimedRows, operation: str) -> list[Post]:
    return [("begin", op, group, rows, operation), ("wait", op), ("ask", op)]


# A call alone takes what it takes in a simulation, to the tick.

COLLECTIVES = [
    (op, name) for op, table in ALGORITHMS.items() for name in table if name not in NAMES
]
"""Those in switches need a machine that can: see test_in_switch.py."""


@pytest.mark.parametrize("name", ["star", "cloudmatrix384", "cann-ep", "deepep-v1"])
@pytest.mark.parametrize(("op", "algorithm"), COLLECTIVES)
def test_a_call_alone_takes_what_it_takes_simulated(name: str, op: str, algorithm: str) -> None:
    fabric = machine(name)
    for ranks in (2, 3, 4, 7, 8):
        steps = list(schedule(op, ranks, 1680 * ranks, algorithm, ranks_per_node=4))
        for operation in {op, "dispatch"}:
            emulator = Emulator(fabric, ranks)
            group, rows = everybody(ranks), rows_of(steps, ranks)
            found = run(emulator, [blocking(7, group, rows[r], operation) for r in group])
            expected = fabric.simulate(steps, operation=operation, ranks=ranks).rank_finish
            assert [found[r, 7] for r in group] == [grid(t) for t in expected.tolist()]


def test_a_rank_alone() -> None:
    emulator = Emulator(machine("star"), 1)
    rows = rows_of(list(allreduce.ring(1, 64)), 1)
    assert run(emulator, [blocking(1, (0,), rows[0], "all_reduce")]) == {(0, 1): 0.0}


@pytest.mark.parametrize("ranks", [64, 96])
def test_irregular_traffic_takes_what_it_takes_simulated(ranks: int) -> None:
    fabric, rng = machine("cann-ep"), np.random.default_rng(ranks)
    counts = rng.poisson(3, (ranks, ranks)) * 7168
    steps = list(alltoall.direct_v(counts))
    group, rows = everybody(ranks), rows_of(steps, ranks)
    emulator = Emulator(fabric, ranks)
    found = run(emulator, [blocking(1, group, rows[r], "dispatch") for r in group])
    timeline = fabric.simulate(steps, operation="dispatch", ranks=ranks)
    assert max(found.values()) == pytest.approx(timeline.duration, rel=2e-3)
    expected = timeline.rank_finish
    assert [found[r, 1] for r in group] == pytest.approx(expected, rel=2e-2)


def test_calls_one_after_another_take_what_their_steps_take_in_one_schedule() -> None:
    fabric, group = machine("fat tree"), everybody(8)
    parts = [list(schedule("all_reduce", 8, 8 * n, "ring")) for n in (10_000, 400, 77_000)]
    parts.insert(1, list(schedule("broadcast", 8, 50_000, "binomial")))
    programs: list[list[Post]] = [[] for _ in group]
    for op, steps in enumerate(parts):
        for rank, rows in enumerate(rows_of(steps, 8)):
            programs[rank] += blocking(op, group, rows, "")
    found = run(Emulator(fabric, 8), programs)
    expected = fabric.simulate([step for steps in parts for step in steps], ranks=8).rank_finish
    assert [found[rank, 3] for rank in group] == pytest.approx(expected, rel=1e-9, abs=4 * TICK)


# Calls in flight together.


def all_to_all(ranks: int, size: int) -> list[TimedRows]:
    return rows_of(list(alltoall.direct(ranks, size)), ranks)


def test_groups_on_disjoint_ports_do_not_meet() -> None:
    rows = all_to_all(4, 1 << 20)
    alone = run(Emulator(machine("star"), 4), [blocking(1, everybody(4), r, "") for r in rows])
    both = run(Emulator(machine("star"), 8), [
        blocking(1 + rank // 4, everybody(8)[rank // 4 * 4 :][:4], rows[rank % 4], "")
        for rank in range(8)
    ])  # fmt: skip
    assert set(both.values()) == set(alone.values())


def test_two_calls_on_the_same_ports_take_twice_as_long() -> None:
    rows, group = all_to_all(4, 1 << 20), everybody(4)
    alone = run(Emulator(machine("star"), 4), [blocking(1, group, r, "") for r in rows])
    both = run(Emulator(machine("star"), 4), [
        [("begin", 1, group, r, ""), *blocking(2, group, r, ""), ("wait", 1), ("ask", 1)]
        for r in rows
    ])  # fmt: skip
    latency = machine("star").simulate([Step(0, 1, 0)]).duration
    twice = 2 * (alone[0, 1] - latency) + latency
    assert both[0, 2] == both[0, 1] == pytest.approx(twice, rel=1e-6)


def test_calls_hide_behind_computation() -> None:
    rows, group = all_to_all(4, 1 << 20), everybody(4)
    found = run(Emulator(machine("star"), 4), [
        [("begin", 1, group, r, ""), ("compute", 1.0), ("wait", 1), ("ask", 1)] for r in rows
    ])  # fmt: skip
    assert set(found.values()) == {1.0}


def test_the_limit_of_an_initiator_is_shared_by_its_calls() -> None:
    costs = Costs(initiator_bandwidth=1 * GB)
    fabric = Fabric(star(4), endpoint=Endpoint("slow", {"": costs}))
    out = [plan.rows for plan in plans([Step(0, 1, 1_000_000)], 2)]
    found = run(Emulator(fabric, 3), [
        [("begin", 1, (0, 1), out[0], ""), ("begin", 2, (0, 2), out[0], ""),
         ("wait", 1), ("wait", 2), ("ask", 0), ("end",)],
        [("begin", 1, (0, 1), out[1], ""), ("end",)],
        [("begin", 2, (0, 2), out[1], ""), ("end",)],
    ])  # fmt: skip
    assert found[0, 0] == pytest.approx(2e-3, rel=1e-2)


@st.composite
def together(draw: st.DrawFn) -> tuple[str, list[list[Step]], list[list[float]], str]:
    """Calls of the same ranks, and when each rank comes to each: never before the call before."""
    ranks = draw(st.integers(2, 5))
    sizes = st.sampled_from([0, 512, 40_000, 300_000])
    collectives = st.sampled_from(["all_reduce", "all_to_all", "broadcast", "all_gather"])
    calls = []
    for _ in range(draw(st.integers(1, 3))):
        op = draw(collectives)
        algorithm = draw(st.sampled_from(sorted({*ALGORITHMS[op]} - {*NAMES})))
        calls.append(list(schedule(op, ranks, ranks * draw(sizes), algorithm, ranks_per_node=2)))
    late = st.sampled_from([0.0, 0.5 * US, 3 * US, 0.1 * US])
    waits = [[grid(draw(late)) for _ in range(ranks)] for _ in calls]
    comes = np.cumsum(waits, axis=0).tolist()
    return (
        draw(st.sampled_from(["fat tree", "ring"])),
        calls,
        comes,
        draw(st.sampled_from(["", "d"])),
    )


@settings(max_examples=60, deadline=None)
@given(together())
def test_overlapping_calls_are_as_the_slow_oracle_says(
    given: tuple[str, list[list[Step]], list[list[float]], str],
) -> None:
    name, calls, comes, operation = given
    costs = Costs(per_message=0.2 * US, per_byte=1e-12, initiator_bandwidth=30 * GB)
    software = Endpoint("test", {"": Costs(), "d": costs})
    fabric = replace(machine(name), endpoint=software)
    ranks = len(comes[0])
    emulator = Emulator(fabric, ranks, record=True)
    run(emulator, programs_of(calls, comes, operation))
    found = {call.op: call for call in emulator.finished()}
    expected = merged(fabric.topology, calls, comes, software.costs(operation))
    for op in range(len(calls)):
        assert list(found[op].begin) == comes[op]
        assert list(found[op].finish) == pytest.approx(expected[op], rel=1e-6, abs=2 * TICK)


def merged(
    topology: Topology, calls: list[list[Step]], comes: list[list[float]], costs: Costs,
    classes: Sequence[TrafficClass] = (), changes: Sequence[TimedChange] = (),
) -> list[list[float]]:  # fmt: skip
    """The slow oracle with a rank for each rank of each call, on the endpoints of the ranks."""
    ranks, everything = len(comes[0]), []
    for op, steps in enumerate(calls):
        for stream in _streams(steps, ONE_CLASS | {one.number: one for one in classes})[1]:
            ends = (int(topology.accelerators[end]) for end in (stream.src, stream.dst))
            _prepare(stream, spray(topology, *ends), costs)
            everything.append(moved(stream, op * ranks))
    capacity: dict[object, float] = dict(enumerate(topology.link_bandwidth.tolist()))
    capacity |= {f"initiator {rank}": costs.initiator_bandwidth for rank in range(ranks)}
    capacity |= {(one.name, rank): one.rate_limit for one in classes for rank in range(ranks)}
    ready = [at + costs.start(ranks) for at in np.ravel(comes).tolist()]
    changing = Changing(
        topology, costs, list(changes),
        lambda src, dst, dead: spray(topology, src, dst, dead=dead), ranks,
    )  # fmt: skip
    ends = _run(everything, capacity, costs, ready, changing)
    return [ends[op * ranks :][:ranks] for op in range(len(calls))]


def moved(stream: Stream, by: int) -> Stream:
    stream.src, stream.dst = stream.src + by, stream.dst + by
    return stream


# Posts may come in whenever they like.


@dataclass(frozen=True)
class Program:
    """What each rank posts; nobody waits for ever, since all take the calls in one order."""

    ranks: int
    posts: list[list[Post]]


@st.composite
def program(draw: st.DrawFn) -> Program:
    ranks = draw(st.integers(2, 5))
    posts: list[list[Post]] = [[] for _ in range(ranks)]
    pending: list[list[int]] = [[] for _ in range(ranks)]
    for op in range(draw(st.integers(1, 6))):
        members = draw(st.lists(st.integers(0, ranks - 1), min_size=1, unique=True))
        group = tuple(members)
        name = draw(st.sampled_from(["all_reduce", "all_to_all", "broadcast"]))
        steps = list(schedule(name, len(group), len(group) * draw(SIZES), ranks_per_node=2))
        for position, rows in enumerate(rows_of(steps, len(group))):
            rank = group[position]
            late = draw(st.sampled_from([0.0, 0.0, 1 * US, 2.5 * US]))
            posts[rank] += [("compute", late), ("begin", op, group, rows, name)]
            pending[rank].append(op)
            while pending[rank] and draw(st.booleans()):
                at = draw(st.integers(0, len(pending[rank]) - 1))
                posts[rank] += [("wait", pending[rank].pop(at)), ("ask", len(posts[rank]))]
    for rank in range(ranks):
        posts[rank] += [("wait", op) for op in pending[rank]]
        posts[rank] += [("ask", -1), ("end",)]
    return Program(ranks, posts)


SIZES = st.sampled_from([0, 64, 30_000, 200_000])


def mixed(emulator: Emulator, given: Program, order: random.Random) -> Iterator[Answer]:
    """The program's posts in some order that keeps each rank's, and a look now and then."""
    todo = [list(posts) for posts in given.posts]
    while any(todo):
        rank = order.choice([rank for rank, posts in enumerate(todo) if posts])
        for _ in range(order.randint(1, 4)):
            if todo[rank]:
                post(emulator, rank, [todo[rank].pop(0)])
        if order.random() < 0.3:
            yield from emulator.advance()
    yield from emulator.advance()


@settings(max_examples=60, deadline=None)
@given(program(), st.randoms(use_true_random=False), st.sampled_from(["star", "ring", "deepep-v1"]))
def test_answers_do_not_depend_on_when_posts_come_in(
    given: Program, order: random.Random, name: str
) -> None:
    fabric = machine(name)
    expected = run(Emulator(fabric, given.ranks), given.posts)
    assert len(expected) == sum(p[0] == "ask" for posts in given.posts for p in posts)
    for _ in range(3):
        emulator = Emulator(fabric, given.ranks)
        assert answers(list(mixed(emulator, given, order))) == expected
        assert not emulator.stalled()


@settings(max_examples=40, deadline=None)
@given(program())
def test_nothing_depends_on_when_a_program_begins(given: Program) -> None:
    early = run(Emulator(machine("ring"), given.ranks), given.posts)
    delayed: list[list[Post]] = [[("compute", 1000.0), *posts] for posts in given.posts]
    late = run(Emulator(machine("ring"), given.ranks), delayed)
    assert {key: time - 1000.0 for key, time in late.items()} == early


def test_repeats_take_what_the_first_took() -> None:
    rows, group = rows_of(list(alltoall.pairwise(5, 70_000)), 5), everybody(5)
    emulator = Emulator(machine("ring"), 5, record=True)
    programs: list[list[Post]] = [
        [
            one
            for op in range(30)
            for one in (("compute", op % 4 * rank * US), *blocking(op, group, rows[rank], "")[:2],
                        ("compute", 1e-3))
        ]
        for rank in group
    ]  # fmt: skip
    run(emulator, programs)
    assert len(emulator.finished()) == 30
    for call in emulator.finished():
        first = min(call.begin)
        alone = run(Emulator(machine("ring"), 5), [
            [("compute", call.begin[rank] - first), *blocking(0, group, rows[rank], "")]
            for rank in group
        ])  # fmt: skip
        assert [end - first for end in call.finish] == [alone[rank, 0] for rank in group]


def test_a_call_that_hangs_about_changes_nothing() -> None:
    """One that is not over keeps the engine going: nothing is looked up in its memory."""
    rows, group = rows_of(list(allreduce.ring(4, 90_000)), 4), everybody(4)
    skew: list[list[Post]] = [[("compute", rank * 1.7 * US)] for rank in group]
    calls = [[p for op in range(5) for p in blocking(op, group, rows[rank], "")] for rank in group]
    plain = run(Emulator(machine("ring"), 4), [skew[rank] + calls[rank] for rank in group])
    last = rows_of([Step([0, 1], [2, 2], 8)], 3)
    hanging: list[list[Post]] = [
        [("begin", 99, (0, 1, 2), last[0], "")], [("begin", 99, (0, 1, 2), last[1], "")], [], [],
    ]  # fmt: skip
    ends: list[list[Post]] = [[], [], [("begin", 99, (0, 1, 2), last[2], "")], []]
    beside = run(
        Emulator(machine("ring"), 4),
        [hanging[rank] + skew[rank] + calls[rank] + ends[rank] for rank in group],
    )
    assert list(beside.values()) == pytest.approx(list(plain.values()), rel=0, abs=2 * TICK)


def test_what_has_ended_is_forgotten_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks that are never together: some lane is always in the engine."""
    rows, group = rows_of(list(allreduce.ring(4, 90_000)), 4), everybody(4)
    programs = [
        [("compute", rank * 1.7 * US)]
        + [p for op in range(60) for p in blocking(op, group, rows[rank], "")]
        for rank in group
    ]
    kept = run(Emulator(machine("ring"), 4), programs)
    monkeypatch.setattr("fabric.engines.flow.live._MANY", 16)
    assert run(Emulator(machine("ring"), 4), programs) == kept


# Deadlocks.


def transfer(src: int, dst: int, size: int = 1000) -> list[TimedRows]:
    return rows_of([Step(src, dst, size)], 2)


def test_two_ranks_that_both_receive_first() -> None:
    to, back = transfer(0, 1), transfer(1, 0)
    emulator = Emulator(machine("star"), 2)
    group = (0, 1)
    post(emulator, 0, [*blocking(1, group, back[0], "p2p"), *blocking(2, group, to[0], "p2p")])
    emulator.advance()
    assert not emulator.stalled()  # rank 1 may come yet
    post(emulator, 1, [*blocking(2, group, to[1], "p2p"), *blocking(1, group, back[1], "p2p")])
    assert emulator.advance() == []
    assert emulator.stalled()
    assert emulator.waits() == {0: (1, (1,)), 1: (2, (0,))}


def test_two_groups_in_cross_order() -> None:
    emulator, rows = Emulator(machine("star"), 3), all_to_all(2, 64)
    post(emulator, 0, blocking(1, (0, 1), rows[0], ""))
    post(emulator, 1, blocking(2, (1, 2), rows[0], ""))
    post(emulator, 2, blocking(3, (2, 0), rows[0], ""))
    emulator.advance()
    assert emulator.waits() == {0: (1, (1,)), 1: (2, (2,)), 2: (3, (0,))}
    assert emulator.stalled()


def test_a_rank_that_has_ended_is_waited_for_in_vain() -> None:
    emulator, rows = Emulator(machine("star"), 3), all_to_all(3, 64)
    for rank in (0, 2):
        post(emulator, rank, blocking(1, (0, 1, 2), rows[rank], ""))
    emulator.advance()
    assert not emulator.stalled()
    emulator.end(1)
    emulator.advance()
    assert emulator.waits() == {0: (1, (1,)), 2: (1, (1,))}
    assert emulator.stalled()


def test_all_ended_is_no_deadlock() -> None:
    emulator = Emulator(machine("star"), 2)
    emulator.end(0)
    emulator.end(1)
    assert emulator.advance() == []
    assert not emulator.stalled()


# Eager.


def test_eager_gives_a_call_alone_what_strict_gives() -> None:
    rows, group = all_to_all(4, 5000), everybody(4)
    programs = [[("compute", r * US), *blocking(1, group, rows[r], "")] for r in group]
    fabric = machine("cann-ep")
    assert run(Emulator(fabric, 4, "eager"), programs) == run(Emulator(fabric, 4), programs)


def test_eager_times_a_call_when_its_own_ranks_have_come() -> None:
    emulator, rows = Emulator(machine("star"), 4, "eager"), all_to_all(2, 5000)
    post(emulator, 0, blocking(1, (0, 1), rows[0], ""))
    assert emulator.advance() == []
    post(emulator, 1, blocking(1, (0, 1), rows[1], ""))
    assert {answer.rank for answer in emulator.advance()} == {0, 1}
    assert not emulator.stalled()


def test_eager_contends_and_takes_nothing_back() -> None:
    emulator, rows = Emulator(machine("star"), 2, "eager"), transfer(0, 1, 1 << 20)
    for op in (1, 2):
        for rank in (0, 1):
            emulator.begin(rank, op, (0, 1), rows[rank], "")
    emulator.advance()
    first, second = emulator.finish(0, 1), emulator.finish(0, 2)
    alone = machine("star").simulate([Step(0, 1, 1 << 20)]).duration
    assert first == pytest.approx(alone)
    assert second is not None
    assert second > 1.8 * alone


# Paced.


def test_paced_calls_begin_when_the_clock_says_and_are_corrected() -> None:
    emulator, rows = Emulator(machine("star"), 2, "paced"), transfer(0, 1, 1 << 20)
    alone = machine("star").simulate([Step(0, 1, 1 << 20)]).duration
    for rank in (0, 1):
        emulator.begin(rank, 1, (0, 1), rows[rank], "", 5.0)
        emulator.wait(rank, 1)
    assert emulator.advance() == []
    told = emulator.predictions()
    assert [(rank, op) for rank, op, _ in told] == [(0, 1), (1, 1)]
    assert told[0][2] == pytest.approx(5.0 + alone, abs=TICK)
    assert emulator.predictions() == []
    for rank in (0, 1):
        emulator.begin(rank, 2, (0, 1), rows[rank], "", 5.0 + alone / 2)
    emulator.advance()
    corrected = {op: time for _, op, time in emulator.predictions()}
    wire = alone - machine("star").simulate([Step(0, 1, 0)]).duration
    assert corrected[1] == pytest.approx(5.0 + alone + wire / 2, rel=1e-6)
    assert corrected[2] == pytest.approx(5.0 + alone + wire, rel=1e-6)
    assert emulator.finish(0, 1) == corrected[1]


def test_paced_leaves_alone_what_is_over() -> None:
    emulator, rows = Emulator(machine("star"), 2, "paced"), transfer(0, 1, 1 << 20)
    for op, at in ((1, 0.0), (2, 1.0)):
        for rank in (0, 1):
            emulator.begin(rank, op, (0, 1), rows[rank], "", at)
    emulator.advance()
    ends = {(rank, op): time for rank, op, time in emulator.predictions()}
    assert len(ends) == 4
    assert ends[0, 2] - 1.0 == pytest.approx(ends[0, 1], abs=TICK)


# What cannot be.


def test_a_rank_without_rows_ends_when_it_starts() -> None:
    fabric = Fabric(star(3), endpoint=Endpoint("l", {"": Costs(launch=1 * US)}))
    rows = rows_of([Step(0, 1, 1 << 20)], 3)
    found = run(Emulator(fabric, 3), [blocking(1, (0, 1, 2), r, "") for r in rows])
    assert found[2, 1] == grid(1 * US)


def test_calls_are_recorded() -> None:
    rows = transfer(0, 1)
    emulator = Emulator(machine("star"), 2, record=True)
    run(emulator, [[("compute", r * 1.0), *blocking(4, (0, 1), rows[r], "x")] for r in (0, 1)])
    (call,) = emulator.finished()
    assert (call.op, call.operation, call.group, call.begin) == (4, "x", (0, 1), (0.0, 1.0))
    assert call.finish == (emulator.clock(0), emulator.clock(1))


def refused(match: str, *posts: Post, rank: int = 0) -> None:
    emulator = Emulator(machine("star"), 4)
    with pytest.raises(WorldError, match=match):
        post(emulator, rank, list(posts))


def test_bad_posts_are_refused() -> None:
    rows = transfer(0, 1)
    good: Post = ("begin", 1, (0, 1), rows[0], "")
    for seconds in (-1.0, float("nan"), float("inf")):
        refused("no duration", ("compute", seconds))
    refused("begun call 1 twice", good, good)
    refused("waits for call 3, which it has not begun", ("wait", 3))
    refused("rank 3 is not in the group 0, 1 of call 1", good, rank=3)
    refused("names rank 9 of a world of 4", ("begin", 1, (0, 9), rows[0], ""))
    refused("names one twice", ("begin", 1, (0, 0), rows[0], ""))
    refused(
        "names rank 2 of a group of 2", ("begin", 1, (0, 1), rows_of([Step(0, 2, 1)], 3)[0], "")
    )
    refused("not its own", ("begin", 1, (0, 1, 2), rows_of([Step(1, 2, 1)], 3)[1], ""))
    refused("which is no time", ("begin", 1, (0, 1), rows[0], "", -1.0))
    refused("has begun it as", good, ("begin", 1, (0, 2), rows[0], ""))
    refused("has ended, and still posts", ("end",), ("compute", 1.0))
    refused("rank 4 of a world of 4", ("compute", 1.0), rank=4)


def test_bad_worlds_are_refused() -> None:
    with pytest.raises(WorldError, match="no emulated clock 'lax'; there are strict, eager, paced"):
        Emulator(machine("star"), 2, "lax")
    with pytest.raises(WorldError, match="a world of 9 ranks; the fabric has 8 places"):
        Emulator(machine("star"), 9)


@pytest.mark.parametrize(("mine", "other"), [(1000, 999), (1000, None)])
def test_transfers_that_do_not_fit_together(mine: int, other: int | None) -> None:
    emulator = Emulator(machine("star"), 2)
    theirs = rows_of([] if other is None else [Step(0, 1, other)], 2)[1]
    theirs = rows_of([Step(1, 1, 5)], 2)[1] if other is None else theirs
    post(emulator, 0, blocking(1, (0, 1), transfer(0, 1, mine)[0], ""))
    post(emulator, 1, blocking(1, (0, 1), theirs, ""))
    with pytest.raises(CallMismatch, match="rank 1 of the group"):
        emulator.advance()


def test_ranks_that_are_cut_off_may_still_talk_to_others() -> None:
    topology = star(3)
    link = next(topology.link_name(k) for k in range(topology.n_links) if topology.link_src[k] == 2)
    emulator = Emulator(Fabric(topology.without(link)), 3)
    with pytest.raises(RouteError):
        emulator.begin(2, 2, (2, 0), transfer(0, 1)[0], "")
    run(emulator, [*(blocking(1, (0, 1), r, "") for r in transfer(0, 1)), []])
    assert emulator.clock(1) > 0
