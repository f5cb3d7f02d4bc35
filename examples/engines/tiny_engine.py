"""What the programs for vLLM share: a tiny Qwen3-MoE, or Qwen3, with random weights, made here."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": 128,
    "intermediate_size": 256, "moe_intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "num_experts": 8,
    "num_experts_per_tok": 2, "norm_topk_prob": True, "decoder_sparse_step": 1,
    "mlp_only_layers": [], "vocab_size": 1024, "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False,
    "hidden_act": "silu", "torch_dtype": "float32", "bos_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
OF_EXPERTS = (
    "moe_intermediate_size", "num_experts", "num_experts_per_tok", "norm_topk_prob",
    "decoder_sparse_step", "mlp_only_layers",
)  # fmt: skip
DENSE = {name: value for name, value in CONFIG.items() if name not in OF_EXPERTS}
"""The same without experts."""
DENSE |= {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}

ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "WARNING",
    # vLLM's AMX kernels end with an illegal instruction on virtual machines that show the flag.
    "PYTHONPATH": str(Path(__file__).parent / "without_amx"),
}  # fmt: skip


def environment(**more: str) -> None:
    """Prepare this process, and those that vLLM starts from it."""
    os.environ.update(ENVIRONMENT | more)


def save(folder: str, config: dict[str, Any] = CONFIG) -> str:
    """The model, `CONFIG` or `DENSE`, with random weights that are the same every time."""
    from safetensors.torch import save_file

    Path(folder, "config.json").write_text(json.dumps(config), "utf-8")
    save_file(dict(weights(config)), Path(folder, "model.safetensors"), {"format": "pt"})
    return folder


def weights(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    import torch

    hidden, head, vocabulary = config["hidden_size"], config["head_dim"], config["vocab_size"]
    heads = {name: config["num_attention_heads"] * head for name in "qo"}
    heads |= {name: config["num_key_value_heads"] * head for name in "kv"}
    draw = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Any:
        return torch.randn(shape, generator=draw) * shape[-1] ** -0.5

    for name in ("model.embed_tokens", "lm_head"):
        yield f"{name}.weight", random(vocabulary, hidden)
    yield "model.norm.weight", torch.ones(hidden)
    for layer in range(config["num_hidden_layers"]):
        of = f"model.layers.{layer}"
        for name, size in {"input_layernorm": hidden, "post_attention_layernorm": hidden,
                           "self_attn.q_norm": head, "self_attn.k_norm": head}.items():  # fmt: skip
            yield f"{of}.{name}.weight", torch.ones(size)
        for name, size in heads.items():
            shape = (hidden, size) if name == "o" else (size, hidden)
            yield f"{of}.self_attn.{name}_proj.weight", random(*shape)
        experts = config.get("num_experts", 0)
        width = config["moe_intermediate_size" if experts else "intermediate_size"]
        blocks = [f"{of}.mlp.experts.{expert}" for expert in range(experts)] or [f"{of}.mlp"]
        if experts:
            yield f"{of}.mlp.gate.weight", random(experts, hidden)
        for block in blocks:
            for name, shape in {"gate": (width, hidden), "up": (width, hidden),
                                "down": (hidden, width)}.items():  # fmt: skip
                yield f"{block}.{name}_proj.weight", random(*shape)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def engine(folder: str, **options: Any) -> Any:
    from vllm import LLM

    given = {
        "skip_tokenizer_init": True, "dtype": "float32", "max_model_len": 128, "max_num_seqs": 4,
        "enforce_eager": True, "disable_log_stats": False, "seed": 0,
        "worker_extension_cls": "collectives.adapters.vllm.worker.Times",
    }  # fmt: skip
    return LLM(model=folder, **{**given, **options})


def generated(
    llm: Any, prompts: list[list[int]], tokens: int, params: dict[str, Any] | None = None
) -> list[Any]:
    """vLLM's outputs; ``params``: the requests' kv_transfer_params."""
    from vllm import SamplingParams

    given = SamplingParams(
        max_tokens=tokens, temperature=0, detokenize=False, ignore_eos=True,
        extra_args={"kv_transfer_params": params} if params else None,
    )  # fmt: skip
    asked = [{"prompt_token_ids": prompt} for prompt in prompts]
    return list(llm.generate(asked, given, use_tqdm=False))


def tokens_of(outputs: list[Any]) -> list[list[int]]:
    return [list(each.outputs[0].token_ids) for each in outputs]


def end(llm: Any) -> None:
    """Stop an engine's processes; by itself vLLM does so only when this process is over."""
    llm.llm_engine.engine_core.shutdown()
