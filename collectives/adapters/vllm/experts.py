"""Experts of vLLM on CPUs, where a rank has some of them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

_MARK = "_triplane"


def take_local_experts() -> None:
    """Have vLLM's kernel of experts on CPUs work on those that this rank has. Idempotent.

    Stock vLLM's passes the numbers that experts have over all ranks to a kernel that takes them for
    places among this rank's; where a rank has some of the experts it reads beyond its weights.
    """
    from vllm.model_executor.layers.fused_moe.experts.cpu_moe import CPUUnquantizedExperts

    if not hasattr(CPUUnquantizedExperts.apply, _MARK):
        CPUUnquantizedExperts.apply = _local(CPUUnquantizedExperts.apply)


def _local(apply: Callable[..., None]) -> Callable[..., None]:
    @wraps(apply)
    def applied(self: Any, **named: Any) -> None:
        expert_map = named.get("expert_map")
        if expert_map is not None:
            places = expert_map[named["topk_ids"].long()]
            named["topk_weights"] = named["topk_weights"] * (places >= 0)
            named["topk_ids"] = places.clamp(min=0).to(named["topk_ids"].dtype)
        apply(self, **named)

    setattr(applied, _MARK, True)
    return applied
