"""Ranks that go on until a file is there: ``watched_ranks.py STOP [MODE]``.

MODE "torch" calls through torch.distributed; "raise" ends with an error whose text is markup; in
"lose" rank 1 ends at once, and the others go on without it.
"""

import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np

from collectives import init
from fabric.failure import RankLost

stop, mode = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
comm = init()


def over() -> bool:
    """Whether rank 0 has seen the file: all ranks make as many calls."""
    seen = np.array([float(stop.exists())])
    comm.broadcast(seen, root=0)
    time.sleep(0.05)
    return bool(seen[0])


def plain() -> None:
    x, out = np.ones(1 << 12, np.float32), np.empty(1 << 12, np.float32)
    while not over():
        comm.compute(2e-6 * comm.rank)
        comm.all_to_all(out, x)


def with_torch() -> None:
    import torch
    import torch.distributed as dist

    import_module("collectives.adapters.torch")  # which makes the backend known
    dist.init_process_group("triplane")
    x = torch.ones(1 << 12)
    while not over():
        dist.all_reduce(x)
    dist.destroy_process_group()


def without_one() -> None:
    global comm
    if comm.rank == 1:
        raise ValueError("rank 1 has had enough")
    try:
        comm.barrier()
    except RankLost:
        comm = comm.shrink()
    plain()


{"torch": with_torch, "lose": without_one}.get(mode, plain)()
if mode == "raise" and comm.rank == 1:
    raise ValueError("<img src=x onerror='window.owned = 1'>")
