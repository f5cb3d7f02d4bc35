"""What the authority has sent to a rank, and the waits for it."""

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fabric.failure import KINDS, RankLost, TimedOut, WorldError, as_parts
from fabric.host.waiting import Bells
from fabric.world.messages import (
    Acknowledged,
    Agreed,
    Committed,
    Doomed,
    End,
    Exchanged,
    Finish,
    FromWorld,
    Gone,
    Reply,
)

REPLY_SLICE = 0.25
"""Seconds after which one that waits looks again, though nothing has arrived."""

LEFT = "this rank has left its world and can make no more calls"

Replied = TypeVar("Replied")


class Inbox:
    """Messages from the authority: any thread adds them with `receive`, the rank's thread reads.

    ``acknowledged``: how many messages of the rank have been handled. ``ends``: on paced time, the
    times at which the rank's parts of calls end, in emulated seconds, as far as known now; whoever
    has waited for one removes it. ``news``: rung whenever something has arrived. ``lost``: by rank,
    why it is lost, where the world goes on; ``wake``: called when a call is decided there.
    """

    def __init__(self) -> None:
        self.acknowledged = 0
        self.ends: dict[int, float] = {}
        self.news = Bells()
        self.lost: dict[int, str] = {}
        self.wake: Callable[[], None] = lambda: None
        self._decided: dict[int, Committed | Doomed] = {}
        self._agreed: dict[int, Agreed] = {}
        self._floor = 0
        self._tokens = itertools.count()
        self._replies: dict[int, Reply] = {}
        self._exchanged: deque[Sequence[Any]] = deque()
        self._lock = threading.Lock()
        self._end: End | None = None

    def receive(self, message: FromWorld) -> None:
        """Store a message that has arrived, and wake whoever waits for it."""
        with self._lock:
            match message:
                case Acknowledged():
                    self.acknowledged += message.messages
                case Finish():
                    self.ends[message.op] = message.seconds
                case Exchanged():
                    self._exchanged.append(message.values)
                case End():
                    self._end = self._end or message
                case Committed() | Doomed():
                    if message.op >= self._floor:
                        self._decided[message.op] = message
                case Gone():
                    self.lost[message.rank] = message.message
                case Agreed():
                    self._agreed[message.op] = message
                case _:
                    self._replies[message.token] = message
        self.news.ring()
        if isinstance(message, Committed | Doomed | Gone):
            self.wake()

    def stop(self, error: WorldError) -> None:
        """Raise ``error`` in every later use, as if the authority had ended the world with it."""
        self.receive(End(*as_parts(error)))

    def disown(self, error: WorldError) -> None:
        """Refuse every further use with ``error``; see `fabric.host.forked`."""
        self._lock, self.news = threading.Lock(), Bells()
        self._end = End(*as_parts(error))

    def check(self) -> None:
        """Raise the `WorldError` that has ended the world, if one has."""
        end = self._end
        if end is not None:
            raise KINDS[end.kind](end.message, end.rank)

    def reply(
        self, ask: Callable[[int], None], kind: type[Replied], timeout: float | None = None
    ) -> Replied:
        """Call ``ask(token)``, which sends a question, and wait; returns the reply to it.

        ``kind``: the class of the reply. Raises `WorldError`; `TimedOut` after ``timeout`` seconds.
        """
        self.check()
        token = next(self._tokens)
        ask(token)
        self.wait(lambda: token in self._replies, timeout)
        found = self._replies.pop(token)
        if not isinstance(found, kind):
            raise WorldError(f"the authority has answered with {found!r:.80}")
        return found

    def exchanged(self) -> Sequence[Any]:
        """Wait for the next exchange; returns what all ranks brought to it. Raises `WorldError`."""
        self.wait(lambda: bool(self._exchanged))
        return self._exchanged.popleft()

    def committed(self, op: int) -> bool:
        """Whether call ``op`` is known to be over at all its ranks; True once only."""
        if isinstance(self._decided.get(op), Committed):
            del self._decided[op]
            return True
        return False

    def doomed(self, op: int) -> RankLost | None:
        """The error of call ``op`` if it is over at none of its ranks; else None."""
        message = self._decided.get(op)
        if not isinstance(message, Doomed):
            return None
        error = RankLost(message.message, message.rank)
        error.op = op
        return error

    def forget(self, floor: int) -> None:
        """Remove what is known, and becomes known later, of calls below ``floor``."""
        with self._lock:
            self._floor = max(self._floor, floor)
            self._decided = {op: one for op, one in self._decided.items() if op >= floor}

    def agreed(self, op: int) -> Agreed:
        """Wait for the outcome of agreement ``op``; raises `WorldError`."""
        self.wait(lambda: op in self._agreed)
        return self._agreed.pop(op)

    def wait(self, ready: Callable[[], bool], timeout: float | None = None) -> None:
        """Return once ``ready()`` is true; raises the `WorldError` that ends the world before.

        And `TimedOut` after ``timeout`` seconds; None: never.
        """
        due = math.inf if timeout is None else time.monotonic() + timeout
        while not ready():
            self.check()
            left = due - time.monotonic() if timeout is not None else REPLY_SLICE
            if left <= 0:
                raise TimedOut(f"nothing has come of it after {timeout:g} s")
            self.news.wait(lambda: ready() or self._end is not None, min(left, REPLY_SLICE))
