"""Uniform traffic said in a few words instead of a row for each pair of ranks.

In a `GroupExchange` every rank sends the same to each member of its group, and groups are alike. A
schedule of a few exchanges may stand for more rows than fit into a memory; an engine that sees that
ranks are alike times one rank's rows for all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fabric.schedule.step import ScheduleError, Step

_Longs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GroupExchange:
    """A step in which each of ``ranks`` ranks sends ``size`` bytes to each member of its group.

    A group has ``members`` ranks, ``stride`` apart: those of rank r are the ranks of its block of
    ``stride * members`` ranks that are whole strides from it. ``to_itself``: each rank also copies
    as much inside itself; a group of 1 is only that. ``in_turn``: as many steps as a rank has
    peers, in each of which it sends to one, the next one on first. ``reduces``, ``label``: as in
    `Step`.

    Raises `ScheduleError` if blocks do not divide the ranks.
    """

    ranks: int
    stride: int
    members: int
    size: int
    to_itself: bool = False
    in_turn: bool = False
    reduces: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        if min(self.ranks, self.stride, self.members) < 1 or self.ranks % self.block:
            raise ScheduleError(
                f"{self.members} ranks, {self.stride} apart, are no groups of {self.ranks} ranks"
            )

    @property
    def block(self) -> int:
        """Ranks of a block, which groups do not leave."""
        return self.stride * self.members

    @property
    def peers(self) -> int:
        """Rows of one rank."""
        return self.members if self.to_itself else self.members - 1

    @property
    def steps(self) -> int:
        """How many steps it is."""
        return self.peers if self.in_turn else 1

    def to(self, rank: _Longs) -> _Longs:
        """The ranks that each of ``rank`` sends to: int64 [len(rank), peers], the next one first.

        Row by row of these it sends to one member after another, and `come_from` has those that
        send to it in the same order.
        """
        return self._away(rank, 1)

    def come_from(self, rank: _Longs) -> _Longs:
        """The ranks that send to each of ``rank``: int64 [len(rank), peers], see `to`."""
        return self._away(rank, -1)

    def _away(self, rank: _Longs, way: int) -> _Longs:
        ahead = np.arange(0 if self.to_itself else 1, self.members) * (self.stride * way)
        first = (rank - rank % self.block)[:, None]
        return np.asarray(first + (rank[:, None] - first + ahead) % self.block)


@dataclass(slots=True)
class UniformSteps(Iterator[Step]):
    """The steps of a schedule that is a few exchanges: an iterator like any schedule's.

    ``exchanges``: in order. ``make``: returns the steps with all of their rows, in order; it is
    called when a row is first asked for.
    """

    exchanges: tuple[GroupExchange, ...]
    make: Callable[[], Iterator[Step]]
    _steps: Iterator[Step] | None = field(default=None, init=False)

    def __next__(self) -> Step:
        if self._steps is None:
            self._steps = self.make()
        return next(self._steps)

    @property
    def rows(self) -> int:
        """Rows of all steps."""
        return sum(one.ranks * one.peers for one in self.exchanges)

    @property
    def is_whole(self) -> bool:
        """True as long as no step has been taken."""
        return self._steps is None
