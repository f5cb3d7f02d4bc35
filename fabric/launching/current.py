"""The rank that the caller is, which joins its world at the first call."""

import atexit
import functools
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar

from fabric.host.forked import only_here
from fabric.launching.early import tell_failures
from fabric.launching.member import Member, local, once
from fabric.settings import Settings

CURRENT: ContextVar[Callable[[], Member]] = ContextVar("triplane_member")
"""How a rank that is a thread finds itself."""


def member() -> Member:
    """The rank that the caller is; joins its world at the first call.

    A thread of `fabric.launch` is known; a process finds in its environment what ``triplane run``,
    torchrun or mpiexec left there; otherwise it is the only rank of a world of its own. Raises
    `WorldError` if the others cannot be reached, and in a process that a rank has forked.
    """
    found = CURRENT.get(_of_process)()
    found.driver.check_owner()
    return found


@functools.cache
def _of_process() -> Member:
    given = os.environ
    if "TRIPLANE_CONTROL" in given or {"RANK", "WORLD_SIZE"} <= given.keys() or _under_mpi(given):
        from fabric.launching.joining import join

        return join(given)
    return alone(Settings.from_environment(given))


tell_failures(os.environ, lambda: bool(_of_process.cache_info().currsize))


def _under_mpi(given: Mapping[str, str]) -> bool:
    return "PMI_RANK" in given or "OMPI_COMM_WORLD_RANK" in given


def alone(settings: Settings) -> Member:
    """A member that is the only rank of a world of its own."""
    from fabric.launching.tracing import opened
    from fabric.world.local import SharedLine

    stack = ExitStack()
    world = stack.enter_context(opened(1, settings))
    atexit.register(only_here(stack.close))
    make = once(settings.fabric)
    return local(SharedLine(world), 0, settings, make, stack.close)
