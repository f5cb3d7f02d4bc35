"""Calls of ranks that are some of many: the rows by which the whole is timed.

N ranks in N/n blocks make each call of all n ranks together, and each of them brings as much as
these do. A rank brings to the authority the rows of all that it stands for, which are those of its
own place in every block; see `fabric.clock.part_of`.
"""

import threading
from functools import lru_cache

import numpy as np

from collectives.algorithms.table import schedule
from fabric.schedule.plan import TimedRows, rows_of_some

KEPT = 64
"""Schedules whose rows are kept."""

DIVIDED = ("reduce_scatter", "scatter", "all_to_all")
"""Where what `schedule` calls size is one block of what a rank brings, or has at the root."""


def whole_size(op: str, size: int, itemsize: int, copies: int) -> int:
    """What `schedule` calls size, where ``copies`` times as many ranks bring as much each.

    A block of `DIVIDED` becomes so much smaller, rounded up to whole items. All in bytes.
    """
    if op not in DIVIDED:
        return size
    return -(-size // itemsize // copies) * itemsize


def whole_rows(
    op: str, ranks: int, size: int, algorithm: str, root: int, itemsize: int, ranks_per_node: int,
    copies: int, rank: int,
) -> TimedRows:  # fmt: skip
    """The rows of a collective that ``rank`` of ``ranks`` and those that it stands for have.

    ``size``: as `whole_size` says; the rest as in `schedule`. Computed once in this process.
    """
    with _PLANNING:
        return _whole_rows(op, ranks, size, algorithm, root, itemsize, ranks_per_node, copies, rank)


_PLANNING = threading.Lock()


@lru_cache(KEPT)
def _whole_rows(
    op: str, ranks: int, size: int, algorithm: str, root: int, itemsize: int, ranks_per_node: int,
    copies: int, rank: int,
) -> TimedRows:  # fmt: skip
    whole = ranks * copies
    steps = schedule(
        op, whole, size, algorithm, root=root, itemsize=itemsize, ranks_per_node=ranks_per_node
    )
    return rows_of_some(steps, whole, np.arange(whole) % ranks == rank)
