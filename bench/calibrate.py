"""Fit the endpoint constants to the published rows that are marked ``calibrate``.

Gauss-Newton on ln(predicted / published), every prediction a simulation without tolerance. What is
fitted is time a byte instead of bytes a second (and 1 / efficiency), in which time is linear but
for the choice of a bottleneck. Constants never go below 0 and are rounded to four digits, so that
the same rows give the same file again.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from bench.predict import answer
from bench.published import PUBLISHED, Row, calibration, read
from bench.recipes import RECIPES, Fixed, Free, Recipe
from bench.records import Value, as_text, opened, progress
from bench.workload import workload
from fabric.endpoint import Costs, Endpoint
from fabric.presets import CONSTANTS, UNITS
from topology.errors import TriplaneError

DIGITS = 4
"""Significant digits of a fitted constant."""

ROUNDS = 12
"""Gauss-Newton steps at most; two or three are enough where no bottleneck changes."""

_Floats = NDArray[np.float64]
Places = Mapping[str, float]


class CalibrationError(TriplaneError):
    """There is nothing to fit a stack to, or no such stack."""


@dataclass(frozen=True)
class Fit:
    """What a stack's constants came out as.

    ``places``: every constant by place, SI. ``rows``: what was fitted to; ``errors``: percent,
    signed, of each of them.
    """

    recipe: Recipe
    places: Places
    rows: tuple[Row, ...]
    errors: tuple[float, ...]

    def endpoint(self) -> Endpoint:
        """The stack with these constants."""
        return endpoint_with(self.recipe, self.places)


def calibrate(rows: Sequence[Row], names: Iterable[str] = RECIPES) -> dict[str, Fit]:
    """Fit the named stacks, and those that they take constants from, in the recipes' order.

    Raises `CalibrationError` for a stack that is not known or has no row.
    """
    wanted = set(names)
    unknown = sorted(wanted - RECIPES.keys())
    if unknown:
        raise CalibrationError(f"no stack {unknown[0]!r}; there are {', '.join(RECIPES)}")
    while more := {of.stack for name in wanted for of in _borrowed(name)} - wanted:
        wanted |= more
    fits: dict[str, Fit] = {}
    for recipe in RECIPES.values():
        if recipe.name in wanted:
            fits[recipe.name] = fit(recipe, rows, fits)
    return fits


def _borrowed(name: str) -> list[Any]:
    return [known for known in RECIPES[name].known if not isinstance(known, Fixed)]


def fit(recipe: Recipe, rows: Sequence[Row], others: Mapping[str, Fit]) -> Fit:
    """Fit one stack; ``others``: the fits that it takes constants from."""
    mine = calibration(rows, recipe.name, recipe.system)
    if len(mine) < len(recipe.free):
        raise CalibrationError(
            f"{recipe.name} has {len(recipe.free)} constants to fit and {len(mine)} rows for it"
        )
    known = _known(recipe, others)
    unknowns = [_turned(free, free.start) for free in recipe.free]
    found = _gauss_newton(recipe, known, mine, np.array(unknowns))
    values = [_rounded(_turned(f, u)) for f, u in zip(recipe.free, found, strict=True)]
    places = _placed(recipe, known, values)
    errors = 100 * np.expm1(_residuals(recipe, places, mine))
    return Fit(recipe, places, tuple(mine), tuple(errors.tolist()))


def _known(recipe: Recipe, others: Mapping[str, Fit]) -> Places:
    return {
        place: known.value if isinstance(known, Fixed) else others[known.stack].places[known.place]
        for known in recipe.known for place in known.places
    }  # fmt: skip


def _turned(free: Free, value: float) -> float:
    """From a constant to what is fitted, and back: bandwidths and efficiencies upside down."""
    if "bandwidth" in free.places[0] or "efficiency" in free.places[0]:
        return 1 / value
    return value


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}")


def _placed(recipe: Recipe, known: Places, values: Iterable[float]) -> Places:
    """Every constant by place: a free one comes on top of what is known there."""
    places = dict(known)
    for free, value in zip(recipe.free, values, strict=True):
        for text in free.places:
            factor, star, place = text.rpartition("*")
            places[place] = places.get(place, 0.0) + (float(factor) if star else 1.0) * value
    return places


def _gauss_newton(recipe: Recipe, known: Places, rows: list[Row], at: _Floats) -> _Floats:
    def places(unknowns: _Floats) -> Places:
        pairs = zip(recipe.free, unknowns, strict=True)
        return _placed(recipe, known, [_turned(free, max(u, 1e-30)) for free, u in pairs])

    for _ in range(ROUNDS):
        here = _residuals(recipe, places(at), rows)
        slopes = np.zeros((len(rows), len(at)))
        for column, free in enumerate(recipe.free):
            step = np.zeros(len(at))
            step[column] = 1e-4 * at[column]
            touched = [i for i, row in enumerate(rows) if _touches(free, row, recipe, places(at))]
            there = _residuals(recipe, places(at + step), [rows[i] for i in touched])
            slopes[touched, column] = (there - here[touched]) / step[column]
        change = np.linalg.lstsq(slopes * at, -here, rcond=None)[0] * at
        at = np.maximum(at + change, _floor(recipe, at))
        if np.abs(change).max() <= 1e-7 * np.abs(at).max() or (np.abs(change) <= 1e-7 * at).all():
            break
    return at


def _floor(recipe: Recipe, at: _Floats) -> _Floats:
    """No constant falls to less than a thousandth at once, and no efficiency rises above 1."""
    least = [1.0 if "efficiency" in free.places[0] else 0.0 for free in recipe.free]
    return np.maximum(1e-3 * at, least)


def _touches(free: Free, row: Row, recipe: Recipe, places: Places) -> bool:
    """Whether a constant has a say in a row at all: what has none is not simulated again."""
    endpoint = endpoint_with(recipe, places)
    key = endpoint.key(workload(row, endpoint).operation)
    operations = {place.rpartition("*")[2].split(".")[0] for place in free.places}
    return _name(key) in operations


def _residuals(recipe: Recipe, places: Places, rows: Iterable[Row]) -> _Floats:
    endpoint = endpoint_with(recipe, places)
    return np.array([
        math.log(answer(row, endpoint, tolerance=0.0) / row.value) for row in rows if row.value
    ])  # fmt: skip


def _name(key: str | None) -> str:
    """An operation as places write it: "default" for the one without a name."""
    return key if key and not key.startswith(":") else f"default{key or ''}"


def _nested(places: Places) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    for place, value in places.items():
        operation, constant, *plane = place.split(".")
        costs = table.setdefault(operation, {})
        if plane:
            costs.setdefault(constant, {})[plane[0]] = value
        else:
            costs[constant] = value
    return table


def endpoint_with(recipe: Recipe, places: Places) -> Endpoint:
    """The stack of a recipe with these constants, SI by place."""
    by_operation = {
        "" if key == "default" else key.removeprefix("default"): Costs(**costs)
        for key, costs in _nested(places).items()
    }
    if recipe.name == "raw":
        by_operation[""] = Costs()
    return Endpoint(recipe.name, by_operation, recipe.planes, recipe.source, recipe.small_bytes)


# --- the file


HEADER = """\
# The constants of every software stack. Made by `triplane bench calibrate --write` from the rows of
# bench/published.csv marked "calibrate": change bench/recipes.py and run it again, not this file.
# A key ends in its unit (ps: of a byte). "fitted": least squares; otherwise the reason is beside.
"""


def as_toml(fits: Mapping[str, Fit]) -> str:
    """What `fabric.presets` reads: the constants, each with where it comes from."""
    return HEADER + "".join(_stack(one) for one in fits.values())


def _stack(one: Fit) -> str:
    recipe, quoted = one.recipe, json.dumps
    lines = [f"\n[{recipe.name}]", f"source = {quoted(recipe.source)}"]
    if recipe.planes is not None:
        lines.append(f"planes = {quoted(list(recipe.planes))}")
    if recipe.small_bytes:
        lines.append(f"small_bytes = {recipe.small_bytes}")
    lines.append(f"fitted_to = {json.dumps([row.id for row in one.rows], indent=4)}")
    for operation, costs in sorted(_nested(one.places).items()):
        lines.append(f"\n[{recipe.name}.costs.{quoted(operation)}]")
        lines += [_line(recipe, operation, name, value) for name, value in sorted(costs.items())]
    if recipe.name == "raw":
        lines.append(f"\n[{recipe.name}.costs.default]")
    return "\n".join(lines) + "\n"


def _line(recipe: Recipe, operation: str, name: str, value: Any) -> str:
    if isinstance(value, dict):
        parts = ", ".join(f"{plane} = {number:.6g}" for plane, number in value.items())
        places = [f"{operation}.{name}.{plane}" for plane in value]
        return f"{name} = {{ {parts} }}  # {'; '.join(_why(recipe, place) for place in places)}"
    suffix, unit = UNITS[name]
    return f"{name}{suffix} = {value / unit:.6g}  # {_why(recipe, f'{operation}.{name}')}"


def _why(recipe: Recipe, place: str) -> str:
    reasons = [
        known.why if isinstance(known, Fixed) else f"{known.stack}'s {known.place}: {known.why}"
        for known in recipe.known if place in known.places
    ]  # fmt: skip
    factors = [p for free in recipe.free for p in free.places if p.rpartition("*")[2] == place]
    fitted = [p.replace(place, "what is fitted") if "*" in p else "fitted" for p in factors]
    return " + ".join([*reasons, *fitted])


def records(fits: Mapping[str, Fit]) -> list[dict[str, Value]]:
    """Every fitted or known constant as a record, in the unit of its key."""
    found: list[dict[str, Value]] = []
    for one in fits.values():
        for place, value in one.places.items():
            operation, name, *plane = place.split(".")
            suffix, unit = UNITS.get(name, ("", 1.0))
            found.append({
                "software": one.recipe.name, "operation": operation,
                "constant": ".".join([name, *plane]), "value": float(f"{value / unit:.6g}"),
                "unit": suffix.removeprefix("_").replace("GBps", "GB/s"),
                "rows": len(one.rows), "origin": _why(one.recipe, place),
            })  # fmt: skip
    return found


@click.command("calibrate", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--targets", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              default=PUBLISHED, help="Measurements; default: the project's own.")
@click.option("--software", multiple=True, metavar="NAME",
              help="Fit this stack only, and those that it builds on; may be given again.")
@click.option("--write", is_flag=True, help="Rewrite fabric/constants.toml.")
@click.option("--format", "form", type=click.Choice(("table", "json", "csv")), default="table",
              help="Text for people, or records for programs.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the answer here instead of printing it.")  # fmt: skip
def command(
    targets: Path, software: tuple[str, ...], write: bool, form: str, output: Path | None
) -> None:
    """Fit the endpoint constants to published rows marked "calibrate"."""
    if write and software:
        raise click.UsageError("--write writes all stacks; it does not go with --software")
    rows = read(targets)
    fits: dict[str, Fit] = {}
    for name in progress(software or tuple(RECIPES), "calibrate"):
        fits |= calibrate(rows, [name]) if software else {name: fit(RECIPES[name], rows, fits)}
    if write:
        CONSTANTS.write_text(as_toml(fits), encoding="utf-8")
    with opened(output) as file:
        file.write(as_text(records(fits), form))
        if form == "table":
            file.writelines(f"# {line}\n" for line in summary(fits))


def summary(fits: Mapping[str, Fit]) -> list[str]:
    """A line a stack: how many constants, how many rows, and how well they fit."""
    return [
        f"{name}: {len(one.recipe.free)} constants fitted to {len(one.rows)} rows, mean error "
        f"{np.abs(one.errors).mean():.2f}%, worst {np.abs(one.errors).max():.2f}%"
        for name, one in fits.items()
    ]
