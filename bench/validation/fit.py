"""Fit a stack's constants to published rows: what `bench.validation.calibrate` runs.

Levenberg-Marquardt on ln(predicted / published) with Huber's loss, every prediction a simulation.
What is fitted is time a byte instead of bytes a second (and 1 / efficiency), in which time is
linear but for the choice of a bottleneck. Constants never go below 0 and are rounded to four
digits, so that the same rows give the same constants again.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.published.apart import apart
from bench.published.case import PublishedCase, workload
from bench.published.predict import duration, fabric_of, in_unit
from bench.published.rows import CALIBRATE, PublishedRow, calibration
from bench.validation.recipes import RECIPES, Fixed, Free, Recipe, Same
from fabric.endpoint.costs import Costs, Endpoint
from fabric.endpoint.presets import key_of, operation_of
from fabric.fabric import Fabric
from fabric.schedule.uniform import UniformSteps
from topology.errors import TriplaneError

DIGITS = 4
"""Significant digits of a fitted constant."""

ROUNDS = 40
"""Steps at most; three or four are enough where no bottleneck changes."""

RETRIES = 12
"""Shorter steps that are tried where one has made the errors greater."""

_SETTLED = 1e-5  # a step this small beside the constant is the last
_SETTLED_ERRORS = 1e-3  # where only errors count: they hardly change so near to the least
_NUDGE = 1e-2  # of a constant, to see what it does: far more than a simulation's tolerance
_OUTLYING = 0.1  # ln of predicted / published, beyond which a row counts less
_DAMPING, _DAMPING_UP, _DAMPING_DOWN = 1e-4, 5.0, 10.0

_Floats = NDArray[np.float64]
Places = Mapping[str, float]
"""Constants in SI by place, as `bench.validation.recipes` writes places."""


class CalibrationError(TriplaneError):
    """There is nothing to fit a stack to, or no such stack."""


@dataclass(frozen=True)
class Fit:
    """What a stack's constants came out as.

    ``places``: every constant. ``rows``: what was fitted to; ``errors``: percent, signed, of each.
    """

    recipe: Recipe
    places: Places
    rows: tuple[PublishedRow, ...]
    errors: tuple[float, ...]

    def endpoint(self) -> Endpoint:
        """The software stack with these constants."""
        return endpoint_with(self.recipe, self.places)


def calibrate(rows: Sequence[PublishedRow], names: Iterable[str] = RECIPES) -> dict[str, Fit]:
    """Fit the named stacks, and those that they take constants from, in the recipes' order.

    Raises `CalibrationError` for an unknown stack, or one with too few rows.
    """
    wanted = with_lenders(names)
    fits: dict[str, Fit] = {}
    for recipe in RECIPES.values():
        if recipe.name in wanted:
            fits[recipe.name] = fit(recipe, rows, fits)
    return fits


def with_lenders(names: Iterable[str]) -> list[str]:
    """The named stacks and those that they take constants from, in the recipes' order.

    Raises `CalibrationError` for an unknown name.
    """
    wanted = set(names)
    unknown = sorted(wanted - RECIPES.keys())
    if unknown:
        raise CalibrationError(f"no stack {unknown[0]!r}; there are {', '.join(RECIPES)}")
    while more := {lender for name in wanted for lender in _lenders(name)} - wanted:
        wanted |= more
    return [name for name in RECIPES if name in wanted]


def _lenders(name: str) -> list[str]:
    return [known.stack for known in RECIPES[name].known if isinstance(known, Same)]


def fit(recipe: Recipe, rows: Sequence[PublishedRow], others: Mapping[str, Fit]) -> Fit:
    """Fit one stack; ``others``: the fits that it takes constants from.

    Raises `CalibrationError` if it has fewer rows than constants.
    """
    mine = tuple(calibration(rows, recipe.measured_as, recipe.system))
    if len(mine) < len(recipe.free):
        raise CalibrationError(
            f"{recipe.name} has {len(recipe.free)} constants to fit and {len(mine)} rows for it"
        )
    known = _known(recipe, others)
    begin = endpoint_with(recipe, placed(recipe, known, [free.start for free in recipe.free]))
    return solved(Problem(recipe, known, mine, tuple(_kept(workload(row, begin)) for row in mine)))


def _kept(task: PublishedCase) -> PublishedCase:
    """``task``, whose schedules are made once: drawing a routing takes longer than timing it."""
    if task.ways or isinstance(task.steps(), UniformSteps):
        return task
    steps, *draws = (partial(iter, tuple(each())) for each in (task.steps, *task.draws))
    return replace(task, steps=steps, draws=tuple(draws))


def solved(problem: "Problem") -> Fit:
    """The fit of a problem: the constants by which its errors are least."""
    recipe, found = problem.recipe, _least_squares(problem)
    values = [_rounded(turned(f, u)) for f, u in zip(recipe.free, found, strict=True)]
    places = placed(recipe, problem.known, values)
    return Fit(recipe, places, problem.rows, problem.errors(places))


def _known(recipe: Recipe, others: Mapping[str, Fit]) -> Places:
    return {
        place: known.value if isinstance(known, Fixed) else others[known.stack].places[known.place]
        for known in recipe.known for place in known.places
    }  # fmt: skip


def turned(free: Free, value: float) -> float:
    """What is fitted for a constant's ``value``, and back: 1 / bandwidth and 1 / efficiency."""
    upside_down = "bandwidth" in free.places[0] or "efficiency" in free.places[0]
    return 1 / value if upside_down else value


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}")


def placed(recipe: Recipe, known: Places, values: Iterable[float]) -> Places:
    """The value of every constant by place (``operation.name``), in SI.

    ``values``: of the recipe's free constants, in their order; at a place that has a value in
    ``known`` they are added to it. Raises `ValueError` for another number of values.
    """
    places = dict(known)
    for free, value in zip(recipe.free, values, strict=True):
        for text in free.places:
            factor, star, place = text.rpartition("*")
            places[place] = places.get(place, 0.0) + (float(factor) if star else 1.0) * value
    return places


@dataclass(frozen=True)
class Problem:
    """One stack's rows, what each measured, and the times that have been simulated, in seconds.

    ``fabrics``: the machines of the rows, each made once, as only its software differs from one
    simulation to the next. ``settled``: a step this small beside the constant ends a fit.
    """

    recipe: Recipe
    known: Places
    rows: tuple[PublishedRow, ...]
    tasks: tuple[PublishedCase, ...]
    times: dict[tuple[int, str], float] = field(default_factory=dict)
    fabrics: dict[tuple[Any, ...], Fabric] = field(default_factory=dict)
    settled: float = _SETTLED

    def places(self, unknowns: _Floats) -> Places:
        """Every constant, where those that are fitted are ``unknowns`` (`turned`)."""
        pairs = zip(self.recipe.free, unknowns, strict=True)
        return placed(self.recipe, self.known, [turned(free, u) for free, u in pairs])

    def residuals(self, places: Places, rows: Iterable[int]) -> _Floats:
        """ln(predicted / measured) of these rows, with the constants in ``places``."""
        endpoint = endpoint_with(self.recipe, places)
        return np.array([self._residual(i, endpoint) for i in rows])

    def errors(self, places: Places) -> tuple[float, ...]:
        """The errors of all rows in percent, signed."""
        found: list[float] = (
            100 * np.expm1(self.residuals(places, range(len(self.rows))))
        ).tolist()
        return tuple(found)

    def _residual(self, i: int, endpoint: Endpoint) -> float:
        row, task = self.rows[i], self.tasks[i]
        if task.ways:  # the software has a choice, which depends on all of the constants
            time = self._simulated(i, endpoint)
        else:
            time = endpoint.costs(task.operation).start(task.ranks) + self._time(i, endpoint)
        assert row.value is not None
        return math.log(in_unit(row, task, time) / row.value)

    def _time(self, i: int, endpoint: Endpoint) -> float:
        """Without launch and barrier, which only put off the beginning of everything."""
        task = self.tasks[i]
        costs = replace(endpoint.costs(task.operation), launch=0.0, barrier=0.0)
        return self._simulated(i, replace(endpoint, by_operation={"": costs}))

    def _simulated(self, i: int, endpoint: Endpoint) -> float:
        task = self.tasks[i]
        names = (task.operation, *(operation for operation, _ in task.ways.values()))
        key = i, repr([endpoint.costs(name) for name in names])
        if key not in self.times:
            fabric = self._fabric(task, endpoint).with_software(endpoint)
            self.times[key] = duration(fabric, task)
        return self.times[key]

    def _fabric(self, task: PublishedCase, endpoint: Endpoint) -> Fabric:
        """The machine of a row, with any software; rows on the same places share it."""
        places = None if task.places is None else task.places.tobytes()
        key = id(task.topology), task.planes, places
        if key not in self.fabrics:
            self.fabrics[key] = fabric_of(task, endpoint)
        return self.fabrics[key]

    def touched(self, free: Free, places: Places) -> list[int]:
        """The rows that a constant has a say in."""
        endpoint = endpoint_with(self.recipe, places)
        operations = {place.rpartition("*")[2].split(".")[0] for place in free.places}
        keys = [endpoint.key(task.operation) for task in self.tasks]
        return [i for i, key in enumerate(keys) if key_of(key or "") in operations]


def _least_squares(problem: Problem) -> _Floats:
    """Levenberg-Marquardt: a step that makes the errors greater is taken back, and made shorter."""
    at = np.array([turned(free, free.start) for free in problem.recipe.free])
    everything, damping = range(len(problem.rows)), _DAMPING
    here = _robust(problem.residuals(problem.places(at), everything))
    for _ in range(ROUNDS):
        slopes = _slopes(problem, at, here)
        square, down = slopes.T @ slopes, -slopes.T @ here
        for _ in range(RETRIES):
            change = np.linalg.lstsq(square + damping * np.diag(np.diag(square)), down)[0] * at
            there = np.maximum(at + change, _floor(problem.recipe, at))
            then = _robust(problem.residuals(problem.places(there), everything))
            if then @ then <= here @ here:
                break
            damping *= _DAMPING_UP
        else:
            return at
        settled = (np.abs(there - at) <= problem.settled * at).all()
        at, here, damping = there, then, damping / _DAMPING_DOWN
        if settled:
            break
    return at


def _robust(residuals: _Floats) -> _Floats:
    """Residuals whose squares sum to Huber's loss: beyond `_OUTLYING` an error counts once.

    Published tables have outliers, a warm-up or a typing error; squared, one would bend all.
    """
    size = np.abs(residuals)
    outlying = np.sqrt(np.maximum(2 * _OUTLYING * size - _OUTLYING**2, 0.0))
    return np.where(size <= _OUTLYING, residuals, np.sign(residuals) * outlying)


def _slopes(problem: Problem, at: _Floats, here: _Floats) -> _Floats:
    """How residuals follow each constant, by its own size: [rows, constants]."""
    slopes = np.zeros((len(here), len(at)))
    for column, free in enumerate(problem.recipe.free):
        nudged = at.copy()
        nudged[column] *= 1 + _NUDGE
        places = problem.places(nudged)
        rows = problem.touched(free, places)
        slopes[rows, column] = (_robust(problem.residuals(places, rows)) - here[rows]) / _NUDGE
    return slopes


def _floor(recipe: Recipe, at: _Floats) -> _Floats:
    """No constant falls to less than a thousandth at once, and no efficiency rises above 1."""
    least = [1.0 if "efficiency" in free.places[0] else 0.0 for free in recipe.free]
    return np.maximum(1e-3 * at, least)


def nested(places: Places) -> dict[str, dict[str, Any]]:
    """Constants by operation and name; an efficiency is a table by plane."""
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
    """The stack of ``recipe`` as an `Endpoint` with the constants in ``places``."""
    by_operation = {operation_of(key): Costs(**costs) for key, costs in nested(places).items()}
    if recipe.others_free:
        by_operation[""] = Costs()
    return Endpoint(
        recipe.name, by_operation, recipe.planes, recipe.source, recipe.small_bytes,
        recipe.small_bytes_of, algorithms=recipe.algorithms,
    )  # fmt: skip


# --- the same rows again with other recipes


class Trials:
    """A stack's rows, and what has been simulated of them: for fits that differ in few constants.

    ``rows``: all published ones; ``others``: the fits that its constants are taken from. Rows that
    are not modelled are left out. Raises `CalibrationError` as `fit`.
    """

    def __init__(
        self, recipe: Recipe, rows: Sequence[PublishedRow], others: Mapping[str, Fit]
    ) -> None:
        self.known = _known(recipe, others)
        start = placed(recipe, self.known, [free.start for free in recipe.free])
        begin = endpoint_with(recipe, start)
        mine = calibration(rows, recipe.measured_as, recipe.system)
        apart = [
            row for row in rows if row.software == recipe.measured_as and row.use != CALIBRATE
            and recipe.system in (None, row.system)
        ]  # fmt: skip
        self.recipe = recipe
        self._fitted, self._compared = (
            _problem(recipe, self.known, these, begin) for these in (mine, apart)
        )

    def without(self, recipe: Recipe, number: int) -> Fit:
        """The fit of these rows without one of the recipe's free constants; raises `EndpointError`.

        A protocol without its latency has one of nothing. The fit ends a little sooner than one
        whose constants are kept: only its errors are looked at.
        """
        gone = recipe.free[number]
        less = replace(recipe, free=(*recipe.free[:number], *recipe.free[number + 1 :]))
        plain = (place.rpartition("*")[2] for place in gone.places)
        nothing = {place: 0.0 for place in plain if ".protocol_latency." in place}
        known = {**nothing, **self.known}
        return solved(replace(self._fitted, recipe=less, known=known, settled=_SETTLED_ERRORS))

    def compared(self, found: Fit) -> tuple[float, ...]:
        """The errors with ``found`` of the rows that nothing is fitted to, percent and signed."""
        return replace(self._compared, recipe=found.recipe).errors(found.places)

    def warm(self, found: Fit) -> Recipe:
        """The recipe of ``found``, from whose constants the next search begins."""
        return replace(
            found.recipe, free=tuple(self._warm(one, found) for one in found.recipe.free)
        )

    def _warm(self, free: Free, found: Fit) -> Free:
        factor, star, place = free.places[0].rpartition("*")
        value = found.places[place] - self.known.get(place, 0.0)
        return replace(free, start=value / (float(factor) if star else 1.0))


def _problem(
    recipe: Recipe, known: Places, rows: Iterable[PublishedRow], begin: Endpoint
) -> Problem:
    """The rows that are modelled, and what each measured."""
    found: dict[PublishedRow, PublishedCase] = {}
    for row in rows:
        with suppress(TriplaneError):
            case = _kept(workload(row, begin))
            in_unit(row, case, 1.0)  # refuses a unit that is not known
            found[row] = case
    modelled = {
        row: case for row, case in found.items()
        if row.value and not row.problem and not apart(row.id)
    }  # fmt: skip
    return Problem(recipe, known, tuple(modelled), tuple(modelled.values()))
