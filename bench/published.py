"""Published measurements: a CSV file of them, and the one that comes with the project.

The columns of ``published.csv``, in any order; ``source`` and ``note`` may be missing. Numbers may
be written as Python does, sizes also with a unit; text is free, and `bench.workload` reads it.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from topology.errors import TriplaneError
from topology.units import parse

PUBLISHED = Path(__file__).with_name("published.csv")
"""Every published measurement that the project has, each with its source."""

CALIBRATE = "calibrate"
"""The ``use`` of rows that constants may be fitted to; all others are only compared with."""


class TargetsError(TriplaneError):
    """A file of measurements cannot be read: a column is missing, or it is no CSV."""


@dataclass(frozen=True, slots=True)
class Row:
    """One published measurement; None or "" where the file says nothing.

    ``size``: bytes. ``value``: in ``unit``. ``problem``: why the row cannot be read, or "".
    """

    id: str
    system: str
    software: str
    plane: str
    op: str
    mode: str
    ranks: int | None
    placement: str
    size: int | None
    tokens: int | None
    hidden: int | None
    top_k: int | None
    experts: int | None
    dispatch_dtype: str
    combine_dtype: str
    metric: str
    value: float | None
    unit: str
    use: str
    source: str = ""
    note: str = ""
    problem: str = ""


COUNTS = ("ranks", "size", "tokens", "hidden", "top_k", "experts")
"""Columns of whole numbers."""

OPTIONAL = ("source", "note", "problem")
"""Fields of `Row` that a file need not have."""


def read(path: Path = PUBLISHED) -> list[Row]:
    """Every row of a file; raises `TargetsError` naming the columns that are missing."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise TargetsError(f"{path} is no CSV file: {error}") from None
    header = [name.strip() for name in lines[0]] if lines else []
    needed = [field.name for field in fields(Row) if field.name not in OPTIONAL]
    missing = [name for name in needed if name not in header]
    if missing:
        raise TargetsError(
            f"{path} has no column {', '.join(missing)}; it needs {','.join(needed)}"
        )
    return [_row(header, cells) for cells in lines[1:] if any(cell.strip() for cell in cells)]


def _row(header: list[str], cells: list[str]) -> Row:
    known = {field.name for field in fields(Row)} - {"problem"}
    text = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name in known}
    problems: list[str] = []
    if len(cells) != len(header):
        problems.append(f"the row has {len(cells)} cells, the header {len(header)}")
    counts = {name: _count(name, text.pop(name, ""), problems) for name in COUNTS}
    value = _value(text.pop("value", ""), problems)
    columns: dict[str, Any] = {name: text.get(name, "") for name in known - {"value", *COUNTS}}
    columns |= counts
    return Row(**columns, value=value, problem="; ".join(problems))


def _count(name: str, text: str, problems: list[str]) -> int | None:
    if not text:
        return None
    value = _number(text, "size" if name == "size" else "")
    if value is None or not 0 <= value <= 1 << 62:
        problems.append(f"{name} is {text!r}, no count")
        return None
    return round(value)


def _value(text: str, problems: list[str]) -> float | None:
    value = _number(text, "")
    if value is None or not 0 < value < float("inf"):
        problems.append(f"value is {text!r}, not a number above 0")
        return None
    return value


def _number(text: str, quantity: str) -> float | None:
    try:
        return parse(text, quantity) if quantity and text[-1:].isalpha() else float(text)
    except ValueError:
        return None


def calibration(rows: Iterable[Row], software: str, system: str | None = None) -> list[Row]:
    """The rows that the constants of ``software`` may be fitted to."""
    return [
        row for row in rows
        if row.use == CALIBRATE and row.software == software and system in (None, row.system)
    ]  # fmt: skip
