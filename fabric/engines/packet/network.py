"""The machine as the packet engine needs it: physical links, and the ways of paths over them.

A path of the router names bundles of links between classes of switches that nothing tells apart.
A packet is at one switch of a class, and has those links of the next bundle to choose from that
begin there: of every bundle, each switch of its first class has as many links as any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabric.engines.base import EngineError
from fabric.engines.packet.state import (
    BY_DICE,
    BY_LOAD,
    IN_TURN,
    NONE,
    PICOSECONDS,
    Bools,
    Floats,
    Ints,
    Longs,
)
from topology.compiled import compiled
from topology.graph import Topology
from topology.routing.policies import Adaptive, PerPacketHash
from topology.routing.router import Router


@dataclass(frozen=True)
class LinkBundles:
    """The bundles of links that packets are dealt to, see `state.State`.

    Columns over bundles, with ``src`` and ``dst``, the lowest vertex of the classes that each
    begins and ends at. ``groups``: how many switches and endpoints deal packets out to bundles,
    bundle by bundle; ``is_switch``: which they are, bool [groups]. ``member``: over links.
    """

    link: Ints
    first: Longs
    fan: Ints
    group: Longs
    groups: int
    is_switch: Bools
    src: Longs
    dst: Longs
    member: Ints


@dataclass(frozen=True)
class Network:
    """Links and bundles of a router's topology, and its paths so far, as columns.

    Columns over links and path entries as in `state.State`, with ``latency`` in ps. ``path``: the
    first entry of each path, `NONE` where it has none; ``set``: the set of links that it begins
    with, one of ``len(set_begin) - 1``; set s has ``set_link[set_begin[s]:set_begin[s + 1]]``.
    ``ordered``: whether each path has one way only. ``roce``: whether each link, and in
    ``roce_path`` each path, is of a plane of RoCE. ``choice``: as in `state.State`; ``seed``: of
    the dice.
    """

    graph: Topology
    choice: int
    seed: int
    per_byte: Floats
    latency: Longs
    bundles: LinkBundles
    resource: Ints
    share: Floats
    more: Ints
    then: Ints
    path: Ints
    set: Ints
    set_begin: Longs
    set_link: Ints
    ordered: Bools
    roce: Bools
    roce_path: Bools


def ps(seconds: Floats) -> Longs:
    """``seconds`` as whole picoseconds, rounded up but for 0.001 ps, the rounding of floats."""
    return np.ceil(seconds * PICOSECONDS - 1e-3).astype(np.int64)


def network(router: Router, roce: Sequence[str] = ()) -> Network:
    """The network of a router's topology with the paths that it has found so far.

    ``roce``: the planes of RoCE. Raises `EngineError` for one that the router does not use.
    """
    for name in roce:
        if name not in router.planes:
            used = ", ".join(router.planes)
            raise EngineError(f"roce names plane {name!r:.80}, which is not used; {used} are")
    graph, table = router.topology, router.table
    bundles = _bundles(graph, router.link_resource)
    more, then, share = _states(table.begin, table.resource, table.weight, bundles.src, bundles.dst)
    begin = table.begin
    path = np.where(begin[1:] > begin[:-1], begin[:-1], NONE).astype(np.int32)
    number, set_begin, set_link = _sets(path, table.resource, more, bundles)
    planes = [graph.plane(name) for name in roce]
    several = np.cumsum(np.append(0, (more > 1) | (bundles.fan[table.resource] > 1)))
    choice = {PerPacketHash: BY_DICE, Adaptive: BY_LOAD}.get(type(router.rule), IN_TURN)
    return Network(
        graph, choice, getattr(router.rule, "seed", 0), PICOSECONDS / graph.link_bandwidth,
        ps(graph.link_latency), bundles, table.resource, share, more, then, path, number,
        set_begin, set_link,
        several[begin[1:]] == several[begin[:-1]], np.isin(graph.link_plane, planes),
        np.isin(table.plane, planes),
    )  # fmt: skip


def _bundles(graph: Topology, resource: Longs) -> LinkBundles:
    src = graph.link_src.astype(np.int64)
    order = np.lexsort((src, resource))
    order = order[resource[order] >= 0]
    of, at = resource[order], src[order]
    n = int(of[-1]) + 1 if len(of) else 0
    first = np.searchsorted(of, np.arange(n + 1))
    starts = np.ones(len(of), bool)  # where the links of a further vertex begin
    starts[1:] = (of[1:] != of[:-1]) | (at[1:] != at[:-1])
    vertices = np.bincount(of[starts], minlength=n)
    group = np.concatenate([[0], np.cumsum(vertices)])
    member = np.zeros((len(graph.planes), graph.n_vertices), np.int32)
    member[graph.link_plane[order], at] = np.cumsum(starts) - 1 - group[of]
    lowest = np.full(n, graph.n_vertices)
    np.minimum.at(lowest, of, graph.link_dst[order].astype(np.int64))
    return LinkBundles(
        order.astype(np.int32), first[:-1], (np.diff(first) // vertices).astype(np.int32),
        group[:-1], int(group[-1]), at[starts] >= graph.n_endpoints, at[first[:-1]], lowest,
        member[graph.link_plane, graph.link_dst],
    )  # fmt: skip


@compiled
def _states(
    begin: Longs, resource: Ints, weight: Floats, src: Longs, dst: Longs
) -> tuple[Ints, Ints, Floats]:
    """``more``, ``then`` and ``share`` of path entries, see `state.State`.

    Entries of a state, which leave the same class, stand next to each other.
    """
    n = len(resource)
    more, then, share = np.empty(n, np.int32), np.empty(n, np.int32), np.ones(n)
    for p in range(len(begin) - 1):
        e, end = begin[p], begin[p + 1]
        while e < end:
            last, total = e, 0.0
            while last < end and src[resource[last]] == src[resource[e]]:
                total += weight[last]
                last += 1
            part = 0.0
            for k in range(e, last):
                part += weight[k]
                more[k], share[k] = last - k, part / total
                then[k] = NONE
                for f in range(last, end):
                    if src[resource[f]] == dst[resource[k]]:
                        then[k] = f
                        break
            e = last
    return more, then, share


def _sets(path: Ints, resource: Ints, more: Ints, bundles: LinkBundles) -> tuple[Ints, Longs, Ints]:
    """The set of links that each path begins with, and the links of the sets.

    The first sets are the bundles; the further ones those of paths that begin with several.
    """
    n, there = len(bundles.first), np.flatnonzero(path >= 0)
    number = np.full(len(path), NONE, np.int32)
    number[there] = resource[path[there]]
    further: dict[tuple[int, ...], int] = {}
    for p in there[more[path[there]] > 1].tolist():
        key = tuple(resource[path[p] : path[p] + more[path[p]]].tolist())
        number[p] = further.setdefault(key, n + len(further))
    size = np.diff(np.append(bundles.first, len(bundles.link)))
    links = [bundles.link[bundles.first[r] :][: size[r]] for key in further for r in key]
    sizes = [int(sum(size[r] for r in key)) for key in further]
    begin = np.concatenate([[0], np.cumsum(np.append(size, sizes))]).astype(np.int64)
    return number, begin, np.concatenate([bundles.link, *links]).astype(np.int32)


def mixed(number: Longs, seed: int) -> NDArray[np.uint64]:
    """A well-stirred number of each one, and of the seed (splitmix64)."""
    x = number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % (1 << 64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x
