"""``bench faults``: what every single failure of a kind costs a workload, and pairs of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from bench import sensitivity
from bench.background import lines as lines_beside
from bench.background import record as beside_record
from bench.background_option import background_option, check_alone
from bench.cases.moe import MODES
from bench.faults import picture
from bench.faults.sweep import Sweep, Sweeper, pairs, sweep
from bench.faults.what_matters import effects_of_sweep
from bench.faults.workload import WORKLOADS, SweptOperation
from bench.faults.year import Rates, Spans, published_lines, rates_of, together, year_of
from bench.machine_options import machine_options
from bench.new_files import NewFile, check_apart
from bench.options import (
    PICTURES,
    Names,
    answer_options,
    gathered,
    parse_bytes,
    sensitivity_option,
)
from bench.published.standing import lines
from bench.records import Record, Value, as_text, opened, progress
from bench.streams import put
from collectives.workloads.background.streams import Background
from fabric.machine import MachineSpec
from topology.analysis.elements import Element, elements
from topology.units import US

SHOWN = 5
"""Failures that cut the machine, of which the table gives the names."""


workload_options = gathered(
    "workload",
    SweptOperation,
    click.option("--workload", "name", type=click.Choice(WORKLOADS), default="dispatch",
                 show_default=True, help="What runs on the machine."),
    click.option("--ranks", type=click.IntRange(2, 1 << 20), default=64, show_default=True,
                 help="Of the workload."),
    click.option("--mode", type=click.Choice(MODES), default=MODES[0], show_default=True,
                 help="Of dispatch and combine."),
    click.option("--tokens", type=click.IntRange(1, 1 << 20),
                 help="Of each rank, of dispatch and combine [of the mode: 128 or 4096]."),
    click.option("--size", type=parse_bytes, default="1M", show_default=True,
                 help="Bytes of a collective, as nccl-tests counts them."),
    click.option("--algorithm", metavar="NAME",
                 help="Of a collective [the library's choice on the whole machine, kept on each"
                      " that has something broken]."),
    click.option("--seed", type=click.IntRange(0, (1 << 53) - 1), default=0, show_default=True,
                 help="Of the routing of tokens, and of the choice of pairs."),
)  # fmt: skip
"""Adds the choice of a workload, which the command gets as ``workload``, a `SweptOperation`."""


class AskedSweep(NamedTuple):
    """A kind, or pairs of kinds, and its cases; None for ``rates`` where no times are given."""

    kind: str
    cases: list[Element]
    rates: Rates | None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--kind", "kinds", type=Names(), required=True, metavar="KINDS",
              help="What fails: link, module, nic, die, package, node, rack, sub-plane, plane, or a"
                   " kind of switch such as l1 or l2; several with commas.")  # fmt: skip
@workload_options
@click.option("--pairs", "number", type=click.IntRange(1, 1 << 20), metavar="N",
              help="Also time N pairs of failures at once, drawn from all of them.")  # fmt: skip
@click.option("--mtbf", type=Spans(), default=(), metavar="KIND=TIME,..",
              help="Mean time between failures of one element, such as l2=50000h; units s, min, h,"
                   " d, y. With --mttr a year is added up.")  # fmt: skip
@click.option("--mttr", type=Spans(), default=(), metavar="KIND=TIME,..",
              help="Mean time to repair one; a time alone holds for all kinds.")  # fmt: skip
@sensitivity_option
@background_option
@machine_options
@answer_options
@click.option("--plot", type=NewFile(), help="Draw the distributions (png, svg or pdf).")
def command(
    kinds: tuple[str, ...], workload: SweptOperation, number: int | None,
    mtbf: tuple[tuple[str, float], ...], mttr: tuple[tuple[str, float], ...], what_matters: bool,
    background: tuple[Background, ...], machine: MachineSpec, form: str, output: Path | None,
    plot: Path | None,
) -> None:  # fmt: skip
    """What every single failure of a kind costs a workload, one after the other.

    Each is there from the beginning, and ranks sit on what is left, in order. Failures that ranks
    cannot tell apart are simulated once.
    """
    check_apart({"--output": output, "--plot": plot})
    check_alone(background, {"--sensitivity": what_matters})
    if plot and plot.suffix.lower() not in PICTURES:
        raise click.UsageError(f"--plot {plot}: the name must end in {', '.join(PICTURES)}")
    rates = rates_of(kinds, mtbf, mttr)
    sweeper = Sweeper(machine, workload, background)
    cases = {kind: elements(sweeper.topology, kind, sweeper.planes) for kind in kinds}
    asked = [AskedSweep(kind, cases[kind], rates.get(kind)) for kind in kinds]
    if number is not None:
        every = [case for of_kind in cases.values() for case in of_kind]
        asked.append(AskedSweep("pairs", pairs(every, number, workload.seed), None))
    found = list(swept(sweeper, asked))
    rows = records(sweeper, asked, found)
    made = _moved(sweeper, asked, found, rows) if what_matters else ()
    moved = list(progress(made, "sensitivity", len(asked)))
    with opened(output) as file:
        if form == "table":
            head = f"# {machine.system}, {sweeper.whole.router.policy}, {sweeper.workload.words()}"
            put(file, f"{head}: {sweeper.time / US:.5g} us with nothing broken")
            put(file, *(f"# {line}" for line in lines_beside(rows[0])))
            file.write(as_text([_shown(row) for row in rows if "failures" in row], form))
            put(file, *(f"# {line}" for line in [*_kept(workload, sweeper), *notes(found)]))
            put(file, *(f"# {line}" for line in lines([sweeper.workload.standing(machine)])))
            if rates:
                put(file, "")
                file.write(as_text([_year(row) for row in rows if "mtbf_hours" in row], form))
                put(file, *(f"# {line}" for line in published_lines() if not background))
            file.write(sensitivity.text(moved))
        else:
            shown = sensitivity.records(moved) if what_matters else rows
            file.write(as_text(shown, form, machine))
    if plot:
        picture.draw(found, plot)


def _kept(asked: SweptOperation, sweeper: Sweeper) -> list[str]:
    """What to know of an algorithm that the user has not named."""
    taken = sweeper.workload.algorithm
    if taken is None or asked.algorithm is not None:
        return []
    return [
        f"{taken} is the library's choice on the whole machine, and is kept on each broken one;"
        " --algorithm takes another"
    ]


def swept(sweeper: Sweeper, asked: Sequence[AskedSweep]) -> Iterator[Sweep]:
    """The sweep over each of the cases that are asked for, with a progress bar."""
    for one in asked:
        *_, last = progress(sweep(sweeper, one.kind, one.cases), one.kind)
        assert isinstance(last, Sweep)
        yield last


def _moved(
    sweeper: Sweeper, asked: Sequence[AskedSweep], found: Sequence[Sweep], rows: Sequence[Record]
) -> Iterator[sensitivity.MovedAnswer]:
    """Iterate over what moves the largest slowdown of each sweep."""
    for one, each, row in zip(asked, found, rows, strict=False):  # rows may end with a year
        yield sensitivity.MovedAnswer(
            row, effects_of_sweep(sweeper, each, one.cases), "slowdown_max"
        )


def records(sweeper: Sweeper, asked: Sequence[AskedSweep], found: Sequence[Sweep]) -> list[Record]:
    """A record for each sweep, and one of all kinds together where a year is asked for."""
    years = {
        one.kind: year_of(each, one.rates) for one, each in zip(asked, found, strict=True)
        if one.rates is not None
    }  # fmt: skip
    rows: list[Record] = [
        {**_about(sweeper), **record(each), **(years[each.kind].record() if each.kind in years
                                               else {})}
        for each in found
    ]  # fmt: skip
    if len(years) > 1:
        rows.append({**_about(sweeper), "kind": "all", **together(years).record()})
    return rows


def _about(sweeper: Sweeper) -> dict[str, Value]:
    machine = sweeper.machine
    more = beside_record(sweeper.beside) if sweeper.beside else {}
    return {"system": machine.system, **sweeper.workload.record(), "engine": machine.engine,
            "routing": sweeper.whole.router.policy, **more,
            **sweeper.workload.standing(machine).record()}  # fmt: skip


def record(found: Sweep) -> dict[str, Value]:
    """The distribution of a sweep: slowdowns are times over that of the whole machine."""
    slow, worst = found.slowdowns, found.worst
    ranks = [0, 50, 99, 100]
    picked = (
        np.percentile(slow, ranks, method="inverted_cdf").tolist() if len(slow)
        else [None] * len(ranks)
    )  # fmt: skip
    cut = [name for one in found.cuts for name in one.names]
    return {
        "kind": found.kind, "failures": found.count, "simulated": len(found.failures),
        "whole_time_us": found.time / US, "cut": len(cut),
        **{f"slowdown_{name}": value for name, value in
           zip(("min", "p50", "p99", "max"), picked, strict=True)},
        "worst": worst and worst.names[0], "worst_of_alike": worst and len(worst.names),
        "worst_bottleneck": worst and worst.bottleneck, "whole_bottleneck": found.bottleneck,
        "cut_names": ", ".join(cut) or None,
    }  # fmt: skip


def _shown(row: Record) -> Record:
    """What of a record is in the table for a person: by how many per cent it is slower."""
    first = {name: row[name] for name in ("kind", "failures", "simulated", "cut")}
    slower: dict[str, Value] = {}
    for name in ("min", "p50", "p99", "max"):
        slowdown = row[f"slowdown_{name}"]
        more = 100 * (slowdown - 1) if isinstance(slowdown, float) else None
        slower[f"{name} %"] = None if more is None else round(more, 4) + 0.0
    last = {"worst": row["worst"], "set by": row["worst_bottleneck"]}
    return {**first, **slower, **last}


def _year(row: Record) -> Record:
    names = {
        "kind": "kind", "MTBF h": "mtbf_hours", "MTTR h": "mttr_hours",
        "failures/y": "failures_a_year", "stops/y": "stops_a_year",
        "available %": "availability_percent", "goodput %": "goodput_percent",
        "if all stop %": "availability_if_all_stop_percent",
    }  # fmt: skip
    return {name: row[key] for name, key in names.items()}


def notes(found: Sequence[Sweep]) -> Iterator[str]:
    """Iterate over the lines below the table: which failures the workload does not survive."""
    for each in found:
        for why in dict.fromkeys(one.why for one in each.cuts):
            names = [name for one in each.cuts if one.why == why for name in one.names]
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            words = "ranks without a path" if why == "cut" else "less places than ranks"
            yield f"{each.kind}: {words} after {', '.join(names[:SHOWN])}{more}"
