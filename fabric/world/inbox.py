"""Inbox: what a rank has been told by the authority, and the wait for it."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from fabric.clock.pace import Pace
from fabric.failure import KINDS, WorldError, as_parts
from fabric.host.waiting import Bells

SLICE = 0.25
"""Seconds after which one that waits looks again, though nothing has been told."""

LEFT = "this rank has left its world and can make no more calls"


class Inbox:
    """Filled by any thread with `told`, read by the rank's. ``pace``: on paced time, its clock."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace
        self.acknowledged = 0
        self._tokens = itertools.count()
        self._answers: dict[int, Any] = {}
        self._exchanged: deque[Sequence[Any]] = deque()
        self._lock, self._news = threading.Lock(), Bells()
        self._end: tuple[str, str, int | None] | None = None

    def told(self, reply: Sequence[Any]) -> None:
        """Take a reply of `fabric.world.world`, or ``("acknowledged", records)``."""
        kind, *rest = reply
        with self._lock:
            if kind in ("time", "times", "advice"):
                self._answers[rest[0]] = rest[1]
            elif kind == "exchanged":
                self._exchanged.append(rest[0])
            elif kind == "acknowledged":
                self.acknowledged += rest[0]
            elif kind == "finish" and self.pace is not None:
                self.pace.told(rest[0], rest[1])
            elif kind == "end" and self._end is None:
                self._end = rest[0], rest[1], rest[2]
        self._news.ring()
        if kind == "end" and self.pace is not None:
            self.pace.wake()

    def stop(self, error: WorldError) -> None:
        """As if the authority had ended the world."""
        self.told(("end", *as_parts(error)))

    def disown(self, error: WorldError) -> None:
        """Refuse every further use with ``error``; see `fabric.host.forked`."""
        self._lock, self._news = threading.Lock(), Bells()
        self._end = as_parts(error)

    def check(self) -> None:
        """Raise what has ended the world, if anything has."""
        if self._end is not None:
            kind, message, rank = self._end
            raise KINDS[kind](message, rank)

    def answer(self, ask: Callable[[int], None]) -> Any:
        """What the authority answers to ``ask(token)``."""
        self.check()
        token = next(self._tokens)
        ask(token)
        self.wait(lambda: token in self._answers)
        return self._answers.pop(token)

    def exchanged(self) -> Sequence[Any]:
        """What all ranks have brought, once they have."""
        self.wait(lambda: bool(self._exchanged))
        return self._exchanged.popleft()

    def wait(self, come: Callable[[], bool]) -> None:
        """Wait until it has come; raises what has ended the world."""
        while not come():
            self.check()
            self._news.wait(lambda: come() or self._end is not None, SLICE)


def known(told: Sequence[float] | str, op: int) -> tuple[float, float]:
    """The times that the authority knows; raises `WorldError` where it says why there are none."""
    if isinstance(told, str):
        raise WorldError(f"when call {op} began and ended is not known: {told}")
    begin, end = told
    return begin, end
