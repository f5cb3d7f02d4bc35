"""What can be said of a schedule without an engine, and the finished `Timeline`.

The bytes of every link follow from the routes; the least time, and what sets it, from the closed
forms of `fabric.engines.bounds`. So an engine only finds when each stream begins and ends.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.classes.table import TRAIT
from fabric.engines import in_switch
from fabric.engines.bounds import PAIR, Chain, Columns, extend, make_chain
from fabric.engines.columns import Batch, BatchRows, Streams, batches
from fabric.engines.paths import FlowLoads, carry, class_limits, load
from fabric.schedule.step import ScheduleError, Step
from fabric.timeline.value import Bottleneck, Timeline

if TYPE_CHECKING:
    from fabric.engines.base import Machine

_Ints = NDArray[np.int32]
_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]

_ROWS = 1 << 14  # rows between two looks at whether a bound is enough


class Loaded(NamedTuple):
    """Streams with their paths; ``path``: int32, the number of each in the machine's table."""

    path: _Ints
    loads: FlowLoads


class Account:
    """The account of a schedule of ``operation`` on ``machine``, batch by batch.

    ``ranks``: how many take part, None: as many as the first batch names. ``begin``: seconds that
    the call costs before its first step, known after the first batch. ``capacity``: float64
    [resources, then one initiator a place, then the places in each class with a rate limit], bytes
    per second that the software gets to use.
    """

    def __init__(self, machine: "Machine", operation: str, ranks: int | None) -> None:
        self.machine, self.operation, self.given, self.ranks = machine, operation, ranks, ranks or 0
        self.costs, places = machine.software.costs(operation), len(machine.places)
        limits = np.full(places, self.costs.initiator_bandwidth)
        paths = machine.paths
        self._limited = machine.traffic_classes.limited
        self.capacity = np.concatenate([
            paths.usable(paths.share(self.costs)), limits,
            class_limits(machine.traffic_classes, places),
        ])  # fmt: skip
        self.begin = 0.0
        self.batches: list[BatchRows] = []
        self._chain: Chain = make_chain(places)
        self._carried, self._least_latency = np.zeros(len(self.capacity)), np.inf

    def open(self, batch: Batch) -> None:
        """Begin the next batch; raises `ScheduleError` for ranks beyond those that take part."""
        rows = batch.rows
        seen = int(max(rows.src.max(initial=-1), rows.dst.max(initial=-1))) + 1
        if not self.batches:
            self.begin = self.costs.start(self.given or seen)
        self.ranks = max(self.ranks, seen)
        if self.given is not None and seen > self.given:
            raise ScheduleError(f"a step names rank {seen - 1}, but there are {self.given} ranks")
        self.batches.append(rows)

    def load(self, streams: Streams, old: int = 0, *, forget: bool = False) -> Loaded:
        """The paths of ``streams``, and what they load and cost; raises `RouteError`.

        Counts the bytes of links, but of the first ``old`` streams, of which that has been done.
        ``forget``: do not keep more paths than the router has to.
        """
        paths, classes = self.machine.paths, self.machine.traffic_classes
        path = paths.of(streams.src, streams.dst)
        if in_switch.asked(streams):
            loads = load(streams, path, paths.binding(), paths.ways(classes), self.costs)
            return Loaded(path, loads)
        self._count_links(streams.after(old), path[old:])
        bound, ways = paths.binding(), paths.ways(classes)
        if forget and paths.forget():
            ways = ways.without_table()
        return Loaded(path, load(streams, path, bound, ways, self.costs))

    def count(self, streams: Streams, loaded: Loaded, old: int = 0) -> None:
        """Add ``streams`` to the account, of which the first ``old`` have been counted before."""
        new, loads = slice(old, None), loaded.loads
        streams = streams.after(old)
        least = extend(self._chain, Columns(
            streams.step, streams.src, streams.dst, loads.src_cost[new], loads.dst_cost[new],
            loads.latency[new], streams.size, loads.limit[new], loads.limits,
            loads.entries[old:], loads.resource, loads.weight,
        ), self.capacity)  # fmt: skip
        if in_switch.asked(streams):
            self._count_in_switch(streams, loads, old)
        else:
            self._least_latency = min(self._least_latency, least)

    def _count_links(self, streams: Streams, path: _Ints) -> None:
        """Count what links carry on these paths, and what ranks send."""
        router = self.machine.router
        table, n = router.table, len(router.capacity)
        carry(self._carried, path, streams.size, table.begin, table.resource, table.weight)
        if self.costs.initiator_bandwidth < np.inf:
            leaves = router.leaves_package[path]
            self._sent(n, streams, leaves)
        for k, one in enumerate(self._limited, 1):
            mine = (streams.trait(TRAIT) == one.number) & (streams.src != streams.dst)
            self._sent(n + k * len(self.machine.places), streams, mine)

    def _sent(self, first: int, streams: Streams, which: NDArray[np.bool_]) -> None:
        """Count what ranks send in the streams selected by ``which``, from resource ``first``."""
        places = len(self.machine.places)
        self._carried[first : first + places] += np.bincount(
            streams.src[which], streams.size[which], places
        )

    def _count_in_switch(self, streams: Streams, loads: FlowLoads, old: int) -> None:
        """Count the bytes of streams for which switches do something: they load what they say."""
        entries = loads.entries[old:]
        size = np.repeat(streams.size, np.diff(entries))
        loaded = slice(entries[0], entries[-1])
        self._carried += np.bincount(
            loads.resource[loaded], size * loads.weight[loaded], len(self._carried)
        )
        moving = (streams.size > 0) & (np.diff(entries) > 0)
        self._least_latency = min(
            self._least_latency, loads.latency[old:][moving].min(initial=np.inf)
        )

    def bound(self) -> float:
        """The seconds that the schedule takes at least, as far as it was counted."""
        alone, (_, shared) = float(self._alone().max(initial=0.0)), self._shared()
        return self.begin + (max(alone, self._least_latency + shared) if shared > 0 else alone)

    def timeline(
        self, start: Sequence[_Floats], finish: Sequence[_Floats], rank_finish: _Floats
    ) -> Timeline:
        """The finished `Timeline`, from when the streams of each batch begin and end, in seconds.

        ``rank_finish``: float64 [places], when ranks have ended; only those that take part are
        used.
        """
        streams = [batch.stream for batch in self.batches]
        columns = {
            "src": _rows((b.src for b in self.batches), np.int64),
            "dst": _rows((b.dst for b in self.batches), np.int64),
            "size": _rows((b.size for b in self.batches), np.int64),
            "step": _rows((b.step for b in self.batches), np.int64),
            "start": _rows(map(_of_rows, start, streams), np.float64),
            "finish": _rows(map(_of_rows, finish, streams), np.float64),
        }
        labels = tuple(label for batch in self.batches for label in batch.labels)
        return self.answered(columns, rank_finish, labels)

    def answered(
        self, columns: Mapping[str, Any], rank_finish: _Floats, labels: tuple[str, ...]
    ) -> Timeline:
        """The `Timeline` of ``columns`` over rows, by name; the rest as in `timeline`.

        ``labels``: of each step.
        """
        bound, bottleneck = self._bottleneck(float(rank_finish.max(initial=0.0)))
        router, machine = self.machine.router, self.machine
        return Timeline(
            **columns, rank_finish=rank_finish[: self.ranks], bound=bound, bottleneck=bottleneck,
            labels=labels, resource_bytes=self._carried[: len(router.capacity)], router=router,
            places=machine.places, software=machine.software.stack(self.operation),
            operation=self.operation,
        )  # fmt: skip

    def know(
        self, ranks: _Longs, wire: _Floats, latency: _Floats, setter: _Longs, cost: _Floats,
        carried: _Floats, least: float,
    ) -> None:  # fmt: skip
        """Take what was counted elsewhere, of ``ranks`` that all others are like.

        ``wire``, ``latency``: seconds of each step that each of them needs, [steps, ranks];
        ``setter``: what sets ``wire``; ``cost``: seconds of its software; ``carried``: bytes of
        each of `capacity`; ``least``: the least latency of a transfer.
        """
        chain = self._chain
        chain.wire[ranks], chain.latency[ranks] = wire.sum(0), latency.sum(0)
        chain.cost[ranks] = cost
        for number, rank in enumerate(ranks.tolist()):
            causes, which = np.unique(setter[:, number], return_inverse=True)
            votes = np.bincount(which, wire[:, number])
            if len(votes):
                chain.setter[rank, 0] = causes[votes.argmax()]
                chain.votes[rank, 0] = votes.max()
        self._carried, self._least_latency = carried, least

    def _alone(self) -> _Floats:
        """Seconds that each rank's own steps take at least."""
        total: _Floats = self._chain.wire + self._chain.latency + self._chain.cost
        return total

    def _shared(self) -> tuple[int, float]:
        """The resource that needs longest for its bytes, and how long (s)."""
        times = np.divide(self._carried, self.capacity)
        resource = int(times.argmax()) if len(times) else 0
        return resource, float(times[resource]) if len(times) else 0.0

    def _bottleneck(self, duration: float) -> tuple[float, Bottleneck]:
        """The bound, and what sets it."""
        chain, total = self._chain, self._alone()
        rank = int(total.argmax())
        resource, shared = self._shared()
        if shared > 0 and shared + self._least_latency > total[rank]:
            bound = self.begin + self._least_latency + shared
            return bound, self._named(resource, shared, duration)
        bound = self.begin + float(total[rank])
        parts = {
            int(chain.setter[rank, chain.votes[rank].argmax()]): float(chain.wire[rank]),
            _LATENCY: float(chain.latency[rank]), _COST: float(chain.cost[rank]) + self.begin,
        }  # fmt: skip
        cause = max(parts, key=lambda part: parts[part])
        return bound, self._named(cause, parts[cause], duration, rank)

    def _named(self, cause: int, time: float, duration: float, rank: int = 0) -> Bottleneck:
        share = time / duration if duration > 0 else 0.0
        n = len(self.machine.router.capacity)
        software = self.machine.software.stack(self.operation)
        if cause >= n + len(self.machine.places):
            which, rank = divmod(cause - n, len(self.machine.places))
            name = f"of rank {rank} in traffic class {self._limited[which - 1].name}"
            return Bottleneck("limit", name, time, share)
        if cause >= n:
            name = f"of rank {cause - n} as initiator ({software})"
            return Bottleneck("limit", name, time, share)
        if cause >= 0:
            return Bottleneck("link", self.machine.router.name(cause), time, share)
        kind, name = {
            PAIR: ("limit", f"of one pair ({software})"),
            _LATENCY: ("latency", f"of rank {rank}'s steps"),
            _COST: ("endpoint", f"cost of {software} at rank {rank}"),
        }[cause]
        return Bottleneck(kind, name, time, share)


_LATENCY, _COST = -2, -3  # causes beside the resources and `PAIR`


def least(
    machine: "Machine", steps: Iterable[Step], ranks: int, *, operation: str = "",
    size: int | None = None, above: float = math.inf,
) -> float:  # fmt: skip
    """A lower bound of a schedule's time in seconds; stops early with a bound above ``above``.

    ``ranks``, ``operation``, ``size``: as in `Fabric.simulate`, whose duration is never less. It
    serves to compare schedules, most of which then need no simulation; for a simulated one see
    `Timeline.bound`.
    """
    account, time = Account(machine, machine.software.regime(operation, size), ranks), 0.0
    for batch in batches(steps, len(machine.places), _ROWS):
        account.open(batch)
        account.count(batch.streams, account.load(batch.streams))
        time = account.bound()
        if time > above:
            break
    return time


def _rows(columns: Iterable[NDArray[Any]], empty: type) -> NDArray[Any]:
    parts = list(columns)
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, empty), *parts])


def _of_rows(times: _Floats, stream: _Longs) -> _Floats:
    """The times of each row's stream; rows that are a stream each are so in order."""
    return times if len(times) == len(stream) else times[stream]
