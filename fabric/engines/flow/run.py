"""One simulation: runs the windows of a schedule through the engine, and builds the timeline."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.classes.table import TRAIT
from fabric.engines.account import Account
from fabric.engines.columns import Batch, Streams
from fabric.engines.flow import events, in_flight, uncontended
from fabric.engines.flow.in_flight import NO_PRIORITIES
from fabric.engines.flow.priorities import priorities
from fabric.engines.flow.weights import weighted
from fabric.engines.paths import FlowLoads
from fabric.schedule.step import ScheduleError
from fabric.timeline.value import Timeline

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]

# What the flow engine may do per tolerance (see `events.run`): the share of flows that may end
# between two solves, and at most which; how close events may lie to share a solve, as a fraction of
# what their flows take. benchmarks/accuracy.py measures what comes of it.
_SHARE, _MOST = 100.0, 0.1
_GRAIN = 1.0


def liberties(tolerance: float) -> tuple[float, float]:
    """The ``share`` and ``grain`` (see `run`) that a relative ``tolerance`` allows."""
    return min(_SHARE * tolerance, _MOST), _GRAIN * tolerance


@dataclass(frozen=True)
class _State:
    """Streams that have not finished, and their state: columns as in `events.Window`.

    ``home``: int64, the stream's number in the whole schedule.
    """

    streams: Streams
    left: _Floats
    status: NDArray[np.int8]
    start: _Floats
    arrive: _Floats
    home: _Longs

    @staticmethod
    def fresh(streams: Streams, first: int) -> "_State":
        n = len(streams)
        status = np.full(n, events.WAITING, np.int8)
        home = np.arange(first, first + n)
        return _State(streams, streams.size.copy(), status, np.zeros(n), np.zeros(n), home)

    def pick(self, which: NDArray[np.bool_]) -> "_State":
        return _State(self.streams.pick(which), *(column[which] for column in self.columns()))

    def then(self, other: "_State") -> "_State":
        pairs = zip(self.columns(), other.columns(), strict=True)
        return _State(self.streams.then(other.streams), *(np.concatenate(p) for p in pairs))

    def columns(self) -> tuple[NDArray[Any], ...]:
        return self.left, self.status, self.start, self.arrive, self.home


def _least(streams: Streams, costs: FlowLoads) -> float:
    """The least latency between two ranks."""
    return float(costs.latency[streams.src != streams.dst].min(initial=np.inf))


class Simulation:
    """One simulation: the state that is kept from window to window; ``tolerance`` as in `Flow`."""

    def __init__(self, account: Account, tolerance: float) -> None:
        self.account, self._liberties = account, liberties(tolerance)
        places = len(account.machine.places)
        self.time = 0.0
        self.ready, self.latest, self.cost = np.zeros(places), np.zeros(places), np.zeros(places)
        self.start: list[_Floats] = []
        self.finish: list[_Floats] = []
        self.carried: _State | None = None

    def window(self, batch: Batch, more: bool) -> None:
        """Run one batch of steps, with what is left of those before.

        ``more``: True if another batch follows.
        """
        self.account.open(batch)
        if not self.start:
            self.ready[:] = self.account.begin
        state = _State.fresh(batch.streams, sum(len(start) for start in self.start))
        if self.carried is not None:
            state = self.carried.then(state)
        self.start.append(np.zeros(len(batch.streams)))
        self.finish.append(np.zeros(len(batch.streams)))
        self._advance(state, len(state.left) - len(batch.streams), more)

    def _advance(self, state: _State, old: int, more: bool) -> None:
        streams = state.streams
        loaded = self.account.load(streams)
        costs = loaded.loads
        self.account.count(streams, loaded, old)
        rate = uncontended.rates(
            streams.src, streams.dst, streams.step, state.left, costs.limit, costs.limits,
            costs.entries, costs.resource, costs.weight, self.account.capacity,
        )  # fmt: skip
        finish = np.zeros(len(streams))
        if len(rate):
            window = self._apart(state, costs, rate, finish)
            self.time = uncontended.run(window, self.time, self._watched(), more)
        else:
            self._share(state, costs, finish, more)
        self._keep(state, finish, more)

    def _watched(self) -> int:
        """How many ranks nothing runs ahead of: one not seen yet may come, unless all are given."""
        given = self.account.given
        return len(self.ready) if given is None else given

    def _apart(
        self, state: _State, costs: FlowLoads, rate: _Floats, finish: _Floats
    ) -> uncontended.Uncontended:
        streams = state.streams
        return uncontended.Uncontended(
            streams.src, streams.dst, streams.step, costs.latency, costs.src_cost, costs.dst_cost,
            state.left, rate, state.status, state.start, state.arrive, finish,
            self.ready, self.latest, self.cost,
        )  # fmt: skip

    def _share(self, state: _State, costs: FlowLoads, finish: _Floats, more: bool) -> None:
        classes, left = self.account.machine.traffic_classes, state.left
        weight, order = np.ones(1), NO_PRIORITIES
        if classes:
            weight = classes.weights[classes.rows(state.streams.trait(TRAIT))]
            order = priorities(classes, state.streams)
        if (weight != 1).any():
            costs, left = weighted(costs, weight), left / weight
        flows = in_flight.make_flows(
            left, costs.limit, costs.limits, costs.entries, costs.resource, costs.weight,
            self.account.capacity, order,
        )  # fmt: skip
        window = self._window(state, costs, finish)
        share, grain = self._liberties
        self.time = events.run(window, flows, self.time, share, grain, more)
        if left is not state.left:
            state.left[:] = left * weight

    def _window(self, state: _State, costs: FlowLoads, finish: _Floats) -> events.Window:
        streams = state.streams
        return events.fresh_window(
            streams.src, streams.dst, streams.step, costs.latency, costs.src_cost, costs.dst_cost,
            state.status, state.start, state.arrive, finish, self.ready, self.latest, self.cost,
            watched=self._watched(), least=_least(streams, costs),
        )  # fmt: skip

    def _keep(self, state: _State, finished: _Floats, more: bool) -> None:
        done = state.status == events.DONE
        if len(self.start) == 1 and done.all():  # one window took it all: the usual case
            self.start, self.finish = [state.start], [finished]
            return
        first = 0
        for start, finish in zip(self.start, self.finish, strict=True):
            here = done & (state.home >= first) & (state.home < first + len(start))
            start[state.home[here] - first] = state.start[here]
            finish[state.home[here] - first] = finished[here]
            first += len(start)
        if not more and not done.all():
            raise ScheduleError(f"{(~done).sum()} transfers never end: no bandwidth is left")
        self.carried = None if done.all() else state.pick(~done)

    def timeline(self) -> Timeline:
        """The finished `Timeline`, once every window has run."""
        return self.account.timeline(self.start, self.finish, self.ready)
