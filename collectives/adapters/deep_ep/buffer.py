"""`Buffer`, the buffer class of DeepEP's V1."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch

from collectives.adapters.deep_ep import low_latency, normal
from collectives.adapters.deep_ep.config import NODE, Config, low_latency_size, recommended, room
from collectives.adapters.deep_ep.cuda import installed
from collectives.adapters.deep_ep.event import Arrival, EventHandle, EventOverlap, waited
from collectives.adapters.deep_ep.memory import Memory
from collectives.adapters.deep_ep.parcels import Parcels
from collectives.adapters.deep_ep.runtime import Runtime, event_of
from collectives.adapters.deep_ep.tensors import TokenLoad, load
from collectives.adapters.groups import communicator
from collectives.adapters.token_arguments import MOST, MOST_BYTES, choices, expect, ints, told
from collectives.moe.tensors import TokenError, flag, integer

Bias = torch.Tensor | tuple[torch.Tensor, ...] | None

Layout = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor, EventOverlap]
"""What `Buffer.get_dispatch_layout` returns."""

Hook = Callable[[], None] | None
"""What has to be called before a result is there."""


class Buffer:
    """Dispatch and combine of a group of ranks, with names, shapes and orders of DeepEP's V1.

    A call with wrong arguments raises `TokenError` at the rank that made it, and `RankFailed` with
    the same message at every other rank.
    """

    num_sms: ClassVar[int] = 20

    def __init__(
        self, group: Any, num_nvl_bytes: int = 0, num_rdma_bytes: int = 0,
        low_latency_mode: bool = False, num_qps_per_rank: int = 24,
        allow_nvlink_for_low_latency_mode: bool = True, allow_mnnvl: bool = False,
        explicitly_destroy: bool = False, enable_shrink: bool = False, comm: Any = None,
    ) -> None:  # fmt: skip
        """``group``: of torch.distributed, or a `Communicator`; or ``comm``: of mpi4py.

        Of the rest only the sizes, ``low_latency_mode``, ``explicitly_destroy`` and
        ``enable_shrink`` mean anything. With the last, the low-latency mode masks ranks that are
        lost, and goes on, where the world does (``on_loss="shrink"``).
        """
        self._comm = communicator(group, comm)
        self.rank, self.group_size = self._comm.rank, self._comm.size
        self.group = comm if group is None else group
        with told(self._comm):
            self.num_nvl_bytes = integer(num_nvl_bytes, "num_nvl_bytes", 0, MOST_BYTES)
            self.num_rdma_bytes = integer(num_rdma_bytes, "num_rdma_bytes", 0, MOST_BYTES)
            integer(num_qps_per_rank, "num_qps_per_rank", 1, MOST)
            self.low_latency_mode = flag(low_latency_mode, "low_latency_mode")
            self.enable_shrink = flag(enable_shrink, "enable_shrink")
            self.explicitly_destroy = flag(explicitly_destroy, "explicitly_destroy")
        nodes = self.group_size > NODE and self.group_size % NODE == 0
        self._width = NODE if nodes else None
        self.runtime: Runtime | None = Runtime(self.rank, self.group_size, NODE)
        self._memory = Memory(self.num_nvl_bytes, self.num_rdma_bytes)
        self._parcels: dict[tuple[object, ...], Parcels] = {}
        self._low_latency = low_latency.Mode(
            self._comm, self.num_rdma_bytes, shrinks=self.enable_shrink
        )

    def destroy(self) -> None:
        """Release the memory.

        Only for a buffer made with ``explicitly_destroy``, else `TokenError`.
        """
        if not self.explicitly_destroy:
            raise TokenError("destroy() is only for a Buffer made with explicitly_destroy=True")
        self.runtime = None
        self._memory = Memory(0, 0)
        self._parcels.clear()
        self._low_latency.clear()

    @staticmethod
    def is_sm90_compiled() -> bool:
        """True: FP8 tensors are available."""
        return True

    @staticmethod
    def set_num_sms(new_num_sms: int) -> None:
        """Set ``num_sms`` of the recommended configs; raises `TokenError` for an odd number."""
        number = integer(new_num_sms, "num_sms", 0, MOST)
        if number % 2:
            raise TokenError(f"num_sms is {number}; it has to be even")
        Buffer.num_sms = number

    @staticmethod
    def capture() -> EventOverlap:
        """An event on the current stream; here all earlier work is already over."""
        return EventOverlap(EventHandle())

    @staticmethod
    def get_low_latency_rdma_size_hint(
        num_max_dispatch_tokens_per_rank: int, hidden: int, num_ranks: int, num_experts: int
    ) -> int:
        """The bytes that ``num_rdma_bytes`` must be for the low-latency mode.

        Raises `TokenError`.
        """
        return low_latency_size(num_max_dispatch_tokens_per_rank, hidden, num_ranks, num_experts)

    def get_comm_stream(self) -> Any:
        """The communication stream: that of the stand-in for torch.cuda, else the CPU's."""
        return torch.cuda.current_stream() if installed() else torch.cpu.Stream()

    def get_local_buffer_tensor(
        self, dtype: torch.dtype, size: torch.Size | None = None, offset: int = 0,
        use_rdma_buffer: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        """A tensor over the buffer's memory from item ``offset`` on.

        Raises `TokenError` if it is too small.
        """
        return self._memory.tensor(dtype, size, offset, use_rdma_buffer)

    @staticmethod
    def get_dispatch_config(num_ranks: int) -> Config:
        """The recommended `Config` for a dispatch over ``num_ranks`` ranks, any number."""
        return recommended("dispatch", num_ranks, Buffer.num_sms)

    @staticmethod
    def get_combine_config(num_ranks: int) -> Config:
        """The recommended `Config` for a combine over ``num_ranks`` ranks, any number."""
        return recommended("combine", num_ranks, Buffer.num_sms)

    # The normal mode.

    def get_dispatch_layout(
        self, topk_idx: torch.Tensor, num_experts: int, previous_event: Any = None,
        async_finish: bool = False, allocate_on_comm_stream: bool = False,
    ) -> Layout:  # fmt: skip
        """Which token goes to which rank: the arguments for `dispatch`.

        Returns the number of tokens for each rank, for each node (None within one), for each expert
        (int32 each), whether a token goes to a rank, bool ``[tokens, ranks]``, and an event. Raises
        `TokenError`.
        """
        with told(self._comm):
            waited(previous_event)
            later = flag(async_finish, "async_finish")
            found = choices(topk_idx)
            per_rank, per_expert, flags = normal.layout(found, num_experts, self.group_size)
        per_node = None
        if self._width is not None:
            nodes = normal.by_node(flags, self._width)
            per_node = ints(nodes.sum(axis=0))
        event = event_of("layout", Arrival(None), asynchronous=later)
        return ints(per_rank), per_node, ints(per_expert), torch.from_numpy(flags), event

    def dispatch(
        self, x: torch.Tensor | tuple[torch.Tensor, torch.Tensor],
        handle: normal.NormalHandle | None = None, num_tokens_per_rank: torch.Tensor | None = None,
        num_tokens_per_rdma_rank: torch.Tensor | None = None,
        is_token_in_rank: torch.Tensor | None = None,
        num_tokens_per_expert: torch.Tensor | None = None, topk_idx: torch.Tensor | None = None,
        topk_weights: torch.Tensor | None = None, expert_alignment: int = 1,
        num_worst_tokens: int = 0, config: Config | None = None, previous_event: Any = None,
        async_finish: bool = False, allocate_on_comm_stream: bool = False,
    ) -> tuple[Any, Any, Any, Any, Any, EventOverlap]:  # fmt: skip
        """Send each token once to each rank that hosts one of its experts.

        ``x``: bfloat16 ``[tokens, hidden]``, or float8_e4m3fn or int8 numbers with their scales.
        The other arguments are results of `get_dispatch_layout`, or the ``handle`` of an earlier
        dispatch, whose layout is used again. ``num_worst_tokens``: number of rows to return,
        whatever arrives.

        Returns what was received, by source and token; the experts here that a token chose, -1 for
        others, and their weights; how many tokens chose each expert here, rounded up to the
        alignment (empty with ``num_worst_tokens``); a handle; an event. Raises `TokenError`.
        """
        with told(self._comm):
            waited(previous_event)
            later = flag(async_finish, "async_finish")
            alignment = integer(expert_alignment, "expert_alignment", 1, MOST)
            worst = integer(num_worst_tokens, "num_worst_tokens", 0, MOST)
            found = load(x)
            layout = (num_tokens_per_rank, num_tokens_per_rdma_rank, is_token_in_rank,
                      num_tokens_per_expert)  # fmt: skip
            if handle is not None:
                route = normal.route_of(handle)
                normal.again(route, found.tokens, (topk_idx, topk_weights), worst, layout)
                columns = 0
            else:
                wanted = normal.asked(
                    found.tokens, self.group_size, num_tokens_per_rank, is_token_in_rank,
                    num_tokens_per_expert, topk_idx, topk_weights, num_tokens_per_rdma_rank,
                    self._width,
                )  # fmt: skip
                columns = 0 if wanted.topk_idx is None else wanted.topk_idx.shape[1]
            self._fits(found, columns, self.get_dispatch_config, config)
        if handle is not None:
            return self._again(found, route, later)
        return self._first(found, wanted, alignment, worst, later)

    internode_dispatch = dispatch

    def combine(
        self, x: torch.Tensor, handle: normal.NormalHandle,
        topk_weights: torch.Tensor | None = None, bias: Bias = None,
        config: Config | None = None, previous_event: Any = None,
        async_finish: bool = False, allocate_on_comm_stream: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None, EventOverlap]:  # fmt: skip
        """Add up the ranks' results for each token, without weights: ``[tokens, hidden]``.

        ``x``: bfloat16, a row for each that the dispatch returned. ``topk_weights``: float32
        ``[rows, top_k]``, added up likewise. ``bias``: the initial value of the sums. Sums are
        float32 over ranks, ascending (over several nodes first within each, rounded), and are
        rounded to the type of ``x``. Returns the sums, the summed weights (None without), an event.
        Raises `TokenError`.
        """
        with told(self._comm):
            waited(previous_event)
            later = flag(async_finish, "async_finish")
            route = normal.route_of(handle)
            route.arrival.wait()
            results = normal.results(x, route)
            start = normal.summed_bias(bias, route.routed.tokens, results.hidden)
            weights = normal.home_weights(topk_weights, route)
            columns = 0 if weights is None else int(weights.shape[1])
            self._fits(results, columns, self.get_combine_config, config)
            parcels = self._of(results, route.parcels)
            routed = route.routed if weights is None else replace(route.routed, top_k=columns)
        total, total_weights, work = parcels.combine(
            results.numbers, routed, weights, start=start, async_op=later
        )
        return total, total_weights, event_of("combine", Arrival(work), asynchronous=later)

    internode_combine = combine

    def _first(
        self,
        found: TokenLoad,
        wanted: normal.DispatchArguments,
        alignment: int,
        worst: int,
        async_finish: bool,
    ) -> tuple[Any, Any, Any, Any, Any, EventOverlap]:
        sent, counts = normal.exchanged(self._comm, wanted)
        chosen = wanted.topk_idx
        parcels = self._for(found, self.group_size if chosen is None else wanted.experts)
        ids = normal.as_choices(wanted.in_rank) if chosen is None else chosen
        arrived, routed, work = parcels.dispatch(
            found, ids, wanted.topk_weights, async_op=async_finish
        )
        arrival = Arrival(work)
        route = normal.Route(parcels, routed, arrived, arrival, wanted, worst)
        handle = normal.handle(route, wanted, sent, self.rank, self._width)
        out = parcels.unpacked(arrived)
        idx, weights = (
            None if chosen is None or each is None else torch.from_numpy(each)
            for each in (arrived.topk_idx, arrived.topk_weights)
        )
        listed = (-(-counts // alignment) * alignment).tolist()
        if worst:
            with told(self._comm):
                out, idx, weights, arrival = normal.in_worst(out, idx, weights, worst, arrival)
            listed = []
        event = event_of("dispatch", arrival, asynchronous=async_finish)
        return _given(out), idx, weights, listed, handle, event

    def _again(
        self, found: TokenLoad, route: normal.Route, async_finish: bool
    ) -> tuple[Any, None, None, None, None, EventOverlap]:
        route.arrival.wait()
        parcels = self._of(found, route.parcels)
        arrived, _, work = parcels.dispatch(found, handle=route.routed, async_op=async_finish)
        out, arrival = parcels.unpacked(arrived), Arrival(work)
        if route.worst:
            none = torch.empty((out.tokens, 0), dtype=torch.int64)
            out, _, _, arrival = normal.in_worst(out, none, None, route.worst, arrival)
        event = event_of("dispatch", arrival, asynchronous=async_finish)
        return _given(out), None, None, None, None, event

    def _for(self, found: TokenLoad, experts: int) -> Parcels:
        key = (*_kind(found), experts)
        if key not in self._parcels:
            self._parcels[key] = Parcels(
                self._comm, normal.remembered(found), experts=experts, expert_alignment=1,
                ranks_per_node=self._width, repeats=True,
            )  # fmt: skip
        return self._parcels[key]

    def _of(self, found: TokenLoad, parcels: Parcels) -> Parcels:
        """Those for such tokens, on the hosts of others."""
        return self._for(found, parcels.expert_ranks.experts)

    def _fits(
        self, found: TokenLoad, top_k: int, default: Callable[[int], Config], config: Any
    ) -> None:
        """Raise `TokenError` for a config that cannot be, and where the buffers have no room."""
        scales = 0 if found.scales is None else found.scales[:1].numel() * 4
        token = found.hidden * found.numbers.element_size() + scales + top_k * 12
        room(
            default(self.group_size) if config is None else config, self.group_size,
            self._width is not None, token, self.num_nvl_bytes, self.num_rdma_bytes,
        )  # fmt: skip

    # The low-latency mode.

    def clean_low_latency_buffer(
        self, num_max_dispatch_tokens_per_rank: int, hidden: int, num_experts: int
    ) -> None:
        """Check that the buffers fit the low-latency mode; all ranks meet.

        There is nothing to clean here.

        Raises `TokenError` if they are too small.
        """
        with told(self._comm):
            self._low_latency.fits(num_max_dispatch_tokens_per_rank, hidden, num_experts)
        self._low_latency.barrier()

    def low_latency_dispatch(
        self, x: torch.Tensor, topk_idx: torch.Tensor, num_max_dispatch_tokens_per_rank: int,
        num_experts: int, cumulative_local_expert_recv_stats: torch.Tensor | None = None,
        dispatch_wait_recv_cost_stats: torch.Tensor | None = None, use_fp8: bool = True,
        round_scale: bool = False, use_ue8m0: bool = False, async_finish: bool = False,
        return_recv_hook: bool = False, *, use_int8: bool = False,
    ) -> tuple[Any, torch.Tensor, low_latency.LowLatencyHandle, EventOverlap, Hook]:  # fmt: skip
        """Send each token to each expert that it has chosen.

        ``use_int8`` is not in DeepEP: INT8 with a float32 scale a token, ``[local experts, rows]``.

        Returns what was received for each expert here, ``[local experts, ranks * max, hidden]`` by
        source and token, with scales as DeepEP orders their memory; how many rows, int32; a handle;
        an event; and with ``return_recv_hook`` a function to call before the rows are used. Raises
        `TokenError`.
        """
        with told(self._comm):
            later, hooked = _either(async_finish, return_recv_hook)
            wire = low_latency.wire(
                flag(use_fp8, "use_fp8"), flag(round_scale, "round_scale"),
                flag(use_ue8m0, "use_ue8m0"), flag(use_int8, "use_int8"),
            )  # fmt: skip
            shape = low_latency.shape(x, num_max_dispatch_tokens_per_rank, num_experts)
        got = self._low_latency.dispatch(
            x, topk_idx, shape, wire, later=later or hooked,
            counted=cumulative_local_expert_recv_stats, waited=dispatch_wait_recv_cost_stats,
        )  # fmt: skip
        hook = got.arrival.wait if hooked else None
        event = event_of("dispatch", got.arrival, asynchronous=later, hooked=hooked)
        return got.received, got.counts, got.handle, event, hook

    def low_latency_combine(
        self, x: torch.Tensor, topk_idx: torch.Tensor, topk_weights: torch.Tensor,
        handle: low_latency.LowLatencyHandle, use_logfmt: bool = False, zero_copy: bool = False,
        async_finish: bool = False, return_recv_hook: bool = False,
        out: torch.Tensor | None = None, combine_wait_recv_cost_stats: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, EventOverlap, Hook]:  # fmt: skip
        """Bring results back to their tokens and add them up, weighted by ``topk_weights``.

        ``x``: bfloat16, in the shape that the dispatch returned. ``use_logfmt``: time it as
        DeepEP's 10-bit format; the numbers themselves stay bfloat16. ``zero_copy``: ``x`` is
        already in the tensor of `get_next_low_latency_combine_buffer`. ``out``: the tensor for the
        sums, ``[tokens, hidden]``. Returns the sums, an event, and a receive hook or None. Raises
        `TokenError`.
        """
        with told(self._comm):
            later, hooked = _either(async_finish, return_recv_hook)
            log_format, in_place = flag(use_logfmt, "use_logfmt"), flag(zero_copy, "zero_copy")
        total, arrival = self._low_latency.combine(
            x, topk_idx, topk_weights, handle, log_format=log_format, in_place=in_place, out=out,
            later=later or hooked, waited=combine_wait_recv_cost_stats,
        )  # fmt: skip
        hook = arrival.wait if hooked else None
        event = event_of("combine", arrival, asynchronous=later, hooked=hooked)
        return total, event, hook

    def get_next_low_latency_combine_buffer(
        self, handle: low_latency.LowLatencyHandle
    ) -> torch.Tensor:
        """The tensor for results of a combine with ``zero_copy``.

        ``[local experts, rows, hidden]``, bfloat16. Raises `TokenError` for a wrong handle.
        """
        with told(self._comm):
            return self._low_latency.room(handle)

    def low_latency_update_mask_buffer(self, rank_to_mask: int, mask: bool = False) -> None:
        """Mask a rank in the low-latency mode from now on, or, with ``mask`` False, unmask it.

        Every rank that is not masked calls this alike; a masked one may call it, too.
        """
        with told(self._comm):
            self._low_latency.mask(rank_to_mask, flag(mask, "mask"))

    def low_latency_query_mask_buffer(self, mask_status: torch.Tensor) -> None:
        """Fill ``mask_status``, int32 ``[ranks]``, with 1 for each rank that is masked, else 0."""
        with told(self._comm):
            expect(mask_status, "mask_status", torch.int32, (self.group_size,))
        mask_status.copy_(ints(self._low_latency.masked))

    def low_latency_clean_mask_buffer(self) -> None:
        """Unmask all ranks."""
        self._low_latency.unmask()


def _kind(found: TokenLoad) -> tuple[object, ...]:
    return found.words, found.hidden


def _given(found: TokenLoad) -> Any:
    return found.numbers if found.scales is None else (found.numbers, found.scales)


def _either(async_finish: Any, return_recv_hook: Any) -> tuple[bool, bool]:
    """Both, as one of them at most may be."""
    both = flag(async_finish, "async_finish"), flag(return_recv_hook, "return_recv_hook")
    if all(both):
        raise TokenError("async_finish and return_recv_hook exclude each other")
    return both
