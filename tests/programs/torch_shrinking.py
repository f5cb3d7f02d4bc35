"""Ranks of torch that are killed, and how the others go on, for `test_torch_shrink`.

As forks of `torch_forks`, six ranks: worlds one after the other, each of which loses some. As a
program of its own, ``torch_shrinking.py HOW FOLDER``: what the launchers of ranks do. Each says
what it saw as lines of JSON.
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

import collectives.adapters.torch as adapter

STEPS = 20
PATIENCE = timedelta(seconds=60)


def alive() -> None:
    """Rank 5 is left out, which nobody has lost, in a world that would end with a loss."""
    me = dist.get_rank()
    if me == 5:
        dist.destroy_process_group()
        said("alive", "left")
        return
    part = dist.new_group([0, 1])
    dist.shrink_group([5])
    assert part not in dist.distributed_c10d._world.pg_map
    said("alive", summed(1 << me), dist.get_rank(), dist.get_world_size())
    dist.destroy_process_group()


def aborted() -> None:
    """Rank 1 aborts its process group: the others lose it, and go on."""
    me = dist.get_rank()
    if me == 1:
        dist.distributed_c10d._abort_process_group()
        said("aborted", "gone")
        return
    fails(lambda: dist.all_reduce(torch.ones(3)))
    assert adapter.lost() == (1,)
    adapter.shrink()
    said("aborted", summed(1 << me), dist.get_rank(), dist.get_world_size())
    dist.destroy_process_group()


def named() -> None:
    """torch's own ``shrink_group`` is given the rank that is lost, by a smaller group and all."""
    me = dist.get_rank()
    part = dist.new_group([1, 2, 3])
    if me == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    group = part if me in (1, 3) else None
    fails(lambda: dist.all_reduce(torch.ones(10), group=group))
    if me in (1, 3):
        smaller = dist.shrink_group([1], part)
        assert smaller.group_desc == f"{part.group_name}:shrunk"
        x = torch.tensor([float(me)])
        dist.all_reduce(x, group=smaller)
        assert (x.item(), smaller.size()) == (4.0, 2)
    found = dist.shrink_group([2], shrink_flags=dist.distributed_c10d.SHRINK_ABORT)
    assert found is dist.group.WORLD
    said("named", summed(1 << me), found.rank(), found.size(), found.group_desc)


def loop() -> None:
    """All-reduces in which ranks kill themselves, each sum right over those that are left."""
    me, seen, step = dist.get_rank(), [], 0
    deaths = {5: 3, 11: 0, 12: 1}
    while step < STEPS:
        if deaths.get(step) == me:
            os.kill(os.getpid(), signal.SIGKILL)
        x = torch.full((1000,), float(1 << me))
        try:
            work = dist.all_reduce(x, async_op=bool(step % 2))
            if work is not None:
                work.wait()
        except dist.DistBackendError:
            assert adapter.shrink() is dist.group.WORLD
            continue
        living = [rank for rank in range(5) if int(x[0].item()) >> rank & 1]
        assert x.eq(x[0]).all()
        assert len(living) == dist.get_world_size()
        if living not in seen:
            seen.append(living)
        step += 1
    two = dist.new_group([1, 0])
    assert two is not None
    x = torch.ones(3)
    dist.all_reduce(x, group=two)
    said("loop", seen, x.tolist(), dist.get_rank(), dist.get_world_size())
    dist.destroy_process_group()


def again(folder: Path) -> None:
    """After a loss the rest destroys its process group, and makes another one with a new store."""
    me = dist.get_rank()
    if me == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    fails(lambda: dist.all_reduce(torch.ones(3)))
    dist.destroy_process_group()
    begun(folder / "anew", me - (me > 1), 2)
    said("again", me, summed(1 << me), dist.get_rank(), dist.get_world_size())
    dist.destroy_process_group()


def restarted(_: Path) -> None:
    """torchrun starts all anew when one has died: ``--max-restarts``."""
    me, turn = dist.get_rank(), int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    summed(1)
    if turn == 0 and me == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    said("restarted", me, summed(1), turn)
    dist.destroy_process_group()


def summed(mine: int) -> float:
    """The sum over all ranks of a number of each."""
    x = torch.tensor([float(mine)])
    dist.all_reduce(x)
    return x.item()


def fails(call: Callable[[], object]) -> None:
    """The call has to fail for a lost rank."""
    why = ""
    try:
        call()
    except dist.DistBackendError as error:
        why = str(error)
    assert "RankLost" in why, why


def said(*what: object) -> None:
    """A line in one piece, as several processes may share standard output."""
    os.write(1, (json.dumps(what) + "\n").encode())


def begun(store: Path, rank: int, ranks: int) -> None:
    """Join a world by a store that outlives every rank."""
    dist.init_process_group("triplane", init_method=f"file://{store}", rank=rank, world_size=ranks,
                            timeout=PATIENCE)  # fmt: skip


def main(rank: int, ranks: int, folder: Path) -> None:
    """One world after the other: rank 2 of six is killed in ``named``, three more in ``loop``."""
    begun(folder / "alive", rank, ranks)
    alive()
    os.environ["TRIPLANE_ON_LOSS"] = "shrink"
    begun(folder / "aborted", rank, ranks)
    aborted()
    begun(folder / "named", rank, ranks)
    named()
    dist.destroy_process_group()
    begun(folder / "loop", rank - (rank > 2), ranks - 1)
    loop()


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("triplane", timeout=PATIENCE)
    {"again": again, "restarted": restarted}[sys.argv[1]](Path(sys.argv[2]))
