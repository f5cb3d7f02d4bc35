"""Timeline: when everything happened, what the links carried, and what set the time."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fabric.timeline.faults import Faulted
from fabric.timeline.packets import PacketStatistics
from topology.graph import Ints, Topology
from topology.routing.router import Router
from topology.units import US

_Floats = NDArray[np.float64]
_Longs = NDArray[np.int64]

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What sets the lower bound: ``kind`` is link, limit, latency or endpoint.

    ``time``: seconds of the bound that it accounts for; ``share``: that over the duration.
    """

    kind: str
    name: str
    time: float
    share: float

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.time / US:.4g} us, {self.share:.0%}"


class RowColumn:
    """A column over rows that may be given as a function, which makes it when it is first read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __set__(self, timeline: Any, value: "NDArray[Any] | Callable[[], NDArray[Any]]") -> None:
        timeline.__dict__[self._name] = value

    def __get__(self, timeline: Any, owner: type) -> NDArray[Any]:
        value: Any = timeline.__dict__[self._name]
        if callable(value):
            value = timeline.__dict__[self._name] = value()
        column: NDArray[Any] = value
        return column


ROW_COLUMNS = ("src", "dst", "size", "step", "start", "finish")
"""The columns of a `Timeline` that are over its rows."""


def _with_row_columns(made: type[Made]) -> type[Made]:
    for name in ROW_COLUMNS:
        setattr(made, name, RowColumn(name))
    return made


@_with_row_columns
@dataclass(frozen=True, eq=False)
class Timeline:
    """The result of a simulation.

    - ``src``, ``dst``, ``size``, ``step``: int64 [rows], the schedule's rows in order.
    - ``start``, ``finish``: float64 [rows], seconds: when it began, when its last byte arrived.
      Where uniform traffic was timed by classes, these six are made when one is first read, which
      raises `ScheduleError` if they are too many.
    - ``rank_finish``: float64 [ranks]; ``duration``: the last of them.
    - ``bound``: seconds, the closed form that no engine can beat; ``bottleneck``: what sets it.
    - ``machine``: what the fabric was built from, as JSON; `fabric.machine.MachineSpec.from_json`
      takes it. None if that is not known.
    - ``labels``: a text for each step. ``resource_bytes``: float64 [resources of ``router``].
    - ``places``: int32, the endpoint of ``topology`` that each rank sits on; there may be more.
    - ``packets``: how packets fared, if an engine of packets was asked for it; else None.
    - ``software``, ``operation``: what times it; ``title``: what pictures and files call it.
    - ``faulted``: what faults in time did; None where the machine had none. Where it has some,
      ``bound`` is that of the machine as built, and never above the duration.
    """

    src: _Longs
    dst: _Longs
    size: _Longs
    step: _Longs
    start: _Floats
    finish: _Floats
    rank_finish: _Floats
    bound: float
    bottleneck: Bottleneck
    labels: tuple[str, ...]
    resource_bytes: _Floats
    router: Router
    places: Ints
    software: str = ""
    operation: str = ""
    title: str = ""
    machine: Mapping[str, Any] | None = None
    faulted: Faulted | None = None
    packets: PacketStatistics | None = None

    @property
    def topology(self) -> Topology:
        """The topology on which the timeline was simulated."""
        return self.router.topology

    @property
    def ranks(self) -> int:
        """Number of ranks that took part."""
        return len(self.rank_finish)

    @property
    def of_classes(self) -> bool:
        """True if uniform traffic was timed by classes, and its rows have not been read yet."""
        return callable(self.__dict__["src"])

    @property
    def duration(self) -> float:
        """Seconds until the last rank has finished."""
        return float(self.rank_finish.max(initial=0.0))

    @property
    def link_id(self) -> _Longs:
        """int64 [links of the topology]: the id of each row of `link_bytes` and `link_busy`.

        Faults do not change the ids, so the answers of a machine with and without faults can be
        laid side by side; see `topology.graph.Topology`.
        """
        return self.topology.link_id

    @cached_property
    def link_bytes(self) -> _Floats:
        """Bytes that each physical link carried: float64 [links of the topology]."""
        resource = self.router.link_resource
        used = resource >= 0
        alike = np.bincount(resource[used], minlength=len(self.resource_bytes))
        carried = np.zeros(len(resource))
        carried[used] = (self.resource_bytes / np.maximum(alike, 1))[resource[used]]
        return carried

    @cached_property
    def link_busy(self) -> _Floats:
        """Seconds that each link needs for its bytes at full speed: float64 [links]."""
        return self.link_bytes / self.router.topology.link_bandwidth

    @cached_property
    def link_imbalance(self) -> float | None:
        """The time that the busiest link needs for its bytes, over the mean of those beside it.

        Beside it are the links that even spray would load alike. None where the routing is an even
        spray.
        """
        from fabric.timeline.imbalance import is_even, link_imbalance

        return None if is_even(self) else link_imbalance(self)

    def of_machine(self, described: Mapping[str, Any]) -> "Timeline":
        """The same timeline with this description of the ``machine``."""
        return self._but(machine=described)

    def bounded(self, bound: float) -> "Timeline":
        """The same timeline with this ``bound``, in seconds."""
        return self._but(bound=bound)

    def _but(self, **fields: Any) -> "Timeline":
        """The same timeline with other ``fields``; columns that nobody has read stay unmade."""
        made = copy.copy(self)
        for name, value in fields.items():
            object.__setattr__(made, name, value)
        return made

    def with_faults(self, faulted: Faulted, resource_bytes: _Floats) -> "Timeline":
        """The timeline with what faults did, and the bytes that resources carried in spite of it.

        On other ways than as built, a schedule may be faster than its bound as built.
        """
        bound = min(self.bound, self.duration)
        return replace(self, faulted=faulted, resource_bytes=resource_bytes, bound=bound)

    def _repr_html_(self) -> str:
        from fabric.timeline.summary import as_html

        return as_html(self)

    def save(self, path: str | Path) -> None:
        """Write the timeline to a ``.npz`` file, with its topology; raises `OSError`."""
        from fabric.timeline.file import save

        save(self, path)

    @staticmethod
    def load(path: str | Path) -> "Timeline":
        """The timeline in a file that `save` wrote; raises `TimelineError` naming the fault."""
        from fabric.timeline.file import read

        made = read(path)
        return Timeline(**made | {"bottleneck": Bottleneck(*made["bottleneck"])})

    def to_perfetto(self, path: str | Path) -> None:
        """Write a trace for ui.perfetto.dev to ``path``; raises `TraceError`."""
        from fabric.timeline.perfetto.simulated import write

        write(self, path)
