"""Shared memory between the processes of one host: each rank has an arena, which others open.

If the system allows it, an arena is a file without a name, which others open under /proc: the
kernel frees it with the last process that has it mapped, however that ends, and the size of
/dev/shm does not matter. Elsewhere it is a file that is unlinked as soon as every rank has opened
it.
"""

import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fabric.failure import RankLost, TransportError
from fabric.host.liveness import where
from fabric.transports.base import Bytes
from fabric.transports.peer_memory import memory_of
from fabric.transports.zmq.doorbell import Doorbell, pull_rope, ring

RING = 1 << 20
"""Bytes of a ring at most: the rings of two ranks stay in the second-level caches of today."""

LEAST = 1 << 16
"""Bytes of a ring at least."""

ROOM = 1 << 26
"""Bytes of all rings of a rank, where their number does not make that less than `LEAST` each."""

ASLEEP, CLOSED = 16, 32
"""Words of an arena that say so of its rank. Words with different writers are two lines apart,
because processors fetch lines of 64 bytes in pairs."""

NAP = ASLEEP + 1
"""The word of an arena that says whose message its rank lacks, while compiled code lets it nap till
that comes: one more than the other's rank; else 0."""

RECALLED = CLOSED + 1
"""The word of an arena that has the tag below which what its rank has lent is void."""

SLOTS = 16
"""How many messages to one peer can be lent at a time."""

LENT = 1
"""The word after that which counts bytes written: the number of the last message that was lent."""

_COUNTERS, _APART = 48, 16
_WORD = 8
_TOKEN = 16


@dataclass(frozen=True)
class Door:
    """What others need to open a rank's arena and doorbell: paths, and what they must find there.

    ``token``: at the beginning of the arena; ``host``: where it can be opened; ``process`` and
    ``address``: whose memory it is, and where.
    """

    memory: str
    bell: str
    token: str
    host: str
    process: int
    address: int


def ring_size(ranks: int) -> int:
    """The size in bytes of each ring in a world of ``ranks`` ranks, a power of two."""
    share = ROOM // max(1, ranks - 1)
    return max(LEAST, min(RING, 1 << share.bit_length() - 1))


class Arena:
    """A rank's memory, mapped: counters, and a ring for each peer. ``words``: the counters."""

    def __init__(self, descriptor: int, ranks: int) -> None:
        self.ring = ring_size(ranks)
        self.memory = mmap.mmap(descriptor, _length(ranks))
        self.words = memoryview(self.memory).cast("Q")
        self._first = _control(ranks)

    @property
    def address(self) -> int:
        """The address of the arena in this process's memory."""
        return int(np.frombuffer(self.memory, np.uint8, 1).ctypes.data)

    def address_of_word(self, index: int) -> int:
        """The address of one of the ``words``."""
        return self.address + _WORD * index

    def rouse(self, whose: int | None = None) -> None:
        """Wake the rank if it naps until a message of rank ``whose`` comes; None: of any rank.

        Where this process has no compiled code, it wakes at its time.
        """
        napping = self.words[NAP]
        if napping and (whose is None or napping == whose + 1):
            with suppress(ImportError):
                from fabric.transports.zmq import _moves

                _moves.rouse(self.address_of_word(NAP), napping)

    def counters(self, peer: int) -> tuple[int, int, int]:
        """Indices of the words that count bytes written to, and read from, the ring to ``peer``.

        The third is the index of the first of `SLOTS` words that tell which lent messages were
        given back.
        """
        at = _COUNTERS + (2 * _APART + SLOTS) * peer
        return at, at + _APART, at + 2 * _APART

    def at(self, peer: int) -> int:
        """The offset in bytes of the ring to ``peer`` in the arena."""
        return self._first + peer * self.ring

    def view(self, peer: int) -> memoryview:
        """The ring to ``peer`` as a memoryview, for headers."""
        return memoryview(self.memory)[self.at(peer) : self.at(peer) + self.ring]

    def bytes(self, peer: int) -> Bytes:
        """The ring to ``peer``: uint8 [ring size], a view."""
        return np.frombuffer(self.memory, np.uint8, self.ring, self.at(peer))


def _control(ranks: int) -> int:
    """The bytes before the first ring, a whole number of pages."""
    used = (_COUNTERS + (2 * _APART + SLOTS) * ranks) * _WORD
    return -(-used // mmap.PAGESIZE) * mmap.PAGESIZE


def _length(ranks: int) -> int:
    return _control(ranks) + ranks * ring_size(ranks)


class OwnArena:
    """A rank's own arena. ``file``: where to make it; None: without a name, if `doorbell.nameless`.

    Only what is used takes memory: the rings are a hole in the file until `allocate`. Raises
    `TransportError` if there is no room.
    """

    def __init__(self, rank: int, ranks: int, file: Path | None) -> None:
        self.rank = rank
        self._file = file
        if file is None:
            self._descriptor = os.memfd_create("triplane", os.MFD_CLOEXEC)
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(file, flags, 0o600)
        try:
            with no_room(rank, _length(ranks), "its messages"):
                os.ftruncate(self._descriptor, _length(ranks))
                _allocate(self._descriptor, 0, _control(ranks))
                self.arena = Arena(self._descriptor, ranks)
        except BaseException:
            self.hide()
            os.close(self._descriptor)
            raise
        self.arena.memory[:_TOKEN] = secrets.token_bytes(_TOKEN)

    @property
    def token(self) -> bytes:
        """At the beginning of the arena: by which others know it."""
        return bytes(self.arena.memory[:_TOKEN])

    def door(self, bell: Doorbell) -> Door:
        """The `Door` that other processes need to open the arena and the bell."""
        path = str(self._file or f"/proc/{os.getpid()}/fd/{self._descriptor}")
        return Door(path, bell.path, self.token.hex(), where(), os.getpid(), self.arena.address)

    def allocate(self, peer: int) -> Bytes:
        """The ring to ``peer``, uint8, with its memory allocated.

        Touching a page that the host cannot give would kill the process. Raises `TransportError` if
        there is no room.
        """
        with no_room(self.rank, self.arena.ring, f"its messages to rank {peer}"):
            _allocate(self._descriptor, self.arena.at(peer), self.arena.ring)
        return self.arena.bytes(peer)

    def hide(self) -> None:
        """Remove the arena's file, after every peer has opened it."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def recall(self, floor: int) -> None:
        """Mark as void all that was lent with tags below ``floor``."""
        self.arena.words[RECALLED] = floor

    def shut(self) -> None:
        """Mark the arena as closed, so that peers send no more."""
        self.arena.words[CLOSED] = 1

    def close(self) -> None:
        """Unmap the arena; what was sent stays readable for those who have it mapped."""
        self.hide()
        os.close(self._descriptor)


@contextmanager
def no_room(rank: int, size: int, what: str) -> Iterator[None]:
    """Turn the system's words for "no room" into ours, a `TransportError`."""
    try:
        yield
    except (OSError, MemoryError) as error:
        raise TransportError(
            f"no room in shared memory: rank {rank} needs {size} bytes for {what}: {error}", rank
        ) from error


def _allocate(descriptor: int, at: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, at, size)
    else:
        os.pwrite(descriptor, bytes(size), at)


class Neighbour:
    """The arena and doorbell of another rank of this host, opened. Raises `OSError`.

    ``process``: its number; ``token``: at the beginning of its arena. ``memory``: the rest of its
    memory, if it may be read; else None. ``survives``: whether it may be found ``lost``, its
    process gone, without an error.
    """

    def __init__(self, rank: int, ranks: int, door: Door) -> None:
        self.rank, self.process, self.token = rank, door.process, bytes.fromhex(door.token)
        self.survives = self.lost = False
        memory = os.open(door.memory, os.O_RDWR | os.O_CLOEXEC)
        try:
            if os.pread(memory, _TOKEN, 0).hex() != door.token:
                raise FileNotFoundError(f"{door.memory} is not the memory of rank {rank}")
            self.arena = Arena(memory, ranks)
        finally:
            os.close(memory)
        self._rope = pull_rope(door.bell)
        self.memory = memory_of(rank, door.process, door.address, self.token)

    @property
    def closed(self) -> bool:
        """True if the neighbour has closed its transport, or is lost."""
        return self.lost or bool(self.arena.words[CLOSED])

    def wake(self) -> None:
        """Wake the neighbour, which sleeps. Raises `RankLost` if its process is gone."""
        self.arena.words[ASLEEP] = 0
        if not ring(self._rope) and not self.closed:
            if self.survives:
                self.lost = True
                return
            raise RankLost(f"rank {self.rank} has died", self.rank)

    def nudge(self) -> None:
        """Wake the neighbour if it sleeps; nothing happens if it is gone."""
        if self.arena.words[ASLEEP]:
            ring(self._rope)

    def close(self) -> None:
        """Close the descriptor of the neighbour's bell."""
        os.close(self._rope)


def open_neighbour(rank: int, ranks: int, door: Door) -> Neighbour | None:
    """The other rank's shared memory; None if it is on another host or cannot be opened."""
    if door.host != where():
        return None
    try:
        return Neighbour(rank, ranks, door)
    except (OSError, ValueError):  # another container, say: there are sockets
        return None
