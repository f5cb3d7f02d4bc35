"""Tokens as bytes for the wire and back, and what precision that costs.

Of a number x of a token or block whose largest is m, in exact arithmetic:

- INT8, a scale a token, m / 127: what comes back differs by at most m / 254.
- FP8 e4m3, a scale a block of 128 channels, s = max(m, 1e-4) / 448: by at most |x| / 16, and where
  |x| < s / 64 by at most s / 1024. With ``round_scale`` s is the next power of two, up to twice as
  large.

float32 arithmetic adds a few parts in 2**23 of m, and to INT8 2**-142, because the scale of a token
of subnormal numbers has few digits, or none; `bound` includes them. The FP8 recipe is DeepEP's
(``per_token_cast_to_fp8``); INT8 with a scale a token is CloudMatrix-Infer's early quantisation,
arXiv:2506.12708 4.2.1. A token (block) that holds NaN or an infinity comes back as NaN, whole.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.moe.schedules.formats import BLOCK_FP8, CANN_INT8, DEEPEP_FP8, Format
from collectives.moe.tensors import Array, TokenError, bfloat16, typed
from fabric.transports.base import Bytes, address_of
from topology.arguments import shown

KINDS = ("as-is", "int8", "fp8")

BLOCK = 128
"""Channels that share a scale in FP8."""

PACKED = 512
"""Channels whose exponents make one int32 of packed scales."""

_SLACK = 2.0**-21
_LEAST = 2.0**-142


@dataclass(frozen=True, slots=True)
class Wire:
    """How dispatch writes tokens: ``kind`` is one of `KINDS`; raises `TokenError` for others.

    ``round_scale``: scales of FP8 are powers of 2. ``ue8m0``: only their exponents are sent, one
    byte each, four of them in an int32; it needs ``round_scale``.
    """

    kind: str = "as-is"
    round_scale: bool = False
    ue8m0: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise TokenError(f"wire is {shown(self.kind)}; there are {', '.join(KINDS)}")
        if self.kind != "fp8" and (self.round_scale or self.ue8m0):
            raise TokenError(f"wire {self.kind!r} has no rounded scales; 'fp8' has")
        if self.ue8m0 and not self.round_scale:
            raise TokenError("ue8m0 scales have to be powers of 2: it needs round_scale")

    @property
    def words(self) -> str:
        """A description of the format; ranks compare it, so a difference is an error."""
        return self.kind + " rounded" * self.round_scale + " ue8m0" * self.ue8m0

    def check(self, hidden: int) -> None:
        """Raise `TokenError` unless the channels of a token are whole blocks."""
        whole = {"fp8": PACKED if self.ue8m0 else BLOCK}.get(self.kind, 1)
        if hidden < 1 or hidden % whole:
            raise TokenError(f"hidden is {hidden}; {self.words} needs a multiple of {whole}")

    def dtype(self, given: np.dtype[Any]) -> np.dtype[Any]:
        """The numpy type in which tokens of type ``given`` arrive."""
        if self.kind == "as-is":
            return given
        if self.kind == "int8":
            return np.dtype(np.int8)
        import ml_dtypes

        small: np.dtype[Any] = np.dtype(ml_dtypes.float8_e4m3fn)
        return small

    def scales(self, hidden: int) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
        """Shape and type of the scales of a token; None if it has none."""
        if self.kind == "as-is":
            return None
        if self.kind == "int8":
            return (), np.dtype(np.float32)
        if self.ue8m0:
            return (hidden // PACKED,), np.dtype(np.int32)
        return (hidden // BLOCK,), np.dtype(np.float32)

    def format(self, mode: str, given: np.dtype[Any]) -> Format:
        """The format that a token is timed as by default: CANN's for INT8, DeepEP's for FP8.

        Tokens that are not quantised have the bare numbers.
        """
        if self.kind == "int8":
            return CANN_INT8
        if self.kind == "fp8":
            return DEEPEP_FP8 if mode == "low-latency" else BLOCK_FP8
        return Format(width=given.itemsize)


def encode(x: Array, wire: Wire) -> tuple[Bytes, Bytes]:
    """The bytes of tokens ``[tokens, hidden]`` and of their scales: uint8 ``[tokens, bytes]`` each.

    Without quantisation the first is ``x`` itself, and there are no scales.
    """
    tokens, hidden = x.shape
    if wire.kind == "as-is":
        return x.view(np.uint8).reshape(tokens, hidden * x.dtype.itemsize), _nothing(tokens)
    from collectives.moe.tokens import kernels

    words, shift = _bits(x)
    if wire.kind == "int8":
        numbers, scales = np.empty((tokens, hidden), np.int8), np.empty(tokens, np.float32)
        kernels.quantise_int8(words, shift, numbers, scales)
        return numbers.view(np.uint8), scales.view(np.uint8).reshape(tokens, 4)
    out = np.empty((tokens, hidden), np.uint8)
    scales = np.empty((tokens, hidden // BLOCK), np.float32)
    kernels.quantise_fp8(words, shift, out, scales, wire.round_scale)
    if wire.ue8m0:
        return out, (scales.view(np.uint32) >> 23).astype(np.uint8)
    return out, scales.view(np.uint8)


def given_encoded(x: tuple[Any, ...], wire: Wire, hidden: int) -> tuple[Bytes, Bytes]:
    """The tokens that a user has quantised, as bytes: numbers and scales, ``[tokens, bytes]`` each.

    ``x``: the tuple ``(numbers, scales)`` of the types and shapes of `Wire`. Raises `TokenError`
    for others.
    """
    if len(x) != 2 or wire.kind == "as-is":
        raise TokenError(f"x is a tuple of {len(x)}; for wire {wire.kind} it has to be an array")
    numbers = typed(x[0], "numbers of x", (None, hidden), wire.dtype(np.dtype(np.float32)))
    shape, dtype = wire.scales(hidden) or ((), np.dtype(np.float32))
    scales = typed(x[1], "scales of x", (len(numbers), *shape), dtype)
    tokens = len(numbers)
    width = dtype.itemsize * int(np.prod(shape))
    flat = np.ascontiguousarray(scales).reshape(-1).view(np.uint8).reshape(tokens, width)
    return numbers.reshape(-1).view(np.uint8).reshape(tokens, hidden), flat


def decode_into(out: Array, x: Array, scales: Array | None) -> None:
    """Fill ``out``, ``[rows, hidden]``, with `decode` of the tokens, rounded to its type."""
    if x.dtype == np.int8 and scales is not None and out.dtype == bfloat16():
        from collectives.moe.tokens import kernels

        kernels.meaning_int8(x, scales, out.view(np.uint16))
    else:
        out[...] = rounded(decode(x, scales), out.dtype)


def decode(x: Array, scales: Array | None) -> NDArray[np.float32]:
    """Received tokens as float32; ``x``: ``[..., hidden]``, with their ``scales`` or None."""
    if scales is None:
        return as_float32(x)
    if x.dtype == np.int8:
        return _scaled(x, scales[..., None])
    if scales.dtype == np.int32:
        exponent = (
            np.ascontiguousarray(scales).view(np.uint8).reshape(*x.shape[:-1], 4 * scales.shape[-1])
        )
        scales = (exponent.astype(np.uint32) << 23).view(np.float32)
    blocks = x.reshape(*x.shape[:-1], x.shape[-1] // BLOCK, BLOCK).astype(np.float32)
    return _scaled(blocks, scales[..., None], blocks).reshape(x.shape)


def _scaled(
    numbers: Array, scales: Array, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The product, in which nothing finite becomes infinite; ``out``: where to put it.

    Tokens near the largest float32 may be rounded past it; they come back as the largest.
    """
    most = np.finfo(np.float32).max
    with np.errstate(over="ignore"):
        product: NDArray[np.float32] = np.multiply(numbers, scales, out=out)
    if np.abs(scales).max(initial=0.0) > most / 1024:  # of hardly any token
        past = np.isinf(product) & np.isfinite(scales)
        product[past] = np.copysign(most, product[past])
    return product


def bound(x: Array, wire: Wire) -> NDArray[np.float32]:
    """The largest error of each number of ``decode(encode(x))``: float32 of the shape of ``x``."""
    exact = np.abs(as_float32(x))
    if wire.kind == "as-is":
        return np.zeros_like(exact)
    if wire.kind == "int8":
        most = exact.max(axis=-1, keepdims=True, initial=0)
        return np.broadcast_to(
            most * np.float32(1 / 254 + _SLACK) + np.float32(_LEAST), exact.shape
        )
    blocks = exact.reshape(*exact.shape[:-1], exact.shape[-1] // BLOCK, BLOCK)
    most = np.maximum(blocks.max(axis=-1, keepdims=True), np.float32(1e-4))
    scale = most / 448 * (2 if wire.round_scale else 1)
    limit = np.maximum(blocks / 16, scale / 1024) + most * np.float32(_SLACK)
    whole: NDArray[np.float32] = limit.reshape(exact.shape)
    return whole


def as_float32(x: Array) -> NDArray[np.float32]:
    """``x`` as contiguous float32, of the same shape."""
    if x.dtype == np.float32:
        return np.ascontiguousarray(x)
    if x.dtype == bfloat16():
        from collectives.moe.tokens import kernels

        flat = np.ascontiguousarray(x).view(np.uint16).reshape(-1, x.shape[-1] or 1)
        words = np.empty(flat.shape, np.uint32)
        kernels.widen(flat, words)
        return words.view(np.float32).reshape(x.shape)
    return x.astype(np.float32)


def rounded(x: NDArray[np.float32], dtype: np.dtype[Any]) -> Array:
    """float32 ``[rows, channels]`` rounded to a type of tokens, ties to even."""
    if dtype != bfloat16():
        return x.astype(dtype, copy=False)
    from collectives.moe.tokens import kernels

    out = np.empty(x.shape, np.uint16)
    kernels.narrow(np.ascontiguousarray(x).view(np.uint32), out)
    return out.view(dtype)


def weighted(
    rows: Array, index: NDArray[np.int64], weights: NDArray[np.float32], out: Array,
    start: NDArray[np.float32] | None = None,
) -> None:  # fmt: skip
    """Fill ``out[t]`` with the sum over k of ``weights[t, k] * rows[index[t, k]]``.

    An index below 0 is skipped. float32 in between, k ascending, rounded once at the end; both have
    a type of tokens. ``start``: the initial values of sums; None: 0.
    """
    address = address_of(rows) + index * (rows.shape[1] * rows.dtype.itemsize)
    add_up(np.where(index < 0, 0, address), weights, out, start)


def add_up(
    address: NDArray[np.int64], weights: NDArray[np.float32], out: Array,
    start: NDArray[np.float32] | None = None,
) -> None:  # fmt: skip
    """Fill ``out[t]`` with the weighted sum of the rows at ``address[t]``; see `weighted`.

    ``address``: int64 ``[tokens, k]``, in this process's memory, 0 for none; rows have the type of
    ``out``.
    """
    from collectives.moe.tokens import kernels

    begin = np.empty((0, out.shape[1]), np.float32) if start is None else start
    if out.dtype == np.float32:
        kernels.sum_float32(address, weights, begin, out)
    elif out.dtype == bfloat16():
        kernels.sum_bfloat16(address, weights, begin, out.view(np.uint16))
    else:
        whole = np.empty(out.shape, np.float32)
        kernels.sum_float16(address, weights, begin, _halves(), whole)
        out[...] = whole


@cache
def _halves() -> NDArray[np.float32]:
    """The meaning of every pattern of 16 bits as a float16."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def _bits(x: Array) -> tuple[NDArray[Any], int]:
    """The bits of float32, or their upper half, with how far it is to be shifted."""
    if x.dtype == bfloat16():
        return np.ascontiguousarray(x).view(np.uint16), 16
    return as_float32(x).view(np.uint32), 0


def _nothing(tokens: int) -> Bytes:
    return np.empty((tokens, 0), np.uint8)
