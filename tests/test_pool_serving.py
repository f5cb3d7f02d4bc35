"""A pool as the cache of a serving run."""

import json
from pathlib import Path
from typing import Any

import pytest

from collectives.memory.pool.core.hash_ring import HashRing
from collectives.memory.pool.core.tiers import StoreShape, tiers_of
from collectives.memory.pool.emulated.prefixes import FEW, MANY, PooledPrefixes, load_seconds
from collectives.memory.pool.emulated.replay import BlockShape
from collectives.memory.pool.emulated.requests import CacheRequest
from collectives.memory.pool.emulated.ways import PoolWays
from fabric.machine import MachineSpec
from tests.support.commands import refused, run

BLOCK = BlockShape(512, 36 << 20)


def prefixes(plane: str = "ub", blocks: int = 100) -> PooledPrefixes:
    ways = PoolWays(MachineSpec(), plane, 1, 4)
    return PooledPrefixes(ways, StoreShape(tiers_of({"dram": blocks * BLOCK.bytes}), BLOCK.bytes),
                          BLOCK)  # fmt: skip


def prompt(*blocks: int, rest: int = 5) -> CacheRequest:
    """The last name is of a block that is not whole."""
    return CacheRequest(0.0, 512 * len(blocks) + rest, 1, (*blocks, 99))


def test_a_prompt_reuses_the_whole_blocks_that_begin_an_earlier_one() -> None:
    cache = prefixes()
    assert cache.reused(prompt(1, 2, 3), 0.0) == (0, 0.0)
    cache.keep(prompt(1, 2, 3), 1.0)
    assert cache.reused(prompt(1, 2, 4), 2.0) == (1024, cache.seconds(2))
    assert cache.reused(prompt(7, 2), 2.0)[0] == 0
    assert (cache.hits, cache.asked) == (2, 8)


@pytest.mark.parametrize("plane", ["ub", "vpc"])
def test_loading_takes_what_a_simulation_of_it_takes(plane: str) -> None:
    cache, ways = prefixes(plane), PoolWays(MachineSpec(), plane, 1, 4)
    servers = HashRing(tuple(ways.servers)).servers
    for blocks in (FEW, MANY):
        assert cache.seconds(blocks) == pytest.approx(load_seconds(ways, servers, BLOCK, blocks))
    between = load_seconds(ways, servers, BLOCK, 24)
    assert cache.seconds(24) == pytest.approx(between, rel=0.1)
    assert cache.seconds(0) == 0.0


def test_a_serving_run_computes_less_with_a_pool(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(
        "".join(
            json.dumps({"timestamp": 900 * at, "input_length": 512 * 16, "output_length": 4,
                        "hash_ids": [*range(12), *range(100 * at, 100 * at + 4)]}) + "\n"
            for at in range(12)
        )
    )  # fmt: skip
    command = ("bench", "serve", "--requests-file", str(path), "--prefill-instances", "1")

    def answer(*more: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run(*command, *more, "--format", "json"))[0]
        return found

    none, ub, vpc = answer(), answer("--pool", "ub"), answer("--pool", "vpc")
    assert ub["hit_percent"] == vpc["hit_percent"] == pytest.approx(100 * 11 * 12 / (12 * 16))
    assert ub["ttft_p50_ms"] < vpc["ttft_p50_ms"] < none["ttft_p50_ms"]
    assert "hit_percent" not in none
    assert "has no plane ub" in refused(*command, "--system", "dgx_h800:18", "--pool", "ub")
