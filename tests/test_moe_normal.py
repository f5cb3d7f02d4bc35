"""The normal mode, in one and two levels, against plain loops and with real tokens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.algorithms.reference import run
from collectives.moe import (
    BLOCK_FP8,
    Routing,
    RoutingError,
    logical_bytes,
    node_layout,
    node_limited,
    oracle,
    rank_layout,
    uniform,
)
from collectives.moe.schedules import normal

MESSAGE = 8  # two int32: (rank, token), or sums of them


@st.composite
def routings(draw, ranks=(1, 2, 3, 5, 8, 16)):
    count = draw(st.sampled_from(ranks))
    experts = draw(st.integers(1, 2 * count + 3))
    top_k = draw(st.integers(1, min(8, experts)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    tables = []
    for tokens in draw(st.lists(st.integers(0, 9), min_size=count, max_size=count)):
        table = np.argsort(rng.random((tokens, experts)), axis=1)[:, :top_k]
        tables.append(np.where(rng.random(table.shape) < 0.2, -1, table))
    return Routing(tables, experts)


EDGES = [
    Routing([[[2]] * 4] * 6, 7),
    Routing([np.empty((0, 2), int)] * 4, 4),
    Routing([[[-1, -1]]] * 4, 4),
    Routing([[[0]], [], [], []], 1),
]


def ids(routing, rank):
    return np.array([[rank, token] for token in range(routing.tokens[rank])], np.int32)


def packed(routing, layout):
    rows = [ids(routing, rank)[layout.packing(rank)] for rank in range(routing.ranks)]
    return [row.reshape(-1).astype(np.int32) for row in rows]


def check(routing, **how):
    """Dispatch moves every token to where the loops say; combine brings its sums home."""
    width = how.get("ranks_per_node")
    layout = node_layout(routing, width) if width else rank_layout(routing)
    sizes = normal.buffers(routing, MESSAGE, ranks_per_node=width)
    send = packed(routing, layout)
    assert [array.nbytes for array in send] == sizes.send.tolist()
    held = run(normal.dispatch(routing, MESSAGE, **how), send, sizes.recv.tolist())
    results = []
    for rank, got in enumerate(held):
        needed = oracle.received(routing, rank)
        rows = got[: 2 * len(needed)].reshape(-1, 2)
        assert [tuple(row) for row in rows.tolist()] == needed
        results.append(rows * [1, 10] + [1 + rank, 0])  # (owner + 1 + me, 10 tokens)
    sizes = normal.buffers(routing, MESSAGE, ranks_per_node=width, back=True)
    back = [np.zeros(size // 4, np.int32) for size in sizes.send.tolist()]
    for array, rows in zip(back, results, strict=True):
        array[: rows.size] = rows.ravel()
    home = run(normal.combine(routing, MESSAGE, **how), back, sizes.recv.tolist())
    for rank, got in enumerate(home):
        order = layout.packing(rank)
        total = np.zeros((routing.tokens[rank], 2), int)
        np.add.at(total, order, got[: 2 * len(order)].reshape(-1, 2))
        for token, row in enumerate(total.tolist()):
            hosts = oracle.places(routing, rank, token)
            assert row == [sum(rank + 1 + host for host in hosts), 10 * token * len(hosts)]


@pytest.mark.parametrize("routing", EDGES)
def test_edges(routing):
    check(routing)
    check(routing, ranks_per_node=2, chunks=3)


@settings(max_examples=60, deadline=None)
@given(routings())
def test_one_level(routing):
    check(routing)


@settings(max_examples=60, deadline=None)
@given(routings(ranks=(2, 4, 6, 8, 12, 16)), st.sampled_from([1, 2]), st.integers(1, 12))
def test_two_levels(routing, width, chunks):
    check(routing, ranks_per_node=width, chunks=chunks)


@pytest.mark.parametrize("width", [1, 3, 4, 6, 12])
def test_two_levels_of_any_node(width):
    check(uniform(12, [5, 0, 7, 1] * 3, 5, 30, seed=2), ranks_per_node=width, chunks=4)


@settings(max_examples=40, deadline=None)
@given(routings())
def test_layouts_say_who_holds_what(routing):
    layout = rank_layout(routing)
    for dst in range(routing.ranks):
        here = layout.dst == dst
        src, token = layout.src[here].tolist(), layout.token[here].tolist()
        assert list(zip(src, token, strict=True)) == oracle.received(routing, dst)
        assert layout.recv_at[layout.dst == dst].tolist() == list(range(len(src)))
    for src in range(routing.ranks):
        order = [
            token
            for dst in range(routing.ranks)
            for token in range(routing.tokens[src])
            if dst in oracle.places(routing, src, token)
        ]
        assert layout.packing(src).tolist() == order


def test_a_row_for_each_pair_of_ranks_carries_its_tokens():
    routing = uniform(8, 64, 4, 32)
    (step,) = normal.dispatch(routing, 7392)
    assert step.label == "dispatch"
    assert len(step) == 64
    assert (step.messages == routing.rank_counts[step.src, step.dst]).all()
    assert (step.size == 7392 * step.messages).all()
    (back,) = normal.combine(routing, 14336)
    assert (back.label, back.reduces) == ("combine", False)
    assert (back.messages == routing.rank_counts[back.dst, back.src]).all()


def traffic(steps, routing, width):
    """Messages from rank to rank between nodes and within them, without packing."""
    between, within = (np.zeros((routing.ranks, routing.ranks), int) for _ in range(2))
    for step in steps:
        if step.label != "pack":
            plane = step.src // width != step.dst // width
            np.add.at(between, (step.src[plane], step.dst[plane]), step.messages[plane])
            np.add.at(within, (step.src[~plane], step.dst[~plane]), step.messages[~plane])
    return between, within


@pytest.mark.parametrize("exact", [True, False])
def test_a_token_goes_once_to_a_remote_node_and_on_from_its_relay(exact):
    routing, width = node_limited(16, 50, 8, 64, groups=4, top_groups=3), 4
    steps = list(normal.dispatch(routing, 64, ranks_per_node=width, chunks=5, exact=exact))
    between, within = traffic(steps, routing, width)
    for src, node in np.ndindex(16, 4):
        sent = between[src, node * width : (node + 1) * width]
        if src // width != node:
            assert sent[src % width] == routing.node_counts(width)[src, node] == sent.sum()
    assert within.sum() == routing.rank_counts.sum()
    assert (within.sum(axis=0) == routing.rank_counts.sum(axis=0)).all()
    back = list(normal.combine(routing, 64, ranks_per_node=width, chunks=5, exact=exact))
    home = traffic(back, routing, width)
    assert (home[0] == between.T).all()
    assert (home[1] == within.T).all()


def test_the_two_planes_work_at_once():
    routing = uniform(8, 40, 4, 16)
    steps = list(normal.dispatch(routing, 64, ranks_per_node=4, chunks=5))
    assert [step.label for step in steps] == ["pack"] + ["rdma+nvlink"] * 6
    planes = [set((step.src // 4 != step.dst // 4).tolist()) for step in steps[1:]]
    assert planes == [{True}, *[{True, False}] * 4, {False}]
    back = list(normal.combine(routing, 64, ranks_per_node=4, chunks=5))
    planes = [set((step.src // 4 != step.dst // 4).tolist()) for step in back[1:]]
    assert planes == [{False}, *[{True, False}] * 4, {True}]
    assert [step.reduces for step in back] == [False] + [True] * 6


def test_neighbours_are_forwarded_in_one_row_and_own_tokens_take_no_relay():
    # All tokens of ranks 0 and 1 go to rank 2, through relays 2 and 3 of the other node.
    routing = Routing([[[2]] * 8, [[2]] * 8, [], []], 4)
    _, *steps = normal.dispatch(routing, 64, ranks_per_node=2, chunks=2)
    rows = [sorted(zip(s.src, s.dst, s.messages, strict=True)) for s in steps]
    across, on = [(0, 2, 4), (1, 3, 4)], [(2, 2, 4), (3, 2, 4)]
    assert rows == [across, sorted(across + on), on]
    room = normal.buffers(routing, 64, ranks_per_node=2).recv // 64
    assert room.tolist() == [8, 8, 16 + 8, 8]


def test_rows_to_be_timed_only_stay_in_their_buffers_and_are_few():
    routing = uniform(16, 64, 8, 64)
    for schedule, back in ((normal.dispatch, False), (normal.combine, True)):
        whole = list(schedule(routing, 64, ranks_per_node=8, chunks=2, exact=False))
        exact = list(schedule(routing, 64, ranks_per_node=8, chunks=2))
        room = normal.buffers(routing, 64, ranks_per_node=8, back=back).recv
        assert sum(map(len, whole)) < sum(map(len, exact)) / 4
        assert {step.label for step in whole} == {"rdma+nvlink"}
        for step in whole:
            assert (step.src_at + step.size <= room[step.src]).all()
            assert (step.dst_at + step.size <= room[step.dst]).all()


def test_logical_bytes_are_what_deepeps_tests_count():
    routing, width = node_limited(16, 30, 8, 64, groups=2, top_groups=2, seed=4), 8
    nodes = [
        len(oracle.places(routing, rank, token, width)) for rank in range(16) for token in range(30)
    ]
    size = BLOCK_FP8.size(7168)
    assert size == 7168 * 2 * (1 + 4 / 128) / 2
    rdma = logical_bytes(routing, size, ranks_per_node=width)
    assert rdma == pytest.approx(sum(nodes) * size / 16)
    received = [len(oracle.received(routing, rank)) for rank in range(16)]
    assert logical_bytes(routing, size) == pytest.approx(sum(received) * size / 16)


@pytest.mark.parametrize("schedule", [normal.dispatch, normal.combine])
def test_what_does_not_fit_is_refused_at_the_call(schedule):
    routing = uniform(6, 3, 1, 6)
    with pytest.raises(RoutingError, match="6 ranks do not fill nodes of 4 ranks"):
        schedule(routing, 8, ranks_per_node=4)
    with pytest.raises(RoutingError, match="0 chunks"):
        schedule(routing, 8, ranks_per_node=2, chunks=0)
    with pytest.raises(RoutingError, match="message of 0 bytes"):
        schedule(routing, 0)
    with pytest.raises(RoutingError, match="message of -8 bytes"):
        schedule(routing, -8, ranks_per_node=2)
