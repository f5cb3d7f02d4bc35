"""The emulated machine with the memory of CPUs: what accesses to windows load, and what they cost.

A rank sits on an accelerator. Memory of its node's CPU has a port of its own, which is a place of
the machine like a rank's, only that no rank sits there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from fabric.classes.table import TrafficClasses
from fabric.endpoint.costs import Endpoint
from fabric.endpoint.one_sided import joining, over_planes, with_memory
from fabric.engines.base import Session
from fabric.engines.paths import PathTable
from fabric.fabric import Fabric
from fabric.failure import WorldError
from fabric.faults.changes import TimedChange
from topology.graph import Ints, Topology
from topology.routing.router import Router


@dataclass(frozen=True, eq=False)
class MemoryMachine:
    """A `fabric.engines.base.Machine` of which memory is a part.

    ``places``: int32, the endpoints of the ranks, then those of the CPUs whose memory ranks have;
    ``planes``: that windows have of their own, first "" for those of the machine. ``cpu_place``:
    for each of these and each rank, the number of the place of its CPU's memory: its own where the
    system has no CPUs, or none with a port there.
    """

    topology: Topology
    router: Router
    software: Endpoint
    traffic_classes: TrafficClasses
    changes: tuple[TimedChange, ...]
    places: Ints
    paths: PathTable
    planes: tuple[str, ...]
    cpu_place: tuple[tuple[int, ...], ...]
    _fabric: Fabric

    @property
    def size(self) -> int:
        """How many places there are: of ranks and of CPUs."""
        return len(self.places)

    @property
    def ranks(self) -> int:
        """How many of the places are of ranks: the first ones."""
        return len(self.cpu_place[0])

    def session(self) -> Session:
        """A new session of all places, which has the machine's changes from its begin on."""
        return self._fabric.session_of(self, self.size)

    def place(self, rank: int, cpu: bool, plane: str = "") -> int:
        """The number of the place of a rank's memory, its ``cpu``'s or its own, on a plane."""
        return self.cpu_place[self.planes.index(plane)][rank] if cpu else rank

    def joins(self, plane: str, one: int, other: int) -> bool:
        """Whether two places reach each other's memory over ``plane``."""
        ends = self.places[[one]], self.places[[other]]
        return bool(self.router.connects(*ends, choice=self.planes.index(plane))[0])

    def check(self, plane: str, one: int, other: int) -> None:
        """Raise `WorldError` for two places that do not reach each other over ``plane``."""
        if not self.joins(plane, one, other):
            names = [self.topology.vertex_names[self.places[end]] for end in (one, other)]
            joined = [
                name for name in self.topology.planes
                if Router(self.topology, self.router.rule, (name,)).connects(
                    self.places[[one]], self.places[[other]]
                )[0]
            ]  # fmt: skip
            raise WorldError(
                f"plane {plane} of {self.topology.name} does not join {names[0]} and {names[1]};"
                f" of its planes {', '.join(joined) or 'none'} joins them"
            )


def memory_machine(fabric: Fabric, size: int, planes: Sequence[str] = ()) -> MemoryMachine:
    """The machine of ``fabric`` for a world of ``size`` ranks that access memory.

    ``planes``: that windows have of their own. Raises `TopologyError` for one that there is not.
    """
    router, topology = fabric.router, fabric.topology
    ranks = fabric.places[:size]
    software = with_memory(fabric.software, topology, router.planes)
    if planes:
        apart = tuple(joining(topology, plane) for plane in planes)
        router = Router(topology, router.rule, router.planes, router.marks, apart)
        software = over_planes(software, topology, planes)
    cpus = [cpus_of(topology, router, ranks, choice) for choice in range(1 + len(planes))]
    own = [at for at in dict.fromkeys(chain(*cpus)) if at >= 0]
    number = {at: size + place for place, at in enumerate(own)}
    cpu_place = tuple(
        tuple(number.get(at, rank) for rank, at in enumerate(those)) for those in cpus
    )
    places = np.concatenate([ranks, np.array(own, np.int32)]).astype(np.int32)
    return MemoryMachine(
        topology, router, software, fabric.traffic_classes, fabric.changes, places,
        PathTable(router, places), ("", *planes), cpu_place, fabric,
    )  # fmt: skip


def cpus_of(topology: Topology, router: Router, ranks: Ints, choice: int = 0) -> list[int]:
    """For each rank, by its endpoint, that of its CPU; -1 where it has none with a port.

    The accelerators of a node share its CPUs out in order. ``choice``: of planes, see
    `Router.paths`.
    """
    every, accelerators = topology.of_kind("cpu"), topology.accelerators
    every = every[every < topology.n_endpoints]
    found = []
    for rank in ranks.tolist():
        node = topology.node[rank]
        here = every[topology.node[every] == node] if node >= 0 else every[:0]
        twins = accelerators[topology.node[accelerators] == node]
        place = int(np.searchsorted(twins, rank)) * len(here) // max(len(twins), 1)
        cpu = int(here[min(place, len(here) - 1)]) if len(here) else -1
        found.append(
            cpu if cpu >= 0 and _has_port(router, cpu, [rank, every[0], every[-1]], choice) else -1
        )
    return found


def _has_port(router: Router, endpoint: int, others: list[int], choice: int) -> bool:
    """Whether an endpoint is on a plane that is used: it reaches one of ``others``."""
    far = np.array([other for other in others if other != endpoint], np.int32)
    return bool(router.connects(np.full(len(far), endpoint, np.int32), far, choice).any())
