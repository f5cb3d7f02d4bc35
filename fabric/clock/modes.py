"""Which calls are in flight together, and when the parts of their ranks end.

`Strict` advances from one end to the next and never corrects one. `Eager` times a call when all of
its ranks have joined it, and `Paced` corrects the reported ends of a call when another contends.

A rank joins a call when it begins its part of it. An end is reported when the `Emulator` learns it.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from fabric.clock.accesses import AccessBatch
from fabric.clock.calls import TimedCall, grid
from fabric.clock.changes import ClockChanges
from fabric.engines.base import Ended, Session
from fabric.failure import WorldError

_REMEMBERED = 1 << 18  # ends in the memory of what calls took; each takes some 100 bytes
_RECENT = 64  # calls that a new one may contend with

End = tuple[TimedCall, int, float]
"""A call, the position of a rank in its group, and when that rank's part ends."""

_Joining = tuple[float, int, int, TimedCall]  # when a rank joins, op, position, call
_Stop = tuple[tuple[int, int, float], ...]  # number of the call, position, seconds from the first


class TimeMode(Protocol):
    """How an `Emulator` finds the ends of calls.

    ``news``: on paced time, the ends, in emulated seconds by (rank, op), that are not yet reported
    or have changed; else None. ``stuck``: True if no part of a call can end unless a rank posts
    something.
    """

    news: dict[tuple[int, int], float] | None
    stuck: bool

    def join(self, call: TimedCall, position: int, at: float) -> None:
        """Add the part of a rank that joins a call at ``at``, in emulated seconds.

        Called only for parts with transfers.
        """

    def replace(self, session: Session) -> None:
        """Have another ``session`` time calls, once none is in flight; see `CallsInFlight`."""

    def next(self, running: int) -> list[End]:
        """The parts of calls that end next; empty while it is not known which these are.

        ``running``: how many ranks neither wait nor have ended, so that they may join a call.
        """

    def drop(self, call: TimedCall) -> None:
        """Forget a call that fails: no part of it ends any more.

        What of it has set out drains; nobody else sets out.
        """


class CallsInFlight:
    """A session with the parts of calls in it; ``origin`` is its time 0, ``ranks`` how many."""

    def __init__(self, session: Session, changes: ClockChanges) -> None:
        self._session, self.origin, self.ranks = session, 0.0, 0
        self._next: Session | None = None
        self.changes = changes
        self._calls: dict[int, TimedCall] = {}
        self._here: dict[int, int] = {}  # how many ranks of each call are in it
        self._dropped = False

    def replace(self, session: Session) -> None:
        """Have another ``session``, of a machine with more places, time what begins on idle ones.

        It takes the place of the present one at the next `clear`.
        """
        self._next = session

    def clear(self, origin: float) -> None:
        """Remove all calls, and begin time at ``origin``, in emulated seconds."""
        if self._next is not None:
            self._session, self._next = self._next, None
        self._session.clear()
        if self.changes:
            self.changes.enter(self._session, origin)
        self._calls.clear()
        self._here.clear()
        self.origin, self.ranks, self._dropped = origin, 0, False

    def drop(self, op: int) -> None:
        """Report no more ends of call ``op``, whose transfers may still drain."""
        if op in self._here:
            self._calls.pop(op)
            self.ranks -= self._here.pop(op)
            self._dropped = True

    def enter(self, joining: Iterable[_Joining]) -> None:
        """Let ranks begin their parts of calls."""
        enter, here, origin = self._session.enter, self._here, self.origin
        is_old = self._next is not None
        for at, op, position, call in joining:
            share = call.parts[position]
            if share is not None:
                if is_old and isinstance(call, AccessBatch):
                    raise WorldError(
                        "memory was registered as a window while other calls were in flight, and is"
                        " accessed before these are over: wait for them first"
                    )
                enter(op, at - origin + call.family.start, share.streams)
                if op in here:
                    here[op] += 1
                else:
                    self._calls[op], here[op] = call, 1
                self.ranks += 1

    def go(self) -> list[End]:
        """Advance the session to the next ends and return them; empty if nothing can end."""
        if not self.ranks:
            return []
        calls, here, ends = self._calls, self._here, []
        for op, at, end in self._advanced() if self._dropped else self._session.advance():
            ends.append((calls[op], at, self.origin + grid(end)))
            here[op] -= 1
            if not here[op]:
                del calls[op], here[op]
        self.ranks -= len(ends)
        return ends

    def _advanced(self) -> list[Ended]:
        """What ends next of the calls that were not dropped; the others drain meanwhile."""
        while ended := self._session.advance():
            ours = [one for one in ended if one.call in self._here]
            if ours:
                return ours
        return []

    def play(self, calls: Sequence[TimedCall], origin: float) -> list[list[End]]:
        """The ends of these calls, by instant, if they are alone and all their ranks have joined.

        ``origin``: the time at its begin, in emulated seconds. Raises `WorldError` if a call never
        ends.
        """
        self.clear(origin)
        self.enter(one for call in calls for one in _joined(call))
        stops = []
        while ended := self.go():
            stops.append(ended)
        if self.ranks:
            names = ", ".join(f"{call.op} ({call.family.operation})" for call in calls)
            raise WorldError(f"transfers of calls {names} never end: no bandwidth is left")
        return stops


def _joined(call: TimedCall) -> list[_Joining]:
    """All ranks that have joined the call and have transfers in it."""
    parts = enumerate(zip(call.joined, call.parts, strict=True))
    return [
        (at, call.op, position, call)
        for position, (at, share) in parts
        if at is not None and share is not None and share.moves
    ]


class _TimesAlone:
    """A memory of how long calls took that were alone on the fabric, by all that it depends on."""

    def __init__(self, stage: CallsInFlight) -> None:
        self._stage, self._size = stage, 0
        self._stops: OrderedDict[object, tuple[_Stop, ...]] = OrderedDict()

    def stops(self, calls: Sequence[TimedCall], first: float) -> tuple[_Stop, ...]:
        """Which parts of ``calls`` end one after another, and when after ``first``."""
        key: object = tuple([_key(call, first) for call in calls])
        until = math.inf
        if self._stage.changes:  # what holds before the machine changes does not hold after it
            past, until = self._stage.changes.until(first)
            key = past, key
        stops = self._stops.get(key)
        if stops is not None and (until == math.inf or first + _last(stops) < until):
            self._stops.move_to_end(key)
            return stops
        stops = self._play(calls, first)
        return self._keep(key, stops) if first + _last(stops) < until else stops

    def clear(self) -> None:
        """Forget everything: the machine has changed."""
        self._stops.clear()
        self._size = 0

    def _keep(self, key: object, stops: tuple[_Stop, ...]) -> tuple[_Stop, ...]:
        self._stops[key] = stops
        self._size += sum(map(len, stops))
        while self._size > _REMEMBERED and len(self._stops) > 1:
            self._size -= sum(map(len, self._stops.popitem(last=False)[1]))
        return stops

    def _play(self, calls: Sequence[TimedCall], first: float) -> tuple[_Stop, ...]:
        number = {call: i for i, call in enumerate(calls)}
        stops = [
            tuple((number[call], at, end - first) for call, at, end in stop)
            for stop in self._stage.play(calls, first)
        ]
        if len({end for stop in stops for _, _, end in stop}) == 1:  # all at one instant
            return (tuple(part for stop in stops for part in stop),)
        return tuple(stops)


def _last(stops: Sequence[_Stop]) -> float:
    """The last end of ``stops``, in seconds from the first join."""
    return max((end for stop in stops for _, _, end in stop), default=0.0)


def _key(call: TimedCall, first: float) -> object:
    """All that the ends of a call that is alone depend on, with times counted from ``first``."""
    rows = [part.digest for part in call.parts if part is not None]
    after = [None if at is None else at - first for at in call.joined]
    if after.count(after[0]) == len(after):  # the usual case, made short
        return call.family, tuple(rows), after[0]
    return call.family, tuple(rows), tuple(after)


def mode(name: str, session: Session, changes: ClockChanges) -> TimeMode:
    """The mode of that name, one of `MODES`, over a session; raises `WorldError` for another.

    ``changes``: of the machine, while ranks run.
    """
    if name not in MODES:
        raise WorldError(f"no emulated clock {name!r}; there are {', '.join(MODES)}")
    return MODES[name](session, changes)


class Strict:
    """Time advances from one end to the next, when no rank can join a call before that end.

    A call that is alone on the fabric is looked up in a memory of such calls. Its ends are reported
    one instant at a time. If others join a call meanwhile, the engine runs it again from its begin
    to the last instant reported; the times are the same, as the same engine filled the memory.
    """

    news: dict[tuple[int, int], float] | None = None

    def __init__(self, session: Session, changes: ClockChanges) -> None:
        self.stuck = False
        self._stage = CallsInFlight(session, changes)
        self._memory = _TimesAlone(self._stage)  # asked only while nobody is on it
        self._joining: dict[
            TimedCall, list[_Joining]
        ] = {}  # who has joined and not entered the session
        self._alone: list[TimedCall] = []  # calls alone on the fabric, since ..
        self._first = self._last = 0.0  # .. this time, until that
        self._stops: tuple[_Stop, ...] = ()  # what the memory says of them
        self._reported = 0  # how many of these were reported

    def join(self, call: TimedCall, position: int, at: float) -> None:
        """Add the part of a rank that joins a call at ``at``, in emulated seconds."""
        self._joining.setdefault(call, []).append((at, call.op, position, call))

    def replace(self, session: Session) -> None:
        """Have another ``session`` time calls, once none is in flight; see `CallsInFlight`."""
        self._stage.replace(session)
        self._memory.clear()

    def next(self, running: int) -> list[End]:
        """The parts of calls that end next; empty if other ranks have to join a call before."""
        if running:
            return []
        ended = self._next()
        self.stuck = not ended
        return ended

    def _next(self) -> list[End]:
        ripe = [call for call, joining in self._joining.items() if _ripe(call, joining)]
        if self._reported < len(self._stops):
            if all(_soonest(self._joining[call]) >= self._last for call in ripe):
                return self._report()
            self._take_up()
        if ripe and not self._stage.ranks:
            self._first = min(one[0] for call in ripe for one in self._joining[call])
            if all(not c.away and len(self._joining[c]) == c.moving for c in ripe):
                return self._remember(ripe)
            self._stage.clear(self._first)
        self._stage.enter(one for call in ripe for one in self._joining.pop(call))
        return self._stage.go()

    def drop(self, call: TimedCall) -> None:
        """Forget a call that fails; see `TimeMode.drop`."""
        self._joining.pop(call, None)
        if call in self._alone and self._reported < len(self._stops):
            self._take_up()
        self._stage.drop(call.op)

    def _remember(self, calls: list[TimedCall]) -> list[End]:
        """Calls that set out on an idle fabric, and are alone there so far."""
        self._alone = sorted(calls, key=lambda call: call.op)
        for call in calls:
            del self._joining[call]
        self._stops, self._reported = self._memory.stops(self._alone, self._first), 0
        self._last = self._first + max(end for stop in self._stops for _, _, end in stop)
        return self._report()

    def _report(self) -> list[End]:
        stop = self._stops[self._reported]
        self._reported += 1
        return [(self._alone[call], at, self._first + end) for call, at, end in stop]

    def _take_up(self) -> None:
        """Have the engine run the calls that are alone up to the last end reported."""
        self._stage.clear(self._first)
        self._stage.enter(one for call in self._alone for one in _joined(call))
        for _ in range(self._reported):
            self._stage.go()
        self._stops = ()
        self._reported = 0


def _ripe(call: TimedCall, joining: list[_Joining]) -> bool:
    """Whether any transfer of the call can begin: two ranks joined, or one that needs no other."""
    return len(call.parts) - call.away > 1 or any(_is_alone(one) for one in joining)


def _soonest(joining: list[_Joining]) -> float:
    """The time, in emulated seconds, before which no transfer of these, of one call, can begin."""
    at = sorted(one[0] for one in joining)
    second = at[1] if len(at) > 1 else math.inf
    first = min((one[0] for one in joining if _is_alone(one)), default=math.inf)
    return min(first, second) + joining[0][3].family.start


def _is_alone(one: _Joining) -> bool:
    share = one[3].parts[one[2]]
    return share is not None and share.alone


class Eager:
    """A call is timed when all of its ranks have joined, with the calls then on the fabric.

    The ends reported of those stay as they are.
    """

    news: dict[tuple[int, int], float] | None = None
    stuck = False

    def __init__(self, session: Session, changes: ClockChanges) -> None:
        self._stage = CallsInFlight(session, changes)
        self._memory = _TimesAlone(self._stage)
        self._open: list[TimedCall] = []  # not timed yet
        self._recent: deque[TimedCall] = deque(maxlen=_RECENT)

    def join(self, call: TimedCall, position: int, at: float) -> None:
        """Add a rank's part of a call; only the call matters here."""
        if call.moving == 1:
            self._open.append(call)

    def replace(self, session: Session) -> None:
        """Have another ``session`` time calls; see `CallsInFlight`."""
        self._stage.replace(session)
        self._memory.clear()

    def next(self, running: int) -> list[End]:
        """The ends of a call that is complete, and corrected ends of others.

        Empty if there is none.
        """
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
        begin = min(one.first for one in [call, *others])
        ends = [end for stop in self._stage.play([call, *others], begin) for end in stop]
        return [end for end in ends if end[0] is call] + self._corrections(ends, call)

    def drop(self, call: TimedCall) -> None:
        """Forget a call that fails; see `TimeMode.drop`. It is not timed yet, or over."""
        if call in self._open:
            self._open.remove(call)

    def _corrections(self, ends: list[End], call: TimedCall) -> list[End]:
        """The ends of other calls that differ from those reported."""
        return []


class Paced(Eager):
    """As `Eager`, but reported ends of calls not over when another begins are corrected."""

    def __init__(self, session: Session, changes: ClockChanges) -> None:
        super().__init__(session, changes)
        self.news = {}

    def _corrections(self, ends: list[End], call: TimedCall) -> list[End]:
        changed = []
        for one, at, end in ends:
            said, late = one.end[at], max(end, call.first)
            if one is not call and said is not None and said > call.first and late != said:
                changed.append((one, at, late))
        return changed


MODES: Mapping[str, Callable[[Session, ClockChanges], TimeMode]] = MappingProxyType(
    {"strict": Strict, "eager": Eager, "paced": Paced}
)
"""The modes by name."""
