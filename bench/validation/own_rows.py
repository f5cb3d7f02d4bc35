"""A user's own measurements, made ready to fit to: by operation, some of them held out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.cases.operations import OPERATIONS
from bench.measured.setting import MOE, MeasuredError
from bench.published.rows import CALIBRATE, PublishedRow
from fabric.endpoint.records import Stack

VALIDATE = "validate"
"""The ``use`` of rows that are held out."""

LEAST = 3
"""Rows of an operation to fit to, at least: any two constants go through two rows."""

SPARE = 2
"""Rows of an operation more than constants, at least, so that its errors say something."""


@dataclass(frozen=True, slots=True)
class RowsOfOperation:
    """The measurements of one operation: those to fit to, and those held out."""

    operation: str
    fitted: tuple[PublishedRow, ...]
    held_out: tuple[PublishedRow, ...]


def by_operation(rows: Sequence[PublishedRow], share: float) -> list[RowsOfOperation]:
    """The rows by operation, in the order of first appearance, each marked with its use.

    ``share``: of the rows of an operation that is held out where no row says ``validate``. Raises
    `MeasuredError` for an operation with too few rows to fit to.
    """
    found: dict[str, list[PublishedRow]] = {}
    for row in rows:
        found.setdefault(operation_of(row), []).append(row)
    chosen = any(row.use == VALIDATE for row in rows)
    return [_measured(operation, mine, share, chosen) for operation, mine in found.items()]


def operation_of(row: PublishedRow) -> str:
    """The operation of a row with its variant: ``dispatch:normal`` of DeepEP's normal mode."""
    return f"{row.op}:normal" if row.op in MOE and "normal" in row.mode.lower() else row.op


def _measured(
    operation: str, rows: list[PublishedRow], share: float, chosen: bool
) -> RowsOfOperation:
    rows = sorted(rows, key=lambda row: (row.size or 0, row.tokens or 0, row.ranks or 0, row.id))
    if chosen:
        out = {at for at, row in enumerate(rows) if row.use == VALIDATE}
    else:
        out = set(_spread(len(rows), round(share * len(rows)) if share else 0))
    left = len(rows) - len(out)
    if left < LEAST:
        said = f", and {len(out)} of them held out" if out else ""
        raise MeasuredError(
            f"{operation} has {len(rows)} row{'s' if len(rows) != 1 else ''}{said}: at least"
            f" {LEAST} to fit to and one to hold out are needed, {_wanted(operation)}"
        )
    marked = [replace(row, use=VALIDATE if at in out else CALIBRATE) for at, row in enumerate(rows)]
    return RowsOfOperation(
        operation, tuple(row for row in marked if row.use == CALIBRATE),
        tuple(row for row in marked if row.use == VALIDATE),
    )  # fmt: skip


def _wanted(operation: str) -> str:
    if operation.partition(":")[0] in MOE:
        return "with other numbers of tokens (a few, and hundreds) or of ranks"
    return "of small and large sizes (such as 1K to 1G), best on two numbers of ranks"


def _spread(count: int, out: int) -> list[int]:
    """Which of ``count`` rows are held out: evenly spread, neither the first nor the last."""
    inner = count - 2
    if count > LEAST:
        out = max(1, out) if out or count > LEAST + 1 else out
    out = min(out, inner, max(count - LEAST, 0))
    return [1 + (2 * at + 1) * inner // (2 * out) for at in range(out)] if out > 0 else []


def in_blocks(row: PublishedRow, stack: Stack) -> PublishedRow:
    """``row`` with its size as the rows of ``stack`` count it: nccl-tests' S, or a rank's block."""
    shared = row.op in OPERATIONS and OPERATIONS[row.op].shared
    if not shared or stack.total_sizes or row.size is None or not row.ranks:
        return row
    return replace(row, size=max(1, row.size // row.ranks))
