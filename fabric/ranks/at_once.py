"""A call of small messages, whose moves compiled code makes in one go as far as they can be made.

`fabric.ranks.schedule_moves` goes on where that has stopped: it makes the same moves in the same
order.
"""

from collections.abc import Iterator

import numpy as np

from fabric.ranks.execution import Execution, PreparedCall, mark_of
from fabric.ranks.ready import ReadyStep, Write
from fabric.ranks.schedule_moves import scheduled
from fabric.ranks.work_buffers import SMALL
from fabric.schedule.step import BUFFERS
from fabric.transports.base import BriefMove, Bytes, MadeAtOnce, Transport

_WORK = BUFFERS.index("work")


class CallAtOnce:
    """A ``call`` between the world ranks ``members``, over and over with whatever buffers.

    ``moves``: how many there are, which ``make`` makes. ``mark``: of its messages.
    """

    __slots__ = ("_work", "call", "make", "mark", "members", "moves")

    def __init__(
        self, call: PreparedCall, members: tuple[int, ...], moves: int, make: MadeAtOnce
    ) -> None:
        self.call, self.members, self.moves, self.make = call, members, moves, make
        self.mark = mark_of(call.words)
        self._work = np.empty(call.ready.rooms[_WORK], np.uint8)

    def begin(self, tag: int, send: Bytes, recv: Bytes) -> int:
        """Make as many moves of call ``tag`` as can be made at once; returns how many that were."""
        return self.make(tag, self.mark, send, recv, self._work)

    def rest(
        self, transport: Transport, tag: int, send: Bytes, recv: Bytes, made: int
    ) -> Execution:
        """The execution that makes all moves but the first ``made``."""
        buffers = send, recv, self._work
        return scheduled(self.call, transport, self.members, tag, buffers, made=made)


def call_at_once(
    call: PreparedCall, transport: Transport, members: tuple[int, ...]
) -> CallAtOnce | None:
    """The ``call`` with what makes it at once; None where nothing can.

    ``members``: the world rank of each of its ranks; ``transport``: this rank's.
    """
    brief, stages = getattr(transport, "brief", None), call.ready.stages
    if brief is None or call.average or call.ready.rooms[_WORK] > SMALL:
        return None
    if any(stage.staged or stage.chains or stage.spread or stage.gather for stage in stages):
        return None
    moves = list(_moves(stages, members))
    make = brief.at_once(moves, call.combine, call.dtype)
    return None if make is None else CallAtOnce(call, members, len(moves), make)


def _moves(stages: tuple[ReadyStep, ...], members: tuple[int, ...]) -> Iterator[BriefMove]:
    """In the order of `fabric.ranks.schedule_moves`."""
    used: tuple[Write, ...] = ()
    for number, stage in enumerate(stages):
        for peer, buffer, at, size in stage.sends:
            yield BriefMove(members[peer], (buffer, at), None, size)
        copies, used = stage.copies[len(used) :], stage.direct
        after = stages[number + 1] if used else stage
        for write, use in zip(stage.receives, used or stage.receives, strict=True):
            yield _move(after, use, members[write.peer or 0])
        for write in copies:
            yield _move(stage, write, None)


def _move(stage: ReadyStep, write: Write, peer: int | None) -> BriefMove:
    source = (stage.reads, write.source) if peer is None else None
    return BriefMove(peer, source, (stage.writes, write.at), write.size, stage.reduces, write.base)
