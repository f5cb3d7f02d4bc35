"""A folded plane as some ranks see it, and what moving them makes of its bundles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined
from topology.graph import Floats, Ints, Longs
from topology.routing.walk import FoldedPlane

Used = NDArray[np.bool_]
Signs = NDArray[np.uint64]

_ROUNDS = 8  # of telling switches apart by their neighbours; fabrics have fewer tiers


@dataclass(frozen=True, eq=False)
class SeenPlane:
    """A plane as the ranks at ``here`` see it; ``sign``: uint64 [classes], tells switches apart.

    ``used``: bool [classes], False for endpoints without a rank.
    """

    plane: FoldedPlane
    here: Longs
    used: Used
    sign: Signs

    @staticmethod
    def of(plane: FoldedPlane, here: Longs, n: int) -> "SeenPlane":
        """``plane`` as the ranks on the endpoints ``here``, of ``n``, see it."""
        used = np.ones(len(plane.begin) - 1, np.bool_)
        used[:n] = False
        used[here] = True
        return SeenPlane(plane, here, used, _signs(plane, here, used, np.arange(len(here))))

    def image(self, moved: Longs) -> Longs | None:
        """The bundle that each bundle goes to if each rank goes where ``moved`` says.

        -1 for those of no use to ranks; None if the plane is not the same after that.
        """
        rank = np.arange(len(self.here))
        # A switch goes to the one that sees each rank where it sees the rank that goes there.
        back = np.empty_like(moved)
        back[moved] = rank
        sign = _signs(self.plane, self.here, self.used, back)
        goes = np.full(len(self.used), -1)
        switches = np.flatnonzero(self.used)
        old = switches[np.argsort(self.sign[switches], kind="stable")]
        new = switches[np.argsort(sign[switches], kind="stable")]
        goes[old] = new
        goes[self.here] = self.here[moved]
        plane = self.plane
        image = _bundles(goes, plane.begin, plane.target, plane.share, plane.bandwidth,
                         plane.latency)  # fmt: skip
        return image if len(image) == len(plane.target) else None


def _signs(plane: FoldedPlane, here: Longs, used: Used, number: Longs) -> Signs:
    """A number for each class, uint64; ``number``: of the rank on each of the endpoints ``here``.

    Switches get one by what they see; two that nothing tells apart get the same.
    """
    sign = np.zeros(len(used), np.uint64)
    sign[here] = number.astype(np.uint64) + np.uint64(1)
    switch = used.copy()
    switch[here] = False
    kind = sum(
        (column.view(np.uint64) * np.uint64(factor) for column, factor in
         ((plane.share, 3), (plane.bandwidth, 5), (plane.latency, 7))), np.zeros(1, np.uint64),
    )  # fmt: skip
    seen = 0
    for _ in range(_ROUNDS):
        sign = _seen(plane.begin, plane.target, kind, sign, used, switch)
        different = len(np.unique(sign[switch]))
        if different == seen:
            break
        seen = different
    return sign


@compiled
def _seen(
    begin: Longs, target: Ints, kind: Signs, sign: Signs, used: Used, switch: Used
) -> Signs:  # fmt: skip
    """The next numbers of classes: what a switch was, and what its neighbours were."""
    after = sign.copy()
    for c in range(len(begin) - 1):
        if not used[c]:
            continue
        for e in range(begin[c], begin[c + 1]):
            t = target[e]
            if not used[t]:
                continue
            if switch[c]:
                after[c] += _stirred(sign[t] * np.uint64(2) + kind[e])
            if switch[t]:
                after[t] += _stirred(sign[c] * np.uint64(2) + kind[e] + np.uint64(1))
    for c in range(len(after)):
        if switch[c]:
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
def _bundles(
    goes: Longs, begin: Longs, target: Ints, share: Floats, bandwidth: Floats, latency: Floats
) -> Longs:
    """Where each bundle goes if classes go where ``goes`` says, -1 where that is nowhere.

    One short if bundles do not go to bundles that are alike. Those of a class are in order of
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
            if (
                f < begin[d] or f >= begin[d + 1] or target[f] != goes[t]
                or share[f] != share[e] or bandwidth[f] != bandwidth[e]
                or latency[f] != latency[e]
            ):  # fmt: skip
                return wrong
            image[e] = f
            before, last = t, f
        if more:
            return wrong
        for f in range(begin[d], begin[d + 1]):
            at[target[f]] = -1
    return image
