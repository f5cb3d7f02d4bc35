"""Pictures of one-sided accesses: time and bandwidth over size, and a trace of the last row."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import BenchError
from bench.memory.measure import AccessRow
from bench.memory.request import AccessBench
from bench.plot import canvas, plain_numbers, trust
from bench.published.standing import INSIDE
from bench.records import in_gb, over, size_text
from fabric.timeline.perfetto.events import Event, nanoseconds, process, slice_of, track, write
from topology.draw.figure_style import text as shown
from topology.units import US

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TRACKS = 4096
"""Accesses of a row that a trace shows at most, each on a track of its own."""


def draw(rows: Sequence[AccessRow], path: Path) -> None:
    """Draw mean latency and bandwidth of all accesses over the size of a block, to ``path``.

    Dotted, of real ranks: what it took on this host. A band is the error to reckon with; a point
    beyond the sizes that constants were fitted to is hollow. Raises `OSError`.
    """
    first = rows[0].bench
    with canvas(path, 10, 4.5) as figure:
        left, right = figure.subplots(1, 2)
        figure.suptitle(
            shown(f"{first.op}, {first.flags.pattern} of {first.flags.world} ranks of"
                  f" {first.machine.system}, {first.software.stack(first.operation)}"
                  f"{''.join(f', beside {one}' for one in first.streams)}"),
            x=0.01, ha="left",
        )  # fmt: skip
        _line(left, rows, lambda row: row.times.latency / US, is_trusted=True)
        _line(right, rows, lambda row: in_gb(row.bandwidth) or 0.0)
        if rows[0].times.wall is not None:
            _line(left, rows, lambda row: (row.times.wall or 0.0) / US, is_wall=True)
            wall = lambda row: in_gb(over(row.moved, row.times.wall or 0.0)) or 0.0  # noqa: E731
            _line(right, rows, wall, is_wall=True)
        left.set(ylabel="latency (us)", yscale="log")
        right.set(ylabel="bandwidth (GB/s)")
        right.set_ylim(bottom=0)
        plain_numbers(left.yaxis)
        for axes in (left, right):
            axes.set(xlabel="bytes of a block")
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter(lambda size, _: size_text(size))
            axes.legend()


def _line(
    axes: "Axes", rows: Sequence[AccessRow], value: Callable[[AccessRow], float], *,
    is_trusted: bool = False, is_wall: bool = False,
) -> None:  # fmt: skip
    sizes, values = [row.size for row in rows], [value(row) for row in rows]
    if is_wall:
        axes.plot(sizes, values, linestyle=":", label="this host")
        return
    (line,) = axes.plot(sizes, values, marker="o", label="emulated")
    if is_trusted:
        trust(
            axes, line, [row.standing.expected for row in rows],
            [row.standing.calibration == INSIDE for row in rows],
        )  # fmt: skip


def check_traceable(bench: AccessBench) -> None:
    """Raise `BenchError` if a row has more accesses than a trace shows."""
    accesses = len(bench.pairs) * bench.flags.window
    if accesses > MOST_TRACKS:
        raise BenchError(f"--trace shows {MOST_TRACKS} accesses at most; a row has {accesses}")


def trace(row: AccessRow, path: Path) -> None:
    """Write a trace of a row with a track for each access, under the rank that makes it.

    There are to be no more than `MOST_TRACKS`. Raises `TraceError`.
    """
    op, window = row.bench.op, row.bench.flags.window
    events: list[Event] = []
    for rank in dict.fromkeys(rank for rank, _ in row.bench.pairs):
        events += process(rank + 1, f"rank {rank}", rank)
    for number, end in enumerate(row.times.ends):
        rank, target = row.bench.pairs[number // window]
        words = f"{op} {'to' if op == 'put' else 'from'} rank {target}"
        events += track(rank + 1, number + 1, f"{words}, {number % window + 1} of {window}")
        begin, over_at = nanoseconds([0.0, end]).tolist()
        events.append(
            slice_of((rank + 1, number + 1), words, begin, over_at, bytes=row.blocks * row.size,
                     blocks=row.blocks)
        )  # fmt: skip
    write(events, path, {"title": _title(row)})


def _title(row: AccessRow) -> str:
    beside = "".join(f", beside {one}" for one in row.bench.streams)
    return f"{row.bench.op} of {row.blocks} blocks of {row.size} bytes{beside}"
