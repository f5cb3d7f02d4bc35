"""Line: how a rank reaches the authority of its world; what `RankControl` is built on."""

from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from fabric.world.inbox import Inbox
from fabric.world.messages import FromRank


class Pacing(NamedTuple):
    """How the wall clock shows paced time.

    ``start``: this host's monotonic clock, in seconds, when emulated time is 0. ``scale``: wall
    seconds that an emulated second takes.
    """

    start: float
    scale: float


class Line(Protocol):
    """One rank's way to the authority; what comes from there is in ``inbox``.

    Messages arrive in the order in which they were sent.
    """

    rank: int
    size: int
    inbox: Inbox

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more, as after `close` and in a forked child."""

    def pacing(self) -> Pacing | None:
        """How paced time passes; None on virtual time."""

    def send(self, message: FromRank, now: bool = False) -> None:
        """Note the message for the authority; ``now``: let it have all that was noted.

        Raises the `WorldError` that has ended the world, or that the line is closed.
        """

    def awaited(self) -> AbstractContextManager[None]:
        """While a rank waits for the authority: what it waits for must not be held back."""

    def post(self, message: FromRank) -> None:
        """As `send`, though the world may have ended; never raises."""

    def drain(self, patience: float) -> None:
        """Wait until the authority has all that was noted, or for so many seconds."""

    def close(self) -> None:
        """Let go, once what was noted is sent. Idempotent."""
