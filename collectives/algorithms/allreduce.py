"""All-reduce: every rank receives the combination of all ranks' send buffers.

Letters in the cost lines: P is the number of ranks, S the bytes of a rank's buffer, L the ranks of
a node, Q the largest power of two that is not above P.

Every algorithm here combines the items of one place in one order for all ranks, or in orders that
differ only by ``a + b == b + a``: all ranks end with the same bits, floating point included. Send
and recv may be one buffer, as they may in `broadcast`, in `allgather` and `reducescatter` (there
the rank's own block of the longer buffer) and in `reduce`: a row that would copy bytes onto
themselves is then skipped.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from collectives.algorithms import allgather, broadcast, reduce, reducescatter
from collectives.algorithms.scatter import edges, fold, folded
from collectives.algorithms.sendrecv import pairs, transfers
from fabric.schedule.in_switch import REDUCED, RETURNED, marks
from fabric.schedule.step import Step
from fabric.schedule.uniform import GroupExchange


def direct(ranks: int, size: int) -> Iterator[Step]:
    """Every rank sends its whole buffer to every other and combines all it gets ("one-shot").

    Steps: 1.
    Bytes sent by a rank: S (P - 1).

    TensorRT-LLM and MSCCL++ use it for the smallest sizes.
    """
    src, dst = pairs(ranks)
    yield from transfers(src, dst, size, 0, src * size, writes="work", label="all-reduce")
    # First all into a place of its own: combined on arrival, each rank would begin with itself.
    me, later = np.arange(ranks), np.arange(1, ranks) * size
    yield from transfers(me, me, size, reads="work", label="copy")
    me, at = np.repeat(me, ranks - 1), np.tile(later, ranks)
    yield from transfers(me, me, size, at, 0, reduces=True, reads="work", label="reduce")


def two_shot(ranks: int, size: int, *, itemsize: int = 1) -> Iterator[Step]:
    """Each rank combines one chunk from all ranks, and then sends the result to all.

    Steps: 2.
    Bytes sent by a rank: 2 S (P - 1) / P.

    TensorRT-LLM, MSCCL++.
    """
    cut = edges(size, ranks, itemsize)
    at, length = cut[:-1], np.diff(cut)
    src, dst = pairs(ranks, 1)
    yield from _copy(ranks, size)
    yield from transfers(
        src, dst, length[dst], at[dst], at[dst], reduces=True, label="reduce-scatter"
    )
    yield from transfers(src, dst, length[src], at[src], at[src], reads="recv", label="all-gather")


def nvls(ranks: int, size: int, *, itemsize: int = 1) -> Iterator[Step]:
    """The switches combine the bytes of all ranks, and send the result to all.

    Steps: 2; the second one carries nothing.
    Bytes sent by a rank: S, and S received.

    NCCL's NVLS, and SHARP where every rank has its own way to the switches. Needs switches that
    combine and copy data. Each chunk is combined by one rank, which stands in for them and passes
    the result on: so it is the same bit for bit at all ranks.
    """
    cut = edges(size, ranks, itemsize)
    at, length = cut[:-1], np.diff(cut)
    src, dst = pairs(ranks, 1)
    yield from _copy(ranks, size)
    yield from transfers(
        src, dst, length[dst], at[dst], at[dst], reduces=True, label="in switch",
        **marks(REDUCED, ranks),
    )  # fmt: skip
    yield from transfers(
        src, dst, length[src], at[src], at[src], reads="recv", label="returned",
        **marks(RETURNED, ranks),
    )  # fmt: skip


def ring(ranks: int, size: int, *, itemsize: int = 1) -> Iterator[Step]:
    """Chunks travel twice around the ring: first they are combined, then distributed.

    Steps: 2 (P - 1).
    Bytes sent by a rank: 2 S (P - 1) / P.

    Patarasuk, Yuan 2009; NCCL.
    """
    me, cut = np.arange(ranks), edges(size, ranks, itemsize)
    yield from _copy(ranks, size)
    yield from reducescatter.around(me, cut, "recv")
    yield from allgather.around(me, cut, "recv")


def recursive_doubling(ranks: int, size: int) -> Iterator[Step]:
    """Ranks at distances 1, 2, 4 and so on exchange and combine all they have.

    Steps: log2 P; floor(log2 P) + 2 where P is no power of two.
    Bytes sent by a rank: S log2 P; at most S (floor(log2 P) + 1) where P is no power of two.

    Thakur, Rabenseifner, Gropp 2005. Ranks beyond a power of two give their bytes to a partner
    first, and get the result from it at the end.
    """
    core = fold(ranks)[:-1]
    me = np.arange(len(core))
    yield from _folded_copy(ranks, size)
    for far in (1 << k for k in range((len(core) - 1).bit_length())):
        yield from transfers(
            core, core[me ^ far], size, reads="recv", writes="work", label="all-reduce"
        )
        yield from transfers(core, core, size, reduces=True, reads="work", label="reduce")
    yield from _unfold(ranks, size)


def halving_doubling(ranks: int, size: int, *, itemsize: int = 1) -> Iterator[Step]:
    """Reduce-scatter by recursive halving, then all-gather by recursive doubling.

    Steps: 2 log2 P; 2 floor(log2 P) + 2 where P is no power of two.
    Bytes sent by a rank: 2 S (Q - 1) / Q; S more where P is above Q.

    Rabenseifner 2004; Thakur, Rabenseifner, Gropp 2005.
    """
    core = fold(ranks)[:-1]
    cut = edges(size, len(core), itemsize)
    yield from _folded_copy(ranks, size)
    yield from reducescatter.halving(core, cut, "recv")
    yield from allgather.doubling(core, cut, "recv")
    yield from _unfold(ranks, size)


def tree(ranks: int, size: int) -> Iterator[Step]:
    """Combine everything at rank 0 by a binomial tree, and broadcast the result by another.

    Steps: 2 ceil(log2 P).
    Bytes sent by a rank: at most S ceil(log2 P).
    """
    me = np.arange(ranks)
    yield from _copy(ranks, size)
    yield from reduce.tree(me, size, "recv")
    yield from broadcast.tree(me, size)


def hierarchical(
    ranks: int, size: int, *, itemsize: int = 1, ranks_per_node: int = 16
) -> Iterator[Step]:
    """Reduce within nodes and between equal places of nodes, then gather the same way back.

    Steps: 4; two within nodes, two between.
    Bytes sent by a rank: 2 S (P - 1) / P, of which 2 S (P / L - 1) / P leave its node.
    """
    cut = edges(size, ranks, itemsize)
    yield from _copy(ranks, size)
    yield from reducescatter.by_node(cut, "recv", ranks_per_node)
    yield from allgather.by_node(cut, "recv", ranks_per_node)


def hierarchical_exchanges(
    ranks: int, size: int, *, itemsize: int = 1, ranks_per_node: int = 16
) -> tuple[GroupExchange, ...]:
    """The steps of `hierarchical` as exchanges; nothing where nodes are not alike.

    Chunks that differ by an item all count as the longest: the exchanges are that of a buffer which
    is longer by less than an item in a chunk. Nothing if chunks have fewer than `FEWEST_ITEMS`.
    """
    nodes, rest = divmod(ranks, ranks_per_node)
    chunk = -(-size // itemsize // ranks) * itemsize
    if rest or chunk <= FEWEST_ITEMS * itemsize:
        return ()
    within = partial(GroupExchange, ranks, 1, ranks_per_node, chunk * nodes, label="within")
    across = partial(GroupExchange, ranks, ranks_per_node, nodes, chunk, label="across")
    steps = (
        GroupExchange(ranks, 1, 1, size, to_itself=True, label="copy"),
        within(reduces=True), across(reduces=True), across(), within(),
    )  # fmt: skip
    return tuple(step for step in steps if step.peers)


FEWEST_ITEMS = 16
"""Items in a chunk below which two that differ by one are not taken for alike."""


def _copy(ranks: int, size: int) -> Iterator[Step]:
    me = np.arange(ranks)
    return transfers(me, me, size, label="copy")


def _folded_copy(ranks: int, size: int) -> Iterator[Step]:
    core, extra = fold(ranks)[:-1], folded(ranks)
    yield from transfers(core, core, size, label="copy")
    yield from transfers(extra, extra - 1, size, reduces=True, label="fold")


def _unfold(ranks: int, size: int) -> Iterator[Step]:
    extra = folded(ranks)
    return transfers(extra - 1, extra, size, reads="recv", label="unfold")
