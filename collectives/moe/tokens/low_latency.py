"""The low-latency mode with real tokens: a row for every choice, into buffers fixed beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.calls.buffers import name_of
from collectives.calls.communicator import Communicator
from collectives.calls.staging import Staging, fits
from collectives.calls.work import Work
from collectives.moe.routing.expert_ranks import ExpertRanks, expert_ranks
from collectives.moe.routing.routing import Ints
from collectives.moe.schedules.formats import Format, message_given
from collectives.moe.schedules.low_latency import counted_combine, counted_dispatch
from collectives.moe.tensors import (
    MOST_CHANNELS,
    MOST_TOKENS,
    Array,
    Room,
    TokenError,
    array_of,
    flag,
    floats,
    integer,
    integers,
    like,
    modes,
    result_given,
    room_for,
)
from collectives.moe.tokens.arrivals import Arrivals, mapped
from collectives.moe.tokens.described import routing_facts, token_facts
from collectives.moe.tokens.loading import load_kernels, row_kernels
from collectives.moe.tokens.part_of import low_latency_rows
from collectives.moe.tokens.quantise import Wire, encode
from collectives.moe.tokens.scratch import Scratch
from collectives.moe.tokens.selection import Selected, selected
from collectives.moe.tokens.slot_transfer import Returns, Tokens
from collectives.moe.tokens.staged_slots import ArrivalCounts, StagedResults, StagedTokens
from fabric.ranks.execution import PreparedCall
from fabric.ranks.message_moves import timed_as
from fabric.schedule.counts import RankCounts
from fabric.schedule.plan import plan_of_own_rows

IN_FLIGHT = 2
"""Dispatches whose results have not been combined: so many buffers there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """What a dispatch has received. Rows of an expert come by (source rank, token), without gaps.

    ``x``: ``[local experts, ranks * max_tokens, hidden]`` of the wire's type; only the first
    ``counts[e]`` rows of an expert are filled. ``scales``: ``[local experts, rows, ...]``, see
    `Wire.scales`, or None. ``counts``: int64 ``[local experts]``. ``token``: int32 ``[local
    experts, rows]``, the row of each token at its source. ``by_source``: int64 ``[local experts,
    ranks]``, how many of the rows come from each source.

    It lies in one of two fixed buffers: the dispatch after the next overwrites it.
    """

    x: Any
    scales: Any
    counts: NDArray[np.int64]
    token: Any
    by_source: NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Handle:
    """What combine needs of a dispatch; it is good for one combine, see `release`.

    ``number``: how many handles of the layer were before.
    """

    owner: "LowLatency"
    chosen: Selected
    choices: Ints  # [tokens, top_k]
    by_source: Ints  # [ranks, local experts]
    tokens: int
    dtype: np.dtype[Any]
    given: Any
    slot: int
    number: int = 0

    def release(self) -> None:
        """Release the buffer without a combine."""
        self.owner._busy.pop(self.slot, None)


class LowLatency:
    """Dispatch and combine of few tokens a rank, as in decoding.

    ``experts``: how many in all, or on each rank (`expert_ranks`). ``hidden``: channels of a token.
    ``max_tokens``: that a rank brings at most. ``wire``: "as-is", "int8", "fp8" or a `Wire`.
    ``message``: the format that a dispatched token is timed as; None: `Wire.format`.
    ``result_size``: bytes that a result is timed as; None: its real size. ``repeats``: whether a
    token may choose an expert more than once; each such choice has a row and a weight of its own,
    and a rank may then have at most ``max_tokens`` choices of one expert. ``rows``: of each
    expert's buffer, enough for what all ranks may send; None: ``ranks * max_tokens``. ``reuse``:
    whether the two buffers are taken in turn though nobody combined or released them, as in DeepEP;
    a handle is then good for any number of combines.

    All ranks make one with the same arguments, and the same calls. Wrong arguments raise
    `TokenError` at the rank that passed them, and `RankFailed` with the same message at every
    other; ranks whose calls do not fit together raise `CallMismatch`.
    """

    def __init__(
        self, comm: Communicator, *, experts: int | Sequence[int], hidden: int, max_tokens: int,
        wire: str | Wire = "as-is", message: Format | None = None, result_size: int | None = None,
        repeats: bool = False, rows: int | None = None, reuse: bool = False,
    ) -> None:  # fmt: skip
        load_kernels()
        self.comm, self.hidden = comm, integer(hidden, "hidden", 1, MOST_CHANNELS)
        self.max_tokens = integer(max_tokens, "max_tokens", 1, MOST_TOKENS)
        self.expert_ranks: ExpertRanks = expert_ranks(experts, comm.size)
        self.wire = wire if isinstance(wire, Wire) else Wire(wire)
        self.wire.check(self.hidden)
        self._message = message_given(message, self.hidden)
        self._result_size = result_given(result_size)
        self._repeats, self._reuse = flag(repeats, "repeats"), flag(reuse, "reuse")
        self._rows = None if rows is None else integer(rows, "rows", 1)
        self._rooms: dict[tuple[int, np.dtype[Any]], Arrivals] = {}
        self._made: dict[tuple[int, np.dtype[Any]], Array] = {}
        self._busy: dict[int, Handle] = {}
        self._scratch = [Scratch() for _ in range(IN_FLIGHT)]
        self._works: list[list[Work]] = [[] for _ in range(IN_FLIGHT)]
        self._next, self._handles = 0, count()
        self._described: dict[tuple[str, np.dtype[Any]], str] = {}

    @property
    def local_experts(self) -> int:
        """Number of experts that this rank hosts."""
        return int(self.expert_ranks.local[self.comm.rank])

    @property
    def rows(self) -> int:
        """Number of rows of each expert's buffer."""
        return self.comm.size * self.max_tokens if self._rows is None else self._rows

    def dispatch(
        self, x: Any, topk_idx: Any, *, async_op: bool = False, timeout: float | None = None
    ) -> tuple[Received, Handle, Work]:
        """Send each token to the experts that it has chosen.

        Returns what arrived here, a handle, a work.

        ``x``: ``[tokens, hidden]``, numpy or CPU torch, of bfloat16, float16 or float32.
        ``topk_idx``: integers ``[tokens, top_k]``, the experts of each token, all different, or -1
        where none is chosen. With ``async_op`` the rows have arrived when the `Work` has been
        waited for, and ``x`` must not change until then; the call itself waits until every rank has
        made it, which takes no emulated time. Raises `TokenError`, `WorldError`.
        """
        try:
            async_op, timeout = modes(async_op, timeout)
            array, choices = self._checked(x, topk_idx)
            chosen = selected(choices, self.expert_ranks, repeats=self._repeats)
            self._fit(chosen)
            slot = self._slot()
            room = self._room(slot, array.dtype)
        except TokenError as error:
            self.comm.refuse(self._named(error))
        comm, dtype, words = self.comm, array.dtype, self._words(array.dtype)
        staging, encoded = self._staging(dtype), encode(array, self.wire)
        tokens: Tokens | None = None
        if staging is not None:
            staged = StagedTokens(staging, encoded, chosen, self.expert_ranks)
            counted, told = self._fetched(staged, words, room, timeout)
        else:
            tokens = Tokens(comm, encoded, chosen, self.expert_ranks)
            counted, source = self._told(chosen, tokens, words, timeout)
        handle = Handle(
            self, chosen, choices, counted.by_source, len(array), dtype, x, slot,
            next(self._handles),
        )  # fmt: skip
        if not self._reuse:
            self._busy[slot] = handle
        received = self._received(x, room, counted)
        if tokens is None and comm.is_untimed("dispatch"):  # and all of it was done
            return received, handle, told
        size = (self._message or self.wire.format("low-latency", dtype)).size(self.hidden)
        rounds, finish = [], None
        if tokens is not None:
            rounds = tokens.rounds(source, counted.by_source, room, self._scratch[slot])
            finish = tokens.finish
        work = comm.exchange(
            self._timed(words, handle, "dispatch", size), rounds, finish,
            async_op=async_op, timeout=timeout,
        )  # fmt: skip
        self._works[slot].append(work)
        return received, handle, work

    def results(self, handle: Handle) -> Any:
        """A buffer for the ``y`` of a combine, with undefined content, reused like `Received`.

        ``[local experts, ranks * max_tokens, hidden]`` of the type of ``x``. It saves new memory at
        each call.
        """
        key = handle.slot, handle.dtype
        if key not in self._made:
            shape = (self.local_experts, self.rows, self.hidden)
            self._made[key] = mapped(shape, handle.dtype)
        return like(handle.given, self._made[key])

    def combine(
        self, y: Any, handle: Handle, topk_weights: Any, *, out: Any = None,
        result_size: int | None = None, async_op: bool = False, timeout: float | None = None,
    ) -> tuple[Any, Work]:  # fmt: skip
        """Bring results back to their tokens and add them up, weighted: ``[tokens, hidden]``.

        ``y``: a result for each received row, in the shape of `Received.x` and the type of ``x``.
        ``topk_weights``: ``[tokens, top_k]``. The sum is float32 over the slots, first to last,
        each product rounded and then each sum; it is rounded to the type of ``x`` at the end.
        ``out``: where it goes; None: into new memory. ``result_size``: as for the whole layer, for
        this call. Until the call is over, ``y`` must not change. Raises `TokenError`, `WorldError`.
        """
        try:
            async_op, timeout = modes(async_op, timeout)
            timed_size = result_given(result_size) or self._result_size
            results, weights, home = self._results(y, handle, topk_weights, out)
        except TokenError as error:
            self.comm.refuse(self._named(error))
        comm, dtype, by_source = self.comm, handle.dtype, handle.by_source
        size = timed_size or self.hidden * dtype.itemsize
        words, staging = self._words(dtype, "combine"), self._staging(dtype)
        given = like(handle.given, home.array) if out is None else out

        def over() -> None:
            home.deliver()
            handle.release()

        if staging is not None:
            staged = StagedResults(staging, results, by_source, self.expert_ranks, comm.rank)
            told = np.empty_like(staged.tell)

            def add_up() -> None:
                staged.add_up(told, handle.chosen, handle.choices, weights, home.array)
                over()

            if comm.is_untimed("combine") and not async_op:
                work = comm.inform(
                    told, staged.tell, words, add_up, operation="combine", timeout=timeout
                )
                return given, work
            rounds, finish = comm.telling.rounds(told, staged.tell), add_up
        else:
            rows = Returns(comm, handle.chosen, self.expert_ranks, results, by_source,
                           self._scratch[handle.slot])  # fmt: skip
            rounds = rows.rounds(weights, home.array)

            def finish() -> None:
                rows.finish()
                over()

        work = comm.exchange(
            self._timed(words, handle, "combine", size, weights), rounds, finish,
            async_op=async_op, timeout=timeout,
        )  # fmt: skip
        self._works[handle.slot].append(work)
        return given, work

    def handle_of(self, choices: Ints, by_source: Ints, results: Any) -> Handle:
        """The handle that a dispatch of ``choices`` would have left, to combine without one.

        For layers with ``reuse``. ``choices``: ``[tokens, top_k]``, checked; ``by_source``:
        ``[ranks, local experts]``, the rows of each rank; ``results``: what will be combined, or
        anything of that type.
        """
        kind, tokens = array_of(results).dtype, len(choices)
        chosen = selected(choices, self.expert_ranks, repeats=True)
        return Handle(
            self, chosen, choices, by_source, tokens, kind, results, 0, next(self._handles)
        )

    def _timed(
        self, words: str, handle: Handle, operation: str, size: int, weights: Array | None = None
    ) -> PreparedCall:
        """The call that takes the time of this dispatch or combine, of messages of ``size``.

        ``weights``: of a combine.
        """
        comm, local = self.comm, self.expert_ranks.local
        untimed = comm.untimed(words, operation)
        if untimed is not None:
            return untimed
        schedule = {"dispatch": counted_dispatch, "combine": counted_combine}[operation]
        counts = RankCounts(comm.rank, handle.chosen.sent, handle.by_source.sum(axis=1))
        mine = plan_of_own_rows(schedule(counts, local, size), comm.size, comm.rank)
        back, timed, facts = operation == "combine", None, None
        if comm.copies > 1:
            timed = low_latency_rows(
                counts, local, size, back=back, copies=comm.copies, number=handle.number
            )
        if comm.records:
            number = handle.number
            facts = token_facts("low-latency", counts, size, number, back=back, local=local)
            if weights is not None:  # of a combine, which alone knows them
                experts = self.expert_ranks.experts
                facts["routing"] = routing_facts(handle.choices, weights, experts)
        return timed_as(words, mine, operation, timed, facts)

    # Dispatch.

    def _checked(self, x: Any, topk_idx: Any) -> tuple[Array, Ints]:
        array = floats(x, "x", (None, self.hidden))
        if len(array) > self.max_tokens:
            raise TokenError(
                f"x has {len(array)} tokens, and the buffers were made for {self.max_tokens};"
                f" max_tokens has to be {len(array)} or more"
            )
        choices = integers(topk_idx, "topk_idx", (len(array), None))
        if len(self._busy) == IN_FLIGHT:
            raise TokenError(
                f"{IN_FLIGHT} dispatches are in flight, for which there are buffers; combine or"
                " release one of them first"
            )
        return array, choices

    def _fit(self, chosen: Selected) -> None:
        """Raise `TokenError` where a rank's choices of an expert are more than it has rows for."""
        if self._repeats and chosen.counts.max() > self.max_tokens:
            expert, most = chosen.counts.argmax(), chosen.counts.max()
            raise TokenError(
                f"expert {expert} is chosen {most} times, and the buffers were made for"
                f" {self.max_tokens}; max_tokens has to be {most} or more"
            )

    def _named(self, error: TokenError) -> TokenError:
        return TokenError(f"rank {self.comm.rank}: {error}")

    def _words(self, dtype: np.dtype[Any], operation: str = "dispatch") -> str:
        key = operation, dtype
        if key not in self._described:
            self._described[key] = (
                f"low_latency.{operation}({name_of(dtype)}[<= {self.max_tokens}, {self.hidden}],"
                f" {self.expert_ranks.words}, {self.wire.words})"
            )
        return self._described[key]

    def _staging(self, dtype: np.dtype[Any]) -> Staging | None:
        size = self.max_tokens * self.hidden * dtype.itemsize
        return self.comm.staging if fits(size, self.comm.size) else None

    def _fetched(
        self, tokens: StagedTokens, words: str, room: Arrivals, timeout: float | None
    ) -> tuple[ArrivalCounts, Work]:
        """Bring ``tokens`` into ``room``, and others' out of it."""
        told, local, ranks = np.empty_like(tokens.tell), self.local_experts, self.comm.size
        counted = ArrivalCounts(
            np.empty((ranks, local), np.int64), np.empty((local, ranks), np.int64),
            np.empty(local, np.int64),
        )  # fmt: skip

        def fetch() -> None:
            tokens.fetch(told, room, counted)

        return counted, self.comm.inform(
            told, tokens.tell, f"counts of {words}", fetch, timeout=timeout
        )

    def _told(
        self, chosen: Selected, tokens: Tokens, words: str, timeout: float | None
    ) -> tuple[ArrivalCounts, Ints]:
        """What comes here, and where it lies: what each rank has told of `Tokens.places`."""
        most, places = self.expert_ranks.most, tokens.places
        mine = np.empty((len(places), most + places.shape[1]), np.int64)
        row_kernels().tell_counts(chosen.counts, self.expert_ranks.local, mine)
        mine[:, most:] = places
        told = np.empty_like(mine)
        self.comm.inform(told, mine, f"counts of {words}", timeout=timeout)
        by_source = np.ascontiguousarray(told[:, : self.local_experts])
        by_expert = np.ascontiguousarray(by_source.T)
        return ArrivalCounts(by_source, by_expert, by_source.sum(axis=0)), told[:, most:].copy()

    def _slot(self) -> int:
        slot = self._next if self._next not in self._busy else 1 - self._next
        self._next = 1 - slot
        for work in self._works[slot]:  # over already, unless a handle was released before its time
            work.wait()
        self._works[slot].clear()
        return slot

    def _room(self, slot: int, dtype: np.dtype[Any]) -> Arrivals:
        key = slot, dtype
        if key not in self._rooms:
            self._rooms[key] = Arrivals(
                (self.local_experts, self.rows), self.hidden, self.wire, dtype, np.dtype(np.int32)
            )
        return self._rooms[key]

    def _received(self, x: Any, room: Arrivals, counted: ArrivalCounts) -> Received:
        whole, scales, token = room.like(x)
        return Received(whole, scales, counted.counts, token, counted.by_expert)

    # Combine.

    def _results(
        self, y: Any, handle: Handle, topk_weights: Any, out: Any
    ) -> tuple[Array, NDArray[np.float32], Room]:
        if not isinstance(handle, Handle):
            raise TokenError(
                f"handle is a {type(handle).__name__}; it has to be of a dispatch here"
            )
        over = not self._reuse and self._busy.get(handle.slot) is not handle
        if handle.owner is not self or over:
            raise TokenError("the handle is not of a dispatch in flight here: it was combined")
        name = name_of(handle.dtype)
        results = floats(y, "y", (self.local_experts, self.rows, self.hidden), name)
        weights = floats(topk_weights, "topk_weights", handle.chosen.row.shape)
        room = room_for(out, "out", (handle.tokens, self.hidden), handle.dtype)
        if out is not None and np.may_share_memory(room.array, results):
            raise TokenError("out lies in y, which other ranks read while out is filled")
        return results, weights.astype(np.float32), room
