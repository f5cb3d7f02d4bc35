"""What every rank must hold after a collective, in plain numpy: what all tests compare with.

``inputs[i]`` is the array in rank i's send buffer and entry i of what is returned the array that
must be in its recv buffer; None if its contents do not matter. Knows nothing of schedules.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.schedule.step import ScheduleError

Array = NDArray[Any]

COMBINE: Mapping[str, np.ufunc] = MappingProxyType(
    {"sum": np.add, "prod": np.multiply, "min": np.minimum, "max": np.maximum, "avg": np.add}
)
"""How two items become one; ``avg`` is a sum of `shares` that is `averaged` at the very end."""

BITWISE: Mapping[str, np.ufunc] = MappingProxyType(
    {"band": np.bitwise_and, "bor": np.bitwise_or, "bxor": np.bitwise_xor}
)
"""The same for integers and booleans, bit by bit."""


def combiner(op: str) -> np.ufunc:
    """The function that combines two items under ``op``.

    Raises `ScheduleError` for an unknown one.
    """
    combine = COMBINE.get(op) or BITWISE.get(op)
    if combine is None:
        choices = ", ".join((*COMBINE, *BITWISE))
        raise ScheduleError(f"unknown reduction {op!r}; choose one of {choices}")
    return combine


def shares(items: Array, ranks: int) -> Array:
    """A rank's items scaled as an average over ``ranks`` ranks adds them up, in their dtype.

    Floats are multiplied by the largest power of two that is not above 1 / ranks, which is exact
    but for the smallest numbers: so a sum never overflows where the average does not, as in NCCL,
    which multiplies by 1 / ranks, rounded to the dtype. Integers stay as they are.
    """
    if np.issubdtype(items.dtype, np.integer):
        return items
    with np.errstate(all="ignore"):
        parts = _wide(items) * (1 / power(ranks))
        return np.asarray(parts.astype(real_part(items.dtype))).view(items.dtype)


def averaged(total: Array, ranks: int) -> Array:
    """The average of which ``total`` is the sum of `shares`, in its dtype.

    Integers are divided by the number of ranks and cut towards 0, as in NCCL: a sum that has
    wrapped around (int8 100 + 100 is -56) gives a wrong average (-28). The average of finite floats
    is finite; but float8 is so coarse that a sum of its largest numbers may be rounded beyond them.
    """
    if np.issubdtype(total.dtype, np.integer):
        number = np.min_scalar_type(ranks).type(ranks)
        return np.asarray((total - np.fmod(total, number)) // number, total.dtype)
    sums = _wide(total)
    with np.errstate(all="ignore"):
        # From 1/2 to 1: every type that is computed in has this number, so one rounding is all.
        means = sums / sums.dtype.type(ranks / power(ranks))
        most = _largest(real_part(total.dtype))
        np.clip(means, -most, most, out=means, where=np.isfinite(sums))
        return np.asarray(means.astype(real_part(total.dtype))).view(total.dtype)


def power(ranks: int) -> int:
    """The smallest power of two that is not below ``ranks``."""
    return 1 << (ranks - 1).bit_length()


def real_part(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """``dtype`` itself; for a complex type that of its real and imaginary part."""
    return np.zeros(0, dtype).real.dtype if dtype.kind == "c" else dtype


def _wide(items: Array) -> Array:
    """Floats, both parts of a complex one each, in a type that holds every number of ranks."""
    parts = np.ascontiguousarray(items).view(real_part(items.dtype))
    return parts if parts.itemsize >= 4 else parts.astype(np.float32)


def _largest(dtype: np.dtype[Any]) -> Any:
    if dtype.isbuiltin == 1:  # else it is of ml_dtypes
        return np.finfo(dtype.type).max
    import ml_dtypes

    return float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]


def combined(inputs: Sequence[Array], op: str) -> Array:
    """The items of all inputs combined, in the order of ranks and in their own dtype.

    Raises `ScheduleError` for an unknown ``op``.
    """
    if op == "avg":
        inputs = [shares(array, len(inputs)) for array in inputs]
    total = inputs[0].copy()
    for array in inputs[1:]:
        total = combiner(op)(total, array)
    return averaged(total, len(inputs)) if op == "avg" else total


def all_reduce(inputs: Sequence[Array], op: str = "sum") -> list[Array]:
    """The result at every rank: the combination of all inputs."""
    return [combined(inputs, op)] * len(inputs)


def reduce(inputs: Sequence[Array], root: int = 0, op: str = "sum") -> list[Array | None]:
    """The result at the root: the combination of all inputs; None at the others."""
    return [combined(inputs, op) if rank == root else None for rank in range(len(inputs))]


def reduce_scatter(inputs: Sequence[Array], op: str = "sum") -> list[Array]:
    """The result at rank i: block i of the combination."""
    return np.split(combined(inputs, op), len(inputs))


def all_gather(inputs: Sequence[Array]) -> list[Array]:
    """The result at every rank: all inputs in the order of ranks."""
    return [np.concatenate(inputs)] * len(inputs)


def gather(inputs: Sequence[Array], root: int = 0) -> list[Array | None]:
    """The result at the root: all inputs in the order of ranks; None at the others."""
    return [np.concatenate(inputs) if rank == root else None for rank in range(len(inputs))]


def broadcast(inputs: Sequence[Array], root: int = 0) -> list[Array]:
    """The result at every rank: the root's input."""
    return [inputs[root]] * len(inputs)


def scatter(inputs: Sequence[Array], root: int = 0) -> list[Array]:
    """The result at rank i: block i of the root's input."""
    return np.split(inputs[root], len(inputs))


def all_to_all(inputs: Sequence[Array]) -> list[Array]:
    """The result at rank i: block i of every input, in the order of ranks."""
    blocks = [np.split(array, len(inputs)) for array in inputs]
    return [np.concatenate(column) for column in zip(*blocks, strict=True)]


def all_to_all_v(inputs: Sequence[Array], counts: NDArray[np.int64]) -> list[Array]:
    """The results of an all-to-all whose block from rank i to rank j has ``counts[i, j]`` bytes."""
    items = counts // inputs[0].itemsize
    blocks = [np.split(array, row.cumsum()[:-1]) for array, row in zip(inputs, items, strict=True)]
    return [np.concatenate(column) for column in zip(*blocks, strict=True)]


def send_recv(inputs: Sequence[Array]) -> list[Array]:
    """The result at rank i: the input of rank i - 1; at rank 0, that of the last rank."""
    return [inputs[-1], *inputs[:-1]]


def barrier(inputs: Sequence[Array]) -> list[Array | None]:
    """The result at every rank: None, nothing is received."""
    return [None] * len(inputs)
