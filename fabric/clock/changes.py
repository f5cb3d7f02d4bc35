"""The changes of a machine on the clock of running ranks, for sessions that begin at any time."""

from bisect import bisect_right
from collections.abc import Sequence

from fabric.clock.calls import grid
from fabric.engines.base import LinkChange, Session
from fabric.faults.changes import LinkHistory, TimedChange


class ClockChanges:
    """What ``changes`` of a machine of so many ``links``, and when, in emulated seconds.

    Times are moved to the grid of the clock, so that differences of them are exact.
    """

    def __init__(self, changes: Sequence[TimedChange], links: int) -> None:
        self._links, self._past = links, 0
        self._changes = [TimedChange(grid(one.at), one.what) for one in changes]
        self._times = [one.at for one in self._changes]
        self._history = LinkHistory(links, self._changes)
        self._at_begin: list[LinkChange] = []

    def __bool__(self) -> bool:
        return bool(self._changes)

    def until(self, time: float) -> tuple[int, float]:
        """How many changes have happened at a time, and when the next one does; inf: never."""
        past = bisect_right(self._times, time)
        return past, self._times[past] if past < len(self._times) else float("inf")

    def enter(self, session: Session, origin: float) -> None:
        """Let a ``session`` that has been cleared begin at ``origin``, in emulated seconds."""
        past, _ = self.until(origin)
        for what in self._state(past, origin):
            session.change(0.0, what)
        for at, what in self._changes[past:]:
            session.change(at - origin, what)

    def _state(self, past: int, time: float) -> list[LinkChange]:
        """The changes that lead to the state after so many have happened."""
        if past < self._past:
            self._history, self._past = LinkHistory(self._links, self._changes), 0
        if past != self._past or not past:
            self._history.go(time)
            self._at_begin, self._past = self._history.states.as_changes(), past
        return self._at_begin
