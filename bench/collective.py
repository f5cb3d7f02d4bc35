"""The collective benchmark itself: returns values, prints nothing.

Sizes mean what they mean in nccl-tests: S, the size of a row, is the whole of what an operation
moves into or out of a rank; where it is shared out over ranks, a rank's part is rounded down to a
multiple of 16 bytes. algbw is S over time, busbw makes it comparable with a port's bandwidth.
"""

import itertools
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.nccl_format import Device
from bench.options import DATATYPES, MAX_BYTES, REDUCTIONS, Flags, Selection
from bench.records import Measurement
from collectives.algorithms import algorithm as algorithm_of
from collectives.algorithms import algorithms, default, schedule
from fabric.simulate import Fabric
from fabric.step import Step
from fabric.timeline import Timeline
from topology.errors import TriplaneError
from topology.systems import system
from topology.units import GB, US

Counts = NDArray[np.int64]
"""[ranks, ranks]: bytes from rank i to rank j."""


class BenchError(TriplaneError):
    """A benchmark was asked for something that it cannot do or does not know."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A collective as nccl-tests measures it.

    ``program``: the name of nccl-tests' binary. ``shared``: S is shared out over the ranks and a
    row's count is a rank's part. ``factor``: busbw over algbw by the number of ranks.
    """

    program: str
    shared: bool
    factor: Callable[[int], float]
    reduces: bool = False
    rooted: bool = False


def _part(ranks: int) -> float:
    return (ranks - 1) / ranks


def _twice(ranks: int) -> float:
    return 2 * (ranks - 1) / ranks


def _whole(_ranks: int) -> float:
    return 1.0


OPERATIONS = {
    "all_reduce": Operation("all_reduce_perf", False, _twice, reduces=True),
    "all_gather": Operation("all_gather_perf", True, _part),
    "reduce_scatter": Operation("reduce_scatter_perf", True, _part, reduces=True),
    "broadcast": Operation("broadcast_perf", False, _whole, rooted=True),
    "reduce": Operation("reduce_perf", False, _whole, reduces=True, rooted=True),
    "gather": Operation("gather_perf", True, _part, rooted=True),
    "scatter": Operation("scatter_perf", True, _part, rooted=True),
    "all_to_all": Operation("alltoall_perf", True, _part),
    "all_to_all_v": Operation("alltoallv_perf", True, _part),
    "send_recv": Operation("sendrecv_perf", False, _whole, reduces=True),
    "barrier": Operation("barrier_perf", False, _whole),
}
"""By our name. send_recv ``reduces`` as in nccl-tests: only in that it goes through -o's names."""


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A checked request: what is to be measured, and on what."""

    op: str
    flags: Flags
    fabric: Fabric
    selection: Selection
    software: str
    algorithms: tuple[str | None, ...]
    ranks_per_node: int
    traffic: "Traffic"

    @property
    def operation(self) -> Operation:
        """How nccl-tests measures this collective."""
        return OPERATIONS[self.op]

    @property
    def ranks(self) -> int:
        """How many ranks take part."""
        return self.flags.world


@dataclass(frozen=True, slots=True)
class Task:
    """One row to come. ``size``, ``count``: as in the row; ``argument``: bytes for `schedule`."""

    algorithm: str
    datatype: str
    redop: str
    root: int
    size: int
    count: int
    argument: int


def prepare(
    op: str,
    flags: Flags,
    selection: Selection,
    algorithm: str | None = None,
    matrix: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Benchmark:
    """Return the benchmark of ``op`` that was asked for, checked.

    ``algorithm``: names with commas between them, or ``"all"``; None is the library's choice.
    ``matrix``: the file that all_to_all_v takes its bytes from. ``environment``: where nccl-tests'
    variables are looked up. Raises `TriplaneError` that names what is wrong.
    """
    environment = os.environ if environment is None else environment
    fabric, software = fabric_of(selection)
    _check_ranks(op, fabric, selection, flags)
    traffic = Traffic()
    if op == "all_to_all_v":
        traffic = traffic_of(flags.world, matrix, environment)
        flags = _with_matrix(flags, traffic, matrix is not None)
    return Benchmark(
        op, flags, fabric, selection, software, _algorithms(op, algorithm),
        _ranks_per_node(fabric, flags.world), traffic,
    )  # fmt: skip


def fabric_of(selection: Selection) -> tuple[Fabric, str]:
    """Return the fabric that was chosen, and the name of its software stack."""
    topology = system(selection.system)
    if selection.without:
        topology = topology.without(*selection.without)
    software = selection.software or software_of(topology.name)
    planes = tuple(re.split(r"\s*,\s*", selection.planes)) if selection.planes else None
    fabric = Fabric(
        topology, engine=selection.engine, routing=selection.routing, endpoint=software,
        planes=planes,
    )  # fmt: skip
    return fabric, software


def software_of(name: str) -> str:
    """Return the stack that a system's collectives usually run on; raw is none."""
    prefixes = {"cloudmatrix": "hccl", "supernode": "hccl", "dgx_h": "nccl"}
    return next((stack for prefix, stack in prefixes.items() if name.startswith(prefix)), "raw")


def _check_ranks(op: str, fabric: Fabric, selection: Selection, flags: Flags) -> None:
    places = len(fabric.topology.accelerators)
    if flags.world > places:
        raise BenchError(
            f"{flags.world} ranks do not fit on {selection.system}: it has {places} places for one"
        )
    if OPERATIONS[op].rooted and flags.root >= flags.world:
        raise BenchError(f"-r is {flags.root}, but the ranks are 0 to {flags.world - 1}")


def _ranks_per_node(fabric: Fabric, ranks: int) -> int:
    """How many ranks share the first node: what the hierarchical algorithms group by."""
    nodes = fabric.topology.node[fabric.topology.accelerators[:ranks]]
    return int((nodes == nodes[0]).sum()) if nodes[0] >= 0 else 1


def _algorithms(op: str, text: str | None) -> tuple[str | None, ...]:
    """Return the names that were asked for; None, the library's choice by size, where none was."""
    if text is None:
        return (None,)
    known = algorithms(op)
    names = tuple(known) if text == "all" else tuple(text.split(","))
    for name in names:
        if name not in known:
            choices = ", ".join(known)
            raise BenchError(f"{op} has no algorithm {name!r}; it has {choices}, or all")
    return names


@dataclass(frozen=True, eq=False)
class Traffic:
    """Who sends how much in all_to_all_v: a ``matrix`` of bytes, or nccl-tests' generated pattern.

    ``spread``: of the generated pattern, 0 uniform to 1, more for farther ranks. ``dimension``,
    ``scale``: of the file that the matrix came from.
    """

    spread: float = 1.0
    matrix: Counts | None = None
    dimension: int = 0
    scale: float = 1.0

    def counts(self, ranks: int, total: int) -> Counts:
        """Return the matrix, or the pattern in which each of ``ranks`` sends ``total`` bytes."""
        return spread_counts(ranks, total, self.spread) if self.matrix is None else self.matrix


def traffic_of(ranks: int, matrix: str | None, environment: Mapping[str, str]) -> Traffic:
    """Return the traffic that ``matrix``, a file, or else nccl-tests' variables ask for."""
    spread = min(max(_number(environment, "NCCL_TESTS_ALLTOALLV_SPREAD"), 0.0), 1.0)
    scale = max(_number(environment, "NCCL_TESTS_ALLTOALLV_MATRIX_SCALE"), 0.0)
    path = matrix or environment.get("NCCL_TESTS_ALLTOALLV_MATRIX_FILE")
    if path is None:
        return Traffic(spread)
    counts = read_matrix(path, scale)
    if len(counts) < ranks:
        raise BenchError(f"traffic matrix {path} is {len(counts)} wide; {ranks} ranks need as much")
    return Traffic(spread, counts[:ranks, :ranks], len(counts), scale)


def _number(environment: Mapping[str, str], name: str) -> float:
    text = environment.get(name, "1")
    try:
        return float(text)
    except ValueError:
        raise BenchError(f"{name} is {text!r}, not a number") from None


def _with_matrix(flags: Flags, traffic: Traffic, ours: bool) -> Flags:
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


def busiest(counts: Counts) -> int:
    """Return the most bytes that any rank sends or receives."""
    return int(max(counts.sum(0).max(), counts.sum(1).max()))


def read_matrix(path: str, scale: float = 1.0) -> Counts:
    """Return a traffic matrix of nccl-tests: in line i, between spaces, bytes from i to each j.

    Values are scaled, then rounded down to multiples of 16. Raises `BenchError` naming file and
    place.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise BenchError(f"traffic matrix {path} cannot be read: {reason}") from None
    rows = [line.split() for line in lines if line.strip()]
    for number, row in enumerate(rows):
        if len(row) != len(rows):
            shape = f"{len(rows)} rows, and row {number} has {len(row)} columns"
            raise BenchError(f"traffic matrix {path} must be square: it has {shape}")
    if not rows:
        raise BenchError(f"traffic matrix {path} is empty")
    values = [[_bytes(path, i, j, text, scale) for j, text in enumerate(row)]
              for i, row in enumerate(rows)]  # fmt: skip
    return np.array(values, np.int64)


def _bytes(path: str, row: int, column: int, text: str, scale: float) -> int:
    where = f"traffic matrix {path}, row {row}, column {column}: {text!r}"
    try:
        value = float(text)
    except ValueError:
        raise BenchError(f"{where} is not a number") from None
    if not value >= 0:
        raise BenchError(f"{where} is not 0 or more")
    if value * scale > MAX_BYTES:
        raise BenchError(f"{where} times {scale:g} is above {MAX_BYTES} bytes")
    return int(value * scale) & ~15


def spread_counts(ranks: int, total: int, spread: float) -> Counts:
    """nccl-tests' generated traffic: ``total`` bytes a rank, more for farther ranks by ``spread``.

    0 is uniform; at 1 a rank gets bytes in proportion to its distance. [ranks, ranks] bytes.
    """
    if ranks == 1:
        return np.array([[total & ~15]])
    me = np.arange(ranks)
    distance = (me[None, :] - me[:, None]) % ranks
    far = distance * float(total) / float(ranks * (ranks - 1) // 2)
    mixed = (1.0 - spread) * (float(total) / ranks) + spread * far
    return mixed.astype(np.int64) & ~15


def tasks(bench: Benchmark) -> Iterator[Task]:
    """Return the rows to come, in nccl-tests' order: types, reductions, roots, cycles, sizes."""
    flags, operation = bench.flags, bench.operation
    types = tuple(DATATYPES) if flags.datatype == "all" else (flags.datatype,)
    reductions = REDUCTIONS if flags.op == "all" else (flags.op,)
    roots = range(bench.ranks) if flags.root < 0 else (flags.root,)
    columns = itertools.product(
        bench.algorithms,
        types,
        reductions if operation.reduces else ("none",),
        roots if operation.rooted else (-1,),
        range(flags.run_cycles),
    )
    for algorithm, datatype, redop, root, _ in columns:
        for asked in _asked(bench):
            size, count, argument = sizes_of(bench, asked, DATATYPES[datatype])
            name = algorithm or default(bench.op, bench.ranks, argument)
            yield Task(name, datatype, redop, root, size, count, argument)


def _asked(bench: Benchmark) -> Iterable[int]:
    """Return the sizes to go through; a barrier has none."""
    return (0,) if bench.op == "barrier" else bench.flags.sizes()


def sizes_of(bench: Benchmark, asked: int, itemsize: int) -> tuple[int, int, int]:
    """Return what ``asked`` bytes become: the row's size and count, and `schedule`'s bytes.

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
    """Return the schedule of one row."""
    if bench.op == "all_to_all_v":
        counts = bench.traffic.counts(bench.ranks, task.argument)
        grouped = {"ranks_per_node": bench.ranks_per_node} if task.algorithm in _GROUPED else {}
        return algorithm_of(bench.op, task.algorithm)(counts, **grouped)
    return schedule(
        bench.op, bench.ranks, task.argument, task.algorithm, root=max(task.root, 0),
        itemsize=DATATYPES[task.datatype], ranks_per_node=bench.ranks_per_node,
    )  # fmt: skip


_GROUPED = ("hierarchical",)
"""Algorithms of all_to_all_v that want to know how many ranks share a node."""


def simulated(bench: Benchmark, task: Task) -> Timeline:
    """Return the simulation of one row."""
    operation = bench.fabric.software.variant(bench.op, task.argument)
    return bench.fabric.simulate(steps_of(bench, task), operation=operation, ranks=bench.ranks)


def sweep(bench: Benchmark) -> Iterator[Measurement]:
    """Measure row after row; what has been simulated is not simulated again."""
    known: dict[tuple[str, int, int, int], Found] = {}
    for task in tasks(bench):
        # A reduction costs the same whatever it is, a type only by the size of its items.
        key = task.algorithm, task.argument, max(task.root, 0), DATATYPES[task.datatype]
        if key not in known:
            known[key] = _found(bench, task)
        yield _measurement(bench, task, known[key])


@dataclass(frozen=True, slots=True)
class Found:
    """What one simulation says: seconds, and what sets them."""

    time: float
    bound: float
    bottleneck: str
    host_time: float


def _found(bench: Benchmark, task: Task) -> Found:
    began = time.perf_counter()
    timeline = simulated(bench, task)
    host_time = time.perf_counter() - began
    seconds = _AVERAGES[bench.flags.average](timeline.rank_finish[: bench.ranks])
    return Found(float(seconds), timeline.bound, str(timeline.bottleneck), host_time)


_AVERAGES: dict[int | None, Callable[[NDArray[np.float64]], Any]] = {
    None: np.max, 0: lambda finish: finish[0], 1: np.mean, 2: np.min, 3: np.max,
}  # fmt: skip
"""By -a. Without it the last rank counts, as for nccl-tests where one process runs every rank."""


def _measurement(bench: Benchmark, task: Task, found: Found) -> Measurement:
    algbw, factor = _over(task.size, found.time), bench.operation.factor(bench.ranks)
    chosen = bench.selection
    return Measurement(
        op=bench.op, system=chosen.system, software=bench.software, transport="sim",
        engine=chosen.engine, routing=chosen.routing, ranks=bench.ranks,
        algorithm=task.algorithm, datatype=task.datatype, redop=task.redop, root=task.root,
        size=task.size, count=task.count, time=found.time, algbw=algbw,
        busbw=algbw * factor if factor else 0.0, bound=found.bound,
        bottleneck=found.bottleneck, wrong=None, host_time=found.host_time,
    )  # fmt: skip


def _over(size: int, seconds: float) -> float:
    """Bytes per second: 0 of no bytes, as in nccl-tests; unlimited where they took no time."""
    if not size:
        return 0.0
    return size / seconds if seconds else math.inf


def last_timeline(bench: Benchmark) -> Timeline:
    """Return the simulation of the last row, made again."""
    *_, task = tasks(bench)
    return simulated(bench, task)


def notes(bench: Benchmark) -> Iterator[str]:
    """Yield what a reader of nccl-tests' table must know, line by line."""
    chosen, router = bench.selection, bench.fabric.router
    yield (
        f"Triplane: simulated. system {chosen.system} software {bench.software} engine "
        f"{chosen.engine} routing {chosen.routing} planes {','.join(router.planes)}"
    )
    if chosen.without:
        yield f"without {', '.join(chosen.without)}"
    yield "No data is moved, so nothing is validated (#wrong N/A). Each row is simulated once, as"
    yield "all iterations would be alike; in place differs by copies of a rank to itself: free."
    if bench.flags.ignored():
        yield f"No meaning in a simulation: {', '.join(bench.flags.ignored())}"
    if bench.op == "barrier":
        yield "A barrier has no size: -b, -e, -i, -f and -d are not used"


def devices(bench: Benchmark) -> list[Device]:
    """Where each rank sits. The address is a device's number in its node: there is no PCI here."""
    topology, pid = bench.fabric.topology, os.getpid()
    seen: dict[int, int] = {}
    found = []
    for rank, vertex in enumerate(topology.accelerators[: bench.ranks]):
        node = int(topology.node[vertex])
        device = seen[node] = seen.get(node, -1) + 1
        info = f"{bench.selection.system} {topology.vertex_names[vertex]} (simulated)"
        host = f"node{node}" if node >= 0 else "-"
        found.append(Device(rank, 0, pid, host, device, f"0000:{device:02x}:00", info))
    return found


def rank_summary(bench: Benchmark, measurement: Measurement) -> Iterator[str]:
    """Return the lines of NCCL_TESTS_ALLTOALLV_PRINT_SUMMARY for one row of all_to_all_v."""
    ranks, traffic = bench.ranks, bench.traffic
    total = measurement.count * ranks * DATATYPES[measurement.datatype]
    mode = f"mode=generated nranks={ranks} total_bytes={total} spread={traffic.spread:.3f}"
    if traffic.matrix is not None:
        matrix = f"matrix_dim={traffic.dimension} scale={traffic.scale:.3f}"
        mode = f"mode=matrix nranks={ranks} {matrix}"
    micro = f"time_usec={measurement.time / US:.2f}"
    yield f"# NCCL_TESTS_ALLTOALLV_PRINT_SUMMARY: {mode} {micro}"
    counts = traffic.counts(ranks, total)
    for rank, (sent, received) in enumerate(zip(counts.sum(1), counts.sum(0), strict=True)):
        algbw = _over(int(max(sent, received)), measurement.time) / GB
        busbw = algbw * bench.operation.factor(ranks)
        bandwidths = f"alg_bw={algbw:.2f} bus_bw={busbw:.2f}"
        yield f"#   rank={rank} send_bytes={sent} recv_bytes={received} {bandwidths}"
