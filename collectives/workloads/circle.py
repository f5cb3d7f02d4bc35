"""Operations that wait for one another in a circle, so that none of them can begin or end."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

STEPS = 1_000_000
"""Operations that are looked at for a shorter circle than the one that is known."""


def shortest_circle(edges: Iterable[tuple[int, int]]) -> list[int]:
    """The operations of a shortest circle in ``edges``, from later to earlier; [] if there is none.

    It begins with its smallest number.
    """
    import networkx as nx

    graph = nx.DiGraph(edges)
    loops = min((node for node in graph if graph.has_edge(node, node)), default=None)
    if loops is not None:
        return [loops]
    rings = [part for part in nx.strongly_connected_components(graph) if len(part) > 1]
    best: list[int] = []
    left = STEPS
    for part in sorted(rings, key=lambda part: (len(part), min(part))):
        # A part that is more than one circle has a branch in each of its circles.
        branches = [one for one in part if sum(other in part for other in graph[one]) > 1]
        for start in sorted(branches or part):
            if best and (left < 0 or len(best) == 2):
                break
            found, steps = _through(graph, start, len(best))
            best, left = found or best, left - steps
    least = best.index(min(best)) if best else 0
    return best[least:] + best[:least]


def _through(graph: "nx.DiGraph", start: int, limit: int) -> tuple[list[int], int]:
    """A shortest circle through ``start``, or [] where it has ``limit`` operations or more.

    And how many operations were looked at for it.
    """
    before: dict[int, int] = {}
    front, depth = [start], 0
    while front and (not limit or depth + 1 < limit):
        depth, coming = depth + 1, []
        for node in front:
            for other in graph[node]:
                if other == start:
                    path = [node]
                    while path[-1] != start:
                        path.append(before[path[-1]])
                    return path[::-1], len(before)
                if other not in before:
                    before[other] = node
                    coming.append(other)
        front = coming
    return [], len(before)
