"""Reports to other ranks why a program failed before it called `collectives.init`.

It has no connection to the authority yet, and the launcher would only see its exit code.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fabric.failure import WorldError
from fabric.host.forked import here

if TYPE_CHECKING:
    from fabric.launching.seat import Seat

CONNECT_PATIENCE = 5.0
"""Seconds that a program which has failed looks for the authority."""


def tell_failures(given: Mapping[str, str], joined: Callable[[], bool]) -> None:
    """Report to other ranks an exception that ends this program before ``joined()``.

    Only in a process that ``triplane run`` has started itself: what its ranks start in turn has the
    same environment, and is not a rank.
    """
    launcher = given.get("TRIPLANE_LAUNCHER", "").partition(" ")[0]
    if "TRIPLANE_CONTROL" not in given or launcher != str(os.getppid()):
        return
    hook, at_home = sys.excepthook, here()

    def failed(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        try:
            hook(kind, error, trace)
        finally:
            if at_home() and not joined():
                seat = _seat(given)
                if seat is not None:
                    report_failure(seat, error)

    sys.excepthook = failed


def report_failure(seat: "Seat", error: BaseException) -> None:
    """Report to the other ranks, as the rank of ``seat``, which has not joined, that it failed."""
    from fabric.world.rank_control import RankControl
    from fabric.world.zmq_client import ProcessLine

    try:
        line = ProcessLine(
            seat.control, seat.rank, seat.size, token=seat.token, keys=seat.keys,
            patience=CONNECT_PATIENCE,
        )  # fmt: skip
    except WorldError:  # the rank was there, and has said what there is to say; or nobody listens
        return
    control = RankControl(line)
    control.fail(error)
    control.leave()


def _seat(given: Mapping[str, str]) -> "Seat | None":
    """The seat that the environment names; None if what it says is wrong."""
    from fabric.launching.seat import Seat

    try:
        return Seat.from_environment(given)
    except WorldError:
        return None
