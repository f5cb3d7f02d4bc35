"""``triplane run``: a program as n ranks, threads or processes, on one host or several."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from bench.cli import HELP
from bench.machine_options import machine_options
from bench.numbers import Positive
from bench.options import gathered
from bench.streams import complain
from bench.transport_choice import TransportChoice
from fabric.failure import WorldError
from fabric.host.curve import Keys
from fabric.launching.mpirun import run_command
from fabric.launching.nodes import Nodes
from fabric.launching.outcome import Exit
from fabric.launching.programs import run_in_threads, run_program_processes
from fabric.machine import MachineSpec
from fabric.settings import (
    CLOCKS,
    NO_SHRINK_UNDER_MPI,
    NO_SYSTEM,
    ON_LOSSES,
    SYNCS,
    Settings,
)
from fabric.transports.base import OURS, ranks_of

ENDING = signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT
"""The signals, beside SIGINT, by which a launcher is asked to end: `kill`, a terminal that is
closed, and Ctrl-backslash. Its exit code is then what a shell expects, 128 and the number."""

FAILED = 1


@dataclass(frozen=True)
class Placing:
    """How many ranks there are, where they run, and for how long at most."""

    ranks: int = 8
    transport: str = "zmq"
    timeout: float | None = None
    nnodes: int = 1
    node_rank: int = 0
    rdzv_endpoint: str = ""
    local_addr: str | None = None
    keys: Path | None = None
    make_keys: bool = False


placing_options = gathered(
    "placing",
    Placing,
    click.option("-n", "--ranks", type=click.IntRange(1), metavar="N", help="Ranks in all [8]."),
    click.option("--transport", type=TransportChoice(OURS),
                 help="Ranks are threads, processes, or MPI's [zmq]."),
    click.option("--timeout", type=Positive(), metavar="SECONDS",
                 help="End them all after so long."),
    click.option("--nnodes", type=click.IntRange(1), metavar="N", help="Hosts [1]."),
    click.option("--node-rank", type=click.IntRange(0), metavar="I", help="Which of them this is."),
    click.option("--rdzv-endpoint", metavar="HOST:PORT", help="Where node 0 listens."),
    click.option("--local-addr", metavar="HOST", help="Where other hosts reach this one."),
    click.option("--keys", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
                 help="The world's CURVE key pair, the same on all hosts."),
    click.option("--make-keys", is_flag=True, default=None, help="Write --keys FILE anew."),
)  # fmt: skip
"""Adds the choice of ranks and hosts, which the command gets as ``placing``."""

setting_options = gathered(
    "settings",
    Settings,
    click.option("--clock", type=click.Choice(CLOCKS), help="How emulated time passes [virtual]."),
    click.option("--sync", type=click.Choice(SYNCS), help="How virtual time keeps order [strict]."),
    click.option("--scale", type=float, metavar="X", help="Paced: seconds here for one there [1]."),
    click.option("--heartbeat", type=float, metavar="SECONDS",
                 help="Silence after which a rank elsewhere is lost [2]."),
    click.option("--stop-timeout", type=float, metavar="SECONDS",
                 help="The same for a rank that is stopped [1.5]."),
    click.option("--on-loss", type=click.Choice(ON_LOSSES),
                 help="When a rank is lost, the others end, or go on with comm.shrink() [end]."),
    click.option("--spares", type=click.IntRange(0), metavar="N",
                 help="So many ranks more, which comm.grow() takes in after a loss [0]."),
    click.option("--loss-detection", type=float, metavar="SECONDS",
                 help="Emulated time until the others know of a loss [0.01]."),
    click.option("--trace", metavar="FILE",
                 help="Write what the ranks did, and when, for ui.perfetto.dev."),
    click.option("--live", is_flag=True, default=None,
                 help="Serve a page on this host that shows what the ranks do while they run."),
    click.option("--live-wait", is_flag=True, default=None,
                 help="With --live: the ranks begin when a browser shows the page."),
    click.option("--record", metavar="FILE",
                 help="Write all calls to this .npz, for triplane replay."),
    click.option("--as-part-of", type=click.IntRange(1), metavar="N",
                 help="The ranks are some of N; the others are modelled, with the same calls."),
    click.option("--grace", type=float, metavar="SECONDS",
                 help="For survivors of a failure to end by themselves [5]."),
)  # fmt: skip
"""Adds the choice of a clock. The command gets it as ``settings``, and in it the machine that
`machine_options` passes on."""


@click.command(
    context_settings={**HELP, "ignore_unknown_options": True, "allow_interspersed_args": False}
)
@placing_options
@machine_options
@setting_options
@click.argument("program", type=click.Path(path_type=Path), required=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(
    placing: Placing, settings: Settings, program: Path | None, args: tuple[str, ...]
) -> int:
    """Run PROGRAM as N ranks; in it, `collectives.init()` gives the communicator.

    With `--system none` no machine is emulated, and time is the wall clock's.
    """
    if placing.make_keys and program is None:
        if placing.keys is None:
            raise click.UsageError("--make-keys needs --keys FILE")
        Keys.from_file(placing.keys, make=True)
        return 0
    if program is None:
        raise click.UsageError("there is no program to run")
    if not program.is_file():
        raise click.UsageError(f"there is no program {str(program)!r}")
    settings = _checked(placing, settings)
    with terminable():
        if ranks_of(placing.transport) == "threads":
            return _threads(placing, settings, program, args)
        line = [sys.executable, str(program), *args]
        if ranks_of(placing.transport) == "mpi":
            if settings.machine not in (None, MachineSpec()):
                settings.fabric()  # an error is one line here, and a traceback of each rank there
            if settings.live:
                complain("triplane: `triplane view --live` says where the run can be watched")
            ended = run_command(line, placing.ranks, settings, placing.transport)
            return _shown(ended)
        return _processes(placing, settings, line)


def _checked(placing: Placing, settings: Settings) -> Settings:
    """The settings that hold; refuses options that would change nothing, as nobody would see it."""
    machine = settings.machine
    if machine is not None and machine.system == NO_SYSTEM:
        for name in (each.name for each in fields(machine) if each.name != "system"):
            if getattr(machine, name) != getattr(MachineSpec(), name):
                _refuse(name, "does not go with --system none: there is no emulated machine")
        if settings.live:
            _refuse("live", "does not go with --system none: it shows the emulated machine")
        settings = replace(settings, machine=None)
    _check(placing, settings)
    return settings


def _check(placing: Placing, settings: Settings) -> None:
    if settings.live_wait and ranks_of(placing.transport) == "mpi":
        given = placing.transport
        _refuse("live_wait", f"does not go with --transport {given}: mpiexec starts the ranks")
    if placing.make_keys and placing.keys is None:
        raise click.UsageError("--make-keys needs --keys FILE")
    default = Settings()
    of_hosts = ("nnodes", "node_rank", "rdzv_endpoint", "local_addr", "keys", "make_keys")
    ranks = ranks_of(placing.transport)
    for name in of_hosts if ranks != "processes" else ():
        if getattr(placing, name) != getattr(Placing, name):
            _refuse(name, f"goes with --transport zmq, not {placing.transport}")
    if ranks == "mpi" and placing.timeout is not None:
        given = placing.transport
        _refuse("timeout", f"does not go with --transport {given}: mpiexec has one of its own")
    for name in ("heartbeat", "stop_timeout") if ranks == "threads" else ():
        if getattr(settings, name) != getattr(default, name):
            given = placing.transport
            _refuse(name, f"does not go with --transport {given}: threads are never stopped alone")
    if settings.survives and ranks == "mpi":
        raise click.UsageError(f"--on-loss shrink: {NO_SHRINK_UNDER_MPI}")
    if not settings.survives and settings.loss_detection != default.loss_detection:
        _refuse("loss_detection", "goes with --on-loss shrink")
    if settings.clock != "paced" and settings.scale != default.scale:
        _refuse("scale", f"goes with --clock paced, not {settings.clock}")
    settings.copies(placing.ranks)
    if placing.node_rank and settings.live:
        _refuse("live", "goes with node 0, which has the world")
    if settings.machine is None and settings.clock != default.clock:
        _refuse("clock", "does not go with --system none: there is no emulated machine")


def _refuse(name: str, why: str) -> NoReturn:
    raise click.UsageError(f"--{name.replace('_', '-')} {why}")


def _threads(placing: Placing, settings: Settings, program: Path, args: Sequence[str]) -> int:
    ended = run_in_threads(
        program,
        args,
        placing.ranks + settings.spares,
        settings,
        placing.timeout,
        placing.transport,
    )
    failed = [outcome for outcome in ended.outcomes if isinstance(outcome, BaseException)]
    if not failed:
        return 0
    if settings.survives and ended.error is None and ended.any_returned:
        for outcome in failed:
            if not isinstance(outcome, WorldError | SystemExit):
                _show(outcome, program)
        return _shown(Exit(lost=ended.losses))
    root = ended.root()
    if isinstance(root, SystemExit):
        return _failed(ended.cause(), root.code if isinstance(root.code, int) else FAILED)
    if not isinstance(root, WorldError):
        _show(root, program)
    return _failed(ended.cause(), FAILED)


def _processes(placing: Placing, settings: Settings, line: Sequence[str]) -> int:
    nodes = Nodes(placing.nnodes, placing.node_rank, placing.rdzv_endpoint, placing.local_addr)
    keys = Keys.from_environment(os.environ)
    if placing.keys is not None:
        keys = Keys.from_file(placing.keys, make=placing.make_keys)
    ended = run_program_processes(
        line,
        placing.ranks + settings.spares,
        settings,
        nodes=nodes,
        keys=keys,
        timeout=placing.timeout,
        transport=placing.transport,
    )
    return _shown(ended)


def _shown(ended: Exit) -> int:
    """Show the error, if there is one, or who was lost without one; the exit code."""
    for words in ended.lost:
        complain(f"triplane: {words}; the others went on")
    return ended.code if ended.error is None else _failed(ended.error, ended.code or FAILED)


def _failed(error: WorldError, code: int) -> int:
    complain(f"triplane: error: {error}")
    return code


def _show(error: BaseException, program: Path) -> None:
    """Print what Python would, had it run the program itself; controls are written out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(program):
        trace = trace.tb_next
    lines = traceback.format_exception(error.with_traceback(trace or error.__traceback__))
    complain("".join(lines).rstrip("\n"))


@contextmanager
def terminable() -> Iterator[None]:
    """A context manager during which the signals in `ENDING` end the ranks too.

    Signals that the caller wants ignored, as nohup does, stay ignored.
    """

    def end(number: int, frame: FrameType | None) -> None:
        for other in before:  # a second one must not interrupt the ending
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)

    heard = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
