"""Pace: paced time at a rank: nothing is over before the wall clock says so."""

import threading
import time
from collections.abc import Callable

SPIN = 0.0004
"""Seconds before the time from when a rank no longer sleeps: what a sleep may be late by."""

NAP = 0.00002
"""Seconds of each nap from then on."""

SLICE = 0.25
"""Seconds after which a rank that sleeps looks whether the world has ended."""

KEPT = 4096
"""Ends of calls that are remembered for a rank that has not waited for them yet."""


class Pace:
    """The wall clock as a rank's emulated one.

    ``start``: the monotonic clock, in seconds, when emulated time is 0. ``scale``: wall seconds
    that an emulated second takes. ``check``: raises where the world has ended.
    """

    def __init__(self, start: float, scale: float, check: Callable[[], None]) -> None:
        self.start, self.scale = start, scale
        self._check = check
        self._ends: dict[int, float] = {}
        self._news = threading.Condition()

    def now(self) -> float:
        """Emulated seconds."""
        return (time.monotonic() - self.start) / self.scale

    def told(self, op: int, end: float) -> None:
        """The rank's part of ``op`` ends at ``end``, in emulated seconds, as far as known now."""
        with self._news:
            self._ends[op] = end
            if len(self._ends) > KEPT:
                del self._ends[next(iter(self._ends))]
            self._news.notify_all()

    def wake(self) -> None:
        """Let whoever waits look again whether the world has ended."""
        with self._news:
            self._news.notify_all()

    def wait(self, op: int) -> None:
        """Return as soon as the rank's part of ``op`` is over, and not before; once for each."""
        while True:
            self._check()
            with self._news:
                end = self._ends.get(op)
                left = SLICE if end is None else self._left(end)
                if left > SPIN:
                    self._news.wait(min(left - SPIN, SLICE) if end is not None else left)
                    continue
                if left <= 0:
                    del self._ends[op]
                    return
            time.sleep(NAP)

    def compute(self, seconds: float) -> None:
        """Return when so many emulated seconds have passed."""
        end = self.now() + seconds
        while (left := self._left(end)) > 0:
            self._check()
            time.sleep(min(left - SPIN, SLICE) if left > SPIN else NAP)

    def _left(self, end: float) -> float:
        """Wall seconds until an emulated time."""
        return self.start + end * self.scale - time.monotonic()
