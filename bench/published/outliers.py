"""Rows at which the model is far off, and why."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.published.apart import entries, matching
from bench.published.errors import RowError

OUTLIERS = Path(__file__).with_name("outliers.toml")
"""Written by hand: rows, by patterns of their ids, and why the model is off there."""

FAR = 30.0
"""The absolute error in percent above which a row needs a reason."""


def reasons() -> Mapping[str, str]:
    """Why the model is far off, by pattern of the rows' ids (see `fnmatch`)."""
    return entries(OUTLIERS, "outlier")


def reason(row: str) -> str:
    """Why the model is far off at the row with this id; "" if nothing is written about it."""
    return matching(reasons(), row)


def far(rows: Iterable[RowError]) -> list[RowError]:
    """The rows at which the model is off by more than `FAR` percent, the worst first."""
    found = [row for row in rows if abs(row.error_percent or 0.0) > FAR]
    return sorted(found, key=lambda row: -abs(row.error_percent or 0.0))
