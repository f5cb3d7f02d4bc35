"""Plots of benchmarks: ours as lines with dots, published measurements of it as crosses.

What has been published of others is drawn as thin grey lines. Matplotlib is imported when a plot is
asked for.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.measurement import Measurement
from bench.published.predict import Prediction
from bench.published.rows import PUBLISHED, PublishedRow, read
from bench.records import Record, in_gb, size_text
from topology.draw.figure_style import INK, QUIET, library, style, write
from topology.draw.figure_style import text as shown
from topology.units import US

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PER_RANK = ("all_gather", "reduce_scatter")
"""Collectives whose published sizes are those of one rank's part; nccl-tests' are of the whole."""

_DASHES = ("-", "--", "-.", ":")


@contextmanager
def canvas(path: Path, width: float, height: float) -> "Iterator[Figure]":
    """A context manager for a matplotlib figure, in inches, which is written to ``path``."""
    mpl = library()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(style()):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        write(figure, path)


def draw(rows: Sequence[Measurement], path: Path) -> None:
    """Draw time and bus bandwidth over size, a line for each algorithm, to ``path``.

    Dashed is the bound: no engine may answer less time than that. Dotted, of real ranks: what it
    took on this host. Raises `OSError`.
    """
    with canvas(path, 10, 4.5) as figure:
        left, right = figure.subplots(1, 2)
        for algorithm in dict.fromkeys(row.algorithm for row in rows):
            mine = [row for row in rows if row.algorithm == algorithm and row.size]
            _line(left, right, algorithm, sorted(mine, key=lambda row: row.size))
        if rows:
            first = rows[0]
            _published(left, right, first)
            figure.suptitle(
                shown(f"{first.op}, {first.ranks} ranks of {first.system}, {first.software}"),
                x=0.01, ha="left",
            )  # fmt: skip
        _axes(left, right)


def _line(left: "Axes", right: "Axes", label: str, rows: Sequence[Measurement]) -> None:
    """A line on both sides; what takes no time has no place on them."""
    (line,) = left.plot(*_of(rows, lambda row: row.time / US), marker="o", label=label)
    colour = line.get_color()
    bound = _of(rows, lambda row: (row.bound or 0.0) / US)
    left.plot(*bound, linestyle="--", linewidth=1, color=colour)
    right.plot(*_of(rows, lambda row: in_gb(row.busbw), 0.0), marker="o", label=label)
    for axes, wall in (
        (left, _of(rows, lambda row: (row.wall or 0.0) / US)),
        (right, _of(rows, lambda row: in_gb(row.wall_busbw), 0.0)),
    ):
        axes.plot(*wall, linestyle=":", linewidth=1, color=colour)


def _of(
    rows: Sequence[Measurement], value: Callable[[Measurement], float | None], least: float = 1e-300
) -> tuple[list[int], list[float]]:
    """Sizes and values of the rows that have such a value, and not below ``least``."""
    found = [(row.size, value(row)) for row in rows]
    known = [(size, known) for size, known in found if known is not None and known >= least]
    return [size for size, _ in known], [known for _, known in known]


def _published(left: "Axes", right: "Axes", first: Measurement) -> None:
    """Crosses for this very machine, stack and number of ranks; grey lines for others."""
    known = [row for row in read(PUBLISHED) if row.op == first.op and row.size and row.value]
    metrics = ((left, "latency", "us"), (right, "busbw", "GB/s"))
    for (axes, metric, unit), others in itertools.product(metrics, (False, True)):
        rows = [row for row in known if (row.metric, row.unit) == (metric, unit)]
        rows = [row for row in rows if others != _same(row, first)]
        if others:
            _peers(axes, rows)
        elif rows:
            axes.plot([_size(row) for row in rows], [row.value or 0 for row in rows], "x",
                      color=INK, markersize=7, label="published", zorder=5)  # fmt: skip


def _same(row: PublishedRow, first: Measurement) -> bool:
    return (row.system, row.software, row.ranks) == (first.system, first.software, first.ranks)


def _size(row: PublishedRow) -> int:
    return (row.size or 0) * ((row.ranks or 1) if row.op in PER_RANK else 1)


def _peers(axes: "Axes", rows: Sequence[PublishedRow]) -> None:
    names = dict.fromkeys((row.system, row.software, row.ranks) for row in rows)
    for number, name in enumerate(names):
        mine = [row for row in rows if (row.system, row.software, row.ranks) == name]
        mine.sort(key=_size)
        axes.plot([_size(row) for row in mine], [row.value or 0 for row in mine], marker="x",
                  color=QUIET, linewidth=0.9, linestyle=_DASHES[number % len(_DASHES)], zorder=1,
                  label=f"published: {name[0]} {name[1]}, {name[2]} ranks")  # fmt: skip


def _axes(left: "Axes", right: "Axes") -> None:
    left.set(xlabel="size (bytes)", ylabel="time (us); dashed: bound")
    if _is_drawn(left):
        left.set_yscale("log")
    right.set(xlabel="size (bytes)", ylabel="bus bandwidth (GB/s)")
    right.set_ylim(bottom=0)
    left.yaxis.set_major_formatter("{x:,.6g}")
    for axes in (left, right):
        if _is_drawn(axes):
            axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda size, _: size_text(size))
        if axes.get_lines():
            axes.legend()


def _is_drawn(axes: "Axes") -> bool:
    """Whether any line has a point: an axis without any cannot be logarithmic."""
    return any(np.size(line.get_xdata()) for line in axes.get_lines())


def draw_moe(rows: Sequence[Record], path: Path, panels: Sequence[str]) -> None:
    """Draw time over EP size, a line for each system and stack, a panel for each of ``panels``.

    ``rows``: records of `bench.moe.measure`; ``panels``: operations. Raises `OSError`.
    """
    with canvas(path, 10, 4.5) as figure:
        every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, op in zip(every, panels, strict=True):
            mine = [row for row in rows if row["op"] == op]
            for label in dict.fromkeys((row["system"], row["software"]) for row in mine):
                _moe_line(axes, label, [r for r in mine if (r["system"], r["software"]) == label])
            _moe_peers(axes, op, mine)
            axes.set(title=op, xlabel="EP size (ranks)", ylabel="time (us); x: published")
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted({int(str(row["ranks"])) for row in mine}))
            axes.xaxis.set_major_formatter("{x:.0f}")
            axes.tick_params(axis="x", rotation=45)
            axes.legend()
        every[0].set_ylim(bottom=0)


def _moe_line(axes: "Axes", label: tuple[object, object], line: Sequence[Record]) -> None:
    name = shown(" ".join(map(str, label)))
    (drawn,) = axes.plot(*_points(line, "time_us"), marker="o", label=name)
    known = [row for row in line if row["published_us"] is not None]
    axes.plot(
        *_points(known, "published_us"), linestyle="", marker="x", markersize=8,
        color=drawn.get_color(), zorder=5,
    )  # fmt: skip


def _points(rows: Sequence[Record], key: str) -> tuple[list[float], list[float]]:
    return [float(row["ranks"] or 0) for row in rows], [float(row[key] or 0) for row in rows]


def _moe_peers(axes: "Axes", op: str, mine: Sequence[Record]) -> None:
    """What is published of the same operation on other machines and stacks."""
    if not mine:
        return
    drawn = {(row["system"], row["software"]) for row in mine}
    asked = tuple(mine[0][key] for key in ("mode", "tokens", "hidden", "top_k"))
    rows = [
        row for row in read(PUBLISHED)
        if row.op == op and (row.metric, row.unit) == ("latency", "us") and row.value and row.ranks
        and (row.mode, row.tokens, row.hidden, row.top_k) == asked
        and (row.system, row.software) not in drawn
    ]  # fmt: skip
    for number, name in enumerate(dict.fromkeys((row.system, row.software) for row in rows)):
        line = sorted((row.ranks or 0, row.value or 0.0) for row in rows
                      if (row.system, row.software) == name)  # fmt: skip
        axes.plot(*zip(*line, strict=True), marker="x", color=QUIET, linewidth=0.9, zorder=1,
                  linestyle=_DASHES[number % len(_DASHES)],
                  label=f"published: {name[0]} {name[1]}")  # fmt: skip


def draw_validation(found: Sequence[Prediction], path: Path) -> None:
    """Draw predicted over published values, by stack; points on the diagonal are exact."""
    with canvas(path, 7, 7) as figure:
        axes = figure.add_subplot()
        ours = [one for one in found if one.error_percent is not None]
        stacks = sorted(ours, key=lambda one: one.row.software)
        by_stack = itertools.groupby(stacks, lambda one: one.row.software)
        for number, (name, group) in enumerate(by_stack):
            points = [(one.row.value or 0.0, one.value or 0.0) for one in group]
            axes.plot(*zip(*points, strict=True), "osD^v<>"[number // 7 % 7], alpha=0.75,
                      label=shown(name))  # fmt: skip
        axes.axline((1, 1), slope=1, color=QUIET, linewidth=0.9, zorder=0)
        axes.set(xscale="log", yscale="log", xlabel="published (each row's own unit)",
                 ylabel="predicted (the same)", title="On the line the model is right")  # fmt: skip
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,.6g}")
        if ours:
            axes.legend()
