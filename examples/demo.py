"""What MoE dispatch and combine cost on CloudMatrix384, beside an H800 cluster and what was
published: a table, and a plot in out/. ``make demo`` runs it."""

import sys
from pathlib import Path

from bench.cases.moe import OPERATIONS, Experts, dtype_of
from bench.moe import measure
from bench.records import Record
from fabric.machine import MachineSpec

SIZES = (8, 16, 32, 64, 128, 256, 320)
SYSTEMS = ("cloudmatrix384", "h800")


def measured(system: str) -> list[Record]:
    fabric, software, name = measure.prepared(MachineSpec(system=system), "low-latency")
    dtype = dtype_of(software)
    works = [
        Experts(op, "low-latency", ranks, experts=max(256, ranks), dtype=dtype)
        for ranks in SIZES
        for op in OPERATIONS
    ]
    return [row for row, _ in measure.records(fabric, name, works)]


def main() -> None:
    rows: list[Record] = []
    for system in SYSTEMS:
        found = measured(system)
        rows += found
        print(f"MoE on {system} with {found[0]['software']}: 128 tokens a rank, hidden 7168, top-8")
        print(measure.table(found), flush=True)
    plot = Path(sys.argv[1] if len(sys.argv) > 1 else "out/moe.svg")
    plot.parent.mkdir(parents=True, exist_ok=True)
    measure.draw(rows, plot)
    print(f"The same as a plot: {plot}")


if __name__ == "__main__":
    main()
