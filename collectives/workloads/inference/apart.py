"""Attention and experts on dies of their own: tokens to experts (A2E) and results back (E2A).

M attention ranks send each token to the ranks of its experts, among N. Directly, every attention
rank writes to every expert rank. With xDeepServe's trampoline (arXiv 2508.02520 section 3.3) an
attention rank sends its tokens once, to one expert rank, and that one sends them on to the experts
of each token; results come back by the same way. So an attention rank needs one peer instead of N.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from collectives.moe.routing.routing import Routing
from collectives.moe.schedules.formats import combine_size, dispatch_size
from collectives.workloads.background.beside import seconds_of
from collectives.workloads.background.streams import Background
from collectives.workloads.inference.deployment import Deployment
from collectives.workloads.inference.exchange import ExpertExchange, drawn
from collectives.workloads.inference.model import ModelShape
from collectives.workloads.inference.sourced import InferenceError
from fabric.endpoint.records import record_of
from fabric.fabric import Fabric
from fabric.schedule.step import Step

TRAMPOLINE, DIRECT = "trampoline", "direct"

HOP = "write"
"""The operation by whose costs a trampoline's hop is timed."""

FLAG = 4
"""Bytes of the flag that tells a rank that all of a peer's messages are there."""


@dataclass(frozen=True)
class ApartExchanges:
    """A2E and E2A of one domain, by tokens of an attention rank.

    Ranks: first the domain's attention ranks, then those of experts. ``way``: `TRAMPOLINE` or
    `DIRECT`. The sending of tokens on costs what a dispatch or combine costs in the machine's
    software; a trampoline's first or last hop costs a one-sided write on ``wire``, the same machine
    with the costs of these (None: those of `on_the_wire`). ``streams``: what is on the machine
    beside each of these transfers.
    """

    fabric: Fabric
    model: ModelShape
    deployment: Deployment
    way: str = TRAMPOLINE
    streams: tuple[Background, ...] = ()
    seed: int = 0
    wire: Fabric | None = None

    def __post_init__(self) -> None:
        at = self.deployment
        if not at.attention_ranks:
            raise InferenceError(f"deployment {at.name} has no attention ranks of its own")
        if self.way == TRAMPOLINE and at.attention_ranks > at.ranks:
            raise InferenceError(
                f"{at.attention_ranks} attention ranks need as many trampolines, and there are"
                f" {at.ranks} ranks of experts"
            )

    def __call__(self, tokens: int) -> ExpertExchange:
        """What ``tokens`` of each attention rank cost."""
        return _timed(self, tokens)

    @property
    def ranks(self) -> int:
        """Ranks of one domain and of the experts."""
        return self.deployment.attention_ranks + self.deployment.ranks

    def table(self, tokens: int) -> Routing:
        """Which token goes to which slots; ranks are trampolines, the others have no tokens."""
        at = self.deployment
        tramps = np.arange(at.ranks) < at.attention_ranks
        return drawn(self.model, at, np.where(tramps, tokens, 0).tolist(), self.seed)

    def steps(self, tokens: int, size: int) -> tuple[list[Step], list[Step]]:
        """The first hop of A2E with messages of ``size`` bytes (empty if direct), and the rest.

        Reversed, they are those of E2A.
        """
        at, counts = self.deployment, self.table(tokens).counts
        attention = np.arange(at.attention_ranks)
        sources = counts[: at.attention_ranks]
        src, dst = np.nonzero(sources)
        number = sources[src, dst]
        by, first = src, []
        if self.way == TRAMPOLINE:
            first = [Step(attention, attention + at.attention_ranks, tokens * size, label="hop")]
            by = src + at.attention_ranks
        every = np.repeat(np.unique(by), at.ranks)
        host = np.tile(np.arange(at.ranks), at.attention_ranks)
        return first, [
            Step(by, dst + at.attention_ranks, number * size, messages=number, label="tokens"),
            Step(every, host + at.attention_ranks, FLAG, label="flags"),
        ]


def backwards(steps: list[Step]) -> Iterator[Step]:
    """The same transfers from each receiver to its sender, tokens before their flags."""
    for step in steps:
        yield Step(step.dst, step.src, step.size, messages=step.messages, label=step.label)


@lru_cache(64)
def _timed(asked: ApartExchanges, tokens: int) -> ExpertExchange:
    fabric = asked.fabric
    software = fabric.software.stack("dispatch")
    there = dispatch_size(asked.model.hidden, software, record_of(software).dtype, "low-latency")
    first, rest = asked.steps(tokens, there)
    a2e = _hop(asked, first) + _run(asked, fabric, rest, "dispatch")
    first, rest = asked.steps(tokens, combine_size(asked.model.hidden))
    back = _run(asked, fabric, list(backwards(rest)), "combine")
    e2a = back + _hop(asked, list(backwards(first)))
    arrived = asked.table(tokens).counts.sum(axis=0)[: asked.deployment.routed_ranks]
    stack = f"{software}, {asked.way}"
    return ExpertExchange(a2e, e2a, float(arrived.max()), float(arrived.mean()), stack)


def _run(asked: ApartExchanges, fabric: Fabric, steps: list[Step], operation: str) -> float:
    return seconds_of(fabric, steps, asked.streams, ranks=asked.ranks, operation=operation)


def _hop(asked: ApartExchanges, steps: list[Step]) -> float:
    """Seconds of one-sided writes from rank to rank."""
    return _run(asked, asked.wire or on_the_wire(asked.fabric), steps, HOP) if steps else 0.0


@lru_cache(4)
def on_the_wire(fabric: Fabric) -> Fabric:
    """The machine at the wire's own costs of reads and writes."""
    return Fabric(
        fabric.topology, engine=fabric.engine, routing=fabric.routing, endpoint="raw",
        planes=fabric.router.planes, placement=fabric.places,
    )  # fmt: skip
