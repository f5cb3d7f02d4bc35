"""Allocators: which endpoints a job gets, out of those that are free.

All are functions of a topology, of what is asked for, and of the free endpoints (int32, ascending,
see `topology.placement.usable`). They return the endpoint of every rank, int32 [ranks]. The same
arguments give the same answer: of containers that are equally good the one with the lowest
endpoint is taken. What does not fit is a `PlacementError` that says what is asked for and how much
is free.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from topology.arguments import integer, integers
from topology.errors import PlacementError
from topology.graph import Ints, Topology
from topology.placement.levels import FINEST_FIRST, containers, levels, parts

POLICIES = ("packed", "spread", "within")
"""What `place` can be asked for."""


def place(
    topology: Topology, policy: str, ranks: int, free: Ints, level: str | None = None
) -> Ints:
    """The endpoints that a ``policy`` of `POLICIES` gives to ``ranks`` ranks.

    ``level``: of `spread` (None: ``"node"``) and `within`, see `topology.placement.levels.levels`.
    Raises `PlacementError` with the choices.
    """
    if policy not in POLICIES:
        raise PlacementError(f"no policy {policy!r}; there are {', '.join(POLICIES)}")
    if policy == "packed":
        if level is not None:
            raise PlacementError("packed takes no level; spread and within do")
        return packed(topology, ranks, free)
    if policy == "spread":
        return spread(topology, ranks, free, level or "node")
    if level is None:
        raise PlacementError(f"within needs a level; there are {', '.join(levels(topology))}")
    return within(topology, ranks, free, level)


def packed(topology: Topology, ranks: int, free: Ints) -> Ints:
    """The endpoints of ``ranks`` ranks as close together as free room allows, in ascending order.

    They go into the smallest kind of container that can hold all of them (a package, else a node, a
    rack, a supernode), and there into the one with the least room left over; of equals that in the
    fullest larger container. Where none can, those
    with the most room are filled first, and the last ones go where they fit best.
    """
    _check_room(topology, ranks, free)
    return np.sort(_packed(free, ranks, _columns(topology)))


def spread(topology: Topology, ranks: int, free: Ints, level: str = "node") -> Ints:
    """The endpoints of ``ranks`` ranks, dealt in turn to all containers of a ``level``.

    Rank 0 is in the first container, rank 1 in the second, and so on; a full one is passed over. No
    container has two ranks more than another that still has room.
    """
    _check_room(topology, ranks, free)
    groups = parts(free, containers(topology, level))
    turn = np.concatenate([np.arange(len(group)) for group in groups])
    whose = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    chosen: Ints = np.concatenate(groups)[np.lexsort((whose, turn))[:ranks]]
    return chosen


def within(topology: Topology, ranks: int, free: Ints, level: str) -> Ints:
    """The endpoints of ``ranks`` ranks, all in one container of a ``level``, in ascending order.

    It is the one with the least room left over; inside they are `packed`.
    """
    return blocks(topology, [ranks], free, level)


def blocks(topology: Topology, sizes: Sequence[int], free: Ints, level: str) -> Ints:
    """The endpoints of blocks of ranks, each within one container of a ``level``, block by block.

    ``sizes``: the ranks of each block. The largest goes first, each into the container with the
    least room left over (best fit, decreasing); blocks may share a container. This can fail where
    a search over all ways to place them would succeed.
    """
    wanted = integers(sizes, "blocks", None, 1)
    column = containers(topology, level)
    _check_room(topology, sum(wanted), free)
    groups, got = parts(free, column), {}
    finer = _columns(topology, level)
    for block in sorted(range(len(wanted)), key=lambda block: -wanted[block]):
        size = wanted[block]
        fitting = [number for number, group in enumerate(groups) if len(group) >= size]
        if not fitting:
            raise _too_large(topology, size, len(wanted), groups, level)
        best = min(fitting, key=lambda number: len(groups[number]))
        got[block] = np.sort(_packed(groups[best], size, finer))
        groups[best] = np.setdiff1d(groups[best], got[block], assume_unique=True)
    return np.concatenate([got[block] for block in range(len(wanted))])


def _too_large(
    topology: Topology, size: int, n_blocks: int, groups: Sequence[Ints], level: str
) -> PlacementError:
    most, total = max(map(len, groups)), sum(map(len, groups))
    which = f"a block of {size} ranks does" if n_blocks > 1 else f"{size} ranks do"
    others = "; other levels are " + ", ".join(x for x in levels(topology) if x != level)
    return PlacementError(
        f"{which} not fit into one {level} of {topology.name}: the one with the most room has"
        f" {most} free endpoints, all together have {total}{others}"
    )


def _check_room(topology: Topology, ranks: int, free: Ints) -> None:
    integer(ranks, "ranks", 1, error=PlacementError)
    if ranks > len(free):
        raise PlacementError(
            f"{ranks} ranks do not fit on {topology.name}: {len(free)} of its"
            f" {len(topology.accelerators)} endpoints for ranks are free"
        )


def _columns(topology: Topology, below: str | None = None) -> list[Ints]:
    """The containers of every endpoint at each level, the finest first; those under ``below``."""
    names = FINEST_FIRST[: FINEST_FIRST.index(below)] if below in FINEST_FIRST else FINEST_FIRST
    known = set(levels(topology))
    return [containers(topology, name) for name in names if name in known]


def _packed(free: Ints, ranks: int, columns: Sequence[Ints]) -> Ints:
    """``ranks`` of the ``free`` endpoints in the smallest container that holds them."""
    for depth, column in enumerate(columns):
        fitting = [part for part in parts(free, column) if len(part) >= ranks]
        if fitting:
            return _filled(_tightest(fitting, free, columns[depth + 1 :]), ranks, columns[:depth])
    return _filled(free, ranks, columns)


def _tightest(fitting: Sequence[Ints], free: Ints, around: Sequence[Ints]) -> Ints:
    """The part with the least room; of equals the one with the least room in what it sits in."""
    rooms = [(column, Counter(column[free].tolist())) for column in around]
    return min(
        fitting,
        key=lambda part: (len(part), *(room[int(column[part[0]])] for column, room in rooms)),
    )


def _filled(free: Ints, ranks: int, columns: Sequence[Ints]) -> Ints:
    """``ranks`` of the ``free`` endpoints, which no container of ``columns`` can hold alone."""
    if not columns or ranks == len(free):
        return free[:ranks]
    most_room_first = sorted(parts(free, columns[-1]), key=lambda part: -len(part))
    taken: list[Ints] = []
    for number, part in enumerate(most_room_first):
        if len(part) >= ranks:
            left = min((p for p in most_room_first[number:] if len(p) >= ranks), key=len)
            return np.concatenate([*taken, _packed(left, ranks, columns[:-1])])
        taken.append(part)
        ranks -= len(part)
    return np.concatenate(taken)
