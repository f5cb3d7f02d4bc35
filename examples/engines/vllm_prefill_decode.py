"""Two instances of vLLM: one computes prompts, the other reads their KV over the RDMA plane:

    python examples/engines/vllm_prefill_decode.py

Needs ``pip install 'triplane[vllm]'``. It compares the tokens with those that the second instance
generates when it computes the prompts itself, and prints how many tokens vLLM counts as served from
outside, and what the transfer of each layer would have taken on the machine.
"""

import multiprocessing
import sys
import tempfile
from typing import Any

from tiny_engine import end, engine, environment, free_port, generated, save, tokens_of

from collectives.adapters.step_log import StepEntry, table

PROMPTS = [list(range(5, 75)), list(range(300, 340))]
BLOCK = 32
"""Tokens of a KV block: of the prompts' 70 and 40 tokens, 64 and 32 lie in whole blocks."""


def instance(rank: int, port: int, folder: str) -> Any:
    environment()
    from vllm.config import KVTransferConfig

    transfer = KVTransferConfig(
        kv_connector="TriplaneConnector", kv_role=("kv_producer", "kv_consumer")[rank],
        kv_port=port, kv_connector_extra_config={"rank": rank, "ranks": 2},
    )  # fmt: skip
    caching = {"block_size": BLOCK, "enable_prefix_caching": False}
    return engine(folder, kv_transfer_config=transfer, **caching)


def prefill(port: int, folder: str, tickets: Any, over: Any) -> None:
    """Compute the prompts; what the other instance has to know of them goes to it."""
    llm = instance(0, port, folder)
    for prompt in PROMPTS:
        made = generated(llm, [prompt], 1, {"do_remote_decode": True})
        tickets.put(made[0].kv_transfer_params)
    over.wait(500)
    end(llm)


def decode(port: int, folder: str, tickets: Any, said: Any) -> None:
    """Generate from the prompts' KV of the other instance, and again without it."""
    llm = instance(1, port, folder)
    served = []
    for prompt in PROMPTS:
        served += tokens_of(generated(llm, [prompt], 8, tickets.get(timeout=500)))
    counted = [m.value for m in llm.get_metrics() if m.name == "vllm:external_prefix_cache_hits"]
    alone = tokens_of(generated(llm, PROMPTS, 8))
    said.put((served, alone, sum(counted), llm.collective_rpc("triplane_times")[0]))
    end(llm)


def main() -> None:
    spawn = multiprocessing.get_context("spawn")
    tickets, said, over, port = spawn.Queue(), spawn.Queue(), spawn.Event(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        save(folder)
        processes = [
            spawn.Process(target=prefill, args=(port, folder, tickets, over)),
            spawn.Process(target=decode, args=(port, folder, tickets, said)),
        ]
        for process in processes:
            process.start()
        try:
            served, alone, counted, times = said.get(timeout=500)
        finally:
            over.set()
            for process in processes:
                process.join(30)
                process.kill()
    same = served == alone
    word = "as computed" if same else f"NOT as computed: {alone}"
    print(f"from fetched KV: {served}, {word}")
    print(f"vLLM counts {counted:g} tokens of the prompts as served from outside\n")
    print("transfers, emulated: a step is a prompt, a layer's blocks travel together")
    print(table([StepEntry(**row) for row in times], "step"))
    print(table([StepEntry(**row) for row in times], "layer"))
    sys.exit(0 if same and counted == 96 else 1)


if __name__ == "__main__":
    main()
