"""Completion: a thread that sets the futures of calls that end while nobody waits for them.

What has ended is reported by whoever drives the rank's calls, who must not be held up: callbacks of
a future may compute, or make further calls. A call without an end in time fails its future.
"""

import math
import queue
import threading
import time
from typing import Protocol


class Ending(Protocol):
    """A call that ends some time. ``due``: when it is late, on the monotonic clock."""

    due: float

    def end(self, late: bool) -> bool:
        """Set the future if the call is over, or if it is ``late``; whether it is set now."""


class Completion:
    """The thread, which begins with the first call that it is given."""

    def __init__(self) -> None:
        self._ended: queue.SimpleQueue[Ending | None] = queue.SimpleQueue()
        self._open: dict[int, Ending] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def expect(self, call: Ending) -> None:
        """See to this call's future."""
        with self._lock:
            self._open[id(call)] = call
            if self._thread is None:
                name = "triplane-completion"
                self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
                self._thread.start()
        self.ended(call)  # perhaps it is, and else the thread learns when it is due

    def ended(self, call: Ending) -> None:
        """A call that is expected may be over; returns at once."""
        self._ended.put(call)

    def close(self) -> None:
        """End the thread; what has not ended by now is late. Idempotent."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._ended.put(None)
            if thread is not threading.current_thread():
                thread.join()

    def _serve(self) -> None:
        while True:
            try:
                call = self._ended.get(timeout=self._pause())
            except queue.Empty:
                self._late(time.monotonic())
                continue
            if call is None:
                break
            self._end(call, late=False)
        self._late(math.inf)

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
                del self._open[id(call)]
