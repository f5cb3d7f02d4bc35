"""What is counted of uniform traffic by classes: the least time of a rank, and bytes of links.

As `fabric.engines.bounds` for rows: a rank needs for each step the longest of its transfers alone,
or its bytes over a resource that no other rank loads in that step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabric.engines.account import Account
from fabric.engines.bounds import PAIR
from fabric.engines.columns import Streams
from fabric.engines.paths import FlowLoads
from topology.routing.turns import Turned

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ExampleRows:
    """The rows that the ``examples`` send, the first ``sent``, and those that they receive.

    ``loads``: of them all; ``orbit``: int64 [entries of ``loads``], of the resource.
    """

    streams: Streams
    sent: int
    loads: FlowLoads
    orbit: _Longs
    examples: _Longs

    @property
    def mine(self) -> _Longs:
        """The number of the example that each row is a row of, int64."""
        n = self.sent
        rank = np.concatenate([self.streams.src[:n], self.streams.dst[n:]])
        return np.searchsorted(self.examples, rank)


def count(rows: ExampleRows, account: Account, turned: Turned, carried: _Floats) -> None:
    """Put what the examples need at least, and the bytes that were ``carried``, in the account."""
    streams, loads, k = rows.streams, rows.loads, len(rows.examples)
    steps = int(streams.step.max(initial=-1)) + 1
    visit = streams.step * k + rows.mine  # an example's part in a step
    alone, setter = _alone(streams, loads, account.capacity)
    need, late, by = _longest(visit, loads.latency, alone, setter, steps * k)
    moves = streams.src != streams.dst
    soonest = np.full(steps * k, np.inf)
    np.minimum.at(soonest, visit[moves], loads.latency[moves])
    for side in (slice(0, rows.sent), slice(rows.sent, None)):
        where, resource, load = _private(rows, visit, side, turned, account.capacity)
        order = np.argsort(load, kind="stable")  # of two of a visit, the larger one comes last
        where, resource, load = where[order], resource[order], load[order]
        first, at = np.unique(where[::-1], return_index=True)
        most, which = load[::-1][at] + soonest[first], resource[::-1][at]
        better = most > need[first]
        need[first[better]], late[first[better]] = most[better], soonest[first[better]]
        by[first[better]] = which[better]
    copies = ~moves[: rows.sent]
    n = rows.sent
    cost = np.zeros(k)
    np.add.at(cost, rows.mine[:n], loads.src_cost[:n] + loads.dst_cost[:n] * copies)
    np.add.at(cost, rows.mine[n:], loads.dst_cost[n:])
    moving = moves & (streams.size > 0)
    account.know(
        rows.examples, (need - late).reshape(steps, k), late.reshape(steps, k),
        by.reshape(steps, k), cost, carried, float(loads.latency[moving].min(initial=np.inf)),
    )  # fmt: skip


def _alone(streams: Streams, loads: FlowLoads, capacity: _Floats) -> tuple[_Floats, _Longs]:
    """Seconds that each row takes without latency if it is alone, and what sets them."""
    row = np.repeat(np.arange(len(streams)), np.diff(loads.entries))
    each = streams.size[row] * loads.weight / capacity[loads.resource]
    time, setter = streams.size / loads.limits[loads.limit], np.full(len(streams), PAIR)
    order = np.argsort(each, kind="stable")
    longest, which = np.zeros(len(streams)), np.full(len(streams), PAIR)
    longest[row[order]], which[row[order]] = each[order], loads.resource[order]
    longer = longest > time
    return np.where(longer, longest, time), np.where(longer, which, setter)


def _longest(
    visit: _Longs, latency: _Floats, alone: _Floats, setter: _Longs, visits: int
) -> tuple[_Floats, _Floats, _Longs]:
    """Of the longest row of each visit: its seconds, the part that is latency, what sets it."""
    order = np.argsort(latency + alone, kind="stable")
    need, late, by = np.zeros(visits), np.zeros(visits), np.full(visits, PAIR)
    at = visit[order]
    need[at], late[at], by[at] = (latency + alone)[order], latency[order], setter[order]
    return need, late, by


def _private(
    rows: ExampleRows, visit: _Longs, side: slice, turned: Turned, capacity: _Floats
) -> tuple[_Longs, _Longs, _Floats]:
    """Resources that one rank alone loads in a step, by visit, and for how many seconds."""
    loads, k = rows.loads, len(rows.examples)
    begin, end = (int(loads.entries[i]) for i in (side.start, side.stop or len(visit)))
    row = np.repeat(np.arange(len(visit)), np.diff(loads.entries))[begin:end]
    resource, orbit = loads.resource[begin:end].astype(np.int64), rows.orbit[begin:end]
    seconds = rows.streams.size[row] * loads.weight[begin:end] / capacity[resource]
    key = visit[row] * np.int64(len(capacity)) + resource
    _, first, same = np.unique(key, return_index=True, return_inverse=True)
    load = np.bincount(same, seconds, len(first))
    step, its_orbit = visit[row[first]] // k, orbit[first]
    # Of each resource of an orbit as many ranks are users, since turns take one to the other.
    orbits = len(turned.count) + k
    sizes = np.concatenate([turned.count, np.full(k, turned.times)])
    _, group, users = np.unique(step * orbits + its_orbit, return_inverse=True, return_counts=True)
    alone = users[group] * turned.times == sizes[its_orbit]
    return visit[row[first]][alone], resource[first][alone], load[alone]
