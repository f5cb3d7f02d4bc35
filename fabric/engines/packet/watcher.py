"""`Watcher`: a simulation by packets is run in pieces, and tells on the way what has ended."""

import time

import numpy as np

from fabric.engines.base import EndedTransfers, Told
from fabric.engines.columns import NO_STREAMS, Streams
from fabric.engines.packet.live import PacketState
from fabric.engines.packet.state import LAST_TIME, PICOSECONDS

_LOOK = 0.1
"""Seconds of the host that a piece takes, more or less."""

_LEAST = 1_000_000
"""Picoseconds that a piece lasts at least; the first one does."""


class Watcher:
    """Tells of the transfers of one simulation as they end; how it is cut changes nothing in it."""

    def __init__(self, told: Told) -> None:
        self._told, self._streams = told, NO_STREAMS
        self._open = np.zeros(0, np.int64)  # those not told of, by number
        self._until, self._piece = 0, _LEAST

    def follow(self, streams: Streams) -> None:
        """Tell of these, too, which are the next by number."""
        first = len(self._streams)
        self._streams = self._streams.then(streams)
        self._open = np.concatenate([self._open, np.arange(first, first + len(streams))])

    def run(self, live: PacketState, stop: bool) -> bool:
        """Go on for as long as transfers are under way; whether a lane has ended, with ``stop``."""
        while self._until < LAST_TIME - self._piece and live.in_use().any():
            began = time.perf_counter()
            self._until += self._piece
            ended = live.run(self._until, stop=stop)
            took = time.perf_counter() - began
            if stop and len(ended):
                self._until -= self._piece  # time has not come so far
                return True
            self._piece = max(_LEAST, self._piece * 2 if took < _LOOK else self._piece // 2)
            self.tell(live)
        return False

    def tell(self, live: PacketState) -> None:
        """Tell of those that have ended since the last time."""
        finish = live.state.finish[self._open]
        over = finish > 0
        which, self._open = self._open[over], self._open[~over]
        if len(which):
            streams, start = self._streams, live.state.start[which] / PICOSECONDS
            self._told(EndedTransfers(
                streams.src[which], streams.dst[which], streams.size[which], streams.step[which],
                start, finish[over] / PICOSECONDS,
            ))  # fmt: skip
