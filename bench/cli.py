"""The command line: ``triplane bench|topo ...``; what goes wrong is one line and an exit code.

Commands are named in tables and imported when they are called: ``triplane --help`` must answer
before numpy has been read from disk.
"""

import functools
import gc
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

from bench import streams
from bench.background_option import background_option, check_background
from bench.live_options import LiveOptions, live_options
from bench.machine_options import machine_options
from bench.new_files import check_apart
from bench.numbers import Number
from bench.options import (
    DATATYPES,
    MAX_LIVE_SIZES,
    REDUCTIONS,
    Flags,
    Output,
    check_sensitivity,
    gathered,
    output_options,
    parse_root,
    parse_size,
    sensitivity_option,
)
from bench.transport_choice import TRANSPORTS, TransportChoice

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from bench.collectives.measure import Benchmark
    from bench.measurement import Measurement
    from collectives.workloads.background.streams import Background
    from fabric.machine import MachineSpec

HELP = {"help_option_names": ["-h", "--help"]}

COLLECTIVES = {
    "all_reduce": "Every rank gets the reduction of all ranks' data.",
    "all_gather": "Every rank gets every rank's data.",
    "reduce_scatter": "Every rank gets its part of the reduction.",
    "broadcast": "Every rank gets the root's data.",
    "reduce": "The root gets the reduction of all ranks' data.",
    "gather": "The root gets every rank's data.",
    "scatter": "Every rank gets its part of the root's data.",
    "all_to_all": "Every rank sends a block to every rank.",
    "all_to_all_v": "The same with blocks of unlike sizes.",
    "send_recv": "Every rank sends to the next and receives from the one before.",
    "barrier": "No rank leaves before all have come.",
}
"""What each collective does, in a line."""

BENCHMARKS = {
    "moe": ("bench.moe.command:command", "MoE dispatch and combine over expert-parallel sizes."),
    "put": ("bench.memory.command:put", "One-sided writes: latency, bandwidth, message rate."),
    "get": ("bench.memory.command:get", "One-sided reads: the same."),
    "validate": (
        "bench.validation.validate:command",
        "The model beside every published measurement.",
    ),
    "trace": ("bench.trace:command", "A workload of GOAL or Chakra: how long it takes here."),
    "paced": (
        "bench.collectives.paced:command",
        "How late transfers are on paced time, and never early.",
    ),
    "faults": ("bench.faults.command:command", "What every single failure of a kind costs."),
    "isolation": (
        "bench.isolation.command:command",
        "Dispatch and combine beside a stream on their links, with classes and without.",
    ),
    "contrast": (
        "bench.contrast.command:command",
        "Where packets must differ from the fluid, in small scenes timed by both engines.",
    ),
    "pool": ("bench.pool.command:command", "A pool of blocks: hits and latencies, UB beside VPC."),
    "decode": ("bench.serving.decode:command", "A decoding step: TPOT, tokens/s, where time goes."),
    "prefill": ("bench.serving.prefill:command", "A prefill: TTFT, tokens/s, where time goes."),
    "afd": ("bench.serving.afd:command", "Attention and experts apart: A2E, E2A, trampoline."),
    "serve": ("bench.serving.serve:command", "A serving run: TTFT, TPOT, goodput under requests."),
    "kv": ("bench.serving.kv:command", "KV caches from prefill to decode, beside a dispatch."),
    "placement": (
        "bench.placement:command",
        "How much of its NPUs a supernode can give to jobs of blocks.",
    ),
    "compare": ("bench.compare.command:command", "Two answers side by side: what changed, why."),
    "calibrate": (
        "bench.validation.calibrate:command",
        "Fit the endpoint constants to published rows.",
    ),
}
"""The other benchmarks: where each command is, and what it does."""

_NEW_OBJECTS = 7000
"""How many start a search for garbage: ten times Python's own, as all that imports make is kept."""

COMMANDS = {
    "bench": ("bench.cli:bench", "Benchmarks: collectives with nccl-tests' flags, and MoE."),
    "run": ("bench.run:command", "Run a program as n ranks: threads, processes, or MPI's."),
    "topo": ("bench.topo:topo", "Systems: list, show, draw, export, import, place, route."),
    "view": ("bench.view.command:command", "One HTML page of a system or a timeline."),
    "schedule": (
        "bench.schedules.command:group",
        "Schedules of MSCCL checked; ours written for MSCCL, htsim.",
    ),
    "sweep": ("bench.sweep.command:command", "A bench command at many points, one table."),
    "replay": ("bench.replay:command", "A recorded run on another machine, without its program."),
    "doctor": ("bench.doctor.command:command", "What this machine can do, and what to install."),
    "completion": ("bench.completion:command", "The script that completes words for a shell."),
}
"""The groups of ``triplane``."""


class CommandGroup(click.Group):
    """A group whose commands are imported when called, and whose errors are one line.

    ``lazy``: name to ("module:attribute", help), in the order in which they are listed.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the table's order."""
        return [*self.commands, *self.lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called ``cmd_name``, imported at its first use; None if there is none."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, attribute = self.lazy[cmd_name][0].split(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands into the help text, without importing any of them."""
        rows = [(name, command.get_short_help_str(80)) for name, command in self.commands.items()]
        rows += [(name, text) for name, (_, text) in self.lazy.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """What a word that begins so can be, without importing any command."""
        from click.shell_completion import CompletionItem

        known = {name: one.get_short_help_str() for name, one in self.commands.items()}
        known |= {name: text for name, (_, text) in self.lazy.items()}
        found = [CompletionItem(name, help=text) for name, text in known.items()
                 if name.startswith(incomplete)]  # fmt: skip
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that ``args`` name, and the arguments left; click's own method.

        An unknown name raises `click.UsageError` with the choices.
        """
        if args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            choices = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"no command {args[0]!r}; there are {choices}", ctx)
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, *more: Any, **named: Any) -> NoReturn:
        """Run the command line and exit.

        The exit code is 0, 2 for wrong input, 1 for a file or result that is wrong, 130 when
        interrupted.
        """
        named["standalone_mode"] = False
        gc.set_threshold(_NEW_OBJECTS)
        streams.prepare()
        if streams.somebody_reads_along():
            _tell_of_compiling()
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _warn(warnings.showwarning)
                code = super().main(args, *more, **named)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(0)
        except click.Abort:
            sys.exit(130)
        except click.ClickException as error:
            _fail(_one_line(error), error.exit_code)
        except OSError as error:
            _fail(streams.blame(error), 1)
        except MemoryError as error:
            _fail(f"out of memory: {error}", 1)
        except ValueError as error:
            # Every error of ours is one, but to name the class would import numpy for --help.
            from topology.errors import TriplaneError

            if not isinstance(error, TriplaneError):
                raise
            _fail(str(error), 2)
        sys.exit(code if isinstance(code, int) else 0)


def _tell_of_compiling() -> None:
    """Have a line say so when kernels are compiled, in which a first command is silent for long."""
    import logging

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            streams.complain(f"triplane: {record.getMessage()}")

    log = logging.getLogger("triplane.compiling")  # of `topology.compiled`
    log.setLevel(logging.INFO)
    log.addHandler(Told())


def _one_line(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = f"{context.command_path}: " if context else ""
    return where + error.format_message()


def _warn(others: Callable[..., None]) -> Callable[..., None]:
    """A `warnings.showwarning`: ours are one line of the command; ``others`` shows all others."""

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        from fabric.machine import MachineWarning
        from topology.text import one_line

        if issubclass(category, MachineWarning):
            streams.complain(f"triplane: warning: {one_line(str(message))}")
        else:
            others(message, category, *where)

    return show


def _fail(message: str, code: int) -> NoReturn:
    from topology.text import one_line

    streams.complain(f"triplane: error: {one_line(message)}")
    sys.exit(code)


@click.group(cls=CommandGroup, lazy=COMMANDS, context_settings=HELP)
@click.version_option(package_name="triplane", message="triplane %(version)s")
def main() -> None:
    """Triplane: a CloudMatrix384-class AI supernode on a laptop."""


@click.group(cls=CommandGroup, lazy=BENCHMARKS, context_settings=HELP)
def bench() -> None:
    """Benchmarks: how fast it is."""


def _flag(letter: str, name: str, what: str, **more: Any) -> Any:
    """Return nccl-tests' flag; where it is not given, `Flags` knows what holds."""
    default = getattr(Flags, name)
    shown = what if default is None else f"{what} [{default}]"
    return click.option(f"-{letter}", f"--{name}", help=shown, **more)


def _number(letter: str, name: str, what: str, low: int = 0, high: int | None = None) -> Any:
    return _flag(letter, name, what, type=Number(low, high), metavar="N")


def _bytes(letter: str, name: str, what: str) -> Any:
    return _flag(letter, name, what, type=parse_size, metavar="SIZE")


def _choice(letter: str, name: str, choices: tuple[str, ...], what: str) -> Any:
    return _flag(letter, name, what, type=click.Choice((*choices, "all")))


nccl_options = gathered(
    "flags",
    Flags,
    click.option("--ranks", type=Number(1), metavar="N",
                 help="Ranks; where not given -t times -g, or 8."),
    _number("t", "nthreads", "Threads; times -g it makes the ranks.", 1),
    _number("g", "ngpus", "Ranks a thread.", 1),
    _bytes("b", "minbytes", "Smallest size; 32M where not given."),
    _bytes("e", "maxbytes", "Largest size; 32M where not given."),
    _bytes("i", "stepbytes", "Step between sizes."),
    _number("f", "stepfactor", "Factor between sizes; 0 and 1: none, they go by -i."),
    _number("n", "iters", "Iterations on the wall clock; emulated are all alike.", 1),
    _number("w", "warmup_iters", "Warm-up iterations; a simulation needs none."),
    _number("m", "agg_iters", "Operations launched together; each is simulated alone.", 1),
    _number("N", "run_cycles", "How often the whole sweep is printed."),
    _number("p", "parallel_init", "No meaning in a simulation.", 0, 1),
    _number("c", "check", "Check results, 0 not to; sim moves no data (N/A)."),
    _choice("o", "op", REDUCTIONS, "Reduction."),
    _choice("d", "datatype", tuple(DATATYPES), "Type of an element."),
    _flag("r", "root", "Root, or all in turn.", type=parse_root, metavar="RANK|all"),
    _number("a", "average", "Time is that of 0 rank 0, 1 the mean, 2 first, 3 last rank.", 0, 3),
    _number("z", "blocking", "No meaning in a simulation.", 0, 3),
    _number("I", "per_iter_timing", "Columns of times per iteration.", 0, 1),
    _number("K", "per_iter_skip", "Leading iterations left out of -I's summary."),
    _number("S", "report_timestamps", "A time stamp on every row.", 0, 1),
    _flag("J", "output_file", "nccl-tests' own JSON, to this .json file.", metavar="FILE"),
    _number("T", "timeout", "Seconds that real ranks may take; 0: any."),
    _number("M", "memory", "No meaning in a simulation.", 0, 1),
    _number("y", "stream_null", "No meaning in a simulation.", 0, 1),
    _number("G", "cudagraph", "No meaning in a simulation."),
    _number("C", "report_cputime", "Refused unless 0: a simulation has no CPU time.", 0, 1),
    _number("R", "local_register", "No meaning in a simulation.", 0, 2),
    _number("x", "cta_policy", "No meaning in a simulation.", -1, 2),
    _number("D", "device_implementation", "Refused unless 0."),
    _number("V", "device_cta_count", "No meaning in a simulation.", 1, 128),
    _number("u", "unalign", "No meaning in a simulation."),
)  # fmt: skip
"""Adds nccl-tests' flags, which the command gets as ``flags``, a `Flags`."""


def _collective(name: str, text: str) -> click.Command:
    """Return the command of one collective: nccl-tests' flags, and ours."""
    own = [
        click.option("--transport", type=TransportChoice(TRANSPORTS), default="sim",
                     help="sim: times alone, no data (default); else real ranks."),
        click.option("--algorithm", "--algorithms", metavar="NAME,..|all",
                     help="Default: the library's choice for the size."),
        sensitivity_option,
        background_option,
        live_options,
        click.option("--matrix", metavar="FILE", hidden=name != "all_to_all_v",
                     help="all_to_all_v: in line i, bytes from rank i to each."),
    ]  # fmt: skip
    command: Any = nccl_options(machine_options(output_options(functools.partial(_run, name))))
    for option in own:
        command = option(command)
    return click.command(name, help=text, context_settings=HELP)(command)


def _run(
    name: str, flags: Flags, machine: "MachineSpec", output: Output, transport: str,
    algorithm: str | None, matrix: str | None, what_matters: bool,
    background: "tuple[Background, ...]", live: LiveOptions,
) -> int:  # fmt: skip
    if matrix and name != "all_to_all_v":
        raise click.UsageError(f"{name} takes no --matrix; all_to_all_v does")
    from bench import plot, records, written_files
    from bench.collectives import measure, nccl_environment, nccl_format

    written_files.check_simulated(output, transport)
    check_background(background, transport, output, what_matters)
    live.check(transport)
    if background and flags.average is not None:
        raise click.UsageError("--background times the last rank; it does not go with -a")
    if what_matters:
        check_sensitivity(transport)
    if flags.output_file:
        check_apart({**output.single(), "-J": Path(flags.output_file)}, output.chakra)
    if transport != "sim":
        flags.check_sizes(MAX_LIVE_SIZES)
    bench = measure.prepare(
        name, flags, machine, algorithm, matrix, transport=transport,
        trace=None if transport == "sim" else output.trace, background=background,
    )  # fmt: skip
    as_nccl = output.format == "table" and len(bench.algorithms) <= 1
    if not as_nccl:
        _check_columns(flags)
        if ignored := flags.ignored(bench.is_live):
            where = "to real ranks" if bench.is_live else "in a simulation"
            streams.complain(f"triplane: note: no meaning {where}: {', '.join(ignored)}")
    with records.opened(output.output) as file:
        sweep = _sweep(bench, live)
        if as_nccl:
            rows, passed = _nccl_text(bench, file, sweep)
        else:
            rows = [*records.progress(sweep, name)]
            passed = nccl_format.summary(rows, os.environ.get(nccl_environment.LEAST)).passed
        _write_records(bench, file, rows, output.format, as_nccl, what_matters)
    if output.plot:
        plot.draw(rows, output.plot)
    if bench.is_live and output.trace:  # the ranks' own is written already
        output = replace(output, trace=None)
    if written_files.wanted(output):
        written_files.write(measure.last_timeline(bench), output)
    return 0 if passed else 1


def _write_records(
    bench: "Benchmark", file: IO[str], rows: "list[Measurement]", form: str, as_nccl: bool,
    what_matters: bool,
) -> None:  # fmt: skip
    """Write the rows as records, unless nccl-tests' text has them, and what matters to them."""
    from bench import records, sensitivity
    from bench.collectives.what_matters import effects_of_rows

    every = [row.record() for row in rows]
    moved = records.progress(effects_of_rows(bench), "sensitivity") if what_matters else ()
    answers = [*map(sensitivity.MovedAnswer, every, moved)]
    if form != "table":
        shown = sensitivity.records(answers) if what_matters else every
        file.write(records.as_text(shown, form, bench.machine))
        return
    if not as_nccl:
        file.write(records.as_text(every, form))
    file.write(sensitivity.text(answers))


def _check_columns(flags: Flags) -> None:
    """Refuse flags that say how nccl-tests' own text or JSON is to look: it is not printed."""
    given = {"J": flags.output_file, "I": flags.per_iter_timing, "S": flags.report_timestamps}
    for letter, value in given.items():
        if value:
            raise click.UsageError(f"-{letter} goes with --format table and a single algorithm")


def _sweep(bench: "Benchmark", live: LiveOptions) -> "Iterator[Measurement]":
    from bench.collectives import measure

    if bench.transport == "sim":
        with live.page(bench.fabric, bench.ranks) as page:
            yield from measure.sweep(bench, page.simulated if page else None)
        return
    from bench.collectives import real_ranks

    yield from real_ranks.sweep(bench)


def _nccl_text(
    bench: "Benchmark", file: IO[str], sweep: "Iterator[Measurement]"
) -> "tuple[list[Measurement], bool]":
    """Print what nccl-tests prints, row by row, and write its JSON report where asked for."""
    from bench import background, faulted, packets, records
    from bench.collectives import nccl_environment, nccl_format, nccl_notes

    flags, program, began = bench.flags, bench.operation.program, datetime.now()
    where = nccl_notes.devices(bench)
    if not file.isatty():
        sweep = records.progress(sweep, bench.op)
    with records.reserved(flags.output_file) as report:
        if report:
            streams.put(file, f"# Writing JSON output to {report.name}")
        notes = nccl_notes.notes(bench)
        streams.put(file, *nccl_format.header(flags, program, where, notes, bench.is_live))
        rows = []
        for row in sweep:
            rows.append(row)
            streams.put(file, nccl_format.row(row, flags))
            if bench.op == "all_to_all_v" and os.environ.get(nccl_environment.SUMMARY, "0") != "0":
                streams.put(file, *nccl_notes.rank_summary(bench, row))
        found = nccl_format.summary(rows, os.environ.get(nccl_environment.LEAST))
        streams.put(file, *nccl_format.bounds(rows))
        for row in rows:
            said = [
                line for part in (packets, background, faulted) for line in part.lines(row.beside)
            ]
            streams.put(file, *(f"# {row.size} B {line}" for line in said))
        streams.put(file, *nccl_notes.imbalances(rows))
        streams.put(file, *nccl_notes.standings(rows), *nccl_format.footer(found, program))
        if report:
            # A report is read strictly, but names of variables are anybody's.
            given = {**os.environ, "TRIPLANE_MACHINE": bench.machine.to_text()}
            report.write(nccl_format.report(flags, sys.argv, given, where, rows, found, began))
    return rows, found.passed


for _name, _text in COLLECTIVES.items():
    bench.add_command(_collective(_name, _text))
