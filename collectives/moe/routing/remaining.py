"""Which experts are left when ranks are lost: other replicas take over, or choices are masked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.moe.routing.placement import EMPTY, Placement
from collectives.moe.routing.routing import MASKED, Ints, RoutingError
from topology.arguments import integers, shown


@dataclass(frozen=True, eq=False)
class Remaining:
    """The experts that are left of a `Placement`, on the ranks that are left; made by `remaining`.

    ``placement``: the physical experts there, of logical ones with new numbers. ``number``: the new
    number of each expert, or `MASKED` if it has no replica any more: int64 ``[experts]``.

    `collectives.moe.LowLatency` and `collectives.moe.Normal` on what `Communicator.shrink` has
    returned take ``experts=remaining.placement.local.tolist()``, and choices of `choose`.
    """

    placement: Placement
    number: Ints

    @property
    def held(self) -> NDArray[np.bool_]:
        """Which experts are held by any rank that is left: bool ``[experts]``."""
        held: NDArray[np.bool_] = self.number != MASKED
        return held

    def choose(self, topk_idx: ArrayLike, rank: int) -> Ints:
        """A replica for each choice of a rank's tokens, as `Placement.choose`.

        Choices of experts that no rank holds are masked. ``topk_idx``: of the experts' first
        numbers; ``rank``: among those left. Raises `RoutingError` for an unknown expert or rank.
        """
        chosen = self._known(topk_idx)
        return self.placement.choose(np.append(self.number, MASKED)[chosen], rank)

    def weights(
        self, topk_idx: ArrayLike, topk_weights: ArrayLike, *, renormalised: bool = True
    ) -> NDArray[np.float32]:
        """The weights of choices, 0 where nobody holds the expert: float32 ``[tokens, top_k]``.

        ``renormalised``: the others of a token are scaled so that their sum is what it was; a token
        without any choice left has only zeros. Raises `RoutingError` for an unknown expert.
        """
        given = np.asarray(topk_weights, np.float32)
        chosen = self._known(topk_idx)
        made = np.where(chosen == MASKED, np.float32(0), given)
        kept = np.where(np.append(self.held, False)[chosen], made, np.float32(0))
        if not renormalised:
            return kept
        before, after = made.sum(axis=1, keepdims=True), kept.sum(axis=1, keepdims=True)
        scale = np.divide(before, after, out=np.zeros_like(after), where=after != 0)
        scaled: NDArray[np.float32] = kept * scale
        return scaled

    def _known(self, topk_idx: ArrayLike) -> Ints:
        chosen = np.asarray(topk_idx).astype(np.int64, copy=False)
        if chosen.size and not MASKED <= chosen.min() <= chosen.max() < len(self.number):
            raise RoutingError(
                f"topk_idx has experts {chosen.min()} to {chosen.max()}; experts are 0 to"
                f" {len(self.number) - 1}, and {MASKED} is a masked choice"
            )
        return chosen


def remaining(placement: Placement, lost: Sequence[int]) -> Remaining:
    """What is left of ``placement`` without the ranks ``lost``, which are ranks of it.

    The others keep their order, as in `Communicator.shrink`, and what they host. Raises
    `ArgumentError` for what is no list of ranks, `RoutingError` for unknown ranks, and if no
    expert is left.
    """
    gone = integers(lost, "lost")
    if any(not 0 <= rank < len(placement.local) for rank in gone):
        raise RoutingError(f"lost is {shown(gone)}; ranks are 0 to {len(placement.local) - 1}")
    kept = ~np.isin(placement.rank, gone)
    logical = placement.logical[kept]
    held = np.unique(logical[logical != EMPTY])
    if not len(held):
        raise RoutingError(f"no expert is left without ranks {shown(gone)}")
    number = np.full(placement.experts, MASKED, np.int64)
    number[held] = np.arange(len(held))
    local = np.delete(placement.local, gone)
    renamed = np.where(logical == EMPTY, EMPTY, number[logical])
    return Remaining(Placement(renamed, local), number)
