"""The plot of dispatch and combine: time over EP size or tokens, beside what was published."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plot import DASHES, canvas, plain_numbers, trust
from bench.published.errors import RowError, errors
from bench.published.standing import INSIDE
from bench.records import Record
from topology.draw.figure_style import QUIET
from topology.draw.figure_style import text as shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLES = {"ranks": "EP size (ranks)", "tokens": "tokens of a rank"}


def draw(rows: Sequence[Record], path: Path, panels: Sequence[str]) -> None:
    """Draw time over what varies, a line for each system and stack, a panel for each of ``panels``.

    That is the number of tokens where there are several, else the EP size; of both varying, each EP
    size has a line; beside streams it has another, dashed, for the operation alone. ``rows``:
    records of `bench.moe.measure`; ``panels``: operations. Raises `OSError`.
    """
    axis = "tokens" if len({row["tokens"] for row in rows}) > 1 else "ranks"
    other = "ranks" if axis == "tokens" else "tokens"
    beside = any("background" in row for row in rows)
    with canvas(path, 10, 4.5) as figure:
        every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, op in zip(every, panels, strict=True):
            mine = [row for row in rows if row["op"] == op]
            for name, line in _lines(mine, other):
                _line(axes, name, line, axis)
            if not beside:
                _peers(axes, mine, axis, other)
            ylabel = "time (us)" if beside else "time (us); x: published"
            axes.set(title=op, xlabel=_TITLES[axis], ylabel=ylabel, yscale="log")
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted({int(str(row[axis])) for row in mine}))
            axes.xaxis.set_major_formatter("{x:.0f}")
            plain_numbers(axes.yaxis)
            axes.tick_params(axis="x", rotation=45)
            axes.legend()


def _lines(rows: Sequence[Record], other: str) -> Iterator[tuple[str, list[Record]]]:
    keys = ("system", "software", other)
    groups = dict.fromkeys(tuple(row[key] for key in keys) for row in rows)
    is_told = len({group[2] for group in groups}) > 1
    for group in groups:
        name = " ".join(map(str, group[:2])) + (f", EP{group[2]}" if is_told else "")
        yield name, [row for row in rows if tuple(row[key] for key in keys) == group]


def _line(axes: "Axes", name: str, rows: Sequence[Record], axis: str) -> None:
    line = sorted(rows, key=lambda row: _number(row[axis]))
    points = [_number(row[axis]) for row in line], [_number(row["time_us"]) for row in line]
    beside = line[0].get("background")
    label = f"{name} beside {beside}" if beside else name
    (drawn,) = axes.plot(*points, marker="o", label=shown(label))
    if beside:  # no measurement is of that
        axes.plot(points[0], [_number(row["alone_us"]) for row in line], linestyle="--",
                  color=drawn.get_color(), label=shown(f"{name} alone"))  # fmt: skip
        return
    trust(
        axes, drawn,
        [None if row["expected_error_percent"] is None else _number(row["expected_error_percent"])
         for row in line],
        [row["calibration"] == INSIDE for row in line],
    )  # fmt: skip
    other = "ranks" if axis == "tokens" else "tokens"
    known = [row for row in _like(line[0]) if getattr(row, other) == line[0][other]]
    known = [row for row in known if (row.system, row.stack) == _names(line[0])]
    axes.plot(*_points(known, axis), linestyle="", marker="x", markersize=8,
              color=drawn.get_color(), zorder=5)  # fmt: skip


def _peers(axes: "Axes", mine: Sequence[Record], axis: str, other: str) -> None:
    """What is published of the same operation on other machines and stacks."""
    if not mine:
        return
    drawn, asked = {_names(row) for row in mine}, {row[other] for row in mine}
    rows = [row for row in _like(mine[0]) if (row.system, row.stack) not in drawn]
    rows = [row for row in rows if getattr(row, other) in asked]
    groups: dict[tuple[str, str, int | None], list[RowError]] = {}
    for row in rows:
        groups.setdefault((row.system, row.stack, getattr(row, other)), []).append(row)
    for number, (name, group) in enumerate(groups.items()):
        suffix = f", EP{name[2]}" if other == "ranks" and len(asked) > 1 else ""
        axes.plot(*_points(group, axis), marker="x", color=QUIET, linewidth=0.9, zorder=1,
                  linestyle=DASHES[number % len(DASHES)],
                  label=f"published: {name[0]} {name[1]}{suffix}")  # fmt: skip


def _names(row: Record) -> tuple[object, object]:
    return row["system"], row["software"]


def _like(record: Record) -> list[RowError]:
    """The published rows of the record's operation and mode that have a time."""
    mode = "" if record["mode"] == "low-latency" else f":{record['mode']}"
    operation = f"{record['op']}{mode}"
    return [
        row for row in errors()
        if row.operation == operation and row.published_us and row.ranks and row.tokens
    ]  # fmt: skip


def _points(rows: Sequence[RowError], axis: str) -> tuple[list[float], list[float]]:
    found = sorted((float(getattr(row, axis)), row.published_us or 0.0) for row in rows)
    return [x for x, _ in found], [y for _, y in found]


def _number(value: object) -> float:
    return float(str(value))
