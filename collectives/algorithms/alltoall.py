"""All-to-all: block ``j`` of rank ``i``'s send buffer becomes block ``i`` of rank ``j``'s recv.

Letters in the cost lines: P is the number of ranks, S the bytes of one block, L the ranks of a
node.

The forms whose names end in ``_v`` take ``counts``, an int64 matrix: ``counts[i, j]`` bytes go from
rank i to rank j. Blocks lie without gaps in the order of ranks, in send and in recv buffers.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.scatter import stand_in
from collectives.algorithms.sendrecv import pairs, transfers
from fabric.schedule.counts import AllCounts, Counts, Pairs, RankCounts
from fabric.schedule.step import ScheduleError, Step
from fabric.schedule.uniform import GroupExchange


def direct(ranks: int, size: int) -> Iterator[Step]:
    """Every rank sends every other its block at once.

    Steps: 1.
    Bytes sent by a rank: S (P - 1).
    """
    src, dst = pairs(ranks)
    yield from transfers(src, dst, size, dst * size, src * size, label="all-to-all")


def direct_exchanges(ranks: int, size: int) -> tuple[GroupExchange, ...]:
    """The step of `direct` as an exchange; nothing if there are no bytes."""
    return (
        (GroupExchange(ranks, 1, ranks, size, to_itself=True, label="all-to-all"),) if size else ()
    )


def pairwise(ranks: int, size: int) -> Iterator[Step]:
    """In step k each rank sends a block to the rank k places on; step 0 copies its own block.

    Steps: P - 1.
    Bytes sent by a rank: S (P - 1).

    Thakur, Rabenseifner, Gropp 2005.
    """
    me, twice = np.arange(ranks), np.tile(np.arange(ranks), 2)
    at = twice * size
    for k in range(ranks):
        window = slice(k, k + ranks)
        yield from transfers(me, twice[window], size, at[window], at[:ranks], label="all-to-all")


def pairwise_exchanges(ranks: int, size: int) -> tuple[GroupExchange, ...]:
    """The steps of `pairwise` as an exchange; nothing if there are no bytes."""
    one = GroupExchange(ranks, 1, ranks, size, to_itself=True, in_turn=True, label="all-to-all")
    return (one,) if size else ()


def bruck(ranks: int, size: int) -> Iterator[Step]:
    """In step k each rank sends, 2^k ranks on, all blocks whose distance to go has binary digit k.

    Steps: ceil(log2 P), for any P; one message a step.
    Bytes sent by a rank: S times the number of binary digits 1 in all numbers below P; that is
    S P log2(P) / 2 where P is a power of two.

    Bruck, Ho, Kipnis, Upfal, Weathersby 1997. Blocks are packed before and unpacked after each
    step; the work buffer holds P blocks, those to send, and those received.
    """
    me, going, coming = np.arange(ranks), ranks * size, (ranks + ranks // 2) * size
    head = (ranks - me) * size
    yield from transfers(me, me, head, me * size, 0, writes="work", label="copy")
    yield from transfers(me, me, me * size, 0, head, writes="work", label="copy")
    for hop in (1 << k for k in range((ranks - 1).bit_length())):
        first = np.arange(hop, ranks, 2 * hop)
        runs = np.minimum(hop, ranks - first) * size
        packed = runs.cumsum() - runs
        rank = np.repeat(me, len(first))
        at, length, packed = (np.tile(column, ranks) for column in (first * size, runs, packed))
        yield from _repack(rank, length, at, going + packed)
        yield from transfers(
            me, (me + hop) % ranks, runs.sum(), going, coming,
            reads="work", writes="work", label="all-to-all",
        )  # fmt: skip
        yield from _repack(rank, length, coming + packed, at)
    # What came k places on is from the rank k places before.
    src, dst = pairs(ranks)
    yield from transfers(
        dst, dst, size, (dst - src) % ranks * size, src * size, reads="work", label="copy"
    )


def hierarchical(ranks: int, size: int, *, ranks_per_node: int = 16) -> Iterator[Step]:
    """Ranks of a node give blocks for one far rank to one of them, which sends them together.

    Steps: 2; one within nodes, one between. P / L + L - 2 messages of a rank instead of P - 1.
    Bytes sent by a rank: S (P - P / L) + S (P - L), of which the second leaves its node.

    NCCL ("PXN"); Tutel ("2DH").
    """
    counts = np.full((ranks, ranks), size, np.int64)
    yield from hierarchical_v(counts, ranks_per_node=ranks_per_node)


def direct_v(counts: NDArray[np.int64] | RankCounts) -> Iterator[Step]:
    """Every rank sends every other its block at once.

    Steps: 1.
    Bytes sent by a rank: the sum of its row of counts, less what it keeps.

    ``counts``: bytes from each rank to each, ``[ranks, ranks]``; from `RankCounts`, which one rank
    knows, only the rows of that rank are made.
    """
    known = _known(counts)
    yield from _blocks(known, known.pairs_around())


def pairwise_v(counts: NDArray[np.int64] | RankCounts) -> Iterator[Step]:
    """In step k each rank sends to the rank k places on; step 0 is its own block.

    Steps: P - 1, less those in which nobody has a byte to send.
    Bytes sent by a rank: the sum of its row of counts, less what it keeps.

    ``counts``: as in `direct_v`. From `RankCounts` come the rows of that rank, in P steps: it does
    not know which steps of others are empty.
    """
    known = _known(counts)
    for distance in range(known.ranks):
        yield from _blocks(known, known.pairs_apart(distance))


def hierarchical_v(counts: NDArray[np.int64], *, ranks_per_node: int = 16) -> Iterator[Step]:
    """Ranks of a node give blocks for one far rank to one of them, which sends them together.

    Steps: 2; one within nodes, one between.
    Bytes sent by a rank: its row of counts, less what is for ranks of its own place in their
    nodes; and what it sends to other nodes for the ranks of its node.
    """
    counts = checked(counts)
    ranks = len(counts)
    send_at, recv_at = displacements(counts)
    # One entry a block: from rank src, by way of its mate hub, to rank dst.
    src, dst = pairs(ranks)
    size = counts[src, dst]
    hub = stand_in(src, dst, ranks, ranks_per_node)
    to_hub, at_hub, by_dst = (
        _packed(size, src, hub, dst), _packed(size, hub, src, dst), _packed(size, hub, dst, src)
    )  # fmt: skip
    hub_room = int(counts.sum(1).max(initial=0))
    dst_room = hub_room + int((at_hub + size).max(initial=0))
    yield from transfers(src, src, size, send_at[src, dst], to_hub, writes="work", label="pack")
    block, message = _messages(size, src, hub, dst)
    yield from transfers(
        src[block], hub[block], message, to_hub[block], hub_room + at_hub[block],
        reads="work", writes="work", label="within",
    )  # fmt: skip
    yield from _repack(hub, size, hub_room + at_hub, dst_room + by_dst)
    block, message = _messages(size, hub, dst, src)
    yield from transfers(
        hub[block], dst[block], message, dst_room + by_dst[block], recv_at[src, dst][block],
        reads="work", label="across",
    )  # fmt: skip


def _known(counts: NDArray[np.int64] | RankCounts) -> Counts:
    return counts if isinstance(counts, RankCounts) else AllCounts(checked(counts))


def _blocks(known: Counts, pairs: Pairs) -> Iterator[Step]:
    """The step of the blocks between these pairs, without those of 0 bytes.

    None where nobody has any. A rank cannot tell, and steps have one number at all ranks, so its
    own step is there without rows too.
    """
    steps = transfers(*pairs, *known.blocks(pairs), label="all-to-all")
    if isinstance(known, RankCounts):
        mine = next(steps, None)
        yield Step([], [], []) if mine is None else mine
    else:
        yield from steps


def displacements(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The byte at which block ``i, j`` begins in the send buffer of i, and in the recv buffer of j.

    Two int64 arrays [ranks, ranks].
    """
    return counts.cumsum(1) - counts, counts.cumsum(0) - counts


def checked(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """``counts`` as int64 [ranks, ranks].

    Raises `ScheduleError` if it is no square matrix of sizes.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not len(counts):
        raise ScheduleError(f"counts have the shape {counts.shape}, not (ranks, ranks)")
    if not np.issubdtype(counts.dtype, np.integer):
        raise ScheduleError(f"counts are {counts.dtype}, not integers")
    if counts.min() < 0:
        i, j = np.unravel_index(int(counts.argmin()), counts.shape)
        raise ScheduleError(f"counts[{i}, {j}] is {counts[i, j]}, below 0")
    return counts.astype(np.int64, copy=False)


def _repack(
    rank: NDArray[np.int64], size: NDArray[np.int64], old: NDArray[np.int64],
    new: NDArray[np.int64],
) -> Iterator[Step]:  # fmt: skip
    return transfers(rank, rank, size, old, new, reads="work", writes="work", label="pack")


def _order(*keys: NDArray[np.int64]) -> NDArray[np.int64]:
    # Ranks fit in 16 bits up to 65,536 of them, and numpy sorts those by radix.
    return np.lexsort([key.astype(np.min_scalar_type(key.max())) for key in keys[::-1]])


def _packed(
    size: NDArray[np.int64], owner: NDArray[np.int64], *keys: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return where each block lies if every owner packs its blocks in the order of the keys."""
    order = _order(owner, *keys)
    end = size[order].cumsum()
    begin = np.concatenate([[0], end[:-1]])
    # All owners in a row so far; each counts from its own first block.
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1))
    begin -= np.repeat(begin[starts], np.diff(starts, append=len(order)))
    at = np.empty_like(begin)
    at[order] = begin
    return at


def _messages(
    size: NDArray[np.int64], src: NDArray[np.int64], dst: NDArray[np.int64],
    key: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """Return the first block, and the bytes, of each run of blocks with one src and one dst."""
    order = _order(src, dst, key)
    new = np.diff(src[order], prepend=-1) | np.diff(dst[order], prepend=-1)
    starts = np.flatnonzero(new)
    return order[starts], np.add.reduceat(size[order], starts)
