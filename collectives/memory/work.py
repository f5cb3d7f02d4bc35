"""The handles of accesses to a window that were begun."""

from collections.abc import Callable

from collectives.calls.work import Work
from fabric.memory.words import signed
from fabric.ranks.access import AccessExecution
from fabric.ranks.driver import Driver


class MemoryWork(Work):
    """The `Work` of an access; ``target``: the rank of the window's communicator that it is to.

    ``then``: what is to be done here when it is over in emulated time; None: nothing, so that
    nobody waits for the authority.
    """

    __slots__ = ("_tag", "_then", "target")

    def __init__(
        self, driver: Driver, execution: AccessExecution, target: int,
        then: Callable[[], None] | None,
    ) -> None:  # fmt: skip
        super().__init__(driver, execution)
        self._tag, self.target, self._then = execution.tag, target, then

    @property
    def is_over(self) -> bool:
        """True if it has been waited for."""
        return not self._executions and self._then is None

    def done(self) -> bool:
        """True if the access is over on this host.

        One that fills a buffer or changes a word is waited for: whether it is over is known when
        emulated time is there.
        """
        if self._then is not None:
            self.wait()
        return super().done()

    def wait(self, timeout: float | None = None) -> None:
        """Return when the access is over; see `Work.wait`."""
        super().wait(timeout)
        if self._then is not None:
            self._follow(self._driver.word(self._tag))

    def _follow(self, _word: int) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()


class WordWork(MemoryWork):
    """The `Work` of an access that changes a word."""

    __slots__ = ("_before", "_is_signed")

    def __init__(
        self, driver: Driver, execution: AccessExecution, target: int, is_signed: bool
    ) -> None:
        super().__init__(driver, execution, target, _nothing)
        self._before, self._is_signed = 0, is_signed

    def value(self, timeout: float | None = None) -> int:
        """The word before the access; waits until it is over. Raises `WorldError` as `wait`."""
        self.wait(timeout)
        return signed(self._before) if self._is_signed else self._before

    def _follow(self, word: int) -> None:
        self._before = word
        super()._follow(word)


def _nothing() -> None:
    """What is to be done here where an access changes a word: to ask for it is enough."""
