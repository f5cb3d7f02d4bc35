"""What it costs endpoints to reach each other on one plane: latency and bandwidth, by group."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topology.errors import TopologyError
from topology.graph import LEVELS, NOWHERE, Floats, Ints, Topology
from topology.routing.router import Router

BY = ("level", "supernode", "rack", "node", "package", "endpoint")
"""How endpoints are put together: by how far apart they are, by what they sit in, or not at all."""

MOST_PAIRS = 1 << 22
"""Pairs of endpoints that are looked at on a plane at most."""

MOST_GROUPS = 1 << 20
"""Pairs of groups that are told apart at most."""

Longs = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GroupCosts:
    """Latency and bandwidth between two groups of endpoints, of pairs alone on the wire.

    ``src``, ``dst``: numbers of groups, equal within one; -1 where pairs are grouped by level.
    ``level``: of `LEVELS`, how far apart they are. ``pairs``: that were looked at. ``latency``
    (seconds) and ``bandwidth`` (bytes per second): lowest and highest. ``farthest``: the pair of
    endpoints with the highest latency.
    """

    src: int
    dst: int
    level: str
    pairs: int
    latency: tuple[float, float]
    bandwidth: tuple[float, float]
    farthest: tuple[int, int]


def pair_costs(router: Router, src: Ints, dst: Ints) -> tuple[Floats, Floats]:
    """Latency (seconds) and seconds a byte of each pair, alone on the wire: float64 [pairs].

    The latter is of the narrowest resource on the way. Raises `RouteError` for pairs without a
    path.
    """
    path = router.paths(src, dst)
    table = router.table
    load = table.weight / router.capacity[table.resource]
    longest = np.zeros(len(table.latency))
    which = np.repeat(np.arange(len(longest)), np.diff(table.begin))
    np.maximum.at(longest, which, load)
    return table.latency[path], longest[path]


def ends_of(topology: Topology, plane: str) -> Ints:
    """The endpoints that the plane joins: accelerators where it joins any, else all, int32."""
    mine = np.unique(topology.link_src[topology.link_plane == topology.plane(plane)])
    ends = mine[mine < topology.n_endpoints].astype(np.int32)
    ranks = ends[np.isin(ends, topology.accelerators)]
    return ranks if len(ranks) else ends


def usual_grouping(topology: Topology, few: int = 16) -> str:
    """How endpoints are put together where nothing is said: not at all up to ``few`` of them."""
    return "endpoint" if topology.n_endpoints <= few else "level"


def group_costs(router: Router, ends: Ints, by: str) -> tuple[list[GroupCosts], bool]:
    """The costs between groups of ``ends`` (int32), by ``by`` of `BY`, of all pairs with a path.

    Second is whether all pairs were looked at: of more than `MOST_PAIRS`, some ends stand for the
    others: of each group some at equal steps, or where pairs are by level, so many sources. Raises
    `TopologyError` where the ends are in no such groups, or there are too many.
    """
    topology = router.topology
    group = _groups(topology, ends, by)
    found: list[GroupCosts] = []
    src, dst, whole = _pairs(group, by)
    linked = router.connects(ends[src], ends[dst])
    src, dst = src[linked], dst[linked]
    if len(src):
        found = _costs(router, ends, group, (src, dst), by)
    return found, whole


def _groups(topology: Topology, ends: Ints, by: str) -> Longs:
    """The number of the group that each end is in."""
    if by not in BY:
        raise TopologyError(f"endpoints are not grouped by {by!r}; there are {', '.join(BY)}")
    if by in ("level", "endpoint"):
        group = ends.astype(np.int64)
    else:
        column: Ints = getattr(topology, by)
        group = column[ends].astype(np.int64)
        if (group == NOWHERE).any():
            known = [one for one in BY[1:-1] if (getattr(topology, one)[ends] != NOWHERE).all()]
            choices = ", ".join(["level", *known, "endpoint"])
            raise TopologyError(
                f"{topology.name} has no {by} for each endpoint; there are {choices}"
            )
    if by != "level" and len(np.unique(group)) ** 2 > MOST_GROUPS:
        coarser = BY[: BY.index(by)]
        raise TopologyError(
            f"{topology.name} has {len(np.unique(group))} of {by}, whose pairs are more than"
            f" {MOST_GROUPS}: choose {' or '.join(coarser)}"
        )
    return group


def _pairs(group: Longs, by: str) -> tuple[Longs, Longs, bool]:
    """Pairs of different ends, as indices, and whether these are all."""
    n = len(group)
    everyone = np.arange(n)
    if n * n <= MOST_PAIRS:
        src, dst = everyone, everyone
    elif by == "level":
        src, dst = _spread(everyone, MOST_PAIRS // n), everyone
    else:
        members = np.split(np.argsort(group, kind="stable"), np.unique(np.sort(group), True)[1][1:])
        each = max(math.isqrt(MOST_PAIRS) // len(members), 2)
        src = dst = np.concatenate([_spread(mine, each) for mine in members])
    a, b = np.repeat(src, len(dst)), np.tile(dst, len(src))
    return a[a != b], b[a != b], n * n <= MOST_PAIRS


def _spread(values: Longs, count: int) -> Longs:
    """So many of the values at most, at equal steps, the first and the last among them."""
    at = np.linspace(0, len(values) - 1, min(max(count, 1), len(values)))
    return values[np.unique(at.astype(np.int64))]


def _costs(
    router: Router, ends: Ints, group: Longs, pairs: tuple[Longs, Longs], by: str
) -> list[GroupCosts]:  # fmt: skip
    """The costs of these pairs, put together by group and level."""
    src, dst = (ends[one] for one in pairs)
    latency, byte_time = pair_costs(router, src, dst)
    level = router.topology.level(src, dst).astype(np.int64)
    names, number = np.unique(group, return_inverse=True)
    a, b = (number[one] if by != "level" else np.zeros(len(one), np.int64) for one in pairs)
    key = (a * len(names) + b) * len(LEVELS) + level
    order = np.lexsort((latency, key))
    begins = np.flatnonzero(np.diff(key[order], prepend=-1))
    with np.errstate(divide="ignore"):
        bandwidth = 1 / byte_time[order]
    low, high = np.minimum.reduceat(bandwidth, begins), np.maximum.reduceat(bandwidth, begins)
    last = np.append(begins[1:], len(order)) - 1
    return [
        GroupCosts(
            src=-1 if by == "level" else int(names[a[order[k]]]),
            dst=-1 if by == "level" else int(names[b[order[k]]]),
            level=LEVELS[int(level[order[k]])],
            pairs=int(end - k + 1),
            latency=(float(latency[order[k]]), float(latency[order[end]])),
            bandwidth=(float(low[at]), float(high[at])),
            farthest=(int(src[order[end]]), int(dst[order[end]])),
        )
        for at, (k, end) in enumerate(zip(begins.tolist(), last.tolist(), strict=True))
    ]


def name_of(topology: Topology, by: str, group: int) -> str:
    """A group in words: ``rack3``, or an endpoint's name."""
    return topology.vertex_names[group] if by == "endpoint" else f"{by}{group}"


def planes_of(topology: Topology, named: tuple[str, ...]) -> Iterator[str]:
    """Iterate over the planes ``named``, all where none are; raises `TopologyError` as `plane`."""
    for plane in named or topology.planes:
        topology.plane(plane)
        yield plane
