"""`RankControl`: a rank's side of the authority over time, calls and failures.

No payload goes here. What a rank sends is a log that may run ahead of the authority: it is sent in
batches, so emulated time costs a collective almost nothing; only questions wait for an answer.
Threads and processes differ in the `fabric.world.line.Line`, virtual and paced time in the
`fabric.world.rank_clock.RankClock`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from fabric.failure import RankLost, WorldError, report
from fabric.memory.places import MemoryPlace
from fabric.schedule.plan import TimedRows
from fabric.world.line import Line
from fabric.world.messages import (
    Access,
    Advice,
    AdviceReply,
    Agree,
    Agreed,
    AskAdvice,
    AskMachine,
    AskTimes,
    AskWord,
    AwaitWord,
    Begin,
    Blocked,
    Completed,
    Describe,
    Exchange,
    Expose,
    Exposed,
    Fail,
    FenceAccesses,
    FromRank,
    Idle,
    Leave,
    MachineLabel,
    MachineReply,
    Mark,
    Settle,
    Settled,
    Stopped,
    Suspect,
    TakenIn,
    Threads,
    TimesReply,
    Withdraw,
    WordReply,
)
from fabric.world.rank_clock import rank_clock
from fabric.world.survival import after

FAIL_PATIENCE = 1.0
"""Seconds that a rank which has failed waits until the authority knows."""

Replied = TypeVar("Replied")


class RankControl:
    """What a communicator asks of the authority; used by one thread of a rank at a time.

    ``clock``: how emulated time passes for the rank. While one thread waits for it, others may use
    the rest. ``survives``: whether the world goes on after the loss of a rank; see `survive`.
    ``records``: whether the run is recorded, so that the authority wants facts; see `describe`.
    """

    def __init__(self, line: Line) -> None:
        self.rank, self.size = line.rank, line.size
        self.survives = self.records = False
        self.clock = rank_clock(line)
        self._line, self._inbox = line, line.inbox
        self._begun: Begin | None = None
        self._next = 0

    def exchange(self, mine: Any) -> Sequence[Any]:
        """Bring ``mine`` to an exchange and wait.

        Returns what every rank brought, in order of ranks.

        All ranks of the world call it equally often. ``mine`` is JSON (in one process: any object).
        Raises `WorldError`.
        """
        with self._line.awaited():
            self._line.send(Exchange(mine), now=True)
            return self._inbox.exchanged()

    def begin(
        self, op: int, group: tuple[int, ...], rows: TimedRows, call: str, operation: str,
        waits: bool = False,
    ) -> None:  # fmt: skip
        """Report that the rank begins its part of a call, at its present emulated time.

        ``op``: names the call, the same number at all its ranks and never used twice. ``group``:
        the world ranks of the rows' ranks, in their order. ``call``: what was called, in words,
        such as ``"all_reduce(sum, float32[1024])"``; calls of one ``op`` whose words differ do not
        fit together, and end the world with a `CallMismatch`. ``operation``: picks the endpoint's
        constants, as in `Fabric.simulate`. ``waits``: whether the rank waits for it at once, which
        `RankClock.expect` need not be told then. Raises `WorldError`.
        """
        clock, last = self.clock, self._begun
        if clock.prompt:  # what the clock waits for it says itself, when the bytes are there
            self._line.send(Begin(op, group, rows, call, operation, clock.stamp()), True)
            return
        if (
            waits and last is not None and op == self._next and rows is last.rows
            and group is last.group and call == last.words and operation == last.operation
            and self._line.again()
        ):  # fmt: skip
            self._next += 1
            return
        begin = Begin(op, group, rows, call, operation, None, waits)
        self._begun, self._next = begin if waits else None, op + 1
        self._line.send(begin)

    def describe(self, op: int, facts: Mapping[str, Any]) -> None:
        """Report what the rank's rows of ``op`` follow from, before it begins the call.

        ``facts``: JSON; see `fabric.run_log.value.RunLog`. Only where ``records``.
        """
        self._line.send(Describe(op, facts))

    def times(self, op: int) -> tuple[float, float]:
        """Begin and end of the rank's part of ``op``, which it has waited for, in emulated seconds.

        Waits for the reply. Raises `WorldError`, also if the times are not known: no machine is
        emulated, or the call was too long ago.
        """
        reply = self._ask(lambda token: AskTimes(token, op), TimesReply)
        if reply.begin is None or reply.end is None:
            raise WorldError(f"when call {op} began and ended is not known: {reply.why}")
        return reply.begin, reply.end

    def mark(self, span: int, name: str | None) -> None:
        """Begin the rank's span number ``span``, called ``name``, in traces.

        Or end it, for None.
        """
        self._line.send(Mark(span, name, self.clock.stamp()))

    def machine(self, operation: str) -> MachineLabel | None:
        """Ask which machine times ``operation``, and wait; None if no machine is emulated."""
        return self._ask(lambda token: AskMachine(token, operation), MachineReply).machine

    def advise(
        self, op: str, group: tuple[int, ...], size: int, itemsize: int, root: int,
        algorithm: str | None,
    ) -> Advice | None:  # fmt: skip
        """The `Advice` on how to make a collective; None if no machine is emulated.

        See `collectives.algorithms.choose.advice`. Waits for the reply, which is the same at every
        rank. Raises `WorldError`. The authority has the machine and its engine in memory already;
        each rank would need seconds, and as much memory again, to compute the answer itself.
        """
        asked = (op, group, size, itemsize, root, algorithm)
        return self._ask(lambda token: AskAdvice(token, *asked), AdviceReply).advice

    def expose(self, window: int, place: MemoryPlace, cpu: bool, name: str, plane: str) -> Exposed:
        """Register memory as the rank's part of ``window``, which is accessed over ``plane``.

        The reply says why that cannot be. Waits for it; raises `WorldError`.
        """
        return self._ask(lambda token: Expose(token, window, place, cpu, name, plane), Exposed)

    def withdraw(self, window: int) -> None:
        """Report that the rank's part of ``window`` is registered no more."""
        self._line.send(Withdraw(window))

    def access(self, access: Access) -> None:
        """Report that the rank begins an access, at its present emulated time.

        The bytes that it writes are there already. Raises `WorldError`.
        """
        clock = self.clock
        if clock.prompt:
            access = access._replace(at=clock.stamp())
        self._line.send(access, clock.prompt)

    def fence(self) -> None:
        """Report that later accesses come after earlier ones; see `FenceAccesses`."""
        self._line.send(FenceAccesses())

    def word(self, op: int) -> int:
        """The word before access ``op``, for which the rank has waited: 0 to 2^64 - 1.

        0 if the access changed none. Waits until the access is over in emulated time; raises
        `WorldError`.
        """
        return self._ask(lambda token: AskWord(token, op), WordReply).word

    def await_word(
        self, window: int, where: int, comparison: str, value: int, words: str,
        timeout: float | None = None,
    ) -> int:  # fmt: skip
        """Wait until the rank's word at ``where`` holds; returns it. See `AwaitWord`.

        ``timeout``: wall seconds; raises `TimedOut` after them, and any other `WorldError`.
        """
        clock = self.clock
        at = clock.stamp() if clock.prompt else None
        reply = self._ask(
            lambda token: AwaitWord(token, window, where, comparison, value, words, at),
            WordReply, timeout,
        )  # fmt: skip
        clock.until(reply.seconds)
        return reply.word

    def blocked(self, op: int | None) -> None:
        """Report that the rank waits for the bytes of ``op``; None: that it no longer does.

        Sends everything that was noted, so that the authority can see a deadlock. Raises
        `WorldError`.
        """
        self._line.send(Blocked(op), now=True)
        self.check()

    def threads(self, several: bool) -> None:
        """Report whether several threads of the rank make calls, when that has changed."""
        self._line.send(Threads(several))

    def settle(self) -> None:
        """Return when all ranks have begun every call that this rank waits for.

        This rank's own parts may be over before others have begun theirs. Raises `WorldError`.
        """
        if not self._line.closed:
            self._ask(Settle, Settled)

    # Where the world goes on after the loss of a rank.

    def survive(self, wake: Callable[[], None]) -> None:
        """From now on have each call decided, over or failed, for all its ranks as one.

        ``wake``: called, by whatever thread, when that is known of one.
        """
        self.survives, self._inbox.wake = True, wake

    @property
    def lost(self) -> Mapping[int, str]:
        """By rank, why it is lost: as far as this rank knows."""
        return self._inbox.lost

    def completed(self, op: int) -> None:
        """Report that all bytes of the rank's part of ``op`` have moved. Raises `WorldError`."""
        self._line.send(Completed(op), now=True)

    def committed(self, op: int) -> bool:
        """Whether ``op``, which the rank has `completed`, is over; it is asked until it is."""
        return self._inbox.committed(op)

    def doomed(self, op: int) -> RankLost | None:
        """The error of call ``op`` if it has failed at all its ranks; else None."""
        return self._inbox.doomed(op)

    def stopped(self, op: int, floor: int) -> None:
        """Report that the rank takes no further part in calls below ``floor``, as ``op`` failed."""
        self._inbox.forget(floor)
        self._line.send(Stopped(op, floor), now=True)

    def suspect(self, peer: int, why: str) -> None:
        """Report that messages from ``peer`` were lost, for the reason ``why``."""
        self._line.send(Suspect(peer, why), now=True)

    def agree(self, op: int, group: tuple[int, ...], places: tuple[int, ...] = ()) -> Agreed:
        """Ask who of ``group`` is left, and wait until all of these have asked.

        ``op``: the number of the agreement, the same at all of them. ``places``: in the new group,
        of spares that are to join it, as many as there are. Raises `WorldError`.
        """
        self._inbox.forget(after(op))
        with self._line.awaited():
            self._line.send(Agree(op, group, self.clock.stamp(), places), now=True)
            return self._inbox.agreed(op)

    def idle(self) -> TakenIn:
        """Wait, as a spare, until a group takes the rank in, or none will; raises `WorldError`."""
        return self._ask(Idle, TakenIn)

    def check(self) -> None:
        """Raise the `WorldError` that has ended the world, if one has; cheap."""
        self._inbox.check()

    def fail(self, error: BaseException) -> None:
        """Report that the rank's program has raised ``error``: every other rank learns it.

        Never raises.
        """
        if not self._line.closed:
            self._line.post(Fail(*report(error, self.size)))
            self._line.drain(FAIL_PATIENCE)

    def leave(self) -> None:
        """Report that the rank's program has ended well and makes no more calls. Idempotent."""
        if not self._line.closed:
            self._line.post(Leave())
            self._line.close()

    def _ask(
        self, question: Callable[[int], FromRank], kind: type[Replied],
        timeout: float | None = None,
    ) -> Replied:  # fmt: skip
        """The reply to a question; it waits, at most ``timeout`` seconds."""
        line = self._line
        with line.awaited():
            return self._inbox.reply(
                lambda token: line.send(question(token), now=True), kind, timeout
            )
