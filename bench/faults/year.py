"""What failures make of a year: availability and goodput for given times between failures.

Elements fail and are repaired independently, each with the mean time between failures and to repair
of its kind. A failure after which the workload runs costs it its slowdown, and those of concurrent
failures multiply; one after which it cannot run stops it until it is repaired.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from bench.faults.sweep import Sweep
from bench.records import Value

HOUR = 3600.0
YEAR = 8760 * HOUR
"""Seconds; a year has 365 days."""

_UNITS = {"s": 1.0, "min": 60.0, "h": HOUR, "d": 24 * HOUR, "y": YEAR}
_SPAN = re.compile(r"(\d+\.?\d*(?:e[-+]?\d+)?|\.\d+)\s*(s|min|h|d|y)")


class Rates(NamedTuple):
    """Of an element: mean time between failures and to repair, in seconds."""

    mtbf: float
    mttr: float

    @property
    def down(self) -> float:
        """The fraction of time for which it is down."""
        return self.mttr / (self.mtbf + self.mttr)


class Published(NamedTuple):
    """What UB-Mesh's authors say of a network: hours, minutes, and a fraction."""

    what: str
    mtbf_hours: float
    mttr_minutes: float
    availability_percent: float | None


PUBLISHED = (
    Published("UB-Mesh", 98.5, 75, 98.8), Published("Clos", 13.8, 75, 91.6),
    Published("UB-Mesh, faults found fast", 98.5, 13, None),
)  # fmt: skip
"""arXiv 2503.20377 (UB-Mesh), of a system of 8,192 NPUs, second-hand. Every failure stops the
system there: availability is MTBF / (MTBF + MTTR)."""


class Spans(click.ParamType[tuple[tuple[str, float], ...]]):
    """Times by kind: ``l2=50000h,link=2y``; one time alone holds for every kind."""

    name = "times"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[str, float], ...]:
        """``value`` as pairs of a kind ("" for all) and seconds; click reports anything else."""
        if isinstance(value, tuple):
            return value
        found = []
        for part in str(value).split(","):
            kind, _, text = part.strip().rpartition("=")
            match = _SPAN.fullmatch(text.strip())
            seconds = float(match[1]) * _UNITS[match[2]] if match else math.nan
            if not 0 < seconds < math.inf:
                self.fail(
                    f"{part.strip()!r:.60} is no KIND=TIME, such as l2=50000h; units are"
                    f" {', '.join(_UNITS)}", param, ctx,
                )  # fmt: skip
            found.append((kind.strip(), seconds))
        return tuple(found)


def rates_of(
    kinds: Sequence[str], mtbf: Sequence[tuple[str, float]], mttr: Sequence[tuple[str, float]]
) -> dict[str, Rates]:
    """The rates of each kind; empty where no times are given.

    Raises `click.UsageError` where one of the two is missing, or names another kind.
    """
    if not mtbf and not mttr:
        return {}
    times = {}
    for option, given in (("--mtbf", mtbf), ("--mttr", mttr)):
        for kind, _ in given:
            if kind and kind not in kinds:
                raise click.UsageError(
                    f"{option} is of {kind!r}, and --kind asks for {', '.join(kinds)}"
                )
        of, every = dict(given), dict(given).get("")
        for kind in kinds:
            if kind not in of and every is None:
                raise click.UsageError(f"{option} is missing for {kind}: {option} {kind}=TIME")
        times[option] = {kind: of.get(kind, every) or 0.0 for kind in kinds}
    return {kind: Rates(times["--mtbf"][kind], times["--mttr"][kind]) for kind in kinds}


class Year(NamedTuple):
    """A year of a machine, or of its elements of one kind.

    ``failures``, ``stops``: how many, on average; a stop is a failure that the workload does not
    survive. ``up``: the fraction of time in which it runs; ``goodput``: of the work that it would
    do on a whole machine. ``mtbf``: seconds between failures of anything; ``mttr``: to repair one;
    ``stopped``: of the time, if every failure stopped it, as UB-Mesh counts, what it would be up.
    """

    failures: float
    stops: float
    up: float
    goodput: float
    mtbf: float
    mttr: float

    @property
    def up_if_all_stop(self) -> float:
        """The fraction of time in which it would run if every failure stopped it."""
        return self.mtbf / (self.mtbf + self.mttr)

    def record(self) -> dict[str, Value]:
        """The year as part of a record."""
        return {
            "mtbf_hours": self.mtbf / HOUR, "mttr_hours": self.mttr / HOUR,
            "failures_a_year": self.failures, "stops_a_year": self.stops,
            "availability_percent": 100 * self.up, "goodput_percent": 100 * self.goodput,
            "availability_if_all_stop_percent": 100 * self.up_if_all_stop,
        }  # fmt: skip


def year_of(sweep: Sweep, rates: Rates) -> Year:
    """A year in which elements of one kind fail."""
    each = YEAR / (rates.mtbf + rates.mttr)
    cut = sum(len(one.names) for one in sweep.cuts)
    up = (1 - rates.down) ** cut
    logs = (
        len(one.names) * math.log1p(-rates.down * (1 - 1 / one.slowdown))
        for one in sweep.failures if one.slowdown
    )  # fmt: skip
    return Year(
        sweep.count * each, cut * each, up, up * math.exp(math.fsum(logs)),
        rates.mtbf / sweep.count, rates.mttr,
    )  # fmt: skip


def together(years: Mapping[str, Year]) -> Year:
    """A year in which elements of all these kinds fail."""
    every = list(years.values())
    rate = sum(1 / one.mtbf for one in every)
    return Year(
        sum(one.failures for one in every), sum(one.stops for one in every),
        math.prod(one.up for one in every), math.prod(one.goodput for one in every), 1 / rate,
        sum(one.mttr / one.mtbf for one in every) / rate,
    )  # fmt: skip


def published_lines() -> list[str]:
    """What UB-Mesh's authors say, and what comes of their two times."""
    lines = []
    for one in PUBLISHED:
        up = one.mtbf_hours / (one.mtbf_hours + one.mttr_minutes / 60)
        said = "" if one.availability_percent is None else f"{one.availability_percent:g}% said, "
        lines.append(
            f"{one.what} (arXiv 2503.20377): MTBF {one.mtbf_hours:g} h, MTTR {one.mttr_minutes:g}"
            f" min, availability {said}{100 * up:.2f}% of these two; every failure stops all"
        )
    return lines
