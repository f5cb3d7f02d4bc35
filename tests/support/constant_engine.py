"""An engine in a few lines: every transfer takes a latency and its bytes over one bandwidth.

Of which transfers of traffic class n get the part 1/(1 + n).

Transfers do not contend. Its entry point lies in tests/support/engines, which tests put on the path
of modules, also for the processes that they start; nothing else knows of it.
"""

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from fabric import Step, Timeline
from fabric.endpoint.costs import Costs
from fabric.engines.account import Account
from fabric.engines.base import CLASSES, Ended, EngineError, LinkChange, Machine
from fabric.engines.columns import RankStreams, Streams, batches
from fabric.failure import CallMismatch
from topology.arguments import number
from topology.units import GB, US

HERE = Path(__file__).parent / "engines"
ROOT = Path(__file__).parents[2]


@contextmanager
def installed() -> Iterator[None]:
    """As if it were installed, here and in processes started meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        paths = [str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        yield


class Constant:
    """``latency``: seconds of every transfer; ``bandwidth``: bytes per second of each."""

    models = frozenset({CLASSES})

    def __init__(self, latency: float = 10 * US, bandwidth: float = 1 * GB) -> None:
        self.latency, self.bandwidth = number(latency, "latency"), number(bandwidth, "bandwidth")
        if self.latency < 0 or not self.bandwidth > 0:
            raise EngineError(f"{latency} s and {bandwidth} bytes/s make no transfer")

    def simulate(
        self, machine: Machine, steps: Iterable[Step], *, operation: str = "",
        ranks: int | None = None,
    ) -> Timeline:  # fmt: skip
        account = Account(machine, operation, ranks)
        ready, starts, finishes = np.zeros(len(machine.places)), [], []
        for number_, batch in enumerate(batches(steps, len(machine.places), empty=bool(ranks))):
            account.open(batch)
            if not number_:
                ready += account.begin
            account.count(batch.streams, account.load(batch.streams))
            start, finish = self._times(batch.streams, ready, account.costs)
            starts.append(start)
            finishes.append(finish)
        return account.timeline(starts, finishes, ready)

    def session(self, machine: Machine, size: int) -> "ConstantSession":
        return ConstantSession(self, machine)

    def takes(self, streams: Streams) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        moves = streams.src != streams.dst
        bandwidth = self.bandwidth / (1 + streams.trait(CLASSES))
        return np.where(moves, self.latency + streams.size / bandwidth, 0.0)

    def _times(
        self, streams: Streams, ready: "np.ndarray[tuple[int], np.dtype[np.float64]]", costs: Costs
    ) -> tuple[
        "np.ndarray[tuple[int], np.dtype[np.float64]]",
        "np.ndarray[tuple[int], np.dtype[np.float64]]",
    ]:
        """When each begins and ends; ``ready`` is moved on."""
        start, takes = np.zeros(len(streams)), self.takes(streams)
        for step in np.unique(streams.step):
            rows = np.flatnonzero(streams.step == step)
            src, dst = streams.src[rows], streams.dst[rows]
            start[rows] = np.maximum(ready[src], ready[dst])
            for rank, end in ((src, start[rows] + takes[rows]), (dst, start[rows] + takes[rows])):
                np.maximum.at(ready, rank, end)
            np.add.at(ready, src, costs.per_message * streams.messages[rows])
            np.add.at(ready, dst, costs.per_byte * streams.size[rows])
        return start, start + takes


@dataclass
class _Part:
    """A rank in a call: its streams in order, how many are over, and since when it is ready."""

    streams: RankStreams
    ready: float
    steps: list[int]
    transfers: dict[tuple[int, ...], tuple[float, float, float]]  # bytes, time, cost
    told: bool = False


@dataclass
class _Call:
    parts: dict[int, _Part] = field(default_factory=dict)


class ConstantSession:
    def __init__(self, engine: Constant, machine: Machine) -> None:
        self._engine, self._machine = engine, machine
        self._calls: dict[int, _Call] = {}

    def prepare(self, streams: RankStreams) -> None:
        world = streams.of_world()
        self._machine.paths.of(world.src, world.dst)  # raises where there is none

    def enter(self, call: int, ready: float, streams: RankStreams) -> None:
        columns, costs = streams.streams, self._machine.software.costs(streams.operation)
        mine = np.where(columns.src == streams.position, columns.messages * costs.per_message, 0.0)
        cost = mine + np.where(columns.dst == streams.position, columns.size * costs.per_byte, 0.0)
        named = (columns.step, columns.src, columns.dst, columns.trait(CLASSES))
        keys = zip(*(column.tolist() for column in named), strict=True)
        values = (columns.size.tolist(), self._engine.takes(columns).tolist(), cost.tolist())
        transfers = dict(zip(keys, zip(*values, strict=True), strict=True))
        steps = sorted(set(columns.step.tolist()))
        parts = self._calls.setdefault(call, _Call()).parts
        parts[streams.position] = _Part(streams, ready, steps, transfers)

    def change(self, at: float, what: LinkChange) -> None:
        raise EngineError("the engine constant knows of no changes in time")

    def clear(self) -> None:
        self._calls.clear()

    def advance(self, until: float = math.inf) -> list[Ended]:
        ends = sorted(end for call in self._calls for end in self._ends(call))
        first = min((end.time for end in ends), default=math.inf)
        if first > until:
            return []
        found = [end for end in ends if end.time == first]
        for call, position, _ in found:
            self._calls[call].parts[position].told = True
        return found

    def _ends(self, call: int) -> Iterator[Ended]:
        """The parts that are over, and not told, as far as those that entered let them go."""
        parts = self._calls[call].parts
        while any(self._step(parts, at) for at in sorted(parts)):
            continue
        for position, part in parts.items():
            if not part.steps and not part.told:
                yield Ended(call, position, part.ready)

    def _step(self, parts: dict[int, _Part], at: int) -> bool:
        """Rank ``at`` and those it meets do the first of its steps, if they all can."""
        if not parts[at].steps:
            return False
        step, together = parts[at].steps[0], {at}
        while True:
            met = {
                peer
                for rank in together
                for n, src, dst, _ in parts[rank].transfers
                if n == step
                for peer in (src, dst)
            }
            if met == together:
                break
            if any(peer not in parts for peer in met):
                return False
            self._compare(parts, met, step)
            if any(parts[peer].steps[:1] != [step] for peer in met):
                return False
            together = met
        self._do(parts, together, step)
        return True

    @staticmethod
    def _compare(parts: dict[int, _Part], ranks: set[int], step: int) -> None:
        for rank in ranks:
            for key, (size, _, _) in parts[rank].transfers.items():
                n, src, dst, _ = key
                other = parts.get(dst if rank == src else src)
                if n == step and other and other.transfers.get(key, (None,))[0] != size:
                    raise CallMismatch(f"{size:.0f} bytes from {src} to {dst} in step {n} differ")

    @staticmethod
    def _do(parts: dict[int, _Part], ranks: set[int], step: int) -> None:
        ready = {rank: parts[rank].ready for rank in ranks}
        for rank in ranks:
            part = parts[rank]
            mine = [(key, value) for key, value in part.transfers.items() if key[0] == step]
            ends = [max(ready[src], ready[dst]) + time for (_, src, dst, _), (_, time, _) in mine]
            part.ready = max(ends) + sum(cost for _, (_, _, cost) in mine)
            del part.steps[0]
