"""An operation with streams beside it, in a session of the machine's engine.

The streams are under way when the operation begins: each has had the time of a block. They go on
until its last rank is through. Each sends block after block, at most `WINDOW` of them at a time:
one is due every block's bytes over the stream's rate, and one that is late sets out when it may.
The time of a block counts from when it was due. Software costs a stream nothing.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from collectives.workloads.background.streams import (
    BLOCKS,
    Background,
    BackgroundError,
    Lane,
    lanes,
)
from fabric.classes.table import in_class
from fabric.clock.calls import Catalogue
from fabric.endpoint.costs import FREE
from fabric.engines.base import Ended
from fabric.fabric import Fabric
from fabric.schedule.plan import TimedRows, plans
from fabric.schedule.step import Step
from topology.routing.router import PACKAGE

_Floats = NDArray[np.float64]

WINDOW = 2
"""Blocks that a stream between two ranks has under way at most."""


@dataclass(frozen=True)
class StreamAnswer:
    """What a stream got through beside an operation.

    ``goodput``: bytes per second of all its lanes together; ``fairness``: Jain's index of what each
    lane got, 1 if all got the same; ``took``: seconds from when each block was due to its end,
    float64 [blocks], rising.
    """

    stream: Background
    goodput: float
    fairness: float
    took: _Floats

    def percentile(self, share: float) -> float | None:
        """Seconds within which that percentage of the blocks was through; None without any."""
        return float(np.percentile(self.took, share)) if len(self.took) else None

    @property
    def attained(self) -> float | None:
        """The percentage of the blocks that were through within what the stream asks for.

        None where it asks for nothing, or no block was through.
        """
        if self.stream.within is None or not len(self.took):
            return None
        return 100 * float((self.took <= self.stream.within).mean())


@dataclass(frozen=True)
class Beside:
    """An operation beside streams: ``time`` and ``alone`` in seconds, and what the streams got."""

    time: float
    alone: float
    streams: tuple[StreamAnswer, ...]

    @property
    def leakage(self) -> float:
        """By which fraction of its time alone the operation takes longer beside the streams."""
        return self.time / self.alone - 1 if self.alone > 0 else 0.0


_OPERATION = 0  # the number of its call; those of blocks follow


@dataclass(eq=False, slots=True)
class _LaneUnderWay:
    """A lane of a stream; seconds: ``period`` between two blocks, ``due`` of the next one.

    ``rows``: of a block, with their traffic class. ``began``: when the first was due; ``took``: of
    each that is through; ``last``: the end of it.
    """

    of: Lane
    rows: tuple[TimedRows, ...]
    stream: Background
    period: float
    due: float = 0.0
    began: float = 0.0
    took: list[float] = field(default_factory=list)
    last: float = 0.0


@dataclass(eq=False, slots=True)
class _Block:
    """A block under way: ``due``, ``end`` of a part so far, in seconds; ``left``: parts to end."""

    lane: _LaneUnderWay
    due: float
    left: int
    end: float = 0.0


def beside(
    fabric: Fabric, steps: Iterable[Step], streams: Sequence[Background], *, ranks: int,
    operation: str = "", size: int | None = None,
) -> Beside:  # fmt: skip
    """Time an operation of ``ranks`` ranks with these streams beside it.

    ``steps``, ``operation``, ``size``: as in `Fabric.simulate`. Raises `BackgroundError` for
    streams that cannot be on the machine, and as a session of the engine does.
    """
    own, others = _by_plane(fabric, streams, ranks)
    shares = [plan.rows for plan in plans(steps, ranks)]
    alone = _Stage(fabric, ranks, ())
    before = alone.operation(shares, operation, size, 0.0)
    stage = _Stage(fabric, ranks, own)
    begin = max((_alone(fabric, one, ranks) for one in own), default=0.0)
    end = stage.operation(shares, operation, size, begin)
    found = {id(one): answer for one, answer in zip(own, stage.answers(), strict=True)}
    for one in others:
        other = _over(fabric, one.plane)
        apart = _Stage(other, ranks, [one])
        apart.until(_alone(other, one, ranks) + end - begin)
        (found[id(one)],) = apart.answers()
    return Beside(end - begin, before, tuple(found[id(one)] for one in streams))


def seconds_of(
    fabric: Fabric, steps: Iterable[Step], streams: Sequence[Background], *, ranks: int,
    operation: str = "", size: int | None = None,
) -> float:  # fmt: skip
    """Seconds that an operation takes beside ``streams``, or alone where there are none.

    As `beside`, and as `Fabric.simulate`.
    """
    if not streams:
        return fabric.simulate(steps, operation=operation, size=size, ranks=ranks).duration
    return beside(fabric, steps, streams, ranks=ranks, operation=operation, size=size).time


def check_streams(fabric: Fabric, streams: Sequence[Background], ranks: int) -> None:
    """Raise `BackgroundError` for streams that cannot be beside an operation of so many ranks."""
    _by_plane(fabric, streams, ranks)


def _by_plane(
    fabric: Fabric, streams: Sequence[Background], ranks: int
) -> tuple[list[Background], list[Background]]:
    """The streams that may meet the operation, and those on planes that it does not use."""
    if ranks < 2:
        raise BackgroundError(f"streams beside {ranks} rank: they have nobody to send to")
    named = fabric.topology.planes
    places = fabric.places[:ranks]
    paths = fabric.router.paths(np.repeat(places, ranks), np.tile(places, ranks))
    numbers = np.unique(fabric.router.table.plane[paths])
    used = {named[number] for number in numbers.tolist() if number >= 0} - {PACKAGE}
    own: list[Background] = []
    others: list[Background] = []
    for one in streams:
        if one.plane is not None and one.plane not in named:
            raise BackgroundError(
                f"background {one}: no plane {one.plane!r}; there are {', '.join(named)}"
            )
        if one.plane is None or used == {one.plane}:
            own.append(one)
        elif one.plane not in used:
            others.append(one)
        else:
            raise BackgroundError(
                f"background {one}: the operation goes over {', '.join(sorted(used))}, and a stream"
                " beside it over one of several planes is not modelled; --planes chooses one"
            )
    return own, others


def _over(fabric: Fabric, plane: str | None) -> Fabric:
    """The same machine, of which only one plane is used; raises `RouteError` if it is cut."""
    planes = (plane,) if plane else fabric.router.planes
    return replace(fabric, endpoint=fabric.software, planes=planes)


def _alone(fabric: Fabric, stream: Background, ranks: int) -> float:
    """Seconds of a block of a stream alone, or between two of them where that is longer."""
    stage = _Stage(fabric, ranks, [Background(stream.kind, math.inf, stream.plane)])
    return max(stage.first(), BLOCKS[stream.kind] / stream.rate)


class _Stage:
    """A session with the lanes of streams in it, each block of which is a call."""

    def __init__(self, fabric: Fabric, ranks: int, streams: Sequence[Background]) -> None:
        self._session, self._ranks, self._streams = fabric.session(ranks), ranks, streams
        self._catalogue = Catalogue(fabric, ranks, self._session)
        self._calls, self._blocks = 1, dict[int, _Block]()
        self._lanes = [
            _LaneUnderWay(lane, _classed(fabric, one.kind, lane), one, BLOCKS[one.kind] / one.rate)
            for one in streams for lane in lanes(one.kind, ranks)
        ]  # fmt: skip
        for lane in self._lanes:
            lane.due = lane.began = lane.of.first * lane.period
            for _ in range(WINDOW):
                self._send(lane, 0.0)

    def operation(
        self, shares: Sequence[TimedRows], operation: str, size: int | None, begin: float
    ) -> float:
        """Let an operation begin at ``begin``, go on until its last rank is through.

        Returns when that is. Times are in seconds.
        """
        family = self._catalogue.family(operation, tuple(range(self._ranks)), size)
        for rank, rows in enumerate(shares):
            part = self._catalogue.part(family, rows, rank)
            self._session.enter(_OPERATION, begin + family.start, part.streams)
        last, left = begin, self._ranks
        while left:
            ends = self._advance(math.inf)
            if not ends:
                raise BackgroundError(f"transfers of {operation} never end: no bandwidth is left")
            left -= len(ends)
            last = max([last, *(end.time for end in ends)])
        return last

    def until(self, time: float) -> None:
        """Go on until ``time``, in seconds."""
        for end in iter(lambda: self._session.advance(time), []):
            self._block_ends(end)

    def first(self) -> float:
        """When the first block is through, in seconds."""
        while not any(lane.took for lane in self._lanes):
            self._block_ends(self._session.advance())
        return min(lane.last for lane in self._lanes if lane.took)

    def answers(self) -> tuple[StreamAnswer, ...]:
        """What each stream got so far."""
        return tuple(
            _answer(one, [lane for lane in self._lanes if lane.stream is one])
            for one in self._streams
        )

    def _advance(self, until: float) -> list[Ended]:
        """Go on until parts of the operation end; returns those."""
        while ended := self._session.advance(until):
            self._block_ends(ended)
            mine = [end for end in ended if end.call == _OPERATION]
            if mine:
                return mine
        return []

    def _block_ends(self, ended: Iterable[Ended]) -> None:
        """Note the blocks that are through, and send the next ones."""
        for end in ended:
            if end.call == _OPERATION:
                continue
            block = self._blocks[end.call]
            block.left -= 1
            block.end = max(block.end, end.time)
            if not block.left:
                del self._blocks[end.call]
                block.lane.took.append(block.end - block.due)
                block.lane.last = max(block.lane.last, block.end)
                self._send(block.lane, block.end)

    def _send(self, lane: "_LaneUnderWay", now: float) -> None:
        """Send a lane's next block when it is due, but not before ``now``, in seconds."""
        ready = max(lane.due, now)
        due = lane.due if lane.period else ready
        lane.due += lane.period
        group = lane.of.group
        family = self._catalogue.family(FREE, group)
        for position, rows in enumerate(lane.rows):
            part = self._catalogue.part(family, rows, position)
            self._session.enter(self._calls, ready + family.start, part.streams)
        self._blocks[self._calls] = _Block(lane, due, len(group))
        self._calls += 1


def _span(lane: _LaneUnderWay) -> float:
    """Seconds in which a lane has sent the blocks that are through."""
    return max(lane.last - lane.began, len(lane.took) * lane.period)


def _classed(fabric: Fabric, kind: str, lane: Lane) -> tuple[TimedRows, ...]:
    """The rows of a lane's blocks, in the traffic class of their kind."""
    number = fabric.traffic_classes.of_operation(kind)
    return tuple(replace(one, traits=in_class(one.traits, number, len(one))) for one in lane.rows)


def _answer(stream: Background, mine: Sequence[_LaneUnderWay]) -> StreamAnswer:
    block = BLOCKS[stream.kind]
    got = np.array([block * len(lane.took) / _span(lane) if lane.took else 0.0 for lane in mine])
    squares = float((got**2).sum())
    fairness = float(got.sum()) ** 2 / (len(got) * squares) if squares else 0.0
    took = np.sort([seconds for lane in mine for seconds in lane.took])
    return StreamAnswer(stream, float(got.sum()), fairness, took)
