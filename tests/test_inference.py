"""The step model: costs worked out by hand, closed forms of overlap, what must rise and add up."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.moe.routing.routing import RoutingError
from collectives.moe.routing.skew import weighted
from collectives.workloads.inference import operators
from collectives.workloads.inference.accelerator import accelerator_of
from collectives.workloads.inference.apart import DIRECT, TRAMPOLINE, ApartExchanges, backwards
from collectives.workloads.inference.decode import (
    DecodeBatch,
    DecodeStep,
    decode_step,
    resident_bytes,
)
from collectives.workloads.inference.deployment import (
    APART,
    BALANCED,
    DECODE,
    OFFLOADED,
    PREFILL,
    TWO_STREAMS,
    Deployment,
)
from collectives.workloads.inference.exchange import drawn, rank_weights
from collectives.workloads.inference.kv import (
    ONE_SOURCE,
    KvPlan,
    exposed,
    heads_of,
    spread_requests,
)
from collectives.workloads.inference.model import Gqa, Mla, ModelShape, model_of, of_config
from collectives.workloads.inference.operators import BatchShare, Operator, matmul
from collectives.workloads.inference.overlap import in_turn, overlapped
from collectives.workloads.inference.prefill import (
    PrefillBatch,
    prefill_step,
    redistribution,
)
from collectives.workloads.inference.sourced import InferenceError, Sourced
from fabric.fabric import Fabric
from tests.support.inference import costs, number, plain_die
from topology import cloudmatrix384

R1 = model_of("deepseek-r1")
ONE = Deployment("one", "star:8", "ascend-910c", 8, 8, 0, OFFLOADED, BALANCED, "a test")


def seconds(layer: list[Operator], name: str) -> float:
    (found,) = [one.seconds for one in layer if one.name == name]
    return found


# --- operators by hand


def test_a_matrix_product_computes_whole_tiles_and_reads_its_weights() -> None:
    die = plain_die(tile_rows=128.0)
    few = matmul(die, 48, 1000, 500)
    assert few.compute == pytest.approx(2 * 128 * 1000 * 500 / 2e12)
    assert few.moved == 1000 * 500 + 48 * (1000 + 500 * 2)
    assert few.seconds == few.memory == pytest.approx(few.moved / 1e9)
    grouped = matmul(die, 130, 1000, 500, groups=2, share=0.5)  # 65 rows are a tile of 128 each
    assert grouped.compute == pytest.approx(2 * 256 * 1000 * 500 / 2e12 / 0.5)


def test_attention_of_decoding_is_the_papers_arithmetic() -> None:
    """MLA: 576 channels of keys and 512 of values for 128 heads; a cache of 576 BF16 a token."""
    die = plain_die(memory_bandwidth=1e15)
    layer = operators.decode_attention(R1, die, BatchShare(24, 48, 4096), "die", 1.0)
    assert seconds(layer, "FusedAttention") == pytest.approx(2 * 48 * 4096 * 128 * 1088 / 1e12)
    die = plain_die(bf16_flops=1e18)
    layer = operators.decode_attention(R1, die, BatchShare(24, 48, 4096), "die", 1.0)
    assert seconds(layer, "FusedAttention") == pytest.approx(24 * 4096 * 576 * 2 / 1e9)


def test_projections_of_decoding_read_each_weight_once() -> None:
    """With no rows to speak of, time is the weights: of INT8 a byte, of kv_b two."""
    die = plain_die(bf16_flops=1e20, low_flops=1e20)
    layer = operators.decode_attention(R1, die, BatchShare(1, 1, 1), "die", 1.0)
    prolog = 7168 * (1536 + 576) + 1536 * 128 * 192 + 2 * 128 * 128 * 512
    assert seconds(layer, "MLAProlog") == pytest.approx(prolog / 1e9, rel=0.01)
    assert seconds(layer, "ValueUp") == pytest.approx(2 * 128 * 512 * 128 / 1e9, rel=0.02)
    assert seconds(layer, "OutProj") == pytest.approx(128 * 128 * 7168 / 1e9, rel=0.002)
    expert = operators.experts(R1, die, 1, 3, "die", 1.0)
    assert expert.seconds == pytest.approx(3 * 3 * 7168 * 2048 / 1e9, rel=0.001)


def test_experts_compute_three_products_a_row() -> None:
    die = plain_die(memory_bandwidth=1e18)
    expert = operators.experts(R1, die, 1000, 1, "die", 0.25)
    assert expert.seconds == pytest.approx(2 * 1000 * 3 * 7168 * 2048 / 2e12 / 0.25)


def test_grouped_query_attention_reads_the_heads_that_there_are() -> None:
    qwen = model_of("qwen3-235b")
    die = plain_die(bf16_flops=1e20)
    layer = operators.decode_attention(qwen, die, BatchShare(8, 8, 1000), "die", 1.0)
    assert seconds(layer, "FusedAttention") == pytest.approx(8 * 1000 * 2 * 4 * 128 * 2 / 1e9)


def test_launches_are_added_for_every_kernel() -> None:
    die = plain_die()
    slow = plain_die(matrix_launch=5e-6, vector_launch=2e-6)
    share = BatchShare(4, 8, 64)
    plain, launched = (
        operators.decode_attention(R1, one, share, "die", 1.0) for one in (die, slow)
    )
    more = [b.seconds - a.seconds for a, b in zip(plain, launched, strict=True)]
    assert more == pytest.approx([5e-6, 5e-6, 5e-6, 9e-6])


def test_prefill_attention_looks_back_half_a_prompt() -> None:
    die = plain_die(memory_bandwidth=1e18)
    layer = operators.prefill_attention(R1, die, 4096, 4096, "die", 1.0)
    assert seconds(layer, "FA") == pytest.approx(2 * 4096 * 4097 / 2 * 128 * (192 + 128) / 1e12)
    weights = 1536 * 128 * 192 / 2e12 + 512 * 128 * 256 / 1e12
    assert seconds(layer, "UpProj") == pytest.approx(2 * 4096 * weights)
    half = operators.prefill_attention(R1, die, 2048, 4096, "die", 1.0, 0.5)
    looked = sum(range(2049, 4097))  # pairs of the second half with all before
    assert seconds(half, "FA") == pytest.approx(2 * looked * 128 * (192 + 128) / 1e12)
    up = 2048 * 1536 * 128 * 192 / 2e12 + 4096 * 512 * 128 * 256 / 1e12
    assert seconds(half, "UpProj") == pytest.approx(2 * up)


def test_attention_of_prefill_reaches_a_fraction_of_its_own() -> None:
    die = plain_die(memory_bandwidth=1e18, attention_compute=0.5, prefill_attention_compute=0.25)
    layer = operators.prefill_attention(R1, die, 64, 64, "die", 1.0)
    assert seconds(layer, "FA") == pytest.approx(2 * 64 * 65 / 2 * 128 * 320 / 1e12 / 0.25)
    decoded = operators.decode_attention(R1, die, BatchShare(1, 1, 1000), "die", 1.0)
    assert seconds(decoded, "FusedAttention") == pytest.approx(2 * 1000 * 128 * 1088 / 1e12 / 0.5)


def test_a_gate_converts_tokens_and_scores_them_in_single_precision() -> None:
    die = plain_die(memory_bandwidth=1e18)
    gate = operators.gate(R1, die, 300, "die", 0.5)
    assert gate.seconds == pytest.approx(2 * 300 * 7168 * 256 / 5e11 / 0.5)
    die = plain_die(fp32_flops=1e20, low_flops=1e20)
    moved = 300 * 7168 * 6 + 7168 * 256 * 4 + 300 * (7168 * 4 + 256 * 2)
    assert operators.gate(R1, die, 300, "die", 1.0).seconds == pytest.approx(moved / 1e9)


def test_integers_between_products_of_experts_are_moved_whole() -> None:
    narrow, wide = (
        operators.experts(R1, plain_die(gated_bytes=n), 1000, 1, "die", 1.0) for n in (2.0, 4.0)
    )
    assert wide.moved - narrow.moved == 1000 * 2 * 2048 * 2
    assert wide.seconds - narrow.seconds == pytest.approx(1000 * 2 * 2048 * 2 / 1e9)


def test_caches_of_reused_tokens_are_gathered_for_all_heads() -> None:
    """As many bytes take as long: 11 cached tokens of 576 channels are 3 computed ones of 2112."""
    fabric = Fabric(cloudmatrix384())
    whole, turned = redistribution(fabric, R1, 32, 640)
    gathered, half = redistribution(fabric, R1, 32, 320, 3520 // 3)
    assert gathered == pytest.approx(whole, rel=1e-3)
    assert half == pytest.approx(turned / 2, rel=0.05)
    asked: list[tuple[int, int]] = []

    def note(tokens: int, cached: int) -> tuple[float, float]:
        asked.append((tokens, cached))
        return 0.0, 0.0

    die, at = accelerator_of("ascend-910c"), PREFILL["cloudmatrix"]
    prefill_step(R1, die, at, costs(0, 0), PrefillBatch(16384, 4096, 2, 0.75), note)
    assert set(asked) == {(1024, 3072)}


# --- overlap


@given(
    a=st.floats(1e-6, 1e-3), m=st.floats(1e-6, 1e-3), layers=st.integers(1, 20)
)  # fmt: skip
def test_two_chains_in_two_streams_have_the_closed_form(a: float, m: float, layers: int) -> None:
    chain = [Operator("A", "one", a, ""), Operator("M", "two", m, "")] * layers
    found = overlapped([chain, chain])
    assert found.seconds == pytest.approx(2 * max(a, m) * layers + min(a, m))


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 50)), max_size=8),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_no_stream_does_two_things_and_nothing_waits_without_reason(
    given_chains: list[list[tuple[str, int]]],
) -> None:
    chains = [[Operator(s, s, float(n), "") for s, n in one] for one in given_chains]
    found = overlapped(chains)
    assert len(found.rows) == sum(map(len, chains))
    for stream in "xyz":
        mine = sorted((r.begin, r.end) for r in found.rows if r.operator.stream == stream)
        assert all(one[1] <= other[0] for one, other in pairwise(mine))
    for chain, own in enumerate(chains):
        mine = [r for r in found.rows if r.chain == chain]
        assert [r.operator for r in mine] == own
        assert all(a.end <= b.begin for a, b in pairwise(mine))
    assert found.seconds >= max((sum(o.seconds for o in own) for own in chains), default=0)
    assert sum(found.critical_seconds().values()) == pytest.approx(found.seconds)
    path = found.critical()
    assert all(a.end == b.begin for a, b in pairwise(path))


def test_phases_follow_one_another() -> None:
    first, second = [Operator("a", "x", 3.0, "")], [Operator("b", "y", 2.0, "")]
    found = in_turn([[first, second], [first]])
    assert [(r.begin, r.end) for r in found.rows] == [(0, 3), (0, 2), (3, 6)]
    assert in_turn([]).seconds == 0
    assert in_turn([]).critical() == []


# --- a step


def step(batch: DecodeBatch, deployment: Deployment = ONE, **changed: float) -> DecodeStep:
    return decode_step(R1, plain_die(**changed), deployment, costs(100e-6, 200e-6), batch)


def test_one_micro_batch_is_the_sum_of_its_operators() -> None:
    found = step(DecodeBatch(16, 1000, 1, microbatches=1))
    (layer,) = found.layers
    attention = operators.decode_attention(R1, plain_die(), BatchShare(8, 16, 1000), "die", 1.0)
    dense = operators.dense_ffn(R1, plain_die(), 16, "die", 1.0)
    head = operators.head(R1, plain_die(), 16, "die").seconds
    module = operators.predict_input(R1, plain_die(), 16, "die").seconds
    sparse = sum(one.seconds for one in layer)
    assert [one.name for one in layer][4:] == ["Gate", "Dispatch", "SharedExpert", "Experts",
                                               "Combine"]  # fmt: skip
    first = 3 * (sum(one.seconds for one in attention) + dense.seconds)
    assert found.seconds == pytest.approx(first + 58 * sparse + head + module + sparse + head)
    assert sum(found.schedule.critical_seconds().values()) == pytest.approx(found.seconds)


@pytest.mark.parametrize("transfer", [1e-3, 1.0])
def test_two_streams_take_the_longer_of_the_two(transfer: float) -> None:
    at, model = replace(ONE, overlap=TWO_STREAMS), replace(R1, dense_layers=0)
    die = plain_die()
    batch = DecodeBatch(16, 4096, 0, attention_cores=16)
    found = decode_step(model, die, at, costs(transfer, transfer), batch)
    layer = found.layers[0]
    a = sum(one.seconds for one in layer if one.stream == "attention")
    m = sum(one.seconds for one in layer if one.stream == "experts")
    assert (a > m) == (transfer < 1)
    head = operators.head(model, die, 8, "die").seconds
    assert found.seconds == pytest.approx(2 * 61 * max(a, m) + min(a, m) + head)


def test_fewer_cores_compute_slower_and_read_as_fast() -> None:
    at, batch = replace(ONE, overlap=TWO_STREAMS), DecodeBatch(16, 4096, attention_cores=12)
    bound = {"memory_bandwidth": 1e15}
    half, third = step(batch, at, **bound), step(replace(batch, attention_cores=8), at, **bound)
    ratio = seconds(list(third.layers[0]), "FusedAttention")
    assert ratio == pytest.approx(1.5 * seconds(list(half.layers[0]), "FusedAttention"))
    slow = {"bf16_flops": 1e20, "low_flops": 1e20}
    half, third = step(batch, at, **slow), step(replace(batch, attention_cores=8), at, **slow)
    assert seconds(list(third.layers[0]), "OutProj") == seconds(list(half.layers[0]), "OutProj")


def test_predicted_tokens_are_kept_one_after_another() -> None:
    assert DecodeBatch(8, 1, 0).emitted == 1
    assert DecodeBatch(8, 1, 1, 0.7).emitted == pytest.approx(1.7)
    assert DecodeBatch(8, 1, 2, 0.5).emitted == 1.75
    found = step(DecodeBatch(16, 1000, 1, 0.7, 1))
    assert found.tpot == pytest.approx(found.seconds / 1.7)
    assert found.throughput == pytest.approx(16 * 1.7 / found.seconds)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 100), st.integers(1, 8192), st.integers(1, 2))
def test_a_larger_batch_or_longer_context_is_never_faster(
    requests: int, context: int, microbatches: int
) -> None:
    die = accelerator_of("ascend-910c")

    def of(n: int, tokens: int) -> float:
        batch = DecodeBatch(2 * n, tokens, microbatches=microbatches)
        die_ = replace(die, memory_capacity=number(1e15))
        return decode_step(R1, die_, ONE, costs(1e-4, 1e-4), batch).seconds

    base = of(requests, context)
    assert of(requests + 1, context) >= base - 1e-12
    assert of(requests, context + 100) >= base - 1e-12


def test_launches_that_nothing_hides_are_added() -> None:
    batch = DecodeBatch(16, 1000)
    plain = decode_step(R1, plain_die(), ONE, costs(0, 0), batch)
    late = decode_step(R1, plain_die(), ONE, costs(0, 0), batch, 1.4e-3)
    assert late.seconds == pytest.approx(plain.seconds + 1.4e-3)


def test_a_batch_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InferenceError, match="15 requests do not fit 2 dies"):
        step(DecodeBatch(15, 1000))
    with pytest.raises(InferenceError, match="attention gets 24 of 24 cores"):
        step(DecodeBatch(16, 10, attention_cores=24), replace(ONE, overlap=TWO_STREAMS))
    with pytest.raises(InferenceError, match=r"takes .* GB of a die with 64 GB"):
        step(DecodeBatch(512, 4096), memory_capacity=64e9)
    with pytest.raises(InferenceError, match="does not overlap by engines"):
        step(DecodeBatch(16, 10), replace(ONE, overlap="engines"))


def test_weights_and_caches_of_r1_are_671_billion_and_70_kb_a_token() -> None:
    whole = replace(ONE, ranks=1, slots=256)
    none = DecodeBatch(2, 0, 0, microbatches=1)
    held = resident_bytes(R1, plain_die(), whole, none)
    tables = 2 * 129280 * 7168
    assert held - tables == pytest.approx(671e9, rel=0.005)
    one = resident_bytes(R1, plain_die(), whole, replace(none, context=1))
    assert one - held == 576 * 2 * 61  # a request a die


def test_attention_apart_uses_the_experts_of_all_domains() -> None:
    at = replace(ONE, overlap=APART, attention_ranks=8, domains=3)
    found = step(DecodeBatch(16, 1000, 0, microbatches=1), at)
    layer = found.layers[0]
    assert [one.stream for one in layer][:4] == ["attention 0"] * 4
    experts = seconds(list(layer), "Experts")
    busy = found.schedule.busy()
    assert busy["experts"] == pytest.approx(3 * 58 * experts)
    assert found.throughput == pytest.approx(16 / found.seconds * 24 / 32)


def test_prefill_hides_what_other_engines_do() -> None:
    at = replace(PREFILL["cloudmatrix"], imbalance=BALANCED)
    die, sent = accelerator_of("ascend-910c"), costs(1e-6, 1e-6, 8.0)
    one, two = (prefill_step(R1, die, at, sent, PrefillBatch(16384, 4096, n)) for n in (1, 2))
    assert one.seconds == pytest.approx(sum(row.operator.seconds for row in one.schedule.rows))
    busiest = max(two.schedule.busy().values())
    assert busiest <= two.seconds < one.seconds
    slow = costs(20e-3, 20e-3, 8.0)
    bound = prefill_step(R1, die, at, slow, PrefillBatch(16384, 4096, 2))
    assert bound.seconds == pytest.approx(58 * 2 * 40e-3, rel=0.05)  # transfers set the time
    with pytest.raises(InferenceError, match="16383 tokens do not divide"):
        prefill_step(R1, die, at, sent, PrefillBatch(16383, 4096, 2))


def test_where_only_copies_overlap_matrix_and_vector_work_take_turns() -> None:
    die, sent = accelerator_of("ascend-910c"), costs(1e-6, 1e-6, 8.0)
    at = PREFILL["cann-recipes"]
    one, two = (prefill_step(R1, die, at, sent, PrefillBatch(16384, 4096, n)) for n in (1, 2))
    transfers = 58 * 2 * 2 * 1e-6
    computed = sum(row.operator.seconds for row in two.schedule.rows) - transfers
    assert two.seconds == pytest.approx(computed, rel=1e-3)  # transfers are hidden, nothing else
    assert {row.operator.stream for row in one.schedule.rows} == {"die"}


# --- exchanges


@given(st.integers(2, 400), st.floats(1.0, 3.0))
def test_weights_of_ranks_have_the_peak_that_was_asked(ranks: int, peak: float) -> None:
    peak = min(peak, ranks * 0.9)
    weights = rank_weights(ranks, peak)
    assert weights.mean() == pytest.approx(1)
    assert weights[0] == weights.max() == pytest.approx(peak, rel=1e-6)
    with pytest.raises(InferenceError):
        rank_weights(ranks, ranks)


def test_a_drawn_routing_sends_every_token_to_its_experts_and_one_shared() -> None:
    at = DECODE["cloudmatrix"]
    routing = drawn(R1, at, 24)
    counts = routing.counts
    assert counts.shape == (320, 320)
    assert counts[:, :288].sum(axis=1).tolist() == [24 * 8] * 320
    assert counts[:, 288:].sum(axis=1).tolist() == [24] * 320
    assert counts[:, 288:].sum(axis=0).tolist() == [24 * 320 // 32] * 32
    ratio = counts[:, :288].sum(axis=0).max() / (24 * 8 * 320 / 288)
    assert ratio == pytest.approx(at.imbalance.value, rel=0.12)
    even = drawn(R1, replace(at, imbalance=BALANCED), 24).counts[:, :288].sum(axis=0)
    assert even.max() / even.mean() < 1.3
    assert (drawn(R1, at, 24).counts == counts).all()
    assert (drawn(R1, at, 24, seed=1).counts != counts).any()


def test_weighted_draws_follow_their_weights() -> None:
    weights = np.array([4.0, 2.0, 1.0, 1.0])
    counts = weighted(4, 5000, 1, weights).counts.sum(axis=0)
    assert counts / counts.sum() == pytest.approx(weights / 8, abs=0.01)
    for bad in ([0.0, 1.0], [-1.0], [], [[1.0]], [np.inf]):
        with pytest.raises(RoutingError, match="weights of experts"):
            weighted(2, 1, 1, np.array(bad))


def test_a_trampoline_receives_all_of_its_attention_ranks_tokens() -> None:
    fabric = Fabric(cloudmatrix384(), endpoint="cann-ep")
    at = replace(DECODE["apart"], attention_ranks=8, ranks=16, slots=16, shared_ranks=0)
    at = replace(at, imbalance=BALANCED)
    made = ApartExchanges(fabric, R1, at, TRAMPOLINE)
    first, rest = made.steps(4, 7680)
    (hop,) = first
    assert hop.src.tolist() == list(range(8))
    assert hop.dst.tolist() == list(range(8, 16))
    assert set(hop.size.tolist()) == {4 * 7680}
    tokens, flags = rest
    assert tokens.size.sum() == 8 * 4 * 8 * 7680
    assert set(tokens.src.tolist()) <= set(range(8, 16))  # the hop's receivers send on
    assert len(flags) == 8 * 16
    direct = replace(made, way=DIRECT).steps(4, 7680)
    assert direct[0] == []
    assert set(direct[1][0].src.tolist()) == set(range(8))
    back = list(backwards(rest))
    assert (back[0].src == tokens.dst).all()
    assert (back[0].dst == tokens.src).all()
    assert made(4).dispatch > replace(made, way=DIRECT)(4).dispatch
    with pytest.raises(InferenceError, match="need as many trampolines"):
        ApartExchanges(fabric, R1, replace(at, attention_ranks=17))
    with pytest.raises(InferenceError, match="has no attention ranks"):
        ApartExchanges(fabric, R1, DECODE["cloudmatrix"])


# --- caches


def test_the_papers_mapping_by_hand() -> None:
    """Prefill TP4, decode TP2 and DP4: ratio 2, groups of 2 data-parallel ranks."""
    plan = KvPlan(R1, 256, 4, 2, 4)
    found = [[plan.source(dp, tp) for tp in range(2)] for dp in range(4)]
    assert found == [[0, 1], [0, 1], [2, 3], [2, 3]]


@given(st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4]), st.integers(1, 5))
def test_the_papers_mapping_spreads_readers_evenly(tp: int, ratio: int, each: int) -> None:
    plan = KvPlan(R1, 256, tp * ratio, tp, ratio * each)
    sources = [plan.source(dp, t) for dp in range(plan.decode_dp) for t in range(tp)]
    assert np.bincount(sources, minlength=tp * ratio).tolist() == [each] * (tp * ratio)


def test_every_reader_gets_whole_caches_whatever_the_layout() -> None:
    for model, tp in ((R1, 4), (model_of("qwen3-235b"), 4), (model_of("qwen3-235b"), 8)):
        plan = KvPlan(model, 1000, 8, tp, 8 // tp * 2)
        at = model.attention
        for dp in range(plan.decode_dp):
            got = sum(width for t in range(tp) for _, width in plan.reads(dp, t))
            copies = tp if isinstance(at, Mla) else max(1, tp // at.kv_heads)
            assert got == copies * model.kv_channels * 2
        (layer,) = plan.steps([0, 1], 1)
        assert layer.size.sum() % 1000 == 0
        assert layer.messages is not None
        assert set(layer.messages.tolist()) == {8}  # blocks of 128
        assert layer.src.max() < 8 <= layer.dst.min()


def test_heads_are_shared_out_or_copied() -> None:
    assert [list(heads_of(r, 2, 4)) for r in range(2)] == [[0, 1], [2, 3]]
    assert [list(heads_of(r, 8, 4)) for r in range(8)] == [[0], [0], [1], [1], [2], [2], [3], [3]]


def test_a_prompt_of_r1_has_288_megabytes() -> None:
    """576 channels of BF16 in 61 layers: 70.3 KB a token (arXiv 2506.12708v2)."""
    assert KvPlan(R1, 4096, 32, 1, 320).request_bytes == 4096 * 576 * 2 * 61
    assert KvPlan(R1, 128, 32, 1, 320).request_bytes == 8784 * 1024  # MemFabric's test pattern


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(InferenceError, match="prefill TP6 is no multiple of decode TP4"):
        KvPlan(R1, 1, 6, 4, 8)
    with pytest.raises(InferenceError, match="decode DP3 is no multiple"):
        KvPlan(R1, 1, 4, 2, 3)
    assert KvPlan(R1, 1, 4, 1, 8, sources=ONE_SOURCE).source(7, 0) == 0


def test_requests_are_spread_over_data_parallel_ranks() -> None:
    assert spread_requests(4, 8) == [0, 2, 4, 6]
    assert spread_requests(5, 2) == [0, 1, 0, 1, 0]


def test_layers_behind_a_prefill_are_hidden_but_the_last_or_the_slow() -> None:
    assert exposed(1.0, 2.0, 10) == pytest.approx(1.0)
    assert exposed(3.0, 2.0, 10) == pytest.approx(2.0 + 10 * 3.0 - 20.0)
    assert exposed(3.0, 0.0, 10) == pytest.approx(30.0)


# --- models, accelerators and their files


HF = {
    "deepseek-r1": dict(
        num_hidden_layers=61, first_k_dense_replace=3, hidden_size=7168, num_attention_heads=128,
        num_key_value_heads=128, q_lora_rank=1536, kv_lora_rank=512, qk_nope_head_dim=128,
        qk_rope_head_dim=64, v_head_dim=128, intermediate_size=18432, n_routed_experts=256,
        num_experts_per_tok=8, n_shared_experts=1, moe_intermediate_size=2048, vocab_size=129280,
        num_nextn_predict_layers=1, model_type="deepseek_v3",
    ),
    "qwen3-235b": dict(
        num_hidden_layers=94, hidden_size=4096, num_attention_heads=64, num_key_value_heads=4,
        head_dim=128, intermediate_size=12288, num_experts=128, num_experts_per_tok=8,
        moe_intermediate_size=1536, vocab_size=151936, mlp_only_layers=[], model_type="qwen3_moe",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HF)
def test_a_model_file_is_its_config_json(name: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(HF[name]), "utf-8")
    found, own = model_of(str(path)), model_of(name)
    assert replace(found, name=own.name, source=own.source) == own


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [("deepseek-r1", 671e9, 37e9), ("kimi-k2", 1.03e12, 32e9), ("qwen3-235b", 235e9, 22e9)],
)
def test_models_have_the_weights_that_their_cards_say(
    name: str, total: float, active: float
) -> None:
    model = model_of(name)

    def weights(experts: int) -> float:
        sparse = model.layers - model.dense_layers
        return (
            model.layers * model.attention_weights
            + model.dense_layers * 3 * model.hidden * model.dense_intermediate
            + sparse * (experts + model.shared_experts) * model.expert_weights
            + 2 * model.vocabulary * model.hidden
        )

    assert weights(model.experts) == pytest.approx(total, rel=0.01)
    assert weights(model.top_k) == pytest.approx(active, rel=0.06)


def test_what_a_model_file_lacks_or_has_too_much_is_named(tmp_path: Path) -> None:
    own = Path(operators.__file__).with_name("models") / "deepseek-r1.toml"
    text = own.read_text("utf-8")
    for change, said in (
        (("top_k = 8", "topk = 8"), "unknown key 'topk'.*top_k"),
        (("layers = 61", "layers = 0"), "layers is 0; it has to be an integer from 1"),
        (("hidden = 7168", "hidden = 71.5"), "hidden is 71.5"),
        (("[mla]", "[mha]"), "unknown key 'mha'"),
        (("nope = 128", ""), "nope is missing"),
        (("top_k = 8 ", "top_k = 800 "), "top_k or dense_layers is too large"),
        (('name = "deepseek-r1"', "name ="), "not TOML"),
    ):
        assert change[0] in text
        path = tmp_path / "model.toml"
        path.write_text(text.replace(*change, 1), "utf-8")
        with pytest.raises(InferenceError, match=said):
            model_of(str(path))
    with pytest.raises(InferenceError, match=r"no model 'deepseek-r2'; there are .*deepseek-r1"):
        model_of("deepseek-r2")
    with pytest.raises(InferenceError, match=r"num_attention_heads is (null|None)"):
        of_config({}, "config.json")
    with pytest.raises(InferenceError, match=r"none\.json: No such file"):
        model_of(str(tmp_path / "none.json"))


def test_an_accelerators_numbers_all_have_marks_and_sources(tmp_path: Path) -> None:
    for name in ("ascend-910c", "h800", "gb200"):
        for one in accelerator_of(name).sourced().values():
            assert one.mark in ("published", "derived", "assumed")
            assert one.source
    text = (Path(operators.__file__).with_name("accelerators") / "h800.toml").read_text("utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("value = 3350e9", "value = 4800e9"), "utf-8")
    assert accelerator_of(str(path)).memory_bandwidth.value == 4800e9
    path.write_text(text.replace('mark = "derived"', 'mark = "guessed"'), "utf-8")
    with pytest.raises(InferenceError, match="mark 'guessed' is none of"):
        accelerator_of(str(path))
    path.write_text(text.replace("[cores]", "[core]"), "utf-8")
    with pytest.raises(InferenceError, match=r"unknown key 'core'.*cores"):
        accelerator_of(str(path))
    whole = (
        text.split("[fp32_flops]")[0] + "[memory_bandwidth]" + text.split("[memory_bandwidth]")[1]
    )
    path.write_text(whole, "utf-8")
    older = accelerator_of(str(path))  # what a file may leave out follows from what it has
    assert older.fp32_flops.value == older.bf16_flops.value / 2
    assert older.prefill_attention_compute == older.attention_compute
    with pytest.raises(InferenceError, match=r"no accelerator 'h80'; there are .*h800"):
        accelerator_of("h80")


def test_deployments_that_cannot_be_are_refused() -> None:
    with pytest.raises(InferenceError, match="9 slots do not divide over the 8 ranks"):
        replace(ONE, slots=9)
    with pytest.raises(InferenceError, match=r"imbalance is 0\.5"):
        replace(ONE, imbalance=Sourced(0.5, "assumed", "x"))


def test_shapes_are_values() -> None:
    assert isinstance(model_of("qwen3-235b").attention, Gqa)
    assert isinstance(R1, ModelShape)
    assert hash(R1) == hash(model_of("deepseek-r1"))
