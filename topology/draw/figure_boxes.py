"""The figure in which racks or nodes are boxes, and switches outside of them boxes above or below.

The plane with the most bandwidth is drawn above the nodes, the others below, tier by tier.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from topology.draw.drawn import Drawn
from topology.draw.figure_style import FAINT, INK, LOST, colours, text
from topology.draw.figure_units import Units, Wires, units, wires
from topology.graph import Topology
from topology.units import GB

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 100.0
"""Of the picture, in its own units."""

NAMED = 96
"""Boxes in a row that still get their names."""


@dataclass(frozen=True, eq=False)
class _BoxLayout:
    """Where boxes are: float64 [units], their middle, half their width, and half their height."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    half: NDArray[np.float64]
    high: NDArray[np.float64]


def box_figure(drawn: Drawn, level: str) -> "Figure":
    """The matplotlib figure with racks or nodes as boxes, and bundles of links between them."""
    from matplotlib.figure import Figure

    topology = drawn.topology
    boxes = units(topology, level)
    chosen = np.isin(topology.link_plane, drawn.planes)
    all_wires = wires(topology, boxes.of, chosen & ~drawn.lost[1])
    used = _used(drawn, boxes, chosen)
    layout = _laid(topology, boxes, used, wires(topology, boxes.of, chosen))
    rows = len(np.unique(layout.y[used])) if used.any() else 1
    figure = Figure(figsize=(12, 1.1 + 1.45 * rows), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(0, WIDTH), ylim=(layout.y[used].min() - 0.35, layout.y[used].max() + 0.35))
    axes.axis("off")
    _draw_wires(axes, drawn, boxes, layout, all_wires)
    _draw_boxes(axes, drawn, boxes, layout, used)
    figure.suptitle(drawn.title, x=0.01, ha="left", fontweight="bold")
    _explain(figure, drawn, boxes, all_wires, level)
    return figure


def _used(drawn: Drawn, boxes: Units, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Boxes that have links of the planes that are drawn, or endpoints."""
    topology = drawn.topology
    used = boxes.places.copy()
    for end in (topology.link_src, topology.link_dst):
        used[boxes.of[end[chosen]]] = True
    return used


def _laid(topology: Topology, boxes: Units, used: NDArray[np.bool_], between: Wires) -> _BoxLayout:
    count = len(boxes)
    layout = _BoxLayout(np.zeros(count), np.zeros(count), np.zeros(count), np.full(count, 0.24))
    _in_a_row(layout, np.flatnonzero(boxes.places & used), 0.0)
    by_plane = _by_plane(topology, boxes, used, between)
    for level, tier in enumerate(by_plane[0] if by_plane else [], 1):
        _in_a_row(layout, tier, float(level))
    parts = by_plane[1:]
    for number, tiers in enumerate(parts):  # side by side: no plane's lines cross another's boxes
        section = number / len(parts), (number + 1) / len(parts)
        for level, tier in enumerate(tiers, 1):
            _in_a_row(layout, tier, -float(level), section)
    return layout


def _in_a_row(
    layout: _BoxLayout, members: NDArray[np.int64], y: float, section: tuple[float, float] = (0, 1)
) -> None:
    n, (left, right) = len(members), section
    pitch = WIDTH * (right - left) / max(n, 1)
    layout.x[members] = WIDTH * left + (np.arange(n) + 0.5) * pitch
    layout.y[members] = y
    layout.half[members] = min(0.44 * pitch, 7.0)


def _by_plane(
    topology: Topology, boxes: Units, used: NDArray[np.bool_], between: Wires
) -> list[list[NDArray[np.int64]]]:
    """Boxes of switches by the plane of most of their bandwidth, nearest to the endpoints first.

    The planes with most bandwidth at endpoints come first.
    """
    outside = np.flatnonzero(used & ~boxes.places)
    planes, count = len(topology.planes), len(boxes)
    votes = np.zeros((count, planes))
    for end in (between.a, between.b):
        np.add.at(votes, (end, between.plane), between.bandwidth)
    plane = votes.argmax(axis=1)
    tier = _tiers(boxes, between)
    order = np.argsort(-votes[boxes.places].sum(axis=0), kind="stable").tolist()
    found = []
    for number in order:
        mine = outside[plane[outside] == number]
        levels = [mine[tier[mine] == level] for level in np.unique(tier[mine])]
        if levels:
            found.append(levels)
    return found


def _tiers(boxes: Units, between: Wires) -> NDArray[np.int64]:
    """How many wires each box is away from one with endpoints."""
    far = len(boxes)
    tier = np.where(boxes.places, 0, far)
    while True:
        nearer = tier.copy()
        np.minimum.at(nearer, between.a, tier[between.b] + 1)
        np.minimum.at(nearer, between.b, tier[between.a] + 1)
        nearer = np.minimum(nearer, far)
        if np.array_equal(nearer, tier):
            return tier
        tier = nearer


def _draw_wires(
    axes: "Axes", drawn: Drawn, boxes: Units, layout: _BoxLayout, between: Wires
) -> None:
    from matplotlib.collections import LineCollection

    colour = colours(drawn.topology.planes)
    lit = wires(drawn.topology, boxes.of, drawn.lit[1] & ~drawn.lost[1])
    special = set(zip(lit.a.tolist(), lit.b.tolist(), lit.plane.tolist(), strict=True))
    finite = between.bandwidth[np.isfinite(between.bandwidth)]
    widest = max(float(finite.max(initial=0.0)), 1.0)
    for plane in drawn.planes:
        rows = np.flatnonzero(between.plane == plane)
        shift = (plane - (len(drawn.topology.planes) - 1) / 2) * 0.08
        stands_out = np.array([
            key in special
            for key in zip(between.a[rows].tolist(), between.b[rows].tolist(), [plane] * len(rows),
                           strict=True)
        ], np.bool_)  # fmt: skip
        # An unlimited link is drawn as wide as the widest.
        wide = 0.5 + 2.5 * np.sqrt(np.minimum(between.bandwidth[rows], widest) / widest)
        faint = 0.08 if drawn.highlights else float(np.clip(60 / max(len(rows), 1), 0.18, 0.9))
        for some, alpha, order in ((~stands_out, faint, 1), (stands_out, 0.95, 2)):
            ends = [_ends(layout, between, row, shift) for row in rows[some]]
            axes.add_collection(
                LineCollection(
                    ends, colors=colour[drawn.topology.planes[plane]], linewidths=wide[some],
                    alpha=alpha, zorder=order,
                )
            )  # fmt: skip


def _ends(layout: _BoxLayout, between: Wires, row: int, shift: float) -> list[tuple[float, float]]:
    """From edge to edge of two boxes; level with each other, from side to side."""
    a, b = between.a[row], between.b[row]
    up = np.sign(layout.y[b] - layout.y[a])
    ends = []
    for end, other, way in ((a, b, up), (b, a, -up)):
        # Along a wide box lines begin where they lead to: so they can be told apart.
        lean = (layout.x[other] - layout.x[end]) / WIDTH if layout.half[end] > 3 else shift
        x = layout.x[end] + 0.85 * lean * layout.half[end]
        ends.append((float(x), float(layout.y[end] + way * layout.high[end])))
    return ends


def _draw_boxes(
    axes: "Axes", drawn: Drawn, boxes: Units, layout: _BoxLayout, used: NDArray[np.bool_]
) -> None:
    from matplotlib.patches import FancyBboxPatch

    lit, dead, live = (np.zeros(len(boxes), np.int64) for _ in range(3))
    np.add.at(lit, boxes.of[drawn.lit[0]], 1)
    np.add.at(dead, boxes.of[drawn.lost[0]], 1)
    np.add.at(live, boxes.of[~drawn.lost[0]], 1)
    colour = colours(drawn.topology.planes)
    accent = _accents(drawn, boxes, colour)
    for box in np.flatnonzero(used).tolist():
        faint = drawn.highlights and not lit[box]
        gone = dead[box] > 0
        edge = LOST if gone else FAINT if faint else accent[box]
        x, y, half, high = (
            float(column[box]) for column in (layout.x, layout.y, layout.half, layout.high)
        )
        axes.add_patch(
            FancyBboxPatch(
                (x - half, y - high), 2 * half, 2 * high, mutation_aspect=0.06,
                boxstyle="round,pad=0,rounding_size=0.5", facecolor="white", edgecolor=edge,
                linewidth=min(2.2 if lit[box] else 1.1, 2 * half),
                linestyle="--" if gone else "-", zorder=3,
            )
        )  # fmt: skip
        if (layout.y[used] == y).sum() <= NAMED:
            _label(axes, boxes, box, (x, y, half), faint, _loss(int(dead[box]), int(live[box])))


def _accents(drawn: Drawn, boxes: Units, colour: dict[str, str]) -> list[str]:
    """The colour of each box's outline: that of the plane of a switch, ink for endpoints."""
    topology = drawn.topology
    votes = np.zeros((len(boxes), len(topology.planes)))
    np.add.at(votes, (boxes.of[topology.link_dst], topology.link_plane), 1)
    planes = [topology.planes[plane] for plane in votes.argmax(axis=1).tolist()]
    return [
        INK if place else colour[plane]
        for place, plane in zip(boxes.places.tolist(), planes, strict=True)
    ]


def _loss(dead: int, live: int) -> str:
    return "" if not dead else "taken out" if not live else f"{dead} of {dead + live} taken out"


def _label(
    axes: "Axes", boxes: Units, box: int, at: tuple[float, float, float], faint: bool, loss: str
) -> None:
    x, y, half = at
    name, colour = text(boxes.names[box]), FAINT if faint else INK
    shared: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 4}
    if half > 3.2:
        said = [
            name,
            *_wrapped(text(boxes.contents[box]), boxes.names[box]),
            *([loss] * bool(loss)),
        ]
        for line, words in enumerate(said):
            place = y + 0.07 * (len(said) - 1) - 0.14 * line
            weight = "bold" if line == 0 else "normal"
            axes.text(x, place, words, color=LOST if words == loss else colour,
                      fontsize=8 - (line > 0) * 1.5, fontweight=weight, **shared)  # fmt: skip
    else:
        size = float(np.clip(8.5 * half, 4.5, 8))
        axes.text(x, y, name, color=LOST if loss else colour, fontsize=size, rotation=90, **shared)


def _wrapped(contents: str, name: str) -> list[str]:
    number, _, kind = contents.partition(" ")
    if kind == name:
        return [f"{number} switch{'es' * (number != '1')}"]
    parts = contents.split(", ")
    return [", ".join(parts[at : at + 2]) for at in range(0, len(parts), 2)]


def _explain(figure: "Figure", drawn: Drawn, boxes: Units, between: Wires, level: str) -> None:
    """Below: what a line of each plane stands for, and what is in a box with endpoints."""
    from matplotlib.lines import Line2D

    topology, lines = drawn.topology, []
    colour = colours(topology.planes)
    for plane in drawn.planes:
        links = drawn.links(plane) & ~drawn.lost[1]
        name = topology.planes[plane]
        mine = between.plane == plane
        inside = "" if mine.any() else f", all inside a {level}"
        each = np.unique(between.bandwidth[mine]) / GB
        shown = f"; a line is {_range(each)} GB/s each way" if len(each) else inside
        lines.append(Line2D([], [], color=colour[name], linewidth=3,
                            label=f"{text(name)}: {int(links.sum())} links{shown}"))  # fmt: skip
    figure.legend(handles=lines, loc="outside lower left", ncols=2)
    alike = {boxes.contents[box] for box in np.flatnonzero(boxes.places)}
    kind = level if any(name.startswith(level) for name in boxes.names) else "node"
    note = f"each {kind}: {text(alike.pop())}" if len(alike) == 1 else ""
    figure.text(0.995, 0.985, note, ha="right", va="top", fontsize=8)


def _range(values: NDArray[np.float64]) -> str:
    ends = dict.fromkeys(f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
                         for value in (values[0], values[-1]))  # fmt: skip
    return " to ".join(ends)
