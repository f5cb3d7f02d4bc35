"""The picture of isolation: an operation's time beside a stream, without classes and with them."""

from collections.abc import Sequence
from pathlib import Path

from bench.plot import canvas, trust
from bench.published.standing import INSIDE
from bench.records import Record
from topology.draw.figure_style import text as shown

_LABELS = {"none": "no classes"}


def draw(rows: Sequence[Record], path: Path) -> None:
    """Draw time over EP size, a panel for each operation, a line for each table of classes.

    Dashed: the operation alone; bands: the error to reckon with. ``rows``: of
    `bench.isolation.measure.measured`. Raises `OSError`.
    """
    operations = list(dict.fromkeys(str(row["op"]) for row in rows))
    with canvas(path, 10, 4.5) as figure:
        every = figure.subplots(1, len(operations), sharey=True, squeeze=False)[0]
        for axes, op in zip(every, operations, strict=True):
            mine = [row for row in rows if row["op"] == op]
            for name in dict.fromkeys(str(row["classes"]) for row in mine):
                line = [row for row in mine if row["classes"] == name]
                points = [row["ranks"] for row in line], [row["time_us"] for row in line]
                (drawn,) = axes.plot(*points, marker="o", label=shown(_LABELS.get(name, name)))
                off = [row.get("expected_error_percent") for row in line]
                trust(
                    axes, drawn, [None if one is None else float(str(one)) for one in off],
                    [row["calibration"] == INSIDE for row in line],
                )  # fmt: skip
            alone = [row for row in mine if row["classes"] == "none"]
            axes.plot([row["ranks"] for row in alone], [row["alone_us"] for row in alone],
                      linestyle="--", color="black", label="alone")  # fmt: skip
            axes.set(title=op, xlabel="EP size (ranks)")
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted({int(str(row["ranks"])) for row in mine}))
            axes.xaxis.set_major_formatter("{x:.0f}")
            axes.legend()
        # Last: it ends what axes find out for themselves, and all share one scale.
        every[0].set_ylim(bottom=0)
        every[0].set_ylabel("time (us)")
        first = rows[0]
        figure.suptitle(
            shown(f"{first['system']}, {first['software']}, engine {first['engine']}, beside"
                  f" {first['background']}"), x=0.01, ha="left",
        )  # fmt: skip
