"""The picture of ``triplane bench validate``: predicted over published, a panel for each stack."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plot import canvas, plain_numbers
from bench.published.predict import Prediction
from bench.published.rows import CALIBRATE
from topology.draw.figure_style import FAINT, INK, LOST, OKABE_ITO, QUIET
from topology.draw.figure_style import text as shown
from topology.units import TIMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 4
"""Panels beside each other at most."""

NAMED, LEAST = 3, 10.0
"""How many rows of a panel are named at most: the worst, where they are off by more percent."""

NEAR = 10.0
"""Percent to both sides of the diagonal that are shaded."""


def draw(found: Sequence[Prediction], path: Path) -> None:
    """Draw predicted over published values, on the diagonal where the model is right, to ``path``.

    A panel for each stack: hollow are rows that constants were fitted to, filled the others; round
    are times, square are bandwidths, each in the row's own unit. The worst rows are ringed and
    named. Raises `OSError`.
    """
    known = [one for one in found if one.error_percent is not None]
    stacks = list(dict.fromkeys(one.row.software for one in known)) or [""]
    columns = min(COLUMNS, len(stacks))
    rows = math.ceil(len(stacks) / columns)
    with canvas(path, max(3.4 * columns, 6), 3.3 * rows + 0.4) as figure:
        every = [*figure.subplots(rows, columns, squeeze=False).flat]
        for axes, stack in zip(every, stacks, strict=False):
            _panel(axes, stack, [one for one in known if one.row.software == stack])
        for axes in every[len(stacks) :]:
            axes.set_axis_off()
        figure.supxlabel("published (us, GB/s ...; hollow: fitted to, filled: only compared with)")
        figure.supylabel(f"predicted (shaded: within {NEAR:g}%)")


def _panel(axes: "Axes", stack: str, found: Sequence[Prediction]) -> None:
    axes.set(xscale="log", yscale="log")
    axes.set_title("\n".join(map(shown, _title(stack, found))), fontsize=8)
    for axis in (axes.xaxis, axes.yaxis):
        plain_numbers(axis)
    if not found:
        return
    _diagonal(axes, found)
    for one in found:
        is_fitted, is_time = one.row.use == CALIBRATE, one.row.unit in TIMES
        colour = OKABE_ITO[0 if is_time else 1]
        axes.plot(*_point(one), "o" if is_time else "s", color=colour, markersize=5, alpha=0.85,
                  markerfacecolor="white" if is_fitted else colour)  # fmt: skip
    worst = _worst(found)
    for one in worst:
        axes.plot(*_point(one), "o", color=LOST, markerfacecolor="none", markersize=9, zorder=6)
    names = [f"{one.row.id} {one.error_percent:+.0f}%" for one in worst]
    axes.text(0.98, 0.03, "\n".join(map(shown, names)), fontsize=5.5, color=INK, ha="right",
              transform=axes.transAxes)  # fmt: skip


def _diagonal(axes: "Axes", found: Sequence[Prediction]) -> None:
    values = [value for one in found for value in _point(one)]
    ends = [min(values) / 1.5, max(values) * 1.5]
    low, high = 1 - NEAR / 100, 1 + NEAR / 100
    axes.fill_between(ends, [low * end for end in ends], [high * end for end in ends], color=FAINT,
                      alpha=0.5, linewidth=0, zorder=0)  # fmt: skip
    axes.plot(ends, ends, color=QUIET, linewidth=0.9, zorder=1)


def _point(one: Prediction) -> tuple[float, float]:
    return one.row.value or 0.0, one.value or 0.0


def _worst(found: Sequence[Prediction]) -> list[Prediction]:
    """The worst rows, and of each use the worst one."""
    bad = [one for one in found if abs(one.error_percent or 0.0) > LEAST]
    bad.sort(key=lambda one: -abs(one.error_percent or 0.0))
    firsts = {one.row.use: one for one in reversed(bad)}.values()
    return [one for at, one in enumerate(bad) if at < NAMED or one in firsts]


def _title(stack: str, found: Sequence[Prediction]) -> tuple[str, str]:
    parts = []
    for use in dict.fromkeys(one.row.use for one in found):
        off = [abs(one.error_percent or 0.0) for one in found if one.row.use == use]
        parts.append(f"{use} {sum(off) / len(off):.1f}% of {len(off)}")
    return stack, ", ".join(parts)
