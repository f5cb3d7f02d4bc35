"""The kinds of packets: the traffic classes of a machine, each with a queue of its own at a link.

They are in order of priority, the lowest first, and within one in order of the classes' numbers.
"""

from dataclasses import dataclass

import numpy as np

from fabric.classes.table import TRAIT, TrafficClasses
from fabric.engines.base import EngineError
from fabric.engines.columns import Streams
from fabric.engines.packet.state import CLASSES, PICOSECONDS, RECORDS, Bytes, Floats, Records


@dataclass(frozen=True, eq=False)
class PacketKinds:
    """The kind of each traffic class, and what the engine must know of kinds.

    ``of_class``: int8, by the class's place in the table; ``records``: see `State`; ``names``: the
    name of each kind's class, empty where the machine has no classes.
    """

    classes: TrafficClasses
    of_class: Bytes
    records: Records
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.records)

    def of(self, streams: Streams) -> Bytes:
        """The kind of each stream: int8."""
        if not self.classes:
            return np.zeros(len(streams), np.int8)
        return self.of_class[self.classes.rows(streams.trait(TRAIT))]

    @property
    def limit(self) -> Floats:
        """Picoseconds a byte that a rank has for each kind, float64; 0: no limit."""
        found: Floats = self.records["limit"]
        return found

    @property
    def are_equal(self) -> bool:
        """True if several kinds have one priority."""
        return len(np.unique(self.records["lead"])) < len(self)


def kinds(classes: TrafficClasses) -> PacketKinds:
    """A kind for each class of a machine, one if it has none; raises `EngineError` for too many."""
    n = len(classes.classes)
    if n > CLASSES:
        raise EngineError(
            f"the machine has {n} traffic classes with the default one; the engine packet has"
            f" {CLASSES} queues a link, one for each"
        )
    if not n:
        return PacketKinds(classes, np.zeros(0, np.int8), _records(np.zeros(1), np.ones(1)), ("",))
    order = np.lexsort((classes.numbers, classes.priorities))
    of_class = np.empty(n, np.int8)
    of_class[order] = np.arange(n)
    records = _records(classes.priorities[order].astype(np.float64), classes.weights[order])
    records["limit"] = [PICOSECONDS / classes.classes[k].rate_limit for k in order]
    return PacketKinds(classes, of_class, records, tuple(classes.classes[k].name for k in order))


def _records(priority: Floats, weight: Floats) -> Records:
    records = np.zeros(len(priority), RECORDS["kinds"])
    same = priority[:, None] == priority
    records["slowness"] = 1 / weight
    records["alike"] = (same << np.arange(len(priority))).sum(1)
    records["lead"] = same.argmax(1)
    return records
