"""The directory of a server: where its values are, in memory that clients read without asking.

A slot for each value that lies in the first tier in one run: the hash of its key, the hash of its
bytes, its size and its first page. Only the server writes. A client that has found a slot copies
the bytes and then checks their hash, which is of the key as well: if the value was evicted or
replaced meanwhile, the hash is wrong, and the client asks the server instead. So no lock is needed,
and a server that is killed while it writes harms nobody. Clients count what they have stored, and
the server what it has committed: where the two differ, the directory is behind, and is not read.
What they have stored they say in logs beside these counts (`commit_log`).
"""

import struct
from pathlib import Path

from collectives.memory.pool.access import FoundValue
from collectives.memory.pool.commit_log import CommitLogs, logs_size
from collectives.memory.pool.core.hashing import key_hash
from collectives.memory.pool.core.shard import StoredValue
from collectives.memory.pool.core.tiers import Place, PoolTier
from collectives.memory.pool.tier_memory import TierMemory, made

_SLOT = struct.Struct("<6Q")
"""Version (odd while the slot is written), hash of the key, hash of the bytes, size, first page,
and number of pages."""

_VERSION = struct.Struct("<Q")
_REST = struct.Struct("<5Q")

_STRIDE = 64

CLIENTS = 64
"""Clients that a directory has words for: of what each has stored, and what the server knows of."""

_WORDS = CLIENTS * _VERSION.size
_COUNTS = 2 * _WORDS
HEAD = _COUNTS + logs_size(CLIENTS)
"""Bytes before the slots: counts, and logs."""

_PROBES = 4
"""Slots that a value may be in; where all are taken, it is not listed, and clients ask for it."""

MOST_SLOTS = 1 << 17
_LEAST_SLOTS = 1 << 6


def directory_size(pages: int) -> int:
    """The bytes of the directory of a first tier of so many pages: two slots for each, a power."""
    slots = 1 << (2 * pages - 1).bit_length()
    return HEAD + _STRIDE * max(_LEAST_SLOTS, min(slots, MOST_SLOTS))


class Directory:
    """A server's directory, as the server writes it; a `ShardWatch`.

    ``memory``: what clients map; ``logs``: what they have stored, in it.
    """

    def __init__(self, pages: int, folder: Path | None = None) -> None:
        size = directory_size(pages)
        self.memory: TierMemory = made(PoolTier("dram", size), _STRIDE, folder)
        self.memory.grow([(0, size // _STRIDE)])
        self._mask = (size - HEAD) // _STRIDE - 1
        self._at: dict[int, tuple[int, str]] = {}
        self._words = self.memory.bytes[:_COUNTS].cast("Q")
        self.logs = CommitLogs(self.memory.bytes[_COUNTS:HEAD], CLIENTS)
        self._numbers = list(range(CLIENTS))

    def join(self) -> int:
        """The number of a new client's words; below 0 if there are none left."""
        return self._numbers.pop() if self._numbers else -1

    def applied(self, number: int) -> None:
        """Count a commit of a client that is done."""
        if number >= 0:
            self._words[CLIENTS + number] += 1

    def leave(self, number: int) -> None:
        """Forget a client, all of whose commits are done or lost."""
        if number >= 0:
            self._words[number] = self._words[CLIENTS + number] = 0
            self.logs.forget(number)
            self._numbers.append(number)

    def there(self, value: StoredValue) -> None:
        """See `ShardWatch`."""
        place = value.place
        number = key_hash(value.key)
        if place.tier or len(place.runs) > 1 or number in self._at:
            return
        for probe in range(_PROBES):
            at = HEAD + ((number + probe) & self._mask) * _STRIDE
            if not _SLOT.unpack_from(self.memory.bytes, at)[1]:
                self._at[number] = at, value.key
                self._write(at, (number, value.digest, value.size, *place.runs[0]))
                return

    def gone(self, value: StoredValue) -> None:
        """See `ShardWatch`."""
        number = key_hash(value.key)
        at, key = self._at.get(number, (0, ""))
        if key == value.key:
            del self._at[number]
            self._write(at, (0, 0, 0, 0, 0))

    def close(self) -> None:
        """Unmap it."""
        self._words.release()
        self.logs.close()
        self.memory.close()

    def key(self, number: int) -> str | None:
        """The key with this hash, if its value is listed."""
        return self._at.get(number, (0, None))[1]

    def _write(self, at: int, fields: tuple[int, ...]) -> None:
        version = _VERSION.unpack_from(self.memory.bytes, at)[0]
        _VERSION.pack_into(self.memory.bytes, at, version + 1)
        _REST.pack_into(self.memory.bytes, at + _VERSION.size, *fields)
        _VERSION.pack_into(self.memory.bytes, at, version + 2)


class DirectoryView:
    """A server's directory as a client reads it."""

    def __init__(self, memory: TierMemory) -> None:
        self._memory, self._mask = memory, (memory.size - HEAD) // _STRIDE - 1
        self._words = memory.bytes[:_COUNTS].cast("Q")
        self.logs = CommitLogs(memory.bytes[_COUNTS:HEAD], CLIENTS)

    def stored(self, number: int) -> None:
        """Count a commit that this client has sent."""
        self._words[number] += 1

    def is_behind(self) -> bool:
        """Whether a client has stored what the server does not know of yet."""
        slots = self._memory.bytes
        return slots[:_WORDS] != slots[_WORDS:_COUNTS]

    def find(self, number: int) -> FoundValue | None:
        """The value whose key has this hash, if it is listed; its place may not last.

        Only if the bytes have the hash that is returned, they are the value.
        """
        slots = self._memory.bytes
        for probe in range(_PROBES):
            at = HEAD + ((number + probe) & self._mask) * _STRIDE
            version, known, digest, size, first, pages = _SLOT.unpack_from(slots, at)
            if known == number:
                if version & 1 or _VERSION.unpack_from(slots, at)[0] != version:
                    return None
                return FoundValue(0, size, digest, Place(0, ((first, pages),)))
        return None

    def close(self) -> None:
        """Unmap it."""
        self._words.release()
        self.logs.close()
        self._memory.close()


def mapped_directory(descriptor: int, size: int) -> DirectoryView:
    """The view of a directory in the file with this descriptor, which it takes over."""
    return DirectoryView(TierMemory(descriptor, size, _STRIDE))
