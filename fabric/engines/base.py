"""Engine: what says how long transfers take. Two contracts; nobody outside an engine knows more.

An `Engine` times a whole schedule at once (`Engine.simulate`), or lets ranks enter one by one while
time goes on (`Engine.session`). What crosses between it and its users are plain columns: steps or
the streams of one rank in, times out. It may work out what it likes of the `Machine` it is given.

An engine is found by its entry point of the group `ENTRY_POINTS`: a callable that takes the
engine's options by name, checks them, and returns an `Engine`. `fabric.engines.conformance` tests
one; `fabric.engines.columns`, `fabric.engines.paths` and `fabric.engines.account` give what most
engines need: flows with their costs, the resources on their paths, and the finished `Timeline`.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fabric.endpoint.costs import Endpoint
from fabric.engines.columns import RankStreams
from fabric.engines.paths import PathTable
from fabric.schedule.step import Step
from fabric.timeline.value import Timeline
from topology.errors import TriplaneError
from topology.graph import Ints, Topology
from topology.routing.router import Router

_Longs = NDArray[np.int64]

ENTRY_POINTS = "triplane.engines"

CONTENTION = "contention"
"""In `Engine.models`: transfers share the bandwidth of the links that they meet on."""

CHANGES = "changes"
"""In `Engine.models`: the machine may change while time goes on, see `Session.change`."""


class EngineError(TriplaneError):
    """There is no such engine, or it does not have what is asked of it."""


class Machine(Protocol):
    """What an engine is told of the machine that it times; a `fabric.fabric.Fabric` is one."""

    @property
    def topology(self) -> Topology:
        """What is connected."""

    @property
    def router(self) -> Router:
        """Which links a transfer takes."""

    @property
    def places(self) -> Ints:
        """int32 [places], the endpoint of the topology on which each rank sits."""

    @property
    def software(self) -> Endpoint:
        """What software costs at both ends of a transfer."""

    @property
    def paths(self) -> PathTable:
        """The paths between ranks that were found so far, as engines need them."""


class Ended(NamedTuple):
    """The rank at ``position`` of a call's group is through with its part at ``time`` (s)."""

    call: int
    position: int
    time: float


@dataclass(frozen=True, eq=False)
class LinkChange:
    """From some time on, ``links`` (int, of the topology) have so much of their bandwidth.

    ``share``: a fraction of the bandwidth in the topology; 0: they are dead, 1: as they were built.
    """

    links: _Longs
    share: float


class Session(Protocol):
    """Time that goes on while ranks enter calls and leave them.

    Times are in seconds since the session began, or since the last `clear`. Nothing may depend on
    the order of `enter` between two calls of `advance`: ranks are processes, and which of them is
    heard first is chance. So what was entered is taken in order of call, ``ready``, position. What
    was answered stays. An instance is used by one thread at a time.
    """

    def prepare(self, streams: RankStreams) -> None:
        """Check these streams, and work out what can be, before they are entered.

        That is apart from `enter`, as a rank that asks for the impossible is told when it asks, and
        not when others have come to the same call. Raises `RouteError` where two of the ranks are
        not connected.
        """

    def enter(self, call: int, ready: float, streams: RankStreams) -> None:
        """The rank at ``streams.position`` begins its first step in ``call`` when ``ready``.

        ``ready``: what the call costs its software before the first step is over by then; not
        before a time that was answered for this rank. ``call``: the same number for all ranks of
        one call; each enters once, and a transfer sets out when both of its ranks have come to its
        step. Of streams of no entries, the rank's part ends when it is ready.
        """

    def change(self, at: float, what: LinkChange) -> None:
        """The machine changes at a time that `advance` has not passed.

        Raises `EngineError` where the engine does not model `CHANGES`.
        """

    def advance(self, until: float = math.inf) -> Sequence[Ended]:
        """Go on to the next instant at which parts of ranks end, and no further: those that do.

        The instant is that of the transfers; ``time`` includes what the step costs a rank's
        software after it, and so may lie ahead. Empty where nothing ends before somebody else
        enters, or nothing moves any more by ``until``: that is taken up by the next `advance`.
        Stopping changes no answer. Raises `CallMismatch` where the transfers of a call's ranks are
        not the same at both ends.
        """

    def clear(self) -> None:
        """Forget every call and every change; time begins again at 0."""


class Engine(Protocol):
    """What an engine must do; `fabric.engines.conformance` tests one."""

    @property
    def models(self) -> frozenset[str]:
        """Of `CONTENTION` and `CHANGES`, what the engine knows of."""

    def simulate(
        self, machine: Machine, steps: Iterable[Step], *, operation: str = "",
        ranks: int | None = None,
    ) -> Timeline:  # fmt: skip
        """When every transfer of a schedule happens; arguments and errors of `Fabric.simulate`.

        The one ordering rule: a rank begins its rows of a step when it is through with its rows of
        the step before; a row sets out when both of its ranks have begun the step.
        """

    def session(self, machine: Machine, size: int) -> Session:
        """Time for calls among the machine's first ``size`` ranks, at 0 and with no calls yet."""


Make = Callable[..., Engine]
"""What an entry point of the group `ENTRY_POINTS` must be: options by name, an engine out. Raises
`EngineError` for the value of an option that cannot be."""


def engines() -> tuple[str, ...]:
    """The names of all engines that are installed."""
    return tuple(sorted(entry_points(group=ENTRY_POINTS).names))


@functools.cache  # a look for entry points reads the metadata of everything installed: 5 ms
def maker(name: str) -> Make:
    """What makes engines of that name; raises `EngineError` with the choices for an unknown one."""
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        make: Make = entry.load()
        return make
    raise EngineError(f"no engine {name!r}; there are {', '.join(engines())}")


def engine(name: str, options: Mapping[str, Any] | None = None) -> Engine:
    """A new engine of that name, with these of its options and the others as it sees fit.

    Raises `EngineError` for an unknown name or option, with the choices, and what the engine raises
    for a value that it cannot take.
    """
    make, given = maker(name), dict(options or {})
    known = tuple(inspect.signature(make).parameters)
    for option in given:
        if option not in known:
            choices = f"it has {', '.join(known)}" if known else "it has none"
            raise EngineError(f"the engine {name!r} has no option {option!r}; {choices}")
    return make(**given)
