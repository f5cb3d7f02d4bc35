"""torch_npu's MoE dispatch and combine, with its signatures, on CPU tensors and ranks of Triplane.

Shapes are those of torch_npu 2.13.0 (op_plugin/meta/_meta_registrations.py), meanings those of
CANN's aclnnMoeDistributeDispatchV2 and aclnnMoeDistributeCombineV2. The first
``shared_expert_rank_num`` ranks host the shared experts, the others the experts of the MoE.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from collectives.adapters.groups import communicator
from collectives.adapters.token_arguments import (
    MOST,
    MOST_BYTES,
    choices,
    expect,
    in_range,
    ints,
    on_cpu,
    told,
)
from collectives.calls.communicator import Communicator
from collectives.moe.tensors import TokenError, array_of, integer
from collectives.moe.tokens.low_latency import LowLatency
from collectives.moe.tokens.selection import once
from topology.arguments import shown

COMM_ALGS = ("", "fullmesh", "fullmesh_v1", "fullmesh_v2")
"""Each token straight to each of its experts, whatever it is called."""

QUANT_MODES = (0, 2)
"""As they are; INT8 with a scale a token that is worked out."""

ASSIST = 128
"""Numbers of ``assist_info_for_combine`` a row: its source rank, token and slot come first."""

_FLOATS = (torch.bfloat16, torch.float16)


@dataclass(frozen=True, slots=True)
class _ExpertLayout:
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
    comm = _communicator(group_ep)
    with told(comm):
        _unsupported(
            comm, ep_world_size, ep_rank_id, tp=(group_tp, tp_world_size, tp_rank_id),
            shard=expert_shard_type, const=const_expert_num, comm_alg=comm_alg,
            absent={"elastic_info": elastic_info, "performance_info": performance_info,
                    "y_dtype": y_dtype, "x_dtype": x_dtype, "scales_dtype": scales_dtype},
        )  # fmt: skip
        quant = _one_of(quant_mode, "quant_mode", QUANT_MODES)
        each = _one_of(expert_token_nums_type, "expert_token_nums_type", (0, 1))
        if scales is not None and not quant:
            raise TokenError("scales are given, and quant_mode is 0, which does not multiply")
        tokens = _tokens(x)
        layout = _layout(comm, len(x), moe_expert_num, shared_expert_num, shared_expert_rank_num,
                         global_bs)  # fmt: skip
        ids = _ids(expert_ids, len(x), layout, zero_expert_num, copy_expert_num)
        wanted = layout.chosen(ids, _active(x_active_mask, ids))
        weights = _weights(expert_scales, ids, wanted)
        sent = _smoothed(tokens, scales, wanted, layout)
        # Experts with scales of their own are sent tokens of their own: one for every choice.
        slots = 1 if scales is None else wanted.shape[1]
        wire = "int8" if quant else "as-is"
        mode = _mode(comm, layout.hosted, tokens.shape[1], slots, layout.most, wire)
    received, _, _ = mode.dispatch(sent, wanted if scales is None else wanted.reshape(-1, 1))
    rows = layout.rows(ids.shape[1])
    source, token = _origins(received.by_source, received.token)
    token //= slots
    counts = received.counts
    expand_x = torch.empty((rows, x.shape[1]), dtype=received.x.dtype)
    dynamic = torch.zeros((rows,) if quant else (0,), dtype=torch.float32)
    begin = 0
    for expert, count in enumerate(counts.tolist()):
        expand_x[begin : begin + count] = received.x[expert, :count]
        if received.scales is not None:
            dynamic[begin : begin + count] = received.scales[expert, :count]
        begin += count
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
    comm = _communicator(group_ep)
    with told(comm):
        _unsupported(
            comm, ep_world_size, ep_rank_id, tp=(group_tp, tp_world_size, tp_rank_id),
            shard=expert_shard_type, const=const_expert_num, comm_alg=comm_alg,
            absent={"elastic_info": elastic_info, "performance_info": performance_info,
                    "const_expert_alpha_1": const_expert_alpha_1,
                    "const_expert_alpha_2": const_expert_alpha_2, "const_expert_v": const_expert_v},
        )  # fmt: skip
        _one_of(comm_quant_mode, "comm_quant_mode", (0,))
        results = _tokens(expand_x)
        tokens = len(expert_ids) if isinstance(expert_ids, torch.Tensor) and expert_ids.dim() else 0
        layout = _layout(comm, tokens, moe_expert_num, shared_expert_num, shared_expert_rank_num,
                         global_bs)  # fmt: skip
        ids = _ids(expert_ids, None, layout, zero_expert_num, copy_expert_num)
        active = _active(x_active_mask, ids)
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
        mode = _mode(comm, layout.hosted, results.shape[1], 1, layout.most, "as-is")
    y = torch.empty((layout.local, mode.rows, results.shape[1]), dtype=results.dtype)
    begin = 0
    for expert, count in enumerate(by_source.sum(axis=0).tolist()):
        y[expert, :count] = results[begin : begin + count]
        begin += count
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


def _communicator(group_ep: Any) -> Communicator:
    if isinstance(group_ep, str):
        for group, name in dist.distributed_c10d._world.pg_names.items():
            if name == group_ep:
                return _own(group)
        known = _some(tuple(dist.distributed_c10d._world.pg_names.values()))
        raise TokenError(f"there is no group {shown(group_ep)}; there are {known}")
    if not isinstance(group_ep, dist.ProcessGroup | Communicator):
        return communicator(group_ep)  # which says what it can be
    return _own(group_ep)


@lru_cache(maxsize=16)
def _own(group: Any) -> Communicator:
    """The communicator for a group; so many groups are remembered."""
    return communicator(group)


@lru_cache(maxsize=16)
def _mode(
    comm: Communicator, hosted: tuple[int, ...], hidden: int, slots: int, most: int, wire: str
) -> LowLatency:
    """Buffers for these calls; those of so many kinds are remembered."""
    rows = comm.size * most * slots
    return LowLatency(
        comm, experts=hosted, hidden=hidden, max_tokens=most * slots, wire=wire, rows=rows,
        reuse=True,
    )  # fmt: skip


def _unsupported(
    comm: Communicator, ranks: Any, rank: Any, *, tp: tuple[Any, Any, Any], shard: Any, const: Any,
    comm_alg: Any, absent: dict[str, Any],
) -> None:  # fmt: skip
    """Raise `TokenError` for another group than that of ``comm``, and for what is not here."""
    size = integer(ranks, "ep_world_size", 1)
    if (size, integer(rank, "ep_rank_id", 0)) != (comm.size, comm.rank):
        raise TokenError(
            f"ep_world_size is {ranks} and ep_rank_id {rank}; this is rank {comm.rank} of"
            f" {comm.size}"
        )
    if not isinstance(tp[0], str):
        raise TokenError(f"group_tp is {shown(tp[0])}; it has to be the name of a group, or ''")
    for what, given, only in (
        ("tp_world_size", tp[1], (0, 1)), ("tp_rank_id", tp[2], (0,)),
        ("expert_shard_type", shard, (0,)), ("const_expert_num", const, (0,)),
    ):  # fmt: skip
        if integer(given, what, 0) not in only:
            raise TokenError(f"{what} is {given}; Triplane has only the default")
    if not isinstance(comm_alg, str) or comm_alg not in COMM_ALGS:
        raise TokenError(
            f"comm_alg is {shown(comm_alg)}; it can be {', '.join(map(repr, COMM_ALGS))}"
        )
    for what, given in absent.items():
        if given is not None:
            raise TokenError(f"{what} is {shown(given)}; Triplane has only the default")


def _one_of(given: Any, what: str, allowed: tuple[int, ...]) -> int:
    number = integer(given, what, 0)
    if number not in allowed:
        raise TokenError(f"{what} is {number}; it can be {_some(allowed)}")
    return number


def _ids(
    expert_ids: Any, tokens: int | None, layout: _ExpertLayout, zeros: Any, copies: Any
) -> NDArray[np.int64]:
    """The experts of each token, none twice; raises `TokenError`."""
    most = 1 << 31
    special = integer(zeros, "zero_expert_num", 0, most) + integer(
        copies, "copy_expert_num", 0, most
    )
    ids = choices(expert_ids, tokens)
    in_range(ids, layout.experts + special)
    once(ids)
    return ids


def _assisted(assist: Any, by_source: NDArray[np.int64]) -> None:
    """Raise `TokenError` for another ``assist_info_for_combine`` than that of the dispatch."""
    given = array_of(expect(assist, "assist_info_for_combine", torch.int32, (None,)))
    rows = int(by_source.sum())
    source = np.concatenate([np.repeat(np.arange(len(n)), n) for n in by_source.T])
    fits = len(given) >= rows * ASSIST
    if not fits or not np.array_equal(given[: rows * ASSIST].reshape(rows, ASSIST)[:, 0], source):
        raise TokenError("assist_info_for_combine is not that of the dispatch of ep_send_counts")


def _tokens(x: Any) -> torch.Tensor:
    if not isinstance(x, torch.Tensor) or x.dim() != 2 or x.dtype not in _FLOATS:
        kind = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise TokenError(f"tokens are {kind}; they have to be [any, hidden] of {_some(_FLOATS)}")
    return on_cpu(x, "x").detach().contiguous()


def _layout(
    comm: Communicator, tokens: int, experts: Any, shared: Any, shared_ranks: Any, global_bs: Any
) -> _ExpertLayout:
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
    return _ExpertLayout(comm.size, comm.rank, experts, max(shared, 1), shared_ranks, max(most, 1))


def _active(mask: Any, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    if mask is None:
        return np.ones(ids.shape, bool)
    shape = tuple(ids.shape) if getattr(mask, "dim", lambda: 1)() == 2 else (len(ids),)
    flags = array_of(expect(mask, "x_active_mask", torch.bool, shape))
    return np.broadcast_to(flags.reshape(len(ids), -1), ids.shape)


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
    x: torch.Tensor, scales: Any, wanted: NDArray[np.int64], layout: _ExpertLayout
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
    layout: _ExpertLayout, by_source: NDArray[np.int64],
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


def _by_source(counts: torch.Tensor, layout: _ExpertLayout, rows: int) -> NDArray[np.int64]:
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


def _some(things: tuple[Any, ...]) -> str:
    return ", ".join(map(str, things))
