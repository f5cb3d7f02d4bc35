"""The bytes of a tier: a file without a name, mapped by its server and by every client.

The kernel frees it with the last process that has it mapped, however that ends, so nothing is left
behind. Only what was used takes memory or disk: it is asked for in stretches of `GROWN`, because to
touch a page that the host cannot give would kill the process.
"""

import mmap
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from xxhash import xxh3_64

from collectives.memory.pool.core.errors import PoolFull
from collectives.memory.pool.core.hashing import content_hasher
from collectives.memory.pool.core.pages import Run
from collectives.memory.pool.core.tiers import Move, PoolTier
from fabric.transports.zmq.doorbell import nameless

GROWN = 1 << 25
"""Bytes that a tier grows by."""

PART = 1 << 18
"""Bytes that are copied before they are hashed: they stay in the second-level cache of today."""

_IN_MEMORY = ("npu", "dram")


class TierMemory:
    """A tier mapped into this process: ``size`` bytes in pages of ``page``.

    ``descriptor``: of its file, which belongs to this object from now on. ``grown``: bytes from the
    beginning that surely have memory behind them; ``bytes``: all of it.
    """

    def __init__(self, descriptor: int, size: int, page: int) -> None:
        self.descriptor, self.size, self.page, self.grown = descriptor, size, page, 0
        self._map = mmap.mmap(descriptor, size)
        self.bytes = memoryview(self._map)

    def grow(self, runs: Sequence[Run]) -> None:
        """Have memory for these pages; raises `PoolFull` if the host has none left."""
        until = max(first + many for first, many in runs) * self.page
        if until <= self.grown:
            return
        until = min(-(-until // GROWN) * GROWN, self.size)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self.descriptor, self.grown, until - self.grown)
            else:
                os.pwrite(self.descriptor, bytes(until - self.grown), self.grown)
        except (OSError, MemoryError) as error:
            raise PoolFull(f"the host has no memory left for the pool: {error}") from None
        self.grown = until

    def read(self, runs: Sequence[Run], size: int) -> bytes:
        """A copy of the first ``size`` bytes of these pages."""
        pieces = self._pieces(runs, size)
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def read_into(self, runs: Sequence[Run], into: memoryview, key: str) -> int:
        """Fill ``into`` with the first bytes of these pages; returns their `content_hash`."""
        return self._copied(runs, into, key, is_read=True)

    def write(self, runs: Sequence[Run], value: memoryview | bytes) -> None:
        """Write ``value`` to the beginning of these pages."""
        at = 0
        for piece in self._pieces(runs, len(value)):
            piece[:] = value[at : at + len(piece)]
            at += len(piece)

    def write_hashed(self, runs: Sequence[Run], value: memoryview, key: str) -> int:
        """Write ``value`` to the beginning of these pages; returns its `content_hash`."""
        return self._copied(runs, value, key, is_read=False)

    def close(self) -> None:
        """Unmap the tier, and free it if this was the last process that had it mapped."""
        self.bytes.release()
        os.close(self.descriptor)
        with suppress(BufferError):  # another thread copies; it is unmapped when that is done
            self._map.close()

    def _copied(self, runs: Sequence[Run], mine: memoryview, key: str, is_read: bool) -> int:
        """Copy between these pages and memory of this process; returns the hash of that."""
        hasher, at = content_hasher(key), 0
        for piece in self._pieces(runs, len(mine)):
            part = mine[at : at + len(piece)]
            source, target = (piece, part) if is_read else (part, piece)
            _copy(source, target, hasher, part)
            at += len(piece)
        return hasher.intdigest()

    def _pieces(self, runs: Sequence[Run], size: int) -> list[memoryview]:
        page, pieces = self.page, []
        for first, many in runs:
            length = min(many * page, size)
            pieces.append(self.bytes[first * page : first * page + length])
            size -= length
        return pieces


def _copy(source: memoryview, target: memoryview, hasher: xxh3_64, mine: memoryview) -> None:
    """Copy bytes, and hash each part while it is in a cache of the processor.

    ``mine``: the one of the two that no other process can write, whose bytes are hashed.
    """
    for at in range(0, len(source), PART):
        target[at : at + PART] = source[at : at + PART]
        hasher.update(mine[at : at + PART])


def made(tier: PoolTier, page: int, folder: Path | None = None) -> TierMemory:
    """New memory for a tier, all of it free.

    NPU memory and DRAM are memory of the host; SSDs and object storage are a file without a name in
    ``folder`` (None: where temporary files are). Raises `PoolFull` if it cannot be made.
    """
    size = tier.size // page * page
    if not size:
        raise PoolFull(f"tier {tier.name} has {tier.size} bytes, less than a page of {page}")
    try:
        if tier.name in _IN_MEMORY and nameless():
            descriptor = os.memfd_create("triplane-pool", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile(dir=folder) as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, size)
        return TierMemory(descriptor, size, page)
    except (OSError, ValueError, OverflowError) as error:
        raise PoolFull(f"no {size} bytes for tier {tier.name}: {error}") from None


def carry_out(moves: Sequence[Move], tiers: Sequence[TierMemory]) -> None:
    """Copy what a shard has moved from tier to tier.

    A copy for which the host has no memory is left out: the value then does not have its hash when
    it is read, which is a miss.
    """
    held = b""
    for source, target, size in moves:
        value = held if source is None else tiers[source.tier].read(source.runs, size)
        if target is None:
            held = value
            continue
        try:
            tiers[target.tier].grow(target.runs)
        except PoolFull:
            continue
        tiers[target.tier].write(target.runs, value)
