"""The benchmark of one-sided accesses itself: returns values, prints nothing."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bench.background import record
from bench.memory.request import AccessBench
from bench.published.standing import Question, Standing, standing
from bench.records import Value, in_gb, over
from bench.sensitivity import Effect, effects
from collectives.workloads.background.beside import Beside
from collectives.workloads.background.session import StreamSession
from fabric.clock.accesses import AccessTerms
from fabric.clock.emulator import Emulator
from fabric.endpoint.one_sided import THERE_AND_BACK
from fabric.endpoint.presets import preset
from fabric.engines.base import Session
from fabric.fabric import Fabric
from topology.presets.catalogue import short_name
from topology.units import US


@dataclass(frozen=True, slots=True)
class AccessTimes:
    """How long all accesses of a row take: seconds until the last is over, and of one in the mean.

    ``ends``: of each access, seconds from the common begin, pair after pair. ``wall``: seconds of
    this host's clock, of real ranks; ``wrong``: bytes that are not what they must be; both None of
    a simulation.
    """

    time: float
    latency: float
    ends: tuple[float, ...]
    wall: float | None = None
    wrong: int | None = None


@dataclass(frozen=True, slots=True)
class AccessRow:
    """A row: accesses of ``blocks`` blocks of ``size`` bytes each, and how long they take.

    ``beside``: what its record says of streams beside them.
    """

    bench: AccessBench
    size: int
    blocks: int
    times: AccessTimes
    transport: str
    host_time: float
    standing: Standing
    beside: Mapping[str, Value] = field(default_factory=dict)

    @property
    def accesses(self) -> int:
        """How many accesses there are: a window of each pair."""
        return len(self.bench.pairs) * self.bench.flags.window

    @property
    def moved(self) -> int:
        """The bytes that all of them move."""
        return self.accesses * self.blocks * self.size

    @property
    def bandwidth(self) -> float | None:
        """Bytes per second of all pairs together."""
        return over(self.moved, self.times.time)

    @property
    def rate(self) -> float | None:
        """Blocks a second of all pairs together."""
        return over(self.accesses * self.blocks, self.times.time)

    def record(self) -> dict[str, Value]:
        """The row as a record; every key of a quantity ends in its unit."""
        bench, times = self.bench, self.times
        flags, machine = bench.flags, bench.machine
        return {
            "op": bench.op, "system": machine.system,
            "software": bench.software.stack(bench.operation), "ranks": flags.world,
            "pattern": flags.pattern, "local": flags.local, "remote": flags.remote,
            "distance": bench.distance, "size_bytes": self.size, "blocks": self.blocks,
            "window": flags.window, "moved_bytes": self.moved, "time_us": times.time / US,
            "latency_us": times.latency / US, "bandwidth_GBps": in_gb(self.bandwidth),
            "message_rate_Mps": None if self.rate is None else self.rate / 1e6,
            **self._on_host(), **self.standing.record(), **self.beside, "transport": self.transport,
            "engine": machine.engine, "routing": machine.routing, "wrong": times.wrong,
            "host_time_s": self.host_time,
        }  # fmt: skip

    def _on_host(self) -> Mapping[str, Value]:
        wall = self.times.wall
        if wall is None:
            return {}
        rate = over(self.accesses * self.blocks, wall)
        return {
            "wall_us": wall / US, "wall_bandwidth_GBps": in_gb(over(self.moved, wall)),
            "wall_message_rate_Mps": None if rate is None else rate / 1e6,
        }  # fmt: skip


def sweep(bench: AccessBench) -> Iterator[AccessRow]:
    """Simulate row after row."""
    for size in bench.flags.sizes():
        began = time.perf_counter()
        times = simulated(bench, size)
        times, beside = _beside(bench, size, times) if bench.streams else (times, {})
        yield replace(row(bench, size, times, "sim", time.perf_counter() - began), beside=beside)


def _beside(
    bench: AccessBench, size: int, alone: AccessTimes
) -> tuple[AccessTimes, Mapping[str, Value]]:
    """How long the accesses of a row take beside the streams, and what a record says of these."""
    made: list[StreamSession] = []

    def with_streams(session: Session) -> Session:
        made.append(
            StreamSession(
                bench.fabric, bench.streams, bench.flags.world, alone=alone.time, inner=session
            )
        )
        return made[0]

    times = simulated(bench, size, with_streams)
    return times, record(Beside(times.time, alone.time, made[0].answers(times.time)))


def row(
    bench: AccessBench, size: int, times: AccessTimes, transport: str, host_time: float
) -> AccessRow:
    """The row of a size and what was found out of it."""
    software, operation = bench.software, bench.operation
    name, regime = software.stack(operation), software.regime(operation, size)
    is_wire = software.costs(regime) == THERE_AND_BACK  # which nothing was fitted to
    stands = standing(
        Question(
            name, operation, None if is_wire else preset(name).key(regime),
            short_name(bench.machine.system), 2, size=size, distance=bench.distance,
        )
    )  # fmt: skip
    blocks = bench.flags.blocks_of(size)
    return AccessRow(bench, size, blocks, times, transport, host_time, stands)


def effects_of(bench: AccessBench, size: int) -> list[Effect]:
    """What matters to the time of a row, the largest effect first."""
    fabric = replace(bench.fabric, endpoint=bench.software)
    operation = bench.software.regime(bench.operation, size)

    def time_on(other: Fabric) -> float:
        return simulated(replace(bench, fabric=other), size).time

    return effects(fabric, (operation,), time_on)


def simulated(
    bench: AccessBench, size: int, beside: Callable[[Session], Session] | None = None
) -> AccessTimes:
    """How long the accesses of a row take, begun at one instant: as of running ranks, no bytes.

    ``beside``: as of `Emulator.with_memory`.
    """
    flags, blocks = bench.flags, bench.flags.blocks_of(size)
    emulator = Emulator(bench.fabric, flags.world)
    emulator.with_memory(beside=beside)
    number = 0
    for rank, target in bench.pairs:
        terms = AccessTerms(target, bench.op == "put", size * blocks, blocks, bench.sides)
        for _ in range(flags.window):
            emulator.access(rank, number, terms)
            number += 1
    begun = [rank for rank, _ in bench.pairs for _ in range(flags.window)]
    for rank in range(flags.world):
        emulator.end(rank)
    emulator.advance()
    ends = [emulator.finish(rank, op) or 0.0 for op, rank in enumerate(begun)]
    return AccessTimes(max(ends), sum(ends) / len(ends), tuple(ends))
