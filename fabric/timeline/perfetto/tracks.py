"""Tracks: a process for each node, a track for each rank, and more where things overlap."""

import heapq
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabric.timeline.perfetto.events import Event, process, track
from topology.graph import NOWHERE

_Longs = NDArray[np.int64]

PER_RANK = 1 << 14
"""Numbers of tracks that a rank has, for as many transfers at a time: numbers of 32 bits last for
131,071 ranks."""

_FIRST = 1 << 16  # above every process: a track of a process's number would be its main one


class Tracks:
    """Where a rank's slices go: (process, track).

    ``node``: of each endpoint; ``places``: the endpoint of each rank. A rank on no node is in
    process 1, one on node n in process n + 2: viewers take process 0 for an idle one.
    """

    def __init__(self, node: ArrayLike, places: ArrayLike) -> None:
        self._node = np.asarray(node, np.int64)[np.asarray(places, np.int64)].tolist()
        self.last_process = max(self._node, default=NOWHERE) + 2

    def of(self, rank: int, layer: int = 0) -> tuple[int, int]:
        """The (process, track) of a rank: ``layer`` 0 is its own, others are for overlaps.

        Layers beyond the number that a rank has share its last one.
        """
        return self._node[rank] + 2, _FIRST + rank * PER_RANK + min(layer, PER_RANK - 1)


def ranks_and_nodes(tracks: Tracks, ranks: Iterable[int]) -> Iterator[Event]:
    """The events that name the ranks' own tracks, and the nodes that the ranks are on."""
    named: set[int] = set()
    for rank in ranks:
        pid, tid = tracks.of(rank)
        if pid not in named:
            named.add(pid)
            yield from process(pid, "ranks" if pid == 1 else f"node {pid - 2}", pid)
        yield from track(pid, tid, f"rank {rank}")


def assigned(owner: _Longs, begin: _Longs, end: _Longs) -> _Longs:
    """A track for each interval, int64 from 0 on, so that no two of one owner and track overlap.

    ``owner``, ``begin``, ``end``: int64 [intervals]. Each gets the lowest track that is free when
    it begins.
    """
    layer = np.zeros(len(owner), np.int64)
    order = np.lexsort((end, begin, owner))
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    of, used = -1, 0
    columns = (order, owner[order], begin[order], end[order])
    for at, who, since, until in zip(*(column.tolist() for column in columns), strict=True):
        if who != of:
            of, used, free, busy = who, 0, [], []
        while busy and busy[0][0] <= since:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            heapq.heappush(free, used)
            used += 1
        number = heapq.heappop(free)
        layer[at] = number
        heapq.heappush(busy, (until, number))
    return layer
