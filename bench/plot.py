"""Plots of benchmarks: ours as lines with dots, published measurements of it as crosses.

What has been published of others is drawn as thin grey lines. A band is the error to reckon with,
and a point beyond the range that constants were fitted in is hollow (`bench.published.standing`).
Matplotlib is imported when a plot is asked for.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.cases.operations import OPERATIONS
from bench.measurement import Measurement
from bench.published.errors import RowError, errors
from bench.published.standing import INSIDE
from bench.records import in_gb, over, size_text
from topology.draw.figure_style import INK, QUIET, library, style, write
from topology.draw.figure_style import text as shown
from topology.presets.catalogue import short_name
from topology.units import US

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

DASHES = ("-", "--", "-.", ":")
"""The lines of what others published, one after the other."""


PEERS = 6
"""How many others' lines are drawn at most: those with the most similar number of ranks."""


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
    timed = [row for row in rows if row.time > 0]
    (line,) = left.plot(*_of(timed, lambda row: row.time / US), marker="o", label=label)
    colour = line.get_color()
    trust(
        left, line, [row.standing.expected if row.standing else None for row in timed],
        [not row.standing or row.standing.calibration == INSIDE for row in timed],
    )  # fmt: skip
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


def trust(
    axes: "Axes", line: "Line2D", expected: Sequence[float | None], inside: Sequence[bool]
) -> None:
    """A band of ``expected`` percent about a line, and its points that are not inside hollow.

    ``expected``, ``inside``: one for each point of the line. Without any error there is no band.
    """
    x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    off = np.array([np.nan if error is None else error / 100 for error in expected])
    axes.fill_between(x, y * (1 - np.minimum(off, 0.99)), y * (1 + off), color=line.get_color(),
                      alpha=0.15, linewidth=0)  # fmt: skip
    hollow = ~np.array(inside, bool)
    axes.plot(x[hollow], y[hollow], "o", color=line.get_color(), markerfacecolor="white", zorder=4)


def _published(left: "Axes", right: "Axes", first: Measurement) -> None:
    """Crosses for this very machine, stack and number of ranks; grey lines for the next others."""
    known = [row for row in errors() if row.operation == first.op and row.size and row.published_us]
    same = short_name(first.system), first.software, first.ranks
    groups: dict[tuple[str, str, int], list[RowError]] = {}
    for row in sorted(known, key=lambda row: row.size or 0):
        groups.setdefault((row.system, row.stack, row.ranks or 1), []).append(row)
    near = sorted(groups, key=lambda name: abs(math.log(name[2] / first.ranks)))
    others = [name for name in near if name != same][:PEERS]
    for number, name in enumerate(name for name in near if name == same or name in others):
        rows = groups[name]
        sizes = [row.size or 0 for row in rows]
        times = [row.published_us or 0.0 for row in rows]
        rates = [_busbw(row, first.op) for row in rows]
        for axes, values in ((left, times), (right, rates)):
            if name == same:
                axes.plot(sizes, values, "x", color=INK, markersize=7, label="published", zorder=5)
            else:
                axes.plot(sizes, values, marker="x", color=QUIET, linewidth=0.9, zorder=1,
                          linestyle=DASHES[number % len(DASHES)],
                          label=f"published: {name[0]} {name[1]}, {name[2]} ranks")  # fmt: skip


def _busbw(row: RowError, op: str) -> float:
    rate = in_gb(over(row.size or 0, (row.published_us or 0.0) * US)) or 0.0
    return rate * OPERATIONS[op].factor(row.ranks or 1)


def _axes(left: "Axes", right: "Axes") -> None:
    left.set(xlabel="size (bytes)", ylabel="time (us); dashed: bound")
    if _is_drawn(left):
        left.set_yscale("log")
    right.set(xlabel="size (bytes)", ylabel="bus bandwidth (GB/s)")
    right.set_ylim(bottom=0)
    plain_numbers(left.yaxis)
    for axes in (left, right):
        if _is_drawn(axes):
            axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda size, _: size_text(size))
        if axes.get_legend_handles_labels()[0]:
            axes.legend()


def plain_numbers(axis: "Axis") -> None:
    """Label a logarithmic axis with plain numbers, and more of them where decades are few."""
    from matplotlib.ticker import LogFormatter

    axis.set_major_formatter("{x:,.6g}")
    axis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))


def _is_drawn(axes: "Axes") -> bool:
    """Whether any line has a point: an axis without any cannot be logarithmic."""
    return any(np.size(line.get_xdata()) for line in axes.get_lines())
