"""The picture of a sweep: one column of its table over another, a line for each of some others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plot import DASHES, canvas, plain_numbers
from bench.records import Record, columns_of
from bench.sweep.options import SweepError
from bench.sweep.study import Study
from bench.sweep.table import ASKED, column
from topology.draw.figure_style import text as shown
from topology.names import near

if TYPE_CHECKING:
    from matplotlib.axes import Axes

USUAL = ("time_us", "busbw_GBps", "whole_time_us", "allocated_percent", "error_percent")
"""What is drawn where nothing is said: the first that the table has."""

MOST_LINES = 20
"""Lines of a picture at most."""

COLOURS = 7
"""Lines of different colours; the next are dashed (`topology.draw.figure_style`)."""

Curve = list[tuple[float | str, float]]


@dataclass(frozen=True)
class Curves:
    """What is drawn: ``of`` a label its points, x and y; ``x``, ``y``: names of columns."""

    x: str
    y: str
    of: dict[str, Curve]


def draw(table: Sequence[Record], study: Study, path: Path) -> None:
    """Draw a sweep's table to ``path``; raises `SweepError` for what cannot be, `OSError`."""
    found = curves(table, study)
    count = min(len(found.of), MOST_LINES)
    with canvas(path, 7.5, 4.2 + 0.2 * (count if count > 1 else 0)) as figure:
        axes = figure.add_subplot()
        for number, (label, points) in enumerate(list(found.of.items())[:MOST_LINES]):
            axes.plot([x for x, _ in points], [y for _, y in points], marker="o",
                      linestyle=DASHES[number // COLOURS % len(DASHES)], label=shown(label)
                      )  # fmt: skip
        _scales(axes, found)
        axes.set(xlabel=shown(found.x), ylabel=shown(found.y))
        more = len(found.of) - MOST_LINES
        figure.suptitle(shown(study.title) + (f" (and {more} more lines)" if more > 0 else ""),
                        x=0.01, ha="left")  # fmt: skip
        if len(found.of) > 1:
            figure.legend(loc="outside lower left")


def _scales(axes: "Axes", found: Curves) -> None:
    xs = [x for points in found.of.values() for x, _ in points if not isinstance(x, str)]
    ys = [y for points in found.of.values() for _, y in points]
    if min(ys) > 0 and max(ys) > 20 * min(ys):
        axes.set_yscale("log")
        plain_numbers(axes.yaxis)
    elif min(ys) >= 0:
        axes.set_ylim(bottom=0)
    if xs and min(xs) > 0 and max(xs) >= 4 * min(xs):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")


def curves(table: Sequence[Record], study: Study) -> Curves:
    """The lines of a picture of the table; what the study does not choose is chosen here.

    Raises `SweepError` for an unknown column, or if no row has both.
    """
    names = columns_of(table)
    choice = study.plot
    for name in (choice.x, choice.y, *choice.lines):
        if name is not None and name not in names:
            known = ", ".join(names)
            raise SweepError(f"[plot]: the table has no column {name!r}; it has {known}"
                             f"{near(name, names)}")  # fmt: skip
    axes = [column(axis) for axis in study.axes]
    y = choice.y or _usual(table, names)
    x = choice.x or _abscissa(table, axes, names)
    lines = choice.lines or tuple(
        name for name in ("op", *axes) if name != x and name in names and _differs(table, name)
    )
    found: dict[str, Curve] = {}
    for row in table:
        value, at = row.get(y), row.get(x)
        if isinstance(value, int | float) and isinstance(at, int | float | str):
            label = ", ".join(_said(name, row.get(name)) for name in lines) or y
            found.setdefault(label, []).append((at, float(value)))
    if not found:
        raise SweepError(f"there is nothing to draw: no row of the table has {x} and {y}")
    is_text = any(isinstance(at, str) for points in found.values() for at, _ in points)
    for label, points in found.items():
        found[label] = [(str(at), value) for at, value in points] if is_text else sorted(points)
    return Curves(x, y, found)


def _said(name: str, value: object) -> str:
    """What a line is of: a text says it by itself, anything else with its name."""
    return value if isinstance(value, str) else f"{name.removeprefix(ASKED)} {value}"


def _usual(table: Sequence[Record], names: Sequence[str]) -> str:
    floats = [name for name in names if any(isinstance(row.get(name), float) for row in table)]
    found = next((name for name in USUAL if name in names), next(iter(floats), None))
    if found is None:
        raise SweepError(f"[plot] y is needed: a column of {', '.join(names)}")
    return found


def _abscissa(table: Sequence[Record], axes: Sequence[str], names: Sequence[str]) -> str:
    """The axis with the most numbers; else what usually changes within an answer."""
    usual = [name for name in ("size_bytes", "ranks") if name in names and _differs(table, name)]
    numeric = [name for name in axes if all(_is_number(row.get(name)) for row in table)]
    best = sorted(numeric, key=lambda name: -len({row[name] for row in table}))
    return next(iter([*best, *usual, *axes, "point"]))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _differs(table: Sequence[Record], name: str) -> bool:
    return len({row.get(name) for row in table}) > 1
