"""Messages that move in pieces: what is left to send, and where received bytes go."""

import numpy as np

from fabric.failure import RankLost, TransportError
from fabric.transports.base import Bytes, Request
from fabric.transports.matching import Matching, Message, Receive, refusal


class Outgoing:
    """A message to send. ``at``: number of bytes sent; -1 before its header is."""

    __slots__ = ("at", "data", "mark", "request", "tag")

    def __init__(self, request: Request, tag: int, mark: int, data: Bytes) -> None:
        self.request, self.tag, self.mark, self.data = request, tag, mark, data
        self.at = -1

    @property
    def begun(self) -> bool:
        """Whether a part of the message is on its way, so that the rest has to follow."""
        return 0 <= self.at < self.data.size

    def lost(self) -> None:
        """End the request with a `RankLost`, as the receiver has closed."""
        peer = self.request.peer
        why = f"rank {peer} has closed its transport: it takes no more"
        self.request.error = RankLost(why, peer)
        self.request.done = True


class IncomingMessage(Message):
    """A message that arrives. ``at``: number of bytes received.

    They go to its ``receive``; while it has none, to a ``buffer``; after a refusal, nowhere.
    """

    __slots__ = ("at", "buffer", "receive")

    def __init__(self, peer: int, tag: int, mark: int, size: int) -> None:
        super().__init__(peer, tag, mark, size)
        self.at = 0
        self.buffer: Bytes | None = None
        self.receive: Receive | None = None

    def feed(self, piece: Bytes) -> None:
        """Take the next bytes of the message."""
        at, end = self.at, self.at + piece.size
        if self.receive is not None:
            self.receive.take(at, piece)
        elif self.buffer is not None:
            self.buffer[at:end] = piece
        self.at = end
        if end == self.size and self.receive is not None:
            self.receive.done = True

    def meet(self, rank: int, receive: Receive) -> None:
        """Match the message with ``receive`` of ``rank``.

        Bytes that have arrived are delivered at once.
        """
        receive.peer = self.peer
        receive.error = refusal(rank, receive, self)
        come, self.buffer = self.buffer, None
        if receive.error is not None:
            receive.done = True
            return
        self.receive = receive
        if come is not None and self.at:
            receive.take(0, come[: self.at])
        receive.done = self.at == self.size

    def discard(self) -> None:
        """Drop the message, also what of it is still to come."""
        self.receive = self.buffer = None

    def keep(self, rank: int) -> None:
        """Allocate a buffer for the message, which has no receive yet.

        Raises `TransportError` without memory.
        """
        try:
            self.buffer = np.empty(self.size, np.uint8)
        except MemoryError:
            raise TransportError(
                f"rank {rank} has no memory for {self.size} bytes from rank {self.peer}, "
                "which it does not wait for yet",
                rank,
            ) from None


def begin(rank: int, matching: Matching[IncomingMessage], message: IncomingMessage) -> None:
    """Match a message that begins to arrive at ``rank``; without a receive it is buffered."""
    receive = matching.arrive(message)
    if receive is not None:
        message.meet(rank, receive)
    elif message.size:
        message.keep(rank)
