"""`EmulatorOfMany`: time for the ranks that run, as some of many; the others are modelled.

The machine has N modelled ranks in N/n blocks of as many as run, n. Running rank r is modelled
rank r, and stands for rank r of every other block, too: what it posts is posted for each of these,
at that rank's own clock. A call of all running ranks is one call of all N; a call of some of them,
such as a message, is made in each block apart.

What a modelled rank does next is known only when the running one does it. So while that one waits
for emulated time, a modelled rank that has nothing left to do waits with it, and goes on no sooner.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fabric.clock.accesses import WordWait
from fabric.clock.calls import TimedCall
from fabric.clock.emulator import Emulator
from fabric.clock.posts import PostingRank, Posts
from fabric.endpoint.costs import MESSAGE
from fabric.fabric import Fabric
from fabric.schedule.plan import TimedRows

_CALLS = 1 << 16  # of blocks apart, whose numbers are known still
_DIVIDED = 64  # rows of several ranks of which it is known what is whose


class _ModelledRank(PostingRank):
    """A modelled rank that runs nowhere: ``real`` stands for it.

    ``held``: it has nothing left to do until that one goes on.
    """

    __slots__ = ("held", "real")

    def __init__(self, real: PostingRank) -> None:
        super().__init__()
        self.real, self.held = real, False


class PostsOfMany(Posts):
    """The states of ``whole`` ranks, of which the first ``ranks`` run.

    What a modelled rank does next is known when the rank that stands for it posts it. So while that
    one waits, a modelled rank that has nothing to do is held: it does not count as running, and
    goes on when the other does, at its clock or later.
    """

    def __init__(self, ranks: int, whole: int) -> None:
        super().__init__(whole)
        running = self.ranks[:ranks]
        others = [_ModelledRank(real) for _ in range(1, whole // ranks) for real in running]
        self.ranks[ranks:] = others
        self._like = {id(real): others[rank::ranks] for rank, real in enumerate(running)}

    def post(self, state: PostingRank, take: Callable[..., None], *what: Any) -> None:
        """As `Posts.post`; what is held goes on."""
        if isinstance(state, _ModelledRank):
            self._release(state)
            super().post(state, take, *what)
            self._detain(state)
        else:
            super().post(state, take, *what)

    def hold(self, state: PostingRank, waits: TimedCall | WordWait) -> None:
        """Have the rank wait, and with it those that have nothing else to do."""
        super().hold(state, waits)
        for one in self._like.get(id(state), ()):
            self._detain(one)

    def go_on(self, state: PostingRank) -> None:
        """End the rank's wait, and that of those which it held."""
        super().go_on(state)
        if isinstance(state, _ModelledRank):
            self._detain(state)
        elif state.waits is None:
            for one in self._like[id(state)]:
                if one.held:
                    one.clock = max(one.clock, state.clock)
                    self._release(one)

    def _detain(self, state: _ModelledRank) -> None:
        idle = state.waits is None and not state.ended and not state.posted
        if idle and state.real.waits is not None and not state.held:
            state.held = True
            self.running -= 1

    def _release(self, state: _ModelledRank) -> None:
        if state.held:
            state.held = False
            self.running += 1


class EmulatorOfMany(Emulator):
    """An `Emulator` of ``whole`` ranks for a world of ``ranks``, a divisor of it.

    Ranks and the numbers of calls are the world's in all that is posted and answered; `finished`,
    `recorded` and traces have all modelled ranks, and numbers of their own. To a call of all ranks
    each brings the rows of all that it stands for, a row between two of these once.
    """

    def __init__(
        self, fabric: Fabric, ranks: int, whole: int, mode: str = "strict", *, record: bool = False
    ) -> None:
        super().__init__(fabric, whole, mode, record=record, posts=PostsOfMany(ranks, whole))
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
        for block, first in enumerate(self._blocks()):
            super().wait(rank + first, op * self._copies + (block if op in self._apart else 0))

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
