"""The low-latency mode of V1, on `collectives.moe.LowLatency`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.adapters.deep_ep.config import low_latency_size
from collectives.adapters.deep_ep.event import Arrival
from collectives.adapters.token_arguments import MOST, choices, expect, ints, told
from collectives.calls.communicator import Communicator
from collectives.calls.work import Work
from collectives.moe.routing.routing import Ints
from collectives.moe.schedules.formats import DEEPEP_BF16
from collectives.moe.tensors import TokenError, integer
from collectives.moe.tokens import low_latency
from collectives.moe.tokens.quantise import Wire
from fabric.failure import RankLost

Made = TypeVar("Made")


class Shape(NamedTuple):
    """The sizes of a low-latency buffer; ``tokens``: that a rank brings at most."""

    tokens: int
    hidden: int
    experts: int


def shape(x: Any, tokens: Any, experts: Any) -> Shape:
    """The sizes that a dispatch was asked for; raises `TokenError`."""
    expect(x, "x", torch.bfloat16, (None, None))
    return Shape(
        integer(tokens, "num_max_dispatch_tokens_per_rank", 1, MOST),
        integer(x.shape[1], "hidden", 1, MOST), integer(experts, "num_experts", 1, MOST),
    )  # fmt: skip


class LowLatencyHandle(tuple[Any, ...]):
    """DeepEP's handle: source rows, spans by source, the most tokens, hidden size, experts.

    ``choices``: the experts that the dispatch was given, ``[tokens, top_k]``; ``live``: the ranks
    that there were.
    """

    owner: low_latency.LowLatency
    inner: low_latency.Handle
    choices: Ints
    live: Communicator

    @classmethod
    def of(
        cls, items: tuple[Any, ...], owner: low_latency.LowLatency, inner: Any, choices: Ints,
        live: Communicator,
    ) -> "LowLatencyHandle":  # fmt: skip
        """A handle with these items.

        ``inner``: that of the dispatch below, ``choices``: ``[tokens, top_k]``.
        """
        made = cls(items)
        made.owner, made.inner, made.choices, made.live = owner, inner, choices, live
        return made


@dataclass(frozen=True, slots=True)
class Got:
    """What a dispatch returns; ``received`` can be read once ``arrival`` has been waited for."""

    received: Any
    counts: torch.Tensor
    handle: LowLatencyHandle
    arrival: Arrival


def wire(use_fp8: bool, round_scale: bool, use_ue8m0: bool, use_int8: bool) -> Wire:
    """The format in which tokens travel; raises `TokenError` for flags that contradict each other.

    Without ``use_fp8`` or ``use_int8`` there are no scales, and the two flags about scales are
    ignored.
    """
    if use_int8:
        return Wire("int8", round_scale, use_ue8m0)
    return Wire("fp8", round_scale, use_ue8m0) if use_fp8 else Wire()


class Mode:
    """The low-latency mode over the ranks of ``comm`` that are not masked.

    ``masked``: one number a rank, 1 for a rank that is left out. ``shrinks``: whether ranks that
    are lost are masked, where the world goes on after a loss, and calls are made without them.
    """

    def __init__(self, comm: Communicator, num_rdma_bytes: int, *, shrinks: bool = False) -> None:
        self._comm, self._bytes = comm, num_rdma_bytes
        self._live, self._shrinks = comm, shrinks and comm.driver.survives
        self.masked: Ints = np.zeros(comm.size, np.int64)
        self._groups: dict[tuple[int, ...], Communicator] = {tuple(range(comm.size)): comm}
        self._modes: dict[tuple[object, ...], low_latency.LowLatency] = {}
        self._rooms: dict[tuple[int, ...], torch.Tensor] = {}

    def clear(self) -> None:
        """Release the buffers."""
        self._modes.clear()
        self._rooms.clear()

    def fits(self, tokens: int, hidden: int, experts: int) -> None:
        """Raise `TokenError` if the buffer is too small or experts are no multiple of ranks."""
        experts = integer(experts, "num_experts", 1, MOST)
        if experts < 1 or experts % self._comm.size:
            raise TokenError(
                f"num_experts is {experts}; it has to be a multiple of the {self._comm.size} ranks"
            )
        takes = low_latency_size(tokens, hidden, self._comm.size, experts)
        if self._bytes < takes:
            raise TokenError(
                f"num_rdma_bytes is {self._bytes}; {tokens} tokens of {hidden} channels a rank and"
                f" {experts} experts take {takes}, see Buffer.get_low_latency_rdma_size_hint"
            )

    def barrier(self) -> None:
        """Return when all ranks that are not masked have called it."""
        self._without_the_lost(lambda: self._alive()[0].barrier())

    def mask(self, rank: int, masked: bool) -> None:
        """Mask or unmask a rank; raises `TokenError` for an unknown rank."""
        self.masked[integer(rank, "rank_to_mask", 0, self._comm.size - 1)] = masked

    def unmask(self) -> None:
        """Unmask all ranks."""
        self.masked[:] = 0

    def room(self, handle: LowLatencyHandle) -> torch.Tensor:
        """The tensor for results of a combine without a copy: ``[local experts, rows, hidden]``.

        Raises `TokenError` for a wrong handle.
        """
        if not isinstance(handle, LowLatencyHandle):
            raise TokenError(
                f"handle is a {type(handle).__name__}; it has to be of a dispatch here"
            )
        mode = handle.owner
        shape = (mode.local_experts, mode.rows, mode.hidden)
        if shape not in self._rooms:
            self._rooms[shape] = torch.zeros(shape, dtype=torch.bfloat16)
        return self._rooms[shape]

    def dispatch(
        self, x: Any, topk_idx: Any, shape: Shape, wire: Wire, *, later: bool,
        counted: torch.Tensor | None, waited: torch.Tensor | None,
    ) -> Got:  # fmt: skip
        """Send each token to each expert that it has chosen; see `Buffer.low_latency_dispatch`."""
        return self._without_the_lost(
            lambda: self._dispatched(x, topk_idx, shape, wire, later, counted, waited)
        )

    def _dispatched(
        self, x: Any, topk_idx: Any, shape: Shape, wire: Wire, later: bool,
        counted: torch.Tensor | None, waited: torch.Tensor | None,
    ) -> Got:  # fmt: skip
        with told(self._comm):
            self.fits(*shape)
            comm, alive = self._alive()
            tokens = expect(x, "x", torch.bfloat16, (None, shape.hidden)).detach().contiguous()
            local = shape.experts // self._comm.size
            given = choices(topk_idx, len(tokens))
            chosen = self._remaining(given, shape.experts, local, alive)
            if counted is not None:
                expect(counted, "cumulative_local_expert_recv_stats", torch.int32, (local,))
            self._wait_costs(waited)
            mode = self._mode(comm, alive, shape, wire)
        received, inner, work = mode.dispatch(tokens, chosen, async_op=later and not self._shrinks)
        counts = ints(received.counts)
        if counted is not None:
            counted += counts
        by_source = np.zeros((local, self._comm.size), np.int64)
        by_source[:, alive] = received.by_source
        begin = by_source.cumsum(axis=1) - by_source
        spans = torch.from_numpy(begin << 32 | by_source)
        handle = LowLatencyHandle.of(
            (received.token, spans, shape.tokens, shape.hidden, shape.experts), mode, inner, given,
            self._live,
        )  # fmt: skip
        came, order = _ordered(received, wire)
        return Got(came, counts, handle, self._arrival(work, order, waited))

    def combine(
        self, x: Any, topk_idx: Any, topk_weights: Any, handle: Any, *, log_format: bool,
        in_place: bool, out: torch.Tensor | None, later: bool, waited: torch.Tensor | None,
    ) -> tuple[torch.Tensor, Arrival]:  # fmt: skip
        """Bring results back to their tokens and add them up; see `Buffer.low_latency_combine`."""
        return self._without_the_lost(
            lambda: self._combined(
                x, topk_idx, topk_weights, handle, log_format, in_place, out, later, waited
            )
        )

    def _combined(
        self, x: Any, topk_idx: Any, topk_weights: Any, handle: Any, log_format: bool,
        in_place: bool, out: torch.Tensor | None, later: bool, waited: torch.Tensor | None,
    ) -> tuple[torch.Tensor, Arrival]:  # fmt: skip
        with told(self._comm):
            room = self.room(handle)
            results = expect(x, "x", torch.bfloat16, tuple(room.shape))
            if in_place:
                results = room
            chosen = choices(topk_idx, handle.inner.tokens)
            owner, inner = handle.owner, handle.inner
            if handle.live is not self._live:
                owner, inner, results = self._moved(handle, results)
            inner = _counting(handle, inner, chosen)
            weights = expect(topk_weights, "topk_weights", torch.float32, tuple(chosen.shape))
            if out is not None:
                expect(out, "out", torch.bfloat16, (handle.inner.tokens, room.shape[-1]))
            self._wait_costs(waited)
        size = _log_format_size(room.shape[-1]) if log_format else None
        total, work = owner.combine(
            results.detach().contiguous(), inner, weights.detach(), out=out, result_size=size,
            async_op=later and not self._shrinks,
        )  # fmt: skip
        return total, self._arrival(work, None, waited)

    def _wait_costs(self, waited: Any) -> None:
        if waited is not None:
            expect(waited, "wait_recv_cost_stats", torch.int64, (self._comm.size,))

    def _without_the_lost(self, make: Callable[[], Made]) -> Made:
        """What ``make`` returns, which is called again when a rank was lost, without that.

        As in DeepEP, which masks a rank that it waits for in vain, if it is told that it may.
        """
        while True:
            try:
                return make()
            except RankLost as error:
                if not self._shrinks or error.op is None:
                    raise
            self._live = self._alive()[0].shrink()
            self._groups.clear()
            self._modes.clear()
            self._mask_the_lost()

    def _mask_the_lost(self) -> None:
        if self._live is not self._comm:
            there = np.isin(self._comm.members, self._live.members)
            self.masked[~there] = 1

    def _moved(
        self, handle: LowLatencyHandle, results: torch.Tensor
    ) -> tuple[low_latency.LowLatency, low_latency.Handle, torch.Tensor]:
        """What a combine takes of a dispatch that ranks took part in which are lost since.

        Rows that came from these are left out of the results.
        """
        (comm, alive), owner = self._alive(), handle.owner
        shape = Shape(*handle[2:])
        local = shape.experts // self._comm.size
        mode = self._mode(comm, alive, shape, owner.wire)
        spans = handle[1].numpy()
        count, begin = spans & 0xFFFFFFFF, spans >> 32
        kept = torch.zeros_like(results)
        for expert in range(local):
            ends = zip(begin[expert, alive], count[expert, alive], strict=True)
            rows = np.concatenate([np.arange(first, first + size) for first, size in ends])
            kept[expert, : len(rows)] = results[expert, rows]
        chosen = self._remaining(handle.choices, shape.experts, local, alive)
        by_source = np.ascontiguousarray(count[:, alive].T)
        return mode, mode.handle_of(chosen, by_source, kept), kept

    def _alive(self) -> tuple[Communicator, NDArray[np.int64]]:
        self._mask_the_lost()
        alive = np.flatnonzero(self.masked == 0)
        key = tuple(alive.tolist())
        if key not in self._groups:
            members, live = self._comm.members, self._live
            found = live.group([live.members.index(members[rank]) for rank in key])
            if found is None:
                raise TokenError("this rank is masked: it takes no part in the low-latency mode")
            self._groups[key] = found
        return self._groups[key], alive

    def _remaining(
        self, chosen: NDArray[np.int64], experts: int, local: int, alive: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Choices with the remaining ranks' expert numbers; -1 for those of ranks that are gone."""
        if len(alive) == self._comm.size:
            return chosen
        wrong = (chosen < -1) | (chosen >= experts)
        number = np.full(experts + 1, -1)
        number[:experts].reshape(-1, local)[alive] = np.arange(len(alive) * local).reshape(
            -1, local
        )
        return np.where(wrong, chosen, number[np.where(wrong, -1, chosen)])

    def _mode(
        self, comm: Communicator, alive: NDArray[np.int64], shape: Shape, wire: Wire
    ) -> low_latency.LowLatency:
        key = (*shape, wire, tuple(alive.tolist()))
        if key not in self._modes:
            self._modes[key] = low_latency.LowLatency(
                comm, experts=shape.experts // self._comm.size * len(alive), hidden=shape.hidden,
                max_tokens=shape.tokens, rows=self._comm.size * shape.tokens, wire=wire,
                message=DEEPEP_BF16 if wire.kind == "as-is" else None, repeats=True, reuse=True,
            )  # fmt: skip
        return self._modes[key]

    def _arrival(
        self, work: Work, order: Callable[[], None] | None, waited: torch.Tensor | None
    ) -> Arrival:
        """``waited``: int64 [ranks], to which emulated ns of waiting are added; None: no such."""
        if waited is None:
            return Arrival(work, order)
        comm = self._comm

        def finish() -> None:
            begin = comm.now()
            work.wait()
            if order is not None:
                order()
            waited.add_(round((comm.now() - begin) * 1e9))

        return TimedArrival(work, finish)


class TimedArrival(Arrival):
    """An `Arrival` whose ``finish`` waits by itself."""

    def wait(self) -> None:
        """Return when the call's results have been filled in."""
        finish, self._finish = self._finish, None
        if finish is not None:
            finish()


def _ordered(received: Any, wire: Wire) -> tuple[Any, Callable[[], None] | None]:
    """What is returned, and what to do on arrival: scales lie by columns."""
    if received.scales is None:
        return received.x, None
    if wire.kind == "int8":
        return (received.x, received.scales), None
    experts, rows, columns = received.scales.shape
    # Of one column torch takes any stride for contiguous, but views only 1 as another type.
    strides = (columns * rows, 1, rows if columns > 1 else 1)
    scales = torch.empty_strided((experts, rows, columns), strides, dtype=received.scales.dtype)

    def order() -> None:
        scales.copy_(received.scales)

    return (received.x, scales), order


def _counting(
    handle: LowLatencyHandle, inner: low_latency.Handle, chosen: Ints
) -> low_latency.Handle:
    """``inner`` without the choices that were masked since; raises `TokenError` for others."""
    if chosen.shape != handle.choices.shape:
        raise TokenError(
            f"topk_idx has the shape {list(chosen.shape)}; that of the dispatch had"
            f" {list(handle.choices.shape)}"
        )
    kept = chosen >= 0
    other = np.argwhere(kept & (chosen != handle.choices))
    if len(other):
        token, slot = other[0]
        raise TokenError(
            f"topk_idx[{token}, {slot}] is expert {chosen[token, slot]}; in the dispatch it was"
            f" {handle.choices[token, slot]}, and can only be masked since"
        )
    if kept.all():
        return inner
    row = np.where(kept, inner.chosen.row, -1)
    return replace(inner, chosen=replace(inner.chosen, row=row))


def _log_format_size(hidden: int) -> int:
    """Bytes of a result in DeepEP's LogFMT: 10 bits a channel, two bounds for each 128 of them."""
    return hidden * 10 // 8 + hidden // 128 * 4
