"""Tensors: what users pass and get, numpy arrays or CPU tensors of torch, as arrays of a shape."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.views import ArgumentError, name_of, view
from topology.errors import TriplaneError

FLOATS = ("bfloat16", "float16", "float32")
"""The types of tokens and results."""

Array = NDArray[Any]


class TokenError(TriplaneError):
    """What was passed to a dispatch or combine cannot be; every rank learns of it."""


def floats(given: Any, name: str, shape: tuple[int | None, ...], dtype: str | None = None) -> Array:
    """The array of ``given``: of the type ``dtype`` (None: any of `FLOATS`), None in a shape: any.

    Raises `TokenError` with the choices.
    """
    return _typed(given, name, shape, FLOATS if dtype is None else (dtype,))


def typed(given: Any, name: str, shape: tuple[int | None, ...], dtype: np.dtype[Any]) -> Array:
    """The array of ``given``, of that type; raises `TokenError`."""
    return _typed(given, name, shape, (name_of(dtype),))


def _typed(given: Any, name: str, shape: tuple[int | None, ...], allowed: tuple[str, ...]) -> Array:
    array = _array(given, name)
    if name_of(array.dtype) not in allowed:
        raise TokenError(f"{name} is {name_of(array.dtype)}; it has to be {' or '.join(allowed)}")
    return _shaped(array, name, shape)


def integers(given: Any, name: str, shape: tuple[int | None, ...]) -> NDArray[np.int64]:
    """The integers of ``given``, copied; raises `TokenError`."""
    array = _array(given, name)
    if array.size and array.dtype.kind not in "iu":
        raise TokenError(f"{name} is {name_of(array.dtype)}; it has to be integers")
    return _shaped(array, name, shape).astype(np.int64)


def like(given: Any, array: Array) -> Any:
    """``array`` as what ``given`` is, a tensor or an array, of the same memory."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(given, torch.Tensor):
        return array
    name = name_of(array.dtype)
    if name == "bfloat16" or name.startswith("float8_"):
        carrier = np.int16 if array.dtype.itemsize == 2 else np.uint8
        return torch.from_numpy(array.view(carrier)).view(getattr(torch, name))
    return torch.from_numpy(array)


def array_of(given: Any) -> Array:
    """The array of what `like` made."""
    return _array(given, "it")


def bfloat16() -> np.dtype[Any]:
    """The type of bfloat16 arrays."""
    import ml_dtypes

    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


def _array(given: Any, name: str) -> Array:
    try:
        buffer = view(given, name)
        return buffer.bytes.view(buffer.dtype).reshape(tuple(given.shape))
    except ArgumentError as error:
        raise TokenError(str(error)) from None


def _shaped(array: Array, name: str, shape: tuple[int | None, ...]) -> Array:
    fits = len(shape) == array.ndim and all(
        wanted in (None, has) for wanted, has in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise TokenError(f"{name} has the shape {list(array.shape)}; it has to be [{wanted}]")
    return array
