"""`Survival`: which calls are over for all of their ranks or for none, where ranks are lost.

A world that goes on after a loss decides about each call as a whole. A rank reports when all bytes
of its part have moved, and its call returns only when all ranks have reported: the call is then
committed. Until then it is doomed if one of its ranks is out before it has reported: lost, or
stopped, that is, told of a loss so that it takes no further part in its calls so far. A doomed call
raises the same `RankLost` at all of its ranks. So what a rank gets to see depends on what the ranks
do and not on how fast its host tells it of a loss.

No I/O: methods return what follows.
"""

from dataclasses import dataclass, field

from fabric.failure import CallMismatch, RankLost
from fabric.world.messages import Agreed

GENERATION = 1 << 48
"""Numbers of calls and messages in one generation of communicators. Those that follow an agreement
have higher ones, so what is older than a loss is below some number."""


def after(op: int) -> int:
    """The first number of the generation that follows that of call or agreement ``op``."""
    return (op // GENERATION + 1) * GENERATION


@dataclass(slots=True)
class _OpenCall:
    """A call that is not committed. ``begun``, ``completed``: which of its ranks have.

    ``error``: what it raises if it is doomed.
    """

    group: tuple[int, ...]
    begun: set[int] = field(default_factory=set)
    completed: set[int] = field(default_factory=set)
    error: RankLost | None = None


@dataclass(slots=True)
class _OpenAgreement:
    """An agreement of ``group``, and which of it ``asks`` already; ``places``: of spares in it."""

    group: tuple[int, ...]
    places: tuple[int, ...] = ()
    asks: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of an agreement: who is left, and who of its group is ``absent``."""

    agreed: Agreed
    absent: tuple[int, ...]


class Survival:
    """The open calls and agreements of a world of ``size`` ranks, the last of them ``spares``.

    ``lost``: by rank, why it is lost. ``idle``: the spares that wait, by whom none is taken yet.
    """

    def __init__(self, size: int, spares: int = 0) -> None:
        self.lost: dict[int, RankLost] = {}
        self.idle: set[int] = set()
        self._spares = list(range(size - spares, size))  # that no group has taken in
        self._floor = [0] * size
        self._stopped_by: dict[int, RankLost] = {}
        self._calls: dict[int, _OpenCall] = {}
        self._agreements: dict[int, _OpenAgreement] = {}
        self._generation = 0

    def begin(self, rank: int, op: int, group: tuple[int, ...]) -> list[int]:
        """Record that ``rank`` begins call ``op``; returns the ranks that doom it, if any."""
        call = self._calls.get(op)
        if call is None:
            call = self._calls[op] = _OpenCall(group)
        call.begun.add(rank)
        if not self.lost and not any(map(self._floor.__getitem__, group)):  # the usual case
            return []
        return self._out(op, call)

    def complete(self, rank: int, op: int) -> tuple[int, ...]:
        """Record that a rank's part has ended; returns the ranks for which the call is over now."""
        call = self._calls.get(op)
        if call is None or call.error is not None:
            return ()
        call.completed.add(rank)
        if len(call.completed) < len(call.group):
            return ()
        del self._calls[op]
        return call.group

    def doom(self, op: int, culprit: int, late: int | None = None) -> tuple[RankLost, list[int]]:
        """Doom a call because of ``culprit``: its error, and the ranks that are to be told of it.

        If it was doomed before, it keeps its error, and only the rank ``late`` is to be told, if
        any. The error is what will stop these ranks.
        """
        call = self._calls[op]
        told = [] if late is None else [late]
        if call.error is None:
            stopped = op < self._floor[culprit]
            cause = self._stopped_by[culprit] if stopped else self.lost[culprit]
            call.error = RankLost(str(cause), cause.rank)
            told = [rank for rank in call.group if rank in call.begun]
        for rank in told:
            self._stopped_by[rank] = call.error
        return call.error, told

    def lose(self, rank: int, error: RankLost) -> list[int]:
        """Record that ``rank`` is lost; returns the calls that miss it."""
        self.lost[rank] = error
        return self._missing(rank)

    def stop(self, rank: int, floor: int) -> list[int]:
        """Record that ``rank`` takes no part any more in calls below ``floor``.

        Returns the calls that miss it; not those that failed for it, which it waited for.
        """
        self._floor[rank] = max(self._floor[rank], floor)
        return [
            op for op in self._missing(rank)
            if self._calls[op].error is None or rank not in self._calls[op].begun
        ]  # fmt: skip

    def forget(self) -> list[int]:
        """Remove the doomed calls that all of their ranks have left; returns their numbers."""
        over = [
            op for op, call in self._calls.items()
            if call.error is not None and all(self._is_out(rank, op) for rank in call.group)
        ]  # fmt: skip
        for op in over:
            del self._calls[op]
        return over

    def ask(
        self, rank: int, op: int, group: tuple[int, ...], places: tuple[int, ...] = ()
    ) -> list[int]:
        """Record that ``rank`` takes part in agreement ``op``, and in no older calls: see `decide`.

        ``places``: in the new group, of spares that are to join it. Returns the calls that miss it.
        Raises `CallMismatch` for other places than those that others ask for.
        """
        agreement = self._agreements.setdefault(op, _OpenAgreement(group, places))
        if agreement.places != places:
            raise CallMismatch(
                f"calls do not match: rank {rank} called {_words(places)}, and"
                f" {', '.join(map(str, sorted(agreement.asks)))} {_words(agreement.places)}", rank,
            )  # fmt: skip
        agreement.asks.add(rank)
        if self._floor[rank] < after(op):
            call = "grow()" if places else "shrink()"
            self._stopped_by[rank] = RankLost(f"rank {rank} has called {call}", rank)
        return self.stop(rank, after(op))

    def decide(self) -> list[Decision]:
        """The agreements for which nobody is awaited any more."""
        decided = []
        for op, each in list(self._agreements.items()):
            left = tuple(rank for rank in each.group if rank not in self.lost)
            able = [rank for rank in self._spares if rank not in self.lost]
            joins = tuple(able[: len(each.places)])
            if each.asks.issuperset(left) and self.idle.issuperset(joins):
                del self._agreements[op]
                self._generation += 1
                self._spares = [rank for rank in able if rank not in joins]
                self.idle.difference_update(joins)
                absent = tuple(rank for rank in each.group if rank in self.lost)
                members = _with(left, joins, each.places)
                decided.append(Decision(Agreed(op, members, self._generation, joins), absent))
        return decided

    def _missing(self, rank: int) -> list[int]:
        return [
            op for op, call in self._calls.items()
            if rank in call.group and rank not in call.completed and self._is_out(rank, op)
        ]  # fmt: skip

    def _out(self, op: int, call: _OpenCall) -> list[int]:
        """The ranks that take no part in the call: first those that are lost, then the stopped.

        Not those that have begun it and stopped: it was doomed by then, or because of them.
        """
        out = [
            rank for rank in call.group
            if rank not in call.completed and self._is_out(rank, op)
            and (rank in self.lost or rank not in call.begun)
        ]  # fmt: skip
        return sorted(out, key=lambda rank: (op < self._floor[rank], rank))

    def _is_out(self, rank: int, op: int) -> bool:
        return rank in self.lost or op < self._floor[rank]


def _with(
    left: tuple[int, ...], joins: tuple[int, ...], places: tuple[int, ...]
) -> tuple[int, ...]:
    """The ranks of a new group: those that are left, and others at these places among them."""
    members = list(left)
    for rank, place in zip(joins, places, strict=False):
        members.insert(place, rank)
    return tuple(members)


def _words(places: tuple[int, ...]) -> str:
    return f"grow(at={list(places)})" if places else "shrink()"
