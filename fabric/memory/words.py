"""Words of registered memory: 64 bits that are changed in one go, and waited for.

The authority alone changes them, one at a time, so that no two changes of one word meet.
"""

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from fabric.failure import WorldError
from fabric.host.curve import Keys
from fabric.memory.far import FarMemory
from fabric.memory.places import MemoryPlace, ReachedMemory, reached

BYTES = 8
"""Bytes of a word; it begins at a multiple of so many."""

_BITS = 64
_MASK = (1 << _BITS) - 1


class WordAct(NamedTuple):
    """What is done to the word at byte ``at``: one of `ACTS`, with ``value``.

    ``compare``: for "cas", what the word must be. Numbers are those of 64 bits without a sign.
    """

    kind: str
    at: int
    value: int
    compare: int = 0


ACTS: Mapping[str, Callable[[int, WordAct], int]] = MappingProxyType(
    {
        "set": lambda old, act: act.value,
        "swap": lambda old, act: act.value,
        "add": lambda old, act: (old + act.value) & _MASK,
        "cas": lambda old, act: act.value if old == act.compare else old,
        "and": lambda old, act: old & act.value,
        "or": lambda old, act: old | act.value,
        "xor": lambda old, act: old ^ act.value,
    }
)
"""What a word becomes, by what is done to it."""

COMPARISONS: Mapping[str, Callable[[int, int], bool]] = MappingProxyType(
    {
        "==": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt,
        "<=": operator.le, "<": operator.lt,
    }
)  # fmt: skip
"""How a word is compared with a value, both as numbers with a sign."""


def signed(word: int) -> int:
    """A word as a number with a sign, -2^63 to 2^63 - 1."""
    return word - (1 << _BITS) if word >> (_BITS - 1) else word


def unsigned(number: int) -> int:
    """A number of 64 bits, with or without a sign, as a word, 0 to 2^64 - 1."""
    return number & _MASK


def holds(word: int, comparison: str, value: int) -> bool:
    """Whether a word compares so with ``value``, both as numbers with a sign."""
    return COMPARISONS[comparison](signed(word), signed(value))


class WindowPart(NamedTuple):
    """What the authority knows of a rank's part of a window.

    ``size``: bytes; ``cpu``: whether it is its node's CPU's memory; ``name``: for errors;
    ``plane``: that the window has of its own, "" for none.
    """

    memory: ReachedMemory
    size: int
    cpu: bool
    name: str
    plane: str = ""


class WindowRegister:
    """The registered memory of all ranks, as the authority reaches it.

    ``keys``: of the world, for memory on other hosts.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int], WindowPart] = {}
        self.keys: Keys | None = None

    def add(
        self, window: int, rank: int, place: MemoryPlace, cpu: bool, name: str, plane: str = ""
    ) -> str:
        """Register a rank's part of a window; returns why its words cannot be reached, or ""."""
        try:
            memory = reached(place, rank, self.keys)
        except WorldError as error:
            return f"the authority cannot reach it: {error}"
        self.remove(window, rank)
        self._parts[window, rank] = WindowPart(memory, place.size, cpu, name, plane)
        return ""

    def others(self, window: int, rank: int) -> dict[int, WindowPart]:
        """The parts of a window that other ranks than ``rank`` have registered so far."""
        return {
            other: part
            for (number, other), part in self._parts.items()
            if number == window and other != rank
        }

    def remove(self, window: int, rank: int) -> None:
        """Forget a rank's part of a window."""
        part = self._parts.pop((window, rank), None)
        if part is not None and isinstance(part.memory, FarMemory):
            part.memory.close()

    def close(self) -> None:
        """Forget all of them."""
        for window, rank in [*self._parts]:
            self.remove(window, rank)

    def part(self, window: int, rank: int) -> WindowPart:
        """The part of ``rank`` of a window; raises `WorldError` if it is not registered."""
        found = self._parts.get((window, rank))
        if found is None:
            raise WorldError(f"rank {rank} has no memory registered as window {window}", rank)
        return found

    def word(self, window: int, rank: int, at: int) -> int:
        """The word at byte ``at``, 0 to 2^64 - 1; raises `WorldError` if there is none."""
        part, room = self.part(window, rank), np.zeros(1, "<u8")
        if at % BYTES or at + BYTES > part.size:
            raise WorldError(
                f"there is no word at byte {at} of window {part.name!r} of rank {rank}, which has"
                f" {part.size} bytes; words begin at multiples of {BYTES}",
                rank,
            )
        part.memory.read(at, room.view(np.uint8))
        return int(room[0])

    def act(self, window: int, rank: int, act: WordAct) -> tuple[int, int]:
        """Do ``act``; returns the word before and after. Raises `WorldError` as `word`."""
        before = self.word(window, rank, act.at)
        after = ACTS[act.kind](before, act)
        if after != before:
            room = np.array([after], "<u8")
            self.part(window, rank).memory.write(act.at, room.view(np.uint8))
        return before, after
