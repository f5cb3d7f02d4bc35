"""The moves of a call made by compiled code, where that was built: `_moves.c`.

What cannot be done at once (a ring is full, a message has not come, or another one has) is left to
the transport. So is a message that is not small, but where it lies in a buffer that ranks share.
"""

import struct
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fabric.host.lacking import COMPILED, lacks
from fabric.transports.base import BriefMove, Bytes, MadeAtOnce, MayChange
from fabric.transports.zmq.byte_ring import SHARED, Inlet, Outlet, RingAddresses
from fabric.transports.zmq.shared_buffers import SharedBuffers

LAYOUT = 3
"""Of rings and moves, as `_moves.c` has it: one that was built for another is not used."""

WAIT, CROWDED_WAIT = 1_000_000, 8_000_000
"""Nanoseconds that messages are waited for here, all together, while nothing else is looked at:
where each rank has a core, and where they take turns, so that who waits naps. Less than after which
a rank counts as blocked."""

LONGER = 1_000_000
"""Nanoseconds more at most where messages are large, one for each byte of all of them: a peer may
be at work on another one."""

LARGEST = 1 << 26
"""Bytes of a message at most: so long nobody else is at work for this rank."""

_MOVE = struct.Struct("=20q")
_SEND, _TAKE, _COPY, _LEND, _BORROW, _SETTLE, _NOTHING = range(7)
_NOWHERE = RingAddresses(*[0] * len(RingAddresses._fields))
_NONE = -1  # instead of a reduction's number


class RingEnds(NamedTuple):
    """Of a transport: its ``outlets`` and ``inlets`` by rank, and the buffers that it shares.

    ``idle``: says whether nothing else is under way. ``crowded``: whether ranks of this host take
    turns on its cores, so that who waits had better leave his to others.
    """

    outlets: Mapping[int, Outlet]
    inlets: Mapping[int, Inlet]
    shared: SharedBuffers
    idle: Callable[[], bool]
    crowded: bool = False


def made_at_once(
    moves: Sequence[BriefMove | MayChange], combine: np.ufunc | None, dtype: np.dtype[Any] | None,
    ends: RingEnds,
) -> MadeAtOnce | None:  # fmt: skip
    """What makes ``moves``, as `fabric.transports.base.Brief.at_once`; None if nothing can."""
    code = compiled_code()
    leave = {move.move for move in moves if isinstance(move, MayChange)}
    if code is None or not all(
        isinstance(move, MayChange) or _can_be_made(move, number in leave, ends)
        for number, move in enumerate(moves)
    ):
        return None
    combines = any(isinstance(move, BriefMove) and move.combines for move in moves)
    number = _number(code, combine, dtype) if combines else _NONE
    if combines and number == _NONE:
        return None
    return _CompiledMoves(code, moves, number, ends)


def _can_be_made(move: BriefMove, leaves: bool, ends: RingEnds) -> bool:
    if move.size > LARGEST or not (move.peer is None or move.peer in ends.inlets):
        return False
    return _kind(move) != _LEND or leaves


class _CompiledMoves:
    """A list of moves, packed for the compiled code."""

    def __init__(
        self, code: Any, moves: Sequence[BriefMove | MayChange], number: int, ends: RingEnds
    ) -> None:
        self._run, self._ends, self._moves = code.run, ends, moves
        self._lent = {  # by number of the move, to whom
            at: move.peer for at, move in enumerate(moves)
            if isinstance(move, BriefMove) and move.peer is not None and _kind(move) == _LEND
        }  # fmt: skip
        self._packed = b"".join(self._pack(at, move, number) for at, move in enumerate(moves))
        sizes = sum(move.size for move in moves if isinstance(move, BriefMove))
        wait = CROWDED_WAIT if ends.crowded else WAIT
        self._wait = wait + (min(sizes, LONGER) if self._lent else 0)

    def __call__(self, tag: int, mark: int, send: Bytes, recv: Bytes, work: Bytes) -> int:
        if not self._ends.idle():
            return 0
        run, packed, wait = self._run, self._packed, self._wait
        own = self._ends.shared.listed() if self._lent else b""
        made: int = run(packed, 0, tag, mark, wait, send, recv, work, own)
        while made < 0:
            made = -made
            end = self._end(self._moves[made - 1])
            if end is not None:
                end.neighbour.wake()
            made = run(packed, made, tag, mark, wait, send, recv, work, own)
        if self._lent and made < len(self._moves):
            self._resume(made)
        return made

    def _resume(self, made: int) -> None:
        """Tell the outlets which messages were lent of the first ``made`` moves."""
        left = {move.move for move in self._moves[:made] if isinstance(move, MayChange)}
        for peer in set(self._lent.values()):
            outlet = self._ends.outlets[peer]
            lent = [at for at, to in self._lent.items() if to == peer and at < made]
            first = outlet.lent_last() - len(lent) + 1
            outlet.unsettled = deque(
                None if at in left else first + place for place, at in enumerate(lent)
            )

    def _end(self, move: BriefMove | MayChange) -> Outlet | Inlet | None:
        """The end of the ring that a move is about, if it is about one."""
        if isinstance(move, MayChange):
            peer = self._lent.get(move.move)
            return None if peer is None else self._ends.outlets[peer]
        if move.peer is None:
            return None
        return (self._ends.outlets if move.into is None else self._ends.inlets)[move.peer]

    def _pack(self, at: int, move: BriefMove | MayChange, number: int) -> bytes:
        end = self._end(move)
        ways = _NOWHERE if end is None else end.addresses()
        if isinstance(end, Inlet) and not self._ends.crowded:
            ways = ways._replace(nap=0)
        nowhere = 0, 0
        if isinstance(move, MayChange):
            peer = self._lent.get(move.move)
            later = sum(to == peer and move.move < of < at for of, to in self._lent.items())
            kind = _NOTHING if peer is None else _SETTLE
            return _MOVE.pack(kind, *ways, 0, *nowhere, *nowhere, *nowhere, _NONE, later)
        into = move.into or nowhere
        base = into if move.base is None else (0, move.base)
        return _MOVE.pack(
            _kind(move), *ways, move.size, *(move.source or nowhere), *into, *base,
            number if move.combines else _NONE, 0,
        )  # fmt: skip


def _kind(move: BriefMove) -> int:
    if move.peer is None:
        return _COPY
    is_shared = move.size >= SHARED
    if move.into is None:
        return _LEND if is_shared else _SEND
    return _BORROW if is_shared else _TAKE


def compiled_code() -> Any:
    """The compiled module; None where there is none, or headers are not as it writes them."""
    if lacks(COMPILED) or sys.byteorder != "little":
        return None
    try:
        from fabric.transports.zmq import _moves
    except ImportError:  # there was no compiler where Triplane was installed
        return None
    return _moves if _moves.LAYOUT == LAYOUT else None


def _number(code: Any, combine: np.ufunc | None, dtype: np.dtype[Any] | None) -> int:
    """The compiled code's number of a reduction."""
    if combine is None or dtype is None or not dtype.isnative:
        return _NONE
    # Of types that numpy does not know itself the letter says nothing.
    number: int = code.named(
        f"{combine.__name__} {dtype.name if dtype.kind == 'V' else dtype.str[1:]}"
    )
    return number
