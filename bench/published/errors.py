"""How far the model is off at every published row: kept in a file, so that no answer waits for it.

``errors.csv`` is written by ``triplane bench calibrate --write`` and ``validate --write``, which
simulate all rows; a test compares it with what the model says.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from bench.cases.operations import OPERATIONS
from bench.machine import span
from bench.published.case import plain
from bench.published.predict import Prediction
from fabric.endpoint.costs import EndpointError
from fabric.endpoint.records import stack_file
from topology.files.output import text_file
from topology.files.reading import shown
from topology.names import near
from topology.units import TIMES, US

ERRORS = Path(__file__).with_name("errors.csv")
"""The model's answer to every row of ``published.csv``, with the shipped constants."""

DIGITS = 6
"""Significant digits of a number in the file."""


@dataclass(frozen=True, slots=True)
class RowError:
    """What the model says of one published row, and what the row asked.

    ``stack``: whose constants timed it, and ``constants``: the key of these in its record;
    ``operation``: with its variant, such as ``dispatch:normal`` or ``read:cpu``; ``mode``: as the
    row has it. ``distance``: how far apart the ranks are at most, one of
    `fabric.endpoint.costs.DISTANCES`, or "". ``size``: bytes, of a collective nccl-tests' S, of a
    copy one block. ``published`` and ``predicted``: in ``unit``; ``predicted_us``: the time that
    was predicted. ``reason``: why the row is not modelled, or "". ``apart_percent``: how far the
    model is off at a row that is not of the question that its columns ask, which is no error.
    """

    id: str
    use: str
    system: str
    stack: str
    operation: str
    mode: str
    constants: str
    distance: str
    ranks: int | None
    tokens: int | None
    size: int | None
    unit: str
    published: float | None
    predicted: float | None
    predicted_us: float | None
    error_percent: float | None
    reason: str
    apart_percent: float | None = None

    @property
    def off_percent(self) -> float | None:
        """How far the model is off here, be it an error or not; None if the row is not timed."""
        return self.apart_percent if self.error_percent is None else self.error_percent

    @property
    def published_us(self) -> float | None:
        """The published time, or the time that a published bandwidth means; None if unknown."""
        if self.predicted_us is None or self.error_percent is None:
            return self.published if self.unit == "us" else None
        ratio = 1 + self.error_percent / 100
        return self.predicted_us / ratio if self.unit in TIMES else self.predicted_us * ratio


def row_error(found: Prediction) -> RowError:
    """What is kept of a prediction."""
    row, endpoint, case = found.row, found.endpoint, found.case
    stack, operation, constants, distance = row.software, plain(row.op), "", ""
    ranks, size = row.ranks, row.size
    if endpoint is not None and case is not None:
        stack, constants = endpoint.name, endpoint.key(case.operation) or ""
        ranks = case.ranks
        where = case.topology.accelerators if case.places is None else case.places
        distance = span(case.topology, where[:ranks])
        if operation in OPERATIONS:
            size = round(case.moved)
        else:
            operation = case.operation or operation
    return RowError(
        row.id, row.use, row.system, stack, operation, row.mode, constants, distance, ranks,
        row.tokens, size, row.unit, row.value, found.value,
        None if found.time is None else found.time / US, found.error_percent, found.reason or "",
        found.apart_percent,
    )  # fmt: skip


def write(found: Iterable[Prediction], path: Path = ERRORS) -> None:
    """Write what the model says of every row to a CSV file; raises `OSError`."""
    names = [field.name for field in fields(RowError)]
    with text_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for one in map(row_error, found):
            writer.writerow(_cell(getattr(one, name)) for name in names)


def _cell(value: str | float | None) -> str:
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return "" if value is None else str(value)


@cache
def errors(path: Path = ERRORS) -> tuple[RowError, ...]:
    """Every row of the file, in its order."""
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(_row_error(line) for line in csv.DictReader(file))


def own_errors(path: str) -> tuple[RowError, ...]:
    """The rows in the file of a user's own stack, in its order; none if it has none.

    Raises `EndpointError` for a row with a wrong key or a value of the wrong type.
    """
    return tuple(
        _own_error(row, f"{path}: rows[{at}]") for at, row in enumerate(stack_file(path).rows)
    )


def _own_error(row: Mapping[str, Any], where: str) -> RowError:
    known = {field.name for field in fields(RowError)}
    for key, value in row.items():
        if key not in known:
            raise EndpointError(f"{where}: no key {key!r}{near(key, known)}")
        kinds = (int,) if key in COUNTS else (int, float) if key in NUMBERS else (str,)
        if type(value) not in kinds:
            raise EndpointError(f"{where}: {key} is {shown(value)}; it cannot be")
    empty: dict[str, Any] = dict.fromkeys(known, "")
    return RowError(**{**empty, **dict.fromkeys((*COUNTS, *NUMBERS)), **row})


def _row_error(line: Mapping[str, str]) -> RowError:
    values: dict[str, Any] = dict(line)
    values |= {name: int(line[name]) if line[name] else None for name in COUNTS}
    values |= {name: float(line[name]) if line[name] else None for name in NUMBERS}
    return RowError(**values)


COUNTS, NUMBERS = (
    ("ranks", "tokens", "size"),
    ("published", "predicted", "predicted_us", "error_percent", "apart_percent"),
)
"""The columns of whole numbers, and of other numbers."""
