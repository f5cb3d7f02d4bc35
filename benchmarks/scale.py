"""What large machines cost to build and to ask: ``python benchmarks/scale.py [--full] [CASE...]``.

Every case runs in a process of its own, so that its peak of memory is its own. ``--plot FILE``
draws cost over size, with slopes. See benchmarks/README.md.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.plot import canvas
from collectives.algorithms import allreduce
from collectives.algorithms.choose import node_size
from collectives.algorithms.table import schedule
from fabric import Endpoint, Fabric, Step
from topology import Topology, cluster, supernode, system

TOKEN, TOKENS, TOP_K = 7680, 128, 8
"""Bytes of a token, and how many a rank sends to how many ranks, as in benchmarks/speed.py."""

SIZE = 64 << 20
"""Bytes of a rank in the collectives."""


@dataclass(frozen=True)
class Case:
    """A machine, and what is asked of it: ``steps`` of so many ranks; None: it is only built.

    ``line``: the line of the plot that it is a point of.
    """

    machine: Callable[[], Topology]
    steps: Callable[[Fabric], Iterable[Step]] | None = None
    is_large: bool = False
    planes: tuple[str, ...] | None = None
    line: str = ""


@dataclass(frozen=True)
class Cost:
    """Processor seconds: to build the topology, its paths' structure, to answer. MiB: the peak.

    ``traffic``: seconds to draw random traffic; a schedule's rows are made while it is answered.
    ``rows``: those that were timed one by one.
    """

    ranks: int
    links: int
    build: float
    fabric: float
    traffic: float
    answer: float
    rows: int
    simulated: float
    bound: float
    peak: float


def dispatch(fabric: Fabric) -> Iterable[Step]:
    """Random traffic of one step: `TOKENS` of each rank to `TOP_K` ranks, not to itself."""
    rng, ranks = np.random.default_rng(1), len(fabric.places)
    src = np.repeat(np.arange(ranks), TOKENS * TOP_K)
    pair, messages = np.unique(src * ranks + rng.integers(0, ranks, len(src)), return_counts=True)
    src, dst = pair // ranks, pair % ranks
    moves = src != dst
    return [Step(src[moves], dst[moves], messages[moves] * TOKEN)]


def all_to_all(fabric: Fabric) -> Iterable[Step]:
    """Uniform, everything at once."""
    ranks = len(fabric.places)
    return schedule("all_to_all", ranks, SIZE // ranks, "direct")


def in_turn(fabric: Fabric) -> Iterable[Step]:
    """Uniform, one peer after another: what `triplane bench all_to_all` takes for many ranks."""
    ranks = len(fabric.places)
    return schedule("all_to_all", ranks, SIZE // ranks, "pairwise")


def hierarchical(fabric: Fabric) -> Iterable[Step]:
    """All-reduce within nodes, or supernodes where there are several, and between them."""
    ranks = len(fabric.places)
    node = node_size(fabric, ranks)
    return schedule("all_reduce", ranks, SIZE, "hierarchical", ranks_per_node=node)


def onward(fabric: Fabric) -> Iterable[Step]:
    """Every rank sends to the one a supernode further on, then to the one three further on."""
    me = np.arange(len(fabric.places))
    return [Step(me, (me + far) % len(me), 1 << 20) for far in (768, 3 * 768)]


def tree(fabric: Fabric) -> Iterable[Step]:
    """The all-reduce whose rows grow with the ranks alone."""
    return allreduce.tree(len(fabric.places), SIZE)


def doubling(fabric: Fabric) -> Iterable[Step]:
    """The all-reduce of twice log2 steps, of all ranks each."""
    return allreduce.halving_doubling(len(fabric.places), SIZE)


def machines() -> dict[str, Case]:
    """What is measured, by name."""
    found = {
        f"build {name}": Case(lambda name=name: system(name))  # type: ignore[misc]
        for name in ("atlas950:1024", "atlas950:8192", "atlas960", "ubmesh:8192", "supernode:8192",
                     "cloudmatrix384-cluster:432")
    }  # fmt: skip
    million = lambda: cluster(64, of="atlas960", radix=3072)  # noqa: E731
    found["build 64 x atlas950:8192"] = Case(
        lambda: cluster(64, of="atlas950:8192", radix=1536), is_large=True
    )
    found["build 64 x atlas960"] = Case(million, is_large=True)
    for dies in (1024, 2048, 4096, 8192, 16384):
        made = lambda dies=dies: supernode(dies // 2)  # noqa: E731
        ub = ("ub",)
        if dies <= 8192:
            line = "MoE dispatch, row by row"
            found[f"dispatch, {dies} dies"] = Case(made, dispatch, dies > 4096, ub, line)
        by_classes = "" if dies == 1024 else "all-to-all"
        found[f"all-to-all, {dies} dies"] = Case(made, all_to_all, False, ub, by_classes)
        found[f"all-to-all in turn, {dies} dies"] = Case(
            made, in_turn, False, ub, by_classes and f"{by_classes}, one peer after another"
        )
        found[f"hierarchical, {dies} dies"] = Case(made, hierarchical)
        found[f"halving-doubling, {dies} dies"] = Case(
            made, doubling, False, ub, "all-reduce by halving and doubling, row by row"
        )
    for count in (16, 64, 144, 432):
        made = lambda count=count: cluster(count, of="cloudmatrix384")  # noqa: E731
        found[f"hierarchical, {count} supernodes"] = Case(
            made, hierarchical, line="hierarchical all-reduce"
        )
    for count in (16, 432):
        made = lambda count=count: cluster(count, of="cloudmatrix384")  # noqa: E731
        found[f"onward, {count} supernodes"] = Case(made, onward)
        found[f"tree all-reduce, {count} supernodes"] = Case(made, tree)
    found["hierarchical, 64 x atlas960"] = Case(
        million, hierarchical, True, line="hierarchical all-reduce"
    )
    return found


def measure(case: Case) -> Cost:
    """Build the machine of a case, and ask it."""
    case.machine()  # memory that a process never had before takes the host long to give
    began = time.process_time()
    topology = case.machine()
    built = time.process_time()
    fabric = Fabric(topology, endpoint=Endpoint("free"), planes=case.planes)
    ready = time.process_time()
    ranks = len(fabric.places)
    steps = None if case.steps is None else case.steps(fabric)
    drawn = time.process_time()
    timeline = None if steps is None else fabric.simulate(steps, ranks=ranks)
    answered = time.process_time()
    return Cost(
        ranks, topology.n_links, built - began, ready - built, drawn - ready, answered - drawn,
        0 if timeline is None or timeline.of_classes else len(timeline.src),
        0.0 if timeline is None else timeline.duration,
        0.0 if timeline is None else float(timeline.bound),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )  # fmt: skip


def compile_everything() -> None:
    """Let numba compile what it has not kept on disk yet, and load it."""
    for made in (supernode(16), cluster(2, of="supernode:8"), system("atlas950:128")):
        fabric = Fabric(made, endpoint=Endpoint("free"))
        for steps in (dispatch, all_to_all, tree):
            fabric.simulate(steps(fabric))
    # So many rows that it is by classes.
    many = Fabric(supernode(640), endpoint=Endpoint("free"), planes=("ub",))
    for steps in (all_to_all, in_turn):
        many.simulate(steps(many))


def alone(name: str) -> Cost:
    """The cost of a case in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker", name], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def show(console: Console, names: list[str]) -> dict[str, Cost]:
    """Measure and print a table."""
    table = Table(title="Processor seconds, one core; peak memory of the process")
    for column in ("case", "ranks", "links", "rows", "build s", "paths s", "traffic s",
                   "answer s", "peak MiB", "simulated us", "bound us"):  # fmt: skip
        table.add_column(column, justify="left" if column == "case" else "right")
    found = {}
    for name in names:
        c = found[name] = alone(name)
        asked = c.simulated > 0
        times = (f"{c.simulated * 1e6:.3f}", f"{c.bound * 1e6:.3f}") if asked else ("", "")
        table.add_row(
            name, f"{c.ranks:,}", f"{c.links:,}", f"{c.rows:,}" if c.rows else "",
            f"{c.build:.2f}", f"{c.fabric:.2f}", f"{c.traffic:.2f}" if c.traffic >= 0.005 else "",
            f"{c.answer:.2f}" if asked else "", f"{c.peak:,.0f}", *times,
        )  # fmt: skip
    console.print(table)
    return found


def draw(found: dict[str, Cost], path: Path) -> None:
    """Seconds to find paths and answer, and MiB, over ranks; the slope of each line's two ends."""
    cases = machines()
    lines: dict[str, list[Cost]] = {}
    for name, cost in found.items():
        if cases[name].line:
            lines.setdefault(cases[name].line, []).append(cost)
    with canvas(path, 10, 4.5) as figure:
        left, right = figure.subplots(1, 2)
        for line, costs in lines.items():
            costs.sort(key=lambda cost: cost.ranks)
            ranks = np.array([cost.ranks for cost in costs], float)
            seconds = np.array([cost.fabric + cost.answer for cost in costs])
            slope = np.log(seconds[-1] / seconds[0]) / np.log(ranks[-1] / ranks[0])
            left.plot(ranks, seconds, "o-", label=f"{line}: slope {slope:.1f}")
            right.plot(ranks, [cost.peak for cost in costs], "o-", label=line)
        for axes, what in ((left, "processor seconds, paths and answer"), (right, "peak MiB")):
            axes.set(xscale="log", yscale="log", xlabel="ranks", ylabel=what)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(lambda value, _: f"{value:,g}")
                axis.set_minor_formatter(lambda value, _: "")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=2)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("case", nargs="*", help="only cases whose names hold one of these texts")
    parser.add_argument("--full", action="store_true", help="also what needs gigabytes and minutes")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw cost over size to FILE")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked, cases = parser.parse_args(), machines()
    if asked.worker:
        compile_everything()
        print(json.dumps(asdict(measure(cases[asked.case[0]]))))
        return
    wanted = asked.case or [""]
    names = [name for name in cases if any(text in name for text in wanted)]
    names = [name for name in names if asked.full or not cases[name].is_large]
    if not names:
        parser.error(f"no case is called {' '.join(asked.case)}; there are {', '.join(cases)}")
    found = show(Console(width=None if sys.stdout.isatty() else 160), names)
    if asked.plot:
        draw(found, asked.plot)


if __name__ == "__main__":
    main()
