"""What ranks read from each other in a call, in copies that stay until all have read them.

Without, each would have to wait at the end of the call until nobody reads its memory any more; a
copy costs less than that wait, and what is sent to several ranks is copied once.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.transports.base import Bytes, Shared, SharedPlace, address_of

LEAST = 1 << 16
"""Bytes of a piece of memory at least; larger ones are powers of two."""

MOST = 1 << 28
"""Bytes of all ranks in a call up to which they are copied: the copies stay in memory."""

WORD = 8
"""Bytes of the word that others see."""

WORDS = len(SharedPlace._fields)
"""Words by which ranks tell each other where something is."""


class Piece(NamedTuple):
    """Memory for what others read in a call; ``place``: where others find its first byte."""

    memory: Bytes
    place: SharedPlace


def fits(size: int, ranks: int) -> bool:
    """Whether as many ranks copy ``size`` bytes each for others to read."""
    return size * ranks <= MOST


class Staging:
    """The memory from which the ranks of a group read in its calls, of rank ``rank``.

    ``members``: their world ranks. ``inform``: tells each rank a row of words, and returns theirs,
    as `Communicator.inform`. All ranks make one, and use it in the same calls.

    Each has a word that others see: all such calls with numbers below it are over there; they count
    from 1. Memory that a call has used is free once it is over everywhere.
    """

    def __init__(
        self, shared: Shared, rank: int, members: Sequence[int],
        inform: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    ) -> None:  # fmt: skip
        self._shared, self._members = shared, members
        self._pieces: list[tuple[Piece, int]] = []  # and the last call that each was for
        self._next, self._over = 1, set[int]()
        self._known: dict[tuple[int, int], int] = {}  # by rank and number of a buffer, its address
        self._open: list[Bytes] = []
        self._rank = rank
        own = self._allocated(WORD)
        self._word = own.memory.view(np.uint64).data
        told = inform(np.tile(np.array(own.place, np.int64), (len(members), 1)))
        opened = [
            self._opened(peer, SharedPlace(*map(int, place)))
            for peer, place in enumerate(told) if peer != rank
        ]  # fmt: skip
        self._words = [word.view(np.uint64).data for word in opened]
        self._word[0] = 1  # 0 where not all words are open yet

    def begin(self) -> int:
        """The number of the next call, which every rank begins as such."""
        self._next += 1
        return self._next - 1

    def piece(self, call: int, size: int) -> Piece:
        """At least ``size`` bytes with undefined content for ``call``, which nobody reads yet."""
        over = min([word[0] for word in self._words], default=call)
        self._shared.fence()
        for number, (piece, last) in enumerate(self._pieces):
            if last < over and piece.memory.size >= size:
                self._pieces[number] = piece, call
                return piece
        piece = self._allocated(max(LEAST, 1 << (size - 1).bit_length()))
        self._pieces.append((piece, call))
        return piece

    def over(self, call: int) -> None:
        """Record that this rank reads nothing more of ``call``."""
        self._over.add(call)
        first = self._word[0]
        while first in self._over:
            self._over.remove(first)
            first += 1
        self._shared.fence()
        self._word[0] = first

    def is_over(self) -> bool:
        """Whether all calls so far are over everywhere, so that nobody reads anything here."""
        return all(word[0] >= self._next for word in self._words)

    def addresses(self, places: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The addresses here of pieces, whose ``places`` ranks have told: ``[ranks, WORDS]``.

        0 where ``counts`` says that there is nothing for this rank. To be asked where the rank
        makes progress.
        """
        known, addresses = self._known, []
        for peer, (place, count) in enumerate(zip(places.tolist(), counts.tolist(), strict=True)):
            if count and (peer, place[0]) not in known:
                known[peer, place[0]] = address_of(self._opened(peer, SharedPlace(*place)))
            addresses.append(known[peer, place[0]] if count else 0)
        return np.array(addresses, np.int64)

    def _opened(self, peer: int, place: SharedPlace) -> Bytes:
        opened = self._shared.open(self._members[peer], place, WORD)
        self._open.append(opened)
        return opened

    def _allocated(self, size: int) -> Piece:
        memory = self._shared.allocate(size, lasts=True)
        place = self._shared.find(memory)
        if place is None:
            raise RuntimeError("shared memory is not where it was allocated")
        self._known[self._rank, place.number] = address_of(memory)
        return Piece(memory, place)
