"""Holds: whose blocks another instance may read, and until when, by words of registered memory.

A prompt that is held has a slot, a word of the holder's memory, which any instance changes without
the holder's doing. In turn t of a slot it is 3t while nobody reads, 3t + 1 while somebody does, and
3(t + 1) when the blocks are the holder's again. Both sides change 3t by compare-and-swap, so blocks
that are read are not given back, and blocks that were given back are not read.
"""

import time

import numpy as np

from collectives.adapters.vllm.orders import Hold, LoadOrder
from collectives.calls.communicator import Communicator
from collectives.memory.window import Window

SLOTS = 1024
"""How many prompts an instance holds at once."""

_WORD = 8


class Holds:
    """The holds of an instance, and its way to those of others; all ranks make it together.

    ``seconds``: of the wall clock that a hold lasts while nobody reads.
    """

    def __init__(self, comm: Communicator, seconds: float) -> None:
        self._rank, self._seconds = comm.rank, seconds
        self._words = Window(comm, _WORD * SLOTS, name="holds")
        self._held: dict[str, tuple[Hold, float]] = {}

    def add(self, hold: Hold) -> None:
        """Hold the blocks of a prompt from now on."""
        self._held[hold.request] = hold, time.monotonic() + self._seconds

    def over(self) -> set[str]:
        """The requests whose blocks may be used again; each is named once."""
        words = self._words.local.view(np.int64)
        now, over = time.monotonic(), set()
        for request, (hold, due) in self._held.items():
            ended = words[hold.slot] >= 3 * (hold.turn + 1)
            if ended or (now > due and self._swapped(self._rank, hold.slot, hold.turn, 3)):
                over.add(request)
        for request in over:
            del self._held[request]
        return over

    def begin(self, order: LoadOrder) -> bool:
        """Begin to read what another instance holds; False if it holds it no longer."""
        return self._swapped(order.source, order.slot, order.turn, 1)

    def end(self, order: LoadOrder) -> None:
        """Have read what another instance holds."""
        self._words.signal(order.source, _WORD * order.slot, 3 * (order.turn + 1))

    def _swapped(self, rank: int, slot: int, turn: int, step: int) -> bool:
        before = 3 * turn
        return self._words.compare_and_swap(rank, _WORD * slot, before, before + step) == before
