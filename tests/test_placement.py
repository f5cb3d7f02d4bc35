"""Expert placement: all experts are there, equally many a rank, and a skewed load gets even."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.moe import RoutingError
from collectives.moe.placement import Placement, balanced, linear, packed, replicated, with_shared


@st.composite
def problems(draw: st.DrawFn) -> tuple[Any, int, int, int, int]:
    nodes, groups_each = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    ranks, groups = nodes * draw(st.integers(1, 3)), nodes * groups_each
    experts = groups * draw(st.integers(1, 4))
    redundant = -experts % ranks + ranks * draw(st.integers(0, 3))
    load = draw(st.lists(st.integers(0, 1000), min_size=experts, max_size=experts))
    return np.array(load, float), ranks, redundant, nodes, groups


@settings(max_examples=200, derandomize=True, deadline=None)
@given(problems())
def test_every_expert_is_placed_and_ranks_host_alike(problem: Any) -> None:
    load, ranks, redundant, nodes, groups = problem
    place = balanced(load, ranks, redundant, nodes=nodes, groups=groups)
    assert set(place.logical.tolist()) == set(range(len(load)))
    assert set(place.local.tolist()) == {(len(load) + redundant) // ranks}
    np.testing.assert_allclose(place.loads(load).sum(), load.sum())
    node_of = place.rank // (ranks // nodes)
    for group in range(groups):  # a group stays on its node
        members = place.logical // (len(load) // groups) == group
        assert len(set(node_of[members].tolist())) == 1


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(0, 6))
def test_replicas_make_the_largest_share_as_small_as_can_be(load: Any, more: int) -> None:
    loads = np.array(load, float)
    which = replicated(loads, len(load) + more)
    got = (loads / np.bincount(which)).max()

    def best(at: int, left: int) -> float:  # by trying everything
        if at == len(load):
            return 0.0
        return min(max(load[at] / (1 + n), best(at + 1, left - n)) for n in range(left + 1))

    assert got == pytest.approx(best(0, more))


def test_packing_is_within_a_third_of_the_mean_and_the_largest() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        load, packs = rng.pareto(2, 32), 8
        totals = [load[pack].sum() for pack in packed(load, packs)]
        # Greedy by weight: above the mean by no more than the largest item, or that item alone.
        assert max(totals) <= load.sum() / packs + load.max()


def test_a_skewed_load_gets_even() -> None:
    load = 1 / np.arange(1, 257) ** 0.8
    before = linear(256, 32).loads(load)
    after = balanced(load, 32, 32).loads(load)
    assert before.max() / before.mean() > 5
    assert after.max() / after.mean() < 1.05
    measured = np.zeros(32)
    place, rng = balanced(load, 32, 32), np.random.default_rng(0)
    for rank in range(32):
        chosen = rng.choice(256, (400, 1), p=load / load.sum())
        np.add.at(measured, place.rank[place.choose(chosen, rank)[:, 0]], 1)
    assert measured.max() / measured.mean() < 1.3


def test_each_choice_goes_to_a_replica_of_its_expert() -> None:
    place = balanced([9, 1, 1, 1], 3, 2)
    chosen = np.array([[0, 1], [2, -1], [0, 3], [0, 2], [3, 0]])
    for rank in range(3):
        physical = place.choose(chosen, rank)
        made = chosen >= 0
        assert (physical[~made] == -1).all()
        assert (place.logical[physical[made]] == chosen[made]).all()
        np.testing.assert_array_equal(physical, place.choose(chosen, rank))
        own = np.flatnonzero(place.rank == rank)
        for expert in set(place.logical[own].tolist()):  # nothing leaves that need not
            assert set(place.rank[physical[chosen == expert]].tolist()) <= {rank}


def test_shared_experts_have_ranks_of_their_own_or_are_everywhere() -> None:
    apart = with_shared(linear(6, 3), 2)
    assert apart.local.tolist() == [1, 1, 2, 2, 2]
    assert apart.logical.tolist() == [6, 6, 0, 1, 2, 3, 4, 5]
    chosen = apart.choose(np.full((4, 1), 6), 3)
    assert set(apart.rank[chosen[:, 0]].tolist()) == {0, 1}
    everywhere = with_shared(linear(5, 3))
    assert everywhere.local.tolist() == [3, 3, 2]
    assert everywhere.logical.tolist() == [0, 1, 5, 2, 3, 5, 4, 5]
    for rank in range(3):
        assert everywhere.rank[everywhere.choose([[5]], rank)].tolist() == [[rank]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: balanced([1, 2, 3], 2), "3 physical experts do not divide evenly over 2 ranks"),
        (lambda: balanced([1, 2], 2, nodes=2), "1 groups do not divide evenly over 2 nodes"),
        (lambda: balanced([1, -2], 2), "load has to be a number from 0 on"),
        (lambda: linear(4, 2).choose([[4]], 1), "rank 1 chooses expert 4 to 4; experts are 0 to 3"),
        (lambda: Placement(np.array([0, 2]), np.array([2])), r"without a replica are \[1\]"),
    ],
)
def test_errors_name_the_value_and_the_choices(call: Any, words: str) -> None:
    with pytest.raises(RoutingError, match=words):
        call()
