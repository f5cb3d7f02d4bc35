"""Drawn routings: exact, and the tokens of a batch are the first ones of every larger batch."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.moe import Routing, node_limited, uniform, zipf
from collectives.moe.routing.draws import draw
from collectives.moe.routing.skew import weighted

WHOLE = 1 << 64
GENERATORS: dict[str, Callable[..., Routing]] = {
    "uniform": uniform,
    "zipf": lambda *a: zipf(*a, exponent=1.1),
    "hot": lambda *a: zipf(*a, exponent=40.0),
    "weighted": lambda ranks, tokens, top_k, experts, seed: weighted(
        ranks, tokens, top_k, (1 + np.arange(experts) % 3).astype(np.float64), seed
    ),
    "node-limited": lambda *a: node_limited(*a, groups=4, top_groups=2),
}


def hashed(x: int) -> int:
    """SplitMix64's last step, in Python's whole numbers."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % WHOLE
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % WHOLE
    return x ^ (x >> 31)


def drawn_slowly(
    seed: int, rank: int, token: int, top_k: int, weights: Sequence[int], groups: Sequence[int],
    most: int,
) -> list[int]:  # fmt: skip
    """One token's experts: each of those that it may have, laid on a line as long as they weigh."""
    step = 0x9E3779B97F4A7C15
    state = hashed((hashed((seed + step * (rank + 1)) % WHOLE) + step * (token + 1)) % WHOLE)
    chosen: list[int] = []
    for _ in range(top_k):
        state = (state + step) % WHOLE
        had = {groups[expert] for expert in chosen}
        left = [expert for expert in range(len(weights)) if expert not in chosen
                and (not most or len(had) < most or groups[expert] in had)]  # fmt: skip
        at = hashed(state) * sum(weights[expert] for expert in left) // WHOLE
        for expert in left:
            if at < weights[expert]:
                chosen.append(expert)
                break
            at -= weights[expert]
    return chosen


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_every_draw_is_what_a_line_of_what_is_left_says(data: st.DataObject) -> None:
    weights = data.draw(
        st.lists(st.integers(1, 1 << 58), min_size=1, max_size=12)
        | st.integers(1, 12).map(lambda experts: [1] * experts)
    )
    groups = np.sort(data.draw(st.lists(st.integers(0, 4), min_size=12)))[: len(weights)]
    groups = np.unique(groups, return_inverse=True)[1]
    most = data.draw(st.integers(0, int(groups[-1]) + 1))
    least = np.sort(np.bincount(groups))[:most].sum() if most else len(weights)
    top_k = data.draw(st.integers(1, int(least)))
    tokens = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    seed = data.draw(st.integers(0, WHOLE - 1))
    chosen = np.full((sum(tokens), top_k), -1)
    edges = np.append(0, np.bincount(groups).cumsum())
    draw(chosen, np.append(0, np.cumsum(tokens)), np.uint64(seed),
         np.append(0, np.cumsum(weights)), edges, most)  # fmt: skip
    assert chosen.tolist() == [
        drawn_slowly(seed, rank, token, top_k, weights, groups.tolist(), most)
        for rank, n in enumerate(tokens) for token in range(n)
    ]  # fmt: skip


@pytest.mark.parametrize("name", GENERATORS)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_batch_begins_as_every_smaller_one(name: str, data: st.DataObject) -> None:
    """Of fewer tokens, of uneven ones, on fewer ranks, with fewer experts a token."""
    experts, make = data.draw(st.integers(8, 40)), GENERATORS[name]
    ranks, top_k = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 4))
    seed = data.draw(st.integers(0, WHOLE - 1))
    tokens = data.draw(st.lists(st.integers(0, 12), min_size=ranks, max_size=ranks))
    large = make(ranks + 3, 12, 4, experts, seed)
    small = make(ranks, tokens, top_k, experts, seed)
    assert small.tokens.tolist() == tokens
    for rank, table in enumerate(small.topk_idx):
        assert np.array_equal(table, large.topk_idx[rank][: tokens[rank], :top_k])
        assert all(len(set(row)) == top_k for row in table.tolist())


def shares(routing: Routing) -> dict[tuple[int, ...], float]:
    """How often each row of experts was drawn, of all rows."""
    rows, count = np.unique(routing.flat, axis=0, return_counts=True)
    return dict(zip(map(tuple, rows.tolist()), (count / len(routing.flat)).tolist(), strict=True))


def test_each_order_of_each_set_is_equally_likely() -> None:
    found = shares(uniform(30, 4000, 2, 5, seed=1))
    assert found == pytest.approx(dict.fromkeys(itertools.permutations(range(5), 2), 0.05),
                                  abs=0.003)  # fmt: skip


def test_weights_say_how_likely_each_order_is() -> None:
    weights = np.array([8.0, 1.0, 4.0, 2.0]) / 15
    expected = {
        (a, b, c): weights[a] * weights[b] / (1 - weights[a])
        * weights[c] / (1 - weights[a] - weights[b])
        for a, b, c in itertools.permutations(range(4), 3)
    }  # fmt: skip
    found = shares(weighted(30, 4000, 3, 1e300 * weights))
    assert found == pytest.approx(expected, abs=0.004)


def test_a_token_that_has_its_groups_draws_from_these_alone() -> None:
    """Three groups of two experts, of which a token may have two: the closed form of each row."""
    group, expected = [0, 0, 1, 1, 2, 2], {}
    for row in itertools.permutations(range(6), 3):
        share = 1.0
        for slot, expert in enumerate(row):
            had = {group[each] for each in row[:slot]}
            left = [each for each in range(6) if each not in row[:slot]
                    and (len(had) < 2 or group[each] in had)]  # fmt: skip
            share *= (expert in left) / len(left)
        if share:
            expected[row] = share
    found = shares(node_limited(30, 4000, 3, 6, groups=3, top_groups=2))
    assert found == pytest.approx(expected, abs=0.004)


def test_neighbours_do_not_know_of_each_other() -> None:
    """Tokens, ranks, slots and seeds beside each other: each pair of experts as often as others."""
    one, other = (uniform(256, 256, 2, 16, seed=seed).flat.reshape(256, 256, 2) for seed in (0, 1))
    for left, right in (
        (one[:, :-1, 0], one[:, 1:, 0]), (one[:-1, :, 0], one[1:, :, 0]),
        (one[:, :-1, 1], one[:, 1:, 0]), (one[..., 0], other[..., 0]),
        (one[..., 0], one.swapaxes(0, 1)[..., 0] + (np.eye(256, dtype=int) * 16)),
    ):  # fmt: skip
        pairs = np.stack([left.ravel(), right.ravel()])[:, right.ravel() < 16]
        count = np.bincount(pairs[0] * 16 + pairs[1], minlength=256)
        expected = pairs.shape[1] / 256
        chi_square = float(((count - expected) ** 2 / expected).sum())
        assert 170 < chi_square < 350  # 255 degrees of freedom: 255 +- 22.6
