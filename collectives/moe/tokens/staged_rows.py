"""How tokens of the normal mode and their results get to others: these read copies of them.

They lie in memory that ranks share (`collectives.calls.staging`), so that nobody waits for those
who read. Ranks tell each other where, and nothing else is sent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectives.calls.staging import WORDS, Staging, fits
from collectives.moe.routing.expert_ranks import ExpertRanks
from collectives.moe.routing.routing import Ints
from collectives.moe.tensors import Array
from collectives.moe.tokens.arrivals import Arrivals, bytes_of
from collectives.moe.tokens.loading import row_kernels
from collectives.moe.tokens.quantise import add_up
from collectives.moe.tokens.rank_transfer import Direct, DispatchPayload, ones
from collectives.moe.tokens.selection import copies
from fabric.transports.base import Bytes, address_of

PLACES = 6
"""Numbers that say where a rank's tokens are, see `row_kernels.stage_rows`."""

NOWHERE = -1
"""As the number of a buffer: the tokens are not there, but will be sent."""

_NONE: Bytes = np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Came:
    """What a dispatch brings: ``arrivals``, and as in `Arrived` the rest of it as arrays."""

    arrivals: Arrivals
    topk_idx: Ints | None
    topk_weights: NDArray[np.float32] | None
    token: NDArray[np.int32] | None


class StagedRows:
    """The tokens of rank ``rank``, copied for others to read if they are few, and who needs them.

    ``sent``: its copies by rank. ``tell``: what each rank is to be told, int64 ``[ranks, ...]``.
    Raises `TokenError` for wrong choices, see `selection.check`.
    """

    def __init__(
        self, staging: Staging, load: DispatchPayload, expert_ranks: ExpertRanks, rank: int, *,
        repeats: bool,
    ) -> None:  # fmt: skip
        choices = load.given_choices
        self.sent, by_expert = copies(choices, expert_ranks, repeats=repeats)
        self._staging, self._expert_ranks, self._rank = staging, expert_ranks, rank
        self._most, self._call = expert_ranks.most, staging.begin()
        rows, scales = np.ascontiguousarray(load.rows), np.ascontiguousarray(load.scales)
        self._widths = np.array([rows.shape[1], scales.shape[1]])
        self._top_k, self._weighs = load.top_k, load.weights is not None
        weights = _NONE if load.weights is None else bytes_of(load.weights)
        whole = (self.sent.token, choices, weights, rows, scales)
        self.tell = np.empty((expert_ranks.ranks, self._most + PLACES + WORDS), np.int64)
        memory, self.tell[:, self._most + PLACES :] = _NONE, NOWHERE
        if fits(rows.size + scales.size, expert_ranks.ranks):
            piece = staging.piece(self._call, sum([part.nbytes for part in whole]))
            memory, self.tell[:, self._most + PLACES :] = piece.memory, piece.place
        row_kernels().stage_rows(
            rows, scales, choices, weights, self.sent.token, self.sent.counts, by_expert,
            expert_ranks.local, memory, self.tell,
        )  # fmt: skip

    def received(self, told: Ints) -> Ints:
        """How many tokens come from each rank. ``told``: what this one was told by each."""
        return told[:, self._most + PLACES - 1].copy()

    def experts(self, told: Ints) -> Ints:
        """How many tokens choose each expert here."""
        counts: Ints = told[:, : self._expert_ranks.local[self._rank]].sum(axis=0)
        return counts

    def choices(self, told: Ints) -> Ints:
        """Of how many choices ``told``, or `tell`, is for each rank."""
        counts: Ints = told[:, : self._most].sum(axis=1)
        return counts

    def fetch(self, told: Ints, room: Callable[[int], Arrivals]) -> Came | None:
        """The tokens for this rank, if those of all are copied; else they will be sent.

        ``room``: memory for so many.
        """
        most, column, came = self._most, self._most + PLACES, None
        if (told[:, column] != NOWHERE).all():
            begin = self._staging.addresses(told[:, column:], told[:, column - 1])
            n = int(told[:, column - 1].sum())
            arrivals, local = room(n), self._expert_ranks
            choices = np.empty((n, self._top_k), np.int64)
            weights = np.empty((n, self._top_k if self._weighs else 0), np.float32)
            token = np.empty(n, np.int32)
            scales = _NONE if arrivals.scales is None else arrivals.scales
            row_kernels().fetch_rows(
                told, most, begin, np.array([address_of(arrivals.x), address_of(scales)]),
                self._widths, int(local.first[self._rank]), int(local.local[self._rank]),
                choices, weights, token,
            )  # fmt: skip
            came = Came(arrivals, choices, weights if self._weighs else None, token)
        self._staging.over(self._call)
        return came


class StagedSums:
    """The results of rank ``rank`` for the tokens that came to it, copied for others to read.

    ``given``: arrays of a row for each; ``path``: of those tokens. ``tell``: as in `StagedRows`.
    """

    def __init__(self, staging: Staging, given: Sequence[Array], path: Direct) -> None:
        self._staging, self._path, self._given = staging, path, given
        self._call, self._rank = staging.begin(), path.rank
        until = path.received.cumsum()
        begin = until - path.received
        first, last = int(begin[path.rank]), int(until[path.rank])  # one's own
        self._own = first
        size = sum([(len(a) - last + first) * _width(a) for a in given])
        memory, place = staging.piece(self._call, size)
        self.tell = np.empty((len(until), len(given) + 1 + WORDS), np.int64)
        self.tell[:, -WORDS:] = place
        self.tell[:, len(given)] = path.received
        begin[path.rank :] -= last - first
        at = 0
        for column, array in enumerate(given):
            self.tell[:, column] = at + begin * _width(array)
            for part in (array[:first], array[last:]):
                if len(part):
                    whole = bytes_of(part)
                    memory[at : at + whole.size] = whole
                    at += whole.size

    def add_up(
        self, told: Ints, outs: Sequence[Array], starts: Sequence[NDArray[np.float32] | None]
    ) -> None:
        """Fill each of ``outs`` with the sums of results for each token here.

        ``told``: what this rank was told by each; ``starts``: the initial values.
        """
        sent, kinds = self._path.sent, len(self._given)
        base = self._staging.addresses(told[:, -WORDS:], told[:, kinds])
        for column, (array, out, start) in enumerate(zip(self._given, outs, starts, strict=True)):
            begin = base + told[:, column]
            begin[self._rank] = address_of(array) + self._own * _width(array)
            address = np.empty(sent.row.shape, np.int64)
            row_kernels().find_copies(sent.row, sent.counts, begin, _width(array), address)
            add_up(address, ones(address), out, start)
        self._staging.over(self._call)


def _width(array: Array) -> int:
    return int(array.shape[1] * array.dtype.itemsize)
