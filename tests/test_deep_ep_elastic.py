"""DeepEP's V2 against the oracle: flat and over domains, expanded, cached, bit for bit."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from collectives import init
from collectives.adapters.deep_ep import ElasticBuffer, get_logical_domain_size
from collectives.adapters.deep_ep.domains import SCALEUP
from collectives.moe import TokenError
from tests.support.adapter_ranks import every_rank_is_told, launch
from tests.support.deep_ep_oracle import BF16, World, fp8, made, same

MOST, ALIGN = 10, 4


def with_buffer(check: Callable[..., Any], world: World, *given: Any, **options: Any) -> Any:
    with init() as comm:
        buffer = ElasticBuffer(
            comm, num_max_tokens_per_rank=MOST, hidden=world.hidden, explicitly_destroy=True,
            **options,
        )  # fmt: skip
        told = check(buffer, world, *given)
        buffer.destroy()
        return told


def contribution(world: World, source: int, row: int, slot: int) -> torch.Tensor:
    """What the expert of a choice makes of a token."""
    x = world.tokens[source].x[row].float()
    return (x * (0.3 + slot) / (1 + world.tokens[source].idx[row, slot] % 5)).to(BF16)


def summed(world: World, rank: int, groups: list[int], bias: torch.Tensor | None) -> torch.Tensor:
    """By slot; first within each group of so many ranks, rounded, where there are groups."""
    own = world.tokens[rank]
    total = torch.zeros((len(own.x), world.hidden)) if bias is None else bias.float().clone()
    for row in range(len(own.x)):
        hosts = world.hosts(rank, row)
        terms = {s: contribution(world, rank, row, s) for s, h in enumerate(hosts) if h >= 0}
        for width in groups:
            merged: dict[int, list[int]] = {}
            for slot in sorted(terms):
                merged.setdefault(hosts[slot] // width, []).append(slot)
            added = {}
            for slots in merged.values():
                inside = torch.zeros(world.hidden)
                for slot in slots:
                    inside += terms[slot].float()
                added[slots[-1]] = inside.to(BF16)
            terms = added
        for slot in sorted(terms):
            total[row] += terms[slot].float()
    return total.to(BF16)


def arrivals(world: World, rank: int, buffer: ElasticBuffer) -> list[tuple[int, int]]:
    """In the order in which they are returned."""
    inside = buffer.num_scaleup_ranks
    by = (lambda row: row) if buffer.deterministic else (lambda row: (row[0] % inside, *row))
    return sorted(world.arrivals(rank), key=by)


def dispatched(buffer: ElasticBuffer, world: World, **options: Any) -> Any:
    own = world.tokens[buffer.rank_idx]
    return buffer.dispatch(
        own.x, own.idx, own.weights, num_experts=world.experts, expert_alignment=ALIGN, **options
    )


def plain(buffer: ElasticBuffer, world: World, groups: list[int]) -> None:
    rank, own = buffer.rank_idx, world.tokens[buffer.rank_idx]
    came = arrivals(world, rank, buffer)
    stats = torch.zeros(world.local, dtype=torch.int32)
    x, idx, weights, handle, event = dispatched(
        buffer, world, cumulative_local_expert_recv_stats=stats, async_with_compute_stream=True,
        previous_event=buffer.capture(),
    )  # fmt: skip
    event.current_stream_wait()
    place = [world.place(rank, *row) for row in came]
    assert len(x) == handle.num_recv_tokens == len(came)
    assert all(same(x[i], world.tokens[s].x[t]) for i, (s, t) in enumerate(came))
    assert idx.tolist() == place
    kept = [world.tokens[s].weights[t].masked_fill(idx[i] < 0, 0) for i, (s, t) in enumerate(came)]
    assert all(same(weights[i], each) for i, each in enumerate(kept))
    counts = [sum(e in row for row in place) for e in range(world.local)]
    aligned = [-(-n // ALIGN) * ALIGN for n in counts]
    assert stats.tolist() == handle.num_unaligned_recv_tokens_per_expert.tolist() == counts
    assert handle.num_recv_tokens_per_expert_list == aligned
    assert (
        handle.psum_num_recv_tokens_per_expert.tolist() == torch.tensor(aligned).cumsum(0).tolist()
    )
    inside = buffer.num_scaleup_ranks
    until = [sum(s % inside <= r for s, _ in came) for r in range(inside)]
    assert handle.psum_num_recv_tokens_per_scaleup_rank.tolist() == until
    assert handle.recv_src_metadata[:, 0].tolist() == [s * MOST + t for s, t in came]
    for each in (handle.recv_src_metadata, handle.psum_num_recv_tokens_per_expert):
        assert each.untyped_storage().resizable()
    assert handle.topk_idx is not own.idx
    assert same(handle.topk_idx, own.idx)
    bias = torch.randn(own.x.shape, dtype=torch.float32).to(BF16)
    y = torch.zeros((len(came), world.hidden), dtype=BF16)
    for i, (s, t) in enumerate(came):
        each = torch.zeros(world.hidden)
        for slot, e in enumerate(place[i]):
            each += contribution(world, s, t, slot).float() if e >= 0 else 0
        y[i] = each.to(BF16)
    total, total_weights, event = buffer.combine(y, handle, topk_weights=weights, bias=bias)
    assert same(total, summed(world, rank, groups, bias))
    assert same(total_weights, own.weights.masked_fill(own.idx < 0, 0))
    assert event.times()[1] >= event.times()[0]
    numbers, again_idx, none, same_handle, _ = buffer.dispatch(fp8(own.x), handle=handle)
    assert same_handle is handle
    assert none is None
    assert same(again_idx, idx)
    rows = torch.stack([world.tokens[s].x[t] for s, t in came]) if came else own.x[:0]
    assert same(numbers[0], fp8(rows)[0])
    assert same(numbers[1], fp8(rows)[1].contiguous())


def expanded(buffer: ElasticBuffer, world: World, groups: list[int]) -> None:
    rank, own = buffer.rank_idx, world.tokens[buffer.rank_idx]
    came = arrivals(world, rank, buffer)
    x, none, weights, handle, _ = dispatched(buffer, world, do_expand=True, do_zero_padding=True)
    assert none is None
    slots = handle.recv_src_metadata[:, 2:]
    begin = 0
    filled = torch.zeros(len(x), dtype=torch.bool)
    y = torch.zeros_like(x)
    for here in range(world.local):
        mine = [(i, p.index(here)) for i, p in enumerate(world.place(rank, *row) for row in came)
                if here in p]  # fmt: skip
        for number, (i, slot) in enumerate(mine):
            at, (s, t) = begin + number, came[i]
            assert int(slots[i, slot]) == at
            assert same(x[at], world.tokens[s].x[t])
            assert float(weights[at]) == float(world.tokens[s].weights[t, slot])
            filled[at] = True
            y[at] = contribution(world, s, t, slot)
        assert int(handle.psum_num_recv_tokens_per_expert[here]) == begin + len(mine)
        begin += -(-len(mine) // ALIGN) * ALIGN
    assert len(x) == begin == handle.num_expanded_tokens
    assert x[~filled].eq(0).all()
    assert weights[~filled].eq(0).all()
    assert (slots >= 0).sum() == filled.sum()
    given = weights if buffer.allow_multiple_reduction else None
    total, total_weights, _ = buffer.combine(y, handle, topk_weights=given)
    assert same(total, summed(world, rank, groups, None))
    if given is not None:
        assert same(total_weights, own.weights.masked_fill(own.idx < 0, 0))
    (numbers, scales), _, again, _, _ = buffer.dispatch(
        fp8(own.x), topk_weights=own.weights, handle=handle, do_zero_padding=True,
        use_tma_aligned_col_major_sf=True,
    )  # fmt: skip
    assert same(again, weights)
    assert scales.stride() == (1, -(-len(x) // 4) * 4)
    assert same(numbers[filled], fp8(x[filled])[0])
    assert same(scales[filled], fp8(x[filled])[1].contiguous())


def roomy(buffer: ElasticBuffer, world: World, _: list[int]) -> None:
    came = arrivals(world, buffer.rank_idx, buffer)
    x, idx, _, handle, _ = dispatched(buffer, world, do_cpu_sync=False)
    assert len(x) == len(idx) == handle.num_recv_tokens == MOST * world.ranks
    assert handle.num_recv_tokens_per_expert_list == []
    assert int(handle.psum_num_recv_tokens_per_scaleup_rank[-1]) == len(came)
    assert all(same(x[i], world.tokens[s].x[t]) for i, (s, t) in enumerate(came))


@pytest.mark.parametrize("check", [plain, expanded, roomy])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_flat(check: Any, ranks: int) -> None:
    world = made(ranks, ranks + 20, idle=ranks > 1)
    launch(with_buffer, ranks, args=(check, world, [1]))


@pytest.mark.parametrize("multiple", [True, False])
@pytest.mark.parametrize("deterministic", [True, False])
def test_domains(monkeypatch: pytest.MonkeyPatch, deterministic: bool, multiple: bool) -> None:
    monkeypatch.setenv(SCALEUP, "2")
    world = made(4, 31, top_k=5)
    main = functools.partial(
        with_buffer, deterministic=deterministic, allow_multiple_reduction=multiple
    )
    launch(main, 4, args=(plain, world, [1, 2] if multiple else [1]))
    launch(main, 4, args=(expanded, world, [1, 2] if multiple else []))


def domain_sizes() -> tuple[Any, ...]:
    with init() as comm:
        flat = ElasticBuffer(comm, 1 << 21, allow_hybrid_mode=False)
        buffer = ElasticBuffer(comm, 1 << 21)
        return (
            get_logical_domain_size(comm), buffer.get_logical_domain_size(),
            flat.get_logical_domain_size(), flat.get_physical_domain_size(),
            (buffer.scaleout_rank_idx, buffer.scaleup_rank_idx),
        )  # fmt: skip


def test_the_environment_says_how_large_domains_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch(domain_sizes, 6)[5] == ((1, 6), (1, 6), (1, 6), (1, 6), (0, 5))
    monkeypatch.setenv(SCALEUP, "3")
    assert launch(domain_sizes, 6)[5] == ((2, 3), (2, 3), (1, 6), (2, 3), (1, 2))
    monkeypatch.setenv(SCALEUP, "4")
    with pytest.raises(TokenError, match="SCALEUP is '4'; 6 ranks make domains of 1, 2, 3, 6"):
        launch(domain_sizes, 6)


def wrong(buffer: ElasticBuffer, world: World, what: str) -> None:
    own, rank = world.tokens[buffer.rank_idx], buffer.rank_idx
    options: dict[str, Any] = {"num_experts": world.experts}
    if rank == 1 and what == "index":
        own.idx[0, 2] = 99
    if rank == 1 and what == "most":
        options["num_max_tokens_per_rank"] = 2
    if rank == 1 and what == "small":
        buffer.num_bytes = 100
    if rank == 1 and what == "dtype":
        own = own._replace(weights=own.weights.double())
    if rank == 1 and what == "none":
        options = {}
    buffer.dispatch(own.x, own.idx, own.weights, **options)


WRONG = {
    "index": r"rank 1: topk_idx\[0, 2\] is expert 99; experts are 0 to 7",
    "most": "rank 1: x has 8 tokens, and num_max_tokens_per_rank is 2",
    "small": "rank 1: num_bytes is 100; 2 ranks with 10 tokens of 512 bytes take",
    "dtype": "rank 1: topk_weights is float64; it has to be float32",
    "none": "rank 1: without a handle both topk_idx and num_experts have to be given",
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_to_every_rank(what: str) -> None:
    world = made(2, 4, idle=False)
    every_rank_is_told(with_buffer, 2, 1, WRONG[what], (wrong, world, what))
