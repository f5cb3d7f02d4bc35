"""How much goes from each rank to each, as far as it is known, for schedules over pairs.

A schedule of irregular traffic (an all-to-all-v, a dispatch to experts) is written once, over the
pairs of ranks of `AllCounts` or `RankCounts`. It may read the counts of a pair, and what every rank
knows, and nothing of other pairs. So it says of the pairs of one rank the same as of all pairs: the
rows of a rank, made from its own row and column of counts, are those of the whole that involve it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fabric.schedule.step import ScheduleError

_Longs = NDArray[np.int64]
Pairs = tuple[_Longs, _Longs]
"""Sources and destinations: int64 of one length."""


@dataclass(frozen=True, eq=False)
class AllCounts:
    """The counts of all pairs: ``counts[i, j]`` from rank i to rank j, int64 ``[ranks, ranks]``."""

    counts: _Longs

    @property
    def ranks(self) -> int:
        """The number of ranks."""
        return len(self.counts)

    def pairs(self) -> Pairs:
        """Every pair of ranks, by source and destination."""
        return all_pairs(self.ranks, np.arange(self.ranks))

    def pairs_filled(self) -> Pairs:
        """The pairs whose count is not 0, by source and destination."""
        src, dst = np.nonzero(self.counts)
        return src, dst

    def pairs_to(self, dst: _Longs) -> Pairs:
        """The pairs with these destinations, which ascend; by source and destination."""
        return all_pairs(self.ranks, dst)

    def pairs_around(self) -> Pairs:
        """Every pair.

        Sources ascend, and the destinations of each begin with itself and go round.
        """
        me = np.arange(self.ranks)
        dst = np.add.outer(me, me).ravel()
        dst[dst >= self.ranks] -= self.ranks
        return np.repeat(me, self.ranks), dst

    def pairs_apart(self, distance: int) -> Pairs:
        """The pairs whose destination is ``distance`` ranks after the source, around the ranks."""
        last = distance % self.ranks + self.ranks
        return self._twice[: self.ranks], self._twice[last - self.ranks : last]

    def between(self, pairs: Pairs) -> _Longs:
        """The counts of ``pairs``, int64 of one entry a pair."""
        counts: _Longs = self.counts.take(self._places(pairs))
        return counts

    def blocks(self, pairs: Pairs) -> tuple[_Longs, _Longs, _Longs]:
        """The counts of ``pairs``, and the begins of their blocks at source and destination.

        Blocks lie without gaps, in the order of ranks.
        """
        place = self._places(pairs)
        return self.counts.take(place), self._sent_at.take(place), self._received_at.take(place)

    def _places(self, pairs: Pairs) -> _Longs:
        return pairs[0] * self.ranks + pairs[1]

    @cached_property
    def _twice(self) -> _Longs:
        # All ranks, and all of them again.
        return np.tile(np.arange(self.ranks), 2)

    @cached_property
    def _sent_at(self) -> _Longs:
        return self.counts.cumsum(1) - self.counts

    @cached_property
    def _received_at(self) -> _Longs:
        return self.counts.cumsum(0) - self.counts


@dataclass(frozen=True, eq=False)
class RankCounts:
    """The counts that one rank knows: ``sent[j]`` to rank j, ``received[i]`` from rank i.

    Both int64 ``[ranks]``. The methods are those of `AllCounts`; they return only pairs that
    ``rank`` is part of, in the same order. Raises `ScheduleError` if their shapes differ, or what
    the rank sends to itself.
    """

    rank: int
    sent: _Longs
    received: _Longs

    def __post_init__(self) -> None:
        rank, sent, received = self.rank, self.sent, self.received
        if sent.shape != received.shape or not 0 <= rank < len(sent):
            raise ScheduleError(
                f"counts of rank {rank}: {sent.shape} sent, {received.shape} received"
            )
        if sent[rank] != received[rank]:
            raise ScheduleError(
                f"rank {rank} sends {sent[rank]} to itself, and receives {received[rank]}"
            )

    @property
    def ranks(self) -> int:
        """The number of ranks."""
        return len(self.sent)

    def pairs(self) -> Pairs:
        """Every pair that the rank is part of; as `AllCounts.pairs`."""
        return self._own(np.arange(self.ranks), True)

    def pairs_filled(self) -> Pairs:
        """The pairs of the rank whose count is not 0; as `AllCounts.pairs_filled`."""
        src, dst = self.pairs()
        filled = self.between((src, dst)) != 0
        return src[filled], dst[filled]

    def pairs_to(self, dst: _Longs) -> Pairs:
        """The pairs of the rank with these destinations; as `AllCounts.pairs_to`."""
        return self._own(dst, bool((dst == self.rank).any()))

    def pairs_around(self) -> Pairs:
        """Every pair that the rank is part of, in the order of `AllCounts.pairs_around`."""
        return self._own((self.rank + np.arange(self.ranks)) % self.ranks, True)

    def pairs_apart(self, distance: int) -> Pairs:
        """The pairs of the rank that are ``distance`` apart; as `AllCounts.pairs_apart`."""
        here, before = self.rank, (self.rank - distance) % self.ranks
        src = np.array([here] if here == before else sorted((here, before)))
        return src, (src + distance) % self.ranks

    def between(self, pairs: Pairs) -> _Longs:
        """The counts of ``pairs``; as `AllCounts.between`."""
        src, dst = pairs
        return np.where(src == self.rank, self.sent[dst], self.received[src])

    def blocks(self, pairs: Pairs) -> tuple[_Longs, _Longs, _Longs]:
        """The counts of ``pairs``, and where their blocks begin; as `AllCounts.blocks`.

        A block in another rank's buffer is said to begin at 0, as nobody reads that.
        """
        src, dst = pairs
        sends, receives = src == self.rank, dst == self.rank
        size = np.where(sends, self.sent[dst], self.received[src])
        return size, self._sent_at[dst] * sends, self._received_at[src] * receives

    @cached_property
    def _sent_at(self) -> _Longs:
        return self.sent.cumsum() - self.sent

    @cached_property
    def _received_at(self) -> _Longs:
        return self.received.cumsum() - self.received

    def _own(self, dst: _Longs, receives: bool) -> Pairs:
        # In its own place among the sources this rank has a row for each destination.
        me = self.rank
        if not receives:
            return np.full(len(dst), me), dst
        every, until = np.arange(self.ranks), me + len(dst)
        src, to = np.full((2, until + self.ranks - 1 - me), me)
        src[:me], src[until:], to[me:until] = every[:me], every[me + 1 :], dst
        return src, to


Counts = AllCounts | RankCounts
"""Of all pairs of ranks, or of those that one rank is part of."""


def all_pairs(ranks: int, dst: _Longs) -> Pairs:
    """The pairs of each of so many ``ranks`` with each destination, by source and destination."""
    return np.repeat(np.arange(ranks), len(dst)), np.tile(dst, ranks)
