"""Dispatch and combine of a deployment: who is sent how many tokens, and how long that takes.

The routing is drawn: each token chooses ``top_k`` slots of routed experts by the weights of their
ranks, which fall as ``1 / place ** exponent`` with the exponent that gives the asked ratio of the
fullest rank to the mean. Where shared experts have ranks of their own, a token is also sent to one
of them, in turn. All of that passes through the schedules and software stacks that ``bench moe``
times.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from collectives.moe.routing.routing import Routing
from collectives.moe.routing.skew import weighted
from collectives.moe.schedules import low_latency, normal
from collectives.moe.schedules.formats import combine_size, dispatch_size
from collectives.workloads.background.beside import seconds_of
from collectives.workloads.background.streams import Background
from collectives.workloads.inference.deployment import Deployment
from collectives.workloads.inference.model import ModelShape
from collectives.workloads.inference.sourced import InferenceError
from fabric.endpoint.records import record_of
from fabric.fabric import Fabric
from fabric.schedule.counts import AllCounts
from fabric.schedule.step import Step
from fabric.timeline.value import Timeline

LOW_LATENCY, NORMAL = "low-latency", "normal"
"""The two modes of dispatch and combine: of decoding, and of prefill."""

MAX_SELECTIONS = 1 << 26
"""Token-expert selections of one operation at most: more would not fit in memory."""


@dataclass(frozen=True, slots=True)
class ExpertExchange:
    """What an MoE layer's communication costs, and what it brings to ranks with routed experts.

    ``dispatch``, ``combine``: seconds; ``fullest``, ``mean``: rows that such a rank computes, at
    most and on average, without those of a shared expert of its own. ``software``: the stack.
    """

    dispatch: float
    combine: float
    fullest: float
    mean: float
    software: str


@dataclass(frozen=True)
class Exchanges:
    """Dispatch and combine of a model on a deployment's machine, by tokens of a rank.

    ``mode``: `LOW_LATENCY` or `NORMAL`; ``ranks_per_node``: of the two-level schedule, None: one
    level; ``streams``: what is on the machine beside each operation; ``seed``: of the routing;
    ``routing``: a routing to use instead of a drawn one, whose tokens count.
    """

    fabric: Fabric
    model: ModelShape
    deployment: Deployment
    mode: str = LOW_LATENCY
    ranks_per_node: int | None = None
    streams: tuple[Background, ...] = ()
    seed: int = 0
    routing: Routing | None = None

    def __call__(self, tokens: int) -> ExpertExchange:
        """What ``tokens`` of each rank cost."""
        return _timed(self, tokens)

    def simulated(self, tokens: int) -> tuple[Timeline, Timeline]:
        """Dispatch and combine of ``tokens`` of each rank, with nothing beside them.

        Raises `InferenceError` where streams are beside each operation.
        """
        if self.streams:
            raise InferenceError("timelines are of dispatch and combine without streams beside")
        found = [
            self.fabric.simulate(steps, operation=operation, ranks=self.deployment.ranks)
            for operation, steps in _operations(self, self.table(tokens))
        ]
        return found[0], found[1]

    def table(self, tokens: int) -> Routing:
        """Which token goes to which slots, those of shared experts last."""
        if self.routing is None:
            return drawn(self.model, self.deployment, tokens, self.seed)
        if self.routing.ranks != self.deployment.ranks:
            raise InferenceError(
                f"the routing is of {self.routing.ranks} ranks, and the deployment of"
                f" {self.deployment.ranks}"
            )
        return self.routing


def drawn(
    model: ModelShape, deployment: Deployment, tokens: int | Sequence[int], seed: int = 0
) -> Routing:
    """A random routing of ``tokens`` tokens a rank, or one number for each; see this module.

    Raises `InferenceError` for more selections than `MAX_SELECTIONS`.
    """
    each = [tokens] * deployment.ranks if isinstance(tokens, int) else list(tokens)
    if sum(each) * model.top_k > MAX_SELECTIONS:
        raise InferenceError(
            f"{deployment.ranks} ranks x {max(each)} tokens x top-{model.top_k} are more than"
            f" {MAX_SELECTIONS} selections"
        )
    weights = rank_weights(deployment.routed_ranks, deployment.imbalance.value)
    order = np.random.default_rng(seed).permutation(deployment.routed_ranks)
    every = np.repeat(weights[order], deployment.local_slots)
    chosen = weighted(deployment.ranks, each, model.top_k, every, seed).topk_idx
    shared = deployment.shared_ranks
    if not shared:
        return Routing(chosen, deployment.slots)
    whole = [
        np.hstack([table, (deployment.slots + (np.arange(n) + rank) % shared)[:, None]])
        for rank, (table, n) in enumerate(zip(chosen, each, strict=True))
    ]
    return Routing(whole, deployment.slots + shared)


def rank_weights(ranks: int, peak: float) -> NDArray[np.float64]:
    """Weights of ranks, float64 falling, whose first is ``peak`` times the mean; mean 1.

    Raises `InferenceError` for a peak that so many ranks cannot have.
    """
    if not 1 <= peak < ranks:
        raise InferenceError(f"no rank of {ranks} gets {peak:g} times the mean")
    place = np.arange(1.0, ranks + 1)
    low, high = 0.0, 64.0
    for _ in range(60):
        middle = (low + high) / 2
        ratio = 1 / np.mean(place**-middle)
        low, high = (middle, high) if ratio < peak else (low, middle)
    weights = place**-low
    found: NDArray[np.float64] = weights / weights.mean()
    return found


@lru_cache(64)
def _timed(asked: Exchanges, tokens: int) -> ExpertExchange:
    routing, deployment = asked.table(tokens), asked.deployment
    arrived = routing.counts.sum(axis=0)[: deployment.routed_ranks]
    timed = {
        name: seconds_of(asked.fabric, steps, asked.streams, ranks=deployment.ranks, operation=name)
        for name, steps in _operations(asked, routing)
    }
    dispatch, combine = timed.values()
    software = asked.fabric.software.stack(next(iter(timed)))
    return ExpertExchange(dispatch, combine, float(arrived.max()), float(arrived.mean()), software)


def _operations(asked: Exchanges, routing: Routing) -> Iterator[tuple[str, Iterable[Step]]]:
    """Dispatch and combine: what the fabric calls each, and its steps."""
    suffix = "" if asked.mode == LOW_LATENCY else ":normal"
    for name in ("dispatch", "combine"):
        operation = name + suffix
        size = _size(asked, name, asked.fabric.software.stack(operation))
        if asked.mode == LOW_LATENCY:
            make = getattr(low_latency, f"counted_{name}")
            yield operation, make(AllCounts(routing.counts), routing.local_experts, size)
        else:
            make = getattr(normal, name)
            yield operation, make(routing, size, ranks_per_node=asked.ranks_per_node, exact=False)


def _size(asked: Exchanges, name: str, software: str) -> int:
    if name == "combine":
        return combine_size(asked.model.hidden)
    return dispatch_size(asked.model.hidden, software, record_of(software).dtype, asked.mode)
