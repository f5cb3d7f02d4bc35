"""Operators of a layer and what each costs on a die: the larger of computing and moving, and more.

A matrix product of R rows costs ``2 * R * weights`` operations, with R rounded up to the rows of a
tile, and has to read its weights once. Attention over a cache of C tokens costs each token
``2 * heads * C * (key channels + value channels)``, and reads each request's cache once. Each is
divided by the accelerator's peak times the fraction that such operators were measured to reach; a
part of the cores computes at that part of the speed, and memory is not divided. What an operator
costs beside its work (`Accelerator.matrix_launch`) is added once for each kernel.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from collectives.workloads.inference.accelerator import Accelerator
from collectives.workloads.inference.model import Gqa, Mla, ModelShape
from collectives.workloads.inference.sourced import Sourced
from topology.units import US

FP32, BF16, LOW = 4, 2, 1
"""Bytes of a number in single precision, in BF16, and in INT8 or FP8."""

COMPUTE, MEMORY, FABRIC = "compute", "memory", "fabric"
"""What bounds an operator."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Something that a die does for a micro-batch, in one of its streams.

    ``seconds``: how long it takes; ``basis``: what that stands on, for people; ``moved``: bytes of
    the die's memory.
    """

    name: str
    stream: str
    seconds: float
    basis: str
    moved: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchShare:
    """What a die works on at once: ``tokens`` of ``requests``, each with ``context`` cached."""

    requests: int
    tokens: int
    context: float


@dataclass(frozen=True, slots=True)
class RooflineCost:
    """Seconds of computing and of moving ``moved`` bytes, without launches.

    ``reached``: the fraction of the peak that was taken for each, as text.
    """

    compute: float
    memory: float
    moved: float
    reached: tuple[str, str]

    @property
    def seconds(self) -> float:
        """The longer of the two."""
        return max(self.compute, self.memory)

    @property
    def bound(self) -> str:
        """`COMPUTE` or `MEMORY`, whichever takes longer, and the fraction that is reached."""
        computes = self.compute > self.memory
        return f"{COMPUTE} {self.reached[0]}" if computes else f"{MEMORY} {self.reached[1]}"


def matmul(
    die: Accelerator, rows: float, inner: int, columns: int, *, width: int = LOW,
    share: float = 1.0, groups: int = 1,
) -> RooflineCost:  # fmt: skip
    """The cost of ``groups`` products of ``rows / groups`` rows with weights [inner, columns].

    ``width``: bytes of a weight and of an input; outputs are BF16. ``share``: of the cores.
    """
    each = rows / groups
    padded = groups * die.tile_rows.value * math.ceil(each / die.tile_rows.value)
    peak = {LOW: die.low_flops, BF16: die.bf16_flops, FP32: die.fp32_flops}[width].value
    moved = groups * inner * columns * width + rows * (inner * width + columns * BF16)
    return RooflineCost(
        2.0 * padded * inner * columns / (peak * die.matmul_compute.value * share),
        moved / (die.memory_bandwidth.value * die.matmul_memory.value),
        moved,
        _reached(die.matmul_compute, die.matmul_memory),
    )


def attention(
    die: Accelerator, scored: float, heads: int, channels: int, cached: float, *,
    share: float = 1.0, is_prefill: bool = False,
) -> RooflineCost:  # fmt: skip
    """The cost of attention in BF16.

    ``scored``: pairs of a query token and a cached one, of each head; ``channels``: of keys and
    values together, as each pair multiplies; ``cached``: bytes of caches that are read.
    ``is_prefill``: keys and values are of every head, so a softmax stands beside fewer products.
    """
    operations = 2.0 * scored * heads * channels
    reached = die.prefill_attention_compute if is_prefill else die.attention_compute
    return RooflineCost(
        operations / (die.bf16_flops.value * reached.value * share),
        cached / (die.memory_bandwidth.value * die.attention_memory.value),
        cached,
        _reached(reached, die.attention_memory),
    )


def moving(die: Accelerator, moved: float) -> RooflineCost:
    """The cost of an operator that reads and writes ``moved`` bytes and computes little."""
    return RooflineCost(
        0.0, moved / (die.memory_bandwidth.value * die.vector_memory.value), moved,
        _reached(die.vector_memory, die.vector_memory),
    )  # fmt: skip


def _reached(compute: Sourced, memory: Sourced) -> tuple[str, str]:
    return f"{compute.value:.3g}", f"{memory.value:.3g}"


def operator(
    name: str, stream: str, die: Accelerator, costs: Sequence[RooflineCost], *, kernels: int = 1,
    vectors: int = 0,
) -> Operator:  # fmt: skip
    """The operator of these parts in turn: ``kernels`` with matrix products, else ``vectors``."""
    launch = kernels * die.matrix_launch.value + vectors * die.vector_launch.value
    bounds = ", ".join(dict.fromkeys(cost.bound for cost in costs))
    return Operator(
        name, stream, sum(cost.seconds for cost in costs) + launch,
        f"roofline: {bounds}; launches {launch / US:.3g} us", sum(cost.moved for cost in costs),
    )  # fmt: skip


def decode_attention(
    model: ModelShape, die: Accelerator, batch: BatchShare, stream: str, share: float
) -> list[Operator]:
    """The attention block of a layer in decoding, up to its output projection."""
    rows, hidden, heads = batch.tokens, model.hidden, model.heads
    cached = batch.requests * batch.context * model.kv_channels * BF16
    scored = batch.tokens * batch.context
    after = [moving(die, rows * hidden * BF16 * 3)]  # add to the residual, normalise
    at = model.attention
    if isinstance(at, Mla):
        first = [
            matmul(die, rows, hidden, at.q_rank + at.kv_rank + at.rope, share=share),
            matmul(die, rows, at.q_rank, heads * (at.nope + at.rope), share=share),
            _absorbed(die, rows, heads, at.nope, at.kv_rank, share),
        ]
        core = attention(die, scored, heads, 2 * at.kv_rank + at.rope, cached, share=share)
        up = _absorbed(die, rows, heads, at.kv_rank, at.value, share)
        wide = heads * at.value
        return [
            operator("MLAProlog", stream, die, first),
            operator("FusedAttention", stream, die, [core]),
            operator("ValueUp", stream, die, [up]),
            operator("OutProj", stream, die, [
                moving(die, rows * wide * (BF16 + LOW)),
                matmul(die, rows, wide, hidden, share=share), *after,
            ], vectors=2),
        ]  # fmt: skip
    wide = heads * at.head
    return [
        operator("QKVProj", stream, die, [
            moving(die, rows * hidden * (BF16 + LOW)),
            matmul(die, rows, hidden, wide + model.kv_channels, share=share),
        ], vectors=2),
        operator("FusedAttention", stream, die,
                 [attention(die, scored, heads, 2 * at.head, cached, share=share)]),
        operator("OutProj", stream, die, [
            moving(die, rows * wide * (BF16 + LOW)),
            matmul(die, rows, wide, hidden, share=share), *after,
        ], vectors=2),
    ]  # fmt: skip


def prefill_attention(
    model: ModelShape, die: Accelerator, tokens: int, prompt: float, stream: str, share: float,
    reused: float = 0.0,
) -> list[Operator]:  # fmt: skip
    """The attention block of a layer for ``tokens`` of prompts of ``prompt`` tokens each.

    ``reused``: the fraction of a prompt whose cache is there: these tokens are looked at, and not
    computed; ``tokens`` are the others. "DownProj", "UpProj", "FA" and "OutProj". Keys and values
    are made for all heads (MLA is not absorbed), of reused tokens too, and each token looks at
    those before it. With sequence and tensor parallelism in turn every die does the same amount.
    """
    at, rows, hidden, heads = model.attention, tokens, model.hidden, model.heads
    seen = rows / (1 - reused)
    if isinstance(at, Gqa):
        key = value = at.head
        down = matmul(die, rows, hidden, heads * at.head + model.kv_channels, share=share)
        up = [moving(die, rows * heads * at.head * BF16 * 2)]  # positions of queries and keys
    else:
        key, value = at.nope + at.rope, at.value
        down = matmul(die, rows, hidden, at.q_rank + at.kv_rank + at.rope, share=share)
        up = [
            matmul(die, rows, at.q_rank, heads * key, share=share),
            matmul(die, seen, at.kv_rank, heads * (at.nope + value), width=BF16, share=share),
            moving(die, rows * heads * key * BF16 * 2),
        ]
    made = heads * (rows * key + seen * (key + value)) * BF16  # queries, keys, values
    before = prompt * reused + (prompt * (1 - reused) + 1) / 2
    core = attention(
        die, rows * before, heads, key + value, made, share=share, is_prefill=True
    )  # fmt: skip
    return [
        operator("DownProj", stream, die, [moving(die, rows * hidden * (BF16 + LOW)), down],
                 vectors=2),
        operator("UpProj", stream, die, up, kernels=len(up) - 1, vectors=1),
        operator("FA", stream, die, [core]),
        operator("OutProj", stream, die, [
            moving(die, rows * heads * value * (BF16 + LOW)),
            matmul(die, rows, heads * value, hidden, share=share),
            moving(die, rows * hidden * BF16 * 3),  # add to the residual, normalise
        ], vectors=2),
    ]  # fmt: skip


def sorting(
    model: ModelShape, die: Accelerator, tokens: int, rows: float, stream: str
) -> tuple[Operator, Operator]:
    """What a die does with its tokens before a dispatch of sorted tokens, and after the combine.

    Before: a copy for each choice, quantised, sorted by rank; what arrives is sorted by expert.
    After: results go back to the order of arrival, and each token's are added up. ``rows``: that
    arrive. As Huawei's CANN recipes do it (cann-recipes-infer, DeepSeek-R1 prefill).
    """
    wide, chosen = model.hidden, tokens * model.top_k
    before = [moving(die, tokens * wide * BF16 + chosen * wide), moving(die, rows * wide * 2)]
    after = [moving(die, rows * wide * BF16 * 2), moving(die, (chosen + tokens) * wide * BF16)]
    return (
        operator("DispatchCompute", stream, die, before, kernels=0, vectors=2),
        operator("CombineCompute", stream, die, after, kernels=0, vectors=2),
    )


def _absorbed(
    die: Accelerator, rows: int, heads: int, inner: int, columns: int, share: float
) -> RooflineCost:
    """A product for each head with weights [inner, columns] in BF16 (of MLA's kv_b projection)."""
    return matmul(die, heads * rows, inner, columns, width=BF16, share=share, groups=heads)


def gate(model: ModelShape, die: Accelerator, tokens: int, stream: str, share: float) -> Operator:
    """The router: scores of all experts in single precision, and the choice of ``top_k``.

    Tokens are converted first, as their model and Huawei's (cann-recipes-infer) do it.
    """
    widened = moving(die, tokens * model.hidden * (BF16 + FP32))
    cost = matmul(die, tokens, model.hidden, model.experts, width=FP32, share=share)
    return operator("Gate", stream, die, [widened, cost], vectors=2)


def experts(
    model: ModelShape, die: Accelerator, rows: float, local: int, stream: str, share: float,
    name: str = "Experts",
) -> Operator:  # fmt: skip
    """``local`` experts of a die over ``rows`` rows: gate and up, SwiGLU and quantisation, down."""
    return _gated(die, rows, local, model.hidden, model.expert_intermediate, stream, share, name)


def dense_ffn(
    model: ModelShape, die: Accelerator, tokens: int, stream: str, share: float
) -> Operator:
    """The feed-forward block of a layer without experts, whole on every die."""
    width = model.dense_intermediate
    return _gated(die, tokens, 1, model.hidden, width, stream, share, "DenseFFN")


def _gated(
    die: Accelerator, rows: float, groups: int, hidden: int, inner: int, stream: str, share: float,
    name: str,
) -> Operator:  # fmt: skip
    return operator(name, stream, die, [
        matmul(die, rows, hidden, 2 * inner, share=share, groups=groups),
        moving(die, rows * inner * (2 * die.gated_bytes.value + LOW)),
        matmul(die, rows, inner, hidden, share=share, groups=groups),
    ], kernels=2, vectors=1)  # fmt: skip


def head(model: ModelShape, die: Accelerator, tokens: int, stream: str) -> Operator:
    """The output head in BF16, whole on every die, and the sampling of its float32 scores."""
    scores = tokens * model.vocabulary * 4.0
    cost = [matmul(die, tokens, model.hidden, model.vocabulary, width=BF16), moving(die, scores)]
    return operator("LMHead", stream, die, cost, vectors=1)


def predict_input(model: ModelShape, die: Accelerator, tokens: int, stream: str) -> Operator:
    """The projection with which a prediction module (MTP) joins hidden state and embedding."""
    cost = matmul(die, tokens, 2 * model.hidden, model.hidden)
    return operator("MTPProj", stream, die, [cost], vectors=2)
