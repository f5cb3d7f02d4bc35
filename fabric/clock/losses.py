"""Emulated time of what losses do: when ranks learn that a call has failed, or who is left.

A rank is out from when it is lost, or stops because of a loss. A call that misses it ends for the
others at that time; where the rank is lost, the detection of that comes on top. What of the call is
on the fabric by then still drains there, as what was handed to the hardware does, and delays what
it meets; the rest of it never sets out. So nothing depends on when this host noticed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from fabric.clock.calls import TimedCall, grid

Report = Callable[[TimedCall, int, float], None]
"""``report(call, position, time)``: the part of the rank there ends, in emulated seconds."""


@dataclass(slots=True)
class Outage:
    """A rank takes no part any more in calls below ``floor``; None: in any, as it is lost.

    ``at``: since when, in emulated seconds; None while its clock is not there yet.
    """

    floor: int | None
    at: float | None = None


@dataclass(slots=True)
class Miss:
    """A call that misses ranks. ``culprits``: those because of which it fails, or, of an agreement,
    who are absent from it; ``over``: when the others learn of it, once that is known; ``learning``:
    called then, with that time.
    """  # noqa: D205

    call: TimedCall
    culprits: set[int]
    agreement: bool = False
    over: float | None = None
    learning: list[Callable[[float], None]] = field(default_factory=list)


@dataclass(slots=True)
class Losses:
    """The ranks of an emulator that are out, and the calls that miss them.

    ``detection``: emulated seconds from a loss until others know of it; ``report``: called for each
    part that ends because of it; ``drop``: called with each call that moves no further; ``close``:
    with each of which nothing is to come any more.
    """

    detection: float
    report: Report
    drop: Callable[[TimedCall], None]
    close: Callable[[TimedCall], None]
    _out: dict[int, list[Outage]] = field(default_factory=dict)
    _missing: dict[int, Miss] = field(default_factory=dict)
    _open: list[Miss] = field(default_factory=list)
    _left: list[Miss] = field(default_factory=list)

    def leaves(self, rank: int, floor: int | None = None) -> Outage:
        """The outage of ``rank``; its ``at`` is set when the rank's clock has come there."""
        outage = Outage(floor)
        self._out.setdefault(rank, []).append(outage)
        return outage

    def miss(self, call: TimedCall, culprit: int) -> None:
        """A call fails because of ``culprit``; there may be several, of whom the first counts."""
        miss = self._missing.get(call.op)
        if miss is None:
            miss = self._missing[call.op] = Miss(call, set())
            self._open.append(miss)
        miss.culprits.add(culprit)

    def settle(self, call: TimedCall, absent: tuple[int, ...]) -> None:
        """An agreement is over when all have joined it but those who are ``absent``."""
        miss = self._missing[call.op] = Miss(call, set(absent), agreement=True)
        self._open.append(miss)

    def forget(self, op: int) -> None:
        """No rank will begin or wait for a call any more, once its clock is where it has posted."""
        miss = self._missing.get(op)
        if miss is not None:
            self._left.append(miss)

    def is_lost(self, rank: int) -> bool:
        """Whether ``rank`` is out because it is lost, not because it has stopped."""
        return any(outage.floor is None for outage in self._out.get(rank, ()))

    def joined(self, call: TimedCall, position: int) -> bool:
        """Whether the part of a rank that joins a call now ends without moving anything."""
        miss = self._missing.get(call.op)
        if miss is None or miss.over is None:
            return False
        self._end(miss, position)
        return True

    def of_call(self, op: int) -> Miss | None:
        """What is known of call ``op``; None if it misses nobody."""
        return self._missing.get(op)

    def resolve(self) -> bool:
        """Find when calls end that miss ranks; whether any does. For when no rank can go on."""
        before = len(self._open)
        self._open = [miss for miss in self._open if not self._resolved(miss)]
        if self._left:
            self._left = [miss for miss in self._left if not self._is_closed(miss)]
        return len(self._open) < before

    def _is_closed(self, miss: Miss) -> bool:
        """Whether all ends of a call are known; it is then closed."""
        call = miss.call
        for rank, part, end in zip(call.family.group, call.parts, call.end, strict=True):
            if part is not None and end is None and rank not in miss.culprits:
                return False
        if call.open and miss.over is not None:
            self.close(call)
        return miss.over is not None

    def _known(self, miss: Miss, rank: int) -> float | None:
        """When others learn that ``rank`` takes no part in a call; None while not known."""
        op = -1 if miss.agreement else miss.call.op  # who has stopped takes part in agreements
        outages = self._out[rank]
        first = next(out for out in outages if out.floor is None or -1 < op < out.floor)
        if first.at is None:
            return None
        return first.at + self.detection if first.floor is None else first.at

    def _resolved(self, miss: Miss) -> bool:
        found = [self._known(miss, rank) for rank in miss.culprits]
        times = [at for at in found if at is not None]
        if not miss.agreement:
            if not times:
                return False
            self.drop(miss.call)
            miss.over = grid(min(times))
        else:
            joined = [
                at for rank, at in zip(miss.call.family.group, miss.call.joined, strict=True)
                if rank not in miss.culprits
            ]  # fmt: skip
            if None in found or None in joined:
                return False
            miss.over = grid(max([*times, *(at for at in joined if at is not None)]))
        for position, at in enumerate(miss.call.joined):
            if at is not None:
                self._end(miss, position)
        learning, miss.learning = miss.learning, []
        for learn in learning:
            learn(miss.over)
        return True

    def _end(self, miss: Miss, position: int) -> None:
        call, over = miss.call, miss.over
        at = call.joined[position]
        culprit = call.family.group[position] in miss.culprits
        if over is not None and at is not None and call.end[position] is None and not culprit:
            self.report(call, position, max(at, over))
