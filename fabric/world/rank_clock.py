"""A rank's clock: virtual time, which the authority keeps, or paced time, which wall clocks show.

`rank_clock` chooses between the two; no other code depends on which of them it is.
"""

from contextlib import AbstractContextManager
from functools import partial
from time import monotonic, sleep
from typing import Protocol

from fabric.world.line import Line, Pacing
from fabric.world.messages import AskTime, Compute, TimeReply, Wait

SPIN = 0.0004
"""Seconds before the time from when a rank no longer sleeps: what a sleep may be late by."""

NAP = 0.00002
"""Seconds of each nap from then on."""

PACED_SLICE = 0.25
"""Seconds after which a rank that sleeps looks whether the world has ended."""


class RankClock(Protocol):
    """How emulated time passes for one rank.

    ``sends_computing``: True if the authority learns of `compute` as it is called; else only a span
    in a trace shows it. ``prompt``: True if the authority must have a message at once, as time goes
    on meanwhile.
    """

    sends_computing: bool
    prompt: bool

    def stamp(self) -> float | None:
        """The emulated time that a message must carry, in seconds.

        None if the authority knows it.
        """

    def expect(self, op: int) -> None:
        """Tell the clock that the rank is about to wait for the bytes of its part of ``op``."""

    def wait(self, op: int) -> None:
        """Return when the rank's part of ``op`` is over.

        Called once for each, when its bytes are there.
        """

    def until(self, time: float) -> None:
        """Return when the rank's clock may be at ``time``, in emulated seconds, as it was told."""

    def compute(self, seconds: float, turn: AbstractContextManager[object]) -> None:
        """Move the clock on by ``seconds`` of emulated time.

        ``turn``: a context manager that is entered while the line is used.
        """

    def now(self) -> float:
        """The rank's clock, in emulated seconds; waits until it is known. Raises `WorldError`."""


def rank_clock(line: Line) -> RankClock:
    """The clock of the rank at the end of ``line``: paced if the world's time is, else virtual."""
    pacing = line.pacing()
    return VirtualClock(line) if pacing is None else PacedClock(line, pacing)


class VirtualClock:
    """Virtual time: nobody sleeps.

    The authority learns of everything in order and keeps the time.
    """

    sends_computing = True
    prompt = False

    def __init__(self, line: Line) -> None:
        self._line = line

    def stamp(self) -> None:
        """Always None: the order of messages tells the authority when each was sent."""

    def expect(self, op: int) -> None:
        """Tell the authority that the rank waits for ``op``, before it waits for the bytes.

        Emulated time goes on only when all ranks wait.
        """
        self._line.send(Wait(op))

    def wait(self, op: int) -> None:
        """Return at once: the authority has known of the wait since `expect`."""

    def until(self, time: float) -> None:
        """Return at once: the authority has moved the clock."""

    def compute(self, seconds: float, turn: AbstractContextManager[object]) -> None:
        """Tell the authority that the rank computes for ``seconds`` of emulated time."""
        with turn:
            self._line.send(Compute(float(seconds)))

    def now(self) -> float:
        """Ask the authority for the rank's clock, in emulated seconds. Raises `WorldError`."""
        line = self._line
        with line.awaited():
            return line.inbox.reply(
                lambda token: line.send(AskTime(token), now=True), TimeReply
            ).seconds


class PacedClock:
    """Paced time: the wall clock is the rank's clock, and nothing is over before it says so."""

    sends_computing = False
    prompt = True

    def __init__(self, line: Line, pacing: Pacing) -> None:
        self._line, self._inbox = line, line.inbox
        self._start, self._scale = pacing

    def stamp(self) -> float:
        """The time now, in emulated seconds."""
        return self.now()

    def expect(self, op: int) -> None:
        """Do nothing: the authority learns of the wait when the bytes are there."""

    def wait(self, op: int) -> None:
        """Sleep until the end of the rank's part of ``op``, also if the authority moves it."""
        with self._line.awaited():
            self._line.send(Wait(op), now=True)
            self._sleep_until_over(op)

    def compute(self, seconds: float, turn: AbstractContextManager[object]) -> None:
        """Sleep for ``seconds`` of emulated time, while other threads may use the line."""
        self.until(self.now() + seconds)

    def until(self, time: float) -> None:
        """Sleep until the wall clock shows ``time``, in emulated seconds."""
        while (left := self._left(time)) > 0:
            self._inbox.check()
            sleep(min(left - SPIN, PACED_SLICE) if left > SPIN else NAP)

    def now(self) -> float:
        """The time that the wall clock shows, in emulated seconds."""
        return (monotonic() - self._start) / self._scale

    def _sleep_until_over(self, op: int) -> None:
        ends = self._inbox.ends
        while True:
            self._inbox.check()
            end = ends.get(op)
            left = PACED_SLICE if end is None else self._left(end)
            if left > SPIN:
                least = left if end is None else min(left - SPIN, PACED_SLICE)
                self._inbox.news.wait(partial(self._moved, op, end), least)
            elif left <= 0:
                ends.pop(op, None)
                return
            else:
                sleep(NAP)

    def _moved(self, op: int, end: float | None) -> bool:
        """Whether more is known now of when the rank's part of ``op`` ends."""
        return self._inbox.ends.get(op) != end

    def _left(self, end: float) -> float:
        """Wall seconds until an emulated time."""
        return self._start + end * self._scale - monotonic()
