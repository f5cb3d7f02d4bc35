"""A user's own CSV of measurements: the columns of ``published.csv``, of which few are needed.

``op``, ``value`` and ``unit`` have to be there; ``ranks``, and ``size`` or ``tokens``, there or as
options. ``use`` says ``calibrate`` or ``validate``; where no row says it, some are held out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from bench.measured.setting import MOE, MeasuredError, Setting, number
from bench.options import parse_size
from bench.published.predict import METRICS, SPELLINGS
from bench.published.rows import COUNTS, PublishedRow
from topology.files.reading import shown
from topology.files.tables import NumberedLine, read_table
from topology.names import near
from topology.units import TIMES

NEEDED = ("op", "value", "unit")
"""The columns that have to be there."""

COLUMNS = tuple(field.name for field in fields(PublishedRow) if field.name != "problem")
"""The columns that are read."""


def rows_of_table(path: Path, name: str, setting: Setting) -> Iterator[PublishedRow]:
    """The rows of the CSV file at ``path``; raises `MeasuredError` naming line and column."""
    lines = read_table(path, MeasuredError)
    header = lines[0].cells if lines else []
    for column in NEEDED:
        if column not in header:
            said = f"; it has {', '.join(header[:20])}{near(column, header)}" if header else ""
            raise MeasuredError(
                f"{name} is no output of nccl-tests, OSU or DeepEP, and as CSV it has no column"
                f" {column}{said}"
            )
    for column in header:
        if column not in COLUMNS:
            known = f"there are {', '.join(COLUMNS)}{near(column, COLUMNS)}"
            raise MeasuredError(
                f"{name}: line {lines[0].number}: no column {shown(column)}; {known}"
            )
    for line in lines[1:]:
        yield _row(header, line, name, setting)


def _row(header: list[str], line: NumberedLine, name: str, setting: Setting) -> PublishedRow:
    where = f"{name}: line {line.number}"
    if len(line.cells) != len(header):
        raise MeasuredError(f"{where}: it has {len(line.cells)} cells, the header {len(header)}")
    cells = dict(zip(header, line.cells, strict=True))
    known: dict[str, Any] = {
        column: _count(column, text, where) if column in COUNTS else text
        for column, text in cells.items() if column != "value" and text
    }  # fmt: skip
    value = number(cells["value"], where)
    unit = SPELLINGS.get(cells["unit"], cells["unit"])
    known |= {"unit": unit, "metric": _metric(known, unit, where)}
    found = setting.row(name, line.number, value, **known)
    if found.use not in ("", "calibrate", "validate"):
        raise MeasuredError(
            f"{where}: use is {shown(found.use)}; it has to be calibrate or validate"
        )
    return found


def _metric(cells: Mapping[str, Any], unit: str, where: str) -> str:
    """The metric that a row says, or that its unit means."""
    usual = "latency" if unit in TIMES else "bandwidth" if cells.get("op") in MOE else "algbw"
    metric = str(cells.get("metric") or usual)
    if metric not in METRICS:
        raise MeasuredError(
            f"{where}: no metric {metric!r}; there are {', '.join(METRICS)}{near(metric, METRICS)}"
        )
    if unit not in METRICS[metric]:
        there = ", ".join(METRICS[metric])
        raise MeasuredError(f"{where}: {metric} in {unit!r}; it can be in {there}")
    return metric


def _count(column: str, text: str, where: str) -> int:
    try:
        value = float(parse_size(text)) if column == "size" else float(text)
    except (ValueError, click.ClickException):
        value = -1.0
    if not 0 < value <= 1 << 62 or value != round(value):
        raise MeasuredError(f"{where}: {column} is {shown(text)}, no whole number above 0")
    return round(value)
