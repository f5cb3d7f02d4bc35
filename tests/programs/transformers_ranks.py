"""A rank of test_engine_transformers.py: a tiny Mixtral over the ranks, in several ways."""

import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from transformers import AutoModelForCausalLM, MixtralConfig
from transformers.distributed import DistributedConfig

import collectives.adapters.torch as adapter
from collectives.adapters.transformers import register
from fabric.failure import RankLost

CONFIG = MixtralConfig(
    vocab_size=128, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2,
    max_position_embeddings=64,
)  # fmt: skip


def logits(model: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(x).logits
    return found


def whole(tensor: Any) -> torch.Tensor:
    found: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return found


def trained(model: Any, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients of one batch, of all ranks together."""
    model.train()
    model(x, labels=x).loss.backward()
    return {name: whole(p.grad) for name, p in model.named_parameters() if p.grad is not None}


def generated(model: Any, prompts: torch.Tensor) -> list[list[int]]:
    tokens = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False, "pad_token_id": 0}
    with torch.no_grad():
        return list(model.generate(prompts, **tokens).tolist())


def survive(model: Any, alone: Any, x: torch.Tensor) -> None:
    """Rank 1 is killed in a layer of the third token; the others generate theirs without it."""
    me, passes = dist.get_rank(), itertools.count(1)

    def dies(*_: Any) -> None:
        if next(passes) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    if me == 1:
        model.model.layers[1].register_forward_pre_hook(dies)
    try:
        generated(model, x)
        raise AssertionError("rank 1 was not missed")
    except RankLost:
        adapter.shrink()
    later = torch.flip(x, [1])  # and what is asked for afterwards
    for prompts in (x, later):
        assert generated(model, prompts) == generated(alone, prompts)
    sys.stdout.write(f"{me} goes on as {dist.get_rank()} of {dist.get_world_size()}\n")


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2]) / sys.argv[1]
    torch.set_num_threads(1)
    dist.init_process_group("triplane")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    register("triplane")
    if rank == 0:
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(CONFIG).save_pretrained(folder)
    dist.barrier()
    alone = AutoModelForCausalLM.from_pretrained(folder)
    x = torch.randint(3, 128, (2, 5), generator=torch.Generator().manual_seed(rank))
    same = torch.randint(3, 128, (2, 5), generator=torch.Generator().manual_seed(9))
    replicated = {"model.layers.*.self_attn": "replicate"}
    loaded: dict[str, Any] = {"tensor": {"tp_size": ranks, "tp_plan": replicated}}
    spread = DistributedConfig(
        ep_size=ranks, ep_implementation="triplane", **loaded.get(what, {"fsdp_size": ranks})
    )
    if what in ("whole", "survive"):  # all experts on every rank, which works on its share of them
        model = AutoModelForCausalLM.from_pretrained(folder, experts_implementation="triplane")
        torch.testing.assert_close(logits(model, x), logits(alone, x))
    else:
        model = AutoModelForCausalLM.from_pretrained(folder, distributed_config=spread)
    if what == "tensor":
        torch.testing.assert_close(logits(model, same), logits(alone, same))
    if what == "train":
        found, expected = trained(model, x), trained(alone, x)
        for name, grad in expected.items():
            dist.all_reduce(grad)
            torch.testing.assert_close(found[name], grad / ranks, rtol=1e-3, atol=1e-5)
    if what == "survive":
        survive(model, alone, x)
    if what == "die":
        logits(model, x)
        if rank == 1:
            os.kill(os.getpid(), 9)
        try:
            logits(model, x)
        except (RuntimeError, ValueError) as error:
            sys.stdout.write(f"rank {rank} learns: {error}\n")
            raise
    if rank == 0:
        sys.stdout.write(f"{what}: as one process\n")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
