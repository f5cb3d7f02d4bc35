"""What ranks tell each other about a call, besides its data, in no emulated time.

On the emulated machine such things travel in messages that are part of the call.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.calls.prepared import NODE, planned
from fabric.ranks.execution import PreparedCall
from fabric.ranks.message_moves import Round
from fabric.ranks.ready import made_ready
from fabric.schedule.plan import Plan
from fabric.transports.base import Brief, BriefMove, Bytes, MadeAtOnce, Transport
from topology.arguments import shown
from topology.errors import ArgumentError

KEPT = 64
"""Kinds of messages whose moves are kept."""

NO_WORK = np.zeros(0, np.uint8)

FEW = 16
"""Ranks up to which everybody sends to everybody; beyond, blocks go by way of others."""

_Blocks = NDArray[Any]
Rounds = list[Callable[[], Round]]


def blocks(out: Any, x: Any, ranks: int) -> None:
    """Raise `ArgumentError` unless both are ``[ranks, ...]``, alike, and without gaps."""
    for name, array in (("x", x), ("out", out)):
        if not isinstance(array, np.ndarray) or not array.ndim or len(array) != ranks:
            raise ArgumentError(f"{name} is {shown(array)}; it has to be an array [{ranks}, ...]")
        if array.dtype.hasobject or not array.flags.c_contiguous:
            raise ArgumentError(f"{name} has to be numbers without gaps, but is {array.dtype}")
    if (x.shape, x.dtype) != (out.shape, out.dtype):
        raise ArgumentError(
            f"out is {out.dtype} {list(out.shape)}; it has to be as x, {x.dtype} {list(x.shape)}"
        )
    if not out.flags.writeable:
        raise ArgumentError("out is read-only, and the call writes it")


class Untimed:
    """What the ranks of a group tell each other, as rounds of messages of rank ``rank``.

    ``members``: their world ranks. The moves of messages that are sent over and over are kept.
    """

    def __init__(self, rank: int, members: Sequence[int], transport: Transport) -> None:
        self._rank, self._members = rank, members
        self._brief: Brief | None = getattr(transport, "brief", None)
        self._kept: dict[int, MadeAtOnce | None] = {}

    def rounds(self, out: _Blocks, x: _Blocks) -> Rounds:
        """The rounds of messages that move block ``x[j]`` to rank j.

        ``out[i]`` is the block from rank i.
        """
        if len(x) <= FEW:
            return [partial(self._direct, out, x)]
        return _bruck(self._rank, out, x)

    def call(self, words: str, operation: str, size: int) -> PreparedCall | None:
        """The call of `rounds` with blocks of ``size`` bytes as a schedule, where ranks are few."""
        rank, ranks = self._rank, len(self._members)
        if ranks > FEW or not size:
            return None
        plan = planned("all_to_all", ranks, size, "direct", 0, 1, NODE)[rank]
        untimed = Plan(rank, ranks, ()).rows
        return PreparedCall(words, plan, made_ready(plan), operation, timed=untimed)

    def barrier(self) -> Rounds:
        """The rounds of a barrier: one, in which everybody tells everybody, where ranks are few.

        Each round is a time that ranks wait, which on a busy host costs more than messages do.
        Where they are many, each hears of 2^k ranks before it in round k.
        """
        ranks = len(self._members)
        if ranks <= FEW:
            nods = np.zeros((2, ranks, 1), np.uint8)
            return [partial(self._direct, nods[0], nods[1])]
        return [partial(self._nod, 1 << hop) for hop in range((ranks - 1).bit_length())]

    def _nod(self, far: int) -> Round:
        rank, ranks = self._rank, len(self._members)
        nod, to, of = np.zeros(2, np.uint8), (rank + far) % ranks, (rank - far) % ranks

        def moves() -> list[BriefMove]:
            return [
                BriefMove(self._members[to], (0, 0), None, 1),
                BriefMove(self._members[of], None, (1, 1), 1),
            ]

        at_once = self._at_once(-far, moves, nod, nod)
        return Round([(to, nod[:1])], [(of, 1, nod[1:])], at_once)

    def _direct(self, out: _Blocks, x: _Blocks) -> Round:
        out[self._rank] = x[self._rank]
        size, given, into = x[0].nbytes, _bytes(x), _bytes(out)
        others = [peer for peer in range(len(x)) if peer != self._rank and size]
        places = [(peer, slice(peer * size, (peer + 1) * size)) for peer in others]

        def moves() -> list[BriefMove]:
            sends = [BriefMove(self._members[p], (0, p * size), None, size) for p in others]
            return sends + [BriefMove(self._members[p], None, (1, p * size), size) for p in others]

        return Round(
            [(peer, given[place]) for peer, place in places],
            [(peer, size, into[place]) for peer, place in places],
            self._at_once(size, moves, given, into),
        )

    def _at_once(
        self, kind: int, moves: Callable[[], list[BriefMove]], given: Bytes, into: Bytes
    ) -> Callable[[int, int], int] | None:
        """What makes these moves, the same for all of a ``kind``, from and into such memory."""
        if self._brief is None:
            return None
        if kind not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[kind] = self._brief.at_once(moves(), None, None)
        make = self._kept[kind]
        return None if make is None else lambda tag, mark: make(tag, mark, given, into, NO_WORK)


def _bruck(rank: int, out: _Blocks, x: _Blocks) -> Rounds:
    """As `collectives.algorithms.alltoall.bruck`: blocks go 1, 2, 4 and so on ranks on."""
    ranks, way = len(x), np.arange(len(x))
    blocks = x[(rank + way) % ranks]  # by how far they go
    come: list[tuple[NDArray[np.intp], _Blocks]] = []

    def settle() -> None:
        for which, new in come:
            blocks[which] = new
        come.clear()

    def hop(far: int) -> Round:
        settle()
        which = np.flatnonzero(way & far)
        come.append((which, np.empty_like(blocks[which])))
        leave = np.ascontiguousarray(blocks[which])
        into = _bytes(come[0][1])
        return Round(
            [((rank + far) % ranks, _bytes(leave))], [((rank - far) % ranks, into.size, into)]
        )

    def end() -> Round:
        settle()
        out[(rank - way) % ranks] = blocks
        return Round([], [])

    return [*(partial(hop, 1 << k) for k in range((ranks - 1).bit_length())), end]


def _bytes(array: _Blocks) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)
