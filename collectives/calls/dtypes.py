"""Types of items: their names, which are numbers, and torch's types that numpy lacks."""

from functools import lru_cache
from typing import Any

import numpy as np

NUMBERS = frozenset(
    (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", np.dtype(np.longdouble).name,
        "complex64", "complex128", np.dtype(np.clongdouble).name,
        "bfloat16", "float8_e4m3", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz",
        "float8_e3m4", "float8_e5m2", "float8_e5m2fnuz",
    )
)  # fmt: skip
"""The types that can be combined. All others only travel: they have no sum that is of their type
(the exponents of float8_e8m0fnu, dates), several in a byte (4 bits), or are bytes to us."""


@lru_cache
def name_of(dtype: np.dtype[Any]) -> str:
    """A name for ``dtype`` that is equal at two ranks exactly if their bytes mean the same."""
    if dtype.names is None:
        return dtype.name if dtype.isnative else str(dtype)
    first, *others = dtype.names or ("",)  # a type of torch has one, see `type_of`
    return first if first.startswith(_TORCH) and not others else str(dtype)


@lru_cache
def type_of(dtype: Any, size: int) -> tuple[str, np.dtype[Any] | None]:
    """A torch type of ``size`` bytes: its array-interface name, and its true dtype if unlike.

    A type that neither numpy nor ml_dtypes has becomes a structure of one field named after it: it
    can be sent to a rank with the same type, but not used in arithmetic.
    """
    name = plain_name(dtype)
    small = _small(name)
    if small is not None:
        return f"|V{size}", small
    if name in NUMBERS:
        return np.dtype(name).str, None
    return f"|V{size}", np.dtype([(f"{_TORCH}{name}", f"V{size}")])


_TORCH = "torch."


def plain_name(dtype: Any) -> str:
    """The name of a torch type without the prefix ``torch.``."""
    return str(dtype).removeprefix(_TORCH)


def _small(name: str) -> np.dtype[Any] | None:
    """bfloat16, or a float of 8 bits; None for every other type, and what ml_dtypes has not."""
    if name != "bfloat16" and not name.startswith("float8_"):
        return None
    import ml_dtypes

    found = getattr(ml_dtypes, name, None)
    return None if found is None else np.dtype(found)
