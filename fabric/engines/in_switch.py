"""What switches that combine or copy data change in the load of flows.

See `fabric.schedule.in_switch` for what they are asked.

On the first half of its path a flow loads the links of its source's side, on the second those of
its destination's side. What a switch combines on its way to one destination is one stream on that
side's links: each of the P - 1 flows loads these by a share of its bytes. What it copies is one on
the source's side. Links between switches are on the side of the half that they are in: in a tree of
several switches the one farthest from the endpoints counts as the one that combines and copies.
"""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fabric.engines.columns import Streams
from fabric.schedule.in_switch import COMBINED, COPIED, REDUCED, RETURNED
from topology.analysis.in_switch import domains
from topology.errors import RouteError
from topology.graph import MULTICAST, NOWHERE, REDUCE, Topology

if TYPE_CHECKING:
    from fabric.engines.paths import FlowLoads

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]

KIND, RANKS = "in_switch", "in_switch_ranks"
"""The traits that say what switches do."""

MODELS = frozenset({KIND, RANKS})
"""What an engine that models them has in `fabric.engines.base.Engine.models`."""

TREES = "in_switch in trees"
"""In `Engine.models`: switches combine and copy also where ranks meet in a tree of several."""

CHANGING = "in_switch while links change"
"""In `Engine.models`: switches combine and copy on machines that change in time, too."""

KINDS = RETURNED
"""The kinds of what switches do, numbered from 1 on."""

_NEEDS = {COMBINED: REDUCE, COPIED: MULTICAST, REDUCED: REDUCE | MULTICAST}


def asked(streams: Streams) -> bool:
    """True if switches have to do something for any of the streams."""
    return KIND in streams.traits.columns


def check(streams: Streams, path: _Ints, plane: _Ints, topology: Topology, places: _Ints) -> None:
    """Raise `RouteError` if the switches on a path cannot do what is asked of them.

    ``path``: int32, of each stream; ``plane``: int32 [paths]; ``places``: the endpoint of
    ``topology`` that each rank sits on.
    """
    kinds = streams.trait(KIND)
    for kind, able in _NEEDS.items():
        rows = np.flatnonzero((kinds == kind) & (streams.src != streams.dst))
        for number in np.unique(plane[path[rows]]).tolist():
            mine = rows[plane[path[rows]] == number]
            here, there = places[streams.src[mine]], places[streams.dst[mine]]
            domain = domains(topology, number, able)
            bad = np.flatnonzero((domain[here] == NOWHERE) | (domain[here] != domain[there]))
            if len(bad):
                a, b = (topology.vertex_names[end[bad[0]]] for end in (here, there))
                raise RouteError(
                    f"{topology.name}: the switches of plane {topology.planes[number]} between {a}"
                    f" and {b} cannot {_WORDS[kind]}"
                )


_WORDS = {
    COMBINED: "combine data", COPIED: "copy data", REDUCED: "combine data and copy the result",
}  # fmt: skip


def shares(streams: Streams) -> tuple[_Floats, _Floats]:
    """Which part of its bytes each stream loads the links of its two sides with: float64.

    First those of the source's side, then those of the destination's.
    """
    kind, ranks = streams.trait(KIND), np.maximum(streams.trait(RANKS), 2)
    source, target = np.ones(len(kind)), np.ones(len(kind))
    target[kind == COMBINED] = 1 / (ranks[kind == COMBINED] - 1)
    source[kind == COPIED] = 1 / (ranks[kind == COPIED] - 1)
    both = kind == REDUCED  # its own part, too, goes to the switch and comes back
    source[both] = target[both] = ranks[both] / (ranks[both] - 1)
    source[kind == RETURNED] = target[kind == RETURNED] = 0.0
    return source, target


def adjusted(
    streams: Streams, loads: "FlowLoads", received: _Floats, resources: int
) -> "FlowLoads":
    """``loads`` of streams that go their whole ways alone, as switches leave them.

    ``received``: what a stream's bytes cost the destination that gets them, seconds, without what
    combining them costs: float64 [streams]. Resources from number ``resources`` on are initiators.
    """
    kind, ranks = streams.trait(KIND), np.maximum(streams.trait(RANKS), 2)
    source, target = shares(streams)
    once = np.where((kind == COPIED) | (kind == REDUCED), 1 / (ranks - 1), 1.0)
    marked, back = kind > 0, kind == RETURNED
    row = np.repeat(np.arange(len(kind)), np.diff(loads.entries))
    share = np.where(_second_half(loads, row, resources), target[row], source[row])
    kept = share > 0
    counts = np.bincount(row[kept], minlength=len(kind))
    return dataclasses.replace(
        loads,
        latency=np.where(back, 0.0, loads.latency),
        src_cost=np.where(back, 0.0, loads.src_cost * once),
        dst_cost=np.where(marked, received * target, loads.dst_cost),
        limit=np.where(back, np.int32(len(loads.limits) - 1), loads.limit),
        entries=np.concatenate([[0], np.cumsum(counts)]),
        resource=loads.resource[kept], weight=(loads.weight * share)[kept],
    )  # fmt: skip


def _second_half(loads: "FlowLoads", row: _Longs, resources: int) -> NDArray[np.bool_]:
    """Which entries are of links on the destination's half of the way: bool [entries].

    The weights of the links of one hop add up to 1, and hops are in order.
    """
    weight = np.where(loads.resource < resources, loads.weight, 0.0)
    run = np.cumsum(weight)
    begin = np.concatenate([[0.0], run])[loads.entries[:-1]]
    hops = np.bincount(row, weight, len(begin))
    second: NDArray[np.bool_] = (run - begin[row] - weight / 2 >= hops[row] / 2) & (weight > 0)
    return second
