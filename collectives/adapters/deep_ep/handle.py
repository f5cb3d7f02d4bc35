"""`EPHandle`, which a dispatch of V2 returns for its combine and for further dispatches."""

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
    """How the tokens of a dispatch came; complete when ``arrival`` has been waited for.

    ``topk_idx``: the choices of this rank's own tokens; ``order``: for each returned row, which of
    the tokens that came it is, counted by source rank and token; ``local``: experts of the returned
    rows by their place here, ``[rows, top_k]``, -1 for others; ``slots``: the expanded row of each,
    -1 for none.
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
    """DeepEP's handle; tensors are int32, and those that depend on what came are filled with it.

    - ``psum_num_recv_tokens_per_scaleup_rank``: tokens that came from the ranks at each place in
      their domain, summed up over the places.
    - ``num_recv_tokens_per_expert_list``: tokens of each expert, rounded up to the alignment.
    - ``psum_num_recv_tokens_per_expert``: the same, summed up over the experts; expanded, where the
      tokens of each expert end.
    - ``num_unaligned_recv_tokens_per_expert``: tokens of each expert, not rounded.
    - ``recv_src_metadata``: ``[rows, 2 + top_k]``. First the token's source rank times the most
      tokens, plus its row there. Then the place of its source in its domain (over several domains,
      its row among those of that place) times top_k, plus its last slot here. Then the expanded row
      of each slot, -1 for none.
    - ``dst_buffer_slot_idx``: ``[tokens, top_k]``: a token's row among this rank's at the last slot
      of each rank that it goes to, else -1.
    - ``token_metadata_at_forward``, ``channel_linked_list``: None: only DeepEP's kernels use them.
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
