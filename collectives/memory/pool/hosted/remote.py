"""A client's access to a server that is another process of this host."""

import json
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from collectives.memory.pool.access import (
    SMALL,
    Counts,
    FoundValue,
    NewValue,
    ShardAccess,
    store_at,
    wanted_by,
)
from collectives.memory.pool.core.errors import PoolError, PoolFull, PoolLost, ServerLost
from collectives.memory.pool.core.hash_ring import HashRing
from collectives.memory.pool.core.hashing import key_hash
from collectives.memory.pool.core.tiers import Place, namespace_of
from collectives.memory.pool.directory import DirectoryView, mapped_directory
from collectives.memory.pool.hosted.questions import AHEAD, record_of
from collectives.memory.pool.hosted.wire import Frames, frame
from collectives.memory.pool.members import PoolMembers
from collectives.memory.pool.tier_memory import TierMemory
from fabric.host.forked import here
from fabric.world.codec import WireError

ANSWER = 10.0
"""Seconds in which a server has to answer, where nothing else is said."""

AT_ONCE = 512
"""Keys in one question: with small values that is 4 MiB."""

AHEAD_LEAST, AHEAD_MOST, AHEAD_BYTES = 4, 32, 1 << 23
"""Places that a client has reserved ahead at once: so many, or as many as make that many bytes."""

USES = 64
"""Values that were read at a glance, at most, before the server is told."""

_MOST_TIERS = 8
_READ = 1 << 18

Item = TypeVar("Item")

Kind = tuple[str, int]
"""Namespace and pages of a value: a place that is reserved for one does for another like it."""


def connected(address: str, timeout: float | None = None) -> PoolMembers:
    """The servers of the pool whose controller is at ``address``; raises `PoolLost`."""
    patience = ANSWER if timeout is None else timeout
    name, told = f"the pool at {address!r:.200}", b""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(patience)
            line.connect(address)
            while piece := line.recv(_READ):
                told += piece
        view = json.loads(told)
        paths = {str(server): str(path) for server, path in view["servers"].items()}
        ring = HashRing(tuple(paths), int(view["virtual_nodes"]))
        replicas = min(int(view["replicas"]), max(len(paths), 1))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PoolLost(f"{name} does not answer: {error}") from None
    links: dict[str, ShardAccess] = {
        server: RemoteAccess(server, path, patience) for server, path in paths.items()
    }
    return PoolMembers(links, ring, replicas)


class RemoteAccess:
    """A `ShardAccess` to the server process whose socket is at ``path``.

    Threads take turns. An answer that is not there after ``patience`` seconds, and a connection
    that was cut, are `ServerLost`. A connection on which a question was interrupted is given up, as
    its answer would be taken for that of the next; the server then takes back what was held.
    """

    def __init__(self, server: str, path: str, patience: float) -> None:
        self._server, self._path, self._patience = server, path, patience
        self._lock, self._at_home = threading.Lock(), here()
        self._line: socket.socket | None = None
        self._frames, self._tiers = Frames(), list[TierMemory]()
        self._view: DirectoryView | None = None
        self._poll, self._used = select.poll(), list[int]()
        self._last: Kind | None = None
        self._number, self._expected = -1, deque[Kind]()
        self._places: deque[tuple[Kind, int, Place]] = deque()

    @property
    def tiers(self) -> Sequence[TierMemory]:
        """See `ShardAccess`."""
        return self._tiers

    def glance(self, key: str) -> FoundValue | None:
        """See `ShardAccess`: in the server's directory.

        Nothing is found any more when the server is gone: its values are those of others then.
        """
        view = self._view
        if view is None or not self._at_home() or not self._is_open() or view.is_behind():
            return None
        return view.find(key_hash(key))

    def used(self, key: str) -> None:
        """See `ShardAccess`; the server is told with the next question, or of many at once."""
        self._used.append(key_hash(key))
        if len(self._used) >= USES:
            self.report()

    def report(self) -> None:
        """See `ShardAccess`."""
        with self._lock:
            if self._used and self._line is not None:
                self._on_line(b"", answered=False)

    def _is_open(self) -> bool:
        """Whether the line is open; what has arrived on it without a question is taken in."""
        if not self._lock.acquire(blocking=False):
            return False  # another thread waits for an answer
        try:
            line = self._line
            return line is not None and (not self._poll.poll(0) or self._take_in(line))
        finally:
            self._lock.release()

    def _take_in(self, line: socket.socket) -> bool:
        """Read what has arrived; False if the line was cut, or is of no use any more."""
        try:
            piece = line.recv(_READ)
            for told, _ in self._frames.feed(piece):
                if not self._is_ahead(told):
                    raise WireError("an answer without a question")
        except (OSError, WireError):
            piece = b""
        if not piece:
            self._give_up()
        return bool(piece)

    def reserve(self, wanted: Sequence[tuple[str, int]]) -> list[tuple[int, Place] | PoolFull]:
        """See `ShardAccess`."""
        found: list[tuple[int, Place] | PoolFull] = []
        if self._places or self._expected:
            found += self._ahead(self._kind_of(wanted), len(wanted))
        if len(found) < len(wanted):
            for one in self._all("reserve", wanted[len(found) :]):
                found.append(PoolFull(one[0]) if len(one) == 1 else (one[0], _place(one[1:])))
        return found

    def _ahead(self, kind: Kind | None, many: int) -> list[tuple[int, Place]]:
        """Places that were reserved ahead for values of a kind, at most so many.

        Those for others are given back.
        """
        found: list[tuple[int, Place]] = []
        while len(found) < many and (self._places or self._expected):
            try:
                reserved_for, number, place = self._places.popleft()
            except IndexError:  # none is there yet, or another thread has taken it
                self._await_ahead()
                continue
            if reserved_for == kind:
                found.append((number, place))
            else:
                self.abort([number])
        return found

    def _await_ahead(self) -> None:
        """Wait for the next word on a place that was to be reserved."""
        with self._lock:
            if not self._places and self._expected:
                self._on_line(b"", answered=False, ahead=True)

    def _is_ahead(self, told: list[Any]) -> bool:
        """Whether a frame is about a place reserved ahead, which is then noted."""
        if not told or told[0] != AHEAD:
            return False
        if not self._expected:
            raise WireError("word on places that were not asked for")
        kind = self._expected.popleft()
        self._places += [(kind, number, _place(place)) for number, *place in told[1:]]
        return True

    def commit(self, written: Sequence[tuple[int, str, int, int]]) -> None:
        """See `ShardAccess`; asks for places for the next values, too, if they may be alike."""
        kind = self._kind_of([(namespace_of(key), size) for _, key, size, _ in written])
        again = kind is not None and self._last == kind and not self._expected
        ahead = self._wanted(kind[1], len(written)) if kind is not None and again else 0
        self._last = kind
        for some in _some(written):
            with self._lock:
                if ahead and kind is not None:
                    self._expected.append(kind)
                self._commit(some, ahead)
            ahead = 0
        if self._number < 0:  # without words in the directory: wait until all is committed
            self._ask(["sizes"])

    def _wanted(self, pages: int, put: int) -> int:
        """How many places of so many pages to reserve ahead now, where ``put`` are put at once.

        That is twice as many at least: so enough are there when the next ones are put.
        """
        bytes_each = pages * self._tiers[0].page
        most = max(AHEAD_LEAST, min(AHEAD_MOST, max(AHEAD_BYTES // bytes_each, 2 * put)))
        return most if len(self._places) <= most // 2 else 0

    def _commit(self, values: Sequence[tuple[int, str, int, int]], ahead: int) -> None:
        """Say a commit and count it; where one is done without the other, the line is given up.

        In the log where there may be time until somebody asks: that saves to wake the server, which
        takes as long as to copy a large value; small ones find it awake.
        """
        now = time.monotonic_ns()
        try:
            if ahead or values[0][2] <= SMALL or not self._log(record_of(now, values)):
                self._on_line(frame(["commit", now, ahead, *values]), answered=False)
            if self._view is not None and self._number >= 0:
                self._view.stored(self._number)
        except BaseException:
            self._give_up()
            raise

    def _log(self, record: bytes) -> bool:
        """Append a record to the log of this client, if it has one with room for it.

        Raises `ServerLost` if the line was cut: what is reserved belongs to the line.
        """
        view, line = self._view, self._line
        if view is None or line is None or self._number < 0 or not self._at_home():
            return False
        if self._poll.poll(0) and not self._take_in(line):
            raise ServerLost(f"{self._server} of the pool has cut the connection")
        return view.logs.append(self._number, record)

    def _pages(self, size: int) -> int:
        return max(1, -(-size // self._tiers[0].page)) if self._tiers else 0

    def _kind_of(self, wanted: Sequence[tuple[str, int]]) -> Kind | None:
        """The kind of values of these namespaces and bytes; None if they differ."""
        kinds = {(namespace, self._pages(size)) for namespace, size in wanted}
        return kinds.pop() if len(kinds) == 1 else None

    def _give_back(self) -> None:
        """Give up the places for values that may never be put."""
        self._ahead(None, 1)

    def abort(self, numbers: Sequence[int]) -> None:
        """See `ShardAccess`."""
        for some in _some(numbers):
            self._tell(["abort", *some])

    def store_small(self, values: Sequence[NewValue]) -> list[PoolFull | None]:
        """See `ShardAccess`: at places that were reserved ahead, if there are any: nobody waits."""
        wanted = wanted_by(values)
        if len(values) <= AHEAD_MOST // 2 and self._kind_of(wanted) is not None:
            return store_at(self, values, self.reserve(wanted))
        told: list[Any] = []
        for some in _some(values):
            rows = [[one.key, len(one.value), one.digest] for one in some]
            told += self._ask(["small", *rows], b"".join(one.value for one in some))[0]
        return [None if one is None else PoolFull(one[0]) for one in told]

    def find(self, keys: Sequence[str]) -> list[FoundValue | None]:
        """See `ShardAccess`."""
        found: list[FoundValue | None] = []
        for some in _some(keys):
            rows, body = self._ask(["find", *some])
            at = 0
            for row in rows:
                if row is None:
                    found.append(None)
                    continue
                number, size, digest, *place = row
                copy = None if number else body[at : at + size]
                at += 0 if number else size
                found.append(FoundValue(number, size, digest, _place(place), copy))
        return found

    def release(self, numbers: Sequence[int], damaged: Sequence[int] = ()) -> None:
        """See `ShardAccess`."""
        self._tell(["release", numbers, damaged])

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """See `ShardAccess`."""
        found = [self.glance(key) for key in keys]
        rest = [key for key, one in zip(keys, found, strict=True) if one is None]
        asked = iter(self._all("sizes", rest))
        return [next(asked) if one is None else one.size for one in found]

    def remove(self, keys: Sequence[str]) -> list[bool]:
        """See `ShardAccess`."""
        return self._all("remove", keys)

    def pin(self, keys: Sequence[str]) -> list[bool]:
        """See `ShardAccess`."""
        return self._all("pin", keys)

    def unpin(self, keys: Sequence[str]) -> list[bool]:
        """See `ShardAccess`."""
        return self._all("unpin", keys)

    def clear(self, namespace: str) -> int:
        """See `ShardAccess`."""
        self._give_back()
        return int(self._ask(["clear", f"{namespace}/"])[0][0])

    def counts(self) -> Counts:
        """See `ShardAccess`."""
        self._give_back()
        return dict(self._ask(["counts"])[0][0])

    def close(self) -> None:
        """See `ShardAccess`."""
        with suppress(PoolError):  # nobody there, or in a process that was forked from the client
            self.report()
        with self._lock:
            self._give_up()
            for tier in self._tiers:
                tier.close()
            if self._view is not None:
                self._view.close()
            self._tiers, self._view = [], None

    def _all(self, verb: str, items: Sequence[Any]) -> list[Any]:
        told: list[Any] = []
        for some in _some(items):
            told += self._ask([verb, *some])[0]
        return told

    def _tell(self, message: list[Any]) -> None:
        """Send what has no answer."""
        with self._lock:
            if self._line is not None:  # else the server has taken all back already
                self._on_line(frame(message), answered=False)

    def _ask(self, message: list[Any], body: bytes = b"") -> tuple[list[Any], bytes]:
        with self._lock:
            told = self._on_line(frame(message, body), answered=True)
        assert told is not None
        return told

    def _on_line(
        self, asked: bytes, answered: bool, ahead: bool = False
    ) -> tuple[list[Any], bytes] | None:
        """Send a frame and wait for the answer; a line on which that fails is given up.

        ``ahead``: wait for word on a place reserved ahead instead.
        """
        if not self._at_home():
            raise PoolError(f"process {os.getpid()} was forked from a client: connect anew")
        try:
            line = self._line or self._connect()
            used, self._used = self._used, []
            line.sendall(frame(["used", *used]) + asked if used else asked)
            return self._receive(line, ahead) if answered or ahead else None
        except (OSError, WireError, EOFError, ValueError) as error:
            self._give_up()
            raise ServerLost(f"{self._server} of the pool does not answer: {error}") from None
        except BaseException:
            self._give_up()
            raise

    def _receive(self, line: socket.socket, ahead: bool = False) -> tuple[list[Any], bytes] | None:
        """Wait for an answer; or, with ``ahead``, for word on a place reserved ahead."""
        expected, piece = len(self._expected), b""
        while True:
            answers = [told for told in self._frames.feed(piece) if not self._is_ahead(told[0])]
            if answers or (ahead and len(self._expected) < expected):
                return answers[0] if answers else None
            piece = line.recv(_READ)
            if not piece:
                raise EOFError("the connection was cut")

    def _connect(self) -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        descriptors: list[int] = []
        try:
            line.settimeout(self._patience)
            line.connect(self._path)
            self._line, self._frames = line, Frames()
            piece, descriptors, _, _ = socket.recv_fds(line, _READ, _MOST_TIERS)
            told = next(iter(self._frames.feed(piece)), None) or self._receive(line)
            if told is None:
                raise WireError("no greeting")
            self._number, page, *sizes = told[0]
            if len(sizes) != len(descriptors) or len(sizes) < 2:
                raise WireError(f"{len(descriptors)} descriptors for {sizes}")
            if not self._tiers:  # else they are mapped, from before the line was given up
                self._view = mapped_directory(descriptors.pop(0), sizes.pop(0))
                while sizes:
                    self._tiers.append(TierMemory(descriptors.pop(0), sizes.pop(0), page))
            self._poll = select.poll()
            self._poll.register(line, select.POLLIN)
            return line
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
            if self._line is not line:
                line.close()

    def _give_up(self) -> None:
        self._places.clear()
        self._expected.clear()
        if self._line is not None:
            self._line.close()
            self._line = None


def _some(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Iterate over parts that fit into one question."""
    for at in range(0, len(items), AT_ONCE):
        yield items[at : at + AT_ONCE]


def _place(told: Sequence[Any]) -> Place:
    tier, runs = told
    return Place(tier, runs)
