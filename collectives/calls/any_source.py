"""Receives from whichever rank sends first: what `Communicator.irecv_any` begins.

Both ends know a message by its number among those from one rank to another, so a receive that names
no sender has no number. It looks through the messages that have come and that no receive waits for,
takes the earliest one whose number is the next of its sender's, and is the receive of that message
from then on. Which one that is depends on the host; all that follows is timed as if the receive had
named its sender.
"""

from collections.abc import Callable, Generator

import numpy as np

from collectives.calls.group import Group
from collectives.calls.work import Work
from fabric.failure import WorldError
from fabric.ranks.driver import Driver
from fabric.ranks.execution import Execution, PreparedCall
from fabric.ranks.ready import ReadyPlan
from fabric.schedule.plan import Plan
from fabric.transports.base import Transport
from fabric.world.rank_control import RankControl

_NO_CALL = 0
"""Reported as the awaited call by a rank that waits for a message from any rank; no call has it."""


class Search(Execution):
    """A receive that looks for its message; ``found``: the receive of that message, once known.

    ``find`` returns that receive, or None while no message is there.
    """

    __slots__ = ("_control", "_find", "found")
    timed = False  # the receive that it finds is

    def __init__(
        self, words: str, transport: Transport, find: Callable[[], Execution | None]
    ) -> None:
        self.found: Execution | None = None
        self._control: RankControl | None = None
        self._find = find
        nothing = np.zeros(0, np.uint8)
        call = PreparedCall(words, Plan(0, 1, ()), ReadyPlan((), (0, 0, 0)))
        super().__init__(call, transport, (), _NO_CALL, (nothing, nothing, nothing))
        self.noted = True  # the authority learns of what is found

    def begin(self, control: RankControl) -> None:
        """Do nothing: the call has no number yet by which the authority could know it."""
        self._control = control

    def refused(self) -> WorldError | None:
        """The error of the receive that was found; None if there is none."""
        return None if self.found is None else self.found.refused()

    def missing(self) -> tuple[list[int], list[int]]:
        """The ranks whose messages are missing, and those that have not taken theirs.

        Empty until found.
        """
        return ([], []) if self.found is None else self.found.missing()

    def _run(self) -> Generator[None, None, None]:
        while self.found is None:
            self.found = self._find()
            if self.found is None:
                yield
            elif self._control is not None:
                self.found.begin(self._control)
        while not self.found.advance():
            yield


class AnyWork(Work):
    """The `Work` of a receive from any rank."""

    __slots__ = ("_search", "_sender")

    def __init__(self, driver: Driver, search: Search, sender: list[int]) -> None:
        """``sender``: holds the rank whose message it is, once that is known."""
        super().__init__(driver, search)
        self._tags = ()
        self._search, self._sender = search, sender

    @property
    def source(self) -> int:
        """The rank of the group whose message was received; -1 if none has arrived yet."""
        return self._sender[0] if self._sender else -1

    def wait(self, timeout: float | None = None) -> None:
        """Return when the work is over, at most after ``timeout`` seconds; see `Work.wait`."""
        super().wait(timeout)
        found = self._search.found
        if found is not None and not self._tags:  # its time is known to the authority
            self._driver.wait(found, timeout)
            self._tags = (found.tag,)


def any_source(
    group: Group, driver: Driver, words: str, tag: int, receive: Callable[[int], Execution]
) -> AnyWork:
    """Begin to receive the first message of ``tag`` from any rank of the group; returns its work.

    ``receive`` makes the receive from a given rank. ``words``: the call in errors and traces.
    """
    transport, sender = driver.transport, list[int]()
    others = [rank for rank in range(group.size) if rank != group.rank]

    def find() -> Execution | None:
        coming = {
            (group.members[src], group.coming_message(src, group.rank, tag)): src for src in others
        }
        for message in transport.unclaimed():
            if message in coming:
                sender.append(coming[message])
                return receive(sender[0])
        return None

    search = Search(words, transport, find)
    driver.start([search])
    return AnyWork(driver, search, sender)
