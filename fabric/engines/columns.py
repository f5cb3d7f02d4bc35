"""From rows to streams: a schedule's steps, or one rank's rows of a call, as columns for engines.

Rows of one step between the same two ranks, of the same traits and alike in whether they are
combined, are one stream, as on one queue pair: they share one fair rate and finish together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.failure import WorldError
from fabric.schedule.plan import TimedRows
from fabric.schedule.step import ScheduleError, Step, turns
from fabric.schedule.traits import HIGHEST, NO_TRAITS, Traits, in_order, joined
from topology.compiled import compiled

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

WINDOW_ROWS = 1 << 20
"""Rows in memory at a time: longer schedules pass through in windows."""

_LARGEST_KEPT = 16 << 20  # bytes

_DENSE_RANKS = 4096  # a table of all pairs of more ranks than this is too large


@dataclass(frozen=True)
class Streams:
    """Flows as columns: what one rank sends to another in one step, with the same traits.

    ``src``, ``dst`` int32; ``size`` (bytes), ``messages`` float64; ``step`` int64; ``reduces``
    bool. ``traits``: see `trait`.
    """

    src: _Ints
    dst: _Ints
    size: _Floats
    messages: _Floats
    step: _Longs
    reduces: NDArray[np.bool_]
    traits: Traits = NO_TRAITS

    def __len__(self) -> int:
        return len(self.src)

    def trait(self, name: str) -> _Longs:
        """The trait called ``name`` of each stream, int64, such as its ``traffic_class``.

        0 where a step says nothing of it. The names are `fabric.schedule.traits.TRAITS`; raises
        `KeyError` for another.
        """
        return self.traits.column(name, len(self))

    def pick(self, which: NDArray[np.bool_] | slice) -> "Streams":
        """The streams selected by ``which``, a mask or a slice."""
        return Streams(
            self.src[which], self.dst[which], self.size[which], self.messages[which],
            self.step[which], self.reduces[which], self.traits.pick(which),
        )  # fmt: skip

    def after(self, first: int) -> "Streams":
        """The streams from number ``first`` on."""
        return self.pick(slice(first, None)) if first else self

    def then(self, other: "Streams") -> "Streams":
        """These streams followed by those of ``other``."""
        if not len(self):
            return other

        def both(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(self, name), getattr(other, name)])

        return Streams(
            both("src"), both("dst"), both("size"), both("messages"), both("step"), both("reduces"),
            joined([(self.traits, len(self)), (other.traits, len(other))]),
        )  # fmt: skip


NO_STREAMS = Streams(
    np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0), np.zeros(0),
    np.zeros(0, np.int64), np.zeros(0, np.bool_),
)  # fmt: skip
"""No flow at all."""


@dataclass(frozen=True, eq=False)
class RankStreams:
    """What one rank moves in one kind of call, in order of step, source, destination, traits.

    ``group``: the world's ranks that the numbers in ``src`` and ``dst`` stand for; ``position``:
    the rank's own number there, one of the two in every stream; ``operation``: whose endpoint
    constants apply. ``streams``: as in a schedule, but for the numbers.

    A rank makes the same calls many times and the same object is entered many times, so engines may
    keep what they have computed from one.
    """

    group: tuple[int, ...]
    position: int
    operation: str
    streams: Streams

    def __len__(self) -> int:
        return len(self.streams)

    def of_world(self) -> Streams:
        """The streams with the numbers of the world's ranks."""
        world = np.array(self.group, np.int32)
        return replace(self.streams, src=world[self.streams.src], dst=world[self.streams.dst])


@dataclass(frozen=True)
class BatchRows:
    """The rows of consecutive steps as columns, int64: what a timeline says of them.

    ``src``, ``dst``, ``size``, ``step`` and the row's ``stream``. Also a label for each step.
    """

    src: _Longs
    dst: _Longs
    size: _Longs
    step: _Longs
    stream: _Longs
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """Consecutive steps as columns: their ``rows``, and the `Streams` of these."""

    rows: BatchRows
    streams: Streams


def batches(
    steps: Iterable[Step], ranks: int, rows: int = WINDOW_ROWS, *, empty: bool = False
) -> Iterator[Batch]:
    """The steps in batches of whole steps, of ``rows`` rows or little more each.

    ``empty``: True to yield one batch without rows if there is no step: a call that moves nothing
    has still been made. Raises `ScheduleError` if a rank is not below ``ranks``.
    """
    coming, first = _by_turn(steps), 0
    while chunk := _take(coming, rows) or ([[Step((), (), 0)]] if empty and not first else []):
        yield _batch(chunk, first, ranks)
        first += len(chunk)


def _by_turn(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """The steps that take their time together, most often one."""
    for _, together in groupby(turns(steps), itemgetter(0)):
        yield [step for _, step in together]


def windows(
    steps: Iterable[Step], ranks: int, *, empty: bool = False
) -> Iterator[tuple[Batch, bool]]:
    """The `batches` of `WINDOW_ROWS` rows, each with whether another one follows."""
    _keep_freed_memory()
    coming = batches(steps, ranks, WINDOW_ROWS, empty=empty)
    batch = next(coming, None)
    while batch is not None:
        following = next(coming, None)
        yield batch, following is not None
        batch = following


@cache
def _keep_freed_memory() -> None:
    """Have glibc keep up to twice `_LARGEST_KEPT` of what columns free, for the next ones.

    Else it gives each column back to the system, which clears every page of the next one: a sixth
    of a warm simulation of 150,000 rows. The size from which on glibc does that is the largest that
    it has given back yet, so one array is made and freed; none of its pages is touched.
    """
    np.empty(_LARGEST_KEPT, np.uint8)


def _take(coming: Iterator[list[Step]], rows: int) -> list[list[Step]]:
    chunk, have = [], 0
    for together in islice(coming, rows):
        chunk.append(together)
        have += sum(map(len, together))
        if have >= rows:
            break
    return chunk


def _batch(turned: list[list[Step]], first: int, ranks: int) -> Batch:
    """The steps of consecutive turns as columns; ``first``: the number of the first turn."""
    chunk = [step for together in turned for step in together]
    lengths = np.array([len(step) for step in chunk])
    src, dst, size = (_column(chunk, name) for name in ("src", "dst", "size"))
    for column in (src, dst):
        if len(column) and column.max() >= ranks:
            raise ScheduleError(f"a step names rank {column.max()}, but there are {ranks} ranks")
    number = np.repeat(np.arange(first, first + len(turned)), [len(each) for each in turned])
    step = np.repeat(number, lengths)
    reduces = np.repeat(np.array([step.reduces for step in chunk], bool), lengths)
    traits = joined((step.traits, len(step)) for step in chunk)
    pairs = partial(_number_all, reduces) if len(chunk) > len(turned) else _streams_of
    stream, messages = pairs(src, dst, step, ranks, traits), _messages(chunk, len(src))
    n = int(stream.max(initial=-1)) + 1
    streams = (
        _streams(stream, n, src, dst, size, messages, step, reduces, traits)
        if n < len(stream)  # else every row is a stream of its own, in order
        else Streams(
            src.astype(np.int32), dst.astype(np.int32), size.astype(np.float64), messages, step,
            reduces, traits,
        )
    )  # fmt: skip
    labels = tuple(together[0].label for together in turned)
    return Batch(BatchRows(src, dst, size, step, stream, labels), streams)


def _column(chunk: list[Step], name: str) -> _Longs:
    """A column of all steps; a step's own where there is one, which may be large."""
    columns: list[_Longs] = [getattr(step, name) for step in chunk]
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def rank_streams(
    rows: TimedRows, group: tuple[int, ...], position: int, operation: str
) -> RankStreams:
    """The streams of the rank at ``position`` of ``group`` in a call of which it has ``rows``.

    Raises `WorldError` for rows that are not this rank's, or name ranks that are not in the group.
    """
    _check(rows, len(group), position)
    ranks = np.int64(len(group))
    pair = (rows.step * ranks + rows.src) * ranks + rows.dst
    n, stream = _numbered(2 * pair + rows.reduces, rows.traits)
    return RankStreams(group, position, operation, _streams(
        stream, n, rows.src, rows.dst, rows.size, rows.messages.astype(np.float64),
        rows.step, rows.reduces.astype(np.bool_), rows.traits,
    ))  # fmt: skip


def _check(rows: TimedRows, ranks: int, position: int) -> None:
    if not len(rows):
        return
    named = np.concatenate([rows.src, rows.dst])
    if named.min() < 0 or named.max() >= ranks:
        bad = named.min() if named.min() < 0 else named.max()
        raise WorldError(f"a row names rank {bad} of a group of {ranks}")
    strange = np.flatnonzero((rows.src != position) & (rows.dst != position))
    if len(strange):
        row = strange[0]
        pair = f"from {rows.src[row]} to {rows.dst[row]}"
        raise WorldError(f"rank {position} of the group has brought a row {pair}, not its own")


def _streams(
    stream: _Longs, n: int, src: _Longs, dst: _Longs, size: _Longs, messages: _Floats,
    step: _Longs, reduces: NDArray[np.bool_], traits: Traits,
) -> Streams:  # fmt: skip
    """The rows of each of ``n`` streams as one."""
    one = np.empty(n, np.int64)
    one[stream[::-1]] = np.arange(len(stream))[::-1]  # its first row
    return Streams(
        src[one].astype(np.int32), dst[one].astype(np.int32), _sums(size, stream, n),
        _sums(messages, stream, n), step[one], reduces[one], traits.pick(one),
    )  # fmt: skip


def _sums(values: _Longs | _Floats, stream: _Longs, n: int) -> _Floats:
    return np.bincount(stream, values, n).astype(np.float64, copy=False)


def _messages(chunk: list[Step], rows: int) -> _Floats:
    if all(step.messages is None for step in chunk):
        return np.ones(rows)
    given = [np.ones(len(s)) if s.messages is None else s.messages for s in chunk]
    return np.concatenate(given).astype(np.float64, copy=False)


def _streams_of(src: _Longs, dst: _Longs, step: _Longs, ranks: int, traits: Traits) -> _Longs:
    """The number of each row's stream: the same for rows of a step that differ in places only.

    Streams are in order of steps; where every row is one, in the order of rows.
    """
    if ranks <= _DENSE_RANKS and not traits:
        return _number_pairs(src, dst, step, ranks)
    key = (step - step[0]) * ranks * ranks + src * ranks + dst if len(step) else step
    if (key[1:] > key[:-1]).all():  # in order, and each pair once: nothing needs to be sorted
        return np.arange(len(key))
    return _in_row_order(*_numbered(key, traits))


def _in_row_order(n: int, stream: _Longs) -> _Longs:
    return np.arange(n) if n == len(stream) else stream


def _number_all(
    reduces: NDArray[np.bool_], src: _Longs, dst: _Longs, step: _Longs, ranks: int, traits: Traits
) -> _Longs:
    """As `_streams_of`, where rows of one turn differ in whether they are combined."""
    pair = (step * ranks + src) * ranks + dst
    return _in_row_order(*_numbered(2 * pair + reduces, traits))


def _numbered(key: _Longs, traits: Traits) -> tuple[int, _Longs]:
    """How many different rows there are, and the number of each among them, int64.

    Rows are in order of ``key``, then of their traits.
    """
    keys, stream = np.unique(key, return_inverse=True)
    for _, _, column in in_order(traits):  # values of a trait are no more than 16 bits
        keys, stream = np.unique(stream * (HIGHEST + 1) + column, return_inverse=True)
    return len(keys), stream.astype(np.int64, copy=False)


@compiled
def _number_pairs(src: _Longs, dst: _Longs, step: _Longs, ranks: int) -> _Longs:
    last = np.full((ranks, ranks), -1, np.int32)
    flow = np.empty(len(src), np.int64)
    count, first, here = 0, 0, -1
    for row in range(len(src)):
        if step[row] != here:
            here, first = step[row], count
        known = last[src[row], dst[row]]
        if known < first:
            known = count
            last[src[row], dst[row]] = count
            count += 1
        flow[row] = known
    return flow
