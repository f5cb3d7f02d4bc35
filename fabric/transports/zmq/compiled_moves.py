"""The moves of a call of small messages made by compiled code, where that was built: `_moves.c`.

What cannot be done at once (a ring is full, a message has not come, or another one has) is left to
the transport.
"""

import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fabric.host.lacking import COMPILED, lacks
from fabric.transports.base import MOMENT, BriefMove, Bytes, MadeAtOnce
from fabric.transports.zmq.byte_ring import BRIEF, Inlet, Outlet

LAYOUT = 1
"""Of rings and moves, as `_moves.c` has it: one that was built for another is not used."""

WAIT = round(MOMENT * 1e9)
"""Nanoseconds that each message is waited for here."""

_MOVE = struct.Struct("=15q")
_SEND, _TAKE, _COPY = range(3)
_NONE = -1  # instead of a reduction's number


def made_at_once(
    moves: Sequence[BriefMove], combine: np.ufunc | None, dtype: np.dtype[Any] | None,
    outlets: Mapping[int, Outlet], inlets: Mapping[int, Inlet], idle: Callable[[], bool],
) -> MadeAtOnce | None:  # fmt: skip
    """What makes ``moves``, as `fabric.transports.base.Brief.at_once`; None if nothing can.

    ``outlets``, ``inlets``: by rank. ``idle``: says whether nothing else is under way.
    """
    code = compiled_code()
    known = all(move.size <= BRIEF and (move.peer is None or move.peer in inlets) for move in moves)
    if code is None or not known:
        return None
    combines = any(move.combines for move in moves)
    number = _number(code, combine, dtype) if combines else _NONE
    if combines and number == _NONE:
        return None
    return _CompiledMoves(code, moves, number, outlets, inlets, idle)


class _CompiledMoves:
    """A list of moves, packed for the compiled code."""

    def __init__(
        self, code: Any, moves: Sequence[BriefMove], number: int, outlets: Mapping[int, Outlet],
        inlets: Mapping[int, Inlet], idle: Callable[[], bool],
    ) -> None:  # fmt: skip
        ends = [
            None if move.peer is None else (outlets if move.into is None else inlets)[move.peer]
            for move in moves
        ]
        self._run, self._idle = code.run, idle
        self._packed = b"".join(map(_packed, moves, ends, [number] * len(moves)))
        self._ends = ends  # whose memory has to stay while this may be called

    def __call__(self, tag: int, mark: int, send: Bytes, recv: Bytes, work: Bytes) -> int:
        if not self._idle():
            return 0
        run, packed = self._run, self._packed
        made: int = run(packed, 0, tag, mark, send, recv, work, WAIT)
        while made < 0:
            made = -made
            end = self._ends[made - 1]
            if end is not None:
                end.neighbour.wake()
            made = run(packed, made, tag, mark, send, recv, work, WAIT)
        return made


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


def _packed(move: BriefMove, end: Outlet | Inlet | None, number: int) -> bytes:
    kind = _SEND if move.into is None else _TAKE if move.source is None else _COPY
    ways = (0,) * 6 if end is None else end.addresses()
    nowhere = 0, 0
    into = move.into or nowhere
    base = into if move.base is None else (0, move.base)
    return _MOVE.pack(
        kind, *ways, move.size, *(move.source or nowhere), *into, *base,
        number if move.combines else _NONE,
    )  # fmt: skip
