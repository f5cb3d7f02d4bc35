"""The oracle of routing policies: ways by recursion over single links, from the definitions."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from math import inf

from tests.support.slow_fluid import _hops, outgoing
from topology import Topology

Split = Callable[[int, str], dict[int, float]]
"""Weights of links by which traffic goes on, given the vertex and ``source``, ``first`` or ``on``:
the source, the first switch, or a vertex further on."""


def ways(src: int, dst: int, split: Split, topology: Topology) -> dict[int, float]:
    """What fraction of the bytes each link carries."""
    load: dict[int, float] = defaultdict(float)

    def go(vertex: int, amount: float, stage: str) -> None:
        chosen = split(vertex, stage)
        total = sum(chosen.values())
        for link, weight in chosen.items():
            load[link] += amount * weight / total
            to = int(topology.link_dst[link])
            if to != dst:
                go(to, amount * weight / total, "first" if stage == "source" else "on")

    go(src, 1.0, "source")
    return dict(load)


def nearer(topology: Topology, plane: str, vertex: int, dst: int) -> list[int]:
    """The links of ``vertex`` on shortest ways to ``dst``."""
    hops, links = _hops(topology, plane, dst), outgoing(topology, plane)[vertex]
    far = {link: hops.get(int(topology.link_dst[link]), inf) for link in links}
    least = min(far.values(), default=inf)
    return [link for link in links if far[link] == least < inf]


def weighted(topology: Topology, plane: str, dst: int, factor: Iterable[float]) -> Split:
    """Shortest ways, links by bandwidth times ``factor``."""
    factors = list(factor)

    def split(vertex: int, _stage: str) -> dict[int, float]:
        links = nearer(topology, plane, vertex, dst)
        return {k: float(topology.link_bandwidth[k]) * factors[k] for k in links}

    return split


def all_path(
    topology: Topology, plane: str, src: int, dst: int, direct: float | None = None
) -> Split:  # fmt: skip
    """Shortest ways, and at the first switch detours to switches as far away as it is."""
    hops = _hops(topology, plane, dst)
    firsts = {int(topology.link_dst[k]) for k in nearer(topology, plane, src, dst)}

    def split(vertex: int, stage: str) -> dict[int, float]:
        straight = nearer(topology, plane, vertex, dst)
        around = [
            k for k in outgoing(topology, plane)[vertex]
            if stage == "first" and (to := int(topology.link_dst[k])) >= topology.n_endpoints
            and hops.get(to) == hops[vertex] and to not in firsts
        ]  # fmt: skip
        if not around or direct == 1:
            return dict.fromkeys(straight, 1.0)
        width = {k: float(topology.link_bandwidth[k]) for k in (*straight, *around)}
        if direct is None:
            return width
        wide = sum(width[k] for k in around)
        return {
            **{k: direct / len(straight) for k in straight},
            **{k: (1 - direct) * width[k] / wide for k in around},
        }

    return split
