"""`LinkChange`: from some time on, links carry less, or more again; what engines get of faults."""

import math
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinkChange:
    """From some time on, ``links`` (int, of the topology) have another bandwidth.

    ``share``: as a fraction of the bandwidth in the topology; 0: they are dead, 1: as built.
    ``routed``: the share by which routes are chosen from then on, None: ``share``. Where it is
    above 0 and ``share`` is 0, the links are dead and nobody knows it yet: what is sent over them
    stands still. ``cause``: what is broken, for errors and pictures, such as ``"l2.3.4 dead"``.
    ``loss``: the part of its packets that a link loses, which ``share`` is without.
    """

    links: _Longs
    share: float
    routed: float | None = None
    cause: str = ""
    loss: float = 0.0

    @property
    def known(self) -> float:
        """The share by which routes are chosen."""
        return self.share if self.routed is None else self.routed


class TimedChange(NamedTuple):
    """``what`` changes at time ``at``, in seconds."""

    at: float
    what: LinkChange


_WHEN = attrgetter("at")


@dataclass(frozen=True, eq=False)
class LinkStates:
    """What each link carries and what routes know of it: float64 [links], fractions as built.

    ``causes``: of the links that have less than they were built with, and which they are; ``loss``:
    the part of its packets that each loses, float64 [links].
    """

    share: _Floats
    routed: _Floats
    loss: _Floats
    causes: tuple[tuple[str, _Longs], ...] = ()

    @staticmethod
    def as_built(links: int) -> "LinkStates":
        """The states of that many links before anything has changed."""
        return LinkStates(np.ones(links), np.ones(links), np.zeros(links))

    def then(self, changes: Sequence[LinkChange]) -> "LinkStates":
        """The states after these changes."""
        share, routed, loss = self.share.copy(), self.routed.copy(), self.loss.copy()
        causes = self.causes
        for one in changes:
            share[one.links], routed[one.links] = one.share, one.known
            loss[one.links] = one.loss
            causes = _without(causes, one.links)
            if one.share < 1 or one.known < 1:
                causes += ((one.cause, one.links),)
        return LinkStates(share, routed, loss, causes)

    def as_changes(self) -> list[LinkChange]:
        """The changes that lead from a machine as built to these states."""
        made = []
        for cause, links in self.causes:
            columns = [one[links] for one in (self.share, self.routed, self.loss)]
            found, which = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
            for number, (share, routed, loss) in enumerate(found.tolist()):
                mine = links[which.ravel() == number]
                made.append(LinkChange(mine, share, routed, cause, loss))
        return made

    @property
    def key(self) -> bytes:
        """The same for states that are alike."""
        return self.share.tobytes() + self.routed.tobytes()


class LinkHistory:
    """The states of ``links`` links as time goes on.

    ``states``: those of the present, since ``last`` (s). ``changes``: those to come, in any order.
    """

    def __init__(self, links: int, changes: Sequence[TimedChange] = ()) -> None:
        self.states, self.last = LinkStates.as_built(links), 0.0
        self._changes = sorted(changes, key=_WHEN)
        self._past = 0  # how many have happened

    def __bool__(self) -> bool:
        """Whether anything has changed, or will."""
        return bool(self._changes)

    @property
    def next(self) -> float:
        """When something changes next, in seconds; inf: never."""
        return self._changes[self._past].at if self._past < len(self._changes) else math.inf

    def add(self, change: TimedChange) -> None:
        """Another change to come, after those that are known of the same time."""
        insort(self._changes, change, lo=self._past, key=_WHEN)

    def go(self, time: float) -> bool:
        """Let everything happen that is due until ``time`` (s); returns whether anything was."""
        end = bisect_right(self._changes, time, lo=self._past, key=_WHEN)
        due = [one.what for one in self._changes[self._past : end]]
        if due:
            self.last = self._changes[end - 1].at
        self._past = end
        if due:
            self.states = self.states.then(due)
        return bool(due)


def _without(
    causes: tuple[tuple[str, _Longs], ...], links: _Longs
) -> tuple[tuple[str, _Longs], ...]:
    left = ((cause, np.setdiff1d(of, links)) for cause, of in causes)
    return tuple((cause, of) for cause, of in left if len(of))


def marks_of(changes: Sequence[TimedChange], links: int) -> _Longs:
    """A number for each link, int64: the same for links whose changes are all alike; else 0."""
    alike: dict[tuple[float, float, float], list[_Longs]] = {}
    for at, what in changes:
        alike.setdefault((at, what.share, what.known), []).append(what.links)
    mark, free = np.zeros(links, np.int64), 1
    for group in alike.values():
        which = np.unique(np.concatenate(group))
        before, place = np.unique(mark[which], return_inverse=True)
        mark[which] = free + place
        free += len(before)
    return np.unique(np.append(mark, 0), return_inverse=True)[1][:-1].astype(np.int64)
