"""What a session has in flight, when the machine changes: the same transfers on other ways.

All that is known of rates is dropped: everything is solved anew at the change.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.engines.flow import events, in_flight
from fabric.engines.flow.events import EventWindow
from fabric.engines.flow.in_flight import Flows, Priorities, join, make_flows, records_of
from fabric.engines.flow.placed import LoadedStreams
from fabric.engines.room import longer

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

_AT_RESOURCE = 4  # transfers of a resource that there is room for at least


class FlowWays(NamedTuple):
    """What flows load from a change on: as in `LoadedStreams`, but a row a flow."""

    latency: _Floats
    src_cost: _Floats
    dst_cost: _Floats
    limit: _Floats
    entries: _Longs
    resource: _Ints
    weight: _Floats


def of_flows(
    w: EventWindow, key: _Longs, first: _Longs, lanes: Sequence[LoadedStreams]
) -> FlowWays:
    """The ways of all flows, whose ``key`` is that of a stream of ``lanes``.

    ``first``: where the list of each lane's flows begins in ``w``.
    """
    columns: list[list[NDArray[Any]]] = [[] for _ in range(4)]
    flows, lengths, resources, weights = [], [], [], []
    for lane, mine in enumerate(lanes):
        its = w.rank_flow[first[lane] : w.rank_end[lane]]
        row = np.searchsorted(mine.key, key[its])
        length = np.diff(mine.entries)[row]
        entry = _ranges(mine.entries[:-1][row], length)
        its_own = (mine.latency, mine.src_cost, mine.dst_cost, mine.limit)
        for column, given in zip(columns, its_own, strict=True):
            column.append(given[row])
        flows.append(its)
        lengths.append(length)
        resources.append(mine.resource[entry])
        weights.append(mine.weight[entry])
    return _in_order(len(key), flows, columns, lengths, resources, weights)


def _in_order(
    n: int, flows: list[_Longs], columns: list[list[_Floats]], lengths: list[_Longs],
    resources: list[_Ints], weights: list[_Floats],
) -> FlowWays:  # fmt: skip
    """A row for each of ``n`` flows, of which both lanes may have brought one."""
    flow = _joined(flows, np.int64)
    _, row = np.unique(flow, return_index=True)
    length = _joined(lengths, np.int64)
    begin = np.cumsum(length) - length
    entry = _ranges(begin[row], length[row])
    latency, src_cost, dst_cost, limit = (_joined(one, np.float64)[row] for one in columns)
    entries = np.concatenate([[0], np.cumsum(length[row])])
    return FlowWays(
        latency, src_cost, dst_cost, limit, entries,
        _joined(resources, np.int32)[entry], _joined(weights, np.float64)[entry],
    )  # fmt: skip


def _joined(parts: list[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, kind), *parts])


def _ranges(begin: _Longs, length: _Longs) -> _Longs:
    """The numbers from each ``begin`` on, so many, one after the other."""
    ends = np.cumsum(length)
    return np.repeat(begin - (ends - length), length) + np.arange(ends[-1] if len(ends) else 0)


def flows(
    w: EventWindow, old: Flows, ways: FlowWays, limits: _Floats, capacity: _Floats, priorities: int,
    time: float, room: int,
) -> Flows:  # fmt: skip
    """The flows of ``old`` on other ``ways`` from ``time`` (s) on.

    ``limits``: all that occur, rising; ``room``: how many flows there is to be room for.
    """
    n = len(ways.latency)
    w.latency[:n], w.src_cost[:n], w.dst_cost[:n] = ways[:3]
    w.times[events.SETTLE] = np.inf
    early = (w.status[:n] == events.UNDER_WAY) & (w.start[:n] > time)  # yet to set out
    w.arrive[:n][early] = w.start[:n][early] + ways.latency[early]
    under_way = w.under_way[: w.n[events.UNDER]]
    w.times[events.ARRIVAL] = w.arrive[under_way].min(initial=np.inf)
    apart = w.src[:n] != w.dst[:n]
    least = w.times[events.LEAST_LATENCY]
    w.times[events.LEAST_LATENCY] = ways.latency[apart].min(initial=least)
    order = Priorities(priorities, old.priority, np.zeros(0, np.int8))
    promise = old.promise
    if len(promise):  # to two ranks that nothing connects nothing is promised
        promise = np.append(promise, np.full(len(capacity) - len(promise), np.inf))
    made = make_flows(
        _left(w, old, n, time), np.searchsorted(limits, ways.limit).astype(np.int32), limits,
        ways.entries, ways.resource, ways.weight, capacity, order, promise,
    )  # fmt: skip
    record, records, weights = records_of(ways.entries, ways.resource, ways.weight, True)
    most = np.maximum(np.bincount(ways.resource, minlength=len(capacity)), _AT_RESOURCE)
    made = made._replace(
        record=record, records=records, weights=weights, first=np.cumsum(most) - most,
        inside=np.zeros(int(most.sum()), np.int32),
    )  # fmt: skip
    columns = ("size", "rate", "due", "limit", "record", "active", "found")
    made = made._replace(**{name: longer(getattr(made, name), room) for name in columns})
    join(made, old.active[: old.n[in_flight.IN_FLIGHT]].astype(np.int64), time)
    return made


def _left(w: EventWindow, f: Flows, n: int, time: float) -> _Floats:
    """The bytes that each flow has to go at ``time``."""
    size, rate = f.size[:n].copy(), f.rate[:n]
    moving = (w.status[:n] == events.IN_FLIGHT) & (rate > 0)
    left = (f.due[:n][moving] - time) * rate[moving]
    size[moving] = np.clip(left, 0.0, size[moving])
    return size
