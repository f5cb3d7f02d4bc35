"""What a collective benchmark found, a row: in SI, and as a record whose keys carry units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.published.standing import Standing
from bench.records import Value, in_gb
from fabric.engines.base import Told
from fabric.timeline.value import Timeline
from topology.units import US

Shows = Callable[[Callable[[Told], Timeline], str, str], Timeline]
"""Runs what simulates, which passes on what it gets to the engine; the others are what the row is,
and the operation. `bench.view.live.simulated.SimulationPage.simulated` is one."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of a collective benchmark; SI inside.

    ``size``: bytes, nccl-tests' S. ``count``: elements, nccl-tests' count. ``time``, ``bound``:
    simulated seconds; no engine may answer less than the bound. ``algbw``, ``busbw``: bytes per
    second, None where no time was taken. ``wrong``: elements found wrong, None where nothing was
    checked. ``host_time``: seconds that this machine took to find out. ``wall``, ``wall_algbw``,
    ``wall_busbw``: of real ranks, what an operation took on this host; None of a simulation.
    ``is_chosen``: whether the library would take this algorithm; None where others are not measured
    beside it. ``standing``: what the answer stands on. ``beside``: what a record says of packets
    (`bench.packets.record`) and of streams beside the operation (`bench.background.record`).
    ``link_imbalance``: the busiest link over the mean of those beside it, None where routing is an
    even spray.
    """

    op: str
    system: str
    software: str
    transport: str
    engine: str
    routing: str
    ranks: int
    algorithm: str
    datatype: str
    redop: str
    root: int
    size: int
    count: int
    time: float
    algbw: float | None
    busbw: float | None
    bound: float | None
    bottleneck: str | None
    wrong: int | None
    host_time: float
    wall: float | None = None
    wall_algbw: float | None = None
    wall_busbw: float | None = None
    is_chosen: bool | None = None
    standing: Standing | None = None
    beside: Mapping[str, Value] = field(default_factory=dict)
    link_imbalance: float | None = None

    def record(self) -> dict[str, Value]:
        """The row as a record; every key of a quantity ends in its unit."""
        return {
            "op": self.op, "system": self.system, "software": self.software, "ranks": self.ranks,
            "size_bytes": self.size, "count": self.count, "datatype": self.datatype,
            "redop": self.redop, "root": self.root if self.root >= 0 else None,
            "algorithm": self.algorithm, **self._choice(), "time_us": self.time / US,
            "algbw_GBps": in_gb(self.algbw), "busbw_GBps": in_gb(self.busbw), **self._on_host(),
            "bound_us": None if self.bound is None else self.bound / US,
            "bottleneck": self.bottleneck, **(self.standing.record() if self.standing else {}),
            **self._uneven(), **self.beside, "transport": self.transport, "engine": self.engine,
            "routing": self.routing, "wrong": self.wrong, "host_time_s": self.host_time,
        }  # fmt: skip

    def _uneven(self) -> dict[str, Value]:
        return {} if self.link_imbalance is None else {"link_imbalance": self.link_imbalance}

    def _choice(self) -> dict[str, Value]:
        return {} if self.is_chosen is None else {"chosen": self.is_chosen}

    def _on_host(self) -> dict[str, Value]:
        if self.wall is None:
            return {}
        return {
            "wall_us": self.wall / US, "wall_algbw_GBps": in_gb(self.wall_algbw),
            "wall_busbw_GBps": in_gb(self.wall_busbw),
        }  # fmt: skip
