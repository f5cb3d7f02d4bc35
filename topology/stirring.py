"""Well-stirred 64-bit numbers: the last steps of SplitMix64 (Steele and others, OOPSLA 2014)."""

import numpy as np
from numpy.typing import NDArray

from topology.compiled import inlined

_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@inlined
def stirred(x: np.uint64) -> np.uint64:
    """Another number for each, of which every bit depends on all of its bits; for kernels."""
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))


def all_stirred(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`stirred` of each of an array."""
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))
