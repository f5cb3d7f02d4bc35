"""An operation beside a stream on its links, without classes and with them: returns values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bench.background import record
from bench.cases.moe import OPERATIONS, Experts
from bench.moe.measure import nodes_of, standing_of
from bench.published.standing import Standing
from bench.records import Record, Value
from bench.sensitivity import MovedAnswer, effects
from collectives.workloads.background.beside import Beside, beside
from collectives.workloads.background.streams import Background
from fabric.classes.table import TrafficClass
from fabric.engines.packet.engine import MTU
from fabric.engines.paths import all_paths
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from topology.presets.catalogue import short_name
from topology.units import US

MOST_LEAKAGE = 0.03
"""By what fraction of its time alone an operation with strict priority may be late: issue 13."""

FIRST = TrafficClass("moe", 1, priority=1, operations=OPERATIONS)
"""The class of the operation, which goes before what has none."""


@dataclass(frozen=True)
class IsolationCase:
    """One operation beside a ``stream`` under classes; ``named``: what is written of these.

    ``system``: the machine's name.
    """

    system: str
    named: str
    fabric: Fabric
    work: Experts
    stream: Background

    def standing(self) -> Standing:
        """What the operation's time stands on."""
        return standing_of(self.work, self.fabric, self.system)


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
        IsolationCase(short_name(machine.system), name, fabric, work, stream)
        for work in works
        for name, fabric in made.items()
    ]


def measured(every: Sequence[IsolationCase]) -> Iterator[dict[str, Value]]:
    """Iterate over the records of cases."""
    for one in every:
        work, fabric = one.work, one.fabric
        software = fabric.software.stack(work.operation)
        found = _beside(one, fabric)
        late = a_packet_each_hop(fabric, work.ranks)
        most = found.alone * (1 + MOST_LEAKAGE) + late
        yield {
            "op": work.op, "system": one.system, "software": software, "engine": fabric.engine,
            "ranks": work.ranks, "tokens": work.mean_tokens, "classes": one.named,
            "time_us": found.time / US, **record(found),
            "packets_us": late / US, "isolated": found.time <= most, **one.standing().record(),
        }  # fmt: skip


def answers(rows: Iterable[Record], every: Iterable[IsolationCase]) -> Iterator[MovedAnswer]:
    """Iterate over what moves the time beside the stream of each of the records of cases."""
    for row, one in zip(rows, every, strict=True):
        found = effects(one.fabric, (one.work.operation,), partial(_seconds, one))
        yield MovedAnswer(row, found)


def _seconds(one: IsolationCase, fabric: Fabric) -> float:
    return _beside(one, fabric).time


def _beside(one: IsolationCase, fabric: Fabric) -> Beside:
    """The operation of a case beside its stream, on a ``fabric``."""
    work = one.work
    steps = work.steps(fabric.software.stack(work.operation), nodes_of(work, fabric))
    return beside(fabric, steps, [one.stream], ranks=work.ranks, operation=work.operation)


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
