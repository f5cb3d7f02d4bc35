"""`npu_moe_distribute_dispatch_v2`."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.adapters.token_arguments import expect, ints, told
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
from collectives.calls.communicator import Communicator
from collectives.moe.tensors import TokenError, array_of
from collectives.moe.tokens.low_latency import Received

QUANT_MODES = (0, 2)
"""As they are; INT8 with a scale a token that is worked out."""


def npu_moe_distribute_dispatch_v2(
    x: torch.Tensor, expert_ids: torch.Tensor, group_ep: Any, ep_world_size: int, ep_rank_id: int,
    moe_expert_num: int, *, scales: torch.Tensor | None = None,
    x_active_mask: torch.Tensor | None = None, expert_scales: torch.Tensor | None = None,
    elastic_info: torch.Tensor | None = None, performance_info: torch.Tensor | None = None,
    group_tp: str = "", tp_world_size: int = 0, tp_rank_id: int = 0, expert_shard_type: int = 0,
    shared_expert_num: int = 1, shared_expert_rank_num: int = 0, quant_mode: int = 0,
    global_bs: int = 0, expert_token_nums_type: int = 1, comm_alg: str = "",
    zero_expert_num: int = 0, copy_expert_num: int = 0, const_expert_num: int = 0,
    y_dtype: int | None = None, x_dtype: int | None = None, scales_dtype: int | None = None,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """Send each token to each of its experts, and to the shared ones if ranks host them.

    ``x``: bfloat16 or float16 ``[tokens, hidden]``. ``expert_ids``: ``[tokens, top_k]``, all of a
    token different; zero and copy experts, from ``moe_expert_num`` on, and -1 are sent nowhere.
    ``group_ep``: a group of torch.distributed, its name, or a `Communicator`. ``scales``: float32
    ``[shared + experts, hidden]``, multiplied with before quantising. ``x_active_mask``: bool, of
    tokens or of choices. ``global_bs``: the most tokens of a rank times the ranks; 0: all ranks
    have as many.

    Returns ``expand_x``, ``dynamic_scales``, ``assist_info_for_combine``, ``expert_token_nums``
    (``expert_token_nums_type`` 0: running totals, 1: of each), ``ep_recv_counts`` (running totals
    by expert and source), ``tp_recv_counts`` and ``expand_scales``, empty without
    ``expert_scales``. The first ``ep_recv_counts[-1]`` rows of ``expand_x`` are valid, by expert,
    source and token.

    Raises `TokenError` here and `RankFailed` at every other rank for a wrong argument, and for what
    is not supported: other ``quant_mode``s than `QUANT_MODES`, tensor parallel groups, elastic
    ranks, constant experts, other types, ``performance_info``, a ``comm_alg`` outside `COMM_ALGS`.
    """
    comm = communicator_of(group_ep)
    with told(comm):
        check_supported(
            comm, ep_world_size, ep_rank_id, tp=(group_tp, tp_world_size, tp_rank_id),
            shard=expert_shard_type, const=const_expert_num, comm_alg=comm_alg,
            absent={"elastic_info": elastic_info, "performance_info": performance_info,
                    "y_dtype": y_dtype, "x_dtype": x_dtype, "scales_dtype": scales_dtype},
        )  # fmt: skip
        quant = one_of(quant_mode, "quant_mode", QUANT_MODES)
        each = one_of(expert_token_nums_type, "expert_token_nums_type", (0, 1))
        if scales is not None and not quant:
            raise TokenError("scales are given, and quant_mode is 0, which does not multiply")
        tokens = tokens_of(x)
        layout = layout_of(comm, len(x), moe_expert_num, shared_expert_num, shared_expert_rank_num,
                         global_bs)  # fmt: skip
        ids = chosen_experts(expert_ids, len(x), layout, zero_expert_num, copy_expert_num)
        wanted = layout.chosen(ids, active_choices(x_active_mask, ids))
        weights = _weights(expert_scales, ids, wanted)
        sent = _smoothed(tokens, scales, wanted, layout)
        # Experts with scales of their own are sent tokens of their own: one for every choice.
        slots = 1 if scales is None else wanted.shape[1]
        wire = "int8" if quant else "as-is"
        mode = buffers(comm, layout.hosted, tokens.shape[1], slots, layout.most, wire)
    received, _, _ = mode.dispatch(sent, wanted if scales is None else wanted.reshape(-1, 1))
    rows = layout.rows(ids.shape[1])
    source, token = _origins(received.by_source, received.token)
    token //= slots
    counts = received.counts
    expand_x, dynamic, begin = _expanded(received, rows)
    slot, carried = _exchanged(comm, wanted, weights, layout, received.by_source)
    assist = torch.zeros((max(len(x) * ids.shape[1], rows * ASSIST),), dtype=torch.int32)
    assist[: begin * ASSIST].view(-1, ASSIST)[:, :3] = ints(np.stack([source, token, slot], axis=1))
    expand_scales = torch.zeros((0 if expert_scales is None else rows,), dtype=torch.float32)
    expand_scales[:begin] = torch.from_numpy(carried)[: len(expand_scales)]
    nums = counts if each else counts.cumsum()
    tp_counts = torch.full((int(tp_world_size),), begin, dtype=torch.int32)
    return (
        expand_x, dynamic, assist, torch.from_numpy(nums.astype(np.int64)),
        ints(received.by_source.ravel().cumsum()), tp_counts, expand_scales,
    )  # fmt: skip


def _weights(
    expert_scales: Any, ids: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Of every choice; those of shared experts are 1."""
    weights = np.ones(wanted.shape, np.float32)
    if expert_scales is not None:
        given = expect(expert_scales, "expert_scales", torch.float32, tuple(ids.shape))
        weights[:, : ids.shape[1]] = array_of(given)
    return weights


def _smoothed(
    x: torch.Tensor, scales: Any, wanted: NDArray[np.int64], layout: ExpertLayout
) -> torch.Tensor:
    """The tokens; where experts have scales, one for every choice, multiplied with them."""
    if scales is None:
        return x
    rows = layout.experts + (layout.shared if layout.shared_ranks else 0)
    table = expect(scales, "scales", torch.float32, (rows, x.shape[1])).detach()
    each = layout.shared_ranks // layout.shared if layout.shared_ranks else 1
    shared = layout.shared if layout.shared_ranks else 0
    row = np.where(
        wanted < layout.shared_ranks, wanted // each, wanted - layout.shared_ranks + shared
    )
    chosen = table[torch.from_numpy(np.maximum(row, 0))]
    return (x.float()[:, None] * chosen).reshape(-1, x.shape[1]).to(x.dtype)


def _expanded(received: Received, rows: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """What each expert has received as ``rows`` one after the other, their scales, and how many."""
    expand_x = torch.empty((rows, received.x.shape[2]), dtype=received.x.dtype)
    dynamic = torch.zeros((rows,) if received.scales is not None else (0,), dtype=torch.float32)
    begin = 0
    for expert, count in enumerate(received.counts.tolist()):
        expand_x[begin : begin + count] = received.x[expert, :count]
        if received.scales is not None:
            dynamic[begin : begin + count] = received.scales[expert, :count]
        begin += count
    return expand_x, dynamic, begin


def _origins(
    by_source: NDArray[np.int64], token: torch.Tensor
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Source rank and token there of every row, by expert, source and token."""
    source = np.concatenate(
        [np.repeat(np.arange(len(counts)), counts) for counts in by_source]
    ).astype(np.int64)
    rows = [array_of(token[e, :n]) for e, n in enumerate(by_source.sum(axis=1).tolist())]
    return source, np.concatenate(rows).astype(np.int64)


def _exchanged(
    comm: Communicator, wanted: NDArray[np.int64], weights: NDArray[np.float32],
    layout: ExpertLayout, by_source: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # fmt: skip
    """Slot and weight of every row that came, as by `_origins`.

    They are a few bytes of each token's message, which has its time already: they cost none.
    """
    rank_of = np.append(np.repeat(np.arange(layout.ranks), layout.hosted), -1)
    token, slot = np.nonzero(wanted >= 0)
    order = np.lexsort((token, wanted[token, slot]))
    token, slot = token[order], slot[order]
    to = rank_of[wanted[token, slot]]
    most = layout.most * wanted.shape[1]
    kind = np.dtype([("slot", "i4"), ("weight", "f4")])
    mine = np.zeros((layout.ranks, most), kind)
    sent = np.bincount(to, minlength=layout.ranks)
    place = np.arange(len(to)) - (sent.cumsum() - sent)[to]
    mine["slot"][to, place], mine["weight"][to, place] = slot, weights[token, slot]
    got = np.empty_like(mine)
    comm.inform(got.view(np.uint8), mine.view(np.uint8), "slots of npu_moe_distribute_dispatch_v2")
    begin = by_source.cumsum(axis=0) - by_source  # [expert, source], within those of the source
    rows = [
        got[source, begin[expert, source] : begin[expert, source] + by_source[expert, source]]
        for expert in range(len(by_source)) for source in range(layout.ranks)
    ]  # fmt: skip
    whole = np.concatenate(rows)
    return whole["slot"].astype(np.int64), np.ascontiguousarray(whole["weight"])
