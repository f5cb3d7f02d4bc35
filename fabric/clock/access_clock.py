"""`AccessClock`: when accesses to registered memory begin and are over, and what follows then."""

from collections.abc import Callable, Hashable, Iterable

from fabric.clock.accesses import (
    AccessBatch,
    AccessTerms,
    TimedAccess,
    WordClock,
    WordWait,
    new_access,
    new_batch,
)
from fabric.clock.calls import Catalogue, Family, TimedCall, grid
from fabric.clock.memory_machine import MemoryMachine, memory_machine
from fabric.clock.modes import End, TimeMode
from fabric.clock.posts import Answer, PostingRank, Posts
from fabric.endpoint.costs import Endpoint
from fabric.endpoint.one_sided import READ, SIDES, WRITE, over_plane
from fabric.engines.base import Session
from fabric.fabric import Fabric
from fabric.failure import WorldError


class AccessClock:
    """The accesses of a world whose ranks post to ``posts``, and whose calls ``mode`` times.

    ``calls``: those of the world that are not over, by number; an access is one of them. ``close``:
    called with each access that is over. ``gathers``: whether accesses that a rank begins at one
    instant are one batch, as they are if it is known when it begins no more.
    """

    def __init__(
        self, fabric: Fabric, posts: Posts, mode: TimeMode, calls: dict[int, TimedCall],
        close: Callable[[TimedCall], None], gathers: bool,
    ) -> None:  # fmt: skip
        self._fabric, self._posts, self._mode = fabric, posts, mode
        self._calls, self._close, self._gathers = calls, close, gathers
        self._has_beside = False
        self._machine: MemoryMachine | None = None
        self._catalogue: Catalogue | None = None
        self._batches: dict[Hashable, list[TimedAccess]] = {}  # that have not set out yet
        self._over: list[AccessBatch] = []  # whose ends are known, before what follows
        self._words = WordClock()
        self._before: dict[tuple[int, int], int] = {}  # of words that accesses have changed

    @property
    def is_open(self) -> bool:
        """Whether ranks may access memory."""
        return self._machine is not None

    @property
    def software(self) -> Endpoint | None:
        """What times accesses; None while there can be none."""
        return None if self._machine is None else self._machine.software

    def open(
        self, plane: str = "", beside: Callable[[Session], Session] | None = None
    ) -> MemoryMachine:
        """Let ranks access memory from now on, also over ``plane``. Idempotent.

        ``beside``: see `Emulator.with_memory`. Returns the machine with all planes that were asked
        for. Raises `TopologyError` for one that there is not, `WorldError` where guarantees of
        classes, or streams beside, would not hold on it.
        """
        made = self._machine
        if made is not None and (not plane or plane in made.planes):
            return made
        planes = () if made is None else made.planes[1:]
        if plane:
            planes += (plane,)
            self._check_alone(plane, beside)
        made = memory_machine(self._fabric, len(self._posts.ranks), planes)
        session = made.session() if beside is None else beside(made.session())
        self._catalogue = Catalogue(self._fabric, made.size, session, made.software)
        self._mode.replace(session)
        self._machine = made
        self._has_beside = beside is not None
        return made

    def _check_alone(self, plane: str, beside: object) -> None:
        if self._fabric.traffic_classes.guaranteed:
            what = "guarantees of traffic classes"
        elif beside is not None or self._has_beside:
            what = "streams beside"
        else:
            return
        raise WorldError(
            f"memory over plane {plane}: {what} are not modelled where memory has a plane of its"
            " own"
        )

    def begin(self, rank: int, op: int, terms: AccessTerms, at: float | None) -> None:
        """The rank posts that it begins an access; see `Emulator.access`."""
        state, family = self._posts.posting(rank), self._family(rank, terms)
        call = new_access(op, family, rank, state.fences.begun, terms)
        state.fences.begun += 1
        self._calls[op] = call
        self._posts.post(state, self._begin, call, at)

    def _family(self, rank: int, terms: AccessTerms) -> Family:
        if self._machine is None or self._catalogue is None:
            raise WorldError(f"rank {rank} accesses memory, and none is registered", rank)
        near, far = terms.sides
        here = self._machine.place(rank, near, terms.plane)
        there = self._machine.place(terms.target, far, terms.plane)
        if terms.plane:
            self._machine.check(terms.plane, here, there)
        group = (here,) if here == there else (here, there)
        operation = (WRITE if terms.writes else READ) + SIDES[terms.sides]
        operation = over_plane(operation, terms.plane)
        return self._catalogue.family(operation, group, terms.size // max(terms.messages, 1))

    def fence(self, rank: int) -> None:
        """The rank posts a fence; see `Emulator.fence`."""
        self._posts.post(self._posts.posting(rank), self._fence)

    def word(self, rank: int, token: int, op: int, call: TimedCall | None) -> None:
        """The rank asks for what a word was before its access ``op``; see `Emulator.word`.

        ``call``: the access, None if so many others have ended since that it is forgotten.
        """
        if call is not None and call.position(rank) is None:
            raise WorldError(f"rank {rank} asks for the word of access {op}, which is not its own")
        self._posts.post(self._posts.posting(rank), self._word, rank, token, op)

    def await_word(self, wait: WordWait, read: Callable[[], int], at: float | None) -> None:
        """The rank posts that it waits for a word; see `Emulator.await_word`."""
        self._posts.post(self._posts.posting(wait.rank), self._await, wait, read, at)

    def set_out_if(self, sure: bool) -> None:
        """Let the batches begin that ranks have gathered, if it is ``sure`` that nobody adds."""
        while sure and self._batches:
            batches, self._batches = self._batches, {}
            for members in batches.values():
                self._set_out(members, members[0].asked)

    def report(self, ended: Iterable[End], others: Callable[[TimedCall, int, float], None]) -> None:
        """Record which parts end, and do what follows of accesses.

        ``others``: called with those of other calls.
        """
        for call, position, time in ended:
            if isinstance(call, AccessBatch):
                self._report(call, position, time)
            else:
                others(call, position, time)
        self._follow()

    def _report(self, batch: AccessBatch, position: int, time: float) -> None:
        news = batch.end[position] is None
        batch.end[position] = time
        if news:
            batch.open -= 1
            if not batch.open:
                self._over.append(batch)
        elif not batch.open:  # corrected, on paced time
            self._corrected(batch)

    def _follow(self) -> None:
        """What follows from batches whose ends are known, one after another."""
        while self._over:
            over, self._over = self._over, []
            for batch in sorted(over, key=_in_order):
                for member in batch.members:
                    self._finish(member, batch)

    # What ranks have posted, when it is taken.

    def _begin(self, state: PostingRank, call: TimedAccess, at: float | None) -> None:
        if at is not None:
            state.clock = grid(at)
        call.asked = state.clock
        if not state.fences.begin(call, call.terms.target):
            return
        if call.terms.size and self._gathers:
            key = call.family, call.owner, call.terms.writes, call.asked
            self._batches.setdefault(key, []).append(call)
        else:
            self._set_out([call], call.asked)

    def _fence(self, state: PostingRank) -> None:
        state.fences.fence()

    def _word(self, state: PostingRank, rank: int, token: int, op: int) -> None:
        if op in self._calls:
            raise WorldError(
                f"rank {rank} asks for the word of access {op}, for which it has not waited", rank
            )
        before = self._before.pop((rank, op), 0)
        self._posts.answers.append(Answer(rank, token, state.clock, word=before))

    def _await(
        self, state: PostingRank, wait: WordWait, read: Callable[[], int], at: float | None
    ) -> None:
        if at is not None:
            state.clock = grid(at)
        now = read()
        time = self._words.holds_from(wait.key, state.clock, now, wait.holds)
        if time is None:
            self._words.wait(wait)
            self._posts.hold(state, wait)
        else:
            state.clock = time
            self._posts.answers.append(Answer(wait.rank, wait.token, time, word=now))

    # How accesses begin, and are over.

    def _set_out(self, members: list[TimedAccess], time: float) -> None:
        batch = new_batch(members)
        rows, catalogue = batch.rows(), self._catalogue
        if catalogue is None:
            raise WorldError("memory is accessed, and none is registered")
        parts = len(batch.parts)
        batch.joined, batch.away = [time] * parts, 0
        for position in range(parts):
            batch.parts[position] = catalogue.part(batch.family, rows, position)
        for position in range(parts):
            if len(rows):
                batch.moving += 1
                self._mode.join(batch, position, time)
            else:
                self._report(batch, position, grid(time + batch.family.start))
        if not len(rows):
            self._follow()

    def _finish(self, call: TimedAccess, batch: AccessBatch) -> None:
        terms, time = call.terms, batch.over
        call.finish(batch.joined[0] or 0.0, time)
        state = self._posts.ranks[call.owner]
        state.ends[call.op] = time
        self._say(call, time)
        self._close(call)
        if terms.act is not None and terms.key is not None:
            before, after = terms.act()
            self._before[call.owner, call.op] = before
            for wait in self._words.change(terms.key, time, before, after):
                self._go_on(wait, self._words.last(terms.key), after)
        for held in state.fences.end(call, terms.target):
            self._set_out([held], max(held.asked, time))
        if state.waits is call:
            state.clock = max(state.clock, state.ends.pop(call.op))
            self._posts.go_on(state)

    def _go_on(self, wait: WordWait, time: float, word: int) -> None:
        state = self._posts.ranks[wait.rank]
        state.clock = max(state.clock, time)
        self._posts.answers.append(Answer(wait.rank, wait.token, state.clock, word=word))
        self._posts.go_on(state)

    def _corrected(self, batch: AccessBatch) -> None:
        for member in batch.members:
            member.end[0] = batch.over
            self._say(member, batch.over)

    def _say(self, call: TimedAccess, time: float) -> None:
        """On paced time, the end is news for its rank."""
        if self._mode.news is not None:
            self._mode.news[call.owner, call.op] = time


def _in_order(batch: AccessBatch) -> tuple[float, int, int]:
    """By when it is over, then by rank and number."""
    first = batch.members[0]
    return batch.over, first.owner, first.number
