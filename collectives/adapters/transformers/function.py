"""Expert layers as a function that transformers calls with all experts.

For transformers from 5.19.
"""

from typing import Any

import torch.distributed as dist
from torch import Tensor

from collectives.adapters.step_log import StepLog
from collectives.adapters.torch import communicator
from collectives.adapters.transformers.layers import Choice, Experts, Layers, mixture
from collectives.moe import TokenError
from collectives.moe.routing.expert_ranks import expert_ranks


def register_function(name: str, choice: Choice, record: StepLog) -> None:
    """Register ``name`` as an ``experts_implementation`` over the default process group."""
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

    layers = Layers(choice, record)

    def experts(module: Any, hidden_states: Tensor, *choices: Tensor) -> Tensor:
        if not dist.is_initialized():
            raise TokenError(
                f"experts_implementation={name!r} has no ranks to send tokens to: either call"
                " torch.distributed.init_process_group('triplane') first, or let this process stand"
                " for them by collectives.adapters.transformers.in_process"
            )
        comm, layer = communicator(), layers.name(module)
        if getattr(module, "_is_expert_parallel", False):
            raise TokenError(
                f"experts_implementation={name!r} needs all {module.num_experts} and the other"
                " ranks' experts in each rank, and transformers has split them; give the name as"
                " ep_implementation of the DistributedConfig"
            )
        carried = layers.exchange(comm, module.num_experts, hidden_states.shape[-1])
        with comm.span(layer):
            run = share(module, comm.rank, comm.size)
            return mixture(carried, run, -1, layer, hidden_states, *choices)

    ALL_EXPERTS_FUNCTIONS.register(name, experts)


def share(module: Any, rank: int, ranks: int) -> Experts:
    """A function that computes rank ``rank``'s share of the experts of a module that holds all.

    It takes rows, places of experts at that rank (-1 for none) and weights.
    """
    eager = type(module).forward.__wrapped__  # transformers wraps it to ask its registry first
    first = int(expert_ranks(module.num_experts, ranks).first[rank])

    def run(x: Tensor, experts: Tensor, weights: Tensor) -> Tensor:
        everywhere = experts.where(experts >= 0, module.num_experts - first) + first
        made: Tensor = eager(module, x, everywhere, weights)
        return made

    return run
