"""The text and the JSON (version 3) of nccl-tests 2.19.6, to the letter: its ``src/util.cu``.

A parser of nccl-tests finds what it looks for here: header, rows, footer. What nccl-tests does not
print (the bound, what limits it, the time this host took) stands in further lines that begin with
``#``. A row is measured once: in a simulation a result in place differs only by the copies of a
rank to itself, which are free, so both halves of a row are the same.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bench.collectives.nccl_environment import least as least_of
from bench.measurement import Measurement
from bench.options import Flags
from bench.records import in_gb
from topology.units import GB, US

VERSION = "2.19.6"
JSON_VERSION = 3
TIMESTAMP = "%Y-%m-%d %H:%M:%S"

UNKNOWN = "N/A"
"""What nccl-tests prints where there is nothing to tell."""

_TITLES = ("size", "count", "type", "redop", "root")
_UNITS = ("(B)", "(elements)", "", "", "")
_HALF = (("time", "(us)"), ("algbw", "(GB/s)"), ("busbw", "(GB/s)"), ("#wrong", ""))
_PER_ITERATION = (("i_min", "(us)"), ("i_max", "(us)"), ("i_p99", "(us)"), ("i_cv%", "(%)"))


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A line of ``# Using devices``: where a rank sits; keys as in nccl-tests' JSON."""

    rank: int
    group: int
    pid: int
    hostname: str
    device: int
    device_hex: str
    device_info: str

    def line(self) -> str:
        """The device's line of the header."""
        who = f"Rank {self.rank:2d} Group {self.group:2d} Pid {self.pid:6d}"
        where = f"{self.hostname:>10s} device {self.device:2d} [{self.device_hex}]"
        return f"#  {who} on {where} {self.device_info}"


@dataclass(frozen=True, slots=True)
class Footer:
    """The numbers of the footer: rows with wrong data, and the mean bus bandwidth.

    ``busbw``: bytes per second, None if no row has any. ``least``: bytes per second that
    NCCL_TESTS_MIN_BW asks for, None if it is not set.
    """

    out_of_bounds: int
    busbw: float | None
    least: float | None

    @property
    def enough(self) -> bool:
        """True if the mean is within 10% of what was asked for, as nccl-tests judges it."""
        return self.least is None or (self.busbw or 0.0) >= 0.9 * self.least

    @property
    def passed(self) -> bool:
        """True if nccl-tests would exit with success."""
        return self.enough and not self.out_of_bounds


def summary(rows: Sequence[Measurement], least: str | None = None) -> Footer:
    """The footer of these rows; ``least``: the text of NCCL_TESTS_MIN_BW (GB/s), if set."""
    known = [row.busbw for row in rows if row.busbw is not None]
    mean = sum(known) / len(known) if known else None
    wrong = sum(bool(row.wrong) for row in rows)
    return Footer(wrong, mean, None if least is None else least_of(least) * GB)


def float_text(value: float | None, width: int) -> str:
    """``value`` as nccl-tests' getFloatStr writes it, within ``width`` characters.

    Two decimals, else fewer, else an exponent. None is `UNKNOWN`.
    """
    if value is None:
        return f"{UNKNOWN:>{width}}"
    for decimals in (2, 1, 0):
        text = f"{value:{width}.{decimals}f}"
        if len(text) <= width:
            return text
    return f"{value:{width}.{1 if width >= 7 else 0}e}"[:width]


def header(
    flags: Flags,
    program: str,
    devices: Iterable[DeviceLine],
    notes: Iterable[str],
    is_live: bool = False,
) -> list[str]:
    """The lines above the rows; ``notes``: Triplane's own lines, without their ``#``.

    ``is_live``: real ranks run: data is checked, and rows end in three columns of this host's time.

    0 for the NCCL versions says that there is no NCCL here, and validation, graph and unalign are
    what was done rather than what was asked for.
    """
    step = f"{flags.factor}(factor)" if flags.factor else f"{flags.stepbytes}(bytes)"
    return [
        f"# nccl-tests version {VERSION} nccl-headers=0 nccl-library=0",
        f"# Collective test starting: {program}",
        f"# nThread {flags.threads} nGpus {flags.gpus} minBytes {flags.smallest} "
        f"maxBytes {flags.largest} step: {step} warmup iters: {flags.warmup_iters} "
        f"iters: {flags.iters} agg iters: {flags.agg_iters} "
        f"validation: {int(is_live and flags.check != 0)} graph: 0 unalign: 0",
        *_per_iteration_note(flags),
        "#",
        "# Using devices",
        *(device.line() for device in devices),
        *(f"# {note}" for note in notes),
        *_columns(flags, is_live),
    ]


def _per_iteration_note(flags: Flags) -> list[str]:
    if not flags.per_iter_timing:
        return []
    skip = f"; summary skips first {flags.per_iter_skip} iterations" if flags.per_iter_skip else ""
    text = "# Per-Iteration Report: CUDA event timing; i_* uses max over process rows"
    return [f"{text}{skip} "]


def _columns(flags: Flags, is_live: bool) -> list[str]:
    half = _HALF + (_PER_ITERATION if flags.per_iter_timing else ())
    stamp = ("timestamp", TIMESTAMP) if flags.report_timestamps else ("", "")
    blank = f"# {'':>10s}  {'':>12s}  {'':>8s}  {'':>6s}  {'':>6s}"
    lines = [blank + _over(flags), *(_column_row(half, stamp, which) for which in (0, 1))]
    more = _HOST_TITLES if is_live else ("", "", "")
    return ["#", *(line + end for line, end in zip(lines, more, strict=True))]


_HOST_TITLES = (
    f"{'this host':>20s}", *(
        " ".join(f"{name:>8s}" for name in names)
        for names in (("wall", "algbw", "busbw"), ("(us)", "(GB/s)", "(GB/s)"))
    ),
)  # fmt: skip


def _over(flags: Flags) -> str:
    if not flags.per_iter_timing:
        return "           out-of-place                       in-place          "
    out, gap = "              out-of-place (+ per-iteration)", " " * 32
    return f"{out}{gap}in-place (+ per-iteration)"


def _column_row(half: Sequence[tuple[str, str]], stamp: tuple[str, str], which: int) -> str:
    left = (_TITLES, _UNITS)[which]
    cells = [f"{cell:>{width}s}" for cell, width in zip(left, (10, 12, 8, 6, 6), strict=True)]
    widths = (7, 6, 6, 6, 7, 7, 7, 7)
    cells += [f"{names[which]:>{w}s}" for names, w in [*zip(half, widths, strict=False)] * 2]
    return f"# {'  '.join(cells)} {stamp[which]:>{19 if stamp[0] else 0}s}"


def row(measurement: Measurement, flags: Flags) -> str:
    """A row of nccl-tests' table, without its line end."""
    m = measurement
    left = f"{m.size:12d}  {m.count:12d}  {m.datatype:>8s}  {m.redop:>6s}  {m.root:6d}"
    half = _half(m)
    if flags.per_iter_timing:
        half += _iterations_text(m)
    stamp = f"{datetime.now().strftime(TIMESTAMP):>21s}" if flags.report_timestamps else ""
    return left + half + half + stamp + _on_host(m)


def _on_host(m: Measurement) -> str:
    if m.wall is None:
        return ""
    values = (m.wall / US, in_gb(m.wall_algbw), in_gb(m.wall_busbw))
    return " " + " ".join(float_text(value, 8) for value in values)


def _half(measurement: Measurement) -> str:
    time = float_text(measurement.time / US, 7)
    algbw = float_text(in_gb(measurement.algbw), 6)
    busbw = float_text(in_gb(measurement.busbw), 6)
    wrong = "  N/A" if measurement.wrong is None else f"{measurement.wrong:6g}"
    return f"  {time:>7s}  {algbw:>6s}  {busbw:>6s}  {wrong}"


def _iterations_text(measurement: Measurement) -> str:
    time = float_text(measurement.time / US, 7)
    return "".join(f"  {text:>7s}" for text in (time, time, time, float_text(0.0, 7)))


def footer(found: Footer, program: str) -> list[str]:
    """The lines below the rows; the empty one is where nccl-tests puts NCCL's last error."""
    wrong = f"{found.out_of_bounds} {'FAILED' if found.out_of_bounds else 'OK'}"
    verdict = "" if found.least is None else "OK" if found.enough else "FAILED"
    mean = UNKNOWN if found.busbw is None else f"{found.busbw / GB:g}"
    return [
        f"# {'Out of bounds values':<20s} : {wrong}",
        f"# {'Avg bus bandwidth':<20s} : {mean} {verdict}",
        "#",
        f"# Collective test concluded: {program}",
        "#",
        "",
    ]


def bounds(rows: Sequence[Measurement]) -> list[str]:
    """Triplane's own lines below the rows: the lower bound of each, and what sets it."""
    titles = f"# {'size':>10s}  {'bound':>8s}  {'of time':>7s}  {'host':>8s}  {'algorithm':<18s}  "
    units = f"# {'(B)':>10s}  {'(us)':>8s}  {'(%)':>7s}  {'(s)':>8s}"
    return ["#", titles + "what sets the bound", units, *map(_bound, rows), "#"]


def _bound(row: Measurement) -> str:
    share = f"{100 * row.bound / row.time:.1f}" if row.bound is not None and row.time else UNKNOWN
    bound = None if row.bound is None else row.bound / US
    numbers = f"{row.size:10d}  {float_text(bound, 8)}  {share:>7s}  {row.host_time:8.3f}"
    return f"# {numbers}  {row.algorithm:<18s}  {row.bottleneck or '-'}"


def report(
    flags: Flags,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    devices: Iterable[DeviceLine],
    rows: Sequence[Measurement],
    found: Footer,
    began: datetime,
) -> str:
    """The report in nccl-tests' JSON: booleans are texts, roots texts six wide, unknown is null.

    Of the environment only NCCL's and Triplane's variables are written: a report that is sent to
    somebody should not contain the passwords of a shell.
    """
    own = [f"{k}={v}" for k, v in environment.items() if k.startswith(("NCCL_", "TRIPLANE_"))]
    okay = "unchecked" if found.least is None else _bool(found.enough)
    content = {
        "version": JSON_VERSION,
        "start_time": began.strftime(TIMESTAMP),
        "args": list(arguments),
        "env": own,
        "nccl_version": 0,
        "config": _config(flags) | {"devices": [asdict(device) for device in devices]},
        "results": [_result(row, flags) for row in rows],
        "out_of_bounds": {
            "count": found.out_of_bounds, "okay": _bool(not found.out_of_bounds),
        },
        "average_bus_bandwidth": {"bandwidth": _double(in_gb(found.busbw)), "okay": okay},
        "errors": [],
        "end_time": datetime.now().strftime(TIMESTAMP),
    }  # fmt: skip
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def _config(flags: Flags) -> dict[str, Any]:
    factor, step = flags.factor, flags.stepbytes
    return {
        "nthreads": flags.threads,
        "ngpus": flags.gpus,
        "minimum_bytes": flags.smallest,
        "maximum_bytes": flags.largest,
        **({"step_factor": factor} if factor else {"step_bytes": step}),
        "warmup_iters": flags.warmup_iters,
        "iterations": flags.iters,
        "aggregated_iterations": flags.agg_iters,
        "validation": 0,
        "graph": 0,
        "blocking_collectives": _bool(False),
        "per_iter_timing": _bool(bool(flags.per_iter_timing)),
        "per_iter_skip": flags.per_iter_skip,
        "parallel_init": _bool(False),
    }


def _result(row: Measurement, flags: Flags) -> dict[str, Any]:
    half = {
        "time": _double(row.time / US),
        "alg_bw": _double(in_gb(row.algbw)),
        "bus_bw": _double(in_gb(row.busbw)),
        "nwrong": None if row.wrong is None else _double(row.wrong),
    }
    halves: dict[str, Any] = {}
    for place in ("out_of_place", "in_place"):
        halves[place] = half
        if flags.per_iter_timing:
            halves[f"{place}_per_iter"] = _iterations(row, flags)
    return {
        "size": row.size, "count": row.count, "type": row.datatype, "redop": row.redop,
        "root": f"{row.root:6d}", **halves, "actual_iterations": flags.iters, "experiment_name": "",
    }  # fmt: skip


def _iterations(row: Measurement, flags: Flags) -> dict[str, Any]:
    time = _double(row.time / US)
    alike = {f"{name}_us": time for name in ("min", "max", "avg", "p50", "p95", "p99")}
    spread = {"stdev_us": 0.0, "cv_pct": 0.0, "times_us": [time] * flags.iters}
    return {"skipped_iterations": flags.per_iter_skip} | alike | spread


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _double(value: float | None) -> float | None:
    """As C's ``%lf``, six decimals; what there is no number for is null."""
    return None if value is None or not math.isfinite(value) else round(float(value), 6)
