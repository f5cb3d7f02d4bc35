"""As deep_ep.utils.envs: joining a group, seeds, domains."""

import os
import random

import torch
import torch.distributed as dist

from collectives.adapters.deep_ep.domains import get_logical_domain_size, get_physical_domain_size

__all__ = [
    "dist_print",
    "get_logical_domain_size",
    "get_physical_domain_size",
    "init_dist",
    "init_seed",
]


def init_dist(
    local_rank: int, num_local_ranks: int, seed: int = 0
) -> tuple[int, int, dist.ProcessGroup]:
    """Join torch.distributed as rank ``local_rank`` of this node.

    Returns the rank, the size, the group.

    Uses ``MASTER_ADDR``, ``MASTER_PORT``, and as DeepEP does ``WORLD_SIZE`` as the number of nodes
    and ``RANK`` as that of this node.
    """
    import collectives.adapters.torch  # registers the backend

    address = os.environ.get("MASTER_ADDR", "127.0.0.1")
    port = int(os.environ.get("MASTER_PORT", "8361"))
    nodes, node = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    dist.init_process_group(
        collectives.adapters.torch.NAME, init_method=f"tcp://{address}:{port}",
        world_size=nodes * num_local_ranks, rank=node * num_local_ranks + local_rank,
    )  # fmt: skip
    torch.set_default_dtype(torch.bfloat16)
    init_seed(seed)
    group = dist.new_group(list(range(nodes * num_local_ranks)))
    return dist.get_rank(), dist.get_world_size(), group


def init_seed(global_seed: int) -> None:
    """Seed torch and random with ``global_seed`` plus the rank."""
    torch.manual_seed(global_seed + dist.get_rank())
    random.seed(global_seed + dist.get_rank())


def dist_print(s: str = "", once_in_node: bool = False) -> None:
    """Write a line, from every rank or from the first of each node.

    Then all ranks meet in a barrier.
    """
    nodes = int(os.environ.get("WORLD_SIZE", "1"))
    if not once_in_node or dist.get_rank() % max(dist.get_world_size() // nodes, 1) == 0:
        os.write(1, f"{s}\n".encode())
    dist.barrier()
