"""Access to one server of a pool: what a client asks of it, and the copies that the client makes.

A `ShardAccess` answers where values are; `fetch` and `store` move the bytes between the client's
memory and the server's, check the hash of every value that is read, and give back what they held
whatever happens.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from collectives.memory.pool.core.errors import PoolError, PoolFull
from collectives.memory.pool.core.hashing import content_hash
from collectives.memory.pool.core.tiers import Place, namespace_of
from collectives.memory.pool.tier_memory import TierMemory

SMALL = 8192
"""Bytes up to which a value goes with the question and the answer, without a place of its own."""

Counts = dict[str, int]
"""What has happened at a server by name, and bytes in use as ``used_TIER``, of ``size_TIER``."""


class FoundValue(NamedTuple):
    """A value that a server has. ``number``: to release it by; 0 if it is ``copy``."""

    number: int
    size: int
    digest: int
    place: Place
    copy: bytes | None = None


class NewValue(NamedTuple):
    """A value to be stored under a whole key; ``digest``: `content_hash` of a small one."""

    key: str
    value: memoryview
    digest: int


class ShardAccess(Protocol):
    """What a client asks of a server. Each method raises `ServerLost` if it does not answer."""

    @property
    def tiers(self) -> Sequence[TierMemory]:
        """The server's memory, tier by tier, mapped into this process."""

    def glance(self, key: str) -> FoundValue | None:
        """Where the value of a key seems to be, without asking; None where that is not known.

        It is not kept there: only bytes that have the hash are the value. Then `used` has to be
        called.
        """

    def used(self, key: str) -> None:
        """Note that a value was read at a glance."""

    def report(self) -> None:
        """Tell the server of all uses that it has not been told of; does not wait."""

    def reserve(self, wanted: Sequence[tuple[str, int]]) -> Sequence[tuple[int, Place] | PoolFull]:
        """A number and a place for new values of these namespaces and bytes, or why not."""

    def commit(self, written: Sequence[tuple[int, str, int, int]]) -> None:
        """Let everybody see reserved values: their numbers, keys, bytes and hashes."""

    def abort(self, numbers: Sequence[int]) -> None:
        """Give up reservations."""

    def store_small(self, values: Sequence[NewValue]) -> Sequence[PoolFull | None]:
        """Reserve, write and commit values of at most `SMALL` bytes; why not, where not."""

    def find(self, keys: Sequence[str]) -> Sequence[FoundValue | None]:
        """The values of these keys, which are kept until they are released; None for a miss."""

    def release(self, numbers: Sequence[int], damaged: Sequence[int] = ()) -> None:
        """End the reads with these numbers; ``damaged``: of which the hash was wrong."""

    def sizes(self, keys: Sequence[str]) -> Sequence[int | None]:
        """The bytes of these values, which is not a use of them; None where there is none."""

    def remove(self, keys: Sequence[str]) -> Sequence[bool]:
        """Remove values; whether there was one, for each key."""

    def pin(self, keys: Sequence[str]) -> Sequence[bool]:
        """Keep values where they are, once more; whether there was one, for each key."""

    def unpin(self, keys: Sequence[str]) -> Sequence[bool]:
        """Take back one pin of this client on each key; whether it had one."""

    def clear(self, namespace: str) -> int:
        """Remove all values of a namespace; returns how many."""

    def counts(self) -> Counts:
        """What has happened at the server, and how full it is."""

    def close(self) -> None:
        """Give back all that this client holds, and unmap the server's memory."""


def fetch(
    access: ShardAccess, keys: Sequence[str], into: Sequence[memoryview] | None = None
) -> list[bytes | int | PoolError | None]:
    """Read values: as bytes, or into memory, then their sizes; None for a miss.

    A value whose bytes do not have its hash is removed from the server, and is a miss. Where a
    value is larger than the memory for it, the result is a `PoolError`, and nothing is written.
    """
    glanced = {at: value for at, key in enumerate(keys)
               if (value := _at_a_glance(access, key, None if into is None else into[at]))
               is not None}  # fmt: skip
    if not glanced:
        return _fetch(access, keys, into)
    rest = [at for at in range(len(keys)) if at not in glanced]
    rooms = None if into is None else [into[at] for at in rest]
    asked = _fetch(access, [keys[at] for at in rest], rooms) if rest else []
    told = {**glanced, **dict(zip(rest, asked, strict=True))}
    return [told[at] for at in range(len(keys))]


def _at_a_glance(access: ShardAccess, key: str, room: memoryview | None) -> bytes | int | None:
    """A value that could be read without asking the server; None if that has to be done."""
    one = access.glance(key)
    if one is None or (room is not None and one.size > len(room)):
        return None
    value = _read(access, key, one, room)
    if value is not None:
        access.used(key)
    return value


def _fetch(
    access: ShardAccess, keys: Sequence[str], into: Sequence[memoryview] | None
) -> list[bytes | int | PoolError | None]:
    """`fetch` by asking the server, which keeps the values' places meanwhile."""
    found = access.find(keys)
    kept = [one.number for one in found if one is not None and one.number]
    damaged: list[int] = []
    results: list[bytes | int | PoolError | None] = []
    try:
        for at, (key, one) in enumerate(zip(keys, found, strict=True)):
            room = None if into is None else into[at]
            if one is None:
                results.append(None)
            elif room is not None and one.size > len(room):
                results.append(PoolError(f"{key!r} has {one.size} bytes, more than {len(room)}"))
            else:
                results.append(_read(access, key, one, room))
                if results[-1] is None and one.number:
                    damaged.append(one.number)
    finally:
        if kept:
            access.release([number for number in kept if number not in damaged], damaged)
    return results


def _read(
    access: ShardAccess, key: str, one: FoundValue, room: memoryview | None
) -> bytes | int | None:
    """The bytes of a value, or their number once they are in ``room``; None for a wrong hash."""
    tier, runs = one.place
    if room is None:
        value = one.copy if one.copy is not None else access.tiers[tier].read(runs, one.size)
        return value if content_hash(key, value) == one.digest else None
    room = room[: one.size]
    if one.copy is None:
        digest = access.tiers[tier].read_into(runs, room, key)
    else:
        room[:] = one.copy
        digest = content_hash(key, room)
    return one.size if digest == one.digest else None


def store(access: ShardAccess, values: Sequence[NewValue]) -> list[PoolFull | None]:
    """Store values; the reason where there is no room, else None.

    A value is seen by others when all of it is there, and not before.
    """
    small = [one for one in values if len(one.value) <= SMALL]
    large = [one for one in values if len(one.value) > SMALL] if small else values
    told_of_small = access.store_small(small) if small else ()
    told_of_large = store_at(access, large, access.reserve(wanted_by(large))) if large else ()
    if not small or not large:
        return [*told_of_small, *told_of_large]
    told = {True: iter(told_of_small), False: iter(told_of_large)}
    return [next(told[len(one.value) <= SMALL]) for one in values]


def wanted_by(values: Sequence[NewValue]) -> list[tuple[str, int]]:
    """What has to be reserved for values: see `ShardAccess.reserve`."""
    return [(namespace_of(one.key), len(one.value)) for one in values]


def store_at(
    access: ShardAccess, values: Sequence[NewValue],
    places: Sequence[tuple[int, Place] | PoolFull],
) -> list[PoolFull | None]:  # fmt: skip
    """Store values at places that are reserved for them; the reason where there is none."""
    written: list[tuple[int, str, int, int]] = []
    try:
        for (key, value, digest), reserved in zip(values, places, strict=True):
            if isinstance(reserved, PoolFull):
                continue
            number, place = reserved
            if len(value) > SMALL:
                digest = access.tiers[place.tier].write_hashed(place.runs, value, key)
            else:
                access.tiers[place.tier].write(place.runs, value)
            written.append((number, key, len(value), digest))
        access.commit(written)
    except BaseException:
        access.abort([one[0] for one in places if not isinstance(one, PoolFull)])
        raise
    return [one if isinstance(one, PoolFull) else None for one in places]
