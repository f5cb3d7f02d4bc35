"""Reductions: how items are combined, of which types, and what makes a sum an average."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.spec import averaged, combiner, power, real_part, shares
from collectives.calls.buffers import UserBuffer
from collectives.calls.dtypes import NUMBERS, name_of
from fabric.transports.base import Bytes
from topology.errors import ArgumentError

PIECE = 1 << 15
"""Items that are averaged at a time, so that what is computed stays in the cache."""


@lru_cache(maxsize=256)
def reduction(op: str, dtype: np.dtype[Any]) -> np.ufunc:
    """The function that combines two items of ``dtype`` under ``op``, rounded to the dtype.

    Integers wrap around; of booleans the sum is "or" and the product "and", as in numpy and torch;
    the minimum and maximum of anything and NaN is NaN. Raises `ScheduleError` for an unknown
    ``op``, `ArgumentError` for a type that it means nothing for: none of `NUMBERS`, no order of
    complex numbers, no average of booleans, no bits of floats.
    """
    combine, name = combiner(op), name_of(dtype)
    if name not in NUMBERS or not dtype.isnative:
        raise ArgumentError(
            f"{op} of {name} has no meaning: items of this type can be sent, but not combined;"
            " cast them first"
        )
    if dtype.kind not in {"min": "c", "max": "c", "avg": "b"}.get(op, ""):
        nothing = np.zeros(0, dtype)
        try:
            if combine(nothing, nothing).dtype == dtype:
                return combine
        except TypeError:
            pass  # no loop of the ufunc for this type
    raise ArgumentError(f"{op} of {name} has no meaning")


def lowers(dtype: np.dtype[Any], ranks: int) -> bool:
    """True if an average over ``ranks`` ranks scales what they bring before adding up.

    See `shares`.
    """
    return ranks > 1 and dtype.kind not in "iu"


def lower(items: Bytes, dtype: np.dtype[Any], ranks: int, into: Bytes) -> None:
    """Fill ``into`` (it may be ``items``) with items scaled for an average: `spec.shares`."""
    part = real_part(dtype)
    factor = part.type(1 / power(ranks))
    if float(factor) * power(ranks) == 1:
        with np.errstate(all="ignore"):
            np.multiply(items.view(part), factor, out=into.view(part))
    else:  # a type so small that it has no such number
        into.view(dtype)[:] = shares(items.view(dtype), ranks)


def average(buffer: UserBuffer, ranks: int) -> None:
    """Turn a sum of `shares` over ``ranks`` ranks into their average, in place.

    See `spec.averaged`.
    """
    dtype = buffer.dtype
    if lowers(dtype, ranks) and power(ranks) == ranks:
        return  # what was added up were the very shares
    if dtype.kind in "fc" and dtype.isbuiltin == 1 and real_part(dtype).itemsize >= 4:
        _divide(buffer.bytes.view(real_part(dtype)), ranks)
        return
    items = buffer.bytes.view(dtype)
    for at in range(0, items.size, PIECE):
        piece = slice(at, at + PIECE)
        items[piece] = averaged(items[piece], ranks)


def _divide(sums: NDArray[Any], ranks: int) -> None:
    """`spec.averaged` of what is wide enough to be divided as it is."""
    room, divisor = np.empty(min(PIECE, sums.size), sums.dtype), ranks / power(ranks)
    with np.errstate(all="ignore", over="raise"):
        for at in range(0, sums.size, PIECE):
            part = sums[at : at + PIECE]
            try:
                part[:] = np.divide(part, sums.dtype.type(divisor), out=room[: part.size])
            except FloatingPointError:  # rounded beyond the largest number: seldom
                part[:] = averaged(part, ranks)
