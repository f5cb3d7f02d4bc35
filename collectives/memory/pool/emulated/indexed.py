"""A pool's servers without their memory: who has which block, and what is evicted."""

from collections.abc import Sequence
from typing import NamedTuple

from collectives.memory.pool.core.errors import PoolFull
from collectives.memory.pool.core.eviction import MakePolicy
from collectives.memory.pool.core.hash_ring import HashRing
from collectives.memory.pool.core.shard import Holder, Shard
from collectives.memory.pool.core.tiers import Move, StoreShape, whole_key


class LocatedBlock(NamedTuple):
    """A block that was found: its server, the tier it was in, and the number to release it by."""

    server: str
    tier: str
    number: int


class IndexedPool:
    """The shards of a pool and the ring of their servers; every block has ``size`` bytes."""

    def __init__(
        self, ring: HashRing, shape: StoreShape, policy: MakePolicy, size: int
    ) -> None:  # fmt: skip
        self.ring, self.shape, self.size = ring, shape, size
        self.shards = {server: Shard(shape, policy) for server in ring.servers}
        self._holders = {server: Holder() for server in ring.servers}

    def prefix(self, blocks: Sequence[int]) -> list[LocatedBlock]:
        """The blocks that are there from the first one on, up to the first that is not.

        They keep their places until `release`.
        """
        found: list[LocatedBlock] = []
        for block in blocks:
            key = whole_key("", str(block))
            server = self.ring.owner(key)
            shard = self.shards[server]
            before = shard.peek(key)
            tier = before.place.tier if before is not None else 0
            one = shard.find(self._holders[server], key)
            if one is None:
                break
            found.append(LocatedBlock(server, self.shape.tiers[tier].name, one[0]))
        return found

    def release(self, found: Sequence[LocatedBlock]) -> None:
        """End the reads of blocks."""
        for one in found:
            self.shards[one.server].release(self._holders[one.server], one.number)

    def store(self, block: int) -> bool:
        """Store a block that is not there; whether it is there now."""
        key = whole_key("", str(block))
        server = self.ring.owner(key)
        shard, holder = self.shards[server], self._holders[server]
        if key in shard:
            return True
        try:
            number, _ = shard.reserve(holder, "", self.size)
        except PoolFull:
            return False
        return shard.commit(holder, number, key, self.size, 0)

    def owner(self, block: int) -> str:
        """The server that holds a block."""
        return self.ring.owner(whole_key("", str(block)))

    def moves(self) -> list[tuple[str, Move]]:
        """The copies from tier to tier since the last call, each with its server."""
        return [(server, move) for server, shard in self.shards.items() if shard.moves
                for move in shard.take_moves()]  # fmt: skip

    def evicted(self) -> int:
        """How many blocks were evicted so far."""
        return sum(shard.counts.evicted for shard in self.shards.values())
