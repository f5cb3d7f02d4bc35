"""Many small messages of a step handled as one, for transports that support it.

`fabric.transports.base.Many` sends to hundreds of ranks, and collects from them, in one call each.
What can be done with all the bytes at once is computed here, in columns: an object for each of the
messages would take longer than the call itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.transports.base import SMALL

WIDE = 16
"""Messages of one step from where on it is worth it."""

_Longs = NDArray[np.int64]


class Spread(NamedTuple):
    """Messages to many ranks: ``peers`` get bytes of buffer number ``buffer`` of `BUFFERS`.

    ``first``, ``last``: for each peer where its bytes begin and end, counted from byte ``begin`` of
    the buffer; if these are empty, every peer gets the bytes from ``begin`` to ``end``.
    """

    peers: tuple[int, ...]
    buffer: int
    begin: int
    end: int
    first: tuple[int, ...] = ()
    last: tuple[int, ...] = ()


class MessageRun(NamedTuple):
    """Messages that fill adjacent places: ``first`` to ``last`` fill ``size`` bytes at ``at``."""

    at: int
    size: int
    first: int
    last: int


class CombinedRun(NamedTuple):
    """Writes of ``size`` bytes to ``at``, one after the other, combined as in a `Write`.

    ``sources``: for each, where in the buffer that is read the rank's own bytes are; -1: it is the
    next message.
    """

    at: int
    size: int
    base: int | None
    sources: tuple[int, ...]


class Gather(NamedTuple):
    """Messages from many ranks, of ``sizes`` bytes.

    The first ones belong to ``runs``, the rest to ``folds``, in their order.
    """

    peers: tuple[int, ...]
    sizes: tuple[int, ...]
    runs: tuple[MessageRun, ...]
    folds: tuple[CombinedRun, ...]


class Written(NamedTuple):
    """What a rank writes in a step, in row order: int64 columns as the fields of a `Write`.

    ``peer`` and ``base``: -1 for None.
    """

    peer: _Longs
    source: _Longs
    at: _Longs
    size: _Longs
    base: _Longs


def spread(
    rows: _Longs, dst: _Longs, at: _Longs, size: _Longs, buffer: int, detours: Mapping[int, int]
) -> Spread | None:
    """What is sent in many rows of a step at once; None if their sizes and places differ too much.

    ``dst``, ``at``, ``size``: columns of the rows. ``buffer``: the number of the buffer it is sent
    from; ``detours``: by row, another place, in the send buffer.
    """
    if not _small(dst, size):
        return None
    if detours:
        if len(detours) < len(rows):  # from two buffers
            return None
        buffer, at = 0, np.array([detours[row] for row in rows.tolist()], np.int64)
    begin, end = int(at.min()), int((at + size).max())
    peers = tuple(dst.tolist())
    if (size == end - begin).all():
        return Spread(peers, buffer, begin, end)
    if end - begin > 2 * int(size.sum()):  # mostly gaps
        return None
    first = at - begin
    return Spread(peers, buffer, begin, end, tuple(first.tolist()), tuple((first + size).tolist()))


def gather(written: Written, free: _Longs, chains: Sequence[_Longs]) -> Gather | None:
    """What is received for many writes at once; None unless it is one small message from each rank.

    ``free``: the numbers of writes of other ranks' bytes that overlap no other, and replace what is
    there; ``chains``: the numbers of writes that must be made one after the other.
    """
    order = free[written.at[free].argsort(kind="stable")]
    taken = np.concatenate([order, *(chain[written.peer[chain] >= 0] for chain in chains)])
    peer, size = written.peer[taken], written.size[taken]
    if not _small(peer, size):
        return None
    folds = tuple(fold for chain in chains for fold in _folds(written, chain))
    return Gather(tuple(peer.tolist()), tuple(size.tolist()), _runs(written, order), folds)


def _runs(written: Written, order: _Longs) -> tuple[MessageRun, ...]:
    if not len(order):
        return ()
    at, size = written.at[order], written.size[order]
    first = np.concatenate([[0], np.flatnonzero(at[1:] != (at + size)[:-1]) + 1])
    last = np.append(first[1:], len(at))
    columns = (at[first], np.add.reduceat(size, first), first, last)
    return tuple(map(MessageRun, *(column.tolist() for column in columns)))


def _folds(written: Written, chain: _Longs) -> Iterator[CombinedRun]:
    peer, source, at, size, base = (column[chain] for column in written)
    source = np.where(peer < 0, source, -1)
    other = (np.diff(at) != 0) | (np.diff(size) != 0) | (np.diff(base) != 0)
    edges = [0, *(np.flatnonzero(other) + 1).tolist(), len(chain)]
    for first, last in pairwise(edges):
        if first < last:
            place = int(at[first]), int(size[first]), int(base[first])
            yield CombinedRun(*place[:2], None if place[2] < 0 else place[2],
                       tuple(source[first:last].tolist()))  # fmt: skip


def _small(peers: _Longs, size: _Longs) -> bool:
    return bool(size.max(initial=0) <= SMALL) and len(set(peers.tolist())) == len(peers)
