"""The counts that ranks exchange before a dispatch of the normal mode, so that each can plan it.

A rank sends each rank how many of its tokens chose each expert there, and how many tokens it
has for it, by chunk. With two levels it also sends the relay of each node how many tokens it has
for the node and for each rank there. Counts are int32 ``[ranks, ...]``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectives.moe.routing.expert_ranks import ExpertRanks
from collectives.moe.routing.routing import Ints
from collectives.moe.schedules.two_level import ChunkCounts, chunks_of, relays
from collectives.moe.tokens.rank_transfer import Direct, Relayed
from collectives.moe.tokens.selection import copied

_Counts = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class CountsLayout:
    """How ``rank`` lays out the counts it sends; ``width``: ranks of a node, None for one level."""

    rank: int
    expert_ranks: ExpertRanks
    width: int | None
    chunks: int

    def to_send(self, expert: Ints, to_rank: NDArray[np.bool_]) -> _Counts:
        """The counts to send to each rank; ``expert``: ``[tokens, top_k]``.

        ``to_rank``: see `needed`.
        """
        blocks = [self._by_expert(expert), _by_chunk(to_rank, self._pieces)]
        if self.width is not None:
            blocks += self._for_relays(to_rank, self.width)
        return np.concatenate(blocks, axis=1)

    def experts(self, received: _Counts) -> Ints:
        """The number of tokens that chose each expert here: int64 ``[local experts]``."""
        local = int(self.expert_ranks.local[self.rank])
        counts: Ints = received[:, :local].sum(axis=0, dtype=np.int64)
        return counts

    def choices(self, counts: _Counts) -> Ints:
        """How many choices the counts from or to each rank are of: int64 ``[ranks]``."""
        most = int(self.expert_ranks.local.max())
        by_rank: Ints = counts[:, :most].sum(axis=1, dtype=np.int64)
        return by_rank

    def path(
        self, received: _Counts, sent: _Counts, to_rank: NDArray[np.bool_]
    ) -> tuple[Direct | Relayed, ChunkCounts | None]:
        """The path by which tokens travel, and the counts that two levels are timed by, or None.

        ``received``: the counts that the others sent to this rank; ``sent``: those that it sent;
        ``to_rank``: bool ``[tokens, ranks]``, which token goes to which rank.
        """
        rank, expert_ranks, width = self.rank, self.expert_ranks, self.width
        most = int(expert_ranks.local.max())
        copies = received[:, most : most + self._pieces].astype(np.int64)
        if width is None:
            return Direct(rank, expert_ranks, copied(to_rank), copies.sum(axis=1)), None
        known = self._passing(received, sent, copies, width)
        held = known.to_node[:, relays(expert_ranks.ranks, width)[rank], rank // width].sum(axis=0)
        to_nodes = copied(_to_node(to_rank, width))
        return Relayed(rank, expert_ranks, width, to_nodes, copies.sum(axis=1), held), known

    @property
    def _pieces(self) -> int:
        return 1 if self.width is None else self.chunks

    def _by_expert(self, expert: Ints) -> _Counts:
        local = self.expert_ranks.local
        most = int(local.max())
        counts = np.zeros((len(local), most), np.int32)
        chosen = np.bincount(expert[expert >= 0], minlength=self.expert_ranks.experts)
        counts[np.arange(most) < local[:, None]] = chosen
        return counts

    def _for_relays(self, to_rank: NDArray[np.bool_], width: int) -> list[_Counts]:
        ranks = self.expert_ranks.ranks
        relay = relays(ranks, width)[self.rank]
        node = np.zeros((ranks, self.chunks), np.int32)
        node[relay] = _by_chunk(_to_node(to_rank, width), self.chunks)
        inside = np.zeros((ranks, width * self.chunks), np.int32)
        inside[relay] = _by_chunk(to_rank, self.chunks).reshape(len(relay), -1)
        return [node, inside]

    def _passing(self, received: _Counts, sent: _Counts, copies: Ints, width: int) -> ChunkCounts:
        ranks, rank, chunks = self.expert_ranks.ranks, self.rank, self.chunks
        at = int(self.expert_ranks.local.max()) + chunks
        to_node = np.zeros((chunks, ranks, ranks // width), np.int64)
        to_rank = np.zeros((chunks, ranks, ranks), np.int64)
        relay = relays(ranks, width)[rank]
        to_node[:, rank] = sent[relay, at : at + chunks].T
        to_node[:, relay, rank // width] = received[relay, at : at + chunks].T
        mates = slice(rank // width * width, (rank // width + 1) * width)
        inside = received[relay, at + chunks :].reshape(len(relay), width, chunks)
        to_rank[:, relay, mates] = inside.transpose(2, 0, 1)
        to_rank[:, :, rank] = copies.T
        return ChunkCounts(width, to_node, to_rank)


def _to_node(to_rank: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    tokens, ranks = to_rank.shape
    by_node = to_rank.reshape(tokens, ranks // width, width)
    node: NDArray[np.bool_] = np.logical_or.reduce(by_node, axis=2)
    return node


def _by_chunk(places: NDArray[np.bool_], chunks: int) -> _Counts:
    """How many tokens of each chunk each place needs: ``[places, chunks]``."""
    tokens = np.arange(len(places))
    first = chunks_of(tokens, np.array(len(places)), chunks).searchsorted(np.arange(chunks + 1))
    total = np.concatenate([np.zeros((1, places.shape[1]), np.int64), places.cumsum(axis=0)])
    return np.diff(total[first], axis=0).T.astype(np.int32)
