"""``triplane replay``: a recorded run on another machine, without its program."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np

from bench.cli import HELP
from bench.machine_options import machine_over_options
from bench.new_files import NewFile, check_apart
from bench.numbers import Positive
from bench.options import answer_options
from bench.records import Record, Value, as_text, opened
from bench.streams import put
from collectives.moe.routing.captured import save_captured
from collectives.workloads.recorded.replay import ReplayedRun, replay
from collectives.workloads.recorded.routings import routings
from collectives.workloads.recorded.tables import Tables, Told
from fabric.machine import MachineSpec
from fabric.run_log.file import load
from fabric.run_log.value import RunLog
from topology.presets.catalogue import short_name
from topology.units import US

KEYS = {
    "kind": ("call",),
    "call": ("number", "layer", "call"),
    "layer": ("layer", "op"),
    "step": ("step", "op"),
}
"""By what calls are told together, and the columns that say so."""

BY = (*KEYS, "rank")
_ABOUT = ("system", "software", "ranks")


@click.command("replay", context_settings=HELP)
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="RUN.npz"
)
@machine_over_options
@click.option("--as-part-of", type=click.IntRange(1), metavar="N",
              help="The ranks are some of N [as when the run was recorded].")  # fmt: skip
@click.option("--compute-scale", type=Positive(), metavar="X", default=1.0,
              help="Times of computing count so many times [1].")  # fmt: skip
@click.option("--by", type=click.Choice(BY), default="kind", show_default=True,
              help="A row for each kind of call, call, layer (span), step, or rank.")  # fmt: skip
@answer_options
@click.option("--trace", type=NewFile(), metavar="FILE",
              help="Write what happens when, for ui.perfetto.dev.")  # fmt: skip
@click.option("--routing-out", "captured", type=NewFile(), metavar="FILE",
              help="Write where tokens went (npz, jsonl), for bench moe --skew.")  # fmt: skip
def command(
    file: Path, machine_over: Callable[[MachineSpec | None], MachineSpec], as_part_of: int | None,
    compute_scale: float, by: str, form: str, output: Path | None, trace: Path | None,
    captured: Path | None,
) -> None:  # fmt: skip
    """What a recorded run (`triplane run --record RUN.npz`) costs, on its machine or another.

    The options of the machine count over the one of the record; with --system or --machine nothing
    of that one counts. Time is strict.
    """
    check_apart({"--output": output, "--trace": trace, "--routing-out": captured})
    log = load(file)
    known = None if log.machine is None else MachineSpec.from_json(log.machine)
    machine = machine_over(known)
    whole = log.as_part_of if as_part_of is None else as_part_of
    began = time.perf_counter()
    run = replay(log, machine.build(), as_part_of=whole, compute_scale=compute_scale)
    took = time.perf_counter() - began
    rows = records(run, by, machine, took)
    with opened(output) as out:
        is_table = form == "table"
        if is_table:
            put(out, *(f"# {line}" for line in head(run, machine)))
        shown = [_short(row) for row in rows[:-1]] if is_table else rows
        out.write(as_text(shown, form, machine))
        if is_table:
            put(out, f"# {last_line(rows[-1])}")
    if captured:
        save_captured(routings(log), captured)
    if trace:
        from fabric.clock.perfetto import write

        write(run.emulator, trace)


def records(run: ReplayedRun, by: str, machine: MachineSpec, took: float) -> list[Record]:
    """The rows of the table ``by``, and a last one of the whole run; times in microseconds.

    ``took``: seconds of this host that the replay has taken.
    """
    tables, software = Tables(run), run.emulator.software.name
    about: dict[str, Value] = {
        "system": short_name(machine.system), "software": software, "ranks": run.emulator.size,
    }  # fmt: skip
    if by == "rank":
        rows: list[dict[str, Value]] = [
            {**about, "rank": rank, "time_us": end / US, "in_calls_us": calls / US,
             "compute_us": computed / US}
            for rank, end, calls, computed in tables.by_rank()
        ]  # fmt: skip
    else:
        told: list[Told] = getattr(tables, f"by_{by}")()
        rows = [{**about, **_told(KEYS[by], one)} for one in told]
    every = tables.by_rank()
    rows.append({
        **about, "whole_run": True, "time_us": max((row[1] for row in every), default=0.0) / US,
        "recorded_us": _recorded(run.log), "host_time_s": took,
    })  # fmt: skip
    return [*rows]


def _told(columns: tuple[str, ...], one: Told) -> dict[str, Value]:
    recorded = None if one.recorded is None else one.recorded / US
    change = None if not recorded else 100 * (one.time / US / recorded - 1)
    return {
        **{name: value for name, value in zip(columns, one.key, strict=True)
           if isinstance(value, str | int)},
        "calls": one.calls, "call_ranks": one.ranks, "time_us": one.time / US,
        "mean_us": one.time / one.calls / US, "max_us": one.longest / US, "wait_us": one.wait / US,
        "recorded_us": recorded, "change_percent": change,
    }  # fmt: skip


def _recorded(log: RunLog) -> float | None:
    """When the last rank of the recorded run ended, in microseconds; None if that is not known."""
    return None if np.isnan(log.clock).any() else float(log.clock.max()) / US


def _short(row: Record) -> Record:
    """A row without what the head of the table says."""
    return {name: value for name, value in row.items() if name not in _ABOUT}


def last_line(row: Record) -> str:
    """What is told of the whole run, in words."""
    recorded = row["recorded_us"]
    was = "" if recorded is None else f"; when it was recorded, after {recorded:.5g} us"
    return f"the last rank ends after {row['time_us']:.5g} us{was}"


def head(run: ReplayedRun, machine: MachineSpec) -> Iterator[str]:
    """The lines above the table: what was replayed where, and what became of it."""
    log, software = run.log, run.emulator.software.name
    was = "no machine" if log.machine is None else short_name(str(log.machine.get("system")))
    of = "" if run.emulator.size == log.ranks else f" as part of {run.emulator.size}"
    there = f"{short_name(machine.system)} with {software}"
    yield f"{log.ranks} ranks{of} on {there}; recorded on {was}"
    if log.sync != "strict":
        yield f"recorded in {log.sync} time, and replayed in strict time"
    if not run.is_whole:
        yield "the run ended within calls, which are left out"
