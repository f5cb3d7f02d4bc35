"""A folded plane as some ranks see it, and what moving them makes of its bundles."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined
from topology.graph import Ints, Longs
from topology.routing.grouping import bits, first_of_equal
from topology.routing.walk import FoldedPlane

Used = NDArray[np.bool_]
Signs = NDArray[np.uint64]

_ROUNDS = 8  # of telling switches apart by their neighbours; fabrics have fewer tiers


@dataclass(frozen=True, eq=False)
class SeenPlane:
    """A plane as the ranks at the endpoints ``here`` see it.

    ``used``: bool [classes], False for endpoints without a rank; ``kind``: int64 [bundles], the
    same for bundles that are alike; ``switches``: int64, in the order of what they see, ``rounds``
    times.
    """

    plane: FoldedPlane
    here: Longs
    used: Used
    kind: Longs
    switches: Longs
    rounds: int

    @staticmethod
    def of(plane: FoldedPlane, here: Longs, n: int) -> "SeenPlane":
        """``plane`` as the ranks on the endpoints ``here``, of ``n``, see it."""
        used = np.ones(len(plane.begin) - 1, np.bool_)
        used[:n] = False
        used[here] = True
        kind, _ = first_of_equal(bits(plane.bandwidth), bits(plane.latency))
        kind, _ = first_of_equal(bits(kind), bits(plane.share))
        bare = SeenPlane(plane, here, used, kind, np.arange(n, len(used)), _ROUNDS)
        rank, known = np.arange(len(here)), 0
        for rounds in range(1, _ROUNDS + 1):
            sign = bare._signs(rank, rounds)[n:]
            different = len(np.unique(sign))
            if different == known:
                break
            known = different
        return replace(bare, switches=n + np.argsort(sign, kind="stable"), rounds=rounds)

    def image(self, moved: Longs) -> Longs | None:
        """The bundle that each bundle goes to if each rank goes where ``moved`` says.

        -1 for those of no use to ranks; None if the plane is not the same after that.
        """
        # A switch goes to the one that sees each rank where it sees the rank that goes there.
        back = np.empty_like(moved)
        back[moved] = np.arange(len(moved))
        n = len(self.used) - len(self.switches)
        goes = np.full(len(self.used), -1)
        new = n + np.argsort(self._signs(back, self.rounds)[n:], kind="stable")
        goes[self.switches] = new
        goes[self.here] = self.here[moved]
        image = _bundles(goes, self.plane.begin, self.plane.target, self.kind)
        return image if len(image) == len(self.plane.target) else None

    def _signs(self, number: Longs, rounds: int) -> Signs:
        """A number for each class, uint64; ``number``: of the rank on each endpoint of ``here``.

        Switches get one by what they see; two that nothing tells apart get the same.
        """
        sign = np.zeros(len(self.used), np.uint64)
        sign[self.here] = number.astype(np.uint64) + np.uint64(1)
        first = len(self.used) - len(self.switches)
        for _ in range(rounds):
            sign = _seen(self.plane.begin, self.plane.target, self.kind, sign, self.used, first)
        return sign


@compiled
def _seen(
    begin: Longs, target: Ints, kind: Longs, sign: Signs, used: Used, first: int
) -> Signs:  # fmt: skip
    """The next numbers of classes: what a switch was, and what its neighbours were.

    ``first``: the first class that is one of switches.
    """
    after = sign.copy()
    for c in range(len(begin) - 1):
        if not used[c]:
            continue
        for e in range(begin[c], begin[c + 1]):
            t, more = target[e], np.uint64(4 * kind[e])
            if not used[t]:
                continue
            if c >= first:
                after[c] += _stirred(sign[t] + (more << np.uint64(32)))
            if t >= first:
                after[t] += _stirred(sign[c] + ((more + np.uint64(1)) << np.uint64(32)))
    for c in range(first, len(after)):
        after[c] = _stirred(after[c])
    return after


@inlined
def _stirred(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@compiled
def hangs_on(begin: Longs, target: Ints, here: Longs) -> Longs:
    """A number for what each rank's links lead to, the same for the same."""
    found = np.zeros(len(here), np.int64)
    for r in range(len(here)):
        for e in range(begin[here[r]], begin[here[r] + 1]):
            found[r] += np.int64(_stirred(np.uint64(target[e] + 1)) >> np.uint64(8))
    return found


@compiled
def _bundles(goes: Longs, begin: Longs, target: Ints, kind: Longs) -> Longs:
    """Where each bundle goes if classes go where ``goes`` says, -1 where that is nowhere.

    One short if bundles do not go to bundles of their kind. Those of a class are in order of
    target; of parallel ones, which are of several kinds, the first goes to the first.
    """
    image, wrong = np.full(len(target), -1), np.full(max(len(target), 1) - 1, -1)
    at = np.full(len(begin) - 1, -1)
    for c in range(len(begin) - 1):
        d = goes[c]
        if d < 0:
            continue
        more = 0
        for f in range(begin[d + 1] - 1, begin[d] - 1, -1):
            if goes[target[f]] >= 0:
                at[target[f]] = f
                more += 1
        before, last = -1, -1
        for e in range(begin[c], begin[c + 1]):
            t = target[e]
            if goes[t] < 0:
                continue
            more -= 1
            f = last + 1 if t == before else at[goes[t]]
            if f < begin[d] or f >= begin[d + 1] or target[f] != goes[t] or kind[f] != kind[e]:
                return wrong
            image[e] = f
            before, last = t, f
        if more:
            return wrong
        for f in range(begin[d], begin[d + 1]):
            at[target[f]] = -1
    return image
