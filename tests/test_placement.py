"""Expert placement: all experts are there, equally many a rank, and a skewed load gets even."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.moe import RoutingError
from collectives.moe.routing.placement import (
    Placement,
    balanced,
    linear,
    packed,
    replicated,
    with_shared,
)


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
    "given",
    [
        ([0, 1, 2, 3, 0, 1], [3, 3]),
        ((0, 1, 2, 3, 0, 1), np.array([3, 3], np.uint8)),
        (np.array([0, 1, 2, 3, 0, 1], np.int8), [np.int64(3), True + 2]),
        (np.array([0, 9, 1, 9, 2, 9, 3, 9, 0, 9, 1, 9])[::2], np.array([3, 3], ">i4")),
    ],
)
def test_a_placement_is_made_of_whatever_has_integers(given: Any) -> None:
    logical = list(given[0])
    place = Placement(given[0], given[1])
    assert (place.experts, place.logical.tolist(), place.local.tolist()) == (4, logical, [3, 3])
    assert place.choose([[0, 3]], 1).tolist() == [[4, 3]]
    assert not place.logical.flags.writeable


def test_a_placement_is_its_own() -> None:
    logical = np.array([0, 1])
    place = Placement(logical, [1, 1])
    logical[0] = 5
    assert place.logical.tolist() == [0, 1]


def test_a_placement_of_tensors() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional extra")
    place = Placement(torch.tensor([0, 1, 0]), torch.tensor([2, 1]))
    assert place.choose(torch.tensor([[0], [1]]), torch.tensor(1)).tolist() == [[2], [1]]
    assert place.loads(torch.tensor([4.0, 1.0])).tolist() == [3, 2]


def test_places_that_are_empty() -> None:
    place = Placement([0, -1, 1, 0, -1, -1], [3, 2, 1])
    assert (place.experts, place.count.tolist()) == (2, [2, 1])
    assert place.replicas.tolist() == [[0, 3], [2, -1]]
    assert place.loads([4, 1]).tolist() == [3, 2, 0]
    chosen = [[0, 1, -1], [1, 0, -1]]
    assert place.choose(chosen, 0).tolist() == [[0, 2, -1], [2, 0, -1]]
    assert place.choose(chosen, 1).tolist() == [[3, 2, -1], [2, 3, -1]]
    assert place.choose(chosen, 2).tolist() == [[0, 2, -1], [2, 3, -1]]  # in turn
    assert place.choose(np.zeros((0, 2)), 0).shape == (0, 2)
    shared = with_shared(place)
    assert shared.logical.tolist() == [0, -1, 1, 2, 0, -1, 2, -1, 2]


def test_loads_that_say_little() -> None:
    nothing = balanced(np.zeros(8), 4, 4)
    assert nothing.count.tolist() == [2] * 4 + [1] * 4
    # More replicas than ranks would share a rank: the hot expert has one on each.
    hot = balanced([1000] + [0] * 7, 4, 4)
    assert hot.count[0] == 4
    assert hot.loads([1000] + [0] * 7).tolist() == [250] * 4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: balanced([1, 2, 3], 2), "3 physical experts do not divide evenly over 2 ranks"),
        (lambda: balanced([1, 2], 2, nodes=2), "1 groups do not divide evenly over 2 nodes"),
        (lambda: balanced([1, -2], 2), "load has to be a number from 0 on"),
        (lambda: linear(4, 2).choose([[4]], 1), "rank 1 chooses expert 4 to 4; experts are 0 to 3"),
        (lambda: Placement(np.array([0, 2]), np.array([2])), r"without a replica are \[1\]"),
        (lambda: Placement([0.0, 1.0], [2]), "logical is float64; it has to be integers"),
        (lambda: Placement([0, 1], [2.0]), "local is float64; it has to be integers"),
        (lambda: Placement([True, False], [2]), "logical is bool"),
        (lambda: Placement([[0, 1]], [2]), r"logical has the shape \[1, 2\]; .* \[any\]"),
        (lambda: Placement([[0], [1, 2]], [2]), "logical: it is no table"),
        (lambda: Placement(5, [2]), "logical is a int, which has no memory"),
        (lambda: Placement([0, -2], [2]), "experts -2 to 0 are placed"),
        (lambda: Placement([-1, -1], [2]), "experts -1 to -1 are placed"),
        (lambda: Placement([0, 10**12], [2]), "experts 0 to 1000000000000 are placed"),
        (lambda: Placement([0, 2**70], [2]), "logical holds object"),
        (lambda: Placement(np.array([0, 2**63], np.uint64), [2]), "logical holds 9223372036854"),
        (lambda: Placement([0], [2]), "ranks host 2 experts, and 1 are placed"),
        (lambda: Placement([0], [2, -1]), r"local is \[2, -1\]"),
        (lambda: Placement([], []), r"local is \[\]"),
        (lambda: linear(4, 2).choose([1, 2], 0), r"topk_idx has the shape \[2\]"),
        (lambda: linear(4, 2).choose([[0.5]], 0), "topk_idx is float64"),
        (lambda: linear(4, 2).choose([[0]], 2), "rank is 2; it has to be an integer from 0 to 1"),
        (lambda: linear(4, 2).loads([1.0]), "number from 0 on for each of 4 experts"),
        (lambda: linear(4, 2).loads([1, 2, 3, np.inf]), "there is inf"),
        (lambda: balanced([1, np.nan], 2), "there is nan"),
        (lambda: balanced([1e308, 1e308], 2), "there is inf"),
        (lambda: balanced(["1", "2"], 2), "load has to be a number"),
        (lambda: balanced([1, 2j], 2), "load has to be a number"),
        (lambda: balanced([[1, 2]], 2), "load has to be a number"),
        (lambda: balanced([1, 2], 2.0), "ranks is 2.0; it has to be an integer"),
        (lambda: balanced([1, 2], 2, 10**12), "redundant is 1000000000000"),
        (lambda: balanced([1, 2], 0), "ranks is 0"),
        (lambda: linear(4, 0), "ranks is 0"),
        (lambda: with_shared(linear(4, 2), -1), "ranks is -1"),
    ],
)
def test_errors_name_the_value_and_the_choices(call: Any, words: str) -> None:
    with pytest.raises(RoutingError, match=words):
        call()
