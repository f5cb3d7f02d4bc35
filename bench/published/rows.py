"""Published measurements: a CSV file of them, and the one that comes with the project.

The columns of ``published.csv``, in any order; ``source`` and ``note`` may be missing. Numbers may
be written as Python does, sizes also with a unit; text is free, and
`bench.published.case` reads it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from topology.errors import TriplaneError
from topology.files.reading import shown
from topology.files.tables import NumberedLine, read_table
from topology.names import near
from topology.units import parse

PUBLISHED = Path(__file__).with_name("published.csv")
"""Every published measurement that the project has, each with its source."""

CALIBRATE = "calibrate"
"""The ``use`` of rows that constants may be fitted to; all others are only compared with."""


class TargetsError(TriplaneError):
    """A file of measurements cannot be read: a column is missing, or it is no CSV."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
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
"""Fields of `PublishedRow` that a file need not have."""


def read(path: Path = PUBLISHED) -> list[PublishedRow]:
    """Every row of a file; raises `TargetsError` naming the columns that are missing or unclear.

    Columns with other names are ignored, but not one that looks like a known column that the file
    does not have. A row that cannot be read has the fault, with its line, in ``problem``.
    """
    lines = read_table(path, TargetsError)
    header = lines[0].cells if lines else []
    names = [field.name for field in fields(PublishedRow) if field.name != "problem"]
    missing = [name for name in names if name not in OPTIONAL and name not in header]
    if missing:
        needed = ",".join(name for name in names if name not in OPTIONAL)
        raise TargetsError(f"{path} has no column {', '.join(missing)}; it needs {needed}")
    absent = [name for name in names if name not in header]
    for at, name in enumerate(header, start=1):
        if name and name in header[: at - 1]:
            raise TargetsError(f"{path}: line {lines[0].number}, column {at}: {name!r} comes twice")
        if near(name, absent):
            raise TargetsError(
                f"{path}: line {lines[0].number}, column {at}: {shown(name)} is no column"
                f"{near(name, absent)}"
            )
    seen: dict[str, int] = {}
    return [_row(header, line, seen) for line in lines[1:]]


def _row(header: list[str], line: NumberedLine, seen: dict[str, int]) -> PublishedRow:
    """``seen``: the ids of earlier rows, and their lines."""
    known = {field.name for field in fields(PublishedRow)} - {"problem"}
    cells = zip(header, line.cells, strict=False)
    text = {name: cell for name, cell in cells if name in known}
    problems: list[str] = []
    if len(line.cells) != len(header):
        problems.append(f"the row has {len(line.cells)} cells, the header {len(header)}")
    first = seen.setdefault(text.get("id", ""), line.number)
    if first != line.number and text.get("id"):
        problems.append(f"the id is that of line {first}")
    counts = {name: _count(name, text.pop(name, ""), problems) for name in COUNTS}
    value = _value(text.pop("value", ""), problems)
    columns: dict[str, Any] = {name: text.get(name, "") for name in known - {"value", *COUNTS}}
    columns |= counts
    # Rows without an id are found by their line.
    place = f" (line {line.number})" if problems and not text.get("id") else ""
    return PublishedRow(**columns, value=value, problem="; ".join(problems) + place)


def _count(name: str, text: str, problems: list[str]) -> int | None:
    if not text:
        return None
    value = _number(text, "size" if name == "size" else "")
    if value is None or not 0 <= value <= 1 << 62 or value != round(value):
        problems.append(f"{name} is {shown(text)}, no count")
        return None
    return round(value)


def _value(text: str, problems: list[str]) -> float | None:
    value = _number(text, "")
    if value is None or not 0 < value < float("inf"):
        problems.append(f"value is {shown(text)}, not a number above 0")
        return None
    return value


def _number(text: str, quantity: str) -> float | None:
    try:
        return parse(text, quantity) if quantity and text[-1:].isalpha() else float(text)
    except ValueError:
        return None


def calibration(
    rows: Iterable[PublishedRow], software: str, system: str | None = None
) -> list[PublishedRow]:
    """The rows that the constants of ``software`` may be fitted to, on ``system`` if given."""
    return [
        row for row in rows
        if row.use == CALIBRATE and row.software == software and system in (None, row.system)
    ]  # fmt: skip
