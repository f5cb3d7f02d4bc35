"""A server of a pool inside this process: the index under a lock, and memory of its own."""

import threading
from collections.abc import Sequence
from pathlib import Path

from collectives.memory.pool.access import SMALL, Counts, FoundValue, NewValue
from collectives.memory.pool.core.errors import PoolFull
from collectives.memory.pool.core.eviction import MakePolicy
from collectives.memory.pool.core.hashing import content_hash
from collectives.memory.pool.core.shard import Holder, Shard, ShardWatch
from collectives.memory.pool.core.tiers import Place, StoreShape, namespace_of
from collectives.memory.pool.tier_memory import TierMemory, carry_out, made


class ServedShard:
    """A shard with its memory: what `Shard` decides, with the copies carried out. No lock.

    ``folder``: where files are, see `made`; ``watch``: as of `Shard`.
    """

    def __init__(
        self, shape: StoreShape, policy: MakePolicy, folder: Path | None = None,
        watch: ShardWatch | None = None,
    ) -> None:  # fmt: skip
        self.shape, self.shard = shape, Shard(shape, policy, watch)
        self.tiers: list[TierMemory] = []
        try:
            for tier in shape.tiers:
                self.tiers.append(made(tier, shape.page, folder))
        except BaseException:
            self.close()
            raise

    def reserve(self, holder: Holder, namespace: str, size: int) -> tuple[int, Place]:
        """See `Shard.reserve`; raises `PoolFull` also if the host has no memory left."""
        try:
            number, place = self.shard.reserve(holder, namespace, size)
        finally:
            self._carry_out()
        try:
            self.tiers[place.tier].grow(place.runs)
        except PoolFull:
            self.shard.abort(holder, number)
            raise
        return number, place

    def store(self, holder: Holder, one: NewValue) -> None:
        """Reserve, write and commit a value; raises `PoolFull`."""
        number, place = self.reserve(holder, namespace_of(one.key), len(one.value))
        self.tiers[place.tier].write(place.runs, one.value)
        self.shard.commit(holder, number, one.key, len(one.value), one.digest)

    def find(self, holder: Holder, key: str) -> FoundValue | None:
        """See `Shard.find`; a small value is copied at once, and keeps nothing."""
        found = self.shard.find(holder, key)
        if found is None:
            return None
        self._carry_out()
        number, value = found
        if value.size > SMALL:
            return FoundValue(number, value.size, value.digest, value.place)
        copy = self.tiers[value.place.tier].read(value.place.runs, value.size)
        damaged = content_hash(key, copy) != value.digest
        self.shard.release(holder, number, damaged)
        if damaged:
            return None
        return FoundValue(0, value.size, value.digest, value.place, copy)

    def counts(self) -> Counts:
        """See `ShardAccess.counts`."""
        shard = self.shard
        counts = {
            "values": len(shard), "hits": sum(shard.counts.hits), "misses": shard.counts.misses,
            "puts": shard.counts.puts, "refused": shard.counts.refused,
            "evicted": shard.counts.evicted, "moved_down": shard.counts.moved_down,
            "moved_up": shard.counts.moved_up, "damaged": shard.counts.damaged,
        }  # fmt: skip
        for number, tier in enumerate(shard.shape.tiers):
            counts[f"hits_{tier.name}"] = shard.counts.hits[number]
            counts[f"size_{tier.name}"] = size = self.tiers[number].size
            counts[f"used_{tier.name}"] = size - shard.free(number)
        return counts

    def close(self) -> None:
        """Free the memory."""
        for tier in self.tiers:
            tier.close()

    def _carry_out(self) -> None:
        if self.shard.moves:
            carry_out(self.shard.take_moves(), self.tiers)


class LocalAccess:
    """A `ShardAccess` of threads of this process to a `ServedShard` of it."""

    def __init__(self, served: ServedShard) -> None:
        self._served, self._holder, self._lock = served, Holder(), threading.Lock()

    @property
    def tiers(self) -> Sequence[TierMemory]:
        """See `ShardAccess`."""
        return self._served.tiers

    def glance(self, key: str) -> FoundValue | None:
        """See `ShardAccess`; the lock is as quick."""

    def used(self, key: str) -> None:
        """See `ShardAccess`."""

    def report(self) -> None:
        """See `ShardAccess`: there is nothing that it has not been told of."""

    def reserve(self, wanted: Sequence[tuple[str, int]]) -> list[tuple[int, Place] | PoolFull]:
        """See `ShardAccess`."""
        with self._lock:
            return [self._reserve(namespace, size) for namespace, size in wanted]

    def _reserve(self, namespace: str, size: int) -> tuple[int, Place] | PoolFull:
        try:
            return self._served.reserve(self._holder, namespace, size)
        except PoolFull as why:
            return why

    def commit(self, written: Sequence[tuple[int, str, int, int]]) -> None:
        """See `ShardAccess`."""
        with self._lock:
            for one in written:
                self._served.shard.commit(self._holder, *one)

    def abort(self, numbers: Sequence[int]) -> None:
        """See `ShardAccess`."""
        with self._lock:
            for number in numbers:
                self._served.shard.abort(self._holder, number)

    def store_small(self, values: Sequence[NewValue]) -> list[PoolFull | None]:
        """See `ShardAccess`."""
        with self._lock:
            return [self._store(one) for one in values]

    def _store(self, one: NewValue) -> PoolFull | None:
        try:
            self._served.store(self._holder, one)
        except PoolFull as why:
            return why
        return None

    def find(self, keys: Sequence[str]) -> list[FoundValue | None]:
        """See `ShardAccess`."""
        with self._lock:
            return [self._served.find(self._holder, key) for key in keys]

    def release(self, numbers: Sequence[int], damaged: Sequence[int] = ()) -> None:
        """See `ShardAccess`."""
        with self._lock:
            for number in numbers:
                self._served.shard.release(self._holder, number)
            for number in damaged:
                self._served.shard.release(self._holder, number, damaged=True)

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """See `ShardAccess`."""
        with self._lock:
            found = [self._served.shard.peek(key) for key in keys]
        return [None if one is None else one.size for one in found]

    def remove(self, keys: Sequence[str]) -> list[bool]:
        """See `ShardAccess`."""
        with self._lock:
            return [self._served.shard.remove(key) for key in keys]

    def pin(self, keys: Sequence[str]) -> list[bool]:
        """See `ShardAccess`."""
        with self._lock:
            return [self._served.shard.pin(self._holder, key) for key in keys]

    def unpin(self, keys: Sequence[str]) -> list[bool]:
        """See `ShardAccess`."""
        with self._lock:
            return [self._served.shard.unpin(self._holder, key) for key in keys]

    def clear(self, namespace: str) -> int:
        """See `ShardAccess`."""
        with self._lock:
            return self._served.shard.clear(namespace)

    def counts(self) -> Counts:
        """See `ShardAccess`."""
        with self._lock:
            return self._served.counts()

    def close(self) -> None:
        """See `ShardAccess`."""
        with self._lock:
            self._served.close()
