"""The ways between two endpoints one by one, over physical links: for people to read."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topology.errors import RouteError, TopologyError
from topology.graph import Topology
from topology.routing.router import Router


@dataclass(frozen=True)
class ListedWay:
    """A way from one endpoint to another.

    ``weight``: the fraction of the bytes that goes this way. ``latency``: seconds of its links.
    ``links``: the name of each; parallel links between two vertices are one, with their number.
    ``vertices``: their names, both ends included.
    """

    weight: float
    latency: float
    vertices: tuple[str, ...]
    links: tuple[str, ...]


@dataclass(frozen=True)
class ListedWays:
    """All ways between two endpoints under a policy.

    ``plane``: the one that they use. ``latency``: seconds until the last byte of a small message
    comes over the longest. ``bandwidth``: bytes per second of the pair while nobody else sends.
    ``links``: how many links carry something. ``count``: number of ways; ``shown``: as many of
    them as were asked for, the heaviest first.
    """

    plane: str
    latency: float
    bandwidth: float
    links: int
    count: int
    shown: tuple[ListedWay, ...]


class _Hop(NamedTuple):
    """Parallel links to a vertex: which part of the vertex' bytes they take, and seconds."""

    to: int
    part: float
    latency: float
    name: str


def endpoint(graph: Topology, name: str) -> int:
    """The number of the endpoint called ``name``; raises `TopologyError` with the choices."""
    found = graph.vertex(name)
    if found >= graph.n_endpoints:
        first, last = graph.vertex_names[0], graph.vertex_names[graph.n_endpoints - 1]
        raise TopologyError(
            f"{name} of {graph.name} is a switch; its {graph.n_endpoints} endpoints are {first} to"
            f" {last}"
        )
    return found


def ways(router: Router, src: str, dst: str, most: int = 1000) -> ListedWays:
    """The ways from endpoint ``src`` to ``dst``, at most ``most`` of them.

    Raises `TopologyError` for unknown endpoints, `RouteError` where there is no way.
    """
    graph = router.topology
    ends = endpoint(graph, src), endpoint(graph, dst)
    if src == dst:
        raise RouteError(f"from {src} to itself nothing takes a link")
    (number,) = router.paths(*(np.array([end], np.int32) for end in ends)).tolist()
    table = router.table
    entries = range(table.begin[number], table.begin[number + 1])
    carried = [
        (int(table.resource[entry]), float(table.weight[entry])) for entry in entries
    ]  # fmt: skip
    hops, count = _hops(router, carried)
    found = sorted(_walk(hops, *ends, most), key=lambda way: -way[0])
    return ListedWays(
        plane=graph.planes[table.plane[number]], latency=float(table.latency[number]),
        bandwidth=min(float(router.capacity[of]) / part for of, part in carried), links=count,
        count=_count(hops, *ends), shown=tuple(_named(graph, ends[0], *way) for way in found),
    )  # fmt: skip


def _hops(
    router: Router, carried: Sequence[tuple[int, float]]
) -> tuple[dict[int, list[_Hop]], int]:
    """Where traffic goes on from each vertex, and how many links carry something.

    ``carried``: resources, and the fraction of the bytes that each carries.
    """
    graph = router.topology
    pairs: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
    for resource, weight in carried:
        links = router.links(resource).tolist()
        for link in links:
            ends = int(graph.link_src[link]), int(graph.link_dst[link])
            pairs[ends].append((link, weight / len(links)))
    out: dict[int, float] = defaultdict(float)
    for (a, _), beside in pairs.items():
        out[a] += sum(part for _, part in beside)
    hops: dict[int, list[_Hop]] = defaultdict(list)
    for (a, b), beside in sorted(pairs.items()):
        links = [link for link, _ in beside]
        name = graph.link_name(links[0])
        if len(links) > 1:
            name = f"{name[:-1]}, {len(links)} links)"
        latency = float(graph.link_latency[links].max())
        hops[a].append(_Hop(b, sum(part for _, part in beside) / out[a], latency, name))
    return hops, sum(len(beside) for beside in pairs.values())


def _walk(
    hops: dict[int, list[_Hop]], src: int, dst: int, most: int
) -> Iterator[tuple[float, tuple[_Hop, ...]]]:
    """Weight and hops of each way, the first ``most``, at each vertex the heavier links first."""
    stack: list[tuple[int, float, tuple[_Hop, ...]]] = [(src, 1.0, ())]
    found = 0
    while stack and found < most:
        vertex, weight, so_far = stack.pop()
        if vertex == dst:
            found += 1
            yield weight, so_far
            continue
        for hop in reversed(sorted(hops[vertex], key=lambda hop: -hop.part)):
            stack.append((hop.to, weight * hop.part, (*so_far, hop)))


def _count(hops: dict[int, list[_Hop]], src: int, dst: int) -> int:
    known = {dst: 1}

    def count(vertex: int) -> int:
        if vertex not in known:
            known[vertex] = sum(count(hop.to) for hop in hops[vertex])
        return known[vertex]

    return count(src)


def _named(graph: Topology, src: int, weight: float, hops: tuple[_Hop, ...]) -> ListedWay:
    vertices = (src, *(hop.to for hop in hops))
    return ListedWay(
        weight, sum(hop.latency for hop in hops),
        tuple(graph.vertex_names[vertex] for vertex in vertices), tuple(hop.name for hop in hops),
    )  # fmt: skip
