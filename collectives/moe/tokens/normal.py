"""The normal mode with real tokens: exact sizes, a token once to each rank that needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.calls.buffers import NOTHING as NO_BUFFER
from collectives.calls.buffers import name_of
from collectives.calls.communicator import Communicator
from collectives.calls.untimed import Rounds
from collectives.calls.work import Work
from collectives.moe.routing.expert_ranks import ExpertRanks, expert_ranks
from collectives.moe.routing.routing import Ints
from collectives.moe.schedules import two_level
from collectives.moe.schedules.formats import Format, message_given
from collectives.moe.schedules.normal import CHUNKS, counted_combine, counted_dispatch
from collectives.moe.tensors import (
    MOST_CHANNELS,
    Array,
    Room,
    TokenError,
    flag,
    floats,
    integer,
    integers,
    like,
    modes,
    result_given,
    room_for,
)
from collectives.moe.tokens.arrivals import Arrivals, Recycled
from collectives.moe.tokens.counts_exchange import CountsLayout
from collectives.moe.tokens.described import routing_facts, token_facts
from collectives.moe.tokens.loading import load_kernels
from collectives.moe.tokens.part_of import normal_rows
from collectives.moe.tokens.quantise import Wire, encode, given_encoded, weighted
from collectives.moe.tokens.rank_transfer import NOTHING, Direct, DispatchPayload, Relayed, ones
from collectives.moe.tokens.scratch import Scratches
from collectives.moe.tokens.selection import check, needed
from collectives.moe.tokens.staged_rows import Came, StagedRows, StagedSums
from fabric.ranks.execution import PreparedCall
from fabric.ranks.message_moves import timed_as
from fabric.schedule.counts import RankCounts
from fabric.schedule.plan import plan_of_own_rows

MOST_ALIGNMENT = 1 << 31
"""What counts of experts are rounded up to at most."""

MOST_CHUNKS = 1 << 10
"""Chunks that two levels are timed in at most: ranks tell each other counts of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """What a dispatch has received: a row for each token that needs this rank, by (source, token).

    ``x``: ``[rows, hidden]`` of the wire's type; ``scales``: ``[rows, ...]``, see `Wire.scales`, or
    None. ``topk_idx``: int64 ``[rows, top_k]``, experts by their place on this rank, -1 for others;
    ``topk_weights``: float32 of that shape, 0 for others; None if none were given. ``token``: int32
    ``[rows]``, the row of each token at its source. These three are None for a dispatch with a
    handle. ``by_source``: int64 ``[ranks]``, how many rows come from each source. ``counts``: int64
    ``[local experts]``, how many rows chose each, rounded up to the alignment.
    """

    x: Any
    scales: Any
    topk_idx: Any
    topk_weights: Any
    token: Any
    by_source: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Routed:
    """The handle of a dispatch: for its combine, and for others of the same layout.

    ``tokens``: how many this rank sent; ``top_k``: choices of each; ``dtype``: of the results, None
    for any; ``counts``: as in `Arrived`; ``known``: what the two levels are timed by;
    ``choices``: of experts on each rank, this rank's, and of experts here, each rank's; ``number``:
    how many handles of the layer were before. ``staged``: whether others read copies of what came.
    """

    path: Direct | Relayed
    tokens: int
    top_k: int
    dtype: np.dtype[Any] | None
    counts: NDArray[np.int64]
    known: two_level.ChunkCounts | None
    choices: tuple[NDArray[np.int64], NDArray[np.int64]]
    number: int
    staged: bool = False

    @property
    def by_source(self) -> NDArray[np.int64]:
        """The number of tokens that came from each rank: int64 ``[ranks]``."""
        return self.path.received

    @property
    def sent(self) -> NDArray[np.int64]:
        """Copies that this rank sent to each rank, or to each node where there are two levels."""
        return self.path.sent.counts


class Normal:
    """Dispatch and combine of many tokens a rank, as in prefill and training.

    ``experts``: how many in all, or on each rank (`expert_ranks`). ``hidden``: channels of a token.
    ``wire``: "as-is", "int8", "fp8" or a `Wire`. ``expert_alignment``: what counts of experts are
    rounded up to. ``ranks_per_node``: a token then goes once to each node, and on from there; None:
    once to each rank. ``chunks``: that the two levels are timed in. ``message``: the format that a
    dispatched token is timed as; None: `Wire.format`. ``result_size``: bytes that a result is timed
    as; None: its real size. ``repeats``: whether a token may choose an expert more than once; it
    goes once to its rank, and each such choice keeps its own slot and weight.

    Calls and errors as in `collectives.moe.LowLatency`.
    """

    def __init__(
        self, comm: Communicator, *, experts: int | Sequence[int], hidden: int,
        wire: str | Wire = "as-is", expert_alignment: int = 1, ranks_per_node: int | None = None,
        chunks: int = CHUNKS, message: Format | None = None, result_size: int | None = None,
        repeats: bool = False,
    ) -> None:  # fmt: skip
        load_kernels()
        self.comm, self.hidden = comm, integer(hidden, "hidden", 1, MOST_CHANNELS)
        self.alignment = integer(expert_alignment, "expert_alignment", 1, MOST_ALIGNMENT)
        self.expert_ranks: ExpertRanks = expert_ranks(experts, comm.size)
        self.wire = wire if isinstance(wire, Wire) else Wire(wire)
        self.wire.check(self.hidden)
        self.width = _width(ranks_per_node, comm.size)
        self.chunks = integer(chunks, "chunks", 1, MOST_CHUNKS)
        self._message = message_given(message, self.hidden)
        self._result_size = result_given(result_size)
        self._repeats = flag(repeats, "repeats")
        self._scratches, self._recycled = Scratches(), Recycled()
        self._handles = count()

    @property
    def local_experts(self) -> int:
        """Number of experts that this rank hosts."""
        return int(self.expert_ranks.local[self.comm.rank])

    def dispatch(
        self, x: Any, topk_idx: Any = None, topk_weights: Any = None, *,
        handle: Routed | None = None, async_op: bool = False, timeout: float | None = None,
    ) -> tuple[Arrived, Routed, Work]:  # fmt: skip
        """Send each token once to each rank that hosts one of its experts.

        Returns what arrived here, a handle, a work. ``x``: ``[tokens, hidden]``, numpy or CPU
        torch, of bfloat16, float16 or float32; or already quantised for the wire: ``(numbers,
        scales)``. ``topk_idx``: as in `LowLatency.dispatch`. ``topk_weights``: float32 ``[tokens,
        top_k]``, sent along if given. ``handle``: of an earlier dispatch, whose choices are used
        again without an exchange of counts; then neither of the two is given. With ``async_op`` the
        rows have arrived when the `Work` has been waited for. Raises `TokenError`, `WorldError`.
        """
        comm, came, told = self.comm, None, None
        staging = comm.staging if handle is None and self.width is None else None
        try:
            async_op, timeout = modes(async_op, timeout)
            load = self._load(x, topk_idx, topk_weights, handle)
            staged = None if staging is None else StagedRows(
                staging, load, self.expert_ranks, comm.rank, repeats=self._repeats
            )  # fmt: skip
            if staged is None and load.choices is not None:
                check(load.choices, self.expert_ranks.experts, repeats=self._repeats)
        except TokenError as error:
            self.comm.refuse(TokenError(f"rank {self.comm.rank}: {error}"))
        words = self._words("dispatch", load.kind, load.top_k, load.weights is not None, handle)
        if staged is not None:
            handle, came, told = self._routed_and_fetched(staged, load, words, timeout)
        elif handle is None:
            handle = self._routed(load, words, timeout)
        rounds: Rounds = []
        scratch, finish = None, None
        if came is not None:
            arrived = self._arrived(x, came, handle)
            if told is not None and comm.is_untimed("dispatch:normal"):  # and all of it was done
                return arrived, handle, told
        else:
            came = self._room(load, handle)
            arrived = self._arrived(x, came, handle)
            scratch, finish = self._scratches.free(), partial(_read_records, came)
            rounds = handle.path.dispatch(load, came.arrivals, scratch)
        size = (self._message or self.wire.format("normal", load.dtype)).size(self.hidden)
        work = self.comm.exchange(
            self._timed(words, handle, size, back=False, routing=self._described(load)),
            rounds, finish, async_op=async_op, timeout=timeout,
        )  # fmt: skip
        if scratch is not None:
            self._scratches.lend(scratch, work)
        return arrived, handle, work

    def combine(
        self, y: Any, handle: Routed, topk_weights: Any = None, *, start: Any = None,
        out: Any = None, async_op: bool = False, timeout: float | None = None,
    ) -> tuple[Any, Any, Work]:  # fmt: skip
        """Bring results back to their tokens and add them up: ``[tokens, hidden]``.

        ``y``: a result for each received row. The sum is float32 over ranks, ascending, without
        weights, and rounded to the type of ``y`` at the end; with two levels first over the ranks
        of a node, rounded, then over nodes. ``start``: ``[tokens, hidden]``, the initial value.
        ``topk_weights``: float32 ``[rows, top_k]``, added up likewise, by slot; the second result.
        ``out``: where the sums go; None: into new memory. Until the call is over, ``y`` must not
        change. Raises `TokenError`, `WorldError`.
        """
        try:
            async_op, timeout = modes(async_op, timeout)
            given, begin, whole = self._results(y, handle, topk_weights, start, out)
        except TokenError as error:
            self.comm.refuse(TokenError(f"rank {self.comm.rank}: {error}"))
        comm, path = self.comm, handle.path
        sums = [whole.array, *(np.empty((handle.tokens, a.shape[1]), a.dtype) for a in given[1:])]
        starts = [begin, None][: len(given)]
        size = self._result_size or self.hidden * given[0].dtype.itemsize
        words = self._words("combine", given[0].dtype, handle.top_k, len(given) > 1, None)
        weights = like(topk_weights, sums[1]) if len(sums) > 1 else None
        out = like(y, whole.array) if out is None else out
        scratch, staging = None, comm.staging if handle.staged else None
        if staging is not None and isinstance(path, Direct):
            staged = StagedSums(staging, given, path)
            told = np.empty_like(staged.tell)

            def finish() -> None:
                staged.add_up(told, sums, starts)
                whole.deliver()

            if not async_op and comm.is_untimed("combine:normal"):
                work = comm.inform(
                    told, staged.tell, words, finish, operation="combine:normal", timeout=timeout
                )
                return out, weights, work
            rounds = comm.telling.rounds(told, staged.tell)
        else:
            scratch, row = self._scratches.free(), path.sent.row
            home = [scratch.table(str(n), len(path.sent.token), a) for n, a in enumerate(given)]
            rounds = path.combine(given, home)

            def finish() -> None:
                for results, total, first in zip(home, sums, starts, strict=True):
                    weighted(results, row, ones(row), total, first)
                whole.deliver()

        work = comm.exchange(
            self._timed(words, handle, size, back=True), rounds, finish,
            async_op=async_op, timeout=timeout,
        )  # fmt: skip
        if scratch is not None:
            self._scratches.lend(scratch, work)
        return out, weights, work

    # Dispatch.

    def _load(
        self, x: Any, topk_idx: Any, topk_weights: Any, handle: Routed | None
    ) -> DispatchPayload:
        if handle is not None:
            self._of_such(handle)
        (rows, scales), kind = self._rows(x)
        tokens, choices, weights = len(rows), None, None
        if handle is None:
            choices = integers(topk_idx, "topk_idx", (tokens, None))
            if topk_weights is not None:
                weights = floats(topk_weights, "topk_weights", choices.shape, "float32")
        elif topk_idx is not None or topk_weights is not None:
            raise TokenError("a dispatch with a handle has neither topk_idx nor topk_weights")
        elif tokens != handle.tokens:
            raise TokenError(f"x has {tokens} tokens; the handle is of {handle.tokens}")
        return DispatchPayload(rows, scales, choices, weights, self.wire, kind)

    def _rows(self, x: Any) -> tuple[tuple[Array, Array], np.dtype[Any] | None]:
        if isinstance(x, tuple):
            return given_encoded(x, self.wire, self.hidden), None
        array = floats(x, "x", (None, self.hidden))
        return encode(array, self.wire), array.dtype

    def _words(
        self, op: str, dtype: np.dtype[Any] | None, top_k: int, weights: bool, handle: Routed | None
    ) -> str:
        told = "a handle" if handle is not None else f"top-{top_k}{' with weights' * weights}"
        nodes = "" if self.width is None else f", nodes of {self.width}"
        kind = "any" if dtype is None else name_of(dtype)
        return (
            f"normal.{op}({kind}[*, {self.hidden}], {told}, {self.expert_ranks.words},"
            f" {self.wire.words}{nodes})"
        )

    def _routed(self, load: DispatchPayload, words: str, timeout: float | None) -> Routed:
        choices = load.given_choices
        layout = CountsLayout(self.comm.rank, self.expert_ranks, self.width, self.chunks)
        to_rank = needed(choices, self.expert_ranks.rank, self.comm.size)
        mine = layout.to_send(choices, to_rank)
        told = np.empty_like(mine)
        self.comm.inform(told, mine, f"counts of {words}", timeout=timeout)
        path, known = layout.path(told, mine, to_rank)
        by_rank = layout.choices(mine), layout.choices(told)
        return self._handle(load, path, layout.experts(told), known, by_rank)

    def _routed_and_fetched(
        self, tokens: StagedRows, load: DispatchPayload, words: str, timeout: float | None
    ) -> tuple[Routed, Came | None, Work]:
        """The handle, and the tokens for this rank, if others could read those of all."""
        told, came = np.empty_like(tokens.tell), None

        def fetch() -> None:
            nonlocal came
            came = tokens.fetch(told, partial(self._arrivals, load, NOTHING))

        work = self.comm.inform(told, tokens.tell, f"counts of {words}", fetch, timeout=timeout)
        path = Direct(self.comm.rank, self.expert_ranks, tokens.sent, tokens.received(told))
        by_rank = tokens.choices(tokens.tell), tokens.choices(told)
        experts, staged = tokens.experts(told), came is not None
        return self._handle(load, path, experts, None, by_rank, staged=staged), came, work

    def _handle(
        self, load: DispatchPayload, path: Direct | Relayed, experts: Ints,
        known: two_level.ChunkCounts | None, by_rank: tuple[Ints, Ints], *, staged: bool = False,
    ) -> Routed:  # fmt: skip
        """``experts``: how many tokens chose each here; the rest as in `Routed`."""
        aligned = -(-experts // self.alignment) * self.alignment
        return Routed(
            self._path(path, load), len(load.rows), load.top_k, load.kind, aligned, known, by_rank,
            next(self._handles), staged,
        )  # fmt: skip

    def _path(self, path: Direct | Relayed, load: DispatchPayload) -> Direct | Relayed:
        """The way of the tokens ``load``, as a handle keeps it."""
        return path

    def _arrivals(self, load: DispatchPayload, records: np.dtype[Any], rows: int) -> Arrivals:
        return Arrivals((rows,), self.hidden, self.wire, load.dtype, records, self._recycled)

    def _room(self, load: DispatchPayload, handle: Routed) -> Came:
        """Memory for what is sent to this rank."""
        rows, top_k = int(handle.by_source.sum()), load.top_k
        arrivals = self._arrivals(load, load.records.dtype, rows)
        if load.choices is None:
            return Came(arrivals, None, None, None)
        weights = None if load.weights is None else np.empty((rows, top_k), np.float32)
        return Came(arrivals, np.empty((rows, top_k), np.int64), weights, np.empty(rows, np.int32))

    def _timed(
        self, words: str, handle: Routed, size: int, *, back: bool,
        routing: Mapping[str, Any] | None = None,
    ) -> PreparedCall:  # fmt: skip
        """The call that takes the time of this dispatch or combine, of messages of ``size``.

        ``routing``: for the log of a run; see `RunLog`.
        """
        comm, timed, facts = self.comm, None, None
        operation = "combine:normal" if back else "dispatch:normal"
        untimed = comm.untimed(words, operation)
        if untimed is not None:
            return untimed
        if handle.known is not None:
            steps = two_level.counted(handle.known, size, back=back)
        else:
            schedule = counted_combine if back else counted_dispatch
            counts = RankCounts(comm.rank, handle.sent, handle.by_source)
            steps = schedule(counts, size)
            if comm.copies > 1:
                timed = normal_rows(
                    counts, handle.choices, size, back=back, copies=comm.copies,
                    number=handle.number,
                )  # fmt: skip
            if comm.records:
                chosen, hosted = handle.choices
                facts = token_facts(
                    "normal", counts, size, handle.number, back=back, chosen=chosen, hosted=hosted
                )
        if comm.records and routing is not None:
            facts = {**(facts or {}), "routing": routing}
        mine = plan_of_own_rows(steps, comm.size, comm.rank)
        return timed_as(words, mine, operation, timed, facts)

    def _described(self, load: DispatchPayload) -> Mapping[str, Any] | None:
        """The routing of a dispatch for the log, where the run is recorded and it has one."""
        if not self.comm.records or load.choices is None:
            return None
        return routing_facts(load.choices, load.weights, self.expert_ranks.experts)

    def _arrived(self, x: Any, came: Came, handle: Routed) -> Arrived:
        given = x[0] if isinstance(x, tuple) else x

        def told(array: Array | None) -> Any:
            return None if array is None else like(given, array)

        return Arrived(
            like(given, came.arrivals.x), told(came.arrivals.scales), told(came.topk_idx),
            told(came.topk_weights), told(came.token), handle.by_source, handle.counts,
        )  # fmt: skip

    # Combine.

    def _of_such(self, handle: Routed) -> None:
        """Raise `TokenError` for a handle that no dispatch over such ranks and experts has left."""
        if not isinstance(handle, Routed):
            raise TokenError(
                f"handle is a {type(handle).__name__}; it has to be of a dispatch here"
            )
        path, mine = handle.path, self.expert_ranks
        theirs = path.expert_ranks
        if path.rank != self.comm.rank or not np.array_equal(theirs.local, mine.local):
            raise TokenError(
                f"the handle is of rank {path.rank} of {theirs.ranks} with {theirs.words};"
                f" this is rank {self.comm.rank} of {self.comm.size} with {mine.words}"
            )

    def _results(
        self, y: Any, handle: Routed, topk_weights: Any, start: Any, out: Any
    ) -> tuple[list[Array], NDArray[np.float32] | None, Room]:
        self._of_such(handle)
        rows = int(handle.by_source.sum())
        kind = None if handle.dtype is None else name_of(handle.dtype)
        given = [floats(y, "y", (rows, self.hidden), kind)]
        if topk_weights is not None:
            shape = (rows, handle.top_k)
            given.append(floats(topk_weights, "topk_weights", shape, "float32"))
        shape = (handle.tokens, self.hidden)
        begin = None if start is None else floats(start, "start", shape).astype(np.float32)
        dtype = given[0].dtype
        if out is None:
            return given, begin, Room(self._recycled.room(shape, dtype), NO_BUFFER)
        room = room_for(out, "out", shape, dtype)
        if any(np.may_share_memory(room.array, each) for each in given):
            raise TokenError(
                "out lies in y or topk_weights, which are still read when it is filled"
            )
        return given, begin, room


def _width(ranks_per_node: Any, ranks: int) -> int | None:
    if ranks_per_node is None:
        return None
    fits = [n for n in range(1, ranks + 1) if ranks % n == 0]
    width = integer(ranks_per_node, "ranks_per_node", 1)
    if width not in fits:
        raise TokenError(
            f"ranks_per_node is {width}; {ranks} ranks fill nodes of {', '.join(map(str, fits))}"
        )
    return width


def _read_records(came: Came) -> None:
    """Copy the records of the tokens that have arrived to the arrays that the user gets."""
    for name, into in (
        ("token", came.token), ("expert", came.topk_idx), ("weight", came.topk_weights),
    ):  # fmt: skip
        if into is not None:
            into[...] = came.arrivals.records[name]
