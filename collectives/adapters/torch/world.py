"""The ranks under a default process group, from joining to the end of the process."""

import logging
import sys
from collections.abc import Callable
from multiprocessing import util
from typing import Any

from collectives.adapters.torch.completion import Completion
from collectives.calls.communicator import Communicator
from collectives.calls.start import everybody
from fabric.failure import WorldError
from fabric.launching.member import Member

_LOG = logging.getLogger("triplane")


class TorchWorld:
    """A process as a rank ``member`` of a world; ``everybody`` is the communicator of all ranks.

    ``generation``: how often the world has shrunk. ``lasting``: True if the process stays a rank
    until it ends, and `close` does nothing. Else it leaves the world with `close`, or when the
    process ends; then with the exception that ended it, if there was one.
    """

    def __init__(self, member: Member, *, lasting: bool = False) -> None:
        if member.settings.spares:
            raise WorldError(
                f"spares is {member.settings.spares}: process groups of torch take in no spares"
            )
        self.member, self.everybody, self.completion = member, everybody(member), Completion()
        self.generation, self._lasting, self._closed = 0, lasting, False
        self._hook: Callable[..., Any] = sys.excepthook
        if not lasting:
            sys.excepthook = self._failed
            # Also at the end of a process of multiprocessing, which atexit does not see.
            self._finalizer = util.Finalize(None, self.close, exitpriority=0)

    def replace(self, everybody: Communicator) -> None:
        """Go on with the ranks of ``everybody``: groups made before are of the past."""
        self.everybody, self.generation = everybody, self.generation + 1

    def close(self, error: BaseException | None = None) -> None:
        """Complete the calls in progress, and leave the world. Idempotent.

        With an error, the other ranks get it. Errors during the close are logged, not raised, as
        torch would keep its state otherwise. In a process that the rank has forked it does nothing.
        """
        if self._closed or not self.member.driver.at_home():
            return
        self._closed = True
        broken = error or self.member.driver.error
        try:
            if not self._lasting:
                self._forget()
                self.member.close(broken)
        except WorldError as ended:
            kind = type(ended).__name__
            _LOG.warning("rank %d leaves its world: %s: %s", self.member.rank, kind, ended)
        finally:
            self.completion.close()

    def _forget(self) -> None:
        self._finalizer.cancel()
        if sys.excepthook == self._failed:
            sys.excepthook = self._hook

    def _failed(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        try:
            self._hook(kind, error, trace)
        finally:  # the program's own hook may fail
            self.close(error)


def communicator_of(world: TorchWorld, ranks: list[int]) -> Communicator:
    """A communicator of these ranks of a world.

    Raises `ValueError` if the caller is not among them.
    """
    found = world.everybody.group(ranks)
    if found is None:
        raise ValueError(f"rank {world.everybody.rank} is none of the group's, {ranks}")
    return found
