"""Which rank hosts which experts, as CANN has it, and how many rows can come to a rank."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.adapters.token_arguments import MOST, MOST_BYTES
from collectives.calls.communicator import Communicator
from collectives.moe.tensors import TokenError, integer


@dataclass(frozen=True, slots=True)
class ExpertLayout:
    """Which rank hosts what: ``shared`` experts on the first ``shared_ranks`` of ``ranks``."""

    ranks: int
    rank: int
    experts: int
    shared: int
    shared_ranks: int
    most: int

    @property
    def hosted(self) -> tuple[int, ...]:
        """Experts of each rank; a rank of shared experts has one."""
        local = self.experts // (self.ranks - self.shared_ranks)
        return (1,) * self.shared_ranks + (local,) * (self.ranks - self.shared_ranks)

    @property
    def local(self) -> int:
        """Experts of this rank."""
        return self.hosted[self.rank]

    def rows(self, top_k: int) -> int:
        """Rows that can come to this rank, "A" in CANN."""
        if self.rank < self.shared_ranks:
            return self.most * -(-self.ranks // (self.shared_ranks // self.shared))
        return self.most * self.ranks * min(self.local, top_k)

    def chosen(self, expert_ids: NDArray[np.int64], active: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The experts of each token as they lie on the ranks, the shared ones last."""
        goes = active & (expert_ids >= 0) & (expert_ids < self.experts)
        ids = np.where(goes, expert_ids + self.shared_ranks, -1)
        if not self.shared_ranks:
            return ids
        each = self.shared_ranks // self.shared
        mine = self.rank % each + each * np.arange(self.shared)
        common = np.where(active.any(axis=1, keepdims=True), mine, -1)
        return np.concatenate([ids, common], axis=1)


def layout_of(
    comm: Communicator, tokens: int, experts: Any, shared: Any, shared_ranks: Any, global_bs: Any
) -> ExpertLayout:
    """The layout of calls with these arguments; raises `TokenError` for what does not fit."""
    experts = integer(experts, "moe_expert_num", 0, MOST)
    shared = integer(shared, "shared_expert_num", 0, MOST)
    shared_ranks = integer(shared_ranks, "shared_expert_rank_num", 0, MOST)
    global_bs = integer(global_bs, "global_bs", 0, MOST_BYTES)
    default = shared_ranks == 0 and shared in (0, 1)
    if not default and not (0 < shared <= shared_ranks < comm.size and shared_ranks % shared == 0):
        raise TokenError(
            f"shared_expert_num is {shared} and shared_expert_rank_num {shared_ranks}; the second"
            f" has to be a multiple of the first below {comm.size}, or 0"
        )
    others = comm.size - shared_ranks
    if experts < 1 or experts % others:
        raise TokenError(f"moe_expert_num is {experts}; it has to be a multiple of {others} ranks")
    most = global_bs // comm.size if global_bs else tokens
    if tokens > most or global_bs % comm.size:
        raise TokenError(
            f"global_bs is {global_bs}; it has to be {comm.size} times the most tokens of a rank,"
            f" and this one has {tokens}"
        )
    return ExpertLayout(comm.size, comm.rank, experts, max(shared, 1), shared_ranks, max(most, 1))
