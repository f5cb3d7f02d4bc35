"""The machine as the packet engine needs it: physical links, and the ways of paths over them.

A path of the router names bundles of links between classes of switches that nothing tells apart.
A packet is at one switch of a class, and has those links of the next bundle to choose from that
begin there: of every bundle, each switch of its first class has as many links as any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
from topology.stirring import all_stirred


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


class Entries(NamedTuple):
    """Path entries as columns, see `state.State`.

    Those of way w are from ``begin[w]`` on, before ``begin[w + 1]``: int64. ``same``: the first
    entry from which on there is the same to choose from, to the end of the path. Packets are told
    those only: so few entries are read, which stay in a cache.
    """

    begin: Longs
    resource: Ints
    share: Floats
    more: Ints
    then: Ints
    same: Ints


NO_ENTRIES = Entries(
    np.zeros(1, np.int64),
    np.zeros(0, np.int32),
    np.zeros(0),
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
)  # fmt: skip
"""No path entry."""


@dataclass(frozen=True)
class Network:
    """Links and bundles of a router's topology, and its paths so far, as columns.

    Columns over links as in `state.State`, with ``latency`` in ps. ``path``: the
    first entry of each path, `NONE` where it has none; ``set``: the set of links that it begins
    with, one of ``len(set_begin) - 1``; set s has ``set_link[set_begin[s]:set_begin[s + 1]]``.
    Set ``nowhere`` has no links: that of paths that a fault has cut. ``ordered``: whether each path
    has one way only. ``roce``: whether each link, and in ``roce_path`` each path, is of a plane of
    RoCE. ``choice``: as in `state.State`; ``seed``: of the dice. ``link_resource``: as the
    router's.
    """

    graph: Topology
    choice: int
    seed: int
    per_byte: Floats
    latency: Longs
    bundles: LinkBundles
    entries: Entries
    path: Ints
    set: Ints
    set_begin: Longs
    set_link: Ints
    ordered: Bools
    roce: Bools
    roce_path: Bools
    link_resource: Longs

    @property
    def nowhere(self) -> int:
        """The set without links."""
        return len(self.bundles.first)


def ps(seconds: Floats) -> Longs:
    """``seconds`` as whole picoseconds, rounded up but for 0.001 ps, the rounding of floats."""
    return np.ceil(seconds * PICOSECONDS - 1e-3).astype(np.int64)


def network(router: Router, roce: Sequence[str] = (), before: Entries = NO_ENTRIES) -> Network:
    """The network of a router's topology with the paths that it has found so far.

    ``roce``: the planes of RoCE; ``before``: entries that stand before those of the paths. Raises
    `EngineError` for a plane that the router does not use.
    """
    for name in roce:
        if name not in router.planes:
            used = ", ".join(router.planes)
            raise EngineError(f"roce names plane {name!r:.80}, which is not used; {used} are")
    graph, table = router.topology, router.table
    bundles = _bundles(graph, router.link_resource)
    begin = table.begin
    new = _ways(begin, table.resource, table.weight, bundles)
    path = np.where(begin[1:] > begin[:-1], begin[:-1], NONE).astype(np.int32)
    number, set_begin, set_link = _sets(path, table.resource, new.more, bundles)
    entries = _joined(before, new)
    there = path != NONE
    path[there] = entries.same[path[there] + len(before.more)]
    planes = [graph.plane(name) for name in roce]
    several = np.cumsum(np.append(0, (new.more > 1) | (bundles.fan[table.resource] > 1)))
    choice = {PerPacketHash: BY_DICE, Adaptive: BY_LOAD}.get(type(router.rule), IN_TURN)
    return Network(
        graph, choice, getattr(router.rule, "seed", 0), PICOSECONDS / graph.link_bandwidth,
        ps(graph.link_latency), bundles, entries, path, number,
        set_begin, set_link,
        several[begin[1:]] == several[begin[:-1]], np.isin(graph.link_plane, planes),
        np.isin(table.plane, planes), router.link_resource,
    )  # fmt: skip


def _joined(before: Entries, new: Entries) -> Entries:
    """Entries one behind another."""
    n = len(before.more)
    if not n:
        return new
    then = np.where(new.then == NONE, NONE, new.then + n).astype(np.int32)
    begin = np.concatenate([before.begin[:-1], new.begin + n])
    return Entries(
        begin, np.concatenate([before.resource, new.resource]),
        np.concatenate([before.share, new.share]), np.concatenate([before.more, new.more]),
        np.concatenate([before.then, then]), np.concatenate([before.same, new.same + np.int32(n)]),
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


def _ways(begin: Longs, resource: Ints, weight: Floats, bundles: LinkBundles) -> Entries:
    more, then, share = _states(begin, resource, weight, bundles.src, bundles.dst)
    return Entries(begin, resource, share, more, then, _alike(begin, resource, more, then, share))


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


@compiled
def _alike(begin: Longs, resource: Ints, more: Ints, then: Ints, share: Floats) -> Ints:
    """``same`` of path entries, see `Entries`; of those within a state it is the entry itself."""
    n = len(resource)
    same, starts = np.arange(n).astype(np.int32), np.empty(n, np.int32)
    room = 4
    while room < 2 * n:
        room *= 2
    table = np.full(room, NONE, np.int32)
    for p in range(len(begin) - 1):
        states, e = 0, begin[p]
        while e < begin[p + 1]:
            starts[states] = e
            states += 1
            e += more[e]
        for which in range(states - 1, -1, -1):  # what comes after a state is told apart already
            e = starts[which]
            at = 0
            for k in range(e, e + more[e]):
                after = NONE if then[k] == NONE else same[then[k]]
                at = (at * 1000003 + resource[k]) * 1000003 + after
            at = (at ^ (at >> 20)) & (room - 1)
            while table[at] != NONE:
                other = table[at]
                equal = more[other] == more[e]
                for k in range(e, e + more[e] if equal else e):
                    o = other + k - e
                    after = NONE if then[k] == NONE else same[then[k]]
                    its = NONE if then[o] == NONE else same[then[o]]
                    equal &= resource[k] == resource[o] and share[k] == share[o] and after == its
                if equal:
                    same[e] = other
                    break
                at = (at + 1) & (room - 1)
            if table[at] == NONE:
                table[at] = e
    return same


def _sets(path: Ints, resource: Ints, more: Ints, bundles: LinkBundles) -> tuple[Ints, Longs, Ints]:
    """The set of links that each path begins with, and the links of the sets.

    The first sets are the bundles, then there is one without links; the further ones are those of
    paths that begin with several bundles.
    """
    n, there = len(bundles.first), np.flatnonzero(path >= 0)
    number = np.full(len(path), NONE, np.int32)
    number[there] = resource[path[there]]
    further: dict[tuple[int, ...], int] = {}
    for p in there[more[path[there]] > 1].tolist():
        key = tuple(resource[path[p] : path[p] + more[path[p]]].tolist())
        number[p] = further.setdefault(key, n + 1 + len(further))
    size = np.diff(np.append(bundles.first, len(bundles.link)))
    links = [bundles.link[bundles.first[r] :][: size[r]] for key in further for r in key]
    sizes = [int(sum(size[r] for r in key)) for key in further]
    begin = np.cumsum(np.concatenate([[0], size, [0], sizes])).astype(np.int64)
    return number, begin, np.concatenate([bundles.link, *links]).astype(np.int32)


def mixed(number: Longs, seed: int) -> NDArray[np.uint64]:
    """A well-stirred number of each one, and of the seed (splitmix64)."""
    return all_stirred(
        number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % (1 << 64))
    )
