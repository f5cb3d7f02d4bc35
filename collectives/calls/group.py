"""Which ranks of the world make a call together, and the numbers of their calls.

All members number their calls alike without asking each other, since they make the same calls in
the same order: a call's number is the group's own number plus how many calls came before.
"""

import threading
from collections import Counter
from hashlib import blake2b
from itertools import count
from typing import Any

from fabric.world.survival import GENERATION
from topology.arguments import shown, whole
from topology.errors import ArgumentError

_MASK = (1 << 63) - 1


class Group:
    """The ranks that make calls together, and this rank's place among them.

    ``members``: world ranks, in the order of the group; ``rank``: the caller's place in it.
    ``lineage``: how the group was made, the same at all members and for no other group.
    ``generation``: where the world goes on after a loss, that of its numbers, which are above all
    those of earlier ones; else None.
    """

    def __init__(
        self, lineage: tuple[object, ...], members: tuple[int, ...], rank: int,
        generation: int | None = None,
    ) -> None:  # fmt: skip
        self.members, self.rank, self.size = members, rank, len(members)
        self.id, self.generation = _number(lineage), generation
        self.first = 0 if generation is None else generation * GENERATION
        self._mask = _MASK if generation is None else GENERATION - 1
        self._calls, self._agreements, self._own = count(), count(), count()
        self._first_own = _number((self.id, "own", rank))
        self._messages: Counter[tuple[int, int, int]] = Counter()
        self._streams: dict[tuple[int, int, int], int] = {}
        self._lock = threading.Lock()

    def next_call(self) -> int:
        """The number of the next call of all members, 64 bits."""
        return self.first | (self.id + next(self._calls)) & self._mask

    def agreement(self) -> int:
        """The number of the next agreement of all members on who is left of them."""
        return self.first | _number((self.id, "agreement", next(self._agreements))) & self._mask

    def next_own(self) -> int:
        """The number (64 bits) of the next call that this rank makes without any other."""
        return (self._first_own + next(self._own)) & _MASK

    def next_message(self, src: int, dst: int, tag: int) -> int:
        """The number (64 bits) of the next message of ``tag`` from ``src`` to ``dst``.

        Both are ranks of the group.
        """
        key = src, dst, tag
        stream = self._stream(key)
        with self._lock:  # a receive from any rank takes its number in the thread that drives
            self._messages[key] += 1
            return self.first | (stream + self._messages[key]) & self._mask

    def coming_message(self, src: int, dst: int, tag: int) -> int:
        """The number that `next_message` will return next, without using it up."""
        key = src, dst, tag
        return self.first | (self._stream(key) + self._messages[key] + 1) & self._mask

    def _stream(self, key: tuple[int, int, int]) -> int:
        if key not in self._streams:
            self._streams[key] = _number((self.id, "message", *key))
        return self._streams[key]

    def check(self, rank: Any, name: str) -> int:
        """``rank`` as an int; raises `ArgumentError` if the group has no such rank.

        ``name``: for the error.
        """
        place = whole(rank)
        if place is None or not 0 <= place < self.size:
            raise ArgumentError(f"{name} is {shown(rank)}; there are ranks 0 to {self.size - 1}")
        return place


def _number(lineage: tuple[object, ...]) -> int:
    """So many bits that two of a million groups and streams hardly ever come near each other."""
    digest = blake2b(repr(lineage).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") & _MASK
