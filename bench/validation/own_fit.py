"""Fits a stack to a user's own measurements: only constants that these can tell apart.

Each candidate is taken if some row follows it, and no other constant could take its place; one that
the rows turn out not to give, within half of its value, is left out again. So a few rows of one
size give a launch, a sweep over sizes a bandwidth too, and two numbers of ranks what a step costs.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.measured.setting import MOE, MeasuredError
from bench.published.case import PublishedCase, workload
from bench.published.predict import duration, fabric_of, in_unit
from bench.published.rows import PublishedRow
from bench.validation.fit import Fit, Places, Problem, endpoint_with, placed, solved, turned
from bench.validation.own_rows import SPARE, RowsOfOperation, in_blocks
from bench.validation.recipes import RECIPES, Fixed, Free, Recipe
from collectives.algorithms.offload import possible
from collectives.algorithms.table import ALGORITHMS
from fabric.endpoint.costs import Endpoint
from fabric.endpoint.presets import UNITS, key_of, preset
from fabric.endpoint.records import Stack, record_of
from fabric.endpoint.records import fitted as constants
from fabric.endpoint.stacks import usual
from fabric.fabric import Fabric
from topology import Topology
from topology.errors import TriplaneError
from topology.units import US

FOLLOWS = 0.03
"""How much some row has to follow a constant by itself: percent of time by percent of it."""

UNSURE = 0.5
"""The standard error, as a share of the constant, beyond which the rows do not give it."""

_SMALL = 0.5
_NUDGE = 1e-2
_EXACT = 1e-4  # of a row's time: what rounding of printed values leaves at least
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OwnFit:
    """What the rows of one operation, or of several that share constants, came to.

    ``fit``: constants, rows and errors. ``unsure``: the standard error of each fitted constant as
    a share of it. ``held_out``, ``errors``: rows that were only compared with, and their errors in
    percent. ``left_out``: each constant that was not fitted, and why. ``cases``: what was simulated
    for each row, fitted ones first. ``is_like``: True if the constants are a known stack's.
    """

    fit: Fit
    unsure: tuple[float, ...]
    held_out: tuple[PublishedRow, ...]
    errors: tuple[float, ...]
    left_out: Mapping[str, str]
    cases: tuple[PublishedCase, ...]
    is_like: bool = False

    @property
    def operations(self) -> str:
        """The operations that were fitted, as text."""
        return ", ".join(dict.fromkeys(case.operation for case in self.cases))


def fit_own(measured: RowsOfOperation, topology: Topology) -> OwnFit:
    """Fit constants of one operation that know nothing of any stack: see `_candidates`.

    Formats and planes are those of the software that usually runs it on ``topology``; of the
    algorithms that this has, the one, or all of them, by which the rows fit best. Raises
    `MeasuredError` naming a row that the model has no answer to.
    """
    base = usual(topology).stack(measured.operation)
    stack, operation = record_of(base), key_of(measured.operation)
    planes = stack.planes or topology.planes
    bare = Recipe(
        base, stack.source, base, stack.planes, free=tuple(_candidates(operation, planes))
    )
    found: list[OwnFit] = []
    refused: list[MeasuredError] = []
    ways = _algorithms(measured, stack, topology)
    for algorithms in ways:
        recipe = replace(bare, algorithms=algorithms)
        try:
            found.append(fitted(recipe, {}, measured.fitted, measured.held_out))
        except MeasuredError as error:  # by this one; the next may fit
            refused.append(error)
    if not found:
        beaten = _faster_than_wire(replace(bare, algorithms=ways[0]), measured)
        raise MeasuredError(f"{refused[0]}{beaten}")
    return min(found, key=lambda one: float(np.abs(np.log1p(np.array(one.fit.errors) / 100)).sum()))


def _algorithms(
    measured: RowsOfOperation, stack: Stack, topology: Topology
) -> list[dict[str, tuple[str, ...]]]:
    """What to try: the rows' algorithm, else all that the usual software has, and each alone.

    With one cost of a step for all, the fastest of several may be one that nobody ran. Software
    that names none has all that the machine can do, as where its times are asked for.
    """
    op = measured.operation.partition(":")[0]
    named = tuple(dict.fromkeys(row.mode for row in measured.fitted if row.mode))
    offered = named or tuple(stack.algorithms.get(op, ()))
    if not offered and op in ALGORITHMS:
        ranks = max(row.ranks or 1 for row in measured.fitted)
        width = topology.node_width(topology.accelerators)
        offered = possible(Fabric(topology), op, range(ranks), width)
    if not offered or op in MOE:
        return [{}]
    alone = [(name,) for name in offered] if len(offered) > 1 and not named else []
    return [{op: names} for names in (offered, *alone)]


def _candidates(operation: str, planes: Sequence[str]) -> Iterator[Free]:
    """The constants that are tried, the most telling first; starts are found by `_begun`."""
    yield Free(10 * US, (f"{operation}.launch",))
    yield from (Free(0.8, (f"{operation}.efficiency.{plane}",)) for plane in planes)
    yield Free(1 * US, (f"{operation}.latency",))
    yield Free(0.5 * US, (f"{operation}.per_peer",))
    yield Free(1 * US, (f"{operation}.barrier",))


def fitted(
    recipe: Recipe, known: Places, rows: Sequence[PublishedRow],
    held_out: Sequence[PublishedRow], kept: bool = False,
) -> OwnFit:  # fmt: skip
    """Fit those of the recipe's constants that ``rows`` tell apart.

    ``known``: what is not fitted. ``kept``: True if a constant that is not fitted keeps its start,
    else it costs nothing. Raises `MeasuredError` as `fit_own`, and where no constant is told.
    """
    starts = placed(recipe, known, [free.start for free in recipe.free])
    problem = _problem(recipe, known, rows, endpoint_with(recipe, starts))
    recipe = recipe if kept else replace(recipe, free=tuple(_begun(problem)))
    problem = replace(problem, recipe=recipe)
    chosen, left_out = _told(problem, kept)
    while True:
        if not chosen:
            why = "; ".join(f"{place}: {reason}" for place, reason in left_out.items())
            raise MeasuredError(f"{rows[0].id} and the other rows give no constant: {why}")
        part = _of(problem, chosen, kept)
        found = solved(part)
        unsure = _unsure(part, found)
        worst = int(np.argmax(unsure))
        if unsure[worst] <= UNSURE:
            break
        left_out[chosen.pop(worst).places[0]] = "the rows do not give it"
    other = _problem(found.recipe, part.known, held_out, found.endpoint())
    return OwnFit(
        found, tuple(unsure), tuple(held_out), other.errors(found.places), left_out,
        (*problem.tasks, *other.tasks),
    )  # fmt: skip


def _problem(
    recipe: Recipe, known: Places, rows: Sequence[PublishedRow], endpoint: Endpoint
) -> Problem:
    stack = record_of(recipe.name)
    rows = [in_blocks(row, stack) for row in rows]
    return Problem(recipe, known, tuple(rows), tuple(_case(row, endpoint) for row in rows))


def _case(row: PublishedRow, endpoint: Endpoint) -> PublishedCase:
    try:
        found = workload(row, endpoint)
        in_unit(row, found, 1.0)  # refuses a unit that does not go with the metric
    except TriplaneError as error:
        raise MeasuredError(f"{row.id}: {error}") from None
    return found


def _begun(problem: Problem) -> Iterator[Free]:
    """The constants with starts from the rows: what the wire alone leaves of the quickest."""
    times, wire = _beside_wire(problem)
    slowest = int(np.argmax(times))
    for free in problem.recipe.free:
        start = free.start
        if free.places[0].endswith(".launch"):
            start = max(float((times - wire).min()), 0.3 * float(times.min()))
        elif ".efficiency." in free.places[0]:
            start = min(max(float(wire[slowest] / times[slowest]), 0.05), 0.95)
        yield replace(free, start=start)


def _beside_wire(problem: Problem) -> tuple[_Floats, _Floats]:
    """The seconds that each row took, and those that the wire alone takes."""
    bare = endpoint_with(problem.recipe, {f"{key_of(problem.tasks[0].operation)}.launch": 0.0})
    pairs = list(zip(problem.rows, problem.tasks, strict=True))
    wire = [duration(fabric_of(case, bare), case) for _, case in pairs]
    return np.array([_time(row, case) for row, case in pairs]), np.array(wire)


def _faster_than_wire(recipe: Recipe, measured: RowsOfOperation) -> str:
    """What to say of the row that beats the machine's links by most; nothing if none does."""
    starts = placed(recipe, {}, [free.start for free in recipe.free])
    problem = _problem(recipe, {}, measured.fitted, endpoint_with(recipe, starts))
    times, wire = _beside_wire(problem)
    worst = int(np.argmin(times / wire))
    if times[worst] >= wire[worst]:
        return ""
    row, system = measured.fitted[worst], measured.fitted[worst].system
    return (
        f". {row.id} took {times[worst] / US:.4g} us, for which the links of {system} alone take"
        f" {wire[worst] / US:.4g} us: are its ranks, size and unit what was measured, and is"
        " --system the machine?"
    )


def _time(row: PublishedRow, case: PublishedCase) -> float:
    """The seconds that a row took, whatever its metric."""
    assert row.value is not None
    one = in_unit(row, case, 1.0)
    return row.value / one if row.metric == "latency" else one / row.value


def _of(problem: Problem, chosen: Sequence[Free], kept: bool) -> Problem:
    """The problem with only ``chosen`` to fit.

    Places stay in the recipe's order, as the order of protocols has a meaning.
    """
    recipe = problem.recipe
    every = placed(recipe, problem.known, [free.start for free in recipe.free])
    rest = replace(recipe, free=tuple(free for free in recipe.free if free not in chosen))
    known = placed(rest, problem.known, [f.start for f in rest.free]) if kept else problem.known
    fitted = {text.rpartition("*")[2] for free in chosen for text in free.places}
    ordered = {place: known.get(place, 0.0) for place in every if place in known or place in fitted}
    return replace(problem, recipe=replace(recipe, free=tuple(chosen)), known=ordered, times={})


def _told(problem: Problem, kept: bool) -> tuple[list[Free], dict[str, str]]:
    """The constants that the rows tell apart at their starts, and why the others are left out."""
    slopes = elasticities(problem, [free.start for free in problem.recipe.free])
    most = len(problem.rows) - SPARE
    chosen: list[Free] = []
    columns: list[_Floats] = []
    why: dict[str, str] = {}
    for free, column in zip(problem.recipe.free, slopes.T, strict=True):
        place, size = free.places[0], np.abs(column).max()
        if size < FOLLOWS:
            why[place] = "no row follows it"
        elif len(chosen) == most:
            why[place] = f"{len(problem.rows)} rows are too few for {most + 1} constants"
        elif np.abs(_beside(column, columns)).max() < FOLLOWS * max(1.0, size):
            why[place] = f"these rows do not tell it from {', '.join(f.places[0] for f in chosen)}"
        else:
            chosen.append(free)
            columns.append(column)
    return chosen, why


def _beside(column: _Floats, others: Sequence[_Floats]) -> _Floats:
    """What of a column no combination of the others can be."""
    if not others:
        return column
    basis = np.stack(others, axis=1)
    return column - basis @ np.linalg.lstsq(basis, column)[0]


def elasticities(problem: Problem, values: Sequence[float]) -> _Floats:
    """How much each row's answer follows each constant: percent by percent, [rows, constants]."""
    free, everything = problem.recipe.free, range(len(problem.rows))
    at = np.array([turned(one, value) for one, value in zip(free, values, strict=True)])
    here = problem.residuals(problem.places(at), everything)
    columns = []
    for column in range(len(free)):
        nudged = at.copy()
        nudged[column] *= 1 + _NUDGE
        then = problem.residuals(problem.places(nudged), everything)
        columns.append((then - here) / _NUDGE)
    return np.stack(columns, axis=1) if columns else np.zeros((len(here), 0))


def _unsure(problem: Problem, found: Fit) -> list[float]:
    """The standard error of each fitted constant, as a share of it.

    One that has become nothing is as sure as it would be at half of its start: rows may say
    that there is no such cost.
    """
    values = [
        max(value, _SMALL * free.start) for value, free in
        zip(_apart(found.recipe.free, found.places, problem.known), found.recipe.free, strict=True)
    ]  # fmt: skip
    slopes = elasticities(problem, values)
    residuals = np.log1p(np.array(found.errors) / 100)
    spare = max(len(residuals) - slopes.shape[1], 1)
    variance = max(float(residuals @ residuals) / spare, _EXACT**2)
    spread = np.diag(np.linalg.pinv(slopes.T @ slopes)) * variance
    lost = np.abs(slopes).max(axis=0) < FOLLOWS
    return [math.inf if is_lost else math.sqrt(max(one, 0.0)) for one, is_lost in
            zip(spread.tolist(), lost.tolist(), strict=True)]  # fmt: skip


# --- the constants of a known stack, fitted again


def fit_like(name: str, measured: Sequence[RowsOfOperation]) -> OwnFit:
    """Fit the constants of the stack ``name`` anew; those that no row tells keep their values.

    Raises `MeasuredError` for an unknown stack, one without fitted constants, and operations that
    it has no constants for.
    """
    stack = record_of(name)
    recipe = RECIPES.get(stack.constants_of or name)
    if recipe is None:
        raise MeasuredError(f"no stack {name!r} to be like; there are {', '.join(RECIPES)}")
    endpoint = preset(recipe.name)
    for one in measured:
        if endpoint.key(one.operation) is None:
            raise MeasuredError(f"{name} has no constants for {one.operation}: {endpoint.known()}")
    known = {
        place: one.value if isinstance(one, Fixed) else shipped(one.stack)[one.place]
        for one in recipe.known for place in one.places
    }  # fmt: skip
    now = shipped(recipe.name)
    starts = _apart(recipe.free, now, known)
    free = tuple(replace(one, start=value) for one, value in zip(recipe.free, starts, strict=True))
    rows = [row for one in measured for row in one.fitted]
    held_out = [row for one in measured for row in one.held_out]
    found = fitted(replace(recipe, free=free), known, rows, held_out, kept=True)
    keys = {key_of(endpoint.key(one.operation) or "") for one in measured}
    left_out = {
        place: why for place, why in found.left_out.items()
        if place.rpartition("*")[2].split(".")[0].split(":")[0] in keys
    }  # fmt: skip
    return replace(found, left_out=left_out, is_like=True)


def shipped(name: str) -> dict[str, float]:
    """The constants of a stack of the project by place, in SI."""
    found: dict[str, float] = {}
    for operation, costs in constants()[name]["costs"].items():
        for key, value in costs.items():
            constant, unit = _CONSTANTS[key]
            parts = value.items() if isinstance(value, Mapping) else [("", value)]
            for part, one in parts:
                dot = f".{part}" if part else ""
                found[f"{operation}.{constant}{dot}"] = one * unit
    return found


_CONSTANTS = {name + suffix: (name, unit) for name, (suffix, unit) in UNITS.items()} | {
    "efficiency": ("efficiency", 1.0)
}


def _apart(free: Sequence[Free], places: Places, known: Places) -> list[float]:
    """The value of each constant, of what its first place has beside what is known and others add.

    `placed` adds them up in this order.
    """
    so_far: Places = dict(known)
    values = list[float]()
    for one in free:
        factor, star, place = one.places[0].rpartition("*")
        value = (places[place] - so_far.get(place, 0.0)) / (float(factor) if star else 1.0)
        so_far = placed(Recipe("", "", "", free=(one,)), so_far, [value])
        values.append(value)
    return values
