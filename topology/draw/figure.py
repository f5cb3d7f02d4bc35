"""Figures of a topology for papers and screens: its planes, by rack, by node or link by link."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from topology.draw.drawn import Drawn, Mask
from topology.draw.figure_style import check, library, style, text, write
from topology.draw.figure_units import LEVELS
from topology.errors import TopologyError
from topology.faults import called
from topology.graph import Topology
from topology.names import near

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(
    topology: Topology,
    path: str | Path,
    *,
    planes: Sequence[str] = (),
    level: str = "node",
    highlight: Sequence[str] = (),
    without: Sequence[str] = (),
) -> None:
    """Draw ``topology`` to the ``.svg``, ``.png`` or ``.pdf`` file at ``path``.

    ``planes``: only these (default: all). ``level``: one of `LEVELS`. ``highlight``: what stands
    out; ``without``: what is drawn as removed; names as in `Topology.without`. Raises
    `TopologyError` for an unknown name, level or kind of file, and `OSError` if the file cannot be
    written.
    """
    check(Path(path))
    if level not in LEVELS:
        raise TopologyError(
            f"no level {level!r}; there are {', '.join(LEVELS)}{near(level, LEVELS)}"
        )
    drawn = _drawn(topology, tuple(planes), tuple(highlight), tuple(without))
    with library().rc_context(style()):
        write(figure(drawn, level), Path(path))


def figure(drawn: Drawn, level: str) -> "Figure":
    """The matplotlib figure, for `topology.draw.figure_style.write`; ``level``: one of `LEVELS`."""
    if level == "link":
        from topology.draw.figure_links import link_figure

        return link_figure(drawn)
    from topology.draw.figure_boxes import box_figure

    return box_figure(drawn, level)


def _drawn(
    topology: Topology, planes: tuple[str, ...], highlight: tuple[str, ...],
    without: tuple[str, ...],
) -> Drawn:  # fmt: skip
    numbers = tuple(topology.plane(name) for name in planes) or tuple(range(len(topology.planes)))
    lost = called(topology, without)
    dead, cut = lost
    gone = cut | dead[topology.link_src] | dead[topology.link_dst]
    missing = (*topology.removed, *without)
    title = text(topology.name) + (f" without {', '.join(map(text, missing))}" if missing else "")
    return Drawn(topology, numbers, _lit(topology, highlight), (dead, gone), title)


def _lit(topology: Topology, names: tuple[str, ...]) -> tuple[Mask, Mask]:
    """A vertex that stands out makes its links stand out, a link its ends."""
    vertices, links = called(topology, names)
    links = links | vertices[topology.link_src] | vertices[topology.link_dst]
    _, named = called(topology, tuple(name for name in names if "->" in name))
    vertices[topology.link_src[named]] = True
    vertices[topology.link_dst[named]] = True
    return vertices, links
