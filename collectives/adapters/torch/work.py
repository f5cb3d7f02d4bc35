"""`GroupWork`: the work object of a call that torch's users get."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol

import torch
import torch.distributed as dist

from collectives.adapters.torch.completion import Completion
from collectives.adapters.torch.errors import translated
from collectives.calls.any_source import AnyWork
from fabric.failure import TimedOut

_NONE = timedelta(0)


class Pending(Protocol):
    """Something under way, such as a `collectives.Work`."""

    def wait(self, timeout: float | None = None) -> None:
        """Return when it is over.

        Raises `TimedOut` after ``timeout`` seconds, or another `WorldError`.
        """

    def done(self) -> bool:
        """True if it is over; does not wait."""

    def watch(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when it may be over, or has failed."""

    def times(self) -> tuple[float, float]:
        """Begin and end in emulated seconds; waits for the end."""


def seconds(timeout: timedelta | None, default: float) -> float:
    """A time-out of torch in seconds; torch writes "the default" as None, 0 or below."""
    return default if timeout is None or timeout <= _NONE else timeout.total_seconds()


def span(parts: Sequence[Pending]) -> tuple[float, float]:
    """When the first of these parts began and the last ended at this rank, in emulated seconds.

    Raises ``dist.DistBackendError`` if no machine is emulated, `ValueError` if there are no parts.
    """
    if not parts:
        raise ValueError("a call of which nothing was sent takes no time")
    with translated():
        begin, end = zip(*(part.times() for part in parts), strict=True)
    return min(begin), max(end)


SETTING = 10.0
"""Seconds that a thread waits at most for another one that has begun to set a future: unless an
exception out of a signal handler has stopped that, it takes a moment."""


class GroupWork(dist.Work):
    """A call of a group, made of ``parts``: those that are ``pending``, and those that are over.

    ``finish`` is called once, when all parts are over and before anybody learns of it. ``outputs``:
    what `result` and the future give. ``limit``: seconds after which the future fails, and that a
    wait takes at most if it names none. ``over``: True once the call is known to be over.
    ``sender``: returns the source rank of a receive from any rank.
    """

    def __init__(
        self, completion: Completion, pending: Sequence[Pending], limit: float,
        outputs: list[torch.Tensor], finish: Callable[[], None] | None = None,
        over: Sequence[Pending] = (),
    ) -> None:  # fmt: skip
        super().__init__()
        self.parts = (*pending, *over)
        self.due = time.monotonic() + limit
        self._completion, self._pending, self._limit = completion, pending, limit
        self._outputs, self._finish = outputs, finish
        self._lock = threading.Lock()
        self.sender: AnyWork | None = None
        self._error: Exception | None = None
        self._future: torch.futures.Future[list[torch.Tensor]] | None = None
        self.over, self._set = False, False
        self._then: Callable[[], None] | None = None
        if not pending:
            self._conclude()

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Return True when the call is over; the rank's emulated clock is then not before its end.

        Raises ``dist.DistBackendError``; after one for a time-out the call may be waited for again.
        """
        if not self.over:
            end = time.monotonic() + seconds(timeout, self._limit)
            try:
                with translated():
                    for part in self._pending:
                        part.wait(max(end - time.monotonic(), 0.0))
            except dist.DistBackendError as error:
                if not isinstance(error.__cause__, TimedOut):
                    self._fail(error)
                raise
            self._conclude()
        self._settle(None)
        return True

    def times(self) -> tuple[float, float]:
        """Begin and end of the call at this rank, in emulated seconds; waits for its end.

        Raises ``dist.DistBackendError`` if no machine is emulated, `ValueError` for a call of which
        nothing was sent.
        """
        self.wait()
        return span(self.parts)

    def synchronize(self) -> None:
        """Return when the call is over; the same as `wait`."""
        self.wait()

    def is_completed(self) -> bool:
        """True if the call is over, with or without an error; does not wait."""
        try:
            with translated():
                over = all([part.done() for part in self._pending])
        except Exception as error:
            self._error = error  # the future is told by `end`: who waits learns more of the cause
            return True
        if over:
            self._conclude()
            self._settle(None)
        return over

    def is_success(self) -> bool:
        """True if the call is over without an error."""
        return self.is_completed() and self._error is None

    def exception(self) -> Exception | None:
        """The error of the call; None if there is none so far."""
        self.is_completed()
        return self._error

    def result(self) -> list[torch.Tensor]:
        """The tensors that the call fills."""
        return self._outputs

    def source_rank(self) -> int:
        """The sender of a receive from any rank; -1 if no message has arrived."""
        return -1 if self.sender is None else self.sender.source

    _source_rank = source_rank

    def get_future(self) -> Any:
        """A future of `result` that is set when the call is over, even if nobody waits for it."""
        with self._lock:
            future, made = self._future, self._future is None
            if future is None:
                future = self._future = torch.futures.Future()
        if made and self.over:
            self._settle(None)
        elif made:
            self._completion.expect(self)
            self.watch(self._ended)
        return future

    def watch(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when the call may be over; see `collectives.Work.watch`."""
        for part in self._pending:
            part.watch(call)
        if not self._pending:
            call()

    def end(self, late: bool) -> bool:
        """Set the future if the call is over, or if it is ``late``; used by `Completion`."""
        if self._future is None or not (late or self.is_completed()):
            return False
        try:
            self.wait(timedelta(microseconds=1) if late else None)
        except Exception as error:
            if late:
                told = f"the call Timed out (not over after {self._limit:g} s: {error})"
                error = dist.DistBackendError(told)
            self._settle(error)
        return True

    def then(self, call: Callable[[], None]) -> None:
        """Have ``call`` called once, by the thread that first finds the call over.

        If it is over already, ``call`` is called at once.
        """
        with self._lock:
            over = self.over
            if not over:
                self._then = call
        if over:
            call()

    def _fail(self, error: Exception) -> None:
        self._error = error
        self._settle(error)

    def _ended(self) -> None:
        self._completion.ended(self)

    def _conclude(self) -> None:
        with self._lock:
            finish, self._finish = self._finish, None
            if finish is not None:
                finish()
            self.over = True
            then, self._then = self._then, None
        if then is not None:
            then()

    def _settle(self, error: Exception | None) -> None:
        """Set the future, if there is one that is not set yet; it is set when this returns."""
        with self._lock:
            future, settled = self._future, self._set
            self._set = settled or future is not None
        if future is None:
            return
        if settled:
            until = time.monotonic() + SETTING
            while not future.done() and time.monotonic() < until:
                time.sleep(0)  # another thread is at it
            return
        if error is None:
            future.set_result(self._outputs)
        else:
            future.set_exception(error)  # type: ignore[arg-type]  # its stub says the wrong type


class Coalesced:
    """One `GroupWork` as a part of another one."""

    def __init__(self, work: GroupWork) -> None:
        self._work = work

    def wait(self, timeout: float | None = None) -> None:
        """Return when the work is over; see `GroupWork.wait`."""
        self._work.wait(None if timeout is None else timedelta(seconds=max(timeout, 1e-6)))

    def done(self) -> bool:
        """True if the work is over; see `Work.is_completed`."""
        return self._work.is_completed()

    def watch(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when the work may be over."""
        self._work.watch(call)

    def times(self) -> tuple[float, float]:
        """Begin and end of the work in emulated seconds; see `Work.times`."""
        return self._work.times()
