"""A replay of requests on a pool of an emulated machine: hits, and how long blocks take."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from collectives.memory.pool.core.eviction import eviction_policy
from collectives.memory.pool.core.hash_ring import VIRTUAL_NODES, HashRing
from collectives.memory.pool.core.tiers import StoreShape
from collectives.memory.pool.emulated.indexed import IndexedPool, LocatedBlock
from collectives.memory.pool.emulated.requests import CacheRequest
from collectives.memory.pool.emulated.storage import Storage, StorageQueues
from collectives.memory.pool.emulated.transfers import Transfers
from collectives.memory.pool.emulated.ways import PoolWays
from fabric.engines.base import Session


@dataclass(frozen=True)
class BlockShape:
    """A block of KV: ``tokens``, ``bytes``, and the ``pieces`` that lie apart in an NPU's memory.

    Each piece is a message of its own.
    """

    tokens: int
    bytes: int
    pieces: int = 1


@dataclass(frozen=True)
class ReplayAnswer:
    """What a replay came to.

    ``requests``, ``tokens`` of their prompts and ``blocks`` of these; ``hits``: blocks that were
    there, and ``by_tier``, where; ``evicted``: blocks. ``gets``: seconds from the arrival of each
    request that had a hit to the end of its last block; ``puts``: from the beginning to the end of
    writing, of each that stored blocks; float64. ``span``: seconds from the first arrival to the
    end of the last transfer.
    """

    requests: int
    tokens: int
    blocks: int
    hits: int
    by_tier: Counter[str]
    evicted: int
    gets: NDArray[np.float64]
    puts: NDArray[np.float64]
    span: float
    block: BlockShape

    @property
    def hit_rate(self) -> float:
        """The share of the prompts' whole blocks that were there."""
        return self.hits / self.blocks if self.blocks else 0.0

    @property
    def token_hit_rate(self) -> float:
        """The share of the prompts' tokens that need not be computed."""
        return self.hits * self.block.tokens / self.tokens if self.tokens else 0.0

    @property
    def loaded(self) -> int:
        """Bytes that were read from the pool."""
        return self.hits * self.block.bytes


def replay(
    ways: PoolWays, requests: Sequence[CacheRequest], shape: StoreShape, block: BlockShape, *,
    policy: str = "lru", virtual_nodes: int = VIRTUAL_NODES, storage: Storage | None = None,
    session: Session | None = None,
) -> ReplayAnswer:  # fmt: skip
    """Replay ``requests`` on a pool over ``ways``, whose servers each have ``shape``.

    A request reads the blocks of its prompt from the first on that are there, all at once, and
    then writes the others; a block is there for others when it is written. Clients take requests
    in turn. Lookups and computing take no time. ``session``: as of `Transfers`. Raises
    as `PoolWays` and the engine do.
    """
    run = _Replay(
        ways, requests, shape, block, policy, virtual_nodes, storage or Storage(), session
    )
    return run.answer()


@dataclass(eq=False, slots=True)
class _UnderWay:
    """A request: ``left``: its transfers that are not over, and when they began, in seconds."""

    request: CacheRequest
    client: int
    found: list[LocatedBlock] = field(default_factory=list)
    left: int = 0
    began: float = 0.0


class _Replay:
    def __init__(
        self, ways: PoolWays, requests: Sequence[CacheRequest], shape: StoreShape,
        block: BlockShape, policy: str, virtual_nodes: int, storage: Storage,
        session: Session | None,
    ) -> None:  # fmt: skip
        ring = HashRing(tuple(ways.servers), virtual_nodes)
        self._ways, self._requests, self._block = ways, requests, block
        self._pool = IndexedPool(ring, shape, eviction_policy(policy), block.bytes)
        self._time, self._storage = Transfers(ways, session), StorageQueues(storage)
        self._gets, self._puts = list[float](), list[float]()
        self._by_tier: Counter[str] = Counter()
        self._first = requests[0].time if requests else 0.0

    def answer(self) -> ReplayAnswer:
        """Run it to its end."""
        for number, request in enumerate(self._requests):
            one = _UnderWay(request, number % self._ways.clients)
            self._time.at(request.time - self._first, lambda now, one=one: self._arrive(one, now))  # type: ignore[misc]
        span = self._time.run()
        return ReplayAnswer(
            len(self._requests), sum(one.prompt for one in self._requests),
            sum(len(one.blocks) for one in self._requests), sum(self._by_tier.values()),
            self._by_tier, self._pool.evicted(), np.sort(self._gets), np.sort(self._puts), span,
            self._block,
        )  # fmt: skip

    def _arrive(self, one: _UnderWay, now: float) -> None:
        """Read the blocks that are there."""
        one.found = self._pool.prefix(one.request.blocks)
        one.left, one.began = len(one.found), now
        self._by_tier.update(block.tier for block in one.found)
        for block in one.found:
            read = self._storage.over(
                block.tier, self._ways.node[block.server], self._block.bytes, now
            )
            self._later(read, now, one, block.server, True)
        self._note_moves(now)  # after the reads that they make room for
        if not one.found:
            self._write(one, now)

    def _later(self, time: float, now: float, one: _UnderWay, server: str, reads: bool) -> None:
        """Begin a block's transfer at ``time``, when it is in memory."""
        if time > now:
            self._time.at(time, lambda _: self._leg(one, server, reads, 0))
        else:
            self._leg(one, server, reads, 0)

    def _leg(self, one: _UnderWay, server: str, reads: bool, which: int) -> None:
        legs = self._ways.legs(one.client, server, reads)
        operation, src, dst = legs[which]

        def then(now: float) -> None:
            if which + 1 < len(legs):
                self._leg(one, server, reads, which + 1)
            else:
                self._end(one, reads, now)

        self._time.send(operation, src, dst, self._block.bytes, self._block.pieces, then)

    def _end(self, one: _UnderWay, reads: bool, now: float) -> None:
        one.left -= 1
        if one.left:
            return
        if reads:
            self._gets.append(now - one.began)
            self._pool.release(one.found)
            self._write(one, now)
        else:
            self._puts.append(now - one.began)
            for block in one.request.blocks[len(one.found) :]:
                self._pool.store(block)
            self._note_moves(now)

    def _write(self, one: _UnderWay, now: float) -> None:
        """Write the blocks that were not there."""
        missing = one.request.blocks[len(one.found) :]
        one.left, one.began = len(missing), now
        for block in missing:
            self._leg(one, self._pool.owner(block), False, 0)

    def _note_moves(self, now: float) -> None:
        """What is written to storage takes its turn there; nobody waits for it."""
        for server, move in self._pool.moves():
            if move.target is not None:
                tier = self._pool.shape.tiers[move.target.tier].name
                self._storage.over(tier, self._ways.node[server], move.size, now)
