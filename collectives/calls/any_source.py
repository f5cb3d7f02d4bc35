"""Receives from whichever rank sends first: what `Communicator.irecv_any` begins.

Both ends know a message by its number among those from one rank to another, so a receive that names
no sender has no number. It looks through the messages that have come and that no receive waits for,
takes the earliest one whose number is the next of its sender's, and is the receive of that message
from then on. Which one that is depends on the host; all that follows is timed as if the receive had
named its sender.
"""

from collections.abc import Callable, Generator

from collectives.calls.group import Group
from collectives.calls.work import Work
from fabric.ranks.driver import Driver
from fabric.ranks.execution import Execution, PreparedCall
from fabric.ranks.ready import ReadyPlan
from fabric.schedule.plan import Plan
from fabric.world.rank_control import RankControl

_NO_CALL = 0
"""Reported as the awaited call by a rank that waits for a message from any rank; no call has it."""


class _Search:
    """The `Moves` of a receive that looks for its message.

    ``found``: the receive of that message, once known. ``find`` returns it, or None while no
    message is there.
    """

    def __init__(self, find: Callable[[], Execution | None], control: RankControl) -> None:
        self.found: Execution | None = None
        self._find, self._control = find, control

    def __call__(self, on: Execution) -> Generator[None, None, None]:
        while (found := self._find()) is None:
            yield
        self.found = found
        found.begin(self._control)
        on.receiving, on.sending = found.receiving, found.sending
        while not found.advance():
            yield


class AnyWork(Work):
    """The `Work` of a receive from any rank."""

    __slots__ = ("_search", "_sender")

    def __init__(
        self, driver: Driver, execution: Execution, search: _Search, sender: list[int]
    ) -> None:
        """``sender``: holds the rank whose message it is, once that is known."""
        super().__init__(driver, execution)
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

    search = _Search(find, driver.control)
    call = PreparedCall(words, Plan(0, 1, ()), ReadyPlan((), (0, 0, 0)))
    number = group.first | _NO_CALL
    execution = Execution(call, transport, group.members, number, search, timed=False)
    driver.start([execution])
    return AnyWork(driver, execution, search, sender)
