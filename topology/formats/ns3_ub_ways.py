"""Which ways a case of ns-3-UB has: the shortest ones, and whether its routes are those."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from topology.formats.ns3_ub import (
    CaseLink,
    CaseNode,
    CaseRoute,
    case_links,
    case_nodes,
    case_routes,
    passing_on,
)  # fmt: skip

Outs = dict[int, list[int]]
"""By port of the target: the ports of a node from which shortest ways lead to it."""


@dataclass(frozen=True)
class UbNetwork:
    """A topology as a case has it.

    ``nodes``, ``links``: of the case; ``plane``: of each link. ``passes``: nodes that pass on what
    is for others. ``of_endpoint``: the node of each endpoint.
    """

    nodes: tuple[CaseNode, ...]
    links: tuple[CaseLink, ...]
    plane: tuple[int, ...]
    passes: frozenset[int]
    of_endpoint: tuple[int, ...]


def ways(
    network: UbNetwork, sources: Iterable[int], targets: Iterable[int]
) -> Iterator[tuple[int, int, dict[int, Outs]]]:  # fmt: skip
    """For each target, by plane and node: the ports on shortest ways to each of its ports.

    Yields the target, links on the way, and ``{node: {port of the target: ports of the node}}`` of
    nodes so far from it; only ``sources`` of devices, and all switches.
    """
    into: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for link, plane in zip(network.links, network.plane, strict=True):
        (a, b), (at, to) = link.ends, link.ports
        into[plane, b].append((a, at, to))
        into[plane, a].append((b, to, at))
    planes, wanted = sorted(set(network.plane)), set(sources) | network.passes
    for target in targets:
        done = {target}
        for plane in planes:
            seen = {target}
            frontier: dict[int, Outs] = {target: {}}
            hops = 0
            while frontier:
                hops += 1
                following: dict[int, Outs] = {}
                for node, outs in frontier.items():
                    if node != target and node not in network.passes:
                        continue
                    for other, port, end in into[plane, node]:
                        if other not in seen:
                            mine = following.setdefault(other, {})
                            for to in [end] if node == target else outs:
                                mine.setdefault(to, []).append(port)
                seen |= following.keys()
                new = {node: outs for node, outs in following.items() if node not in done}
                yield target, hops, {node: outs for node, outs in new.items() if node in wanted}
                frontier = following
            done |= seen


def other_ways(folder: str | Path) -> str:
    """A line on routes of a case that are not the shortest ways, which a topology takes; or ``""``.

    Of ways to a node those of the least metric count, to whichever of its ports.
    """
    path = Path(folder)
    nodes = case_nodes(path)
    links = case_links(path, nodes)
    best: dict[tuple[int, int], CaseRoute] = {}
    for route in case_routes(path, nodes, links):
        way = route.node, route.to
        old = best.get(way)
        if old is None or route.metric < old.metric:
            best[way] = route
        elif route.metric == old.metric:
            best[way] = route._replace(ports=old.ports | route.ports)
    switches = {id_ for id_, node in enumerate(nodes) if not node.is_device}
    passes = frozenset(switches | passing_on(best.values(), nodes, links))
    ends = tuple(id_ for id_, node in enumerate(nodes) if node.is_device)
    network = UbNetwork(tuple(nodes), tuple(links), (0,) * len(links), passes, ends)
    targets = sorted({to for _, to in best} & set(ends))
    unlike, first = 0, ""
    for target, _, found in ways(network, ends, targets):
        for node, outs in found.items():
            known = best.get((node, target))
            if known and known.ports != frozenset(p for ports in outs.values() for p in ports):
                unlike += 1
                first = first or f"node {node} to node {target}"
    if not unlike:
        return ""
    return (
        f"{path / 'routing_table.csv'}: {unlike} of {len(best)} routes are not all the shortest"
        f" ways, {first} the first of them; the topology takes these"
    )
