"""Chains of operators that share streams: when each runs, and which of them set the time.

A chain is what a micro-batch does, one operator after another. A stream does one operator at a
time. Of the chains, the one whose next operator can begin first goes on; of several the one that
the stream is at already, then the one that waits longest. Two chains whose layers take A in one
stream and M in another, one after the other, take ``2 * max(A, M)`` a layer, and ``min(A, M)``
once, before and after.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from collectives.workloads.inference.operators import Operator


@dataclass(frozen=True, slots=True)
class ScheduledOperator:
    """An operator of a chain with when it begins and ends, in seconds.

    ``before``: the number of the one whose end let it begin; -1: none.
    """

    operator: Operator
    chain: int
    begin: float
    end: float
    before: int


@dataclass(frozen=True)
class OperatorSchedule:
    """All operators of a step in the order in which they were begun."""

    rows: tuple[ScheduledOperator, ...]

    @property
    def seconds(self) -> float:
        """When the last one ends."""
        return max((row.end for row in self.rows), default=0.0)

    def critical(self) -> list[ScheduledOperator]:
        """The operators that set the time, first to last: each begins where the one before ends."""
        if not self.rows:
            return []
        at = max(range(len(self.rows)), key=lambda number: self.rows[number].end)
        path = []
        while at >= 0:
            path.append(self.rows[at])
            at = self.rows[at].before
        return path[::-1]

    def critical_seconds(self) -> dict[str, float]:
        """Seconds of the time that each operator accounts for, by name; they add up to it."""
        found: dict[str, float] = {}
        for row in self.critical():
            found[row.operator.name] = found.get(row.operator.name, 0.0) + row.end - row.begin
        return found

    def busy(self) -> Mapping[str, float]:
        """Seconds that each stream works."""
        found: dict[str, float] = {}
        for row in self.rows:
            stream = row.operator.stream
            found[stream] = found.get(stream, 0.0) + row.operator.seconds
        return found


def overlapped(chains: Sequence[Sequence[Operator]]) -> OperatorSchedule:
    """The schedule of ``chains`` that begin together."""
    return _Scheduling().add(chains).done()


def in_turn(phases: Sequence[Sequence[Sequence[Operator]]]) -> OperatorSchedule:
    """The schedule of phases of chains: a phase begins when all of the one before has ended."""
    scheduling = _Scheduling()
    for chains in phases:
        scheduling.add(chains)
    return scheduling.done()


class _Candidate(NamedTuple):
    """The next operator of a chain, in the order of preference: the least goes on.

    ``begin``: when it can; ``moves``: whether its stream was at another chain; ``since``: when the
    one before it ended.
    """

    begin: float
    moves: bool
    since: float
    chain: int
    stream: str


class _Scheduling:
    """Rows so far; ``last``: the one that ended last, at whose end the next phase begins."""

    def __init__(self) -> None:
        self.rows: list[ScheduledOperator] = []
        self.last = -1

    def add(self, chains: Sequence[Sequence[Operator]]) -> "_Scheduling":
        latest = {chain: self.last for chain in range(len(chains))}
        streams: dict[str, int] = {}
        done = [0] * len(chains)
        for _ in range(sum(map(len, chains))):
            chosen = min(
                self._next(own[done[chain]], latest[chain], streams, chain)
                for chain, own in enumerate(chains)
                if done[chain] < len(own)
            )
            begin, chain = chosen.begin, chosen.chain
            before = self._later(latest[chain], streams.get(chosen.stream, -1))
            operator = chains[chain][done[chain]]
            row = ScheduledOperator(operator, chain, begin, begin + operator.seconds, before)
            latest[chain] = streams[operator.stream] = len(self.rows)
            self.rows.append(row)
            done[chain] += 1
        self.last = max(range(len(self.rows)), key=lambda n: self.rows[n].end, default=-1)
        return self

    def _next(
        self, operator: Operator, latest: int, streams: Mapping[str, int], chain: int
    ) -> "_Candidate":
        at = streams.get(operator.stream, -1)
        since, free = self._end(latest), self._end(at)
        return _Candidate(max(since, free), at < 0 or at != latest, since, chain, operator.stream)

    def _end(self, row: int) -> float:
        return self.rows[row].end if row >= 0 else 0.0

    def _later(self, *rows: int) -> int:
        """The one of these rows that ends last."""
        return max(rows, key=lambda row: (self._end(row), row))

    def done(self) -> OperatorSchedule:
        return OperatorSchedule(tuple(self.rows))
