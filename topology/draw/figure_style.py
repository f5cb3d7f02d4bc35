"""How figures look: colours that colour-blind people can tell apart, and text that is only text."""

import io
import logging
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topology.errors import TopologyError
from topology.files.output import byte_file
from topology.labels import label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = (".png", ".svg", ".pdf")
"""What the name of a figure's file may end in."""

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""The colours of Okabe and Ito, "Color Universal Design" (2008), the strongest first."""

QUIET = "#8A8F98"
"""For what is no plane of a network: the links inside a chip package."""

INK, FAINT, LOST = "#1F2933", "#C5CAD3", "#B00020"
"""Text and outlines; what is not meant now; what has been taken out."""

SETTINGS = "MPLCONFIGDIR"
"""The environment variable of matplotlib that names a folder for its settings and caches."""

_LOG = logging.getLogger("triplane")


def colours(planes: tuple[str, ...]) -> dict[str, str]:
    """A colour (``#rrggbb``) for each plane by name.

    The eighth and later planes share the last one.
    """
    networks = [plane for plane in planes if plane != "package"]
    chosen = {plane: OKABE_ITO[min(i, len(OKABE_ITO) - 1)] for i, plane in enumerate(networks)}
    return {plane: chosen.get(plane, QUIET) for plane in planes}


def text(name: str) -> str:
    r"""``name`` for a figure: characters that the figures' font lacks are escaped as ``\uXXXX``."""
    known = _letters()
    return "".join(c if ord(c) in known else f"\\u{ord(c):04x}" for c in label(name))


@cache
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(findfont("DejaVu Sans")).get_charmap())


def library() -> Any:
    """The matplotlib module, imported on first use.

    Logs one warning if matplotlib has no folder in which to keep settings and fonts.
    """
    log, before = logging.getLogger("matplotlib"), os.environ.get(SETTINGS)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        import matplotlib as mpl

        mpl.get_cachedir()
    finally:
        log.setLevel(level)
    if os.environ.get(SETTINGS) != before:  # it has made a folder for as long as this process lives
        _LOG.warning(
            "matplotlib can keep nothing in %s, and looks for fonts on every run; %s may name"
            " another folder", before or "the home folder", SETTINGS,
        )  # fmt: skip
    return mpl


def style() -> Any:
    """Matplotlib's settings for figures, a dictionary for `matplotlib.rc_context`.

    One font, plain text, quiet axes. The type is Any, as the keys differ between versions.
    """
    return {
        "font.family": "DejaVu Sans", "font.size": 9, "text.color": INK, "text.parse_math": False,
        "axes.edgecolor": FAINT, "axes.labelcolor": INK, "axes.titlesize": 10,
        "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": True, "axes.axisbelow": True, "grid.color": "#E6E9EE", "grid.linewidth": 0.7,
        "xtick.color": INK, "ytick.color": INK, "xtick.labelsize": 8, "ytick.labelsize": 8,
        "legend.frameon": False, "legend.fontsize": 8, "lines.linewidth": 1.6,
        "lines.markersize": 4, "figure.titlesize": 12, "savefig.dpi": 200,
        "svg.hashsalt": "triplane", "svg.fonttype": "none", "axes.prop_cycle": _cycle(),
    }  # fmt: skip


def _cycle() -> Any:
    from cycler import cycler

    return cycler(color=OKABE_ITO[:7])


def check(path: Path) -> None:
    """Raise `TopologyError` if the file's suffix is not one of `PICTURES`."""
    if path.suffix.lower() not in PICTURES:
        raise TopologyError(
            f"a figure cannot be written to {path}: the name must end in {', '.join(PICTURES)}"
        )


def write(figure: "Figure", path: Path) -> None:
    """Write ``figure`` to ``path``, in the format of its suffix and without a date.

    Raises `OSError`.
    """
    kind = path.suffix.lower()
    dated = {".svg": "Date", ".pdf": "CreationDate"}.get(kind)
    drawn = io.BytesIO()  # a pipe could not go back, as some formats do
    figure.savefig(drawn, format=kind[1:], metadata={dated: None} if dated else None)
    with byte_file(path) as file:
        file.write(drawn.getbuffer())
