"""A decoding step: every layer's operators, two micro-batches, prediction modules, output head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from collectives.workloads.inference.accelerator import Accelerator
from collectives.workloads.inference.deployment import APART, OFFLOADED, TWO_STREAMS, Deployment
from collectives.workloads.inference.exchange import ExpertExchange
from collectives.workloads.inference.model import ModelShape
from collectives.workloads.inference.operators import (
    BF16,
    BatchShare,
    Operator,
    decode_attention,
    dense_ffn,
    experts,
    gate,
    head,
    predict_input,
)
from collectives.workloads.inference.overlap import OperatorSchedule, in_turn
from collectives.workloads.inference.sourced import InferenceError
from topology.units import GB

Exchanged = Callable[[int], ExpertExchange]
"""What communication costs, by tokens of a rank: `collectives.workloads.inference.exchange`."""

WHOLE, ATTENTION, EXPERTS, NETWORK = "die", "attention", "experts", "network"
TO_EXPERTS, TO_ATTENTION = "to experts", "to attention"
"""Streams: all of a die; the two of `TWO_STREAMS`; communication that needs no cores; and that of
`APART`, each way."""


@dataclass(frozen=True, slots=True)
class DecodeBatch:
    """What is decoded: ``batch`` requests an accelerator, each with ``context`` tokens cached.

    ``predicted``: tokens that prediction modules (MTP) add to a step; ``acceptance``: how likely
    each is kept, given the one before was. ``microbatches``: 1 or 2. ``attention_cores``: of
    `TWO_STREAMS`, cores of the attention stream.
    """

    batch: int
    context: float
    predicted: int = 1
    acceptance: float = 0.7
    microbatches: int = 2
    attention_cores: int = 16

    @property
    def emitted(self) -> float:
        """Tokens that a step makes of each request."""
        return sum(self.acceptance**n for n in range(self.predicted + 1))


@dataclass(frozen=True)
class DecodeStep:
    """A step of decoding on every die, and what it comes to.

    ``layers``: the operators of a layer with experts, of each micro-batch; ``tokens``: of a rank in
    each.
    """

    asked: DecodeBatch
    schedule: OperatorSchedule
    launches: float
    die: Accelerator
    deployment: Deployment
    layers: tuple[tuple[Operator, ...], ...]
    tokens: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        """Seconds of a step."""
        return self.schedule.seconds + self.launches

    @property
    def tpot(self) -> float:
        """Seconds for each token that a request gets."""
        return self.seconds / self.asked.emitted

    @property
    def throughput(self) -> float:
        """Tokens per second of an accelerator, over all that the instance has."""
        at = self.deployment
        return self.asked.batch / self.tpot * at.decoding_dies / at.dies


def decode_step(
    model: ModelShape, die: Accelerator, deployment: Deployment, exchanged: Exchanged,
    asked: DecodeBatch, launches: float = 0.0,
) -> DecodeStep:  # fmt: skip
    """The step that decodes ``asked``; ``launches``: seconds of graph launches that nothing hides.

    Raises `InferenceError` for a batch that does not fit the dies, or cores that there are not.
    """
    needed, room = resident_bytes(model, die, deployment, asked), die.memory_capacity.value
    if needed > room:
        raise InferenceError(
            f"a batch of {asked.batch} with {asked.context:g} tokens takes {needed / GB:.4g} GB"
            f" of a die with {room / GB:.4g} GB"
        )
    shares = _shares(die, asked)
    styled = _styles(die, deployment, asked)
    layers = [
        _layer(model, die, deployment, exchanged, share, style, is_dense)
        for share in shares for style in styled for is_dense in (True, False)
    ]  # fmt: skip
    dense, sparse = layers[::2], layers[1::2]
    chains = [
        [*own * model.dense_layers, *other * (model.layers - model.dense_layers)]
        for own, other in zip(dense, sparse, strict=True)
    ]
    tokens = sum(share.tokens for share in shares)
    last = [head(model, die, tokens, WHOLE)]
    module = [predict_input(model, die, tokens, WHOLE)]
    phases: list[Sequence[Sequence[Operator]]] = [chains, [last]]
    for _ in range(asked.predicted):
        phases += [[module], sparse, [last]]
    return DecodeStep(
        asked, in_turn(phases), launches, die, deployment, tuple(map(tuple, sparse)),
        tuple(share.tokens for share in shares),
    )  # fmt: skip


def resident_bytes(
    model: ModelShape, die: Accelerator, deployment: Deployment, asked: DecodeBatch
) -> float:
    """Bytes of a die's memory that weights and caches take.

    Layers have a byte a weight; embedding, output head and caches are in BF16. A prediction module
    is a layer.
    """
    layers = model.layers + asked.predicted
    sparse = layers - model.dense_layers
    own = 1 if model.shared_experts and not deployment.shared_ranks else 0
    slots = 0 if deployment.overlap == APART else deployment.local_slots
    weights = (
        layers * model.attention_weights
        + model.dense_layers * 3 * model.hidden * model.dense_intermediate
        + sparse * (slots + own) * model.expert_weights
    )
    tables = 2 * model.vocabulary * model.hidden * BF16
    cached = asked.batch / die.dies * asked.context * model.kv_channels * BF16 * layers
    return weights + tables + cached


@dataclass(frozen=True, slots=True)
class _Styles:
    """In which stream and with which part of the cores attention, experts and transfers go.

    ``ways``: the streams of transfers to experts and back.
    """

    attention: tuple[str, float]
    experts: tuple[str, float]
    ways: tuple[str, str]


def _styles(die: Accelerator, deployment: Deployment, asked: DecodeBatch) -> list[_Styles]:
    """The streams of a micro-batch, of each domain."""
    whole = (WHOLE, 1.0)
    if deployment.overlap == APART:
        ways = (TO_EXPERTS, TO_ATTENTION)
        return [
            _Styles((f"{ATTENTION} {domain}", 1.0), (EXPERTS, 1.0), ways)
            for domain in range(deployment.domains)
        ]
    if asked.microbatches == 1:
        return [_Styles(whole, whole, (WHOLE, WHOLE))]
    if deployment.overlap == OFFLOADED:
        return [_Styles(whole, whole, (NETWORK, NETWORK))]
    if deployment.overlap != TWO_STREAMS:
        raise InferenceError(f"a decoding step does not overlap by {deployment.overlap}")
    cores, own = int(die.cores.value), asked.attention_cores
    if not 1 <= own < cores:
        raise InferenceError(
            f"attention gets {own} of {cores} cores; it has to be 1 to {cores - 1}"
        )
    ways = (EXPERTS, EXPERTS)
    return [_Styles((ATTENTION, own / cores), (EXPERTS, 1 - own / cores), ways)]


def _shares(die: Accelerator, asked: DecodeBatch) -> list[BatchShare]:
    requests, left = divmod(asked.batch, die.dies)
    if left or requests < asked.microbatches:
        raise InferenceError(
            f"{asked.batch} requests do not fit {die.dies} dies in {asked.microbatches}"
            " micro-batches of at least one: take a multiple"
        )
    first = -(-requests // asked.microbatches)
    sizes = [first, requests - first][: asked.microbatches]
    return [BatchShare(n, n * (1 + asked.predicted), asked.context) for n in sizes]


def _layer(
    model: ModelShape, die: Accelerator, deployment: Deployment, exchanged: Exchanged,
    share: BatchShare, styles: _Styles, is_dense: bool,
) -> list[Operator]:  # fmt: skip
    found = decode_attention(model, die, share, *styles.attention)
    stream, cores = styles.experts
    is_apart = deployment.overlap == APART
    beside, whole = styles.attention if is_apart else styles.experts
    if is_dense:
        return [*found, dense_ffn(model, die, share.tokens, beside, whole)]
    sent = exchanged(share.tokens)
    of_fabric = f"fabric, {sent.software}"
    there, back = ("A2E", "E2A") if is_apart else ("Dispatch", "Combine")
    found.append(gate(model, die, share.tokens, beside, whole))
    found.append(Operator(there, styles.ways[0], sent.dispatch, of_fabric))
    if model.shared_experts and not deployment.shared_ranks and not is_apart:
        found.append(experts(model, die, share.tokens, 1, stream, cores, "SharedExpert"))
    routed = experts(model, die, sent.fullest, deployment.local_slots, stream, cores)
    basis = f"{routed.basis}; {sent.fullest:.0f} rows of the fullest rank, mean {sent.mean:.0f}"
    found.append(replace(routed, basis=basis))
    found.append(Operator(back, styles.ways[1], sent.combine, of_fabric))
    return found
