"""Benchmarks as values: what a notebook calls, and shows as a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.cases.moe import EXPERTS, HIDDEN, OPERATIONS, TOKENS, TOP_K, Experts, dtype_of
from bench.collectives import measure as collectives
from bench.moe import measure as experts_bench
from bench.options import Flags
from bench.records import Record, as_table
from fabric.machine import MachineSpec
from topology.files.html import table


@dataclass(frozen=True)
class Results:
    """Records of a benchmark, whose keys carry units; ``title``: what was measured."""

    records: tuple[Record, ...]
    title: str = ""

    def __iter__(self) -> Iterator[Record]:
        """One record after the other."""
        return iter(self.records)

    def __len__(self) -> int:
        """How many records there are."""
        return len(self.records)

    def column(self, name: str) -> list[object]:
        """The values of ``name`` in all records; raises `KeyError` if one has none."""
        return [record[name] for record in self.records]

    def __str__(self) -> str:
        return as_table(self.records)

    def _repr_html_(self) -> str:
        return table(self.records, self.title)


def collective(
    op: str, *, ranks: int = 8, sizes: Sequence[int] = (1 << 20,),
    system: str = MachineSpec.system, software: str | None = None, algorithm: str | None = None,
    without: Sequence[str] = (), routing: str = MachineSpec.routing,
) -> Results:  # fmt: skip
    """The records of a simulated collective of each of ``sizes`` (bytes, as in nccl-tests).

    ``algorithm``: names separated by commas, or "all"; None: the fastest for each size. The rest as
    in ``triplane bench``. Raises `TriplaneError` for a wrong argument.
    """
    machine = MachineSpec(system, software, routing=routing, without=tuple(without))
    rows: list[Record] = []
    for size in sizes:
        flags = Flags(ranks=ranks, minbytes=size, maxbytes=size)
        bench = collectives.prepare(op, flags, machine, algorithm, environment={})
        rows += [row.record() for row in collectives.sweep(bench)]
    return Results(tuple(rows), f"{op} on {system}")


def moe(
    ep: Sequence[int] = (8, 16, 32, 64, 128, 256), *, mode: str = "low-latency",
    tokens: int | Sequence[int] | None = None, system: str = MachineSpec.system,
    software: str | None = None, skew: str = "uniform", without: Sequence[str] = (),
) -> Results:  # fmt: skip
    """The records of simulated dispatch and combine over expert-parallel sizes ``ep``.

    ``tokens``: of each rank; several are a sweep. Arguments as in ``triplane bench moe``. Raises
    `TriplaneError` for a wrong argument.
    """
    machine = MachineSpec(system, software, without=tuple(without))
    fabric, software, name = experts_bench.prepared(machine, mode)
    counts = (tokens or TOKENS[mode],) if isinstance(tokens, int | None) else tuple(tokens)
    works = [
        Experts(op, mode, ranks, count, HIDDEN, TOP_K, max(EXPERTS, ranks),
                dtype_of(software), skew)
        for ranks in ep for count in counts for op in OPERATIONS
    ]  # fmt: skip
    rows = tuple(row for row, _ in experts_bench.records(fabric, name, works))
    return Results(rows, f"MoE {mode} on {name} with {software}")
