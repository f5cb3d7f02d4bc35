"""How far to trust an answer: the range that its constants were fitted in, and errors near it.

The rows that constants were fitted to say where an answer is inside; the rows that were only
compared with, the nearest of them, say with what error to reckon. Both come from
`bench.published.errors`, so that nothing is simulated for it; those of a user's own stack from its
file.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from bench.published.errors import RowError, errors, own_errors
from bench.published.rows import CALIBRATE
from bench.records import Value, size_text
from fabric.endpoint.presets import operation_of
from fabric.endpoint.records import is_file, record_of

AXES = ("tokens", "size", "ranks")
"""What a range is of, as an answer's line mentions it."""

NEAREST = 3
"""How many rows that were not fitted to say with what error to reckon."""

INSIDE, EXTRAPOLATED, UNCALIBRATED = "inside", "extrapolated", "not calibrated"


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked of a software stack.

    ``operation``: with its variant, such as ``dispatch:normal``; ``constants``: the key of the
    constants that time it (`fabric.endpoint.costs.Endpoint.key`), None if none do. ``size``: bytes,
    ``distance``: as in `RowError`; "" if it is not known. ``algorithm``: of a collective.
    """

    stack: str
    operation: str
    constants: str | None
    system: str
    ranks: int
    tokens: float | None = None
    size: int | None = None
    distance: str = ""
    algorithm: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an answer stands on.

    ``fitted``: the rows that its constants were fitted to; ``is_own``: False if these are of other
    operations that share a constant. ``ranges``: the least and most of them on each of `AXES`.
    ``nearest``: the rows next to the question that were only compared with.
    """

    question: Question
    fitted: tuple[RowError, ...]
    is_own: bool
    ranges: Mapping[str, tuple[float, float]]
    nearest: tuple[RowError, ...]

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems that its constants were fitted on."""
        return tuple(dict.fromkeys(row.system for row in self.fitted))

    def outside(self) -> list[str]:
        """On which of `AXES` the question is outside of the range, with the side of it."""
        found = []
        for axis, (least, most) in self.ranges.items():
            asked = getattr(self.question, axis)
            if asked is not None and not least <= asked <= most:
                found.append(_beyond(axis, least if asked < least else most, asked < least))
        return found

    def reasons(self) -> list[str]:
        """Why it is outside of what its constants were fitted to; empty if it is inside."""
        found = self.outside()
        if _stem(self.question.system) not in map(_stem, self.systems):
            found.append(f"from {', '.join(self.systems)} to {self.question.system}")
        distances = dict.fromkeys(row.distance for row in self.fitted)
        if self.question.distance and self.question.distance not in distances:
            found.append(f"from {', '.join(distances)} to {self.question.distance}")
        if not self.is_own:
            found.append(f"from {', '.join(dict.fromkeys(row.operation for row in self.fitted))}")
        return found

    @property
    def calibration(self) -> str:
        """One of `INSIDE`, `EXTRAPOLATED` and `UNCALIBRATED`."""
        if not self.fitted:
            return UNCALIBRATED
        return EXTRAPOLATED if self.reasons() else INSIDE

    @property
    def expected(self) -> float | None:
        """The mean absolute error of the nearest rows in percent; None if there are none."""
        sizes = [abs(row.off_percent) for row in self.nearest if row.off_percent is not None]
        return sum(sizes) / len(sizes) if sizes else None

    def record(self) -> dict[str, Value]:
        """The standing as part of an answer's record."""
        q, axis = self.question, "tokens" if self.question.size is None else "size"
        key = "tokens" if axis == "tokens" else "size_bytes"
        ranks, amount = (self.ranges.get(name, (None, None)) for name in ("ranks", axis))
        return {
            "calibration": self.calibration, "fitted_rows": len(self.fitted),
            "fitted_ranks_min": ranks[0], "fitted_ranks_max": ranks[1],
            f"fitted_{key}_min": amount[0], f"fitted_{key}_max": amount[1],
            "expected_error_percent": self.expected,
            "nearest_rows": " ".join(row.id for row in self.nearest) or None,
        } if q.constants is not None else {"calibration": UNCALIBRATED}  # fmt: skip


def together(found: Sequence[Standing]) -> dict[str, Value]:
    """What an answer of several operations stands on, as part of its record.

    That of its least calibrated and most mistaken operation.
    """
    states = {one.calibration for one in found}
    state = next(iter(states)) if len(states) == 1 else EXTRAPOLATED if states else INSIDE
    expected = [one.expected for one in found if one.expected is not None]
    return {"calibration": state, "expected_error_percent": max(expected, default=None)}


_AMOUNT = 1.3  # software's work follows the amount of data more than the number of ranks
_NEAR = math.log(2)
_FARTHER = 1.2  # times as far as the nearest row: rows beyond say nothing where that one does


def standing(question: Question) -> Standing:
    """What the answer to ``question`` stands on."""
    fitted = _fitted(question)
    own = tuple(row for row in fitted if row.operation == question.operation)
    rows = own or fitted
    return Standing(question, rows, bool(own), _ranges(rows), _nearest(question))


def _fitted(question: Question) -> tuple[RowError, ...]:
    """The rows that fitted any constant of the question's operation."""
    if question.constants is None:
        return ()
    lender = _lender(question.stack)
    rows = [row for row in _of_stack(lender) if row.use == CALIBRATE and _is_known(row)]
    keys = set(_sharing(lender, question.constants))
    if fitted := tuple(row for row in rows if row.constants in keys):
        return fitted
    same = question.operation, question.constants
    return tuple(row for row in rows if (row.operation, row.constants) == same)


def _nearest(question: Question) -> tuple[RowError, ...]:
    """The next rows of the same stack and operation, of the same system first."""
    for stack in dict.fromkeys((question.stack, _lender(question.stack))):
        rows = [
            row for row in _of_stack(stack)
            if row.use != CALIBRATE and row.operation == question.operation and _is_known(row)
            and (not question.algorithm or row.mode in ("", question.algorithm))
        ]  # fmt: skip
        if rows:
            rows.sort(key=partial(_apart, question))
            elsewhere, far = _apart(question, rows[0])
            most = (elsewhere, max(far, _NEAR) * _FARTHER)
            return tuple(row for row in rows[:NEAREST] if _apart(question, row) <= most)
    return ()


def _is_elsewhere(row: RowError, question: Question) -> bool:
    return _stem(row.system) != _stem(question.system)


def _apart(question: Question, row: RowError) -> tuple[bool, float]:
    """How far a row is: the system, then the logarithms of the numbers.

    Another distance between the ranks counts as much as eight times as many tokens.
    """
    is_other = bool(question.distance) and row.distance != question.distance
    pairs = [(getattr(row, axis), getattr(question, axis)) for axis in AXES]
    weights = [1.0 if axis == "ranks" else _AMOUNT for axis in AXES]
    near = zip(pairs, weights, strict=True)
    far = math.hypot(*(weight * math.log(a / b) for (a, b), weight in near if a and b))
    return _is_elsewhere(row, question), math.hypot(far, math.log(8) * is_other)


def _is_known(row: RowError) -> bool:
    return row.off_percent is not None


def _stem(system: str) -> str:
    """The name of a system without its size."""
    return system.partition(":")[0]


def _lender(stack: str) -> str:
    """The stack that ``stack`` has its constants of: itself, or another."""
    return record_of(stack).constants_of or stack


def _sharing(stack: str, constants: str) -> Iterator[str]:
    """The keys of the operations with which one shares a constant that is fitted."""
    for free in record_of(stack).free:
        places = [place.rpartition("*")[2].partition(".")[0] for place in free["places"]]
        keys = {operation_of(place) for place in places}
        if constants in keys:
            yield from keys


@cache
def _by_stack() -> Mapping[str, tuple[RowError, ...]]:
    found: dict[str, list[RowError]] = {}
    for row in errors():
        found.setdefault(row.stack, []).append(row)
    return {stack: tuple(rows) for stack, rows in found.items()}


def _of_stack(stack: str) -> tuple[RowError, ...]:
    return own_errors(stack) if is_file(stack) else _by_stack().get(stack, ())


def _ranges(rows: Sequence[RowError]) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for axis in AXES:
        known = [value for row in rows if (value := getattr(row, axis))]
        if known:
            found[axis] = min(known), max(known)
    return found


# --- as text


def lines(found: Iterable[Standing]) -> list[str]:
    """A line for each stack and operation among ``found``: where it was fitted, and errors near."""
    groups: dict[tuple[object, ...], list[Standing]] = {}
    for one in found:
        q = one.question
        groups.setdefault((q.stack, q.operation, tuple(row.id for row in one.fitted)), []).append(
            one
        )
    return [_line(group) for group in groups.values()]


def _line(group: Sequence[Standing]) -> str:
    first = group[0]
    name = f"{first.question.stack} {first.question.operation}"
    if first.calibration == UNCALIBRATED:
        return f"{name}: {UNCALIBRATED}"
    fitted = ", ".join(_range(*each) for each in first.ranges.items())
    reasons = dict.fromkeys(reason for one in group for reason in one.reasons())
    if not reasons:
        said = f"{INSIDE} {fitted}"
    else:
        inside = [one for one in group if one.calibration == INSIDE]
        said = f"{EXTRAPOLATED} {', '.join(reasons)}; "
        said += f"{'else inside' if inside else 'fitted to'} {fitted}"
    return f"{name}: {said}; {_reckoned(group)}"


def _range(axis: str, ends: tuple[float, float]) -> str:
    texts = dict.fromkeys(amount(axis, end) for end in ends)
    return f"{'-'.join(texts)} {'bytes' if axis == 'size' else axis}"


def _beyond(axis: str, end: float, is_below: bool) -> str:
    unit = "bytes" if axis == "size" else axis
    return f"{'below' if is_below else 'above'} {amount(axis, end)} {unit}"


def amount(axis: str, value: float) -> str:
    """A value on one of `AXES` as text."""
    return size_text(value) if axis == "size" else f"{value:g}"


def _reckoned(group: Sequence[Standing]) -> str:
    """How far the nearest rows are off, over all answers of a group."""
    if not any(one.nearest for one in group):
        errors = [abs(row.error_percent or 0.0) for row in group[0].fitted]
        mean = f"{sum(errors) / len(errors):.2g}%"
        return f"no other measurements; the {len(errors)} that were fitted to are off by {mean}"
    expected = [one.expected or 0.0 for one in group]
    off = dict.fromkeys(f"{error:.2g}" for error in (min(expected), max(expected)))
    count = len(group[0].nearest)
    elsewhere = dict.fromkeys(
        row.system for one in group for row in one.nearest if _is_elsewhere(row, one.question)
    )
    where = f" (on {', '.join(elsewhere)})" if elsewhere else ""
    plural = "s" if count > 1 else ""
    return f"nearest {count} measurement{plural}{where} off by {'-'.join(off)}%"
