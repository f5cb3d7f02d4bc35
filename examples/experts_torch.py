"""An expert-parallel exchange of torch.distributed, and how long it would take on the supernode.

``triplane run -n 8 --sync eager examples/experts_torch.py``, or torchrun with the same file.
"""

import torch
import torch.distributed as dist

from collectives.adapters.torch import communicator, times  # registers the backend

TOKENS, HIDDEN = 128, 7168

dist.init_process_group("triplane")
rank, ranks = dist.get_rank(), dist.get_world_size()
x = torch.full((ranks * TOKENS, HIDDEN), rank, dtype=torch.int8)
out = torch.empty_like(x)
dist.all_to_all_single(out, x)
begin, end = times()
assert out[::TOKENS, 0].tolist() == list(range(ranks))
if rank == 0:
    time, machine = (end - begin) * 1e6, communicator().machine("all_to_all")
    print(f"{ranks} ranks exchanged {TOKENS} tokens each: {time:.1f} us on {machine}")
dist.destroy_process_group()
