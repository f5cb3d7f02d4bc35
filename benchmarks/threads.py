"""Calls between hundreds of threads: ``python benchmarks/threads.py [--ranks 320 768]``.

Ranks are threads of one process on an emulated cloudmatrix384, as `fabric.launch` makes them. For
each collective: milliseconds from when all have begun until the last rank has its result, of the
first call and the median of those that follow; and the processor's milliseconds of all ranks for
one of these, which say more on a machine that does other things, too. The first call includes the
choice of the algorithm, every rank's part of it and the time that it takes on the emulated machine.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from collectives import Communicator, init
from collectives.moe import LowLatency
from fabric import launch
from topology.units import KiB

Calls = Callable[[], object]


def all_reduce(comm: Communicator) -> Calls:
    """4 KiB a rank."""
    x = np.ones(KiB, np.float32)
    return lambda: comm.all_reduce(x)


def all_gather(comm: Communicator) -> Calls:
    """4 KiB a rank."""
    x = np.ones(KiB, np.float32)
    out = np.empty(KiB * comm.size, np.float32)
    return lambda: comm.all_gather(out, x)


def all_to_all(comm: Communicator) -> Calls:
    """32 bytes from each rank to each."""
    x = np.ones((comm.size, 8), np.float32)
    out = np.empty_like(x)
    return lambda: comm.all_to_all(out, x)


def broadcast(comm: Communicator) -> Calls:
    """4 KiB."""
    x = np.ones(KiB, np.float32)
    return lambda: comm.broadcast(x)


def barrier(comm: Communicator) -> Calls:
    """No bytes at all."""
    return comm.barrier


def low_latency(comm: Communicator) -> Calls:
    """A layer's dispatch and combine: 4 tokens of 1 KiB a rank, 8 of as many experts as ranks."""
    x = np.ones((4, KiB // 2), np.float16)
    rng = np.random.default_rng(comm.rank)
    choices = np.stack([rng.choice(comm.size, 8, replace=False) for _ in x])
    weights = np.full(choices.shape, 1 / 8, np.float32)
    buffer = LowLatency(comm, experts=comm.size, hidden=x.shape[1], max_tokens=len(x))

    def layer() -> None:
        _, handle, _ = buffer.dispatch(x, choices)
        y = buffer.results(handle)
        y[:] = 1
        buffer.combine(y, handle, weights)

    return layer


CASES = (all_reduce, all_gather, all_to_all, broadcast, barrier, low_latency)

Clocks = NDArray[np.float64]
"""[calls + 1, 2]: the wall clock and the processor's at the beginning and after each call."""


def rank(case: Callable[[Communicator], Calls], times: int) -> Clocks:
    """What one rank sees of it."""
    with init() as comm:
        call = case(comm)
        comm.barrier()
        clocks = [(time.monotonic(), time.process_time())]
        for _ in range(times):
            call()
            clocks.append((time.monotonic(), time.process_time()))
        return np.array(clocks)


def measure(case: Callable[[Communicator], Calls], ranks: int, times: int) -> Clocks:
    """[calls, 2]: seconds that each call takes, by the wall clock and the processor's."""
    clocks = launch(
        partial(rank, case, times), ranks=ranks, system="cloudmatrix384", transport="inproc"
    )
    last: Clocks = np.diff(np.max(clocks, axis=0), axis=0)
    return last


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[320, 768])
    parser.add_argument("--calls", type=int, default=5, help="after the first one")
    given = parser.parse_args()
    table = Table("call", "ranks", "first ms", "next ms", "CPU ms")
    for case in CASES:
        for ranks in given.ranks:
            first, *later = 1e3 * measure(case, ranks, 1 + given.calls)
            wall, cpu = np.median(later, axis=0)
            cells = (f"{value:.0f}" for value in (first[0], wall, cpu))
            table.add_row(case.__name__, str(ranks), *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
