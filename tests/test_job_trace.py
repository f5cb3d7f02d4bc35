"""The job-trace simulation: renewal theory, cases by hand, and the figures of the paper."""

import json
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from topology.errors import ArgumentError, PlacementError
from topology.placement.block_sizes import MIXES, BlockSizes, block_sizes
from topology.placement.job_trace import NpuPool, allocation_rate


def of_one_size(size: int) -> BlockSizes:
    return BlockSizes(np.array([size]), np.array([1.0]))


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("mean", [10.08, 11.28])
def test_a_mix_has_the_mean_that_was_asked_for(mix: str, mean: float) -> None:
    sizes = block_sizes(mix, mean)
    assert sizes.mean == pytest.approx(mean)
    assert sizes.share.sum() == pytest.approx(1)
    assert (sizes.share >= 0).all()
    assert sizes.sizes.min() == 1


@pytest.mark.parametrize(
    ("npus", "supernodes", "size", "rate"),
    [(384, 1, 1, 1), (384, 1, 8, 1), (384, 1, 100, 300 / 384), (10, 3, 6, 0.6), (10, 3, 10, 1)],
)
def test_blocks_of_one_size_leave_what_does_not_divide(
    npus: int, supernodes: int, size: int, rate: float
) -> None:
    found = allocation_rate(NpuPool(npus, supernodes), of_one_size(size), 2000)
    assert found == pytest.approx(rate)


@pytest.mark.parametrize("mix", ["geometric", "uniform", "powers"])
def test_large_supernodes_meet_renewal_theory(mix: str) -> None:
    sizes = block_sizes(mix, 10.08)
    rates = [allocation_rate(NpuPool(2000), sizes, 20000, seed) for seed in range(3)]
    assert np.mean(rates) == pytest.approx(sizes.expected_rate(2000), abs=1e-3)


def test_larger_supernodes_and_smaller_blocks_give_more() -> None:
    for mix in MIXES:
        rate = {
            (npus, mean): allocation_rate(NpuPool(npus), block_sizes(mix, mean), 8000)
            for npus in (224, 384) for mean in (10.08, 11.28)
        }  # fmt: skip
        assert rate[384, 10.08] > rate[224, 10.08] > rate[224, 11.28]
        assert rate[384, 10.08] > rate[384, 11.28] > rate[224, 11.28]


def test_more_choice_gives_more_and_more_blocks_at_once_give_less() -> None:
    sizes = block_sizes("powers", 10.08)
    alone = allocation_rate(NpuPool(224), sizes, 10000)
    assert allocation_rate(NpuPool(224, lookahead=8), sizes, 10000) > alone + 0.02
    assert allocation_rate(NpuPool(224, supernodes=4), sizes, 10000) > alone + 0.01
    assert allocation_rate(NpuPool(224, blocks=2), sizes, 10000) < alone - 0.02


def test_the_same_seed_gives_the_same_rate() -> None:
    sizes = block_sizes("powers", 10.08)
    one, two = (allocation_rate(NpuPool(224), sizes, 1000, seed=3) for _ in range(2))
    assert one == two
    assert allocation_rate(NpuPool(224), sizes, 1000, seed=4) != one


def rows(*arguments: str) -> list[Any]:
    result = CliRunner().invoke(main, ["bench", "placement", "--format", "json", *arguments])
    assert result.exit_code == 0, result.output
    found: list[Any] = json.loads(result.output)
    return found


def test_the_papers_figures_come_out_with_decode_instances_and_not_with_powers_alone() -> None:
    found = {
        (row["mix"], row["npus"], row["mean_block"]): row
        for row in rows("--seeds", "2", "--mix", "powers,decode")
    }
    paper = [(384, 10.08), (224, 10.08), (224, 11.28)]
    assert [found["decode", *one]["agrees"] for one in paper] == ["yes"] * 3
    assert [found["powers", *one]["agrees"] for one in paper] == ["yes", "no", "no"]
    assert [found["powers", *one]["published"] for one in paper] == [
        "above 94", "below 91", "below 85",
    ]  # fmt: skip
    assert found["decode", 384, 11.28]["agrees"] is None
    assert found["powers", 224, 10.08]["expected_percent"] == pytest.approx(92.38, abs=0.01)


def test_what_is_expected_is_of_the_simplest_pool_alone() -> None:
    row, = rows("--seeds", "2", "--jobs", "500", "--mix", "uniform", "--npus", "100",
                "--mean-block", "4", "--lookahead", "2")  # fmt: skip
    assert row["expected_percent"] is row["published"] is row["agrees"] is None
    assert 90 < row["allocated_percent"] < 100


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: block_sizes("zipf", 10), PlacementError,
         "no mix 'zipf'; there are powers, geometric, uniform, decode"),
        (lambda: block_sizes("powers", 0.5), ArgumentError, "the mean block is 0.5"),
        (lambda: block_sizes("powers", 100), PlacementError, "a mean block of 100 NPUs: that of"
         " powers is from 1 to 64"),
        (lambda: block_sizes("decode", 8), PlacementError, "that of decode is from 9.7 to 160"),
        (lambda: NpuPool(0), ArgumentError, "npus is 0; it has to be an integer from 1"),
        (lambda: NpuPool(8, blocks=17), ArgumentError, "blocks is 17"),
        (lambda: allocation_rate(NpuPool(63), block_sizes("powers", 10)), PlacementError,
         "a job of 1 blocks of 64 NPUs can never begin on 1 supernodes of 63 NPUs"),
        (lambda: allocation_rate(NpuPool(64, blocks=2), of_one_size(64)), PlacementError,
         "a job of 2 blocks of 64 NPUs can never begin .* room for 1"),
        (lambda: allocation_rate(NpuPool(1 << 20), of_one_size(1), 1000), PlacementError,
         "1000 jobs do not fill the pool"),
        (lambda: allocation_rate(NpuPool(64), of_one_size(1), 1), ArgumentError, "jobs is 1"),
        (lambda: allocation_rate(NpuPool(64), of_one_size(1), 9, -1), ArgumentError, "seed is -1"),
    ],
)  # fmt: skip
def test_what_is_impossible_is_named(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--mix", "powers,zipf"], "'zipf' is no mix; there are powers, geometric"),
        (["--mean-block", "10,x"], "'x' is no mean of NPUs a block"),
        (["--mean-block", "nan"], "'nan' is no mean"),
        (["--npus", "0"], "'0' is no number of NPUs of a supernode"),
        (["--npus", "100", "--mix", "decode"], "a job of 1 blocks of 160 NPUs can never begin"),
    ],
)
def test_the_command_refuses_in_one_line(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(main, ["bench", "placement", *arguments])
    assert result.exit_code == 2
    assert words in result.output
    assert result.output.count("\n") == 1
