"""Chats of several turns, over a prefill and a decode instance of vLLM and a pool of KV blocks:

    python examples/engines/vllm_pool.py

Needs ``pip install 'triplane[vllm]'``. One instance computes prompts, another one reads their KV
over the RDMA plane and generates; both store the blocks that they compute in the pool, and what is
said in one turn need not be computed in the next. It compares the tokens with those of vLLM alone,
and prints what came from the pool and how long that would have taken on the machine.
"""

import multiprocessing
import queue
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from tiny_engine import end, engine, environment, free_port, generated, save, tokens_of

from collectives.adapters.step_log import StepEntry, table

SYSTEM = list(range(5, 145))
"""A prompt that all chats begin with: 140 tokens, of which one block of the pool is whole."""

QUESTIONS = [[list(range(200, 320)), list(range(400, 440))], [list(range(500, 600)), [7] * 50]]
"""What is asked in two chats, in each of two turns."""

ANSWER = 20
"""Tokens of an answer."""

OPTIONS = {"block_size": 32, "enable_prefix_caching": False, "max_model_len": 512}
PATIENCE = 1200
ROLES = ("kv_producer", "kv_consumer")


def instance(rank: int, port: int, folder: str, pool: str) -> Any:
    environment()
    from vllm.config import KVTransferConfig

    transfer = KVTransferConfig(
        kv_connector="TriplaneConnector", kv_role=ROLES[rank], kv_port=port,
        kv_load_failure_policy="recompute",
        kv_connector_extra_config={"rank": rank, "ranks": 2, "pool": pool},
    )  # fmt: skip
    return engine(folder, kv_transfer_config=transfer, **OPTIONS)


def served(rank: int, port: int, folder: str, pool: str, asked: Any, said: Any) -> None:
    """One of the instances: what it generates for each request, until there is none."""
    llm = instance(rank, port, folder, pool)
    while (request := asked.get(timeout=PATIENCE)) is not None:
        (made,) = generated(llm, [request["prompt"]], request["tokens"], request["params"])
        said.put((tokens_of([made])[0], made.kv_transfer_params))
    counted = [m.value for m in llm.get_metrics() if m.name == "vllm:external_prefix_cache_hits"]
    said.put((sum(counted), llm.collective_rpc("triplane_times")[0]))
    end(llm)


def alone(folder: str, asked: Any, said: Any) -> None:
    """Another engine, without a connector."""
    environment()
    llm = engine(folder, **OPTIONS)
    while (prompt := asked.get(timeout=PATIENCE)) is not None:
        said.put(tokens_of(generated(llm, [prompt], ANSWER))[0])
    end(llm)


class Instances:
    """The three engines as processes, each with a queue of requests and one of answers."""

    def __init__(self, folder: str, pool: str) -> None:
        spawn, port = multiprocessing.get_context("spawn"), free_port()
        self.lines = [(spawn.Queue(), spawn.Queue()) for _ in range(3)]
        self.processes = [
            *(
                spawn.Process(target=served, args=(rank, port, folder, pool, *self.lines[rank]))
                for rank in range(2)
            ),
            spawn.Process(target=alone, args=(folder, *self.lines[2])),
        ]
        for process in self.processes:
            process.start()

    def ask(self, which: int, request: Any) -> Any:
        asked, said = self.lines[which]
        asked.put(request)
        due = time.monotonic() + PATIENCE
        while time.monotonic() < due:
            try:
                return said.get(timeout=1)
            except queue.Empty:
                for process in self.processes:
                    if process.exitcode:
                        raise RuntimeError(f"{process.name} has ended") from None
        raise TimeoutError(f"no answer within {PATIENCE} s")

    def answer(self, prompt: list[int]) -> list[int]:
        """Compute the prompt by the first instance, and generate by the second."""
        prefill = {"do_remote_decode": True}
        _, ticket = self.ask(0, {"prompt": prompt, "tokens": 1, "params": prefill})
        tokens, _ = self.ask(1, {"prompt": prompt, "tokens": ANSWER, "params": ticket})
        return list(tokens)

    def close(self) -> None:
        for asked, _ in self.lines:
            asked.put(None)
        for process in self.processes:
            process.join(60)
            process.kill()


def chats(instances: Instances) -> bool:
    """Hold all chats, turn by turn; whether each answer is that of vLLM alone."""
    same, said = True, [list(SYSTEM) for _ in QUESTIONS]
    for turn in range(2):
        for chat, questions in enumerate(QUESTIONS):
            prompt = said[chat] + questions[turn]
            answer = instances.answer(prompt)
            expected = instances.ask(2, prompt)
            same &= answer == expected
            word = "as vLLM alone" if answer == expected else f"NOT as vLLM alone: {expected}"
            print(f"chat {chat}, turn {turn}, {len(prompt)} tokens: {answer[:6]}..., {word}")
            said[chat] = prompt + answer
    return same


def totals(stats: Mapping[str, Mapping[str, Any]], name: str) -> int:
    return sum(int(server[name]) for server in stats.values())


def main() -> None:
    # Not above: vLLM's workers import this file, too, and 0.32.0 does not start its kernels where
    # llvmlite was loaded before.
    from collectives.memory import Pool
    from collectives.memory.pool.hosted.serving import serving

    with (
        tempfile.TemporaryDirectory() as folder,
        serving(servers=2, dram=64 << 20) as address,
        Pool.connect(address) as pool,
    ):
        save(folder)
        instances = Instances(folder, address)
        try:
            same = chats(instances)
            told = [instances.ask(which, None) for which in range(2)]
        finally:
            instances.close()
        stats = pool.stats()
    print(
        f"the pool has {totals(stats, 'values')} values; {totals(stats, 'hits')} were read; all"
        f" puts: {totals(stats, 'puts')}\n"
    )
    for role, (counted, times) in zip(ROLES, told, strict=True):
        print(f"{role}: vLLM counts {counted:g} tokens as served from outside")
        print(table([StepEntry(**row) for row in times], "step"), end="\n\n")
    sys.exit(0 if same and totals(stats, "hits") else 1)


if __name__ == "__main__":
    main()
