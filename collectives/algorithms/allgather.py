"""All-gather: every rank receives every rank's ``size`` bytes, in the order of ranks.

Letters in the cost lines: P is the number of ranks, S the ``size`` in bytes, L the ranks of a node.

The parts that other collectives use too take ``who`` (the ranks that take part), ``cut`` (bounds of
the chunks; at first ``who[i]`` has number ``i``) and the buffer to work in.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.scatter import fold, folded, stand_in, within_and_across
from collectives.algorithms.sendrecv import pairs, transfers
from fabric.schedule.in_switch import COPIED, marks
from fabric.schedule.step import Step


def direct(ranks: int, size: int) -> Iterator[Step]:
    """Every rank sends its bytes to every other at once.

    Steps: 1.
    Bytes sent by a rank: S (P - 1).
    """
    src, dst = pairs(ranks)
    yield from transfers(src, dst, size, 0, src * size, label="all-gather")


def nvls(ranks: int, size: int) -> Iterator[Step]:
    """Every rank sends its bytes once, and the switches copy them to every other.

    Steps: 1.
    Bytes sent by a rank: S, and S (P - 1) received.

    NCCL: multicast stores of NVLink SHARP. Needs switches that copy data.
    """
    src, dst = pairs(ranks, 1)
    me = np.arange(ranks)
    yield from transfers(me, me, size, 0, me * size, label="copy")
    yield from transfers(src, dst, size, 0, src * size, label="all-gather", **marks(COPIED, ranks))


def ring(ranks: int, size: int) -> Iterator[Step]:
    """In each step every rank sends to the next one the block that it received in the step before.

    Steps: P - 1.
    Bytes sent by a rank: S (P - 1).

    Thakur, Rabenseifner, Gropp 2005; NCCL.
    """
    me = np.arange(ranks)
    yield from transfers(me, me, size, 0, me * size, label="copy")
    yield from around(me, np.arange(ranks + 1) * size, "recv")


def recursive_doubling(ranks: int, size: int) -> Iterator[Step]:
    """Ranks at distances 1, 2, 4 and so on exchange all they have.

    Steps: log2 P; floor(log2 P) + 2 where P is no power of two.
    Bytes sent by a rank: S (P - 1); less than 2.4 S P where P is no power of two.

    Thakur, Rabenseifner, Gropp 2005. Ranks beyond a power of two give their bytes to a partner
    first, and get everything from it at the end.
    """
    me, extra, bounds = np.arange(ranks), folded(ranks), fold(ranks)
    yield from transfers(me, me, size, 0, me * size, label="copy")
    yield from transfers(extra, extra - 1, size, 0, extra * size, label="fold")
    yield from doubling(bounds[:-1], bounds * size, "recv")
    yield from transfers(extra - 1, extra, ranks * size, reads="recv", label="unfold")


def bruck(ranks: int, size: int) -> Iterator[Step]:
    """Each rank sends all it has to the ranks at distances 1, 2, 4 and so on before it.

    Steps: ceil(log2 P), for any P.
    Bytes sent by a rank: S (P - 1).

    Bruck, Ho, Kipnis, Upfal, Weathersby 1997. A rank keeps its own bytes first, and at the end
    rearranges all into the order of ranks.
    """
    me = np.arange(ranks)
    yield from transfers(me, me, size, writes="work", label="copy")
    for have in (1 << k for k in range((ranks - 1).bit_length())):
        blocks = min(have, ranks - have)
        yield from transfers(
            me, (me - have) % ranks, blocks * size, 0, have * size,
            reads="work", writes="work", label="all-gather",
        )  # fmt: skip
    head = (ranks - me) * size
    yield from transfers(me, me, head, 0, me * size, reads="work", label="copy")
    yield from transfers(me, me, me * size, head, 0, reads="work", label="copy")


def hierarchical(ranks: int, size: int, *, ranks_per_node: int = 16) -> Iterator[Step]:
    """Each rank sends its bytes to one rank of every other node, which sends them on inside.

    Steps: 2; one between nodes, one within.
    Bytes sent by a rank: S (P - 1), of which S (P / L - 1) leave its node.
    """
    me = np.arange(ranks)
    position, _ = within_and_across(ranks, ranks_per_node)
    yield from transfers(me, me, size, 0, position * size, writes="work", label="copy")
    cut = np.arange(ranks + 1) * size
    yield from by_node(cut, "work", ranks_per_node)
    src, peer = pairs(ranks)
    yield from transfers(
        src, src, size, position[peer] * size, peer * size, reads="work", label="copy"
    )


def around(who: NDArray[np.int64], cut: NDArray[np.int64], buffer: str) -> Iterator[Step]:
    """Gather in ``buffer`` around the ring ``who``: at the end each rank has all chunks.

    Rank ``who[i]`` begins with chunk i, bytes ``cut[i]`` to ``cut[i + 1]``.
    """
    ranks, after = len(who), np.roll(who, -1)
    # Chunk (i - k) % ranks for all i at once is a window of the chunks laid out twice.
    at, size = np.tile(cut[:-1], 2), np.tile(np.diff(cut), 2)
    for k in range(ranks - 1):
        window = slice(ranks - k, 2 * ranks - k)
        yield from transfers(
            who, after, size[window], at[window], at[window],
            reads=buffer, writes=buffer, label="all-gather",
        )  # fmt: skip


def doubling(who: NDArray[np.int64], cut: NDArray[np.int64], buffer: str) -> Iterator[Step]:
    """Gather in place among ``who``, a power of two of ranks, by recursive doubling.

    At the end each has all chunks of ``cut``.
    """
    me = np.arange(len(who))
    for have in (1 << k for k in range((len(who) - 1).bit_length())):
        first = me & -have
        at = cut[first]
        yield from transfers(
            who, who[me ^ have], cut[first + have] - at, at, at,
            reads=buffer, writes=buffer, label="all-gather",
        )  # fmt: skip


def by_node(cut: NDArray[np.int64], buffer: str, ranks_per_node: int) -> Iterator[Step]:
    """Gather in place, first between nodes and then within them.

    Chunks are in the order of `within_and_across`.
    """
    ranks = len(cut) - 1
    position, _ = within_and_across(ranks, ranks_per_node)
    owner, proxy = across(ranks, ranks_per_node)
    at, size = cut[:-1][position[owner]], np.diff(cut)[position[owner]]
    yield from transfers(owner, proxy, size, at, at, reads=buffer, writes=buffer, label="across")
    holder, mate, begin, end = within(cut, ranks_per_node)
    yield from transfers(
        holder, mate, end - begin, begin, begin, reads=buffer, writes=buffer, label="within"
    )


def across(ranks: int, ranks_per_node: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The exchanges between nodes: each rank, once for every other node, and its counterpart there.

    Two int64 arrays of equal length.
    """
    nodes = np.arange(0, ranks, ranks_per_node)
    rank = np.repeat(np.arange(ranks), len(nodes))
    proxy = stand_in(np.tile(nodes, ranks), rank, ranks, ranks_per_node)
    away = proxy != rank
    return rank[away], proxy[away]


def within(cut: NDArray[np.int64], ranks_per_node: int) -> tuple[NDArray[np.int64], ...]:
    """The exchanges within nodes, one for each stripe of chunks that a rank lacks.

    Four int64 arrays: the rank that holds the stripe, its mate that lacks it, and the stripe's
    begin and end in bytes.
    """
    ranks = len(cut) - 1
    _, bounds = within_and_across(ranks, ranks_per_node)
    stripe = np.tile(np.arange(len(bounds) - 1), ranks)
    mate = np.repeat(np.arange(ranks), len(bounds) - 1)
    holder = stand_in(mate, stripe, ranks, ranks_per_node)
    other = holder != mate
    stripe = stripe[other]
    return holder[other], mate[other], cut[bounds[stripe]], cut[bounds[stripe + 1]]
