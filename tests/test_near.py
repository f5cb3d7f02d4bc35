"""Experts by topology: tokens travel less far than with loads alone, and no rank does much more."""

import json
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from collectives.moe import RoutingError
from collectives.moe.routing.near import SLACK, near, travelled
from collectives.moe.routing.placement import Placement, balanced, linear
from collectives.moe.routing.skew import zipf

HALVES = np.where(np.arange(8)[:, None] // 4 == np.arange(8) // 4, 1.0, 5.0) * (1 - np.eye(8))
"""Eight ranks on two nodes."""


@st.composite
def problems(draw: st.DrawFn) -> tuple[Any, int]:
    experts = 8 * draw(st.integers(1, 3))
    table = draw(st.lists(st.integers(0, 50), min_size=8 * experts, max_size=8 * experts))
    return np.array(table, float).reshape(8, experts), 8 * draw(st.integers(0, 1))


def fullest(traffic: Any, placement: Placement) -> float:
    """Tokens of the fullest rank, counted one by one: nearest replicas share alike."""
    load = np.zeros(8)
    for rank in range(8):
        for expert in range(placement.experts):
            homes = placement.rank[placement.logical == expert]
            best = [home for home in homes if HALVES[rank, home] == HALVES[rank, homes].min()]
            np.add.at(load, best, traffic[rank, expert] / len(best))
    return float(load.max())


@settings(max_examples=25, derandomize=True, deadline=None)
@given(problems())
def test_ways_are_no_longer_and_ranks_no_fuller(problem: Any) -> None:
    traffic, redundant = problem
    load = traffic.sum(axis=0)
    start, placed = balanced(load, 8, redundant), near(traffic, HALVES, redundant)
    assert placed.local.tolist() == start.local.tolist()
    assert placed.count.tolist() == start.count.tolist()
    limit = (1 + SLACK) * start.loads(load).max()
    before, after = fullest(traffic, start), fullest(traffic, placed)
    assert after <= max(limit, before) + 1e-6
    if before <= limit:  # else some way may have been given for an even load
        assert travelled(traffic, HALVES, placed) <= travelled(traffic, HALVES, start) + 1e-6
    np.testing.assert_array_equal(near(traffic, HALVES, redundant).logical, placed.logical)


def test_experts_go_to_the_ranks_that_ask_for_them() -> None:
    traffic = np.zeros((8, 8))
    traffic[np.arange(8), (np.arange(8) + 3) % 8] = 10
    assert travelled(traffic, HALVES, near(traffic, HALVES)) == 0
    assert travelled(traffic, HALVES, linear(8, 8)) == 10 * (3 * 5 * 2 + 1 * 2)


def test_replicas_are_one_on_each_node() -> None:
    traffic = np.ones((8, 8))
    traffic[:, 0] = 100  # its one replica more would by load alone go anywhere
    placed = near(traffic, HALVES, 8)
    homes = placed.rank[placed.logical == 0]
    assert set((homes // 4).tolist()) == {0, 1}


def test_the_nearest_replica_is_chosen_and_equals_in_turn() -> None:
    place = Placement([0, 0, 1, 0, 1, 0, 1, 0], [1] * 8)  # expert 0 on ranks 0, 1, 3, 5, 7
    chosen = place.choose([[0]] * 6, 2, HALVES[2])
    assert place.rank[chosen[:, 0]].tolist() == [3, 0, 1, 3, 0, 1]
    assert place.choose([[0, -1]], 5, HALVES[5]).tolist() == [[5, -1]]
    assert place.choose([[1]], 7, HALVES[7]).tolist() in ([[4]], [[6]])
    np.testing.assert_array_equal(
        place.choose([[0]] * 6, 2, np.ones(8)), place.choose([[0]] * 6, 2)
    )


def test_what_a_matrix_says_is_what_tokens_travel() -> None:
    routing = zipf(8, 40, 2, 16, exponent=1.0)
    placed = near(routing.expert_counts, HALVES, 8)
    way = 0.0
    for rank, table in enumerate(routing.topk_idx):
        way += HALVES[rank, placed.rank[placed.choose(table, rank, HALVES[rank])]].sum()
    assert travelled(routing.expert_counts, HALVES, placed) == pytest.approx(way)


def moe(*arguments: str) -> list[Any]:
    result = CliRunner().invoke(main, ["bench", "moe", "--format", "json", *arguments])
    assert result.exit_code == 0, result.output
    found: list[Any] = json.loads(result.output)
    return found


def test_the_benchmark_shows_what_placements_gain() -> None:
    rows = moe("--system", "h800:2", "--ep", "16", "--tokens", "32", "--skew", "zipf:1.0",
               "--expert-placement", "linear,eplb,topology", "--redundant", "32")  # fmt: skip
    assert [row["expert_placement"] for row in rows[::2]] == ["linear", "eplb", "topology"]
    linear_, eplb, topology = rows[::2]
    assert linear_["fullest_over_mean"] > 2 > 1.2 > eplb["fullest_over_mean"]
    assert topology["fullest_over_mean"] < 1.2
    assert topology["other_nodes_percent"] < 0.9 * eplb["other_nodes_percent"]
    assert linear_["time_us"] > eplb["time_us"]
    plain = moe("--system", "h800:2", "--ep", "16", "--tokens", "32", "--skew", "zipf:1.0")
    assert plain[0]["time_us"] == linear_["time_us"]
    assert "expert_placement" not in plain[0]


TRAFFIC = np.ones((8, 8))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: near(TRAFFIC, HALVES[:4, :4]), "traffic is of 8 ranks, and costs are of 4"),
        (lambda: near(TRAFFIC, HALVES[:4]), r"costs have the shape \[4, 8\]"),
        (lambda: near([[1, -1]], [[0]]), "traffic is .* table of finite numbers from 0 on"),
        (lambda: near(TRAFFIC, HALVES * np.inf), "costs is"),
        (lambda: near(TRAFFIC, "far"), "costs is 'far'"),
        (lambda: near(TRAFFIC, HALVES, 3), "11 physical experts do not divide evenly over 8 ranks"),
        (lambda: travelled(TRAFFIC, HALVES, linear(9, 8)), "the placement is of 8 ranks and 9"),
        (lambda: linear(8, 8).choose([[1]], 0, [1.0]), "costs are .* each of 8 ranks"),
        (lambda: linear(8, 8).choose([[1]], 0, [np.nan] * 8), "a finite number for each of 8"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in multiply")
def test_tables_that_are_none_are_named(call: Any, words: str) -> None:
    with pytest.raises(RoutingError, match=words):
        call()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--expert-placement", "best"], "'best' is no expert placement; there are linear, eplb"),
        (["--redundant", "8"], "--redundant goes with --expert-placement eplb or topology"),
        (["--expert-placement", "eplb", "--transport", "inproc"], "does not go with --transport"),
        (["--ep", "16", "--expert-placement", "eplb", "--redundant", "3"],
         "do not divide evenly over 16 ranks; --redundant may be 0, 16, 32 and so on"),
    ],
)  # fmt: skip
def test_the_command_refuses_in_one_line(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(main, ["bench", "moe", *arguments])
    assert result.exit_code == 2
    assert words in result.output
    assert result.output.count("\n") == 1
