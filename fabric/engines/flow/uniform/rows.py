"""The rows of a schedule that was timed by classes, made when somebody reads them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.engines.columns import Streams
from fabric.schedule.step import ScheduleError
from fabric.schedule.uniform import UniformSteps
from topology.routing.turns import Turned

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]

MOST_READ = 1 << 25
"""Rows that are made at most when somebody reads them: 1.6 GB."""


@dataclass(frozen=True, eq=False)
class RowsOfClasses:
    """The rows of ``steps``; ``examples``: the ranks whose rows ``known`` are the first ones of it.

    ``of_row``: the class of each of these; ``start``, ``finish``: of each class, seconds.
    """

    steps: UniformSteps
    turned: Turned
    examples: _Longs
    known: Streams
    of_row: _Longs
    start: _Floats
    finish: _Floats

    def given(self) -> Mapping[str, Callable[[], NDArray[Any]]]:
        """The columns of a `Timeline` that are of rows, each as a function that makes it."""
        names = ("src", "dst", "size", "step", "start", "finish")
        return {name: partial(self._column, name) for name in names}

    def _column(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    @cached_property
    def _columns(self) -> dict[str, NDArray[Any]]:
        if self.steps.rows > MOST_READ:
            raise ScheduleError(
                f"{self.steps.rows:,} transfers were timed by classes; one by one they are too many"
                f" to be read, more than {MOST_READ:,}"
            )
        steps = list(self.steps.make())
        src, dst, size = (
            np.concatenate([getattr(step, name) for step in steps])
            for name in ("src", "dst", "size")
        )
        number = np.repeat(np.arange(len(steps)), [len(step) for step in steps])
        which = self._class(src, dst, number)
        return {
            "src": src, "dst": dst, "size": size, "step": number,
            "start": self.start[which], "finish": self.finish[which],
        }  # fmt: skip

    def _class(self, src: _Longs, dst: _Longs, step: _Longs) -> _Longs:
        """The class of each row: that of the row that turns make of it."""
        turned, n, known = self.turned, len(self.of_row), self.known
        keys = self._key(known.src[:n].astype(np.int64), known.dst[:n], known.step[:n])
        order = np.argsort(keys, kind="stable")
        asked = self._key(turned.example(src), turned.back(dst, src), step)
        return self.of_row[order[np.searchsorted(keys[order], asked)]]

    def _key(self, src: _Longs, dst: NDArray[np.integer], step: _Longs) -> _Longs:
        ranks = self.turned.ranks
        return (step * ranks + src) * ranks + dst
