"""``bench put`` and ``bench get``: one-sided accesses, as OSU's and HIXL's benchmarks have them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from bench import sensitivity
from bench.background import lines as lines_beside
from bench.background_option import background_option, check_alone
from bench.machine_options import machine_options
from bench.memory import picture
from bench.memory.measure import AccessRow, effects_of, sweep
from bench.memory.real_ranks import sweep as sweep_live
from bench.memory.request import PATTERNS, AccessBench, AccessFlags, prepare
from bench.new_files import NewFile, check_apart
from bench.numbers import Number
from bench.options import FORMATS, check_sensitivity, gathered, parse_bytes, sensitivity_option
from bench.published.standing import lines
from bench.records import Value, as_table, as_text, opened, progress
from bench.streams import put as put_lines
from bench.transport_choice import TRANSPORTS, TransportChoice
from collectives.memory.arguments import DEVICES
from collectives.workloads.background.streams import Background
from fabric.machine import MachineSpec
from topology.graph import LEVELS

_COLUMNS = {
    "size_bytes": "size_B", "blocks": "blocks", "window": "window", "time_us": "time_us",
    "latency_us": "latency_us", "bandwidth_GBps": "GB/s", "message_rate_Mps": "Mmsg/s",
    "wall_us": "wall_us", "wall_bandwidth_GBps": "wall_GB/s",
    "wall_message_rate_Mps": "wall_Mmsg/s", "wrong": "wrong",
}  # fmt: skip
"""The columns of the table, by the record's keys."""


class _Bytes(click.ParamType[int]):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return value if isinstance(value, int) else parse_bytes(value)


access_options = gathered(
    "flags",
    AccessFlags,
    click.option("-b", "--minbytes", type=_Bytes(), help="Smallest block [8]."),
    click.option("-e", "--maxbytes", type=_Bytes(), help="Largest block [4M]."),
    click.option("-f", "--stepfactor", type=Number(1), metavar="N",
                 help="Factor between sizes; 1: the smallest alone [2]."),
    click.option("--blocks", type=Number(1), metavar="N", help="Blocks of an access [1]."),
    click.option("--bulk", type=_Bytes(), metavar="SIZE",
                 help="Bytes of an access, in blocks of the row's size, as HIXL's benchmark has"
                      " them: 128M."),
    click.option("--window", type=Number(1, 1 << 20), metavar="N",
                 help="Accesses that are outstanding together, as in OSU's bandwidth tests [1]."),
    click.option("--pattern", type=click.Choice(PATTERNS), help="Who accesses whose memory"
                 " [pair]."),
    click.option("--ranks", type=Number(1), metavar="N", help="Ranks [2 of a pair, else 8]."),
    click.option("--local", type=click.Choice(DEVICES), help="Whose memory the initiator's buffer"
                 " is [npu]."),
    click.option("--remote", type=click.Choice(DEVICES), help="Whose memory is accessed [npu]."),
    click.option("--distance", type=click.Choice(LEVELS), help="How far ranks are from the first:"
                 " in its package, its node, its supernode or beyond [supernode, or as far as"
                 " there is]."),
    click.option("-n", "--iters", type=Number(1), metavar="N",
                 help="Iterations on the wall clock, of real ranks [20]."),
    click.option("-w", "--warmup", type=Number(0), metavar="N", help="Warm-up iterations [1]."),
)  # fmt: skip
"""Adds the choice of accesses, which the command gets as ``flags``, an `AccessFlags`."""


def _run(
    op: str, flags: AccessFlags, transport: str, machine: MachineSpec, what_matters: bool,
    background: tuple[Background, ...], form: str, output: Path | None, plot: Path | None,
    trace: Path | None,
) -> int:  # fmt: skip
    check_apart({"--output": output, "--plot": plot, "--trace": trace})
    if what_matters:
        check_sensitivity(transport)
    if background and transport != "sim":
        raise click.UsageError(f"--background does not go with --transport {transport}")
    check_alone(background, {"--sensitivity": what_matters})
    bench = prepare(op, flags, machine, background)
    if trace:
        picture.check_traceable(bench)
    made = sweep(bench) if transport == "sim" else sweep_live(bench, transport)
    rows = [*progress(made, op, len(flags.sizes()))]
    records = [row.record() for row in rows]
    moved = (effects_of(bench, row.size) for row in rows if what_matters)
    answers = [*map(sensitivity.MovedAnswer, records, progress(moved, "sensitivity", len(rows)))]
    with opened(output) as file:
        if form == "table":
            put_lines(file, f"# {_head(bench, transport)}")
            file.write(as_table([_short(record) for record in records]))
            put_lines(file, *(f"# {line}" for line in lines([row.standing for row in rows])))
            put_lines(file, *(
                f"# {row.size} B {line}" for row in rows for line in lines_beside(row.beside)
            ))  # fmt: skip
            file.write(sensitivity.text(answers))
        else:
            shown = sensitivity.records(answers) if what_matters else records
            file.write(as_text(shown, form, bench.machine))
    if plot:
        picture.draw(rows, plot)
    if trace:
        picture.trace(rows[-1], trace)
    return int(any(row.times.wrong for row in rows))


def _head(bench: AccessBench, transport: str) -> str:
    flags, over = bench.flags, "" if transport == "sim" else f", real bytes over {transport}"
    planes = ", ".join(bench.fabric.router.planes)
    return (
        f"{bench.op} on {bench.machine.system} with {bench.software.stack(bench.operation)} over"
        f" {planes}: {flags.pattern} of {flags.world} ranks, {flags.local} to {flags.remote},"
        f" distance {bench.distance}{''.join(f', beside {one}' for one in bench.streams)}{over}"
    )


def _short(record: dict[str, Value]) -> dict[str, Value]:
    return {name: record[key] for key, name in _COLUMNS.items() if record.get(key) is not None}


def _command(op: str, text: str) -> click.Command:
    options: list[Callable[[Any], Any]] = [
        click.option("--transport", type=TransportChoice(TRANSPORTS), default=TRANSPORTS[0],
                     show_default=True, help="Simulate, or access real memory of real ranks."),
        sensitivity_option,
        background_option,
        click.option("--format", "form", type=click.Choice(FORMATS), default="table",
                     show_default=True, help="Text for people, or records for programs."),
        click.option("--output", type=NewFile(), metavar="FILE",
                     help="Write the answer here instead of printing it."),
        click.option("--plot", type=NewFile(), metavar="FILE",
                     help="Draw the answer (png, svg or pdf)."),
        click.option("--trace", type=NewFile(), metavar="FILE",
                     help="Write the last row's Perfetto trace (json)."),
    ]  # fmt: skip
    command: Any = access_options(machine_options(partial(_run, op)))
    for option in reversed(options):
        command = option(command)
    settings = {"help_option_names": ["-h", "--help"]}
    return click.command(op, help=text, context_settings=settings)(command)


put = _command("put", "Write to memory of other ranks, which do nothing for it.")
get = _command("get", "Read memory of other ranks, which do nothing for it.")

__all__ = ["AccessRow", "get", "put"]
