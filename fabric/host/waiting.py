"""Waiting for news from other threads, safe where a signal handler raises at any moment.

Python's own `threading.Condition` and `threading.Event` take their lock in Python code. An
exception out of a signal handler (Ctrl-C, an alarm) that comes just after that leaves the lock held
for ever, and with it every thread that has news. Here nothing is held while Python code runs: each
thread that waits sleeps on a lock of its own, and a thread that has news releases them all.
"""

from _thread import LockType, allocate_lock
from collections import deque
from collections.abc import Callable


class Bells:
    """A set of waiting threads, each with a lock of its own, that wait for the same news."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[LockType] = deque()

    def ring(self) -> None:
        """Wake all waiting threads; call it after the news can be seen."""
        for bell in tuple(self._waiting) if self._waiting else ():
            if bell.locked():
                try:
                    bell.release()
                except RuntimeError:  # another has rung it meanwhile
                    continue

    def wait(self, come: Callable[[], bool], timeout: float = -1.0) -> None:
        """Wait until somebody rings, for at most ``timeout`` seconds (below 0: no limit).

        ``come`` is asked first: if it returns True, there is nothing to wait for.
        """
        bell = allocate_lock()
        bell.acquire()
        self._waiting.append(bell)  # first this and then the look, or news between them is missed
        try:
            if not come():
                bell.acquire(timeout=timeout)
        finally:
            self._waiting.remove(bell)


class Latch:
    """A flag to wait for, like `threading.Event`; false at first."""

    __slots__ = ("_bells", "_on")

    def __init__(self) -> None:
        self._on, self._bells = False, Bells()

    def __bool__(self) -> bool:
        return self._on

    def set(self) -> None:
        """Set the latch, and wake all threads that wait for it."""
        self._on = True
        self._bells.ring()

    def clear(self) -> None:
        """Reset the latch."""
        self._on = False

    def wait(self, timeout: float = -1.0) -> bool:
        """Wait until the latch is set, for at most ``timeout`` seconds.

        Returns whether it is set.
        """
        if not self._on:
            self._bells.wait(self.__bool__, timeout)
        return self._on
