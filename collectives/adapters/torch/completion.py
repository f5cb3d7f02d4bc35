"""Threads that set the futures of calls that end while nobody waits for them.

The end of a call is reported by the thread that drives the rank's calls, which must not be held up:
callbacks of a future may compute, make further calls, and wait for their futures (as PowerSGD's
do). So there is always one thread more than those that are in callbacks. A call that does not end
in time fails its future.
"""

import math
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

CALLBACKS = 10.0
"""Seconds that callbacks of futures have at the end."""


class Ending(Protocol):
    """A call whose end is awaited; ``due``: when it is late, in seconds of the monotonic clock."""

    due: float

    def end(self, late: bool) -> bool:
        """Set the future if the call is over, or if it is ``late``.

        Returns True if it is set now.
        """


class Completion:
    """The threads; the first is started with the first call whose end is awaited."""

    def __init__(self) -> None:
        self._ended: queue.SimpleQueue[Ending | None] = queue.SimpleQueue()
        self._open: dict[int, Ending] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._busy = 0

    def expect(self, call: Ending) -> None:
        """Watch this call: its future is set when it ends, or fails when it is late."""
        with self._lock:
            self._open[id(call)] = call
            if not self._threads:
                self._begin()
        self.ended(call)  # perhaps it is, and else a thread learns when it is due

    def ended(self, call: Ending) -> None:
        """Report that an expected call may be over; returns at once."""
        self._ended.put(call)

    def close(self) -> None:
        """Stop the threads, and fail the calls that have not ended by now. Idempotent.

        A thread that a callback holds up is left running.
        """
        end = time.monotonic() + CALLBACKS
        with self._lock:
            threads, self._threads = self._threads, []
        for _ in threads:
            self._ended.put(None)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(end - time.monotonic(), 0.0))

    def _begin(self) -> None:
        name = f"triplane-completion-{len(self._threads)}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        over = False
        while not over:
            try:
                calls, now = [self._ended.get(timeout=self._pause())], 0.0
            except queue.Empty:
                calls, now = [], time.monotonic()
            over = None in calls
            with self._in_callbacks():
                for call in calls:
                    if call is not None:
                        self._end(call, late=False)
                self._late(math.inf if over else now)

    @contextmanager
    def _in_callbacks(self) -> Iterator[None]:
        """A callback may hold this thread up; there is another one meanwhile."""
        with self._lock:
            self._busy += 1
            if threading.current_thread() in self._threads and self._busy >= len(self._threads):
                self._begin()
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1

    def _pause(self) -> float | None:
        with self._lock:
            due = min((call.due for call in self._open.values()), default=None)
        return None if due is None else max(due - time.monotonic(), 0.0)

    def _late(self, now: float) -> None:
        with self._lock:
            late = [call for call in self._open.values() if call.due <= now]
        for call in late:
            self._end(call, late=True)

    def _end(self, call: Ending, late: bool) -> None:
        if id(call) in self._open and call.end(late):
            with self._lock:
                self._open.pop(id(call), None)
