"""A tiny Qwen3-MoE in vLLM on CPUs, over two data-parallel ranks that share its experts:

    python examples/engines/vllm_experts.py [--ranks 2] [--mode normal] [--wire as-is]

Needs ``pip install 'triplane[vllm]'``. It prints each prompt's tokens, compares them with those of
one engine without Triplane, and prints what the dispatch and combine of every step and layer would
have taken on the machine.
"""

import argparse
import multiprocessing
import sys
import tempfile
from typing import Any

from tiny_engine import end, engine, environment, free_port, generated, save, tokens_of

from collectives.adapters.step_log import StepEntry, table

PROMPTS = [[5, 6, 7, 8], [9, 10], [100, 200, 300], [11, 12, 13, 14, 15, 16, 17]]


def rank_main(rank: int, port: int, folder: str, given: argparse.Namespace, said: Any) -> None:
    """One data-parallel rank, with its share of the prompts."""
    environment(
        TRIPLANE_VLLM="1", VLLM_DP_RANK=str(rank), VLLM_DP_RANK_LOCAL=str(rank),
        VLLM_DP_SIZE=str(given.ranks), VLLM_DP_MASTER_IP="127.0.0.1",
        VLLM_DP_MASTER_PORT=str(port),
    )  # fmt: skip
    how = {"triplane": {"mode": given.mode, "wire": given.wire}}
    llm = engine(folder, enable_expert_parallel=True, additional_config=how)
    found = tokens_of(generated(llm, PROMPTS[rank :: given.ranks], given.tokens))
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
        answers = [said.get(timeout=500) for _ in processes]
    finally:
        for process in processes:
            process.join(30)
            process.kill()
    return {rank: (tokens, times) for rank, tokens, times in answers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--mode", default="normal", help="normal or low-latency")
    parser.add_argument("--wire", default="as-is", help="as-is, int8 or fp8")
    parser.add_argument("--tokens", type=int, default=8, help="to generate")
    given = parser.parse_args()
    said = multiprocessing.get_context("spawn").Queue()
    with tempfile.TemporaryDirectory() as folder:
        save(folder)
        (right, _), port = run([(whole, folder, given, said)], said)[-1], free_port()
        ranks = [(rank_main, rank, port, folder, given, said) for rank in range(given.ranks)]
        answers = run(ranks, said)
    same = True
    for rank in range(given.ranks):
        tokens, expected = answers[rank][0], right[rank :: given.ranks]
        same &= tokens == expected
        what = "as one engine does" if tokens == expected else f"NOT as one engine: {expected}"
        print(f"rank {rank} generates {tokens}, {what}")
    print(f"\n{given.ranks} ranks, {given.mode} mode, wire {given.wire}: rank 0's emulated time")
    rows = [StepEntry(**row) for row in answers[0][1]]
    print(table(rows, "step"))
    print(table(rows, "layer"))
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
