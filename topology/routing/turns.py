"""Turns: moves of all ranks at once that leave a machine as it is, found and proved.

Where ranks are numbered node by node, moving each one a node on (the last node's to the first)
often changes nothing that anybody can see. `Turned` has those moves that are proved for a machine:
its ranks that a move takes to each other, and links that a move takes to each other, are alike. So
what is true of one rank's uniform traffic is true of the others'. A fault, a switch with a place
more, or a rank that sits elsewhere only leaves fewer moves.

A turn moves rank r to ``r - r % block + (r % block + by) % block``; ``by`` divides ``block``, which
divides the number of ranks. Turns follow one another in size, so a rank's *digits*, how often each
turn was made to come to it, are those of its number in a mixed radix; and all turns commute.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topology.compiled import compiled
from topology.graph import LEVELS, Ints, Longs
from topology.routing.router import Router
from topology.routing.seen_plane import Image, SeenPlane, TurnedPlane, hangs_on
from topology.routing.walk import FoldedPlane


class Turn(NamedTuple):
    """Every rank goes ``by`` ranks on within its block of ``block`` ranks."""

    by: int
    block: int

    @property
    def times(self) -> int:
        """How many turns bring every rank back to its place."""
        return self.block // self.by

    def moved(self, rank: Longs) -> Longs:
        """Where each rank goes."""
        place = rank % self.block
        goes: Longs = rank - place + (place + self.by) % self.block
        return goes


@dataclass(frozen=True, eq=False)
class Turned:
    """The turns of the first ``ranks`` ranks, and which resources of the router are alike.

    ``orbit``: int64 [resources], the number of the orbit of each: turns take the resources of an
    orbit to each other; ``count``: int64 [orbits], how many it has; ``first``: its first resource.
    """

    ranks: int
    turns: tuple[Turn, ...]
    orbit: Longs
    count: Longs
    first: Longs

    @property
    def times(self) -> int:
        """How many ranks each rank is like, itself among them."""
        return int(np.prod([turn.times for turn in self.turns], dtype=np.int64))

    def examples(self) -> Longs:
        """The first rank of each orbit, rising: int64 [ranks / times]."""
        rank = np.arange(self.ranks)
        first: Longs = rank[self.example(rank) == rank]
        return first

    def example(self, rank: Longs) -> Longs:
        """The first rank that each of ``rank`` is like, int64."""
        return self.back(rank, rank)

    def back(self, rank: Longs, mover: Longs) -> Longs:
        """Where ``rank`` is after the turns that take ``mover`` to its example, int64."""
        found = rank
        for by, block in self.turns:
            digit, less = found % block // by, mover % block // by
            found = found + ((digit - less) % (block // by) - digit) * by
        return found


def turned(
    router: Router, places: Ints, ranks: int, marks: Sequence[int] = (), *, whole: bool = False
) -> Turned:
    """The turns of the first ``ranks`` ranks that leave paths and distances as they are.

    ``places``: the endpoint of each rank; ``marks``: sizes of blocks of ranks that no turn mixes,
    each of which divides the next and ``ranks``; ``whole``: only turns of blocks that are as large
    as these, which keep distances between numbers of ranks, too. There may be none, such as where
    the policy is not an even spray, or where two ranks sit on one endpoint.
    """
    here = places[:ranks].astype(np.int64)
    planes = router.folded
    found: list[Turn] = []
    root = np.arange(len(router.capacity), dtype=np.int32)
    if router.policy == "spray" and len(np.unique(here)) == ranks:
        n = router.topology.n_endpoints
        under = [TurnedPlane(SeenPlane.of(plane, here, n)) for plane in planes]
        kinds = _groups(router, here, planes)
        for turn, images in _proved(under, kinds, (*marks, ranks), whole):
            found.append(turn)
            for plane, image in zip(under, images, strict=True):
                plane.take(image, root)
    return Turned(ranks, tuple(found), *_orbits(root))


def _proved(
    planes: list[TurnedPlane], kinds: list[Longs], marks: Sequence[int], whole: bool
) -> Iterator[tuple[Turn, list[Image]]]:
    """Turns with what each makes of every plane, the smallest first.

    The last of ``marks`` is the number of ranks.
    """
    by = 1
    for mark in marks:
        while by < mark:
            blocks = [b for b in range(2 * by, mark + 1, by) if mark % b == 0]
            for block in [mark] if whole else reversed(blocks):
                turn = Turn(by, block)
                if not all(_keeps(kind, by, block) for kind in kinds):
                    continue
                moved = turn.moved(np.arange(marks[-1]))
                images = [plane.image(moved) for plane in planes]
                if all(image is not None for image in images):
                    yield turn, [image for image in images if image is not None]
                    by = block
                    break
            else:
                by = blocks[0]


def _groups(router: Router, here: Longs, planes: list[FoldedPlane]) -> list[Longs]:
    """Groupings of the ranks that a turn has to keep: what they sit in, and hang on."""
    graph = router.topology
    containers = [getattr(graph, level)[here].astype(np.int64) for level in LEVELS[:-1]]
    hangs = [hangs_on(plane.begin, plane.target, here) for plane in planes]
    numbered = (np.unique(kind, return_inverse=True)[1] for kind in hangs)
    return [*(kind - kind.min() for kind in containers), *numbered]


@compiled
def _keeps(kind: Longs, by: int, block: int) -> bool:
    """Whether ranks of one kind come to be of one kind, and none of two."""
    kinds = kind.max() + 1
    goes, comes = np.full(kinds, -1), np.full(kinds, -1)
    for r in range(len(kind)):
        old, new = kind[r], kind[r - r % block + (r % block + by) % block]
        if goes[old] == -1 and comes[new] == -1:
            goes[old], comes[new] = new, old
        elif goes[old] != new or comes[new] != old:
            return False
    return True


@compiled
def _orbits(root: Ints) -> tuple[Longs, Longs, Longs]:
    """The number of each one's tree, from 0 in order; how many each has, and its first one.

    The top of a tree is the least of it, and what is above one comes before it.
    """
    orbit, trees = np.empty(len(root), np.int64), 0
    for r in range(len(root)):
        orbit[r] = trees if root[r] == r else orbit[root[r]]
        trees += root[r] == r
    count, first = np.zeros(trees, np.int64), np.empty(trees, np.int64)
    for r in range(len(root)):
        if root[r] == r:
            first[orbit[r]] = r
        count[orbit[r]] += 1
    return orbit, count, first
