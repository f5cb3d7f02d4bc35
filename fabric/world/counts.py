"""Counts: how many frames ranks have sent to each other, for those whose connections were cut.

Of ranks that are there the authority asks them; of those that have left it knows what they said.
"""

from collections.abc import Collection, Sequence
from typing import Any

COUNTS = ("count", "counted", "sent")
"""Records: ``("count", peer, question)`` asks what a peer has sent to the rank; ``("counted",
asker, question, frames)`` answers; ``("sent", frames)`` comes before a rank leaves, by ranks."""

Reply = tuple[int, tuple[Any, ...]]
"""To whom, and what."""


class Counts:
    """What the ranks of a world of ``size`` have said of their frames."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._sent: dict[int, Sequence[int]] = {}

    def handle(self, rank: int, record: tuple[Any, ...], gone: Collection[int]) -> list[Reply]:
        """What follows from a record of `COUNTS`; ``gone``: the ranks that have left."""
        name, *values = record
        if name == "sent":
            self._sent[rank] = values[0]
            return []
        other, question = values[:2]
        if other >= self._size:
            return []
        if name == "counted":
            return [(other, ("counted", rank, question, values[2], False))]
        if other not in gone:
            return [(other, ("count", rank, question))]
        sent = self._sent.get(other, ())
        frames = sent[rank] if rank < len(sent) else None
        return [(rank, ("counted", other, question, frames, True))]
