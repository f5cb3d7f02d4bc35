"""``triplane bench validate``: every published measurement beside the model's answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from bench import written_files
from bench.new_files import NewFile
from bench.options import Output, output_options
from bench.published import errors, outliers
from bench.published.predict import Prediction, answered, predict
from bench.published.rows import PUBLISHED, PublishedRow, read
from bench.records import Value, as_text, opened, progress, with_machines
from bench.validation import page as pages
from bench.validation import picture
from fabric.engines.base import maker
from fabric.timeline.value import Timeline

ENGINE = "flow"
"""By which published rows are predicted where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class StackErrors:
    """The errors of one stack and use, in percent: ``worst`` is signed, ``row`` its id.

    ``modelled``: of ``rows``, those that the model has an answer to; the others do not count.
    """

    software: str
    use: str
    rows: int
    modelled: int
    mean: float | None
    worst: float | None
    row: str | None

    def record(self) -> dict[str, Value]:
        """The summary as a record."""
        return {
            "software": self.software, "use": self.use, "rows": self.rows,
            "modelled": self.modelled, "mean_abs_error_percent": self.mean,
            "worst_error_percent": self.worst, "worst_id": self.row,
        }  # fmt: skip


def validate(rows: Iterable[PublishedRow], engine: str = ENGINE) -> list[Prediction]:
    """The model's answer to every row, in order. Raises `EngineError` for an unknown engine."""
    maker(engine)  # refuses a name before the first row is asked
    return [predict(row, engine) for row in rows]


def record(found: Prediction) -> dict[str, Value]:
    """A prediction as a record."""
    row = found.row
    return {
        "id": row.id, "software": row.software, "use": row.use, "metric": row.metric,
        "unit": row.unit, "predicted": found.value, "published": row.value,
        "error_percent": found.error_percent, "reason": found.reason,
    }  # fmt: skip


def summaries(found: Sequence[Prediction]) -> list[StackErrors]:
    """One summary for each stack and use, in the order of first appearance."""
    keys = dict.fromkeys((one.row.software, one.row.use) for one in found)
    return [
        _summary(*key, [one for one in found if (one.row.software, one.row.use) == key])
        for key in keys
    ]


def _summary(software: str, use: str, found: Sequence[Prediction]) -> StackErrors:
    off = {i: error for i, one in enumerate(found) if (error := one.error_percent) is not None}
    if not off:
        return StackErrors(software, use, len(found), 0, None, None, None)
    worst = max(off, key=lambda i: abs(off[i]))
    mean = sum(map(abs, off.values())) / len(off)
    return StackErrors(software, use, len(found), len(off), mean, off[worst], found[worst].row.id)


def _far(found: Sequence[Prediction]) -> list[dict[str, Value]]:
    """The rows at which the model is far off, and why, if that is written down."""
    rows = outliers.far(map(errors.row_error, found))
    return [
        {
            f"off by more than {outliers.FAR:g}%": row.id, "error_percent": row.error_percent,
            "reason": outliers.reason(row.id) or None,
        }
        for row in rows
    ]  # fmt: skip


def as_page(found: Sequence[Prediction]) -> str:
    """The report for a person: rows, those not modelled or far off, errors by stack and use."""
    rows = [{key: value for key, value in record(one).items() if key != "reason"} for one in found]
    parts = [as_text(rows, "table")]
    missing: list[dict[str, Value]] = [
        {"not modelled": one.row.id, "reason": one.reason} for one in found if one.value is None
    ]
    if missing:
        parts.append(as_text(missing, "table"))
    if off := _far(found):
        parts.append(as_text(off, "table"))
    parts.append(as_text([one.record() for one in summaries(found)], "table"))
    return "\n".join(parts)


@click.command("validate", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--targets",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=PUBLISHED,
    metavar="FILE",
    help="Measurements with the columns of bench/published/published.csv, which is the default.",
)
@click.option(
    "--engine", default=ENGINE, show_default=True, metavar="NAME", help="How transfers are timed."
)
@click.option(
    "--write",
    is_flag=True,
    help="Rewrite bench/published/errors.csv, in which answers find their errors, and the tables of"
    " docs/calibration.md.",
)
@click.option(
    "--page",
    type=NewFile(),
    help="Write errors, ranges and constants as tables into this Markdown file, between its marks.",
)
@output_options
def command(targets: Path, engine: str, write: bool, page: Path | None, output: Output) -> None:
    """Put every published measurement beside the model's answer, with the errors."""
    if write and (targets != PUBLISHED or engine != ENGINE):
        raise click.UsageError(
            f"--write keeps the errors of {PUBLISHED.name} with the {ENGINE} engine: it does not go"
            " with --targets or --engine"
        )
    found = validate(progress(read(targets), "validate"), engine)
    if write:
        keep(found)
    if page:
        pages.write([*map(errors.row_error, found)], page)
    with opened(output.output) as file:
        file.write(_FORMS[output.format](found))
    if output.plot:
        picture.draw(found, output.plot)
    if written_files.wanted(output):
        written_files.write(_last(found, engine), output)


_FORMS: Mapping[str, Callable[[Sequence[Prediction]], str]] = {
    "table": as_page,
    "json": lambda found: with_machines(list(map(record, found)), [one.machine for one in found]),
    "csv": lambda found: as_text(list(map(record, found)), "csv"),
}  # fmt: skip


def keep(found: Sequence[Prediction]) -> None:
    """Write the errors for the answers of other benchmarks, and in a checkout the page about them.

    Raises `OSError`.
    """
    errors.write(found)
    errors.errors.cache_clear()
    if pages.PAGE.exists():
        pages.write(errors.errors())


def _last(found: Sequence[Prediction], engine: str) -> Timeline:
    modelled = [one.row for one in found if one.value is not None]
    if not modelled:
        raise click.UsageError("there is no timeline to write: no row is modelled")
    return answered(modelled[-1], engine)
