"""`World`: the one authority over who is in which call, what time it is, and what went wrong.

No I/O and no clock of its own: it is given what ranks send (`World.handle`), news of lost ranks
(`World.lost`) and the wall clock, and it returns what to send to them (`World.replies`): the
messages of `fabric.world.messages`. Threads reach it under a lock (`fabric.world.local`), processes
over sockets (`fabric.world.zmq_server`).
"""

import functools
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, assert_never

from fabric.failure import (
    KINDS,
    CallMismatch,
    Deadlock,
    RankFailed,
    RankLost,
    TimedOut,
    WorldError,
    as_parts,
    in_words,
)
from fabric.world.going_on import GoingOn
from fabric.world.memory import MemoryAccesses
from fabric.world.messages import (
    Access,
    Advice,
    AdviceReply,
    Agree,
    AskAdvice,
    AskMachine,
    AskTime,
    AskTimes,
    AskWord,
    AwaitWord,
    Begin,
    Blocked,
    Completed,
    Compute,
    Describe,
    End,
    Exchange,
    Exchanged,
    Expose,
    Fail,
    FenceAccesses,
    Finish,
    FromRank,
    FromWorld,
    Idle,
    Leave,
    MachineLabel,
    MachineReply,
    Mark,
    Over,
    Reply,
    Settle,
    Settled,
    Stopped,
    Surviving,
    Suspect,
    Threads,
    TimeReply,
    TimesReply,
    Wait,
    Withdraw,
    WordReply,
)
from fabric.world.register import CallRegister, ranks
from topology.errors import TriplaneError

if TYPE_CHECKING:
    from fabric.clock.emulator import Emulator
    from fabric.clock.posts import Answer
    from fabric.host.curve import Keys
    from fabric.world.recorder import RunRecorder

ADVICE = "triplane.advice"
"""The group of the entry point that answers `AskAdvice`."""

EXPLANATION_PATIENCE = 0.5
"""Seconds that an error which may have a better explanation waits for it: who else called what, or
of what a rank that cannot be reached has died."""

SETTLING = 0.06
"""Seconds after which it is known what the others were in when a rank died: they send what they
have noted every 20 ms."""

AFTERWORDS = 0.1
"""Seconds after the end of a rank that ended by itself: its last messages may still arrive."""

SUSPECTED = 0.5
"""Seconds after which a rank is given up whose messages were lost: it may be known by then that its
process has ended."""

OVER = 0.5
"""Seconds that a rank whose program is over has to make one more call: exit handlers may."""

_LOG = logging.getLogger("triplane")


@dataclass(slots=True)
class _Held:
    """An error held back until ``until``, in case a better explanation comes.

    ``sure``: True if only its words may still be completed.
    """

    error: Callable[[], WorldError]
    until: float
    sure: bool


class World:
    """The authority over ``size`` ranks.

    ``emulator``: says how long calls take; None: emulated time is the wall clock's. ``start``: the
    wall clock, in seconds, when emulated time is 0. ``scale``: on paced time, wall seconds that an
    emulated second takes; None on virtual time, or without an emulator. ``survives``: whether the
    others go on when a rank is lost; ``spares``: how many of the last ranks wait then until others
    take them in. ``recorder``: writes down what ranks do; None: nobody does.
    ``error``: what has ended the world, None while it goes on. ``losses``: why each rank is lost
    without which the others go on, in order.
    """

    def __init__(
        self, size: int, emulator: "Emulator | None" = None, *,
        start: float = 0.0, scale: float | None = None, survives: bool = False,
        recorder: "RunRecorder | None" = None, spares: int = 0,
    ) -> None:  # fmt: skip
        self.size, self.start, self.recorder = size, start, recorder
        self.scale = scale if emulator is not None else None
        self.error: WorldError | None = None
        self.losses: list[str] = []
        self._register = CallRegister()
        self.gone = self._register.gone
        self.emulator, self._strict = emulator, emulator is None or emulator.mode == "strict"
        self._memory = MemoryAccesses(size, emulator)
        self._fed = False
        self._held: _Held | None = None
        self._settling: dict[int, int] = {}
        self._mismatch: int | None = None
        self._missing: int | None = None
        self._over: dict[int, float] = {}
        self._given_up: set[int] = set()
        self._failed: set[int] = set()
        self._brought: deque[dict[int, Any]] = deque()
        self._turns, self._exchanged = [0] * size, 0
        self._replies: list[tuple[int, FromWorld]] = []
        self._suspects: dict[int, tuple[float, str]] = {}
        self._going_on: GoingOn | None = None
        if survives:
            self._going_on = GoingOn(size, self._register, emulator, self._send, spares)

    def reach_far(self, keys: "Keys | None") -> None:
        """Reach memory of ranks on other hosts with the ``keys`` of the world."""
        self._memory.reach_far(keys)

    def release_memory(self) -> None:
        """Let go of all registered memory, at the end of the world."""
        self._memory.close()

    def handle(self, rank: int, message: FromRank, wall: float) -> None:
        """Process a message from ``rank``; ``wall``: the wall clock now, in seconds."""
        if self.error is not None or rank in self.gone:
            if rank in self._given_up and isinstance(message, Begin):
                self.stop(
                    WorldError(f"rank {rank} has made a call after its program was over", rank)
                )
            return
        if self._register.blocked:
            self._register.blocked.pop(rank, None)
        if self._over and not isinstance(message, Over):
            self._over.pop(rank, None)
        if type(message) is Begin and message.times > 1:
            self._guarded(self._begin_all, rank, message, wall)
            return
        if self.recorder is not None:
            self.recorder.take(rank, message)
        self._guarded(self._handle, rank, message, wall)

    def lost(self, rank: int, cause: str, wall: float) -> None:
        """Record that ``rank`` is gone; ``cause`` such as ``"was killed by SIGKILL"``.

        The world then ends with a `RankLost` that also says where the rank was; but not for a rank
        that had left before and that no rank waits for. ``wall``: the wall clock now, in seconds.
        """
        if rank in self._failed:  # it has said why itself
            return
        if self._going_on is not None:
            if self.error is None and rank not in self.gone:
                self._guarded(self._lose, rank, f"rank {rank} {cause}{self._register.where(rank)}")
            return
        missed = self._missing is not None and self._missing in self._register.missed_in(rank)
        if self.error is None and (missed or rank not in self.gone):
            self.gone.add(rank)

            def explained() -> WorldError:
                return RankLost(f"rank {rank} {cause}{self._register.where(rank)}", rank)

            self._hold(explained, wall + SETTLING, sure=True)

    def stop(self, error: WorldError) -> None:
        """End the world with ``error``, which came from outside: a time-out, an interrupt."""
        if self.error is None:
            self._end(error)

    def late(self, who: Iterable[int], timeout: float) -> None:
        """End the world with `TimedOut`: ranks ``who`` have not ended in ``timeout`` seconds."""
        late = sorted(who)
        has = "have" if len(late) > 1 else "has"
        waits = self._register.who_waits()
        told = f"{ranks(late)} {has} not ended within {timeout:g} s"
        culprit = late[0] if len(late) == 1 else None
        self.stop(TimedOut(told + (f": {waits}" if waits else ""), culprit))

    def tick(self, wall: float) -> None:
        """Do all that is due: call it after messages, and now and then.

        ``wall``: the clock, seconds.
        """
        if self.error is None:
            if self._held is not None and wall >= self._held.until:
                self._end(self._held.error())
            else:
                if self._over:
                    self._guarded(self._give_up, wall)
                if self._suspects:
                    self._guarded(self._give_up_suspects, wall)
                self._guarded(self._advance)

    def replies(self) -> list[tuple[int, FromWorld]]:
        """The messages to send, as (rank, message), since the last call."""
        replies, self._replies = self._replies, []
        return replies

    def time(self, wall: float) -> float:
        """The emulated time, in seconds, at ``wall`` seconds of the wall clock; for paced time."""
        return (wall - self.start) / (self.scale or 1.0)

    def _guarded(self, do: Callable[..., None], *args: Any) -> None:
        """Call ``do``; end the world with any error of it: if it only stopped, ranks would hang."""
        try:
            do(*args)
        except WorldError as error:
            self._end(error)
        except TriplaneError as error:
            self._end(WorldError(str(error)))
        except Exception as error:
            _LOG.exception("the authority over the ranks has failed")
            self._end(WorldError(f"internal error, {in_words(error)}"))

    # What ranks send.

    def _handle(self, rank: int, message: FromRank, wall: float) -> None:
        match message:
            case Begin():
                self._begin(rank, message, wall)
                if message.waits and self.error is None:
                    self._wait(rank, message.op, wall)
            case Describe():
                self._describe(rank)
            case Wait():
                self._wait(rank, message.op, wall)
            case Compute():
                self._compute(rank, message.seconds)
            case AskTime():
                self._ask_time(rank, message.token, wall)
            case AskTimes():
                self._ask_times(rank, message.token, message.op)
            case AskAdvice():
                self._ask_advice(rank, message)
            case AskMachine():
                self._ask_machine(rank, message)
            case Mark():
                self._mark(rank, message)
            case Access():
                self._access(rank, message)
            case FenceAccesses():
                self._fence(rank)
            case AskWord():
                self._ask_word(rank, message)
            case AwaitWord():
                self._await_word(rank, message)
            case Expose():
                self._reply(rank, self._memory.expose(rank, message))
            case Withdraw():
                self._memory.withdraw(rank, message.window)
            case Blocked():
                self._block(rank, message.op, wall)
            case Threads(several):
                self._register.share(rank, several)
            case Exchange():
                self._exchange(rank, message.mine)
            case Settle():
                self._settle(rank, message.token)
            case Fail():
                self._fail(rank, message, wall)
            case Leave():
                self._leave(rank, wall)
            case Over():
                self._over.setdefault(rank, wall)
            case Completed() | Stopped() | Agree() | Idle() | Suspect():
                self._survive(rank, message, wall)
            case _:
                assert_never(message)

    def _survive(self, rank: int, message: Surviving, wall: float) -> None:
        going_on = self._going_on
        if going_on is None:
            raise WorldError(f"rank {rank} would go on, in a world that ends with a loss", rank)
        match message:
            case Completed(op):
                going_on.completed(rank, op)
            case Stopped(op, floor):
                going_on.stopped(rank, op, floor)
                self._settle_all()
            case Agree():
                going_on.agree(rank, message)
            case Idle(token):
                going_on.idle(rank, token)
            case Suspect(peer, why) if peer not in self.gone and peer < self.size:
                self._suspects.setdefault(peer, (wall + SUSPECTED, why))
        self._fed = True

    def _send(self, rank: int, message: FromWorld) -> None:
        self._replies.append((rank, message))

    def _reply(self, rank: int, reply: Reply) -> None:
        self._replies.append((rank, reply))

    def _begin(self, rank: int, begin: Begin, wall: float) -> None:
        op, group, words = begin.op, begin.group, begin.words
        call, fits = self._register.register(rank, op, group, words)
        if not fits:
            self._mismatched(op, wall)
        if self._mismatch is not None:
            if self._mismatch == op and not call.missing():
                self._end(self._register.who_called(op))
            return
        if self.emulator is None:  # which else finds it, and says where
            call.balance += begin.rows.balance(group.index(rank))
        if len(call.begun) == len(call.group):
            self._register.close(op, call)
            self._settle_all()
        if self.emulator is not None:
            self.emulator.called(op, words)
            self.emulator.begin(rank, op, group, begin.rows, begin.operation, begin.at)
            self._fed = True
        if self._going_on is not None:
            self._going_on.begin(rank, op, group)

    def _begin_all(self, rank: int, begin: Begin, wall: float) -> None:
        """Calls of one kind: as a whole where it is only to be known who is in which."""
        op, group, rows, words, _, _, _, times = begin
        alone, balance = times, rows.balance(group.index(rank))
        told = self.emulator is not None or self.recorder is not None or self._going_on is not None
        if begin.waits and not (told or self.gone or self._mismatch is not None):
            alone = self._register.alone(rank, op, times, group, words, balance)
        for number in range(op, op + alone):
            self.handle(rank, begin._replace(op=number, times=1), wall)
        if alone < times and self.error is None and self._mismatch is None:
            op, times = op + alone, times - alone
            self._register.repeat(rank, op, times, group, words, balance)
            self._settle_all()

    def _describe(self, rank: int) -> None:
        if self.recorder is None:
            raise WorldError(f"rank {rank} describes a call, and the run is not recorded", rank)

    def _wait(self, rank: int, op: int, wall: float) -> None:
        if self._register.wait(rank, op):
            self._miss(op, wall)
        if self.emulator is not None and self._mismatch is None:
            self.emulator.wait(rank, op)
            self._fed = True

    def _compute(self, rank: int, seconds: float) -> None:
        if self.emulator is not None and self._mismatch is None:
            self.emulator.compute(rank, seconds)
            self._fed = True

    def _ask_time(self, rank: int, token: int, wall: float) -> None:
        if self.emulator is None or self.scale is not None:
            self._reply(rank, TimeReply(token, self.time(wall)))
        elif self._mismatch is None:
            self.emulator.ask(rank, token)
            self._fed = True

    def _ask_times(self, rank: int, token: int, op: int) -> None:
        if self.emulator is None:
            self._reply(rank, TimesReply(token, None, None, "no machine is emulated"))
        elif self._mismatch is None:
            if not self.emulator.times(rank, token, op):
                self._reply(rank, TimesReply(token, None, None, "the call was too long ago"))
            self._fed = True

    def _mark(self, rank: int, mark: Mark) -> None:
        if self.emulator is not None and self._mismatch is None:
            self.emulator.mark(rank, mark.span, mark.name, mark.at)
            self._fed = True

    def _access(self, rank: int, access: Access) -> None:
        if self._mismatch is None:
            self._register.note(rank, access.words)
            if self.emulator is not None and self.emulator.record is not None:
                self.emulator.record.words.setdefault(access.op, access.words)
            self._replies += self._memory.access(rank, access)
            self._fed = True

    def _fence(self, rank: int) -> None:
        if self.emulator is not None and self._mismatch is None:
            self.emulator.fence(rank)

    def _ask_word(self, rank: int, ask: AskWord) -> None:
        if self._mismatch is None:
            self._answer_word(rank, self._memory.word(rank, ask))

    def _await_word(self, rank: int, ask: AwaitWord) -> None:
        if self._mismatch is None:
            self._register.note(rank, f"wait({ask.words})")
            self._answer_word(rank, self._memory.await_word(rank, ask))

    def _answer_word(self, rank: int, reply: WordReply | None) -> None:
        if reply is not None:
            self._reply(rank, reply)
        self._fed = True

    def _settle_all(self) -> None:
        for rank, token in list(self._settling.items()):
            self._settle(rank, token)

    def _settle(self, rank: int, token: int) -> None:
        if self._register.waits(rank):
            self._settling[rank] = token
        else:
            self._settling.pop(rank, None)
            self._reply(rank, Settled(token))

    def _ask_advice(self, rank: int, ask: AskAdvice) -> None:
        advice = None
        if self.emulator is not None:
            advice = advisor()(
                self.emulator.fabric, ask.op, self.emulator.members(ask.group), ask.size,
                ask.itemsize, ask.root, ask.algorithm,
            )  # fmt: skip
        self._reply(rank, AdviceReply(ask.token, advice))

    def _ask_machine(self, rank: int, ask: AskMachine) -> None:
        machine = None
        if self.emulator is not None:
            fabric = self.emulator.fabric
            machine = MachineLabel(fabric.topology.name, fabric.software.stack(ask.operation, 0))
        self._reply(rank, MachineReply(ask.token, machine))

    def _block(self, rank: int, op: int | None, wall: float) -> None:
        if op is not None:
            self._register.blocked[rank] = op
            if self._register.wait(rank, op):
                self._miss(op, wall)

    def _exchange(self, rank: int, mine: Any) -> None:
        turn = self._turns[rank]
        self._turns[rank] += 1
        if turn - self._exchanged == len(self._brought):
            self._brought.append({})
        self._brought[turn - self._exchanged][rank] = mine
        if len(self._brought[0]) == self.size:
            brought = self._brought.popleft()
            values = [brought[r] for r in range(self.size)]
            self._exchanged += 1
            self._replies += [(r, Exchanged(values)) for r in range(self.size)]
        self._missed()

    def _leave(self, rank: int, wall: float) -> None:
        if self._going_on is not None:
            self._lose(rank, f"rank {rank} has ended, and makes no more calls", ended=True)
            return
        self.gone.add(rank)
        if self.emulator is not None and self._mismatch is None:
            self.emulator.end(rank)
            self._fed = True
        for op in self._register.missed_in(rank):
            self._miss(op, wall)
        self._missed()

    def _fail(self, rank: int, fail: Fail, wall: float) -> None:
        kind, message = fail.kind, fail.message
        if self._going_on is not None and kind not in (CallMismatch.__name__, Deadlock.__name__):
            self._failed.add(rank)
            self._lose(rank, _raised(rank, fail) + self._register.where(rank))
            return
        self.gone.add(rank)
        self._failed.add(rank)
        if kind not in KINDS:
            self._end(RankFailed(_raised(rank, fail) + self._register.where(rank), rank))
            return
        own = message.startswith((f"rank {rank} ", f"rank {rank}:"))
        told = message if own else f"rank {rank}: {message}"
        error = KINDS[kind](told, fail.rank)
        if isinstance(error, RankLost | CallMismatch):
            self._hold(lambda: error, wall + EXPLANATION_PATIENCE)
        else:
            self._end(error)

    def _lose(self, rank: int, why: str, ended: bool = False) -> None:
        """A rank is lost, and the others go on; if all had to join a call at once, they cannot.

        ``ended``: whether its program has ended well.
        """
        if self._going_on is not None:
            if not ended:
                self.losses.append(why)
            self.gone.add(rank)
            self._register.blocked.pop(rank, None)
            self._suspects.pop(rank, None)
            self._going_on.lose(rank, RankLost(why, rank))
            self._fed = True
            self._settle_all()
            self._missed()

    def _give_up_suspects(self, wall: float) -> None:
        for rank, (due, why) in list(self._suspects.items()):
            if wall >= due:
                self._lose(rank, f"rank {rank} was given up: {why}")

    # What follows from it.

    def _advance(self) -> None:
        if self.emulator is not None and self._fed and self._mismatch is None:
            self._fed = False
            answers = self.emulator.advance()
            for answer in answers:
                if answer.word is not None:
                    self._memory.answered(answer.rank, answer.token)
            self._replies += [(a.rank, _reply_of(a)) for a in answers]
            if self.scale is not None:
                self._replies += [
                    (rank, Finish(op, time)) for rank, op, time in self.emulator.predictions()
                ]
            if self._missing is None and self.emulator.stalled():  # before any has really waited
                waits = self.emulator.waits()
                raise self._register.deadlock(
                    {rank: op for rank, (op, _) in waits.items()}, self._memory.waits()
                )
        if self._strict and self._missing is None:
            self._check_stuck()

    def _check_stuck(self) -> None:
        """Raise `Deadlock` if ranks wait that can never go on."""
        words = self._memory.waits() if self.emulator is None else {}
        if self._register.blocked or words:
            stuck = self._register.stuck(words, self.size)
            if stuck:
                raise self._register.deadlock(stuck, words)

    def _give_up(self, wall: float) -> None:
        """Ranks whose programs are over have left, once others wait for them."""
        late = [rank for rank, since in self._over.items() if wall - since > OVER]
        if late and not (self._strict and self.emulator and self._all_wait(late)):
            late = [rank for rank in late if self._register.missed_in(rank)]
        for rank in late:
            del self._over[rank]
            self._given_up.add(rank)
            self._leave(rank, wall)

    def _all_wait(self, late: Iterable[int]) -> bool:
        """Whether emulated time stands still only because these ranks might still do something."""
        waits = self.emulator.waits().keys() if self.emulator is not None else ()
        return bool(waits) and len(self.gone.union(waits, late)) == self.size

    def _miss(self, op: int, wall: float) -> None:
        """Hold the error that others wait for a rank that left: its cause may become known."""
        if self._missing is None:
            self._missing = op
            self._hold(lambda: self._register.left(op), wall + EXPLANATION_PATIENCE)

    def _missed(self) -> None:
        """Ranks that wait in an exchange for one that has left wait for ever."""
        if self._brought and self.gone:
            absent = sorted(self.gone - self._brought[0].keys())
            if absent and self._brought[0]:
                raise RankLost(
                    f"{ranks(absent)} ended before joining what {ranks(self._brought[0])} set up",
                    absent[0],
                )

    def _mismatched(self, op: int, wall: float) -> None:
        """Wait a little for what the others call: the message then says who is odd."""
        self._mismatch = op
        self._hold(lambda: self._register.who_called(op), wall + EXPLANATION_PATIENCE, sure=True)

    def _hold(self, error: Callable[[], WorldError], until: float, sure: bool = False) -> None:
        if self._held is None or (sure and not self._held.sure):
            self._held = _Held(error, until, sure)

    def _end(self, error: WorldError) -> None:
        if self._held is not None and self._held.sure:
            error, self._held = self._held.error(), None
        self.error = error
        end = End(*as_parts(error))
        self._replies += [(rank, end) for rank in range(self.size)]


def _raised(rank: int, fail: Fail) -> str:
    return f"rank {rank} raised {fail.kind}{': ' if fail.message else ''}{fail.message}"


def _reply_of(answer: "Answer") -> Reply:
    if answer.word is not None:
        return WordReply(answer.token, answer.word, answer.time)
    if answer.begin is None:
        return TimeReply(answer.token, answer.time)
    return TimesReply(answer.token, answer.begin, answer.time)


@functools.cache
def advisor() -> Callable[..., Advice]:
    """The function that answers `AskAdvice`, loaded at the first call: the entry point of `ADVICE`.

    It knows the collectives, which this package does not. Raises `WorldError` if there is none.
    """
    for entry in entry_points(group=ADVICE):
        advise: Callable[..., Advice] = entry.load()
        return advise
    raise WorldError(f"Triplane is not installed whole: nothing is registered as {ADVICE}")
