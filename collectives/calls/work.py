"""`Work`: a call that was begun, and can be waited for."""

import time
from collections.abc import Callable, Sequence
from operator import attrgetter

from fabric.ranks.driver import Driver
from fabric.ranks.execution import Execution
from topology.arguments import limit

_TAG = attrgetter("tag")


class Work:
    """What a call of a `Communicator` returns; over already unless the call was ``async_op``.

    Until it is over nobody may write what the call reads, nor read or write what it fills.
    """

    __slots__ = ("_driver", "_executions", "_tags")

    def __init__(self, driver: Driver, *executions: Execution, over: Sequence[int] = ()) -> None:
        """``executions``: those that were started; ``over``: the tags of calls that are over."""
        self._driver, self._executions = driver, executions
        self._tags = (*over, *map(_TAG, executions))

    def wait(self, timeout: float | None = None) -> None:
        """Return when the call is over at this rank; its clock is then not before the call's end.

        ``timeout``: wall seconds. Raises `TimedOut`, after which the call still goes on and may
        be waited for again, and any other `WorldError`, after which the rank can do nothing more;
        `ArgumentError` for what is no number of seconds.
        """
        given = limit(timeout)
        end = None if given is None else time.monotonic() + given
        while self._executions:
            left = None if end is None else max(end - time.monotonic(), 0.0)
            self._driver.wait(self._executions[0], left)
            self._executions = self._executions[1:]

    def times(self) -> tuple[float, float]:
        """Begin and end of the call at this rank, in emulated seconds; waits for its end.

        For the messages of a `Communicator.batch`, the first begin and the last end. Raises
        `WorldError` if no machine is emulated, and for a call that some ten thousand others have
        followed.
        """
        self.wait()
        begin, end = zip(*map(self._driver.times, self._tags), strict=True)
        return min(begin), max(end)

    def done(self) -> bool:
        """True if the call is over on this host; does not wait.

        The answer depends on the host, and says nothing about emulated time: a program that asks
        may behave differently on another run.
        """
        return all([each.done or self._driver.poll(each) for each in self._executions])

    def watch(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when the call may be over, or has failed: at least once.

        It is called by whatever thread makes progress: it must be quick, and must not make calls of
        its own.
        """
        for execution in self._executions:
            execution.watch = call
        if all([each.done or each.error is not None for each in self._executions]):
            call()
