"""Pictures of benchmarks, drawn by matplotlib, which is imported when a picture is asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.records import Measurement
from topology.units import GB, US

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(rows: Sequence[Measurement], path: Path) -> None:
    """Draw time and bus bandwidth over size, a line an algorithm, to ``path``.

    Dashed is the bound: no engine may answer less time than that.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for algorithm in dict.fromkeys(row.algorithm for row in rows):
        mine = [row for row in rows if row.algorithm == algorithm and row.size]
        _line(left, right, algorithm, sorted(mine, key=lambda row: row.size))
    _axes(left, right)
    if rows:
        first = rows[0]
        figure.suptitle(f"{first.op}, {first.ranks} ranks of {first.system}, {first.software}")
    figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def _line(left: "Axes", right: "Axes", label: str, rows: Sequence[Measurement]) -> None:
    sizes = [row.size for row in rows]
    (line,) = left.plot(sizes, [row.time / US for row in rows], marker=".", label=label)
    bounded = [row for row in rows if row.bound]
    left.plot(
        [row.size for row in bounded], [(row.bound or 0) / US for row in bounded],
        linestyle="--", color=line.get_color(),
    )  # fmt: skip
    right.plot(sizes, [row.busbw / GB for row in rows], marker=".", label=label)


def _axes(left: "Axes", right: "Axes") -> None:
    left.set(xlabel="size (bytes)", ylabel="time (us); dashed: bound", yscale="log")
    right.set(xlabel="size (bytes)", ylabel="bus bandwidth (GB/s)")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.grid(alpha=0.3)
    if right.get_lines():
        right.legend()
