"""The lines of ranks that are threads of one process: straight to the World, under a lock."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from fabric.failure import WorldError
from fabric.host.forked import again, own
from fabric.world.inbox import LEFT, Inbox
from fabric.world.line import Pacing
from fabric.world.messages import FromRank
from fabric.world.rank_control import RankControl
from fabric.world.world import World

BATCH = 64
"""Messages after which they are handed in though nobody waits."""

BUSY = 0.25
"""Seconds that the world is given to compute what calls take, before it is ended nevertheless."""


class SharedLine:
    """What the lines of all ranks share: the world, and the log of messages noted for it.

    A rank that waits first has the world handle the whole log. ``waiting``: how many ranks wait;
    while any does, each message is handled at once, so no message that one of them waits for stays
    in the log. ``controls``: the `RankControl` of each rank.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.log: deque[tuple[int, FromRank]] = deque()
        self.waiting = 0
        self._lock = threading.Lock()
        self._lines = [ThreadLine(self, rank) for rank in range(world.size)]
        self.controls = [RankControl(line) for line in self._lines]

    def note(self, rank: int, message: FromRank, now: bool = False) -> None:
        """Add a message of ``rank`` to the log; ``now``: hand the log in at once."""
        self.log.append((rank, message))
        if now or self.waiting or len(self.log) >= BATCH:
            self.hand_in()

    def hand_in(self) -> None:
        """Give the world all that ranks have noted, and the ranks what it replies."""
        with self._lock:
            self._take()

    def look(self, patience: float) -> None:
        """Do the same for the launcher, which waits for ``patience`` seconds at most.

        The thread of a rank may let the world compute what a call takes, and others wait for it.
        """
        self._soon(self._take, patience)

    def stop(self, error: WorldError) -> None:
        """End the world with ``error``, also while it computes."""
        self.look(BUSY)
        self._soon(lambda: self.world.stop(error), BUSY, at_last=True)

    def late(self, ranks: Iterable[int], timeout: float) -> None:
        """End the world with an error: ``ranks`` have not ended within ``timeout`` seconds."""
        self.look(BUSY)
        self._soon(lambda: self.world.late(ranks, timeout), BUSY, at_last=True)

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """A context manager for the time in which a rank waits for what the world replies."""
        with self._lock:
            self.waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self.waiting -= 1

    def disown(self) -> None:
        """Make a new lock in a forked child.

        The thread that held the old one is not in this process.
        """
        self._lock = threading.Lock()

    def _take(self) -> None:
        world, wall = self.world, time.monotonic()
        while self.log:
            world.handle(*self.log.popleft(), wall)
        world.tick(wall)
        self._deliver()

    def _soon(self, do: Callable[[], None], patience: float, at_last: bool = False) -> None:
        """Call ``do`` with nobody else in the world; after ``patience`` seconds ``at_last`` anyhow.

        To end a world while another thread is in it harms nobody: it computes on, in vain.
        """
        lock = self._lock
        mine = lock.acquire(timeout=patience)
        try:
            if mine or at_last:
                do()
                self._deliver()
        finally:
            if mine:
                lock.release()

    def _deliver(self) -> None:
        for rank, reply in self.world.replies():
            self._lines[rank].inbox.receive(reply)


class ThreadLine:
    """The `fabric.world.line.Line` of one thread; made by a `SharedLine`."""

    def __init__(self, shared: SharedLine, rank: int) -> None:
        self.rank, self.size = rank, shared.world.size
        self.inbox, self.closed = Inbox(), False
        self._shared, self._why = shared, WorldError(LEFT, rank)
        self.awaited = shared.awaited
        own(self)

    def disown(self, error: WorldError) -> None:
        """Refuse every further use with ``error``; see `fabric.host.forked`."""
        self.closed, self._why = True, error
        self.inbox.disown(error)
        self._shared.disown()

    def again(self) -> bool:
        """False: nothing is saved where a message is a reference."""
        return False

    def pacing(self) -> Pacing | None:
        """How paced time passes; None on virtual time."""
        world = self._shared.world
        return None if world.scale is None else Pacing(world.start, world.scale)

    def send(self, message: FromRank, now: bool = False) -> None:
        """Note ``message``; ``now``: hand in the log at once.

        Raises `WorldError` as `Line.send`.
        """
        if self.closed:
            raise again(self._why)
        self.inbox.check()  # or a program that never waits would go on for ever
        self._shared.note(self.rank, message, now)

    def post(self, message: FromRank) -> None:
        """Note ``message`` even after the end of the world; see `Line.post`."""
        self._shared.note(self.rank, message)

    def drain(self, patience: float) -> None:
        """Hand in what was noted; waits for nobody. See `Line.drain`."""
        self._shared.hand_in()

    def close(self) -> None:
        """Hand in what was noted, then refuse further messages; see `Line.close`."""
        self.closed = True
        self._shared.hand_in()
