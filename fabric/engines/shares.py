"""`Shares`: what an engine's session has computed of streams, kept for when they are entered."""

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import finalize

from fabric.engines.columns import RankStreams

Share = TypeVar("Share")


class Shares(Generic[Share]):
    """What ``make`` returns for the streams of a rank, made once while the streams exist."""

    def __init__(self, make: Callable[[RankStreams], Share]) -> None:
        self._make = make
        self._made: dict[int, Share] = {}  # by the identity of streams

    def of(self, streams: RankStreams) -> Share:
        """What was made of the ``streams``, or is now; raises what ``make`` does."""
        number = id(streams)
        share = self._made.get(number)
        if share is None:
            share = self._made[number] = self._make(streams)
            finalize(streams, self._made.pop, number, None).atexit = False
        return share
