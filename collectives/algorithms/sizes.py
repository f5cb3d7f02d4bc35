"""What the size of a collective means: the bytes of a rank's buffers."""

from typing import Any

from fabric.schedule.step import ScheduleError
from topology.arguments import shown, whole

COLLECTIVES = (
    "all_reduce", "all_gather", "reduce_scatter", "all_to_all", "all_to_all_v", "broadcast",
    "reduce", "gather", "scatter", "send_recv", "barrier",
)  # fmt: skip
"""The names of all collectives, in the order in which errors list them."""


def check_collective(op: object) -> None:
    """Raise `ScheduleError` for the name of no collective."""
    if not isinstance(op, str) or op not in COLLECTIVES:
        choices = ", ".join(COLLECTIVES)
        raise ScheduleError(f"unknown collective {shown(op)}; choose one of {choices}")


def buffers(op: str, ranks: int, size: int) -> tuple[int, int]:
    """The sizes in bytes of a rank's send and recv buffer for a collective of ``size`` bytes.

    ``size``: a rank's whole buffer for all_reduce, reduce, broadcast and send_recv; what a rank
    contributes for all_gather and gather; what it receives for reduce_scatter and scatter; one
    block for the all-to-alls (here all blocks of all_to_all_v are alike). Raises `ScheduleError`
    for an unknown collective, and for numbers that are not allowed.
    """
    check_collective(op)
    ranks, size = counts_of(ranks, size)
    if op == "barrier":
        return 0, 0
    sends_all = op in ("reduce_scatter", "scatter", "all_to_all", "all_to_all_v")
    recvs_all = op in ("all_gather", "gather", "all_to_all", "all_to_all_v")
    return size * (ranks if sends_all else 1), size * (ranks if recvs_all else 1)


def counts_of(ranks: Any, size: Any) -> tuple[int, int]:
    """Ranks and bytes as integers; raises `ScheduleError` for others, and for too few."""
    count, room = whole(ranks), whole(size)
    if room is None and isinstance(size, float) and size.is_integer():
        room = int(size)  # 64e6, say
    for name, given, found in (("ranks", ranks, count), ("size", size, room)):
        if found is None:
            raise ScheduleError(f"{name} is {shown(given)}; it has to be an integer")
    if count is None or count < 1:
        raise ScheduleError(f"{count} ranks; there must be 1 or more")
    if room is None or room < 0:
        raise ScheduleError(f"size is {room} bytes, below 0")
    return count, room
