"""Caches of prompts and of models over a pool."""

import numpy as np
import pytest

from collectives.memory.pool.caches import ContextCache, ModelCache
from collectives.memory.pool.core.errors import PoolError, PoolFull
from collectives.memory.pool.core.tiers import PAGE
from collectives.memory.pool.pool import Pool


def kv(number: int) -> bytes:
    return b"%02d" % number * 50


def test_a_prompt_finds_the_blocks_of_those_that_begin_alike() -> None:
    with Pool.local() as pool:
        cache = ContextCache(pool, "deepseek-r1")
        first = list(range(1000))
        assert cache.cached(first) == 0
        assert cache.store(first, [kv(at) for at in range(7)]) == 7
        assert cache.cached(first) == cache.cached(first[:896]) == 7 * 128
        second = first[:400] + [-1] * 600
        assert cache.cached(second) == 3 * 128
        rooms = [bytearray(100) for _ in range(7)]
        assert cache.load(second, rooms) == 3 * 128
        assert rooms[:3] == [kv(at) for at in range(3)]
        assert cache.load(second, rooms[:2]) == 2 * 128
        assert cache.store(second, [kv(at) for at in range(13, 17)], first=3) == 4
        assert cache.load(second, rooms) == 7 * 128
        assert rooms[2:4] == [kv(2), kv(13)]
        assert ContextCache(pool, "another").cached(first) == 0
        with pytest.raises(PoolError, match="2 blocks from number 6 on; 1 are whole"):
            cache.store(first, [b"", b""], first=6)
        with pytest.raises(PoolError, match="blocks of 100 tokens"):
            ContextCache(pool, "model", 100)


def test_a_hole_ends_what_is_cached() -> None:
    with Pool.local() as pool:
        cache, tokens = ContextCache(pool, "model"), list(range(640))
        cache.store(tokens, [kv(at) for at in range(5)])
        pool.remove(cache.keys(tokens)[2])
        assert cache.cached(tokens) == 2 * 128
        assert cache.load(tokens, [bytearray(100) for _ in range(5)]) == 2 * 128


def test_a_model_is_there_as_a_whole_or_not() -> None:
    with Pool.local(2) as pool:
        models = ModelCache(pool, 1000)
        model = np.random.default_rng(1).integers(0, 255, 5500, dtype=np.uint8)
        assert not models.has("r1")
        assert models.load("r1") is None
        models.store("r1", model)
        assert models.has("r1")
        assert models.prefetch("r1")
        assert models.load("r1") == model.tobytes()
        models.store("empty", b"")
        assert models.load("empty") == b""
        assert pool.remove("r1#3")
        assert not models.has("r1")
        assert not models.prefetch("r1")
        assert models.load("r1") is None
        models.remove("r1")
        assert models.load("r1") is None
        assert not models.prefetch("r1")


def test_a_model_that_does_not_fit_is_not_there() -> None:
    with Pool.local(dram=4 * PAGE) as pool:
        models = ModelCache(pool, 2 * PAGE)
        assert pool.batch_put({"kept": bytes(PAGE), "too": bytes(PAGE)}) == [True, True]
        assert pool.pin("kept")
        assert pool.pin("too")
        for number in range(2):
            with pytest.raises(PoolFull):
                ModelCache(pool, 3 * PAGE).store("model", bytes(6 * PAGE + number))
            assert not models.has("model")


def test_a_prefetched_model_is_in_the_first_tier() -> None:
    with Pool.local(dram=4 * PAGE, ssd=16 * PAGE) as pool:
        models = ModelCache(pool, PAGE)
        models.store("one", bytes(2 * PAGE))
        models.store("two", bytes(3 * PAGE))
        before = pool.stats()["server0"]["hits_dram"]
        assert models.prefetch("one")
        assert models.load("one") == bytes(2 * PAGE)
        assert pool.stats()["server0"]["hits_dram"] >= before + 3
