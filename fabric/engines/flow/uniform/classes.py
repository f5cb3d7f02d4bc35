"""Uniform traffic timed by what differs: the rows of one rank of each orbit stand for all.

Where turns of the ranks (`topology.routing.turns`) leave the machine and an exchange as they are,
transfers that they take to each other have one rate at all times, since max-min fair rates are
unique; and so have the resources that they load. So there is one flow for all transfers that load
as many resources of each orbit by as much, and one resource for an orbit, which each flow loads as
its transfers together load one of the orbit. These few flows go through the same events as rows do.
The answer is that of the rows with a tolerance of 0, but for rounding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabric.engines.account import Account
from fabric.engines.base import Machine
from fabric.engines.columns import Streams
from fabric.engines.flow import events, in_flight, uncontended
from fabric.engines.flow.uniform.counted import ExampleRows, count
from fabric.engines.flow.uniform.merging import classes, summed
from fabric.engines.flow.uniform.rows import RowsOfClasses
from fabric.engines.paths import Binding, FlowLoads, load
from fabric.schedule.step import ScheduleError
from fabric.schedule.uniform import GroupExchange, UniformSteps
from fabric.timeline.value import Timeline
from topology.routing.turns import Turned

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

FEWEST_ROWS = 1 << 20
"""Rows of a schedule above which it is timed by classes where that is possible."""

MOST_ROWS = 1 << 25
"""Rows of a uniform schedule at most where ranks are not alike: some 12 GB."""

MOST_EXAMPLES = 1 << 22
"""Rows of the ranks that all others are like at most: some 2 GB."""

_TOGETHER = 1e-12  # how close events lie that rounding alone keeps apart, of a flow's time


def timed(
    machine: Machine, steps: UniformSteps, operation: str, ranks: int | None, share: float,
    *, alike: int = 8,
) -> Timeline | None:  # fmt: skip
    """The `Timeline` of uniform steps by classes of transfers; None where ranks are not alike.

    ``share``: as in `events.run`; ``alike``: how many ranks have to be alike at least. Raises
    `ScheduleError` where they are not, and rows are too many.
    """
    every = steps.exchanges[0].ranks
    is_alike = not machine.traffic_classes and not machine.changes
    is_fit = is_alike and ranks in (None, every) and every <= len(machine.places)
    in_turn = any(one.in_turn for one in steps.exchanges)
    found = machine.paths.turned(every, _marks(steps.exchanges), in_turn) if is_fit else None
    times = 1 if found is None else found.times
    if found is not None and times >= alike and steps.rows // times <= MOST_EXAMPLES:
        return _Classes(machine, steps, operation, found).timeline(share)
    if steps.rows > MOST_ROWS:
        raise ScheduleError(
            f"{steps.rows:,} transfers between {every:,} ranks: that many are timed only where"
            f" many ranks are alike, and of {machine.topology.name} only {times:,} are at a time;"
            f" one by one they would take {steps.rows * 360 / 1e9:,.0f} GB"
        )
    return None


def _marks(exchanges: tuple[GroupExchange, ...]) -> tuple[int, ...]:
    return tuple(sorted({end for one in exchanges for end in (one.stride, one.block)}))


def _rows_of(exchanges: tuple[GroupExchange, ...], examples: _Longs, *, received: bool) -> Streams:
    """The rows of the examples, step by step; those that they receive without copies inside."""
    parts, step = [], 0
    for one in exchanges:
        peer = one.come_from(examples) if received else one.to(examples)
        number = np.full(peer.shape, step) + np.arange(peer.shape[1]) * one.in_turn
        size, reduces = np.full(peer.shape, one.size), np.full(peer.shape, one.reduces)
        columns = [np.broadcast_to(examples[:, None], peer.shape), peer, number, size, reduces]
        if received and one.to_itself:
            columns = [column[:, 1:] for column in columns]
        parts.append([(column.T if one.in_turn else column).ravel() for column in columns])
        step += one.steps
    mine, peer, number, size, reduces = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    src, dst = (peer, mine) if received else (mine, peer)
    return Streams(
        src.astype(np.int32), dst.astype(np.int32), size.astype(np.float64), np.ones(len(src)),
        number, reduces,
    )  # fmt: skip


@dataclass(frozen=True)
class _Flows:
    """Flows between orbits: what each class of transfers is to the events.

    ``src``, ``dst``: numbers of examples; ``one``: int64, a row of its class; ``many``: how many
    of a rank's rows are like it; ``of_row``: int64 [rows], the class of each row. ``loads``: of
    all transfers of the class on one resource of each orbit, and what they cost a rank.
    """

    src: _Ints
    dst: _Ints
    step: _Longs
    size: _Floats
    one: _Longs
    many: _Longs
    of_row: _Longs
    loads: FlowLoads


class _Classes:
    """One simulation of uniform ``steps`` by classes."""

    def __init__(
        self, machine: Machine, steps: UniformSteps, operation: str, turned: Turned
    ) -> None:
        self.steps, self.turned = steps, turned
        self.account = Account(machine, operation, turned.ranks)
        self.examples = turned.examples()
        sent = _rows_of(steps.exchanges, self.examples, received=False)
        received = _rows_of(steps.exchanges, self.examples, received=True)
        both = sent.then(received)
        path = machine.paths.of(both.src, both.dst)
        table = machine.router.table
        # What can be left out is known only of all paths, and these are a few of them.
        whole = Binding(table.begin, table.resource, table.weight, table.latency)
        loads = load(both, path, whole, machine.paths.ways(), self.account.costs)
        self.rows = ExampleRows(both, len(sent), loads, self._orbits(loads.resource), self.examples)
        self.flows = self._flows()

    def _orbits(self, resource: _Ints) -> _Longs:
        """The orbit of each resource; after those of links come those of initiators."""
        n, turned = len(self.turned.orbit), self.turned
        found = np.empty(len(resource), np.int64)
        links = resource < n
        found[links] = turned.orbit[resource[links]]
        rank = turned.example(resource[~links].astype(np.int64) - n)
        found[~links] = len(turned.count) + np.searchsorted(self.examples, rank)
        return found

    @property
    def _size(self) -> _Longs:
        """How many resources an orbit has."""
        initiators = np.full(len(self.examples), self.turned.times)
        sizes: _Longs = np.concatenate([self.turned.count, initiators])
        return sizes

    def _capacity(self) -> _Floats:
        """Of one resource of each orbit, bytes per second."""
        links, n = self.turned.first, len(self.turned.orbit)
        capacity: _Floats = self.account.capacity[np.concatenate([links, n + self.examples])]
        return capacity

    def _flows(self) -> _Flows:
        rows, n = self.rows, self.rows.sent
        streams, loads = rows.streams.pick(slice(0, n)), rows.loads
        begin, orbit, weight = summed(loads.entries[: n + 1], rows.orbit, loads.weight)
        ends = [np.searchsorted(self.examples, self.turned.example(end.astype(np.int64)))
                for end in (streams.src, streams.dst)]  # fmt: skip
        plain = np.stack([
            streams.step, *ends, loads.limit[:n],
            *(column[:n].view(np.int64) for column in
              (streams.size, loads.latency, loads.src_cost, loads.dst_cost)),
        ])  # fmt: skip
        of_row, one = classes(np.ascontiguousarray(plain.T), begin, orbit, weight)
        many = np.bincount(of_row)
        entries = np.concatenate([[0], np.cumsum(np.diff(begin)[one])])
        at = np.repeat(begin[:-1][one] - entries[:-1], np.diff(entries)) + np.arange(entries[-1])
        alike = np.repeat(many, np.diff(entries)) * self.turned.times
        return _Flows(
            ends[0][one].astype(np.int32), ends[1][one].astype(np.int32), streams.step[one],
            streams.size[one], one, many, of_row,
            FlowLoads(
                loads.latency[:n][one], loads.src_cost[:n][one] * many,
                loads.dst_cost[:n][one] * many, loads.limit[:n][one], loads.limits, entries,
                orbit[at].astype(np.int32), weight[at] * alike / self._size[orbit[at]],
            ),
        )  # fmt: skip

    def timeline(self, share: float) -> Timeline:
        """The finished `Timeline`; ``share``: as in `events.run`."""
        flows, account, turned = self.flows, self.account, self.turned
        account.begin = account.costs.start(turned.ranks)
        times = _run(flows, account.begin, len(self.examples), self._capacity(), share)
        start, finish, ready = times
        mine = np.searchsorted(self.examples, turned.example(np.arange(turned.ranks)))
        count(self.rows, account, turned, self._carried(mine))
        columns = RowsOfClasses(self.steps, turned, self.examples, self.rows.streams,
                                flows.of_row, start, finish)  # fmt: skip
        labels = [label for one in self.steps.exchanges for label in [one.label] * one.steps]
        return account.answered(columns.given(), ready[mine], tuple(labels))

    def _carried(self, mine: _Longs) -> _Floats:
        """Bytes of each resource, then of each rank as an initiator; ``mine``: its orbit."""
        loads, turned = self.flows.loads, self.turned
        loaded = np.repeat(self.flows.size, np.diff(loads.entries)) * loads.weight
        each = np.bincount(loads.resource, loaded, len(self._size))
        carried = np.zeros(len(self.account.capacity))
        n, orbits = len(turned.orbit), len(turned.count)
        carried[:n] = each[turned.orbit]
        carried[n : n + turned.ranks] = each[orbits:][mine]
        return carried


def _run(
    flows: _Flows, begin: float, ranks: int, capacity: _Floats, share: float
) -> tuple[_Floats, _Floats, _Floats]:
    """When flows begin and end, and when the ranks of each orbit are through, in seconds."""
    loads, n = flows.loads, len(flows.src)
    left, status = flows.size.copy(), np.full(n, events.WAITING, np.int8)
    start, arrive, finish = np.zeros(n), np.zeros(n), np.zeros(n)
    ready, latest, cost = np.full(ranks, begin), np.zeros(ranks), np.zeros(ranks)
    given = (flows.src, flows.dst, flows.step)
    alone = uncontended.rates(*given, left, loads.limit, loads.limits, loads.entries,
                              loads.resource, loads.weight, capacity)  # fmt: skip
    if len(alone):
        uncontended.run(
            uncontended.Uncontended(
                *given, loads.latency, loads.src_cost, loads.dst_cost, left, alone, status, start,
                arrive, finish, ready, latest, cost,
            ), 0.0, ranks, more=False,
        )  # fmt: skip
        return start, finish, ready
    window = events.fresh_window(
        *given, loads.latency, loads.src_cost, loads.dst_cost, status, start, arrive, finish,
        ready, latest, cost, watched=ranks, least=float(loads.latency.min(initial=np.inf)),
    )  # fmt: skip
    shared = in_flight.make_flows(
        left, loads.limit, loads.limits, loads.entries, loads.resource, loads.weight, capacity
    )
    events.run(window, shared, 0.0, share, _TOGETHER, False, np.inf)
    if (status != events.DONE).any():
        raise ScheduleError("transfers never end: no bandwidth is left")
    return start, finish, ready
