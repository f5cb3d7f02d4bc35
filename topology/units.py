"""Quantities with units: SI in the code, units where users read and write.

The only place with powers of ten. A bare name is SI (seconds, bytes, bytes per second); literals
read like the data sheet: ``196 * GB``, ``400 * Gbit``, ``1.2 * US``. GB is 10^9, as in nccl-tests;
KiB, MiB, GiB are powers of 1024. Text with units is read by `parse`, and written by `show`.
"""

import math
import re

from topology.errors import UnitError
from topology.files.reading import shown

NS = 1e-9
US = 1e-6
MS = 1e-3

KB = 1e3
MB = 1e6
GB = 1e9
TB = 1e12
KiB = 2**10
MiB = 2**20
GiB = 2**30

Mbit = 1e6 / 8
Gbit = 1e9 / 8
Tbit = 1e12 / 8

TIMES = {"ns": NS, "us": US, "ms": MS, "s": 1.0}
SIZES = {
    "B": 1, "kB": KB, "KB": KB, "MB": MB, "GB": GB, "TB": TB,
    "KiB": KiB, "MiB": MiB, "GiB": GiB, "TiB": 2**40,
}  # fmt: skip
BANDWIDTHS = {f"{unit}/s": scale for unit, scale in SIZES.items()} | {
    "Mbit/s": Mbit, "Gbit/s": Gbit, "Tbit/s": Tbit,
}  # fmt: skip
UNITS = {"time": TIMES, "size": SIZES, "bandwidth": BANDWIDTHS}

_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|inf)\s*([A-Za-z/]*)\s*")


def parse(text: str, quantity: str) -> float:
    """The SI value of ``text``, a number and its unit, such as ``"400 Gbit/s"`` or ``"1.2 us"``.

    ``quantity`` is ``"time"``, ``"size"`` or ``"bandwidth"``. Raises `UnitError` where the text is
    not a number with a unit of that quantity; a missing unit is an error too, as nobody can tell
    GB from GiB or bits from bytes afterwards.
    """
    units = UNITS[quantity]
    match = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise UnitError(
            f"{shown(text)} is no {quantity}: a number and a unit is needed, one of "
            f"{', '.join(units)}"
        )
    value = float(match[1]) * units[match[2]]
    # "inf" is unlimited; a number that only becomes infinite, or 0, is a mistake.
    if math.isinf(value) and match[1] != "inf":
        raise UnitError(f"{shown(text)} is too large for a {quantity}")
    if not value and re.search(r"[1-9]", re.split("[eE]", match[1])[0]):
        raise UnitError(f"{shown(text)} is too small for a {quantity}")
    return value


def show(value: float, quantity: str) -> str:
    """``value`` (SI) as the shortest text with a unit that `parse` reads back exactly."""
    scales = {"time": ("us", "ns", "ms", "s"), "size": ("B",), "bandwidth": ("GB/s", "Gbit/s")}
    choices = [f"{number} {unit}" for unit in scales[quantity] for number in _numbers(value, unit)]
    exact = [text for text in choices if _read(text) == value]
    return min(exact, key=len) if exact else f"{value!r} {_base(quantity)}"


def _numbers(value: float, unit: str) -> list[str]:
    scaled = value / {**TIMES, **SIZES, **BANDWIDTHS}[unit]
    if math.isinf(scaled):
        return ["inf"]
    return [f"{scaled:.{digits}g}" for digits in (3, 6, 12, 15, 17)]


def _read(text: str) -> float:
    number, unit = text.split()
    return float(number) * {**TIMES, **SIZES, **BANDWIDTHS}[unit]


def _base(quantity: str) -> str:
    return {"time": "s", "size": "B", "bandwidth": "B/s"}[quantity]
