"""A shard: what one server of a pool knows of its keys, and decides about them. No I/O.

A value is written in two steps: `Shard.reserve` gives it a place, and nobody sees it until
`Shard.commit` says that all of it is there, with its hash. It is read in two as well:
`Shard.find` keeps its place until `Shard.release`. Whoever reserves or reads is a `Holder`; when it
is gone, `Shard.leave` gives back what it held, so a writer or reader that dies leaves nothing.

Room is made by moving blocks down to the next tier, and out of the last one. The copies that this
takes are in ``moves``, which the owner of the memory has to carry out, in order, before it uses
what the call returned.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from collectives.memory.pool.core.errors import PoolFull
from collectives.memory.pool.core.eviction import EvictionPolicy, MakePolicy
from collectives.memory.pool.core.pages import Pages
from collectives.memory.pool.core.tiers import Move, Place, StoreShape, namespace_of, whole_key


@dataclass(eq=False, slots=True)
class StoredValue:
    """A value at a server. ``pages``: how many it takes; ``digest``: the hash of its bytes.

    ``holds``: readers and pins that keep it where it is; ``listed``: False once it was replaced or
    removed, and is there only for those who still read it.
    """

    key: str
    size: int
    pages: int
    place: Place
    digest: int = 0
    holds: int = 0
    listed: bool = False


@dataclass(eq=False, slots=True)
class Holder:
    """A client as a shard knows it: its reservations, what it reads, and its pins by key."""

    reserved: dict[int, StoredValue] = field(default_factory=dict)
    reading: dict[int, StoredValue] = field(default_factory=dict)
    pinned: dict[str, list[StoredValue]] = field(default_factory=dict)


@dataclass(slots=True)
class ShardCounts:
    """How often what has happened at a shard. ``hits``: by number of the tier."""

    hits: list[int]
    misses: int = 0
    puts: int = 0
    refused: int = 0
    evicted: int = 0
    moved_down: int = 0
    moved_up: int = 0
    damaged: int = 0


class ShardWatch(Protocol):
    """Who is told which values can be read where, before anything else may use their place."""

    def there(self, value: StoredValue) -> None:
        """A value can be read at its place from now on."""

    def gone(self, value: StoredValue) -> None:
        """A value can no longer be read at its place."""


class _Nobody:
    """A `ShardWatch` that does nothing."""

    def there(self, value: StoredValue) -> None: ...

    def gone(self, value: StoredValue) -> None: ...


@dataclass(eq=False, slots=True)
class _Level:
    """A tier: its free pages, its policy, and the pages of values that may be moved."""

    pages: Pages
    policy: EvictionPolicy
    movable: int = 0


class Shard:
    """The index of a server. ``counts``: what has happened; ``moves``: copies to be carried out.

    ``used``: bytes of pages by namespace; ``watch``: who is told where values are.
    """

    def __init__(
        self, shape: StoreShape, policy: MakePolicy, watch: ShardWatch | None = None
    ) -> None:
        self.shape = shape
        self.counts = ShardCounts([0] * len(shape.tiers))
        self.moves: list[Move] = []
        self.used: dict[str, int] = {}
        self._levels = [_Level(Pages(tier.size // shape.page), policy()) for tier in shape.tiers]
        self._values: dict[str, StoredValue] = {}
        self._within = {namespace: policy() for namespace in shape.quotas}
        self._numbers = count(1)
        self._watch: ShardWatch = watch or _Nobody()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    # --- writing

    def reserve(self, holder: Holder, namespace: str, size: int) -> tuple[int, Place]:
        """A place in the first tier for a new value, and the number to commit it by.

        Raises `PoolFull` if it is larger than the tier or the namespace's quota, or if too much of
        what is there is held.
        """
        pages = self.shape.pages(size)
        try:
            self._fit_quota(namespace, pages)
            self._make_room(0, pages)
        except PoolFull:
            self.counts.refused += 1
            raise
        place = Place(0, self._levels[0].pages.take(pages))
        value = StoredValue(whole_key(namespace, ""), size, pages, place)
        self._count(value, 1)
        number = next(self._numbers)
        holder.reserved[number] = value
        return number, value.place

    def commit(self, holder: Holder, number: int, key: str, size: int, digest: int) -> bool:
        """Let everybody see a reserved value under ``key``, in place of an earlier one.

        ``size``: its bytes, at most as many as its pages have. Returns False if the holder has no
        such reservation in the key's namespace.
        """
        value = holder.reserved.get(number)
        if value is None or namespace_of(value.key) != namespace_of(key):
            return False
        if self.shape.pages(size) > value.pages:
            return False
        del holder.reserved[number]
        self.remove(key)
        value.key, value.size, value.digest, value.listed = key, size, digest, True
        self._values[value.key] = value
        self._enter(value)
        self._movable(value, 1)
        if (within := self._within.get(namespace_of(value.key))) is not None:
            within.added(value.key)
        self.counts.puts += 1
        return True

    def abort(self, holder: Holder, number: int) -> None:
        """Give up a reservation."""
        value = holder.reserved.pop(number, None)
        if value is not None:
            self._free(value)

    # --- reading

    def find(self, holder: Holder, key: str) -> tuple[int, StoredValue] | None:
        """The value of ``key``, which keeps its place until it is released by the number.

        None for a miss. A value of a lower tier is moved up first, if there is room for it.
        """
        value = self._values.get(key)
        if value is None:
            self.counts.misses += 1
            return None
        self.counts.hits[value.place.tier] += 1
        if value.place.tier and not value.holds:
            self._move_up(value)
        else:
            self._levels[value.place.tier].policy.used(key)
        self._used_within(key)
        self._hold(value)
        number = next(self._numbers)
        holder.reading[number] = value
        return number, value

    def use(self, key: str) -> None:
        """Note that a value of the first tier was read by somebody who was told where it is."""
        self.counts.hits[0] += 1
        value = self._values.get(key)
        if value is not None:
            self._used(value)

    def peek(self, key: str) -> StoredValue | None:
        """The value of ``key``, which is not a use of it; None if there is none."""
        return self._values.get(key)

    def release(self, holder: Holder, number: int, damaged: bool = False) -> None:
        """End a read. ``damaged``: the bytes did not have the value's hash, so it is removed."""
        value = holder.reading.pop(number, None)
        if value is None:
            return
        if damaged:
            self.counts.damaged += 1
            if value.listed:
                self.remove(value.key)
        self._let_go(value)

    # --- keeping and removing

    def pin(self, holder: Holder, key: str) -> bool:
        """Keep a value from being evicted or moved, once more; False if there is none."""
        value = self._values.get(key)
        if value is None:
            return False
        self._hold(value)
        holder.pinned.setdefault(key, []).append(value)
        return True

    def unpin(self, holder: Holder, key: str) -> bool:
        """Take back one pin of the holder; False if it has none on ``key``."""
        values = holder.pinned.get(key)
        if not values:
            return False
        self._let_go(values.pop())
        if not values:
            del holder.pinned[key]
        return True

    def remove(self, key: str) -> bool:
        """Forget the value of ``key``; those who read it go on. False if there is none."""
        value = self._values.pop(key, None)
        if value is None:
            return False
        value.listed = False
        self._watch.gone(value)
        self._levels[value.place.tier].policy.removed(key)
        if (within := self._within.get(namespace_of(key))) is not None:
            within.removed(key)
        if not value.holds:
            self._levels[value.place.tier].movable -= value.pages
            self._free(value)
        return True

    def clear(self, namespace: str) -> int:
        """Remove all values of a namespace; returns how many."""
        keys = [key for key in self._values if namespace_of(key) == namespace]
        for key in keys:
            self.remove(key)
        return len(keys)

    def leave(self, holder: Holder) -> None:
        """Give back all that a client holds, which is gone."""
        for number in list(holder.reserved):
            self.abort(holder, number)
        for number in list(holder.reading):
            self.release(holder, number)
        for key, values in list(holder.pinned.items()):
            for _ in list(values):
                self.unpin(holder, key)

    def take_moves(self) -> list[Move]:
        """The copies to be carried out, in order, which are then forgotten."""
        moves, self.moves = self.moves, []
        return moves

    def free(self, tier: int) -> int:
        """The bytes of a tier that no value takes."""
        return self._levels[tier].pages.free * self.shape.page

    # --- making room

    def _fit_quota(self, namespace: str, pages: int) -> None:
        """Evict values of a namespace until it keeps its quota with ``pages`` more."""
        quota = self.shape.quotas.get(namespace)
        if quota is None:
            return
        size = pages * self.shape.page
        if size > quota:
            raise PoolFull(f"{size} bytes; namespace {namespace!r} may have {quota} at a server")
        while self.used.get(namespace, 0) + size > quota:
            victim = self._first(self._within[namespace])
            if victim is None:
                raise PoolFull(f"what namespace {namespace!r} has of its {quota} bytes is held")
            self._evict(victim)

    def _make_room(self, tier: int, pages: int) -> None:
        """Move values out of a tier until so many pages are free; raises `PoolFull`."""
        level = self._levels[tier]
        if level.pages.free + level.movable < pages:
            name = self.shape.tiers[tier].name
            least = pages * self.shape.page
            raise PoolFull(
                f"no room for {least} bytes in tier {name}: of {level.pages.count} pages"
                f" {level.pages.free} are free, and {level.movable} hold what may be moved"
            )
        while level.pages.free < pages:
            victim = self._first(level.policy)
            assert victim is not None, "movable pages are those of values that nobody holds"
            self._move_down(victim)

    def _first(self, policy: EvictionPolicy) -> StoredValue | None:
        for key in policy.victims():
            value = self._values[key]
            if not value.holds:
                return value
        return None

    def _move_down(self, value: StoredValue) -> None:
        """Move a value to the next tier that can have it; evict it where there is none."""
        old = value.place
        for tier in range(old.tier + 1, len(self._levels)):
            try:
                self._make_room(tier, value.pages)
            except PoolFull:
                continue
            self._withdraw(value)
            value.place = Place(tier, self._levels[tier].pages.take(value.pages))
            self._enter(value)
            self._movable(value, 1)
            self.moves.append(Move(old, value.place, value.size))
            self._levels[old.tier].pages.give(old.runs)
            self.counts.moved_down += 1
            return
        self._evict(value)

    def _move_up(self, value: StoredValue) -> None:
        """Move a value that was read to the first tier; it stays if there is no room."""
        old = value.place
        top = self._levels[0]
        if top.pages.free + top.movable < value.pages:
            self._levels[old.tier].policy.used(value.key)
            return
        self._withdraw(value)
        self.moves.append(Move(old, None, value.size))
        self._levels[old.tier].pages.give(old.runs)  # for what is moved down to make room
        self._make_room(0, value.pages)
        value.place = Place(0, top.pages.take(value.pages))
        self._enter(value)
        self._movable(value, 1)
        self.moves.append(Move(None, value.place, value.size))
        self.counts.moved_up += 1

    def _evict(self, value: StoredValue) -> None:
        self.remove(value.key)
        self.counts.evicted += 1

    def _used(self, value: StoredValue) -> None:
        self._levels[value.place.tier].policy.used(value.key)
        self._used_within(value.key)

    def _used_within(self, key: str) -> None:
        if (within := self._within.get(namespace_of(key))) is not None:
            within.used(key)

    def _enter(self, value: StoredValue) -> None:
        self._levels[value.place.tier].policy.added(value.key)
        self._watch.there(value)

    def _withdraw(self, value: StoredValue) -> None:
        """Take a value that nobody holds out of its tier's policy, before it is moved."""
        self._watch.gone(value)
        self._levels[value.place.tier].policy.removed(value.key)
        self._movable(value, -1)

    def _movable(self, value: StoredValue, sign: int) -> None:
        self._levels[value.place.tier].movable += sign * value.pages

    def _hold(self, value: StoredValue) -> None:
        if not value.holds:
            self._movable(value, -1)
        value.holds += 1

    def _let_go(self, value: StoredValue) -> None:
        value.holds -= 1
        if value.holds:
            return
        if value.listed:
            self._movable(value, 1)
        else:
            self._free(value)

    def _free(self, value: StoredValue) -> None:
        self._levels[value.place.tier].pages.give(value.place.runs)
        self._count(value, -1)

    def _count(self, value: StoredValue, sign: int) -> None:
        namespace = namespace_of(value.key)
        used = self.used.get(namespace, 0) + sign * value.pages * self.shape.page
        self.used[namespace] = used
