"""How a process finds its world from what its launcher left in the environment.

``triplane run`` and `fabric.launch` leave ``TRIPLANE_CONTROL``. torchrun leaves ``RANK``,
``WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT``, and MPI its own: then rank 0 starts the
authority, as a process of its own (`fabric.launching.authority`).
"""

import atexit
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fabric.failure import TimedOut, TransportError, WorldError, in_words
from fabric.host.forked import only_here
from fabric.host.liveness import die_with
from fabric.launching.agreement import compare, description
from fabric.launching.member import Member
from fabric.launching.seat import Seat
from fabric.transports.base import connector
from fabric.world.rank_control import RankControl
from fabric.world.wire import LEFT_ALREADY
from fabric.world.zmq_client import ProcessLine

if TYPE_CHECKING:
    from fabric.fabric import Fabric

JOIN_PATIENCE = 600.0
"""Seconds that ranks wait for each other where nobody of ours has launched them, and nodes do."""


NEXT_WORLD_LOOK = 0.1
"""Seconds between two looks whether there is a next world."""


def join(given: Mapping[str, str]) -> Member:
    """Join the world that the environment ``given`` names, as one of its ranks.

    The rank leaves when the process ends, well or not. Raises `WorldError`.
    """
    if "TRIPLANE_CONTROL" in given:
        found = take_seat(Seat.from_environment(given))
    else:
        found = _take_given_seat(given)
    _leave_at_exit(found)
    return found


def _take_given_seat(given: Mapping[str, str]) -> Member:
    """Take the seat that a launcher of others has left in the environment.

    Where a process before this one has been that rank, and the others are not through with that
    world yet, it waits for them to begin the next.
    """
    from fabric.launching.foreign import by_program, seat_of

    due = time.monotonic() + JOIN_PATIENCE
    while True:
        seat = seat_of(given)
        mine = description(given, seat.local_rank, programs=by_program(given))
        try:
            return take_seat(seat, patience=JOIN_PATIENCE, described=mine)
        except TransportError as error:
            if LEFT_ALREADY not in str(error) or time.monotonic() > due:
                raise
        time.sleep(NEXT_WORLD_LOOK)


def take_seat(
    seat: Seat, make: "Callable[[], Fabric] | None" = None, patience: float | None = None,
    described: Mapping[str, Any] | None = None,
) -> Member:  # fmt: skip
    """Join the world as the rank that ``seat`` names.

    ``make``: what makes the machine, if the settings do not describe it. ``patience``: seconds
    after which it raises `TimedOut` if not all ranks have joined; None: no limit, as the launcher
    sees whether they come. ``described``: this rank's description, which all ranks first compare to
    see that they are of one job (`fabric.launching.agreement`); raises `WorldError` if they are
    not.
    """
    if seat.launcher:
        die_with(seat.launcher, seat.born)
    line = ProcessLine(seat.control, seat.rank, seat.size, token=seat.token, keys=seat.keys)
    control = RankControl(line)
    try:
        with _ended_after(patience, line):
            if described is not None:
                compare(control.exchange(described), line.settings)
            transport = connector(seat.transport)(seat.rank, seat.size, control.exchange)
            line.count_frames(transport)
    except BaseException as error:  # the others wait for this rank, which will never join
        control.fail(error)
        control.leave()
        raise
    settings = line.settings
    made = functools.cache(make or settings.fabric)
    return Member(seat.rank, seat.size, seat.local_rank, control, transport, settings, made)


@contextmanager
def _ended_after(patience: float | None, line: ProcessLine) -> Iterator[None]:
    """What this rank waits for here ends with `TimedOut` after so many seconds; None: never."""
    late = f"rank {line.rank}: not all of {line.size} ranks have come within {patience} s"
    watch = threading.Timer(patience or 0.0, line.inbox.stop, [TimedOut(late)])
    try:
        if patience is not None:
            watch.start()
        yield
    finally:
        watch.cancel()


def _leave_at_exit(found: Member) -> None:
    """A program that ends with an exception has failed; one that ends otherwise has left."""
    hook = sys.excepthook

    def failed(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        try:
            if isinstance(error, WorldError) and error.rank not in (None, found.rank):
                # Another rank's fault: where this one was then is of no use to anybody.
                sys.stderr.write(f"rank {found.rank}: {in_words(error)}\n")
            else:
                hook(kind, error, trace)
        finally:  # the program's own hook may fail, and so may standard error
            found.close(error)  # in a forked child it does nothing

    def left() -> None:
        try:
            found.close()
        except WorldError as error:
            sys.stderr.write(f"rank {found.rank}: {in_words(error)}\n")

    sys.excepthook = failed
    atexit.register(only_here(left))
