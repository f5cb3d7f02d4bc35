"""Real tokens take the time of their routing's schedule, though a rank knows only its own."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives import init
from collectives.moe import LowLatency, Routing, parse_skew
from collectives.moe.routing.expert_ranks import expert_ranks
from collectives.moe.schedules import low_latency, normal, two_level
from collectives.moe.tokens.counts_exchange import CountsLayout
from collectives.moe.tokens.quantise import Wire
from collectives.moe.tokens.selection import needed
from fabric.endpoint.presets import preset
from fabric.fabric import Fabric
from fabric.launching.launch import launch
from fabric.schedule.counts import AllCounts
from fabric.schedule.plan import Plan, plan
from tests.support.moe_ranks import Case, parts
from tests.support.rank_rows import known_to, rows_of
from topology import cloudmatrix384

APART = 1.0
"""Emulated seconds at which ranks begin to combine: much later than any dispatch ends."""

Streams = dict[tuple[int, int, int], tuple[int, int, int]]


def streams(mine: Plan) -> Streams:
    """Bytes and messages of each step (counted without gaps), source and destination."""
    rows = mine.rows
    found: Streams = {}
    steps = {step: number for number, step in enumerate(sorted(set(rows.step.tolist())))}
    columns = (rows.step, rows.src, rows.dst, rows.size, rows.messages, rows.reduces)
    for step, src, dst, size, n, reduces in zip(*(c.tolist() for c in columns), strict=True):
        before = found.get((steps[step], src, dst), (0, 0, reduces))
        found[steps[step], src, dst] = before[0] + size, before[1] + n, reduces
    return found


@st.composite
def routings(draw: st.DrawFn) -> tuple[Routing, int]:
    width = draw(st.integers(1, 3))
    ranks, experts = width * draw(st.integers(1, 4)), draw(st.integers(1, 12))
    top_k = draw(st.integers(1, min(4, experts)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    tables = [
        np.argsort(rng.random((n, experts)), axis=1)[:, :top_k]
        for n in draw(st.lists(st.integers(0, 20), min_size=ranks, max_size=ranks))
    ]
    masked = draw(st.sampled_from([0.0, 0.2, 1.0]))
    return Routing([np.where(rng.random(t.shape) < masked, -1, t) for t in tables], experts), width


@settings(max_examples=100, derandomize=True, deadline=None)
@given(routings())
def test_low_latency(drawn: tuple[Routing, int]) -> None:
    routing, _ = drawn
    local = routing.local_experts
    for exact, counted in (
        (low_latency.dispatch, low_latency.counted_dispatch),
        (low_latency.combine, low_latency.counted_combine),
    ):
        for me in range(routing.ranks):
            whole = counted(AllCounts(routing.counts), local, 100)
            mine = list(counted(known_to(me, routing.counts), local, 100))
            assert rows_of(me, mine) == rows_of(me, whole)
            assert streams(plan(mine, routing.ranks, me)) == streams(
                plan(exact(routing, 100), routing.ranks, me)
            )


@settings(max_examples=100, derandomize=True, deadline=None)
@given(routings())
def test_normal_mode_of_one_level(drawn: tuple[Routing, int]) -> None:
    counts = drawn[0].rank_counts
    for whole, counted in (
        (normal.dispatch, normal.counted_dispatch), (normal.combine, normal.counted_combine)
    ):  # fmt: skip
        for me in range(drawn[0].ranks):
            mine = list(counted(known_to(me, counts), 100))
            assert rows_of(me, mine) == rows_of(me, whole(drawn[0], 100))
            assert all(((step.src == me) | (step.dst == me)).all() for step in mine)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(routings(), st.integers(1, 6))
def test_rows_of_two_levels_are_those_of_the_schedule(
    drawn: tuple[Routing, int], chunks: int
) -> None:
    routing, width = drawn
    ranks = routing.ranks
    where = expert_ranks(routing.experts, ranks)
    layouts = [CountsLayout(me, where, width, chunks) for me in range(ranks)]
    tables = [needed(one, where.rank, ranks) for one in routing.topk_idx]
    three = zip(layouts, routing.topk_idx, tables, strict=True)
    told = np.stack([layout.to_send(expert, table) for layout, expert, table in three])
    for me in range(ranks):
        _, known = layouts[me].path(told[:, me], told[me], tables[me])
        assert known is not None
        for back, schedule in ((False, normal.dispatch), (True, normal.combine)):
            steps = schedule(routing, 8, ranks_per_node=width, chunks=chunks, exact=False)
            mine = list(two_level.counted(known, 8, back=back))
            assert rows_of(me, mine) == rows_of(me, steps)
            assert len(mine) == chunks + 1
            assert all(((step.src == me) | (step.dst == me)).all() for step in mine)


def together(case: Case) -> list[tuple[Any, float, float]]:
    """As `rank`; all begin their combine at one time, so that it can be told what it takes."""
    with init() as comm:
        return parts(case, comm, APART)


@pytest.mark.parametrize("mode", ["low-latency", "normal", "two levels"])
@pytest.mark.parametrize("software", ["cann-ep", "raw"])
def test_real_tokens_take_the_time_of_a_simulation(mode: str, software: str) -> None:
    ranks, hidden, wire = 24, 256, Wire("int8")
    routing = parse_skew("zipf:1.1", ranks, 6, 4, 32, seed=5)
    fabric = Fabric(cloudmatrix384(), endpoint=preset(software))
    node = 8 if mode == "two levels" else None
    x = [np.ones((6, hidden), np.float32)] * ranks
    weights = [np.ones((6, 4), np.float32)] * ranks
    choices: list[Any] = list(routing.topk_idx)
    case = Case("normal" if node else mode, 32, choices, x, weights, wire, node)
    seen = launch(together, ranks, fabric, args=(case,), timeout=60)
    size, back = wire.format("low-latency", x[0].dtype).size(hidden), 4 * hidden
    if mode == "low-latency":
        made, operation = low_latency, ""
        steps: list[Any] = [made.dispatch(routing, size), made.combine(routing, back)]
    else:
        steps = [
            step(routing, n, ranks_per_node=node, exact=node is None)
            for step, n in ((normal.dispatch, size), (normal.combine, back))
        ]
        operation = ":normal"
    for at, (step, name) in enumerate(zip(steps, ("dispatch", "combine"), strict=True)):
        alone = fabric.simulate(step, operation=name + operation, ranks=ranks).rank_finish
        took = [one[0][at + 1] - at * APART for one in seen]
        np.testing.assert_allclose(took, alone, rtol=1e-5)


def looks_at_its_clock() -> float:
    """One rank asks for the time of another call while the others are in a dispatch already."""
    with init() as comm:
        layer = LowLatency(comm, experts=4, hidden=128, max_tokens=2)
        x, choices = np.ones((2, 128), np.float32), np.array([[0, 3], [1, 2]])
        pair = comm.group([0, 1])
        if pair is not None:
            pair.all_reduce(np.ones(1 << 16))
        if comm.rank == 0:
            comm.now()
        received, handle, _ = layer.dispatch(x, choices)
        layer.combine(received.x, handle, np.ones((2, 2), np.float32))
        return comm.now()


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_a_rank_that_asks_for_the_time_holds_up_nobody_for_ever(transport: str) -> None:
    times = launch(looks_at_its_clock, 4, "cloudmatrix384", transport, timeout=60)
    assert min(times) > 0
