"""The low-latency mode of DeepEP's V1 against the oracle: layouts, types, hooks, masks, errors."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from collectives import init
from collectives.adapters.deep_ep import Buffer
from tests.support.adapter_ranks import every_rank_is_told, launch
from tests.support.deep_ep_oracle import BF16, World, fp8, made, result, same

MOST = 12
HIDDEN = 1024


def with_buffer(check: Callable[[Buffer, World], Any], world: World) -> Any:
    with init() as comm:
        size = Buffer.get_low_latency_rdma_size_hint(MOST, HIDDEN, comm.size, world.experts)
        return check(Buffer(comm, 0, size, low_latency_mode=True), world)


def rows(world: World, expert: int, masked: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    """(source, token) of the rows of an expert."""
    return [
        (source, row) for source in range(world.ranks) if source not in masked
        for row, chosen in enumerate(world.tokens[source].idx.tolist()) if expert in chosen
    ]  # fmt: skip


def dispatched(buffer: Buffer, world: World, **options: Any) -> Any:
    own = world.tokens[buffer.rank]
    return buffer.low_latency_dispatch(own.x, own.idx, MOST, world.experts, **options)


def wanted(world: World, rank: int, masked: tuple[int, ...] = ()) -> torch.Tensor:
    """The weighted sums of what experts make of a rank's tokens, float32."""
    own = world.tokens[rank]
    total = torch.zeros((len(own.x), world.hidden))
    for row in range(len(own.x)):
        for slot, host in enumerate(world.hosts(rank, row)):
            if host >= 0 and host not in masked:
                total[row] += own.weights[row, slot] * result(own.x[row], host).float()
    return total


def layouts_are_right(buffer: Buffer, world: World) -> None:
    rank, stats = buffer.rank, torch.zeros(world.local, dtype=torch.int32)
    waits = torch.zeros(world.ranks, dtype=torch.int64)
    x, counts, handle, event, hook = dispatched(
        buffer, world, use_fp8=False, cumulative_local_expert_recv_stats=stats,
        dispatch_wait_recv_cost_stats=waits, async_finish=True,
    )  # fmt: skip
    assert hook is None
    event.current_stream_wait()
    assert waits.ge(0).all()
    room = world.ranks * MOST
    assert x.shape == (world.local, room, HIDDEN)
    assert x.dtype == BF16
    source, spans, *rest = handle
    assert rest == [MOST, HIDDEN, world.experts]
    assert spans.shape == (world.local, world.ranks)
    y = torch.zeros_like(x)
    for here in range(world.local):
        came = rows(world, rank * world.local + here)
        assert int(counts[here]) == int(stats[here]) == len(came)
        begins = [sum(s < r for s, _ in came) for r in range(world.ranks)]
        numbers = [sum(s == r for s, _ in came) for r in range(world.ranks)]
        assert (spans[here] >> 32).tolist() == begins
        assert (spans[here] & (2**32 - 1)).tolist() == numbers
        assert source[here, : len(came)].tolist() == [row for _, row in came]
        for number, (src, row) in enumerate(came):
            assert same(x[here, number], world.tokens[src].x[row])
            y[here, number] = result(x[here, number], rank)
    own, sums = world.tokens[rank], wanted(world, rank)
    out = torch.empty_like(own.x)
    for in_place in (False, True):
        if in_place:
            buffer.get_next_low_latency_combine_buffer(handle)[:] = y
        total, _, hook = buffer.low_latency_combine(
            y, own.idx, own.weights, handle, zero_copy=in_place, return_recv_hook=True, out=out
        )
        assert hook is not None
        hook()
        assert total is out
        torch.testing.assert_close(total.float(), sums, rtol=2**-7, atol=2**-9)
    total, event, _ = buffer.low_latency_combine(y, own.idx, own.weights, handle, use_logfmt=True)
    torch.testing.assert_close(total.float(), sums, rtol=2**-7, atol=2**-9)
    none = torch.full_like(own.idx, -1)
    total, _, _ = buffer.low_latency_combine(y, none, own.weights, handle)
    assert total.eq(0).all()


def wires_are_right(buffer: Buffer, world: World) -> None:
    for options in ({}, {"round_scale": True}, {"round_scale": True, "use_ue8m0": True},
                    {"use_int8": True}):  # fmt: skip
        (numbers, scales), _, _, _, hook = dispatched(
            buffer, world, return_recv_hook=True, **options
        )
        hook()
        int8 = "use_int8" in options
        assert scales.shape[:2] == numbers.shape[:2]
        if not int8:
            assert scales.stride()[1] == 1  # by columns
        for here in range(world.local):
            for at, (src, row) in enumerate(rows(world, buffer.rank * world.local + here)):
                x = world.tokens[src].x[row]
                if int8:
                    back = numbers[here, at].float() * scales[here, at]
                    assert (back - x.float()).abs().max() <= x.float().abs().max() / 253
                    continue
                own, own_scales = fp8(x[None])
                got = scales[here, at]
                if options:
                    own_scales = torch.exp2(own_scales.log2().ceil())
                    own = (x.view(-1, 128).float() / own_scales.T).to(own.dtype).view(1, -1)
                if "use_ue8m0" in options:
                    got = (got.contiguous().view(torch.uint8).int() << 23).view(torch.float32)
                torch.testing.assert_close(got, own_scales[0], rtol=1e-6, atol=0)
                # A scale may be a bit off, and a number on an edge then falls to its other side.
                near = (numbers[here, at].float() - own[0].float()).abs()
                assert (near <= own[0].float().abs() / 8).all()
                assert (near > 0).float().mean() < 0.05


@pytest.mark.parametrize("check", [layouts_are_right, wires_are_right])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_threads(check: Any, ranks: int) -> None:
    launch(with_buffer, ranks, args=(check, made(ranks, ranks, hidden=HIDDEN, idle=ranks > 1)))


def masked_ranks(buffer: Buffer, world: World) -> None:
    """Rank 1 is left out, and calls nothing."""
    rank, status = buffer.rank, torch.zeros(world.ranks, dtype=torch.int32)
    if rank != 1:
        buffer.low_latency_update_mask_buffer(1, True)
        buffer.low_latency_query_mask_buffer(status)
        assert status.tolist() == [0, 1, 0, 0]
        x, counts, handle, *_ = dispatched(buffer, world, use_fp8=False)
        for here in range(world.local):
            came = rows(world, rank * world.local + here, masked=(1,))
            assert int(counts[here]) == len(came)
            assert handle[1][here, 1] & (2**32 - 1) == 0
        own = world.tokens[rank]
        total, *_ = buffer.low_latency_combine(result(x, rank), own.idx, own.weights, handle)
        torch.testing.assert_close(
            total.float(), wanted(world, rank, masked=(1,)), rtol=2**-7, atol=2**-8
        )
        buffer.clean_low_latency_buffer(MOST, HIDDEN, world.experts)
        buffer.low_latency_clean_mask_buffer()
    layouts_are_right(buffer, world)


def test_a_masked_rank_is_left_out_until_it_is_not() -> None:
    launch(with_buffer, 4, args=(masked_ranks, made(4, 2, hidden=HIDDEN)))


def wrong(buffer: Buffer, world: World, what: str) -> None:
    own, options = world.tokens[buffer.rank], {}
    if buffer.rank == 0:
        if what == "index":
            own.idx[1, 0] = -2
        elif what == "small":
            buffer._low_latency._bytes = 10
        elif what == "dtype":
            own = own._replace(x=own.x.float())
        elif what == "many":
            own = own._replace(x=own.x.repeat(2, 1), idx=own.idx.repeat(2, 1))
        elif what == "both":
            options = {"async_finish": True, "return_recv_hook": True}
    buffer.low_latency_dispatch(own.x, own.idx, MOST, world.experts, use_fp8=False, **options)


WRONG = {
    "index": "rank 0: token 1 slot 0 chooses expert -2; experts are 0 to 7",
    "small": "rank 0: num_rdma_bytes is 10; 12 tokens of 1024 channels a rank and 8 experts take",
    "dtype": "rank 0: x is float32; it has to be bfloat16",
    "many": "rank 0: x has 18 tokens, and the buffers were made for 12",
    "both": "rank 0: async_finish and return_recv_hook exclude each other",
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_to_every_rank(what: str) -> None:
    main, world = functools.partial(wrong, what=what), made(2, 4, hidden=HIDDEN, idle=False)
    every_rank_is_told(with_buffer, 2, 0, WRONG[what], (main, world))


def twice(buffer: Buffer, world: World) -> None:
    """An expert twice in a choice: a row for each slot, and both weights count."""
    rank, own = buffer.rank, world.tokens[buffer.rank]
    x, counts, handle, *_ = dispatched(buffer, world, use_fp8=False)
    y = torch.zeros_like(x)
    for here in range(world.local):
        expert = rank * world.local + here
        came = [
            (source, row) for source in range(world.ranks)
            for row, chosen in enumerate(world.tokens[source].idx.tolist())
            for _ in range(chosen.count(expert))
        ]  # fmt: skip
        assert int(counts[here]) == len(came)
        assert handle[0][here, : len(came)].tolist() == [row for _, row in came]
        for number, (source, row) in enumerate(came):
            assert same(x[here, number], world.tokens[source].x[row])
            y[here, number] = result(x[here, number], rank)
    own.weights[own.idx < 0] = torch.nan  # nobody's, so it does not matter
    total, *_ = buffer.low_latency_combine(y, own.idx, own.weights, handle)
    torch.testing.assert_close(total.float(), wanted(world, rank), rtol=2**-7, atol=2**-9)


def test_an_expert_twice_in_a_choice_is_two_rows() -> None:
    world = made(2, 9, hidden=HIDDEN, idle=False, local=6)
    for own in world.tokens:
        own.idx[:3, 1] = own.idx[:3, 0]  # of expert 0 then as many as there is room for
    launch(with_buffer, 2, args=(twice, world))


def contradicted(buffer: Buffer, world: World, what: str) -> None:
    own, guilty = world.tokens[buffer.rank], buffer.rank == 1
    if what == "rows" and guilty:
        own.idx[:] = 0
    x, _, handle, *_ = dispatched(buffer, world, use_fp8=False, use_int8=what == "int8" and guilty,
                                  round_scale=what == "int8" and guilty)  # fmt: skip
    if what == "choices" and guilty:
        own.idx[0, 0] = (own.idx[0, 0] + 1) % world.experts
    buffer.low_latency_combine(torch.zeros_like(x), own.idx, own.weights, handle)


CONTRADICTED = {
    "rows": "rank 1: expert 0 is chosen 24 times, and the buffers were made for 12",
    "choices": r"rank 1: topk_idx\[0, 0\] is expert \d; in the dispatch it was -?\d",
    "int8": "rank 1: wire 'int8' has no rounded scales",
}


@pytest.mark.parametrize("what", CONTRADICTED)
def test_what_was_passed_over_is_refused(what: str) -> None:
    main, world = functools.partial(contradicted, what=what), made(2, 4, hidden=HIDDEN, idle=False)
    every_rank_is_told(with_buffer, 2, 1, CONTRADICTED[what], (main, world))
