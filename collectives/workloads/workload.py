"""What ranks do, as a graph of operations: what GOAL and Chakra have in common.

An operation begins when all operations that it needs have ended (or, where it says so, begun). It
belongs to one rank. In GOAL and Chakra it needs operations of that rank only; the tasks of ns-3-UB
need others' too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabric.schedule.step import MAX_SIZE, Step, turns
from fabric.timeline.value import Timeline
from topology.errors import TriplaneError

_Longs = NDArray[np.int64]

CALC, SEND, RECV, COLLECTIVE = range(4)
"""Kinds of operations: computing, a message out, a message in, a part in a collective."""

ANY = -1
"""As ``peer`` or ``tag`` of a receive: whoever sends, or whatever the tag."""

COLLECTIVES = (
    "all_reduce", "reduce", "all_gather", "gather", "scatter", "broadcast", "all_to_all",
    "reduce_scatter", "barrier",
)  # fmt: skip
"""The collectives that workloads may name, as `collectives.schedule` does."""


LONGEST = 1e12
"""Seconds of a computing at most, thirty thousand years: sums of them stay finite."""


class WorkloadError(TriplaneError):
    """A workload is wrong, cannot be read, or can never end."""


@dataclass(frozen=True, eq=False)
class Workload:
    """Operations of ``ranks`` ranks, as columns.

    Over the operations, those of a rank in the order of its program:

    - ``rank``: int64. ``kind``: int64, `CALC` and so on. ``name``: text.
    - ``size``: int64, bytes of a message; of a collective as `collectives.schedule` takes it.
    - ``duration``: float64, seconds of computing; 0 for the others.
    - ``peer``, ``tag``: int64, of messages; `ANY` where a receive takes what comes; else 0.
    - ``unit``: int64, which of the rank's processors computes, or handles the message: a processor
      does one computing after the other. ``nic``: int64, kept for others; the fabric decides here.
    - ``collective``: int64, of `COLLECTIVES`, -1 for the others; ``group``: int64, of ``groups``;
      ``root``: int64, its place in the group.

    Over the dependencies: ``later`` needs ``earlier``, both int64, numbers of operations;
    ``started``: bool, it needs only that it has begun.

    ``groups``: the ranks of each group; the first holds them all. ``numbers``: what each operation
    is called by in its file, and ``numbered`` what these count, such as "line" or "node"; or
    nothing. Raises `WorkloadError`.
    """

    ranks: int
    rank: _Longs
    kind: _Longs
    name: tuple[str, ...]
    size: _Longs
    duration: NDArray[np.float64]
    peer: _Longs
    tag: _Longs
    unit: _Longs
    nic: _Longs
    collective: _Longs
    group: _Longs
    root: _Longs
    later: _Longs
    earlier: _Longs
    started: NDArray[np.bool_]
    groups: tuple[tuple[int, ...], ...] = field(default=())
    numbers: tuple[int, ...] = field(default=())
    numbered: str = ""

    def __post_init__(self) -> None:
        if not self.groups:
            object.__setattr__(self, "groups", (tuple(range(self.ranks)),))
        _check(self)

    def __len__(self) -> int:
        """How many operations there are."""
        return len(self.rank)

    def equals(self, other: "Workload", *, names: bool = False) -> bool:
        """True if ``other`` has the same operations and dependencies.

        With ``names``, also the same names.
        """
        mine, theirs = (w._needs() for w in (self, other))
        return (
            (self.ranks, self.groups) == (other.ranks, other.groups)
            and all(np.array_equal(getattr(self, c), getattr(other, c)) for c in COLUMNS)
            and np.array_equal(mine, theirs)
            and (not names or self.name == other.name)
        )

    def _needs(self) -> NDArray[Any]:
        rows = np.stack([self.later, self.earlier, self.started.astype(np.int64)])
        return np.unique(rows, axis=1)


COLUMNS = (
    "rank", "kind", "size", "duration", "peer", "tag", "unit", "nic", "collective", "group", "root",
)  # fmt: skip
"""The numbers of an operation."""


def _check(w: Workload) -> None:
    if w.ranks < 1:
        raise WorkloadError(f"a workload of {w.ranks} ranks")
    for name in (*COLUMNS, "name"):
        if len(getattr(w, name)) != len(w.rank):
            raise WorkloadError(f"{name} has {len(getattr(w, name))} rows, rank has {len(w.rank)}")
    messages, calls = np.isin(w.kind, (SEND, RECV)), w.kind == COLLECTIVE
    lowest = np.where(w.kind == RECV, ANY, 0)
    for name, low, high, rows in (
        ("rank", 0, w.ranks, ...), ("kind", 0, 4, ...), ("size", 0, MAX_SIZE + 1, ...),
        ("unit", 0, 1 << 62, ...), ("nic", 0, 1 << 62, ...), ("peer", lowest, w.ranks, messages),
        ("tag", lowest, 1 << 62, messages), ("collective", 0, len(COLLECTIVES), calls),
        ("group", 0, len(w.groups), calls),
    ):  # fmt: skip
        _within(w, name, low, high, rows)
    bad = np.flatnonzero(~((w.duration >= 0) & (w.duration <= LONGEST)))
    if len(bad):
        seconds = w.duration[bad[0]]
        raise WorkloadError(
            f"{called(w, bad[0])} computes for {seconds} s; 0 to {LONGEST:g} s is possible"
        )
    _check_groups(w, calls)
    _check_needs(w)


def _within(w: Workload, name: str, low: ArrayLike, high: int, rows: Any) -> None:
    column = getattr(w, name)
    outside = (column < low) | (column >= high)
    bad = np.flatnonzero(outside if rows is ... else outside & rows)
    if len(bad):
        at = bad[0]
        least = int(np.broadcast_to(low, column.shape)[at])
        raise WorkloadError(
            f"{name} of {called(w, at)} is {column[at]}, outside {least}..{high - 1}"
        )


def _check_groups(w: Workload, calls: NDArray[np.bool_]) -> None:
    for group in w.groups:
        if len(set(group)) < len(group) or not all(0 <= rank < w.ranks for rank in group):
            raise WorkloadError(f"a group is {group!r:.80}: no different ranks of {w.ranks}")
    members = [set(group) for group in w.groups]
    for at in np.flatnonzero(calls).tolist():
        group = members[w.group[at]]
        if int(w.rank[at]) not in group:
            raise WorkloadError(f"{called(w, at)} is of a group that rank {w.rank[at]} is not in")
        if not 0 <= w.root[at] < len(group):
            raise WorkloadError(f"root of {called(w, at)} is {w.root[at]}, of {len(group)} ranks")


def _check_needs(w: Workload) -> None:
    if not len(w.later) == len(w.earlier) == len(w.started):
        raise WorkloadError("the columns of the dependencies have different lengths")
    for column in (w.later, w.earlier):
        if len(column) and not 0 <= column.min() <= column.max() < len(w):
            raise WorkloadError(f"a dependency names operation {column.max()} of {len(w)}")


def check_own_needs(w: Workload, form: str) -> None:
    """Raise `WorkloadError` if an operation needs another rank's, which ``form`` cannot say."""
    bad = np.flatnonzero(w.rank[w.later] != w.rank[w.earlier])
    if len(bad):
        later, earlier = called(w, w.later[bad[0]]), called(w, w.earlier[bad[0]])
        raise WorkloadError(f"{later} needs {earlier}, which is another rank's; {form} has no such")


def called(w: Workload, at: int, of_rank: bool = True) -> str:
    """An operation's name in messages: ``node 3 ('matmul')``, ``of rank 1`` if ``of_rank``."""
    rank = w.rank[at]
    number = w.numbers[at] if w.numbers else int((w.rank[:at] == rank).sum())
    name = f" ({w.name[at]!r:.60})" if w.name[at] else ""
    where = f" of rank {rank}" if of_rank else ""
    return f"{w.numbered or 'operation'} {number}{name}{where}"


class Writer:
    """Puts a workload together, operation by operation.

    ``numbered``: what the numbers count that `add` is given, see `Workload`.
    """

    def __init__(self, numbered: str = "") -> None:
        self._numbered = numbered
        self._rows: list[tuple[Any, ...]] = []
        self._needs: list[tuple[int, int, bool]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self, rank: int, kind: int, name: str, *, size: int = 0, duration: float = 0.0,
        peer: int = 0, tag: int = 0, unit: int = 0, nic: int = 0, collective: int = -1,
        group: int = 0, root: int = 0, number: int = 0,
    ) -> int:  # fmt: skip
        """Add an operation; returns its number.

        ``size`` in bytes, ``duration`` in seconds. ``number``: what its file calls it by.
        """
        self._rows.append(
            (rank, kind, size, duration, peer, tag, unit, nic, collective, group, root, name,
             number)
        )  # fmt: skip
        return len(self._rows) - 1

    def need(self, later: int, earlier: int, started: bool = False) -> None:
        """Let ``later`` begin only when ``earlier`` has ended, or, with ``started``, has begun."""
        self._needs.append((later, earlier, started))

    def done(self, ranks: int, groups: Sequence[tuple[int, ...]] = ()) -> Workload:
        """The finished workload.

        Operations are sorted by rank, in the order in which they were added.

        Raises `WorkloadError` for a number beyond 64 bits.
        """
        order = sorted(range(len(self._rows)), key=lambda at: self._rows[at][0])
        number = np.empty(len(order), np.int64)
        number[order] = np.arange(len(order))
        columns = list(zip(*(self._rows[at] for at in order), strict=True)) or [()] * 13
        try:
            numbers: dict[str, Any] = {
                name: np.array(column, np.float64 if name == "duration" else np.int64)
                for name, column in zip(COLUMNS, columns, strict=False)
            }
        except OverflowError:
            raise WorkloadError("a number of the workload does not fit into 64 bits") from None
        needs = np.array(list(dict.fromkeys(self._needs)), np.int64).reshape(-1, 3)
        return Workload(
            ranks, **numbers, name=tuple(columns[-2]), later=number[needs[:, 0]],
            earlier=number[needs[:, 1]], started=needs[:, 2].astype(np.bool_),
            groups=tuple(groups), numbered=self._numbered,
            numbers=tuple(columns[-1]) if self._numbered else (),
        )  # fmt: skip


def of_timeline(timeline: Timeline) -> Workload:
    """The transfers of a simulation as a workload, as `of_steps` makes it."""
    bounds = np.searchsorted(timeline.step, np.arange(len(timeline.labels) + 1))
    columns = timeline.src, timeline.dst, timeline.size
    steps = (
        Step(*(column[low:high] for column in columns), label=label)
        for low, high, label in zip(bounds[:-1], bounds[1:], timeline.labels, strict=True)
    )
    return of_steps(steps, timeline.ranks)


def of_steps(steps: Iterable[Step], ranks: int) -> Workload:
    """A schedule as messages: a rank's messages of a step depend on those of its step before.

    Copies inside a rank are left out. Messages of a step between the same two ranks are
    distinguished by their order; the tag is the step. Between two steps of a rank is a computation
    of no time, so the number of dependencies grows with the messages, not with their square.
    """
    writer = Writer()
    gate: list[int | None] = [None] * ranks
    for number, together in groupby(turns(steps), itemgetter(0)):
        mine: dict[int, list[int]] = {}
        for _, step in together:
            label = step.label or f"step {number}"
            for src, dst, size in _away(step):
                for rank, kind, peer in ((src, SEND, dst), (dst, RECV, src)):
                    at = writer.add(rank, kind, label, size=size, peer=peer, tag=number)
                    mine.setdefault(rank, []).append(at)
        for rank, added in mine.items():
            before = gate[rank]
            after = gate[rank] = writer.add(rank, CALC, f"after {label}")
            for at in added:
                if before is not None:
                    writer.need(at, before)
                writer.need(after, at)
    return writer.done(ranks)


def _away(step: Step) -> Iterator[tuple[int, int, int]]:
    away = step.src != step.dst
    columns = (column[away].tolist() for column in (step.src, step.dst, step.size))
    return zip(*columns, strict=True)
