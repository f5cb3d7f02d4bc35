"""The machine as it is between two changes: what its links carry, and which ways are taken.

Links that ever differ are of different resources (`topology.routing.router.Router.changed`), so all
states of a machine have the same ones.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fabric.classes.table import TrafficClasses
from fabric.endpoint.costs import Costs, Endpoint
from fabric.engines import in_switch
from fabric.engines.columns import Streams
from fabric.engines.paths import Binding, FlowLoads, PathTable, load
from fabric.faults.changes import LinkStates, TimedChange, marks_of
from topology.errors import RouteError
from topology.graph import Ints, Topology
from topology.routing.router import Router
from topology.routing.routes import Routes
from topology.units import US

if TYPE_CHECKING:
    from fabric.engines.base import Machine

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]
_Mask = NDArray[np.bool_]

_KEPT = 8
"""States whose paths are kept: of a flapping link there are few, which come again and again."""


@dataclass(frozen=True, eq=False)
class ChangedMachine:
    """A `fabric.engines.base.Machine` in one of its ``states``; nothing of it changes any more.

    ``ranks``: how many of its places are of ranks, the first ones; others are of memory.
    """

    topology: Topology
    router: Router
    places: Ints
    software: Endpoint
    traffic_classes: TrafficClasses
    paths: PathTable
    states: LinkStates
    built: Router
    ranks: int
    changes: Sequence[TimedChange] = ()

    def cut(self, src: int, dst: int, at: float | None = None, operation: str = "") -> RouteError:
        """The error for rank ``src``, which has something for rank ``dst``; ``at``: when, seconds.

        ``operation``: that it is of, which may go over planes of its own. The error names what is
        broken on the ways that there were between them, the latest first.
        """
        places, names = self.places, self.topology.vertex_names
        choice = self.paths.choice(operation)
        way = self.built.paths(places[[src]], places[[dst]], choice)[0]
        table = self.built.table
        on_way = table.resource[table.begin[way] : table.begin[way + 1]]
        links = np.flatnonzero(np.isin(self.built.link_resource, on_way))
        latest = self.states.causes[::-1]
        causes = [cause for cause, of in latest if np.isin(of, links).any()]
        causes = list(dict.fromkeys(causes or [cause for cause, _ in latest]))
        more = f" and {len(causes) - 3} more" if len(causes) > 3 else ""
        when = "" if at is None else f" at {at / US:.10g} us"
        ends = [
            f"{names[places[end]]} (rank {end})" if end < self.ranks else names[places[end]]
            for end in (src, dst)
        ]
        planes = (self.router.planes, *self.router.apart)[choice]
        return RouteError(
            f"no path from {ends[0]} to {ends[1]} on {self.topology.name} over"
            f" {', '.join(planes)}{when}: {', '.join(causes[:3])}{more}"
        )

    def check_in_switch(self, streams: Streams, cut: _Mask) -> None:
        """Raise `RouteError` if switches have to do something for streams, of which one is cut.

        What they combine or copy is one stream on the links that it shares, and cannot wait.
        """
        if cut.any() and in_switch.asked(streams):
            first = np.flatnonzero(cut)[0]
            raise self.cut(int(streams.src[first]), int(streams.dst[first]))


Made = TypeVar("Made")


class KeptByState(Generic[Made]):
    """What ``make`` returns for states of links, kept for the `_KEPT` that were asked for last."""

    def __init__(self, make: Callable[[LinkStates], Made]) -> None:
        self._make = make
        self._made: OrderedDict[bytes, Made] = OrderedDict()

    def of(self, states: LinkStates) -> Made:
        """What was made for these ``states``, or is now."""
        if states.key in self._made:
            self._made.move_to_end(states.key)
        else:
            self._made[states.key] = self._make(states)
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return self._made[states.key]


class MachineStates:
    """The states of a ``machine``, made when they are asked for, and kept for a while."""

    def __init__(self, machine: "Machine") -> None:
        self._machine, self._router = machine, machine.router
        self._made = KeptByState(self._make)

    def of(self, states: LinkStates) -> ChangedMachine:
        """The machine whose links are in these ``states``."""
        return replace(self._made.of(states), states=states)

    def _make(self, states: LinkStates) -> ChangedMachine:
        self._separate(states)
        router = self._router.changed(states.share, states.routed)
        return changed_machine(self._machine, router, states)

    def _separate(self, states: LinkStates) -> None:
        """See to it that links of one resource are in one state; a machine may know it before."""
        router, (first, used) = self._router, _first_links(self._router)
        alike = (
            states.share[used] == states.share[first],
            states.routed[used] == states.routed[first],
        )
        if all(same.all() for same in alike):
            return
        columns = [states.share, states.routed]
        if router.marks is not None:
            columns.append(router.marks.astype(np.float64))
        _, marks = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        self._router = Router(
            router.topology, router.policy, router.planes, marks.ravel(), router.apart
        )


def _first_links(router: Router) -> tuple[_Longs, _Longs]:
    """The first link of the resource of each link that is in use, and these links."""
    used = np.flatnonzero(router.link_resource >= 0)
    resource = router.link_resource[used]
    first = np.zeros(len(router.capacity), np.int64)
    first[resource[::-1]] = used[::-1]
    return first[resource], used


def changed_machine(machine: "Machine", router: Router, states: LinkStates) -> ChangedMachine:
    """The ``machine`` with another ``router``, in these states."""
    return ChangedMachine(
        machine.topology, router, machine.places, machine.software, machine.traffic_classes,
        PathTable(router, machine.places), states, machine.router,
        getattr(machine, "ranks", len(machine.places)),
    )  # fmt: skip


def prepared(machine: "Machine") -> ChangedMachine:
    """The ``machine`` as built, of which links that ever change apart are different resources."""
    router, links = machine.router, machine.topology.n_links
    if router.marks is None:
        marks = marks_of(machine.changes, links)
        router = Router(machine.topology, router.policy, router.planes, marks, router.apart)
    return changed_machine(machine, router, LinkStates.as_built(links))


class StateLoads(NamedTuple):
    """What streams load in a state of the machine.

    ``path``: int32, the number of each one's path in ``table``, all resources with what they carry
    of it; ``loads``: for engines.
    """

    path: Ints
    table: Routes
    loads: FlowLoads


def load_in(
    machine: ChangedMachine, streams: Streams, costs: Costs, nowhere: int, choice: int = 0
) -> StateLoads:
    """What the ``streams`` load in this state; resource ``nowhere`` where no path is left.

    ``choice``: of planes, see `PathTable.choice`. Raises `RouteError` for what switches on the way
    cannot do, or cannot any more.
    """
    src, dst = machine.places[streams.src], machine.places[streams.dst]
    cut = ~machine.router.connects(src, dst, choice)
    machine.check_in_switch(streams, cut)
    path = machine.router.paths(src, np.where(cut, src, dst), choice)
    ways = machine.paths.ways(machine.traffic_classes)
    loads = load(streams, path, machine.paths.binding(), ways, costs)
    loads = to_nowhere(machine, streams, loads, cut, costs, nowhere, choice)
    return StateLoads(path, machine.router.table, loads)


def to_nowhere(
    machine: ChangedMachine, streams: Streams, loads: FlowLoads, cut: _Mask, costs: Costs,
    nowhere: int, choice: int = 0,
) -> FlowLoads:  # fmt: skip
    """The ``loads`` of ``streams`` of which some are ``cut``, bool: these load ``nowhere``.

    They have until they would move for a way to come back, so their latency is that as built.
    """
    if not cut.any():
        return loads
    at = loads.entries[1:][cut]
    lost, late = streams.pick(cut), loads.latency.copy()
    late[cut] = _as_built(machine, lost, costs, choice).latency
    return replace(
        loads, entries=loads.entries + np.concatenate([[0], np.cumsum(cut)]), latency=late,
        resource=np.insert(loads.resource, at, nowhere), weight=np.insert(loads.weight, at, 1.0),
    )  # fmt: skip


def _as_built(machine: ChangedMachine, streams: Streams, costs: Costs, choice: int) -> FlowLoads:
    """What the ``streams`` load before anything has changed."""
    paths = PathTable(machine.built, machine.places)
    path, table = paths.of(streams.src, streams.dst, choice), machine.built.table
    whole = Binding(table.begin, table.resource, table.weight, table.latency)
    return load(streams, path, whole, paths.ways(machine.traffic_classes), costs)
