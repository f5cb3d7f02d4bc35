"""Accesses to registered memory: calls whose other part the authority enters itself.

A rank that puts or gets begins a call of two places, its own and that of the memory, and nobody
sits at the other: so both parts begin at the time of the rank. What follows from an access (a word
that changes) happens when its transfer ends: one after another in the order of these ends, by rank
and number where several end at one instant.
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fabric.clock.calls import CallShare, Family, TimedCall
from fabric.engines.columns import NO_STREAMS, RankStreams
from fabric.schedule.plan import TimedRows

Act = Callable[[], tuple[int, int]]
"""Changes a word; returns it before and after."""

WordKey = tuple[int, int, int]
"""A word: its window, the rank of the memory, and the byte at which it begins."""

_REMEMBERED = 64  # changes of a word that lie ahead of a rank which comes to wait for it


class AccessTerms(NamedTuple):
    """What an access moves, and what follows.

    ``target``: the rank of the memory; ``writes``: whether bytes go there, else from there;
    ``size``: bytes, in so many ``messages``; ``sides``: whether the memory of the initiator, and of
    the target, is a CPU's; ``key``, ``act``: the word that is changed then, if one is; ``plane``:
    that the window has of its own, "" for none.
    """

    target: int
    writes: bool
    size: int
    messages: int
    sides: tuple[bool, bool]
    key: WordKey | None = None
    act: Act | None = None
    plane: str = ""


@dataclass(eq=False, slots=True, kw_only=True)
class TimedAccess(TimedCall):
    """One access by rank ``owner``, its ``number``-th.

    ``asked``: when its rank began it; ``after``: earlier accesses of the rank that have to be over
    before it begins, as a fence wants.
    """

    owner: int
    number: int
    terms: AccessTerms
    asked: float = 0.0
    after: set["TimedAccess"] = field(default_factory=set)

    def position(self, rank: int) -> int | None:
        """0 for its owner, None for everybody else."""
        return 0 if rank == self.owner else None

    def posted(self) -> list[tuple[int, int]]:
        """Its owner alone."""
        return [(self.owner, 0)]

    def finish(self, begin: float, end: float) -> None:
        """Record when it set out and when it was over, in emulated seconds."""
        self.joined[0], self.end[0] = begin, end
        self.away = self.open = 0


_BROUGHT = CallShare("", RankStreams((), 0, "", NO_STREAMS), False, False)
"""That a rank has brought its part of an access; what it moves is of a batch."""


def new_access(op: int, family: Family, owner: int, number: int, terms: AccessTerms) -> TimedAccess:
    """An access ``op`` that has not begun yet."""
    return TimedAccess(
        op, family, [_BROUGHT] * 2, [None], [None], 1, 1, owner=owner, number=number, terms=terms
    )


@dataclass(eq=False, slots=True, kw_only=True)
class AccessBatch(TimedCall):
    """Accesses that a rank has begun at one instant, from one place to another: one call.

    They are the messages of one stream, as they are on one queue of an initiator.
    """

    members: list[TimedAccess]

    @property
    def over(self) -> float:
        """When both of its parts have ended, in emulated seconds."""
        return max((end for end in self.end if end is not None), default=-math.inf)

    def rows(self) -> TimedRows:
        """The row of its stream, the same at both of its places."""
        terms = [member.terms for member in self.members]
        ends = (0, len(self.parts) - 1)
        src, dst = ends if terms[0].writes else ends[::-1]
        return access_rows(sum(t.size for t in terms), sum(t.messages for t in terms), src, dst)


def new_batch(members: list[TimedAccess]) -> AccessBatch:
    """A batch that has not set out yet."""
    family = members[0].family
    n = len(family.group)
    return AccessBatch(
        members[0].op, family, [None] * n, [None] * n, [None] * n, n, n, members=members
    )


@lru_cache(1 << 12)
def access_rows(size: int, messages: int, src: int, dst: int) -> TimedRows:
    """The row of an access, none if it moves nothing."""
    rows = int(size > 0)
    step, source, target, moved, many, reduces = (
        np.full(rows, value, np.int64) for value in (0, src, dst, size, messages, 0)
    )
    return TimedRows(step, source, target, moved, many, reduces)


class Fences:
    """The accesses of one rank that are not over, and which of them later ones wait for."""

    def __init__(self) -> None:
        self.begun = 0
        self._under_way: dict[int, set[TimedAccess]] = defaultdict(set)
        self._before: dict[int, set[TimedAccess]] = {}
        self._held: list[TimedAccess] = []

    def fence(self) -> None:
        """From here on accesses begin when the earlier ones to the same rank are over."""
        self._before = {target: set(some) for target, some in self._under_way.items() if some}

    def begin(self, access: TimedAccess, target: int) -> bool:
        """Take note of an access; returns whether it may begin."""
        access.after = set(self._before.get(target, ()))
        self._under_way[target].add(access)
        if access.after:
            self._held.append(access)
        return not access.after

    def end(self, access: TimedAccess, target: int) -> list[TimedAccess]:
        """Take note that an access is over; returns those that may begin now."""
        self._under_way[target].discard(access)
        if target in self._before:
            self._before[target].discard(access)
        for held in self._held:
            held.after.discard(access)
        free = [held for held in self._held if not held.after]
        self._held = [held for held in self._held if held.after]
        return free


@dataclass(eq=False, slots=True)
class WordWait:
    """A rank that waits for a word; ``holds``: whether a value ends that.

    ``op``: a number for errors; ``token``: of its question.
    """

    rank: int
    op: int
    token: int
    key: WordKey
    holds: Callable[[int], bool]

    def missing(self) -> tuple[int, ...]:
        """Nobody in particular."""
        return ()


class WordClock:
    """When words have changed lately, and who waits for them."""

    def __init__(self) -> None:
        self._changes: dict[WordKey, deque[tuple[float, int, int]]] = {}
        self._waits: dict[WordKey, list[WordWait]] = {}

    def holds_from(
        self, key: WordKey, clock: float, now: int, holds: Callable[[int], bool]
    ) -> float | None:
        """From when on, not before ``clock``, a word ``holds``; None if it does not yet.

        ``now``: the word as it is in memory.
        """
        ahead = [change for change in self._changes.get(key, ()) if change[0] > clock]
        if holds(ahead[0][1] if ahead else now):
            return clock
        return next((time for time, _, after in ahead if holds(after)), None)

    def wait(self, wait: WordWait) -> None:
        """Take note of a rank that waits."""
        self._waits.setdefault(wait.key, []).append(wait)

    def change(self, key: WordKey, time: float, before: int, after: int) -> list[WordWait]:
        """Take note that a word has changed; returns who waits no longer."""
        changes = self._changes.setdefault(key, deque(maxlen=_REMEMBERED))
        if changes:  # an end may lie ahead of the next one's, but a word changes in order
            time = max(time, changes[-1][0])
        changes.append((time, before, after))
        waits = self._waits.pop(key, [])
        free = [wait for wait in waits if wait.holds(after)]
        kept = [wait for wait in waits if not wait.holds(after)]
        if kept:
            self._waits[key] = kept
        return free

    def last(self, key: WordKey) -> float:
        """When a word has changed last, in emulated seconds."""
        return self._changes[key][-1][0]
