"""Transfers of blocks in a session of the machine's engine, so that all of them contend."""

import heapq
import math
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from collectives.memory.pool.emulated.ways import PoolWays
from fabric.clock.calls import Catalogue
from fabric.engines.base import Ended, Session
from fabric.engines.columns import RankStreams
from fabric.schedule.plan import plans
from fabric.schedule.step import Step

Then = Callable[[float], None]
"""What happens at a time, in seconds, which it is given."""


class _Call(NamedTuple):
    """A call of the session: seconds before its first step, and what each of two ranks brings."""

    start: float
    parts: tuple[RankStreams, RankStreams]


class Transfers:
    """Emulated time in which blocks are moved; ``now``: seconds.

    ``session``: that times them, of all places of the fabric of ``ways``; None: a new one.
    """

    def __init__(self, ways: PoolWays, session: Session | None = None) -> None:
        fabric = ways.fabric
        size = len(fabric.places)
        self.now = 0.0
        self._session = fabric.session(size) if session is None else session
        self._catalogue = Catalogue(fabric, size, self._session)
        self._known: dict[tuple[str, int, int, int, int], _Call] = {}
        self._answered = [0.0] * size
        self._numbers, self._due = count(), list[tuple[float, int, Then]]()
        self._open: dict[int, tuple[tuple[int, int], list[float], Then]] = {}
        self._order = count()

    def at(self, time: float, then: Then) -> None:
        """Have something happen at ``time``, in seconds, which has not passed."""
        heapq.heappush(self._due, (time, next(self._order), then))

    def send(
        self, operation: str, src: int, dst: int, size: int, messages: int, then: Then
    ) -> None:
        """Move ``size`` bytes from one rank to another from now on; ``then``: when they are there.

        ``messages``: the pieces that they are moved in.
        """
        call, group = self._call(operation, src, dst, size, messages), (src, dst)
        number = next(self._numbers)
        for rank, part in zip(group, call.parts, strict=True):
            ready = max(self.now, self._answered[rank])
            self._session.enter(number, ready + call.start, part)
        self._open[number] = (group, [], then)

    def run(self) -> float:
        """Go on until nothing is due and nothing moves; returns the time, in seconds."""
        while self._due or self._open:
            until = self._due[0][0] if self._due else math.inf
            ended = self._session.advance(until)
            for one in ended:
                self._end(one)
            if ended:
                continue
            if math.isinf(until):
                raise AssertionError("transfers that never end are refused by the engine")
            self.now, _, then = heapq.heappop(self._due)
            then(self.now)
        return self.now

    def _end(self, one: Ended) -> None:
        group, ends, then = self._open[one.call]
        rank = group[one.position]
        self._answered[rank] = max(self._answered[rank], one.time)
        ends.append(one.time)
        if len(ends) == len(group):
            del self._open[one.call]
            self.at(max(ends), then)

    def _call(self, operation: str, src: int, dst: int, size: int, messages: int) -> _Call:
        key = operation, src, dst, size, messages
        known = self._known.get(key)
        if known is None:
            family = self._catalogue.family(operation, (src, dst))
            both = plans([Step(0, 1, size, messages=messages, label=operation)], 2)
            first, second = (
                self._catalogue.part(family, one.rows, one.rank).streams for one in both
            )
            known = self._known[key] = _Call(family.start, (first, second))
        return known
