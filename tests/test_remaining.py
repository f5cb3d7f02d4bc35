"""What is left of experts when ranks are lost, beside a slow version of it."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectives.moe import MASKED, RoutingError
from collectives.moe.routing.placement import EMPTY, Placement, balanced, linear
from collectives.moe.routing.remaining import remaining
from topology.errors import ArgumentError


@st.composite
def placements(draw: st.DrawFn) -> tuple[Placement, list[int]]:
    """A placement, some of whose places may be empty, and some of its ranks."""
    local = draw(st.lists(st.integers(0, 4), min_size=2, max_size=6).filter(sum))
    experts = draw(st.integers(1, sum(local)))
    rest = st.integers(EMPTY, experts - 1)
    more = draw(st.lists(rest, min_size=sum(local) - experts, max_size=sum(local) - experts))
    logical = draw(st.permutations([*range(experts), *more]))
    lost = draw(st.lists(st.integers(0, len(local) - 1), unique=True, max_size=len(local)))
    return Placement(np.array(logical), np.array(local)), lost


def held_by(placement: Placement, lost: Sequence[int]) -> list[list[int]]:
    """By rank that is left, the experts that it hosts, `EMPTY` for an empty place; slowly."""
    begin, hosts = 0, []
    for rank, n in enumerate(placement.local.tolist()):
        if rank not in lost:
            hosts.append(placement.logical[begin : begin + n].tolist())
        begin += n
    return hosts


@given(placements(), st.integers(0, 2**32 - 1))
def test_choices_go_to_replicas_that_are_left_and_weights_to_the_others(
    case: tuple[Placement, list[int]], seed: int
) -> None:
    placement, lost = case
    hosts = held_by(placement, lost)
    held = {expert for host in hosts for expert in host} - {EMPTY}
    if not held:
        with pytest.raises(RoutingError, match="no expert is left"):
            remaining(placement, lost)
        return
    left = remaining(placement, lost)
    assert left.placement.local.tolist() == [len(host) for host in hosts]
    assert np.flatnonzero(left.held).tolist() == sorted(held)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(MASKED, placement.experts, (5, 3))
    weights = rng.random((5, 3)).astype(np.float32)
    physical = [expert for host in hosts for expert in host]
    for rank in range(len(hosts)):
        for token, row in enumerate(left.choose(chosen, rank).tolist()):
            for slot, place in enumerate(row):
                expert = int(chosen[token, slot])
                assert (place != MASKED) == (expert in held)
                assert place == MASKED or physical[place] == expert
    whole, plain = left.weights(chosen, weights), left.weights(chosen, weights, renormalised=False)
    for token, row in enumerate(chosen.tolist()):
        made = [slot for slot, expert in enumerate(row) if expert != MASKED]
        kept = [slot for slot in made if row[slot] in held]
        for slot in range(3):
            given = float(weights[token, slot]) if slot in kept else 0.0
            assert plain[token, slot] == np.float32(given)
            total = sum(float(weights[token, slot]) for slot in made)
            part = sum(float(weights[token, slot]) for slot in kept)
            assert whole[token, slot] == pytest.approx(given * total / part if part else 0.0)


def test_with_nobody_lost_everything_is_as_it_was() -> None:
    placement = balanced(np.arange(1.0, 9.0), 4, 4)
    left = remaining(placement, [])
    chosen = np.arange(16).reshape(8, 2) % 8
    for rank in range(4):
        np.testing.assert_array_equal(left.choose(chosen, rank), placement.choose(chosen, rank))


def test_what_is_wrong_is_named() -> None:
    placement = linear(8, 4)
    with pytest.raises(RoutingError, match=r"lost is .*4.*; ranks are 0 to 3"):
        remaining(placement, [1, 4])
    with pytest.raises(ArgumentError, match="lost"):
        remaining(placement, ["one"])  # type: ignore[list-item]
    with pytest.raises(RoutingError, match="topk_idx has experts 0 to 8; experts are 0 to 7"):
        remaining(placement, [1]).choose([[0, 8]], 0)
