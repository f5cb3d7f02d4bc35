"""Plan: one rank's rows of a schedule, step by step, for running and for timing them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fabric.schedule.step import Step, turns
from fabric.schedule.traits import NO_TRAITS, Traits, in_order, joined

_Longs = NDArray[np.int64]

_ODD = 0xBF58476D1CE4E5B9  # as in splitmix64, and odd: no value of a trait is mapped to 0


@dataclass(frozen=True)
class PlanStep:
    """A rank's rows of one step, in row order, as int64 columns.

    ``src``, ``dst`` (one of them is the rank), ``size``, ``src_at``, ``dst_at``; ``number``: the
    step's place in the schedule; ``turn``: its number in time, see `fabric.schedule.step.turns`;
    ``messages``: one a row; the rest, ``traits`` too, as in `Step`.
    """

    number: int
    turn: int
    src: _Longs
    dst: _Longs
    size: _Longs
    src_at: _Longs
    dst_at: _Longs
    messages: _Longs
    reduces: bool
    reads: str
    writes: str
    label: str
    traits: Traits = NO_TRAITS

    def __len__(self) -> int:
        return len(self.src)

    def pick(self, which: NDArray[np.bool_]) -> "PlanStep":
        """The rows for which the mask ``which`` is true."""
        columns = {name: getattr(self, name)[which] for name in _COLUMNS}
        return replace(self, **columns, traits=self.traits.pick(which))


_COLUMNS = "src", "dst", "size", "src_at", "dst_at", "messages"


@dataclass(frozen=True)
class TimedRows:
    """The rows of a plan that take time, in order, as int64 columns.

    ``step``: the turn of each row's step; ``reduces``: 0 or 1; the rest as in `PlanStep`.
    """

    step: _Longs
    src: _Longs
    dst: _Longs
    size: _Longs
    messages: _Longs
    reduces: _Longs
    traits: Traits = NO_TRAITS

    def __len__(self) -> int:
        return len(self.step)

    def columns(self) -> tuple[_Longs, ...]:
        """All columns: those of every transfer, then those of ``traits``, in their order."""
        base = (self.step, self.src, self.dst, self.size, self.messages, self.reduces)
        return (*base, *(column for _, _, column in in_order(self.traits)))

    @cached_property
    def digest(self) -> str:
        """A hash, 32 hexadecimal digits, that is equal for rows that take the same time."""
        digest = hashlib.blake2b(digest_size=16)
        for column in self.columns():
            digest.update(column.tobytes())
        for _, name, _ in in_order(self.traits):
            digest.update(name.encode())
        return digest.hexdigest()

    @cached_property
    def _balances(self) -> dict[int, int]:
        return {}

    def balance(self, rank: int) -> int:
        """A 64-bit hash of what ``rank`` sends minus that of what it receives.

        Over all ranks of a call these add up to 0, modulo 2**64, if each transfer is known alike at
        both of its ends; otherwise hardly ever.
        """
        if rank not in self._balances:
            mixed = self.step.astype(np.uint64)
            for column in (self.src, self.dst, self.size):
                mixed = (mixed ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
                mixed ^= mixed >> np.uint64(29)
            for number, _, column in in_order(self.traits):  # 0 is as if there were no column
                mixed ^= column.astype(np.uint64) * np.uint64(_ODD + 2 * number)
            sent, received = (int(mixed[end == rank].sum()) for end in (self.src, self.dst))
            self._balances[rank] = sent - received
        return self._balances[rank]


@dataclass(frozen=True)
class Plan:
    """What ``rank`` of ``ranks`` sends, receives and copies; parts without rows are left out."""

    rank: int
    ranks: int
    parts: tuple[PlanStep, ...]

    @cached_property
    def rows(self) -> TimedRows:
        """The columns of the plan that the emulator needs to time it."""
        parts, none = self.parts, np.zeros(0, np.int64)

        def column(name: str) -> _Longs:
            return np.concatenate([none, *(getattr(part, name) for part in parts)])

        def spread(values: list[int]) -> _Longs:
            return np.repeat(np.array(values, np.int64), [len(part) for part in parts])

        return TimedRows(
            spread([part.turn for part in parts]), column("src"), column("dst"), column("size"),
            column("messages"), spread([int(part.reduces) for part in parts]),
            joined((part.traits, len(part)) for part in parts),
        )  # fmt: skip


def plans(steps: Iterable[Step], ranks: int) -> tuple[Plan, ...]:
    """The plans of all ranks of a schedule, in one pass over it."""
    parts: list[list[PlanStep]] = [[] for _ in range(ranks)]
    for number, (turn, step) in enumerate(turns(steps)):
        for rank, rows in _by_rank(step, ranks):
            parts[rank].append(_part(number, turn, step, rows))
    return tuple(Plan(rank, ranks, tuple(mine)) for rank, mine in enumerate(parts))


def plan(steps: Iterable[Step], ranks: int, rank: int) -> Plan:
    """The plan of rank ``rank`` of ``ranks``, from all rows of a schedule."""
    parts = _parts(steps, lambda step: (step.src == rank) | (step.dst == rank))
    return Plan(rank, ranks, tuple(parts))


def rows_of_some(steps: Iterable[Step], ranks: int, mine: NDArray[np.bool_]) -> TimedRows:
    """The timed rows of several of ``ranks`` ranks, from all rows of a schedule: each row once.

    ``mine``: which ranks, bool ``[ranks]``.
    """
    parts = _parts(steps, lambda step: mine[step.src] | mine[step.dst])
    return Plan(0, ranks, tuple(parts)).rows


def rows_of_several(plans: Sequence[Plan]) -> TimedRows:
    """The timed rows of several ranks' plans of one schedule, by steps: each row once."""
    mine = np.zeros(plans[0].ranks, bool)
    mine[[one.rank for one in plans]] = True
    parts = []
    for one in plans:
        for part in one.parts:
            # A row between two of them is the sender's.
            parts.append(part.pick(~mine[part.src] | (part.src == one.rank)))
    parts.sort(key=lambda part: part.number)
    return Plan(0, len(mine), tuple(parts)).rows


def plan_of_own_rows(steps: Iterable[Step], ranks: int, rank: int) -> Plan:
    """The plan of rank ``rank``, from a schedule of its own rows, such as those of `RankCounts`.

    Such a schedule has every step, including those in which the rank has no row: a step has to have
    the same number at every rank.
    """
    every = slice(None)
    every_turn = enumerate(turns(steps))
    parts = (_part(number, turn, step, every) for number, (turn, step) in every_turn if len(step))
    return Plan(rank, ranks, tuple(parts))


def _by_rank(step: Step, ranks: int) -> Iterator[tuple[int, _Longs]]:
    """Each rank that has rows in a step, with their numbers in row order."""
    row = np.arange(len(step))
    apart = step.src != step.dst
    rank = np.concatenate([step.src, step.dst[apart]])
    rows = np.concatenate([row, row[apart]])
    order = np.lexsort((rows, rank))
    edges = np.searchsorted(rank[order], np.arange(ranks + 1))
    for r in range(ranks):
        if edges[r] < edges[r + 1]:
            yield r, rows[order[edges[r] : edges[r + 1]]]


def _parts(
    steps: Iterable[Step], chosen: Callable[[Step], NDArray[np.bool_]]
) -> Iterator[PlanStep]:
    """The rows of each step that ``chosen`` is true for, where there are any."""
    for number, (turn, step) in enumerate(turns(steps)):
        rows = np.flatnonzero(chosen(step))
        if len(rows):
            yield _part(number, turn, step, rows)


def _part(number: int, turn: int, step: Step, rows: _Longs | slice) -> PlanStep:
    src = step.src[rows]
    messages = np.ones(len(src), np.int64) if step.messages is None else step.messages[rows]
    return PlanStep(
        number, turn, src, step.dst[rows], step.size[rows], step.src_at[rows],
        step.dst_at[rows], messages, step.reduces, step.reads, step.writes, step.label,
        step.traits.pick(rows),
    )  # fmt: skip
