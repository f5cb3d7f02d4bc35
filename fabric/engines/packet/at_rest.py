"""The state of the packet engine before anything has happened."""

from typing import Any

import numpy as np

from fabric.engines.packet.calendar import LONGEST
from fabric.engines.packet.kinds import PacketKinds
from fabric.engines.packet.network import Network, mixed
from fabric.engines.packet.options import APART, PacketOptions
from fabric.engines.packet.roce import columns
from fabric.engines.packet.state import (
    BLOCKS,
    BY_DICE,
    NONE,
    RECORDS,
    SPARE,
    WIDTH,
    Longs,
    Records,
    State,
)
from fabric.engines.packet.watching import BINS, FIELDS, FIRST_WIDTH, WINDOWS
from fabric.engines.room import aligned_zeros

BUCKETS = 1 << 14
"""Buckets of the calendar, in which a packet's time on a link fits."""

_DEPTH = 2  # packets that may wait at a link of an endpoint: one that goes next, and one behind it
_DEPTH_BY_DICE = 64  # the same where chance gives some links several in a row
_NO_LIMIT = 1 << 60  # cells

RESERVE = 64
"""Free packets before an event, where nothing is copied."""


def at_rest(
    network: Network, kinds: PacketKinds, options: PacketOptions, places: int,
    promises: Records | None,
) -> State:  # fmt: skip
    """A machine at rest, without sets of links, packets, transfers and lanes."""
    n, room, used = len(network.per_byte), options.credits, network.bundles.link
    longest = network.per_byte[used] * (options.mtu + options.header) + network.latency[used]
    shift = int(np.ceil(np.log2(1.01 * max(longest.max(initial=0.0), 1.0) / BUCKETS)))
    shift = min(max(shift, 0), LONGEST)
    ints, longs = np.zeros(0, np.int32), np.zeros(0, np.int64)
    empty = {
        name: records(0, name)
        for name in ("heap", "entries", "sets", "senders", "packets", "transfers", "lanes",
                     "teams", "members", "parts", "copies")
    }  # fmt: skip
    return State(
        _numbers(), shift, options.mtu, options.header, options.cell,
        -(-(options.mtu + options.header) // options.cell),
        _DEPTH_BY_DICE if network.choice == BY_DICE else _DEPTH,
        buckets=records(BUCKETS, "buckets", first=NONE, last=NONE), events=longs, opened=longs,
        spare=longs, apart=int(options.buffers == APART), head=options.head, tails=longs,
        kinds=kinds.records,
        shares=records((n + places) * len(kinds) if kinds.are_equal else 0, "shares"),
        promises=records(0, "promises") if promises is None else promises.copy(),
        links=records(n, "links", per_byte=network.per_byte, latency=network.latency,
                                   member=network.bundles.member),
        queues=records(n * len(kinds), "queues", first=NONE,
                        credit=np.tile(_credits(network, room), len(kinds))),
        link_sets=ints, stack=np.zeros(n, np.int32),
        choice=network.choice, set_links=ints, to_come=longs, free_packets=ints,
        free_transfers=ints, ended=ints, **undealt(network, len(kinds), options.seed),
        **_statistics(n if options.statistics else 0, len(kinds)),
        limited=np.zeros(places * len(kinds) if kinds.limit.any() else 0, np.int64),
        initiators=records(places, "initiators"),
        waiting=records(places * len(kinds), "waiting", first=NONE),
        start=longs, finish=longs, reserve=RESERVE, **empty,
        **columns(network, len(kinds), options),
    )  # fmt: skip


def undealt(network: Network, kinds: int, seed: int) -> dict[str, Any]:
    """The columns of `State` for bundles of which no packet was dealt out yet."""
    bundles = network.bundles
    fan = np.repeat(bundles.fan, np.diff(np.append(bundles.group, bundles.groups)))
    dice = mixed(np.arange(bundles.groups), seed)
    if network.choice == BY_DICE:
        dice = mixed(dice.view(np.int64), network.seed)
    turn = np.where(bundles.is_switch, dice % fan.astype(np.uint64), 0)
    fan, dice, turn = (np.repeat(column, kinds) for column in (fan, dice, turn))
    return {
        "bundles": records(len(bundles.fan), "bundles", first=bundles.first, fan=bundles.fan,
                            group=bundles.group),
        "bundle_links": bundles.link,
        "groups": records(len(fan), "groups", turn=turn, left=fan * fan,
                           dice=dice.view(np.int64)),
    }  # fmt: skip


def _credits(network: Network, room: int | None) -> Longs:
    """Free cells at each link's end: int64 [links]."""
    has_limit = ~network.roce & (room is not None)
    return np.where(has_limit, room or 0, _NO_LIMIT)


def _numbers() -> Longs:
    n = np.zeros(BLOCKS + 1, np.int64)
    n[WIDTH], n[SPARE] = FIRST_WIDTH, NONE
    return n


def _statistics(links: int, kinds: int) -> dict[str, Any]:
    """The columns of `State` for statistics; without ``links`` nothing is watched."""
    watched = kinds if links else 0
    return {
        "watching": links > 0, "marks": records(0, "marks"), "sent": records(0, "sent"),
        "depths": records(links, "depths"), "peaks": np.zeros(links * WINDOWS, np.int64),
        "courses": np.zeros(watched * WINDOWS * FIELDS, np.int64),
        "latencies": np.zeros(watched * BINS, np.int64),
    }  # fmt: skip


def records(n: int, kind: str = "entries", **fields: Any) -> Records:
    """``n`` records of a ``kind`` with these ``fields``, and 0 in the others."""
    made = aligned_zeros(n, RECORDS[kind])
    for name, values in fields.items():
        made[name] = values
    return made
