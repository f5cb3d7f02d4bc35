"""What every transport must do, as a test to run on one: for writers of transports.

Every rank of a world calls `check` with the same arguments but its rank, wherever it runs: in
threads, processes, or under mpiexec. Worlds of 1, 2, 3, 4 and 7 ranks find most mistakes.

    from fabric.transports.conformance import check
    check(my_transport.connect, rank, size, exchange)
"""

import functools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import numpy as np

from fabric.failure import CallMismatch, WorldError
from fabric.transports.base import (
    ALIGNMENT,
    ANY,
    Brief,
    Bytes,
    Connect,
    Rendezvous,
    Request,
    Shared,
    Take,
    Transport,
    address_of,
)

PATIENCE = 60.0
"""Seconds without any progress after which a check gives up."""

SIZES = (0, 1, 63, 64, 65, 4096, (1 << 20) + 3, 20 << 20)
"""Bytes of the messages of `sizes`: around every limit that a transport may have."""

BRIEF_MESSAGES = 150
"""Messages from each rank to each in `without_requests`: more than fit into a ring at a time."""

LARGE = (4 << 20) + 64
"""Bytes of a message that no transport can take at once without a receiver."""


class ConformanceError(WorldError):
    """A transport does not do what `fabric.transports.base.Transport` says."""


def check(
    connect: Connect, rank: int, size: int, exchange: Rendezvous, names: Iterable[str] | None = None
) -> None:
    """Connect, run the `CHECKS` called ``names`` as rank ``rank`` of ``size``, and close.

    By default all checks. All ranks call it with the same names. Raises `ConformanceError`, or
    whatever the transport raises.
    """
    transport = connect(rank, size, exchange)
    try:
        for number, name in enumerate(CHECKS if names is None else names):
            CHECKS[name](_CheckedRank(transport, name, number + 1))
        _meet(_CheckedRank(transport, "close", 0))
    finally:
        transport.close()
    transport.close()


class _CheckedRank:
    """A rank in one check: sends and receives by tags that only this check has."""

    def __init__(self, transport: Transport, name: str, number: int) -> None:
        self.transport, self.rank, self.size = transport, transport.rank, transport.size
        self._name, self._here, self._first = name, number, number << 48

    def others(self) -> list[int]:
        """All other ranks, each rank beginning with its next."""
        return [(self.rank + k) % self.size for k in range(1, self.size)]

    def tag(self, tag: int) -> int:
        """A tag of the transport that only this check has."""
        return self._first + tag

    def send(self, peer: int, tag: int, data: Bytes, mark: int = 7) -> Request:
        return self.transport.send(peer, self._first + tag, mark, data)

    def receive(self, peer: int, tag: int, into: Bytes, mark: int = 7) -> Request:
        take = self._filling(into)
        return self.transport.receive(peer, self._first + tag, mark, into.size, take)

    def listed(self, peer: int) -> set[int]:
        """The tags of this check whose messages from a rank have no receive."""
        found = self.transport.unclaimed()
        return {tag - self._first for of, tag in found if of == peer and tag >> 48 == self._here}

    def _filling(self, into: Bytes) -> Take:
        come = 0

        def take(at: int, piece: Bytes) -> None:
            nonlocal come
            end = at + piece.size
            self.sure(at == come and end <= into.size, f"bytes {at} to {end} came after {come}")
            whole = piece.size % ALIGNMENT == 0 or end == into.size
            self.sure(whole, f"a piece in the middle of a message has {piece.size} bytes")
            into[at:end] = piece
            come = end

        return take

    def wait(self, *requests: Request) -> None:
        """Until all are done, and right."""
        self.end(*requests)
        for request in requests:
            if request.error is not None:
                raise request.error

    def end(self, *requests: Request) -> None:
        """Until all are done, or wrong."""
        last = time.monotonic()
        for request in requests:
            while not request.done:
                if self.transport.progress(0.05):
                    last = time.monotonic()
                self.sure(
                    time.monotonic() - last < PATIENCE,
                    f"nothing came for {PATIENCE} s; rank {request.peer} is waited for",
                )

    def sure(self, good: bool, wrong: str) -> None:
        if not good:
            raise ConformanceError(f"{self._name}: rank {self.rank}: {wrong}", self.rank)

    def same(self, got: Bytes, expected: Bytes) -> None:
        self.sure(bool(np.array_equal(got, expected)), f"a message of {got.size} bytes is wrong")


@functools.cache
def _noise() -> Bytes:
    return np.random.default_rng(1).integers(0, 256, 65_521, np.uint8)


def _data(seed: int, size: int) -> Bytes:
    """Bytes that differ from seed to seed and from place to place."""
    return np.resize(np.roll(_noise(), 31 * seed), size)


def _room(size: int) -> Bytes:
    return np.zeros(size, np.uint8)


def _meet(r: _CheckedRank) -> None:
    """A barrier (dissemination), so that what a check needs to come later does."""
    step = 1
    while step < r.size:
        to, of = (r.rank + step) % r.size, (r.rank - step) % r.size
        r.wait(r.send(to, 1 << 47, _room(1)), r.receive(of, 1 << 47, _room(1)))
        step *= 2


def _order(r: _CheckedRank) -> None:
    """Messages of one tag come in the order in which they were sent, whatever their sizes."""
    lengths = [1, 70_000, 0, 64, 200_000, 5]
    sent = [r.send(p, 1, _data(k + r.rank, n)) for p in r.others() for k, n in enumerate(lengths)]
    for peer in r.others():
        rooms = [_room(n) for n in lengths]
        r.wait(*(r.receive(peer, 1, room) for room in rooms))
        for k, room in enumerate(rooms):
            r.same(room, _data(k + peer, room.size))
    r.wait(*sent)


def _tags(r: _CheckedRank) -> None:
    """Messages of other tags, small or large, hold up none that is waited for."""
    tags = {1: LARGE, 2: 100, 3: LARGE, 4: 8}
    sent = [r.send(p, tag, _data(tag, n)) for p in r.others() for tag, n in tags.items()]
    for tag in (4, 2, 3, 1):
        rooms = [_room(tags[tag]) for _ in r.others()]
        r.wait(*(r.receive(p, tag, room) for p, room in zip(r.others(), rooms, strict=True)))
        for room in rooms:
            r.same(room, _data(tag, room.size))
    r.wait(*sent)


def _unexpected(r: _CheckedRank) -> None:
    """Messages that come before anybody waits for them are kept."""
    lengths = (0, 1, 4096, 300_000)
    sent = [r.send(p, n, _data(r.rank, n)) for p in r.others() for n in lengths]
    _meet(r)
    for n in lengths:
        for peer in r.others():
            room = _room(n)
            r.wait(r.receive(peer, n, room))
            r.same(room, _data(peer, n))
    r.wait(*sent)


def _unclaimed(r: _CheckedRank) -> None:
    """What has come, or begun to, and has no receive is listed, until it has one."""
    to, of = (r.rank + 1) % r.size, (r.rank - 1) % r.size
    lengths = {3: 100, 1: LARGE, 2: 0}
    sent = [r.send(to, tag, _data(tag, n)) for tag, n in lengths.items()]
    until = time.monotonic() + PATIENCE
    while r.listed(of) != set(lengths):
        r.transport.progress(0.05)
        r.sure(time.monotonic() < until, f"of messages {set(lengths)} it lists {r.listed(of)}")
    rooms = {tag: _room(n) for tag, n in lengths.items()}
    r.wait(*(r.receive(of, tag, room) for tag, room in rooms.items()), *sent)
    r.sure(not r.listed(of), f"messages {r.listed(of)} were received and are still listed")
    for tag, room in rooms.items():
        r.same(room, _data(tag, room.size))


def _sizes(r: _CheckedRank) -> None:
    """Messages of any size, both ways at once."""
    to, of = (r.rank + 1) % r.size, (r.rank - 1) % r.size
    for n in SIZES:
        room = _room(n)
        r.wait(r.receive(of, n, room), r.send(to, n, _data(r.rank + n, n)))
        r.same(room, _data(of + n, n))


def _itself(r: _CheckedRank) -> None:
    """A rank can send to itself, before or after it waits for that."""
    early, late = _room(1000), _room(LARGE)
    receives = [r.receive(r.rank, 1, early)]
    sent = [r.send(r.rank, 1, _data(1, 1000)), r.send(r.rank, 2, _data(2, LARGE))]
    receives.append(r.receive(r.rank, 2, late))
    r.wait(*receives, *sent)
    r.same(early, _data(1, 1000))
    r.same(late, _data(2, LARGE))


def _mismatch(r: _CheckedRank) -> None:
    """Another mark or size ends a receive with a `CallMismatch`, and nothing is taken.

    What follows is as if it had never been.
    """
    for tag, (mark, n, expected) in enumerate(
        [(8, 64, 64), (7, 65, 64), (7, LARGE, 64), (7, 0, 64), (7, 64, 0), (8, LARGE, LARGE)]
    ):
        for first in (True, False):  # whether the receive is there first
            if not first:
                tag += 100
            sent = [] if first else [r.send(p, tag, _data(1, n), mark) for p in r.others()]
            _meet(r)
            rooms = [_room(expected) for _ in r.others()]
            got = [r.receive(p, tag, room) for p, room in zip(r.others(), rooms, strict=True)]
            _meet(r)
            sent += [r.send(p, tag, _data(1, n), mark) for p in r.others()] if first else []
            r.end(*got, *sent)
            for request, room in zip(got, rooms, strict=True):
                r.sure(isinstance(request.error, CallMismatch), f"mismatch {tag} was not seen")
                r.sure(not room.any(), f"something of mismatch {tag} was taken")
    _sizes(r)


def _any(r: _CheckedRank) -> None:
    """A receive from `ANY` takes whoever comes first, and says who it was."""
    sent = [r.send(p, 1, _data(r.rank, 5000)) for p in r.others()]
    left = set(r.others())
    for _ in r.others():
        room = _room(5000)
        request = r.receive(ANY, 1, room)
        r.wait(request)
        r.sure(request.peer in left, f"rank {request.peer} is not among {left}, who have sent")
        left.discard(request.peer)
        r.same(room, _data(request.peer, 5000))
    r.wait(*sent)


def _any_and_named(r: _CheckedRank) -> None:
    """Receives from `ANY` and from a rank share its messages in the order of the receives."""
    if r.size < 2 or r.rank > 1:
        return
    peer = 1 - r.rank
    rooms = [_room(8) for _ in range(4)]
    gets = [r.receive(p, 1, room) for p, room in zip((peer, ANY, peer, ANY), rooms, strict=True)]
    sent = [r.send(peer, 1, _data(k, 8)) for k in range(4)]
    r.wait(*gets, *sent)
    for k, room in enumerate(rooms):
        r.same(room, _data(k, 8))


def _many_to_one(r: _CheckedRank) -> None:
    """All send much to one rank at once."""
    if r.rank != 0:
        r.wait(*(r.send(0, k, _data(r.rank + k, 3000)) for k in range(200)))
        return
    for k in range(200):
        for peer in r.others():
            room = _room(3000)
            r.wait(r.receive(peer, k, room))
            r.same(room, _data(peer + k, 3000))


def _storm(r: _CheckedRank) -> None:
    """All send to all, small and large mixed, receives posted first, last and in between."""
    lengths = [(37 * k * k) % 5000 + (k % 7 == 0) * 150_000 for k in range(30)]
    early = {(p, k): _room(n) for p in r.others() for k, n in enumerate(lengths) if k % 2}
    requests = [r.receive(p, k, room) for (p, k), room in early.items()]
    requests += [r.send(p, k, _data(r.rank + k, n)) for k, n in enumerate(lengths)
                 for p in r.others()]  # fmt: skip
    late = {(p, k): _room(n) for p in r.others() for k, n in enumerate(lengths) if not k % 2}
    requests += [r.receive(p, k, room) for (p, k), room in late.items()]
    r.wait(*requests)
    for (peer, k), room in {**early, **late}.items():
        r.same(room, _data(peer + k, room.size))


def _both_ways(r: _CheckedRank) -> None:
    """Everybody sends large messages to everybody before anybody receives: no deadlock."""
    sent = [r.send(p, 1, _data(r.rank, LARGE)) for p in r.others()]
    rooms = [_room(LARGE) for _ in r.others()]
    r.wait(*(r.receive(p, 1, room) for p, room in zip(r.others(), rooms, strict=True)), *sent)
    for peer, room in zip(r.others(), rooms, strict=True):
        r.same(room, _data(peer, LARGE))


def _idle(r: _CheckedRank) -> None:
    """Where nothing happens any more, `progress` says so when its time is over."""
    _meet(r)
    for timeout in (0.0, 0.01):
        while r.transport.progress(timeout):
            continue


def _wake(r: _CheckedRank) -> None:
    """`wake` in another thread ends a `progress` that waits."""
    ended = threading.Event()

    def waker() -> None:
        while not ended.wait(0.02):
            r.transport.wake()

    thread = threading.Thread(target=waker)
    begun = time.monotonic()
    thread.start()
    try:
        for _ in range(4):
            r.transport.progress(PATIENCE)
    finally:
        ended.set()
        thread.join()
    r.sure(time.monotonic() - begun < PATIENCE, "progress went on waiting after a wake")


def _many_in_one_call(r: _CheckedRank) -> None:
    """Where many messages can be sent in one call, each rank gets what is for it."""
    wide, peers, tag = r.transport.many, r.others(), r.tag(1)
    if wide is None or not peers:
        return
    got: list[bytes] = []
    into = wide.receive_many(peers, [8] * len(peers), tag, 7, got.extend)
    pieces = [bytes([r.rank, peer] * 4) for peer in peers]
    r.wait(wide.send_many(peers, tag, 7, pieces), into)
    r.sure(got == [bytes([peer, r.rank] * 4) for peer in peers], "many messages are wrong")
    _meet(r)


def _without_requests(r: _CheckedRank) -> None:
    """Where small messages can be put and taken, they keep their order among all others."""
    brief: Brief | None = getattr(r.transport, "brief", None)
    if brief is None:
        return
    sent = []
    for peer in r.others():
        for number, (length, put, _) in enumerate(_brief_messages(r.rank, peer)):
            data, tag = _data(number, length), number % 3
            if not (put and brief.put(peer, r.tag(tag), 7, data)):
                sent.append(r.send(peer, tag, data))
    for peer in r.others():
        rooms, received = [], []
        for number, (length, _, take) in enumerate(_brief_messages(peer, r.rank)):
            room, tag, until = _room(length), number % 3, time.perf_counter() + 0.0001
            piece = brief.take(peer, r.tag(tag), 7, length, until) if take else None
            if piece is None:
                received.append(r.receive(peer, tag, room))
            else:
                room[:] = piece
                brief.taken(peer)
            rooms.append(room)
            if not number % 5:
                r.wait(*received)
        r.wait(*received)
        for number, room in enumerate(rooms):
            r.same(room, _data(number, room.size))
    r.wait(*sent)


def _brief_messages(src: int, dst: int) -> list[tuple[int, bool, bool]]:
    """Of each message from one rank to another: its size, whether it is put, whether taken."""
    chances = np.random.default_rng((src, dst))
    sizes = chances.choice([0, 1, 65, 1000, 1000, 20_000], BRIEF_MESSAGES).tolist()
    put, take = (chances.random((2, BRIEF_MESSAGES)) < 0.8).tolist()
    return list(zip(sizes, put, take, strict=True))


def _shared(r: _CheckedRank) -> None:
    """Where there are shared buffers, what lies in one arrives, also if nobody else keeps it."""
    shared: Shared | None = getattr(r.transport, "shared", None)
    if shared is None:
        return
    for number, length in enumerate(SIZES):
        data = shared.allocate(length + 128)
        r.sure(data.size == length + 128 and not data.any(), "a new shared buffer is not all zeros")
        data[64 : 64 + length] = _data(r.rank + number, length)
        rooms = [_room(length) for _ in r.others()]
        received = [r.receive(peer, 1, room) for peer, room in zip(r.others(), rooms, strict=True)]
        sent = [r.send(peer, 1, data[64 : 64 + length]) for peer in r.others()]
        del data
        r.wait(*sent, *received)
        for peer, room in zip(r.others(), rooms, strict=True):
            r.same(room, _data(peer + number, length))


def _memory(r: _CheckedRank) -> None:
    """Where the ranks' memory can be read, each reads what the rank before it exposes."""
    memory = r.transport.memory
    if memory is None:
        return
    to, of, data, room = (
        (r.rank + 1) % r.size,
        (r.rank - 1) % r.size,
        _data(r.rank, LARGE),
        _room(8),
    )
    memory.expose(data)
    try:
        mine = np.array([address_of(data)], np.int64).view(np.uint8)
        r.wait(r.receive(of, 1, room), r.send(to, 1, mine))
        got, halves = _room(LARGE), np.array([0, LARGE // 2])
        there, here = room.view(np.int64)[0] + halves, address_of(got) + halves
        if of != r.rank:
            memory.read(of, there, here, LARGE // 2)
            r.same(got, _data(of, LARGE))
        _meet(r)
    finally:
        memory.withdraw(data)


CHECKS: Mapping[str, Callable[[_CheckedRank], None]] = MappingProxyType(
    {
        "order": _order,
        "tags": _tags,
        "unexpected": _unexpected,
        "unclaimed": _unclaimed,
        "sizes": _sizes,
        "itself": _itself,
        "mismatch": _mismatch,
        "any": _any,
        "any_and_named": _any_and_named,
        "many_to_one": _many_to_one,
        "storm": _storm,
        "both_ways": _both_ways,
        "idle": _idle,
        "wake": _wake,
        "many_in_one_call": _many_in_one_call,
        "without_requests": _without_requests,
        "shared": _shared,
        "memory": _memory,
    }
)
"""All checks by name; the docstring of each says what it checks."""
