"""The normal mode: exact sizes, one copy of a token to each rank that hosts one of its experts.

Without ``ranks_per_node`` a dispatch is one all-to-all-v, packed at both ends (`rank_layout`).
With it, a dispatch has two levels, as in DeepEP's internode kernels: a token goes once to each
remote node over RDMA, to the *relay* there, the rank with its sender's index within the node; the
relay forwards it over NVLink to each rank of its node that needs it. A sender is the relay of its
own node. The tokens of a rank are cut into ``chunks``, and one step holds the RDMA rows of chunk c
and the NVLink rows of chunk c - 1, so that the two planes work at once.

Combine is the same schedule backwards: what was a copy is now a sum.

Cost, of chunks C: 1 step, or C + 2; RDMA bytes of a rank: its (token, remote node) pairs.
"""

from collections.abc import Iterator

import numpy as np

from collectives.moe.routing.routing import Ints, Routing
from collectives.moe.schedules import two_level
from collectives.moe.schedules.formats import Buffers, check_size
from fabric.schedule.counts import AllCounts, Counts
from fabric.schedule.step import Step

DISPATCH, COMBINE = "dispatch", "combine"
"""Labels of the steps of one level; `two_level` has its own."""

CHUNKS = 16
"""Chunks of the two-level pipeline where not given: filling and emptying it adds 1/16."""


def dispatch(
    routing: Routing,
    message_size: int,
    *,
    ranks_per_node: int | None = None,
    chunks: int = CHUNKS,
    exact: bool = True,
) -> Iterator[Step]:
    """The schedule that sends every token once to each rank that hosts one of its experts.

    Send buffer: packed as in `rank_layout`, or `node_layout` with ``ranks_per_node``. Receive
    buffer: as in `rank_layout`, from byte 0; the two-level mode has room of its own behind
    (`buffers`), and works in the receive buffer only, so its first step, "pack", copies the send
    buffer into it. ``message_size``: bytes of a token. ``messages`` of a row: its tokens.

    A relay forwards scattered tokens, so its rows are short. With ``exact=False`` those of one
    (source, receiver, chunk) are a single row, and nothing is packed: the same bytes and messages
    between ranks in far fewer rows, to be timed and not to be run, since such a row reads tokens
    that are not all its own.

    Raises `RoutingError` if nodes would not be full, or there are no chunks.
    """
    if ranks_per_node is None:
        check_size(message_size)
        return counted_dispatch(AllCounts(routing.rank_counts), message_size)
    return two_level.steps(
        two_level.plan(routing, message_size, ranks_per_node, chunks, exact, back=False)
    )


def combine(
    routing: Routing,
    message_size: int,
    *,
    ranks_per_node: int | None = None,
    chunks: int = CHUNKS,
    exact: bool = True,
) -> Iterator[Step]:
    """The schedule that sends every copy's result back to the owner of its token.

    It is `dispatch` backwards. Send buffer: a result for each received token, in the places of
    dispatch. Receive buffer, from byte 0: results packed as in `rank_layout` (`node_layout` with
    ``ranks_per_node``, summed within each node), which the owner adds up. The two-level steps
    reduce: behind the results the send buffer has zeros (`buffers`), which "pack" copies to where
    sums are formed; a message has to be a whole number of elements. The rest is as in `dispatch`.
    """
    if ranks_per_node is None:
        check_size(message_size)
        return counted_combine(AllCounts(routing.rank_counts), message_size)
    return two_level.steps(
        two_level.plan(routing, message_size, ranks_per_node, chunks, exact, back=True)
    )


def counted_dispatch(counts: Counts, message_size: int) -> Iterator[Step]:
    """The schedule of a one-level `dispatch` from ``counts`` of copies, of all ranks or of one.

    ``message_size``: bytes of a token.
    """
    src, dst, size, src_at, dst_at, n = _copies(counts, message_size)
    yield Step(src, dst, size, src_at, dst_at, messages=n, label=DISPATCH)


def counted_combine(counts: Counts, message_size: int) -> Iterator[Step]:
    """The schedule of a one-level `combine` from counts: `counted_dispatch` reversed."""
    src, dst, size, src_at, dst_at, n = _copies(counts, message_size)
    yield Step(dst, src, size, dst_at, src_at, messages=n, label=COMBINE)


def _copies(counts: Counts, message_size: int) -> tuple[Ints, ...]:
    # One row for the tokens that a rank has for another: the columns of a dispatch.
    pairs = counts.pairs_filled()
    n, src_at, dst_at = counts.blocks(pairs)
    return *pairs, n * message_size, src_at * message_size, dst_at * message_size, n


def buffers(
    routing: Routing,
    message_size: int,
    *,
    ranks_per_node: int | None = None,
    back: bool = False,
) -> Buffers:
    """The bytes of every rank's buffers for `dispatch`, or with ``back`` for `combine`.

    Raises `RoutingError` for a message size or nodes that are not allowed.
    """
    check_size(message_size)
    received = routing.rank_counts.sum(axis=0)
    if ranks_per_node is None:
        packed = routing.rank_counts.sum(axis=1)
        given, filled = (received, packed) if back else (packed, received)
    else:
        counts = routing.node_counts(ranks_per_node)
        packed, relayed = counts.sum(axis=1), two_level.relayed(counts, ranks_per_node)[1]
        given = received + np.maximum(packed, relayed) if back else packed
        filled = received + packed + relayed
    return Buffers(given * message_size, filled * message_size)


def logical_bytes(routing: Routing, message_size: int, ranks_per_node: int | None = None) -> float:
    """The bytes by which DeepEP's benchmarks compute bandwidth, mean over ranks.

    Within a node, those received: a token once for each rank, its own included. Between nodes,
    those sent over RDMA: a token once for each node, *the own node included*, though those never
    leave it (tests/test_intranode.py, ``nvl_recv_bytes``; tests/test_internode.py,
    ``rdma_send_bytes``). ``message_size`` there is 2 * hidden, or `BLOCK_FP8`'s size.
    """
    if ranks_per_node is None:
        return float(routing.rank_counts.sum()) * message_size / routing.ranks
    return float(routing.node_counts(ranks_per_node).sum()) * message_size / routing.ranks
