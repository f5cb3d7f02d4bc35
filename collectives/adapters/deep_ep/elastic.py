"""`ElasticBuffer`, the buffer class of DeepEP's V2."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from collectives.adapters.deep_ep import expanding
from collectives.adapters.deep_ep.buffer import Bias
from collectives.adapters.deep_ep.cuda import installed
from collectives.adapters.deep_ep.domains import domains
from collectives.adapters.deep_ep.event import Arrival, EventHandle, EventOverlap, waited
from collectives.adapters.deep_ep.expanding import Sizes
from collectives.adapters.deep_ep.handle import EPHandle, Way
from collectives.adapters.deep_ep.normal import summed_bias
from collectives.adapters.deep_ep.parcels import empty
from collectives.adapters.deep_ep.runtime import event_of
from collectives.adapters.deep_ep.slots import BySlot, each_choice, straight
from collectives.adapters.deep_ep.tensors import TokenLoad, load, rows_of
from collectives.adapters.groups import communicator, size_of
from collectives.adapters.token_arguments import (
    MOST,
    MOST_BYTES,
    choices,
    expect,
    in_range,
    ints,
    told,
)
from collectives.moe.tensors import TokenError, bfloat16, flag, integer
from collectives.moe.tokens.quantise import weighted
from topology.arguments import shown

ALIGNMENT = 2 << 20
"""Bytes: sizes of buffers are multiples of it, as in DeepEP."""

SMS = 24
"""The answer where DeepEP would compute how many processors of a GPU to use: there are none."""

_TOP_K = 32
"""Choices that a token has at most, where a size is asked for before that is known."""


class ElasticBuffer:
    """Dispatch and combine of a group of ranks, with names, shapes and orders of DeepEP's V2.

    The scale-up domain of a rank is the ranks that it shares the UB plane with, see `domains`.
    Errors are those of `Buffer`.
    """

    def __init__(
        self, group: Any, num_bytes: int | None = None, num_cpu_bytes: int = 0,
        num_max_tokens_per_rank: int = 0, hidden: int = 0, num_topk: int = 0,
        use_fp8_dispatch: bool = False, deterministic: bool = False,
        allow_hybrid_mode: bool = True, allow_multiple_reduction: bool = True,
        prefer_overlap_with_compute: bool = True, sl_idx: int = 3, num_allocated_qps: int = 0,
        num_cpu_timeout_secs: int = 300, num_gpu_timeout_secs: int = 100,
        explicitly_destroy: bool = False,
    ) -> None:  # fmt: skip
        """``group``: of torch.distributed, or a `Communicator`. Give ``num_bytes``, or the settings
        that `get_buffer_size_hint` takes. ``deterministic``: rows come by source rank and token;
        else by the place of the source in its domain first. ``allow_hybrid_mode``: tokens go once
        to each domain. ``allow_multiple_reduction``: results may be rounded between.
        """  # noqa: D205
        self._comm = communicator(group)
        self.group, self.rank_idx, self.num_ranks = group, self._comm.rank, self._comm.size
        with told(self._comm):
            self.allow_hybrid_mode = flag(allow_hybrid_mode, "allow_hybrid_mode")
            self.allow_multiple_reduction = flag(
                allow_multiple_reduction, "allow_multiple_reduction"
            )
            self.prefer_overlap_with_compute = flag(
                prefer_overlap_with_compute, "prefer_overlap_with_compute"
            )
            self.deterministic = flag(deterministic, "deterministic")
            self.explicitly_destroy = flag(explicitly_destroy, "explicitly_destroy")
            flag(use_fp8_dispatch, "use_fp8_dispatch")
            self.num_max_tokens_per_rank = integer(
                num_max_tokens_per_rank, "num_max_tokens_per_rank", 0, MOST
            )
            if integer(num_cpu_bytes, "num_cpu_bytes", 0):
                raise TokenError(
                    f"num_cpu_bytes is {shown(num_cpu_bytes)}; it can be 0: memory of the host is"
                    " for Engram, which is not here"
                )
            qps = integer(num_allocated_qps, "num_allocated_qps", 0, MOST)
            self.num_rdma_ranks, self.num_nvlink_ranks = domains(self.num_ranks)
            if num_bytes is None:
                self.num_bytes = _size(
                    self.num_ranks, num_max_tokens_per_rank, hidden, num_topk,
                    self.allow_multiple_reduction,
                )  # fmt: skip
            else:
                self.num_bytes = integer(num_bytes, "num_bytes", 1, MOST_BYTES)
        hybrid = self.allow_hybrid_mode and self.num_rdma_ranks > 1
        self.num_scaleout_ranks = self.num_rdma_ranks if hybrid else 1
        self.num_scaleup_ranks = self.num_ranks // self.num_scaleout_ranks
        self.scaleout_rank_idx, self.scaleup_rank_idx = divmod(
            self.rank_idx, self.num_scaleup_ranks
        )
        self.num_allocated_qps = qps or (129 if self.allow_hybrid_mode else 17)
        self._parcels: dict[tuple[object, ...], BySlot] = {}

    def destroy(self) -> None:
        """Release everything.

        Only for a buffer made with ``explicitly_destroy``, else `TokenError`.
        """
        if not self.explicitly_destroy:
            raise TokenError("destroy() is only for one made with explicitly_destroy=True")
        self._parcels.clear()

    @staticmethod
    def get_buffer_size_hint(
        group: Any, num_max_tokens_per_rank: int, hidden: int, num_topk: int = 0,
        use_fp8_dispatch: bool = False, allow_hybrid_mode: bool = True,
        allow_multiple_reduction: bool = True,
    ) -> int:  # fmt: skip
        """The bytes that ``num_bytes`` must be: the most that a rank can receive.

        The formula is Triplane's own, not DeepEP's.
        """
        size = size_of(group)
        return _size(size, num_max_tokens_per_rank, hidden, num_topk, allow_multiple_reduction)

    @staticmethod
    def capture() -> EventHandle:
        """An event on the current stream; here all earlier work is already over."""
        return EventHandle()

    def get_comm_stream(self) -> Any:
        """The communication stream: that of the stand-in for torch.cuda, else the CPU's."""
        return torch.cuda.current_stream() if installed() else torch.cpu.Stream()

    def get_physical_domain_size(self) -> tuple[int, int]:
        """The number of scale-up domains, and the ranks in each."""
        return self.num_rdma_ranks, self.num_nvlink_ranks

    def get_logical_domain_size(self) -> tuple[int, int]:
        """The number of domains for dispatch and combine, and the ranks in each."""
        return self.num_scaleout_ranks, self.num_scaleup_ranks

    def get_theoretical_num_sms(self, num_experts: int, num_topk: int, *_: Any, **__: Any) -> int:
        """The number of SMs that DeepEP would use; always `SMS` here."""
        return SMS

    def get_theoretical_num_qps(self, num_sms: int) -> int:
        """The number of queue pairs that DeepEP would use."""
        wanted = num_sms * 16 + 1 if self.allow_hybrid_mode else min(num_sms, 9)
        return min(wanted, self.num_allocated_qps)

    def barrier(
        self, use_comm_stream: bool = True, with_cpu_sync: bool = False, sequential: bool = True
    ) -> None:
        """Return when all ranks have called it."""
        self._comm.barrier()

    def dispatch(
        self, x: torch.Tensor | tuple[torch.Tensor, torch.Tensor],
        topk_idx: torch.Tensor | None = None, topk_weights: torch.Tensor | None = None,
        cumulative_local_expert_recv_stats: torch.Tensor | None = None,
        num_experts: int | None = None, num_max_tokens_per_rank: int | None = None,
        expert_alignment: int | None = None, num_sms: int = 0, num_qps: int = 0,
        previous_event: Any = None, previous_event_before_epilogue: Any = None,
        async_with_compute_stream: bool = False, allocate_on_comm_stream: bool = False,
        handle: EPHandle | None = None, do_handle_copy: bool = True,
        do_cpu_sync: bool | None = None, do_expand: bool = False, do_zero_padding: bool = False,
        use_tma_aligned_col_major_sf: bool = False,
    ) -> tuple[Any, torch.Tensor | None, torch.Tensor | None, EPHandle, EventOverlap]:  # fmt: skip
        """Send each token once to each rank that hosts one of its experts.

        ``x``: as in `Buffer.dispatch`. ``handle``: of an earlier dispatch, whose layout is used
        again; then there is no ``topk_idx``. ``do_cpu_sync`` False: the returned tensors have room
        for all that could arrive. ``do_expand``: a row for each choice, by expert, each expert's
        rows rounded up to the alignment. ``use_tma_aligned_col_major_sf``: scales are stored by
        columns.

        Returns what was received; the experts here that a token chose, -1 for others (None if
        expanded); their weights (one a row if expanded); a handle; an event. Raises `TokenError`.
        """
        with told(self._comm):
            _waited(previous_event, previous_event_before_epilogue)
            later = flag(async_with_compute_stream, "async_with_compute_stream")
            if handle is not None:
                _of_here(handle)
            shape = expanding.wanted(
                do_expand, do_zero_padding, use_tma_aligned_col_major_sf, handle
            )
            sms, keeps = self._units(num_sms, num_qps), flag(do_handle_copy, "do_handle_copy")
            synchronous = None if do_cpu_sync is None else flag(do_cpu_sync, "do_cpu_sync")
            found = load(x)
            if handle is not None:
                given = (num_experts, expert_alignment, num_max_tokens_per_rank)
                _agrees(handle, found, topk_idx, given, synchronous)
                chosen, experts = handle.way.topk_idx, handle.num_experts
            else:
                most = self._most(num_max_tokens_per_rank)
                alignment = 1 if expert_alignment is None else expert_alignment
                sizes = self._sizes(alignment, most, synchronous is not False)
                chosen = self._chosen(found, topk_idx, num_experts, most)
                experts = integer(num_experts, "num_experts", 1, MOST)
            weights = _weights(topk_weights, chosen.shape)
            _countable(cumulative_local_expert_recv_stats, experts // self.num_ranks)
        if handle is not None:
            return self._again(found, weights, handle, shape, later,
                               cumulative_local_expert_recv_stats)  # fmt: skip
        parcels = self._for(found, experts)
        arrived, routed, work = parcels.dispatch(found, chosen, weights, async_op=later)
        way = self._way(parcels, routed, chosen, arrived)
        _count(cumulative_local_expert_recv_stats, arrived.counts)
        kept = topk_idx.clone() if keeps and topk_idx is not None else topk_idx
        with told(self._comm):
            made = expanding.handle(shape.do_expand, sizes, arrived.counts, way, kept, sms, experts)
            out = expanding.Out(made, shape, parcels.unpacked(arrived), arrived.topk_weights)

        def finish() -> None:
            source = expanding.known(way, arrived, made)
            expanding.described(made, source, self.num_scaleup_ranks, self.num_scaleout_ranks)
            out.fill()

        way.arrival = Arrival(work, finish)
        event = event_of("dispatch", way.arrival, asynchronous=later)
        return out.x, out.topk_idx, out.topk_weights, made, event

    def combine(
        self, x: torch.Tensor, handle: EPHandle, topk_weights: torch.Tensor | None = None,
        bias: Bias = None, num_sms: int = 0, num_qps: int = 0, previous_event: Any = None,
        previous_event_before_epilogue: Any = None, async_with_compute_stream: bool = False,
        allocate_on_comm_stream: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None, EventOverlap]:  # fmt: skip
        """Add up the ranks' results for each token, without weights: ``[tokens, hidden]``.

        ``x``: bfloat16, a row for each that the dispatch returned. ``topk_weights``: float32, a row
        for each too; returned for each token, ``[tokens, top_k]``. ``bias``: the initial value of
        the sums. The order of sums is that of DeepEP's reference, see
        `collectives.adapters.deep_ep.slots`. Returns the sums, the weights (None without), an
        event. Raises `TokenError`.
        """
        with told(self._comm):
            _waited(previous_event, previous_event_before_epilogue)
            later = flag(async_with_compute_stream, "async_with_compute_stream")
            self._units(num_sms, num_qps)
            _of_here(handle)
            way = handle.way
            way.arrival.wait()
            y = expanding.results(x, handle)
            each = handle.do_expand and not self.allow_multiple_reduction
            if each and topk_weights is not None:
                raise TokenError("expanded topk_weights need allow_multiple_reduction=True")
            start = summed_bias(bias, len(way.topk_idx), y.shape[1])
            weights = (
                None if topk_weights is None else expanding.by_row(topk_weights, handle, len(y))
            )
        rows = rows_of(y).view(bfloat16())
        routed = replace(way.routed, top_k=way.topk_idx.shape[1])
        if each:
            results, here = expanding.each_result(rows, way, self.num_ranks)
            routed = each_choice(routed, way.topk_idx, here)
        else:
            results = expanding.by_source(_reduced(rows, way) if handle.do_expand else rows, way)
            if not self.allow_multiple_reduction:
                routed = straight(routed, way.topk_idx)
        parcels = self._for(TokenLoad(y[:0], None), way.parcels.expert_ranks.experts)
        total, total_weights, work = parcels.combine(
            results, routed, weights, start=start, async_op=later
        )
        event = event_of("combine", Arrival(work), asynchronous=later)
        home = torch.from_numpy(total.view(np.int16)).view(torch.bfloat16)
        return home, None if weights is None else torch.from_numpy(total_weights), event

    def _again(
        self, found: TokenLoad, weights: torch.Tensor | None, handle: EPHandle,
        shape: expanding.Wanted, asynchronous: bool, counted: torch.Tensor | None,
    ) -> tuple[Any, torch.Tensor | None, torch.Tensor | None, EPHandle, EventOverlap]:  # fmt: skip
        way = handle.way
        way.arrival.wait()
        _count(counted, handle.num_unaligned_recv_tokens_per_expert)
        both = found if weights is None else expanding.together(found, weights)
        parcels = self._for(both, way.parcels.expert_ranks.experts)
        arrived, _, work = parcels.dispatch(both, handle=way.routed, async_op=asynchronous)
        come, come_weights = expanding.apart(parcels.unpacked(arrived), found, weights)
        with told(self._comm):
            out = expanding.Out(handle, shape, come, come_weights)
        event = event_of("dispatch", Arrival(work, out.fill), asynchronous=asynchronous)
        return out.x, out.topk_idx, out.topk_weights, handle, event

    def _chosen(
        self, found: TokenLoad, topk_idx: Any, num_experts: int | None, most: int
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        if topk_idx is None or num_experts is None:
            raise TokenError("without a handle both topk_idx and num_experts have to be given")
        num_experts = integer(num_experts, "num_experts", 1, MOST)
        if num_experts % self.num_ranks:
            raise TokenError(
                f"num_experts is {num_experts}; it has to be a multiple of the {self.num_ranks}"
                " ranks"
            )
        if found.tokens > most:
            raise TokenError(
                f"x has {found.tokens} tokens, and num_max_tokens_per_rank is {most}; it has to be"
                f" {found.tokens} or more"
            )
        chosen = choices(topk_idx, found.tokens)
        in_range(chosen, num_experts)
        token = rows_of(found.numbers[:1]).size or found.hidden * found.numbers.element_size()
        if found.scales is not None:
            token += found.scales[:1].numel() * 4
        takes = self.num_ranks * most * (token + chosen.shape[1] * 12)
        if self.num_bytes < takes:
            raise TokenError(
                f"num_bytes is {self.num_bytes}; {self.num_ranks} ranks with {most} tokens of"
                f" {token} bytes take {takes}, see ElasticBuffer.get_buffer_size_hint"
            )
        return chosen

    def _units(self, num_sms: Any, num_qps: Any) -> int:
        """How many processors are told of; raises `TokenError` for more queue pairs than there are.

        Neither has any effect.
        """
        sms = integer(num_sms, "num_sms", 0, MOST) or SMS
        integer(num_qps, "num_qps", 0, self.num_allocated_qps)
        return sms

    def _most(self, given: Any) -> int:
        """Tokens of a rank at most."""
        if given is None:
            return integer(self.num_max_tokens_per_rank, "num_max_tokens_per_rank", 1, MOST)
        return integer(given, "num_max_tokens_per_rank", 1, MOST)

    def _sizes(self, alignment: Any, most: int, exact: bool) -> Sizes:
        each = integer(alignment, "expert_alignment", 1, MOST)
        return Sizes(self.num_ranks, self.num_scaleup_ranks, each, most, exact)

    def _way(self, parcels: BySlot, routed: Any, chosen: Any, arrived: Any) -> Way:
        come = np.asarray(arrived.by_source)
        order = np.arange(len(arrived.x))
        if self.num_scaleout_ranks > 1 and not self.deterministic:
            source = np.repeat(np.arange(self.num_ranks), come)
            order = np.argsort(source % self.num_scaleup_ranks, kind="stable")
        none = np.empty((len(order), chosen.shape[1]), np.int64)
        return Way(parcels, routed, chosen, order, none, none.copy())

    def _for(self, found: TokenLoad, experts: int) -> BySlot:
        key = found.words, found.hidden, experts
        if key not in self._parcels:
            width = self.num_scaleup_ranks if self.num_scaleout_ranks > 1 else None
            self._parcels[key] = BySlot(
                self._comm, empty(found), experts=experts, expert_alignment=1, ranks_per_node=width
            )
        return self._parcels[key]


def _size(ranks: int, tokens: Any, hidden: Any, top_k: Any, multiple: bool) -> int:
    most = integer(tokens, "num_max_tokens_per_rank", 0, MOST)
    hidden, top_k = integer(hidden, "hidden", 0, MOST), integer(top_k, "num_topk", 0, MOST)
    if not most or not hidden:
        raise TokenError(
            f"num_max_tokens_per_rank is {most} and hidden {hidden}; without num_bytes both have to"
            " be 1 or more"
        )
    choices_of_each = top_k or _TOP_K
    token = hidden * 2 + -(-hidden // 32) * 4 + choices_of_each * 12
    whole: int = ranks * most * token * (1 if multiple else choices_of_each)
    return -(-whole // ALIGNMENT) * ALIGNMENT


def _waited(*events: Any) -> None:
    for event, what in zip(
        events, ("previous_event", "previous_event_before_epilogue"), strict=True
    ):
        waited(event, what)


def _of_here(handle: Any) -> None:
    if not isinstance(handle, EPHandle):
        raise TokenError(f"handle is a {type(handle).__name__}; it has to be an EPHandle")


def _agrees(
    handle: EPHandle, found: TokenLoad, topk_idx: Any, given: tuple[Any, Any, Any],
    do_cpu_sync: bool | None,
) -> None:  # fmt: skip
    if topk_idx is not None or do_cpu_sync:
        raise TokenError("a dispatch with a handle has neither topk_idx nor do_cpu_sync")
    if found.tokens != len(handle.way.topk_idx):
        raise TokenError(
            f"x has {found.tokens} tokens; the handle is of {len(handle.way.topk_idx)}"
        )
    names = ("num_experts", "expert_alignment", "num_max_tokens_per_rank")
    for what, value in zip(names, given, strict=True):
        has = getattr(handle, what)
        if value is not None and integer(value, what, 0) != has:
            raise TokenError(f"{what} is {shown(value)}; that of the handle is {has}")


def _weights(topk_weights: Any, shape: tuple[int, ...]) -> torch.Tensor | None:
    if topk_weights is None:
        return None
    found = expect(topk_weights, "topk_weights", torch.float32, shape)
    return found.detach().contiguous()


def _countable(counted: Any, local: int) -> None:
    if counted is not None:
        expect(counted, "cumulative_local_expert_recv_stats", torch.int32, (local,))


def _count(counted: torch.Tensor | None, counts: Any) -> None:
    if counted is not None:
        counted += ints(counts)


def _reduced(rows: Any, way: Way) -> Any:
    """The results of the choices of each received row, added up by slot."""
    total = np.empty((way.rows, rows.shape[1]), rows.dtype)
    weighted(rows, way.slots, np.ones(way.slots.shape, np.float32), total)
    return total
