"""torch_npu on CPU tensors and ranks of Triplane: its MoE calls, and a stand-in for torch.npu.

Shapes are those of torch_npu 2.13.0 (op_plugin/meta/_meta_registrations.py), meanings those of
CANN's aclnnMoeDistributeDispatchV2 and aclnnMoeDistributeCombineV2. The first
``shared_expert_rank_num`` ranks host the shared experts, the others the experts of the MoE.

To run a program without changing a line, call `stand_in` first, or start it with ``python -m
collectives.adapters.torch_npu program.py``. See docs/ascend.md.
"""

import sys
from typing import Any

from collectives.adapters.torch_npu import standing
from collectives.adapters.torch_npu.combine import npu_moe_distribute_combine_v2
from collectives.adapters.torch_npu.dispatch import npu_moe_distribute_dispatch_v2
from collectives.adapters.torch_npu.first import (
    npu_moe_distribute_combine,
    npu_moe_distribute_dispatch,
)
from collectives.adapters.torch_npu.kernels import (
    get_npu_format,
    npu_dynamic_quant,
    npu_format_cast,
    npu_format_cast_,
    npu_grouped_matmul,
    npu_moe_gating_top_k_softmax,
    npu_rms_norm,
    npu_swiglu,
)
from collectives.adapters.torch_npu.standin import environment, stand_in
from collectives.adapters.torch_npu.standing.surface import missing

__all__ = [
    "environment",
    "get_npu_format",
    "npu_dynamic_quant",
    "npu_format_cast",
    "npu_format_cast_",
    "npu_grouped_matmul",
    "npu_moe_distribute_combine",
    "npu_moe_distribute_combine_v2",
    "npu_moe_distribute_dispatch",
    "npu_moe_distribute_dispatch_v2",
    "npu_moe_gating_top_k_softmax",
    "npu_rms_norm",
    "npu_swiglu",
    "stand_in",
]

__version__ = "2.13.0"
"""The version of torch_npu whose interface this is."""


def __getattr__(name: str) -> Any:
    """``npu``, where it is stood in for; else raise, so that ``hasattr`` is False."""
    if name == "npu" and standing.installed() is not None:
        return sys.modules["torch.npu"]
    raise missing("torch_npu", name, name.startswith("npu_"))
