"""The low-latency mode with real tokens: a row for every choice, into buffers fixed beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.calls.buffers import name_of
from collectives.calls.communicator import Communicator
from collectives.calls.staging import Staging
from collectives.calls.work import Work
from collectives.moe.routing.expert_ranks import ExpertRanks, expert_ranks
from collectives.moe.routing.routing import MASKED, Ints
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
from collectives.moe.tokens.loading import load_kernels
from collectives.moe.tokens.part_of import low_latency_rows
from collectives.moe.tokens.quantise import Wire, encode
from collectives.moe.tokens.scratch import Scratch
from collectives.moe.tokens.selection import Selected, check, selected
from collectives.moe.tokens.slot_transfer import Returns, Tokens
from fabric.ranks.execution import PreparedCall
from fabric.ranks.message_moves import timed_as
from fabric.schedule.counts import RankCounts
from fabric.schedule.plan import plan_of_own_rows

STAGED = 1 << 17
"""Bytes of all tokens of a rank up to which they and their results are read from copies."""

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
            chosen = selected(choices, self.expert_ranks)
            slot = self._slot()
            room = self._room(slot, array.dtype)
        except TokenError as error:
            self.comm.refuse(self._named(error))
        comm, words = self.comm, self._words(array.dtype)
        staging = self._staging(array.dtype)
        tokens = Tokens(comm, encode(array, self.wire), chosen, self.expert_ranks, staging)
        by_source, source, told = self._told(chosen, tokens, words, room, timeout)
        handle = Handle(
            self, chosen, choices, by_source, len(array), array.dtype, x, slot, next(self._handles)
        )
        if not self._reuse:
            self._busy[slot] = handle
        if staging is not None and comm.is_untimed("dispatch"):  # and all of it was done
            return self._received(x, room, by_source), handle, told
        size = (self._message or self.wire.format("low-latency", array.dtype)).size(self.hidden)
        work = comm.exchange(
            self._timed(words, handle, "dispatch", size),
            tokens.rounds(source, by_source, room, self._scratch[slot]), tokens.finish,
            async_op=async_op, timeout=timeout,
        )  # fmt: skip
        self._works[slot].append(work)
        return self._received(x, room, by_source), handle, work

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
        comm, chosen = self.comm, handle.chosen
        size = timed_size or self.hidden * handle.dtype.itemsize
        words = self._words(handle.dtype).replace("dispatch", "combine")
        rows = Returns(comm, chosen, self.expert_ranks, results, handle.by_source,
                    self._scratch[handle.slot], self._staging(handle.dtype))  # fmt: skip

        def finish() -> None:
            rows.finish()
            home.deliver()
            handle.release()

        work = comm.exchange(
            self._timed(words, handle, "combine", size, weights),
            rows.rounds(weights, home.array), finish, async_op=async_op, timeout=timeout,
        )  # fmt: skip
        self._works[handle.slot].append(work)
        return like(handle.given, home.array) if out is None else out, work

    def handle_of(self, choices: Ints, by_source: Ints, results: Any) -> Handle:
        """The handle that a dispatch of ``choices`` would have left, to combine without one.

        For layers with ``reuse``. ``choices``: ``[tokens, top_k]``, checked; ``by_source``:
        ``[ranks, local experts]``, the rows of each rank; ``results``: what will be combined, or
        anything of that type.
        """
        kind, tokens = array_of(results).dtype, len(choices)
        return Handle(
            self, selected(choices, self.expert_ranks), choices, by_source, tokens, kind, results,
            0, next(self._handles),
        )  # fmt: skip

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
        check(choices, self.expert_ranks.experts, repeats=self._repeats)
        if self._repeats:
            self._fit(choices)
        if len(self._busy) == IN_FLIGHT:
            raise TokenError(
                f"{IN_FLIGHT} dispatches are in flight, for which there are buffers; combine or"
                " release one of them first"
            )
        return array, choices

    def _fit(self, choices: Ints) -> None:
        """Raise `TokenError` where a rank's choices of an expert are more than it has rows for."""
        counts = np.bincount(choices[choices != MASKED], minlength=1)
        if counts.max() > self.max_tokens:
            raise TokenError(
                f"expert {counts.argmax()} is chosen {counts.max()} times, and the buffers were"
                f" made for {self.max_tokens}; max_tokens has to be {counts.max()} or more"
            )

    def _named(self, error: TokenError) -> TokenError:
        return TokenError(f"rank {self.comm.rank}: {error}")

    def _words(self, dtype: np.dtype[Any]) -> str:
        return (
            f"low_latency.dispatch({name_of(dtype)}[<= {self.max_tokens}, {self.hidden}],"
            f" {self.expert_ranks.words}, {self.wire.words})"
        )

    def _staging(self, dtype: np.dtype[Any]) -> Staging | None:
        few = self.max_tokens * self.hidden * dtype.itemsize <= STAGED
        return self.comm.staging if few else None

    def _told(
        self, chosen: Selected, tokens: Tokens, words: str, room: Arrivals, timeout: float | None
    ) -> tuple[Ints, Ints, Work]:
        """Of every rank: its choices of each expert here; and where they lie, of `Tokens.places`.

        ``[ranks, local experts]`` and ``[ranks, ...]``. Staged tokens are in ``room`` then.
        """
        local = self.expert_ranks.local
        most = int(local.max())
        places = tokens.places
        mine = np.zeros((len(local), most + places.shape[1]), np.int64)
        mine[:, :most][np.arange(most) < local[:, None]] = chosen.counts
        mine[:, most:] = places
        told = np.empty_like(mine)

        def by_source() -> Ints:
            return np.ascontiguousarray(told[:, : self.local_experts])

        staged = [lambda: tokens.staged(told[:, most:], by_source(), room)]
        work = self.comm.inform(
            told, mine, f"counts of {words}", staged if tokens.are_staged else (), timeout=timeout
        )
        return by_source(), told[:, most:].copy(), work

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

    def _received(self, x: Any, room: Arrivals, by_source: Ints) -> Received:
        arrays = (room.x, room.scales, room.records)
        whole, scales, token = (None if a is None else like(x, a) for a in arrays)
        return Received(
            whole, scales, by_source.sum(axis=0), token, np.ascontiguousarray(by_source.T)
        )

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
