"""The picture of `bench.contrast`: how many times longer packets take, a panel for each scene."""

from collections.abc import Sequence
from pathlib import Path

from bench.plot import canvas
from bench.records import Record
from topology.draw.figure_style import text as shown


def draw(rows: Sequence[Record], path: Path) -> None:
    """Draw time by packets over time by `flow`, of records, to ``path``; raises `OSError`."""
    names = list(dict.fromkeys(str(row["scene"]) for row in rows))
    with canvas(path, 3.2 * len(names), 3.4) as figure:
        every = figure.subplots(1, len(names), squeeze=False)[0]
        for axes, name in zip(every, names, strict=True):
            mine = [row for row in rows if row["scene"] == name]
            values = [float(str(row["value"])) for row in mine]
            ratios = [float(str(row["packet_over_flow"])) for row in mine]
            axes.plot(values, ratios, marker="o")
            axes.axhline(1.0, linestyle="--", color="black", linewidth=1)
            axes.set(title=shown(name), xlabel=shown(str(mine[0]["varies"])))
            axes.set_xscale("log", base=2)
            axes.set_xticks(values)
            axes.xaxis.set_major_formatter("{x:.0f}")
            axes.set_ylim(0, 1.1 * max(ratios))
        every[0].set_ylabel("time by packets over time by flow")
