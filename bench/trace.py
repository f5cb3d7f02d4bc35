"""``triplane bench trace``: workloads of other simulators, timed on a machine of Triplane."""

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click
import numpy as np

from bench import sensitivity, workload_standing
from bench.background import lines as background_lines
from bench.background import record as background_record
from bench.background_option import background_option, check_alone
from bench.live_options import LiveOptions, live_options
from bench.machine import BenchError
from bench.machine_options import machine_options
from bench.new_files import NewFile, check_apart
from bench.numbers import Positive
from bench.options import FORMATS, gathered, parse_size, sensitivity_option
from bench.published.standing import Standing, lines, together
from bench.records import Value, as_text, opened
from bench.streams import put
from collectives.workloads import Replay, Workload, WorkloadError, goal, ns3_ub, replay
from collectives.workloads.background.beside import Beside, check_streams
from collectives.workloads.background.session import StreamSession
from collectives.workloads.background.streams import Background
from collectives.workloads.chakra import trace as chakra
from collectives.workloads.replay import EndedOperation
from collectives.workloads.workload import COLLECTIVE, COLLECTIVES, SEND
from fabric.endpoint.costs import MESSAGE
from fabric.engines.base import Session
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from topology.files.reading import whole
from topology.formats.ns3_ub import is_case
from topology.presets.catalogue import short_name
from topology.units import GB, US

TERA = 1e12

NO_GROUPS = Path("empty")
"""What ASTRA-sim takes for no file of groups."""

MOST_RANKS = 1 << 20
"""Ranks along a dimension at most."""

GOAL, CHAKRA = ".goal", (".et", ".et.gz")
"""How the names of files of each kind end."""


@dataclass(frozen=True)
class Reading:
    """How Chakra's traces are read; see `collectives.workloads.chakra.trace.load`.

    ``groups``: a file of groups, else one beside the trace (`beside`). ``peak``: 10^12 operations
    a second; ``memory``, ``remote``: 10^9 bytes a second.
    """

    groups: Path | None = None
    dimensions: tuple[int, ...] = ()
    peak: float | None = None
    memory: float | None = None
    remote: float | None = None
    ignored: tuple[str, ...] = ()

    def processor(self) -> chakra.Processor | None:
        """The processor for nodes without a duration; None if no speed was given."""
        if (self.peak, self.memory, self.remote) == (None, None, None):
            return None
        peak, memory = (math.inf if one is None else one for one in (self.peak, self.memory))
        remote = None if self.remote is None else self.remote * GB
        return chakra.Processor(peak * TERA, memory * GB, remote)


def load(paths: Sequence[Path], how: Reading | None = None) -> tuple[Workload, Path | None]:
    """The workload in these files: GOAL's, a folder of ns-3-UB, or Chakra's, one for each rank.

    Chakra's may be named by their prefix. Also returns the file from which groups were read. Raises
    `BenchError`, `WorkloadError`.
    """
    how, first = how or Reading(), paths[0]
    kind = "GOAL schedule" if first.name.endswith(GOAL) else "case of ns-3-UB"
    if first.name.endswith(GOAL) or is_case(first):
        if len(paths) > 1:
            raise BenchError(f"a {kind} is one argument; {len(paths)} are given")
        if how != Reading():
            raise BenchError(
                f"{first} is a {kind}; --comm-groups, --dimensions, --ignore and speeds of"
                " computing are for Chakra's traces"
            )
        return (ns3_ub.load(first) if is_case(first) else goal.load(first)), None
    if len(paths) == 1 and _is_no_folder(first) and not first.name.endswith(CHAKRA):
        raise BenchError(f"{first}: the name of a workload ends in {GOAL} or {CHAKRA[0]}")
    traces = list(paths) if len(paths) > 1 else chakra.files(first)
    file = beside(traces[0]) if how.groups is None else how.groups
    if how.groups == NO_GROUPS:
        file = None
    workload = chakra.load(
        traces, _groups(file, is_named=how.groups is not None), dimensions=how.dimensions,
        processor=how.processor(), ignored=how.ignored,
    )  # fmt: skip
    return workload, file


def _groups(file: Path | None, *, is_named: bool) -> dict[str, tuple[int, ...]] | None:
    """The groups in ``file``, if there is one; an error says how to do without one not named."""
    if file is None:
        return None
    try:
        return chakra.read_groups(file)
    except WorkloadError as error:
        if is_named:
            raise
        raise WorkloadError(
            f"{error} (it lies beside the trace; --comm-groups {NO_GROUPS} reads no file of groups)"
        ) from None


def _is_no_folder(path: Path) -> bool:
    """Whether a file is there, also a pipe, such as a shell makes of ``<(command)``."""
    return path.exists() and not path.is_dir()


def beside(trace: Path) -> Path | None:
    """The file of groups beside a trace, under a name that generators give it.

    None if there is none.

    ``PREFIX_comm_group.json``, ``PREFIX.json`` or ``comm_group.json``, as the symbolic tensor graph
    writes them.
    """
    prefix = re.sub(r"\.[0-9]+\.et(\.gz)?$", "", trace.name)
    names = (f"{prefix}_comm_group.json", f"{prefix}.json", "comm_group.json")
    return next((one for name in names if (one := trace.with_name(name)).is_file()), None)


def replayed(
    workload: Workload, fabric: Fabric, path: Path, algorithm: str | None = None,
    rendezvous: float = math.inf, ended: Callable[[EndedOperation], None] | None = None,
    session: Session | None = None,
) -> Replay:  # fmt: skip
    """The replay of the workload from the file at ``path``; ``session``: as of `replay`.

    Raises `WorkloadError` naming the file.
    """
    try:
        return replay(
            workload, fabric, algorithm=algorithm, rendezvous=rendezvous, ended=ended,
            session=session,
        )  # fmt: skip
    except WorkloadError as error:
        raise WorkloadError(f"{path}: {error}") from None


def record(
    found: Replay, name: str, system: str, standings: Sequence[Standing], host_time: float
) -> dict[str, Value]:
    """The printed record of a replay; ``compute_us``: of the rank that computes most.

    ``standings``: what its operations stand on.
    """
    w, endpoint = found.workload, found.fabric.software
    used = [MESSAGE] if (w.kind == SEND).any() else []
    used += [COLLECTIVES[number] for number in np.unique(w.collective[w.kind == COLLECTIVE])]
    last = int(found.rank_finish.argmax())
    return {
        "op": "trace", "workload": name, "system": system,
        "software": ",".join(dict.fromkeys(map(endpoint.stack, used))),
        "ranks": w.ranks, "operations": len(w),
        "messages": int((w.kind == SEND).sum()), "collectives": int((w.kind == COLLECTIVE).sum()),
        "size_bytes": int(w.size[w.kind == SEND].sum()), "time_us": found.duration / US,
        "compute_us": float(found.busy.max(initial=0.0)) / US, "last_rank": last,
        "mean_rank_us": float(np.mean(found.rank_finish)) / US,
        **together(standings), "host_time_s": host_time,
    }  # fmt: skip


def _shown(row: dict[str, Value]) -> dict[str, Value]:
    """What of a record is in the table: without what a line says of streams."""
    return dict(islice(row.items(), [*row, "alone_us"].index("alone_us")))


def _size(_context: click.Context, _option: click.Parameter, text: str | None) -> float:
    return math.inf if text is None else parse_size(text)


def _sizes(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[int, ...]:
    sizes = [whole(part, 1, MOST_RANKS) for part in (text or "").split(",") if text is not None]
    if text is not None and None in sizes:
        raise click.BadParameter(f"{text!r:.60} is no list of ranks along dimensions, such as 2,4")
    return tuple(size for size in sizes if size)


_reading = gathered(
    "how",
    Reading,
    click.option("--comm-groups", "--comm-group-configuration", "groups", metavar="FILE",
                 type=click.Path(dir_okay=False, path_type=Path),
                 help="Chakra: groups by pg_name, ASTRA-sim's JSON (default: the one beside the"
                      " trace)."),
    click.option("--dimensions", callback=_sizes, metavar="N,N..",
                 help="Chakra: ranks along each dimension, for involved_dim."),
    click.option("--peak-perf", "peak", type=Positive(), metavar="TFLOPS",
                 help="Chakra: times num_ops of nodes; inf: no time."),
    click.option("--local-mem-bw", "memory", type=Positive(), metavar="GB/s",
                 help="Chakra: times tensor_size of computing."),
    click.option("--remote-mem-bw", "remote", type=Positive(), metavar="GB/s",
                 help="Chakra: times tensor_size of loads and stores."),
    click.option("--ignore", "ignored", multiple=True, metavar="NAME",
                 help="Chakra: pass over this attribute; may be given again."),
)  # fmt: skip
"""Adds how Chakra's traces are read, which the command gets as ``how``, a `Reading`."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@machine_options
@_reading
@sensitivity_option
@background_option
@live_options
@click.option("--algorithm", metavar="NAME", help="Of collectives (default: the fastest).")
@click.option("--rendezvous", callback=_size, metavar="SIZE",
              help="From this size on a message waits for its receive.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--output", type=NewFile(), metavar="FILE")
@click.option("--trace", type=NewFile(), metavar="FILE",
              help="Write what happens when, for ui.perfetto.dev.")  # fmt: skip
@click.option("--goal", "as_goal", type=NewFile(), metavar="FILE",
              help="Write the workload as GOAL.")  # fmt: skip
@click.option("--chakra", "as_chakra", type=NewFile(is_prefix=True), metavar="PREFIX",
              help="Write the workload as Chakra traces.")  # fmt: skip
def command(
    files: tuple[Path, ...], machine: MachineSpec, how: Reading, algorithm: str | None,
    rendezvous: float, what_matters: bool, background: tuple[Background, ...], live: LiveOptions,
    form: str, output: Path | None, trace: Path | None, as_goal: Path | None,
    as_chakra: Path | None,
) -> None:  # fmt: skip
    """Run a workload: FILE.goal, a CASE folder of ns-3-UB, Chakra's PREFIX, or PREFIX.0.et ..."""
    check_apart({"--output": output, "--trace": trace, "--goal": as_goal}, as_chakra)
    check_alone(background, {"--sensitivity": what_matters})
    workload, groups = load(files, how)
    if algorithm is not None and not (workload.kind == COLLECTIVE).any():
        raise BenchError(
            f"--algorithm {algorithm} is of collectives, and {files[0]} has none, only messages"
        )
    fabric = machine.build()
    began = time.perf_counter()
    live.check()
    alone, session = 0.0, None
    if background:
        check_streams(fabric, background, workload.ranks)
        alone = replayed(workload, fabric, files[0], algorithm, rendezvous).duration
        session = StreamSession(fabric, background, workload.ranks, alone=alone)
    with live.page(fabric, workload.ranks) as page:
        ended = page.ended if page else None
        found = replayed(workload, fabric, files[0], algorithm, rendezvous, ended, session)
    took, calls = time.perf_counter() - began, workload_standing.calls(workload)
    standings = [*workload_standing.standings(calls, fabric, short_name(machine.system))]
    row = record(found, str(files[0]), machine.system, standings, took)
    if session:
        beside = Beside(found.duration, alone, session.answers(found.duration))
        row = {**row, **background_record(beside)}
    answers: list[sensitivity.MovedAnswer] = []
    if what_matters:
        moved = sensitivity.effects(
            fabric, workload_standing.regimes(calls, fabric),
            lambda other: replayed(workload, other, files[0], algorithm, rendezvous).duration,
        )  # fmt: skip
        answers = [sensitivity.MovedAnswer(row, moved)]
    with opened(output) as file:
        if groups and form == "table":
            file.write(f"# groups of {groups}\n")
        is_table = form == "table"
        shown = sensitivity.records(answers) if what_matters and not is_table else [row]
        file.write(as_text([_shown(row)] if is_table else shown, form, machine))
        if is_table:
            put(file, *(f"# {line}" for line in background_lines(row)))
            put(file, *(f"# {line}" for line in lines(standings)))
            file.write(sensitivity.text(answers))
    if trace:
        found.to_perfetto(trace)
    if as_goal:
        goal.save(workload, as_goal)
    if as_chakra:
        chakra.save(workload, as_chakra)
