"""Which ranks have begun which call, who waits for whom, and the errors about it.

The authority over calls: who may begin one, which of them fit together, and who can never go on.
The emulator refuses what makes no sense to time (`fabric.clock.emulator`), for whoever uses it
without a world; of a world's ranks it only learns what has passed here.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fabric.failure import CallMismatch, Deadlock, RankLost, WorldError

NO_WORDS: Mapping[int, str] = MappingProxyType({})
"""Nobody waits for a word of memory."""


def waiting_number(rank: int) -> int:
    """What stands for the call that a rank waits in which waits for a word: no call has it."""
    return -1 - rank


@dataclass(slots=True)
class Open:
    """A call that not all of its ranks have begun.

    ``begun``: for each rank that has, its call in words. ``waiting``: the ranks that wait for its
    end. ``balance``: the sum of `TimedRows.balance`.
    """

    group: tuple[int, ...]
    words: str
    begun: dict[int, str] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    balance: int = 0

    def missing(self) -> list[int]:
        """The ranks of the group that have not begun it."""
        return [rank for rank in self.group if rank not in self.begun]


@dataclass(slots=True)
class _Repeated:
    """Calls that the ranks of a group make one after the other, and wait for each.

    ``begun``: the number of the call that each rank begins next; ``balance``: of each rank's part
    of one call. A call is open that only some have begun.
    """

    group: tuple[int, ...]
    words: str
    first: int
    begun: dict[int, int]
    balance: dict[int, int]

    def fits(self, rank: int, op: int, group: tuple[int, ...], words: str, balance: int) -> bool:
        """Whether these are what ``rank`` would go on with."""
        return (group, words, op, balance) == (
            self.group, self.words, self.begun.get(rank, self.first),
            self.balance.get(rank, balance),
        )  # fmt: skip

    def closed(self) -> int:
        """The number of the first call that not all have begun."""
        return min(self.begun.values()) if len(self.begun) == len(self.group) else self.first


class CallRegister:
    """The open calls of a world. ``gone``: the ranks that make no more calls."""

    def __init__(self) -> None:
        self._open: dict[int, Open] = {}
        self._repeated: _Repeated | None = None
        self.gone: set[int] = set()
        self.blocked: dict[int, int] = {}
        self._shared: set[int] = set()
        self._last: dict[int, tuple[str, int]] = {}

    def open_calls(self) -> dict[int, Open]:
        """The open calls by number; those that were recorded together are single ones then."""
        calls, self._repeated = self._repeated, None
        if calls is not None:
            for op in range(calls.closed(), max(calls.begun.values())):
                here = [rank for rank, after in calls.begun.items() if op < after]
                self._open[op] = Open(
                    calls.group, calls.words, dict.fromkeys(here, calls.words), set(here),
                    sum(calls.balance[rank] for rank in here),
                )  # fmt: skip
        return self._open

    def alone(
        self, rank: int, op: int, times: int, group: tuple[int, ...], words: str, balance: int
    ) -> int:
        """How many of such calls, from the first on, are not for `repeat`, but for `register`.

        Arguments as there. It may make what was registered together single calls again.
        """
        calls = self._repeated
        if calls is not None and calls.fits(rank, op, group, words, balance):
            return 0
        return max((n + 1 - op for n in self.open_calls() if op <= n < op + times), default=0)

    def repeat(
        self, rank: int, op: int, times: int, group: tuple[int, ...], words: str, balance: int
    ) -> None:
        """Record that ``rank`` begins ``times`` calls of a kind from ``op`` on; it waits for each.

        None of them is one of those that are `alone`. ``balance``: of its part of each. Raises as
        `close`.
        """
        calls = self._repeated
        if calls is None:
            calls = self._repeated = _Repeated(group, words, op, {}, {})
        calls.begun[rank], calls.balance[rank] = op + times, balance
        self._last[rank] = words, self._last.get(rank, ("", 0))[1] + times
        if len(calls.begun) == len(group):
            _check_balance(words, sum(calls.balance.values()))

    def register(self, rank: int, op: int, group: tuple[int, ...], words: str) -> tuple[Open, bool]:
        """Record that ``rank`` begins call ``op``.

        Returns the call, and True if the ranks' calls agree.

        Raises `WorldError` if the rank has begun it before.
        """
        self.note(rank, words)
        call = self.open_calls().get(op)
        if call is None:
            call = self.open_calls()[op] = Open(group, words)
        if rank in call.begun:
            raise WorldError(f"rank {rank} has begun {words} twice", rank)
        call.begun[rank] = words
        return call, words == call.words and group == call.group

    def note(self, rank: int, words: str) -> None:
        """Record what ``rank`` called last, for errors."""
        self._last[rank] = words, self._last.get(rank, ("", 0))[1] + 1

    def close(self, op: int, call: Open) -> None:
        """Remove a call that all have begun.

        Raises `CallMismatch` if its ranks do not send and receive the same amounts.
        """
        _check_balance(call.words, call.balance)
        del self.open_calls()[op]

    def share(self, rank: int, several: bool) -> None:
        """Record whether ``several`` threads of ``rank`` make calls.

        While one of them waits, another may go on: such a rank is never stuck.
        """
        if several:
            self._shared.add(rank)
        else:
            self._shared.discard(rank)

    def wait(self, rank: int, op: int) -> bool:
        """Record that ``rank`` waits for call ``op``; returns True if one of its ranks is gone."""
        call = self.open_calls().get(op)
        if call is None:
            return False
        call.waiting.add(rank)
        return bool(self.gone) and not self.gone.isdisjoint(call.missing())

    def waits(self, rank: int) -> bool:
        """True if ``rank`` waits for a call that not all have begun."""
        return any(rank in call.waiting for call in self.open_calls().values())

    def missed_in(self, rank: int) -> list[int]:
        """The numbers of the calls in which others wait for ``rank``."""
        return [
            op for op, call in self.open_calls().items()
            if call.waiting and rank in call.group and rank not in call.begun
        ]  # fmt: skip

    def stuck(self, words: Collection[int] = (), size: int = 0) -> dict[int, int]:
        """The ranks that can never go on, each with the call that it is blocked in.

        Each is blocked in a call that another of them has not begun. ``words``: the ranks of a
        world of ``size`` that wait for a word of their memory, which any rank may change that is
        not blocked itself; they have the number of `waiting_number`.
        """
        opened = self.open_calls()
        stuck = {rank: op for rank, op in self.blocked.items() if op in opened}
        stuck |= {rank: waiting_number(rank) for rank in words}
        for rank in self._shared:
            stuck.pop(rank, None)
        while stuck:
            calls = set(stuck.values())  # few: a wide world mostly waits in one
            moving = {
                op for op in calls
                if op >= 0 and stuck.keys().isdisjoint(opened[op].missing())
            }  # fmt: skip
            if len(self.gone.union(stuck)) < size:
                moving |= {op for op in calls if op < 0}
            free = [rank for rank, op in stuck.items() if op in moving]
            if not free:
                break
            for rank in free:
                del stuck[rank]
        return stuck

    def where(self, rank: int) -> str:
        """Words for an error: where ``rank`` was last.

        They come from its own calls, or from those of the ranks that wait for it.
        """
        last, number = self._last.get(rank, ("", 0))
        if self.blocked.get(rank) in self.open_calls():
            return f" while in {last} (call {number})"
        for op in self.missed_in(rank):
            call = self.open_calls()[op]
            return f" before calling {call.words}, in which {_wait(call.waiting)}"
        return f"; its last call was {last} (call {number})" if last else ""

    def who_waits(self) -> str:
        """Words for an error: in which calls ranks wait for others."""
        calls = self.open_calls().items()
        return "; ".join(self._waits_in(op) for op, call in calls if call.waiting)

    def left(self, op: int) -> RankLost:
        """The error for call ``op``, in which ranks wait for others that are gone."""
        call = self.open_calls()[op]
        absent = sorted(self.gone.intersection(call.missing()))
        has = "have" if len(absent) > 1 else "has"
        return RankLost(
            f"{ranks(absent)} {has} ended without calling {call.words}, in which"
            f" {_wait(call.waiting)}",
            absent[0],
        )

    def deadlock(self, waits: dict[int, int], words: Mapping[int, str] = NO_WORDS) -> Deadlock:
        """The error for ranks that wait in calls, ``waits`` by rank, of which none can go on.

        ``words``: what those wait for that wait for a word of their memory.
        """
        parts = [f"rank {rank} waits for {what}" for rank, what in words.items() if rank in waits]
        for op in dict.fromkeys(op for op in waits.values() if op >= 0):
            parts.append(self._waits_in(op, [rank for rank, at in waits.items() if at == op]))
        return Deadlock("nobody can go on: " + "; ".join(parts) + self._in_one_order(waits))

    def who_called(self, op: int) -> CallMismatch:
        """The error for call ``op``, of which ranks have made different calls."""
        call = self.open_calls()[op]
        by_words: dict[str, list[int]] = {}
        for rank, words in sorted(call.begun.items()):
            by_words.setdefault(words, []).append(rank)
        parts = [f"{ranks(who)} called {words}" for words, who in by_words.items()]
        left = self.gone.intersection(call.missing())
        late = set(call.missing()) - left
        parts += [f"{ranks(left)} ended without calling anything"] if left else []
        parts += [f"{ranks(late)} nothing yet"] if late else []
        odd = min(by_words.values(), key=len)
        alone = len(odd) == 1 and len(by_words) == 2 and len(call.begun) > 2
        return CallMismatch("calls do not match: " + "; ".join(parts), odd[0] if alone else None)

    def _in_one_order(self, waits: Collection[int]) -> str:
        """Words for what strict time makes of the calls of several threads."""
        shared = self._shared.intersection(waits)
        if not shared:
            return ""
        makes = "make" if len(shared) > 1 else "makes"
        return (
            f"; {ranks(shared)} {makes} calls from several threads, which strict time puts in one"
            ' order: sync="eager" does not'
        )

    def _waits_in(self, op: int, who: Collection[int] = ()) -> str:
        call = self.open_calls().get(op)
        waiting = who or (call.waiting if call else ())
        words = f"{call.words} for {ranks(call.missing())}" if call else "a call under way"
        return f"{_wait(waiting)} in {words}"


def _check_balance(words: str, balance: int) -> None:
    if balance % (1 << 64):
        raise CallMismatch(f"ranks do not agree on who sends how much in {words}")


def _wait(waiting: Collection[int]) -> str:
    return f"{ranks(waiting)} wait{'' if len(waiting) > 1 else 's'}"


def ranks(numbers: Iterable[int]) -> str:
    """Numbers in words, such as ``"rank 3"`` or ``"ranks 0-2, 5 and 7"``: short for many, too."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    parts: list[str] = []
    for first, last in runs:
        parts += [f"{first}-{last}"] if last > first + 1 else map(str, range(first, last + 1))
    if len(parts) == 1:
        return f"rank{'s' if '-' in parts[0] else ''} {parts[0]}"
    return f"ranks {', '.join(parts[:-1])} and {parts[-1]}"
