"""A tiny Qwen3-MoE in vLLM on CPUs, over several ranks:

    python examples/engines/vllm_parallel.py --data 2 --experts
    python examples/engines/vllm_parallel.py --tensor 2 [--experts]
    python examples/engines/vllm_parallel.py --pipeline 2

Needs ``pip install 'triplane[vllm]'``. It prints each prompt's tokens, compares them with those of
one engine without Triplane, and prints what the calls between ranks of every step and layer would
have taken on the machine.
"""

import argparse
import multiprocessing
import queue
import sys
import tempfile
from typing import Any

from tiny_engine import end, engine, environment, free_port, generated, save, tokens_of

from collectives.adapters.step_log import StepEntry, table

PROMPTS = [[5, 6, 7, 8], [9, 10], [100, 200, 300], [11, 12, 13, 14, 15, 16, 17]]


def rank_main(rank: int, port: int, folder: str, given: argparse.Namespace, said: Any) -> None:
    """One data-parallel rank, with its share of the prompts, and all of its workers."""
    environment(TRIPLANE_VLLM="0" if given.stock else "1")
    if given.data > 1:
        environment(
            VLLM_DP_RANK=str(rank), VLLM_DP_RANK_LOCAL=str(rank), VLLM_DP_SIZE=str(given.data),
            VLLM_DP_MASTER_IP="127.0.0.1", VLLM_DP_MASTER_PORT=str(port),
        )  # fmt: skip
    how = {"triplane": {"mode": given.mode, "wire": given.wire}}
    llm = engine(
        folder, tensor_parallel_size=given.tensor, pipeline_parallel_size=given.pipeline,
        enable_expert_parallel=given.experts, additional_config=how,
    )  # fmt: skip
    found = tokens_of(generated(llm, PROMPTS[rank :: given.data], given.tokens))
    said.put((rank, found, llm.collective_rpc("triplane_times")[0]))
    end(llm)


def whole(folder: str, given: argparse.Namespace, said: Any) -> None:
    """All prompts in one engine, with vLLM's own platform."""
    environment()
    llm = engine(folder)
    said.put((-1, tokens_of(generated(llm, PROMPTS, given.tokens)), []))
    end(llm)


def run(targets: list[tuple[Any, ...]], said: Any) -> dict[int, tuple[Any, Any]]:
    """What processes say, by rank; they are all ended."""
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=target, args=args) for target, *args in targets]
    for process in processes:
        process.start()
    try:
        answers = [answer(said, processes) for _ in processes]
    finally:
        for process in processes:
            process.join(30)
            process.kill()
    return {rank: (tokens, times) for rank, tokens, times in answers}


def answer(said: Any, processes: list[Any]) -> Any:
    """What the next process says; ends this one if a process has failed."""
    while True:
        try:
            return said.get(timeout=1)
        except queue.Empty:
            if any(process.exitcode for process in processes):
                sys.exit("a process has ended with an error: see above")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=int, default=1, help="ranks with prompts of their own")
    parser.add_argument("--tensor", type=int, default=1, help="ranks that share each layer")
    parser.add_argument("--pipeline", type=int, default=1, help="ranks that share the layers")
    parser.add_argument("--experts", action="store_true", help="each rank has whole experts")
    parser.add_argument("--stock", action="store_true", help="vLLM's own platform, for comparison")
    parser.add_argument("--mode", default="normal", help="normal or low-latency")
    parser.add_argument("--wire", default="as-is", help="as-is, int8 or fp8")
    parser.add_argument("--tokens", type=int, default=8, help="to generate")
    given = parser.parse_args()
    said = multiprocessing.get_context("spawn").Queue()
    with tempfile.TemporaryDirectory() as folder:
        save(folder)
        (right, _), port = run([(whole, folder, given, said)], said)[-1], free_port()
        ranks = [(rank_main, rank, port, folder, given, said) for rank in range(given.data)]
        answers = run(ranks, said)
    same = True
    for rank in range(given.data):
        tokens, expected = answers[rank][0], right[rank :: given.data]
        same &= tokens == expected
        what = "as one engine does" if tokens == expected else f"NOT as one engine: {expected}"
        print(f"rank {rank} generates {tokens}, {what}")
    count = given.data * given.tensor * given.pipeline
    print(f"\n{count} ranks, {given.mode} mode, wire {given.wire}: rank 0's emulated time")
    rows = [StepEntry(**row) for row in answers[0][1]]
    print(table(rows, "step"))
    print(table(rows, "layer"))
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
