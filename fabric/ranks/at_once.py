"""A call whose moves compiled code makes in one go, as far as they can be made at once.

`fabric.ranks.schedule_moves` goes on where that has stopped: it makes the same moves in the same
order.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np

from fabric.ranks.execution import Execution, PreparedCall, mark_of
from fabric.ranks.ready import ReadyStep, Write
from fabric.ranks.schedule_moves import scheduled
from fabric.ranks.work_buffers import SMALL, WorkBuffers
from fabric.schedule.step import BUFFERS
from fabric.transports.base import BriefMove, Bytes, MadeAtOnce, MayChange, Transport

_WORK = BUFFERS.index("work")
_NO_WORK = np.empty(0, np.uint8)


class CallAtOnce:
    """A ``call`` between the world ranks ``members``, over and over with whatever buffers.

    ``moves``: what ``make`` makes; ``count``: how many they are. ``mark``: of its messages.
    ``buffers``: of the rank, which lend the work buffer.
    """

    __slots__ = (
        "_buffers", "_make", "_moving", "_room", "_work", "call", "count", "mark", "members",
    )  # fmt: skip

    def __init__(
        self, call: PreparedCall, members: tuple[int, ...], moves: Sequence[BriefMove | MayChange],
        make: MadeAtOnce, buffers: WorkBuffers,
    ) -> None:  # fmt: skip
        self.call, self.members, self.count = call, members, len(moves)
        self.mark, self._make, self._buffers = mark_of(call.words), make, buffers
        # Of the first so many of the list, how many move bytes.
        self._moving = [0, *accumulate(isinstance(move, BriefMove) for move in moves)]
        self._room, self._work = call.ready.rooms[_WORK], _NO_WORK

    def begin(self, tag: int, send: Bytes, recv: Bytes) -> int:
        """Make as many moves of call ``tag`` as can be made at once; returns how many that were."""
        made = self._make(tag, self.mark, send, recv, self._work_buffer())
        if made == self.count:
            self._give_back()
        return made

    def rest(
        self, transport: Transport, tag: int, send: Bytes, recv: Bytes, made: int,
        then: Callable[[], None] | None = None,
    ) -> Execution:  # fmt: skip
        """The execution that makes all moves but the first ``made``, which `begin` has made.

        ``then``: called after the last of them.
        """

        def finish() -> None:
            self._give_back()
            if then is not None:
                then()

        buffers, moved = (send, recv, self._work_buffer()), self._moving[made]
        return scheduled(self.call, transport, self.members, tag, buffers, finish, moved)

    def _work_buffer(self) -> Bytes:
        """That of the call which is under way, or one for the next."""
        if self._work.size < self._room:
            self._work = self._buffers.lend(self._room)
        return self._work

    def _give_back(self) -> None:
        """Of a large work buffer, which others may use; a small one stays."""
        if self._room > SMALL:
            work, self._work = self._work, _NO_WORK
            self._buffers.give_back(work)


def call_at_once(
    call: PreparedCall, transport: Transport, members: tuple[int, ...], buffers: WorkBuffers
) -> CallAtOnce | None:
    """The ``call`` with what makes it at once; None where nothing can.

    ``members``: the world rank of each of its ranks; ``transport``, ``buffers``: this rank's.
    """
    brief, stages = getattr(transport, "brief", None), call.ready.stages
    if brief is None or call.average:
        return None
    if any(stage.staged or stage.chains or stage.spread or stage.gather for stage in stages):
        return None
    moves = _moves(stages, members, brief.most)
    make = brief.at_once(moves, call.combine, call.dtype)
    return None if make is None else CallAtOnce(call, members, moves, make, buffers)


def _moves(
    stages: tuple[ReadyStep, ...], members: tuple[int, ...], most: int
) -> list[BriefMove | MayChange]:
    """In the order of `fabric.ranks.schedule_moves`; ``most``: bytes of a small message."""
    moves: list[BriefMove | MayChange] = []
    sent: list[tuple[int, int]] = []  # stage and move of each that has not left
    used: tuple[Write, ...] = ()

    def leave(before: int) -> None:
        while sent and sent[0][0] < before:
            moves.append(MayChange(sent.pop(0)[1]))

    for number, stage in enumerate(stages):
        for peer, buffer, at, size in stage.sends:
            sent.append((number, len(moves)))
            moves.append(BriefMove(members[peer], (buffer, at), None, size))
        leave(stage.early)
        copies, used = stage.copies[len(used) :], stage.direct
        first = copies if copies and copies[0].size > most else ()
        moves += [_move(stage, write, None) for write in first]
        if used:
            leave(stages[number + 1].early)
        after = stages[number + 1] if used else stage
        for write, use in zip(stage.receives, used or stage.receives, strict=True):
            moves.append(_move(after, use, members[write.peer or 0]))
        moves += [_move(stage, write, None) for write in copies if not first]
    leave(len(stages))
    return moves


def _move(stage: ReadyStep, write: Write, peer: int | None) -> BriefMove:
    source = (stage.reads, write.source) if peer is None else None
    return BriefMove(peer, source, (stage.writes, write.at), write.size, stage.reduces, write.base)
