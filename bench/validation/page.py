"""The tables of docs/calibration.md: made by a command, between marks in a page written by hand."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.published import outliers
from bench.published.errors import RowError
from bench.published.rows import CALIBRATE
from bench.published.standing import AXES, amount
from bench.validation.recipes import RECIPES, origin
from fabric.endpoint.presets import UNITS
from fabric.endpoint.records import fitted, stacks
from topology.errors import TriplaneError
from topology.files.output import text_file

PAGE = Path(__file__).parents[2] / "docs" / "calibration.md"
"""The page that comes with the project, in a checkout."""

_BEGIN, _END = "<!-- {}: made by triplane bench validate --page -->", "<!-- end of {} -->"

SHOWN = 3
"""How many rows with one reason are named at most."""

Table = Sequence[Mapping[str, object]]


class PageError(TriplaneError):
    """A page has marks that do not fit together."""


def write(rows: Sequence[RowError], path: Path = PAGE) -> None:
    """Write the tables about ``rows`` into the page at ``path``, between their marks.

    A new page gets all tables, each with its title. Raises `PageError`, `OSError`.
    """
    old = path.read_text("utf-8") if path.exists() else blank()
    with text_file(path) as file:
        file.write(filled(old, rows, path))


def filled(old: str, rows: Sequence[RowError], path: Path = PAGE) -> str:
    """The text ``old`` with the tables about ``rows`` between its marks.

    A page need not have all tables. Raises `PageError` where the end of one is missing.
    """
    for name, make in PARTS.items():
        begin, end = _BEGIN.format(name), _END.format(name)
        if begin not in old:
            continue
        head, _, rest = old.partition(begin)
        _, found, tail = rest.partition(end)
        if not found:
            raise PageError(f"{path}: after {begin} there is no {end}")
        old = f"{head}{begin}\n\n{make(rows)}\n{end}{tail}"
    return old


def blank() -> str:
    """A page with a title and marks for every table, and nothing else."""
    parts = (
        f"## {name.capitalize()}\n\n{_BEGIN.format(name)}\n{_END.format(name)}\n" for name in PARTS
    )
    return "\n".join(["# Calibration\n", *parts])


def _markdown(table: Table) -> str:
    """A table in Markdown; the text "-" where there is nothing."""
    if not table:
        return "None.\n"
    names = list(table[0])
    lines = [names, ["---"] * len(names), *([_cell(row[name]) for name in names] for row in table)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")


def _stacks(rows: Iterable[RowError]) -> dict[str, list[RowError]]:
    """The rows of each stack, in the order of the stacks' records."""
    found: dict[str, list[RowError]] = {name: [] for name in stacks()}
    for row in rows:
        found.setdefault(row.stack, []).append(row)
    return {name: of_stack for name, of_stack in found.items() if of_stack}


def _counts(rows: Sequence[RowError]) -> str:
    """How many constants are fitted to how many rows."""
    fitted_to = {row for one in fitted().values() for row in one.get("fitted_to", ())}
    constants = sum(len(recipe.free) for recipe in RECIPES.values())
    unknown = sum(row.error_percent is None for row in rows)
    return (
        f"{constants} constants are fitted to {len(fitted_to)} rows; the other"
        f" {len(rows) - len(fitted_to)} have no influence on them. {unknown} of all {len(rows)} are"
        " not modelled.\n"
    )


# --- errors


def _errors(rows: Sequence[RowError]) -> str:
    """Mean and worst error of each stack, rows that were fitted to and others apart."""
    return _markdown([_error_row(name, mine) for name, mine in _stacks(rows).items()])


def _error_row(name: str, rows: Sequence[RowError]) -> dict[str, object]:
    record, free = stacks().get(name), len(RECIPES[name].free) if name in RECIPES else 0
    lender = f", as {record.constants_of}" if record and record.constants_of else ""
    known = [row for row in rows if row.error_percent is not None and row.use != CALIBRATE]
    worst = max(known, key=lambda row: abs(row.error_percent or 0.0), default=None)
    return {
        "stack": f"{name}{lender}", "fitted constants": free,
        "calibrate": _mean([row for row in rows if row.use == CALIBRATE]),
        "validate": _mean([row for row in rows if row.use != CALIBRATE]),
        "worst validate row": f"{worst.id} {worst.error_percent:+.1f}%" if worst else "-",
    }  # fmt: skip


def _mean(rows: Sequence[RowError]) -> str:
    """Such as ``9.3% of 8 (worst 54.4%; 2.9% without 1 above 30%), 3 not modelled``."""
    off = [abs(row.error_percent) for row in rows if row.error_percent is not None]
    parts = [f"{_average(off)} of {len(off)} (worst {max(off):.1f}%{_rest(off)})"] if off else []
    if len(off) < len(rows):
        parts.append(f"{len(rows) - len(off)} not modelled")
    return ", ".join(parts) or "-"


def _average(off: Sequence[float]) -> str:
    return f"{sum(off) / len(off):.1f}%"


def _rest(off: Sequence[float]) -> str:
    """The mean without the far rows, each of which has its paragraph, where there are any."""
    near = [each for each in off if each <= outliers.FAR]
    if len(near) in (0, len(off)):
        return ""
    return f"; {_average(near)} without {len(off) - len(near)} above {outliers.FAR:g}%"


# --- ranges


def _ranges(rows: Sequence[RowError]) -> str:
    """Where each operation of each stack was measured: rows that were fitted to, and others."""
    return _markdown([line for mine in _stacks(rows).values() for line in _range_rows(mine)])


def _range_rows(rows: Sequence[RowError]) -> Iterator[dict[str, object]]:
    known = [row for row in rows if row.error_percent is not None]
    for key in dict.fromkeys(map(_RANGED, known)):
        mine = [row for row in known if _RANGED(row) == key]
        apart = [[row for row in mine if (row.use == CALIBRATE) is yes] for yes in (True, False)]
        yield {
            **dict(zip(("stack", "operation", "system", "within"), key, strict=True)),
            "calibrate rows": _extent(apart[0]), "validate rows": _extent(apart[1]),
        }  # fmt: skip


_RANGED = attrgetter("stack", "operation", "system", "distance")  # what a line of ranges is of


def _extent(rows: Sequence[RowError]) -> str:
    """How many rows, and from where to where: ``8: 16-64 ranks, 1-128 tokens``."""
    parts = []
    for axis in reversed(AXES):
        values = [value for row in rows if (value := getattr(row, axis))]
        if values:
            ends = dict.fromkeys(amount(axis, end) for end in (min(values), max(values)))
            parts.append(f"{'-'.join(ends)} {'bytes' if axis == 'size' else axis}")
    return f"{len(rows)}: {', '.join(parts)}" if rows else "-"


# --- constants


def _constants(_rows: Sequence[RowError]) -> str:
    """Every constant, in its unit, and where it comes from."""
    table = []
    for name, record in stacks().items():
        given = {**fitted().get(name, {}).get("costs", {}), **record.costs}
        for operation, costs in given.items():
            table += [_constant(name, operation, key, value) for key, value in costs.items()]
    return _markdown(table)


def _constant(stack: str, operation: str, key: str, value: Any) -> dict[str, object]:
    name, unit = _name_and_unit(key)
    parts = value if isinstance(value, dict) else {"": value}
    shown = ", ".join(f"{part} {number:.4g}".strip() for part, number in parts.items())
    places = [".".join(filter(None, (operation, name, part))) for part in parts]
    why = [origin(RECIPES[stack], place) if stack in RECIPES else "" for place in places]
    return {
        "stack": stack, "operation": operation, "constant": name,
        "value": f"{shown} {unit}".strip(),
        "origin": "; ".join(dict.fromkeys(filter(None, why))) or stacks()[stack].why
        or "the stack's record",
    }  # fmt: skip


def _name_and_unit(key: str) -> tuple[str, str]:
    """A key such as ``launch_us`` in parts; a constant without a unit has none in its key."""
    for name, (suffix, _) in UNITS.items():
        if suffix and key == name + suffix:
            return name, suffix[1:].replace("GBps", "GB/s")
    return key, ""


# --- rows that are far off, or not modelled


def _far(rows: Sequence[RowError]) -> str:
    """The rows at which the model is far off, and why."""
    return _markdown([
        {
            "row": row.id, "stack": row.stack, "published": f"{row.published:.4g} {row.unit}",
            "predicted": f"{row.predicted:.4g}", "error": f"{row.error_percent:+.0f}%",
            "why": outliers.reason(row.id) or "not known",
        }
        for row in outliers.far(rows)
    ])  # fmt: skip


def _missing(rows: Sequence[RowError]) -> str:
    """The rows that are not modelled, those with one reason together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.error_percent is None:
            groups.setdefault((row.stack, row.reason), []).append(row.id)
    return _markdown([
        {
            "stack": stack, "rows": f"{len(ids)}: {', '.join(ids[:SHOWN])}"
            + (" ..." if len(ids) > SHOWN else ""), "why": reason,
        }
        for (stack, reason), ids in groups.items()
    ])  # fmt: skip


PARTS: Mapping[str, Callable[[Sequence[RowError]], str]] = MappingProxyType(
    {
        "counts": _counts, "errors": _errors, "ranges": _ranges, "constants": _constants,
        f"rows above {outliers.FAR:g}%": _far, "rows not modelled": _missing,
    }
)  # fmt: skip
"""The parts of a page by name, and what makes each."""
