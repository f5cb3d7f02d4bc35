"""What only an engine of packets can say of a simulation: how they waited, and in what order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_Longs = NDArray[np.int64]

PERCENTILES = (50.0, 99.0, 99.9)
"""Of a class's packets: within which time so many percent of them are through."""


@dataclass(frozen=True, eq=False)
class RoceStatistics:
    """What planes of RoCE did to the packets of a simulation, by traffic class and by link.

    - ``dropped``: int64 [classes], packets that found no room in a switch; ``resent``, that were
      sent again; ``doubled``, that their receiver did not take, as it had them or takes them in
      order only; ``marked``, by a switch (ECN); ``warned``, warnings (CNP) of receivers.
    - ``pauses``: int64 [classes], how often a link was stopped (PFC); ``paused``: float64, for how
      long, seconds of all links together.
    - ``link``: int64, the links of the topology that were stopped, or at whose ends packets were
      dropped; ``link_paused``: float64 [those], seconds; ``link_dropped``: int64.
    """

    dropped: _Longs
    resent: _Longs
    doubled: _Longs
    marked: _Longs
    warned: _Longs
    pauses: _Longs
    paused: _Floats
    link: _Longs
    link_paused: _Floats
    link_dropped: _Longs


@dataclass(frozen=True, eq=False)
class PacketCourse:
    """What became of packets in time: arrays [classes, windows], in stretches of equal length.

    - ``packets``: int64, how many arrived; ``longest``: float64, the longest that one of these
      took, seconds, NaN where none did; ``overtaken``: int64, of these, behind a later one of their
      transfer; ``farthest``: int64, by how many places at most.
    - ``waited``: float64, seconds that those that a link began with had waited for it, mean; NaN
      where there were none.
    - On planes of RoCE, as in `RoceStatistics`: ``dropped``, ``resent``, ``marked``, ``pauses``:
      int64; ``paused``: float64, seconds of all links together.
    """

    packets: _Longs
    waited: _Floats
    longest: _Floats
    overtaken: _Longs
    farthest: _Longs
    dropped: _Longs
    resent: _Longs
    marked: _Longs
    pauses: _Longs
    paused: _Floats


@dataclass(frozen=True, eq=False)
class PacketStatistics:
    """How the packets of a simulation fared, by traffic class and by link.

    - ``classes``: the name of each class; one without a name where the machine has none.
    - ``packets``: int64 [classes], how many arrived.
    - ``waited``: float64 [classes], seconds that a packet waits for all its links together, mean.
    - ``latency``: float64 [classes, `PERCENTILES`], seconds from when a packet is ready for its
      first link until it has arrived; ``longest``: float64 [classes], of any packet.
    - ``overtaken``: int64 [classes], packets that arrived after a later one of their transfer;
      ``behind``: float64, by how many places on average; ``farthest``: int64, at most.
    - ``link``: int64, the links of the topology for which anything waited; ``queue``: int64 [those,
      windows], the most bytes that waited there in each ``window`` seconds.
    - ``course``: what became of packets in each of these stretches of time.
    - ``roce``: what planes of RoCE did, None where there are none. A packet that was sent again
      counts from then on.

    Times of a class without packets are NaN.
    """

    classes: tuple[str, ...]
    packets: _Longs
    waited: _Floats
    latency: _Floats
    longest: _Floats
    overtaken: _Longs
    behind: _Floats
    farthest: _Longs
    window: float
    link: _Longs
    queue: _Longs
    course: PacketCourse
    roce: RoceStatistics | None = None

    @property
    def deepest(self) -> tuple[int, int] | None:
        """The link for which most bytes waited at a time, and how many; None if nothing waited."""
        if not len(self.link):
            return None
        most = self.queue.max(axis=1)
        k = int(most.argmax())
        return int(self.link[k]), int(most[k])
