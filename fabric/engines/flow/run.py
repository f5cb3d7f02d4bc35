"""One simulation: runs the windows of a schedule through the engine, and builds the timeline."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fabric.endpoint.costs import Costs
from fabric.engines.bounds import PAIR, Chain, Columns, extend, make_chain
from fabric.engines.columns import Batch, FlowLoads, Streams, by_rank, carry, load
from fabric.engines.flow import events, maxmin, uncontended
from fabric.schedule.step import ScheduleError
from fabric.timeline.value import Bottleneck, Timeline
from topology.graph import Ints

if TYPE_CHECKING:
    from fabric.fabric import Fabric

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]

# What the flow engine may do per tolerance (see `flow.run`): the share of flows that may end
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


def _efficiency(fabric: "Fabric", costs: Costs) -> _Floats:
    """What fraction of each resource the software gets to use."""
    by_plane = np.array([costs.efficiency.get(name, 1.0) for name in fabric.topology.planes])
    return by_plane[fabric.router.plane]


def _of_rows(times: _Floats, stream: _Longs) -> _Floats:
    """The times of each row's stream; rows that are a stream each are so in order."""
    return times if len(times) == len(stream) else times[stream]


def _least(streams: Streams, costs: FlowLoads) -> float:
    """The least latency between two ranks."""
    return float(costs.latency[streams.src != streams.dst].min(initial=np.inf))


class Simulation:
    """One simulation: the state that outlives a window."""

    def __init__(self, fabric: "Fabric", operation: str, ranks: int | None) -> None:
        costs = fabric.software.costs(operation)
        self.fabric, self.operation, self.costs, self.given = fabric, operation, costs, ranks
        self.ranks = ranks or 0
        places = len(fabric.places)
        limits = np.full(places, costs.initiator_bandwidth)
        usable = fabric.router.capacity * _efficiency(fabric, costs)
        self.capacity = np.concatenate([usable, limits])
        self.begin, self.time, self.least_latency = 0.0, 0.0, np.inf
        self.ready, self.latest, self.cost = np.zeros(places), np.zeros(places), np.zeros(places)
        self.chain: Chain = make_chain(places)
        self.batches: list[Batch] = []
        self.start: list[_Floats] = []
        self.finish: list[_Floats] = []
        self.carried: _State | None = None
        self.carried_bytes = np.zeros(len(self.capacity))

    def window(self, batch: Batch, more: bool) -> None:
        """Run one batch of steps, together with what is unfinished of earlier ones.

        ``more``: whether further batches will come. Raises `ScheduleError` for a rank that is not
        below the given number of ranks.
        """
        seen = int(max(batch.src.max(initial=-1), batch.dst.max(initial=-1))) + 1
        if not self.batches:
            self.begin = self.costs.start(self.given or seen)
            self.ready[:] = self.begin
        self.ranks = max(self.ranks, seen)
        if self.given is not None and seen > self.given:
            raise ScheduleError(f"a step names rank {seen - 1}, but there are {self.given} ranks")
        state = _State.fresh(batch.streams, sum(len(start) for start in self.start))
        if self.carried is not None:
            state = self.carried.then(state)
        self.batches.append(batch)
        self.start.append(np.zeros(len(batch.streams)))
        self.finish.append(np.zeros(len(batch.streams)))
        self._advance(state, len(state.left) - len(batch.streams), more)

    def _advance(self, state: _State, old: int, more: bool) -> None:
        fabric, streams = self.fabric, state.streams
        path = fabric.router.paths(fabric.places[streams.src], fabric.places[streams.dst])
        table = fabric.binding()
        costs = load(streams, path, table, fabric.router, self.costs)
        self._account(streams.pick(slice(old, None)), path[old:], costs, old)
        rate = uncontended.rates(
            streams.src, streams.dst, streams.step, state.left, costs.limit, costs.limits,
            costs.entries, costs.resource, costs.weight, self.capacity,
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
        return len(self.ready) if self.given is None else self.given

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
        flows = maxmin.make_flows(
            state.left, costs.limit, costs.limits, costs.entries, costs.resource, costs.weight,
            self.capacity,
        )  # fmt: skip
        window = self._window(state, costs, finish)
        share, grain = liberties(self.fabric.tolerance)
        self.time = events.run(window, flows, self.time, share, grain, more)

    def _window(self, state: _State, costs: FlowLoads, finish: _Floats) -> events.Window:
        streams, n = state.streams, len(state.left)
        rank_flow, rank_begin = by_rank(streams.src, streams.dst, streams.step, len(self.ready))
        return events.Window(
            src=streams.src, dst=streams.dst, step=streams.step, latency=costs.latency,
            src_cost=costs.src_cost, dst_cost=costs.dst_cost, status=state.status,
            missing=np.where(streams.src == streams.dst, 1, 2).astype(np.int8),
            start=state.start, arrive=state.arrive, finish=finish, rank_flow=rank_flow,
            rank_at=rank_begin[:-1].copy(), rank_end=rank_begin[1:],
            open=np.zeros(len(self.ready), np.int64), ready=self.ready, latest=self.latest,
            cost=self.cost, under_way=np.zeros(n, np.int64), ended=np.zeros(n, np.int64),
            through=np.zeros(n, np.int64), freed=np.zeros(len(self.ready), np.int64),
            dues=np.zeros(n), soonest=np.array([np.inf, np.inf, _least(streams, costs), 0.0, 0.0]),
            n=np.array([0, 0, self._watched(), 0, (state.status == events.WAITING).sum(), 0]),
        )  # fmt: skip

    def _account(self, streams: Streams, path: Ints, costs: FlowLoads, old: int) -> None:
        """Closed forms and bytes of the streams that are new in this window."""
        new = slice(old, None)
        extend(self.chain, Columns(
            streams.step, streams.src, streams.dst, costs.src_cost[new], costs.dst_cost[new],
            costs.latency[new], streams.size, costs.limits[costs.limit[new]],
            costs.entries[old:], costs.resource, costs.weight,
        ), self.capacity)  # fmt: skip
        moving = (streams.size > 0) & (streams.src != streams.dst)
        self.least_latency = min(self.least_latency, costs.latency[new][moving].min(initial=np.inf))
        table, n = self.fabric.router.table, len(self.fabric.router.capacity)
        carry(self.carried_bytes, path, streams.size, table.begin, table.resource, table.weight)
        if self.costs.initiator_bandwidth < np.inf:
            leaves = self.fabric.router.leaves_package[path]
            self.carried_bytes[n:] += np.bincount(
                streams.src[leaves], streams.size[leaves], len(self.ready)
            )

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
        """The result as a `Timeline`, after all windows have run."""

        def rows(columns: Iterable[NDArray[Any]], empty: type) -> NDArray[Any]:
            parts = list(columns)
            return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, empty), *parts])

        streams = [batch.stream for batch in self.batches]
        bound, bottleneck = self._bound()
        return Timeline(
            src=rows((b.src for b in self.batches), np.int64),
            dst=rows((b.dst for b in self.batches), np.int64),
            size=rows((b.size for b in self.batches), np.int64),
            step=rows((b.step for b in self.batches), np.int64),
            start=rows(map(_of_rows, self.start, streams), np.float64),
            finish=rows(map(_of_rows, self.finish, streams), np.float64),
            rank_finish=self.ready[: self.ranks], bound=bound, bottleneck=bottleneck,
            labels=tuple(label for batch in self.batches for label in batch.labels),
            resource_bytes=self.carried_bytes[: len(self.fabric.router.capacity)],
            router=self.fabric.router, places=self.fabric.places,
            software=self.fabric.software.stack(self.operation), operation=self.operation,
        )  # fmt: skip

    def _bound(self) -> tuple[float, Bottleneck]:
        chain, duration = self.chain, float(self.ready.max(initial=0.0))
        total = chain.wire + chain.latency + chain.cost
        rank = int(total.argmax())
        shared = np.divide(self.carried_bytes, self.capacity)
        resource = int(shared.argmax()) if len(shared) else 0
        alone = len(shared) and shared[resource] > 0
        if alone and shared[resource] + self.least_latency > total[rank]:
            bound = self.begin + self.least_latency + float(shared[resource])
            return bound, self._bottleneck(resource, float(shared[resource]), bound, duration)
        parts = {
            int(chain.setter[rank, chain.votes[rank].argmax()]): float(chain.wire[rank]),
            _LATENCY: float(chain.latency[rank]), _COST: float(chain.cost[rank]) + self.begin,
        }  # fmt: skip
        cause = max(parts, key=lambda part: parts[part])
        bound = self.begin + float(total[rank])
        return bound, self._bottleneck(cause, parts[cause], bound, duration, rank)

    def _bottleneck(
        self, cause: int, time: float, bound: float, duration: float, rank: int = 0
    ) -> Bottleneck:
        share = time / duration if duration > 0 else 0.0
        n, software = len(self.fabric.router.capacity), self.fabric.software.stack(self.operation)
        if cause >= n:
            name = f"of rank {cause - n} as initiator ({software})"
            return Bottleneck("limit", name, time, share)
        if cause >= 0:
            return Bottleneck("link", self.fabric.router.name(cause), time, share)
        kind, name = {
            PAIR: ("limit", f"of one pair ({software})"),
            _LATENCY: ("latency", f"of rank {rank}'s steps"),
            _COST: ("endpoint", f"cost of {software} at rank {rank}"),
        }[cause]
        return Bottleneck(kind, name, time, share)


_LATENCY, _COST = -2, -3  # causes beside the resources and `PAIR`
