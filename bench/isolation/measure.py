"""An operation beside a stream on its links, without classes and with them: returns values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.background import record
from bench.cases.moe import OPERATIONS, Experts
from bench.moe.measure import nodes_of
from bench.records import Value
from collectives.workloads.background.beside import beside
from collectives.workloads.background.streams import Background
from fabric.classes.table import TrafficClass
from fabric.engines.packet.engine import MTU
from fabric.engines.paths import all_paths
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from topology.units import US

MOST_LEAKAGE = 0.03
"""By what fraction of its time alone an operation with strict priority may be late: issue 13."""

FIRST = TrafficClass("moe", 1, priority=1, operations=OPERATIONS)
"""The class of the operation, which goes before what has none."""


@dataclass(frozen=True)
class IsolationCase:
    """One operation beside a ``stream`` under classes; ``named``: what is written of these."""

    named: str
    fabric: Fabric
    work: Experts
    stream: Background


def variants(stream: Background, guarantee: float | None) -> Mapping[str, tuple[TrafficClass, ...]]:
    """The tables of classes that are compared, by name: none, strict priority of the operation.

    With a ``guarantee``, bytes per second, also priority with that promised to the stream.
    """
    found: dict[str, tuple[TrafficClass, ...]] = {"none": (), "priority": (FIRST,)}
    if guarantee is not None:
        sure = TrafficClass(stream.kind, 2, operations=(stream.kind,), guarantee=guarantee)
        found["priority+guarantee"] = (FIRST, sure)
    return found


def cases(
    machine: MachineSpec, works: Sequence[Experts], stream: Background, guarantee: float | None
) -> list[IsolationCase]:
    """Each operation under each table of classes; raises `TriplaneError` for what cannot be."""
    made = {
        name: replace(machine, classes=classes).build()
        for name, classes in variants(stream, guarantee).items()
    }
    return [
        IsolationCase(name, fabric, work, stream) for work in works for name, fabric in made.items()
    ]


def measured(every: Sequence[IsolationCase], name: str) -> Iterator[dict[str, Value]]:
    """Iterate over the records of cases; ``name``: of the system."""
    for one in every:
        work, fabric = one.work, one.fabric
        software = fabric.software.stack(work.operation)
        steps = work.steps(software, nodes_of(work, fabric))
        found = beside(fabric, steps, [one.stream], ranks=work.ranks, operation=work.operation)
        late = a_packet_each_hop(fabric, work.ranks)
        most = found.alone * (1 + MOST_LEAKAGE) + late
        yield {
            "op": work.op, "system": name, "software": software, "engine": fabric.engine,
            "ranks": work.ranks, "tokens": work.mean_tokens, "classes": one.named,
            "time_us": found.time / US, **record(found),
            "packets_us": late / US, "isolated": found.time <= most,
        }  # fmt: skip


def a_packet_each_hop(fabric: Fabric, ranks: int) -> float:
    """Seconds that one packet takes on all links of a way between two ranks, of the longest.

    0 where the engine has no packets: nothing then waits for one under way.
    """
    if fabric.engine != "packet":
        return 0.0
    options, router = fabric.engine_options, fabric.router
    size = int(options.get("mtu", MTU)) + int(options.get("header", 0))
    path = np.unique(all_paths(router, fabric.places[:ranks]))
    used, table = router.link_resource >= 0, router.table
    slowest = np.full(len(router.capacity), np.inf)
    np.minimum.at(slowest, router.link_resource[used], router.topology.link_bandwidth[used])
    takes = np.concatenate([[0.0], np.cumsum(table.weight * size / slowest[table.resource])])
    path = path[path >= 0]
    return float((takes[table.begin[path + 1]] - takes[table.begin[path]]).max(initial=0.0))
