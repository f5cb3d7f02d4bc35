"""The rows of a schedule that involve a rank, to compare with those that it makes itself."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fabric.schedule.counts import RankCounts
from fabric.schedule.step import Step

Longs = NDArray[np.int64]
Rows = tuple[str, bool, str, str, list[list[int]]]
"""What a step is called, whether it reduces, its buffers, and its rows."""


def known_to(rank: int, counts: Longs) -> RankCounts:
    """What a rank knows of the counts of all pairs: its row and its column."""
    return RankCounts(rank, counts[rank], counts[:, rank])


def rows_of(rank: int, steps: Iterable[Step]) -> list[Rows]:
    """The rank's rows by step, in order; places in another rank's buffer are 0, as it knows none.

    Steps without such rows are left out.
    """
    found = []
    for step in steps:
        own = (step.src == rank) | (step.dst == rank)
        src, dst, size = step.src[own], step.dst[own], step.size[own]
        messages = np.ones_like(size) if step.messages is None else step.messages[own]
        places = (step.src_at[own] * (src == rank), step.dst_at[own] * (dst == rank))
        rows = np.stack([src, dst, size, messages, *places]).T.tolist()
        if rows:
            found.append((step.label, step.reduces, step.reads, step.writes, rows))
    return found
