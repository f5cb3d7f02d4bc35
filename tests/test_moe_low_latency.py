"""The low-latency schedules move real tokens to where plain loops say they belong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.algorithms.reference import run
from collectives.moe import Routing, RoutingError, oracle, uniform, weighted_sum
from collectives.moe.schedules import low_latency

MESSAGE = 8  # two int32: (rank, token)


@st.composite
def routings(draw):
    ranks = draw(st.sampled_from([1, 2, 3, 5, 8, 16]))
    experts = draw(st.integers(1, 2 * ranks + 3))
    top_k = draw(st.integers(1, min(8, experts)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    tables = []
    for tokens in draw(st.lists(st.integers(0, 5), min_size=ranks, max_size=ranks)):
        table = np.argsort(rng.random((tokens, experts)), axis=1)[:, :top_k]
        tables.append(np.where(rng.random(table.shape) < 0.2, -1, table))
    return Routing(tables, experts)


EVERYONE_TO_ONE = Routing([[[2]] * 4] * 3, 5)
NOBODY = Routing([np.empty((0, 2), int)] * 2, 4)
ALL_MASKED = Routing([[[-1, -1]]] * 3, 4)


def ids(routing, rank):
    """What each token says: whose it is and which."""
    return np.array([[rank, token] for token in range(routing.tokens[rank])], np.int32)


def given_to(routing, rank, flag_size):
    counts = routing.expert_counts[rank].astype(np.int32)
    if flag_size is not None:
        counts = np.repeat(np.arange(routing.ranks, dtype=np.int32) + 100 * rank, flag_size // 4)
    return np.concatenate([ids(routing, rank).ravel(), counts]).astype(np.int32)


def dispatched(routing, **how):
    steps = list(low_latency.dispatch(routing, MESSAGE, **how))
    sizes = low_latency.dispatch_buffers(routing, MESSAGE, **how)
    send = [given_to(routing, rank, how.get("flag_size")) for rank in range(routing.ranks)]
    assert [array.nbytes for array in send] == sizes.send.tolist()
    return run(steps, send, sizes.recv.tolist())


def split(routing, rank, held, room):
    """The slots of a rank, by local expert and source, and what is behind them."""
    shape = (int(routing.local_experts[rank]), routing.ranks, room, MESSAGE // 4)
    return held[: np.prod(shape)].reshape(shape), held[np.prod(shape) :]


@pytest.mark.parametrize("routing", [EVERYONE_TO_ONE, NOBODY, ALL_MASKED])
def test_edges(routing):
    check_dispatch(routing, None)
    check_combine(routing)


@settings(max_examples=60, deadline=None)
@given(routings(), st.sampled_from([None, 0, 3]))
def test_dispatch_fills_the_slots_in_order(routing, spare):
    check_dispatch(routing, spare)


def check_dispatch(routing, spare):
    room = int(routing.tokens.max()) + (spare or 0)
    received = dispatched(routing, **({} if spare is None else {"max_tokens": room}))
    for rank, held in enumerate(received):
        cells, counts = split(routing, rank, held, room)
        mine = [e for e in range(routing.experts) if oracle.host(routing, e) == rank]
        for local, expert in enumerate(mine):
            for src in range(routing.ranks):
                tokens = oracle.chosen(routing, src, expert)
                got = cells[local, src, : len(tokens)]
                assert got.tolist() == [[src, token] for token in tokens]
                assert counts.reshape(routing.ranks, -1)[src, local] == len(tokens)


@settings(max_examples=60, deadline=None)
@given(routings())
def test_combine_brings_every_result_home(routing):
    check_combine(routing)


def check_combine(routing):
    room = int(routing.tokens.max())
    sizes = low_latency.combine_buffers(routing, MESSAGE)
    send = []
    for rank, held in enumerate(dispatched(routing)):
        cells, _ = split(routing, rank, held, room)
        # An expert's result names the token's owner with the expert's own number added.
        out = cells.copy()
        out[..., 0] += 1000 * (np.arange(len(out)) + routing.first_expert[rank])[:, None, None]
        flags = np.full(routing.ranks, 7 + rank, np.int32)
        send.append(np.concatenate([out.ravel(), flags]).astype(np.int32))
    assert [array.nbytes for array in send] == sizes.send.tolist()
    home = run(low_latency.combine(routing, MESSAGE), send, sizes.recv.tolist())
    hosts = np.flatnonzero(routing.local_experts)
    for rank, got in enumerate(home):
        table = routing.topk_idx[rank]
        cells = got[: table.size * 2].reshape(*table.shape, 2)
        for token, slot in np.argwhere(table >= 0):
            assert cells[token, slot].tolist() == [1000 * table[token, slot] + rank, token]
        assert got[table.size * 2 :][hosts].tolist() == (7 + hosts).tolist()


def test_flags_of_a_fixed_size_have_a_place_for_each_peer():
    routing = uniform(3, 2, 2, 6)
    for rank, held in enumerate(dispatched(routing, flag_size=512)):
        flags = split(routing, rank, held, 2)[1].reshape(3, 128)
        assert (flags == rank + 100 * np.arange(3)[:, None]).all()


def test_a_message_for_each_choice_then_a_flag_for_each_peer():
    routing = uniform(8, 16, 4, 32)
    tokens, flags = low_latency.dispatch(routing, 7680)
    assert (tokens.label, flags.label) == ("dispatch", "flags")
    assert len(tokens) == 8 * 16 * 4
    assert set(tokens.size.tolist()) == {7680}
    assert (len(flags), set(flags.size.tolist())) == (64, {4 * 4})
    results, flags = low_latency.combine(routing, 14336)
    assert (results.label, flags.label) == ("combine", "flags")
    assert len(results) == 8 * 16 * 4
    pairs = sorted(zip(tokens.src, tokens.dst, strict=True))
    assert sorted(zip(results.dst, results.src, strict=True)) == pairs


def test_nobody_waits_for_ranks_without_experts():
    _, flags = low_latency.dispatch(uniform(4, 2, 1, 2), 8)
    assert set(flags.dst.tolist()) == {0, 1}
    _, flags = low_latency.combine(uniform(4, 2, 1, 2), 8)
    assert set(flags.src.tolist()) == {0, 1}


def test_the_papers_buffers():
    # arXiv:2506.12708 4.2.1: 320 ranks, 96 slots, an expert a die: 225 MB and 420 MB.
    routing = Routing([[[0]]] * 320, 320)
    dispatch = low_latency.dispatch_buffers(routing, 7680, max_tokens=96)
    assert dispatch.recv[0] == 320 * 96 * 7680 + 4 * 320
    assert 320 * 96 * 7680 == 225 * 2**20
    combine = low_latency.combine_buffers(routing, 14336, max_tokens=96)
    assert combine.send[0] == 420 * 2**20 + 4 * 320


@pytest.mark.parametrize("mode", [low_latency.dispatch, low_latency.combine])
def test_what_does_not_fit_is_refused_at_the_call(mode):
    routing = uniform(2, [3, 5], 1, 4)
    with pytest.raises(RoutingError, match="rank 1 has 5 tokens, and max_tokens is 4"):
        mode(routing, 8, max_tokens=4)
    with pytest.raises(RoutingError, match="message of 0 bytes"):
        mode(routing, 0)


def test_weighted_sum_is_a_sum_of_made_choices_in_float32():
    results = np.array([[[1, 2], [10, 20]], [[3, 4], [np.nan, np.nan]]], np.float16)
    weights = [[0.5, 0.25], [2.0, 1.0]]
    total = weighted_sum(results, weights, [[4, 1], [0, -1]])
    assert total.dtype == np.float32
    assert total.tolist() == [[3.0, 6.0], [6.0, 8.0]]
    assert weighted_sum(results[:1], weights[:1]).tolist() == [[3.0, 6.0]]


def test_dispatch_and_combine_end_to_end():
    """Experts multiply by their number: the owner finds the weighted sum of what it sent."""
    routing = uniform(4, 6, 3, 8, seed=1)
    sizes = low_latency.dispatch_buffers(routing, 4)
    x = [np.arange(6, dtype=np.float32) + 10 * rank for rank in range(4)]
    send = [np.concatenate([rows, np.zeros(8, np.float32)]) for rows in x]
    held = run(low_latency.dispatch(routing, 4), send, sizes.recv.tolist())
    back = []
    for rank, got in enumerate(held):
        cells = got[: 2 * 4 * 6].reshape(2, -1)
        factor = np.arange(2)[:, None] + 2 * rank
        back.append(np.append((cells * factor).ravel(), np.zeros(4)).astype(np.float32))
    sizes = low_latency.combine_buffers(routing, 4)
    home = run(low_latency.combine(routing, 4), back, sizes.recv.tolist())
    for rank, got in enumerate(home):
        weights = np.random.default_rng(rank).random((6, 3), np.float32)
        total = weighted_sum(got[:18].reshape(6, 3, 1), weights)[:, 0]
        expected = (weights * routing.topk_idx[rank]).sum(axis=1) * x[rank]
        assert total == pytest.approx(expected, rel=1e-6)
