"""Hosts: which rank hosts which expert, however unevenly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from collectives.moe.routing import Ints, RoutingError, blocks, starts


@dataclass(frozen=True, eq=False, slots=True)
class Hosts:
    """Experts in contiguous blocks: ``local[r]`` of them on rank r, from ``first[r]`` on.

    ``rank``: of every expert, ``[experts]``.
    """

    local: Ints
    first: Ints
    rank: Ints

    @property
    def ranks(self) -> int:
        """How many ranks there are."""
        return len(self.local)

    @property
    def experts(self) -> int:
        """How many experts there are."""
        return len(self.rank)

    @property
    def words(self) -> str:
        """What all ranks have to agree on."""
        if np.array_equal(self.local, blocks(self.experts, self.ranks)):
            return f"{self.experts} experts"
        return f"experts {'+'.join(map(str, self.local.tolist()))}"


def hosts(experts: int | Sequence[int], ranks: int) -> Hosts:
    """Place experts on ranks: so many in all, as `Routing` does, or so many on each rank.

    A rank may host none. Raises `RoutingError`.
    """
    if isinstance(experts, int | np.integer):
        if experts < 1:
            raise RoutingError(f"experts is {experts}; it has to be 1 or more")
        local = blocks(int(experts), ranks)
    else:
        local = np.array(experts, np.int64)
        if local.shape != (ranks,) or local.min() < 0 or local.sum() < 1:
            raise RoutingError(
                f"experts is {list(experts)}; it has to be their number, or a list of {ranks}"
                " numbers from 0 on, one for each rank, not all 0"
            )
    return Hosts(local, starts(local), np.repeat(np.arange(ranks), local))
