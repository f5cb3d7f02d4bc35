"""Rings: one direction between two processes in shared memory, one producer and one consumer each.

A ring is a stream of bytes in units of a line: for each message a header of one line, and then its
bytes. Two counters say how many bytes were ever written and read; each has one writer. A rank that
finds nothing to do notes so in its arena before it sleeps, and then looks once more; a rank that
has written for it, or has made room, looks for that note and wakes it. Both put a full fence
between what they write and what they look at, so at least one of them sees the other.

A large message does not pass the ring if its receiver may read the sender's memory, or it lies in a
buffer that the sender shares: it is lent. The header says where it is and gives it a number, which
the receiver writes into a slot of the sender's when it is done with it. That saves a copy, and only
one of the two processes must work.
"""

import platform
import struct
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

import numpy as np

from fabric.failure import RankLost, TransportError
from fabric.schedule.step import MAX_SIZE
from fabric.transports.base import ALIGNMENT as LINE
from fabric.transports.base import Bytes, SharedPlace, address_of
from fabric.transports.matching import Receive
from fabric.transports.zmq.partial import IncomingMessage, Outgoing
from fabric.transports.zmq.shared_buffers import OpenedBuffers, SharedBuffers
from fabric.transports.zmq.shm import (
    ASLEEP,
    CLOSED,
    LENT,
    NAP,
    RECALLED,
    SLOTS,
    Arena,
    Neighbour,
    OwnArena,
)

PIECE = 1 << 18
"""Bytes after which the other side is told: small enough for both to work at once, large enough
that telling costs nothing beside the copy."""

LEND = 1 << 20
"""Bytes from which a message is lent: smaller ones the ring moves faster, as it stays in caches."""

SHARED = 1 << 17
"""Bytes from which a message is lent that lies in a shared buffer."""

BRIEF = 1 << 14
"""Bytes of a message up to which it may be put and taken whole: a quarter of the smallest ring."""

BORROWED = 1 << 22
"""Bytes of a message in a shared buffer up to which it may be taken whole."""

FETCH = 1 << 18
"""Bytes of a lent message that are read at a time for `Receive.take`: a part of the second-level
cache, so that who combines them finds them there."""

FILL = 1 << 22
"""Bytes of a lent message that are read at a time where they are to stay."""

_HEADER = struct.Struct("<IIQQQQQQ")
"""Kind, mark, tag, size; of a lent message its address or its place in a buffer, the number that
the receiver gives back, and the buffer's number and file."""

_HERE, _LENT, _SHARED = 0x33504C4E, 0x33504C4F, 0x33504C50
_WEAK = platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686")
"""Whether stores may overtake stores, and loads loads."""

Begin = Callable[[IncomingMessage], None]
"""Told of each message that begins; after that, the message is fed its bytes."""


class RingAddresses(NamedTuple):
    """Addresses in this process: of a ring of ``size`` bytes and the words about it.

    ``written``, ``read``: its counters; ``asleep``, ``closed``: what the neighbour says of itself.
    ``slots``: where lent messages are given back; ``opened``: the neighbour's buffers that are open
    here, 0 where it reads ours (`OpenedBuffers.table`). ``nap``: the reader's word that says
    whether it naps, and ``whose``: what it says then of the writer (`shm.NAP`).
    """

    ring: int
    size: int
    written: int
    read: int
    asleep: int
    closed: int
    slots: int
    opened: int
    nap: int
    whose: int


def _addresses(
    arena: Arena, peer: int, neighbour: Neighbour, reader: Arena, writer: int, opened: int = 0
) -> RingAddresses:
    """Of the ring to ``peer`` in an arena; ``neighbour``: at its other end."""
    theirs, (tail, head, slots) = neighbour.arena, arena.counters(peer)
    return RingAddresses(
        arena.address + arena.at(peer), arena.ring, arena.address_of_word(tail),
        arena.address_of_word(head), theirs.address_of_word(ASLEEP), theirs.address_of_word(CLOSED),
        arena.address_of_word(slots), opened, reader.address_of_word(NAP), writer + 1,
    )  # fmt: skip


def fence() -> Callable[[], None]:
    """A function that acts as a memory fence: no load or store is moved across a call of it."""
    lock = Lock()
    lock.acquire()
    release, acquire = lock.release, lock.acquire

    def full() -> None:
        release()
        acquire()

    return full


class Outlet:
    """The producer's side of the ring to a neighbour. ``lends``: whether it can read our memory.

    ``shared``: the buffers that it can read anyhow. ``lent``: messages that it has not given back
    yet: number and message, by slot; ``unsettled``: the numbers of those that compiled code has
    lent and no request stands for yet, None for one that was given back.
    """

    def __init__(
        self, home: OwnArena, neighbour: Neighbour, lends: bool, shared: SharedBuffers
    ) -> None:
        self.neighbour, self._home, self._shared = neighbour, home, shared
        self._words, self._theirs = home.arena.words, neighbour.arena.words
        self._tail, self._head, self._slots = home.arena.counters(neighbour.rank)
        self._last = self._tail + LENT
        self._size = home.arena.ring
        self._ring: Bytes | None = None
        self._lines = home.arena.view(neighbour.rank)
        self._fence = fence()
        self._lends = lends
        self.lent: dict[int, tuple[int, Outgoing]] = {}
        self.unsettled: deque[int | None] = deque()

    @property
    def closed(self) -> bool:
        """True if the neighbour takes no more messages."""
        return self.neighbour.closed

    def addresses(self) -> RingAddresses:
        """Where the ring is, for code that writes to it as `put` does."""
        self._allocated()
        theirs = self.neighbour.arena
        return _addresses(
            self._home.arena, self.neighbour.rank, self.neighbour, theirs, self._home.rank
        )

    def lent_last(self) -> int:
        """The number of the last message that was lent, by whatever code."""
        return self._words[self._last]

    def resume(self, out: Outgoing) -> None:
        """Wait from now on for the first of the ``unsettled`` messages, which ``out`` is."""
        number = self.unsettled.popleft()
        out.at = out.data.size
        out.request.done = number is None or self._words[self._slots + number % SLOTS] == number
        if number is not None and not out.request.done:
            self.lent[number % SLOTS] = number, out

    def _allocated(self) -> Bytes:
        """The ring, which has memory from its first message on: most pairs of many never talk."""
        if self._ring is None:
            self._ring = self._home.allocate(self.neighbour.rank)
        return self._ring

    def push(self, out: Outgoing) -> bool:
        """Write as much of the message as there is room for; returns False if there is none."""
        ring, size, written = self._allocated(), self._size, self._words[self._tail]
        free = size - (written - self._words[self._head])
        if free == 0:
            return False
        data, at, end = out.data, out.at, out.data.size
        if at < 0:
            if end >= SHARED and self._lend(out, written & size - 1):
                return True
            head = _HERE, out.mark, out.tag, end, 0, 0, 0, 0
            _HEADER.pack_into(self._lines, written & size - 1, *head)
            at, written, free = 0, written + LINE, free - LINE
        while at < end and free:
            to = written & size - 1
            n = min(end - at, free, size - to, PIECE)
            ring[to : to + n] = data[at : at + n]
            taken = -(-n // LINE) * LINE
            at, written, free = at + n, written + taken, free - taken
            if at < end:
                self._publish(written)
        out.at = at
        out.request.done = at == end
        self._publish(written)
        return True

    def put(self, tag: int, mark: int, data: Bytes) -> bool:
        """Write a small message whole; returns False if there is no room for it now."""
        ring, size, written, end = self._allocated(), self._size, self._words[self._tail], data.size
        after = written + LINE + -(-end // LINE) * LINE
        if after - self._words[self._head] > size:
            return False
        at = written & size - 1
        _HEADER.pack_into(self._lines, at, _HERE, mark, tag, end, 0, 0, 0, 0)
        at = at + LINE & size - 1
        if at + end <= size:
            ring[at : at + end] = data
        else:
            ring[at:], ring[: at + end - size] = data[: size - at], data[size - at :]
        self._publish(after)
        return True

    def _lend(self, out: Outgoing, at: int) -> bool:
        """Write where the message is, if it can be lent, and there is a slot for its number."""
        number, size = self._words[self._last] + 1, out.data.size
        if number % SLOTS in self.lent:
            return False
        place = self._shared.find(out.data)
        if place is not None:
            kind, where = _SHARED, (place.at, number, place.number, place.file)
        elif self._lends and size >= LEND:
            kind, where = _LENT, (address_of(out.data), number, 0, 0)
        else:
            return False
        _HEADER.pack_into(self._lines, at, kind, out.mark, out.tag, size, *where)
        self._words[self._last] = number
        self.lent[number % SLOTS] = number, out
        out.at = size
        self._publish(self._words[self._tail] + LINE)
        return True

    def settle(self) -> bool:
        """Complete the lent messages that were given back, or never will be.

        False if there are none.
        """
        ended = [slot for slot, (number, _) in self.lent.items()
                 if self._words[self._slots + slot] == number]  # fmt: skip
        for slot in ended:
            self.lent.pop(slot)[1].request.done = True
        if self.lent and self.closed:
            for _, out in self.lent.values():
                out.lost()
            ended += self.lent
            self.lent.clear()
        return bool(ended)

    def _publish(self, written: int) -> None:
        if _WEAK:
            self._fence()
        self._words[self._tail] = written
        self._fence()
        if self._theirs[ASLEEP]:
            self.neighbour.wake()
        if self._theirs[NAP]:
            self.neighbour.arena.rouse(self._home.rank)


class Lent(IncomingMessage):
    """A message whose bytes stay with the sender until a receive takes them.

    ``where``: their address in its memory, or their place in a buffer that it shares.
    """

    __slots__ = ("inlet", "number", "where")

    def __init__(
        self, peer: int, tag: int, mark: int, size: int,
        lent: tuple["Inlet", int | SharedPlace, int],
    ) -> None:  # fmt: skip
        super().__init__(peer, tag, mark, size)
        self.inlet, self.where, self.number = lent

    def meet(self, rank: int, receive: Receive) -> None:
        """Match the message with ``receive`` of ``rank``; its inlet will fetch it."""
        super().meet(rank, receive)
        self.inlet.want(self)

    def discard(self) -> None:
        """Give the message back."""
        super().discard()
        self.inlet.give_back(self)

    def keep(self, rank: int) -> None:
        """Do nothing: a lent message lies in the sender's memory, out of the way."""


class Inlet:
    """The consumer's side of the ring from a neighbour, one of so many ``neighbours``.

    ``amid``: holds the neighbour's rank while a part of a message has been read, and no more.
    ``buffers``: the neighbour's shared ones.
    """

    def __init__(
        self, home: OwnArena, neighbour: Neighbour, begin: Begin, neighbours: int = 1,
        amid: set[int] | None = None,
    ) -> None:  # fmt: skip
        arena = neighbour.arena
        self.neighbour, self._begin = neighbour, begin
        self._words = arena.words
        self._tail, self._head, self._slots = arena.counters(home.rank)
        self._ring, self._size = arena.bytes(home.rank), arena.ring
        self._lines = arena.view(home.rank)
        self._message: IncomingMessage | None = None
        self._amid, self._home_rank = set[int]() if amid is None else amid, home.rank
        self._home = home.arena
        self._end, self._borrowed = 0, 0
        self._fence = fence()
        of = neighbour.rank, neighbour.process, neighbour.token
        self.buffers = OpenedBuffers(*of, neighbours)
        self.wanted: deque[Lent] = deque()
        self._scratch: Bytes | None = None

    def addresses(self) -> RingAddresses:
        """Where the ring is, for code that reads it as `take` does."""
        opened = address_of(self.buffers.table)
        writer = self.neighbour
        return _addresses(writer.arena, self._home_rank, writer, self._home, writer.rank, opened)

    def pull(self) -> bool:
        """Read everything that has arrived in the ring; returns False if there was nothing.

        Raises `TransportError` for a neighbour that breaks the protocol.
        """
        written, told = self._words[self._tail], self._words[self._head]
        read = told
        if written == read:
            return False
        if written - read > self._size:
            raise self._broken(f"has written {written} bytes, of which {read} were read")
        if _WEAK:
            self._fence()
        while read < written:
            at = read & self._size - 1
            message = self._message
            if message is None:
                self._message = self._header(at)
                read += LINE
            else:
                n = min(message.size - message.at, written - read, self._size - at, PIECE)
                message.feed(self._ring[at : at + n])
                read += -(-n // LINE) * LINE
                if message.at == message.size:
                    self._message = None
            if read - told >= PIECE:
                self._publish(read)
                told = read
        self._publish(read)
        if self._message is None:
            self._amid.discard(self.neighbour.rank)
        else:
            self._amid.add(self.neighbour.rank)
        return True

    def come(self) -> bool:
        """Whether anything has arrived in the ring, of which nothing is read yet."""
        return self._words[self._tail] != self._words[self._head]

    def take(self, tag: int, mark: int, size: int) -> Bytes | None:
        """The message that comes next, if it has `come` whole and is this one; None if not.

        It stays in the ring until `taken`, or where it is shared.
        """
        read, is_shared = self._words[self._head], size >= SHARED
        at = read & self._size - 1
        end = read + LINE + (0 if is_shared else -(-size // LINE) * LINE)
        if self._message is not None or self._words[self._tail] < end:
            return None
        if _WEAK:
            self._fence()
        kind, *of, where, number, buffer, file = _HEADER.unpack_from(self._lines, at)
        if kind != (_SHARED if is_shared else _HERE) or of != [mark, tag, size]:
            return None
        if is_shared:
            if self.neighbour.survives:
                return None
            piece = self.buffers.bytes(SharedPlace(buffer, file, where), size)
            self._end, self._borrowed = end, number
            return piece
        self._end = end
        at = at + LINE & self._size - 1
        if at + size <= self._size:
            return self._ring[at : at + size]
        return np.concatenate([self._ring[at:], self._ring[: at + size - self._size]])

    def taken(self) -> None:
        """Nobody reads what `take` has returned any more: there is room for more.

        Raises `RankLost` if it was borrowed, and its owner has closed its transport meanwhile.
        """
        number, self._borrowed = self._borrowed, 0
        if number:
            self._check_open()
            self._words[self._slots + number % SLOTS] = number
        self._publish(self._end)

    def _header(self, at: int) -> IncomingMessage | None:
        """Begin the message with the header there; None if none of it follows in the ring."""
        kind, mark, tag, size, where, number, buffer, file = _HEADER.unpack_from(self._lines, at)
        peer = self.neighbour.rank
        if kind not in (_HERE, _LENT, _SHARED) or size > MAX_SIZE:
            raise self._broken(f"has a header of kind {kind:#x} for {size} bytes")
        if kind != _HERE:
            place = where if kind == _LENT else SharedPlace(buffer, file, where)
            self._begin(Lent(peer, tag, mark, size, (self, place, number)))
            return None
        message = IncomingMessage(peer, tag, mark, size)
        self._begin(message)
        return message if size else None

    def want(self, message: Lent) -> None:
        """Begin to fetch a lent message; one that its receive refused is given back at once."""
        if message.receive is None:
            self.give_back(message)
        else:
            self.wanted.append(message)

    def fetch(self) -> None:
        """Read the next part of the first message in ``wanted`` from the sender's memory.

        Raises `RankLost` if the sender has closed its transport or is gone, `TransportError` if it
        breaks the protocol.
        """
        message = self.wanted[0]
        receive, at = message.receive, message.at
        shared = isinstance(message.where, SharedPlace)
        if receive is None or (not shared and self.neighbour.memory is None):
            raise self._broken("has lent a message that nobody can take")
        n = min(message.size - at, FETCH if receive.into is None else FILL)
        piece = self._lent(message, at, n, receive.into)
        if piece is None:
            self.wanted.popleft()
            self.give_back(message)
            return
        if receive.into is None:
            receive.take(at, piece)
            if not self.neighbour.survives:  # it may have been taken from where it lies
                self._check_open()
        message.at = at + n
        if message.at == message.size:
            self.wanted.popleft()
            receive.done = True
            self.give_back(message)

    def _lent(self, message: Lent, at: int, n: int, into: Bytes | None) -> Bytes | None:
        """The ``n`` bytes from ``at`` of a lent message, in ``into`` if that is given.

        None if the message is void. Raises as `fetch`.
        """
        survives = self.neighbour.survives
        try:
            piece = self._read_lent(message, at, n, None if into is None else into[at : at + n])
        except (RankLost, TransportError):
            if not survives:
                raise
            return None  # its memory is gone, with its process or what it has lent
        if message.tag < self._words[RECALLED]:
            return None
        if survives:
            return None if self.neighbour.closed else piece
        self._check_open()
        return piece

    def _check_open(self) -> None:
        """Raise `RankLost` if the sender has closed its transport: what was read may be freed."""
        if self.neighbour.closed:
            raise RankLost(f"rank {self.neighbour.rank} has closed its transport while sending")

    def _read_lent(self, message: Lent, at: int, n: int, into: Bytes | None) -> Bytes:
        where, memory = message.where, self.neighbour.memory
        piece = self._room()[:n] if into is None else into
        if isinstance(where, SharedPlace):
            there = self.buffers.bytes(where, message.size)[at : at + n]
            # A sender that goes on without us may take back, and change, what is being read.
            if into is None and not self.neighbour.survives:
                return there
            piece[:] = there
        elif memory is not None:
            memory.read(where + at, piece)
        return piece

    def forget(self, floor: int) -> None:
        """Drop what arrives with tags below ``floor``, and give back what was lent."""
        if self._message is not None and self._message.tag < floor:
            self._message.discard()
        for message in [one for one in self.wanted if one.tag < floor]:
            self.wanted.remove(message)
            message.discard()

    def _room(self) -> Bytes:
        if self._scratch is None:
            self._scratch = np.empty(FETCH, np.uint8)
        return self._scratch

    def give_back(self, message: Lent) -> None:
        """Tell the sender that nobody reads the message any more."""
        self._words[self._slots + message.number % SLOTS] = message.number
        self._fence()
        if self._words[ASLEEP]:
            self.neighbour.wake()

    def _publish(self, read: int) -> None:
        if _WEAK:
            self._fence()
        self._words[self._head] = read
        self._fence()
        if self._words[ASLEEP]:
            self.neighbour.wake()

    def _broken(self, what: str) -> TransportError:
        rank = self.neighbour.rank
        return TransportError(f"the ring from rank {rank} is broken: it {what}", rank)
