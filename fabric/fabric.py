"""Fabric: a topology, its routing, an engine and a software stack; `simulate` times a schedule."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from fabric.classes.table import TrafficClass, TrafficClasses, in_class
from fabric.endpoint.costs import Endpoint, EndpointError
from fabric.endpoint.stacks import named
from fabric.engines.base import (
    CHANGES,
    CLASSES,
    GUARANTEES,
    PACKET_HASH,
    Compiles,
    Engine,
    EngineError,
    Machine,
    Session,
    Told,
    Watchable,
    check_traits,
    engine,
    maker,
)
from fabric.engines.guarantees import promises
from fabric.engines.paths import PathTable
from fabric.failure import WorldError
from fabric.faults.changes import TimedChange, marks_of
from fabric.faults.expand import changes_of
from fabric.faults.table import NO_FAULTS, Fault, FaultPlan, plan_of
from fabric.schedule.step import ScheduleError, Step, only_steps
from fabric.schedule.traits import NO_TRAITS, Traits
from fabric.schedule.uniform import UniformSteps
from fabric.timeline.value import Timeline
from topology.arguments import integer, integers, shown, text
from topology.errors import ArgumentError
from topology.graph import Ints, Topology
from topology.routing.policies import PerPacketHash, Policy, StaticTables, policy_of
from topology.routing.router import Router

if TYPE_CHECKING:
    from fabric.machine import MachineSpec

Kept = TypeVar("Kept")


@dataclass(frozen=True, eq=False)
class Fabric:
    """A topology with routing, engine and software: times schedules.

    ``engine``: one of `fabric.engines.base.engines`, which times what happens; ``engine_options``:
    its options by name. ``tolerance``: the option of that name, of the flow engine: how far
    durations may be off, as a fraction; 0 is exact; None: as the engine has it.
    ``routing``: of `topology.routing.policies`, or its text. ``endpoint``: a software preset's name
    or several (`fabric.endpoint.stacks.named`), or an `Endpoint` such as
    `fabric.endpoint.stacks.usual`; default: the wire alone. ``planes``: in order of preference;
    default: the endpoint's, else the topology's. ``placement``: the endpoint (number) that each
    rank sits on, int [places]; default: the accelerators in order. ``classes``: the traffic classes
    by whose numbers steps may say which of their transfers go first; ``traffic_classes`` is their
    table. ``faults``: what breaks when, a `FaultPlan` or faults; ``changes`` are what that means
    for links.

    ``spec``: the description that it was built from; None if there is none.

    Raises `EngineError`, `EndpointError`, `TopologyError`, `ScheduleError`, `ClassError`,
    `FaultError` for what is not to be had.
    """

    topology: Topology
    engine: str = "flow"
    routing: Policy | str = "spray"
    endpoint: Endpoint | str = "raw"
    planes: tuple[str, ...] | None = None
    placement: ArrayLike | None = None
    tolerance: float | None = None
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[TrafficClass] = ()
    faults: FaultPlan | Sequence[Fault] = NO_FAULTS
    software: Endpoint = field(init=False)
    traffic_classes: TrafficClasses = field(init=False)
    router: Router = field(init=False)
    places: Ints = field(init=False)
    paths: PathTable = field(init=False)
    changes: tuple[TimedChange, ...] = field(init=False)
    spec: "MachineSpec | None" = field(init=False, default=None)
    _engine: Engine = field(init=False)
    _kept: dict[Callable[[], Any], Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        maker(self.engine)  # refuses a name before anything else is looked at
        if not isinstance(self.topology, Topology):
            raise ArgumentError(f"topology is {shown(self.topology)}; it has to be a Topology")
        made = engine(self.engine, self._options())
        endpoint = named(self.endpoint) if isinstance(self.endpoint, str) else self.endpoint
        if not isinstance(endpoint, Endpoint):
            raise EndpointError(
                f"endpoint is {shown(endpoint)}; it has to be a name or an Endpoint"
            )
        classes = TrafficClasses(tuple(self.classes))
        if classes and CLASSES not in made.models:
            raise EngineError(f"the engine {self.engine} does not model traffic classes")
        if classes.guaranteed and GUARANTEES not in made.models:
            raise EngineError(f"the engine {self.engine} does not model guarantees of classes")
        routing = policy_of(self.routing)
        if isinstance(routing, PerPacketHash) and PACKET_HASH not in made.models:
            raise EngineError(f"the engine {self.engine} does not model the routing packet-hash")
        plan = plan_of(self.faults, "faults")
        if plan and CHANGES not in made.models:
            raise EngineError(f"the engine {self.engine} does not model faults in time")
        if plan and isinstance(routing, StaticTables):
            raise EngineError(f"the routing {routing} does not follow faults in time")
        changes = changes_of(plan, self.topology)
        marks = marks_of(changes, self.topology.n_links) if changes else None
        planes = self.planes or endpoint.planes
        set_field = object.__setattr__
        set_field(self, "faults", plan)
        set_field(self, "changes", changes)
        set_field(self, "software", endpoint)
        set_field(self, "traffic_classes", classes)
        set_field(self, "router", Router(self.topology, routing, planes, marks))
        set_field(self, "places", _places(self.topology, self.placement))
        set_field(self, "paths", PathTable(self.router, self.places))
        set_field(self, "_engine", made)

    def _options(self) -> dict[str, Any]:
        """The engine's options, the tolerance among them."""
        given = {} if self.tolerance is None else {"tolerance": self.tolerance}
        return {**given, **self.engine_options}

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process it goes without what it has found out here."""
        given = (getattr(self, name.name) for name in fields(self) if name.init)
        return type(self), tuple(given), {"spec": self.spec}

    def with_software(self, endpoint: Endpoint) -> "Fabric":
        """The same machine with another software stack: what is known of its routes is kept.

        ``endpoint``: on the same planes. The twin has no ``spec``. Raises `EndpointError` for other
        planes.
        """
        if self.planes is None and endpoint.planes != self.software.planes:
            raise EndpointError(f"{endpoint.name} uses other planes than {self.software.name}")
        twin = object.__new__(type(self))
        new: dict[str, Any] = {
            "endpoint": endpoint,
            "software": endpoint,
            "spec": None,
            "_kept": {},
        }
        vars(twin).update(vars(self) | new)
        return twin

    def simulate(
        self, steps: Iterable[Step], *, operation: str = "", size: int | None = None,
        ranks: int | None = None, told: Told | None = None,
    ) -> Timeline:  # fmt: skip
        """Simulate a schedule; returns when every transfer begins and ends, as a `Timeline`.

        ``operation``: selects the software's constants ("dispatch", "all_gather", ...); ``size``:
        the bytes by which the software chooses among its variants, see
        `fabric.endpoint.costs.Endpoint.regime`, None: the operation as it is named. ``ranks``: how
        many take part; by default the highest rank of the first steps, plus one. If it is given,
        each rank pays the software's costs of a call even if there is no step. ``told``: gets what
        has ended while a long simulation goes on, if the engine is `Watchable`, and all streams in
        the end; the answer is the same. Raises
        `ScheduleError` for a rank that has no place, `RouteError` for ranks without a path,
        `EngineError` for steps with a trait, such as a traffic class, that the engine does not
        model, `ClassError` for a class that the machine does not have, and for guarantees that it
        cannot give so many ranks (None: all places), `ArgumentError` for what is no schedule.
        """
        given = None if ranks is None else integer(ranks, "ranks", 0, len(self.places))
        moved = None if size is None else integer(size, "size", 0)
        traffic_class = self.traffic_classes.of_operation(text(operation, "operation"))
        operation = self.software.regime(operation, moved)
        if self.traffic_classes.guaranteed:
            promises(self, given)
        # Uniform steps have no traits, so there is nothing to be checked or added.
        is_uniform = isinstance(steps, UniformSteps) and not traffic_class
        mine = steps if is_uniform else self._modelled(only_steps(steps), traffic_class)
        if told is not None and isinstance(self._engine, Watchable):
            timeline = self._engine.watch(self, mine, told, operation=operation, ranks=given)
        else:
            timeline = self._engine.simulate(self, mine, operation=operation, ranks=given)
        return timeline.of_machine(self.described) if self.described else timeline

    def _modelled(self, steps: Iterable[Step], traffic_class: int) -> Iterator[Step]:
        for number, step in enumerate(steps):
            if step.traits is not NO_TRAITS and step.traits:
                label = f" ({step.label})" if step.label else ""
                self.check_traits(step.traits, f"step {number}{label}")
            if traffic_class:
                step = step.with_traits(in_class(step.traits, traffic_class, len(step)))
            yield step

    def check_traits(self, traits: Traits, where: str) -> None:
        """Raise `EngineError` if there is a trait that the engine does not model.

        And `ClassError` if there is a traffic class that the machine does not have. ``where``: who
        gives the traits, for the error.
        """
        check_traits(self.engine, self._engine, traits, where)
        self.traffic_classes.check(traits, where)

    def compile(self) -> None:
        """Have the engine compile now what it would compile at its first use.

        The first time on a host that takes up to two minutes, later a fraction of a second. For
        engines that do not say how (`fabric.engines.base.Compiles`) it is a small simulation.
        """
        if len(self.places) < 2:
            return
        if isinstance(self._engine, Compiles):
            self._engine.compile(self)
        else:
            self.simulate([Step([0, 1], [1, 0], 1)], ranks=2)

    @property
    def models(self) -> frozenset[str]:
        """What the engine models, see `fabric.engines.base.Engine.models`."""
        return self._engine.models

    def session(self, size: int) -> Session:
        """A new `Session` of the first ``size`` ranks, which enter calls one by one.

        It has the fabric's ``changes``, from its begin on, until it is cleared.

        Raises `WorldError` if there are fewer places.
        """
        if not 1 <= size <= len(self.places):
            raise WorldError(f"a world of {size} ranks; the fabric has {len(self.places)} places")
        return self.session_of(self, size)

    def session_of(self, machine: Machine, size: int) -> Session:
        """A new `Session` of the first ``size`` places of ``machine``, by the fabric's engine.

        ``machine``: this fabric, or one with more places. It has the changes of ``machine`` from
        its begin on, until it is cleared. Raises `ClassError` for guarantees that it cannot give.
        """
        if machine.traffic_classes.guaranteed:
            promises(machine, size)
        session = self._engine.session(machine, size)
        for at, what in machine.changes:
            session.change(at, what)
        return session

    @property
    def described(self) -> dict[str, Any] | None:
        """What the fabric was built from, as JSON; None if it was built from parts."""
        return None if self.spec is None else self.spec.to_json()

    def kept(self, kind: Callable[[], Kept]) -> Kept:
        """The one ``kind()`` of this fabric, made at the first call.

        A place for what other modules compute about the fabric, which is freed with it.
        """
        return cast(Kept, self._kept.setdefault(kind, kind()))


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
