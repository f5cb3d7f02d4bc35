"""`Emulator`: the one authority over time for running ranks. It does no I/O.

Ranks post what they do: they begin their part of a call, wait for its end, compute. Posts may run
ahead of emulated time; each rank's are taken in order. A call is a schedule of transfers under the
one ordering rule, and calls in flight together share links. Three modes:

- ``"strict"``: time advances only when every rank waits or has ended, to the next instant at which
  one of them can continue. So no answer depends on when a post arrived, and if no rank can ever
  continue, that is a deadlock, known at once.
- ``"eager"``: a call is timed when all of its ranks have joined it, against what is on the fabric
  by then; ends once reported stay.
- ``"paced"``: as eager, but calls begin when the wall clock says so, and the reported end of a
  call is corrected when a later one contends with it.

Clocks tick on a grid of `fabric.clock.calls.TICK`: sums and differences of times are exact, so
nothing depends on when a program began.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fabric.clock.accesses import (
    AccessTerms,
    Fences,
    TimedAccess,
    WordClock,
    WordWait,
    access_rows,
    new_access,
)
from fabric.clock.calls import Catalogue, Finished, TimedCall, grid, new_call
from fabric.clock.changes import ClockChanges
from fabric.clock.memory_machine import MemoryMachine, memory_machine
from fabric.clock.modes import mode as chosen
from fabric.clock.record import RecordedShare, Recording
from fabric.endpoint.costs import FREE, MESSAGE
from fabric.endpoint.one_sided import READ, SIDES, WRITE
from fabric.fabric import Fabric
from fabric.failure import WorldError
from fabric.schedule.plan import TimedRows

_PAST = 1 << 16  # parts of calls that are over, whose numbers are known still


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a rank's question ``token``; ``time``, ``begin``: in emulated seconds.

    To `Emulator.ask`: ``time`` is the rank's clock at the question. To `Emulator.times`: when its
    part of the call ended, and ``begin``, when it began. To `Emulator.word` and
    `Emulator.await_word`: the ``word``, and the rank's clock.
    """

    rank: int
    token: int
    time: float
    begin: float | None = None
    word: int | None = None


class _RankClock:
    """The state of one rank: its clock, what it waits for, and what it has posted behind that."""

    __slots__ = ("clock", "ended", "ends", "fences", "leaving", "posted", "waits")

    def __init__(self) -> None:
        self.clock = 0.0
        self.waits: TimedCall | WordWait | None = None
        self.fences = Fences()
        self.posted: deque[tuple[Any, ...]] = deque()
        self.ends: dict[int, float] = {}  # of its parts that it has not waited for yet
        self.leaving = self.ended = False


class Emulator:
    """Time for a world of ``size`` ranks, placed on ``fabric`` as in `Fabric.simulate`.

    ``mode``: one of `MODES`. ``record``: True to keep what happens, for `finished` and traces, in
    the attribute ``record``. Methods raise `WorldError` for wrong posts; after an error the
    emulator is of no further use.
    """

    def __init__(
        self, fabric: Fabric, size: int, mode: str = "strict", *, record: bool = False
    ) -> None:
        self.mode, self.size, self.fabric = mode, size, fabric
        session = fabric.session(size)
        changes = ClockChanges(fabric.changes, fabric.topology.n_links)
        self._mode = chosen(mode, session, changes)
        self._news = self._mode.news
        self._catalogue = Catalogue(fabric, size, session)
        self._ranks = [_RankClock() for _ in range(size)]
        self._running = size  # ranks that neither wait nor have ended
        self._calls: dict[int, TimedCall] = {}
        self._past: OrderedDict[int, TimedCall] = OrderedDict()
        self._answers: list[Answer] = []
        self._memory: MemoryMachine | None = None
        self._accesses = self._catalogue
        self._over: list[TimedAccess] = []  # accesses whose ends are known, before what follows
        self._words = WordClock()
        self.record = Recording() if record else None

    # What ranks post.

    def begin(
        self, rank: int, op: int, group: tuple[int, ...], rows: TimedRows, operation: str,
        at: float | None = None,
    ) -> None:  # fmt: skip
        """The rank begins its part of call ``op``, which has ``rows``.

        ``group``: the world's ranks that the positions in ``rows`` stand for. ``operation``: as in
        `Fabric.simulate`. ``at``: on paced time, when, in emulated seconds. Raises `RouteError` if
        the fabric does not connect two ranks, and `WorldError` for calls that do not fit together.
        """
        state = self._posting(rank)
        if operation == MESSAGE:  # both ends know its size, so both are in the same regime
            operation = self.fabric.software.regime(MESSAGE, int(rows.size.sum()))
        call = self._calls.get(op)
        if call is None:
            call = self._open(op, group, operation)
        family = call.family
        if family.group != group or family.operation != operation:
            raise WorldError(
                f"call {op} is {family.operation!r} of ranks {_some(family.group)}; rank {rank} has"
                f" begun it as {operation!r} of ranks {_some(group)}", rank,
            )  # fmt: skip
        position = family.position.get(rank)
        if position is None:
            raise WorldError(f"rank {rank} is not in the group {_some(group)} of call {op}", rank)
        if call.parts[position] is not None:
            raise WorldError(f"rank {rank} has begun call {op} twice", rank)
        if at is not None and not 0 <= at < math.inf:
            raise WorldError(f"rank {rank} begins call {op} at {at} s, which is no time", rank)
        call.parts[position] = self._catalogue.part(family, rows, position)
        self._post(state, self._begin, call, position, at)

    def wait(self, rank: int, op: int) -> None:
        """Have the rank's clock wait for the end of its part of ``op``.

        Raises `WorldError` if the rank has not begun the call.
        """
        state = self._posting(rank)
        call = self._calls.get(op)
        if call is None or call.parts[call.family.position.get(rank, 0)] is None:
            call = self._past.get(op)
            if op not in state.ends and (call is None or call.position(rank) is None):
                raise WorldError(f"rank {rank} waits for call {op}, which it has not begun", rank)
        self._post(state, self._wait, op, call)

    def compute(self, rank: int, seconds: float) -> None:
        """Move the rank's clock on by ``seconds`` of emulated time.

        Raises `WorldError` if negative.
        """
        if not 0 <= seconds < math.inf:
            raise WorldError(f"rank {rank} computes for {seconds} s, which is no duration", rank)
        self._post(self._posting(rank), self._compute, rank, grid(seconds))

    def ask(self, rank: int, token: int) -> None:
        """Ask for the rank's clock at this point; `advance` returns the `Answer` when it is known.

        ``token``: names the question.
        """
        self._post(self._posting(rank), self._ask, rank, token)

    def times(self, rank: int, token: int, op: int) -> bool:
        """Ask for begin and end of the rank's part of call ``op``, for which it has waited.

        `advance` returns the `Answer`. Returns False, and there will be no answer, if the call is
        forgotten, because many others have ended since. Raises `WorldError` if the rank is not in
        the call.
        """
        call = self._calls.get(op) or self._past.get(op)
        if call is None:
            return False
        if call.position(rank) is None:
            raise WorldError(f"rank {rank} asks for the times of call {op}, which it is not in")
        self._post(self._posting(rank), self._times, rank, token, call)
        return True

    def mark(self, rank: int, span: int, name: str | None, at: float | None = None) -> None:
        """Begin the rank's span number ``span``, called ``name``, in traces; or end it, for None.

        ``at``: on paced time, when, in emulated seconds.
        """
        if self.record is not None:
            self._post(self._posting(rank), self._mark, rank, span, name, at)

    def end(self, rank: int) -> None:
        """Take note that the rank posts no more."""
        state = self._posting(rank)
        state.leaving = True
        self._post(state, self._end)

    # Accesses to registered memory.

    def with_memory(self) -> None:
        """Let ranks access registered memory from now on. Idempotent."""
        if self._memory is None:
            made = self._memory = memory_machine(self.fabric, self.size)
            session = made.session()
            self._accesses = Catalogue(self.fabric, made.size, session, made.software)
            self._mode.replace(session)

    def access(self, rank: int, op: int, terms: AccessTerms, at: float | None = None) -> None:
        """The rank begins access ``op`` of memory, to which nobody else brings anything.

        It is over, for `wait`, when both of its ends are. ``at``: as in `begin`. Raises
        `RouteError` if the fabric does not connect the two, and `WorldError` for a number that is
        in use.
        """
        state, machine = self._posting(rank), self._memory
        if machine is None:
            raise WorldError(f"rank {rank} accesses memory, and none is registered", rank)
        if op in self._calls or op in self._past:
            raise WorldError(f"access {op} has the number of another call", rank)
        near, far = terms.sides
        here = machine.cpu_place[rank] if near else rank
        there = machine.cpu_place[terms.target] if far else terms.target
        group = (here,) if here == there else (here, there)
        src, dst = (0, len(group) - 1) if terms.writes else (len(group) - 1, 0)
        operation = (WRITE if terms.writes else READ) + SIDES[terms.sides]
        family = self._accesses.family(operation, group, terms.size // max(terms.messages, 1))
        rows = access_rows(terms.size, terms.messages, src, dst)
        call = new_access(op, family, rank, state.fences.begun, terms)
        state.fences.begun += 1
        for position in range(len(group)):
            call.parts[position] = self._accesses.part(family, rows, position)
        self._calls[op] = call
        self._post(state, self._access, call, at)

    def fence(self, rank: int) -> None:
        """Have later accesses of the rank begin when its earlier ones to the same rank are over."""
        self._post(self._posting(rank), self._fence)

    def word(self, rank: int, token: int, op: int) -> None:
        """Ask for what the word was before access ``op``, for which the rank has waited."""
        call = self._calls.get(op) or self._past.get(op)
        if not isinstance(call, TimedAccess) or call.owner != rank:
            raise WorldError(f"rank {rank} asks for the word of access {op}, which is not its own")
        self._post(self._posting(rank), self._word, rank, token, call)

    def await_word(self, wait: WordWait, read: Callable[[], int], at: float | None = None) -> None:
        """Have a rank's clock wait until a word holds; ``read``: the word as it is in memory.

        ``at``: as in `begin`.
        """
        self._post(self._posting(wait.rank), self._await, wait, read, at)

    # The ends of calls, and answers.

    def advance(self) -> list[Answer]:
        """Find every end that follows from what was posted so far; returns the new answers.

        Raises `CallMismatch` if the transfers of a call's ranks do not fit together.
        """
        while ended := self._mode.next(self._running):
            for call, position, time in ended:
                self._report(call, position, time)
            self._follow()
        answers, self._answers = self._answers, []
        return answers

    def stalled(self) -> bool:
        """True if, in strict time and after `advance`, no rank can ever continue; see `waits`."""
        return self._mode.stuck and not self._running and bool(self.waits())

    def waits(self) -> dict[int, tuple[int, tuple[int, ...]]]:
        """By waiting rank: the number of the call it waits for, and which ranks have not joined."""
        pairs = ((rank, state.waits) for rank, state in enumerate(self._ranks))
        return {rank: (call.op, call.missing()) for rank, call in pairs if call is not None}

    def clock(self, rank: int) -> float:
        """The rank's clock as far as it is known, in emulated seconds."""
        return self._of(rank).clock

    def finish(self, rank: int, op: int) -> float | None:
        """When the rank's part of call ``op`` ends, in emulated seconds; None while not known.

        On paced time it may still change.
        """
        call = self._calls.get(op) or self._past.get(op)
        position = None if call is None else call.position(rank)
        if call is not None and position is not None:
            return call.end[position]
        return self._of(rank).ends.get(op)

    def predictions(self) -> list[tuple[int, int, float]]:
        """On paced time: (rank, op, end) of parts whose end is new or has changed."""
        news = {} if self._news is None else self._news
        found = [(rank, op, time) for (rank, op), time in news.items()]
        news.clear()
        return found

    def finished(self) -> list[Finished]:
        """Every call that is over, in the order in which they ended.

        Empty unless they are recorded.
        """
        return [
            Finished(call.op, call.family.operation, call.family.group,
                     tuple(at for at in call.joined if at is not None),
                     tuple(end for end in call.end if end is not None))
            for call in (self.record.over if self.record else ())
        ]  # fmt: skip

    def recorded(self) -> list[RecordedShare]:
        """The part of every rank in every call so far; empty unless they are recorded."""
        return self.record.parts(list(self._calls.values())) if self.record else []

    # How posts are taken: in order, and not beyond a wait whose end is not known.

    def _of(self, rank: int) -> _RankClock:
        if not 0 <= rank < self.size:
            raise WorldError(f"rank {rank} of a world of {self.size} ranks")
        return self._ranks[rank]

    def _posting(self, rank: int) -> _RankClock:
        state = self._of(rank)
        if state.leaving:
            raise WorldError(f"rank {rank} has ended, and still posts", rank)
        return state

    def _open(self, op: int, group: tuple[int, ...], operation: str) -> TimedCall:
        if op in self._past:
            raise WorldError(f"call {op} is over; its number was used twice")
        call = self._calls[op] = new_call(op, self._catalogue.family(operation, group))
        return call

    def _post(self, state: _RankClock, take: Callable[..., None], *what: Any) -> None:
        if state.waits is None and not state.ended:
            take(state, *what)
        else:
            state.posted.append((take, what))

    def _begin(self, state: _RankClock, call: TimedCall, position: int, at: float | None) -> None:
        if at is not None:  # by the wall clock, not by the end that a wait was given
            state.clock = grid(at)
        call.joined[position] = state.clock
        call.away -= 1
        part = call.parts[position]
        if call.family.operation == FREE:
            self._meet(call)
        elif part is None or not part.moves:
            self._report(call, position, grid(state.clock + call.family.start))
        else:
            call.moving += 1
            self._mode.join(call, position, state.clock)

    def _meet(self, call: TimedCall) -> None:
        """End all parts of an untimed call when the last of its ranks joins.

        If the others' parts ended before, these ranks would wait for its bytes on the host, while
        in strict time its clock would wait for them to block.
        """
        if not call.away:
            last = max(at for at in call.joined if at is not None)
            for position in range(len(call.joined)):
                self._report(call, position, last)

    def _wait(self, state: _RankClock, op: int, call: TimedCall | None) -> None:
        end = state.ends.pop(op, None)
        if end is not None:
            state.clock = max(state.clock, end)
        elif call is not None and call.op in self._calls:
            state.waits = call
            self._running -= 1

    def _compute(self, state: _RankClock, rank: int, seconds: float) -> None:
        begin = state.clock
        state.clock += seconds
        if self.record is not None:
            self.record.computed(rank, begin, state.clock)

    def _ask(self, state: _RankClock, rank: int, token: int) -> None:
        self._answers.append(Answer(rank, token, state.clock))

    def _times(self, state: _RankClock, rank: int, token: int, call: TimedCall) -> None:
        position = call.position(rank) or 0
        begin, end = call.joined[position], call.end[position]
        if begin is None or end is None:
            raise WorldError(
                f"rank {rank} asks for the times of call {call.op}, for which it has not waited",
                rank,
            )
        self._answers.append(Answer(rank, token, end, begin))

    def _mark(
        self, state: _RankClock, rank: int, span: int, name: str | None, at: float | None
    ) -> None:
        if self.record is not None:
            self.record.mark(rank, span, name, state.clock if at is None else grid(at))

    def _end(self, state: _RankClock) -> None:
        state.ended = True
        self._running -= 1

    def _access(self, state: _RankClock, call: TimedAccess, at: float | None) -> None:
        if at is not None:
            state.clock = grid(at)
        call.asked = state.clock
        if state.fences.begin(call, call.terms.target):
            self._set_out(call, state.clock)

    def _set_out(self, call: TimedAccess, time: float) -> None:
        """Let all parts of an access begin."""
        parts = len(call.parts)
        call.joined, call.away = [time] * parts, 0
        for position, part in enumerate(call.parts):
            if part is not None and part.moves:
                call.moving += 1
                self._mode.join(call, position, time)
            else:
                self._report(call, position, grid(time + call.family.start))
        self._follow()

    def _fence(self, state: _RankClock) -> None:
        state.fences.fence()

    def _word(self, state: _RankClock, rank: int, token: int, call: TimedAccess) -> None:
        if call.open:
            raise WorldError(
                f"rank {rank} asks for the word of access {call.op}, for which it has not waited"
            )
        self._answers.append(Answer(rank, token, state.clock, word=call.value))

    def _await(
        self, state: _RankClock, wait: WordWait, read: Callable[[], int], at: float | None
    ) -> None:
        if at is not None:
            state.clock = grid(at)
        now = read()
        time = self._words.holds_from(wait.key, state.clock, now, wait.holds)
        if time is None:
            state.waits = wait
            self._running -= 1
            self._words.wait(wait)
        else:
            state.clock = time
            self._answers.append(Answer(wait.rank, wait.token, time, word=now))

    def _follow(self) -> None:
        """What follows from accesses whose ends are known, one after another."""
        while self._over:
            over, self._over = self._over, []
            for call in sorted(over, key=lambda one: (one.over, one.owner, one.number)):
                self._finish(call)

    def _finish(self, call: TimedAccess) -> None:
        terms, time = call.terms, call.over
        call.end[0] = time
        state = self._ranks[call.owner]
        state.ends[call.op] = time
        if self._news is not None:
            self._news[call.owner, call.op] = time
        self._close(call)
        if terms.act is not None and terms.key is not None:
            before, after = terms.act()
            call.value = before
            for wait in self._words.change(terms.key, time, before, after):
                self._go_on(wait, self._words.last(terms.key), after)
        for held in state.fences.end(call, terms.target):
            self._set_out(held, max(held.asked, time))
        if state.waits is call:
            self._free(state, call)

    def _go_on(self, wait: WordWait, time: float, word: int) -> None:
        """End a rank's wait for a word."""
        state = self._ranks[wait.rank]
        state.clock = max(state.clock, time)
        self._answers.append(Answer(wait.rank, wait.token, state.clock, word=word))
        self._take_posted(state)

    def _report_access(self, call: TimedAccess, position: int, time: float) -> None:
        news = call.end[position] is None
        if news:
            call.end[position] = time
            call.open -= 1
            if not call.open:
                self._over.append(call)
            return
        call.end[position] = time
        if self._news is not None:
            self._news[call.owner, call.op] = call.over

    def _report(self, call: TimedCall, position: int, time: float) -> None:
        """Record when a rank's part of a call ends; for the second time if it was corrected."""
        if isinstance(call, TimedAccess):
            self._report_access(call, position, time)
            return
        rank = call.family.group[position]
        state, news = self._ranks[rank], call.end[position] is None
        call.end[position] = time
        if self._news is not None:
            self._news[rank, call.op] = time
        if news or call.op in state.ends:
            state.ends[call.op] = time
        if not news:
            return
        call.open -= 1
        if not call.open:
            self._close(call)
        if state.waits is call:
            self._free(state, call)

    def _close(self, call: TimedCall) -> None:
        del self._calls[call.op]
        self._past[call.op] = call
        if len(self._past) > 16 + _PAST // self.size:
            self._past.popitem(last=False)
        if self.record is not None:
            self.record.over.append(call)

    def _free(self, state: _RankClock, call: TimedCall) -> None:
        """End the rank's wait for the call, and take what it has posted behind that."""
        state.clock = max(state.clock, state.ends.pop(call.op))
        self._take_posted(state)

    def _take_posted(self, state: _RankClock) -> None:
        """End the rank's wait, and take what it has posted behind it."""
        state.waits = None
        self._running += 1
        while state.posted and state.waits is None and not state.ended:
            take, what = state.posted.popleft()
            take(state, *what)


def _some(ranks: tuple[int, ...]) -> str:
    """Ranks in words, not all of a thousand."""
    if len(ranks) <= 8:
        return ", ".join(map(str, ranks))
    return f"{', '.join(map(str, ranks[:4]))}, ... {ranks[-1]} ({len(ranks)} ranks)"
