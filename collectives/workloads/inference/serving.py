"""A serving run: prefill and decoding instances under a stream of requests, on SimPy's event loop.

A request waits for a prefill instance, which takes as many waiting ones as fit its batch. When that
is done the request has its first token, and its cache moves to a decoding instance over one of the
prefill instance's links, each of which moves one cache at a time. There it waits for room, and then
gets a step's tokens with every step. Steps last as the given functions say. Groups of accelerators
may change between the two roles with the load.
"""

import heapq
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import simpy

from collectives.workloads.inference.requests import ServedRequest
from collectives.workloads.inference.serving_plan import (
    FlexibleGroups,
    Role,
    RoleChange,
    ServedTimes,
    ServingPlan,
    ServingRun,
)

_Process = Generator[simpy.Event, Any, None]

HIGH: Final = 0.9
"""The share of what instances can do, or of their room, that leaves nothing to spare."""


def serve(plan: ServingPlan, requests: Sequence[ServedRequest]) -> ServingRun:
    """The run of ``requests``, which are in order of arrival, until all are done."""
    return _Serving(plan).run(requests)


@dataclass(eq=False)
class _Instances:
    """Instances that have one role until ``ended``; ``running``: their processes."""

    role: Role
    ended: bool = False
    running: list[simpy.Process] = field(default_factory=list)


@dataclass(eq=False)
class _Decoder:
    """A decoding instance: requests in it end when ``made`` reaches their mark.

    ``made``: tokens that each request would have since the run began; ``base``: the sum of what its
    requests had in their caches less ``made`` when they came. ``waiting``: for room, in order.
    """

    env: simpy.Environment
    of: _Instances
    made: float = 0.0
    base: float = 0.0
    waiting: deque[ServedTimes] = field(default_factory=deque)
    inside: list[tuple[float, int, ServedTimes]] = field(default_factory=list)
    wake: simpy.Event | None = None

    @property
    def load(self) -> int:
        return len(self.waiting) + len(self.inside)

    def awake(self) -> None:
        """Go on, if it waits for requests."""
        if self.wake is not None:
            self.wake.succeed()
            self.wake = None


class _Serving:
    def __init__(self, plan: ServingPlan) -> None:
        self.plan, self.env = plan, simpy.Environment()
        self.queue: deque[ServedTimes] = deque()
        self.arrived = self.env.event()
        self.finished = self.env.event()
        self.decoders: list[_Decoder] = []
        self.asked, self.looked = 0.0, 0.0
        self.busy, self.there = dict.fromkeys(Role, 0.0), dict.fromkeys(Role, 0.0)
        self.running = dict.fromkeys(Role, 0)
        self.decoded, self.prefillers = 0.0, 0
        self.changes: list[RoleChange] = []
        self.numbers = iter(range(1 << 62))
        self.left = 0

    def run(self, requests: Sequence[ServedRequest]) -> ServingRun:
        served = [ServedTimes(one) for one in requests]
        self.left = len(served)
        self.env.process(self._arrivals(served))
        self._begin(Role.PREFILL, self.plan.prefill_instances)
        self._begin(Role.DECODE, self.plan.decode_instances)
        if self.plan.flexible:
            self.env.process(self._watch(self.plan.flexible))
        if served:
            self.env.run(self.finished)
        busy = self.busy
        there = {one: self.there[one] + self.env.now * self.running[one] for one in Role}
        return ServingRun(
            tuple(served), busy[Role.PREFILL], busy[Role.DECODE], self.decoded,
            there[Role.PREFILL], there[Role.DECODE], tuple(self.changes),
        )  # fmt: skip

    def _begin(self, role: Role, number: int) -> _Instances:
        """Instances of ``role`` from now on."""
        new, env = _Instances(role), self.env
        for _ in range(number):
            self.there[role] -= env.now
            self.running[role] += 1
            if role == Role.PREFILL:
                self.prefillers += 1
                links = simpy.Resource(env, self.plan.links)
                new.running.append(env.process(self._prefiller(links, new)))
            else:
                self.decoders.append(_Decoder(env, new))
                new.running.append(env.process(self._decoding(self.decoders[-1])))
        return new

    def _end(self, old: _Instances) -> simpy.Event:
        """``old`` take no new requests; what comes is when theirs are gone."""
        old.ended = True
        if old.role == Role.PREFILL:
            self.prefillers -= len(old.running)
            self._announce()
        else:
            for decoder in self.decoders:
                if decoder.of is old:
                    decoder.awake()
            self.decoders = [each for each in self.decoders if each.of is not old]
        return self.env.all_of(old.running)

    def _gone(self, of: _Instances) -> None:
        self.there[of.role] += self.env.now
        self.running[of.role] -= 1

    def _watch(self, flexible: FlexibleGroups) -> _Process:
        """Changes one group after another, as the load asks."""
        groups = [self._begin(Role.PREFILL, flexible.as_prefill) for _ in range(flexible.groups)]
        numbers = {Role.PREFILL: flexible.as_prefill, Role.DECODE: flexible.as_decode}
        while True:
            yield self.env.timeout(flexible.interval)
            wanted = self._wanted(flexible)
            group = next((each for each in groups if wanted and each.role != wanted), None)
            if wanted and group:
                left = self.env.now
                yield self._end(group)
                yield self.env.timeout(flexible.seconds)
                groups[groups.index(group)] = self._begin(wanted, numbers[wanted])
                self.changes.append(RoleChange(wanted, left, self.env.now))

    def _wanted(self, flexible: FlexibleGroups) -> Role | None:
        """The role of which there is too little, if the other can spare a group."""
        room = HIGH * self.plan.batch * self.plan.decode_accelerators
        taken, decoders = sum(each.load for each in self.decoders), len(self.decoders)
        late = self.queue and self.env.now - self.queue[0].request.arrival > flexible.patience
        spare = HIGH * (self.prefillers - flexible.as_prefill)
        asked, passed = self.asked, self.env.now - self.looked
        self.asked, self.looked = 0.0, self.env.now
        if late and taken <= room * (decoders - flexible.as_decode):
            return Role.PREFILL
        if taken > room * decoders and not late and asked <= spare * passed:
            return Role.DECODE
        return None

    def _arrivals(self, served: list[ServedTimes]) -> _Process:
        for one in served:
            yield self.env.timeout(max(one.request.arrival - self.env.now, 0.0))
            self.queue.append(one)
            if self.plan.flexible:
                self.asked += self._share(one.request.prompt)
            self._announce()

    def _share(self, prompt: int) -> float:
        """Seconds of an instance with full batches."""
        room = self.plan.prefill_tokens * self.plan.prefill_accelerators
        return prompt / room * self.plan.prefill(self.plan.prefill_tokens, prompt, 0.0)

    def _announce(self) -> None:
        self.arrived.succeed()
        self.arrived = self.env.event()

    def _prefiller(self, links: simpy.Resource, own: _Instances) -> _Process:
        plan = self.plan
        while True:
            while not self.queue and not own.ended:
                yield self.arrived
            if own.ended:
                self._gone(own)
                return
            taken, tokens, load = self._batch()
            each = tokens / plan.prefill_accelerators
            prompts = sum(one.request.prompt for one in taken)
            reused = sum(one.reused for one in taken) / prompts
            lasts = plan.prefill(each, prompts / len(taken), reused) + load
            self.busy[Role.PREFILL] += lasts
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
            one.admitted = one.first
            self._done(one)
            return
        with links.request() as link:
            yield link
            yield self.env.timeout(self.plan.handoff(one.request.prompt))
        decoder = min(self.decoders, key=lambda each: each.load)
        decoder.waiting.append(one)
        decoder.awake()

    def _done(self, one: ServedTimes) -> None:
        one.done = self.env.now
        self.left -= 1
        if not self.left:
            self.finished.succeed()

    def _decoding(self, decoder: _Decoder) -> _Process:
        plan = self.plan
        room = plan.batch * plan.decode_accelerators
        while True:
            while not decoder.load and not decoder.of.ended:
                decoder.wake = self.env.event()
                yield decoder.wake
            if not decoder.load:
                self._gone(decoder.of)
                return
            while decoder.waiting and len(decoder.inside) < room:
                self._admit(decoder, decoder.waiting.popleft())
            inside = len(decoder.inside)
            context = decoder.base / inside + decoder.made
            lasts = plan.decode(max(inside / plan.decode_accelerators, 1.0), context)
            self.busy[Role.DECODE] += lasts
            self.decoded += lasts * inside
            yield self.env.timeout(lasts)
            decoder.made += plan.emitted
            while decoder.inside and decoder.inside[0][0] <= decoder.made:
                mark, _, one = heapq.heappop(decoder.inside)
                decoder.base -= one.request.prompt - (mark - one.request.output + 1)
                self._done(one)

    def _admit(self, decoder: _Decoder, one: ServedTimes) -> None:
        one.admitted = self.env.now
        decoder.base += one.request.prompt - decoder.made
        mark = decoder.made + one.request.output - 1
        heapq.heappush(decoder.inside, (mark, next(self.numbers), one))
