"""Large messages over MPI: in pieces, each message on a channel, an MPI tag of its own.

MPI keeps a piece at its sender until the receiver posts a receive for that channel; so only
messages with a receive move, and a receiver needs no more memory than for the pieces in progress.
"""

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from fabric.failure import TransportError
from fabric.transports.base import Bytes, Request
from fabric.transports.matching import Message, Receive

if TYPE_CHECKING:
    from mpi4py import MPI

HEADERS = 0
"""The MPI tag of everything else; the channels are those above it."""

PIECE = 512 * 1024
"""Bytes of a piece: four of them stay in a second-level cache; measured between 128 KiB and 2 MiB,
with 2 to 8 under way."""

WINDOW = 4
"""Pieces of one message that are under way at a time."""


class Announcement(Message):
    """An announced message: all of its ``data``, or the ``channel`` on which its pieces wait."""

    __slots__ = ("channel", "data")

    def __init__(
        self, peer: int, tag: int, mark: int, data: Bytes, size: int, channel: int
    ) -> None:
        super().__init__(peer, tag, mark, size)
        self.data, self.channel = data, channel


class _Outgoing:
    """A message that is being sent: bytes up to ``at`` have been given to MPI."""

    __slots__ = ("at", "channel", "data", "parts", "request")

    def __init__(self, request: Request, data: Bytes, channel: int) -> None:
        self.request, self.data, self.channel, self.at = request, data, channel, 0
        self.parts: deque[MPI.Request] = deque()


class _Incoming:
    """A message that is being received: for bytes up to ``at`` a receive is posted.

    A message that was refused is received all the same, into nothing: its sender waits for that.
    """

    __slots__ = ("arrival", "at", "parts", "receive")

    def __init__(self, receive: Receive, arrival: Announcement) -> None:
        self.receive, self.arrival, self.at = receive, arrival, 0
        self.parts: deque[tuple[int, Bytes, MPI.Request]] = deque()


class LargeMessages:
    """The large messages of one rank that are in progress.

    ``asked``: the rank of the latest MPI call, so that its errors can name it.
    """

    def __init__(self, comm: "MPI.Comm") -> None:
        from mpi4py import MPI

        self._comm, self._byte = comm, MPI.BYTE
        self._channels = int(MPI.COMM_WORLD.Get_attr(MPI.TAG_UB) or 0) - HEADERS
        self._next = [0] * comm.Get_size()
        self._outgoing: list[_Outgoing] = []
        self._incoming: dict[int, deque[_Incoming]] = {}
        self._room: list[Bytes] = []
        self.asked: int | None = None

    def free(self, peer: int) -> int:
        """An MPI tag for the next large message to ``peer``.

        Raises `TransportError` if all may be in use.
        """
        if len(self._outgoing) >= self._channels:
            raise TransportError(
                f"{len(self._outgoing)} large messages are being sent; "
                f"this MPI has no more than {self._channels} tags"
            )
        channel = HEADERS + 1 + self._next[peer] % self._channels
        self._next[peer] += 1
        return channel

    def send(self, request: Request, data: Bytes, channel: int) -> None:
        """Begin to send ``data`` in pieces under the MPI tag ``channel``."""
        outgoing = _Outgoing(request, data, channel)
        self._outgoing.append(outgoing)
        self._push(outgoing)

    def receive(self, receive: Receive, arrival: Announcement) -> None:
        """Begin to receive an announced message, after earlier ones of the same peer.

        Two at a time from one peer would only compete for the cache.
        """
        self._incoming.setdefault(arrival.peer, deque()).append(_Incoming(receive, arrival))

    def busy(self) -> bool:
        """True if any large message is being sent or received."""
        return bool(self._outgoing or self._incoming)

    def move(self) -> bool:
        """Move pieces of large messages in both directions; returns True if any moved."""
        moved = False
        for peer in list(self._incoming):
            moved |= self._pull(peer)
        for outgoing in self._outgoing:
            moved |= self._push(outgoing)
        if moved:
            self._outgoing = [one for one in self._outgoing if not one.request.done]
        return moved

    def _push(self, outgoing: _Outgoing) -> bool:
        """Keep up to `WINDOW` pieces with MPI."""
        peer = self.asked = outgoing.request.peer
        parts, data, moved = outgoing.parts, outgoing.data, False
        while parts and parts[0].Test():
            parts.popleft()
            moved = True
        while len(parts) < WINDOW and outgoing.at < data.size:
            piece = data[outgoing.at : outgoing.at + PIECE]
            parts.append(self._comm.Isend((piece, self._byte), peer, outgoing.channel))
            outgoing.at += piece.size
        outgoing.request.done = not parts
        return moved

    def _pull(self, peer: int) -> bool:
        """Take what has come of the first message from a peer, and ask for more of it."""
        queue = self._incoming[peer]
        incoming = queue[0]
        moved = self._taken(incoming)
        parts, arrival = incoming.parts, incoming.arrival
        while len(parts) < WINDOW and incoming.at < arrival.size:
            parts.append(self._ask(arrival, incoming.at))
            incoming.at += PIECE
        if not parts:
            incoming.receive.done = True
            queue.popleft()
            if not queue:
                del self._incoming[peer]
        return moved

    def _taken(self, incoming: _Incoming) -> bool:
        """Hand over the pieces that have come, in order."""
        self.asked = incoming.arrival.peer
        parts, receive, moved = incoming.parts, incoming.receive, False
        while parts and parts[0][2].Test():
            at, buffer, _ = parts.popleft()
            moved = True
            self._room.append(buffer)
            if receive.error is None:
                receive.take(at, buffer[: incoming.arrival.size - at])
        return moved

    def _ask(self, arrival: Announcement, at: int) -> "tuple[int, Bytes, MPI.Request]":
        buffer = self._room.pop() if self._room else np.empty(PIECE, np.uint8)
        piece = buffer[: arrival.size - at]
        return at, buffer, self._comm.Irecv((piece, self._byte), arrival.peer, arrival.channel)
