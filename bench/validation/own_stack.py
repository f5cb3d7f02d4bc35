"""Writes a user's own software stack, fitted to measurements, as a file that ``--software`` takes.

What was fitted, to which rows and how well is in the file, so that answers by it say so.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.measured.setting import MOE, MeasuredError
from bench.published.errors import DIGITS, RowError, row_error
from bench.published.predict import Prediction, duration, fabric_of, in_unit
from bench.published.rows import PublishedRow
from bench.records import Value
from bench.validation.fit import nested
from bench.validation.own_fit import OwnFit, fit_like, fit_own
from bench.validation.own_rows import RowsOfOperation, by_operation
from bench.validation.recipes import RECIPES
from fabric.endpoint.costs import WIRE
from fabric.endpoint.presets import UNITS
from fabric.endpoint.records import FORMAT, Stack, record_of
from fabric.endpoint.stacks import usual
from topology import Topology, system
from topology.files.output import text_file

_PLAIN = (str, int, bool)


@dataclass(frozen=True)
class OwnStack:
    """A stack fitted to a user's rows, measured on ``system``.

    ``fits``: one for each operation, or for several that have the constants of one known stack.
    """

    name: str
    system: str
    fits: tuple[OwnFit, ...]

    @property
    def path(self) -> Path:
        """The file of the stack."""
        return Path(f"{self.name}.toml")


def own_stack(
    name: str, rows: Sequence[PublishedRow], where: str, like: str = "", share: float = 0.2
) -> OwnStack:
    """The stack ``name`` fitted to ``rows``, measured on the system ``where``.

    ``like``: the stack whose constants are fitted anew, `NONE` for few of its own, "" for the one
    that usually runs each operation there. ``share``: of the rows that is held out where none says
    ``validate``. Raises `MeasuredError` as
    `by_operation`, `fit_own` and `fit_like` do, and `TopologyError` for an unknown system.
    """
    topology, parts = system(where), by_operation(rows, share)
    by_base: dict[str, list[RowsOfOperation]] = {}
    for one in parts:
        by_base.setdefault(like or _like(topology, one.operation), []).append(one)
    fits = [
        each for base, mine in by_base.items()
        for each in ([fit_like(base, mine)] if base != NONE else
                     [fit_own(one, topology) for one in mine])
    ]  # fmt: skip
    return OwnStack(name, where, tuple(fits))


NONE = "none"
"""What `own_stack` is like where its constants are no other stack's."""


def _like(topology: Topology, operation: str) -> str:
    """The stack that usually runs an operation on ``topology`` if its constants were fitted."""
    base = usual(topology).stack(operation)
    record = record_of(base)
    known = base != WIRE and (record.constants_of or base) in RECIPES
    return base if known and set(record.planes or ()) <= set(topology.planes) else NONE


def as_toml(stack: OwnStack) -> str:
    """The text of the stack's file."""
    rows = [row for one in stack.fits for row in _rows(one)]
    lines = [
        f"# {stack.name}: what software costs on {stack.system}, by `triplane bench calibrate`.",
        f"# Use it as --software {stack.path.name}. Values are in the unit that ends their key (ps:"
        " of a byte).",
        f"format = {json.dumps(FORMAT)}",
        *(f"{key} = {_value(value)}" for key, value in _record(stack).items()),
    ]
    for one in stack.fits:
        for operation, costs in sorted(nested(one.fit.places).items()):
            lines.append(f"\n[costs.{json.dumps(operation)}]")
            lines += [_line(one, operation, *each) for each in sorted(costs.items())]
    for row in rows:
        lines.append("\n[[rows]]")
        lines += [f"{key} = {_value(value)}" for key, value in row.items()]
    return "\n".join(lines) + "\n"


def write(stack: OwnStack) -> None:
    """Write the stack's file; raises `OSError`."""
    with text_file(stack.path) as file:
        file.write(as_toml(stack))


def _record(stack: OwnStack) -> dict[str, Any]:
    """The keys of the file's record: what is not fitted is as in the stacks that it builds on."""
    bases = [record_of(one.fit.recipe.name) for one in stack.fits]
    moe = next(
        (base for base, one in zip(bases, stack.fits, strict=True)
         if one.cases[0].operation.partition(":")[0] in MOE), bases[0],
    )  # fmt: skip
    algorithms = {
        op: names for one in stack.fits for op, names in one.fit.recipe.algorithms.items()
    }
    planes = {base.planes for base in bases if base.planes}
    if len(planes) > 1:
        names = ", ".join(base.name for base in bases)
        raise MeasuredError(f"{names} use different planes: fit their operations apart")
    nothing = Stack("")
    given = {
        "source": _source(stack), "planes": next(iter(planes), None), "algorithms": algorithms,
        "small_bytes": max(one.fit.recipe.small_bytes for one in stack.fits),
        "small_bytes_of": {
            op: most for one in stack.fits for op, most in one.fit.recipe.small_bytes_of.items()
        },
        **{key: getattr(moe, key) for key in ("messages", "dtype", "once_a_rank")},
    }  # fmt: skip
    return {key: value for key, value in given.items() if value != getattr(nothing, key)}


def _source(stack: OwnStack) -> str:
    fitted = sum(len(one.fit.rows) for one in stack.fits)
    like = dict.fromkeys(one.fit.recipe.name for one in stack.fits if one.is_like)
    rest = f"; {', '.join(like)} where no row tells a constant" if like else ""
    return f"fitted to {fitted} rows of one's own on {stack.system}{rest}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(key)} = {_value(each)}" for key, each in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else json.dumps(value)


def _line(one: OwnFit, operation: str, name: str, value: Any) -> str:
    suffix, unit = UNITS.get(name, ("", 1.0))
    if not isinstance(value, Mapping):
        said = origin(one, f"{operation}.{name}")
        return f"{name}{suffix} = {value / unit:.{DIGITS}g}  # {said}"
    parts = ", ".join(f"{part} = {each / unit:.{DIGITS}g}" for part, each in value.items())
    said = "; ".join(f"{part} {origin(one, f'{operation}.{name}.{part}')}" for part in value)
    return f"{name}{suffix} = {{ {parts} }}  # {said}"


def origin(one: OwnFit, place: str) -> str:
    """Where a constant comes from: fitted, and how surely, or the stack that it is like."""
    for free, unsure in zip(one.fit.recipe.free, one.unsure, strict=True):
        if place in (text.rpartition("*")[2] for text in free.places):
            return f"fitted, +-{100 * unsure:.2g}%"
    return f"{one.fit.recipe.name}'s"


def _rows(one: OwnFit) -> Iterator[dict[str, Value]]:
    """What was measured, and what the model says, as tables of the file."""
    endpoint, fit = one.fit.endpoint(), one.fit
    for row, case in zip((*fit.rows, *one.held_out), one.cases, strict=True):
        time = duration(fabric_of(case, endpoint), case)
        value = in_unit(row, case, time)
        kept = row_error(Prediction(row, value, None, endpoint, case, None, time))
        kept = replace(kept, stack="")
        cells = {field.name: getattr(kept, field.name) for field in fields(RowError)}
        yield {key: each for key, each in cells.items() if each not in (None, "")}


# --- what is said of it


def records(stack: OwnStack) -> list[dict[str, Value]]:
    """Every constant as a record, in the unit of its key: its error, rows and ranges."""
    return [record for one in stack.fits for record in _records(stack, one)]


def _records(stack: OwnStack, one: OwnFit) -> Iterator[dict[str, Value]]:
    ranks = [row.ranks or 0 for row in one.fit.rows]
    for free, unsure in zip(one.fit.recipe.free, one.unsure, strict=True):
        place = free.places[0].rpartition("*")[2]
        operation, name, *part = place.split(".")
        suffix, unit = UNITS.get(name, ("", 1.0))
        yield {
            "software": stack.path.name, "operation": operation,
            "constant": ".".join([name, *part]),
            "value": float(f"{one.fit.places[place] / unit:.6g}"),
            "unit": suffix[1:].replace("GBps", "GB/s"), "error_percent": 100 * unsure,
            "rows": len(one.fit.rows), "ranks_min": min(ranks), "ranks_max": max(ranks),
        }  # fmt: skip


def summary(stack: OwnStack) -> Iterator[str]:
    """Lines about the fits: their errors, of the rows held out too, and what was left out."""
    for one in stack.fits:
        names = len(one.fit.recipe.free)
        yield (
            f"{one.operations}: {names} constant{'s' if names > 1 else ''} fitted to"
            f" {len(one.fit.rows)} rows, {_said(one.fit.errors)}; {_held(one)}"
        )
        for place, why in one.left_out.items():
            yield f"{place} is not fitted: {why}"
    yield f"written to {stack.path}: use it as --software {stack.path}"


def _held(one: OwnFit) -> str:
    count = len(one.held_out)
    return f"{count} held out, {_said(one.errors)}" if count else "none held out"


def _said(errors: Sequence[float]) -> str:
    sizes = np.abs(errors)
    return f"mean error {sizes.mean():.2g}%, worst {sizes.max():.2g}%"
