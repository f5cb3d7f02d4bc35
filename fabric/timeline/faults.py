"""What faults in time did to a simulation: when links changed, and what stood still meanwhile."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.faults.changes import TimedChange
from topology.units import US

_Floats = NDArray[np.float64]


class FaultMark(NamedTuple):
    """From ``at`` (s) on, links carried ``share`` of what they were built for, with this ``cause``.

    ``routed``: the share by which routes were chosen. Without a cause they were repaired.
    """

    at: float
    cause: str
    share: float
    routed: float

    def __str__(self) -> str:
        if not self.cause:
            return "repaired" if self.routed == 1 else "repaired, not yet in use"
        unseen = self.share == 0 and self.routed > 0
        return f"{self.cause}, not yet detected" if unseen else self.cause


def marks_until(changes: Iterable[TimedChange], end: float) -> tuple[FaultMark, ...]:
    """The marks of the ``changes`` until ``end``, in seconds; those that say the same, once."""
    found = (
        FaultMark(one.at, one.what.cause, one.what.share, one.what.known)
        for one in changes if one.at <= end
    )  # fmt: skip
    return tuple(dict.fromkeys(found))


class PacketsOnFaults(NamedTuple):
    """What became of packets that met faults.

    ``lost``: packets that were lost and sent again by their source, of ``lost_bytes``; ``turned``:
    those that waited for a dead link, and that their switch sent another way; ``replayed``: those
    that were on a link when it died, which began with them again.
    """

    lost: int
    lost_bytes: int
    turned: int
    replayed: int

    def __str__(self) -> str:
        """A line such as ``"3 packets lost, 120 turned to other ways, 1 sent again by links"``."""
        return (
            f"{self.lost} packets lost, {self.turned} turned to other ways, {self.replayed} sent"
            " again by links"
        )


@dataclass(frozen=True, eq=False)
class Faulted:
    """What a timeline has where faults in time were in the machine.

    ``marks``: the changes until its end, in order of time. ``stalled``: float64 [rows], seconds
    that each transfer stood still, with a way dead and nobody knowing yet; of an engine with
    packets: that a packet of it waited for a dead link. ``late``: bytes that these had still to go
    when they stood still, all together. ``packets``: what became of packets; None where an engine
    has none.
    """

    marks: tuple[FaultMark, ...]
    stalled: _Floats
    late: float
    packets: PacketsOnFaults | None = None

    @property
    def longest(self) -> float:
        """Seconds that the transfer stood still which did so longest."""
        return float(self.stalled.max(initial=0.0))

    @property
    def stood(self) -> int:
        """How many transfers stood still."""
        return int((self.stalled > 0).sum())

    def __str__(self) -> str:
        """A line such as ``"2 changes of links; 12 transfers stood still, 0.1 us at most"``."""
        stood = self.stood
        still = f"{stood} transfers stood still" if stood else "no transfer stood still"
        most = f", {self.longest / US:.4g} us at most, with {self.late:.4g} bytes to go"
        packets = "" if self.packets is None else f"; {self.packets}"
        return f"{len(self.marks)} changes of links; {still}{most if stood else ''}{packets}"
