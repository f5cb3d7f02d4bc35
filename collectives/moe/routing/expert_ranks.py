"""Which rank hosts which expert, however unevenly."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from collectives.moe.routing.routing import Ints, RoutingError, blocks, starts
from topology.arguments import integers, shown, whole
from topology.errors import ArgumentError

MOST = 1 << 24
"""Experts at most: tables of the size of their number are made by every rank."""


@dataclass(frozen=True, eq=False)
class ExpertRanks:
    """Experts in contiguous blocks: ``local[r]`` of them on rank r, from ``first[r]`` on.

    ``rank``: the rank of every expert, ``[experts]``.
    """

    local: Ints
    first: Ints
    rank: Ints

    @property
    def ranks(self) -> int:
        """Number of ranks."""
        return len(self.local)

    @property
    def experts(self) -> int:
        """Number of experts over all ranks."""
        return len(self.rank)

    @cached_property
    def most(self) -> int:
        """Number of experts that a rank hosts at most."""
        return int(self.local.max())

    @cached_property
    def words(self) -> str:
        """A description of the distribution; ranks compare it, so a difference is an error."""
        if np.array_equal(self.local, blocks(self.experts, self.ranks)):
            return f"{self.experts} experts"
        return f"experts {'+'.join(map(str, self.local.tolist()))}"


def expert_ranks(experts: int | Sequence[int], ranks: int) -> ExpertRanks:
    """The distribution of experts over ranks: a total, as in `Routing`, or a number for each rank.

    A rank may host none. Raises `RoutingError`.
    """
    total = whole(experts)
    if total is None:
        local = _listed(experts, ranks)
    else:
        if not 1 <= total <= MOST:
            raise RoutingError(f"experts is {shown(total)}; it has to be 1 to {MOST}")
        local = blocks(total, ranks)
    return ExpertRanks(local, starts(local), np.repeat(np.arange(ranks), local))


def _listed(experts: Any, ranks: int) -> Ints:
    """How many experts each rank has, from what was passed as a list."""
    try:
        given = integers(experts, "experts", ranks, 0, MOST)
        if not 1 <= sum(given) <= MOST:
            raise ArgumentError(f"experts is {shown(experts)}, which add up to {sum(given)}")
    except ArgumentError as error:
        raise RoutingError(
            f"{error}; it has to be their number, or a list of {ranks} numbers from 0 on, one for"
            f" each rank, that add up to 1 to {MOST}"
        ) from None
    return np.array(given, np.int64)
