"""A rank of test_frameworks.py: a small part of a framework, over the backend that is named.

    framework_ranks.py SUBJECT BACKEND FOLDER

What each rank computes (results, gradients, trained weights) goes to FOLDER/BACKEND-RANK.pt. The
subjects' own communication is all theirs; nothing in them knows of Triplane.
"""

import os
import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
import torch.distributed as dist
from torch import Tensor, nn

HIDDEN, WIDTH, EXPERTS, TOP_K, TOKENS = 64, 32, 8, 2, 24
STEPS = 3

Results = dict[str, Tensor]


def drawn(*shape: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def set_weights(module: nn.Module, seed: int) -> None:
    """Weights that do not depend on how a framework draws them; experts differ by their name."""
    with torch.no_grad():
        for place, (_, weight) in enumerate(sorted(module.named_parameters())):
            weight.copy_(drawn(*weight.shape, seed=seed + place, dtype=weight.dtype) * 0.2)


def gradients(module: nn.Module, x: Tensor, y: Tensor) -> Results:
    """What a layer makes of ``x``, and the gradients of a sum of it."""
    (y.float() * drawn(*y.shape, seed=5)).sum().backward()
    assert x.grad is not None
    found = {"y": y.detach(), "x.grad": x.grad}
    named = {f"{name}.grad": p.grad for name, p in module.named_parameters() if p.grad is not None}
    return found | named


def megatron(dispatcher: str, backend: str) -> Results:
    """Megatron-Core's layer of experts over two ranks, with one of its token dispatchers.

    What DeepEP's is held to is the one by all-to-all over gloo, in the same type.
    """
    from megatron.core import parallel_state
    from megatron.core.models.gpt.moe_module_specs import get_moe_module_spec
    from megatron.core.process_groups_config import ProcessGroupCollection
    from megatron.core.tensor_parallel.random import model_parallel_cuda_manual_seed
    from megatron.core.transformer.moe import moe_utils, token_dispatcher
    from megatron.core.transformer.moe.moe_layer import MoELayer
    from megatron.core.transformer.transformer_config import TransformerConfig

    moe_utils.te_general_gemm = None  # asked for, but not set, where there is no TransformerEngine
    token_dispatcher.maybe_move_tensor_to_cpu = as_numpy  # which moves those that say "cuda"
    dist.init_process_group(backend)
    parallel_state.initialize_model_parallel(expert_model_parallel_size=dist.get_world_size())
    model_parallel_cuda_manual_seed(1)
    kind = "alltoall" if (dispatcher, backend) == ("flex", "gloo") else dispatcher
    config = TransformerConfig(
        num_layers=1, hidden_size=HIDDEN, num_attention_heads=4, ffn_hidden_size=WIDTH,
        moe_ffn_hidden_size=WIDTH, num_moe_experts=EXPERTS, moe_router_topk=TOP_K,
        moe_token_dispatcher_type=kind, moe_router_load_balancing_type="none",
        moe_router_dtype="fp32", add_bias_linear=False, bf16=dispatcher == "flex",
        params_dtype=torch.bfloat16 if dispatcher == "flex" else torch.float32,
        expert_model_parallel_size=dist.get_world_size(), use_cpu_initialization=True,
    )  # fmt: skip
    spec = get_moe_module_spec(use_te=False, num_experts=EXPERTS, moe_grouped_gemm=False)
    layer = MoELayer(
        config, spec.submodules, layer_number=1,
        pg_collection=ProcessGroupCollection.use_mpu_process_groups(),
    )  # fmt: skip
    set_weights(layer.router, 100)
    set_weights(layer.experts, 200 + 50 * dist.get_rank())
    x = drawn(TOKENS, 1, HIDDEN, seed=dist.get_rank(), dtype=config.params_dtype)
    y, _ = layer(x.requires_grad_())
    return gradients(layer, x, y)


def as_numpy(tensor: Any, as_numpy: bool = False, record_stream: bool = False) -> Any:
    """Sizes of messages as numbers of the host, which gloo wants, too."""
    return tensor.numpy() if as_numpy and torch.is_tensor(tensor) else tensor


def model() -> nn.Module:
    made = nn.Sequential(nn.Linear(HIDDEN, WIDTH), nn.GELU(), nn.Linear(WIDTH, HIDDEN))
    set_weights(made, 300)
    return made


def trained(step: Callable[[Tensor, Tensor], Tensor], rank: int) -> list[Tensor]:
    """The losses of some steps on this rank's data."""
    return [
        step(drawn(4, HIDDEN, seed=100 * rank + n), drawn(4, HIDDEN, seed=7)).detach()
        for n in range(STEPS)
    ]


def fsdp1(backend: str) -> Results:
    """torch's first FullyShardedDataParallel."""
    from torch.distributed.fsdp import FullyShardedDataParallel

    dist.init_process_group(backend)
    sharded = FullyShardedDataParallel(model(), device_id=torch.device("cpu"))
    adam = torch.optim.AdamW(sharded.parameters(), lr=0.01)

    def step(x: Tensor, target: Tensor) -> Tensor:
        loss = nn.functional.mse_loss(sharded(x), target)
        loss.backward()
        adam.step()
        adam.zero_grad()
        return loss

    losses = trained(step, dist.get_rank())
    return {"losses": torch.stack(losses), **sharded.state_dict()}


def stepping(
    prepared: Any, adam: Any, backward: Callable[[Tensor], None]
) -> Callable[[Tensor, Tensor], Tensor]:
    """A step of training as frameworks have it that bring their own backward pass."""

    def step(x: Tensor, target: Tensor) -> Tensor:
        loss = nn.functional.mse_loss(prepared(x), target)
        backward(loss)
        adam.step()
        adam.zero_grad()
        return loss

    return step


def accelerate(backend: str) -> Results:
    """HuggingFace accelerate: its preparation, gathering and reduction.

    On CPUs it makes groups of gloo or MPI only, and takes the one that is there already.
    """
    from accelerate import Accelerator

    dist.init_process_group(backend)
    engine = Accelerator(cpu=True)
    plain = model()
    prepared, adam = engine.prepare(plain, torch.optim.AdamW(plain.parameters(), lr=0.01))

    losses = torch.stack(trained(stepping(prepared, adam, engine.backward), engine.process_index))
    reduced = engine.reduce(losses, reduction="mean")
    weights = engine.get_state_dict(prepared)
    return {"gathered": engine.gather(losses), "reduced": reduced, **weights}


def lightning(backend: str) -> Results:
    """Lightning Fabric with data parallelism."""
    from lightning.fabric import Fabric
    from lightning.fabric.strategies import DDPStrategy

    given = DDPStrategy(process_group_backend=backend)
    fabric = Fabric(accelerator="cpu", devices=dist_size(), strategy=given)
    fabric.launch()
    assert dist.get_backend() == backend
    plain = model()
    prepared, adam = fabric.setup(plain, torch.optim.AdamW(plain.parameters(), lr=0.01))

    losses = torch.stack(trained(stepping(prepared, adam, fabric.backward), fabric.global_rank))
    gathered = fabric.all_gather(losses)
    return {"gathered": gathered, "reduced": fabric.all_reduce(losses), **prepared.state_dict()}


def dist_size() -> int:
    return int(os.environ["WORLD_SIZE"])


def deepspeed(backend: str) -> Results:
    """DeepSpeed's layer of experts, which two ranks share."""
    import deepspeed as ds
    from deepspeed.moe.layer import MoE

    ds.init_distributed(dist_backend=backend)
    expert = nn.Sequential(nn.Linear(HIDDEN, WIDTH), nn.GELU(), nn.Linear(WIDTH, HIDDEN))
    layer = MoE(
        HIDDEN, expert, num_experts=EXPERTS, ep_size=dist_size(), k=TOP_K, capacity_factor=4.0,
        min_capacity=TOKENS, drop_tokens=False, use_rts=False, top2_2nd_expert_sampling=False,
    )  # fmt: skip
    layer.set_deepspeed_parallelism()
    set_weights(layer.deepspeed_moe.gate, 100)
    set_weights(layer.deepspeed_moe.experts, 200 + 50 * dist.get_rank())
    x = drawn(1, TOKENS, HIDDEN, seed=dist.get_rank()).requires_grad_()
    y, _, counts = layer(x)
    return gradients(layer, x, y) | {"counts": counts}


def torchtitan(dispatcher: str, backend: str) -> Results:
    """torchtitan's token dispatchers over a mesh of two ranks; experts multiply by their number."""
    from torch.distributed.device_mesh import init_device_mesh
    from torchtitan.distributed.utils import set_spmd_backend
    from torchtitan.models.common import token_dispatcher as of

    set_spmd_backend("partial_dtensor")
    dist.init_process_group(backend)
    mesh = init_device_mesh("cpu", (dist.get_world_size(),), mesh_dim_names=("ep",))
    more = {"num_max_tokens_per_rank": TOKENS, "hidden_dim": HIDDEN}
    kind, given = {
        "all-to-all": (of.AllToAllTokenDispatcher, {}), "deepep": (of.DeepEPTokenDispatcher, more)
    }["all-to-all" if backend == "gloo" else dispatcher]  # fmt: skip
    made = kind(kind.Config(num_experts=EXPERTS, top_k=TOP_K, **given))
    made.wire_meshes(ep_mesh=mesh)
    dtype, rank = torch.bfloat16, dist.get_rank()
    x = drawn(TOKENS, HIDDEN, seed=rank, dtype=dtype).requires_grad_()
    scores, chosen = drawn(TOKENS, EXPERTS, seed=10 + rank).softmax(-1).topk(TOP_K)
    scores = scores.detach().requires_grad_()
    counts = torch.bincount(chosen.flatten(), minlength=EXPERTS)
    rows, per_expert, state = made.dispatch(x, scores, chosen, counts)
    local = EXPERTS // dist.get_world_size()
    places = torch.arange(local).repeat_interleave(per_expert.long().flatten().view(-1)[:local])
    scale = 1.0 + rank * local + places
    worked = rows[: len(scale)] * scale[:, None].to(dtype)
    if len(rows) > len(scale):
        worked = torch.cat([worked, rows[len(scale) :]])
    y = made.combine(worked, state, x)
    (y.float() * drawn(*y.shape, seed=5)).sum().backward()
    assert x.grad is not None
    found = {"y": y.detach(), "x.grad": x.grad}
    return found | {"counts": per_expert.long().flatten()[:local].cpu()}


def sglang(mode: str, backend: str) -> Results:
    """SGLang's dispatcher over DeepEP's Buffer; experts multiply by their number.

    Over gloo there is none to hold it to: that is the mixture itself, by its definition.
    """
    dist.init_process_group(backend)
    rank, local = dist.get_rank(), EXPERTS // dist.get_world_size()
    x = drawn(TOKENS, HIDDEN, seed=rank, dtype=torch.bfloat16)
    weights, chosen = drawn(TOKENS, EXPERTS, seed=10 + rank).softmax(-1).topk(TOP_K)
    if backend == "gloo":
        counts = torch.bincount(chosen.flatten(), minlength=EXPERTS)
        dist.all_reduce(counts)
        y = x * (weights * (1.0 + chosen)).sum(-1, keepdim=True)
        return {"y": y.to(x.dtype), "counts": counts[rank * local :][:local]}

    without_pictures()
    from sglang.srt.layers.moe.token_dispatcher import deepep as of
    from sglang.srt.layers.moe.topk import StandardTopKOutput
    from sglang.srt.layers.moe.utils import DeepEPMode, DispatcherOutputDtype

    # which a server's arguments say, and here is none
    of.get_deepep_output_dtype = lambda _: DispatcherOutputDtype.BF16
    of.deep_gemm_wrapper.ENABLE_JIT_DEEPGEMM = True  # the only kernel with which normal mode is had
    made = of.DeepEPDispatcher(
        dist.group.WORLD, TOP_K, num_experts=EXPERTS, num_local_experts=local, hidden_size=HIDDEN,
        params_dtype=x.dtype, deepep_mode=DeepEPMode(mode), return_recv_hook=True,
    )  # fmt: skip
    came = made.dispatch(x, StandardTopKOutput(weights, chosen.to(torch.int32), weights))
    numbers = 1.0 + rank * local + torch.arange(local)
    if mode == "normal":
        mine = came.topk_ids >= 0
        factors = torch.where(mine, came.topk_weights * numbers[came.topk_ids.clamp(min=0)], 0)
        worked, counts = came.hidden_states * factors.sum(-1, keepdim=True), mine_of(came, local)
        given = of.DeepEPNormalCombineInput
    else:
        worked, counts = came.hidden_states * numbers[:, None, None], came.masked_m
        given = of.DeepEPLLCombineInput
    y = made.combine(given(worked.to(x.dtype), came.topk_ids, came.topk_weights))
    return {"y": y, "counts": counts.long()}


class NoPictures(MetaPathFinder, Loader):
    """In place of torchvision, which SGLang imports for models of pictures only."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] != "torchvision":
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> Any:
        return MagicMock(name=spec.name)

    def exec_module(self, module: Any) -> None:
        """Nothing: whatever is imported from it is there."""


def without_pictures() -> None:
    from transformers.utils import is_torchvision_available

    is_torchvision_available()  # which keeps that there is none
    sys.meta_path.append(NoPictures())


def mine_of(came: Any, local: int) -> Tensor:
    """How many of the received choices are of each expert here."""
    return torch.bincount(came.topk_ids[came.topk_ids >= 0], minlength=local)


SUBJECTS: dict[str, Callable[[str], Results]] = {
    "megatron-allgather": lambda backend: megatron("allgather", backend),
    "megatron-alltoall": lambda backend: megatron("alltoall", backend),
    "megatron-flex": lambda backend: megatron("flex", backend),  # DeepEP's Buffer
    "fsdp1": fsdp1,
    "accelerate": accelerate,
    "lightning": lightning,
    "deepspeed": deepspeed,
    "torchtitan-alltoall": lambda backend: torchtitan("all-to-all", backend),
    "torchtitan-deepep": lambda backend: torchtitan("deepep", backend),  # its ElasticBuffer
    "sglang-normal": lambda backend: sglang("normal", backend),  # DeepEP's Buffer
    "sglang-low-latency": lambda backend: sglang("low_latency", backend),
}


def main() -> None:
    subject, backend, folder = sys.argv[1:]
    torch.set_num_threads(1)
    if backend == "triplane":
        import collectives.adapters.torch  # noqa: F401
    found: dict[str, Any] = SUBJECTS[subject](backend)
    torch.save(found, Path(folder, f"{backend}-{dist.get_rank()}.pt"))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
