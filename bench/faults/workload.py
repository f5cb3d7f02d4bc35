"""What a sweep over failures times on each machine: an MoE operation, or a collective."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.cases.moe import EXPERTS, HIDDEN, MODES, TOKENS, TOP_K, Experts, dtype_of
from bench.cases.moe import OPERATIONS as EXCHANGES
from bench.cases.operations import OPERATIONS as COLLECTIVES
from bench.collectives import measure
from bench.moe.measure import nodes_of, prepared, standing_of
from bench.moe.measure import simulate as simulate_experts
from bench.options import Flags
from bench.published.standing import Standing
from bench.records import Value
from collectives.workloads.background.beside import Beside, beside
from collectives.workloads.background.streams import Background
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from fabric.timeline.value import Timeline

WORKLOADS = (*EXCHANGES, *COLLECTIVES)
"""The names of what can be timed."""

Altered = Callable[[Fabric], Fabric]
"""What is done to the fabric of each machine before it times anything."""


def as_it_is(fabric: Fabric) -> Fabric:
    """`Altered` that changes nothing."""
    return fabric


@dataclass(frozen=True)
class SweptOperation:
    """An operation of ``ranks`` ranks; ``name``: one of `WORKLOADS`.

    ``mode``, ``tokens`` (None: the mode's own), ``seed``: of dispatch and combine, as in
    ``bench moe``. ``size``, ``algorithm`` (None: the library's choice on the whole machine): of a
    collective, in bytes as nccl-tests counts them.
    """

    name: str
    ranks: int
    mode: str = MODES[0]
    tokens: int | None = None
    seed: int = 0
    size: int = 1 << 20
    algorithm: str | None = None

    def settled(self, machine: MachineSpec, altered: Altered = as_it_is) -> "SweptOperation":
        """The same with the algorithm that the library takes on this machine."""
        if self.name in EXCHANGES or self.algorithm is not None:
            return self
        bench = self._collective(machine, altered)
        return replace(self, algorithm=next(measure.tasks(bench)).algorithm)

    def simulate(self, machine: MachineSpec, altered: Altered = as_it_is) -> Timeline:
        """The timeline of the operation on a machine, whose fabric is ``altered``.

        Raises `RouteError` where ranks have no path, `BenchError` where they do not fit.
        """
        if self.name in EXCHANGES:
            fabric, software, _ = prepared(machine, self.mode)
            return simulate_experts(self._experts(software), altered(fabric))
        bench = self._collective(machine, altered)
        return measure.simulated(bench, next(measure.tasks(bench)))

    def beside(
        self, machine: MachineSpec, streams: Sequence[Background], altered: Altered = as_it_is
    ) -> Beside:
        """The same beside streams; raises as `simulate` and `beside` do."""
        if self.name in EXCHANGES:
            fabric, software, _ = prepared(machine, self.mode)
            work, fabric = self._experts(software), altered(fabric)
            steps = work.steps(software, nodes_of(work, fabric))
            return beside(fabric, steps, streams, ranks=self.ranks, operation=work.operation)
        bench = self._collective(machine, altered)
        task = next(measure.tasks(bench))
        return beside(
            bench.fabric, measure.steps_of(bench, task), streams, ranks=self.ranks,
            operation=measure.operation_of(bench, task),
        )  # fmt: skip

    def timed_by(self, machine: MachineSpec) -> tuple[Fabric, str]:
        """The fabric of a machine, and the operation whose constants time this one on it."""
        if self.name in EXCHANGES:
            fabric, software, _ = prepared(machine, self.mode)
            return fabric, self._experts(software).operation
        bench = self._collective(machine)
        return bench.fabric, measure.operation_of(bench, next(measure.tasks(bench)))

    def standing(self, machine: MachineSpec) -> Standing:
        """What its time on a machine stands on."""
        if self.name in EXCHANGES:
            fabric, software, name = prepared(machine, self.mode)
            return standing_of(self._experts(software), fabric, name)
        bench = self._collective(machine)
        return measure.standing_of(bench, next(measure.tasks(bench)))

    def record(self) -> dict[str, Value]:
        """What it is, for a record."""
        if self.name in EXCHANGES:
            tokens = self.tokens or TOKENS[self.mode]
            return {"op": self.name, "ranks": self.ranks, "mode": self.mode, "tokens": tokens}
        return {"op": self.name, "ranks": self.ranks, "size_bytes": self.size,
                "algorithm": self.algorithm}  # fmt: skip

    def words(self) -> str:
        """What it is, for a person."""
        said: Mapping[str, Value] = self.record()
        return ", ".join(f"{key.partition('_')[0]} {value}" for key, value in said.items())

    def _experts(self, software: str) -> Experts:
        return Experts(
            self.name, self.mode, self.ranks, self.tokens or TOKENS[self.mode], HIDDEN, TOP_K,
            max(EXPERTS, self.ranks), dtype_of(software), seed=self.seed,
        )  # fmt: skip

    def _collective(self, machine: MachineSpec, altered: Altered = as_it_is) -> measure.Benchmark:
        flags = Flags(ranks=self.ranks, minbytes=self.size, maxbytes=self.size)
        bench = measure.prepare(self.name, flags, machine, self.algorithm, environment={})
        return replace(bench, fabric=altered(bench.fabric))
