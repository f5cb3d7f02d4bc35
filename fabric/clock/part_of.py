"""`EmulatorOfMany`: time for the ranks that run, as some of many; the others are modelled.

The machine has N modelled ranks in N/n blocks of as many as run, n. Running rank r is modelled
rank r, and stands for rank r of every other block, too: what it posts is posted for each of these,
at that rank's own clock. A call of all running ranks is one call of all N; a call of some of them,
such as a message, is made in each block apart.

What a modelled rank does next is known only when the running one does it, and that may depend on
a time that it has asked for. So no modelled rank goes on from a wait before the one that stands for
it does, even where what follows happens to be known by then: times must not depend on that.
"""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from fabric.clock.emulator import Emulator
from fabric.clock.posts import PostingRank
from fabric.endpoint.costs import MESSAGE
from fabric.fabric import Fabric
from fabric.schedule.plan import TimedRows

_CALLS = 1 << 16  # of blocks apart, whose numbers are known still
_DIVIDED = 64  # rows of several ranks of which it is known what is whose


class _Gate:
    """What the ranks of all blocks pass after one wait, the running one first.

    ``op``: the number of the call that is waited for; ``clock``: of the rank that runs when it
    passed, None before that; ``held``: who is there sooner.
    """

    __slots__ = ("clock", "held", "op")

    def __init__(self, op: int) -> None:
        self.op = op
        self.clock: float | None = None
        self.held: list[PostingRank] = []

    def missing(self) -> tuple[int, ...]:
        """Nobody in particular."""
        return ()


class EmulatorOfMany(Emulator):
    """An `Emulator` of ``whole`` ranks for a world of ``ranks``, a divisor of it.

    Ranks and the numbers of calls are the world's in all that is posted and answered; `finished`,
    `recorded` and traces have all modelled ranks, and numbers of their own. To a call of all ranks
    each brings the rows of all that it stands for, a row between two of these once.
    """

    def __init__(
        self, fabric: Fabric, ranks: int, whole: int, mode: str = "strict", *, record: bool = False
    ) -> None:
        super().__init__(fabric, whole, mode, record=record)
        self._real, self._copies = ranks, whole // ranks
        self._apart: OrderedDict[int, None] = OrderedDict()  # calls of each block for itself
        self._divided: OrderedDict[tuple[str, int], Sequence[TimedRows]] = OrderedDict()

    @property
    def running(self) -> int:
        """How many ranks run, and are not modelled: the first ones."""
        return self._real

    def posted_as(self, op: int) -> int:
        """The number under which running ranks have posted call ``op`` of the record."""
        return op // self._copies

    def members(self, group: tuple[int, ...]) -> tuple[int, ...]:
        """The modelled ranks that make a call of the running ranks ``group``."""
        if len(group) < self._real:
            return group
        return tuple(rank + first for first in self._blocks() for rank in group)

    def begin(
        self, rank: int, op: int, group: tuple[int, ...], rows: TimedRows, operation: str,
        at: float | None = None,
    ) -> None:  # fmt: skip
        """The rank, and each that it stands for, begins its part of call ``op``."""
        copies, blocks = self._copies, self._blocks()
        if len(group) == self._real and operation != MESSAGE:
            number, members = op * copies, self.members(group)
            for first, mine in zip(blocks, self._parts(rows, group.index(rank)), strict=True):
                super().begin(rank + first, number, members, mine, operation, at)
            return
        self._apart[op] = None
        if len(self._apart) > _CALLS:
            self._apart.popitem(last=False)
        for block, first in enumerate(blocks):
            members = tuple(member + first for member in group)
            super().begin(rank + first, op * copies + block, members, rows, operation, at)

    def wait(self, rank: int, op: int) -> None:
        """Have the clocks of the rank, and of all that it stands for, wait for ``op``."""
        gate = _Gate(op * self._copies)
        for block, first in enumerate(self._blocks()):
            super().wait(rank + first, gate.op + (block if op in self._apart else 0))
            if self._copies > 1:
                through = self._pass if block else self._open_gate
                self._post(self._posting(rank + first), through, gate)

    def compute(self, rank: int, seconds: float) -> None:
        """Move the clocks of the rank, and of all that it stands for, on by ``seconds``."""
        for first in self._blocks():
            super().compute(rank + first, seconds)

    def end(self, rank: int) -> None:
        """Take note that the rank posts no more."""
        for first in self._blocks():
            super().end(rank + first)

    def times(self, rank: int, token: int, op: int) -> bool:
        """Ask for begin and end of the rank's own part of ``op``."""
        return super().times(rank, token, op * self._copies)

    def called(self, op: int, words: str) -> None:
        """Keep in the record what the call is in words."""
        for block in range(self._copies):
            super().called(op * self._copies + block, words)

    def finish(self, rank: int, op: int) -> float | None:
        """When the rank's own part of ``op`` ends, in emulated seconds; None while not known."""
        return super().finish(rank, op * self._copies)

    def waits(self) -> dict[int, tuple[int, tuple[int, ...]]]:
        """By running rank that waits: the number of the call, and which ranks have not joined."""
        return {
            rank: (op // self._copies, tuple(sorted({one % self._real for one in missing})))
            for rank, (op, missing) in super().waits().items()
            if rank < self._real
        }

    def predictions(self) -> list[tuple[int, int, float]]:
        """On paced time: (rank, op, end) of parts of running ranks whose end is new."""
        found = super().predictions()
        return [(r, op // self._copies, end) for r, op, end in found if r < self._real]

    def _open_gate(self, state: PostingRank, gate: _Gate) -> None:
        """Have those go on that are at the gate already, not before the rank that runs."""
        gate.clock = state.clock
        for one in gate.held:
            one.clock = max(one.clock, gate.clock)
            self._go_on(one)

    def _pass(self, state: PostingRank, gate: _Gate) -> None:
        if gate.clock is None:
            gate.held.append(state)
            self._posts.hold(state, gate)
        else:
            state.clock = max(state.clock, gate.clock)

    def _blocks(self) -> range:
        """The first modelled rank of each block."""
        return range(0, self.size, self._real)

    def _parts(self, rows: TimedRows, position: int) -> Sequence[TimedRows]:
        """The rows of each modelled rank that the one at ``position`` of its group stands for."""
        key = rows.digest, position
        parts = self._divided.get(key)
        if parts is None:
            mine = range(position, self.size, self._real)
            parts = [_own(rows, one) for one in mine]
            self._divided[key] = parts
            if len(self._divided) > _DIVIDED:
                self._divided.popitem(last=False)
        return parts


def _own(rows: TimedRows, rank: int) -> TimedRows:
    which = np.flatnonzero((rows.src == rank) | (rows.dst == rank))
    return TimedRows(
        rows.step[which], rows.src[which], rows.dst[which], rows.size[which],
        rows.messages[which], rows.reduces[which], rows.traits.pick(which),
    )  # fmt: skip
