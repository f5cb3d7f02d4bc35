"""A server of a pool as a process: it answers clients over a socket, and owns its memory.

Who stores a value says so, over the socket or in a log in shared memory, and goes on, without
waiting for an answer. Yet whoever learns of that
and asks afterwards finds the value: before questions are answered, all that was said until now is
read, and values are committed in the order of their times. The clock is that of the host, so a
value that was stored after another has the later time, whoever stored them. Until then the server's
directory says that it is behind, and nobody reads by it.

A server never waits for a client: what one does not take is kept, up to `MOST_UNSENT`. A client
that is gone gives back what it held; one that sends what is no question is cut off.
"""

import selectors
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from collectives.memory.pool.core.shard import Holder
from collectives.memory.pool.hosted.questions import (
    Commit,
    answer,
    commit,
    commit_of,
    commit_of_record,
)
from collectives.memory.pool.hosted.shard import HostedShard
from collectives.memory.pool.hosted.wire import Frames, frame
from fabric.world.codec import WireError

MOST_UNSENT = 1 << 26
"""Bytes of answers that a client has not taken, at most."""

_READ = 1 << 18


@dataclass(eq=False, slots=True)
class _Client:
    """``number``: its place in the directory; below 0 without one.

    ``cut``: whether nothing can be sent to it any more; ``garbled``: or read in its log.
    """

    line: socket.socket
    number: int
    holder: Holder = field(default_factory=Holder)
    frames: Frames = field(default_factory=Frames)
    unsent: bytearray = field(default_factory=bytearray)
    cut: bool = False
    garbled: bool = False


class _Said(NamedTuple):
    """What a client has said; None for ``message``: it is gone. ``commit``: if it is one."""

    client: _Client
    message: list[Any] | None
    body: bytes = b""
    commit: Commit | None = None


def serve(served: HostedShard, door: socket.socket) -> None:
    """Answer clients that connect to ``door``, which listens, without end."""
    with selectors.DefaultSelector() as ready:
        door.setblocking(False)
        ready.register(door, selectors.EVENT_READ, None)
        waiting: list[_Said] = []
        while True:
            waiting += _heard(served, door, ready, 0.0 if waiting else None)
            now = time.monotonic_ns()
            later = _heard(served, door, ready, 0.0)
            _commit(served, (one for one in [*waiting, *later] if _is_due(one, now)))
            for said in waiting:
                if said.commit is None:
                    _answer(served, said)
            waiting = [one for one in waiting if one.commit and not _is_due(one, now)]
            waiting += [one for one in later if not _is_due(one, now)]
            _send_all(ready)


def _is_due(said: _Said, now: int) -> bool:
    """Whether values were stored until ``now``: all that were before them are known by then."""
    return said.commit is not None and said.commit.time <= now


def _heard(
    served: HostedShard, door: socket.socket, ready: selectors.BaseSelector, timeout: float | None
) -> list[_Said]:
    """What clients have said; waits for something for ``timeout`` seconds, or without limit."""
    found: list[_Said] = []
    for key, events in ready.select(timeout):
        client = key.data
        if client is None:
            _admit(served, door, ready)
        elif events & selectors.EVENT_READ:
            found += _read(served, client, ready)
    if not served.directory.logs.are_empty():
        for key in ready.get_map().values():
            if key.data is not None:
                found += _logged(served, key.data)
    return found


def _logged(served: HostedShard, client: _Client) -> Iterator[_Said]:
    """Iterate over the commits in a client's log; one whose log has something else is cut off."""
    if client.number < 0 or client.garbled:
        return
    try:
        for record in served.directory.logs.take(client.number):
            yield _Said(client, ["commit"], commit=commit_of_record(record))
    except WireError:
        client.garbled = True
        _cut_off(client)


def _admit(served: HostedShard, door: socket.socket, ready: selectors.BaseSelector) -> None:
    """Take a client in: it is sent the sizes of directory and tiers, and a descriptor of each."""
    try:
        line, _ = door.accept()
    except OSError:  # it has given up meanwhile, or no descriptor is left: it will ask again
        return
    line.setblocking(False)
    number = served.directory.join()
    memory = [served.directory.memory, *served.tiers]
    hello = frame([number, served.shape.page, *(one.size for one in memory)])
    try:
        socket.send_fds(line, [hello], [one.descriptor for one in memory])
    except OSError:
        served.directory.leave(number)
        line.close()
        return
    ready.register(line, selectors.EVENT_READ, _Client(line, number))


def _read(served: HostedShard, client: _Client, ready: selectors.BaseSelector) -> Iterator[_Said]:
    """Iterate over what a client has said; the last is that it is gone, if it is."""
    try:
        piece = _received(client.line)
        for message, body in client.frames.feed(piece):
            yield _Said(client, message, body, commit_of(message))
        if piece:
            return
    except BlockingIOError:
        return
    except OSError:  # it is gone
        pass
    except WireError:
        client.cut = True
    ready.unregister(client.line)
    yield from _logged(served, client)
    yield _Said(client, None)


def _received(line: socket.socket) -> bytes:
    """The next bytes from a client, none at the end.

    One that ends without having read all that was sent to it resets the connection, which is said
    once; what it had said before can be read all the same.
    """
    try:
        return line.recv(_READ)
    except ConnectionResetError:
        return line.recv(_READ)


def _commit(served: HostedShard, due: Iterable[_Said]) -> None:
    """Commit values in the order in which they were stored."""
    for one in sorted(due, key=attrgetter("commit.time")):
        assert one.commit is not None
        one.client.unsent += commit(served, one.client.holder, one.commit)
        served.directory.applied(one.client.number)


def _answer(served: HostedShard, said: _Said) -> None:
    client = said.client
    if said.message is None:
        served.shard.leave(client.holder)
        served.directory.leave(client.number)
        client.line.close()
        client.cut = True
        return
    try:
        client.unsent += answer(served, client.holder, said.message, said.body)
    except WireError:
        _cut_off(client)


def _cut_off(client: _Client) -> None:
    """End the connection of a client; that it is gone is then read from it."""
    client.cut = True
    with suppress(OSError):  # it is gone already
        client.line.shutdown(socket.SHUT_RDWR)


def _send_all(ready: selectors.BaseSelector) -> None:
    """Send clients what they can take."""
    for key in list(ready.get_map().values()):
        client = key.data
        if client is None or client.cut or not (client.unsent or key.events != 1):
            continue
        try:
            sent = client.line.send(client.unsent)
            del client.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            client.cut = True
            continue
        if len(client.unsent) > MOST_UNSENT:
            _cut_off(client)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
        if events != key.events:
            ready.modify(client.line, events, client)
