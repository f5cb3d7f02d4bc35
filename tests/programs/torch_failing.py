"""A rank whose worlds fail, one after the other, for `test_torch_failures`.

Says of each world, as a line of JSON, what it was and the error that the rank has got, as its type
and its text. In the last one, rank 1 is killed.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

import collectives.adapters.torch  # noqa: F401  (registers the backend)

ODD = 1
"""The rank that does something else than the others."""


def other_operation(rank: int) -> None:
    x = torch.zeros(4)
    if rank == ODD:
        dist.broadcast(x, 0)
    else:
        dist.all_reduce(x)


def other_size(rank: int) -> None:
    dist.all_reduce(torch.zeros(5 if rank == ODD else 4), async_op=True).wait()


def other_type(rank: int) -> None:
    future = dist.all_reduce(torch.zeros(4, dtype=torch.int32 if rank == ODD else torch.float32),
                             async_op=True).get_future()  # fmt: skip
    future.wait()


def without_the_odd_one(rank: int, call: Callable[[], object]) -> None:
    """A call of the others, whatever comes of it; the odd rank waits until they are through."""
    store = dist.distributed_c10d._get_default_store()
    if rank == ODD:
        others = [f"through{r}" for r in range(dist.get_world_size()) if r != ODD]
        store.wait(others, timedelta(seconds=60))
        return
    try:
        call()
    finally:
        store.set(f"through{rank}", "")


def too_late(rank: int) -> None:
    without_the_odd_one(rank, dist.barrier)
    dist.barrier()


def future_too_late(rank: int) -> None:
    if rank == 0:
        dist.irecv(torch.zeros(1), 1).get_future().wait()


def nobody_sends(rank: int) -> None:
    store = dist.distributed_c10d._get_default_store()
    if rank == 0:
        try:
            dist.recv(torch.zeros(1))
        finally:
            store.set("given up", "")
    if rank == ODD:  # too late; the end of the world would wait ten seconds for what is under way
        store.wait(["given up"], timedelta(seconds=60))
        dist.send(torch.zeros(1), 0)


def raised(rank: int) -> None:
    if rank == ODD:
        dist.group.WORLD.abort()
        raise ValueError("not with me")
    dist.all_reduce(torch.zeros(4))


def monitored(rank: int) -> None:
    group = dist.group.WORLD
    without_the_odd_one(rank, lambda: group.monitored_barrier(timedelta(seconds=1)))


def killed(rank: int) -> None:
    dist.all_reduce(torch.zeros(4))
    if rank == ODD:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.all_reduce(torch.zeros(4))


WORLDS: tuple[Callable[[int], None], ...] = (
    other_operation, other_size, other_type, too_late, future_too_late, nobody_sends, raised,
    monitored, killed,
)  # fmt: skip


def main(rank: int, ranks: int, folder: Path) -> None:
    for world in WORLDS:
        got = ["", ""]
        dist.init_process_group(
            "triplane", init_method=f"file://{folder / world.__name__}", rank=rank,
            world_size=ranks, timeout=timedelta(seconds=1),
        )  # fmt: skip
        try:
            world(rank)
        except Exception as error:
            got = [type(error).__name__, str(error)]
        dist.destroy_process_group()
        sys.stdout.write(json.dumps([world.__name__, *got]) + "\n")
        sys.stdout.flush()
