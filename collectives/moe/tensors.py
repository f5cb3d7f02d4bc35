"""What users pass and get, numpy arrays or CPU tensors of torch, as arrays of a given shape."""

import sys
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectives.calls.buffers import NOTHING, ArgumentError, UserBuffer, name_of, view
from topology import arguments
from topology.arguments import INT64
from topology.errors import TriplaneError

FLOATS = ("bfloat16", "float16", "float32")
"""The types of tokens and results."""

Array = NDArray[Any]

MOST_CHANNELS = 1 << 24
"""Channels of a token at most."""

MOST_TOKENS = 1 << 31
"""Tokens of a rank at most: their numbers are int32."""

MOST_BYTES = 1 << 32
"""Bytes of a message at most."""


class TokenError(TriplaneError):
    """What was passed to a dispatch or combine is wrong; every rank learns of it."""


class Room(NamedTuple):
    """Where a result goes: ``array``, without gaps, to be filled.

    `deliver` copies it to the user.
    """

    array: Array
    buffer: UserBuffer

    def deliver(self) -> None:
        """Copy the result to the user's memory, if that has gaps."""
        self.buffer.unpack()


def integer(given: Any, name: str, least: int, most: int = INT64[1]) -> int:
    """``given`` as an int from ``least`` to ``most``; raises `TokenError`."""
    return arguments.integer(given, name, least, most, TokenError)


def flag(given: Any, name: str) -> bool:
    """``given`` as a bool; raises `TokenError`."""
    try:
        return arguments.flag(given, name)
    except ArgumentError as error:
        raise TokenError(str(error)) from None


def modes(async_op: Any, timeout: Any) -> tuple[bool, float | None]:
    """``async_op`` as a bool, and ``timeout`` in seconds or None; raises `TokenError`."""
    try:
        return arguments.flag(async_op, "async_op"), arguments.limit(timeout)
    except ArgumentError as error:
        raise TokenError(str(error)) from None


def result_given(size: Any) -> int | None:
    """The bytes that a result is timed as; None for its own size. Raises `TokenError`."""
    return None if size is None else integer(size, "result_size", 1, MOST_BYTES)


def room_for(given: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Room:
    """Memory of this shape and type for a call to fill: that of ``given``, or new if it is None.

    Raises `TokenError` for memory that is read-only, or of which two items share a place.
    """
    if given is None:
        return Room(np.empty(shape, dtype), NOTHING)
    buffer = _viewed(given, name, writable=True)
    array = _checked(_as_array(given, buffer), name, shape, (name_of(dtype),))
    return Room(array, buffer)


def floats(given: Any, name: str, shape: tuple[int | None, ...], dtype: str | None = None) -> Array:
    """``given`` as an array of type ``dtype`` (None: any of `FLOATS`) and this shape (None: any).

    Raises `TokenError` with the choices.
    """
    return _typed(given, name, shape, FLOATS if dtype is None else (dtype,))


def typed(given: Any, name: str, shape: tuple[int | None, ...], dtype: np.dtype[Any]) -> Array:
    """``given`` as an array of this type and shape (None: any); raises `TokenError`."""
    return _typed(given, name, shape, (name_of(dtype),))


def _typed(given: Any, name: str, shape: tuple[int | None, ...], allowed: tuple[str, ...]) -> Array:
    return _checked(_array(given, name), name, shape, allowed)


def _checked(
    array: Array, name: str, shape: tuple[int | None, ...], allowed: tuple[str, ...]
) -> Array:
    if name_of(array.dtype) not in allowed:
        raise TokenError(f"{name} is {name_of(array.dtype)}; it has to be {' or '.join(allowed)}")
    return _shaped(array, name, shape)


def integers(given: Any, name: str, shape: tuple[int | None, ...]) -> NDArray[np.int64]:
    """``given`` as a new int64 array of this shape (None: any); raises `TokenError`."""
    array = _array(given, name)
    if array.size and array.dtype.kind not in "iu":
        raise TokenError(f"{name} is {name_of(array.dtype)}; it has to be integers")
    shaped = _shaped(array, name, shape)
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise TokenError(f"{name} holds {array.max()}, which is no int64")
    return shaped.astype(np.int64)


def like(given: Any, array: Array) -> Any:
    """``array`` in the form of ``given``, a tensor or an array, of the same memory."""
    torch = sys.modules.get("torch")
    tensor = getattr(torch, "Tensor", None)  # not there while another thread imports torch
    if torch is None or tensor is None or not isinstance(given, tensor):
        return array
    carrier, name = _carrier(array.dtype)
    if carrier is None:
        return torch.from_numpy(array)
    return torch.from_numpy(array.view(carrier)).view(getattr(torch, name))


@cache
def _carrier(dtype: np.dtype[Any]) -> tuple[type[np.generic] | None, str]:
    """A type of numpy that torch takes instead of ``dtype``, if it must, and torch's name."""
    name = name_of(dtype)
    if name == "bfloat16" or name.startswith("float8_"):
        return np.int16 if dtype.itemsize == 2 else np.uint8, name
    return None, name


def array_of(given: Any) -> Array:
    """The numpy array of an array or tensor that `like` made, of the same memory."""
    return _array(given, "it")


def bfloat16() -> np.dtype[Any]:
    """The numpy type of bfloat16."""
    import ml_dtypes

    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


def _array(given: Any, name: str) -> Array:
    return _as_array(given, _viewed(given, name))


def _viewed(given: Any, name: str, writable: bool = False) -> UserBuffer:
    try:
        return view(given, name, writable)
    except ArgumentError as error:
        raise TokenError(str(error)) from None


def _as_array(given: Any, buffer: UserBuffer) -> Array:
    """The memory in the shape of ``given``; what has none, such as a bytearray, is one row."""
    shape = tuple(getattr(given, "shape", (buffer.items,)))
    return buffer.bytes.view(buffer.dtype).reshape(shape)


def _shaped(array: Array, name: str, shape: tuple[int | None, ...]) -> Array:
    fits = len(shape) == array.ndim and all(
        wanted in (None, has) for wanted, has in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise TokenError(f"{name} has the shape {list(array.shape)}; it has to be [{wanted}]")
    return array
