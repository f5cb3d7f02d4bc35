"""Progress: which thread completes a rank's calls, and what happens if they cannot go on.

A rank has one `Driver`. A thread that waits makes progress for all of the rank's calls, as that has
the least latency. While no thread waits, a thread of the driver's own does; it starts with the
first call that is not waited for at once. Control and transport are used by one thread at a time,
the one that holds the driver: ``with driver``.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from types import TracebackType
from typing import Any

from fabric.failure import (
    CallMismatch,
    RankLost,
    TimedOut,
    TransportError,
    WorldError,
    in_words,
)
from fabric.host.forked import Disowned, again, here, own
from fabric.host.waiting import Bells, Latch
from fabric.ranks.at_once import CallAtOnce
from fabric.ranks.execution import Execution, PreparedCall
from fabric.ranks.work_buffers import WorkBuffers
from fabric.transports.base import Bytes, Resumable, Shared, Transport
from fabric.world.messages import Agreed, TakenIn
from fabric.world.rank_control import RankControl
from fabric.world.survival import GENERATION, after

TRANSPORT_SLICE = 0.05
"""Seconds that a wait for the transport takes at most before the world is looked at again."""

BLOCKED_AFTER = 0.01
"""Seconds without a message after which the authority is told that the rank really waits."""

CAUSE_PATIENCE = 1.0
"""Seconds that a transport's error waits for the authority's, which knows what all have called."""

CROWD = 64
"""Ranks that are threads of one interpreter from where on each looks more seldom, the more they
are: they take turns, and looks at what has not changed would be most of what they do."""

TURN_NAP = 0.0005
"""Seconds that the driver's own thread gives to who has begun a call: most wait for it at once, and
drive it better than a thread that they first have to take the turn from."""

TURN_NAPS = 20
"""Naps with nothing to do after which that thread sleeps until it is woken."""

CLOCK_SLICE = 0.25
"""Seconds after which a thread that waits for another, which waits for the rank's clock, looks
whether the world has ended."""

CLOSING_PATIENCE = 10.0
"""Seconds that what is still under way is given at the end of a rank's program."""


class Driver:
    """Completes a rank's calls; a thread that makes progress holds it: ``with driver``.

    ``error``: why the rank can do nothing more, if so. ``lineages``: how many groups of each origin
    the rank has made. ``shared``: memory from which others read messages in place, if there is any;
    ``buffers``: the work buffers of its calls; ``exposed``: the memory that it has registered for
    others, by window, which stays as long as the rank does. ``survives``: whether the world goes on
    after the loss of a rank; ``generation``: of the newest communicator of the rank then.
    ``at_home``: whether this is the rank's own process; ``disowned``: in one that was forked from
    it, why nothing can be done there.
    """

    def __init__(self, transport: Transport, control: RankControl, survives: bool = False) -> None:
        self.transport, self.control = transport, control
        self.survives, self.generation = survives, 0
        self._floor, self._known_lost = 0, set[int]()
        self.shared: Shared | None = getattr(transport, "shared", None)
        self.buffers = WorkBuffers(self.shared)
        self._abandon: Callable[[], None] = getattr(transport, "abandon", lambda: None)
        self.exposed: dict[int, Any] = {}
        self._readers: list[Callable[[], bool]] = []
        self.error: BaseException | None = None
        self.lineages: Counter[Hashable] = Counter()
        self._active: list[Execution] = []
        # Who wants the turn takes the door first: whoever has the turn sees that it is wanted, and
        # cannot take it again before the other has had it.
        # The turn knows its thread, as an exception out of a signal handler can come before the
        # first instruction of `__exit__`; ``within`` says whether a turn has begun and not ended.
        self._door = threading.Lock()
        self._turn: Any = threading.RLock()
        self._within = False
        self._busy = Latch()
        self._thread: threading.Thread | None = None
        self._waiting = 0
        # Who makes the rank's calls: mostly one, which is then known to do nothing else.
        self._caller = threading.current_thread()
        self._callers = {self._caller}
        # By the tag of a call, the thread that waits for the end of it on the rank's clock.
        self._at_clock: dict[int, int] = {}
        self._left_clock = Bells()
        self._closed = False
        self.rank, self.at_home = transport.rank, here()
        self.disowned: WorldError | None = None
        self._has_raised = False
        own(self)
        if survives:
            self._resumable = resumable(transport)
            self._resumable.survive()
            control.survive(transport.wake)
        crowd = max(transport.size / CROWD, 1.0) if transport.many else 1.0
        self._soon, self._slice = crowd * BLOCKED_AFTER, crowd * TRANSPORT_SLICE

    def disown(self, error: WorldError) -> None:
        """Refuse all calls with ``error``, and stop those in progress; see `fabric.host.forked`."""
        self.error = self.disowned = error
        for execution in self._active:
            execution.error = error
        self._active, self._thread = [], None
        refused: Any = Disowned(error)
        self.transport = self.control = self.shared = refused
        # New ones: nobody is here who would let go of the old ones. The turn is taken for good, so
        # that who wants it asks the transport to wake its owner, which raises.
        self._door, self._turn = threading.Lock(), threading.Lock()
        self.buffers = WorkBuffers()
        self._turn.acquire()

    def check_owner(self) -> None:
        """Raise a `WorldError` if this process was forked from the rank's."""
        if self.disowned is not None:
            raise again(self.disowned)

    def __enter__(self) -> "Driver":
        """Take the turn."""
        try:
            with self._door:
                if not self._turn.acquire(blocking=False):
                    self.transport.wake()
                    self._turn.acquire()
            if self._within:
                self._break(WorldError("an exception out of a signal handler has ended a call"))
            self._within = True
            if threading.current_thread() is not self._caller:
                self._called_elsewhere()
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Give the turn back. With an error the rank is at its end, and every rank is told why."""
        try:
            if error is not None:
                self._break(error)
        finally:
            if error is None:
                self._within = False
                self._turn.release()
            else:
                self._let_go()

    def run(self, executions: Sequence[Execution], timeout: float | None = None) -> None:
        """Run these calls, and return when all are over.

        Raises `WorldError`; `TimedOut` after ``timeout`` seconds. After an error the rank can make
        no more calls.
        """
        with self:
            alone = len(executions) == 1
            for execution in executions:
                self._begin(execution, alone)
            for execution in executions:
                if not execution.noted:
                    self.control.clock.expect(execution.tag)
                execution.patient = alone and not self._active
                if not execution.advance():
                    self._active.append(execution)
            for execution in executions:
                late = None if execution.done else self._drive(execution, timeout)
                if late is not None:
                    raise late
        for execution in executions:
            self.control.clock.wait(execution.tag)

    def run_at_once(
        self, one: CallAtOnce, next_call: Callable[[], int], send: Bytes, recv: Bytes,
        timeout: float | None = None, then: Callable[[], None] | None = None,
    ) -> int:  # fmt: skip
        """Run a call as `run` does, but at once as far as that goes; returns its tag.

        ``next_call``: gives the tag, which is spent only where the call is begun. ``then``: called
        when all bytes have been moved. Only where the world does not go on after losses, and no run
        is recorded.
        """
        with self:
            tag = next_call()
            self._check_call(one.call, tag)
            call, late = one.call, None
            self.control.begin(tag, one.members, call.rows, call.words, call.operation, True)
            made = 0 if self._active else one.begin(tag, send, recv)
            if made == one.count:
                if then is not None:
                    then()
            else:
                execution = one.rest(self.transport, tag, send, recv, made, then)
                # Not patient: its messages were waited for already.
                execution.noted = True
                if not execution.advance():
                    self._active.append(execution)
                    late = self._drive(execution, timeout)
            if late is not None:
                raise late
        self.control.clock.wait(tag)
        return tag

    def start(self, executions: Sequence[Execution]) -> None:
        """Begin these calls and return; a background thread completes them."""
        with self:
            for execution in executions:
                self._begin(execution)
            self._active += [execution for execution in executions if not execution.advance()]
            if self._active:
                self._background()

    def wait(
        self, execution: Execution, timeout: float | None = None, *, last: bool = False
    ) -> None:
        """Return when ``execution``, which was started, is over.

        After a `TimedOut` it still goes on.

        ``timeout``: in seconds. With one, the rank does not count as blocked in a deadlock, unless
        this is the ``last`` thing it does. Raises `WorldError`.
        """
        late = None
        with self:
            if not execution.noted and execution.tag >= self._floor:
                self.control.clock.expect(execution.tag)
                execution.noted = True
            if not execution.advance():
                late = self._drive(execution, timeout, tells=last or timeout is None)
        if late is not None:
            raise late
        if not execution.waited:
            self._wait_for_end(execution)

    def now(self) -> float:
        """The rank's clock in emulated seconds.

        Other threads move bytes while it waits for the answer.
        """
        if self.error is not None:
            raise _again(self.error)
        return self.control.clock.now()

    def compute(self, seconds: float) -> None:
        """Compute for ``seconds`` of emulated time; raises `WorldError` for an invalid number."""
        if not 0 <= seconds < math.inf:
            raise WorldError(f"a rank computes for {seconds} s; it must be a number from 0 on")
        self.control.clock.compute(seconds, self)

    def times(self, tag: int) -> tuple[float, float]:
        """Begin and end of the rank's part of call ``tag``, in emulated seconds.

        Raises `WorldError`.

        Other threads may drive the rank's calls meanwhile. See `RankControl.times`.
        """
        if self.error is not None:
            raise _again(self.error)
        return self.control.times(tag)

    def word(self, tag: int) -> int:
        """The word before access ``tag``, for which the rank has waited; see `RankControl.word`."""
        if self.error is not None:
            raise _again(self.error)
        return self.control.word(tag)

    def fence(self) -> None:
        """Have later accesses of the rank come after earlier ones to the same rank."""
        with self:
            self.control.fence()

    def await_word(
        self, window: int, where: int, comparison: str, value: int, words: str,
        timeout: float | None = None,
    ) -> int:  # fmt: skip
        """Wait for a word of the rank's memory; see `RankControl.await_word`.

        After a `TimedOut` the rank can make no more calls.
        """
        if self.error is not None:
            raise _again(self.error)
        try:
            return self.control.await_word(window, where, comparison, value, words, timeout)
        except TimedOut:
            late = TimedOut(f"rank {self.rank}: {words} has not come to be after {timeout:.3g} s")
        with self:
            raise late

    def mark(self, span: int, name: str | None) -> None:
        """Begin the rank's span number ``span``, called ``name``, in traces.

        Or end it, for None.
        """
        with self:
            self.control.mark(span, name)

    def check_world(self) -> None:
        """Raise the error that has ended the world, if any.

        Called between calls and during long work.

        Raises it only once, and never after the rank has left, so that a program that goes on in
        spite of it can do other work.
        """
        if self.error is None and not (self._has_raised or self._closed):
            try:
                self.control.check()
            except WorldError:
                self._has_raised = True
                raise

    def poll(self, execution: Execution) -> bool:
        """True if ``execution``, which was started, is over; makes progress, and does not wait."""
        with self:
            if not execution.advance():
                self._step(0.0)
                if self.survives:
                    self._look_for_losses()
            return execution.done

    def agree(self, op: int, group: tuple[int, ...], places: tuple[int, ...] = ()) -> Agreed:
        """Who of ``group`` is left, the same at all of these: an agreement, whose number is ``op``.

        ``places``: of spares that are to join. Waits for all that are left. All calls of
        communicators that are not newer than this group are over for this rank. Raises
        `WorldError`.
        """
        if self.error is not None:
            raise _again(self.error)
        call = "grow()" if places else "shrink()"
        error = RankLost(f"rank {self.rank} has called {call}", self.rank)
        error.op = op
        with self:
            self._take_leave(error, after(op))
        agreed = self.control.agree(op, group, places)
        self.generation = agreed.generation
        return agreed

    def idle(self) -> TakenIn:
        """Wait, as a spare, until a group takes the rank in, or none will; raises `WorldError`."""
        taken = self.control.idle()
        self.generation = taken.generation
        return taken

    def close(self, error: BaseException | None = None, timeout: float = CLOSING_PATIENCE) -> None:
        """Complete the calls in progress, as others may wait for them, and end the thread.

        Idempotent.

        With an ``error``, calls in progress are dropped. ``timeout``: seconds for each call. Raises
        `WorldError` if one fails. In a forked child it does nothing.
        """
        if not self.at_home():
            return
        try:
            for execution in [] if error is not None else list(self._active):
                if not execution.done:
                    self.wait(execution, timeout, last=True)
        finally:
            self._closed = True
            self._let_go()
            self._interrupt()
            self._busy.set()
            # One that an exception has kept from beginning will not end either.
            if self._thread is not None and self._thread.is_alive():
                self.transport.wake()
                self._thread.join(CLOSING_PATIENCE)
            self.buffers.clear()

    def stay_until(self, over: Callable[[], bool]) -> None:
        """Have the rank keep what others read, and not leave, until ``over()``: they are through.

        What ``over`` is a method of is kept, too.
        """
        self._readers = [reader for reader in self._readers if not reader()]
        self._readers.append(over)

    def see_off(self) -> None:
        """Return when no other rank reads what this one has for it any more.

        All ranks have made their calls by then, so it takes no longer than those. Raises
        `WorldError` if the world has ended with one.
        """
        until = time.monotonic() + CLOSING_PATIENCE
        while not all(over() for over in self._readers) and time.monotonic() < until:
            self.control.check()
            time.sleep(TURN_NAP)
        self._readers.clear()

    def _interrupt(self) -> None:
        """Have a thread that is in a call find that the driver is closed: the transport will be."""
        with self._door:
            self.transport.wake()
            if self._turn.acquire(timeout=CLOSING_PATIENCE):
                self._turn.release()

    def _begin(self, execution: Execution, waits: bool = False) -> None:
        self._check_call(execution.call, execution.tag)
        execution.begin(self.control, waits)

    def _check_call(self, call: PreparedCall, tag: int) -> None:
        """Raise an error where the rank can make no such call any more."""
        if self.error is not None:
            raise _again(self.error)
        if self._closed:
            raise WorldError(f"{call.words} was called after its communicator was closed")
        if tag < self._floor:
            raise _over(call.words, tag)

    def _wait_for_end(self, execution: Execution) -> None:
        """Have the rank's clock wait for the call, which is done: once, whoever else waits for it.

        Of several threads one waits for the clock, and the others for that one.
        """
        me, tag = threading.get_ident(), execution.tag
        while not execution.waited:
            if self._at_clock.setdefault(tag, me) == me:  # one step, as no turn is held here
                try:
                    self.control.clock.wait(tag)
                    execution.waited = True
                finally:
                    self._at_clock.pop(tag, None)
                    self._left_clock.ring()
            else:
                self._left_clock.wait(lambda: tag not in self._at_clock, CLOCK_SLICE)
                self.control.check()

    def _drive(
        self, execution: Execution, timeout: float | None, tells: bool = True
    ) -> TimedOut | None:
        """Drive all executions until this one is over, or the time.

        ``tells``: the authority is told where the rank cannot go on without it.
        """
        self._waiting += 1  # who has the turn counts
        try:
            return self._driven(execution, timeout, tells)
        finally:
            self._waiting -= 1

    def _driven(self, execution: Execution, timeout: float | None, tells: bool) -> TimedOut | None:
        now = moved_at = looked_at = time.monotonic()
        deadline = math.inf if timeout is None else now + timeout
        pause, told = self._soon, False
        while True:
            moved = self._step(min(pause, max(deadline - now, 0.0)))
            is_over = execution.advance()
            if not is_over and self._door.locked():
                self._let_by()
                self._check_not_closed()
                is_over = execution.advance()  # another thread may have made its last move
            if is_over:
                if told:  # a broadcast, say, can be over before all its ranks have come
                    self.control.blocked(None)
                return None
            now = time.monotonic()
            if moved:
                moved_at = now
                if now - looked_at < self._slice:
                    continue
            looked_at = now
            self._look()
            self._check_not_closed()
            if now >= deadline:
                return _late(self.transport.rank, execution, timeout)
            if tells and not told and now - moved_at >= self._soon:
                self._count_callers()
                self.control.blocked(execution.tag)
                pause, told = self._slice, True

    def _called_elsewhere(self) -> None:
        """Note that another thread than the last makes calls; the driver's own makes none."""
        caller = threading.current_thread()
        if caller is not self._thread:
            self._caller = caller
            if caller not in self._callers:
                self._callers.add(caller)
                self._count_callers()

    def _count_callers(self) -> None:
        """Tell the authority where there is more than one thread, or no longer."""
        if len(self._callers) > 1 and self.error is None:
            self._callers = {caller for caller in self._callers if caller.is_alive()}
            self.control.threads(len(self._callers) > 1)

    def _check_not_closed(self) -> None:
        """Raise where another thread has closed the communicator of a call meanwhile."""
        if self._closed:
            raise WorldError("the communicator was closed while a thread was in a call")

    def _step(self, pause: float) -> bool:
        """Whether anything moved; all executions are then as far as they can be."""
        moved = self.transport.progress(pause)
        self._active = [execution for execution in self._active if not execution.advance()]
        return moved

    def _look(self) -> None:
        """Raise what has ended the world, or what stands behind messages that never come."""
        self.control.check()
        if self.survives:
            self._look_for_losses()
            return
        for execution in self._active:
            refused = execution.refused()
            if refused is not None:
                raise refused

    def _look_for_losses(self) -> None:
        """End the calls that have failed for all; whoever waits for one gets its error."""
        for peer, why in self._resumable.suspects():
            self.control.suspect(peer, why)
        for peer in tuple(self.control.lost):  # to which another thread adds
            if peer not in self._known_lost:
                self._known_lost.add(peer)
                self._resumable.lose(peer)
        for execution in self._active:
            error = self._failed(execution)
            if error is not None:
                execution.stop(error)
        self._active = [execution for execution in self._active if execution.error is None]

    def _failed(self, execution: Execution) -> WorldError | None:
        """Why a call fails: a rank is lost, or calls do not match, which ends the world."""
        refused = execution.refused()
        if isinstance(refused, CallMismatch):
            raise refused
        if execution.timed:
            return self.control.doomed(execution.tag)
        gone = self._known_lost.intersection(execution.members)
        if not gone:
            return None
        error = RankLost(self.control.lost[min(gone)], min(gone))
        error.op = execution.tag
        return error

    def _stop(self, error: RankLost) -> None:
        """Take no further part in any call so far: the rank has learned of a loss."""
        if error.op is None or error.op < self._floor:  # it has stopped already
            return
        self._take_leave(error, after(self.generation * GENERATION))
        self.control.stopped(error.op, self._floor)

    def _take_leave(self, error: RankLost, floor: int) -> None:
        """Stop all calls below ``floor`` with ``error``, and drop what belongs to them."""
        for execution in self._active:
            if execution.tag < floor:
                execution.stop(error)
        self._active = [execution for execution in self._active if execution.error is None]
        if self._floor < floor:
            self._floor = floor
            self._resumable.forget(floor)

    def _let_by(self) -> None:
        """Let a thread that waits for the turn have it."""
        self._within = False
        self._turn.release()
        with self._door:
            self._turn.acquire()
        self._within = True

    def _let_go(self) -> None:
        """Give back the turn, if this thread has it, however often it has taken it."""
        if self._turn.acquire(blocking=False):
            self._within = False
            try:
                while True:
                    self._turn.release()
            except RuntimeError:  # it has it no more
                return

    def _background(self) -> None:
        """See that the thread drives what is under way."""
        if self._thread is None:
            name = f"triplane-progress-{self.transport.rank}"
            self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
            self._thread.start()
        self._busy.set()

    def _serve(self) -> None:
        naps = 0
        while not self._closed:
            self._busy.wait()
            if self._waiting or not self._active:
                naps = 0 if self._active else naps + 1
                if naps > TURN_NAPS:
                    self._sleep()
                time.sleep(TURN_NAP)
                continue
            naps = 0
            try:
                with self:
                    if self._active and not self._step(self._slice):
                        self._look()
            except BaseException:
                # It is every execution's error by now, and raised by whoever waits for one.
                self._busy.clear()

    def _sleep(self) -> None:
        """Until the next call begins; one that has begun meanwhile is not slept through."""
        self._busy.clear()
        if self._active or self._closed:
            self._busy.set()

    def _break(self, error: BaseException) -> None:
        """Stop everything; raises where somebody knows better than ``error`` what is wrong."""
        if self.survives and isinstance(error, RankLost) and error.op is not None:
            self._stop(error)
            return
        if self.error is None:
            self.error = self._cause(error)
            self._abandon()  # before the program goes on, and perhaps writes what was sent
            for execution in self._active:
                execution.stop(self.error)
            self._active = []
            if self.error is not error:
                raise self.error from error
        elif self.error is not error and _unsettled(error):  # another thread has learned the cause
            raise _again(self.error) from error

    def _cause(self, error: BaseException) -> BaseException:
        """The authority's word for what has gone wrong; where it has none, it is told."""
        until = time.monotonic()
        try:
            self.control.check()
            if _unsettled(error):
                until += CAUSE_PATIENCE
                self.control.blocked(None)
            while time.monotonic() < until:
                time.sleep(BLOCKED_AFTER)
                self.control.check()
        except WorldError as known:
            return known
        self.control.fail(error)
        return error


def resumable(transport: Transport) -> Resumable:
    """What a transport can do after the loss of a rank; raises `TransportError` if nothing."""
    found: Resumable | None = getattr(transport, "resumable", None)
    if found is None:
        raise TransportError(
            f"on_loss is 'shrink', and the transport {type(transport).__name__} cannot go on after"
            " the loss of a rank"
        )
    return found


def _over(words: str, op: int) -> RankLost:
    """The error of a call of a communicator that is over."""
    error = RankLost(f"{words} was called on a communicator that has lost a rank: shrink() it")
    error.op = op
    return error


def _unsettled(error: BaseException) -> bool:
    """Whether the authority may soon know better what has gone wrong."""
    return isinstance(error, CallMismatch | RankLost | TransportError) and not error.settled


def _late(rank: int, execution: Execution, timeout: float | None) -> TimedOut:
    come, taken = execution.missing()
    parts = [
        f"{what} {', '.join(map(str, ranks))}"
        for what, ranks in (("nothing has come from rank", come), ("not taken by rank", taken))
        if ranks
    ]
    over = f"was not over after {timeout:.3g} s"
    return TimedOut(f"rank {rank}: {execution.call.words} {over}: {'; '.join(parts)}")


def _again(error: BaseException) -> BaseException:
    """An error to be raised once more: its traceback is another one."""
    if isinstance(error, WorldError):
        return again(error)
    return WorldError(f"an earlier call has failed: {in_words(error)}")
