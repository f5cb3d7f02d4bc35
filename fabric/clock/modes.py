"""Traffic: which calls are in flight together, and when their lanes end.

`Strict` goes on from instant to instant and never takes anything back. `Merged` times a call as
soon as all of its ranks have come.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from fabric.clock.calls import TimedCall, grid
from fabric.engines.flow.live import Live, PeersHere
from fabric.engines.flow.rank_streams import PlacedFabric
from fabric.failure import WorldError

_REMEMBERED = 1 << 18  # ends in the memory of what calls took; each takes some 100 bytes
_RECENT = 64  # calls that a new one may contend with

End = tuple[TimedCall, int, float]
"""A call, the position of a rank in its group, and when that rank's part ends."""

_Lane = tuple[float, int, int, TimedCall]  # when it comes, op, position, call
_Stop = tuple[tuple[int, int, float], ...]  # number of the call, position, seconds from the first


class CallsInFlight:
    """The engine with the lanes of calls on it; ``origin`` is its time 0."""

    def __init__(self, ground: PlacedFabric) -> None:
        self.live, self.origin = Live(ground), 0.0
        self._who: list[tuple[TimedCall, int]] = []
        self._seats: dict[TimedCall, PeersHere] = {}

    def clear(self, origin: float) -> None:
        """Nobody is on it; time begins at ``origin``."""
        self.live.reset()
        self.origin = origin
        self._who.clear()
        self._seats.clear()

    def enter(self, lanes: Iterable[_Lane]) -> None:
        """Lanes come onto it, those of a call together."""
        for call, mine in groupby(sorted(lanes, key=_order), key=itemgetter(3)):
            if call not in self._seats:
                self._seats[call] = PeersHere(len(call.parts))
            start, parts = call.family.start, call.parts
            came = [(at, position, parts[position]) for at, _, position, _ in mine]
            self.live.add(
                self._seats[call], [position for _, position, _ in came],
                [part for _, _, part in came if part is not None],
                [at - self.origin + start for at, _, _ in came],
            )  # fmt: skip
            self._who += [(call, position) for _, position, _ in came]

    def go(self) -> list[End]:
        """What ends next; empty where nothing can."""
        ended = [(*self._who[lane], self.origin + grid(end)) for lane, end in self.live.go()]
        if self.live.crowded:
            self._tidy()
        return ended

    def _tidy(self) -> None:
        """Forget what has ended: in a program without a pause, nothing else ever would."""
        number = self.live.compact([seats.lane for seats in self._seats.values()])
        self._who = [who for who, n in zip(self._who, number.tolist(), strict=True) if n >= 0]
        for call in [call for call in self._seats if not call.open]:
            del self._seats[call]

    def play(self, calls: Sequence[TimedCall], origin: float) -> list[list[End]]:
        """All that happens when these calls, whose ranks have all come, are alone on it."""
        self.clear(origin)
        self.enter(lane for call in calls for lane in _lanes(call))
        stops = []
        while ended := self.go():
            stops.append(ended)
        if self.live.lanes:
            names = ", ".join(f"{call.op} ({call.family.operation})" for call in calls)
            raise WorldError(f"transfers of calls {names} never end: no bandwidth is left")
        return stops


def _order(lane: _Lane) -> tuple[int, float, int]:
    at, op, position, _ = lane
    return op, at, position


def _lanes(call: TimedCall) -> list[_Lane]:
    """The lanes of all ranks that have come."""
    came = enumerate(zip(call.came, call.parts, strict=True))
    return [
        (at, call.op, position, call)
        for position, (at, part) in came
        if at is not None and part is not None and part.lane is not None
    ]


class _TimesAlone:
    """What calls took that were alone on the fabric, by all that it depends on."""

    def __init__(self, stage: CallsInFlight) -> None:
        self._stage, self._size = stage, 0
        self._stops: OrderedDict[object, tuple[_Stop, ...]] = OrderedDict()

    def stops(self, calls: Sequence[TimedCall], first: float) -> tuple[_Stop, ...]:
        """Which lanes of ``calls`` end one after another, and when after ``first``."""
        key = tuple([_key(call, first) for call in calls])
        stops = self._stops.get(key)
        if stops is None:
            stops = self._stops[key] = self._play(calls, first)
            self._size += sum(map(len, stops))
            while self._size > _REMEMBERED and len(self._stops) > 1:
                self._size -= sum(map(len, self._stops.popitem(last=False)[1]))
        else:
            self._stops.move_to_end(key)
        return stops

    def _play(self, calls: Sequence[TimedCall], first: float) -> tuple[_Stop, ...]:
        number = {call: i for i, call in enumerate(calls)}
        stops = [
            tuple((number[call], at, end - first) for call, at, end in stop)
            for stop in self._stage.play(calls, first)
        ]
        if len({end for stop in stops for _, _, end in stop}) == 1:  # all at one instant
            return (tuple(lane for stop in stops for lane in stop),)
        return tuple(stops)


def _key(call: TimedCall, first: float) -> object:
    """All that the ends of a call alone depend on; its ranks come so long after ``first``."""
    rows = [part.digest for part in call.parts if part is not None]
    after = [None if at is None else at - first for at in call.came]
    if after.count(after[0]) == len(after):  # the usual case, made short
        return call.family, tuple(rows), after[0]
    return call.family, tuple(rows), tuple(after)


class Strict:
    """Time goes on from one end to the next; no rank may come to a call before what was told.

    What is alone on the fabric is looked up in a memory of such calls. Its ends are told one stop
    at a time; where others come meanwhile, the engine takes it up from the beginning, to where it
    was told. That gives what it would have given from the start: the memory is filled by it.
    """

    def __init__(self, ground: PlacedFabric) -> None:
        self._stage = CallsInFlight(ground)
        self._memory = _TimesAlone(CallsInFlight(ground))
        self._coming: dict[TimedCall, list[_Lane]] = {}  # who has come and not set out
        self._alone: list[TimedCall] = []  # calls alone on the fabric, since ..
        self._first = self._last = 0.0  # .. this time, until that
        self._stops: tuple[_Stop, ...] = ()  # what the memory says of them
        self._told = 0  # and how much of it has been told

    def come(self, call: TimedCall, position: int, at: float) -> None:
        """A rank has come to its part of a call."""
        self._coming.setdefault(call, []).append((at, call.op, position, call))

    def next(self) -> list[End]:
        """What ends next; empty where nothing can before others come."""
        ripe = [call for call, lanes in self._coming.items() if _ripe(call, lanes)]
        if self._told < len(self._stops):
            if all(_soonest(self._coming[call]) >= self._last for call in ripe):
                return self._tell()
            self._take_up()
        if ripe and not self._stage.live.lanes:
            self._first = min(lane[0] for call in ripe for lane in self._coming[call])
            if all(not c.away and len(self._coming[c]) == c.lanes for c in ripe):
                return self._remember(ripe)
            self._stage.clear(self._first)
        self._stage.enter(lane for call in ripe for lane in self._coming.pop(call))
        return self._stage.go()

    def _remember(self, calls: list[TimedCall]) -> list[End]:
        """Calls that set out on an idle fabric, and are alone there so far."""
        self._alone = sorted(calls, key=lambda call: call.op)
        for call in calls:
            del self._coming[call]
        self._stops, self._told = self._memory.stops(self._alone, self._first), 0
        self._last = self._first + max(end for stop in self._stops for _, _, end in stop)
        return self._tell()

    def _tell(self) -> list[End]:
        stop = self._stops[self._told]
        self._told += 1
        return [(self._alone[call], at, self._first + end) for call, at, end in stop]

    def _take_up(self) -> None:
        """The engine comes to where what is alone has been told."""
        self._stage.clear(self._first)
        self._stage.enter(lane for call in self._alone for lane in _lanes(call))
        for _ in range(self._told):
            self._stage.go()
        self._stops = ()
        self._told = 0


def _ripe(call: TimedCall, lanes: list[_Lane]) -> bool:
    """Whether anything of the call can happen: two have come, or one that needs no other."""
    return len(call.parts) - call.away > 1 or any(_is_alone(lane) for lane in lanes)


def _soonest(lanes: list[_Lane]) -> float:
    """Before when nothing of ``lanes``, of one call, can happen."""
    at = sorted(lane[0] for lane in lanes)
    second = at[1] if len(at) > 1 else math.inf
    first = min((lane[0] for lane in lanes if _is_alone(lane)), default=math.inf)
    return min(first, second) + lanes[0][3].family.start


def _is_alone(lane: _Lane) -> bool:
    part = lane[3].parts[lane[2]]
    return part is not None and part.alone


class Merged:
    """A call is timed when all have come, together with those that are on the fabric by then.

    ``correct``: what was told of those is corrected where it is not over when the call begins.
    """

    def __init__(self, ground: PlacedFabric, correct: bool) -> None:
        self._stage = CallsInFlight(ground)
        self._memory = _TimesAlone(self._stage)
        self._correct = correct
        self._open: list[TimedCall] = []  # not timed yet
        self._recent: deque[TimedCall] = deque(maxlen=_RECENT)

    def come(self, call: TimedCall, position: int, at: float) -> None:
        """A rank has come to its part of a call."""
        if call.lanes == 1:
            self._open.append(call)

    def next(self) -> list[End]:
        """The ends of a call that is complete, and corrected ends of others."""
        full = [call for call in self._open if not call.away]
        if not full:
            return []
        call = min(full, key=lambda call: (call.first, call.op))
        self._open.remove(call)
        others = [other for other in self._recent if other.last > call.first]
        self._recent.append(call)
        if not others:
            stops, first = self._memory.stops([call], call.first), call.first
            return [(call, at, first + end) for stop in stops for _, at, end in stop]
        return self._beside(call, others)

    def _beside(self, call: TimedCall, others: list[TimedCall]) -> list[End]:
        """What ``call`` takes beside the ``others``, and theirs that are other than told."""
        first = min(one.first for one in [call, *others])
        ends = [end for stop in self._stage.play([call, *others], first) for end in stop]
        mine = [end for end in ends if end[0] is call]
        return mine + self._corrections(ends, call) if self._correct else mine

    def _corrections(self, ends: list[End], call: TimedCall) -> list[End]:
        """The ends of others that are not over when ``call`` begins, where they are news."""
        changed = []
        for one, at, end in ends:
            told, late = one.end[at], max(end, call.first)
            if one is not call and told is not None and told > call.first and late != told:
                changed.append((one, at, late))
        return changed
