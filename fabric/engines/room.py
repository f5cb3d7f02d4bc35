"""Memory for the columns of engines, which kernels read here and there: aligned to lines."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.prefetch import LINE


def aligned_zeros(n: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """A column of ``n`` zeros that begins with a `LINE`."""
    return _aligned(np.zeros(n * kind.itemsize + LINE, np.uint8), n, kind)


def longer(column: NDArray[Any], n: int, fill: int = 0) -> NDArray[Any]:
    """A copy of ``column`` with ``n`` rows, the new ones ``fill``; itself where it has as many."""
    if len(column) >= n:
        return column
    made = aligned_zeros(n, column.dtype)
    made[: len(column)] = column
    if fill:
        made[len(column) :] = fill
    return made


def roomier(column: NDArray[Any], n: int, used: int) -> NDArray[Any]:
    """A copy of ``column`` with ``n`` rows, of which the first ``used`` say something."""
    if len(column) >= n:
        return column
    kind = column.dtype
    made = _aligned(np.empty(n * kind.itemsize + LINE, np.uint8), n, kind)
    made[:used] = column[:used]
    return made


def _aligned(room: NDArray[np.uint8], n: int, kind: np.dtype[Any]) -> NDArray[Any]:
    return room[-room.ctypes.data % LINE :][: n * kind.itemsize].view(kind)
