"""The trace of a simulation: who sends what to whom, when, and how full the links are.

A process for each node, and in it a track for each rank, with a slice for each step: from the start
of the rank's first transfer to the end of its last. Beneath it, on as many tracks as overlap, are
the rank's sends, with arrows to the ranks that receive them; if there are too many to be drawn,
those of each step that end last. Then two processes with a counter for each of the links that carry
most, or bundle of links with the same load: how much of it is used, and for how long it would be
busy with what has been sent and has not yet crossed it.

Where the machine had faults in time, marks say when links broke and when they were back.

The counters take a transfer's bytes as spread evenly over its time. They change at whole
nanoseconds, and their integral is what the link carried; with faults in time, what it would have
carried on the ways as built. What an engine of packets has counted stands in processes of its own,
see `fabric.timeline.perfetto.packets`.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fabric.timeline.perfetto.events import (
    Event,
    TraceError,
    arrival,
    arrow,
    entry_of,
    levels,
    nanoseconds,
    process,
    slice_of,
    track,
)
from fabric.timeline.perfetto.events import write as write_events
from fabric.timeline.perfetto.marks import fault_events
from fabric.timeline.perfetto.packets import packet_events
from fabric.timeline.perfetto.tracks import Tracks, assigned, ranks_and_nodes
from topology.units import US

if TYPE_CHECKING:
    from fabric.timeline.value import Timeline

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]

SENDS = 1 << 17
"""Transfers that get a slice and an arrow of their own at most."""

STEPS = 1 << 20
"""Slices of ranks and steps at most."""

LINKS = 64
"""Links, or bundles of them, that get counters."""

BINS = 200
"""Values of a counter at most."""


def write(timeline: "Timeline", path: str | Path) -> None:
    """Write the trace of a simulation to the file at ``path``.

    Raises `TraceError`, also if it is too long.
    """
    about = {
        "title": timeline.title, "system": timeline.topology.name, "software": timeline.software,
        "operation": timeline.operation, "bottleneck": str(timeline.bottleneck),
        **entry_of(timeline.machine),
    }  # fmt: skip
    write_events(_events(timeline), path, about)


def _events(timeline: "Timeline") -> Iterator[Event]:
    turns = _turns(timeline)
    if len(turns.rank) > STEPS:
        raise TraceError(
            f"a trace of {len(turns.rank)} steps of ranks would be too long for any viewer;"
            f" at most {STEPS} are written"
        )
    tracks = Tracks(timeline.topology.node, timeline.places)
    sends = _sends(timeline)
    yield from ranks_and_nodes(tracks, range(timeline.ranks))
    yield from _slices_of_turns(timeline, turns, tracks)
    yield from _slices_of_sends(timeline, turns, sends, tracks)
    yield from _counters(timeline, tracks.last_process + 1)
    if timeline.faulted is not None:
        yield from fault_events(timeline.faulted.marks, tracks.last_process + 3)
    if timeline.packets is not None:
        yield from packet_events(timeline, timeline.packets, tracks.last_process + 4)


@dataclass(frozen=True)
class _Turns:
    """What each rank does in each step, in order of rank and step, as int64 columns.

    ``begin``, ``end``: nanoseconds; ``sent``, ``received``: bytes, to and from others;
    ``transfers``: how many, with copies inside the rank; ``key``: rank times steps plus step.
    """

    rank: _Longs
    step: _Longs
    begin: _Longs
    end: _Longs
    sent: _Longs
    received: _Longs
    transfers: _Longs
    key: _Longs

    def at(self, rank: _Longs, step: _Longs, steps: int) -> _Longs:
        """Which turn is that rank's of that step."""
        return np.searchsorted(self.key, rank * steps + step)


def _turns(timeline: "Timeline") -> _Turns:
    steps, rows = len(timeline.labels), len(timeline.src)
    away = np.flatnonzero(timeline.src != timeline.dst)
    rank = np.concatenate([timeline.src, timeline.dst[away]])
    row = np.concatenate([np.arange(rows), away])
    key, turn = np.unique(rank * steps + timeline.step[row], return_inverse=True)
    begin, end = np.full(len(key), np.iinfo(np.int64).max), np.zeros(len(key), np.int64)
    np.minimum.at(begin, turn, nanoseconds(timeline.start[row]))
    np.maximum.at(end, turn, nanoseconds(timeline.finish[row]))
    owner, step = np.divmod(key, max(steps, 1))
    moved, count = timeline.size[away], len(key)
    return _Turns(
        owner, step, _after(owner, begin, end), end, _sums(turn[away], moved, count),
        _sums(turn[rows:], moved, count), np.bincount(turn, minlength=count), key,
    )  # fmt: skip


def _sums(group: _Longs, values: _Longs, count: int) -> _Longs:
    """Exact sums of whole numbers by group."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, group, values)
    return sums


def _after(rank: _Longs, begin: _Longs, end: _Longs) -> _Longs:
    """``begin``, but not before a rank's last turn has ended: rounding may say so."""
    begin = begin.copy()
    same = rank[1:] == rank[:-1]
    begin[1:][same] = np.maximum(begin[1:][same], end[:-1][same])
    return np.minimum(begin, end)


def _slices_of_turns(timeline: "Timeline", turns: _Turns, tracks: Tracks) -> Iterator[Event]:
    columns = (turns.rank, turns.step, turns.begin, turns.end, turns.sent, turns.received,
               turns.transfers)  # fmt: skip
    last = np.zeros(timeline.ranks, np.int64)
    np.maximum.at(last, turns.rank, turns.end)
    for rank, step, begin, end, sent, received, transfers in _together(*columns):
        yield slice_of(
            tracks.of(rank), _label(timeline, step), begin, end, step=step, sent_bytes=sent,
            received_bytes=received, transfers=transfers,
        )  # fmt: skip
    through = nanoseconds(timeline.rank_finish)
    for rank in np.flatnonzero(through > last).tolist():
        name = "after the last byte"
        yield slice_of(tracks.of(rank), name, int(last[rank]), int(through[rank]))


def _label(timeline: "Timeline", step: int) -> str:
    return timeline.labels[step] or f"step {step}"


def _together(*columns: NDArray[np.generic]) -> Iterator[tuple[int, ...]]:
    """Rows of columns, as Python's own numbers."""
    return zip(*(column.tolist() for column in columns), strict=True)


def _sends(timeline: "Timeline") -> _Longs:
    """The rows that are drawn: of each rank's sends of a step those that end last."""
    rows = np.flatnonzero(timeline.src != timeline.dst)
    if len(rows) <= SENDS:
        return rows
    key = timeline.src[rows] * len(timeline.labels) + timeline.step[rows]
    rows = rows[np.lexsort((-timeline.finish[rows], key))]
    key = timeline.src[rows] * len(timeline.labels) + timeline.step[rows]
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    number = np.arange(len(rows)) - np.repeat(first, np.diff(np.append(first, len(rows))))
    return np.sort(rows[number < SENDS // len(first)])


def _slices_of_sends(
    timeline: "Timeline", turns: _Turns, rows: _Longs, tracks: Tracks
) -> Iterator[Event]:
    src, dst, step = timeline.src[rows], timeline.dst[rows], timeline.step[rows]
    there = turns.at(dst, step, len(timeline.labels))
    begin, end = nanoseconds(timeline.start[rows]), nanoseconds(timeline.finish[rows])
    layer = assigned(src, begin, end)
    for rank, layers in _layers(src, layer):
        for number in range(1, layers + 1):
            yield from track(*tracks.of(rank, number), f"rank {rank} sends")
    columns = (src, dst, step, timeline.size[rows], begin, end, layer + 1,
               turns.begin[there], turns.end[there])  # fmt: skip
    arrived: set[tuple[int, int]] = set()
    for number, row in enumerate(_together(*columns)):
        rank, to, at, size, start, finish, on, opens, closes = row
        where = tracks.of(rank, on)
        name = f"to rank {to}"
        yield slice_of(where, name, start, finish, bytes=size, step=at)
        if start < finish and opens < closes:
            meets = min(max(finish - 1, opens), closes - 1)
            if (to, meets) not in arrived:
                arrived.add((to, meets))
                yield arrival(tracks.of(to), meets)
            yield from arrow(number, _label(timeline, at), where, start, tracks.of(to), meets)


def _layers(rank: _Longs, layer: _Longs) -> Iterator[tuple[int, int]]:
    """Each rank that sends, and on how many tracks."""
    most = np.full(int(rank.max(initial=-1)) + 1, -1)
    np.maximum.at(most, rank, layer)
    return ((int(r), int(most[r]) + 1) for r in np.flatnonzero(most >= 0))


# Links.


def _counters(timeline: "Timeline", pid: int) -> Iterator[Event]:
    router = timeline.router
    busy = timeline.resource_bytes / router.capacity
    busiest = np.argsort(-busy, kind="stable")[:LINKS]
    chosen = busiest[busy[busiest] > 0]
    if not len(chosen):
        return
    yield from process(pid, "links: utilisation", pid)
    yield from process(pid + 1, "links: backlog", pid + 1)
    begin, end = timeline.start * 1e9, np.maximum(timeline.finish, timeline.start) * 1e9
    end = np.maximum(end, begin + 1e-3)
    edges = np.unique(np.linspace(0, np.ceil(end.max()), BINS + 1).astype(np.int64))
    for place, crossing in _crossings(timeline, chosen):
        name, capacity = router.name(int(chosen[place])), float(router.capacity[chosen[place]])
        bytes_of = crossing.bytes
        carried, started = _carried(begin[crossing.row], end[crossing.row], bytes_of, edges)
        used = np.diff(carried) / (np.diff(edges) * 1e-9) / capacity * 100
        waits = np.maximum(started - carried, 0.0) / capacity / US
        yield from levels(pid, name, "percent", edges, np.append(used, 0.0))
        yield from levels(pid + 1, name, "us", edges, waits)


@dataclass(frozen=True)
class _Crossing:
    """The transfers over one resource: ``row`` of the timeline, and how many of its ``bytes``."""

    row: _Longs
    bytes: _Floats


def _crossings(timeline: "Timeline", chosen: _Longs) -> Iterator[tuple[int, _Crossing]]:
    """For each place in ``chosen`` what crosses that resource."""
    router = timeline.router
    places = timeline.places
    path = router.paths(places[timeline.src], places[timeline.dst])
    table = router.table
    place_of = np.full(len(router.capacity), -1)
    place_of[chosen] = np.arange(len(chosen))
    first, count = table.begin[path], table.begin[path + 1] - table.begin[path]
    row = np.repeat(np.arange(len(path)), count)
    entry = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + first[row]
    place = place_of[table.resource[entry]]
    keep = np.flatnonzero(place >= 0)
    keep = keep[np.argsort(place[keep], kind="stable")]
    row, entry, place = row[keep], entry[keep], place[keep]
    bounds = np.searchsorted(place, np.arange(len(chosen) + 1))
    for number, (low, high) in enumerate(itertools.pairwise(bounds.tolist())):
        mine = row[low:high]
        yield number, _Crossing(mine, timeline.size[mine] * table.weight[entry[low:high]])


def _carried(begin: _Floats, end: _Floats, size: _Floats, edges: _Longs) -> tuple[_Floats, _Floats]:
    """At each edge: bytes that have crossed, and those of transfers that have set out."""
    rate = size / (end - begin)
    since_begin, started = _since(begin, rate, size, edges)
    since_end, _ = _since(end, rate, size, edges)
    return since_begin - since_end, started


def _since(at: _Floats, rate: _Floats, size: _Floats, edges: _Longs) -> tuple[_Floats, _Floats]:
    """At each edge t, the sums over what came before it of rate (t - at), and of size."""
    order = np.argsort(at)
    number = np.searchsorted(at[order], edges, "right")
    sums = [np.append(0.0, np.cumsum(column[order]))[number] for column in (rate, rate * at, size)]
    return edges * sums[0] - sums[1], sums[2]
