"""Which rank hosts which expert, with replicas that even out a measured load.

What a router chooses are *logical* experts; what ranks host, and dispatch sends to, are *physical*
ones, each a replica of a logical one. `balanced` is DeepSeek's expert-parallel load balancer
(github.com/deepseek-ai/EPLB): the most loaded experts get the spare replicas, then all are packed
onto ranks, the heaviest first, each onto the lightest rank with room.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.calls.buffers import name_of, view
from collectives.moe.routing.routing import MASKED, Ints, RoutingError, blocks, count, starts
from collectives.moe.tensors import TokenError, integers
from topology.arguments import shown
from topology.errors import ArgumentError

EMPTY = -1
"""The expert of a physical one that is none: room that a rank has and does not use."""

MOST = 1 << 20
"""Physical experts at most."""

ALIKE = 1 + 1e-9
"""Costs whose ratio is less are equal: they differ by how they were added up."""

_Loads = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Placement:
    """Physical experts, in the order of ranks; ``local``: how many each rank hosts.

    ``logical``: the expert that each is a replica of, ``[physical]``, or `EMPTY`. Both are taken
    from lists, arrays and tensors of integers, copied, and cannot be written. `LowLatency` and
    `Normal` take ``experts=placement.local.tolist()``, and choices of `choose`. Raises
    `RoutingError` if an expert has no replica, or there are more or fewer replicas than ranks host.
    """

    logical: Ints
    local: Ints

    def __post_init__(self) -> None:
        for name in ("logical", "local"):
            table = _integers(getattr(self, name), name, 1)
            table.setflags(write=False)
            object.__setattr__(self, name, table)
        logical, local = self.logical, self.local
        if not len(local) or local.min() < 0 or len(local) > MOST or local.max() > MOST:
            raise RoutingError(
                f"local is {shown(local.tolist())}; it has to be how many experts each rank hosts,"
                f" 0 to {MOST}"
            )
        if len(logical) != local.sum():
            raise RoutingError(f"ranks host {local.sum()} experts, and {len(logical)} are placed")
        low, high = int(logical.min(initial=0)), int(logical.max(initial=EMPTY))
        if low < EMPTY or not EMPTY < high <= MOST:
            raise RoutingError(
                f"experts {low} to {high} are placed; they have to be from 0 to {MOST}, and {EMPTY}"
                " for an empty place"
            )
        missing = np.flatnonzero(self.count == 0)
        if len(missing):
            raise RoutingError(
                f"{len(self._used)} physical experts are replicas of experts 0 to {high}; without"
                f" a replica are {shown(missing.tolist())}"
            )

    @property
    def experts(self) -> int:
        """Number of logical experts."""
        return int(self.logical.max()) + 1

    @cached_property
    def rank(self) -> Ints:
        """The rank of every physical expert: int64."""
        return np.repeat(np.arange(len(self.local)), self.local)

    @cached_property
    def count(self) -> Ints:
        """Number of replicas of every logical expert: int64 ``[experts]``."""
        return np.bincount(self.logical[self._used], minlength=self.experts)

    @cached_property
    def replicas(self) -> Ints:
        """The physical experts of every logical one, filled up with -1: int64.

        The shape is ``[experts, most replicas]``.
        """
        used = self._used
        order = used[np.argsort(self.logical[used], kind="stable")]
        table = np.full((self.experts, int(self.count.max())), MASKED, np.int64)
        nth = np.arange(len(order)) - np.repeat(starts(self.count), self.count)
        table[self.logical[order], nth] = order
        return table

    def choose(self, topk_idx: ArrayLike, rank: int, costs: ArrayLike | None = None) -> Ints:
        """A replica for each choice of a rank's tokens, as physical experts: ``[tokens, top_k]``.

        It is the rank's own replica if it hosts one; else they are taken in turn, by token and
        rank. ``costs``: of sending from this rank to each, float ``[ranks]``; with them only the
        replicas with the least cost are taken. Masked choices stay. Raises `RoutingError` for an
        unknown expert or rank, and for costs of other ranks.
        """
        chosen = _integers(topk_idx, "topk_idx", 2)
        mine = count(rank, "rank", 0, len(self.local) - 1)
        if chosen.size and not -1 <= chosen.min() <= chosen.max() < self.experts:
            raise RoutingError(
                f"rank {mine} chooses expert {chosen.min()} to {chosen.max()}; experts are 0 to"
                f" {self.experts - 1}, and {MASKED} is a masked choice"
            )
        replicas, count_of = (self.replicas, self.count) if costs is None else self._near(costs)
        turn = (np.arange(len(chosen)) + mine)[:, None] % count_of[chosen]
        physical = replicas[chosen, turn]
        own = np.append(self._own(mine), MASKED)[chosen]
        return np.where(chosen == MASKED, MASKED, np.where(own >= 0, own, physical))

    def loads(self, load: ArrayLike) -> _Loads:
        """The load of every rank, float64 ``[ranks]``; replicas of an expert share its load evenly.

        Raises `RoutingError` unless ``load`` is a number from 0 on for each expert.
        """
        used, given = self._used, _loads(load, self.experts)
        each = given / self.count
        total = np.bincount(self.rank[used], each[self.logical[used]], len(self.local))
        return total.astype(np.float64, copy=False)

    @cached_property
    def _used(self) -> NDArray[np.intp]:
        """The physical experts that are not empty."""
        return np.flatnonzero(self.logical != EMPTY)

    def _near(self, costs: ArrayLike) -> tuple[Ints, Ints]:
        """As `replicas` and `count`, but of each expert those with the least cost come first."""
        way = np.asarray(costs, np.float64)
        if way.shape != self.local.shape or not np.isfinite(way).all():
            raise RoutingError(
                f"costs are {shown(costs)}; they have to be a finite number for each of"
                f" {len(self.local)} ranks"
            )
        cost = np.where(self.replicas >= 0, way[self.rank[self.replicas]], np.inf)
        nearest = cost <= cost.min(axis=1, keepdims=True) * ALIKE
        order = np.argsort(~nearest, axis=1, kind="stable")
        return np.take_along_axis(self.replicas, order, 1), nearest.sum(axis=1)

    def _own(self, rank: int) -> Ints:
        own: Ints = np.full(self.experts, MASKED, np.int64)
        mine = np.flatnonzero((self.rank == rank) & (self.logical != EMPTY))
        own[self.logical[mine]] = mine
        return own


def _integers(given: Any, name: str, dimensions: int) -> Ints:
    """A table of integers, copied, out of lists, arrays or tensors; raises `RoutingError`."""
    try:
        table = np.array(given) if isinstance(given, list | tuple) else given
        if isinstance(table, np.ndarray) and not table.size and table.ndim == dimensions:
            table = table.astype(np.int64)  # an empty list is one of floats to numpy
        return integers(table, name, (None,) * dimensions)
    except (OverflowError, TypeError, ValueError) as error:  # `TokenError` is the last
        told = str(error) if isinstance(error, TokenError) else f"it is no table: {error}"
        raise RoutingError(told if name in told else f"{name}: {told}") from None


def _loads(given: Any, experts: int | None = None) -> _Loads:
    """A load for each expert, out of a list, an array or a tensor; raises `RoutingError`."""
    try:
        buffer = view(np.array(given) if isinstance(given, list | tuple) else given, "load")
        known = buffer.dtype.kind in "iuf" or name_of(buffer.dtype) == "bfloat16"
        loads = buffer.bytes.view(buffer.dtype).astype(np.float64) if known else None
    except (ArgumentError, OverflowError, TypeError, ValueError):
        loads = None
    flat = np.ndim(given) == 1 if loads is not None else False
    if loads is None or not flat or not len(loads) or len(loads) != (experts or len(loads)):
        each = "each expert" if experts is None else f"each of {experts} experts"
        raise RoutingError(f"load is {shown(given)}; load has to be a number from 0 on for {each}")
    with np.errstate(over="ignore"):
        total = loads.sum()
    if not ((loads >= 0).all() and np.isfinite(total)):
        wrong = next((x for x in loads.tolist() if not 0 <= x < np.inf), float(total))
        raise RoutingError(f"load has to be a number from 0 on for each expert; there is {wrong}")
    return loads


def linear(experts: int, ranks: int) -> Placement:
    """A placement with each expert once, in order, as in `Routing`. Raises `RoutingError`."""
    placed, places = count(experts, "experts", 1, MOST), count(ranks, "ranks", 1, MOST)
    return Placement(np.arange(placed), blocks(placed, places))


def balanced(
    load: ArrayLike, ranks: int, redundant: int = 0, *, nodes: int = 1, groups: int = 1
) -> Placement:
    """A placement that evens out a measured ``load`` (of each logical expert).

    ``redundant``: how many replicas are added. ``nodes``, ``groups``: experts are in ``groups``
    groups of equal size, and a group stays within one of the nodes, as its tokens then cross nodes
    once (group-limited routing); 1 and 1: anywhere. Raises `RoutingError` if experts, groups, nodes
    and ranks do not divide evenly.
    """
    loads, more = _loads(load), count(redundant, "redundant", 0, MOST)
    ranks, nodes, groups = (
        count(value, name, 1, MOST)
        for value, name in ((ranks, "ranks"), (nodes, "nodes"), (groups, "groups"))
    )
    experts, physical = len(loads), len(loads) + more
    for what, n, by, of in (
        ("physical experts", physical, ranks, "ranks"), ("ranks", ranks, nodes, "nodes"),
        ("experts", experts, groups, "groups"), ("groups", groups, nodes, "nodes"),
    ):  # fmt: skip
        if n % by:
            raise RoutingError(f"{n} {what} do not divide evenly over {by} {of}")
    size, place = experts // groups, np.empty(physical, np.int64)
    by_group = loads.reshape(groups, size)
    each_node, each_rank = physical // nodes, physical // ranks
    for node, mine in enumerate(packed(by_group.sum(axis=1), nodes)):
        members = (mine[:, None] * size + np.arange(size)).ravel()
        which = replicated(loads[members], each_node, ranks // nodes)
        shares = loads[members][which] / np.bincount(which)[which]
        order = np.concatenate(packed(shares, ranks // nodes))
        place[node * each_node : (node + 1) * each_node] = members[which[order]]
    return Placement(place, np.full(ranks, each_rank))


def with_shared(placement: Placement, ranks: int = 0) -> Placement:
    """The placement with a shared expert added, which every token chooses.

    Its number is ``placement.experts``. ``ranks``: number of new ranks before all others, each with
    a replica (as in CloudMatrix-Infer's EP320, arXiv:2506.12708 4.2.1); 0: one on every existing
    rank.
    """
    shared, apart = placement.experts, count(ranks, "ranks", 0, MOST)
    if apart:
        return Placement(
            np.concatenate([np.full(apart, shared), placement.logical]),
            np.concatenate([np.ones(apart, np.int64), placement.local]),
        )
    ends = placement.local.cumsum()
    return Placement(np.insert(placement.logical, ends, shared), placement.local + 1)


def replicated(load: _Loads, physical: int, most: int | None = None) -> Ints:
    """The logical expert of each of ``physical`` replicas: int64 ``[physical]``.

    Each expert gets one, in order; the others go one by one to the expert with the most load for
    each of its replicas, or without any load to the one with the fewest. ``most``: replicas that an
    expert can use, one on each rank; it gets more only when all have as many.
    """
    count, which = np.ones(len(load)), list(range(len(load)))
    for _ in range(physical - len(load)):
        can = count < (most or np.inf)
        share = np.where(can | ~can.any(), load / count, -1.0)
        chosen = int(np.argmax(share) if load.any() else np.argmin(count))
        which.append(chosen)
        count[chosen] += 1
    return np.array(which, np.int64)


def packed(load: _Loads, packs: int) -> list[Ints]:
    """The items in each of ``packs`` packs of equal size: the heaviest first, to the lightest pack.

    Raises `RoutingError` if they do not divide evenly.
    """
    if packs < 1 or len(load) % packs:
        raise RoutingError(f"{len(load)} items do not divide evenly over {packs} packs")
    room, total = len(load) // packs, np.zeros(packs)
    items: list[list[int]] = [[] for _ in range(packs)]
    for item in np.argsort(-load, kind="stable").tolist():
        pack = min((p for p in range(packs) if len(items[p]) < room), key=lambda p: total[p])
        items[pack].append(item)
        total[pack] += load[item]
    return [np.array(mine, np.int64) for mine in items]
