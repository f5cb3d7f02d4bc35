"""The two-level schedule of the normal mode: across nodes to a relay, and on from there.

A rank's receive buffer has three regions, in messages: tokens that it received, tokens that it
packed for nodes, and tokens that it relays, by source. All rows but "pack" lie within it, because
one step, which reads one buffer and writes one, holds the rows of both planes. Combine is the
dispatch in reverse: the same rows from the last chunk to the first with their ends exchanged.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectives.moe.routing.routing import (
    Copies,
    Ints,
    Routing,
    RoutingError,
    count,
    pairs,
    sorted_by,
    starts,
)
from collectives.moe.schedules.formats import check_size
from fabric.schedule.step import Step

PACK, BOTH = "pack", "rdma+nvlink"
"""Labels of the steps."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of the two-level mode by chunk; places and sizes count messages."""

    chunk: Ints
    src: Ints
    dst: Ints
    src_at: Ints
    dst_at: Ints
    n: Ints

    def of(self, chunk: int) -> NDArray[np.int64]:
        """Cut out the columns of one chunk: ``[5, rows]``."""
        rows = slice(*np.searchsorted(self.chunk, [chunk, chunk + 1]))
        columns = (self.src, self.dst, self.src_at, self.dst_at, self.n)
        return np.stack([column[rows] for column in columns])


@dataclass(frozen=True, slots=True)
class TwoLevelPlan:
    """What a schedule is made from: see `normal.dispatch`; ``back``: combine."""

    routing: Routing
    message_size: int
    width: int
    chunks: int
    exact: bool
    back: bool
    copies: Copies  # of nodes
    counts: Ints  # of those, [src, node]


def plan(
    routing: Routing, message_size: int, width: int, chunks: int, exact: bool, *, back: bool
) -> TwoLevelPlan:
    """Check and count what a schedule needs; raises `RoutingError`."""
    check_size(message_size)
    if count(chunks, "chunks") < 1:
        raise RoutingError(f"{chunks} chunks; there have to be 1 or more")
    copies = routing.node_copies(width)
    counts = pairs(copies.src, copies.dst, (routing.ranks, routing.nodes(width)))
    return TwoLevelPlan(routing, message_size, width, chunks, exact, back, copies, counts)


def steps(plan: TwoLevelPlan) -> Iterator[Step]:
    """Yield the steps of a plan: "pack" where it is exact, then one a chunk and one more."""
    if plan.exact:
        yield _pack(plan)
    rdma, nvlink = _rows(plan)
    ticks = range(plan.chunks + 1)
    for tick in reversed(ticks) if plan.back else ticks:
        rows = np.concatenate([rdma.of(tick), nvlink.of(tick - 1)], axis=1)
        if rows.size:
            yield _step(rows, plan)


def _step(rows: NDArray[np.int64], plan: TwoLevelPlan) -> Step:
    src, dst, src_at, dst_at, n = rows
    src_at, dst_at = src_at * plan.message_size, dst_at * plan.message_size
    if plan.back:
        src, dst, src_at, dst_at = dst, src, dst_at, src_at
    size = n * plan.message_size
    return Step(
        src, dst, size, src_at, dst_at,
        reduces=plan.back, reads="recv", writes="recv", messages=n, label=BOTH,
    )  # fmt: skip


def _pack(plan: TwoLevelPlan) -> Step:
    # Into the receive buffer: what was given, and zeros where results are to be added up.
    received, packed, passing = _regions(plan)
    coming, leaving = plan.routing.rank_counts.sum(axis=0), plan.counts.sum(axis=1)
    held = relayed(plan.counts, plan.width)[1]
    pieces = [(leaving, np.zeros_like(leaving), packed)]
    if plan.back:
        pieces = [
            (coming, np.zeros_like(coming), received),
            (leaving, coming, packed),
            (held, coming, passing),
        ]
    size, src_at, dst_at = np.concatenate(pieces, axis=1) * plan.message_size
    me = np.tile(np.arange(plan.routing.ranks), len(pieces))
    return Step(me, me, size, src_at, dst_at, label=PACK)


def _regions(plan: TwoLevelPlan) -> tuple[Ints, Ints, Ints]:
    # Where a rank's received tokens, packed tokens and relayed tokens begin. What the caller is
    # to find comes first: received tokens after dispatch, packed results after combine.
    coming, leaving = plan.routing.rank_counts.sum(axis=0), plan.counts.sum(axis=1)
    nothing: Ints = np.zeros_like(coming)
    first = (leaving, nothing) if plan.back else (nothing, coming)
    return (*first, coming + leaving)


def relayed(counts: Ints, ranks_per_node: int) -> tuple[Ints, Ints]:
    """Lay out what relays hold for others, in messages, of counts ``[src, node]``.

    Gives where the tokens of each (src, node) begin on their relay, and what each rank holds.
    """
    # [source node, index in the node, node]: a relay's sources differ in the first only.
    nodes = counts.shape[1]
    held = counts.reshape(nodes, ranks_per_node, nodes).copy()
    held[np.arange(nodes), :, np.arange(nodes)] = 0
    return starts(held, 0).reshape(counts.shape), held.sum(axis=0).T.ravel()


def _rows(plan: TwoLevelPlan) -> tuple[_Rows, _Rows]:
    counts, width = plan.counts, plan.width
    received, packed, passing = _regions(plan)
    src, node = np.arange(counts.shape[0])[:, None], np.arange(counts.shape[1])
    relay: Ints = node * width + src % width
    own = src // width == node
    leave = packed[:, None] + starts(counts, 1)
    held = np.where(own, leave, passing[relay] + relayed(counts, width)[0])
    landing = received + starts(plan.routing.rank_counts, 0)
    sizes = _by_chunk(plan.copies, counts.shape, plan)
    begin = starts(sizes, 0)
    c, s, d = np.nonzero(sizes * ~own)
    at = (leave + begin)[c, s, d], (held + begin)[c, s, d]
    rdma = _Rows(c, s, relay[s, d], *at, sizes[c, s, d])
    if plan.exact:
        return rdma, _forwarded(relay, held, landing, plan)
    return rdma, _forwarded_whole(relay, held + begin, landing, plan)


def _chunk(copies: Copies, plan: TwoLevelPlan) -> Ints:
    chunk: Ints = copies.token * plan.chunks // plan.routing.tokens[copies.src]
    return chunk


def _by_chunk(copies: Copies, shape: tuple[int, ...], plan: TwoLevelPlan) -> NDArray[np.int64]:
    # Copies of each chunk: [chunk, src, dst].
    flat = copies.src * shape[1] + copies.dst
    size = shape[0] * shape[1]
    return pairs(_chunk(copies, plan), flat, (plan.chunks, size)).reshape(plan.chunks, *shape)


def _forwarded_whole(relay: Ints, held: Ints, landing: Ints, plan: TwoLevelPlan) -> _Rows:
    # One row for what is forwarded of each (source, receiver, chunk).
    counts = _by_chunk(plan.routing.copies, landing.shape, plan)
    c, s, d = np.nonzero(counts)
    node = d // plan.width
    arrive = (landing + starts(counts, 0))[c, s, d]
    return _Rows(c, relay[s, node], d, held[c, s, node], arrive, counts[c, s, d])


def _forwarded(relay: Ints, held: Ints, landing: Ints, plan: TwoLevelPlan) -> _Rows:
    # One row for each run of tokens that lie next to each other at both ends.
    copies = plan.routing.copies
    order, chunk = sorted_by(copies.dst, plan.routing.ranks), _chunk(copies, plan)
    order = order[sorted_by(chunk[order], plan.chunks)]
    src, dst = copies.src[order], copies.dst[order]
    node = dst // plan.width
    leave = held[src, node] + _node_position(plan)[order]
    arrive = landing[src, dst] + copies.position[order]
    return _runs(chunk[order], relay[src, node], dst, leave, arrive)


def _node_position(plan: TwoLevelPlan) -> Ints:
    # Copies by (src, token, dst) run through the copies of nodes in the same order.
    copies = plan.routing.copies
    new = _changes(copies.src, copies.token, copies.dst // plan.width)
    position: Ints = plan.copies.position[new.cumsum() - 1]
    return position


def _runs(chunk: Ints, src: Ints, dst: Ints, src_at: Ints, dst_at: Ints) -> _Rows:
    # A place less its row number stays the same for as long as places follow each other.
    row = np.arange(len(src))
    first = np.flatnonzero(_changes(chunk, src, dst, src_at - row, dst_at - row))
    n = np.diff(first, append=len(src))
    return _Rows(chunk[first], src[first], dst[first], src_at[first], dst_at[first], n)


def _changes(*columns: Ints) -> NDArray[np.bool_]:
    # Where a row differs from the one before it in any column; the first one does.
    new = np.zeros(len(columns[0]), bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return new
