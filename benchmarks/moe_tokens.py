"""Dispatch and combine of real tokens beside the same written with gloo: ``--ranks 2 4 8``.

``python benchmarks/moe_tokens.py``: processes of this host, each of which does both in turn, batch
by batch, so that both meet the same weather. The gloo program is what one writes with
``all_to_all_single``: counts, then rows packed by destination, choices and weights; results back,
added up in float32. Tokens are bfloat16, not quantised; results of the two are compared.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist

from collectives import Communicator, init
from collectives.moe import LowLatency, Normal, uniform
from fabric.launching.launch import launch

WARM_UP, BATCHES, SMALL_BATCHES = 2, 9, 201
"""Batches that do not count, that do, and that do where a rank has up to `SMALL` tokens."""

SMALL = 16


@dataclass(frozen=True)
class Work:
    """What is dispatched: ``mode``, tokens of a rank, channels, experts of a token and in all."""

    mode: str
    tokens: int
    hidden: int
    top_k: int
    experts: int


Step = Callable[[], torch.Tensor]


def triplane(work: Work, comm: Communicator, x: torch.Tensor, choices: torch.Tensor,
             weights: torch.Tensor) -> Step:  # fmt: skip
    """One dispatch and combine; experts do nothing."""
    if work.mode == "normal":
        many = Normal(comm, experts=work.experts, hidden=work.hidden)

        def normal() -> torch.Tensor:
            got, handle, _ = many.dispatch(x, choices, weights)
            out: torch.Tensor = many.combine(got.x, handle)[0]
            return out

        return normal
    few = LowLatency(
        comm, experts=work.experts, hidden=work.hidden, max_tokens=work.tokens
    )  # fmt: skip

    def low_latency() -> torch.Tensor:
        got, handle, _ = few.dispatch(x, choices)
        out: torch.Tensor = few.combine(got.x, handle, weights)[0]
        return out

    return low_latency


def gloo(work: Work, x: torch.Tensor, choices: torch.Tensor, weights: torch.Tensor) -> Step:
    """The same over ``all_to_all_single``."""
    ranks, each = dist.get_world_size(), work.experts // dist.get_world_size()

    def exchange(rows: torch.Tensor, come: list[int], go: list[int]) -> torch.Tensor:
        out = rows.new_empty((sum(come), *rows.shape[1:]))
        dist.all_to_all_single(out, rows, come, go)
        return out

    def step() -> torch.Tensor:
        if work.mode == "normal":
            needed = torch.zeros(len(x), ranks, dtype=torch.bool)
            needed.scatter_(1, choices // each, value=True)
            place, token = needed.t().nonzero(as_tuple=True)
        else:
            order = choices.reshape(-1).argsort(stable=True)
            place, token = choices.reshape(-1)[order] // each, order // work.top_k
        go = torch.bincount(place, minlength=ranks)
        come = torch.empty_like(go)
        dist.all_to_all_single(come, go)
        splits = come.tolist(), go.tolist()
        rows = exchange(x.index_select(0, token), *splits)
        if work.mode == "normal":
            exchange(choices.index_select(0, token), *splits)
            exchange(weights.index_select(0, token), *splits)
        else:  # the expert of each row
            exchange(choices.reshape(-1)[order], *splits)
        back = exchange(rows, splits[1], splits[0]).float()
        if work.mode != "normal":
            back *= weights.reshape(-1)[order][:, None]
        total = torch.zeros(x.shape, dtype=torch.float32).index_add_(0, token, back)
        return total.to(x.dtype)

    return step


def timed(step: Step, comm: Communicator) -> float:
    """Seconds of one step, of the slowest rank, from a common start."""
    comm.barrier()
    began = time.perf_counter()
    step()
    took = np.array([time.perf_counter() - began])
    comm.all_reduce(took, "max")
    return float(took[0])


def rank(work: Work, store: str) -> dict[str, float]:
    """What every rank does: seconds of a step, the median, of each of the two."""
    torch.set_num_threads(1)  # a rank has at most one core here
    with init() as comm:
        dist.init_process_group(
            "gloo", init_method=f"file://{store}", rank=comm.rank, world_size=comm.size
        )
        routing = uniform(comm.size, work.tokens, work.top_k, work.experts, seed=1)
        torch.manual_seed(comm.rank)
        x = torch.randn(work.tokens, work.hidden, dtype=torch.bfloat16)
        choices = torch.from_numpy(routing.topk_idx[comm.rank].copy())
        weights = torch.rand(choices.shape)
        steps = {
            "triplane": triplane(work, comm, x, choices, weights),
            "gloo": gloo(work, x, choices, weights),
        }
        ours, theirs = (step().float() for step in steps.values())
        if not torch.allclose(ours, theirs, rtol=2**-7, atol=1e-6):
            raise AssertionError("the two do not agree")
        times: dict[str, list[float]] = {name: [] for name in steps}
        batches = SMALL_BATCHES if work.tokens <= SMALL else BATCHES
        for _ in range(WARM_UP + batches):
            for name, step in steps.items():
                times[name].append(timed(step, comm))
        dist.destroy_process_group()
    return {name: statistics.median(seconds[WARM_UP:]) for name, seconds in times.items()}


def main() -> None:
    """Print a line for each mode and number of ranks: tokens per second."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--tokens", type=int, help="of a rank (default: 1024, low latency 128)")
    parser.add_argument("--hidden", type=int, default=7168)
    parser.add_argument("--top-k", type=int, default=8)
    parser.add_argument("--experts", type=int, default=64)
    parser.add_argument("--modes", nargs="+", default=["normal", "low-latency"])
    asked = parser.parse_args()
    print(
        f"{'mode':12} {'ranks':>5} {'tokens':>6} {'triplane':>12} {'gloo':>12} ratio   (tokens/s)"
    )
    for mode in asked.modes:
        tokens = asked.tokens or (1024 if mode == "normal" else 128)
        for ranks in asked.ranks:
            work = Work(mode, tokens, asked.hidden, asked.top_k, asked.experts)
            with tempfile.TemporaryDirectory() as folder:
                store = os.path.join(folder, "store")
                found = launch(rank, ranks, None, "zmq", args=(work, store))[0]
            rates = {name: ranks * tokens / seconds for name, seconds in found.items()}
            ratio = rates["triplane"] / rates["gloo"]
            print(f"{mode:12} {ranks:5} {tokens:6} {rates['triplane']:12.0f} {rates['gloo']:12.0f}"
                  f" {ratio:5.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
