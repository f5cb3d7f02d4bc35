"""A tiny DeepSeek-V3 with random weights, its experts spread over ranks, generates text tokens:

    triplane run -n 2 --software cann-ep examples/engines/deepseek_tiny.py

or under torchrun. Needs ``pip install 'triplane[transformers]'``. Each rank has prompts of its own,
checks its tokens against the same model whole, in one process, and rank 0 prints what the dispatch
and combine of every step and layer would have taken on the machine.
"""

import argparse
import sys
import tempfile
from typing import Any

import torch
import torch.distributed as dist
from transformers import AutoModelForCausalLM, DeepseekV3Config
from transformers.distributed import DistributedConfig

import collectives.adapters.torch  # noqa: F401  # the backend
from collectives.adapters.step_log import table
from collectives.adapters.transformers import register

CONFIG = DeepseekV3Config(
    vocab_size=512, hidden_size=128, intermediate_size=256, moe_intermediate_size=64,
    num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4, n_shared_experts=1,
    n_routed_experts=16, num_experts_per_tok=4, n_group=4, topk_group=2, kv_lora_rank=32,
    q_lora_rank=48, qk_rope_head_dim=16, v_head_dim=32, qk_nope_head_dim=32,
    first_k_dense_replace=1, max_position_embeddings=256, bos_token_id=None, eos_token_id=None,
)  # fmt: skip


def make(folder: str, dtype: torch.dtype) -> None:
    """Save the model: random weights, the same on every host."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(CONFIG).to(dtype).save_pretrained(folder)


def generated(model: Any, prompts: torch.Tensor, tokens: int) -> list[list[int]]:
    with torch.no_grad():
        found = model.generate(prompts, max_new_tokens=tokens, do_sample=False, pad_token_id=0)
    made: list[list[int]] = found[:, prompts.shape[1] :].tolist()
    return made


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", default="normal", help="normal or low-latency")
    parser.add_argument("--wire", default="as-is", help="as-is, int8 or fp8")
    parser.add_argument("--dtype", default="bfloat16", help="bfloat16, float16 or float32")
    parser.add_argument("--tokens", type=int, default=8, help="to generate")
    parser.add_argument("--batch", type=int, default=2, help="prompts of a rank")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    dtype = getattr(torch, given.dtype)
    torch.set_num_threads(1)
    dist.init_process_group("triplane")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    record = register("triplane", given.mode, wire=given.wire)
    with tempfile.TemporaryDirectory() as folder:
        where = [folder]
        dist.broadcast_object_list(where)
        if rank == 0:
            make(folder, dtype)
        dist.barrier()
        spread = DistributedConfig(fsdp_size=ranks, ep_size=ranks, ep_implementation="triplane")
        model = AutoModelForCausalLM.from_pretrained(
            where[0], dtype=dtype, distributed_config=spread
        )
        whole = AutoModelForCausalLM.from_pretrained(where[0], dtype=dtype)
        dist.barrier()
    generator = torch.Generator().manual_seed(rank)
    prompts = torch.randint(3, CONFIG.vocab_size, (given.batch, 6), generator=generator)
    found = generated(model.eval(), prompts, given.tokens)
    expected = generated(whole.eval(), prompts, given.tokens)
    said: list[Any] = [None] * ranks
    dist.all_gather_object(said, (found, expected))
    if rank == 0:
        for peer, (tokens, right) in enumerate(said):
            same = "as one process does" if tokens == right else f"NOT as one process: {right}"
            print(f"rank {peer} generates {tokens}, {same}")
        print(f"\n{ranks} ranks, {given.mode} mode, wire {given.wire}: rank 0's emulated time")
        print(table(record.rows(), "step"))
        print(table(record.rows(), "layer"))
    dist.destroy_process_group()
    sys.exit(0 if found == expected else 1)


if __name__ == "__main__":
    main()
