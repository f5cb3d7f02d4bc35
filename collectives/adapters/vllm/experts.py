"""Experts of vLLM on CPUs, where a rank has some of them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

_MARK = "_triplane"


def take_local_experts() -> None:
    """Have vLLM's kernel of experts on CPUs work on those that this rank has. Idempotent.

    Stock vLLM's passes the numbers that experts have over all ranks to a kernel that takes them for
    places among this rank's; where a rank has some of the experts it reads beyond its weights.
    """
    from vllm.model_executor.layers.fused_moe.experts.cpu_moe import CPUUnquantizedExperts

    if not hasattr(CPUUnquantizedExperts.apply, _MARK):
        CPUUnquantizedExperts.apply = _local(CPUUnquantizedExperts.apply)


def take_opaque_experts() -> None:
    """Have a compiled model call its layers of experts, and not be traced into them. Idempotent.

    Stock vLLM traces into them on CPUs, where it has no ranks to send tokens to; Triplane's
    dispatch cannot be traced. What is called instead is vLLM's own op, as on GPUs.
    """
    from vllm.config import CompilationMode, get_current_vllm_config
    from vllm.model_executor.layers.fused_moe.runner.moe_runner import MoERunner

    select = MoERunner._select_forward
    if hasattr(select, _MARK):
        return

    @wraps(select)
    def selected(self: Any) -> Callable[..., Any]:
        if get_current_vllm_config().compilation_config.mode == CompilationMode.NONE:
            traced: Callable[..., Any] = select(self)
            return traced
        of = torch.ops.vllm
        opaque: Callable[..., Any] = (
            of.moe_forward if self._shared_experts is None else of.moe_forward_shared
        )
        return opaque

    setattr(selected, _MARK, True)
    MoERunner._select_forward = selected


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
