"""`TimedCall`: what an emulator knows of one collective in progress, and what its repeats share."""

import math
from dataclasses import dataclass, field, replace

from fabric.classes.table import in_class
from fabric.endpoint.costs import Endpoint
from fabric.engines.base import Session
from fabric.engines.columns import RankStreams, rank_streams
from fabric.fabric import Fabric
from fabric.failure import WorldError
from fabric.schedule.plan import TimedRows

TICK = 2.0**-40
"""Seconds between two instants of emulated time, 0.9 ps: sums of multiples of it are exact, for
two hours and a quarter."""

_TICKS = 2.0**40  # in a second
_EXACT = 2.0**53 * TICK  # seconds from where on a float64 has no finer grid anyway
_KEPT = 1 << 22  # transfers in the shares that a catalogue remembers: those of 768 ranks' two-shot
_FAMILIES = 1 << 14


def grid(seconds: float) -> float:
    """The instant of the clock nearest to a time; both in seconds."""
    return round(seconds * _TICKS) * TICK if seconds < _EXACT else seconds


@dataclass(frozen=True, slots=True, eq=False)
class CallShare:
    """What one rank brings to a call.

    ``digest``: of its rows; ``streams``: what they move; ``moves``: whether that is anything;
    ``alone``: True if it has no transfer with another rank.
    """

    digest: str
    streams: RankStreams
    moves: bool
    alone: bool


@dataclass(eq=False, slots=True)
class Family:
    """The calls of one operation by one group: each rank's position in it, and their shares so far.

    ``start``: seconds from when a rank joins to its first step.
    """

    group: tuple[int, ...]
    operation: str
    start: float
    position: dict[int, int]
    parts: dict[tuple[str, int], CallShare] = field(default_factory=dict)


class Catalogue:
    """The families of a world of ``size`` ranks on ``fabric``, and what ranks bring to their calls.

    Ranks make the same calls many times: a share is made, and prepared for ``session``, once.
    ``software``: what calls cost; None: that of the fabric.
    """

    def __init__(
        self, fabric: Fabric, size: int, session: Session, software: Endpoint | None = None
    ) -> None:
        self._fabric, self._size, self._session, self._kept = fabric, size, session, 0
        self._software = fabric.software if software is None else software
        self._families: dict[tuple[str, tuple[int, ...]], Family] = {}

    def family(self, operation: str, group: tuple[int, ...], size: int | None = None) -> Family:
        """The family of calls of ``operation`` by ``group``.

        ``size``: bytes, as in `Fabric.simulate`. Raises `WorldError` for an invalid group.
        """
        operation = self._software.regime(operation, size)
        family = self._families.get((operation, group))
        if family is None:
            if len(self._families) >= _FAMILIES:
                self._forget()
            family = self._families[operation, group] = self._make(operation, group)
        return family

    def part(self, family: Family, rows: TimedRows, position: int) -> CallShare:
        """The share of the rank at ``position`` with these ``rows``.

        Raises `WorldError` for rows that are not that rank's, `RouteError` for ranks without a
        path, `EngineError` for traits that the engine does not model.
        """
        key = rows.digest, position
        part = family.parts.get(key)
        if part is None:
            self._kept += len(rows)
            if self._kept > _KEPT:
                self._forget()
            part = family.parts[key] = self._part(family, rows, position)
        return part

    def _part(self, family: Family, rows: TimedRows, position: int) -> CallShare:
        digest = rows.digest
        if rows.traits:
            self._fabric.check_traits(rows.traits, f"a row of rank {family.group[position]}")
        number = self._fabric.traffic_classes.of_operation(family.operation)
        if number:
            rows = replace(rows, traits=in_class(rows.traits, number, len(rows)))
        streams = rank_streams(rows, family.group, position, family.operation)
        self._session.prepare(streams)
        columns = streams.streams
        alone = bool((columns.src == columns.dst).all())
        return CallShare(digest, streams, len(streams) > 0, alone)

    def _make(self, operation: str, group: tuple[int, ...]) -> Family:
        bad = [rank for rank in group if not 0 <= rank < self._size]
        if bad:
            raise WorldError(f"a group names rank {bad[0]} of a world of {self._size} ranks")
        position = {rank: at for at, rank in enumerate(group)}
        if not group or len(position) < len(group):
            raise WorldError(f"a group of ranks {list(group)} is empty or names one twice")
        start = self._software.costs(operation).start(len(group))
        return Family(group, operation, start, position)

    def _forget(self) -> None:
        for family in self._families.values():
            family.parts.clear()
        self._families.clear()
        self._kept = 0


@dataclass(eq=False, slots=True)
class TimedCall:
    """One call, as lists over the positions in its group.

    ``parts``: what each rank posted; ``joined``: when the rank joined, that is, began its part;
    ``end``: when its part ends, in emulated seconds; each None while not known. ``away``: how many
    ranks have not joined; ``moving``: how many that joined have transfers; ``open``: how many ends
    are not known.
    """

    op: int
    family: Family
    parts: list[CallShare | None]
    joined: list[float | None]
    end: list[float | None]
    away: int
    open: int
    moving: int = 0

    @property
    def first(self) -> float:
        """When the first rank joined, in emulated seconds."""
        return min(at for at in self.joined if at is not None)

    @property
    def last(self) -> float:
        """The last end that is known, in emulated seconds; -inf if none is."""
        return max((end for end in self.end if end is not None), default=-math.inf)

    def missing(self) -> tuple[int, ...]:
        """The ranks that have not joined."""
        pairs = zip(self.family.group, self.joined, strict=True)
        return tuple(rank for rank, at in pairs if at is None)

    def position(self, rank: int) -> int | None:
        """The place of ``rank`` in the group; None if it is not in it."""
        return self.family.position.get(rank)

    def posted(self) -> list[tuple[int, int]]:
        """The ranks whose part it is, with the position of each."""
        return [(rank, position) for position, rank in enumerate(self.family.group)]


def new_call(op: int, family: Family) -> TimedCall:
    """A call ``op`` that no rank has joined yet."""
    n = len(family.group)
    return TimedCall(op, family, [None] * n, [None] * n, [None] * n, n, n)


@dataclass(frozen=True, slots=True)
class Finished:
    """A call that is over: when its ranks joined and their parts ended, in emulated seconds."""

    op: int
    operation: str
    group: tuple[int, ...]
    begin: tuple[float, ...]
    finish: tuple[float, ...]
