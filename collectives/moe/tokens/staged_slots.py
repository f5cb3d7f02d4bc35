"""How tokens of the low-latency mode and their results get to others: these read copies of them.

They lie in memory that ranks share (`collectives.calls.staging`), so that nobody waits for those
who read. Ranks tell each other where, and nothing else is sent.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectives.calls.staging import WORDS, Staging
from collectives.moe.routing.expert_ranks import ExpertRanks
from collectives.moe.routing.routing import Ints
from collectives.moe.tensors import Array
from collectives.moe.tokens.arrivals import Arrivals
from collectives.moe.tokens.loading import row_kernels
from collectives.moe.tokens.quantise import add_up
from collectives.moe.tokens.selection import Selected
from fabric.transports.base import Bytes, address_of

PLACES = 4
"""Numbers that say where a rank's tokens are, see `row_kernels.stage_slots`."""


class ArrivalCounts(NamedTuple):
    """How many tokens come from each rank for each expert here: int64 ``[ranks, local experts]``.

    The same as ``[local experts, ranks]``, and how many there are for each expert.
    """

    by_source: Ints
    by_expert: Ints
    counts: Ints


class StagedTokens:
    """The tokens of this rank, copied for others to read.

    ``encoded``: the bytes of all tokens and of their scales. ``tell``: what each rank is to be
    told, int64 ``[ranks, ...]``.
    """

    def __init__(
        self, staging: Staging, encoded: tuple[Bytes, Bytes], chosen: Selected,
        expert_ranks: ExpertRanks,
    ) -> None:  # fmt: skip
        self._staging, self._most = staging, expert_ranks.most
        self._call = staging.begin()
        rows, scales = encoded
        self._row, self._scale = rows.shape[1], scales.shape[1]
        size = chosen.token.nbytes + rows.size + scales.size
        memory, place = staging.piece(self._call, size)
        self.tell = np.empty((expert_ranks.ranks, self._most + PLACES + WORDS), np.int64)
        self.tell[:, self._most + PLACES :] = place
        row_kernels().stage_slots(
            rows, scales, chosen.token, chosen.counts, expert_ranks.local, memory, self.tell
        )

    def fetch(self, told: Ints, room: Arrivals, counted: ArrivalCounts) -> None:
        """Copy the tokens for this rank into ``room``, and fill ``counted``.

        ``told``: what this rank was told by each.
        """
        most = self._most
        begin = self._staging.addresses(told[:, most + PLACES :], told[:, most + PLACES - 1])
        row_kernels().fetch_slots(
            told, most, begin, room.addresses, self._row, self._scale, room.x.shape[1], *counted
        )
        self._staging.over(self._call)


class StagedResults:
    """The results of this rank's experts, copied for others to read: a row for each choice.

    ``y``: ``[local experts, rows, hidden]``; ``by_source``: as in `ArrivalCounts`; ``rank``:
    this one, whose own results are added up where they are. ``tell``: as there.
    """

    def __init__(
        self, staging: Staging, y: Array, by_source: Ints, expert_ranks: ExpertRanks, rank: int
    ) -> None:
        self._staging, self._expert_ranks, self._rank = staging, expert_ranks, rank
        self._call = staging.begin()
        _, rows, hidden = y.shape
        self._width, self._y = hidden * y.dtype.itemsize, y
        # Enough, as one's own are not copied.
        memory, place = staging.piece(self._call, int(by_source.sum()) * self._width)
        most = expert_ranks.most
        self.tell = np.zeros((expert_ranks.ranks, most + 1 + WORDS), np.int64)
        self.tell[:, most + 1 :] = place
        self._own = np.empty(by_source.shape[1], np.int64)
        row_kernels().stage_results(
            address_of(y), self._width, rows, by_source, rank, memory, most, self.tell, self._own
        )

    def add_up(
        self, told: Ints, chosen: Selected, choices: Ints, weights: NDArray[np.float32], out: Array
    ) -> None:
        """Fill ``out`` with the weighted sums of all ranks' results. ``told``: by each rank."""
        most = self._expert_ranks.most
        begin = self._staging.addresses(told[:, most + 1 :], told[:, most])
        address = np.empty(choices.shape, np.int64)
        row_kernels().find_results(
            told, begin, self._own, self._rank, self._expert_ranks.local, choices, chosen.row,
            chosen.counts, self._width, address,
        )  # fmt: skip
        add_up(address, weights, out)
        self._staging.over(self._call)
