"""Step: the transfers in flight together, one array per column, and the one ordering rule.

**The one ordering rule: a rank begins its rows of a step when it has finished its rows of the step
before.** A row is both a send and its receive, so a row begins when both of its ranks have reached
its step. A collective is an iterable of steps; the reference, the engines, the executors and the
pictures all read the same one.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import count
from typing import Any, Unpack, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabric.schedule.traits import HIGHEST, NO_TRAITS, TRAITS, GivenTraits, Traits, traits_of
from topology.arguments import shown
from topology.errors import ArgumentError, TriplaneError
from topology.names import near

BUFFERS = ("send", "recv", "work")
"""What a rank has: what it was given, what it must fill, and room of its own."""

MAX_SIZE = 1 << 53
"""Bytes of one transfer at most: beyond this float64 seconds would no longer tell bytes apart."""


class ScheduleError(TriplaneError):
    """A step, or a schedule of them, is not valid."""


@dataclass(frozen=True, slots=True)
class Step:
    """Transfers in flight together: row i moves ``size[i]`` bytes from ``src[i]`` to ``dst[i]``.

    Columns of integers, all of one length (a single number applies to all rows):

    - ``src``, ``dst``: int64, ranks. A row whose two ranks are equal is a copy inside that rank.
    - ``size``: int64, bytes, 0 to `MAX_SIZE`.
    - ``src_at``, ``dst_at``: int64, the byte where the row begins in the buffer of ``src`` that it
      reads, and in the buffer of ``dst`` that it writes.
    - ``messages``: int64, how many messages of the software carry the row; default 1.

    ``reduces``: rows are combined into the bytes at their target with the collective's operation,
    instead of replacing them. ``reads`` and ``writes``: which of `BUFFERS`. A step reads what the
    buffers held before the step. ``beside``: the rows take their time beside those of the step
    before, as if both were one step, though they read what it has written: so what combines bytes
    and what replaces them can be under way together. ``label``: what traces call it. ``traits``:
    what the rows say to an engine beside their bytes, given as keywords, see
    `fabric.schedule.traits.GivenTraits`: ``Step(..., traffic_class=1)``.

    Raises `ScheduleError`.
    """

    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    size: NDArray[np.int64]
    src_at: NDArray[np.int64]
    dst_at: NDArray[np.int64]
    reduces: bool = False
    reads: str = "send"
    writes: str = "recv"
    messages: NDArray[np.int64] | None = None
    label: str = ""
    traits: Traits = NO_TRAITS
    beside: bool = False

    def __init__(
        self,
        src: ArrayLike,
        dst: ArrayLike,
        size: ArrayLike,
        src_at: ArrayLike = 0,
        dst_at: ArrayLike = 0,
        *,
        reduces: bool = False,
        reads: str = "send",
        writes: str = "recv",
        messages: ArrayLike | None = None,
        label: str = "",
        beside: bool = False,
        **traits: Unpack[GivenTraits],
    ) -> None:
        given = [src, dst, size, src_at, dst_at]
        columns = _spread(given if messages is None else [*given, messages])
        for name, column in zip(("src", "dst", "size", "src_at", "dst_at"), columns, strict=False):
            object.__setattr__(self, name, column)
        carried = None if messages is None else columns[5]
        for name, value in (
            ("reduces", reduces), ("reads", reads), ("writes", writes),
            ("messages", carried), ("label", label), ("beside", beside),
            ("traits", _traits(traits, len(columns[0])) if traits else NO_TRAITS),
        ):  # fmt: skip
            object.__setattr__(self, name, value)
        _check(self)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.src)

    def pick(self, which: NDArray[np.bool_]) -> "Step":
        """The step with only the rows for which the mask ``which`` is true."""
        picked = Step(
            self.src[which], self.dst[which], self.size[which], self.src_at[which],
            self.dst_at[which], reduces=self.reduces, reads=self.reads, writes=self.writes,
            messages=None if self.messages is None else self.messages[which], label=self.label,
            beside=self.beside,
        )  # fmt: skip
        object.__setattr__(picked, "traits", self.traits.pick(which))
        return picked

    def with_traits(self, traits: Traits) -> "Step":
        """The step with other ``traits`` of its rows."""
        if traits is self.traits:
            return self
        changed = copy(self)
        object.__setattr__(changed, "traits", traits)
        return changed


def turns(steps: Iterable[Step]) -> Iterator[tuple[int, Step]]:
    """Each step with the number of its turn: of those that take their time before it."""
    turn = -1
    for step in steps:
        turn += not step.beside or turn < 0
        yield turn, step


def only_steps(steps: Iterable[Any]) -> Iterator[Step]:
    """An iterator over ``steps``, a user's schedule.

    Raises `ArgumentError` for anything but `Step`.
    """
    if not isinstance(steps, Iterable):
        raise ArgumentError(f"steps is {shown(steps)}; it has to be an iterable of Step")
    return map(_step, steps, count())


def _step(step: Any, number: int) -> Step:
    if not isinstance(step, Step):
        raise ArgumentError(f"step {number} of the schedule is {shown(step)}, and no Step")
    return step


_INT64 = np.dtype(np.int64)


def _spread(given: list[ArrayLike]) -> Sequence[NDArray[np.int64]]:
    """The columns as int64 of one dimension, all of one length."""
    length = getattr(given[0], "shape", None)
    for c in given:
        if type(c) is not np.ndarray or c.shape != length or c.dtype is not _INT64 or c.ndim != 1:
            return _converted(given)
    return cast("list[NDArray[np.int64]]", given)  # the usual case, made cheap


def _converted(given: list[ArrayLike]) -> Sequence[NDArray[np.int64]]:
    columns = [_column(name, column) for name, column in zip(_COLUMNS, given, strict=False)]
    n = max([column.size for column in columns if column.ndim], default=1)
    for name, column in zip(_COLUMNS, columns, strict=False):
        if column.shape not in ((n,), ()):
            raise ScheduleError(
                f"the columns of a step do not fit together: {name} has the shape"
                f" {list(column.shape)}; it has to be one number, or [{n}]"
            )
    return [_filled(n, int(column)) if column.ndim == 0 else column for column in columns]


def _filled(n: int, value: int) -> NDArray[np.int64]:
    """``n`` times ``value``; of zeros nothing is written, so they take no memory until they are."""
    return np.full(n, value, np.int64) if value else np.zeros(n, np.int64)


def _traits(given: GivenTraits, rows: int) -> Traits:
    """The traits given for so many rows, checked."""
    columns: dict[str, NDArray[np.int64]] = {}
    for name, value in cast("dict[str, ArrayLike]", given).items():
        if name not in TRAITS:
            raise ScheduleError(
                f"a step has no argument {name!r}; its traits are {', '.join(TRAITS)}"
                f"{near(name, TRAITS)}"
            )
        column = _column(name, value)
        if column.shape not in ((rows,), ()):
            raise ScheduleError(
                f"{name} of a step has the shape {list(column.shape)}; it has to be one number, or"
                f" [{rows}]"
            )
        bad = column[(column < 0) | (column > HIGHEST)]
        if bad.size:
            raise ScheduleError(f"{name} of a step is {bad.flat[0]}, outside 0 to {HIGHEST}")
        columns[name] = np.full(rows, column) if column.ndim == 0 else column
    return traits_of(columns)


_COLUMNS = ("src", "dst", "size", "src_at", "dst_at", "messages")


def _column(name: str, given: ArrayLike) -> NDArray[np.int64]:
    """A column as int64; floats only where they are whole numbers."""
    if type(given) is np.ndarray and given.dtype is _INT64:
        return given
    try:
        column = np.asarray(given)
        kind = column.dtype.kind if column.size else "i"
        if kind == "f" and (np.abs(column) <= MAX_SIZE).all() and (column % 1 == 0).all():
            kind = "i"
        if kind == "u" and column.max() <= np.iinfo(np.int64).max:
            kind = "i"
        if kind == "i" and not isinstance(given, np.ma.MaskedArray):
            return column.astype(np.int64, copy=False)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ScheduleError(f"{name} of a step is no column of integers: {error}") from None
    raise ScheduleError(f"{name} of a step is {shown(given)}; it has to be integers of 64 bits")


def _check(step: Step) -> None:
    for name in (step.reads, step.writes):
        if name not in BUFFERS:
            raise ScheduleError(f"a rank has no buffer {name!r}; it has {', '.join(BUFFERS)}")
    bits = step.src | step.dst
    for column in (step.size, step.src_at, step.dst_at, step.messages):
        if column is not None:
            bits |= column
    if not 0 <= np.bitwise_or.reduce(bits) <= MAX_SIZE:  # one look at all of them
        _check_each(step)


def _check_each(step: Step) -> None:
    for name in ("src", "dst", "size", "src_at", "dst_at", "messages"):
        column = getattr(step, name)
        if column is not None and column.min() < 0:
            row = int(column.argmin())
            raise ScheduleError(f"{name} of row {row} is {column.min()}, below 0")
    if step.size.max() > MAX_SIZE:
        row = int(step.size.argmax())
        raise ScheduleError(f"size of row {row} is {step.size[row]} bytes, above {MAX_SIZE}")
