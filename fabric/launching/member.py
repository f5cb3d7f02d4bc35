"""Member: what a rank is in its world, however it was launched; `member` finds it."""

import atexit
import functools
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from fabric.host.forked import only_here
from fabric.launching.early import tell_failures
from fabric.ranks.driver import Driver
from fabric.settings import Settings, machine
from fabric.transports.base import Transport, connector
from fabric.world.control import Control
from topology.background import CHECK

if TYPE_CHECKING:
    from fabric.fabric import Fabric
    from fabric.world.local import SharedLine

Made = TypeVar("Made")


@dataclass(frozen=True)
class Member:
    """One rank: ``rank`` of ``size``, ``local_rank`` among those of its host.

    ``control``: its line to the authority. ``transport``: how its bytes travel. ``make_fabric``:
    the emulated machine, for asking it something: not the one that keeps the time. ``driver``:
    drives what the rank has under way, for all its communicators. ``after``: called when it has
    left. ``spans``: numbers for what `collectives.Communicator.span` names.
    """

    rank: int
    size: int
    local_rank: int
    control: Control
    transport: Transport
    settings: Settings
    make_fabric: "Callable[[], Fabric | None]"
    after: Callable[[], None] | None = None
    driver: Driver = field(init=False, compare=False)
    spans: Iterator[int] = field(init=False, compare=False, default_factory=itertools.count)

    def __post_init__(self) -> None:
        paced = self.settings.paced is not None
        object.__setattr__(self, "driver", Driver(self.transport, self.control, paced=paced))
        CHECK.set(self.driver.check_world)  # of the thread that has joined: the program's own

    @property
    def fabric(self) -> "Fabric | None":
        """The emulated machine, made when first asked for; None where there is none."""
        return self.make_fabric()

    def close(self, error: BaseException | None = None) -> None:
        """Leave the world, well or with an error; let go of everything. Idempotent.

        Ending well, what is under way is seen through first, and all must have come to the calls
        that this rank has made; raises `WorldError` where they cannot. In a process that the rank
        has forked it does nothing: that is no rank.
        """
        if not self.driver.at_home():
            return
        try:
            self.driver.close(error)
            if error is None:
                self.control.settle()
        except BaseException as failed:
            error = failed
            raise
        finally:
            with ExitStack() as last:  # each of them, whatever the others do
                if self.after is not None:
                    last.callback(self.after)
                last.callback(self.transport.close)
                last.callback(self.control.leave)
                if error is not None:
                    last.callback(self.control.fail, error)


CURRENT: ContextVar[Callable[[], Member]] = ContextVar("triplane_member")
"""How a rank that is a thread finds itself."""


def member() -> Member:
    """The rank that the caller is; it joins its world at the first call.

    A thread of `fabric.launch` knows itself; a process finds in its environment what ``triplane
    run``, torchrun or mpiexec left there; else it is the only rank of a world of its own. Raises
    `WorldError` where the others cannot be reached, and in a process that a rank has forked.
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
    """The only rank of a world."""
    from fabric.launching.tracing import opened
    from fabric.world.local import SharedLine

    stack = ExitStack()
    world = stack.enter_context(opened(1, settings, settings.system))
    atexit.register(only_here(stack.close))
    make = once(lambda: machine(settings, settings.system))
    return local(SharedLine(world), 0, settings, make, stack.close)


def once(make: Callable[[], Made]) -> Callable[[], Made]:
    """``make``, called once: whoever else asks meanwhile waits for what it makes."""
    lock, kept = threading.Lock(), functools.cache(make)

    def get() -> Made:
        with lock:
            return kept()

    return get


def local(
    hub: "SharedLine", rank: int, settings: Settings, make: "Callable[[], Fabric | None]",
    after: Callable[[], None] | None = None,
) -> Member:  # fmt: skip
    """A rank that is a thread."""
    control = hub.controls[rank]
    transport = connector("inproc")(rank, hub.world.size, control.exchange)
    return Member(rank, hub.world.size, rank, control, transport, settings, make, after)
