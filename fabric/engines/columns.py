"""Steps as columns for the engines: one flow for each pair of ranks in a step, with what limits it.

Rows of one step between the same two ranks are one stream, as on one queue pair: they share one
fair rate and finish together.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fabric.endpoint.costs import Costs
from fabric.schedule.step import ScheduleError, Step
from topology.compiled import compiled
from topology.routing.router import Routes

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

_DENSE_RANKS = 4096  # a table of all pairs of more ranks than this is too large


@dataclass(frozen=True)
class Streams:
    """Flows as columns: what one rank sends to another in one step.

    ``src``, ``dst`` int32; ``size`` (bytes), ``messages`` float64; ``step`` int64; ``reduces``
    bool.
    """

    src: _Ints
    dst: _Ints
    size: _Floats
    messages: _Floats
    step: _Longs
    reduces: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.src)

    def pick(self, which: NDArray[np.bool_] | slice) -> "Streams":
        """The streams selected by ``which``, a mask or a slice."""
        return Streams(*(getattr(self, column.name)[which] for column in fields(self)))

    def then(self, other: "Streams") -> "Streams":
        """These streams followed by those of ``other``."""
        if not len(self):
            return other
        names = [column.name for column in fields(self)]
        pairs = [(getattr(self, name), getattr(other, name)) for name in names]
        return Streams(*(np.concatenate(pair) for pair in pairs))


@dataclass(frozen=True)
class Batch:
    """Consecutive steps as columns.

    Over rows (int64): ``src``, ``dst``, ``size``, ``step`` and the row's ``stream``. Also the
    `Streams`, and a label for each step.
    """

    src: _Longs
    dst: _Longs
    size: _Longs
    step: _Longs
    stream: _Longs
    streams: Streams
    labels: tuple[str, ...]


def batches(steps: Iterator[Step], ranks: int, rows: int) -> Iterator[Batch]:
    """Group steps into batches of whole steps, each with about ``rows`` rows or more.

    Raises `ScheduleError` if a rank is not below ``ranks``.
    """
    first = 0
    while chunk := _take(steps, rows):
        yield _batch(chunk, first, ranks)
        first += len(chunk)


def _take(steps: Iterator[Step], rows: int) -> list[Step]:
    chunk, have = [], 0
    for step in islice(steps, rows):
        chunk.append(step)
        have += len(step)
        if have >= rows:
            break
    return chunk


def _batch(chunk: list[Step], first: int, ranks: int) -> Batch:
    lengths = np.array([len(step) for step in chunk])
    src, dst, size = (
        np.concatenate([getattr(step, name) for step in chunk]) for name in ("src", "dst", "size")
    )
    for column in (src, dst):
        if len(column) and column.max() >= ranks:
            raise ScheduleError(f"a step names rank {column.max()}, but there are {ranks} ranks")
    step = np.repeat(np.arange(first, first + len(chunk)), lengths)
    stream = _streams_of(src, dst, step, ranks)
    streams = _streams(
        stream, src, dst, size, _messages(chunk, len(src)), step,
        np.repeat(np.array([step.reduces for step in chunk], bool), lengths),
    )  # fmt: skip
    return Batch(src, dst, size, step, stream, streams, tuple(step.label for step in chunk))


def _streams(
    stream: _Longs, src: _Longs, dst: _Longs, size: _Longs, messages: _Floats, step: _Longs,
    reduces: NDArray[np.bool_],
) -> Streams:  # fmt: skip
    n, sizes = int(stream.max(initial=-1)) + 1, size.astype(np.float64)
    if n < len(stream):  # else every row is a stream of its own, in order
        one = np.empty(n, np.int64)
        one[stream[::-1]] = np.arange(len(stream))[::-1]
        src, dst, step, reduces = src[one], dst[one], step[one], reduces[one]
        messages, sizes = _sums(messages, stream, n), _sums(sizes, stream, n)
    return Streams(src.astype(np.int32), dst.astype(np.int32), sizes, messages, step, reduces)


def _sums(values: _Floats, stream: _Longs, n: int) -> _Floats:
    return np.bincount(stream, values, n).astype(np.float64, copy=False)


def _messages(chunk: list[Step], rows: int) -> _Floats:
    if all(step.messages is None for step in chunk):
        return np.ones(rows)
    given = [np.ones(len(s)) if s.messages is None else s.messages for s in chunk]
    return np.concatenate(given).astype(np.float64, copy=False)


def _streams_of(src: _Longs, dst: _Longs, step: _Longs, ranks: int) -> _Longs:
    """The number of each row's stream: rows of one step between the same ranks have the same.

    Streams are in order of steps; where every row is one, in the order of rows.
    """
    if ranks <= _DENSE_RANKS:
        return _number_pairs(src, dst, step, ranks)
    key = (step - step[0]) * ranks * ranks + src * ranks + dst if len(step) else step
    keys, stream = np.unique(key, return_inverse=True)
    return np.arange(len(key)) if len(keys) == len(key) else stream.astype(np.int64)


@compiled
def _number_pairs(src: _Longs, dst: _Longs, step: _Longs, ranks: int) -> _Longs:
    last = np.full((ranks, ranks), -1, np.int32)
    flow = np.empty(len(src), np.int64)
    count, first, here = 0, 0, -1
    for row in range(len(src)):
        if step[row] != here:
            here, first = step[row], count
        known = last[src[row], dst[row]]
        if known < first:
            known = count
            last[src[row], dst[row]] = count
            count += 1
        flow[row] = known
    return flow


@dataclass(frozen=True)
class Binding:
    """Paths reduced to the resources that can limit a rate; see `binding`.

    Path p loads ``resource[begin[p]:begin[p + 1]]`` by ``weight``; ``latency``: seconds [paths].
    """

    begin: _Longs
    resource: _Ints
    weight: _Floats
    latency: _Floats


def binding(table: Routes, capacity: _Floats) -> Binding:
    """The paths reduced to the resources that can ever limit a rate; exact, not an approximation.

    A resource in the middle of paths never limits if its capacity is no less than that of the first
    (or of the last) resources of all paths through it together: the uplinks of a node carry all
    that its dies can send. Neither does a resource without a limit.
    """
    keep = _can_limit(table.begin, table.resource, table.weight, capacity)
    kept = np.concatenate([[0], np.cumsum(keep)])
    return Binding(kept[table.begin], table.resource[keep], table.weight[keep], table.latency)


@compiled
def _can_limit(
    begin: _Longs, resource: _Ints, weight: _Floats, capacity: _Floats
) -> NDArray[np.bool_]:
    n_paths, n = len(begin) - 1, len(capacity)
    at_end = np.zeros(n, np.bool_)
    for p in range(n_paths):
        if begin[p] < begin[p + 1]:
            at_end[resource[begin[p]]] = True
            at_end[resource[begin[p + 1] - 1]] = True
    limits = np.ones(n, np.bool_)
    for side in range(2):
        behind = _behind(begin, resource, weight, capacity, side)
        for r in range(n):
            if not at_end[r] and behind[r] <= capacity[r] * (1 + 1e-9):
                limits[r] = False
    keep = np.empty(len(resource), np.bool_)
    for e in range(len(resource)):
        keep[e] = limits[resource[e]] and capacity[resource[e]] < np.inf
    return keep


@compiled
def _behind(
    begin: _Longs, resource: _Ints, weight: _Floats, capacity: _Floats, side: int
) -> _Floats:
    """For each resource, how much the first (side 0) or last resources of its paths let through."""
    n_paths, n = len(begin) - 1, len(capacity)
    of = np.full(n_paths, -1, np.int64)
    count = np.zeros(n + 1, np.int64)
    for p in range(n_paths):
        if begin[p] < begin[p + 1]:
            of[p] = begin[p] if side == 0 else begin[p + 1] - 1
            count[resource[of[p]] + 1] += 1
    for r in range(n):
        count[r + 1] += count[r]
    order = np.empty(n_paths, np.int64)
    for p in range(n_paths):
        if of[p] >= 0:
            order[count[resource[of[p]]]] = p
            count[resource[of[p]]] += 1
    total, most, seen = np.zeros(n), np.zeros(n), np.full(n, -1, np.int64)
    for k in range(count[n - 1] if n > 0 else 0):
        p = order[k]
        end = resource[of[p]]
        for e in range(begin[p], begin[p + 1]):
            r = resource[e]
            through = capacity[end] * weight[e] / weight[of[p]]
            if seen[r] != end:
                seen[r], most[r] = end, 0.0
            if through > most[r]:
                total[r] += through - most[r]
                most[r] = through
    return total


@dataclass(frozen=True)
class FlowLoads:
    """What the flows of a window load and cost: columns over flows, entries over resources.

    ``latency``, ``src_cost``, ``dst_cost``: seconds. ``limits``: the rate limits that occur,
    ascending, in bytes per second; ``limit``: each flow's index in them. Flow i loads
    ``resource[entries[i]:entries[i + 1]]`` by ``weight``.
    """

    latency: _Floats
    src_cost: _Floats
    dst_cost: _Floats
    limit: _Ints
    limits: _Floats
    entries: _Longs
    resource: _Ints
    weight: _Floats


class PathSource(Protocol):
    """The part of `topology.routing.router.Router` that `load` uses."""

    @property
    def capacity(self) -> _Floats:
        """Bytes per second of each resource, float64 [resources]."""

    @property
    def leaves_package(self) -> NDArray[np.bool_]:
        """For each path, whether it leaves the package: bool [paths]."""


def load(
    streams: Streams, path: _Ints, bound: Binding, router: PathSource, costs: Costs
) -> FlowLoads:
    """What flows load and cost if they take the paths ``path`` (indices of ``bound``)."""
    leaves = _leaves(streams.src, streams.dst, path, router.leaves_package)
    limit, limits = _limits(streams, leaves, costs)
    entries, resource, weight = _entries(
        path, bound.begin, bound.resource, bound.weight, streams.src, leaves,
        len(router.capacity), costs.initiator_bandwidth < np.inf,
    )  # fmt: skip
    latency, src_cost, dst_cost = _costs(
        streams.src, streams.dst, streams.messages, streams.size, streams.reduces, path,
        bound.latency, costs.crossings, costs.latency, costs.per_peer, costs.per_message,
        costs.per_byte, costs.per_reduced_byte,
    )  # fmt: skip
    return FlowLoads(latency, src_cost, dst_cost, limit, limits, entries, resource, weight)


@compiled
def _leaves(
    src: _Ints, dst: _Ints, path: _Ints, leaves_package: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    leaves = np.empty(len(path), np.bool_)
    for i in range(len(path)):
        leaves[i] = src[i] != dst[i] and leaves_package[path[i]]
    return leaves


@compiled
def _costs(
    src: _Ints,
    dst: _Ints,
    messages: _Floats,
    size: _Floats,
    reduces: NDArray[np.bool_],
    path: _Ints,
    way: _Floats,
    crossings: float,
    more: float,
    per_peer: float,
    per_message: float,
    per_byte: float,
    per_reduced_byte: float,
) -> tuple[_Floats, _Floats, _Floats]:
    """Latency, and what the flow costs its two ranks; the ``way`` of a path is its latency."""
    n = len(src)
    latency, src_cost, dst_cost = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        moves = src[i] != dst[i]
        latency[i] = way[path[i]] * crossings + more if moves else 0.0
        src_cost[i] = messages[i] * per_message + (per_peer if moves else 0.0)
        dst_cost[i] = size[i] * (per_byte + (per_reduced_byte if reduces[i] else 0.0))
    return latency, src_cost, dst_cost


def _limits(streams: Streams, leaves: NDArray[np.bool_], costs: Costs) -> tuple[_Ints, _Floats]:
    if costs.message_gap == 0.0:
        if costs.pair_bandwidth == np.inf:
            return np.zeros(len(leaves), np.int32), np.array([np.inf])
        return (~leaves).astype(np.int32), np.array([costs.pair_bandwidth, np.inf])
    paced = streams.size / (np.maximum(streams.messages, 1) * costs.message_gap)
    held = leaves & (streams.size > 0)
    rate = np.where(held, np.minimum(paced, costs.pair_bandwidth), np.inf)
    limits, index = np.unique(np.append(rate, np.inf), return_inverse=True)
    return index[:-1].astype(np.int32), limits


@compiled
def _entries(
    path: _Ints,
    begin: _Longs,
    resource: _Ints,
    weight: _Floats,
    src: _Ints,
    leaves: NDArray[np.bool_],
    n_resources: int,
    limited: bool,
) -> tuple[_Longs, _Ints, _Floats]:
    """Each flow's resources; the limit of rank r as an initiator is resource n_resources + r."""
    entries = np.zeros(len(path) + 1, np.int64)
    for i in range(len(path)):
        more = 1 if limited and leaves[i] else 0
        entries[i + 1] = entries[i] + begin[path[i] + 1] - begin[path[i]] + more
    out_resource = np.empty(entries[-1], np.int32)
    out_weight = np.empty(entries[-1])
    for i in range(len(path)):
        at = entries[i]
        for e in range(begin[path[i]], begin[path[i] + 1]):
            out_resource[at], out_weight[at] = resource[e], weight[e]
            at += 1
        if limited and leaves[i]:
            out_resource[at], out_weight[at] = n_resources + src[i], 1.0
    return entries, out_resource, out_weight


@compiled
def by_rank(src: _Ints, dst: _Ints, step: _Longs, ranks: int) -> tuple[_Longs, _Longs]:
    """Each rank's flows after the first step, in order: ``flow[begin[r]:begin[r + 1]]``.

    Returns ``flow`` and ``begin``. A copy inside a rank is listed once.
    """
    begin = np.zeros(ranks + 1, np.int64)
    first = 0
    while first < len(src) and step[first] == step[0]:
        first += 1
    for i in range(first, len(src)):
        begin[src[i] + 1] += 1
        if dst[i] != src[i]:
            begin[dst[i] + 1] += 1
    for r in range(ranks):
        begin[r + 1] += begin[r]
    at = begin.copy()
    flow = np.empty(begin[ranks], np.int64)
    for i in range(first, len(src)):
        flow[at[src[i]]] = i
        at[src[i]] += 1
        if dst[i] != src[i]:
            flow[at[dst[i]]] = i
            at[dst[i]] += 1
    return flow, begin


@compiled
def carry(
    carried: _Floats,
    path: _Ints,
    size: _Floats,
    begin: _Longs,
    resource: _Ints,
    weight: _Floats,
) -> None:
    """Add the bytes of flows to ``carried``, the bytes of each resource, in place.

    ``path``: the path of each flow; ``begin``, ``resource``, ``weight``: the paths' resources.
    """
    for i in range(len(path)):
        for e in range(begin[path[i]], begin[path[i] + 1]):
            carried[resource[e]] += size[i] * weight[e]
