"""Work: a call that was begun, and can be waited for."""

import time

from fabric.execute import Execution
from fabric.progress import Driver


class Work:
    """What a call of a `Communicator` returns; over already unless the call was ``async_op``.

    Until it is over nobody may write what the call reads, nor read or write what it fills.
    """

    __slots__ = ("_driver", "_executions")

    def __init__(self, driver: Driver, *executions: Execution) -> None:
        """``executions``: those that were started and not waited for."""
        self._driver, self._executions = driver, executions

    def wait(self, timeout: float | None = None) -> None:
        """Return when the call is over at this rank; its clock is then not before the call's end.

        ``timeout``: wall seconds. Raises `TimedOut`, after which the call still goes on and may
        be waited for again, and any other `WorldError`, after which the rank can do nothing more.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while self._executions:
            left = None if end is None else max(end - time.monotonic(), 0.0)
            self._driver.wait(self._executions[0], left)
            self._executions = self._executions[1:]

    def done(self) -> bool:
        """Whether the bytes are where they belong; does not wait.

        When that is so is up to the host, and says nothing about emulated time: a program that
        asks may not run alike twice.
        """
        return all([self._driver.poll(execution) for execution in self._executions])
