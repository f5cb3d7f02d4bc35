"""The rows that a dispatch of V2 returns: one a token or, expanded, one a choice.

And the way back.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.adapters.deep_ep.handle import EPHandle, Way
from collectives.adapters.deep_ep.slots import in_slots, places
from collectives.adapters.deep_ep.tensors import TokenLoad, memory, rows_of
from collectives.adapters.token_arguments import expect, ints
from collectives.moe.routing.routing import Ints, sorted_by
from collectives.moe.tensors import Array, TokenError, array_of, flag
from collectives.moe.tokens.normal import Arrived
from collectives.moe.tokens.selection import copied, needed

_COLUMN_ALIGNMENT = 4
"""Rows that a column of scales is rounded up to (``kNumAlignedSFPacks``)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a dispatch returns its rows; the fields are arguments of `ElasticBuffer.dispatch`."""

    do_expand: bool
    do_zero_padding: bool
    by_columns: bool


def wanted(
    do_expand: Any, do_zero_padding: Any, by_columns: Any, handle: EPHandle | None
) -> Wanted:
    """How rows are to be returned; with a handle, as its dispatch did. Raises `TokenError`."""
    expand = flag(do_expand, "do_expand")
    if handle is not None and expand and not handle.do_expand:
        raise TokenError("do_expand is True; the handle is of a dispatch that was not expanded")
    made = Wanted(
        expand if handle is None else handle.do_expand,
        flag(do_zero_padding, "do_zero_padding"),
        flag(by_columns, "use_tma_aligned_col_major_sf"),
    )
    if made.do_zero_padding and not made.do_expand:
        raise TokenError("do_zero_padding needs do_expand=True: there are no gaps otherwise")
    return made


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes that the rows of a dispatch depend on.

    ``ranks``: of the group; ``inside``: ranks of a domain; ``alignment``: rows that an expert's
    part is rounded up to; ``most``: tokens of a rank at most; ``exact``: True if tensors are as
    long as what came, False if they have room for the worst case.
    """

    ranks: int
    inside: int
    alignment: int
    most: int
    exact: bool

    def rows(self, received: int) -> int:
        """Number of rows of the returned tensors if not expanded.

        ``received``: how many of them are filled.
        """
        return received if self.exact else self.ranks * self.most

    def expanded(self, aligned: Ints, top_k: int) -> int:
        """The number of rows of the returned tensors if expanded.

        ``aligned``: rows of each expert.
        """
        if self.exact:
            return int(aligned.sum())
        local = len(aligned)
        most = self.ranks * self.most * min(top_k, local) + (self.alignment - 1) * local
        return -(-most // self.alignment) * self.alignment


def handle(
    expand: bool, sizes: Sizes, counts: Any, way: Way, topk_idx: Any, num_sms: int, experts: int
) -> EPHandle:
    """The handle of a dispatch, with everything that is known before its tokens arrive."""
    top_k = way.topk_idx.shape[1]
    aligned = -(-np.asarray(counts) // sizes.alignment) * sizes.alignment
    begin = aligned.cumsum() - aligned
    come = np.asarray(way.routed.by_source)
    per_place = come.reshape(-1, sizes.inside).sum(axis=0)
    rows = sizes.rows(way.rows)
    return EPHandle(
        do_expand=expand, num_experts=experts, expert_alignment=sizes.alignment,
        num_max_tokens_per_rank=sizes.most, num_sms=num_sms, topk_idx=topk_idx,
        num_recv_tokens=rows, num_expanded_tokens=sizes.expanded(aligned, top_k),
        num_recv_tokens_per_expert_list=aligned.tolist() if sizes.exact else [],
        psum_num_recv_tokens_per_scaleup_rank=ints(per_place.cumsum()),
        psum_num_recv_tokens_per_expert=ints(begin + counts if expand else begin + aligned),
        num_unaligned_recv_tokens_per_expert=ints(counts),
        recv_src_metadata=memory((rows, top_k + 2), torch.int32).fill_(-1),
        dst_buffer_slot_idx=_rows_there(way), way=way,
    )  # fmt: skip


def _rows_there(way: Way) -> torch.Tensor:
    expert_ranks = way.parcels.expert_ranks
    sent = copied(needed(way.topk_idx, expert_ranks.rank, expert_ranks.ranks))
    row = in_slots(sent, places(way.topk_idx, expert_ranks)).row
    begin = np.append(sent.counts.cumsum() - sent.counts, 0)[places(way.topk_idx, expert_ranks)]
    return ints(np.where(row >= 0, row - begin, -1))


def known(way: Way, arrived: Arrived, made: EPHandle) -> tuple[Ints, Ints]:
    """Fill in the experts and slots of each returned row.

    Returns the source rank and token of each.
    """
    way.local[...] = arrived.topk_idx[way.order]
    way.slots[...] = -1
    if made.do_expand:
        aligned = array_of(made.psum_num_recv_tokens_per_expert).astype(np.int64)
        begin = aligned - array_of(made.num_unaligned_recv_tokens_per_expert)
        here = way.local >= 0
        expert = way.local[here]
        order = sorted_by(expert, max(len(begin), 1))
        each = np.bincount(expert, minlength=len(begin))
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order)) - np.repeat(each.cumsum() - each, each)
        way.slots[here] = begin[expert] + place
    source = np.repeat(np.arange(len(arrived.by_source)), arrived.by_source)
    return source[way.order], arrived.token[way.order].astype(np.int64)


def described(made: EPHandle, source: tuple[Ints, Ints], inside: int, domains: int) -> None:
    """Fill in `EPHandle.recv_src_metadata`: for each row its source token, place and slots."""
    rank, token = source
    way, top_k = made.way, made.way.local.shape[1]
    last = top_k - 1 - (way.local[:, ::-1] >= 0).argmax(axis=1) if top_k else 0
    place = rank % inside
    if domains > 1:
        each = np.bincount(place, minlength=inside)
        place = np.arange(len(place)) - (each.cumsum() - each)[place]
    rows = array_of(made.recv_src_metadata)[: way.rows]
    rows[:, 0] = rank * made.num_max_tokens_per_rank + token
    rows[:, 1] = place * top_k + last
    rows[:, 2:] = way.slots


class Out:
    """The tensors that a dispatch returns; `fill` fills them once tokens and weights are in."""

    def __init__(
        self, made: EPHandle, wanted: Wanted, come: TokenLoad, weights: NDArray[np.float32] | None
    ) -> None:
        self._made, self._wanted, self._come, self._weights = made, wanted, come, weights
        expand, top_k = wanted.do_expand, made.way.topk_idx.shape[1]
        rows = made.num_expanded_tokens if expand else made.num_recv_tokens
        self._x = memory((rows, come.hidden), come.numbers.dtype)
        self._scales = None if come.scales is None else self._room(come.scales, rows)
        self.x: Any = self._x if self._scales is None else (self._x, self._scales)
        self.topk_idx = None if expand else memory((rows, top_k), torch.int64)
        shape = (rows,) if expand else (rows, top_k)
        self.topk_weights = None if weights is None else memory(shape, torch.float32)

    def _room(self, scales: torch.Tensor, rows: int) -> torch.Tensor:
        if not self._wanted.by_columns or scales.dim() == 1:
            return memory((rows, *scales.shape[1:]), scales.dtype)
        column = -(-rows // _COLUMN_ALIGNMENT) * _COLUMN_ALIGNMENT
        strides = (1, column)
        return torch.empty_strided((rows, scales.shape[1]), strides, dtype=scales.dtype)

    def fill(self) -> None:
        """Copy the received rows into the returned tensors, in the order of the handle."""
        way = self._made.way
        if self._wanted.do_expand:
            row, slot = np.nonzero(way.slots >= 0)
            self._expand(way.order[row], way.slots[row, slot], slot)
        else:
            self._plain(way.order)

    def _plain(self, order: Ints) -> None:
        rows = len(order)
        _bytes(self._x)[:rows] = rows_of(self._come.numbers)[order]
        if self._scales is not None and self._come.scales is not None:
            self._scales[:rows] = self._come.scales[torch.from_numpy(order)]
        if self.topk_idx is not None:
            self.topk_idx[:rows] = torch.from_numpy(self._made.way.local)
        if self.topk_weights is not None and self._weights is not None:
            self.topk_weights[:rows] = torch.from_numpy(self._weights[order])

    def _expand(self, row: Ints, to: Ints, slot: Ints) -> None:
        into = torch.from_numpy(to)
        _bytes(self._x)[to] = rows_of(self._come.numbers)[row]
        if self._scales is not None and self._come.scales is not None:
            self._scales[into] = self._come.scales[torch.from_numpy(row)]
        if self.topk_weights is not None and self._weights is not None:
            self.topk_weights[into] = torch.from_numpy(self._weights[row, slot])
        if self._wanted.do_zero_padding:
            self._pad(to)

    def _pad(self, filled: Ints) -> None:
        gap = np.ones(len(self._x), bool)
        gap[filled] = False
        _bytes(self._x)[gap] = 0
        for each in (self._scales, self.topk_weights):
            if each is not None:
                each[torch.from_numpy(gap)] = 0


def _bytes(tensor: torch.Tensor) -> NDArray[np.uint8]:
    """The memory of a tensor of this file's, to be written."""
    rows: NDArray[np.uint8] = rows_of(tensor)
    return rows


def together(found: TokenLoad, weights: torch.Tensor) -> TokenLoad:
    """The tokens with their weights appended to their scales, to travel in one message."""
    parts = [] if found.scales is None else [rows_of(found.scales)]
    return TokenLoad(
        found.numbers, torch.from_numpy(np.concatenate([*parts, rows_of(weights)], axis=1))
    )


def apart(
    come: TokenLoad, like: TokenLoad, weights: torch.Tensor | None
) -> tuple[TokenLoad, NDArray[np.float32] | None]:
    """The tokens and weights that `together` has joined, as views of the same memory."""
    if weights is None or come.scales is None:
        return come, None
    mixed = come.scales
    at = mixed.shape[1] - weights.shape[1] * 4
    carried = array_of(mixed)[:, at:].view(np.float32)
    if like.scales is None:
        return TokenLoad(come.numbers, None), carried
    scales = mixed[:, :at].view(like.scales.dtype)
    return TokenLoad(come.numbers, scales.view(len(mixed), *like.scales.shape[1:])), carried


def results(x: Any, made: EPHandle) -> torch.Tensor:
    """The argument ``x`` of a combine, a row for each returned one; raises `TokenError`."""
    y = expect(x, "x", torch.bfloat16, (None, None)).detach()
    last = int(made.way.slots.max(initial=-1))
    if made.do_expand and len(y) <= last:
        raise TokenError(f"x has {len(y)} rows; the dispatch has filled row {last}")
    if not made.do_expand and len(y) != made.num_recv_tokens:
        raise TokenError(f"x has {len(y)} rows; the dispatch returned {made.num_recv_tokens}")
    return y


def by_row(topk_weights: Any, made: EPHandle, rows: int) -> NDArray[np.float32]:
    """The weights of the received rows, by source; 0 where the expert is elsewhere.

    Raises `TokenError`.
    """
    way = made.way
    shape = (rows,) if made.do_expand else (rows, way.local.shape[1])
    given = array_of(expect(topk_weights, "topk_weights", torch.float32, shape))
    if made.do_expand:
        weights = np.append(given, np.float32(0))[way.slots]
    else:
        weights = np.where(way.local >= 0, given[: way.rows], np.float32(0))
    home: NDArray[np.float32] = by_source(weights, way)
    return home


def by_source(rows: Array, way: Way) -> Array:
    """Returned rows rearranged into the order of arrival, which is by source."""
    back = np.empty((way.rows, *rows.shape[1:]), rows.dtype)
    back[way.order] = rows[: way.rows]
    return back


def each_result(rows: Array, way: Way, ranks: int) -> tuple[Array, Ints]:
    """The results of all choices by source, token and slot, and their number by rank."""
    slots = by_source(way.slots, way)
    made = slots >= 0
    source = np.repeat(np.arange(ranks), way.routed.by_source)
    here = np.bincount(source, weights=made.sum(axis=1), minlength=ranks).astype(np.int64)
    return rows[slots[made]], here
