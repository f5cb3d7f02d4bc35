"""The collective benchmark itself: returns values, prints nothing.

Sizes mean what they mean in nccl-tests: S, the size of a row, is the whole of what an operation
moves into or out of a rank; where it is shared out over ranks, a rank's part is rounded down to a
multiple of 16 bytes. algbw is S over time, busbw makes it comparable with a port's bandwidth.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import faulted
from bench.background import record
from bench.cases.operations import OPERATIONS, Operation
from bench.collectives.nccl_environment import check as check_environment
from bench.collectives.vector_counts import VectorCounts, busiest, traffic_of
from bench.machine import BenchError, check_fits, span, stack
from bench.measurement import Measurement, Shows
from bench.options import DATATYPES, REDUCTIONS, SCALED, Flags
from bench.packets import record as of_packets
from bench.published.standing import Question, Standing, standing
from bench.records import Value, bandwidths
from collectives.algorithms.choose import choose, node_size
from collectives.algorithms.offload import possible, require
from collectives.algorithms.table import algorithm as algorithm_of
from collectives.algorithms.table import algorithms, default, is_file, schedule
from collectives.workloads.background.beside import beside, check_streams
from collectives.workloads.background.streams import Background
from fabric.engines.base import Told
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from fabric.schedule.step import Step
from fabric.timeline.value import Timeline
from topology.presets.catalogue import short_name


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A checked benchmark request: what is to be measured, and on what."""

    op: str
    flags: Flags
    fabric: Fabric
    machine: MachineSpec
    algorithms: tuple[str, ...]
    ranks_per_node: int
    traffic: VectorCounts
    transport: str = "sim"
    trace: Path | None = None
    background: tuple[Background, ...] = ()

    @property
    def is_live(self) -> bool:
        """True if real ranks run, False for a simulation."""
        return self.transport != "sim"

    @property
    def operation(self) -> Operation:
        """The collective as nccl-tests measures it."""
        return OPERATIONS[self.op]

    @property
    def software(self) -> str:
        """The name of the software stack that times the collective."""
        return self.fabric.software.stack(self.op)

    @property
    def ranks(self) -> int:
        """Number of ranks that take part."""
        return self.flags.world


@dataclass(frozen=True, slots=True)
class Task:
    """One row that is to be measured.

    ``size``, ``count``: as in the row; ``argument``: bytes for `schedule`; ``is_chosen``: True if
    the algorithm is the library's choice.
    """

    algorithm: str
    datatype: str
    redop: str
    root: int
    size: int
    count: int
    argument: int
    is_chosen: bool


def prepare(
    op: str,
    flags: Flags,
    machine: MachineSpec,
    algorithm: str | None = None,
    matrix: str | None = None,
    environment: Mapping[str, str] | None = None,
    transport: str = "sim",
    trace: Path | None = None,
    background: tuple[Background, ...] = (),
) -> Benchmark:
    """The benchmark of ``op`` that was asked for, checked.

    ``algorithm``: names separated by commas, or ``"all"``; None is the library's choice.
    ``matrix``: the file that all_to_all_v takes its bytes from. ``environment``: where nccl-tests'
    variables are looked up. ``transport``: of real ranks, or "sim"; ``trace``: the file that gets
    the trace of real ranks; ``background``: the streams beside it. Raises `TriplaneError` that
    names what is wrong.
    """
    environment = os.environ if environment is None else environment
    check_environment(environment)
    fabric = machine.build()
    stack(fabric, machine, op)
    _check_ranks(op, fabric, flags)
    if background:
        check_streams(fabric, background, flags.world)
    traffic = VectorCounts()
    if op == "all_to_all_v":
        traffic = traffic_of(flags.world, matrix, environment)
        flags = _with_matrix(flags, traffic, matrix is not None)
    return Benchmark(
        op, flags, fabric, machine, _algorithms(op, algorithm, fabric, flags.world),
        node_size(fabric, flags.world), traffic, transport, trace, background,
    )  # fmt: skip


def _check_ranks(op: str, fabric: Fabric, flags: Flags) -> None:
    check_fits(flags.world, fabric)
    if OPERATIONS[op].rooted and flags.root >= flags.world:
        raise BenchError(f"-r is {flags.root}, but the ranks are 0 to {flags.world - 1}")


def _algorithms(op: str, text: str | None, fabric: Fabric, ranks: int) -> tuple[str, ...]:
    """Return the names that were asked for; none: the library's choice by size.

    "all" are those that the machine can do.
    """
    if text is None:
        return ()
    known, group, node = algorithms(op), range(ranks), node_size(fabric, ranks)
    names = possible(fabric, op, group, node) if text == "all" else tuple(text.split(","))
    for name in names:
        if name not in known and not is_file(name):
            choices = ", ".join(known)
            raise BenchError(
                f"{op} has no algorithm {name!r}; it has {choices}, or all, or an MSCCL file's path"
            )
        require(fabric, op, name, group, node)
    return names


def _with_matrix(flags: Flags, traffic: VectorCounts, ours: bool) -> Flags:
    """Return the flags with -b and -e as the matrix needs them, or refuse as nccl-tests does.

    Where the matrix is given by our own option, -b and -e may be left out.
    """
    if traffic.matrix is None:
        return flags
    needed = busiest(traffic.matrix)
    if ours and flags.minbytes is None and flags.maxbytes is None:
        return replace(flags, minbytes=needed, maxbytes=needed)
    if flags.smallest != flags.largest:
        raise BenchError("with a traffic matrix -b and -e must be the same (e.g. -b 32M -e 32M)")
    if flags.largest < needed:
        raise BenchError(f"-e is {flags.largest} bytes; the matrix needs {needed}: increase -e")
    return flags


def tasks(bench: Benchmark) -> Iterator[Task]:
    """Iterate over the rows, in nccl-tests' order: types, reductions, roots, cycles, sizes.

    For each size, all algorithms that were named, or else the library's choice.
    """
    flags, operation = bench.flags, bench.operation
    types = tuple(DATATYPES) if flags.datatype == "all" else (flags.datatype,)
    known = tuple(name for name in REDUCTIONS if not (bench.is_live and name == SCALED))
    reductions = known if flags.op == "all" else (flags.op,)
    roots = range(bench.ranks) if flags.root < 0 else (flags.root,)
    columns = itertools.product(
        types,
        reductions if operation.reduces else ("none",),
        roots if operation.rooted else (-1,),
        range(flags.run_cycles),
    )
    for datatype, redop, root, _ in columns:
        for asked in _asked(bench):
            size, count, argument = sizes_of(bench, asked, DATATYPES[datatype])
            best = chosen(bench, argument, DATATYPES[datatype], max(root, 0))
            for name in bench.algorithms or (best,):
                yield Task(name, datatype, redop, root, size, count, argument, name == best)


def chosen(bench: Benchmark, argument: int, itemsize: int, root: int) -> str:
    """The algorithm that the library chooses for ``argument`` bytes (as `schedule` counts).

    For all_to_all_v it is the default, as its ranks do not know the sizes that others send.
    """
    op, ranks = bench.op, bench.ranks
    if op == "all_to_all_v":
        return default(op, ranks, argument)
    return choose(
        bench.fabric, op, ranks, argument, itemsize=itemsize, root=root,
        ranks_per_node=bench.ranks_per_node,
    )  # fmt: skip


def _asked(bench: Benchmark) -> Iterable[int]:
    """Return the sizes to go through; a barrier has none."""
    return (0,) if bench.op == "barrier" else bench.flags.sizes()


def sizes_of(bench: Benchmark, asked: int, itemsize: int) -> tuple[int, int, int]:
    """A row's size and count, and the bytes for `schedule`, when ``asked`` bytes were asked for.

    As ``getCollByteCount`` of each of nccl-tests' programs.
    """
    if bench.op == "barrier":
        return 0, 0, 0
    if bench.traffic.matrix is not None:
        return busiest(bench.traffic.matrix), 0, 0
    items = asked // itemsize
    if not bench.operation.shared:
        return items * itemsize, items, items * itemsize
    part = (items // bench.ranks) & ~(16 // itemsize - 1)
    size = part * bench.ranks * itemsize
    if bench.op == "all_to_all_v":
        return busiest(bench.traffic.counts(bench.ranks, size)), part, size
    return size, part, part * itemsize


def steps_of(bench: Benchmark, task: Task) -> Iterator[Step]:
    """The steps of the schedule that row ``task`` of the benchmark measures."""
    if bench.op == "all_to_all_v":
        counts = bench.traffic.counts(bench.ranks, task.argument)
        made = algorithm_of(bench.op, task.algorithm)
        by_node = "ranks_per_node" in made.takes
        return made(counts, **({"ranks_per_node": bench.ranks_per_node} if by_node else {}))
    return schedule(
        bench.op, bench.ranks, task.argument, task.algorithm, root=max(task.root, 0),
        itemsize=DATATYPES[task.datatype], ranks_per_node=bench.ranks_per_node,
    )  # fmt: skip


def simulated(bench: Benchmark, task: Task, told: Told | None = None) -> Timeline:
    """The timeline of simulating one row; ``told``: as of `Fabric.simulate`."""
    operation, steps = operation_of(bench, task), steps_of(bench, task)
    return bench.fabric.simulate(steps, operation=operation, ranks=bench.ranks, told=told)


def operation_of(bench: Benchmark, task: Task) -> str:
    """The operation whose constants time a row, the same as for running ranks.

    all_to_all_v is timed alike at every size, as each of its blocks has a size of its own.
    """
    if bench.op == "all_to_all_v":
        return bench.op
    return bench.fabric.software.regime(bench.op, task.argument, task.algorithm)


def sweep(
    bench: Benchmark,
    shown: Shows | None = None,
) -> Iterator[Measurement]:
    """Simulate row after row; what has been simulated is not simulated again.

    ``shown``: runs each simulation, and shows it.
    """
    known: dict[tuple[str, int, int, int], Found] = {}
    for task in tasks(bench):
        # A reduction costs the same whatever it is, a type only by the size of its items.
        key = task.algorithm, task.argument, max(task.root, 0), DATATYPES[task.datatype]
        if key not in known:
            known[key] = found(bench, task, shown)
        yield measurement(bench, task, known[key])


@dataclass(frozen=True, slots=True)
class Found:
    """The result of one simulation: seconds, what limits them, and what else records say."""

    time: float
    bound: float
    bottleneck: str
    host_time: float
    beside: Mapping[str, Value] = field(default_factory=dict)
    link_imbalance: float | None = None


def found(
    bench: Benchmark,
    task: Task,
    shown: Shows | None = None,
) -> Found:
    """The result of simulating one row; ``shown``: as of `sweep`."""
    began = time.perf_counter()
    run, name = partial(simulated, bench, task), f"{bench.op} of {task.size} B, {task.algorithm}"
    timeline = shown(run, name, bench.op) if shown else run()
    more = of_packets(timeline)
    seconds = float(AVERAGES[bench.flags.average](timeline.rank_finish[: bench.ranks]))
    if bench.background:
        answer = beside(
            bench.fabric, steps_of(bench, task), bench.background, ranks=bench.ranks,
            operation=operation_of(bench, task),
        )  # fmt: skip
        seconds, more = answer.time, {**more, **record(answer)}
    more = {**more, **faulted.record(timeline)}
    host_time = time.perf_counter() - began
    return Found(
        seconds, timeline.bound, str(timeline.bottleneck), host_time, more, timeline.link_imbalance
    )  # fmt: skip


AVERAGES: dict[int | None, Callable[[NDArray[np.float64]], Any]] = {
    None: np.max, 0: lambda finish: finish[0], 1: np.mean, 2: np.min, 3: np.max,
}  # fmt: skip
"""By -a. Without it the last rank counts, as for nccl-tests where one process runs every rank."""


def measurement(bench: Benchmark, task: Task, answer: Found) -> Measurement:
    """The printed row for a task and its result."""
    machine = bench.machine
    algbw, busbw = bandwidths(task.size, answer.time, bench.operation.factor(bench.ranks))
    return Measurement(
        op=bench.op, system=machine.system, software=bench.software, transport=bench.transport,
        engine=machine.engine, routing=machine.routing, ranks=bench.ranks,
        algorithm=task.algorithm, datatype=task.datatype, redop=task.redop, root=task.root,
        size=task.size, count=task.count, time=answer.time, algbw=algbw,
        busbw=busbw, bound=answer.bound, bottleneck=answer.bottleneck, wrong=None,
        host_time=answer.host_time, is_chosen=task.is_chosen if len(bench.algorithms) > 1 else None,
        standing=standing_of(bench, task), beside=answer.beside,
        link_imbalance=answer.link_imbalance,
    )  # fmt: skip


def standing_of(bench: Benchmark, task: Task) -> Standing:
    """What the answer to a row stands on."""
    software, system = bench.fabric.software, short_name(bench.machine.system)
    return standing(
        Question(
            software.stack(bench.op), bench.op, software.key(operation_of(bench, task)), system,
            bench.ranks, size=task.size, algorithm=task.algorithm,
            distance=span(bench.fabric.topology, bench.fabric.places[: bench.ranks]),
        )
    )  # fmt: skip


def last_timeline(bench: Benchmark) -> Timeline:
    """The simulation of the last row, run again."""
    *_, task = tasks(bench)
    return simulated(bench, task)
