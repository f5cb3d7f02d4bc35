"""`compiled`: numba's just-in-time compiler with types that mypy can see."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(kernel: Kernel) -> Kernel:
    """``kernel`` compiled to machine code on its first call, and kept on disk for the next run."""
    return cast(Kernel, numba.njit(cache=True, error_model="numpy", fastmath=False)(kernel))


def inlined(kernel: Kernel) -> Kernel:
    """As `compiled`, for what is called once a row: it becomes part of its callers.

    A call that passes a tuple of many arrays costs more than such a kernel itself.
    """
    return cast(Kernel, numba.njit(cache=True, error_model="numpy", forceinline=True)(kernel))
