"""RankStreams: a rank's part in one call, as the columns from which the live engine runs it.

A call's ranks join one by one and each knows only its own rows, so a call is put together lane by
lane. Rows of one step between the same two ranks are one stream, as in a simulation.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.endpoint.costs import Costs
from fabric.engines.columns import FlowLoads, Streams, binding, load
from fabric.fabric import Fabric
from fabric.failure import WorldError
from fabric.schedule.plan import TimedRows
from topology.errors import RouteError

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]


class RankStreams(NamedTuple):
    """Streams of one rank in one call, in order of ``key``, as columns.

    ``key``: int64, identifies a stream within the call, ascending with the step; ``step``; ``src``,
    ``dst``: int32, positions in the call's group; ``size``: bytes; ``latency``, ``src_cost``,
    ``dst_cost``: seconds; ``limit``: bytes per second; ``entries``, ``resource``, ``weight``: what
    stream i loads, ``resource[entries[i]:entries[i + 1]]``.
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


@dataclass(frozen=True)
class _PlacedPaths:
    """Which paths leave the package, and each resource's capacity (bytes per second)."""

    leaves_package: NDArray[np.bool_]
    capacity: _Floats


class PlacedFabric:
    """The fabric under a world of ``size`` ranks: all paths between them, and shared resources.

    ``capacity``: float64 [resources, then one initiator for each rank], bytes per second. Stacks
    may reach different fractions of a link, and calls of several stacks are in flight together, so
    capacity is that of the best stack: a stack that reaches only a fraction f of it has each of its
    streams count 1/f times. Raises `WorldError` if the fabric has fewer places.
    """

    def __init__(self, fabric: Fabric, size: int) -> None:
        if not 1 <= size <= len(fabric.places):
            raise WorldError(f"a world of {size} ranks; the fabric has {len(fabric.places)} places")
        self.fabric, self.size, router = fabric, size, fabric.router
        # Copies: simulations on the same fabric may find more paths meanwhile.
        self._path = _all_paths(fabric, size)
        self._bound = binding(router.table, router.capacity)
        self._ways = _PlacedPaths(router.leaves_package, router.capacity)
        costs = [*fabric.software.by_operation.values(), fabric.software.costs()]
        self._best = np.max([self._share(one) for one in costs], axis=0)
        limits = [one.initiator_bandwidth for one in costs if one.initiator_bandwidth < np.inf]
        self._initiator = max(limits, default=np.inf)
        usable = router.capacity * self._best[router.plane]
        self.capacity = np.concatenate([usable, np.full(size, self._initiator)])

    def _share(self, costs: Costs) -> _Floats:
        """What fraction of each plane's links the software gets to use."""
        return np.array([costs.efficiency.get(p, 1.0) for p in self.fabric.topology.planes])

    def lane(
        self, rows: TimedRows, group: tuple[int, ...], position: int, operation: str
    ) -> RankStreams:
        """The transfers of the rank at ``position`` of ``group`` in one call, as columns.

        ``rows``: the rank's rows; ``operation``: selects the constants. Raises `WorldError` for
        rows that are not this rank's or name ranks outside the group, `RouteError` for ranks
        without a path.
        """
        _check(rows, len(group), position)
        key, streams = _streams(rows, len(group))
        world = np.array(group, np.int32)
        src, dst = world[streams.src], world[streams.dst]
        costs = self.fabric.software.costs(operation)
        there = Streams(src, dst, streams.size, streams.messages, streams.step, streams.reduces)
        loads = load(there, self._paths(src, dst), self._bound, self._ways, costs)
        return RankStreams(
            key, streams.step, streams.src, streams.dst, streams.size, loads.latency,
            loads.src_cost, loads.dst_cost, loads.limits[loads.limit], loads.entries,
            loads.resource, self._weights(loads, costs),
        )  # fmt: skip

    def least(self, lane: RankStreams) -> float:
        """The least seconds that a rank's transfers take: its bytes over each resource alone."""
        loaded = np.repeat(lane.size, np.diff(lane.entries)) * lane.weight
        total = np.bincount(lane.resource, loaded, 1)
        return float((total / self.capacity[: len(total)]).max())

    def _paths(self, src: _Ints, dst: _Ints) -> _Ints:
        path: _Ints = self._path[src, dst]
        cut = np.flatnonzero(path < 0)[:1]
        if len(cut):
            places = self.fabric.places
            self.fabric.router.paths(places[src[cut]], places[dst[cut]])  # raises
        return path

    def _weights(self, loads: FlowLoads, costs: Costs) -> _Floats:
        heavier = (self._best / self._share(costs))[self.fabric.router.plane]
        limit = costs.initiator_bandwidth
        of_initiator = self._initiator / limit if limit < np.inf else 1.0
        factor = np.append(heavier, np.full(self.size, of_initiator))
        weight: _Floats = loads.weight * factor[loads.resource]
        return weight


def _all_paths(fabric: Fabric, size: int) -> _Ints:
    """The number of the path between every two ranks, int32 [size, size]; -1 where there is none.

    All at once: which resources can hold anybody back depends on all paths that are used.
    """
    places = fabric.places[:size]
    src, dst = np.repeat(places, size), np.tile(places, size)
    path = np.full(len(src), -1, np.int32)
    which = _connected(fabric, src, dst, np.arange(len(src)))
    path[which] = fabric.router.paths(src[which], dst[which])
    return path.reshape(size, size)


def _connected(fabric: Fabric, src: _Ints, dst: _Ints, rows: _Longs) -> _Longs:
    """Which of the ``rows`` have a path; all of them, but where a fault cuts somebody off."""
    try:
        fabric.router.paths(src[rows], dst[rows])
    except RouteError:
        half = len(rows) // 2
        if not half:
            return rows[:0]
        parts = [_connected(fabric, src, dst, part) for part in (rows[:half], rows[half:])]
        return np.concatenate(parts)
    return rows


def _check(rows: TimedRows, ranks: int, position: int) -> None:
    if not len(rows):
        return
    named = np.concatenate([rows.src, rows.dst])
    if named.min() < 0 or named.max() >= ranks:
        bad = named.min() if named.min() < 0 else named.max()
        raise WorldError(f"a row names rank {bad} of a group of {ranks}")
    strange = np.flatnonzero((rows.src != position) & (rows.dst != position))
    if len(strange):
        row = strange[0]
        pair = f"from {rows.src[row]} to {rows.dst[row]}"
        raise WorldError(f"rank {position} of the group has brought a row {pair}, not its own")


def _streams(rows: TimedRows, ranks: int) -> tuple[_Longs, Streams]:
    """The rows of each step between the same two ranks as one, with their keys, in their order."""
    rank = np.int64(ranks)
    key, first, row_of = np.unique(
        (rows.step * rank + rows.src) * rank + rows.dst, return_index=True, return_inverse=True
    )
    n = len(key)
    return key, Streams(
        rows.src[first].astype(np.int32), rows.dst[first].astype(np.int32),
        _sums(rows.size, row_of, n), _sums(rows.messages, row_of, n),
        rows.step[first], rows.reduces[first].astype(np.bool_),
    )  # fmt: skip


def _sums(values: _Longs, stream: _Longs, n: int) -> _Floats:
    return np.bincount(stream, values, n).astype(np.float64, copy=False)
