"""What emulated time costs: ``python benchmarks/emulator.py [--repeats 200]``.

Microseconds of the processor that an `Emulator` takes for one blocking collective of all its ranks,
their posts included. *Repeated*: ranks that are together make the same call again and again.
*Scattered*: each computes for a random while before, so that no call is like one before and the
engine runs for each. The 320 ranks exchange random counts, as in a dispatch of experts.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from collectives import schedule
from collectives.algorithms import alltoall
from fabric import Fabric, Step
from fabric.clock.emulator import Emulator
from fabric.schedule.plan import TimedRows, plans
from topology import cloudmatrix384, star
from topology.units import KiB

MIB = 1024 * KiB
CASES = [
    ("all_reduce", "ring", 64 * KiB),
    ("all_reduce", "ring", MIB),
    ("all_reduce", "halving_doubling", MIB),
    ("all_to_all", "direct", 64 * KiB),
]
RANKS, MANY = 8, 320
TOKEN = 7168
"""Bytes of a token of DeepSeek-V3 in int8."""

Calls = Callable[[int], None]
"""Makes the call of that number, with all that it takes."""


def calls(fabric: Fabric, rows: Sequence[TimedRows], op: str, late: float) -> Calls:
    """Blocking calls of these rows; each rank computes for up to ``late`` seconds before."""
    ranks, rng = len(rows), np.random.default_rng(1)
    emulator, group = Emulator(fabric, ranks), tuple(range(ranks))

    def call(number: int) -> None:
        after = (late * rng.random(ranks)).tolist() if late else []
        for rank, seconds in enumerate(after):
            emulator.compute(rank, seconds)
        for rank in range(ranks):
            emulator.begin(rank, number, group, rows[rank], op)
            emulator.wait(rank, number)
        emulator.advance()

    return call


def cost(call: Calls, repeats: int) -> float:
    """Microseconds of the processor for one of ``repeats`` calls, after some to warm up."""
    warm = max(repeats // 10, 1)
    for number in range(warm):
        call(number)
    begin = time.process_time()
    for number in range(warm, warm + repeats):
        call(number)
    return (time.process_time() - begin) / repeats * 1e6


def dispatch(rng: np.random.Generator) -> list[TimedRows]:
    """An irregular all-to-all of `MANY` ranks."""
    counts = rng.poisson(4, (MANY, MANY)) * TOKEN
    return [plan.rows for plan in plans(alltoall.direct_v(counts), MANY)]


def exchanges(fabric: Fabric) -> Calls:
    """Dispatches one after another, no two alike; the rows are made beforehand."""
    rng = np.random.default_rng(1)
    emulator, group, coming = Emulator(fabric, MANY), tuple(range(MANY)), [dispatch(rng)]
    coming += [dispatch(rng) for _ in range(3)]

    def call(number: int) -> None:
        rows = coming[number]
        for rank in group:
            emulator.begin(rank, number, group, rows[rank], "dispatch")
            emulator.wait(rank, number)
        emulator.advance()

    return call


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200, help="calls of 8 ranks a case")
    repeats = parser.parse_args().repeats
    table = Table("collective", "ranks", "system", "repeated (us)", "scattered (us)")
    for topology in (star(RANKS), cloudmatrix384()):
        fabric = Fabric(topology)
        for op, algorithm, size in CASES:
            rows = [p.rows for p in plans(schedule(op, RANKS, size, algorithm), RANKS)]
            together = cost(calls(fabric, rows, op, 0.0), repeats)
            scattered = cost(calls(fabric, rows, op, 1e-6), repeats)
            table.add_row(
                f"{op} {algorithm} {size // KiB} KiB", str(RANKS), topology.name,
                f"{together:.0f}", f"{scattered:.0f}",
            )  # fmt: skip
    fabric = Fabric(cloudmatrix384(), endpoint="cann-ep")
    alike = [p.rows for p in plans([_uniform()], MANY)]
    table.add_row(
        f"all_to_all direct {TOKEN // KiB} KiB", str(MANY), fabric.topology.name,
        f"{cost(calls(fabric, alike, 'all_to_all', 0.0), 5):.0f}",
        f"{cost(calls(fabric, alike, 'all_to_all', 1e-6), 3):.0f}",
    )  # fmt: skip
    table.add_row(
        "all_to_all_v direct, random", str(MANY), fabric.topology.name, "-",
        f"{cost(exchanges(fabric), 3):.0f}",
    )  # fmt: skip
    Console().print(table)


def _uniform() -> Step:
    return next(iter(alltoall.direct(MANY, TOKEN)))


if __name__ == "__main__":
    main()
