"""Real tokens: torch tensors, calls that overlap, placements with replicas, and the benchmark."""

import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

from bench.moe.command import command
from collectives import init
from collectives.moe import LowLatency, Normal, Wire, decode, uniform
from collectives.moe.routing.placement import balanced, linear, with_shared
from collectives.moe.tokens.arrivals import Recycled
from collectives.moe.tokens.quantise import bound, rounded
from fabric.launching.launch import launch
from fabric.transports.base import address_of
from tests.support.moe_ranks import factor

RANKS, HIDDEN, TOP_K = 4, 512, 2
BF16 = np.dtype(ml_dtypes.bfloat16)


def given(rank: int, tokens: int = 6, experts: int = 8) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(rank)
    x = rng.standard_normal((tokens, HIDDEN)).astype(BF16)
    return (
        x,
        uniform(RANKS, tokens, TOP_K, experts, seed=7).topk_idx[rank],
        rng.random((tokens, TOP_K), np.float32),
    )


def with_torch() -> None:
    torch = pytest.importorskip("torch")
    with init() as comm:
        array, choices, weights = given(comm.rank)
        x = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        arguments = torch.from_numpy(choices.copy()), torch.from_numpy(weights)
        few = LowLatency(comm, experts=8, hidden=HIDDEN, max_tokens=6, wire="fp8")
        got, handle, _ = few.dispatch(x, arguments[0])
        assert got.x.dtype == torch.float8_e4m3fn
        assert got.x.shape == (8 // comm.size, 6 * comm.size, HIDDEN)
        assert got.scales.shape == (*got.x.shape[:2], HIDDEN // 128)
        n = int(got.counts[0])
        value = got.x[0, :n].float().reshape(n, -1, 128) * got.scales[0, :n, :, None]
        np.testing.assert_array_equal(
            value.reshape(n, HIDDEN).numpy(),
            decode(got.x[0, :n].view(torch.uint8).numpy().view(ml_dtypes.float8_e4m3fn),
                   got.scales[0, :n].numpy()),
        )  # fmt: skip
        handle.release()
        many = Normal(comm, experts=8, hidden=HIDDEN, expert_alignment=8)
        arrived, routed, _ = many.dispatch(x, *arguments)
        assert arrived.x.is_contiguous()
        assert (arrived.counts % 8 == 0).all()
        out, _, _ = many.combine(arrived.x, routed)
        assert out.dtype == torch.bfloat16
        places = [len({e * comm.size // 8 for e in row}) for row in choices.tolist()]
        wanted = x.float() * torch.tensor(places)[:, None]
        assert torch.equal(out.float(), wanted)  # times 1 or 2: exact


@pytest.mark.parametrize(("transport", "ranks"), [("inproc", RANKS), ("zmq", 2)])
def test_tensors_of_torch(transport: str, ranks: int) -> None:
    launch(with_torch, ranks, None, transport, timeout=120)  # each process loads torch


def overlapping() -> tuple[float, float]:
    """Two micro-batches: while one's tokens travel, the other's experts compute."""
    with init() as comm:
        x, choices, weights = given(comm.rank)
        few = LowLatency(comm, experts=8, hidden=HIDDEN, max_tokens=6)
        one, first, sent = few.dispatch(x, choices, async_op=True)
        two, second, behind = few.dispatch(x + x, choices, async_op=True)
        sent.wait()
        comm.compute(5e-3)
        begun = comm.now()
        behind.wait()
        waited = comm.now() - begun
        results = []
        for got, handle in ((one, first), (two, second)):
            out, work = few.combine(got.x, handle, weights, async_op=True)
            results.append((out, work))
        for _, work in results:
            work.wait()
            assert work.done()
        total = weights[:, :1] * x.astype(np.float32) + weights[:, 1:] * x.astype(np.float32)
        np.testing.assert_array_equal(results[0][0], total.astype(BF16))
        np.testing.assert_array_equal(results[1][0], (2 * total).astype(BF16))
        return begun, waited


def test_a_dispatch_travels_while_its_rank_computes() -> None:
    for begun, waited in launch(overlapping, RANKS, "cloudmatrix384", software="cann-ep"):
        assert begun > 5e-3
        assert waited == 0  # it was over before


def placed(case: str) -> None:
    with init() as comm:
        x, choices, weights = given(comm.rank)
        load = [50.0, 3, 2, 2, 1, 1, 1, 1]
        place = balanced(load, RANKS, 4) if case == "balanced" else linear(8, RANKS)
        if case == "shared":
            place = with_shared(place)
            choices = np.column_stack([choices, np.full(len(choices), place.experts - 1)])
            weights = np.column_stack([weights, np.ones(len(choices), np.float32)])
        physical = place.choose(choices, comm.rank)
        few = LowLatency(
            comm, experts=place.local.tolist(), hidden=HIDDEN, max_tokens=6, wire=Wire()
        )
        got, handle, _ = few.dispatch(x, physical)
        y = few.results(handle)
        for local, n in enumerate(got.counts.tolist()):
            expert = place.logical[few.expert_ranks.first[comm.rank] + local]
            y[local, :n] = rounded(decode(got.x[local, :n], None) * factor(expert), BF16)
        out, _ = few.combine(y, handle, weights)
        total = np.zeros(x.shape, np.float32)
        for slot in range(choices.shape[1]):
            made = (x.astype(np.float32) * factor(choices[:, slot])[:, None]).astype(BF16)
            total += weights[:, slot, None] * made.astype(np.float32)
        np.testing.assert_array_equal(out, total.astype(BF16))


def in_a_group(ranks: list[int], wire: str) -> None:
    with init() as comm:
        group = comm.group(ranks)
        if group is None:
            return
        x, _, weights = given(comm.rank)
        choices = np.random.default_rng(comm.rank).random((len(x), 6)).argsort(axis=1)[:, :TOP_K]
        few = LowLatency(group, experts=6, hidden=HIDDEN, max_tokens=6, wire=wire)
        got, handle, _ = few.dispatch(x, choices)
        y = few.results(handle)
        first = few.expert_ranks.first[group.rank]
        for local, n in enumerate(got.counts.tolist()):
            scales = None if got.scales is None else got.scales[local, :n]
            y[local, :n] = rounded(decode(got.x[local, :n], scales) * factor(first + local), BF16)
        out, _ = few.combine(y, handle, weights)
        gain = (weights * factor(choices)).sum(axis=1, keepdims=True)
        exact = x.astype(np.float32)
        off = bound(x, few.wire) + np.abs(exact) * np.float32(2**-6)
        assert (np.abs(out.astype(np.float32) - gain * exact) <= gain * off).all()


@pytest.mark.parametrize(
    ("transport", "wire"), [("inproc", "as-is"), ("inproc", "fp8"), ("zmq", "int8")]
)
def test_a_group_of_some_ranks_in_another_order(transport: str, wire: str) -> None:
    launch(in_a_group, RANKS, None, transport, args=([3, 0, 2], wire), timeout=60)


@pytest.mark.parametrize("case", ["balanced", "shared"])
def test_replicas_give_what_their_experts_would(case: str) -> None:
    launch(placed, RANKS, None, args=(case,), timeout=60)


def test_memory_is_used_again_when_nobody_has_it_and_not_before() -> None:
    pool, shape, floats = Recycled(), (1 << 10, 1 << 11), np.dtype(np.float32)
    one = pool.room(shape, floats)
    kept, at = one[3:5].T, address_of(one)  # a view of a view
    del one
    other = pool.room(shape, floats)
    assert address_of(other) != at
    del kept
    assert address_of(pool.room((1 << 20, 3), BF16)) == at
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(other)
    half, at = tensor[:7], tensor.data_ptr()
    del other, tensor
    third, fourth = pool.room(shape, floats), pool.room(shape, floats)
    assert at not in (address_of(third), address_of(fourth))
    assert half.data_ptr() == at


def printed(*arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(command, [*arguments, "--format", "json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.output)
    return rows


@pytest.mark.parametrize("mode", ["low-latency", "normal"])
def test_the_benchmark_times_real_tokens_as_it_simulates_them(mode: str) -> None:
    same = ["--ep", "8", "--tokens", "16", "--hidden", "256", "--mode", mode]
    same += ["--software", "cann-ep" if mode == "low-latency" else "sgl-kernel-npu"]
    for real, simulated in zip(
        printed(*same, "--transport", "inproc"), printed(*same), strict=True
    ):
        assert real["time_us"] == pytest.approx(simulated["time_us"], rel=1e-6)
        assert real["wrong_tokens"] == 0
        assert real["tokens_checked"] == 8 * 16
