"""What ranks do to see when each of several calls ends."""

import numpy as np

from collectives import init


def all_reduces(items: int) -> list[float]:
    """Nine all-reduces of ``items`` float32 by a ring, one after the other: when each has ended."""
    comm = init()
    buffer, times = np.ones(items, np.float32), []
    for _ in range(9):
        comm.all_reduce(buffer, algorithm="ring")
        times.append(comm.now())
    return times
