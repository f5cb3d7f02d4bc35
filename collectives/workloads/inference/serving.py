"""A serving run: prefill and decoding instances under a stream of requests, on SimPy's event loop.

A request waits for a prefill instance, which takes as many waiting ones as fit its batch. When that
is done the request has its first token, and its cache moves to a decoding instance over one of the
prefill instance's links, each of which moves one cache at a time. There it waits for room, and then
gets a step's tokens with every step. Steps last as the given functions say.
"""

import heapq
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import simpy

from collectives.workloads.inference.requests import ServedRequest

_Process = Generator[simpy.Event, Any, None]


class PrefixCache(Protocol):
    """Where caches of earlier prompts are kept: asked before a prefill, given prompts after it."""

    def reused(self, request: ServedRequest, now: float) -> tuple[int, float]:
        """How many of the prompt's first tokens are there, and the seconds to load them."""
        ...

    def keep(self, request: ServedRequest, now: float) -> None:
        """Take in what was computed of a prompt by ``now``."""
        ...


@dataclass(frozen=True)
class ServingPlan:
    """What serves, and how long its steps last.

    ``prefill_instances``, ``decode_instances``: how many; ``prefill_accelerators``,
    ``decode_accelerators``: of each. ``prefill_tokens``: of a batch, an accelerator; ``batch``:
    requests that an accelerator decodes at most. ``prefill``: seconds of a batch, by tokens of an
    accelerator and mean prompt; ``decode``: seconds of a step, by requests of an accelerator and
    mean context; ``emitted``: tokens that a step makes of a request; ``handoff``: seconds of a
    prompt's cache on one link, by its tokens; ``links``: of a prefill instance. ``cache``: kept
    caches, None: none.
    """

    prefill_instances: int
    decode_instances: int
    prefill_accelerators: int
    decode_accelerators: int
    prefill_tokens: int
    batch: int
    prefill: Callable[[float, float], float]
    decode: Callable[[float, float], float]
    emitted: float
    handoff: Callable[[float], float]
    links: int
    cache: PrefixCache | None = None

    @property
    def accelerators(self) -> int:
        """Accelerators of all instances."""
        return (
            self.prefill_instances * self.prefill_accelerators
            + self.decode_instances * self.decode_accelerators
        )


@dataclass(eq=False, slots=True)
class ServedTimes:
    """When a request arrived, had its first token, was taken by a decoding instance, and was done.

    Seconds; ``reused``: tokens of the prompt that were not computed.
    """

    request: ServedRequest
    prefilled: float = 0.0
    first: float = 0.0
    admitted: float = 0.0
    done: float = 0.0
    reused: int = 0

    @property
    def ttft(self) -> float:
        """Seconds from arrival to the first token."""
        return self.first - self.request.arrival

    @property
    def tpot(self) -> float | None:
        """Seconds for each token after the first; None if there is none."""
        after = self.request.output - 1
        return (self.done - self.first) / after if after else None


@dataclass(frozen=True)
class ServingRun:
    """Every request's times, and how busy instances were (seconds, over all of a kind)."""

    served: tuple[ServedTimes, ...]
    prefill_busy: float
    decode_busy: float
    decoded: float

    @property
    def seconds(self) -> float:
        """From 0 to when the last request is done."""
        return max((one.done for one in self.served), default=0.0)


def serve(plan: ServingPlan, requests: Sequence[ServedRequest]) -> ServingRun:
    """The run of ``requests``, which are in order of arrival, until all are done."""
    return _Serving(plan).run(requests)


@dataclass(eq=False)
class _Decoder:
    """A decoding instance: requests in it end when ``made`` reaches their mark.

    ``made``: tokens that each request would have since the run began; ``base``: the sum of what its
    requests had in their caches less ``made`` when they came. ``waiting``: for room, in order.
    """

    env: simpy.Environment
    made: float = 0.0
    base: float = 0.0
    waiting: deque[ServedTimes] = field(default_factory=deque)
    inside: list[tuple[float, int, ServedTimes]] = field(default_factory=list)
    wake: simpy.Event | None = None

    @property
    def load(self) -> int:
        return len(self.waiting) + len(self.inside)


class _Serving:
    def __init__(self, plan: ServingPlan) -> None:
        self.plan, self.env = plan, simpy.Environment()
        self.queue: deque[ServedTimes] = deque()
        self.arrived = self.env.event()
        self.decoders = [_Decoder(self.env) for _ in range(plan.decode_instances)]
        self.busy = {"prefill": 0.0, "decode": 0.0, "decoded": 0.0}
        self.numbers = iter(range(1 << 62))

    def run(self, requests: Sequence[ServedRequest]) -> ServingRun:
        served = [ServedTimes(one) for one in requests]
        self.env.process(self._arrivals(served))
        for _ in range(self.plan.prefill_instances):
            self.env.process(self._prefiller(simpy.Resource(self.env, self.plan.links)))
        for decoder in self.decoders:
            self.env.process(self._decoding(decoder))
        self.env.run()
        return ServingRun(
            tuple(served), self.busy["prefill"], self.busy["decode"], self.busy["decoded"]
        )

    def _arrivals(self, served: list[ServedTimes]) -> _Process:
        for one in served:
            yield self.env.timeout(max(one.request.arrival - self.env.now, 0.0))
            self.queue.append(one)
            self._announce()

    def _announce(self) -> None:
        self.arrived.succeed()
        self.arrived = self.env.event()

    def _prefiller(self, links: simpy.Resource) -> _Process:
        plan = self.plan
        while True:
            while not self.queue:
                yield self.arrived
            taken, tokens, load = self._batch()
            each = tokens / plan.prefill_accelerators
            prompt = sum(one.request.prompt for one in taken) / len(taken)
            lasts = plan.prefill(each, prompt) + load
            self.busy["prefill"] += lasts
            yield self.env.timeout(lasts)
            for one in taken:
                one.first = self.env.now
                if plan.cache is not None:
                    plan.cache.keep(one.request, self.env.now)
                self.env.process(self._handoff(one, links))

    def _batch(self) -> tuple[list[ServedTimes], int, float]:
        """Waiting requests that fit one batch, the tokens to compute, and seconds of loading."""
        room = self.plan.prefill_tokens * self.plan.prefill_accelerators
        taken: list[ServedTimes] = []
        tokens, load = 0, 0.0
        while self.queue:
            one = self.queue[0]
            new = one.request.prompt
            if taken and tokens + new > room:
                break
            self.queue.popleft()
            if self.plan.cache is not None:
                one.reused, seconds = self.plan.cache.reused(one.request, self.env.now)
                new, load = max(new - one.reused, 1), max(load, seconds)
            one.prefilled = self.env.now
            taken.append(one)
            tokens += new
        return taken, tokens, load

    def _handoff(self, one: ServedTimes, links: simpy.Resource) -> _Process:
        if one.request.output == 1:
            one.admitted = one.done = one.first
            return
        with links.request() as link:
            yield link
            yield self.env.timeout(self.plan.handoff(one.request.prompt))
        decoder = min(self.decoders, key=lambda each: each.load)
        decoder.waiting.append(one)
        if decoder.wake is not None:
            decoder.wake.succeed()
            decoder.wake = None

    def _decoding(self, decoder: _Decoder) -> _Process:
        plan = self.plan
        room = plan.batch * plan.decode_accelerators
        while True:
            if not decoder.load:
                decoder.wake = self.env.event()
                yield decoder.wake
            while decoder.waiting and len(decoder.inside) < room:
                self._admit(decoder, decoder.waiting.popleft())
            inside = len(decoder.inside)
            context = decoder.base / inside + decoder.made
            lasts = plan.decode(max(inside / plan.decode_accelerators, 1.0), context)
            self.busy["decode"] += lasts
            self.busy["decoded"] += lasts * inside
            yield self.env.timeout(lasts)
            decoder.made += plan.emitted
            while decoder.inside and decoder.inside[0][0] <= decoder.made:
                mark, _, one = heapq.heappop(decoder.inside)
                decoder.base -= one.request.prompt - (mark - one.request.output + 1)
                one.done = self.env.now

    def _admit(self, decoder: _Decoder, one: ServedTimes) -> None:
        one.admitted = self.env.now
        decoder.base += one.request.prompt - decoder.made
        mark = decoder.made + one.request.output - 1
        heapq.heappush(decoder.inside, (mark, next(self.numbers), one))
