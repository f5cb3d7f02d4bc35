"""The authority's part in accesses to registered memory: it checks them and changes words.

Where a machine is emulated, an `Emulator` says when a word changes; without one that is as soon as
the access arrives here, which is after its bytes are in place.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fabric.failure import WorldError
from fabric.host.curve import Keys
from fabric.memory.words import (
    ACTS,
    COMPARISONS,
    WindowPart,
    WindowRegister,
    WordAct,
    holds,
    signed,
)
from fabric.world.messages import Access, AskWord, AwaitWord, Expose, Exposed, WordReply
from fabric.world.register import waiting_number
from topology.errors import TriplaneError

if TYPE_CHECKING:
    from fabric.clock.emulator import Emulator
    from fabric.clock.memory_machine import MemoryMachine

MOST_BYTES = 1 << 62
"""Bytes of an access at most."""


class MemoryAccesses:
    """The registered memory of a world of ``size`` ranks, and who waits for words of it."""

    def __init__(self, size: int, emulator: "Emulator | None") -> None:
        self._size, self._emulator = size, emulator
        self._windows = WindowRegister()
        self._before: dict[tuple[int, int], int] = {}
        self._waiting: dict[tuple[int, int], AwaitWord] = {}

    def expose(self, rank: int, message: Expose) -> Exposed:
        """Register a rank's memory; the reply says why it cannot be, if it cannot."""
        npu = cpu = True
        try:
            if self._emulator is not None:
                machine = self._emulator.with_memory(message.plane)
                npu, cpu = self._joined(machine, rank, message)
        except TriplaneError as error:
            return Exposed(message.token, str(error), False, False)
        why = self._windows.add(
            message.window, rank, message.place, message.cpu, message.name, message.plane
        )
        return Exposed(message.token, why, npu, cpu)

    def _joined(self, machine: "MemoryMachine", rank: int, message: Expose) -> tuple[bool, bool]:
        """Whether the rank's NPU, and its CPU, reach memory that was registered so far.

        Raises `WorldError` if a plane does not join the memory of the window's ranks.
        """
        plane = message.plane
        ends = [machine.place(rank, cpu, plane) for cpu in (False, True)]
        for other, part in self._windows.others(message.window, rank).items():
            if part.plane != plane:
                names = [one or "none" for one in (plane, part.plane)]
                raise WorldError(f"rank {rank} names plane {names[0]}, rank {other} {names[1]}")
            far = machine.place(other, part.cpu, plane)
            if plane:
                machine.check(plane, ends[message.cpu], far)
        npu, cpu = (not plane or machine.joins(plane, end, ends[message.cpu]) for end in ends)
        return npu, cpu

    def reach_far(self, keys: Keys | None) -> None:
        """Reach memory on other hosts with the ``keys`` of the world."""
        self._windows.keys = keys

    def close(self) -> None:
        """Let go of all memory."""
        self._windows.close()

    def withdraw(self, rank: int, window: int) -> None:
        """Forget a rank's memory."""
        self._windows.remove(window, rank)

    def access(self, rank: int, message: Access) -> list[tuple[int, WordReply]]:
        """Begin an access; returns the replies to those whose wait it has ended already.

        Raises `WorldError` for one that cannot be.
        """
        part, act = self._checked(rank, message), message.act
        follow = None if act is None else self._follow(message.window, message.target, act)
        if self._emulator is not None:
            from fabric.clock.accesses import AccessTerms

            key = None if act is None else (message.window, message.target, act.at)
            terms = AccessTerms(
                message.target, message.writes, message.size, message.messages,
                (message.cpu, part.cpu), key, follow, part.plane,
            )  # fmt: skip
            self._emulator.access(rank, message.op, terms, message.at)
        elif follow is not None and act is not None:
            self._before[rank, message.op], after = follow()
            return [*self._freed(message.window, message.target, act.at, after)]
        return []

    def _follow(self, window: int, target: int, act: WordAct) -> Callable[[], tuple[int, int]]:
        self._windows.word(window, target, act.at)  # refused at once if there is no such word
        return lambda: self._windows.act(window, target, act)

    def _checked(self, rank: int, message: Access) -> WindowPart:
        if message.target >= self._size:
            raise WorldError(f"rank {rank} accesses rank {message.target} of {self._size}", rank)
        if message.size > MOST_BYTES or message.messages > MOST_BYTES:
            raise WorldError(f"rank {rank} accesses {message.size} bytes", rank)
        if message.act is not None and message.act.kind not in ACTS:
            raise WorldError(f"rank {rank} does {message.act.kind!r:.40} to a word", rank)
        return self._windows.part(message.window, message.target)

    def word(self, rank: int, ask: AskWord) -> WordReply | None:
        """The reply to a question for the word before an access; None: it follows later."""
        if self._emulator is None:
            return WordReply(ask.token, self._before.pop((rank, ask.op), 0), 0.0)
        self._emulator.word(rank, ask.token, ask.op)
        return None

    def await_word(self, rank: int, ask: AwaitWord) -> WordReply | None:
        """The reply to a rank that waits for a word; None while it has to wait."""
        if ask.comparison not in COMPARISONS:
            raise WorldError(f"rank {rank} waits for a word {ask.comparison!r:.40} a value", rank)
        now = self._windows.word(ask.window, rank, ask.where)
        self._waiting[rank, ask.token] = ask
        if self._emulator is None:
            if not holds(now, ask.comparison, ask.value):
                return None
            self.answered(rank, ask.token)
            return WordReply(ask.token, now, 0.0)
        from fabric.clock.accesses import WordWait

        wait = WordWait(
            rank, waiting_number(rank), ask.token, (ask.window, rank, ask.where),
            lambda word: holds(word, ask.comparison, ask.value),
        )  # fmt: skip
        self._emulator.await_word(wait, self._reader(ask.window, rank, ask.where), ask.at)
        return None

    def _reader(self, window: int, rank: int, at: int) -> Callable[[], int]:
        return lambda: self._windows.word(window, rank, at)

    def _freed(
        self, window: int, target: int, at: int, word: int
    ) -> Iterator[tuple[int, WordReply]]:
        for (rank, token), ask in [*self._waiting.items()]:
            here = (rank, ask.window, ask.where) == (target, window, at)
            if here and holds(word, ask.comparison, ask.value):
                self.answered(rank, token)
                yield rank, WordReply(token, word, 0.0)

    def answered(self, rank: int, token: int) -> None:
        """Take note that what a rank has asked for with ``token`` is answered."""
        self._waiting.pop((rank, token), None)

    def waits(self) -> dict[int, str]:
        """What each rank waits for that waits for a word, as words for an error."""
        found = {}
        for (rank, _), ask in self._waiting.items():
            now = self._windows.word(ask.window, rank, ask.where)
            found[rank] = f"{ask.words}, which is {signed(now)}"
        return found
