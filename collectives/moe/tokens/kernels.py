"""The loops over tokens and channels, compiled; none holds the interpreter lock.

bfloat16 comes as uint16, because numba knows no such type: its bits are the upper half of a
float32. Sums are float32, in the order of the index, each product and sum rounded by itself, so
numpy computes the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from collectives.moe.tokens.row_kernels import carray, pointer
from topology.compiled import inlined, unlocked

_Bytes = NDArray[np.uint8]
_Longs = NDArray[np.int64]
_Floats = NDArray[np.float32]
_Words = NDArray[np.uint32]
_Halves = NDArray[np.uint16]

INT8_MOST, FP8_MOST = 127, 448
"""The largest numbers of int8 (symmetric) and of float8 e4m3."""

BLOCK = 128
"""Channels that share a scale in FP8, as in DeepEP."""

LEAST = 1e-4
"""What the largest number of a block counts as at least, as in DeepEP."""

_INFINITE = 0x7F800000
_AT_ONCE = 1024  # channels whose sums, and what they are made of, stay in the nearest cache
_ROUNDING = np.float32(1.5 * 2**23)  # float32 has no digits behind the point from there on
_ROUNDING_BITS = 0x4B400000
_SMALL = np.float32(2**14)  # added to a float32, it is rounded to 2**-9, e4m3's least
_SMALL_BITS = 0x46800000


@unlocked
def widen(rows: _Halves, out: _Words) -> None:
    """Convert bfloat16 to float32; both are bits, of one shape."""
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            out[i, j] = np.uint32(rows[i, j]) << np.uint32(16)


@inlined
def _narrow(bits: np.uint32) -> np.uint16:
    """A float32 rounded to bfloat16, to even; NaN stays one."""
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    quiet = (bits >> np.uint32(16) & np.uint32(0x8000)) | np.uint32(0x7FC0)
    nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(_INFINITE)
    return np.uint16(quiet if nan else rounded)


@unlocked
def narrow(rows: _Words, out: _Halves) -> None:
    """Fill ``out`` with ``rows`` rounded from float32 to bfloat16, to even.

    Both are their bits, of one shape of two dimensions: uint32, uint16.
    """
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            out[i, j] = _narrow(rows[i, j])


@unlocked
def sum_bfloat16(address: _Longs, weights: _Floats, start: _Floats, out: _Halves) -> None:
    """Fill ``out[t]`` with the sum over k of ``weights[t, k]`` times the row at ``address[t, k]``.

    An address of 0 is skipped. bfloat16 in and out, float32 in between. ``start``: the initial
    values of sums, or no rows for 0.
    """
    hidden = out.shape[1]
    bits = np.empty(_AT_ONCE, np.uint32)
    value = bits.view(np.float32)
    total = np.empty(_AT_ONCE, np.float32)
    total_bits = total.view(np.uint32)
    for t in range(address.shape[0]):
        for first in range(0, hidden, _AT_ONCE):
            n = min(_AT_ONCE, hidden - first)
            total[:n] = 0
            if len(start):
                total[:n] = start[t, first : first + n]
            for k in range(address.shape[1]):
                if address[t, k]:
                    row = carray(pointer(address[t, k] + 2 * first), (n,), np.uint16)
                    weight = weights[t, k]
                    for j in range(n):
                        bits[j] = np.uint32(row[j]) << np.uint32(16)
                    for j in range(n):
                        total[j] += weight * value[j]
            to = out[t, first : first + n]
            for j in range(n):
                to[j] = _narrow(total_bits[j])


@unlocked
def sum_float32(address: _Longs, weights: _Floats, start: _Floats, out: _Floats) -> None:
    """Fill ``out`` with weighted sums of float32 rows, as `sum_bfloat16` does."""
    hidden = out.shape[1]
    for t in range(address.shape[0]):
        total = out[t]
        total[:] = 0
        if len(start):
            total[:] = start[t]
        for k in range(address.shape[1]):
            if address[t, k]:
                row = carray(pointer(address[t, k]), (hidden,), np.float32)
                for j in range(hidden):
                    total[j] += weights[t, k] * row[j]


@unlocked
def sum_float16(
    address: _Longs, weights: _Floats, start: _Floats, table: _Floats, out: _Floats
) -> None:
    """Fill ``out`` with weighted sums of float16 rows, as `sum_float32` does.

    ``table``: the value of each of the 2**16 bit patterns.
    """
    hidden = out.shape[1]
    for t in range(address.shape[0]):
        total = out[t]
        total[:] = 0
        if len(start):
            total[:] = start[t]
        for k in range(address.shape[1]):
            if address[t, k]:
                row = carray(pointer(address[t, k]), (hidden,), np.uint16)
                for j in range(hidden):
                    total[j] += weights[t, k] * table[row[j]]


@inlined
def _largest(words: _Words) -> np.uint32:
    """The bits of the largest absolute value; NaN is larger than all."""
    most = np.uint32(0)
    for word in words:
        most = max(most, word & np.uint32(0x7FFFFFFF))
    return most


@unlocked
def quantise_int8(
    rows: _Words | _Halves, shift: int, out: NDArray[np.int8], scales: _Floats
) -> None:
    """Quantise to INT8 with a scale a token; see `collectives.moe.tokens.quantise`.

    ``rows``: bits of float32, or of bfloat16, which are shifted by 16.
    """
    hidden = rows.shape[1]
    words = np.empty(hidden, np.uint32)
    value = words.view(np.float32)
    scratch = np.empty(hidden, np.float32)
    bits = scratch.view(np.uint32)
    most_bits = np.empty(1, np.uint32)
    most = most_bits.view(np.float32)
    for t in range(rows.shape[0]):
        for j in range(hidden):
            words[j] = np.uint32(rows[t, j]) << np.uint32(shift)
        most_bits[0] = _largest(words)
        scales[t] = most[0] / np.float32(INT8_MOST)
        if most_bits[0] == 0 or most_bits[0] >= _INFINITE:
            out[t] = 0
            scales[t] = np.nan if most_bits[0] else 0
            continue
        # Of the smallest numbers the inverse would overflow: they are divided.
        if scales[t] > np.float32(1e-35):
            inverse = np.float32(1) / scales[t]
            for j in range(hidden):
                scratch[j] = value[j] * inverse + _ROUNDING
        else:
            for j in range(hidden):
                scratch[j] = value[j] / most[0] * np.float32(INT8_MOST) + _ROUNDING
        for j in range(hidden):
            out[t, j] = np.int8(np.int32(bits[j] - np.uint32(_ROUNDING_BITS)))


@unlocked
def meaning_int8(rows: NDArray[np.int8], scales: _Floats, out: _Halves) -> None:
    """Convert INT8 with a scale a token to numbers, rounded to bfloat16 (as bits), in ``out``."""
    hidden = rows.shape[1]
    value = np.empty(hidden, np.float32)
    bits = value.view(np.uint32)
    for t in range(rows.shape[0]):
        scale = scales[t]
        for j in range(hidden):
            value[j] = np.float32(rows[t, j]) * scale
        for j in range(hidden):
            out[t, j] = _narrow(bits[j])


@unlocked
def quantise_fp8(
    rows: _Words | _Halves, shift: int, out: _Bytes, scales: _Floats, powers: bool
) -> None:
    """Quantise to FP8 e4m3 with a scale a block; ``powers``: scales are powers of 2, rounded up.

    ``rows``: bits of float32, or of bfloat16, which are shifted by 16.
    """
    words = np.empty(BLOCK, np.uint32)
    for t in range(rows.shape[0]):
        for b in range(scales.shape[1]):
            for j in range(BLOCK):
                words[j] = np.uint32(rows[t, b * BLOCK + j]) << np.uint32(shift)
            scales[t, b] = _block_fp8(words, out[t, b * BLOCK : (b + 1) * BLOCK], powers)


@inlined
def _block_fp8(words: _Words, out: _Bytes, powers: bool) -> np.float32:
    most_bits = np.empty(1, np.uint32)
    most = most_bits.view(np.float32)
    most_bits[0] = _largest(words)
    if most_bits[0] >= _INFINITE:
        out[:] = 0x7F  # NaN
        return np.float32(most[0])
    if most[0] < np.float32(LEAST):
        most[0] = np.float32(LEAST)
    inverse = np.float32(FP8_MOST) / most[0]
    scale = most[0] / np.float32(FP8_MOST)
    if powers:
        most[0] = scale
        exponent = (most_bits[0] + np.uint32(0x7FFFFF)) >> np.uint32(23)
        most_bits[0] = exponent << np.uint32(23)
        scale = most[0]
        inverse = np.float32(1) / scale
    scratch = np.empty(BLOCK, np.float32)
    bits = scratch.view(np.uint32)
    value = words.view(np.float32)
    small = np.empty(BLOCK, np.float32)
    small_bits = small.view(np.uint32)
    for j in range(BLOCK):
        scratch[j] = value[j] * inverse
        small[j] = abs(scratch[j]) + _SMALL
    for j in range(BLOCK):
        sign = bits[j] >> np.uint32(24) & np.uint32(0x80)
        size = bits[j] & np.uint32(0x7FFFFFFF)
        odd = size >> np.uint32(20) & np.uint32(1)
        normal = ((size + np.uint32(0x7FFFF) + odd) >> np.uint32(20)) - np.uint32(120 << 3)
        tiny = small_bits[j] - np.uint32(_SMALL_BITS)
        out[j] = np.uint8(sign | (tiny if size < np.uint32(121 << 23) else normal))
    return np.float32(scale)
