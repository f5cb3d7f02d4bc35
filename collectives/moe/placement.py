"""Placement: which rank hosts which expert, with replicas that even a measured load.

What a router chooses are *logical* experts; what ranks host, and dispatch sends to, are *physical*
ones, each a replica of a logical one. `balanced` is DeepSeek's expert-parallel load balancer
(github.com/deepseek-ai/EPLB): the most loaded experts get the replicas that there are to give, then
all are packed onto ranks, the heaviest first, each onto the lightest rank with room.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.moe.routing import MASKED, Ints, RoutingError, blocks, starts

_Loads = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Placement:
    """Physical experts, in the order of ranks. ``local``: how many each rank hosts.

    ``logical``: of which expert each is a replica, ``[physical]``. `LowLatency` and `Normal` take
    ``experts=placement.local.tolist()``, and choices of `choose`. Raises `RoutingError` where an
    expert has no replica, or there are more or fewer than ranks host.
    """

    logical: Ints
    local: Ints

    def __post_init__(self) -> None:
        missing = np.flatnonzero(np.bincount(self.logical) == 0)
        if len(missing) or len(self.logical) != self.local.sum():
            raise RoutingError(
                f"ranks host {self.local.sum()} experts, and {len(self.logical)} are placed;"
                f" without a replica are {missing.tolist()}"
            )

    @property
    def experts(self) -> int:
        """How many logical experts there are."""
        return int(self.logical.max()) + 1

    @cached_property
    def rank(self) -> Ints:
        """The rank of every physical expert."""
        return np.repeat(np.arange(len(self.local)), self.local)

    @cached_property
    def count(self) -> Ints:
        """How many replicas every expert has."""
        return np.bincount(self.logical, minlength=self.experts)

    @cached_property
    def replicas(self) -> Ints:
        """The physical experts of every logical one: ``[experts, replicas at most]``, then -1."""
        order = np.argsort(self.logical, kind="stable")
        table = np.full((self.experts, int(self.count.max())), MASKED, np.int64)
        nth = np.arange(len(order)) - np.repeat(starts(self.count), self.count)
        table[self.logical[order], nth] = order
        return table

    def choose(self, topk_idx: ArrayLike, rank: int) -> Ints:
        """Choose a replica for each choice of a rank's tokens: ``[tokens, top_k]``, as given.

        That of the own rank where it hosts one; else in turn, by token and rank. Masked choices
        stay. Raises `RoutingError` for an expert that there is not.
        """
        chosen = np.asarray(topk_idx, np.int64)
        if chosen.size and not -1 <= chosen.min() <= chosen.max() < self.experts:
            raise RoutingError(
                f"rank {rank} chooses expert {chosen.min()} to {chosen.max()}; experts are 0 to"
                f" {self.experts - 1}, and {MASKED} is a masked choice"
            )
        turn = (np.arange(len(chosen)) + rank)[:, None] % self.count[chosen]
        physical = self.replicas[chosen, turn]
        own = np.append(self._own(rank), MASKED)[chosen]
        return np.where(chosen == MASKED, MASKED, np.where(own >= 0, own, physical))

    def loads(self, load: ArrayLike) -> _Loads:
        """The load of every rank, where that of an expert is shared evenly by its replicas."""
        each = np.asarray(load, np.float64) / self.count
        total = np.bincount(self.rank, each[self.logical], len(self.local))
        return total.astype(np.float64, copy=False)

    def _own(self, rank: int) -> Ints:
        own: Ints = np.full(self.experts, MASKED, np.int64)
        mine = np.flatnonzero(self.rank == rank)
        own[self.logical[mine]] = mine
        return own


def linear(experts: int, ranks: int) -> Placement:
    """Place each expert once, in order, as `Routing` does."""
    return Placement(np.arange(experts), blocks(experts, ranks))


def balanced(
    load: ArrayLike, ranks: int, redundant: int = 0, *, nodes: int = 1, groups: int = 1
) -> Placement:
    """Even a measured ``load`` (of each logical expert) with ``redundant`` replicas more.

    ``nodes``, ``groups``: experts are in so many groups of equal size, and a group stays within a
    node, as its tokens then cross nodes once (group-limited routing); 1 and 1: anywhere. Raises
    `RoutingError` where experts, groups, nodes and ranks do not divide evenly.
    """
    loads = np.asarray(load, np.float64)
    if loads.ndim != 1 or not len(loads) or not (loads >= 0).all():
        raise RoutingError("load has to be a number from 0 on for each expert")
    experts, physical = len(loads), len(loads) + redundant
    for what, n, by, of in (
        ("physical experts", physical, ranks, "ranks"), ("ranks", ranks, nodes, "nodes"),
        ("experts", experts, groups, "groups"), ("groups", groups, nodes, "nodes"),
    ):  # fmt: skip
        if redundant < 0 or by < 1 or n % by:
            raise RoutingError(f"{n} {what} do not divide evenly over {by} {of}")
    size, place = experts // groups, np.empty(physical, np.int64)
    by_group = loads.reshape(groups, size)
    each_node, each_rank = physical // nodes, physical // ranks
    for node, mine in enumerate(packed(by_group.sum(axis=1), nodes)):
        members = (mine[:, None] * size + np.arange(size)).ravel()
        which = replicated(loads[members], each_node)
        shares = loads[members][which] / np.bincount(which)[which]
        order = np.concatenate(packed(shares, ranks // nodes))
        place[node * each_node : (node + 1) * each_node] = members[which[order]]
    return Placement(place, np.full(ranks, each_rank))


def with_shared(placement: Placement, ranks: int = 0) -> Placement:
    """Add a shared expert, which every token chooses: its number is ``placement.experts``.

    ``ranks``: so many ranks of its own before all others, each with a replica (as
    CloudMatrix-Infer's EP320 has, arXiv:2506.12708 4.2.1); 0: one on every rank that there is.
    """
    shared = placement.experts
    if ranks > 0:
        return Placement(
            np.concatenate([np.full(ranks, shared), placement.logical]),
            np.concatenate([np.ones(ranks, np.int64), placement.local]),
        )
    ends = placement.local.cumsum()
    return Placement(np.insert(placement.logical, ends, shared), placement.local + 1)


def replicated(load: _Loads, physical: int) -> Ints:
    """Give each expert a replica, and the others one by one to who has most load a replica.

    The expert of each physical one: ``[physical]``, the first of every expert in order.
    """
    count, which = np.ones(len(load)), list(range(len(load)))
    for _ in range(physical - len(load)):
        most = int(np.argmax(load / count))
        which.append(most)
        count[most] += 1
    return np.array(which, np.int64)


def packed(load: _Loads, packs: int) -> list[Ints]:
    """Share items out over packs, equally many each: the heaviest first, to the lightest pack."""
    room, total = len(load) // packs, np.zeros(packs)
    items: list[list[int]] = [[] for _ in range(packs)]
    for item in np.argsort(-load, kind="stable").tolist():
        pack = min((p for p in range(packs) if len(items[p]) < room), key=lambda p: total[p])
        items[pack].append(item)
        total[pack] += load[item]
    return [np.array(mine, np.int64) for mine in items]
