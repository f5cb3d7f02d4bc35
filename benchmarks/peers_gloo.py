"""How fast the collectives of torch.distributed are here, over gloo, on the CPU.

Each rank is started as torchrun does: ``RANK``, ``WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT``
in its environment. Options and output: see peers.py; gloo itself may write lines between those.
all_reduce is in place, as it always is there.
"""

import datetime
from collections.abc import Callable

import torch
import torch.distributed as dist
from peers import Peer, arguments, report

TIMEOUT = datetime.timedelta(minutes=2)


def prepare(op: str, size: int) -> Callable[[], object]:
    """Buffers, written once so that they are really there, and the call."""
    ranks = dist.get_world_size()
    share = max(1, size // ranks)
    if op == "all_reduce":
        x = torch.full((size // 4,), 0.0)  # in place, so ones would grow
        return lambda: dist.all_reduce(x)
    whole, out = torch.full((2, share * ranks), 1, dtype=torch.uint8)
    if op == "all_gather":
        return lambda: dist.all_gather_single(out, whole[:share])
    return lambda: dist.all_to_all_single(out, whole)


def slowest(seconds: float) -> float:
    """Of a batch, over all ranks."""
    time = torch.tensor(seconds, dtype=torch.float64)
    dist.all_reduce(time, dist.ReduceOp.MAX)
    return time.item()


def main() -> None:
    """Join, measure, leave."""
    asked = arguments()
    torch.set_num_threads(1)  # a rank has at most one core here
    dist.init_process_group("gloo", timeout=TIMEOUT)
    peer = Peer(
        "gloo", dist.get_rank(), dist.get_world_size(), prepare, dist.barrier, slowest
    )  # fmt: skip
    try:
        report(peer, asked)
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
