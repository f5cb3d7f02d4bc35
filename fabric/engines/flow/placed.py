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
from fabric.engines.columns import RankStreams
from fabric.engines.flow.weights import weighted
from fabric.engines.paths import FlowLoads, all_paths, class_limits, load

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
    in each class with a rate limit], bytes per second) is that of the operation that gets most. A
    stream that gets only a fraction f of it loads the link 1/f times.
    """

    def __init__(self, machine: Machine, size: int) -> None:
        self.machine, self.size, paths = machine, size, machine.paths
        software = machine.software
        # Copies: simulations on the same machine may find more paths meanwhile.
        self._path = all_paths(machine.router, machine.places[:size])
        self._bound = paths.binding()
        self.classes = machine.traffic_classes
        self._ways = paths.ways(self.classes, size)
        costs = [*software.by_operation.values(), software.costs()]
        self._best = np.max([paths.share(one) for one in costs], axis=0)
        limits = [one.initiator_bandwidth for one in costs if one.initiator_bandwidth < np.inf]
        self._initiator = max(limits, default=np.inf)
        initiators = np.full(size, self._initiator)
        self.capacity = np.concatenate(
            [paths.usable(self._best), initiators, class_limits(self.classes, size)]
        )

    def share(self, given: RankStreams) -> RankShare:
        """The `RankShare` of a rank's streams; raises `RouteError` for ranks without a path."""
        ranks, mine, there = np.int64(len(given.group)), given.streams, given.of_world()
        costs = self.machine.software.costs(given.operation)
        path = self._paths(there.src, there.dst)
        loads = load(there, path, self._bound, self._ways, costs)
        key, size = (mine.step * ranks + mine.src) * ranks + mine.dst, mine.size
        if self.classes:
            row = self.classes.rows(mine.trait(TRAIT))
            key, weight = key * len(self.classes.classes) + row, self.classes.weights[row]
            loads, size = weighted(loads, weight), size / weight
        streams = LoadedStreams(
            key, mine.step, mine.src, mine.dst, size, loads.latency, loads.src_cost, loads.dst_cost,
            loads.limits[loads.limit], loads.entries, loads.resource, self._weights(loads, costs),
        )  # fmt: skip
        limits = frozenset(np.unique(streams.limit).tolist())
        return RankShare(streams, limits, self._least(streams))

    def _least(self, streams: LoadedStreams) -> float:
        """Seconds that streams take at least: their bytes over each resource alone."""
        loaded = np.repeat(streams.size, np.diff(streams.entries)) * streams.weight
        total = np.bincount(streams.resource, loaded, 1)
        return float((total / self.capacity[: len(total)]).max())

    def _paths(self, src: _Ints, dst: _Ints) -> _Ints:
        path: _Ints = self._path[src, dst]
        cut = np.flatnonzero(path < 0)[:1]
        if len(cut):
            places = self.machine.places
            self.machine.router.paths(places[src[cut]], places[dst[cut]])  # raises
        return path

    def _weights(self, loads: FlowLoads, costs: Costs) -> _Floats:
        heavier = (self._best / self.machine.paths.share(costs))[self.machine.router.plane]
        limit = costs.initiator_bandwidth
        of_initiator = self._initiator / limit if limit < np.inf else 1.0
        initiators, others = np.full(self.size, of_initiator), len(self.classes.limited)
        factor = np.concatenate([heavier, initiators, np.ones(self.size * others)])
        weight: _Floats = loads.weight * factor[loads.resource]
        return weight
