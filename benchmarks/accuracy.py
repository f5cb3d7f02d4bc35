"""What the tolerance of the flow engine costs: ``python benchmarks/accuracy.py [--ranks 128]``.

Against tolerance 0, which is exact: the error of the duration, and the errors of the finish times
of single transfers, as shares of the duration. See benchmarks/README.md.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from fabric import Endpoint, Fabric, Step, Timeline
from topology import Topology, cloudmatrix384, dgx_h800, fat_tree, star

TOLERANCES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


@dataclass(frozen=True)
class Case:
    """Steps on a topology, over one of its planes (None: as it prefers)."""

    name: str
    topology: Callable[[], Topology]
    plane: str | None
    steps: list[Step]


def moe(ranks: int, seed: int, exponent: float = 0.0, tokens: int = 128, top_k: int = 8) -> Step:
    """One step of dispatch traffic; ``exponent`` above 0: some ranks are hot (Zipf)."""
    rng, size = np.random.default_rng(seed), np.zeros((ranks, ranks), np.int64)
    heat = 1 / np.arange(1, ranks + 1) ** exponent
    for rank in range(ranks):
        for _ in range(tokens):
            size[rank, rng.choice(ranks, top_k, replace=False, p=heat / heat.sum())] += 7680
    np.fill_diagonal(size, 0)
    src, dst = np.nonzero(size)
    return Step(src, dst, size[src, dst])


def cases(n: int) -> list[Case]:
    """What is measured."""
    dispatch, skewed = moe(n, 1), moe(n, 2, exponent=1.1)
    broken = ("l2.3.*", "node1.l1.2", "node2.l1.4->l2.4.*")
    several = [moe(n, seed, exponent=0.5) for seed in range(4)]
    return [
        Case("MoE, star", lambda: star(n), None, [dispatch]),
        Case("MoE, cloudmatrix384", cloudmatrix384, "ub", [dispatch]),
        Case("MoE, fat tree", lambda: fat_tree(8 if n <= 128 else 12), None, [dispatch]),
        Case("MoE, RDMA at 1:2", lambda: cloudmatrix384(oversubscription=2.0), "rdma", [dispatch]),
        Case("MoE, broken", lambda: cloudmatrix384().without(*broken), "ub", [dispatch]),
        Case("hot experts, cloudmatrix384", cloudmatrix384, "ub", [skewed]),
        Case("hot experts, two planes", lambda: dgx_h800(n // 8), None, [skewed]),
        Case("four steps, cloudmatrix384", cloudmatrix384, "ub", several),
    ]


def run(case: Case, topology: Topology, tolerance: float) -> tuple[Timeline, float]:
    """The answer, and the seconds that it takes, once the paths are known."""
    planes = (case.plane,) if case.plane else None
    fabric = Fabric(topology, endpoint=Endpoint("free"), planes=planes, tolerance=tolerance)
    for step in case.steps:
        fabric.router.paths(fabric.places[step.src], fabric.places[step.dst])
    start = time.perf_counter()
    return fabric.simulate(case.steps), time.perf_counter() - start


def show(console: Console, case: Case) -> None:
    """Print the table of one case."""
    topology = case.topology()
    true, seconds = run(case, topology, 0.0)
    table = Table(title=f"{case.name}: {len(true.src):,} transfers; exact in {seconds:.3f} s")
    for column in ("tolerance", "seconds", "duration", "finish mean", "finish 99%", "finish worst"):
        table.add_column(column, justify="right")
    for tolerance in TOLERANCES:
        answer, seconds = run(case, topology, tolerance)
        late = np.abs(answer.finish - true.finish) / true.duration
        table.add_row(
            f"{tolerance:g}", f"{seconds:.3f}", f"{answer.duration / true.duration - 1:+.4%}",
            f"{late.mean():.4%}", f"{np.quantile(late, 0.99):.4%}", f"{late.max():.4%}",
        )  # fmt: skip
    console.print(table)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--ranks", type=int, default=128, help="up to 768, multiples of 8; exact is quadratic"
    )
    asked = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 100)
    for case in cases(asked.ranks):
        show(console, case)


if __name__ == "__main__":
    main()
