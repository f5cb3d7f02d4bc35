"""vLLM with a pool that loses blocks and servers: its tokens stay those of vLLM alone.

    PYTHONPATH=examples/engines python tests/programs/vllm_pool_losses.py

One engine has the connector, another one nothing. Blocks are removed between the question for them
and the read, a quota evicts, servers are killed. It prints a line a round, and ends with an error
at the first token that differs, or if a round did not do what it is for.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from tiny_engine import ENVIRONMENT, end, engine, environment, generated, save, tokens_of

HERE = Path(__file__).parent
PATIENCE = 1200
OPTIONS = {"block_size": 32, "max_model_len": 512}
LONG = list(range(5, 305))  # two blocks of the pool, and 44 tokens
PROMPTS = [LONG, LONG[:200] + [9] * 80, list(range(600, 900))]
OTHERS = [[number] * 300 for number in range(910, 925)]
FROM_POOL = 256 + 64 + 256
"""Tokens of the prompts that are not computed where all are in the pool: of the second, which
begins as the first does, vLLM's own cache has 192."""
QUOTA = 40 * 65536
"""Bytes of the namespace: 40 values, of which a block of 128 tokens has one in each layer."""


def alone(folder: str, said: Any) -> None:
    environment()
    llm = engine(folder, **OPTIONS)
    said.put([tokens_of(generated(llm, [prompt], 8))[0] for prompt in PROMPTS + OTHERS])
    end(llm)


class Asked:
    """An engine with the connector, asked again and again; ``expected``: of vLLM alone."""

    def __init__(self, folder: str, address: str) -> None:
        environment(PYTHONPATH=f"{ENVIRONMENT['PYTHONPATH']}{os.pathsep}{HERE}")
        from vllm.config import KVTransferConfig

        transfer = KVTransferConfig(
            kv_connector="Losing", kv_connector_module_path="vllm_losing", kv_role="kv_both",
            kv_load_failure_policy="recompute",
            kv_connector_extra_config={"pool": address, "namespace": "chat"},
        )  # fmt: skip
        self.llm = engine(
            folder, kv_transfer_config=transfer, worker_extension_cls="vllm_losing.Loses", **OPTIONS
        )
        self.counted, self.expected = 0.0, list[list[int]]()

    def round(self, name: str, prompts: list[list[int]]) -> float:
        """Generate, and compare; returns how many tokens came from the pool."""
        assert self.llm.reset_prefix_cache()
        made = tokens_of([generated(self.llm, [prompt], 8)[0] for prompt in prompts])
        wanted = [self.expected[(PROMPTS + OTHERS).index(prompt)] for prompt in prompts]
        metrics = self.llm.get_metrics()
        total = sum(m.value for m in metrics if m.name == "vllm:external_prefix_cache_hits")
        came, self.counted = total - self.counted, total
        sys.stdout.write(f"{name}: {came:g} tokens from the pool\n")
        sys.stdout.flush()
        assert made == wanted, f"{name}: {made} is not {wanted}"
        return came


def rounds(asked: Asked, pool: Any, servers: list[psutil.Process]) -> None:
    def totals(name: str) -> int:
        return sum(int(counts[name]) for counts in pool.stats().values())

    assert asked.round("nothing there", PROMPTS) == 0
    assert totals("hits") == 0
    assert asked.round("all there", PROMPTS) == FROM_POOL
    assert totals("hits") == 2 * (2 + 1 + 2)  # in each layer, of each prompt
    asked.llm.collective_rpc("lose", args=(2,))
    asked.round("two blocks lost on the way", [LONG, PROMPTS[2]])
    # What a request computes after a gap is not stored, but by the next one that computes it.
    assert asked.round("those two not there", PROMPTS) == FROM_POOL - 2 * 128
    assert asked.round("there again", PROMPTS) == FROM_POOL
    evicted = totals("evicted")
    asked.round("more than the quota", OTHERS)
    assert totals("evicted") > evicted
    assert totals("used_dram") <= QUOTA
    asked.round("after evictions", PROMPTS)
    kill(servers[0])
    asked.round("a server killed", PROMPTS)
    assert asked.round("one server left", PROMPTS) > 0
    kill(servers[1])
    assert asked.round("no server left", PROMPTS) == 0


def kill(server: psutil.Process) -> None:
    """Kill a server, and wait until it is dead: until then, blocks are found there."""
    server.kill()
    due = time.monotonic() + 60
    with suppress(psutil.NoSuchProcess):
        while server.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < due, f"{server} does not die"
            time.sleep(0.01)


def main() -> None:
    from collectives.memory import Pool
    from collectives.memory.pool.hosted.serving import serving

    spawn = multiprocessing.get_context("spawn")
    said = spawn.Queue()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(servers=2, dram=64 << 20, quotas={"chat": QUOTA}) as address,
        Pool.connect(address) as pool,
    ):
        (controller,) = (
            each for each in psutil.Process().children()
            if any("controller" in word for word in each.cmdline())
        )  # fmt: skip
        servers = controller.children()
        save(folder)
        other = spawn.Process(target=alone, args=(folder, said))
        other.start()
        try:
            asked = Asked(folder, address)
            try:
                asked.expected = said.get(timeout=PATIENCE)
                rounds(asked, pool, servers)
            finally:  # its process would keep this one from ending
                end(asked.llm)
        finally:
            other.join(30)
            other.kill()


if __name__ == "__main__":
    main()
