"""A server of a pool as a process: it answers clients over a socket, and owns its memory.

It never waits for a client: what one does not take is kept, up to `MOST_UNSENT`. A client that is
gone gives back what it held; one that sends what is no question is cut off, and harms nobody.
"""

import selectors
import socket
from dataclasses import dataclass, field

from collectives.memory.pool.core.shard import Holder
from collectives.memory.pool.hosted.questions import answer
from collectives.memory.pool.hosted.shard import HostedShard
from collectives.memory.pool.hosted.wire import Frames, frame
from fabric.world.codec import WireError

MOST_UNSENT = 1 << 26
"""Bytes of answers that a client has not taken, at most."""

_READ = 1 << 18


@dataclass(eq=False, slots=True)
class _Client:
    line: socket.socket
    holder: Holder = field(default_factory=Holder)
    frames: Frames = field(default_factory=Frames)
    unsent: bytearray = field(default_factory=bytearray)


def serve(served: HostedShard, door: socket.socket) -> None:
    """Answer clients that connect to ``door``, which listens, without end."""
    with selectors.DefaultSelector() as ready:
        door.setblocking(False)
        ready.register(door, selectors.EVENT_READ, None)
        while True:
            for key, events in ready.select():
                client = key.data
                if client is None:
                    _admit(served, door, ready)
                elif not _attend(served, client, events):
                    ready.unregister(client.line)
                    client.line.close()
                    served.shard.leave(client.holder)
                elif bool(client.unsent) != bool(key.events & selectors.EVENT_WRITE):
                    also = selectors.EVENT_WRITE if client.unsent else 0
                    ready.modify(client.line, selectors.EVENT_READ | also, client)


def _admit(served: HostedShard, door: socket.socket, ready: selectors.BaseSelector) -> None:
    """Take a client in: it is sent the sizes of directory and tiers, and a descriptor of each."""
    try:
        line, _ = door.accept()
    except OSError:  # it has given up meanwhile, or no descriptor is left: it will ask again
        return
    line.setblocking(False)
    memory = [served.directory.memory, *served.tiers]
    hello = frame([served.shape.page, *(one.size for one in memory)])
    try:
        socket.send_fds(line, [hello], [one.descriptor for one in memory])
    except OSError:
        line.close()
        return
    ready.register(line, selectors.EVENT_READ, _Client(line))


def _attend(served: HostedShard, client: _Client, events: int) -> bool:
    """Read what a client asks, and send it what it can take; False when it is gone."""
    try:
        if events & selectors.EVENT_READ:
            piece = client.line.recv(_READ)
            if not piece:
                return False
            for message, body in client.frames.feed(piece):
                client.unsent += answer(served, client.holder, message, body)
        if client.unsent:
            sent = client.line.send(client.unsent)
            del client.unsent[:sent]
    except BlockingIOError:
        pass
    except (OSError, WireError):
        return False
    return len(client.unsent) <= MOST_UNSENT
