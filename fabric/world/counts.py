"""How many frames ranks have sent to each other, asked for when a connection was cut.

The authority asks the ranks that are there, and keeps what those that have left said before.
"""

from collections.abc import Collection, Sequence

from fabric.world.messages import (
    AskFrames,
    CountFrames,
    FrameCount,
    FrameMessage,
    FrameReply,
    FramesReply,
    FramesSent,
)


class Counts:
    """What the ranks of a world of ``size`` have said about their frames."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._sent: dict[int, Sequence[int]] = {}

    def handle(
        self, rank: int, message: FrameMessage, gone: Collection[int]
    ) -> list[tuple[int, FrameReply]]:
        """The replies, as (rank, message), to a ``message`` from ``rank``.

        ``gone``: the ranks that have left.
        """
        match message:
            case FramesSent():
                self._sent[rank] = message.frames
                return []
            case FrameCount(asker, question, frames):
                return self._to(asker, FramesReply(rank, question, frames, False))
            case AskFrames(peer, question) if peer in gone:
                sent = self._sent.get(peer, ())
                known = sent[rank] if rank < len(sent) else None
                return self._to(rank, FramesReply(peer, question, known, True))
            case AskFrames(peer, question):
                return self._to(peer, CountFrames(rank, question))

    def _to(self, rank: int, reply: FrameReply) -> list[tuple[int, FrameReply]]:
        """Nobody where the world has no such rank."""
        return [(rank, reply)] if rank < self._size else []
