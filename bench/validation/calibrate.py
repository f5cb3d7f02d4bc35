"""``triplane bench calibrate``: fit the endpoint constants to published rows, and write them down.

How is in `bench.validation.fit`, what in `bench.validation.recipes`; only rows marked ``calibrate``
are looked at.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.new_files import NewFile
from bench.published.rows import PUBLISHED, PublishedRow, read
from bench.records import Value, as_text, opened, progress
from bench.validation.ablate import ablate
from bench.validation.ablate import text as ablation_text
from bench.validation.fit import Fit, fit, nested, with_lenders
from bench.validation.own_command import OwnRows, own_options, run
from bench.validation.recipes import RECIPES, Recipe, origin
from bench.validation.validate import keep, validate
from fabric.endpoint.presets import UNITS
from fabric.endpoint.records import CONSTANTS, fitted

HEADER = """\
# The fitted constants of every software stack. Made by `triplane bench calibrate --write` from the
# rows of bench/published/published.csv marked "calibrate" and from stacks.toml beside this file:
# change that and run it again, not this file. A key ends in its unit (ps: of a byte). "fitted":
# least squares; otherwise the reason is beside.
"""


def as_toml(fits: Mapping[str, Fit]) -> str:
    """The text of ``constants.toml`` with the constants of ``fits`` and where each comes from."""
    return HEADER + "".join(_stack(one) for one in fits.values())


def _stack(one: Fit) -> str:
    recipe, quoted = one.recipe, json.dumps
    rows = json.dumps([row.id for row in one.rows], indent=4)
    lines = [f"\n[{recipe.name}]", f"fitted_to = {rows}"]
    for operation, costs in sorted(nested(one.places).items()):
        lines.append(f"\n[{recipe.name}.costs.{quoted(operation)}]")
        lines += [_line(recipe, operation, name, value) for name, value in sorted(costs.items())]
    return "\n".join(lines) + "\n"


def _line(recipe: Recipe, operation: str, name: str, value: Any) -> str:
    suffix, unit = UNITS.get(name, ("", 1.0))
    if isinstance(value, dict):
        parts = ", ".join(f"{part} = {number / unit:.6g}" for part, number in value.items())
        places = [f"{operation}.{name}.{part}" for part in value]
        why = "; ".join(dict.fromkeys(origin(recipe, place) for place in places))
        return f"{name}{suffix} = {{ {parts} }}  # {why}"
    return f"{name}{suffix} = {value / unit:.6g}  # {origin(recipe, f'{operation}.{name}')}"


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
                "unit": suffix[1:].replace("GBps", "GB/s"),
                "rows": len(one.rows), "origin": origin(one.recipe, place),
            })  # fmt: skip
    return found


@click.command("calibrate", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--targets",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=PUBLISHED,
    help="Measurements; default: the project's own.",
)
@click.option(
    "--software",
    multiple=True,
    metavar="NAME",
    help="Fit this stack only, and those that it builds on; may be given again.",
)
@click.option(
    "--write",
    is_flag=True,
    help="Rewrite fabric/endpoint/constants.toml, and what `validate --write` writes.",
)
@click.option(
    "--ablate",
    "is_ablation",
    is_flag=True,
    help="Say what the errors become without each fitted constant, the others fitted anew.",
)
@own_options
@click.option(
    "--format",
    "form",
    type=click.Choice(("table", "json", "csv")),
    default="table",
    help="Text for people, or records for programs.",
)
@click.option(
    "--output",
    type=NewFile(),
    help="Write the answer here instead of printing it.",
)
def command(
    targets: Path, software: tuple[str, ...], write: bool, is_ablation: bool, form: str,
    output: Path | None, own: OwnRows,
) -> None:  # fmt: skip
    """Fit the endpoint constants to published rows marked "calibrate", or to your own --rows."""
    if own.rows:
        if software or write or is_ablation or targets != PUBLISHED:
            raise click.UsageError(
                "--rows are your own; they do not go with --targets, --software, --write, --ablate"
            )
        run(own, form, output)
        return
    if given := own.given():
        raise click.UsageError(f"{given[0]} goes with --rows FILE")
    if write and software:
        raise click.UsageError("--write writes all stacks; it does not go with --software")
    if write and is_ablation:
        raise click.UsageError("--ablate only asks; it does not go with --write")
    rows = read(targets)
    fits: dict[str, Fit] = {}
    for name in progress(with_lenders(software or RECIPES), "calibrate"):
        fits[name] = fit(RECIPES[name], rows, fits)
    if write:
        with opened(CONSTANTS) as file:
            file.write(as_toml(fits))
        fitted.cache_clear()  # from here on the new ones hold
        keep(validate(progress(rows, "validate")))
    if is_ablation:
        _write_ablations(fits, rows, software or tuple(fits), form, output)
        return
    with opened(output) as file:
        file.write(as_text(records(fits), form))
        if form == "table":
            file.writelines(f"# {line}\n" for line in summary(fits))


def _write_ablations(
    fits: Mapping[str, Fit], rows: Sequence[PublishedRow], names: Sequence[str], form: str,
    output: Path | None,
) -> None:  # fmt: skip
    """A table stack by stack, each as soon as it is known; records all at once."""
    asked = (ablate(fits[name], rows, fits) for name in progress(names, "ablate"))
    with opened(output) as file:
        if form == "table":
            for found in asked:
                file.write(ablation_text(found))
                file.flush()
        else:
            records = [each.record() for found in asked for each in found]
            file.write(as_text(records, form))


def summary(fits: Mapping[str, Fit]) -> list[str]:
    """One line for each stack: number of constants, number of rows, and errors in percent."""
    return [
        f"{name}: {len(one.recipe.free)} constants fitted to {len(one.rows)} rows, mean error "
        f"{np.abs(one.errors).mean():.2f}%, worst {np.abs(one.errors).max():.2f}%"
        for name, one in fits.items()
    ]
