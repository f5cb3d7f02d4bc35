"""`npu_moe_distribute_dispatch` and `npu_moe_distribute_combine`, the first of their kind."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.adapters.token_arguments import choices, expect, ints, told
from collectives.adapters.torch_npu.arguments import ASSIST, communicator_of
from collectives.adapters.torch_npu.combine import npu_moe_distribute_combine_v2
from collectives.adapters.torch_npu.dispatch import npu_moe_distribute_dispatch_v2
from collectives.moe.tensors import TokenError, array_of


def npu_moe_distribute_dispatch(
    x: torch.Tensor, expert_ids: torch.Tensor, group_ep: Any, ep_world_size: int, ep_rank_id: int,
    moe_expert_num: int, **options: Any,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """As `npu_moe_distribute_dispatch_v2`, but the third result is ``expand_idx``.

    For each token and choice, how many this rank has sent to the same expert before.
    """
    found = npu_moe_distribute_dispatch_v2(
        x, expert_ids, group_ep, ep_world_size, ep_rank_id, moe_expert_num, **options
    )
    return (*found[:2], ints(_before(choices(expert_ids, len(x)))), *found[3:])


def npu_moe_distribute_combine(
    expand_x: torch.Tensor, expert_ids: torch.Tensor, expand_idx: torch.Tensor,
    ep_send_counts: torch.Tensor, expert_scales: torch.Tensor, group_ep: Any, ep_world_size: int,
    ep_rank_id: int, moe_expert_num: int, *, activation_scale: Any = None,
    weight_scale: Any = None, group_list: Any = None, out_dtype: int = 0, group_list_type: int = 0,
    **options: Any,
) -> torch.Tensor:  # fmt: skip
    """As `npu_moe_distribute_combine_v2`, with the ``expand_idx`` of the dispatch.

    Raises `TokenError` for another one, and for what is only for results that are quantised.
    """
    comm = communicator_of(group_ep)
    with told(comm):
        for name, given in {
            "activation_scale": activation_scale, "weight_scale": weight_scale,
            "group_list": group_list, "out_dtype": out_dtype or None,
            "group_list_type": group_list_type or None,
        }.items():  # fmt: skip
            if given is not None:
                raise TokenError(f"{name} is {given}; Triplane has only the default")
        given = array_of(expect(expand_idx, "expand_idx", torch.int32, (None,)))
        if not np.array_equal(given, _before(choices(expert_ids, None))):
            raise TokenError("expand_idx is not that of the dispatch of these expert_ids")
        counts = array_of(expect(ep_send_counts, "ep_send_counts", torch.int32, (None,)))
        each = np.maximum(np.diff(counts.astype(np.int64), prepend=0), 0)
        assist = np.zeros((int(each.sum()), ASSIST), np.int64)
        assist[:, 0] = np.repeat(np.arange(len(each)) % comm.size, each)
    return npu_moe_distribute_combine_v2(
        expand_x, expert_ids, ints(assist.ravel()), ep_send_counts, expert_scales, group_ep,
        ep_world_size, ep_rank_id, moe_expert_num, **options,
    )  # fmt: skip


def _before(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each choice, in the order of tokens, how many of the same expert come before it."""
    flat = ids.ravel()
    order = np.argsort(flat, kind="stable")
    ranked = flat[order]
    begins = np.searchsorted(ranked, ranked)
    found = np.empty(len(flat), np.int64)
    found[order] = np.arange(len(flat)) - begins
    return found
