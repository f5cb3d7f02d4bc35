"""The rows of a rank, made from what it knows, are those of the whole that involve it."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.algorithms import alltoall
from fabric.schedule.counts import AllCounts, Counts, Pairs, RankCounts, all_pairs
from fabric.schedule.step import ScheduleError
from tests.support.rank_rows import Longs, known_to, rows_of


@st.composite
def matrices(draw: st.DrawFn) -> Longs:
    ranks = draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    empty = draw(st.sampled_from([0.0, 0.5, 1.0]))
    return np.where(rng.random((ranks, ranks)) < empty, 0, rng.integers(1, 50, (ranks, ranks)))


def of_rank(rank: int, pairs: Pairs) -> list[tuple[int, int]]:
    src, dst = (column.tolist() for column in pairs)
    return [(i, j) for i, j in zip(src, dst, strict=True) if rank in (i, j)]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(matrices(), st.integers(0, 7))
def test_the_pairs_of_a_rank_are_those_of_all_in_their_order(counts: Longs, number: int) -> None:
    whole, some = AllCounts(counts), np.flatnonzero(counts.sum(axis=0) % 2)
    kinds: list[Callable[[Counts], Pairs]] = [
        lambda known: known.pairs(),
        lambda known: known.pairs_filled(),
        lambda known: known.pairs_to(some),
        lambda known: known.pairs_around(),
        lambda known: known.pairs_apart(number),
    ]
    for rank in range(len(counts)):
        mine = known_to(rank, counts)
        for kind in kinds:
            pairs = kind(mine)
            assert of_rank(rank, kind(whole)) == list(
                zip(*(c.tolist() for c in pairs), strict=True)
            )
            assert mine.between(pairs).tolist() == whole.between(pairs).tolist()


@settings(max_examples=60, derandomize=True, deadline=None)
@given(matrices())
def test_all_to_all_v(counts: Longs) -> None:
    for schedule in (alltoall.direct_v, alltoall.pairwise_v):
        for rank in range(len(counts)):
            mine = list(schedule(known_to(rank, counts)))
            assert rows_of(rank, mine) == rows_of(rank, schedule(counts))
            assert all(((step.src == rank) | (step.dst == rank)).all() for step in mine)


def test_a_step_has_one_number_at_all_ranks_though_a_rank_has_no_rows_in_it() -> None:
    counts = np.zeros((4, 4), np.int64)
    counts[0, 3] = 5
    numbers = [
        [n for n, step in enumerate(alltoall.pairwise_v(known_to(rank, counts))) if len(step)]
        for rank in range(4)
    ]
    assert numbers == [[3], [], [], [3]]
    assert len(list(alltoall.pairwise_v(counts))) == 1


def test_counts_of_a_rank_that_cannot_be() -> None:
    with pytest.raises(ScheduleError, match="rank 1 sends 3 to itself, and receives 4"):
        RankCounts(1, np.array([1, 3]), np.array([1, 4]))
    with pytest.raises(ScheduleError, match="counts of rank 2"):
        RankCounts(2, np.array([1, 3]), np.array([1, 3]))


def test_every_rank_with_some() -> None:
    src, dst = all_pairs(2, np.array([1, 5]))
    assert (src.tolist(), dst.tolist()) == ([0, 0, 1, 1], [1, 5, 1, 5])
