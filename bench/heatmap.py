"""The heat map of a simulation: ranks by ranks, how many bytes and for how long."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.plot import canvas
from fabric.timeline.value import Timeline
from topology.draw.figure_style import FAINT
from topology.draw.figure_style import text as shown
from topology.units import US

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELLS = 512
"""Rows and columns of a map at most; of more ranks, each cell stands for several."""

_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "bytes"))


def matrices(timeline: Timeline) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bytes, and seconds, from each rank (row) to each rank (column): float64 [cells, cells].

    The seconds are from the start of a pair's first transfer to the end of its last. A cell stands
    for ``ceil(ranks / CELLS)`` ranks each way.
    """
    many = -(-timeline.ranks // CELLS)
    cells = -(-timeline.ranks // max(many, 1))
    cell = (timeline.src // max(many, 1)) * cells + timeline.dst // max(many, 1)

    size = np.bincount(cell, timeline.size, minlength=cells * cells).astype(np.float64)
    first, last = np.full(cells * cells, np.inf), np.full(cells * cells, -np.inf)
    np.minimum.at(first, cell, timeline.start)
    np.maximum.at(last, cell, timeline.finish)
    time = np.where(last >= first, last - first, 0.0)
    return size.reshape(cells, cells), time.reshape(cells, cells)


def draw(timeline: Timeline, path: Path) -> None:
    """Draw bytes and time of every pair of ranks to ``path``; raises `OSError`."""
    size, time = matrices(timeline)
    scale, unit = next(one for one in _BYTES if size.max(initial=1) >= one[0] or one[0] == 1)
    with canvas(path, 11, 5) as figure:
        left, right = figure.subplots(1, 2)
        _map(left, size / scale, f"{unit} sent", timeline.ranks)
        _map(right, time / US, "us, first out to last there", timeline.ranks)
        named = [timeline.title or timeline.operation, timeline.topology.name, timeline.software]
        title = ", ".join(part for part in named if part)
        figure.suptitle(shown(title), x=0.01, ha="left")


def _map(axes: "Axes", values: NDArray[np.float64], label: str, ranks: int) -> None:
    """Cells through which nothing went are left blank: none is not little."""
    drawn = np.ma.masked_equal(values, 0.0)
    extent = (-0.5, ranks - 0.5, ranks - 0.5, -0.5)
    image = axes.imshow(drawn, cmap="viridis", interpolation="nearest", extent=extent, vmin=0)
    axes.set_facecolor(FAINT)
    axes.grid(visible=False)
    axes.set(xlabel="to rank", ylabel="from rank")
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.85)
    bar.set_label(label)
