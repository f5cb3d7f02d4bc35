"""Control for ranks that are threads of one process: the World itself, under a lock."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fabric.clock.pace import Pace
from fabric.failure import WorldError, report
from fabric.host.forked import again, own
from fabric.schedule.plan import Plan
from fabric.world.control import Advice
from fabric.world.inbox import LEFT, Inbox, known
from fabric.world.world import Record, World

BATCH = 64
"""Records after which they are handed in though nobody waits."""


class SharedLine:
    """What the controls of all ranks share: the world, and what ranks have noted for it.

    Whoever waits hands in for everybody. ``waiting``: how many ranks do; from when it is raised
    each record is handed in as it is noted, so what is waited for is never left lying in the log.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.log: deque[tuple[int, Record]] = deque()
        self.waiting = 0
        self._lock = threading.Lock()
        self.controls = [LocalControl(self, rank) for rank in range(world.size)]

    def note(self, rank: int, record: Record) -> None:
        """Add a record to the log."""
        self.log.append((rank, record))
        if self.waiting or len(self.log) >= BATCH:
            self.hand_in()

    def hand_in(self) -> None:
        """Tell the world all that ranks have noted, and the ranks what it says."""
        with self._lock:
            world, wall = self.world, time.monotonic()
            while self.log:
                world.handle(*self.log.popleft(), wall)
            world.tick(wall)
            self._deliver()

    def stop(self, error: WorldError) -> None:
        """End the world from outside."""
        self.hand_in()
        with self._lock:
            self.world.stop(error)
            self._deliver()

    def late(self, ranks: Iterable[int], timeout: float) -> None:
        """End the world, as these ranks have not ended within so many seconds."""
        self.hand_in()
        with self._lock:
            self.world.late(ranks, timeout)
            self._deliver()

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """While a rank waits for what the world says."""
        with self._lock:
            self.waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self.waiting -= 1

    def disown(self) -> None:
        """See `fabric.host.forked`: whoever held the lock is not in this process."""
        self._lock = threading.Lock()

    def _deliver(self) -> None:
        for rank, reply in self.world.replies():
            self.controls[rank].inbox.told(reply)


class LocalControl:
    """A `fabric.world.control.Control` of one thread; made by a `SharedLine`."""

    def __init__(self, hub: SharedLine, rank: int) -> None:
        self.rank, self.size = rank, hub.world.size
        scale = hub.world.scale
        self.inbox = Inbox(None if scale is None else Pace(hub.world.start, scale, self.check))
        self._hub, self._pace, self._left = hub, self.inbox.pace, False
        self._why = WorldError(LEFT, rank)
        own(self)

    def disown(self, error: WorldError) -> None:
        """Refuse every further use with ``error``; see `fabric.host.forked`."""
        self._left, self._why = True, error
        self.inbox.disown(error)
        self._hub.disown()

    def exchange(self, mine: Any) -> Sequence[Any]:
        """Wait until all have brought theirs."""
        with self._hub.awaited():
            self._note(("exchange", mine))
            return self.inbox.exchanged()

    def begin(self, op: int, group: tuple[int, ...], plan: Plan, call: str, operation: str) -> None:
        """Note it; on paced time with the time that the wall clock shows."""
        at = None if self._pace is None else self._pace.now()
        self._note(("begin", op, group, plan.rows, call, operation, at))

    def wait(self, op: int) -> None:
        """Note it; on paced time wait for it."""
        self._note(("wait", op))
        if self._pace is not None:
            with self._hub.awaited():
                self._hub.hand_in()
                self._pace.wait(op)

    def compute(self, seconds: float) -> None:
        """Note it; on paced time sleep as long."""
        if self._pace is None:
            self._note(("compute", seconds))
        else:
            self._pace.compute(seconds)

    def now(self) -> float:
        """Ask the world, and wait for what it answers."""
        if self._pace is not None:
            return self._pace.now()
        with self._hub.awaited():
            return float(self.inbox.answer(lambda token: self._note(("now", token))))

    def times(self, op: int) -> tuple[float, float]:
        """Ask the world, and wait for what it answers."""
        with self._hub.awaited():
            told = self.inbox.answer(lambda token: self._note(("times", token, op)))
        return known(told, op)

    def mark(self, span: int, name: str | None) -> None:
        """Note it."""
        self._note(("mark", span, name, None if self._pace is None else self._pace.now()))

    def advise(
        self, op: str, group: tuple[int, ...], size: int, itemsize: int, root: int,
        algorithm: str | None,
    ) -> Advice | None:  # fmt: skip
        """Ask the world, and wait for what it answers."""
        asked = (op, group, size, itemsize, root, algorithm)
        with self._hub.awaited():
            told = self.inbox.answer(lambda token: self._note(("advise", token, *asked)))
        return None if told is None else Advice(*told)

    def blocked(self, op: int | None) -> None:
        """Hand in what everybody has noted."""
        self._note(("blocked", op))
        self._hub.hand_in()
        self.check()

    def settle(self) -> None:
        """Ask the world, and wait until it is so."""
        if not self._left:
            with self._hub.awaited():
                self.inbox.answer(lambda token: self._note(("settle", token)))

    def check(self) -> None:
        """Raise what has ended the world."""
        self.inbox.check()

    def fail(self, error: BaseException) -> None:
        """Tell the others."""
        if self._left:
            return
        self._hub.note(self.rank, ("fail", *report(error, self.size)))
        self._hub.hand_in()

    def leave(self) -> None:
        """Tell the others."""
        if not self._left:
            self._hub.note(self.rank, ("leave",))
            self._left = True
            self._hub.hand_in()

    def _note(self, record: Record) -> None:
        if self._left:
            raise again(self._why)
        self.inbox.check()  # or a program that never waits would go on for ever
        self._hub.note(self.rank, record)
