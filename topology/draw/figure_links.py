"""The figure in which every vertex is a dot and every link a line: a panel for each plane."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from topology.analysis.clos import tiers
from topology.draw.drawn import Drawn
from topology.draw.figure_style import FAINT, INK, LOST, colours, text
from topology.draw.groups import groups
from topology.graph import NOWHERE
from topology.units import GB

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RASTER = 4000
"""Lines of a panel from which on they are pixels in a vector file, too: it would be too long."""

FEW = 2
"""Dots of a tier that stand out and all get their names."""

WIDTH = 100.0


def link_figure(drawn: Drawn) -> "Figure":
    """The matplotlib figure with every link, one panel for each plane that has any."""
    from matplotlib.figure import Figure

    planes = [plane for plane in drawn.planes if drawn.links(plane).any()]
    heights = [_height(drawn, plane) for plane in planes]
    figure = Figure(figsize=(12, 0.9 + sum(heights)), layout="constrained")
    figure.suptitle(drawn.title, x=0.01, ha="left", fontweight="bold")
    panels = figure.subplots(len(planes), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, plane in zip(panels, planes, strict=True):
        _panel(axes, drawn, plane)
    return figure


def _height(drawn: Drawn, plane: int) -> float:
    """Inches of a panel: so many for each tier above the first."""
    return 0.6 + 1.4 * int(_tier(drawn, plane).max())


def _tier(drawn: Drawn, plane: int) -> NDArray[np.int64]:
    links = drawn.links(plane)
    return tiers(drawn.topology, drawn.topology.link_src[links], drawn.topology.link_dst[links])


def _panel(axes: "Axes", drawn: Drawn, plane: int) -> None:
    topology, tier = drawn.topology, _tier(drawn, plane)
    name = topology.planes[plane]
    links = np.flatnonzero(drawn.links(plane) & (topology.link_src < topology.link_dst))
    alone = np.flatnonzero(drawn.links(plane) & (topology.link_src > topology.link_dst))
    links = np.concatenate([links, alone[_one_way(drawn, links, alone)]])
    shown = np.zeros(topology.n_vertices, np.bool_)
    shown[topology.link_src[links]] = shown[topology.link_dst[links]] = True
    x = _across(drawn, tier, shown)
    bows = (tier[topology.link_src[links]] == tier[topology.link_dst[links]]).any()
    axes.set(xlim=(-9, WIDTH + 1), ylim=(-0.22 if bows else -0.12, int(tier.max()) + 0.15))
    axes.axis("off")
    axes.set_title(_about(drawn, plane), color=colours(topology.planes)[name], fontweight="bold")
    _lines(axes, drawn, links, x, tier.astype(np.float64), colours(topology.planes)[name])
    _dots(axes, drawn, shown, x, tier)
    _words(axes, drawn, plane, tier, shown)


def _one_way(drawn: Drawn, forth: NDArray[np.int64], back: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which links back have no partner that is drawn already."""
    src, dst = drawn.topology.link_src.astype(np.int64), drawn.topology.link_dst.astype(np.int64)
    n = drawn.topology.n_vertices
    return ~np.isin(dst[back] * n + src[back], src[forth] * n + dst[forth])


def _about(drawn: Drawn, plane: int) -> str:
    topology = drawn.topology
    links = drawn.links(plane) & ~drawn.lost[1]
    return f"{text(topology.planes[plane])}: {int(links.sum())} links, one way each"


def _across(drawn: Drawn, tier: NDArray[np.int64], shown: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Where each vertex is from left to right: those of a node together, the others spread."""
    topology, x = drawn.topology, np.zeros(drawn.topology.n_vertices)
    group = groups(topology).of
    for level in range(int(tier.max()) + 1):
        mine = np.flatnonzero((tier == level) & shown)
        if not len(mine):
            continue
        order = mine[np.argsort(group[mine], kind="stable")]
        breaks = np.append(0, np.cumsum(group[order][1:] != group[order][:-1]))
        outside = (topology.node[order] == NOWHERE).all()
        gap = 3.0 if outside and breaks[-1] < 40 else 0.8
        at = np.arange(len(order)) + gap * breaks
        x[order] = WIDTH * (at + 0.5) / (at[-1] + 1)
    return x


def _lines(
    axes: "Axes", drawn: Drawn, links: NDArray[np.int64], x: NDArray[np.float64],
    y: NDArray[np.float64], colour: str,
) -> None:  # fmt: skip
    from matplotlib.collections import LineCollection

    topology = drawn.topology
    src, dst = topology.link_src[links], topology.link_dst[links]
    points = np.stack([np.stack([x[src], y[src]], 1), np.stack([x[dst], y[dst]], 1)], 1)
    level = y[src] == y[dst]
    if level.any():  # between vertices of one tier: a bow below them
        middle = points[level].mean(axis=1)
        middle[:, 1] -= 0.18
        bows = np.stack([points[level][:, 0], middle, points[level][:, 1]], 1)
    else:
        bows = np.zeros((0, 3, 2))
    lost, lit = drawn.lost[1][links], drawn.lit[1][links]
    usual = float(np.clip(400 / max(len(links), 1), 0.05, 0.8))
    faint = usual / 3 if drawn.highlights else usual
    kinds = (
        (~lit & ~lost, colour, faint, 0.6, "-", 1), (lit & ~lost, colour, 0.9, 1.1, "-", 2),
        (lost, LOST, 0.6, 0.8, ":", 3),
    )  # fmt: skip
    for which, tint, alpha, wide, dash, order in kinds:
        parts = [*points[which & ~level], *bows[which[level]]]
        many = len(parts) > RASTER
        axes.add_collection(
            LineCollection(
                parts, colors=tint, alpha=alpha, linewidths=wide, linestyles=dash,
                zorder=order, rasterized=many,
            )
        )  # fmt: skip


def _dots(
    axes: "Axes", drawn: Drawn, shown: NDArray[np.bool_], x: NDArray[np.float64],
    tier: NDArray[np.int64],
) -> None:  # fmt: skip
    dead, lit = drawn.lost[0], drawn.lit[0]
    many = int(np.bincount(tier[shown & (tier >= 0)], minlength=1).max())
    size = float(np.clip(3000 / max(many, 1), 3, 60))
    for which, face, marker, scale in (
        (shown & ~dead & ~lit, FAINT if drawn.highlights else INK, "o", 1.0),
        (shown & ~dead & lit, INK, "o", 2.5), (shown & dead, LOST, "x", 4.0),
    ):  # fmt: skip
        rows = np.flatnonzero(which)
        large, wide = (max(size * scale, 20.0), 1.2) if marker == "x" else (size * scale, 0.0)
        axes.scatter(x[rows], tier[rows], s=large, c=face, marker=marker, linewidths=wide, zorder=4)
    _name(axes, drawn, np.flatnonzero(shown & dead), x, tier, (LOST, 4 * FEW))
    _name(axes, drawn, np.flatnonzero(shown & lit & ~dead), x, tier, (INK, FEW))


def _name(
    axes: "Axes", drawn: Drawn, vertices: NDArray[np.int64], x: NDArray[np.float64],
    tier: NDArray[np.int64], how: tuple[str, int],
) -> None:  # fmt: skip
    """Names beside a few dots; of many dots of a tier the first and the last."""
    colour, few = how
    for level in np.unique(tier[vertices]).tolist():
        mine = vertices[tier[vertices] == level]
        mine = mine[np.argsort(x[mine], kind="stable")]
        ends = mine if len(mine) <= few else mine[[0, -1]]
        sides = ("center",) * len(ends) if len(mine) <= few else ("right", "left")
        for vertex, side in zip(ends.tolist(), sides, strict=True):
            axes.annotate(
                text(drawn.topology.vertex_names[vertex]), (x[vertex], level), (0, 6),
                textcoords="offset points", ha=side, fontsize=7, zorder=5, color=colour,
                bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.5},
            )  # fmt: skip


def _words(
    axes: "Axes", drawn: Drawn, plane: int, tier: NDArray[np.int64], shown: NDArray[np.bool_]
) -> None:
    """On the left: what the dots of each tier are, and between two tiers their links."""
    topology = drawn.topology
    kinds = np.array(topology.vertex_kinds)
    links = drawn.links(plane) & ~drawn.lost[1]
    for level in range(int(tier.max()) + 1):
        mine = shown & (tier == level) & ~drawn.lost[0]
        names, counts = np.unique(kinds[mine], return_counts=True)
        said = "\n".join(f"{n} {text(str(name))}" for name, n in zip(names, counts, strict=True))
        axes.text(-1.5, level, said, ha="right", va="center", fontweight="bold", fontsize=8)
        up = links & (tier[topology.link_src] == level) & (tier[topology.link_dst] == level + 1)
        if up.any():
            each = np.unique(topology.link_bandwidth[up]) / GB
            ends = (each[0],) if len(each) == 1 else (each[0], each[-1])
            shown_as = " to ".join(f"{value:.4g}" for value in ends)
            axes.text(-1.5, level + 0.5, f"{int(up.sum())} up,\n{shown_as} GB/s", ha="right",
                      va="center", fontsize=7)  # fmt: skip
