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


@dataclass(frozen=True, eq=False, slots=True)
class ChunkCounts:
    """Numbers of tokens by chunk: of all ranks, or of those that pass one rank, all others 0.

    ``to_node``: ``[chunks, src, node]``, how many a node needs, that of ``src`` included.
    ``to_rank``: ``[chunks, src, dst]``, how many a rank needs. Nodes have ``width`` ranks. A rank
    knows of ``to_node`` what it sends and what it takes as the relay of its node, and of
    ``to_rank`` what it passes on as a relay and what it receives.
    """

    width: int
    to_node: Ints
    to_rank: Ints

    @property
    def chunks(self) -> int:
        """The number of chunks."""
        return len(self.to_node)


@dataclass(frozen=True, eq=False, slots=True)
class _TwoLevelRows:
    """Rows of the two-level mode by chunk; places and sizes count messages.

    ``columns``: src, dst, src_at, dst_at, n; ``edges``: where each chunk's rows begin, and the end
    of the last one's.
    """

    columns: tuple[Ints, ...]
    edges: list[int]

    def of(self, chunk: int) -> list[Ints]:
        """Cut out the columns of one chunk, without rows where there is no such chunk."""
        there = 0 <= chunk < len(self.edges) - 1
        rows = slice(*self.edges[chunk : chunk + 2]) if there else slice(0)
        return [column[rows] for column in self.columns]


def _rows(chunk: Ints, chunks: int, *columns: Ints) -> _TwoLevelRows:
    return _TwoLevelRows(columns, chunk.searchsorted(np.arange(chunks + 1)).tolist())


@dataclass(frozen=True, eq=False, slots=True)
class TwoLevelPlan:
    """What a two-level schedule is made from: arguments of `normal.dispatch`, and counts.

    ``back``: True for a combine.
    """

    routing: Routing
    message_size: int
    exact: bool
    back: bool
    copies: Copies  # of nodes
    counts: Ints  # of those, [src, node]
    to_node: Ints  # of those by chunk, [chunk, src, node]
    width: int

    @property
    def chunks(self) -> int:
        """The number of chunks."""
        return len(self.to_node)

    def by_chunk(self) -> ChunkCounts:
        """The tokens of all ranks by chunk."""
        copies, ranks = self.routing.copies, self.routing.ranks
        to_rank = _by_chunk(copies, (ranks, ranks), self.routing.tokens, self.chunks)
        return ChunkCounts(self.width, self.to_node, to_rank)


def plan(
    routing: Routing, message_size: int, width: int, chunks: int, exact: bool, *, back: bool
) -> TwoLevelPlan:
    """A checked plan of a dispatch, or of a combine with ``back``; raises `RoutingError`.

    ``message_size``: bytes of a token; ``width``: ranks of a node; the rest as in
    `normal.dispatch`.
    """
    check_size(message_size)
    if count(chunks, "chunks") < 1:
        raise RoutingError(f"{chunks} chunks; there have to be 1 or more")
    copies = routing.node_copies(width)
    shape = (routing.ranks, routing.nodes(width))
    counts = pairs(copies.src, copies.dst, shape)
    to_node = _by_chunk(copies, shape, routing.tokens, chunks)
    return TwoLevelPlan(routing, message_size, exact, back, copies, counts, to_node, width)


def steps(plan: TwoLevelPlan) -> Iterator[Step]:
    """The steps of a plan: "pack" if it is exact, then one a chunk and one more.

    Steps without any row are left out.
    """
    if plan.exact:
        yield _pack(plan)
        made = _steps(*_placed(plan), plan.chunks, plan.message_size, plan.back)
    else:
        made = counted(plan.by_chunk(), plan.message_size, back=plan.back)
    yield from (step for step in made if len(step))


def counted(counts: ChunkCounts, message_size: int, *, back: bool) -> Iterator[Step]:
    """The steps of a dispatch, or of a combine with ``back``, from counts of all ranks or of one.

    What a relay forwards of one (source, receiver, chunk) is a single row: see `normal.dispatch`.
    Every step is there, even without rows, so that it has one number at all ranks.
    ``message_size``: bytes of a token.
    """
    rdma = _to_relays(counts.to_node, counts.width)
    nvlink = _forwarded_whole(counts)
    return _steps(rdma, nvlink, counts.chunks, message_size, back)


def _steps(
    rdma: _TwoLevelRows, nvlink: _TwoLevelRows, chunks: int, message_size: int, back: bool
) -> Iterator[Step]:
    ticks = range(chunks + 1)
    for tick in reversed(ticks) if back else ticks:
        both = zip(rdma.of(tick), nvlink.of(tick - 1), strict=True)
        yield _step([np.concatenate(columns) for columns in both], message_size, back)


def _step(rows: list[Ints], message_size: int, back: bool) -> Step:
    src, dst, src_at, dst_at, n = rows
    src_at, dst_at = src_at * message_size, dst_at * message_size
    if back:
        src, dst, src_at, dst_at = dst, src, dst_at, src_at
    return Step(
        src, dst, n * message_size, src_at, dst_at,
        reduces=back, reads="recv", writes="recv", messages=n, label=BOTH,
    )  # fmt: skip


def relays(ranks: int, width: int) -> Ints:
    """The rank that takes what each source sends to each node: int64 ``[src, node]``.

    It has the source's place within its node; a source is the relay of its own node.
    """
    relay: Ints = np.arange(ranks // width) * width + np.arange(ranks)[:, None] % width
    return relay


def chunks_of(token: Ints, tokens: Ints, chunks: int) -> Ints:
    """The chunk of each token, by its row, on a rank that has so many ``tokens``."""
    chunk: Ints = token * chunks // tokens
    return chunk


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
    """Where relays keep tokens of others, in messages, from counts ``[src, node]``.

    Returns the place at which the tokens of each (src, node) begin on their relay, ``[src, node]``,
    and how many each rank holds, ``[ranks]``.
    """
    # [source node, index in the node, node]: a relay's sources differ in the first only.
    nodes = counts.shape[1]
    held = counts.reshape(nodes, ranks_per_node, nodes).copy()
    held[np.arange(nodes), :, np.arange(nodes)] = 0
    return starts(held, 0).reshape(counts.shape), held.sum(axis=0).T.ravel()


def _placed(plan: TwoLevelPlan) -> tuple[_TwoLevelRows, _TwoLevelRows]:
    # With the place of every token: what goes to relays, and what they forward.
    counts, width = plan.counts, plan.width
    received, packed, passing = _regions(plan)
    relay = relays(len(counts), width)
    leave = packed[:, None] + starts(counts, 1)
    held = np.where(_own(counts.shape, width), leave, passing[relay] + relayed(counts, width)[0])
    arrive = received + starts(plan.routing.rank_counts, 0)
    begin = starts(plan.to_node, 0)
    rdma = _to_relays(plan.to_node, width, leave + begin, held + begin)
    return rdma, _forwarded(relay, held, arrive, plan)


def _own(shape: tuple[int, ...], width: int) -> NDArray[np.bool_]:
    # Which node is that of the source: [src, node].
    src, node = np.arange(shape[0])[:, None], np.arange(shape[1])
    own: NDArray[np.bool_] = src // width == node
    return own


def _by_chunk(copies: Copies, shape: tuple[int, int], tokens: Ints, chunks: int) -> Ints:
    # Copies of each chunk: [chunk, src, dst].
    chunk = chunks_of(copies.token, tokens[copies.src], chunks)
    flat, size = copies.src * shape[1] + copies.dst, shape[0] * shape[1]
    return pairs(chunk, flat, (chunks, size)).reshape(chunks, *shape)


def _to_relays(
    to_node: Ints, width: int, leave: Ints | None = None, held: Ints | None = None
) -> _TwoLevelRows:
    # One row for what goes of each (source, other node, chunk), to the relay there. With places,
    # [chunk, src, node], at the source and at the relay.
    chunks, ranks, nodes = to_node.shape
    c, s, d = at = np.nonzero(to_node * ~_own((ranks, nodes), width))
    src_at, dst_at = (
        np.zeros_like(c) if all_at is None else all_at[at] for all_at in (leave, held)
    )
    return _rows(c, chunks, s, relays(ranks, width)[s, d], src_at, dst_at, to_node[at])


def _forwarded_whole(counts: ChunkCounts) -> _TwoLevelRows:
    # One row for what is forwarded of each (source, receiver, chunk), without places.
    c, s, d = np.nonzero(counts.to_rank)
    relay = relays(counts.to_rank.shape[1], counts.width)[s, d // counts.width]
    nowhere = np.zeros_like(c)
    return _rows(c, counts.chunks, relay, d, nowhere, nowhere, counts.to_rank[c, s, d])


def _forwarded(relay: Ints, held: Ints, received: Ints, plan: TwoLevelPlan) -> _TwoLevelRows:
    # One row for each run of tokens that lie next to each other at both ends.
    copies, chunks = plan.routing.copies, plan.chunks
    chunk = chunks_of(copies.token, plan.routing.tokens[copies.src], chunks)
    order = sorted_by(copies.dst, plan.routing.ranks)
    order = order[sorted_by(chunk[order], chunks)]
    src, dst = copies.src[order], copies.dst[order]
    node = dst // plan.width
    leave = held[src, node] + _node_position(plan)[order]
    arrive = received[src, dst] + copies.position[order]
    return _runs(chunk[order], chunks, relay[src, node], dst, leave, arrive)


def _node_position(plan: TwoLevelPlan) -> Ints:
    # Copies by (src, token, dst) run through the copies of nodes in the same order.
    copies = plan.routing.copies
    new = _changes(copies.src, copies.token, copies.dst // plan.width)
    position: Ints = plan.copies.position[new.cumsum() - 1]
    return position


def _runs(
    chunk: Ints, chunks: int, src: Ints, dst: Ints, src_at: Ints, dst_at: Ints
) -> _TwoLevelRows:
    # A place less its row number stays the same for as long as places follow each other.
    row = np.arange(len(src))
    first = np.flatnonzero(_changes(chunk, src, dst, src_at - row, dst_at - row))
    n = np.diff(first, append=len(src))
    return _rows(chunk[first], chunks, src[first], dst[first], src_at[first], dst_at[first], n)


def _changes(*columns: Ints) -> NDArray[np.bool_]:
    # Where a row differs from the one before it in any column; the first one does.
    new = np.zeros(len(columns[0]), bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return new
