"""One rank's part of a call in progress, over a transport.

An `Execution` is a state machine: `advance` does what can be done and returns, so one thread runs
many of them. What its messages are is a `Moves` that it is given: `fabric.ranks.schedule_moves`
has those of schedules, `fabric.ranks.message_moves` those that are given round by round.
"""

from collections import deque
from collections.abc import Callable, Generator, Mapping
from time import monotonic, perf_counter
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from fabric.failure import RankLost, TransportError, WorldError
from fabric.ranks.ready import ReadyPlan
from fabric.schedule.plan import Plan, TimedRows
from fabric.transports.base import MOMENT, Request, Transport
from fabric.world.rank_control import RankControl

LOSS_PATIENCE = 10.0
"""Seconds that a call whose messages cannot be moved waits to learn which rank is lost."""


class PreparedCall(NamedTuple):
    """A call prepared for execution, the same whenever the call is made again.

    ``words``: what it is to all its ranks; ``plan``, ``operation``: see `RankControl.begin`;
    ``combine`` and ``dtype``: how items become one, for steps that reduce; ``average``: by how
    many ranks who made it divides the result, or 0. ``timed``: the rows by which it is timed, where
    ranks are some of many (`Settings.as_part_of`); None: those of the plan. ``facts``: what these
    follow from, for a record of the run; None: from nothing that another machine would change.
    """

    words: str
    plan: Plan
    ready: ReadyPlan
    operation: str = ""
    combine: np.ufunc | None = None
    dtype: np.dtype[Any] | None = None
    average: int = 0
    timed: TimedRows | None = None
    facts: Mapping[str, Any] | None = None

    @property
    def rows(self) -> TimedRows:
        """The rows by which the authority times it."""
        return self.plan.rows if self.timed is None else self.timed


def mark_of(words: str) -> int:
    """The mark, 32 bits, of the messages of a call of these words."""
    return crc32(words.encode())


class Execution:
    """A call in progress. ``done`` once all is sent and received, or ``error`` says why not.

    ``members``: the world rank of each rank of the plan. ``tag``: of its messages; their ``mark``
    is a hash of the words. ``moves``: makes the generator that posts its messages. ``timed``: False
    if the authority does not time it and is not told of it. ``noted``: whether the authority knows
    that the rank waits for it, or need not know; ``waited``: whether the rank's clock has waited
    for its end, or need not; see `fabric.ranks.driver`. ``watch``: called, perhaps more than once,
    when ``done`` or ``error`` is set, by the thread that makes progress; it must be quick, and must
    not make calls. ``patient``: whether the thread that advances it has nothing else to do, and
    may wait a moment for a message.

    ``receiving``, ``sending``: the requests that are not done, in the order in which they were
    posted, each with the number of its stage; ``moves`` appends to them.
    """

    __slots__ = (
        "_steps", "call", "done", "error", "mark", "members", "noted", "patient",
        "receiving", "sending", "tag", "timed", "transport", "waited", "watch",
    )  # fmt: skip

    def __init__(
        self, call: PreparedCall, transport: Transport, members: tuple[int, ...], tag: int,
        moves: "Moves", timed: bool = True,
    ) -> None:  # fmt: skip
        self.call, self.members, self.tag, self.transport = call, members, tag, transport
        self.mark = mark_of(call.words)
        self.receiving: deque[tuple[int, Request]] = deque()
        self.sending: deque[tuple[int, Request]] = deque()
        self.done, self.timed = False, timed
        self.noted = self.waited = not timed
        self.patient = False
        self.error: BaseException | None = None
        self.watch: Callable[[], None] | None = None
        self._steps = moves(self)

    def begin(self, control: RankControl, waits: bool = False) -> None:
        """Tell the authority that the rank begins its part of the call, if it is to know it.

        ``waits``: and that it waits for it at once, which ``noted`` says then. Where the world goes
        on after a loss, the call is then over when it is at all its ranks.
        """
        call = self.call
        if self.timed:
            if control.records and call.facts is not None:
                control.describe(self.tag, call.facts)
            control.begin(self.tag, self.members, call.rows, call.words, call.operation, waits)
            self.noted = waits
            if control.survives:
                self._steps = _as_one(self._steps, self.tag, control)

    def advance(self) -> bool:
        """Do what can be done now; returns True when everything is over.

        Raises the error of the call.
        """
        if self.done:
            return True
        if self.error is not None:
            raise self.error
        try:
            for _ in self._steps:
                return False
        except BaseException as error:
            self.error = error
            self._ended()
            raise
        self.done = True
        self._ended()
        return True

    def stop(self, error: BaseException) -> None:
        """Stop the call with ``error``, and release its buffers."""
        if not self.done:
            self.error = self.error or error
            self._steps.close()
            self._ended()

    def until(self) -> float:
        """Until when its next messages are looked for alone; see `Brief.take`."""
        return perf_counter() + MOMENT if self.patient else 0.0

    def sent(self, number: int) -> bool:
        """True if the sends of the stages before ``number`` are done; raises their errors."""
        sending = self.sending
        while sending and sending[0][0] < number:
            if not ended(sending[0][1]):
                return False
            sending.popleft()
        return True

    def arrived(self, number: int) -> bool:
        """True if the receives of the stages up to ``number`` are done; raises their errors."""
        receiving = self.receiving
        while receiving and receiving[0][0] <= number:
            if not ended(receiving[0][1]):
                return False
            receiving.popleft()
        return True

    def refused(self) -> WorldError | None:
        """The error of any message in progress, None if there is none.

        Such a message may be queued behind others that never arrive.
        """
        requests = (request for _, request in (*self.receiving, *self.sending))
        return next((request.error for request in requests if request.error is not None), None)

    def missing(self) -> tuple[list[int], list[int]]:
        """Two lists: ranks whose messages are missing, ranks that lack this one's."""
        come, taken = (
            sorted({peer for _, request in requests for peer in request.missing()})
            for requests in (self.receiving, self.sending)
        )
        return come, taken

    def _ended(self) -> None:
        if self.watch is not None:
            self.watch()


def _as_one(
    steps: Generator[None, None, None], op: int, control: RankControl
) -> Generator[None, None, None]:
    """``steps`` of a call, and then the wait until all its ranks have made theirs.

    A message that cannot be moved ends nothing: the authority will say whose fault it is, and to
    all.
    """
    try:
        yield from steps
    except (RankLost, TransportError) as error:
        due = monotonic() + LOSS_PATIENCE
        while monotonic() < due:
            yield
        raise error
    control.completed(op)
    while not control.committed(op):
        yield


Moves = Callable[[Execution], Generator[None, None, None]]
"""Posts the messages of an execution, and yields whenever it has to wait for some of them. The
generator ends when all are over."""


def ended(request: Request) -> bool:
    """True if ``request`` is done; raises its error."""
    if request.error is not None:
        raise request.error
    return request.done
