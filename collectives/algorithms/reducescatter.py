"""Reduce-scatter: rank ``i`` receives the combination of block ``i`` of all ranks' send buffers.

Letters in the cost lines: P is the number of ranks, S the bytes of one block, L the ranks of a
node.

The parts that `allreduce` and `reduce` use too work in place and take ``who``, ``cut`` and the
buffer as those of `allgather` do: ``who[i]`` ends with chunk ``i``.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.allgather import across, within
from collectives.algorithms.scatter import fold, folded, within_and_across
from collectives.algorithms.sendrecv import pairs, transfers
from fabric.schedule.in_switch import COMBINED, marks
from fabric.schedule.step import Step


def direct(ranks: int, size: int) -> Iterator[Step]:
    """Every rank sends every other its block at once; each combines what it gets.

    Steps: 1.
    Bytes sent by a rank: S (P - 1).
    """
    src, dst = pairs(ranks, 1)
    yield from _own_block(ranks, size)
    yield from transfers(src, dst, size, dst * size, 0, reduces=True, label="reduce-scatter")


def nvls(ranks: int, size: int) -> Iterator[Step]:
    """The switches combine every block of all ranks on its way to the rank that is to have it.

    Steps: 1.
    Bytes sent by a rank: S (P - 1), and S received.

    NCCL: reducing loads of NVLink SHARP. Needs switches that combine data; each block is combined
    by its own rank, which stands in for them, in the order of ranks.
    """
    src, dst = pairs(ranks, 1)
    yield from _own_block(ranks, size)
    yield from transfers(
        src, dst, size, dst * size, 0, reduces=True, label="reduce-scatter",
        **marks(COMBINED, ranks),
    )  # fmt: skip


def pairwise(ranks: int, size: int) -> Iterator[Step]:
    """In step k each rank sends a block to the rank k places on, which combines it with its own.

    Steps: P - 1.
    Bytes sent by a rank: S (P - 1).

    Thakur, Rabenseifner, Gropp 2005.
    """
    yield from _own_block(ranks, size)
    me, twice = np.arange(ranks), np.tile(np.arange(ranks), 2)
    at = twice * size
    for k in range(1, ranks):
        window = slice(k, k + ranks)
        yield from transfers(
            me, twice[window], size, at[window], 0, reduces=True, label="reduce-scatter"
        )


def ring(ranks: int, size: int) -> Iterator[Step]:
    """Each block travels once around the ring, combined at every rank, and ends at its own rank.

    Steps: P - 1.
    Bytes sent by a rank: S (P - 1).

    NCCL; Patarasuk, Yuan 2009.
    """
    me = np.arange(ranks)
    yield from transfers(me, me, ranks * size, writes="work", label="copy")
    yield from around(me, np.arange(ranks + 1) * size, "work")
    yield from transfers(me, me, size, me * size, 0, reads="work", label="copy")


def recursive_halving(ranks: int, size: int) -> Iterator[Step]:
    """Partners P/2, P/4, P/8 ... ranks apart each send the half that the other one's side needs.

    Steps: log2 P; floor(log2 P) + 2 where P is no power of two.
    Bytes sent by a rank: S (P - 1); at most S P where P is no power of two.

    Thakur, Rabenseifner, Gropp 2005. Ranks beyond a power of two give everything to a partner
    first, and get their block from it at the end.
    """
    extra, bounds = folded(ranks), fold(ranks)
    core = bounds[:-1]
    yield from transfers(core, core, ranks * size, writes="work", label="copy")
    yield from transfers(extra, extra - 1, ranks * size, reduces=True, writes="work", label="fold")
    yield from halving(core, bounds * size, "work")
    yield from transfers(extra - 1, extra, size, extra * size, 0, reads="work", label="unfold")
    yield from transfers(core, core, size, core * size, 0, reads="work", label="copy")


def hierarchical(ranks: int, size: int, *, ranks_per_node: int = 16) -> Iterator[Step]:
    """Combine within each node, then between nodes among ranks of the same place in their nodes.

    Steps: 2; one within nodes, one between.
    Bytes sent by a rank: S (P - 1), of which S (P / L - 1) leave its node.
    """
    position, _ = within_and_across(ranks, ranks_per_node)
    src, peer = pairs(ranks)
    yield from transfers(
        src, src, size, peer * size, position[peer] * size, writes="work", label="copy"
    )
    yield from by_node(np.arange(ranks + 1) * size, "work", ranks_per_node)
    me = np.arange(ranks)
    yield from transfers(me, me, size, position * size, 0, reads="work", label="copy")


def around(who: NDArray[np.int64], cut: NDArray[np.int64], buffer: str) -> Iterator[Step]:
    """Combine in place around the ring ``who``.

    ``who[i]`` ends with the combined chunk i of ``cut``.
    """
    ranks, after = len(who), np.roll(who, -1)
    # Chunk (i - k) % ranks for all i at once is a window of the chunks laid out twice.
    at, size = np.tile(cut[:-1], 2), np.tile(np.diff(cut), 2)
    for k in range(1, ranks):
        window = slice(ranks - k, 2 * ranks - k)
        yield from transfers(
            who, after, size[window], at[window], at[window],
            reduces=True, reads=buffer, writes=buffer, label="reduce-scatter",
        )  # fmt: skip


def halving(who: NDArray[np.int64], cut: NDArray[np.int64], buffer: str) -> Iterator[Step]:
    """Combine in place among ``who``, a power of two of ranks, by recursive halving.

    ``who[i]`` ends with the combined chunk i of ``cut``.
    """
    me = np.arange(len(who))
    for keep in reversed([1 << k for k in range((len(who) - 1).bit_length())]):
        peer = me ^ keep
        first = peer & -keep
        at = cut[first]
        yield from transfers(
            who, who[peer], cut[first + keep] - at, at, at,
            reduces=True, reads=buffer, writes=buffer, label="reduce-scatter",
        )  # fmt: skip


def by_node(cut: NDArray[np.int64], buffer: str, ranks_per_node: int) -> Iterator[Step]:
    """Combine in place, first within nodes and then between them.

    Chunks are in the order of `within_and_across`.

    The exchanges of `allgather.by_node` in reverse.
    """
    ranks = len(cut) - 1
    holder, mate, begin, end = within(cut, ranks_per_node)
    yield from transfers(
        mate, holder, end - begin, begin, begin,
        reduces=True, reads=buffer, writes=buffer, label="within",
    )  # fmt: skip
    position, _ = within_and_across(ranks, ranks_per_node)
    owner, proxy = across(ranks, ranks_per_node)
    at, size = cut[:-1][position[owner]], np.diff(cut)[position[owner]]
    yield from transfers(
        proxy, owner, size, at, at, reduces=True, reads=buffer, writes=buffer, label="across"
    )


def _own_block(ranks: int, size: int) -> Iterator[Step]:
    me = np.arange(ranks)
    return transfers(me, me, size, me * size, 0, label="copy")
