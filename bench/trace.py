"""``triplane bench trace``: workloads of other simulators, on a machine of ours."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from bench.machine import BenchError, fabric_of
from bench.options import FORMATS, Selection, parse_size, system_options
from bench.records import Value, as_text, opened
from collectives.interchange import Replay, Workload, chakra, goal, replay
from collectives.interchange.graph import COLLECTIVE, COLLECTIVES, SEND
from collectives.interchange.replay import MESSAGE
from topology.units import US

GOAL, CHAKRA = ".goal", (".et", ".et.gz")
"""How the names of files of each kind end."""


def load(paths: Sequence[Path]) -> Workload:
    """The workload in these files: one of GOAL, or of Chakra one a rank, or their prefix.

    Raises `BenchError`, `WorkloadError`.
    """
    first = paths[0]
    if first.name.endswith(GOAL):
        if len(paths) > 1:
            raise BenchError(f"a GOAL schedule is one file; {len(paths)} are given")
        return goal.load(first)
    if len(paths) > 1:
        return chakra.load(paths)
    if first.is_file() and not first.name.endswith(CHAKRA):
        raise BenchError(f"{first}: the name of a workload ends in {GOAL} or {CHAKRA[0]}")
    return chakra.load(chakra.files(first))


def record(found: Replay, name: str, system: str, host_time: float) -> dict[str, Value]:
    """What is printed of a replay; ``compute_us``: of the rank that computes most."""
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
        "mean_rank_us": float(np.mean(found.rank_finish)) / US, "host_time_s": host_time,
    }  # fmt: skip


def _size(_context: click.Context, _option: click.Parameter, text: str | None) -> float:
    return math.inf if text is None else parse_size(text)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@system_options
@click.option("--algorithm", metavar="NAME", help="Of collectives (default: the fastest).")
@click.option("--rendezvous", callback=_size, metavar="SIZE",
              help="From this size on a message waits for its receive.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--trace", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write what happens when, for ui.perfetto.dev.")  # fmt: skip
@click.option("--goal", "as_goal", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the workload as GOAL.")  # fmt: skip
@click.option("--chakra", "as_chakra", type=click.Path(path_type=Path), metavar="PREFIX",
              help="Write the workload as Chakra traces.")  # fmt: skip
def command(
    files: tuple[Path, ...], selection: Selection, algorithm: str | None, rendezvous: float,
    form: str, output: Path | None, trace: Path | None, as_goal: Path | None,
    as_chakra: Path | None,
) -> None:  # fmt: skip
    """Run a workload: FILE.goal, or Chakra's PREFIX, or PREFIX.0.et PREFIX.1.et ... by rank."""
    workload = load(files)
    fabric = fabric_of(selection)
    began = time.perf_counter()
    found = replay(workload, fabric, algorithm=algorithm, rendezvous=rendezvous)
    row = record(found, str(files[0]), selection.system, time.perf_counter() - began)
    with opened(output) as file:
        file.write(as_text([row], form))
    if trace:
        found.to_perfetto(trace)
    if as_goal:
        goal.save(workload, as_goal)
    if as_chakra:
        chakra.save(workload, as_chakra)
