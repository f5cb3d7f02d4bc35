"""Pace: paced time at a rank: nothing is over before the wall clock says so."""

import threading
import time
from collections.abc import Callable
from functools import partial

from fabric.host.waiting import Bells

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
        self._lock, self._news = threading.Lock(), Bells()

    def now(self) -> float:
        """Emulated seconds."""
        return (time.monotonic() - self.start) / self.scale

    def told(self, op: int, end: float) -> None:
        """The rank's part of ``op`` ends at ``end``, in emulated seconds, as far as known now."""
        with self._lock:
            self._ends[op] = end
            if len(self._ends) > KEPT:
                del self._ends[next(iter(self._ends))]
        self._news.ring()

    def wake(self) -> None:
        """Let whoever waits look again whether the world has ended."""
        self._news.ring()

    def wait(self, op: int) -> None:
        """Return as soon as the rank's part of ``op`` is over, and not before; once for each."""
        while True:
            self._check()
            end = self._ends.get(op)
            left = SLICE if end is None else self._left(end)
            if left > SPIN:
                least = left if end is None else min(left - SPIN, SLICE)
                self._news.wait(partial(self._moved, op, end), least)
            elif left <= 0:
                with self._lock:
                    del self._ends[op]
                return
            else:
                time.sleep(NAP)

    def compute(self, seconds: float) -> None:
        """Return when so many emulated seconds have passed."""
        end = self.now() + seconds
        while (left := self._left(end)) > 0:
            self._check()
            time.sleep(min(left - SPIN, SLICE) if left > SPIN else NAP)

    def _moved(self, op: int, end: float | None) -> bool:
        """Whether more is known now of when the rank's part of ``op`` ends."""
        return self._ends.get(op) != end

    def _left(self, end: float) -> float:
        """Wall seconds until an emulated time."""
        return self.start + end * self.scale - time.monotonic()
