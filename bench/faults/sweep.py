"""Every single failure of a kind, or pairs of failures, timed one by one: what they cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from bench.faults.workload import Altered, SweptOperation, as_it_is
from collectives.workloads.background.streams import Background
from fabric.machine import MachineSpec
from fabric.timeline.value import Timeline
from topology.analysis.alike import by_number, signature
from topology.analysis.elements import Element
from topology.errors import RouteError, TopologyError
from topology.routing.policies import policy_of

CUT, FULL = "cut", "no room"
"""Why a machine is of no use after a failure: ranks have no path, or less places than ranks."""


@dataclass(frozen=True)
class Failure:
    """Failures that nobody can tell apart; ``names``: of each of them.

    ``slowdown``: the workload's time over that of the whole machine, None where it cannot run, and
    then ``why`` is `CUT` or `FULL`; ``bottleneck``: what sets the time, None beside streams.
    """

    names: tuple[str, ...]
    slowdown: float | None
    bottleneck: str | None = None
    why: str = ""


@dataclass(frozen=True)
class Sweep:
    """What failures of one kind do to a workload; ``time``: seconds on the whole machine."""

    kind: str
    time: float
    bottleneck: str | None
    failures: tuple[Failure, ...]

    @property
    def count(self) -> int:
        """How many failures there are."""
        return sum(len(one.names) for one in self.failures)

    @property
    def slowdowns(self) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """The slowdown of each failure after which the workload runs, rising."""
        found = [one.slowdown for one in self.failures for _ in one.names
                 if one.slowdown is not None]  # fmt: skip
        return np.sort(np.array(found, np.float64))

    @property
    def worst(self) -> Failure | None:
        """The failure that costs most of those after which the workload runs."""
        runs = [one for one in self.failures if one.slowdown is not None]
        return max(runs, key=lambda one: one.slowdown or 0.0, default=None)

    @property
    def cuts(self) -> tuple[Failure, ...]:
        """The failures after which the workload cannot run."""
        return tuple(one for one in self.failures if one.slowdown is None)


class Sweeper:
    """Times a workload on a machine with things taken out of it.

    ``topology``: what it is without anything more taken out; ``whole``: the workload's timeline
    there, alone, and ``beside`` streams, if there are any; ``time``: in seconds. ``altered``: what
    else is done to the fabric of every machine. Raises what `SweptOperation` raises.
    """

    def __init__(
        self, machine: MachineSpec, workload: SweptOperation, streams: Sequence[Background] = (),
        altered: Altered = as_it_is,
    ) -> None:  # fmt: skip
        self.machine, self.topology = machine, machine.topology()
        self.asked, self._streams, self._altered = workload, streams, altered
        self.workload = workload.settled(machine, altered)
        self.whole: Timeline = self.workload.simulate(machine, altered)
        self.beside = self.workload.beside(machine, streams, altered) if streams else None
        self.time = self.whole.duration if self.beside is None else self.beside.time
        self.planes = self.whole.router.planes
        self._apart = by_number(policy_of(machine.routing))
        self._hops = 2 * self.whole.router.farthest + 2  # a failure makes ways longer

    def groups(self, cases: Sequence[Element]) -> list[list[Element]]:
        """The failures that nobody can tell apart, together; each for itself where all differ."""
        found: dict[object, list[Element]] = {}
        for number, case in enumerate(cases):
            found.setdefault(number if self._apart else self._seen(case), []).append(case)
        return list(found.values())

    def _seen(self, case: Element) -> object:
        """What ranks see of the machine after a failure."""
        places = self.machine.changed(without=(*self.machine.without, *case.without))
        try:
            left, chosen = places.placed()
        except TopologyError:
            return case
        at = left.accelerators if chosen is None else chosen
        if len(at) < self.workload.ranks:
            return FULL
        return signature(left, self.planes, at[: self.workload.ranks], self._hops)

    def failure(self, alike: Sequence[Element]) -> Failure:
        """What the failures of a group cost."""
        names = tuple(case.name for case in alike)
        case = alike[0]
        machine = self.machine.changed(without=(*self.machine.without, *case.without))
        if self._room(machine) < self.workload.ranks:
            return Failure(names, None, why=FULL)
        try:
            time, bottleneck = self._timed(machine)
        except RouteError:
            return Failure(names, None, why=CUT)
        return Failure(names, time / self.time if self.time else 1.0, bottleneck)

    def _timed(self, machine: MachineSpec) -> tuple[float, str | None]:
        """Seconds on a machine, and what sets them."""
        if self._streams:
            return self.workload.beside(machine, self._streams, self._altered).time, None
        timeline = self.workload.simulate(machine, self._altered)
        return timeline.duration, str(timeline.bottleneck)

    def _room(self, machine: MachineSpec) -> int:
        """How many ranks have a place; 0 where one of those asked for is gone."""
        try:
            left, places = machine.placed()
        except TopologyError:
            return 0
        return len(left.accelerators if places is None else places)


def sweep(sweeper: Sweeper, kind: str, cases: Sequence[Element]) -> Iterator[Failure | Sweep]:
    """Time failures, those that are alike once: yields each, and at last the `Sweep` of all."""
    found = []
    for alike in sweeper.groups(cases):
        found.append(sweeper.failure(alike))
        yield found[-1]
    bottleneck = None if sweeper.beside else str(sweeper.whole.bottleneck)
    yield Sweep(kind, sweeper.time, bottleneck, tuple(found))


def pairs(cases: Sequence[Element], number: int, seed: int) -> list[Element]:
    """``number`` different pairs of failures at once, drawn evenly; all where there are fewer."""
    n = len(cases)
    if comb(n, 2) <= number:
        chosen = list(combinations(range(n), 2))
    else:
        draw, picked = np.random.default_rng(seed), dict[tuple[int, int], None]()
        while len(picked) < number:
            a, b = sorted(draw.integers(0, n, 2).tolist())
            if a < b:
                picked[a, b] = None
        chosen = list(picked)
    return [_both(cases[a], cases[b]) for a, b in chosen]


def _both(one: Element, other: Element) -> Element:
    names = dict.fromkeys((*one.without, *other.without))
    return Element(f"{one.name} + {other.name}", tuple(names))
