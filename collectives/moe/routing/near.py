"""Expert placement by topology: replicas go where those who ask for them are near.

`near` begins with the placement of DeepSeek's balancer (`placement.balanced`), which looks at loads
alone, and exchanges experts between ranks as long as tokens then travel less far and no rank has
more to do. What "far" is says a matrix of costs between ranks, such as
`topology.placement.rank_cost.rank_costs` or the file that SGLang's ``--eplb-topology`` reads.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.moe.routing.placement import ALIKE, Placement, balanced
from collectives.moe.routing.routing import Ints, RoutingError
from topology.arguments import number, shown

Floats = NDArray[np.float64]

PASSES = 4
"""Times that all replicas are tried for an exchange at most; two are enough in practice."""

SLACK = 0.02
"""By how much of itself the fullest rank may have more than in the placement that is begun with."""


def near(
    traffic: ArrayLike, costs: ArrayLike, redundant: int = 0, slack: float = SLACK
) -> Placement:
    """A placement in which tokens travel less far than in `placement.balanced` of the same load.

    ``traffic``: tokens of each rank for each expert, ``[ranks, experts]``. ``costs``: of sending
    from each rank to each, ``[ranks, ranks]``; only proportions count. ``redundant``: replicas that
    are added. It is meant for tokens that take the nearest replica: `Placement.choose` with
    ``costs``. The fullest rank has at most ``slack`` (a fraction) more than `balanced` gives it,
    or than the nearest replicas there give it. Deterministic. Raises `RoutingError`.
    """
    sent, far = _table(traffic, "traffic"), cost_table(costs)
    if len(sent) != len(far):
        raise RoutingError(f"traffic is of {len(sent)} ranks, and costs are of {len(far)}")
    start = balanced(sent.sum(axis=0), len(far), redundant)
    limit = start.loads(sent.sum(axis=0)).max() * (1 + number(slack, "slack", 0.0, 1e6))
    search = _Search(sent, far, start, float(limit))
    for _ in range(PASSES):
        if not search.exchange_all():
            break
    return Placement(search.logical, start.local)


def travelled(traffic: ArrayLike, costs: ArrayLike, placement: Placement) -> float:
    """What it costs in all if every token takes the nearest replica; units of ``costs`` x tokens.

    Raises `RoutingError` for tables that are no such ones or do not fit the placement.
    """
    sent, far = _table(traffic, "traffic"), cost_table(costs)
    if sent.shape != (len(placement.local), placement.experts) or len(far) != len(sent):
        raise RoutingError(
            f"traffic is {shown(list(sent.shape))} and costs are of {len(far)} ranks; the placement"
            f" is of {len(placement.local)} ranks and {placement.experts} experts"
        )
    return sum(cost for _, cost in _Search(sent, far, placement, 0.0).parts)


def cost_table(costs: ArrayLike) -> Floats:
    """Costs between ranks as float64 ``[ranks, ranks]``; raises `RoutingError` for other tables."""
    far = _table(costs, "costs")
    if far.shape[0] != far.shape[1]:
        raise RoutingError(f"costs have the shape {shown(list(far.shape))}; it has to be square")
    return far


class _Search:
    """A placement that is being improved; what it costs is kept for each expert.

    ``logical``: the expert at each place; ``rank``: of each place. ``limit``: what no rank is to
    exceed.
    """

    def __init__(self, sent: Floats, far: Floats, start: Placement, limit: float) -> None:
        self.sent, self.far, self.limit = sent, far, limit
        self.logical, self.rank = start.logical.copy(), start.rank
        self.alone = sent.T @ far  # what an expert costs with its one replica on each rank
        self.total = sent.sum(axis=0)
        self._least = 1e-9 * float(self.alone.sum(axis=0).max())  # a gain that is no rounding
        self.homes = [self.rank[self.logical == expert] for expert in range(len(self.total))]
        self.parts = [self.part(expert, homes) for expert, homes in enumerate(self.homes)]

    def part(self, expert: int, homes: Ints) -> tuple[Floats, float]:
        """What an expert with these homes gives each rank to do, and what its tokens' ways cost."""
        if len(homes) == 1:
            load = np.zeros(len(self.far))
            load[homes] = self.total[expert]
            return load, float(self.alone[expert, homes[0]])
        way, mine = self.far[:, homes], self.sent[:, expert]
        least = way.min(axis=1)
        takes = way <= least[:, None] * ALIKE
        share = (mine / takes.sum(axis=1)) @ takes
        load = np.zeros(len(self.far))
        np.add.at(load, homes, share)
        return load, float(mine @ least)

    def exchange_all(self) -> bool:
        """Give each replica the best exchange of its place with another; whether any was found.

        Of experts without a second replica the way is the same wherever they are if all ranks ask
        for them alike, so where there are replicas these alone look for another place.
        """
        count = np.bincount(self.logical)
        movable = np.flatnonzero(count[self.logical] > 1)
        if not len(movable):
            movable = np.arange(len(self.logical))
        return any([self._exchange(int(place)) for place in movable])

    def _exchange(self, place: int) -> bool:
        load = np.sum([part[0] for part in self.parts], axis=0)
        best, found = self._grade(load, -self._least), -1
        expert, home = int(self.logical[place]), int(self.rank[place])
        mine = [self._moved(expert, home, rank) for rank in range(len(self.far))]
        for other in range(len(self.logical)):
            there, its = int(self.rank[other]), int(self.logical[other])
            if there in self.homes[expert] or home in self.homes[its]:
                continue  # nothing to gain, or two replicas of an expert on one rank
            theirs = self._moved(its, there, home)
            grade = self._grade(load + mine[there][0] + theirs[0], mine[there][1] + theirs[1])
            if grade < best:
                best, found = grade, other
        if found >= 0:
            self._take(place, found)
        return found >= 0

    def _take(self, place: int, other: int) -> None:
        """Exchange the experts at two places."""
        self.logical[[place, other]] = self.logical[[other, place]]
        for expert in self.logical[[place, other]].tolist():
            self.homes[expert] = self.rank[self.logical == expert]
            self.parts[expert] = self.part(expert, self.homes[expert])

    def _moved(self, expert: int, home: int, to: int) -> tuple[Floats, float]:
        """How loads and the cost of ways change if an expert's replica moves to another rank."""
        homes = self.homes[expert].copy()
        homes[np.flatnonzero(homes == home)[0]] = to
        load, cost = self.part(expert, homes)
        return load - self.parts[expert][0], cost - self.parts[expert][1]

    def _grade(self, load: Floats, cost: float) -> tuple[float, float]:
        """How bad it is: first what the fullest rank has over the limit, then the ways' cost."""
        over = max(float(load.max()) - self.limit, 0.0)
        return (round(over, 6), cost)


def _table(given: ArrayLike, name: str) -> Floats:
    """A table of finite numbers from 0 on, float64; raises `RoutingError`."""
    try:
        table = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        table = np.zeros(0)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all() or table.min() < 0:
        raise RoutingError(
            f"{name} is {shown(given)}; it has to be a table of finite numbers from 0 on"
        )
    return table
