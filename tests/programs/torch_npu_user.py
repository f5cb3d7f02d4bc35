"""A program as users of Ascend write them, on NPUs with HCCL: no word of Triplane."""

import os
import sys

import torch
import torch.distributed as dist
import torch_npu
from torch.nn.parallel import DistributedDataParallel
from torch_npu.npu import amp

HIDDEN, TOKENS, TOP_K, EXPERTS = 32, 6, 2, 4


def trained(rank: int) -> float:
    """A model whose gradients are averaged over the ranks; the sum of its weights."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)).npu()
    parallel = DistributedDataParallel(model, device_ids=[rank], output_device=rank)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1)
    scaler = amp.GradScaler()
    begin, end = (torch.npu.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for step in range(3):
        torch.manual_seed(10 * step + rank)
        x = torch.randn(4, 8).to(f"npu:{rank}", non_blocking=True)
        with amp.autocast(dtype=torch.bfloat16):
            loss = parallel(x).float().square().mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    end.record()
    torch.npu.synchronize()
    assert begin.elapsed_time(end) > 0
    assert torch.npu.max_memory_allocated() >= 0
    return float(sum(each.detach().sum() for each in parallel.parameters()))


def mixture(rank: int, ranks: int, first: bool) -> float:
    """A layer of experts; how far it is from the dense mixture."""
    group = dist.group.WORLD._get_backend(torch.device("npu"))
    name = group.get_hccl_comm_name(rank)
    torch.manual_seed(1)
    up = torch.randn(EXPERTS, HIDDEN, 2 * HIDDEN).npu() / HIDDEN**0.5
    down = torch.randn(EXPERTS, HIDDEN, HIDDEN).npu() / HIDDEN**0.5
    torch.manual_seed(2 + rank)
    x = torch.randn(TOKENS, HIDDEN, device="npu").to(torch.bfloat16)
    weights, ids, _ = torch_npu.npu_moe_gating_top_k_softmax(
        torch.randn(TOKENS, EXPERTS, device=f"npu:{rank}"), None, k=TOP_K
    )
    layout = {"ep_world_size": ranks, "ep_rank_id": rank, "moe_expert_num": EXPERTS}
    dispatch = torch_npu.npu_moe_distribute_dispatch_v2
    combine = torch_npu.npu_moe_distribute_combine_v2
    if first:
        dispatch = torch_npu.npu_moe_distribute_dispatch
        combine = torch_npu.npu_moe_distribute_combine
    rows, _, back, nums, counts, tp_counts, _ = dispatch(x, ids, group_ep=name, **layout)
    own = slice(rank * EXPERTS // ranks, (rank + 1) * EXPERTS // ranks)

    def product(tokens: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
        return torch_npu.npu_grouped_matmul(
            [tokens], [of[own]], group_list=nums, group_list_type=1, group_type=0, split_item=3
        )[0]

    hidden = torch_npu.npu_swiglu(product(rows.float(), up))
    y = product(hidden, down).to(torch.bfloat16)
    out = combine(y, ids, back, counts, weights.float(), group_ep=name,
                  tp_send_counts=tp_counts, **layout)  # fmt: skip
    dense = torch.zeros(TOKENS, HIDDEN)
    for token in range(TOKENS):
        for expert, weight in zip(ids[token].tolist(), weights[token].tolist(), strict=True):
            gate, value = (x[token].float() @ up[expert]).chunk(2)
            result = (torch.nn.functional.silu(gate) * value) @ down[expert]
            dense[token] += weight * result.to(torch.bfloat16).float()
    return float((out.float() - dense).abs().max())


def main() -> None:
    rank = int(os.environ["LOCAL_RANK"])
    assert torch.npu.is_available()
    assert not torch.cuda.is_available()
    torch.npu.set_compile_mode(jit_compile=False)
    torch_npu.npu.config.allow_internal_format = False
    torch.npu.set_device(rank)
    dist.init_process_group(backend="hccl")
    ranks, device = dist.get_world_size(), torch.device(f"npu:{torch.npu.current_device()}")
    with torch.npu.stream(torch.npu.Stream()):
        ones = torch.ones(4, device=device)
        dist.all_reduce(ones)
    torch.npu.current_stream().synchronize()
    weight = trained(rank)
    others = torch.tensor([weight], device="npu")
    dist.all_reduce(others, op=dist.ReduceOp.MAX)
    apart = max(mixture(rank, ranks, first) for first in (False, True))
    sys.stdout.write(
        f"rank {rank}: {ones.tolist()} alike {float(others) == torch.tensor(weight).item()}"
        f" within {apart < 0.05} {torch.npu.get_device_name()}\n"
    )
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
