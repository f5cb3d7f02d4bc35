"""What a published row measured: the machine, the places, the schedule, and the bytes it counts.

A row's text is read tolerantly; a row that remains ambiguous is a `NotModelledError` with the
reason.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial

import numpy as np

from bench.cases.moe import EXPERTS, HIDDEN, TOP_K, Experts, dtype_of, node_ranks
from bench.cases.operations import OPERATIONS
from bench.published.rows import PublishedRow
from collectives.algorithms.choose import offered
from collectives.algorithms.table import ALGORITHMS, schedule
from collectives.moe.routing.skew import TOP_GROUPS
from fabric.endpoint.costs import Endpoint
from fabric.endpoint.records import record_of
from fabric.machine import MachineSpec
from fabric.schedule.step import Step
from topology import Topology, system
from topology.errors import TriplaneError
from topology.graph import Ints
from topology.presets.catalogue import large_enough, parameters
from topology.routing.router import PACKAGE, Router
from topology.units import MiB

BULK = 128 * MiB
"""Bytes that a bandwidth of one pair is measured over, in blocks of the row's size.

As HIXL's benchmark does (hicann/hixl benchmarks/performance_en.md); ``raw`` rows are one transfer.
"""

SEED = 0
"""Of the routings, or of the first of several: the same row always gets the same answer."""

DRAWS, ENOUGH = 4, 1 << 17
"""Routings that a row's time is the mean of, at most, and selections that they have together at
least: of few tokens, how full the fullest rank is is a matter of luck, and a row's own luck is not
known. More selections in one routing come to the same within a fraction of a percent."""

SPELLINGS = {name.replace("_", ""): name for name in (*OPERATIONS, "kv_transfer")} | {
    "get": "read", "put": "write",
}  # fmt: skip
"""Operations by how else they are written: "allgather", "alltoall"."""


class NotModelledError(TriplaneError):
    """The model has no answer to a row; the message says why."""


@dataclass(frozen=True)
class PublishedCase:
    """What is to be simulated for a row.

    ``planes``: in order of preference. ``places``: the endpoint of every rank, None: the
    accelerators in order. ``operation``: whose constants apply. ``moved``: the bytes that
    bandwidths are computed from; ``bus_factor``: busbw over algbw. ``ways``: by algorithm, the
    schedules of which the software would take the fastest, each with the operation whose constants
    apply then; ``steps`` where it has no choice. ``draws``: the schedules of further random
    routings, where the time is the mean of several.
    """

    topology: Topology
    planes: tuple[str, ...]
    operation: str
    ranks: int
    steps: Callable[[], Iterator[Step]]
    moved: float
    places: Ints | None = None
    bus_factor: float = 1.0
    ways: Mapping[str, tuple[str, Callable[[], Iterator[Step]]]] = field(default_factory=dict)
    draws: tuple[Callable[[], Iterator[Step]], ...] = ()


def workload(row: PublishedRow, endpoint: Endpoint) -> PublishedCase:
    """The workload that a row measured; raises `NotModelledError`, or another `TriplaneError`."""
    row = replace(row, op=plain(row.op))
    if row.op in ("read", "write"):
        return _pair(row, endpoint)
    if row.op in ("dispatch", "combine"):
        return _moe(row, endpoint)
    if row.op == "kv_transfer":
        return _kv_transfer(row, endpoint)
    if row.op in OPERATIONS:
        return _collective(row, endpoint)
    known = ", ".join(("read", "write", "dispatch", "combine", "kv_transfer", *OPERATIONS))
    raise NotModelledError(f"no operation {row.op!r}; there are {known}")


def plain(op: str) -> str:
    """Our name of the operation that a row calls ``op``; ``op`` itself if there is none."""
    return SPELLINGS.get(op.lower().replace("_", ""), op)


def topology_of(row: PublishedRow) -> Topology:
    """The system that a row was measured on; if it has a choice of RDMA, the row's text decides."""
    return _whole(*_system_of(row))


def _system_of(row: PublishedRow) -> tuple[str, str]:
    """The row's system, and its RDMA if it has a choice of it and the row's text names one.

    A system that has fewer accelerators than the row has ranks is as many of it as it takes.
    """
    text = f"{row.placement} {row.note}".lower()
    rdma = "ib" if re.search(r"infiniband|\bib\b", text) else "roce" if "roce" in text else ""
    name = large_enough(row.system, row.ranks or 0)
    return name, rdma if "rdma" in parameters(name) else ""


@cache
def _whole(name: str, rdma: str) -> Topology:
    return system(name, rdma=rdma) if rdma else system(name)


def machine_of(row: PublishedRow, task: PublishedCase, endpoint: Endpoint,
               engine: str) -> MachineSpec:  # fmt: skip
    """The machine on which a row is timed as ``task``, by the software ``endpoint``."""
    name, rdma = _system_of(row)
    return MachineSpec(
        name, endpoint.name, engine, planes=task.planes,
        placement=None if task.places is None else tuple(task.places.tolist()),
        system_options={"rdma": rdma} if rdma else {},
    )  # fmt: skip


def planes_of(row: PublishedRow, endpoint: Endpoint, topology: Topology) -> tuple[str, ...]:
    """The planes that a row names ("nvlink+rdma"), else the stack's, else the topology's.

    Raises `NotModelledError` for an unknown plane.
    """
    named = tuple(re.findall(r"[a-z0-9_-]+", row.plane.lower()))
    planes = named or endpoint.planes or topology.planes
    unknown = [name for name in planes if name not in topology.planes]
    if unknown:
        there = ", ".join(topology.planes)
        raise NotModelledError(f"{row.system} has no plane {unknown[0]!r}; there are {there}")
    inside = (PACKAGE,) if PACKAGE in topology.planes and PACKAGE not in planes else ()
    return inside + planes if "ub" in planes else planes


def _needed(row: PublishedRow, *names: str) -> list[int]:
    values = [getattr(row, name) for name in names]
    for name, value in zip(names, values, strict=True):
        if not value:
            raise NotModelledError(f"{row.op} needs {name}, and the row has {value}")
    return values


def _key(endpoint: Endpoint, row: PublishedRow, operation: str) -> str:
    """Refuse what the stack has no constants for, rather than take it to be free."""
    key = endpoint.key(operation)
    if key is None or (key != operation and operation.endswith(":normal") and key):
        raise NotModelledError(f"{row.software} has no constants for {operation}")
    return operation


def _at_size(endpoint: Endpoint, row: PublishedRow, operation: str, size: int) -> str:
    return endpoint.regime(_key(endpoint, row, operation), size)


# --- one pair of ranks


def _pair(row: PublishedRow, endpoint: Endpoint) -> PublishedCase:
    (size,) = _needed(row, "size")
    topology, reads = topology_of(row), row.op == "read"
    planes = planes_of(row, endpoint, topology)
    cpus = _cpus(row)
    operation = ("read" if reads else "write") + CPU_SIDES[cpus]
    free = endpoint.name == "raw" and "ub" not in planes
    blocks = row.metric != "latency" and endpoint.name != "raw"
    messages = max(1, math.ceil(BULK / size)) if blocks else 1
    step = Step(int(reads), int(not reads), size * messages, messages=messages, label=row.op)
    return PublishedCase(
        topology, planes, "" if free else _at_size(endpoint, row, operation, size), 2,
        lambda: iter((step,)),
        size * messages, _ends(topology, planes, cpus, _distance(row)),
    )  # fmt: skip


CPU_SIDES = {
    (False, False): "", (False, True): ":cpu",
    (True, False): ":local-cpu", (True, True): ":both-cpu",
}  # fmt: skip
"""Variants of a read or write by whether the initiator's and the far memory are a CPU's."""


def _cpus(row: PublishedRow) -> tuple[bool, bool]:
    """Whether the memory of the initiator, and of its peer, is a CPU's, by the row's wording."""
    cpu, die = r"(?:cpu|host|dram)", r"(?:npu|die|gpu|device|d)"
    ends = re.search(rf"({die}|{cpu})\s*(?:-|to|<->|,)\s*r?({die}|{cpu})", row.placement.lower())
    sides = [bool(end and re.fullmatch(cpu, end)) for end in (ends.groups() if ends else ("", ""))]
    return sides[0], sides[1]


def _distance(row: PublishedRow) -> str:
    """How far apart the two ends are, by the row's wording."""
    text, plane = row.placement.lower(), row.plane.lower()
    wordings = {
        "package": r"same package|intra-package|on-package|die-to-die|die-die",
        "cross leaf": r"cross[ -]leaf|across leaves|inter-leaf",
        "same leaf": r"same[ -]leaf|intra-leaf",
        "intra": r"intra|same node|within|nvlink",
    }
    default = "intra" if plane == "nvlink" else "package" if plane == PACKAGE else "inter"
    return next((name for name, words in wordings.items() if re.search(words, text)), default)


@cache
def _ends(
    topology: Topology, planes: tuple[str, ...], cpus: tuple[bool, bool], distance: str
) -> Ints:
    """The first accelerator, and the first peer that is so far away; the nearest leaf first.

    ``cpus``: which of the two is to be a CPU; the near one is the first of the node.

    Where CPUs have no port of their own, as on RDMA, an accelerator's stands for its node's.
    """
    have_ports = "ub" in planes
    ours, theirs = (topology.of_kind("cpu") if cpu and have_ports else topology.accelerators
                    for cpu in cpus)  # fmt: skip
    first = int(ours[0])
    peers = theirs[theirs != first]
    near = topology.node[peers] == topology.node[first]
    twins = (topology.package[peers] == topology.package[first]) & (topology.package[first] >= 0)
    fits = {"package": twins, "intra": near & ~twins}.get(distance, ~near)
    peers = peers[fits]
    if not len(peers):
        raise NotModelledError(f"{topology.name} has no pair of ranks that is {distance}")
    router = Router(topology, "spray", planes)
    path = router.paths(np.full(len(peers), first, np.int32), peers)
    latency = router.table.latency[path]
    at = latency.argmax() if distance == "cross leaf" else latency.argmin()
    return np.array([first, peers[at]], np.int32)


def _kv_transfer(row: PublishedRow, endpoint: Endpoint) -> PublishedCase:
    """A node's ranks each send an equal part to the rank of their number on another node."""
    ranks, size = _needed(row, "ranks", "size")
    topology, half = topology_of(row), ranks // 2
    where = topology.accelerators
    per_node = topology.node_width(where)
    second = math.ceil(half / per_node) * per_node
    if not half or second + half > len(where):
        raise NotModelledError(f"{ranks} ranks do not make pairs of nodes of {topology.name}")
    me = np.arange(half)
    step = Step(me, me + half, max(1, size // half), label=row.op)
    return PublishedCase(
        topology, planes_of(row, endpoint, topology), _key(endpoint, row, row.op), 2 * half,
        lambda: iter((step,)), size, np.concatenate([where[:half], where[second : second + half]]),
    )  # fmt: skip


# --- many ranks


def _moe(row: PublishedRow, endpoint: Endpoint) -> PublishedCase:
    """Random experts; between nodes of few groups as DeepEP's benchmark has them: top-4 nodes."""
    ranks, tokens = _needed(row, "ranks", "tokens")
    topology, stack = topology_of(row), record_of(endpoint.name)
    once = stack.once_a_rank or "normal" in row.mode.lower()
    mode = "normal" if once else "low-latency"
    planes = planes_of(row, endpoint, topology)
    _fits(topology, ranks)
    width = node_ranks(topology, planes, ranks) if mode == "normal" else None
    nodes = ranks // width if width else 1
    work = Experts(
        row.op, mode, ranks, tokens, row.hidden or HIDDEN, row.top_k or TOP_K,
        row.experts or EXPERTS, row.dispatch_dtype or dtype_of(endpoint.name),
        f"node-limited:{min(nodes, TOP_GROUPS)}" if width else "uniform", SEED, nodes,
    )  # fmt: skip
    operation = _key(endpoint, row, row.op if stack.once_a_rank else work.operation)
    drawn = [replace(work, seed=SEED + i) for i in range(draws(ranks * tokens * work.top_k))]
    counted = _counted(row, work, endpoint)
    moved = [float(each.moved(counted, width)) for each in drawn]
    steps, *others = (partial(each.steps, endpoint.name, width) for each in drawn)
    return PublishedCase(
        topology, planes, operation, ranks, steps, sum(moved) / len(moved),
        _spread(row, topology), draws=tuple(others),
    )  # fmt: skip


def draws(selections: int) -> int:
    """How many routings of so many selections (ranks * tokens * top-k) a time is the mean of."""
    return min(max(ENOUGH // max(selections, 1), 1), DRAWS)


def _counted(row: PublishedRow, work: Experts, endpoint: Endpoint) -> int:
    """Bytes of a token that benchmarks count."""
    if row.op == "combine" and row.combine_dtype not in ("", "bf16", "bfloat16", "fp16"):
        raise NotModelledError(f"combine in {row.combine_dtype!r}; only in bf16")
    bare = row.op == "dispatch" and work.mode == "normal" and work.dtype == "int8"
    return work.hidden if bare else work.message_size(endpoint.name)


def _fits(topology: Topology, ranks: int) -> None:
    if ranks > len(topology.accelerators):
        raise NotModelledError(
            f"{ranks} ranks do not fit on {topology.name} with {len(topology.accelerators)}"
        )


def _spread(row: PublishedRow, topology: Topology) -> Ints | None:
    """None for ranks packed one after the other; a die a package where the row says so."""
    if not re.search(r"one (rank|die) (per|a|an|each) (npu|package)", row.placement.lower()):
        return None
    where = topology.accelerators
    places: Ints = where[np.unique(topology.package[where], return_index=True)[1]]
    return places


def _collective(row: PublishedRow, endpoint: Endpoint) -> PublishedCase:
    """``size`` is a rank's block for HCCL, and nccl-tests' S for NCCL."""
    ranks, size = _needed(row, "ranks", "size")
    topology, operation = topology_of(row), OPERATIONS[row.op]
    _fits(topology, ranks)
    block = size
    stack = record_of(endpoint.name)
    if operation.shared and stack.total_sizes:
        block = max(1, size // ranks)
    per_node = topology.node_width(topology.accelerators)
    algorithms = _algorithms(row, endpoint, ranks > per_node)

    def make(algorithm: str | None) -> Iterator[Step]:
        return schedule(row.op, ranks, block, algorithm, ranks_per_node=per_node)

    return PublishedCase(
        topology, planes_of(row, endpoint, topology),
        _at_size(endpoint, row, row.op, block), ranks,
        partial(make, algorithms[0] if len(algorithms) == 1 else None),
        block * (ranks if operation.shared else 1), bus_factor=operation.factor(ranks),
        ways={
            name: (endpoint.regime(row.op, block, name), partial(make, name)) for name in algorithms
        } if len(algorithms) > 1 else {},
    )  # fmt: skip


def _algorithms(row: PublishedRow, endpoint: Endpoint, between_nodes: bool) -> tuple[str, ...]:
    """The one that the row's mode names, else those that the library has, else all that there are.

    As answers have them: `collectives.algorithms.choose.choose`.
    """
    if row.mode in ALGORITHMS[row.op]:
        return (row.mode,)
    known = record_of(endpoint.name).measured_with.get(row.op)
    if known:
        return (known,)
    return offered(endpoint, row.op, between_nodes=between_nodes) or tuple(ALGORITHMS[row.op])
