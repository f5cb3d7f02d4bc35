"""The torch backend beside gloo: ``python benchmarks/torch_backend.py [--ranks 2 4] [--rounds 5]``.

All-reduce and all-to-all of torch.distributed between processes of this host, each made with the
backend ``triplane`` and with torch's gloo in the same processes, in turn: some calls in a row of
one, as many of the other. Medians over the turns, of the rank that took longest. ``async``: begun
with ``async_op`` and waited for at once, which is what DDP, FSDP and compiled programs do.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from rich.console import Console
from rich.table import Table
from torch.multiprocessing.spawn import spawn

import collectives.adapters.torch  # noqa: F401  (registers the backend)

KIB, MIB = 1 << 10, 1 << 20
SIZES = (8, 4 * KIB, 64 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB)
WARM = 2
IN_A_ROW = 8
"""Calls between two barriers, half as many from 16 MiB on: ranks leave a barrier of gloo up to a
millisecond apart where there are more of them than cores."""

Group = Any
"""A process group: torch's stubs do not say that its own could be None only before the start."""

Row = tuple[int, str, int, float, float]
"""Ranks, what is called, bytes, seconds of triplane and of gloo."""


def call(op: str, group: Group, x: torch.Tensor, out: torch.Tensor) -> None:
    """Make one call, and wait for it."""
    if op == "all_reduce":
        dist.all_reduce(x, group=group)
    elif op == "all_reduce async":
        work = dist.all_reduce(x, group=group, async_op=True)
        if work is not None:
            work.wait()
    elif op == "all_to_all":
        dist.all_to_all_single(out, x, group=group)
    else:
        raise ValueError(f"no operation {op!r}")


OPS = ("all_reduce", "all_reduce async", "all_to_all")


def seconds(run: Callable[[], None], calls: int, ready: Group) -> float:
    """How long a call takes at this rank, of so many when all ranks have come."""
    dist.barrier(group=ready)
    began = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - began) / calls


def medians(op: str, size: int, groups: tuple[Group, Group], turns: int) -> list[float]:
    """Seconds of a call with each of two groups, which take turns; of the slowest rank."""
    x, out = torch.zeros(size // 4), torch.empty(size // 4)
    calls = IN_A_ROW // 2 if size >= 16 * MIB else IN_A_ROW
    times: list[list[float]] = [[], []]
    for number in range(WARM + turns):
        for group, mine in zip(groups, times, strict=True):
            took = seconds(partial(call, op, group, x, out), calls, groups[1])
            if number >= WARM:
                mine.append(took)
    table = torch.tensor(times, dtype=torch.float64)
    dist.all_reduce(table, dist.ReduceOp.MAX, group=groups[1])
    return [statistics.median(row) for row in table.tolist()]


def rank_main(rank: int, ranks: int, folder: str, rounds: int, most: int) -> None:
    """Measure everything; rank 0 writes the rows into the folder."""
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    dist.init_process_group("triplane", init_method=store, rank=rank, world_size=ranks)
    groups = dist.group.WORLD, dist.new_group(backend="gloo")
    rows: list[Row] = []
    for op in OPS:
        for size in (size for size in SIZES if size <= most):
            if op == "all_to_all" and size // 4 % ranks:
                continue
            turns = rounds * (1 if size >= 16 * MIB else 2 if size >= MIB else 6)
            ours, gloo = medians(op, size, groups, turns)
            rows.append((ranks, op, size, ours, gloo))
    if rank == 0:
        torch.save(rows, Path(folder) / "rows")
    dist.barrier(group=groups[1])
    dist.destroy_process_group()


def measured(ranks: int, rounds: int, most: int) -> list[Row]:
    """The rows of that many processes."""
    with tempfile.TemporaryDirectory() as folder:
        spawn(rank_main, (ranks, folder, rounds, most), nprocs=ranks)  # type: ignore[no-untyped-call]
        rows: list[Row] = torch.load(Path(folder) / "rows")
    return rows


def shown(size: int) -> str:
    """A size in words."""
    return (
        f"{size // MIB} MiB"
        if size >= MIB
        else f"{size // KIB} KiB"
        if size >= KIB
        else f"{size} B"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=64, help="MiB of the largest size")
    given = parser.parse_args()
    os.environ.setdefault("TRIPLANE_SYSTEM", "cloudmatrix384")
    table = Table("ranks", "call", "size", "triplane (us)", "gloo (us)", "gloo / triplane")
    for ranks in given.ranks:
        for row in measured(ranks, given.rounds, given.most * MIB):
            ours, gloo = row[3] * 1e6, row[4] * 1e6
            times = f"{ours:.0f}", f"{gloo:.0f}", f"{gloo / ours:.2f}"
            table.add_row(str(ranks), row[1], shown(row[2]), *times)
    Console().print(table)


if __name__ == "__main__":
    main()
