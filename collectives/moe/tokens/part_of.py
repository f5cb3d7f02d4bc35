"""Dispatch and combine of ranks that are some of many: the rows by which the whole is timed.

The n ranks are one block of N/n alike: every rank of another block has as many tokens for each
rank of the n as the one that stands for it has, and each of them goes to that rank of a block by
chance, each block being as likely. So the experts of the whole are N/n times as many, and what is
popular among n ranks is as popular in every block. Both ends of a transfer draw the same chances
by themselves: from a seed, the number of the call, and the two ranks.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from collectives.moe.routing.routing import Ints
from collectives.moe.schedules import low_latency, normal
from fabric.schedule.counts import RankCounts
from fabric.schedule.plan import TimedRows, plan_of_own_rows, rows_of_several
from fabric.schedule.step import Step

SEED = 384
"""Of the chances by which tokens go to a block."""


def whole_rows(
    counts: RankCounts, copies: int, number: int, steps: Callable[[RankCounts], Iterable[Step]]
) -> TimedRows:
    """The rows that a rank, and those of other blocks that it stands for, have in a call.

    ``counts``: of the rank among those that run; ``copies``: the number of blocks; ``number``: of
    the call, the same at all ranks; ``steps``: the schedule of one rank's own rows among all.
    """
    whole = counts.ranks * copies
    plans = [plan_of_own_rows(steps(one), whole, one.rank) for one in _each(counts, copies, number)]
    return rows_of_several(plans)


def low_latency_rows(
    counts: RankCounts, local: Ints, size: int, *, back: bool, copies: int = 1, number: int = 0
) -> TimedRows:
    """The rows of a low-latency dispatch, or of a combine if ``back``, of messages of ``size``.

    ``local``: the number of experts of each rank that runs; the rest as in `whole_rows`.
    """
    schedule = low_latency.counted_combine if back else low_latency.counted_dispatch
    everywhere = np.tile(local, copies)
    return whole_rows(counts, copies, number, lambda one: schedule(one, everywhere, size))


def normal_rows(
    counts: RankCounts, choices: tuple[Ints, Ints], size: int, *, back: bool, copies: int = 1,
    number: int = 0,
) -> TimedRows:  # fmt: skip
    """The rows of a dispatch or combine of the normal mode with one level; as `low_latency_rows`.

    ``choices``: ``chosen`` and ``hosted`` of `spread`.
    """
    schedule = normal.counted_combine if back else normal.counted_dispatch
    far = spread(counts, *choices, copies)
    return whole_rows(far, copies, number, lambda one: schedule(one, size))


def spread(counts: RankCounts, chosen: Ints, hosted: Ints, copies: int) -> RankCounts:
    """The counts of tokens that go once to each rank, where ranks are ``copies`` times as many.

    Of m choices of a token for ranks that were one, fewer are for the same rank now: it goes to
    copies x (1 - (1 - 1 / copies)^m) of them on average. ``counts``: of tokens; ``chosen``: of
    their choices of experts on each rank; ``hosted``: of each rank's choices of experts here.
    """
    sent, received = (
        _apart(n, choices, copies)
        for n, choices in ((counts.sent, chosen), (counts.received, hosted))
    )
    return RankCounts(counts.rank, sent, received)


def _apart(tokens: Ints, choices: Ints, copies: int) -> Ints:
    each = choices // np.maximum(tokens, 1)  # of most tokens so many choices, of ``more`` one more
    more = choices - tokens * each
    once, twice = (copies * (1 - (1 - 1 / copies) ** m) for m in (each, each + 1))
    found: Ints = np.rint((tokens - more) * once + more * twice).astype(np.int64)
    return found


def _each(counts: RankCounts, copies: int, number: int) -> Iterator[RankCounts]:
    """The counts of the rank's own place in every block, among all ranks."""
    rank, ranks = counts.rank, counts.ranks
    out = [_drawn(int(n), copies, number, rank, peer) for peer, n in enumerate(counts.sent)]
    back = [_drawn(int(n), copies, number, peer, rank) for peer, n in enumerate(counts.received)]
    sent, received = np.stack(out, axis=2), np.stack(back, axis=2)  # [from block, to block, rank]
    for block in range(copies):
        mine = sent[block].reshape(-1), received[:, block].reshape(-1)
        yield RankCounts(block * ranks + rank, *mine)


def _drawn(count: int, copies: int, number: int, src: int, dst: int) -> Ints:
    """How many of the ``count`` from rank ``src`` of each block go to ``dst`` of each: [from, to].

    ``src`` and ``dst`` are ranks of a block.
    """
    chances = np.random.default_rng((SEED, number, src, dst))
    drawn: Ints = chances.multinomial(count, np.full(copies, 1 / copies), size=copies)
    return drawn
