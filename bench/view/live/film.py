"""The film of a world that runs: it has a fixed number of frames, however long the run is.

When time passes its end, two neighbouring intervals become one, so the whole run stays there to
rewind to, in bounded memory. What a resource has carried in all is exact.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabric.timeline.film import BINS, MOST_CLASSES

MOST_CELLS = 4_000_000
"""Resources times intervals at most."""

SHORTEST = 1e-15
"""Seconds that an interval lasts at least, below anything that a clock tells apart."""

_Floats = NDArray[np.float64]
_Longs = NDArray[np.int64]


class CallLoad(NamedTuple):
    """What calls of a kind load, in ``parts`` intervals of equal length, as rows.

    ``part``: int64; ``resource``: int64; ``size``: float64, bytes. No two rows are of the same part
    and resource.
    """

    parts: int
    part: _Longs
    resource: _Longs
    size: _Floats


class LiveFilm:
    """What each resource of ``capacity`` (float64, bytes per second) carries over time.

    ``bins`` intervals of ``width`` seconds; ``version`` rises with each `add`, ``epoch`` whenever
    the intervals change. ``carried``: float64 [R], bytes in all; ``labels``: names of classes.
    """

    def __init__(self, capacity: _Floats, bins: int = BINS) -> None:
        resources = len(capacity)
        bins = max(8, min(bins, MOST_CELLS // max(1, resources))) // 2 * 2
        self.capacity, self.bins, self.width = capacity, bins, 0.0
        self.version = self.epoch = 0
        self.carried = np.zeros(resources)
        self.labels: list[str] = []
        self._bytes = np.zeros((resources, bins))
        self._label = np.zeros((resources, bins), np.uint8)
        self._lead = np.zeros((resources, bins))  # of the label over all others, see `_vote`
        self._bin_version = np.zeros(bins, np.int64)
        self._carried_version = np.zeros(resources, np.int64)

    @property
    def duration(self) -> float:
        """Seconds that the film has intervals for."""
        return self.bins * self.width

    def label(self, name: str) -> int:
        """The number of a class; those beyond `MOST_CLASSES` are one, called "others"."""
        if name not in self.labels:
            if len(self.labels) == MOST_CLASSES:
                return MOST_CLASSES - 1
            last = len(self.labels) == MOST_CLASSES - 1
            self.labels.append("others" if last else name)
            return len(self.labels) - 1
        return self.labels.index(name)

    def reach(self, time: float) -> None:
        """Have the film last until ``time``, in seconds, or longer."""
        if time <= 0 or time < self.duration:
            return
        self.epoch += 1
        if not self.width:
            self.width = max(2 * time / self.bins, SHORTEST)
        while time >= self.duration:
            self._halve()

    def _halve(self) -> None:
        self.width *= 2
        half = self.bins // 2
        first, second = self._lead[:, ::2], self._lead[:, 1::2]
        label = np.where(second > first, self._label[:, 1::2], self._label[:, ::2])
        self._bytes = _padded(self._bytes.reshape(-1, half, 2).sum(axis=2), self.bins)
        self._lead = _padded(np.maximum(first, second), self.bins)
        self._label = _padded(label, self.bins)

    def add(
        self, load: CallLoad, count: ArrayLike, begin: ArrayLike, end: ArrayLike, label: int
    ) -> None:
        """Add the bytes of calls, of each its ``count``, spread evenly over its time, in seconds.

        ``count``, ``begin``, ``end``: of one call or of many alike, which are cheaper together.
        """
        self.version += 1
        if not len(load.resource):
            return
        many, since = np.atleast_1d(np.asarray(count, np.float64)), np.atleast_1d(begin)
        until = np.maximum(since, np.atleast_1d(end))
        self.reach(float(until.max()))
        if not self.width:  # all at time 0
            self.reach(1e-9)
        first, shares = self._shares(load.parts, many, since, until)
        for part, share in enumerate(shares):
            rows, bins = load.part == part, np.flatnonzero(share)
            amount = load.size[rows][:, None] * share[bins]
            self._spread(load.resource[rows], first + bins, amount, label)
        np.add.at(self.carried, load.resource, many.sum() * load.size)
        self._carried_version[load.resource] = self.version

    def _shares(
        self, parts: int, many: _Floats, since: _Floats, until: _Floats
    ) -> tuple[int, _Floats]:
        """How many calls' worth of a part of a call each interval has: float64 [parts, n].

        Also the first of these intervals.
        """
        first = min(int(since.min() / self.width), self.bins - 1)
        last = min(max(math.ceil(until.max() / self.width), first + 1), self.bins)
        edges = np.arange(first, last + 1) * self.width
        cuts = since[:, None] + (until - since)[:, None] * np.arange(parts + 1) / parts
        begin, end = cuts[:, :-1, None], cuts[:, 1:, None]
        lasts = end - begin
        passed = np.where(
            lasts > 0,
            (np.clip(edges, begin, end) - begin) / np.where(lasts > 0, lasts, 1.0),
            edges > begin,  # all at once
        )
        passed[..., 0], passed[..., -1] = 0.0, 1.0  # whatever was rounded, no byte is lost
        return first, np.tensordot(many, np.diff(passed), axes=1)

    def _spread(self, resource: _Longs, bins: _Longs, amount: _Floats, label: int) -> None:
        cells = np.ix_(resource, bins)
        self._bytes[cells] += amount
        self._vote(cells, amount, label)
        self._bin_version[bins] = self.version

    def _vote(self, cells: tuple[NDArray[np.intp], ...], amount: _Floats, label: int) -> None:
        """Weighted majority vote: a class that has more than half of the bytes is found."""
        lead, before = self._lead[cells], self._label[cells]
        after = np.where(before == label, lead + amount, lead - amount)
        self._label[cells] = np.where(after < 0, label, before)
        self._lead[cells] = np.abs(after)

    def changed(self, version: int, epoch: int) -> _Longs:
        """The intervals that have changed since a version; all, where ``epoch`` was another."""
        if epoch != self.epoch:
            return np.arange(self.bins)
        return np.flatnonzero(self._bin_version > version)

    def carriers(self, version: int) -> _Longs:
        """The resources that have carried more since a version."""
        return np.flatnonzero(self._carried_version > version)

    def utilisation(self, which: _Longs) -> _Floats:
        """The fraction of each resource's bandwidth in use in these intervals: float64 [R, n]."""
        return self._bytes[:, which] / self.capacity[:, None] / (self.width or 1.0)

    def main_label(self, which: _Longs) -> NDArray[np.uint8]:
        """The class of most of the bytes in these intervals: uint8 [R, n]."""
        return self._label[:, which]


def _padded(table: NDArray[Any], columns: int) -> NDArray[Any]:
    """The table with columns of zeros after its own."""
    return np.pad(table, ((0, 0), (0, columns - table.shape[1])))
