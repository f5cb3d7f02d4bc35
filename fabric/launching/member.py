"""Member: what a rank is in its world, however it was launched; `current.member` finds it."""

import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from fabric.ranks.driver import Driver
from fabric.settings import Settings
from fabric.transports.base import Transport, connector
from fabric.world.rank_control import RankControl
from topology.background import CHECK

if TYPE_CHECKING:
    from fabric.fabric import Fabric
    from fabric.world.local import SharedLine

Made = TypeVar("Made")


@dataclass(frozen=True)
class Member:
    """One rank: ``rank`` of ``size``, ``local_rank`` among those of its host.

    ``control``: its connection to the authority. ``transport``: moves its bytes. ``make_fabric``:
    makes the emulated machine, to ask it something: not the one that keeps the time. ``driver``:
    completes the rank's calls, for all its communicators. ``after``: called when it has left.
    ``spans``: numbers for `collectives.Communicator.span`.
    """

    rank: int
    size: int
    local_rank: int
    control: RankControl
    transport: Transport
    settings: Settings
    make_fabric: "Callable[[], Fabric | None]"
    after: Callable[[], None] | None = None
    driver: Driver = field(init=False, compare=False)
    spans: Iterator[int] = field(init=False, compare=False, default_factory=itertools.count)

    def __post_init__(self) -> None:
        driver = Driver(self.transport, self.control, self.settings.survives)
        object.__setattr__(self, "driver", driver)
        self.control.records = self.settings.record is not None
        CHECK.set(self.driver.check_world)  # of the thread that has joined: the program's own

    @property
    def fabric(self) -> "Fabric | None":
        """The emulated machine, made at first use; None if there is none."""
        return self.make_fabric()

    def close(self, error: BaseException | None = None) -> None:
        """Leave the world, with or without an error, and release everything. Idempotent.

        Without an error, calls in progress are completed first, and all ranks must have made the
        calls that this rank has made; raises `WorldError` if they cannot. In a process that the
        rank has forked it does nothing: that is not a rank.
        """
        if not self.driver.at_home():
            return
        try:
            self.driver.close(error)
            if error is None:
                self.control.settle()
                self.driver.see_off()
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


def once(make: Callable[[], Made]) -> Callable[[], Made]:
    """``make`` wrapped to be called only once; other callers wait for its result meanwhile."""
    lock, kept = threading.Lock(), functools.cache(make)

    def get() -> Made:
        with lock:
            return kept()

    return get


def local(
    hub: "SharedLine", rank: int, settings: Settings, make: "Callable[[], Fabric | None]",
    after: Callable[[], None] | None = None, transport: str = "inproc",
) -> Member:  # fmt: skip
    """A member that is a thread of this process, with rank ``rank`` of the hub's world."""
    control = hub.controls[rank]
    moves = connector(transport)(rank, hub.world.size, control.exchange)
    return Member(rank, hub.world.size, rank, control, moves, settings, make, after)
