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
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from fabric.clock.access_clock import AccessClock
from fabric.clock.accesses import AccessTerms, WordWait
from fabric.clock.calls import Catalogue, Finished, TimedCall, grid, new_call
from fabric.clock.changes import ClockChanges
from fabric.clock.losses import Losses, Outage
from fabric.clock.memory_machine import MemoryMachine
from fabric.clock.modes import mode as chosen
from fabric.clock.posts import Answer, PostingRank, Posts
from fabric.clock.record import Latest, RecordedShare, Recording
from fabric.endpoint.costs import FREE, MESSAGE, Endpoint
from fabric.engines.base import Session
from fabric.fabric import Fabric
from fabric.failure import WorldError
from fabric.schedule.plan import TimedRows

_PAST = 1 << 16  # parts of calls that are over, whose numbers are known still


class Emulator:
    """Time for a world of ``size`` ranks, placed on ``fabric`` as in `Fabric.simulate`.

    ``mode``: one of `MODES`. ``record``: True to keep what happens, for `finished` and traces, in
    the attribute ``record``. ``detection``: seconds from the loss of a rank until others know of
    it, where they go on. Methods raise `WorldError` for wrong posts; after an error the
    emulator is of no further use.
    """

    def __init__(
        self, fabric: Fabric, size: int, mode: str = "strict", *, record: bool = False,
        detection: float = 0.0,
    ) -> None:  # fmt: skip
        self.mode, self.size, self.fabric = mode, size, fabric
        session = fabric.session(size)
        changes = ClockChanges(fabric.changes, fabric.topology.n_links)
        self._mode = chosen(mode, session, changes)
        self._news = self._mode.news
        self._catalogue = Catalogue(fabric, size, session)
        self._posts = Posts(size)
        self._ranks, self._post = self._posts.ranks, self._posts.post
        self._of, self._posting = self._posts.of, self._posts.posting
        self._go_on = self._posts.go_on
        self._calls: dict[int, TimedCall] = {}
        self._past: OrderedDict[int, TimedCall] = OrderedDict()
        self._memory = AccessClock(
            fabric, self._posts, self._mode, self._calls, self._close, mode == "strict"
        )
        self.record = Recording() if record else None
        self._detection = detection
        self._losses: Losses | None = None  # made when a rank is first out
        self._aside: dict[int, TimedCall] = {}

    def watch(self, most: int) -> Latest:
        """Keep what happens from now on, the last ``most`` things, for who looks now and then."""
        if self.record is None:
            self.record = Recording(keeps=False)
        self.record.latest = Latest(most)
        return self.record.latest

    def members(self, group: tuple[int, ...]) -> tuple[int, ...]:
        """The ranks on the fabric that make a call of the world's ranks ``group``: the same."""
        return group

    @property
    def running(self) -> int:
        """How many ranks run, and are not modelled: the first ones."""
        return self.size

    def posted_as(self, op: int) -> int:
        """The number under which ranks have posted call ``op`` of the record: the same."""
        return op

    @property
    def software(self) -> Endpoint:
        """What times calls and accesses: the machine's software, with constants of accesses."""
        return self._memory.software or self.fabric.software

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

    def called(self, op: int, words: str) -> None:
        """Keep in the record, if there is one, what call ``op`` is in words."""
        if self.record is not None:
            self.record.words.setdefault(op, words)

    def end(self, rank: int) -> None:
        """Take note that the rank posts no more."""
        state = self._posting(rank)
        state.leaving = True
        self._post(state, self._end)

    # Accesses to registered memory.

    def with_memory(
        self, plane: str = "", beside: Callable[[Session], Session] | None = None
    ) -> MemoryMachine:
        """Let ranks access registered memory from now on, also over ``plane``. Idempotent.

        ``beside``: makes of the session that times accesses one with more in it, None: as it is.
        Returns the machine with memory. Raises `TopologyError` for a plane that there is not,
        `WorldError` for one that cannot be beside what the machine promises.
        """
        return self._memory.open(plane, beside)

    def access(self, rank: int, op: int, terms: AccessTerms, at: float | None = None) -> None:
        """The rank begins access ``op`` of memory, to which nobody else brings anything.

        It is over, for `wait`, when both of its ends are. ``at``: as in `begin`. Raises
        `WorldError` for a number that is in use, and where no memory is registered.
        """
        if op in self._calls or op in self._past:
            raise WorldError(f"access {op} has the number of another call", rank)
        self._memory.begin(rank, op, terms, at)

    def fence(self, rank: int) -> None:
        """Have later accesses of the rank begin when its earlier ones to the same rank are over."""
        self._memory.fence(rank)

    def word(self, rank: int, token: int, op: int) -> None:
        """Ask for what the word was before access ``op``, for which the rank has waited."""
        self._memory.word(rank, token, op, self._calls.get(op) or self._past.get(op))

    def await_word(self, wait: WordWait, read: Callable[[], int], at: float | None = None) -> None:
        """Have a rank's clock wait until a word holds; ``read``: the word as it is in memory.

        ``at``: as in `begin`.
        """
        self._memory.await_word(wait, read, at)

    # Losses of ranks, see `fabric.clock.losses`.

    def set_aside(self, rank: int) -> None:
        """Have the clock of a rank, a spare, wait until it is released: time goes on without it."""
        call = new_call(-1 - rank, self._catalogue.family(FREE, (rank,)))
        self._aside[rank] = call
        self._post(self._posting(rank), self._posts.hold, call)

    def release(self, rank: int) -> None:
        """Have the clock of a rank that was set aside wait no longer."""
        call, state = self._aside.pop(rank, None), self._of(rank)
        if call is not None and state.waits is call:
            self._go_on(state)

    def lose(self, rank: int) -> None:
        """Take note that the rank is lost: it posts no more, and others will learn of it."""
        state = self._posting(rank)
        state.leaving = True
        self._post(state, self._out, self._know_losses().leaves(rank))
        self._post(state, self._end)

    def stop(self, rank: int, op: int | None, floor: int) -> None:
        """Take note that the rank takes no further part in its calls with numbers below ``floor``.

        ``op``: the call that has failed, from which it has learned of a loss, if one has.
        """
        outage = self._know_losses().leaves(rank, floor)
        self._post(self._posting(rank), self._learn, outage, op)

    def doom(self, op: int, culprit: int) -> None:
        """Have call ``op`` fail because of rank ``culprit``, which is lost or has stopped."""
        call = self._calls.get(op) or self._past.get(op)
        if call is not None:
            losses = self._know_losses()
            losses.miss(call, culprit)
            if losses.is_lost(culprit):
                self.excuse(op, culprit)

    def settle(self, op: int, absent: tuple[int, ...]) -> None:
        """Have call ``op``, in which nothing moves, end when all but ``absent`` have joined it."""
        call = self._calls.get(op)
        if call is not None:
            self._know_losses().settle(call, absent)
            for rank in absent:
                self.excuse(op, rank)

    def excuse(self, op: int, rank: int) -> None:
        """Have a rank that is lost not wait for the end of call ``op``."""
        call, state = self._calls.get(op), self._ranks[rank]
        state.excused.add(op)
        if call is not None and state.waits is call and not state.learns:
            self._go_on(state)

    def forget(self, op: int) -> None:
        """Take note that nobody waits any more for a call that fails."""
        self._know_losses().forget(op)

    def _know_losses(self) -> Losses:
        if self._losses is None:
            self._losses = Losses(self._detection, self._report, self._mode.drop, self._close)
        return self._losses

    def _resolve(self, losses: Losses) -> None:
        """Find what follows from losses, once all is posted that ranks do before time goes on."""
        while not (self._posts.running and self.mode == "strict") and losses.resolve():
            continue

    def _out(self, state: PostingRank, outage: Outage) -> None:
        outage.at = state.clock

    def _learn(self, state: PostingRank, outage: Outage, op: int | None) -> None:
        """Nobody learns of a loss before it is detected, though its own part of ``op`` is over."""
        miss = None if self._losses is None or op is None else self._losses.of_call(op)
        if miss is None or miss.over is not None:
            state.clock = outage.at = max(state.clock, (miss and miss.over) or 0.0)
        else:
            state.learns = True
            self._posts.hold(state, miss.call)
            miss.learning.append(partial(self._learned, state, outage))

    def _learned(self, state: PostingRank, outage: Outage, over: float) -> None:
        state.clock = outage.at = max(state.clock, over)
        state.learns = False
        self._go_on(state)

    # The ends of calls, and answers.

    def advance(self) -> list[Answer]:
        """Find every end that follows from what was posted so far; returns the new answers.

        Raises `CallMismatch` if the transfers of a call's ranks do not fit together.
        """
        posts, memory = self._posts, self._memory
        if memory.is_open:
            memory.set_out_if(not posts.running)
        if self._losses is not None:
            self._resolve(self._losses)
        while ended := self._mode.next(posts.running):
            if memory.is_open:
                memory.report(ended, self._report)
                memory.set_out_if(not posts.running)
            else:
                for call, position, time in ended:
                    self._report(call, position, time)
            if self._losses is not None:
                self._resolve(self._losses)
        answers, posts.answers = posts.answers, []
        return answers

    def stalled(self) -> bool:
        """True if, in strict time and after `advance`, no rank can ever continue; see `waits`."""
        return self._mode.stuck and not self._posts.running and bool(self.waits())

    def waits(self) -> dict[int, tuple[int, tuple[int, ...]]]:
        """By waiting rank: the number of the call it waits for, and which ranks have not joined."""
        pairs = ((rank, state.waits) for rank, state in enumerate(self._ranks))
        return {
            rank: (call.op, call.missing()) for rank, call in pairs
            if call is not None and rank not in self._aside
        }  # fmt: skip

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

    def _open(self, op: int, group: tuple[int, ...], operation: str) -> TimedCall:
        if op in self._past:
            raise WorldError(f"call {op} is over; its number was used twice")
        call = self._calls[op] = new_call(op, self._catalogue.family(operation, group))
        return call

    def _begin(self, state: PostingRank, call: TimedCall, position: int, at: float | None) -> None:
        if at is not None:  # by the wall clock, not by the end that a wait was given
            state.clock = grid(at)
        call.joined[position] = state.clock
        call.away -= 1
        if self._losses is not None and self._losses.joined(call, position):
            return
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

    def _wait(self, state: PostingRank, op: int, call: TimedCall | None) -> None:
        end = state.ends.pop(op, None)
        if end is not None:
            state.clock = max(state.clock, end)
        elif state.excused and op in state.excused:
            return
        elif call is not None and call.op in self._calls:
            state.waits = call
            self._posts.running -= 1

    def _compute(self, state: PostingRank, rank: int, seconds: float) -> None:
        begin = state.clock
        state.clock += seconds
        if self.record is not None:
            self.record.computed(rank, begin, state.clock)

    def _ask(self, state: PostingRank, rank: int, token: int) -> None:
        self._posts.answers.append(Answer(rank, token, state.clock))

    def _times(self, state: PostingRank, rank: int, token: int, call: TimedCall) -> None:
        position = call.position(rank) or 0
        begin, end = call.joined[position], call.end[position]
        if begin is None or end is None:
            raise WorldError(
                f"rank {rank} asks for the times of call {call.op}, for which it has not waited",
                rank,
            )
        self._posts.answers.append(Answer(rank, token, end, begin))

    def _mark(
        self, state: PostingRank, rank: int, span: int, name: str | None, at: float | None
    ) -> None:
        if self.record is not None:
            self.record.mark(rank, span, name, state.clock if at is None else grid(at))

    def _end(self, state: PostingRank) -> None:
        state.ended = True
        self._posts.running -= 1

    def _report(self, call: TimedCall, position: int, time: float) -> None:
        """Record when a rank's part of a call ends; for the second time if it was corrected."""
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
            state.clock = max(state.clock, state.ends.pop(call.op))
            self._go_on(state)

    def _close(self, call: TimedCall) -> None:
        del self._calls[call.op]
        self._past[call.op] = call
        if len(self._past) > 16 + _PAST // self.size:
            self._past.popitem(last=False)
        if self.record is not None:
            self.record.closed(call)


def _some(ranks: tuple[int, ...]) -> str:
    """Ranks in words, not all of a thousand."""
    if len(ranks) <= 8:
        return ", ".join(map(str, ranks))
    return f"{', '.join(map(str, ranks[:4]))}, ... {ranks[-1]} ({len(ranks)} ranks)"
