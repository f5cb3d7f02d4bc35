"""Checks of numbers, truth values and names that a user passes; returns them as plain Python types.

What Python takes for a number is taken, of whichever type it is (numpy's, too, and torch's without
a dimension): for an integer whatever has ``__index__``, so True is 1 but 1.0 is no integer; for a
number of seconds whatever has ``__float__``, but no text, no complex number and no date. Results
are plain ``int``, ``float``, ``bool`` or ``str``. All else is an `ArgumentError` that says the
argument's name, what it is, and what it has to be.
"""

import math
import operator
from collections.abc import Collection, Mapping, Set
from typing import Any

from topology.errors import ArgumentError, TriplaneError
from topology.text import one_line

INT64 = (-(2**63), 2**63 - 1)
"""The integers that ranks can exchange."""

LONGEST = 1e9
"""Seconds of emulated time at most: beyond, float64 cannot tell a tenth of a microsecond."""

NAME = 1000
"""Characters of a name at most."""

PATH = 4096
"""Characters of a path at most, as on Linux."""

_SHOWN = 60
"""Characters of a value that an error shows at most."""

_NOT_NUMBERS = (str, bytes, bytearray, memoryview)
_NOT_SEQUENCES = (*_NOT_NUMBERS[:3], Mapping, Set)


def shown(value: object) -> str:
    """``value`` as one short line for an error message, with its type; works for any Python object.

    Values read from files are shown as the file has them: `topology.files.reading.shown`.
    """
    if type(value) is int and abs(value) >> 200:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value)[: _SHOWN + 1]
    except Exception:  # a user's own; what cannot be shown still has a type
        return f"a {type(value).__name__}"
    line = one_line(text)
    short = line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
    return short if isinstance(value, int | float | str | None) else f"{short} ({_kind(value)})"


def _kind(value: object) -> str:
    kind = type(value)
    inside = kind.__module__.partition(".")[0]
    return kind.__name__ if inside == "builtins" else f"{inside}.{kind.__name__}"


def integer(
    value: Any, name: str, least: int = INT64[0], most: int = INT64[1],
    error: type[TriplaneError] = ArgumentError,
) -> int:  # fmt: skip
    """``value`` as an int from ``least`` to ``most``; raises ``error``, the caller's own type."""
    found = whole(value)
    if found is None or not least <= found <= most:
        limits = {INT64: "of 64 bits", (0, INT64[1]): "from 0 on"}
        span = limits.get((least, most), f"from {least} to {most}")
        raise error(f"{name} is {shown(value)}; it has to be an integer {span}")
    return found


def whole(value: Any) -> int | None:
    """``value`` as an int, if Python takes it as an index (numpy and torch integers too).

    Else None.

    Integers in files are read more strictly: `topology.files.reading.whole`.
    """
    if type(value) is int:
        return value
    try:
        return None if getattr(value, "ndim", 0) else int(operator.index(value))
    except Exception:  # whatever its own __index__ raises
        return None


def integers(
    values: Any, name: str, length: int | None = None, least: int = INT64[0], most: int = INT64[1]
) -> list[int]:
    """``values`` as a list of ``length`` integers (None: any number) from ``least`` to ``most``.

    Takes a list, a tuple, a range, or an array or tensor of one dimension. Raises `ArgumentError`
    for anything else, also for a set (no order), a generator (no length), a text, or an array of
    booleans.
    """
    wanted = "a row of integers" if length is None else f"{length} integers"
    if getattr(values, "ndim", 1) != 1:
        shape = list(getattr(values, "shape", ()))
        raise ArgumentError(f"{name} has the shape {shape}; it has to be {wanted}")
    if isinstance(values, _NOT_SEQUENCES) or not isinstance(values, Collection):
        raise ArgumentError(f"{name} is {shown(values)}; it has to be {wanted}")
    if length is not None and len(values) != length:
        raise ArgumentError(f"{name} has {len(values)} entries; it has to be {wanted}")
    if "bool" in str(getattr(values, "dtype", "")):
        raise ArgumentError(f"{name} is an array of booleans; it has to be {wanted}")
    return [
        integer(each, f"{name}[{place}]", least, most) for place, each in enumerate(_listed(values))
    ]


def _listed(values: Collection[Any]) -> list[Any]:
    """The entries; of an array or a tensor as plain numbers, which is much faster."""
    made = getattr(values, "tolist", None)
    try:
        return list(values) if made is None else list(made())
    except Exception:  # of a tensor that is nowhere (meta), say
        return [values]


def number(
    value: Any, name: str, least: float = -math.inf, most: float = math.inf, unit: str = ""
) -> float:
    """``value`` as a float from ``least`` to ``most``, never NaN; raises `ArgumentError`.

    ``unit``: the unit that the error's text gives, such as "seconds".
    """
    found = value if type(value) is float else _float(value)
    if not least <= found <= most:
        of = f" of {unit}" if unit else ""
        low = "" if least == -math.inf else f" from {least:g}"
        span = f"{low} to {most:g}" if most < math.inf else f"{low} on" if low else ""
        raise ArgumentError(f"{name} is {shown(value)}; it has to be a number{of}{span}")
    return found


def _float(value: Any) -> float:
    """NaN for what is no real number."""
    try:
        if getattr(value, "ndim", 0) or getattr(getattr(value, "dtype", None), "kind", "") in (
            "m",
            "M",
        ):
            return math.nan
        plain = value.item() if hasattr(value, "item") else value  # of numpy and torch
        return math.nan if isinstance(plain, _NOT_NUMBERS) else float(plain)
    except Exception:  # whatever its own __float__ raises, and integers beyond float64
        return math.nan


def seconds(value: Any, name: str = "seconds") -> float:
    """``value`` as a span of emulated time, a float from 0 to `LONGEST` seconds.

    Raises `ArgumentError` with ``name`` and the value.
    """
    return number(value, name, 0.0, LONGEST, "seconds")


def limit(value: Any, name: str = "timeout") -> float | None:
    """``value`` as a limit in seconds of wall clock, from 0 to infinity.

    None (no limit) stays None.

    Raises `ArgumentError` with ``name`` and the value.
    """
    return None if value is None else number(value, name, 0.0, math.inf, "seconds (or None)")


def flag(value: Any, name: str) -> bool:
    """``value`` as a bool, where it is True, False, 1 or 0, also of numpy or torch.

    Raises `ArgumentError` with ``name`` and the value for anything else.
    """
    if type(value) is bool:
        return value
    plain = _item(value)
    if type(plain) in (bool, int) and plain in (0, 1):
        return bool(plain)
    raise ArgumentError(f"{name} is {shown(value)}; it has to be True or False")


def _item(value: Any) -> Any:
    """What is in a scalar of numpy or torch; ``value`` as it is where that cannot be had."""
    try:
        return value.item() if hasattr(value, "item") and not getattr(value, "ndim", 0) else value
    except Exception:  # a tensor that is nowhere (meta), say: it is refused for what it is
        return value


def text(value: Any, name: str, wanted: str = "a text", most: int = NAME) -> str:
    """``value`` as a plain str of at most ``most`` characters.

    Raises `ArgumentError` if it is no text, too long or not valid Unicode. ``wanted``: what the
    error says is expected.
    """
    if not isinstance(value, str):
        raise ArgumentError(f"{name} is {shown(value)}; it has to be {wanted}")
    if len(value) > most:
        raise ArgumentError(f"{name} has {len(value)} characters; {most} are allowed")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ArgumentError(f"{name} is {shown(value)}, which is no valid Unicode") from None
    return str(value)
