"""The machine of a session: all paths between its ranks, and what their streams load.

A call's ranks enter one by one and each knows only its own streams, so a call is put together rank
by rank.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.classes.table import TRAIT
from fabric.endpoint.costs import Costs
from fabric.engines.base import Machine
from fabric.engines.changed import ChangedMachine, to_nowhere
from fabric.engines.columns import RankStreams, Streams
from fabric.engines.flow.weights import weighted
from fabric.engines.paths import FlowLoads, class_limits, load, promised

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]


class LoadedStreams(NamedTuple):
    """The streams of one rank in one call, in order of ``key``, as columns.

    ``key``: int64, tells the streams of a call apart, rising with the step; modulo the number of
    traffic classes it is the place of the stream's class among them; ``step``; ``src``,
    ``dst``: int32, positions in the call's group; ``size``: bytes; ``latency``, ``src_cost``,
    ``dst_cost``: seconds; ``limit``: bytes per second; ``entries``, ``resource``, ``weight``:
    stream i loads ``resource[entries[i]:entries[i + 1]]``. Bytes are those of a flow of the
    stream's weight, see `fabric.engines.flow.weights`.
    """

    key: _Longs
    step: _Longs
    src: _Ints
    dst: _Ints
    size: _Floats
    latency: _Floats
    src_cost: _Floats
    dst_cost: _Floats
    limit: _Floats
    entries: _Longs
    resource: _Ints
    weight: _Floats


@dataclass(frozen=True, slots=True)
class RankShare:
    """What one rank brings to a call.

    ``streams``: its streams; ``limits``: those that occur in them, bytes per second; ``least``:
    seconds that they take at least.
    """

    streams: LoadedStreams
    limits: frozenset[float]
    least: float


class PlacedMachine:
    """A machine for a world of ``size`` ranks: all paths between them, and the links on these.

    Operations of a software stack may get different shares of a link, and calls of several are in
    flight together. So ``capacity`` (float64 [resources, then one initiator a rank, then the ranks
    in each class with a rate limit, then twice in each with a guarantee], bytes per second) is that
    of the operation that gets most. A stream that gets only a fraction f of it loads the link 1/f
    times. ``promise``: what the same resources are promised, see `in_flight.Flows`.

    In a machine that has ``changed`` two ranks may have lost all paths between them. So it has one
    resource more, the last one, which carries nothing: their streams load it.
    """

    def __init__(self, machine: Machine | ChangedMachine, size: int) -> None:
        self.machine, self.size, paths = machine, size, machine.paths
        software = machine.software
        # Copies: simulations on the same machine may find more paths meanwhile.
        self.changed = changed = isinstance(machine, ChangedMachine)
        self._path = paths.between(size)
        self._bound = paths.binding()
        self.classes = machine.traffic_classes
        self._ways = paths.ways(self.classes, size)
        costs = [*software.by_operation.values(), software.costs()]
        self._best = np.max([paths.share(one) for one in costs], axis=0)
        limits = [one.initiator_bandwidth for one in costs if one.initiator_bandwidth < np.inf]
        self._initiator = max(limits, default=np.inf)
        self._heavier: dict[object, _Floats] = {}  # by what it depends on
        initiators, nowhere = np.full(size, self._initiator), np.zeros(int(changed))
        self.capacity = np.concatenate(
            [paths.usable(self._best), initiators, class_limits(self.classes, size), nowhere]
        )
        self.promise = promised(self.classes, size, len(self.capacity), len(nowhere))

    def share(self, given: RankStreams) -> RankShare:
        """The `RankShare` of a rank's streams; raises `RouteError` for ranks without a path."""
        ranks, mine, there = np.int64(len(given.group)), given.streams, given.of_world()
        costs = self.machine.software.costs(given.operation)
        choice = self.machine.paths.choice(given.operation)
        path = self._path[choice, there.src, there.dst]
        cut = path < 0
        if cut.any():
            path = self._without(there, cut, choice)
        loads = load(there, path, self._bound, self._ways, costs)
        if isinstance(self.machine, ChangedMachine):
            nowhere = len(self.capacity) - 1
            loads = to_nowhere(self.machine, there, loads, cut, costs, nowhere, choice)
        key, size = (mine.step * ranks + mine.src) * ranks + mine.dst, mine.size
        if self.classes:
            row = self.classes.rows(mine.trait(TRAIT))
            key, weight = key * len(self.classes.classes) + row, self.classes.weights[row]
            loads, size = weighted(loads, weight), size / weight
        streams = LoadedStreams(
            key, mine.step, mine.src, mine.dst, size, loads.latency, loads.src_cost, loads.dst_cost,
            loads.limits[loads.limit], loads.entries, loads.resource, self._weights(loads, costs),
        )  # fmt: skip
        limits = loads.limits if len(loads.limits) == 1 else np.unique(streams.limit)
        return RankShare(streams, frozenset(limits.tolist()), self._least(streams))

    def _least(self, streams: LoadedStreams) -> float:
        """Seconds that streams take at least: their bytes over each resource alone."""
        loaded = np.repeat(streams.size, np.diff(streams.entries)) * streams.weight
        total = np.bincount(streams.resource, loaded, 1)
        capacity = self.capacity[: len(total)]
        if self.changed:  # what stands still says nothing
            capacity = np.where(capacity > 0, capacity, np.inf)
        return float((total / capacity).max())

    def _without(self, streams: Streams, cut: NDArray[np.bool_], choice: int) -> _Ints:
        """Paths where some pairs are ``cut``: theirs is one that loads nothing."""
        src, dst = streams.src, streams.dst
        if isinstance(self.machine, ChangedMachine):
            self.machine.check_in_switch(streams, cut)
        else:
            first, places = np.flatnonzero(cut)[:1], self.machine.places
            self.machine.router.paths(places[src[first]], places[dst[first]], choice)  # raises
        path: _Ints = self._path[choice, src, np.where(cut, src, dst)]
        return path

    def _weights(self, loads: FlowLoads, costs: Costs) -> _Floats:
        key = *costs.efficiency.items(), costs.initiator_bandwidth
        if key not in self._heavier:
            self._heavier[key] = self._how_heavy(costs)
        weight: _Floats = loads.weight * self._heavier[key][loads.resource]
        return weight

    def _how_heavy(self, costs: Costs) -> _Floats:
        """How often a byte of this software loads each resource."""
        heavier = (self._best / self.machine.paths.share(costs))[self.machine.router.plane]
        limit = costs.initiator_bandwidth
        of_initiator = self._initiator / limit if limit < np.inf else 1.0
        initiators, others = np.full(self.size, of_initiator), len(self.classes.limited)
        more = self.size * (others + 2 * len(self.classes.guaranteed)) + self.changed
        return np.concatenate([heavier, initiators, np.ones(more)])
