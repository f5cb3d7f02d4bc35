"""`Line`: how a rank reaches the authority of its world; what `RankControl` is built on."""

from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from fabric.world.inbox import Inbox
from fabric.world.messages import FromRank


class Pacing(NamedTuple):
    """How paced time follows the wall clock.

    ``start``: this host's monotonic clock, in seconds, when emulated time is 0. ``scale``: wall
    seconds that an emulated second takes.
    """

    start: float
    scale: float


class Line(Protocol):
    """One rank's connection to the authority; what comes from there is in ``inbox``.

    Messages arrive in the order in which they were sent.
    """

    rank: int
    size: int
    inbox: Inbox

    @property
    def closed(self) -> bool:
        """True if nothing can be sent any more, as after `close` and in a forked child."""

    def pacing(self) -> Pacing | None:
        """How paced time passes; None on virtual time."""

    def send(self, message: FromRank, now: bool = False) -> None:
        """Note ``message`` for the authority; ``now``: send all that was noted at once.

        Raises the `WorldError` that has ended the world, or one that says that the line is closed.
        """

    def again(self) -> bool:
        """Note that the rank begins the call once more that it noted last, and waits for it.

        Its number is the next one. False where it has to be sent: something else was noted since,
        or calls go out one by one here. Raises as `send`.
        """

    def awaited(self) -> AbstractContextManager[None]:
        """A context manager for the time in which a rank waits for the authority.

        Until it ends, what the rank waits for is not held back.
        """

    def post(self, message: FromRank) -> None:
        """Note ``message`` as `send` does, even after the end of the world; never raises."""

    def drain(self, patience: float) -> None:
        """Wait until the authority has all that was noted, at most ``patience`` seconds."""

    def close(self) -> None:
        """Send what was noted, then close. Idempotent."""
