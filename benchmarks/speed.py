"""How fast the engine answers: ``python benchmarks/speed.py [--quick] [--simgrid] [--full]``.

Medians of warm runs, each of a schedule from its generator to the `Timeline`; the first run, which
also finds the paths, stands beside them. See benchmarks/README.md.
"""

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from collectives.algorithms import allreduce, alltoall
from collectives.moe import uniform
from collectives.moe.schedules import low_latency
from fabric import Endpoint, Fabric, Step
from topology import Topology, cloudmatrix384, star
from topology.units import GB, US

Ints = NDArray[np.int64]

PORT, END_TO_END = 196 * GB, 1 * US
"""Of a die's UB port, and of the star that the peers were measured on."""

UB_NEAR, UB_FAR = 1 * 187.5e-9, 3 * 187.5e-9
"""Seconds over UB within a node, one switch, and between two nodes, three switches."""

S = 64 << 20
"""Bytes of a rank in the collectives."""

TOKEN = 7680
"""Bytes of a token in the peers' MoE traffic."""

WORKER = Path(__file__).with_name("simgrid_star.py")


@dataclass(frozen=True)
class Case:
    """A schedule on a topology. ``expected``: seconds, the closed form; None: the bound."""

    name: str
    topology: Topology
    steps: Callable[[], Iterable[Step]]
    ranks: int
    expected: float | None = None


@dataclass(frozen=True)
class Result:
    """Seconds: of the first and of warm runs, of the processor, simulated and expected."""

    first: float
    wall: float
    cpu: float
    simulated: float
    expected: float
    rows: int


def moe_matrix(ranks: int, tokens: int = 128, top_k: int = 8, size: int = TOKEN) -> Ints:
    """Bytes from rank to rank: each token to ``top_k`` distinct random ranks, itself left out."""
    rng, matrix = np.random.default_rng(1), np.zeros((ranks, ranks), np.int64)
    for src in range(ranks):
        for _ in range(tokens):
            matrix[src, rng.choice(ranks, top_k, replace=False)] += size
    np.fill_diagonal(matrix, 0)
    return matrix


def cases(quick: bool) -> list[Case]:
    """What is measured."""
    machine = cloudmatrix384()
    found: list[Case] = []
    for ranks in (64,) if quick else (256, 320):
        found += moe(ranks, machine)
    for ranks in (128,) if quick else (384, 768):
        found += all_to_all(ranks, machine)
    found += ring(64 if quick else 384, machine)
    return [*found, selections(64 if quick else 320, machine)]


def moe(ranks: int, machine: Topology) -> list[Case]:
    """One step of random dispatch traffic: rows are what a rank sends another.

    On cloudmatrix384 what a rank gets from its own node comes first, hence the closed form there.
    """
    matrix = moe_matrix(ranks)
    src, dst = np.nonzero(matrix)
    step = Step(src, dst, matrix[src, dst])
    wire = float(max(matrix.sum(0).max(), matrix.sum(1).max())) / PORT
    name = f"MoE dispatch EP{ranks}"
    return [
        Case(f"{name}, star", star(ranks), lambda: [step], ranks, wire + END_TO_END),
        Case(f"{name}, cloudmatrix384", machine, lambda: [step], ranks, wire + UB_NEAR),
    ]


def all_to_all(ranks: int, machine: Topology) -> list[Case]:
    """Uniform, everything at once: `S` bytes a rank."""
    size = S // ranks
    wire = (ranks - 1) * size / PORT
    name = f"all-to-all {ranks} x 64 MiB"

    def steps() -> Iterable[Step]:
        return alltoall.direct(ranks, size)

    return [
        Case(f"{name}, star", star(ranks), steps, ranks, wire + END_TO_END),
        Case(f"{name}, cloudmatrix384", machine, steps, ranks, wire + UB_NEAR),
    ]


def ring(ranks: int, machine: Topology) -> list[Case]:
    """The ring all-reduce of `S` bytes: as many dependent steps as twice the ranks."""
    chunk, turns = S / ranks, 2 * (ranks - 1)
    name = f"ring all-reduce {ranks} x 64 MiB"

    def steps() -> Iterable[Step]:
        return allreduce.ring(ranks, S)

    return [
        Case(f"{name}, star", star(ranks), steps, ranks, turns * (chunk / PORT + END_TO_END)),
        Case(f"{name}, cloudmatrix384", machine, steps, ranks, turns * (chunk / PORT + UB_FAR)),
    ]


def selections(ranks: int, machine: Topology) -> Case:
    """Low-latency dispatch from a routing table: a row a choice of a token, then the flags."""
    routing = uniform(ranks, 128, experts=ranks, top_k=8, seed=1)
    name = f"low-latency dispatch EP{ranks} from a Routing, cloudmatrix384"
    return Case(name, machine, lambda: low_latency.dispatch(routing, TOKEN), ranks)


def measure(case: Case, repeat: int) -> Result:
    """Run a case ``repeat`` times after the first."""
    start = time.perf_counter()
    planes = ("ub",) if "ub" in case.topology.planes else None
    fabric = Fabric(case.topology, endpoint=Endpoint("free"), planes=planes)
    timeline = fabric.simulate(case.steps(), ranks=case.ranks)
    first, walls, cpus = time.perf_counter() - start, [], []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        timeline = fabric.simulate(case.steps(), ranks=case.ranks)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    expected = timeline.bound if case.expected is None else case.expected
    return Result(
        first, statistics.median(walls), statistics.median(cpus), timeline.duration, expected,
        len(timeline.src),
    )  # fmt: skip


def build_time(repeat: int) -> float:
    """Seconds to build `cloudmatrix384`."""
    walls = []
    for _ in range(repeat):
        start = time.perf_counter()
        cloudmatrix384()
        walls.append(time.perf_counter() - start)
    return statistics.median(walls)


def compile_everything() -> None:
    """Let numba compile what it has not yet kept on disk."""
    for topology in (star(16), cloudmatrix384()):
        for case in (*moe(16, topology), *ring(16, topology)):
            measure(case, 1)


# SimGrid, on the same traffic.


def simgrid_python(given: str | None) -> str | None:
    """A Python that has SimGrid: the one that was given, else this one, else none."""
    if given:
        return given
    return sys.executable if importlib.util.find_spec("simgrid") else None


def simgrid(python: str, case: Case) -> dict[str, float]:
    """What SimGrid says of a case on a star; see simgrid_star.py."""
    steps = [
        [row for row in zip(s.src.tolist(), s.dst.tolist(), s.size.tolist(), strict=True)
         if row[0] != row[1]]
        for s in case.steps()
    ]  # fmt: skip
    job = {"ranks": case.ranks, "bandwidth": PORT, "latency": END_TO_END,
           "steps": [rows for rows in steps if rows]}  # fmt: skip
    done = subprocess.run(
        [python, str(WORKER)], input=json.dumps(job), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"SimGrid failed on {case.name}:\n{done.stderr}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def compared(quick: bool, full: bool) -> list[Case]:
    """What SimGrid can do in a short time; MoE at EP320 takes it minutes."""
    machine = star(1)
    found = [moe(ranks, machine)[0] for ranks in ((32, 64) if quick else (64, 128))]
    found += [moe(320, machine)[0]] * full
    found += [all_to_all(ranks, machine)[0] for ranks in ((64,) if quick else (64, 384))]
    return [*found, ring(32 if quick else 128, machine)[0]]


# Printing.


def show(console: Console, quick: bool, repeat: int) -> None:
    """Measure and print the engine's own table."""
    table = Table(title=f"Triplane, medians of {repeat} warm runs")
    for column in ("case", "rows", "first s", "warm s", "CPU s", "simulated us", "closed form us",
                   "error"):  # fmt: skip
        table.add_column(column, justify="left" if column == "case" else "right")
    table.add_row("build cloudmatrix384()", "", "", f"{build_time(repeat):.3f}", "", "", "", "")
    for case in cases(quick):
        r = measure(case, repeat)
        table.add_row(
            case.name, f"{r.rows:,}", f"{r.first:.3f}", f"{r.wall:.3f}", f"{r.cpu:.3f}",
            f"{r.simulated / US:.3f}", f"{r.expected / US:.3f}",
            f"{r.simulated / r.expected - 1:+.3%}",
        )  # fmt: skip
    console.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"Peak memory of this process: {peak:,.0f} MiB.")


def compare(console: Console, python: str | None, quick: bool, full: bool, repeat: int) -> None:
    """Print SimGrid's table beside the engine's numbers."""
    if python is None:
        console.print("SimGrid: not installed here (no package `simgrid`); nothing to compare.")
        return
    table = Table(title="SimGrid on the same traffic (a star; CPU seconds)")
    for column in ("case", "SimGrid s", "Triplane s", "ratio", "SimGrid us", "Triplane us",
                   "difference"):  # fmt: skip
        table.add_column(column, justify="left" if column == "case" else "right")
    for case in compared(quick, full):
        mine, theirs = measure(case, repeat), simgrid(python, case)
        table.add_row(
            case.name, f"{theirs['cpu']:.3f}", f"{mine.cpu:.4f}",
            f"{theirs['cpu'] / mine.cpu:,.0f}x",
            f"{theirs['simulated'] / US:.3f}", f"{mine.simulated / US:.3f}",
            f"{mine.simulated / theirs['simulated'] - 1:+.4%}",
        )  # fmt: skip
    console.print(table)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small cases, few runs")
    parser.add_argument("--simgrid", action="store_true", help="compare with SimGrid")
    parser.add_argument("--simgrid-python", metavar="PATH", help="a Python that has simgrid")
    parser.add_argument("--full", action="store_true", help="SimGrid's EP320 too: minutes")
    parser.add_argument("--only-simgrid", action="store_true", help="leave out the first table")
    asked = parser.parse_args()
    repeat = 3 if asked.quick else 5
    console = Console(width=None if sys.stdout.isatty() else 140)
    compile_everything()
    if not asked.only_simgrid:
        show(console, asked.quick, repeat)
    if asked.simgrid or asked.only_simgrid or asked.simgrid_python or asked.full:
        compare(console, simgrid_python(asked.simgrid_python), asked.quick, asked.full, repeat)


if __name__ == "__main__":
    main()
