"""The interface of engines, which say how long transfers take.

There are two contracts, and nothing outside an engine depends on more. An `Engine` times a whole
schedule at once (`Engine.simulate`), or lets ranks enter one by one while time goes on
(`Engine.session`). What crosses between it and its users are plain columns: steps or the streams of
one rank in, times out. It may compute what it likes from the `Machine` it is given.

An engine is found by its entry point of the group `ENTRY_POINTS`: a callable that takes the
engine's options by name, checks them, and returns an `Engine`. `fabric.engines.conformance` tests
one; `fabric.engines.columns`, `fabric.engines.paths` and `fabric.engines.account` give what most
engines need: flows with their costs, the resources on their paths, and the finished `Timeline`.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fabric.classes.table import TRAIT, TrafficClasses
from fabric.endpoint.costs import Endpoint
from fabric.engines.columns import RankStreams
from fabric.engines.paths import PathTable
from fabric.faults.changes import LinkChange as LinkChange
from fabric.faults.changes import TimedChange
from fabric.schedule.step import Step
from fabric.schedule.traits import Traits
from fabric.timeline.value import Timeline
from topology.errors import TriplaneError
from topology.graph import Ints, Topology
from topology.routing.router import Router

ENTRY_POINTS = "triplane.engines"

CONTENTION = "contention"
"""In `Engine.models`: transfers share the bandwidth of the links that they meet on."""

CHANGES = "changes"
"""In `Engine.models`: the machine may change while time goes on, see `Session.change`."""

CLASSES = TRAIT
"""In `Engine.models`: streams are treated by their traffic class, `Streams.trait`."""


GUARANTEES = "guarantees"
"""In `Engine.models`: classes get what they are promised, see `fabric.engines.guarantees`."""

PACKET_HASH = "packet-hash"
"""In `Engine.models`: it has an answer to `topology.routing.policies.PerPacketHash`."""


class EngineError(TriplaneError):
    """There is no such engine, or it cannot do what is asked of it."""


class Machine(Protocol):
    """What an engine knows of the machine that it times; a `fabric.fabric.Fabric` is one."""

    @property
    def topology(self) -> Topology:
        """The topology of the machine."""

    @property
    def router(self) -> Router:
        """The router that says which links a transfer takes."""

    @property
    def places(self) -> Ints:
        """The endpoint of the topology on which each rank sits: int32 [places]."""

    @property
    def software(self) -> Endpoint:
        """The costs of software at both ends of a transfer."""

    @property
    def traffic_classes(self) -> TrafficClasses:
        """Its traffic classes; no number of a class reaches an engine that is not among them."""

    @property
    def changes(self) -> Sequence[TimedChange]:
        """What changes of it while time goes on, in order of time; see `Engine.simulate`."""

    @property
    def paths(self) -> PathTable:
        """The table of the paths between ranks that were found so far."""


class Ended(NamedTuple):
    """The part of the rank at ``position`` of a call's group has ended at ``time``, in seconds."""

    call: int
    position: int
    time: float


class Session(Protocol):
    """Emulated time that advances while ranks enter calls and end their parts.

    Times are in seconds since the session began, or since the last `clear`. Nothing may depend on
    the order of `enter` between two calls of `advance`: ranks are processes, and whose message
    arrives first is chance. So what was entered is taken in order of call, ``ready``, position.
    Answers are never taken back. An instance is used by one thread at a time.
    """

    def prepare(self, streams: RankStreams) -> None:
        """Check ``streams``, and compute what can be computed before they are entered.

        It is apart from `enter` so that a rank that asks for the impossible gets its error at once,
        and not when others join the same call. Raises `RouteError` if two of the ranks are
        not connected.
        """

    def enter(self, call: int, ready: float, streams: RankStreams) -> None:
        """The rank at ``streams.position`` begins its first step in ``call`` at ``ready``, seconds.

        ``ready``: the time after what the call costs its software before the first step; not before
        a time that was answered for this rank. ``call``: the same number for all ranks of one call;
        each enters once, and a transfer sets out when both of its ranks have reached its step.
        Without any streams, the rank's part ends when it is ready.
        """

    def change(self, at: float, what: LinkChange) -> None:
        """Change the machine at time ``at``, in seconds, which `advance` has not passed yet.

        From then on `advance` raises `RouteError` if a transfer has to move between two ranks that
        nothing connects any more, as far as routes know. Changes of one time happen in the order
        in which they are given. Raises `EngineError` if the engine does not model `CHANGES`, or
        for a time that has passed.
        """

    def advance(self, until: float = math.inf) -> Sequence[Ended]:
        """Go on to the next instant at which parts of ranks end, and no further.

        Returns those that end.

        The instant is that of the transfers; ``time`` includes what the step costs a rank's
        software after it, and so may lie ahead. Empty if nothing ends before some rank enters, or
        nothing moves any more by ``until``, in seconds: the next `advance` continues from there.
        Stopping changes no answer. Raises `CallMismatch` if the transfers of a call's ranks are not
        the same at both ends.
        """

    def clear(self) -> None:
        """Forget every call and every change; time begins again at 0."""


class Engine(Protocol):
    """What an engine must do; `fabric.engines.conformance` tests one."""

    @property
    def models(self) -> frozenset[str]:
        """Which of `CONTENTION`, `CHANGES`, `GUARANTEES` and `PACKET_HASH` it models, and traits.

        Traits by name (`fabric.schedule.traits.TRAITS`), such as `CLASSES`. Others never reach the
        engine, see `check_traits`.
        """

    def simulate(
        self, machine: Machine, steps: Iterable[Step], *, operation: str = "",
        ranks: int | None = None,
    ) -> Timeline:  # fmt: skip
        """Simulate a schedule; returns when every transfer begins and ends, as a `Timeline`.

        Arguments and errors are those of `Fabric.simulate`. The one ordering rule: a rank begins
        its rows of a step when its rows of the step before have ended; a row sets out when both of
        its ranks have begun the step. The machine's ``changes`` count from the schedule's begin;
        a machine that has some is given only to engines that model `CHANGES`.
        """

    def session(self, machine: Machine, size: int) -> Session:
        """A new `Session` of the machine's first ``size`` ranks, at time 0, without calls.

        The machine is as built: of its ``changes`` the session knows those that it is given.
        """


class EndedTransfers(NamedTuple):
    """Transfers of a simulation that have ended, as columns; a row is a transfer.

    ``src``, ``dst``: ranks; ``size``: float64, bytes; ``step``: of the schedule; ``start``,
    ``finish``: float64, seconds since it began.
    """

    src: NDArray[np.signedinteger[Any]]
    dst: NDArray[np.signedinteger[Any]]
    size: NDArray[np.float64]
    step: NDArray[np.int64]
    start: NDArray[np.float64]
    finish: NDArray[np.float64]


Told = Callable[[EndedTransfers], None]
"""Gets transfers as they end, each once, in no order."""


@runtime_checkable
class Watchable(Protocol):
    """What an `Engine` has, too, if it can tell of a long simulation while it goes on."""

    def watch(
        self, machine: Machine, steps: Iterable[Step], told: Told, *, operation: str = "",
        ranks: int | None = None,
    ) -> Timeline:  # fmt: skip
        """Simulate a schedule, with the same answer; see `Engine.simulate`.

        ``told``: is called now and then on the way with what has ended; with everything, or, where
        the engine does not look at transfers one by one, never.
        """


@runtime_checkable
class Compiles(Protocol):
    """What an `Engine` has, too, if it compiles its loops when they are first used."""

    def compile(self, machine: Machine) -> None:
        """Compile now all that simulations of ``machine`` and its sessions use, or load it.

        ``machine`` has two places or more.
        """


def check_traits(name: str, engine: Engine, traits: Traits, where: str) -> None:
    """Raise `EngineError` if there is a trait that ``engine``, called ``name``, does not read.

    It would treat transfers alike of which a program says that they differ. ``where``: who gives
    the traits, for the error.
    """
    for trait, column in traits.columns.items():
        if trait not in engine.models:
            raise EngineError(
                f"{where} has {trait} {column[column != 0][0]}, which the engine {name} does not"
                " model: it would treat all transfers alike"
            )


Make = Callable[..., Engine]
"""What an entry point of the group `ENTRY_POINTS` must be: options by name, an engine out. Raises
`EngineError` for the value of an option that cannot be."""


def engines() -> tuple[str, ...]:
    """The names of all engines that are installed."""
    return tuple(sorted(entry_points(group=ENTRY_POINTS).names))


@functools.cache  # a look for entry points reads the metadata of everything installed: 5 ms
def maker(name: str) -> Make:
    """The callable that makes engines called ``name``; raises `EngineError` for an unknown one.

    The message has the choices.
    """
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        make: Make = entry.load()
        return make
    raise EngineError(f"no engine {name!r}; there are {', '.join(engines())}")


def engine(name: str, options: Mapping[str, Any] | None = None) -> Engine:
    """A new engine called ``name``, with the given ``options`` and its defaults for the others.

    Raises `EngineError` for an unknown name or option, with the choices, and what the engine raises
    for a value that it does not take.
    """
    make, given = maker(name), dict(options or {})
    known = tuple(inspect.signature(make).parameters)
    for option in given:
        if option not in known:
            choices = f"it has {', '.join(known)}" if known else "it has none"
            raise EngineError(f"the engine {name!r} has no option {option!r}; {choices}")
    return make(**given)
