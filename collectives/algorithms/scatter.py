"""Scatter: block ``i`` of the root's send buffer goes to rank ``i``.

In the cost lines P is the number of ranks and S the bytes of one block. Here too is how every other
collective cuts things up: bytes into chunks (`edges`), any number of ranks into a power of two
(`fold`), ranks into nodes and stripes (`stand_in`, `within_and_across`).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.sendrecv import transfers
from fabric.schedule.step import ScheduleError, Step


def edges(size: int, parts: int, itemsize: int = 1) -> NDArray[np.int64]:
    """Bounds of ``parts`` chunks of ``size`` bytes, as even as items allow: int64 [parts + 1].

    No item is cut and no two parts differ by more than one item; the first ones are the longer.
    Raises `ScheduleError` if ``size`` is not a number of items.
    """
    if itemsize < 1 or size % itemsize:
        raise ScheduleError(f"{size} bytes are not a number of items of {itemsize} bytes")
    each, left = divmod(size // itemsize, parts)
    part = np.arange(parts + 1)
    return (part * each + np.minimum(part, left)) * itemsize


def fold(ranks: int) -> NDArray[np.int64]:
    """Bounds that divide the ranks into a power of two of groups, each of one rank or two: int64.

    Group ``i`` is ranks ``bounds[i]`` up to ``bounds[i + 1]``, and its first rank acts for it.
    Groups are runs of neighbours, so the chunks of a group, and of groups in a row, lie side by
    side.
    """
    groups = 1 << (ranks.bit_length() - 1)
    group = np.arange(groups + 1)
    return group + np.minimum(group, ranks - groups)


def folded(ranks: int) -> NDArray[np.int64]:
    """The ranks that the rank before them acts for after a `fold`: int64, ascending."""
    groups = 1 << (ranks.bit_length() - 1)
    return np.arange(1, 2 * (ranks - groups), 2)


def stand_in(
    near: NDArray[np.int64], rank: NDArray[np.int64], ranks: int, ranks_per_node: int
) -> NDArray[np.int64]:
    """The rank in the node of ``near`` that acts for ``rank``: that of the same place.

    The last node may be smaller than the others; its ranks then act for several places. Raises
    `ScheduleError` for a node without ranks.
    """
    if ranks_per_node < 1:
        raise ScheduleError(f"ranks_per_node is {ranks_per_node}, below 1")
    first = near - near % ranks_per_node
    mates = np.minimum(ranks_per_node, ranks - first)
    return np.asarray(first + rank % ranks_per_node % mates, np.int64)


def within_and_across(
    ranks: int, ranks_per_node: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The position of each rank when sorted by its place in its node, and the groups' bounds.

    Ranks with one place in their nodes form a group. With chunks in this order, what a rank has for
    the others of its node after exchanging with its own group is contiguous.
    """
    place = np.arange(ranks) % ranks_per_node
    position = np.empty(ranks, np.int64)
    position[np.argsort(place, kind="stable")] = np.arange(ranks)
    return position, np.concatenate([[0], np.bincount(place).cumsum()])


def direct(ranks: int, size: int, root: int = 0) -> Iterator[Step]:
    """Send every rank its block at once.

    Steps: 1.
    Bytes sent by a rank: S (P - 1) by the root, 0 by the others.
    """
    peer = (root + np.arange(ranks)) % ranks
    yield from transfers(root, peer, size, peer * size, 0, label="scatter")


def binomial(ranks: int, size: int, root: int = 0) -> Iterator[Step]:
    """Every rank that has blocks sends half of them to a rank that passes them on in the same way.

    Steps: ceil(log2 P).
    Bytes sent by a rank: S (P - 1) by the root, at most S P / 2 by the others.

    Thakur, Rabenseifner, Gropp 2005.
    """
    who = (root + np.arange(ranks)) % ranks
    # The root's blocks, its own one first: two pieces of its send buffer change places.
    pieces = np.array([ranks - root, root]) * size
    yield from transfers(root, root, pieces, [root * size, 0], [0, pieces[0]], writes="work")
    yield from halves(who, np.arange(ranks + 1) * size, "work", packed=True)
    yield from transfers(who, who, size, reads="work", label="copy")


def halves(
    who: NDArray[np.int64], cut: NDArray[np.int64], buffer: str, *, packed: bool = False
) -> Iterator[Step]:
    """Scatter by halves from ``who[0]``, in place: ``who[i]`` ends with chunk ``i`` of ``cut``.

    A chunk has the same place in the ``buffer`` of every rank; with ``packed``, a rank's chunks
    begin at byte 0 instead.
    """
    ranks = len(who)
    for far in reversed([1 << k for k in range((ranks - 1).bit_length())]):
        giver = np.arange(0, ranks - far, 2 * far)
        taker = giver + far
        begin, end = cut[taker], cut[np.minimum(taker + far, ranks)]
        src_at, dst_at = (begin - cut[giver], 0) if packed else (begin, begin)
        yield from transfers(
            who[giver], who[taker], end - begin, src_at, dst_at,
            reads=buffer, writes=buffer, label="scatter",
        )  # fmt: skip
