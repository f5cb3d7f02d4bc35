"""What changed from one answer to another: quantities, and the causes that the answers name."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.compare.answers import ABOUT, ASKED, IGNORED, OF_MACHINE, OF_VERSION, Row
from bench.records import Record, Value

MAIN = (
    "time_us", "latency_us", "busbw_GBps", "bandwidth_GBps", "step_ms", "tpot_ms", "tokens_per_s",
    "wall_us", "whole_time_us", "slowdown_p50", "slowdown_max", "goodput_percent",
    "allocated_percent", "predicted",
)  # fmt: skip
"""Quantities that are shown where nothing else is asked for."""

UNKNOWN = "nothing that the answers name: code, constants, files, or an option without a column"
"""The cause of a change where the answers name none."""


@dataclass(frozen=True)
class Change:
    """A quantity of two rows about the same: its values ``a`` and ``b``."""

    quantity: str
    a: Value
    b: Value

    @property
    def percent(self) -> float | None:
        """By how much it has changed; None where that is no number."""
        a, b = self.a, self.b
        if not _is_number(a) or not _is_number(b):
            return None
        assert isinstance(a, int | float)
        assert isinstance(b, int | float)
        found = 100 * (b / a - 1) if a else math.inf if b else 0.0
        return found if math.isfinite(found) else None

    @property
    def is_change(self) -> bool:
        """Whether the values differ."""
        return self.a != self.b


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def quantities(rows: Sequence[Row], columns: Sequence[str], every: bool) -> list[str]:
    """The names of what was found, of `MAIN` or all; ``columns``: what rows are matched by."""
    names = dict.fromkeys(name for row in rows for name in row.values)
    skipped = {*columns, *IGNORED, *OF_MACHINE, *OF_VERSION}
    found = [name for name in names if name not in skipped and not name.startswith(ASKED)]
    main = [name for name in MAIN if name in found]
    return main if main and not every else [name for name in found if name not in ABOUT]


def changes(a: Row, b: Row, names: Sequence[str]) -> Iterator[Change]:
    """Iterate over the quantities of two rows, those that either has."""
    for name in names:
        if name in a.values or name in b.values:
            yield Change(name, a.values.get(name), b.values.get(name))


def causes(a: Row, b: Row, columns: Sequence[str]) -> list[str]:
    """In what two rows differ that was given: machine, options, version; each as a few words.

    ``columns``: what the rows are matched by.
    """
    by_machine = _of_machines(a, b)
    names = dict.fromkeys([*a.values, *b.values])
    follows = {"size_bytes"} if by_machine else set()  # of a message, as the software sends it
    options = [
        _step(name.removeprefix(ASKED), a.values.get(name), b.values.get(name))
        for name in names
        if (name in ABOUT or name.startswith(ASKED)) and name not in columns
        and a.values.get(name) != b.values.get(name)
        and not (a.machine and b.machine and name.removeprefix(ASKED) in OF_MACHINE)
        and name not in follows
    ]  # fmt: skip
    versions = [
        _step(name, a.values[name], b.values[name]) for name in OF_VERSION
        if name in a.values and name in b.values and a.values[name] != b.values[name]
    ]  # fmt: skip
    return [*by_machine, *options, *versions]


def _of_machines(a: Row, b: Row) -> list[str]:
    """The fields in which the machines of two rows differ."""
    if a.machine is None or b.machine is None or a.machine == b.machine:
        return []
    before, after = a.machine.to_json(), b.machine.to_json()
    given = [name for name in before if before[name] != after[name]]
    was = [(name, _chosen(a, name), _chosen(b, name)) for name in given]
    return [_step(name, one, other) for name, one, other in was if one != other]


def _chosen(row: Row, name: str) -> object:
    """A field of a row's machine; where it was left to the system, what the row says it was."""
    assert row.machine is not None
    value = row.machine.to_json()[name]
    return row.values.get(name) if value is None and name in OF_MACHINE else value


def _step(name: str, a: object, b: object) -> str:
    return f"{name} {_short(a)} -> {_short(b)}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def record(row: Row, columns: Sequence[str], change: Change, why: Sequence[str]) -> Record:
    """The record of a change: what it is about, both values, how much, and by which cause."""
    cause = ("; ".join(why) or UNKNOWN) if change.is_change else None
    return {
        **{name: row.values.get(name) for name in columns}, "quantity": change.quantity,
        "a": change.a, "b": change.b, "change_percent": change.percent, "cause": cause,
    }  # fmt: skip


def only(row: Row, columns: Sequence[str], where: str) -> Record:
    """The record of a row that only one of the answers has."""
    return {
        **{name: row.values.get(name) for name in columns}, "quantity": None, "a": None, "b": None,
        "change_percent": None, "cause": f"only in {where}",
    }  # fmt: skip
