"""`Routes`, paths as columns, and the store in which a router collects them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled
from topology.graph import Floats, Ints, Longs


@dataclass(frozen=True)
class Routes:
    """Paths as rows: path i loads ``resource[begin[i]:begin[i + 1]]``.

    ``weight``: the fraction of the path's bytes that each resource carries. ``latency``: float64
    [paths], seconds one way. ``plane``: int32 [paths], of the topology's; -1 for a path from an
    endpoint to itself. A resource is a bundle of links: `Router.capacity`, `Router.name`.
    """

    begin: Longs
    resource: Ints
    weight: Floats
    latency: Floats
    plane: Ints


NO_ROUTES = Routes(
    np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0), np.zeros(0), np.zeros(0, np.int32)
)
"""No paths."""


_NONE = np.zeros(0, np.int64)
_NOTHING = (-1, _NONE, _NONE, np.zeros(0, np.int32), np.zeros(0), np.zeros(0))


class RouteStore:
    """The paths found so far, in growing columns. ``count``: how many."""

    def __init__(self) -> None:
        self.count = 0
        self._begin = [np.zeros(1, np.int64)]
        self._columns: list[tuple[Ints, Floats]] = []
        self._ways: list[tuple[Floats, Ints]] = []
        self._parts: list[tuple[int, Longs, Longs, Ints, Floats, Floats]] = []

    def add(
        self, plane: int, rows: Longs, found: tuple[Longs, Ints, Floats, Floats]
    ) -> NDArray[np.bool_]:
        """Note what `topology.routing.walk.walk` found for these rows in a plane.

        Returns a mask of the rows that have a path there: bool like ``rows``.
        """
        self._parts.append((plane, rows, *found))
        return found[0] > 0

    def drop(self) -> None:
        """Forget what was added since the last `close`."""
        self._parts = []

    def close(self, count: int) -> None:
        """Make ``count`` paths, in order of their rows, of what was added since the last one."""
        size, delay, plane = self._found(count)
        begin = np.concatenate([[0], np.cumsum(size)])
        alone = [part for part in self._parts if len(part[3])]
        if len(alone) == 1:  # of one plane, in the order of their rows: the usual case
            resource, weight = alone[0][3:5]
        else:
            resource, weight = np.empty(begin[-1], np.int32), np.empty(begin[-1])
            for _, rows, lengths, its_resource, its_weight, _ in alone:
                _place(rows, lengths, begin, its_resource, its_weight, resource, weight)
        self._parts = []
        self._begin.append(begin[1:] + self._begin[-1][-1])
        self._columns.append((resource, weight))
        self._ways.append((delay, plane))
        self.count += count

    def _found(self, count: int) -> tuple[Longs, Floats, Ints]:
        """The number of resources on each of ``count`` paths, its latency (s) and its plane."""
        number, rows, lengths, _, _, latency = self._parts[0] if self._parts else _NOTHING
        if len(rows) == count and lengths.all():  # of one plane: nothing needs to be copied
            return lengths, latency, np.full(count, number, np.int32)
        size, delay = np.zeros(count, np.int64), np.zeros(count)
        plane = np.full(count, -1, np.int32)
        for number, rows, lengths, _, _, latency in self._parts:
            found = rows[lengths > 0]
            size[found], delay[found] = lengths[lengths > 0], latency[lengths > 0]
            plane[found] = number
        return size, delay, plane

    def table(self) -> Routes:
        """All paths so far."""
        if len(self._columns) != 1:
            empty = np.zeros(0, np.int32)
            self._columns = [_stacked([(empty, np.zeros(0)), *self._columns])]
            self._ways = [_stacked([(np.zeros(0), empty), *self._ways])]
        if len(self._begin) > 1:
            self._begin = [np.concatenate(self._begin)]
        return Routes(self._begin[0], *self._columns[0], *self._ways[0])


def _stacked(pairs: list[tuple[NDArray[Any], NDArray[Any]]]) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


@compiled
def _place(
    rows: Longs, lengths: Longs, begin: Longs, its_resource: Ints, its_weight: Floats,
    resource: Ints, weight: Floats,
) -> None:  # fmt: skip
    """Put the entries of ``rows``, one after the other, where the paths of these rows begin."""
    taken = 0
    for i in range(len(rows)):
        at = begin[rows[i]]
        for k in range(lengths[i]):
            resource[at + k], weight[at + k] = its_resource[taken + k], its_weight[taken + k]
        taken += lengths[i]
