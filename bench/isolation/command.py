"""``bench isolation``: a dispatch beside a stream on its links, without classes and with them."""

from dataclasses import replace
from pathlib import Path

import click

from bench import sensitivity
from bench.isolation import picture
from bench.isolation.measure import MOST_LEAKAGE, answers, cases, measured
from bench.machine_options import machine_options
from bench.moe.command import Asked, moe_options
from bench.moe.measure import check, prepared
from bench.new_files import NewFile, check_apart
from bench.options import PICTURES, answer_options, sensitivity_option
from bench.published.standing import lines
from bench.records import Record, as_text, opened, progress
from bench.streams import put
from collectives.workloads.background.beside import check_streams
from collectives.workloads.background.streams import background
from fabric.machine import MachineSpec
from topology.units import parse

SIZES = (8, 16, 32)
"""Ranks of the operations, where nothing else is asked for."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@moe_options
@click.option(
    "--background",
    "beside",
    default="kv:inf GB/s",
    metavar="SPEC",
    show_default=True,
    help="The stream beside each operation, as of bench moe.",
)
@click.option(
    "--guarantee",
    metavar="RATE",
    help="Also promise the stream so much of each rank's sending and receiving, such as 5GB/s.",
)
@sensitivity_option
@machine_options
@answer_options
@click.option("--plot", type=NewFile(), help="Draw times over EP size (png, svg or pdf).")
def command(
    asked: Asked, beside: str, guarantee: str | None, what_matters: bool, machine: MachineSpec,
    form: str, output: Path | None, plot: Path | None,
) -> None:  # fmt: skip
    """MoE dispatch and combine beside a stream that shares their links, with classes and without.

    Each is timed alone, beside the stream without any class, and with strict priority.
    """
    check_apart({"--output": output, "--plot": plot})
    if plot and plot.suffix.lower() not in PICTURES:
        raise click.UsageError(f"--plot {plot}: the name must end in {', '.join(PICTURES)}")
    if machine.classes:
        raise click.UsageError("bench isolation compares classes of its own: without --classes")
    if machine.faults:
        raise click.UsageError("bench isolation is of a machine without faults in time")
    if asked.placements:
        raise click.UsageError("--expert-placement does not go with bench isolation")
    stream = background(beside)
    promised = None if guarantee is None else parse(guarantee, "bandwidth")
    fabric, software, name = prepared(machine, asked.mode)
    works = replace(asked, ep=asked.ep or SIZES).works(software)
    for work in works:
        check(work, fabric)
        check_streams(fabric, [stream], work.ranks)
    every = cases(machine, works, stream, promised)
    rows: list[Record] = list(progress(measured(every), "isolation", len(every)))
    made = answers(rows, every) if what_matters else ()
    moved = list(progress(made, "sensitivity", len(every)))
    with opened(output) as file:
        if form == "table":
            put(file, f"# MoE {asked.mode} on {name} with {software}, engine {machine.engine},"
                      f" beside {stream}: {asked.said(works)}")  # fmt: skip
            file.write(as_text([_shown(row, stream.kind) for row in rows], form))
            put(file, f"# isolated: at most {MOST_LEAKAGE:.0%} later than alone, and a packet's"
                      " time a hop where there are packets")  # fmt: skip
            put(file, *(f"# {line}" for line in lines(one.standing() for one in every)))
            file.write(sensitivity.text(moved))
        else:
            shown = sensitivity.records(moved) if what_matters else rows
            file.write(as_text(shown, form, machine))
    if plot:
        picture.draw(rows, plot)


def _shown(row: Record, kind: str) -> Record:
    leaks = round(float(str(row["leakage_percent"])), 3) + 0.0
    return {
        "EP": row["ranks"], "op": row["op"], "classes": row["classes"], "time us": row["time_us"],
        "alone us": row["alone_us"], "leakage %": leaks,
        f"{kind} GB/s": row[f"{kind}_goodput_GBps"], f"{kind} p99 us": row[f"{kind}_p99_us"],
        "fairness": row[f"{kind}_fairness"], "isolated": "yes" if row["isolated"] else "no",
    }  # fmt: skip
