"""A rank's plan prepared for execution: what to send, copy and receive, and what must wait.

A step's sends and copies begin when the steps before it have been received, which is the one
ordering rule. Its receives are posted earlier where that can do no harm (`ReadyStep.early`), so
that bytes which arrive early go to their place directly and not by way of a buffer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.ranks.elide import Detours, without_copies
from fabric.ranks.wide import Gather, Spread, Written, gather, spread
from fabric.schedule.plan import Plan, PlanStep
from fabric.schedule.step import BUFFERS, MAX_SIZE, ScheduleError

AHEAD = 8
"""Steps by which receives are posted early at most. More find no message that early anyhow."""

_WORK = BUFFERS.index("work")

_Longs = NDArray[np.int64]


class Write(NamedTuple):
    """Bytes that the rank writes: from ``peer``, or its own ones if that is None.

    ``source``, ``at``, ``size``: in bytes, where they are read here, where they go, how many.
    ``base``: the place in the send buffer that they are combined with; None: where they go.
    """

    peer: int | None
    source: int
    at: int
    size: int
    base: int | None = None


class ReadySend(NamedTuple):
    """Bytes that the rank sends: ``size`` from ``at`` of buffer number ``buffer`` of `BUFFERS`."""

    peer: int
    buffer: int
    at: int
    size: int


@dataclass(frozen=True, slots=True)
class ReadyStep:
    """A rank's part of one step, prepared.

    ``copies`` and ``receives`` may be done in any order; each of ``chains`` writes one place more
    than once, in this order. ``reads``, ``writes``: numbers of `BUFFERS`. ``staged``: bytes to send
    and copy are saved before the step, because it overwrites them. ``early``: index of the last
    step that must have ended before this one may write. ``spread``: what it sends, instead of
    ``sends``; ``gather``: what it receives and does with it, instead of ``receives`` and
    ``chains``. ``direct``: what the next step does with each of ``receives``, where it does nothing
    else and nobody else reads them: once that step may write it may be done as they come.
    """

    sends: tuple[ReadySend, ...]
    copies: tuple[Write, ...]
    receives: tuple[Write, ...]
    chains: tuple[tuple[Write, ...], ...]
    reads: int
    writes: int
    reduces: bool
    staged: bool
    early: int
    spread: Spread | None = None
    gather: Gather | None = None
    direct: tuple[Write, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadyPlan:
    """A plan prepared for execution.

    ``rooms``: the least bytes of its send, recv and work buffers.
    """

    stages: tuple[ReadyStep, ...]
    rooms: tuple[int, int, int]


def made_ready(plan: Plan, shift: int | None = None, wide: int | None = None) -> ReadyPlan:
    """A rank's plan prepared for execution.

    ``shift``: where the recv buffer begins, in bytes from the beginning of the send buffer, if they
    share memory; None if they do not. ``wide``: from this number of small messages in a step on
    they are handled as one, which the transport must support (`fabric.transports.base.many`); None:
    never. Raises `ScheduleError` for a step that writes "send".
    """
    far = 2 * MAX_SIZE  # buffers that share no memory are so far apart on one line of addresses
    bases = (0, far if shift is None else shift, 2 * far)
    parts = [_without(part, (part.src == part.dst) & (part.size == 0)) for part in plan.parts]
    detours = [Detours()] * len(parts)
    if shift is None and parts:
        parts, detours = without_copies(parts, plan.rank)
    drafts = [
        draft for part, detour in zip(parts, detours, strict=True)
        if len((draft := _draft(part, detour, plan.rank, bases)).part)
    ]  # fmt: skip
    stages = _directed([_stage(drafts, number, wide) for number in range(len(drafts))])
    return ReadyPlan(stages, _rooms(plan))


def _directed(stages: Sequence[ReadyStep]) -> tuple[ReadyStep, ...]:
    """``stages`` with ``direct``, if all that is read of the work buffer is read as that says."""
    if len(stages) < 2:
        return tuple(stages)
    direct = [_direct(*pair) for pair in pairwise(stages)]
    uses = [None, *direct]  # by stage, what it does with what the one before has received
    for use, stage in zip(uses, stages, strict=True):
        reads = stage.reads == _WORK or any(send.buffer == _WORK for send in stage.sends)
        if use is None and (reads or stage.spread is not None):
            return tuple(stages)
    return tuple(
        stage if use is None else replace(stage, direct=use)
        for stage, use in zip(stages, [*direct, None], strict=True)
    )


def _direct(stage: ReadyStep, after: ReadyStep) -> tuple[Write, ...] | None:
    """What ``after`` does with each message of ``stage``, if it does that and nothing else."""
    if stage.writes != _WORK or stage.reduces or stage.copies or _complex(stage):
        return None
    if after.reads != _WORK or after.sends or after.receives or _complex(after):
        return None
    come = [(write.at, write.size) for write in stage.receives]
    used = [(write.source, write.size) for write in after.copies]
    return after.copies if come and come == used else None


def _complex(stage: ReadyStep) -> bool:
    return bool(stage.chains or stage.staged or stage.spread or stage.gather)


def _rooms(plan: Plan) -> tuple[int, int, int]:
    rooms = [0, 0, 0]
    for part in plan.parts:
        reads, writes = BUFFERS.index(part.reads), BUFFERS.index(part.writes)
        mine, into = part.src == plan.rank, part.dst == plan.rank
        rooms[reads] = max(rooms[reads], int((part.src_at + part.size)[mine].max(initial=0)))
        rooms[writes] = max(rooms[writes], int((part.dst_at + part.size)[into].max(initial=0)))
    return rooms[0], rooms[1], rooms[2]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A part with the addresses that it reads and writes, begins and ends, in row order."""

    part: PlanStep
    detours: Detours
    rank: int
    reads: tuple[_Longs, _Longs]
    writes: tuple[_Longs, _Longs]


def _draft(part: PlanStep, detours: Detours, rank: int, bases: tuple[int, int, int]) -> _Draft:
    if part.writes == "send":
        where = f"step {part.number}" + (f" ({part.label})" if part.label else "")
        raise ScheduleError(f"{where} writes the send buffer, which is the caller's")
    source = part.src_at + bases[BUFFERS.index(part.reads)]
    for row, place in detours.sends.items():
        source[row] = place + bases[0]
    target = part.dst_at + bases[BUFFERS.index(part.writes)]
    mine = part.dst == rank
    if not part.reduces and _order(target[mine], part.size[mine])[1] is None:
        # Bytes that are where they belong: a rank's own ones, of a call in place.
        here = (part.src == part.dst) & (source == target)
        part, source, target = _without(part, here), source[~here], target[~here]
    read, written = part.src == rank, part.dst == rank
    return _Draft(
        part, detours, rank, (source[read], (source + part.size)[read]),
        (target[written], (target + part.size)[written]),
    )  # fmt: skip


def _without(part: PlanStep, rows: NDArray[np.bool_]) -> PlanStep:
    if not rows.any():
        return part
    columns = ("src", "dst", "size", "src_at", "dst_at", "messages")
    left: dict[str, Any] = {name: getattr(part, name)[~rows] for name in columns}
    return replace(part, traits=part.traits.pick(~rows), **left)


def _stage(drafts: list[_Draft], number: int, wide: int | None) -> ReadyStep:
    draft = drafts[number]
    part, rank, reads = draft.part, draft.rank, BUFFERS.index(draft.part.reads)
    away = np.flatnonzero((part.src == rank) & (part.dst != rank))
    spreads = None
    if wide is not None and len(away) >= wide:
        spreads = spread(
            away, part.dst[away], part.src_at[away], part.size[away], reads, draft.detours.sends
        )
    copies, receives, chains, gathers = _written(draft, wide)
    ordered = bool(chains or (gathers and gathers.folds))
    staged = _meet(draft.reads, draft.writes)
    return ReadyStep(
        () if spreads else _sends(draft, away, reads), copies, receives, chains,
        reads, BUFFERS.index(part.writes), part.reduces, staged,
        number if ordered or staged else _early(drafts, number), spreads, gathers,
    )  # fmt: skip


def _sends(draft: _Draft, rows: _Longs, reads: int) -> tuple[ReadySend, ...]:
    if not len(rows):
        return ()
    part, detours = draft.part, draft.detours.sends
    columns = (column[rows].tolist() for column in (part.dst, part.src_at, part.size))
    return tuple(
        ReadySend(dst, 0 if row in detours else reads, detours.get(row, at), size)
        for row, dst, at, size in zip(rows.tolist(), *columns, strict=True)
    )


_Writes = tuple[Write, ...]


def _written(
    draft: _Draft, wide: int | None
) -> tuple[_Writes, _Writes, tuple[_Writes, ...], Gather | None]:
    """What `ReadyStep` calls copies, receives, chains and gather."""
    columns = _columns(draft)
    mine = columns.peer < 0
    order, joined = _order(draft.writes[0], columns.size)
    chains = [] if joined is None else _chains(order, joined, columns.peer)
    free = np.arange(len(mine))
    if chains:
        free = np.delete(free, np.concatenate(chains))
    copies, others = free[mine[free]], free[~mine[free]]
    if wide is not None and len(mine) - mine.sum() >= wide:
        gathers = (
            gather(columns, others[:0], [*chains, others]) if draft.part.reduces
            else gather(columns, others, chains)
        )  # fmt: skip
        if gathers is not None:
            return _writes(columns, copies), (), (), gathers
    return (
        _writes(columns, copies), _writes(columns, others),
        tuple(_writes(columns, chain) for chain in chains), None,
    )  # fmt: skip


def _columns(draft: _Draft) -> Written:
    part, rank, bases = draft.part, draft.rank, draft.detours.bases
    rows = np.flatnonzero(part.dst == rank)
    src, source, at, size = (
        column[rows] for column in (part.src, part.src_at, part.dst_at, part.size)
    )
    base = np.full(len(rows), -1)
    if bases:
        base[np.searchsorted(rows, list(bases))] = list(bases.values())
    return Written(np.where(src == rank, -1, src), source, at, size, base)


def _writes(columns: Written, numbers: _Longs) -> _Writes:
    if not len(numbers):
        return ()
    return tuple(
        Write(None if peer < 0 else peer, source, at, size, None if base < 0 else base)
        for peer, source, at, size, base in zip(
            *(column[numbers].tolist() for column in columns), strict=True
        )
    )


def _early(drafts: list[_Draft], number: int) -> int:
    """After which stages a stage may write: those that still read or write there."""
    into = _span(drafts[number].writes)
    for other in range(number - 1, max(number - 1 - AHEAD, -1), -1):
        spans = (_span(drafts[other].reads), _span(drafts[other].writes))
        if any(begin < into[1] and into[0] < end for begin, end in spans):
            return other + 1
    return max(number - AHEAD, 0)


def _span(ranges: tuple[_Longs, _Longs]) -> tuple[int, int]:
    begin, end = ranges
    return (int(begin.min()), int(end.max())) if len(begin) else (0, 0)


def _meet(one: tuple[_Longs, _Longs], other: tuple[_Longs, _Longs]) -> bool:
    """Whether any range of one meets any of the other; ranges are begins and ends."""
    first, last = _span(one), _span(other)
    if first[1] <= last[0] or last[1] <= first[0]:
        return False
    order = other[0].argsort(kind="stable")
    begin, end = other[0][order], other[1][order]
    # The others that begin before a range ends; it is clear of them if all end by its start.
    reach = np.concatenate([[-MAX_SIZE], np.maximum.accumulate(end)])
    before = np.searchsorted(begin, one[1])
    return bool(((reach[before] > one[0]) & (one[0] < one[1])).any())


def _chains(order: _Longs, joined: NDArray[np.bool_], peer: _Longs) -> list[_Longs]:
    """Writes that must keep their order, as they meet, or are of one peer and others meet them."""
    if joined.all():
        return [np.arange(len(order))]
    cluster = np.empty(len(order), np.int64)
    cluster[order] = np.concatenate([[0], np.cumsum(~joined)])
    groups = np.array(_merged(cluster.tolist(), peer.tolist()))
    by_group = groups.argsort(kind="stable")
    edges = np.flatnonzero(np.diff(groups[by_group])) + 1
    return np.split(by_group, edges)


def _order(begin: _Longs, size: _Longs) -> tuple[_Longs, NDArray[np.bool_] | None]:
    """The order in which ranges begin; which of them, but the first, meet one before, if any do."""
    order = begin.argsort(kind="stable")
    reach = np.maximum.accumulate((begin + size)[order])
    joined = begin[order][1:] < reach[:-1]
    return order, joined if joined.any() else None


def _merged(clusters: list[int], peers: list[int]) -> list[int]:
    """The clusters, those of one peer made one: its messages come in one order only."""
    root = list(range(max(clusters) + 1))

    def find(cluster: int) -> int:
        while root[cluster] != cluster:
            cluster = root[cluster]
        return cluster

    first: dict[int, int] = {}
    for cluster, peer in zip(clusters, peers, strict=True):
        if peer >= 0:
            root[find(cluster)] = find(first.setdefault(peer, cluster))
    return [find(cluster) for cluster in clusters]
