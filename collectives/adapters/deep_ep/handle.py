"""EPHandle: what a dispatch of V2 leaves for its combine, and for further dispatches."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.adapters.deep_ep.event import Arrival
from collectives.adapters.deep_ep.slots import BySlot
from collectives.moe.routing.routing import Ints
from collectives.moe.tokens.normal import Routed


@dataclass(eq=False, slots=True)
class Way:
    """How tokens came; whole when ``arrival`` is waited for.

    ``topk_idx``: of this rank's own; ``order``: which of those that came, by source rank and token,
    each returned row is; ``local``: experts of the returned rows by their place here, ``[rows,
    top_k]``, -1 for others; ``slots``: where they stand expanded, -1 for none.
    """

    parcels: BySlot
    routed: Routed
    topk_idx: NDArray[np.int64]
    order: Ints
    local: Ints
    slots: Ints
    arrival: Arrival = field(default_factory=Arrival)

    @property
    def rows(self) -> int:
        """Number of rows received."""
        return len(self.order)


@dataclass(eq=False, slots=True)
class EPHandle:
    """As DeepEP's; tensors are int32, and those that depend on what came are there when it is.

    ``psum_num_recv_tokens_per_scaleup_rank``: tokens that came of the ranks with each place in
    their domain, and all before. ``num_recv_tokens_per_expert_list``: rounded up to the
    alignment. ``psum_num_recv_tokens_per_expert``: the same with all before; expanded, where the
    tokens of each expert end. ``num_unaligned_recv_tokens_per_expert``: as they came.
    ``recv_src_metadata``: ``[rows, 2 + top_k]``: the token's source rank times the most tokens
    plus its row there; the place of its source in its domain (over several domains, its row among
    those of that place) times top_k plus its last slot here; where it stands expanded, by slot,
    -1 for none. ``dst_buffer_slot_idx``: ``[tokens, top_k]``, a token's row among this rank's at
    the last slot of each rank that it goes to, else -1. The last two are None: they are of kernels.
    """

    do_expand: bool
    num_experts: int
    expert_alignment: int
    num_max_tokens_per_rank: int
    num_sms: int
    topk_idx: torch.Tensor
    num_recv_tokens: int
    num_expanded_tokens: int
    num_recv_tokens_per_expert_list: list[int]
    psum_num_recv_tokens_per_scaleup_rank: torch.Tensor
    psum_num_recv_tokens_per_expert: torch.Tensor
    num_unaligned_recv_tokens_per_expert: torch.Tensor
    recv_src_metadata: torch.Tensor
    dst_buffer_slot_idx: torch.Tensor
    way: Way
    token_metadata_at_forward: torch.Tensor | None = None
    channel_linked_list: torch.Tensor | None = None
