"""What ranks tell each other about a call, besides its data, in no emulated time.

On the emulated machine such things travel in messages that are part of the call.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.ranks.message_moves import Round
from topology.arguments import shown
from topology.errors import ArgumentError

FEW = 16
"""Ranks up to which everybody sends to everybody; beyond, blocks go by way of others."""

_Blocks = NDArray[Any]


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


def rounds(rank: int, out: _Blocks, x: _Blocks) -> list[Callable[[], Round]]:
    """The rounds of messages that move block ``x[j]`` to rank j.

    ``out[i]`` is the block from rank i.
    """
    if len(x) <= FEW:
        return [partial(_direct, rank, out, x)]
    return _bruck(rank, out, x)


def barrier(rank: int, ranks: int) -> list[Callable[[], Round]]:
    """The rounds of a barrier: in round k each rank hears of 2^k ranks before it."""
    return [partial(_nod, rank, ranks, 1 << k) for k in range((ranks - 1).bit_length())]


def _nod(rank: int, ranks: int, far: int) -> Round:
    nod = np.empty(1, np.uint8)
    return Round([((rank + far) % ranks, nod)], [((rank - far) % ranks, 1, np.empty_like(nod))])


def _direct(rank: int, out: _Blocks, x: _Blocks) -> Round:
    out[rank] = x[rank]
    others = [peer for peer in range(len(x)) if peer != rank and x[0].size]
    return Round(
        [(peer, _bytes(x[peer])) for peer in others],
        [(peer, x[0].nbytes, _bytes(out[peer])) for peer in others],
    )


def _bruck(rank: int, out: _Blocks, x: _Blocks) -> list[Callable[[], Round]]:
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
