"""A program as users of DeepEP write them, on GPUs with NCCL: no word of Triplane."""

import sys

import torch

BEFORE: torch.cuda.Stream = torch.cuda.current_stream()  # looked at before deep_ep is there

import deep_ep  # noqa: E402
import torch.distributed as dist  # noqa: E402
from deep_ep import Buffer, ElasticBuffer  # noqa: E402
from deep_ep.utils.envs import init_dist  # noqa: E402
from deep_ep.utils.math import calc_diff, per_token_cast_back  # noqa: E402
from deep_ep.utils.testing import bench, bench_kineto  # noqa: E402


def normal(buffer: Buffer, x: torch.Tensor, idx: torch.Tensor) -> float:
    ranks, _, experts, flags, event = buffer.get_dispatch_layout(idx, 8, async_finish=True)
    got, _, _, _, handle, event = buffer.dispatch(
        x, num_tokens_per_rank=ranks, num_tokens_per_expert=experts, is_token_in_rank=flags,
        previous_event=event, async_finish=True,
    )  # fmt: skip
    torch.cuda.current_stream().synchronize()
    total, _, _ = buffer.combine(got, handle)
    return calc_diff(total.float() / flags.sum(1, keepdim=True), x)


def low_latency(buffer: Buffer, x: torch.Tensor, idx: torch.Tensor) -> float:
    got, _, handle, _, hook = buffer.low_latency_dispatch(x, idx, 16, 8, return_recv_hook=True)
    hook()
    numbers, scales = got
    back = per_token_cast_back(numbers.flatten(0, 1), scales.contiguous().flatten(0, 1))
    weights = torch.full(idx.shape, 0.5, dtype=torch.float32, device="cuda")
    total, event, _ = buffer.low_latency_combine(
        back.view(numbers.shape), idx, weights, handle, async_finish=True
    )
    event.current_stream_wait()
    return calc_diff(total, x)


def test_loop(local_rank: int, num_local_ranks: int) -> None:
    rank, num_ranks, group = init_dist(local_rank, num_local_ranks)
    torch.set_default_device("cuda")
    device = torch.device(f"cuda:{local_rank}")
    x = torch.randn((16, 512), dtype=torch.bfloat16, device=device)
    idx = torch.rand((16, 8), device="cuda").topk(2)[1].to(deep_ep.topk_idx_t)
    size = Buffer.get_low_latency_rdma_size_hint(16, 512, num_ranks, 8)
    buffer = Buffer(group, int(1e9), size, low_latency_mode=True, explicitly_destroy=True)
    assert normal(buffer, x, idx) < 1e-5
    assert low_latency(buffer, x, idx) < 1e-3
    elastic = ElasticBuffer(group, num_max_tokens_per_rank=16, hidden=512)
    got, _, _, handle, _ = elastic.dispatch(x.cuda(), idx, num_experts=8)
    elastic.combine(got, handle)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    elastic.combine(got, handle)
    end.record()
    seconds = bench(lambda: elastic.combine(got, handle))[0]
    kernel, notify = bench_kineto(lambda: elastic.combine(got, handle), ("combine_impl", "notify"))
    assert 1e-7 < kernel <= seconds < 1e-3
    assert notify != notify  # there is no such kernel
    assert 1e-4 < begin.elapsed_time(end) < 1
    ones = torch.ones(4, device="cuda")
    dist.all_reduce(ones, group=group)
    sys.stdout.write(f"rank {rank}: {ones.tolist()} {torch.cuda.get_device_name()}\n")
    buffer.destroy()
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(test_loop, args=(2,), nprocs=2)
