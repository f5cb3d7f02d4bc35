"""torch_npu's MoE dispatch and combine, with its signatures, on CPU tensors and ranks of Triplane.

Shapes are those of torch_npu 2.13.0 (op_plugin/meta/_meta_registrations.py), meanings those of
CANN's aclnnMoeDistributeDispatchV2 and aclnnMoeDistributeCombineV2. The first
``shared_expert_rank_num`` ranks host the shared experts, the others the experts of the MoE.
"""

from collectives.adapters.torch_npu.combine import npu_moe_distribute_combine_v2
from collectives.adapters.torch_npu.dispatch import npu_moe_distribute_dispatch_v2

__all__ = ["npu_moe_distribute_combine_v2", "npu_moe_distribute_dispatch_v2"]
