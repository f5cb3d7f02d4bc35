"""What an emulator keeps of calls, computing and named spans: for a trace, and for who watches."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from fabric.clock.calls import TimedCall

COMPUTE = "compute"
"""What computing is called."""


class Stretch(NamedTuple):
    """What a rank did from ``begin`` to ``end``, in emulated seconds.

    ``end`` is None while it lasts.
    """

    rank: int
    name: str
    begin: float
    end: float | None


class RecordedShare(NamedTuple):
    """A rank's part of a call, in emulated seconds.

    ``end`` is None if the world has ended before it.

    ``words``: what the rank called, such as ``"all_reduce(sum, float32[1024])"``; ``group``: the
    world's ranks in it; ``position``: the rank's place there; ``op``: the number of the call;
    ``operation``: whose endpoint constants apply.
    """

    rank: int
    op: int
    words: str
    group: tuple[int, ...]
    position: int
    begin: float
    end: float | None
    operation: str


class OverCall(NamedTuple):
    """A call that is over, and what it was in words."""

    call: TimedCall
    words: str


class Latest:
    """The last ``most`` things that have happened, until `take` returns them.

    One thread adds and never waits; another one takes. Where more happens than is taken, the oldest
    are dropped, and counted.
    """

    def __init__(self, most: int) -> None:
        self._kept: deque[OverCall | Stretch] = deque(maxlen=most)
        self._added = self._taken = 0

    def add(self, what: OverCall | Stretch) -> None:
        """Keep ``what``, and drop the oldest if there is no room."""
        self._kept.append(what)
        self._added += 1

    def take(self) -> list[OverCall | Stretch]:
        """What has been added since the last call, the oldest first, without what was dropped."""
        found = [self._kept.popleft() for _ in range(len(self._kept))]
        self._taken += len(found)
        return found

    @property
    def dropped(self) -> int:
        """How many nobody has taken in time."""
        return max(0, self._added - self._taken - len(self._kept))


@dataclass(eq=False, slots=True)
class Recording:
    """What an `Emulator` made with ``record`` has recorded.

    ``over``: the calls that are over; ``words``: of each call, by number; ``stretches``: computing
    and spans, those of a rank in the order in which they began. ``keeps``: whether these are kept;
    otherwise only ``latest`` gets them, without spans.
    """

    over: list[TimedCall] = field(default_factory=list)
    words: dict[int, str] = field(default_factory=dict)
    stretches: list[Stretch] = field(default_factory=list)
    keeps: bool = True
    latest: Latest | None = None
    _open: dict[tuple[int, int], int] = field(default_factory=dict)

    def closed(self, call: TimedCall) -> None:
        """Record that a call is over."""
        if self.latest is not None:
            words = self.words.get if self.keeps else self.words.pop
            self.latest.add(OverCall(call, words(call.op, call.family.operation)))
        if self.keeps:
            self.over.append(call)

    def computed(self, rank: int, begin: float, end: float) -> None:
        """Record that ``rank`` computed from ``begin`` to ``end``, in emulated seconds."""
        if end > begin:
            one = Stretch(rank, COMPUTE, begin, end)
            if self.keeps:
                self.stretches.append(one)
            if self.latest is not None:
                self.latest.add(one)

    def mark(self, rank: int, span: int, name: str | None, time: float) -> None:
        """Record at ``time`` that a span of ``rank`` begins, called ``name``, or ends, for None.

        ``span``: its number; ``time``: in emulated seconds.
        """
        if not self.keeps:
            return
        if name is not None:
            self._open[rank, span] = len(self.stretches)
            self.stretches.append(Stretch(rank, name, time, None))
            return
        at = self._open.pop((rank, span), None)
        if at is not None:
            self.stretches[at] = self.stretches[at]._replace(end=time)

    def parts(self, under_way: list[TimedCall]) -> list[RecordedShare]:
        """The part of each rank in each call, of calls that are over and of those ``under_way``."""
        return [
            RecordedShare(
                rank, call.op, self.words.get(call.op, call.family.operation), call.family.group,
                position, joined, end, call.family.operation,
            )
            for call in [*self.over, *under_way]
            for rank, position in call.posted()
            for joined, end in [(call.joined[position], call.end[position])]
            if joined is not None
        ]  # fmt: skip
