"""Ranks of torch whose run is recorded in strict time, for `test_replay_adapters`.

Each says, as a line of JSON, its clock at the end and the times of its calls.
"""

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

import collectives.adapters.torch as adapter


def main(rank: int, ranks: int, folder: Path) -> None:
    os.environ |= {
        "TRIPLANE_SYNC": "strict", "TRIPLANE_RECORD": str(folder.parent / sys.argv[3]),
        "TRIPLANE_SYSTEM": sys.argv[4],
    }  # fmt: skip
    dist.init_process_group(
        "triplane", init_method=f"file://{folder / 'store'}", rank=rank, world_size=ranks
    )
    comm, works = adapter.communicator(), []
    for layer in range(2):
        comm.compute(2e-6 * ((rank + layer) % ranks))
        works.append(dist.all_reduce(torch.ones(5000), async_op=True))
        parts = [torch.empty(40, dtype=torch.int32) for _ in range(ranks)]
        works.append(dist.all_gather(parts, torch.ones(40, dtype=torch.int32), async_op=True))
        for work in works[-2:]:
            work.wait()
    whole = torch.ones(6 * ranks)
    works.append(dist.all_to_all_single(torch.empty_like(whole), whole, async_op=True))
    works[-1].wait()
    times = [adapter.times(work) for work in works]
    sys.stdout.write(json.dumps([comm.now(), times]) + "\n")
    dist.destroy_process_group()
