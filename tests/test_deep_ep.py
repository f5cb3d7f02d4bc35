"""The normal mode of DeepEP's V1: layouts, types, handles, sums and errors, against the oracle."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from collectives import init
from collectives.adapters.deep_ep import Buffer, Config, EventHandle, EventOverlap
from collectives.moe import TokenError
from tests.support.adapter_ranks import every_rank_is_told, launch
from tests.support.deep_ep_oracle import BF16, World, fp8, made, result, same, summed


def with_buffer(check: Callable[[Buffer, World], Any], world: World) -> Any:
    with init() as comm:
        return check(Buffer(comm, int(2e9), int(2e9)), world)


def laid_out(buffer: Buffer, world: World) -> dict[str, Any]:
    idx = world.tokens[buffer.rank].idx
    ranks, nodes, experts, flags, _ = buffer.get_dispatch_layout(idx, world.experts)
    return {
        "num_tokens_per_rank": ranks, "num_tokens_per_rdma_rank": nodes,
        "num_tokens_per_expert": experts, "is_token_in_rank": flags,
    }  # fmt: skip


def layout_is_right(buffer: Buffer, world: World) -> None:
    given, rank = laid_out(buffer, world), buffer.rank
    own = world.tokens[rank]
    hosts = [set(world.hosts(rank, row)) - {-1} for row in range(len(own.x))]
    flags = torch.tensor(
        [[r in there for r in range(world.ranks)] for there in hosts], dtype=torch.bool
    ).view(len(hosts), world.ranks)
    assert same(given["is_token_in_rank"], flags)
    assert same(given["num_tokens_per_rank"], flags.sum(0, dtype=torch.int32))
    counts = torch.tensor([(own.idx == e).sum() for e in range(world.experts)], dtype=torch.int32)
    assert same(given["num_tokens_per_expert"], counts)
    if world.ranks <= 8:
        assert given["num_tokens_per_rdma_rank"] is None
    else:
        nodes = [sum(n in {r // 8 for r in there} for there in hosts) for n in range(2)]
        assert given["num_tokens_per_rdma_rank"].tolist() == nodes


def round_trips(buffer: Buffer, world: World) -> None:
    layout_is_right(buffer, world)
    given, rank = laid_out(buffer, world), buffer.rank
    own = world.tokens[rank]
    node = 8 if world.ranks > 8 else None
    for later in (False, True):
        x, idx, weights, listed, handle, event = buffer.dispatch(
            own.x, topk_idx=own.idx, topk_weights=own.weights, expert_alignment=4,
            previous_event=buffer.capture(), async_finish=later, **given,
        )  # fmt: skip
        if later:
            event.current_stream_wait()
        assert (event.event is None) == (not later)
        assert same(x, world.gather(rank, "x"))
        place = [world.place(rank, *row) for row in world.arrivals(rank)]
        assert idx.tolist() == place
        assert same(weights, world.gather(rank, "weights").masked_fill(idx < 0, 0))
        counts = [sum(e in row for row in place) for e in range(world.local)]
        assert listed == [-(-n // 4) * 4 for n in counts]
        until = handle[0][:, rank] if node is None else handle[-4]
        sources = [source for source, _ in world.arrivals(rank)]
        assert until.tolist() == [sum(s <= r for s in sources) for r in range(world.ranks)]
        bias = [torch.randn(own.x.shape, dtype=torch.float32).to(BF16) for _ in range(2 * later)]
        total, total_weights, event = buffer.combine(
            result(x, rank), handle, topk_weights=weights, bias=tuple(bias) or None,
            async_finish=later,
        )  # fmt: skip
        if later:
            event.current_stream_wait()
        assert same(total, summed(world, rank, node, bias))
        assert same(total_weights, own.weights.masked_fill(own.idx < 0, 0))
        begin, end = event.times()
        assert 0 <= begin < end or world.ranks == 1


def other_types(buffer: Buffer, world: World) -> None:
    given, rank = laid_out(buffer, world), buffer.rank
    own, row = world.tokens[rank], world.gather(rank, "x")
    eight = (own.x.float() * 20).round().clamp(-127, 127).to(torch.int8)
    for numbers, scales, expected in (
        (*fp8(own.x), fp8(row)),
        (eight, own.x[:, 0].float(), ((row.float() * 20).round().clamp(-127, 127).to(torch.int8),
                                      row[:, 0].float())),
        (fp8(own.x)[0], torch.arange(own.x.numel() // 128).view(-1, 2).to(torch.int32), None),
    ):  # fmt: skip
        got, idx, weights, _, handle, _ = buffer.dispatch((numbers, scales), **given)
        assert idx is None
        assert weights is None
        if expected is not None:
            assert same(got[0], expected[0])
            assert same(got[1], expected[1].contiguous())
        else:
            assert got[1].shape == (len(row), 2)
            assert got[1].dtype == torch.int32
        again, *none, _ = buffer.dispatch((numbers, scales), handle=handle)
        assert same(again[0], got[0])
        assert same(again[1], got[1])
        assert none == [None] * 4
        total, _, _ = buffer.combine(result(row, rank), handle)
        assert same(total, summed(world, rank, None, []))


def worst_case(buffer: Buffer, world: World) -> None:
    given, rank = laid_out(buffer, world), buffer.rank
    own, row = world.tokens[rank], world.gather(rank, "x")
    (numbers, scales), idx, weights, listed, handle, _ = buffer.dispatch(
        fp8(own.x), topk_idx=own.idx, topk_weights=own.weights, num_worst_tokens=50, **given
    )
    assert listed == []
    assert len(numbers) == len(scales) == len(idx) == len(weights) == 50
    assert same(numbers[: len(row)], fp8(row)[0])
    assert idx[len(row) :].eq(-1).all()
    padded = torch.zeros((50, world.hidden), dtype=BF16)
    padded[: len(row)] = result(row, rank)
    assert same(buffer.combine(padded, handle)[0], summed(world, rank, None, []))


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("check", [round_trips, other_types, worst_case])
def test_threads(check: Any, ranks: int) -> None:
    world = made(ranks, ranks, idle=ranks > 1)
    launch(with_buffer, ranks, args=(check, world))


def test_two_nodes_send_a_token_once_to_each_and_add_up_inside_first() -> None:
    launch(with_buffer, 16, args=(round_trips, made(16, 3, local=2, top_k=5)))


def test_a_number_of_ranks_that_makes_no_nodes_is_one() -> None:
    def flat(buffer: Buffer, world: World) -> None:
        layout = buffer.get_dispatch_layout(world.tokens[buffer.rank].idx, world.experts)
        assert layout[1] is None

    launch(with_buffer, 12, args=(flat, made(12, 5)))


def wrong(buffer: Buffer, world: World, what: str) -> None:
    given, own = laid_out(buffer, world), world.tokens[buffer.rank]
    if buffer.rank != 1:  # it waits for a rank that never gets there
        buffer.dispatch(own.x, topk_idx=own.idx, topk_weights=own.weights, **given)
    elif what == "index":
        own.idx[0, 1] = world.experts
        buffer.get_dispatch_layout(own.idx, world.experts)
    elif what == "dtype":
        buffer.dispatch(own.x.float(), topk_idx=own.idx, topk_weights=own.weights, **given)
    elif what == "small":
        buffer.num_nvl_bytes = 1000
        buffer.dispatch(own.x, topk_idx=own.idx, topk_weights=own.weights, **given)
    elif what == "flags":
        given["is_token_in_rank"] = ~given["is_token_in_rank"]
        given["num_tokens_per_rank"] = given["is_token_in_rank"].sum(0, dtype=torch.int32)
        buffer.dispatch(own.x, topk_idx=own.idx, topk_weights=own.weights, **given)


WRONG = {
    "index": r"rank 1: topk_idx\[0, 1\] is expert 12; experts are 0 to 11",
    "dtype": "rank 1: x is float32; it has to be bfloat16, or a tuple of float8_e4m3fn or int8",
    "small": "rank 1: num_nvl_bytes is 1000; a token of 548 bytes and this config take",
    "flags": "rank 1: is_token_in_rank and num_tokens_per_expert were not made of topk_idx",
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_to_every_rank(what: str) -> None:
    main, world = functools.partial(wrong, what=what), made(3, 11, idle=False)
    every_rank_is_told(with_buffer, 3, 1, WRONG[what], (main, world))


def test_config_is_deep_eps_but_for_the_numbers_of_ranks() -> None:
    config = Config(24, 8, 256)
    # csrc/legacy/config.hpp with the numbers of the first call of tests/legacy/test_intranode.py
    assert config.get_nvl_buffer_size_hint(7168 * 2, 8) == 402_851_712
    assert config.get_rdma_buffer_size_hint(7168 * 2, 8) == 0
    assert Buffer.get_dispatch_config(2) == Config(20, 24, 256, 6, 128)
    assert Buffer.get_combine_config(160) == Config(20, 2, 720, 8, 128)
    assert Buffer.get_dispatch_config(320) == Config(20, 28, 720, 12, 128)
    assert config.num_max_rdma_chunked_recv_tokens == 258  # a multiple of 6
    for kinds, words in (
        ((24, 8, 8), "NVL chunks of 8 to send and 8 to receive"),
        ((24, 8, 256, 200, 128), "RDMA chunks of 200 to send and 128 to receive"),
        ((-1,), "num_sms is -1"),
    ):
        with pytest.raises(TokenError, match=words):
            Config(*kinds)
    with pytest.raises(TokenError, match="num_sms is 3; it has to be even"):
        Buffer.set_num_sms(3)


def test_events_wait_and_call_their_hook_once() -> None:
    event, called = EventOverlap(EventHandle()), []
    event.register_hook_after_wait(lambda: called.append(1))
    with pytest.raises(ValueError, match="a hook is registered already"):
        event.register_hook_after_wait(lambda: called.append(2))
    with event(release_handle=True):
        assert not called
    assert called == [1]
    with pytest.raises(ValueError, match="waited for already"):
        event.current_stream_wait()
    with pytest.raises(ValueError, match="it has no times"):
        event.times()


def test_the_memory_of_a_buffer_is_there_and_ends() -> None:
    def memory(buffer: Buffer, world: World) -> None:
        piece = buffer.get_local_buffer_tensor(BF16, torch.Size((4, 8)), 16)
        piece.fill_(3)
        assert buffer.get_local_buffer_tensor(BF16)[16:48].eq(3).all()
        with pytest.raises(TokenError, match="the RDMA buffer: it has 1000000000 of"):
            buffer.get_local_buffer_tensor(BF16, torch.Size((1,)), 10**9, use_rdma_buffer=True)
        with pytest.raises(TokenError, match="explicitly_destroy=True"):
            buffer.destroy()

    launch(with_buffer, 1, args=(memory, made(1, 1)))


def repeated(world: World) -> World:
    """The same with each token's second choice once more its first."""
    for own in world.tokens:
        own.idx[:, 1] = own.idx[:, 0]
    return world


def twice(buffer: Buffer, world: World) -> None:
    """A token goes once to its rank; both slots name the expert, and both weights come home."""
    given, rank = laid_out(buffer, world), buffer.rank
    own = world.tokens[rank]
    slots = torch.tensor([(own.idx == e).sum() for e in range(world.experts)], dtype=torch.int32)
    assert same(given["num_tokens_per_expert"], slots)
    x, idx, weights, listed, handle, _ = buffer.dispatch(
        own.x, topk_idx=own.idx, topk_weights=own.weights, **given
    )
    assert same(x, world.gather(rank, "x"))
    place = [world.place(rank, *row) for row in world.arrivals(rank)]
    assert idx.tolist() == place
    assert same(weights, world.gather(rank, "weights").masked_fill(idx < 0, 0))
    assert listed == [sum(row.count(e) for row in place) for e in range(world.local)]
    total, home, _ = buffer.combine(result(x, rank), handle, topk_weights=weights)
    assert same(total, summed(world, rank, 8 if world.ranks > 8 else None, []))
    assert same(home, own.weights.masked_fill(own.idx < 0, 0))


@pytest.mark.parametrize("ranks", [2, 16])
def test_an_expert_twice_in_a_choice_is_two_slots_of_one_row(ranks: int) -> None:
    launch(with_buffer, ranks, args=(twice, repeated(made(ranks, 5, local=2))))


def nan_weights(buffer: Buffer, world: World) -> None:
    """A weight that is NaN stays where its expert is; elsewhere the slot has the weight 0."""
    given, rank = laid_out(buffer, world), buffer.rank
    own = world.tokens[rank]
    own.weights[:, 0] = torch.nan
    _, idx, weights, *_ = buffer.dispatch(
        own.x, topk_idx=own.idx, topk_weights=own.weights, **given
    )
    assert weights[idx < 0].eq(0).all()
    assert weights[:, 0][idx[:, 0] >= 0].isnan().all()


def test_weights_of_experts_elsewhere_are_0_whatever_they_are() -> None:
    launch(with_buffer, 2, args=(nan_weights, made(2, 5, idle=False)))


def contradicted(buffer: Buffer, world: World, what: str) -> None:
    given, own = laid_out(buffer, world), world.tokens[buffer.rank]
    wide, guilty = {**given, "topk_idx": own.idx, "topk_weights": own.weights}, buffer.rank == 1
    if what == "weights" and guilty:
        wide["topk_idx"] = None
    if what == "config" and guilty:
        wide["config"] = Config(23, 4, 256)
    x, *_, handle, _ = buffer.dispatch(own.x, **wide)
    if what == "layout":
        other = {"is_token_in_rank": ~given["is_token_in_rank"]} if guilty else {}
        buffer.dispatch(own.x, handle, **other)
    elif what == "worst":
        buffer.dispatch(own.x, handle, num_worst_tokens=50 * guilty)
    else:
        buffer.combine(torch.cat([x, x[: 2 * guilty]]), handle)


CONTRADICTED = {
    "weights": "topk_weights are given without topk_idx",
    "config": "num_sms of the config is 23; it has to be even",
    "layout": "is_token_in_rank is not that of the handle",
    "worst": "num_worst_tokens is 50; the handle is of a dispatch with 0",
    "rows": r"x has \d+ rows; the dispatch returned \d+",
}


@pytest.mark.parametrize("what", CONTRADICTED)
def test_what_was_passed_over_is_refused(what: str) -> None:
    main, world = functools.partial(contradicted, what=what), made(2, 6, idle=False)
    every_rank_is_told(with_buffer, 2, 1, CONTRADICTED[what], (main, world))
