"""What the benchmarks of peers have in common: which calls, how they are timed, what is printed.

A size is that of nccl-tests: of a rank's buffer for all_reduce and all_to_all, of the gathered one
for all_gather. A time is the median over batches of calls made back to back, each batch as long as
its slowest rank takes, after a barrier.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from topology.units import GB, US, parse

OPS = ("all_reduce", "all_gather", "all_to_all")
SIZES = (8, 4 << 10, 1 << 20, 16 << 20, 64 << 20)
WARM_UP, FEWEST = 2, 3
"""Batches that do not count, and that must."""

BUDGET = 3.0
"""Seconds after which fewer batches than planned are enough, on a busy machine."""


@dataclass(frozen=True)
class Peer:
    """A library under test, as one rank sees it.

    ``prepare(op, size)`` makes buffers and gives the call to time; ``slowest`` turns every rank's
    seconds of a batch into those of the slowest.
    """

    name: str
    rank: int
    ranks: int
    prepare: Callable[[str, int], Callable[[], object]]
    barrier: Callable[[], object]
    slowest: Callable[[float], float]


def batches(size: int) -> tuple[int, int]:
    """How many batches of how many calls: a tenth of a second or more each for small messages."""
    if size <= 64 << 10:
        return 15, 200
    return (25, 10) if size <= 4 << 20 else (15, 1)


def busbw(op: str, ranks: int, size: int, seconds: float) -> float:
    """Bytes per second over the busiest link of a rank, as nccl-tests count it."""
    rounds = 2 if op == "all_reduce" else 1
    return rounds * (ranks - 1) / ranks * size / seconds


def measure(peer: Peer, op: str, size: int) -> float:
    """Seconds of a call, the median."""
    call = peer.prepare(op, size)
    many, calls = batches(size)
    times: list[float] = []
    while len(times) < WARM_UP + many:
        peer.barrier()
        began = time.perf_counter()
        for _ in range(calls):
            call()
        times.append(peer.slowest(time.perf_counter() - began))
        if sum(times) > BUDGET and len(times) >= WARM_UP + FEWEST:
            break  # at every rank, as they all have the same times
    return statistics.median(times[WARM_UP:]) / calls


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """``ops`` and ``sizes`` from the command line, by default all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ops", nargs="+", choices=OPS, default=OPS, metavar="OP")
    parser.add_argument(
        "--sizes", nargs="+", type=_size, default=SIZES, metavar="SIZE", help='such as "64 MiB"'
    )
    return parser.parse_args(argv)


def _size(text: str) -> int:
    return int(text) if text.isdigit() else int(parse(text, "size"))


def report(peer: Peer, asked: argparse.Namespace) -> None:
    """Measure all that is asked; rank 0 prints one JSON record a line."""
    for op in asked.ops:
        for size in asked.sizes:
            seconds = measure(peer, op, size)
            if peer.rank == 0:
                record = {
                    "peer": peer.name, "op": op, "ranks": peer.ranks, "size_bytes": size,
                    "time_us": seconds / US,
                    "busbw_GBps": busbw(op, peer.ranks, size, seconds) / GB,
                }  # fmt: skip
                sys.stdout.write(json.dumps(record) + "\n")
                sys.stdout.flush()
