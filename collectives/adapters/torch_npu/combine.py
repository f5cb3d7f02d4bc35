"""`npu_moe_distribute_combine_v2`."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.adapters.token_arguments import expect, told
from collectives.adapters.torch_npu.arguments import (
    ASSIST,
    active_choices,
    buffers,
    check_supported,
    chosen_experts,
    communicator_of,
    one_of,
    tokens_of,
)
from collectives.adapters.torch_npu.layout import ExpertLayout, layout_of
from collectives.moe.tensors import TokenError, array_of, integer


def npu_moe_distribute_combine_v2(
    expand_x: torch.Tensor, expert_ids: torch.Tensor, assist_info_for_combine: torch.Tensor,
    ep_send_counts: torch.Tensor, expert_scales: torch.Tensor, group_ep: Any, ep_world_size: int,
    ep_rank_id: int, moe_expert_num: int, *, tp_send_counts: torch.Tensor | None = None,
    x_active_mask: torch.Tensor | None = None, expand_scales: torch.Tensor | None = None,
    shared_expert_x: torch.Tensor | None = None, elastic_info: torch.Tensor | None = None,
    ori_x: torch.Tensor | None = None, const_expert_alpha_1: torch.Tensor | None = None,
    const_expert_alpha_2: torch.Tensor | None = None, const_expert_v: torch.Tensor | None = None,
    performance_info: torch.Tensor | None = None, group_tp: str = "", tp_world_size: int = 0,
    tp_rank_id: int = 0, expert_shard_type: int = 0, shared_expert_num: int = 1,
    shared_expert_rank_num: int = 0, global_bs: int = 0, comm_quant_mode: int = 0,
    comm_alg: str = "", zero_expert_num: int = 0, copy_expert_num: int = 0,
    const_expert_num: int = 0,
) -> torch.Tensor:  # fmt: skip
    """Bring results back and add them up, weighted by ``expert_scales``: ``[tokens, hidden]``.

    ``expand_x``: a result for each row of the dispatch, in the type of the tokens.
    ``ep_send_counts``: its ``ep_recv_counts``. ``expert_scales``: float32 ``[tokens, top_k]``;
    results of shared experts have weight 1. ``shared_expert_x``: ``[tokens, hidden]``, added, too.
    ``ori_x``: the tokens, for copy experts. Sums are float32: by slot, then shared experts, then
    copies, then ``shared_expert_x``. ``assist_info_for_combine``: what the dispatch returned.
    ``tp_send_counts`` and ``expand_scales`` may be what the dispatch returned; they have no effect.
    Raises as `npu_moe_distribute_dispatch_v2`.
    """
    comm = communicator_of(group_ep)
    with told(comm):
        check_supported(
            comm, ep_world_size, ep_rank_id, tp=(group_tp, tp_world_size, tp_rank_id),
            shard=expert_shard_type, const=const_expert_num, comm_alg=comm_alg,
            absent={"elastic_info": elastic_info, "performance_info": performance_info,
                    "const_expert_alpha_1": const_expert_alpha_1,
                    "const_expert_alpha_2": const_expert_alpha_2, "const_expert_v": const_expert_v},
        )  # fmt: skip
        one_of(comm_quant_mode, "comm_quant_mode", (0,))
        results = tokens_of(expand_x)
        tokens = len(expert_ids) if isinstance(expert_ids, torch.Tensor) and expert_ids.dim() else 0
        layout = layout_of(comm, tokens, moe_expert_num, shared_expert_num, shared_expert_rank_num,
                         global_bs)  # fmt: skip
        ids = chosen_experts(expert_ids, None, layout, zero_expert_num, copy_expert_num)
        active = active_choices(x_active_mask, ids)
        wanted = layout.chosen(ids, active)
        weights = expect(expert_scales, "expert_scales", torch.float32, tuple(ids.shape)).detach()
        counts = expect(ep_send_counts, "ep_send_counts", torch.int32, (None,))
        room = layout.rows(ids.shape[1])
        if len(results) != room:
            raise TokenError(f"expand_x has {len(results)} rows; the dispatch returned {room}")
        by_source = _by_source(counts, layout, len(results))
        _assisted(assist_info_for_combine, by_source)
        copies = active & (ids >= layout.experts + integer(zero_expert_num, "zero_expert_num", 0))
        whole = (len(ids), results.shape[1])
        if copies.any():
            expect(ori_x, "ori_x", results.dtype, whole)
        if shared_expert_x is not None:
            expect(shared_expert_x, "shared_expert_x", results.dtype, whole)
        mode = buffers(comm, layout.hosted, results.shape[1], 1, layout.most, "as-is")
    y = _by_expert(results, by_source.sum(axis=0).tolist(), mode.rows)
    handle = mode.handle_of(wanted, by_source, y)
    ones = torch.ones((len(ids), wanted.shape[1] - ids.shape[1]))
    own = torch.cat([weights, ones], dim=1) if ones.numel() else weights
    total, _ = mode.combine(y, handle, own.contiguous())
    if copies.any() and ori_x is not None:
        share = weights.where(torch.from_numpy(copies), 0).sum(dim=1, keepdim=True)
        total = (total.float() + share * ori_x.detach().float()).to(expand_x.dtype)
    if shared_expert_x is not None:
        total = (total.float() + shared_expert_x.detach().float()).to(expand_x.dtype)
    home: torch.Tensor = total
    return home


def _by_expert(results: torch.Tensor, counts: list[int], rows: int) -> torch.Tensor:
    """``counts`` of the results, one expert's after the other's, as ``[experts, rows, hidden]``."""
    y = torch.empty((len(counts), rows, results.shape[1]), dtype=results.dtype)
    begin = 0
    for expert, count in enumerate(counts):
        y[expert, :count] = results[begin : begin + count]
        begin += count
    return y


def _assisted(assist: Any, by_source: NDArray[np.int64]) -> None:
    """Raise `TokenError` for another ``assist_info_for_combine`` than that of the dispatch."""
    given = array_of(expect(assist, "assist_info_for_combine", torch.int32, (None,)))
    rows = int(by_source.sum())
    source = np.concatenate([np.repeat(np.arange(len(n)), n) for n in by_source.T])
    fits = len(given) >= rows * ASSIST
    if not fits or not np.array_equal(given[: rows * ASSIST].reshape(rows, ASSIST)[:, 0], source):
        raise TokenError("assist_info_for_combine is not that of the dispatch of ep_send_counts")


def _by_source(counts: torch.Tensor, layout: ExpertLayout, rows: int) -> NDArray[np.int64]:
    """``[ranks, local experts]`` of what ``ep_recv_counts`` says with all before."""
    wanted = layout.ranks * layout.local
    if len(counts) < wanted:
        raise TokenError(f"ep_send_counts has {len(counts)} numbers; it has to have {wanted}")
    each = np.diff(array_of(counts)[:wanted].astype(np.int64), prepend=0)
    if (each < 0).any() or each.sum() > rows:
        raise TokenError(
            f"ep_send_counts ends with {each.sum()} rows, and expand_x has {rows}; it has to be"
            " the ep_recv_counts of the dispatch"
        )
    return np.ascontiguousarray(each.reshape(layout.local, layout.ranks).T)
