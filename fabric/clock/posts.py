"""What ranks have posted: taken in order, and not beyond a wait whose end is not known."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fabric.clock.accesses import Fences
from fabric.failure import WorldError


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


class Awaited(Protocol):
    """What a rank can wait for: a call, a word, or another rank.

    ``op``: the number of the call, for errors.
    """

    op: int

    def missing(self) -> tuple[int, ...]:
        """The ranks that have not come to it."""


class PostingRank:
    """The state of one rank: its clock, what it waits for, and what it has posted behind that.

    ``waits``: what it waits for; ``ends``: of its parts that it has not waited
    for yet; ``fences``: of its accesses. ``excused``: calls whose end it does not wait for, as it
    is lost; ``learns``: whether it waits to learn of a loss, see `fabric.clock.losses`.
    """

    __slots__ = (
        "clock", "ended", "ends", "excused", "fences", "learns", "leaving", "posted", "waits",
    )  # fmt: skip

    def __init__(self) -> None:
        self.clock = 0.0
        self.waits: Awaited | None = None
        self.posted: deque[tuple[Any, ...]] = deque()
        self.ends: dict[int, float] = {}
        self.fences = Fences()
        self.excused: set[int] = set()
        self.leaving = self.ended = self.learns = False


class Posts:
    """The states of ``size`` ranks.

    ``size``: how many ranks there are; ``running``: how many of them neither wait nor have ended;
    ``answers``: to their questions, since they were taken last.
    """

    def __init__(self, size: int) -> None:
        self.ranks = [PostingRank() for _ in range(size)]
        self.size = self.running = size
        self.answers: list[Answer] = []

    def of(self, rank: int) -> PostingRank:
        """The state of ``rank``; raises `WorldError` if there is none."""
        if 0 <= rank < self.size:
            return self.ranks[rank]
        raise WorldError(f"rank {rank} of a world of {self.size} ranks")

    def posting(self, rank: int) -> PostingRank:
        """The state of ``rank``, which posts; raises `WorldError` if it has ended."""
        state = self.ranks[rank] if 0 <= rank < self.size else self.of(rank)
        if state.leaving:
            raise WorldError(f"rank {rank} has ended, and still posts", rank)
        return state

    def post(self, state: PostingRank, take: Callable[..., None], *what: Any) -> None:
        """Call ``take(state, *what)`` now, or when the rank waits no longer."""
        if state.waits is None and not state.ended:
            take(state, *what)
        else:
            state.posted.append((take, what))

    def hold(self, state: PostingRank, waits: Awaited) -> None:
        """Have the rank wait."""
        state.waits = waits
        self.running -= 1

    def go_on(self, state: PostingRank) -> None:
        """End the rank's wait, and take what it has posted behind that."""
        state.waits = None
        self.running += 1
        while state.posted and state.waits is None and not state.ended:
            take, what = state.posted.popleft()
            take(state, *what)
