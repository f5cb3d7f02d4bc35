"""What can go wrong between running ranks: every survivor gets one of these, never a hang.

Each names who, in which call, and why; `str()` is one line that a user can act on.
"""

from topology.errors import TriplaneError


class WorldError(TriplaneError):
    """The ranks of a world can no longer work together.

    ``rank``: whose fault it is, None where it is nobody's or several ranks'.
    """

    def __init__(self, message: str, rank: int | None = None) -> None:
        super().__init__(message)
        self.rank = rank


class RankLost(WorldError):
    """A rank has died, was stopped, cannot be reached, or has left without making its part."""


class RankFailed(WorldError):
    """A rank's program raised."""


class CallMismatch(WorldError):
    """Ranks made calls that do not fit together: operation, size, type, root or reduction."""


class Deadlock(WorldError):
    """Every rank waits for another; the message says who waits for whom, and in which call."""


class TimedOut(WorldError):
    """A wait took longer than its caller allows."""


class TransportError(WorldError):
    """Bytes cannot be moved: no room in shared memory, an address in use, a key refused."""


KINDS = {
    kind.__name__: kind
    for kind in (
        WorldError, RankLost, RankFailed, CallMismatch, Deadlock, TimedOut, TransportError
    )
}  # fmt: skip
"""By name, for errors that travel between processes."""
