"""A folded plane as some ranks see it, and what moving them makes of its bundles."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled
from topology.graph import Ints, Longs
from topology.routing.grouping import bits, first_of_equal, join
from topology.routing.walk import FoldedPlane
from topology.stirring import stirred

Used = NDArray[np.bool_]
Signs = NDArray[np.uint64]

_ROUNDS = 8  # of telling switches apart by their neighbours; fabrics have fewer tiers


@dataclass(frozen=True, eq=False)
class SeenPlane:
    """A plane as the ranks at the endpoints ``here`` see it.

    ``used``: bool [classes], False for endpoints without a rank; ``kind``: int32 [bundles], the
    same for bundles that are alike; ``degree``: int64 [classes], bundles to classes that are used;
    ``switches``: int64, in the order of what they see, ``rounds`` times: over their bundles out
    alone, or ``both_ways``.
    """

    plane: FoldedPlane
    here: Longs
    used: Used
    kind: Ints
    degree: Longs
    switches: Longs
    rounds: int
    both_ways: bool

    @staticmethod
    def of(plane: FoldedPlane, here: Longs, n: int) -> "SeenPlane":
        """``plane`` as the ranks on the endpoints ``here``, of ``n``, see it."""
        used = np.ones(len(plane.begin) - 1, np.bool_)
        used[:n] = False
        used[here] = True
        kind, _ = first_of_equal(bits(plane.bandwidth), bits(plane.latency))
        kind, _ = first_of_equal(bits(kind), bits(plane.share))
        degree = _degrees(plane.begin, plane.target, used)
        switches = np.arange(n, len(used))
        bare = SeenPlane(plane, here, used, kind, degree, switches, 0, both_ways=False)
        found, all_differ = bare._told_apart()
        # Mostly links go there and back, and to look at one way is enough, and takes half the time.
        return found if all_differ else replace(bare, both_ways=True)._told_apart()[0]

    def _told_apart(self) -> "tuple[SeenPlane, bool]":
        """With the switches in order, and as many rounds as that takes; whether all differ."""
        n = len(self.used) - len(self.switches)
        sign, order, known, rounds = self._numbered(np.arange(len(self.here))), self.switches, 0, 0
        while rounds < _ROUNDS and known < len(order):
            sign = self._look_once(sign)
            finer = np.argsort(sign[n:], kind="stable")
            different = _different(sign[n:][finer])
            if different == known:
                break
            order, known, rounds = n + finer, different, rounds + 1
        return replace(self, switches=order, rounds=rounds), known == len(order)

    def goes(self, moved: Longs) -> Ints:
        """The class that each class goes to if each rank goes where ``moved`` says.

        -1 for those of no use to ranks. A switch goes to the one that sees each rank where it sees
        the rank that goes there, if there is one.
        """
        back = np.empty_like(moved)
        back[moved] = np.arange(len(moved))
        n = len(self.used) - len(self.switches)
        goes = np.full(len(self.used), -1, np.int32)
        sign = self._numbered(back)
        for _ in range(self.rounds):
            sign = self._look_once(sign)
        goes[self.switches] = n + np.argsort(sign[n:], kind="stable")
        goes[self.here] = self.here[moved]
        return goes

    def _numbered(self, number: Longs) -> Signs:
        """A number for each class, uint64: ``number`` of the rank on each endpoint of ``here``."""
        sign = np.zeros(len(self.used), np.uint64)
        sign[self.here] = number.astype(np.uint64) + np.uint64(1)
        return sign

    def _look_once(self, sign: Signs) -> Signs:
        """The next numbers of classes: switches get one by what they see.

        Two that nothing tells apart get the same.
        """
        plane, first = self.plane, len(self.used) - len(self.switches)
        return _seen(plane.begin, plane.target, self.kind, sign, self.used, first, self.both_ways)


class Image(NamedTuple):
    """What a turn makes of a plane: ``goes``, where each class goes, as of `SeenPlane.goes`.

    ``bundle``: int32, where each bundle goes, one after the other, of the classes that were
    ``asked`` for, bool [classes]; -1 for those of no use to ranks.
    """

    goes: Ints
    asked: Used
    bundle: Ints


class TurnedPlane:
    """One plane under several turns, which leave it as it is.

    Turns commute. So what a turn makes of a class follows from what it makes of another one, if
    turns that were proved before take one to the other: then one of each orbit of theirs is looked
    at, and the first turn is the only one that takes a look at every bundle.
    """

    def __init__(self, look: SeenPlane) -> None:
        self._look = look
        self._proved: list[Ints] = []
        self._root = np.arange(len(look.used), dtype=np.int32)  # of each class, in its orbit

    def image(self, moved: Longs) -> Image | None:
        """The plane if each rank goes where ``moved`` says; None if it is not the same then."""
        look, plane, goes = self._look, self._look.plane, self._look.goes(moved)
        asked = goes >= 0
        if all(_commute(goes, other) for other in self._proved):
            asked &= self._root == np.arange(len(goes), dtype=np.int32)
        found = _bundles(goes, asked, look.degree, plane.begin, plane.target, look.kind)
        is_same, bundle = found
        return Image(goes, asked, bundle) if is_same else None

    def take(self, image: Image, root: Ints) -> None:
        """Take a turn as proved: put resources that it takes to each other into one tree.

        ``root``: as of `topology.routing.grouping.join`.
        """
        plane = self._look.plane
        self._proved.append(image.goes)
        _join_classes(self._root, image.goes)
        _join_bundles(root, plane.resource, plane.begin, image.asked, image.bundle)


def _different(rising: Signs) -> int:
    return int(np.count_nonzero(rising[1:] != rising[:-1])) + min(len(rising), 1)


@compiled
def _degrees(begin: Longs, target: Ints, used: Used) -> Longs:
    """How many bundles of each class lead to classes that are used."""
    degree = np.zeros(len(begin) - 1, np.int64)
    for c in range(len(degree)):
        for e in range(begin[c], begin[c + 1]):
            degree[c] += used[target[e]]
    return degree


@compiled
def _seen(
    begin: Longs, target: Ints, kind: Ints, sign: Signs, used: Used, first: int, both_ways: bool
) -> Signs:  # fmt: skip
    """The next numbers of classes: what a switch was, and what its neighbours were.

    ``first``: the first class that is one of switches; ``both_ways``: also those into it.
    """
    after = sign.copy()
    for c in range(0 if both_ways else first, len(begin) - 1):
        if not used[c]:
            continue
        mine, seen = sign[c], np.uint64(0)
        for e in range(begin[c], begin[c + 1]):
            t, more = target[e], np.uint64(4 * kind[e])
            if not used[t]:
                continue
            if c >= first:
                seen += stirred(sign[t] + (more << np.uint64(32)))
            if both_ways and t >= first:
                after[t] += stirred(mine + ((more + np.uint64(1)) << np.uint64(32)))
        if c >= first:
            after[c] += seen
    for c in range(first, len(after)):
        after[c] = stirred(after[c])
    return after


@compiled
def hangs_on(begin: Longs, target: Ints, here: Longs) -> Longs:
    """A number for what each rank's links lead to, the same for the same."""
    found = np.zeros(len(here), np.int64)
    for r in range(len(here)):
        for e in range(begin[here[r]], begin[here[r] + 1]):
            found[r] += np.int64(stirred(np.uint64(target[e] + 1)) >> np.uint64(8))
    return found


@compiled
def _commute(one: Ints, other: Ints) -> bool:
    """Whether classes come to the same place, whichever of two turns is made first."""
    same = True
    for c in range(len(one)):
        same &= one[c] < 0 or one[other[c]] == other[one[c]]
    return same


@compiled
def _bundles(
    goes: Ints, asked: Used, degree: Longs, begin: Longs, target: Ints, kind: Ints
) -> tuple[bool, Ints]:  # fmt: skip
    """`Image.bundle`, and whether bundles go to bundles of their kind.

    Those of a class are in order of target; of parallel ones, which are of several kinds, the first
    goes to the first.
    """
    size = 0
    for c in range(len(asked)):
        if asked[c]:
            size += begin[c + 1] - begin[c]
    image, at = np.full(size, -1, np.int32), np.full(len(asked), -1, np.int32)
    k = 0
    for c in range(len(asked)):
        if not asked[c]:
            continue
        d = goes[c]
        if degree[c] != degree[d]:
            return False, image
        low, high, before, last, searched = begin[d], begin[d + 1], -1, begin[d] - 1, False
        for e in range(begin[c], begin[c + 1]):
            t, f = target[e], last + 1
            there = goes[t]
            if there >= 0:
                # Mostly the next one leads there.
                is_next = f < high and target[f] == there
                if t != before and not (is_next and (f == low or target[f - 1] != there)):
                    if not searched:
                        for g in range(high - 1, low - 1, -1):
                            at[target[g]] = g
                        searched = True
                    f = at[there]
                if f < low or f >= high or target[f] != there or kind[f] != kind[e]:
                    return False, image
                image[k] = f
                before, last = t, f
            k += 1
        if searched:
            for g in range(low, high):
                at[target[g]] = -1
    return True, image


@compiled
def _join_classes(root: Ints, goes: Ints) -> None:
    """Put each class and where it goes into one tree."""
    for c in range(len(goes)):
        if goes[c] >= 0:
            join(root, c, goes[c])


@compiled
def _join_bundles(root: Ints, resource: Ints, begin: Longs, asked: Used, bundle: Ints) -> None:
    """Put the resource of each bundle and of where it goes into one tree; columns as of `Image`."""
    k = 0
    for c in range(len(asked)):
        if not asked[c]:
            continue
        for e in range(begin[c], begin[c + 1]):
            if bundle[k] >= 0:
                join(root, resource[e], resource[bundle[k]])
            k += 1
