"""A pool as the cache of a serving run: which tokens of a prompt it has, and what loading takes."""

from collections.abc import Sequence
from typing import Protocol

from collectives.memory.pool.core.eviction import eviction_policy
from collectives.memory.pool.core.hash_ring import HashRing
from collectives.memory.pool.core.tiers import StoreShape
from collectives.memory.pool.emulated.indexed import IndexedPool
from collectives.memory.pool.emulated.replay import BlockShape
from collectives.memory.pool.emulated.transfers import Transfers
from collectives.memory.pool.emulated.ways import PoolWays

FEW, MANY = 1, 64
"""Blocks whose loading is simulated; that of other numbers is on a line through the two."""


class Prompted(Protocol):
    """A request of a serving run: ``prompt`` tokens, and the names of its blocks."""

    @property
    def prompt(self) -> int:
        """Tokens of the prompt."""

    @property
    def blocks(self) -> tuple[int, ...]:
        """What names each block of the prompt; the last may not be whole."""


class PooledPrefixes:
    """KV of earlier prompts in a pool over ``ways``, whose servers each have ``shape``.

    A cache of `collectives.workloads.inference.serving`. Prompts are loaded by a die each, block by
    block from the servers that have them, and do not disturb each other. ``hits`` and ``asked``:
    blocks so far.
    """

    def __init__(
        self, ways: PoolWays, shape: StoreShape, block: BlockShape, policy: str = "lru"
    ) -> None:
        self._block, self.hits, self.asked = block, 0, 0
        ring = HashRing(tuple(ways.servers))
        self._pool = IndexedPool(ring, shape, eviction_policy(policy), block.bytes)
        few, many = (load_seconds(ways, ring.servers, block, blocks) for blocks in (FEW, MANY))
        self._least, self._each = few, (many - few) / (MANY - FEW)

    def reused(self, request: Prompted, now: float) -> tuple[int, float]:
        """How many of the prompt's first tokens are there, and the seconds to load them."""
        whole = self._whole(request)
        found = self._pool.prefix(whole)
        self._pool.release(found)
        self._pool.moves()
        self.asked += len(whole)
        self.hits += len(found)
        return len(found) * self._block.tokens, self.seconds(len(found))

    def keep(self, request: Prompted, now: float) -> None:
        """Store what was computed of a prompt."""
        for block in self._whole(request):
            self._pool.store(block)
        self._pool.moves()

    def seconds(self, blocks: int) -> float:
        """Seconds in which so many blocks are loaded."""
        return self._least + self._each * (blocks - FEW) if blocks else 0.0

    def _whole(self, request: Prompted) -> tuple[int, ...]:
        return request.blocks[: request.prompt // self._block.tokens]


def load_seconds(
    ways: PoolWays, servers: Sequence[str], block: BlockShape, blocks: int
) -> float:  # fmt: skip
    """Seconds in which a die reads so many blocks, from one server after the other, all at once."""
    time = Transfers(ways)

    def read(legs: tuple[tuple[str, int, int], ...]) -> None:
        (operation, src, dst), *rest = legs

        def then(now: float) -> None:
            if rest:
                read(tuple(rest))

        time.send(operation, src, dst, block.bytes, block.pieces, then)

    for number in range(blocks):
        # From the last node on: the first is that of the die.
        read(ways.legs(0, servers[-1 - number % len(servers)], True))
    return time.run()
