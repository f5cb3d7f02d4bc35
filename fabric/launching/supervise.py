"""The launcher's watch over the processes of its ranks, until none is left."""

import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from fabric.failure import RankLost
from fabric.host.liveness import GONE, STOPPED, how_it_ended, state
from fabric.settings import Settings
from fabric.world.world import AFTERWORDS

CHILDREN_LOOK = 0.01
"""Seconds between two looks at who has ended."""

STATE_LOOK = 0.1
"""Seconds between two looks at who stands still."""

UNMISSED = 0.5
"""Seconds after which the loss of a rank would have ended the world, if others waited for it."""

HELD = 0.5
"""Seconds after which a process that has ended, and cannot be waited for, is held by a debugger."""

LAST_GRACE = 1.0
"""Seconds that a rank has between SIGTERM and SIGKILL."""


class Child(Protocol):
    """A child process; the common part of `subprocess.Popen` and `multiprocessing.Process`."""

    @property
    def pid(self) -> int:
        """The number of the process, which is also that of its process group."""

    def poll(self) -> int | None:
        """The exit code, or below 0 the signal that killed it; None while it lives."""


class Reports(Protocol):
    """Where the launcher reports what happened to ranks, and learns whether the world has ended."""

    def lost(self, rank: int, cause: str, delay: float = 0.0) -> None:
        """Report that a rank is gone, ``delay`` seconds from now.

        ``cause``: "was killed by SIGKILL".
        """

    def left(self, rank: int) -> None:
        """Report that a rank has ended well."""

    def late(self, ranks: Iterable[int], timeout: float) -> None:
        """Report that these ranks have not ended in ``timeout`` seconds, which ends the world."""

    def ended(self) -> bool:
        """True if an error has ended the world."""


class Watch:
    """Watches ``children``, by rank, and reports to ``reports``.

    ``codes``: how each has ended. ``cut``: which still ran when all grace was over. A child that is
    stopped for too long is killed: its rank may have left, so that no other rank misses it.
    """

    def __init__(self, children: Mapping[int, Child], reports: Reports, settings: Settings) -> None:
        self.codes: dict[int, int] = {}
        self.cut: set[int] = set()
        self._given_up: set[int] = set()
        self._children, self._reports, self._settings = children, reports, settings
        self._alive = dict(children)
        self._standing: dict[int, float] = {}
        self._held: dict[int, float] = {}
        self._looked = 0.0

    def run(self, timeout: float | None = None, each: Callable[[], None] = lambda: None) -> None:
        """Watch the ranks until all have ended; ``each`` is called again and again meanwhile.

        After ``timeout`` seconds the world is ended with a `TimedOut`. When the world has ended,
        the ranks that are left have `Settings.grace` seconds to end. In any case no child outlives
        this call.
        """
        due = None if timeout is None else time.monotonic() + timeout
        over: float | None = None
        try:
            while self._alive and (over is None or time.monotonic() < over):
                self._turn()
                each()
                now = time.monotonic()
                if over is None and self._reports.ended():
                    over = now + self._settings.grace
                elif over is None and due is not None and now > due:
                    due = None
                    self._reports.late(self._alive, timeout or 0.0)
                time.sleep(CHILDREN_LOOK)
        finally:
            if not self._reports.ended():  # an interrupt, say: ranks of other nodes wait for these
                for rank in self._alive:
                    self._reports.lost(rank, "was ended by its launcher, which was stopped")
            self._finish()
            each()

    def _turn(self) -> None:
        for rank, child in list(self._alive.items()):
            code = child.poll()
            if code is not None:
                self._gone(rank, code)
        now = time.monotonic()
        if now - self._looked > STATE_LOOK:
            self._looked = now
            for rank, child in list(self._alive.items()):
                found = state(child.pid)
                self._stands(rank, child, found, now)
                if self._is_held(rank, found, now):
                    self._gone(rank, -signal.SIGKILL)

    def _gone(self, rank: int, code: int) -> None:
        self.codes[rank] = code
        del self._alive[rank]
        if code == 0:
            self._reports.left(rank)
        else:
            # One that ended by itself has perhaps said why, and that comes in by another way.
            self._reports.lost(rank, how_it_ended(code), 0.0 if code < 0 else AFTERWORDS)
            kill(self._children[rank].pid, signal.SIGKILL)  # what it has started, if anything

    def _is_held(self, rank: int, found: str, now: float) -> bool:
        """A debugger hears of a process's end first; until it has looked, no code can be read."""
        if found != GONE:
            self._held.pop(rank, None)
            return False
        return now - self._held.setdefault(rank, now) > HELD

    def _stands(self, rank: int, child: Child, found: str, now: float) -> None:
        if found != STOPPED:
            self._standing.pop(rank, None)
            return
        late = now - self._standing.setdefault(rank, now) - self._settings.stop_timeout
        if late > 0 and rank not in self._given_up:
            self._given_up.add(rank)
            self._reports.lost(rank, self._stopped())
        elif late > 0 and (late > UNMISSED or self._reports.ended()):
            # It had left, and nobody misses it; or all is over, and a signal would not reach it.
            kill(child.pid, signal.SIGKILL)

    def given_up(self, rank: int) -> RankLost | None:
        """The error for a rank that was stopped for too long; None for any other rank."""
        if rank in self._given_up:
            return RankLost(f"rank {rank} {self._stopped()}", rank)
        return None

    def _stopped(self) -> str:
        return f"has been stopped for more than {self._settings.stop_timeout:g} s"

    def _finish(self) -> None:
        """End whoever is left, with SIGTERM first, also those who stand still."""
        self.cut = set(self._alive)
        for number, patience in ((signal.SIGTERM, LAST_GRACE), (signal.SIGKILL, 10 * LAST_GRACE)):
            for child in self._alive.values():
                kill(child.pid, number)
            due = time.monotonic() + patience
            while self._alive and time.monotonic() < due:
                for rank, child in list(self._alive.items()):
                    code = child.poll()
                    if code is None and self._is_held(rank, state(child.pid), time.monotonic()):
                        code = -signal.SIGKILL
                    if code is not None:
                        self.codes[rank] = code
                        del self._alive[rank]
                time.sleep(CHILDREN_LOOK)


def reaped(child: Child) -> bool:
    """Wait for a child that ends; False if it has, and a debugger keeps it from being waited for.

    That lasts until the debugger looks, which may be never.
    """
    due = math.inf
    while child.poll() is None:
        now = time.monotonic()
        due = min(due, now + HELD) if state(child.pid) == GONE else math.inf
        if now > due:
            return False
        time.sleep(CHILDREN_LOOK)
    return True


def kill(pid: int, number: int) -> None:
    """Send signal ``number`` to a rank and the processes that it started, if they exist."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
        return
    with suppress(ProcessLookupError):
        os.kill(pid, number)
