"""Fabric: a topology, its routing, an engine and a software stack; `simulate` times a schedule."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from fabric.endpoint.costs import Endpoint, EndpointError
from fabric.endpoint.stacks import named
from fabric.engines.columns import Binding, batches, binding
from fabric.engines.flow.run import Simulation
from fabric.schedule.step import ScheduleError, Step, only_steps
from fabric.timeline.value import Timeline
from topology.arguments import integer, integers, number, shown, text
from topology.errors import ArgumentError
from topology.graph import Ints, Topology
from topology.routing.router import Router

if TYPE_CHECKING:
    from fabric.machine import MachineSpec

Kept = TypeVar("Kept")

ENGINES = ("flow",)
WINDOW_ROWS = 1 << 20
"""Rows in memory at a time: longer schedules pass through in windows."""


def check_engine(name: str) -> None:
    """Raise `EndpointError` if there is no engine called ``name``."""
    if name not in ENGINES:
        raise EndpointError(f"no engine {name!r}; there are {', '.join(ENGINES)}")


@dataclass(frozen=True, eq=False)
class Fabric:
    """A topology with routing, engine and software: times schedules.

    ``engine``: one of `ENGINES`. ``routing``: one of `topology.routing.router.POLICIES`.
    ``endpoint``: a software stack's name or several (`fabric.endpoint.stacks.named`), or an
    `Endpoint` such as `fabric.endpoint.stacks.usual`; default: the wire alone. ``planes``: in order
    of preference; default: the endpoint's, else the topology's. ``placement``: the endpoint
    (number) that each rank sits on, int [places]; default: the accelerators in order.
    ``tolerance``: of the flow engine, as a fraction of the duration; 0 is exact.

    ``spec``: the description that it was built from; None if there is none.

    Raises `EndpointError`, `TopologyError`, `ScheduleError` for a wrong argument.
    """

    topology: Topology
    engine: str = "flow"
    routing: str = "spray"
    endpoint: Endpoint | str = "raw"
    planes: tuple[str, ...] | None = None
    placement: ArrayLike | None = None
    tolerance: float = 1e-3
    software: Endpoint = field(init=False)
    _bindings: dict[int, Binding] = field(init=False, default_factory=dict)
    _kept: dict[Callable[[], Any], Any] = field(init=False, default_factory=dict)
    router: Router = field(init=False)
    places: Ints = field(init=False)
    spec: "MachineSpec | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        check_engine(self.engine)
        if not isinstance(self.topology, Topology):
            raise ArgumentError(f"topology is {shown(self.topology)}; it has to be a Topology")
        if not 0 <= number(self.tolerance, "tolerance") < 1:
            raise EndpointError(f"the tolerance is {self.tolerance}, outside 0 to 1")
        endpoint = named(self.endpoint) if isinstance(self.endpoint, str) else self.endpoint
        if not isinstance(endpoint, Endpoint):
            raise EndpointError(
                f"endpoint is {shown(endpoint)}; it has to be a name or an Endpoint"
            )
        planes = self.planes or endpoint.planes
        set_field = object.__setattr__
        set_field(self, "software", endpoint)
        set_field(self, "router", Router(self.topology, self.routing, planes))
        set_field(self, "places", _places(self.topology, self.placement))

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process it goes without what it has found out here."""
        given = (getattr(self, name.name) for name in fields(self) if name.init)
        return type(self), tuple(given), {"spec": self.spec}

    def simulate(
        self, steps: Iterable[Step], *, operation: str = "", ranks: int | None = None
    ) -> Timeline:
        """Simulate a schedule; returns when every transfer begins and ends, as a `Timeline`.

        ``operation``: selects the software's constants ("dispatch", "all_gather", ...). ``ranks``:
        how many take part; by default the highest rank of the first steps, plus one. If it is
        given, each rank pays the software's costs of a call even if there is no step. Raises
        `ScheduleError` for a rank that has no place, `RouteError` for ranks without a path,
        `ArgumentError` for what is no schedule.
        """
        given = None if ranks is None else integer(ranks, "ranks", 0, len(self.places))
        run = Simulation(self, text(operation, "operation"), given)
        coming = batches(only_steps(steps), len(self.places), WINDOW_ROWS)
        batch = next(coming, None)
        if batch is None and given:  # nothing is moved, yet the call has been made
            batch = next(batches(iter((Step((), (), 0),)), len(self.places), WINDOW_ROWS))
        while batch is not None:
            following = next(coming, None)
            run.window(batch, more=following is not None)
            batch = following
        timeline = run.timeline()
        return timeline if self.spec is None else replace(timeline, machine=self.spec)

    def kept(self, kind: Callable[[], Kept]) -> Kept:
        """The one ``kind()`` of this fabric, made at the first call.

        A place for what other modules compute about the fabric.
        """
        return cast(Kept, self._kept.setdefault(kind, kind()))

    def binding(self) -> Binding:
        """The paths found so far, reduced to what can limit them.

        Computed anew when there are more paths.
        """
        table = self.router.table
        known = len(table.begin)
        if known not in self._bindings:
            self._bindings.clear()
            self._bindings[known] = binding(table, self.router.capacity)
        return self._bindings[known]


def _places(topology: Topology, placement: ArrayLike | None) -> Ints:
    if placement is None:
        return topology.accelerators
    places = np.array(integers(placement, "placement"), np.int64)
    bad = np.flatnonzero((places < 0) | (places >= topology.n_endpoints))
    if len(bad):
        raise ScheduleError(
            f"rank {bad[0]} is placed on endpoint {places[bad[0]]}, outside"
            f" 0..{topology.n_endpoints - 1} of {topology.name}"
        )
    return places.astype(np.int32)
