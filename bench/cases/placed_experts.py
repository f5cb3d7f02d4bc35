"""Where the experts of an operation are, and to which replicas its tokens then go."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from bench.machine import BenchError
from collectives.moe import Routing
from collectives.moe.routing.near import near
from collectives.moe.routing.placement import Placement, balanced, linear
from fabric.fabric import Fabric
from topology.graph import Floats, Ints
from topology.placement.rank_cost import rank_costs

PLACEMENTS = ("linear", "eplb", "topology")
"""Experts in order; by load alone, as DeepSeek's balancer; by load and by distance."""


@dataclass(frozen=True, eq=False)
class PlacedExperts:
    """Experts that are placed by one of `PLACEMENTS`, on ranks of these ``nodes`` (int [ranks]).

    ``costs``: of sending between ranks, float64 [ranks, ranks], with which tokens take the nearest
    replica; None: replicas are taken in turn.
    """

    name: str
    placement: Placement
    nodes: Ints
    costs: Floats | None = None

    def routing(self, asked: Routing) -> Routing:
        """The routing to replicas that comes of a routing to experts."""
        return _placed(self, asked)

    def record(self, asked: Routing) -> dict[str, str | float]:
        """What the placement does to a routing, for a record.

        ``fullest_over_mean``: tokens of the rank that gets most over the mean;
        ``other_nodes_percent``: of the tokens' copies those that leave their node.
        """
        counts = self.routing(asked).counts
        away = self.nodes[:, None] != self.nodes[None, :]
        return {
            "expert_placement": self.name,
            "fullest_over_mean": float(counts.sum(axis=0).max() / counts.sum(axis=0).mean()),
            "other_nodes_percent": float(100 * counts[away].sum() / max(counts.sum(), 1)),
        }


@lru_cache(4)  # as of routings
def _placed(placed: PlacedExperts, asked: Routing) -> Routing:
    costs = placed.costs
    chosen = [
        placed.placement.choose(table, rank, None if costs is None else costs[rank])
        for rank, table in enumerate(asked.topk_idx)
    ]
    return Routing(chosen, len(placed.placement.logical))


def placed_experts(name: str, asked: Routing, fabric: Fabric, redundant: int) -> PlacedExperts:
    """The experts of a routing, placed as ``name`` of `PLACEMENTS` says.

    The load is that of the routing itself, so this is what a balancer reaches that foresees it.
    Raises `BenchError` where experts and replicas do not divide evenly over the ranks.
    """
    places = fabric.places[: asked.ranks]
    nodes = fabric.topology.node[places]
    if name == "linear":
        return PlacedExperts(name, linear(asked.experts, asked.ranks), nodes)
    physical = asked.experts + redundant
    if physical % asked.ranks:
        raise BenchError(
            f"{asked.experts} experts and {redundant} replicas do not divide evenly over"
            f" {asked.ranks} ranks; --redundant may be {_some(_fitting(asked))}"
        )
    traffic = asked.expert_counts
    if name == "eplb":
        return PlacedExperts(name, balanced(traffic.sum(axis=0), asked.ranks, redundant), nodes)
    costs = rank_costs(fabric.router, places)
    return PlacedExperts(name, near(traffic, costs, redundant), nodes, costs)


def _fitting(asked: Routing) -> Iterator[int]:
    first = -asked.experts % asked.ranks
    return iter(range(first, first + 3 * asked.ranks, asked.ranks))


def _some(values: Iterator[int]) -> str:
    return f"{', '.join(map(str, values))} and so on"
