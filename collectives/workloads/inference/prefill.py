"""A prefill of one batch: every layer's operators, in two micro-batches that overlap."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from collectives.algorithms.table import schedule
from collectives.workloads.background.beside import seconds_of
from collectives.workloads.background.streams import Background
from collectives.workloads.inference.accelerator import Accelerator
from collectives.workloads.inference.deployment import COPIES, ENGINES, OFFLOADED, Deployment
from collectives.workloads.inference.exchange import ExpertExchange
from collectives.workloads.inference.model import Mla, ModelShape
from collectives.workloads.inference.operators import (
    BF16,
    Operator,
    dense_ffn,
    experts,
    gate,
    head,
    prefill_attention,
    sorting,
)
from collectives.workloads.inference.overlap import OperatorSchedule, in_turn
from collectives.workloads.inference.sourced import InferenceError
from fabric.fabric import Fabric

MATRIX, VECTOR, COPY = "matrix cores", "vector cores", "transfers"
"""Streams where two micro-batches overlap."""

WHOLE = "die"

Redistributed = Callable[[int, int], tuple[float, float]]
"""Seconds of the all-gather and of the all-to-all of attention, by tokens of a die: those that are
computed, and those whose cache is there."""


@dataclass(frozen=True, slots=True)
class PrefillBatch:
    """What is computed: ``tokens`` an accelerator, of prompts of ``prompt`` tokens.

    ``microbatches``: 1 or 2. ``reused``: the fraction of each prompt whose cache there is already;
    its tokens are not computed, but looked at.
    """

    tokens: int
    prompt: int
    microbatches: int = 2
    reused: float = 0.0

    def of_a_die(self, dies: int) -> tuple[int, int]:
        """Tokens that each of ``dies`` computes in a micro-batch, and those it looks at beside.

        Raises `InferenceError` for a batch that does not divide.
        """
        if not 0 <= self.reused < 1:
            raise InferenceError(f"reused is {self.reused:g}; it has to be from 0 to below 1")
        each, left = divmod(self.tokens, dies * self.microbatches)
        if left or not each:
            raise InferenceError(
                f"{self.tokens} tokens do not divide over {dies} dies and"
                f" {self.microbatches} micro-batches"
            )
        computed = max(round(each * (1 - self.reused)), 1)
        return computed, each - computed


@dataclass(frozen=True)
class PrefillStep:
    """A prefill on every die, and what it comes to."""

    asked: PrefillBatch
    schedule: OperatorSchedule
    die: Accelerator
    layers: tuple[tuple[Operator, ...], ...]

    @property
    def seconds(self) -> float:
        """Seconds of the batch: the time to first token without queueing."""
        return self.schedule.seconds

    @property
    def throughput(self) -> float:
        """Prompt tokens per second of an accelerator, those reused among them."""
        return self.asked.tokens / self.seconds


def redistribution(
    fabric: Fabric, model: ModelShape, ranks: int, tokens: int, cached: int = 0, *,
    streams: tuple[Background, ...] = (),
) -> tuple[float, float]:  # fmt: skip
    """Seconds to gather the down-projected tokens of all ranks, and to turn heads into tokens.

    The two collectives around attention that is sharded by heads between projections that are
    sharded by tokens (arXiv 2506.12708v2 section 4.3.1); in BF16, by the algorithms `hccl` has.
    Each rank has the cache of ``cached`` further tokens, whose keys and values all heads need.
    ``streams``: what is on the machine beside each of them.
    """
    gathered, turned = redistributed_bytes(model, ranks, tokens, cached)
    return (
        _collective(fabric, "all_gather", ranks, gathered, streams),
        _collective(fabric, "all_to_all", ranks, turned, streams),
    )


def redistributed_bytes(
    model: ModelShape, ranks: int, tokens: int, cached: int = 0
) -> tuple[int, int]:
    """Bytes that each rank brings to the all-gather, and sends to each rank in the all-to-all."""
    at = model.attention
    queries = at.q_rank if isinstance(at, Mla) else max(model.hidden - model.kv_channels, 0)
    value = model.heads * (at.value if isinstance(at, Mla) else at.head)
    rows = tokens * (queries + model.kv_channels) + cached * model.kv_channels
    return rows * BF16, tokens * value * BF16 // ranks


def _collective(
    fabric: Fabric, op: str, ranks: int, each: int, streams: tuple[Background, ...]
) -> float:
    steps = schedule(op, ranks, each)
    return seconds_of(fabric, steps, streams, ranks=ranks, operation=op, size=each)


def prefill_step(
    model: ModelShape, die: Accelerator, deployment: Deployment,
    exchanged: Callable[[int], ExpertExchange], asked: PrefillBatch,
    redistributed: Redistributed | None = None,
) -> PrefillStep:  # fmt: skip
    """The prefill of ``asked``; ``redistributed``: None where attention is data-parallel.

    Raises `InferenceError` for a batch that does not divide.
    """
    computed, cached = asked.of_a_die(die.dies)
    dense, sparse = (
        _layer(model, die, deployment, exchanged, computed, cached, asked, redistributed, is_dense)
        for is_dense in (True, False)
    )
    chain = [*dense * model.dense_layers, *sparse * (model.layers - model.dense_layers)]
    prompts = max(asked.tokens // (asked.prompt * die.dies), 1)
    last = [head(model, die, prompts, WHOLE)]
    made = in_turn([[chain] * asked.microbatches, [last]])
    return PrefillStep(asked, made, die, (tuple(sparse),))


def _layer(
    model: ModelShape, die: Accelerator, deployment: Deployment,
    exchanged: Callable[[int], ExpertExchange], tokens: int, cached: int, asked: PrefillBatch,
    redistributed: Redistributed | None, is_dense: bool,
) -> list[Operator]:  # fmt: skip
    is_alone = asked.microbatches == 1
    if deployment.overlap not in (COPIES, ENGINES, OFFLOADED):
        raise InferenceError(f"a prefill does not overlap by {deployment.overlap}")
    matrix, vector, copy = (WHOLE,) * 3 if is_alone else (MATRIX, VECTOR, COPY)
    if deployment.overlap == COPIES:
        vector = matrix
    cores = 1.0 if is_alone else 1 - deployment.communication_share
    down, *others, out = prefill_attention(
        model, die, tokens, asked.prompt, matrix, cores, asked.reused
    )  # fmt: skip
    found = [down, *others, out]
    if redistributed is not None:
        gathered, turned = redistributed(tokens, cached)
        found = [
            down, Operator("AllGather", copy, gathered, "fabric, hccl"), *others,
            Operator("AllToAll", copy, turned, "fabric, hccl"), out,
        ]  # fmt: skip
    if is_dense:
        return [*found, dense_ffn(model, die, tokens, matrix, cores)]
    sent = exchanged(tokens)
    of_fabric = f"fabric, {sent.software}"
    found.append(gate(model, die, tokens, matrix, cores))
    before, after = sorting(model, die, tokens, sent.fullest, vector)
    if deployment.overlap != OFFLOADED:
        found.append(before)
    found.append(Operator("Dispatch", copy, sent.dispatch, of_fabric))
    if model.shared_experts:
        found.append(experts(model, die, tokens, 1, matrix, cores, "SharedExpert"))
    routed = experts(model, die, sent.fullest, deployment.local_slots, matrix, cores)
    basis = f"{routed.basis}; {sent.fullest:.0f} rows of the fullest rank, mean {sent.mean:.0f}"
    found.append(replace(routed, basis=basis))
    found.append(Operator("Combine", copy, sent.combine, of_fabric))
    if deployment.overlap != OFFLOADED:
        found.append(after)
    return found
