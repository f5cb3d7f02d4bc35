"""The collectives as nccl-tests measures them: names, the meaning of a size, bus bandwidth."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """A collective as nccl-tests measures it.

    ``program``: the name of nccl-tests' binary. ``shared``: True if the size S is shared out over
    the ranks and a row's count is a rank's part. ``factor``: busbw over algbw by the number of
    ranks. ``reduces``: True if it has a reduction; ``rooted``: True if it has a root.
    """

    program: str
    shared: bool
    factor: Callable[[int], float]
    reduces: bool = False
    rooted: bool = False


def _part(ranks: int) -> float:
    return (ranks - 1) / ranks


def _twice(ranks: int) -> float:
    return 2 * (ranks - 1) / ranks


def _whole(_ranks: int) -> float:
    return 1.0


OPERATIONS = {
    "all_reduce": Operation("all_reduce_perf", False, _twice, reduces=True),
    "all_gather": Operation("all_gather_perf", True, _part),
    "reduce_scatter": Operation("reduce_scatter_perf", True, _part, reduces=True),
    "broadcast": Operation("broadcast_perf", False, _whole, rooted=True),
    "reduce": Operation("reduce_perf", False, _whole, reduces=True, rooted=True),
    "gather": Operation("gather_perf", True, _part, rooted=True),
    "scatter": Operation("scatter_perf", True, _part, rooted=True),
    "all_to_all": Operation("alltoall_perf", True, _part),
    "all_to_all_v": Operation("alltoallv_perf", True, _part),
    "send_recv": Operation("sendrecv_perf", False, _whole, reduces=True),
    "barrier": Operation("barrier_perf", False, _whole),
}
"""By our name. ``reduces`` of send_recv is as in nccl-tests, which repeat it for every ``-o``."""
