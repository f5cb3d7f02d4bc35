"""`StreamSession`: a session of a machine in which streams are under way beside what enters it.

The streams are under way when its time begins: each has had the time of a block. They go on as long
as something else is in the session. Each sends block after block, at most `WINDOW` of them at a
time: one is due every block's bytes over the stream's rate, and one that is late sets out when it
may. The time of a block counts from when it was due. Software costs a stream nothing.
"""

import math
from collections.abc import Sequence
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
from fabric.engines.base import Ended, LinkChange, Session
from fabric.engines.columns import RankStreams
from fabric.fabric import Fabric
from fabric.schedule.plan import TimedRows
from topology.routing.router import PACKAGE

_Floats = NDArray[np.float64]

WINDOW = 2
"""Blocks that a stream between two ranks has under way at most."""

MOST_BLOCKS = 1 << 21
"""Blocks of all streams that are sent beside an operation: it takes about a minute."""

PATIENCE = 1000.0
"""How many times its time alone an operation may take beside streams that leave it nothing."""


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


class _Lanes:
    """The lanes of streams in a session, from its time 0 on; their calls have negative numbers."""

    def __init__(
        self, fabric: Fabric, ranks: int, streams: Sequence[Background], session: Session
    ) -> None:
        self._session, self._streams = session, streams
        self._catalogue = Catalogue(fabric, ranks, session)
        self.sent, self._blocks = 0, dict[int, _Block]()
        self._lanes = [
            _LaneUnderWay(lane, _classed(fabric, one.kind, lane), one, BLOCKS[one.kind] / one.rate)
            for one in streams for lane in lanes(one.kind, ranks)
        ]  # fmt: skip
        for lane in self._lanes:
            lane.due = lane.began = lane.of.first * lane.period
            for _ in range(WINDOW):
                self._send(lane, 0.0)

    def __len__(self) -> int:
        return len(self._lanes)

    def sift(self, ended: Sequence[Ended]) -> list[Ended]:
        """Note the blocks that are through, and send the next ones; returns what is not theirs."""
        for end in ended:
            if end.call < 0:
                self._part_ends(end)
        return [end for end in ended if end.call >= 0]

    def until(self, time: float) -> None:
        """Go on until ``time``, in seconds, with nothing else in the session."""
        for ended in iter(lambda: self._session.advance(time), []):
            self.sift(ended)

    def first(self) -> float:
        """When the first block is through, in seconds, with nothing else in the session."""
        while not any(lane.took for lane in self._lanes):
            ended = self._session.advance()
            if not ended:
                raise BackgroundError(f"{_all(self._streams)}: no bandwidth is left for a block")
            self.sift(ended)
        return min(lane.last for lane in self._lanes if lane.took)

    def answers(self) -> tuple[StreamAnswer, ...]:
        """What each stream got so far."""
        return tuple(
            _answer(one, [lane for lane in self._lanes if lane.stream is one])
            for one in self._streams
        )

    def _part_ends(self, end: Ended) -> None:
        block = self._blocks[end.call]
        block.left -= 1
        block.end = max(block.end, end.time)
        if not block.left:
            del self._blocks[end.call]
            block.lane.took.append(block.end - block.due)
            block.lane.last = max(block.lane.last, block.end)
            self._send(block.lane, block.end)

    def _send(self, lane: _LaneUnderWay, now: float) -> None:
        """Send a lane's next block when it is due, but not before ``now``, in seconds."""
        ready = max(lane.due, now)
        due = lane.due if lane.period else ready
        lane.due += lane.period
        group = lane.of.group
        self.sent += 1
        family = self._catalogue.family(FREE, group)
        for position, rows in enumerate(lane.rows):
            part = self._catalogue.part(family, rows, position)
            self._session.enter(-self.sent, ready + family.start, part.streams)
        self._blocks[-self.sent] = _Block(lane, due, len(group))


class StreamSession:
    """The `Session` ``inner`` of which the first ``ranks`` places have ``streams`` between them.

    ``inner``: None for a new one of the fabric; else one of a machine with these ranks that nothing
    has entered. ``alone``: seconds that what will enter takes without streams: `advance` raises
    `BackgroundError` if it is not through after `PATIENCE` times that. Faults are timed from when
    its time begins, as without streams. Raises `BackgroundError` for streams that cannot be on the
    machine, or would send more than `MOST_BLOCKS`.
    """

    def __init__(
        self, fabric: Fabric, streams: Sequence[Background], ranks: int, *, alone: float,
        inner: Session | None = None,
    ) -> None:  # fmt: skip
        self._fabric, self._streams, self._ranks, self._longest = fabric, streams, ranks, alone
        self._own, self._others = by_plane(fabric, streams, ranks)
        self._inner = fabric.session(ranks) if inner is None else inner
        blocks = [_block_time(fabric, one, ranks) for one in self._own]
        self._begin = max(blocks, default=0.0)
        self._check_number(blocks)
        self.clear()
        for at, what in fabric.changes:
            self.change(at, what)

    def prepare(self, streams: RankStreams) -> None:
        """As of every `Session`."""
        self._inner.prepare(streams)

    def enter(self, call: int, ready: float, streams: RankStreams) -> None:
        """As of every `Session`; calls have numbers from 0 on."""
        self._open += 1
        self._inner.enter(call, self._begin + ready, streams)

    def change(self, at: float, what: LinkChange) -> None:
        """As of every `Session`; what holds from the begin on, holds for streams before it."""
        self._inner.change(self._begin + at if at > 0 else 0.0, what)

    def advance(self, until: float = math.inf) -> list[Ended]:
        """As of every `Session`; blocks of streams are not among what ends."""
        while self._open or until < math.inf:
            ended = self._inner.advance(self._begin + until)
            if not ended:
                return []
            mine = self._lanes.sift(ended)
            if mine:
                self._open -= len(mine)
                return [Ended(end.call, end.position, end.time - self._begin) for end in mine]
            self._check_patience(ended[0].time - self._begin)
        return []

    def clear(self) -> None:
        """As of every `Session`; the streams begin anew."""
        self._inner.clear()
        self._open = 0
        self._lanes = _Lanes(self._fabric, self._ranks, self._own, self._inner)

    def answers(self, time: float) -> tuple[StreamAnswer, ...]:
        """What each stream got until ``time``, in seconds, when all that entered was through."""
        found = dict(zip(map(id, self._own), self._lanes.answers(), strict=True))
        for one in self._others:
            other = _over(self._fabric, one.plane)
            apart = _Lanes(other, self._ranks, [one], other.session(self._ranks))
            apart.until(_block_time(other, one, self._ranks) + time)
            (found[id(one)],) = apart.answers()
        return tuple(found[id(one)] for one in self._streams)

    def _check_number(self, blocks: Sequence[float]) -> None:
        """Raise `BackgroundError` for streams that would send too many blocks."""
        many = sum(
            len(lanes(one.kind, self._ranks)) * self._longest / max(block / WINDOW, _period(one))
            for one, block in zip(self._own, blocks, strict=True)
        )
        if many > MOST_BLOCKS:
            raise BackgroundError(
                f"{_all(self._own)}: in {self._longest:.3g} s, which it takes without streams, they"
                f" would send {many:.2g} blocks; {MOST_BLOCKS} are followed at most: a lower rate,"
                " or less to be beside"
            )

    def _check_patience(self, now: float) -> None:
        """Raise `BackgroundError` if streams leave too little to what they are beside."""
        if now > PATIENCE * self._longest or self._lanes.sent > 4 * MOST_BLOCKS:
            raise BackgroundError(
                f"{_all(self._own)}: what takes {self._longest:.3g} s alone is not through after"
                f" {now:.3g} s beside it: it is left next to nothing"
            )


def by_plane(
    fabric: Fabric, streams: Sequence[Background], ranks: int
) -> tuple[list[Background], list[Background]]:
    """The streams that may meet what so many ranks do, and those on planes that it does not use.

    Raises `BackgroundError` for streams that cannot be beside it.
    """
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
            _check_ways(fabric, one, ranks)
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


def _check_ways(fabric: Fabric, stream: Background, ranks: int) -> None:
    """Raise `RouteError` if a plane that only a stream uses does not connect its ranks."""
    groups = [np.array(lane.group) for lane in lanes(stream.kind, ranks)]
    src, dst = np.concatenate(groups), np.concatenate([np.roll(one, -1) for one in groups])
    _over(fabric, stream.plane).router.paths(fabric.places[src], fabric.places[dst])


def _block_time(fabric: Fabric, stream: Background, ranks: int) -> float:
    """Seconds of a block of a stream alone, or between two of them where that is longer."""
    endless = Background(stream.kind, math.inf, stream.plane)
    alone = _Lanes(fabric, ranks, [endless], fabric.session(ranks))
    return max(alone.first(), _period(stream))


def _period(stream: Background) -> float:
    """Seconds between two blocks of a lane."""
    return BLOCKS[stream.kind] / stream.rate


def _all(streams: Sequence[Background]) -> str:
    return f"background {' '.join(map(str, streams))}"


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
