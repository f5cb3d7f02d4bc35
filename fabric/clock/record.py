"""What an emulator keeps for a trace: calls, computing and named spans of every rank."""

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


@dataclass(eq=False, slots=True)
class Recording:
    """What an `Emulator` made with ``record`` has recorded.

    ``over``: the calls that are over; ``words``: of each call, by number; ``stretches``: computing
    and spans, those of a rank in the order in which they began.
    """

    over: list[TimedCall] = field(default_factory=list)
    words: dict[int, str] = field(default_factory=dict)
    stretches: list[Stretch] = field(default_factory=list)
    _open: dict[tuple[int, int], int] = field(default_factory=dict)

    def computed(self, rank: int, begin: float, end: float) -> None:
        """Record that ``rank`` computed from ``begin`` to ``end``, in emulated seconds."""
        if end > begin:
            self.stretches.append(Stretch(rank, COMPUTE, begin, end))

    def mark(self, rank: int, span: int, name: str | None, time: float) -> None:
        """Record at ``time`` that a span of ``rank`` begins, called ``name``, or ends, for None.

        ``span``: its number; ``time``: in emulated seconds.
        """
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
