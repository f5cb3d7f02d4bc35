"""Fabric: a topology, its routing, an engine and a software stack; `simulate` times a schedule."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabric import flow, maxmin
from fabric.bound import PAIR, Chain, Columns, extend, make_chain
from fabric.endpoint import Costs, Endpoint, EndpointError
from fabric.presets import preset
from fabric.step import ScheduleError, Step
from fabric.timeline import Bottleneck, Timeline
from fabric.window import Batch, Binding, Load, Streams, batches, binding, by_rank, carry, load
from topology.graph import Ints, Topology
from topology.routes import Router

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]

ENGINES = ("flow",)
WINDOW_ROWS = 1 << 20
"""Rows in memory at a time: longer schedules pass through in windows."""

# What the flow engine may do per tolerance (see `fabric.flow.run`): the share of flows that may end
# between two solves, and how close events may lie to share one. benchmarks/accuracy.py measures
# what comes of it.
_SHARE = 100.0
_GRAIN = 1.0


@dataclass(frozen=True, eq=False)
class Fabric:
    """How long schedules take on a topology.

    ``engine``: one of `ENGINES`. ``routing``: one of `topology.routes.POLICIES`. ``endpoint``: a
    software preset's name, or an `Endpoint`. ``planes``: in order of preference; default: the
    endpoint's, else the topology's. ``placement``: the endpoint (number) that each rank sits on,
    int [places]; default: the accelerators in order. ``tolerance``: of the flow engine, as a
    fraction of the duration; 0 is exact.

    Raises `EndpointError`, `TopologyError`, `ScheduleError` for what is not to be had.
    """

    topology: Topology
    engine: str = "flow"
    routing: str = "spray"
    endpoint: Endpoint | str = "raw"
    planes: tuple[str, ...] | None = None
    placement: ArrayLike | None = None
    tolerance: float = 1e-3
    software: Endpoint = field(init=False)
    _bindings: dict[int, Binding] = field(init=False, default_factory=dict)
    router: Router = field(init=False)
    places: Ints = field(init=False)

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise EndpointError(f"no engine {self.engine!r}; there are {', '.join(ENGINES)}")
        if not 0 <= self.tolerance < 1:
            raise EndpointError(f"the tolerance is {self.tolerance}, outside 0 to 1")
        endpoint = preset(self.endpoint) if isinstance(self.endpoint, str) else self.endpoint
        planes = self.planes or endpoint.planes
        set_field = object.__setattr__
        set_field(self, "software", endpoint)
        set_field(self, "router", Router(self.topology, self.routing, planes))
        set_field(self, "places", _places(self.topology, self.placement))

    def simulate(
        self, steps: Iterable[Step], *, operation: str = "", ranks: int | None = None
    ) -> Timeline:
        """When every transfer of a schedule happens.

        ``operation``: picks the endpoint's constants ("dispatch", "all_gather", ...). ``ranks``:
        how many take part; default: the highest rank of the first steps, plus one. Raises
        `ScheduleError` for a rank that has no place, `RouteError` for ranks that are cut off.
        """
        run = _Run(self, self.software.costs(operation), ranks)
        coming = batches(iter(steps), len(self.places), WINDOW_ROWS)
        batch = next(coming, None)
        while batch is not None:
            following = next(coming, None)
            run.window(batch, more=following is not None)
            batch = following
        return run.timeline()

    def binding(self) -> Binding:
        """The paths found so far, without what cannot limit them; made anew when there are more."""
        table = self.router.table
        known = len(table.begin)
        if known not in self._bindings:
            self._bindings.clear()
            self._bindings[known] = binding(table, self.router.capacity)
        return self._bindings[known]


def _places(topology: Topology, placement: ArrayLike | None) -> Ints:
    if placement is None:
        return topology.accelerators
    places = np.asarray(placement, np.int32)
    bad = np.flatnonzero((places < 0) | (places >= topology.n_endpoints))
    if len(bad):
        raise ScheduleError(
            f"rank {bad[0]} is placed on endpoint {places[bad[0]]}, outside"
            f" 0..{topology.n_endpoints - 1} of {topology.name}"
        )
    return places


@dataclass(frozen=True)
class _State:
    """Streams not yet through, and how far they are: columns as in `fabric.flow.Window`.

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
        status = np.full(n, flow.WAITING, np.int8)
        home = np.arange(first, first + n)
        return _State(streams, streams.size.copy(), status, np.zeros(n), np.zeros(n), home)

    def pick(self, which: NDArray[np.bool_]) -> "_State":
        return _State(self.streams.pick(which), *(column[which] for column in self.columns()))

    def then(self, other: "_State") -> "_State":
        pairs = zip(self.columns(), other.columns(), strict=True)
        return _State(self.streams.then(other.streams), *(np.concatenate(p) for p in pairs))

    def columns(self) -> tuple[NDArray[Any], ...]:
        return self.left, self.status, self.start, self.arrive, self.home


def _efficiency(fabric: Fabric, costs: Costs) -> _Floats:
    """What fraction of each resource the software gets to use."""
    by_plane = np.array([costs.efficiency.get(name, 1.0) for name in fabric.topology.planes])
    return by_plane[fabric.router.plane]


class _Run:
    """One simulation: the state that outlives a window."""

    def __init__(self, fabric: Fabric, costs: Costs, ranks: int | None) -> None:
        self.fabric, self.costs, self.ranks = fabric, costs, ranks
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
        """Run one batch of steps, with what is left of those before."""
        if not self.batches:
            seen = int(max(batch.src.max(initial=-1), batch.dst.max(initial=-1))) + 1
            self.ranks = seen if self.ranks is None else self.ranks
            self.begin = self.costs.start(self.ranks)
            self.ready[:] = self.begin
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
        flows = maxmin.make_flows(
            state.left, costs.limit, costs.limits, costs.entries, costs.resource, costs.weight,
            self.capacity,
        )  # fmt: skip
        window = self._window(state, costs)
        share, grain = (part * fabric.tolerance for part in (_SHARE, _GRAIN))
        self.time = flow.run(window, flows, self.time, share, grain, more)
        self._keep(state, window, more)

    def _window(self, state: _State, costs: Load) -> flow.Window:
        streams, n = state.streams, len(state.left)
        rank_flow, rank_begin = by_rank(streams.src, streams.dst, len(self.ready))
        assert self.ranks is not None
        return flow.Window(
            src=streams.src, dst=streams.dst, step=streams.step, latency=costs.latency,
            src_cost=costs.src_cost, dst_cost=costs.dst_cost, status=state.status,
            missing=np.where(streams.src == streams.dst, 1, 2).astype(np.int8),
            start=state.start, arrive=state.arrive, finish=np.zeros(n), rank_flow=rank_flow,
            rank_at=rank_begin[:-1].copy(), rank_end=rank_begin[1:],
            open=np.zeros(len(self.ready), np.int64), ready=self.ready, latest=self.latest,
            cost=self.cost, under_way=np.zeros(n, np.int64), ended=np.zeros(n, np.int64),
            through=np.zeros(n, np.int64), freed=np.zeros(len(self.ready), np.int64),
            dues=np.zeros(n), soonest=np.full(2, np.inf),
            n=np.array([0, 0, self.ranks, 0, (state.status == flow.WAITING).sum(), 0]),
        )  # fmt: skip

    def _account(self, streams: Streams, path: Ints, costs: Load, old: int) -> None:
        """Closed forms and bytes of the streams that are new in this window."""
        rank_flow, rank_begin = by_rank(streams.src, streams.dst, len(self.ready))
        new = slice(old, None)
        extend(self.chain, Columns(
            streams.step, streams.src, streams.dst, costs.src_cost[new], costs.dst_cost[new],
            costs.latency[new], streams.size, costs.limits[costs.limit[new]],
            costs.entries[old:], costs.resource, costs.weight, rank_flow, rank_begin,
        ), self.capacity)  # fmt: skip
        moving = streams.size > 0
        self.least_latency = min(self.least_latency, costs.latency[new][moving].min(initial=np.inf))
        table, n = self.fabric.router.table, len(self.fabric.router.capacity)
        carry(self.carried_bytes, path, streams.size, table.begin, table.resource, table.weight)
        if self.costs.initiator_bandwidth < np.inf:
            leaves = self.fabric.router.leaves_package[path]
            self.carried_bytes[n:] += np.bincount(
                streams.src[leaves], streams.size[leaves], len(self.ready)
            )

    def _keep(self, state: _State, window: flow.Window, more: bool) -> None:
        done = window.status == flow.DONE
        first = 0
        for start, finish in zip(self.start, self.finish, strict=True):
            here = done & (state.home >= first) & (state.home < first + len(start))
            start[state.home[here] - first] = window.start[here]
            finish[state.home[here] - first] = window.finish[here]
            first += len(start)
        if not more and not done.all():
            raise ScheduleError(f"{(~done).sum()} transfers never end: no bandwidth is left")
        self.carried = None if done.all() else state.pick(~done)

    def timeline(self) -> Timeline:
        """The answer, when every window has run."""

        def rows(columns: Iterable[NDArray[Any]], empty: type) -> NDArray[Any]:
            return np.concatenate([np.zeros(0, empty), *columns])

        streams = [batch.stream for batch in self.batches]
        bound, bottleneck = self._bound()
        return Timeline(
            src=rows((b.src for b in self.batches), np.int64),
            dst=rows((b.dst for b in self.batches), np.int64),
            size=rows((b.size for b in self.batches), np.int64),
            step=rows((b.step for b in self.batches), np.int64),
            start=rows((t[s] for t, s in zip(self.start, streams, strict=True)), np.float64),
            finish=rows((t[s] for t, s in zip(self.finish, streams, strict=True)), np.float64),
            rank_finish=self.ready[: self.ranks or 0], bound=bound, bottleneck=bottleneck,
            labels=tuple(label for batch in self.batches for label in batch.labels),
            resource_bytes=self.carried_bytes[: len(self.fabric.router.capacity)],
            router=self.fabric.router,
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
        n, software = len(self.fabric.router.capacity), self.fabric.software.name
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
