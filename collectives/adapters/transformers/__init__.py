"""Expert parallelism of HuggingFace transformers over Triplane's dispatch and combine.

    import collectives.adapters.torch
    from collectives.adapters.transformers import register

    dist.init_process_group("triplane")
    record = register("triplane")
    config = DistributedConfig(fsdp_size=2, ep_size=2, ep_implementation="triplane")
    model = AutoModelForCausalLM.from_pretrained(folder, distributed_config=config)

or, in one process that stands for many ranks:

    with in_process("triplane", ranks=16) as record:
        model = AutoModelForCausalLM.from_config(config, experts_implementation="triplane")

See docs/transformers.md.
"""

from collectives.adapters.step_log import StepLog
from collectives.adapters.token_exchange import MAX_TOKENS
from collectives.adapters.transformers.function import register_function
from collectives.adapters.transformers.inprocess import in_process
from collectives.adapters.transformers.layers import Choice
from collectives.adapters.transformers.parallel import register_parallel
from collectives.moe import Wire

__all__ = ["in_process", "register"]


def register(
    name: str = "triplane", mode: str = "normal", *, wire: str | Wire = "as-is",
    max_tokens: int = MAX_TOKENS,
) -> StepLog:  # fmt: skip
    """Register ``name`` with transformers; returns the record of what its layers do from now on.

    As ``ep_implementation`` of a `DistributedConfig` (transformers 5.23) each rank has its own
    experts only. As ``experts_implementation`` every rank of the default process group has all, and
    works on its share of them. ``mode``, ``wire``, ``max_tokens``: as in
    `collectives.adapters.token_exchange.exchange`. Raises `TokenError` with the choices for an
    unknown one, and `ImportError` without transformers.
    """
    choice = Choice(mode, wire, max_tokens)
    record = StepLog()
    register_function(name, choice, record)
    register_parallel(name, choice, record)
    return record
