"""A heap of levels, as two columns: the lowest first. What kernels sort and wait with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.compiled import inlined, inner_with_arrays

_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]


@inner_with_arrays
def sort_by(keys: _Floats, values: NDArray[np.signedinteger[Any]], most: int) -> None:
    """Sort ``values`` by ascending ``keys``, in place, as far as the first ``most`` entries.

    The entries after these are undefined. Compiles far faster than numpy's sorts.
    """
    heap_key, heap_value = np.empty(len(keys)), np.empty_like(values)
    top = 0
    for k in range(len(keys)):
        top = push(heap_key, heap_value, top, keys[k], values[k])
    for k in range(min(most, len(keys))):
        values[k] = heap_value[0]
        top = pop(heap_key, heap_value, top)


@inlined
def push(levels: _Floats, resources: _Ints, top: int, level: float, r: int) -> int:
    """Add ``r`` at ``level`` to a heap of ``top`` entries; returns how many it has now."""
    k = top
    while k > 0:
        parent = (k - 1) >> 1
        if levels[parent] <= level:
            break
        levels[k] = levels[parent]
        resources[k] = resources[parent]
        k = parent
    levels[k] = level
    resources[k] = r
    return top + 1


@inlined
def pop(levels: _Floats, resources: _Ints, top: int) -> int:
    """Drop the first of ``top`` entries, the lowest level; returns how many are left."""
    top -= 1
    level, r = levels[top], resources[top]
    k = 0
    while True:
        child = 2 * k + 1
        if child >= top:
            break
        if child + 1 < top and levels[child + 1] < levels[child]:
            child += 1
        if levels[child] >= level:
            break
        levels[k] = levels[child]
        resources[k] = resources[child]
        k = child
    levels[k] = level
    resources[k] = r
    return top
