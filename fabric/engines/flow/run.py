"""One simulation: runs the windows of a schedule through the engine, and builds the timeline."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.classes.table import TRAIT
from fabric.engines.account import Account
from fabric.engines.base import EndedTransfers, Told
from fabric.engines.columns import Batch, Streams
from fabric.engines.flow import events, in_flight, uncontended
from fabric.engines.flow.in_flight import NO_PRIORITIES, Priorities
from fabric.engines.flow.priorities import priorities
from fabric.engines.flow.weights import weighted
from fabric.engines.paths import FlowLoads, promised
from fabric.schedule.step import ScheduleError
from fabric.timeline.value import Timeline
from topology.compiled import compiled

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
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
class StreamState:
    """Streams that have not finished, and their state: columns as in `events.EventWindow`.

    ``home``: int64, the stream's number in the whole schedule.
    """

    streams: Streams
    left: _Floats
    status: NDArray[np.int8]
    start: _Floats
    arrive: _Floats
    home: _Longs

    @staticmethod
    def fresh(streams: Streams, first: int) -> "StreamState":
        """Of ``streams`` that nothing has happened to; ``first``: the number of the first."""
        n = len(streams)
        status = np.full(n, events.WAITING, np.int8)
        home = np.arange(first, first + n)
        return StreamState(streams, streams.size.copy(), status, np.zeros(n), np.zeros(n), home)

    def pick(self, which: NDArray[np.bool_]) -> "StreamState":
        """Those selected by a mask."""
        return StreamState(self.streams.pick(which), *(column[which] for column in self.columns()))

    def then(self, other: "StreamState") -> "StreamState":
        """These, then those of ``other``."""
        pairs = zip(self.columns(), other.columns(), strict=True)
        return StreamState(self.streams.then(other.streams), *(np.concatenate(p) for p in pairs))

    def columns(self) -> tuple[NDArray[Any], ...]:
        """All columns but the streams themselves."""
        return self.left, self.status, self.start, self.arrive, self.home


def _least(streams: Streams, costs: FlowLoads) -> float:
    """The least latency between two ranks."""
    return float(_least_between(streams.src, streams.dst, costs.latency))


@compiled
def _least_between(src: _Ints, dst: _Ints, latency: _Floats) -> float:
    least = np.inf
    for i in range(len(src)):
        if src[i] != dst[i]:
            least = min(least, latency[i])
    return least


def _weighted_back(
    run: Callable[[], float], left: _Floats, weight: _Floats, state: StreamState
) -> float:  # fmt: skip
    """Run flows that count their bytes in ``weight`` bytes; what is left of them goes back."""
    time = run()
    state.left[:] = left * weight
    return time


class Simulation:
    """One simulation: the state that is kept from window to window; ``tolerance`` as in `Flow`.

    ``told``: gets the transfers that have ended, after each stretch that was run; None: nobody.
    """

    def __init__(self, account: Account, tolerance: float) -> None:
        self.account, self._liberties = account, liberties(tolerance)
        places = len(account.machine.places)
        self.time = 0.0
        self.ready, self.latest, self.cost = np.zeros(places), np.zeros(places), np.zeros(places)
        self.start: list[_Floats] = []
        self.finish: list[_Floats] = []
        self.carried: StreamState | None = None
        self.told: Told | None = None

    def window(self, batch: Batch, more: bool) -> None:
        """Run one batch of steps, with what is left of those before.

        ``more``: True if another batch follows.
        """
        self.account.open(batch)
        if not self.start:
            self.ready[:] = self.account.begin
        state = StreamState.fresh(batch.streams, sum(len(start) for start in self.start))
        if self.carried is not None:
            state = self.carried.then(state)
        self.start.append(np.zeros(len(batch.streams)))
        self.finish.append(np.zeros(len(batch.streams)))
        self._advance(state, len(state.left) - len(batch.streams), more)

    def _advance(self, state: StreamState, old: int, more: bool) -> None:
        finish = np.zeros(len(state.left))
        # What is only needed to get ready is freed before it runs: there may be millions of rows.
        self.time = self._ready(state, old, finish, more)()
        self._keep(state, finish, more)

    def _ready(
        self, state: StreamState, old: int, finish: _Floats, more: bool
    ) -> Callable[[], float]:  # fmt: skip
        """What runs the streams of ``state``, of which the first ``old`` were counted before."""
        streams = state.streams
        loaded = self.account.load(streams, old, forget=True)
        costs = loaded.loads
        self.account.count(streams, loaded, old)
        rate = uncontended.rates(
            streams.src, streams.dst, streams.step, state.left, costs.limit, costs.limits,
            costs.entries, costs.resource, costs.weight, self.account.capacity,
        )  # fmt: skip
        if len(rate):
            apart = self._apart(state, costs, rate, finish)
            return partial(uncontended.run, apart, self.time, self._watched(), more)
        window, capacity = self._window(state, costs, finish), self.account.capacity
        return self._shared(window, state, costs, more, capacity, NO_PRIORITIES, np.inf)[1]

    def _watched(self) -> int:
        """How many ranks nothing runs ahead of: one not seen yet may come, unless all are given."""
        given = self.account.given
        return len(self.ready) if given is None else given

    def _apart(
        self, state: StreamState, costs: FlowLoads, rate: _Floats, finish: _Floats
    ) -> uncontended.Uncontended:
        streams = state.streams
        return uncontended.Uncontended(
            streams.src, streams.dst, streams.step, costs.latency, costs.src_cost, costs.dst_cost,
            state.left, rate, state.status, state.start, state.arrive, finish,
            self.ready, self.latest, self.cost,
        )  # fmt: skip

    def _run(
        self, window: events.EventWindow, state: StreamState, costs: FlowLoads, more: bool,
        capacity: _Floats, order: Priorities, until: float,
    ) -> in_flight.Flows:  # fmt: skip
        """Run a window ``until`` then; ``order`` holds where classes say nothing else."""
        flows, run = self._shared(window, state, costs, more, capacity, order, until)
        self.time = run()
        return flows

    def _shared(
        self, window: events.EventWindow, state: StreamState, costs: FlowLoads, more: bool,
        capacity: _Floats, order: Priorities, until: float,
    ) -> tuple[in_flight.Flows, Callable[[], float]]:  # fmt: skip
        """The flows of a window, and what runs them; arguments as of `_run`."""
        classes, left = self.account.machine.traffic_classes, state.left
        weight = np.ones(1)
        if classes:
            weight = classes.weights[classes.rows(state.streams.trait(TRAIT))]
            order = priorities(classes, state.streams, order)
        if (weight != 1).any():
            costs, left = weighted(costs, weight), left / weight
        flows = in_flight.make_flows(
            left, costs.limit, costs.limits, costs.entries, costs.resource, costs.weight,
            capacity, order, self._promise(len(capacity)),
        )  # fmt: skip
        share, grain = self._liberties
        run = partial(events.run, window, flows, self.time, share, grain, more, until)
        if left is not state.left:
            run = partial(_weighted_back, run, left, weight, state)
        return flows, run

    def _promise(self, resources: int) -> _Floats:
        """What classes are promised of so many resources; see `in_flight.Flows`."""
        account = self.account
        classes, places = account.machine.traffic_classes, len(account.machine.places)
        return promised(classes, places, resources, resources - len(account.capacity))

    def _window(self, state: StreamState, costs: FlowLoads, finish: _Floats) -> events.EventWindow:
        streams = state.streams
        return events.fresh_window(
            streams.src, streams.dst, streams.step, costs.latency, costs.src_cost, costs.dst_cost,
            state.status, state.start, state.arrive, finish, self.ready, self.latest, self.cost,
            watched=self._watched(), least=_least(streams, costs),
        )  # fmt: skip

    def _keep(self, state: StreamState, finished: _Floats, more: bool) -> None:
        done = state.status == events.DONE
        self._tell(state, finished, done)
        if len(self.start) == 1 and done.all():  # one window took it all: the usual case
            self.start, self.finish = [state.start], [finished]
            return
        self._note(state, finished, done)
        if not more and not done.all():
            raise ScheduleError(f"{(~done).sum()} transfers never end: no bandwidth is left")
        self.carried = None if done.all() else state.pick(~done)

    def _tell(self, state: StreamState, finished: _Floats, done: NDArray[np.bool_]) -> None:
        """Tell who wants to know of those that are ``done``."""
        if self.told is not None and done.any():
            streams = state.streams
            self.told(EndedTransfers(
                streams.src[done], streams.dst[done], streams.size[done], streams.step[done],
                state.start[done], finished[done],
            ))  # fmt: skip

    def _note(self, state: StreamState, finished: _Floats, done: NDArray[np.bool_]) -> None:
        """Write down when those that are ``done`` began and ended."""
        first = 0
        for start, finish in zip(self.start, self.finish, strict=True):
            here = done & (state.home >= first) & (state.home < first + len(start))
            start[state.home[here] - first] = state.start[here]
            finish[state.home[here] - first] = finished[here]
            first += len(start)

    def timeline(self) -> Timeline:
        """The finished `Timeline`, once every window has run."""
        return self.account.timeline(self.start, self.finish, self.ready)
