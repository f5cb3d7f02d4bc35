"""How long single small all-reduces take between processes: ``python benchmarks/small_calls.py``.

Each call is timed by itself at rank 0. On a machine that does other things, too, only the fastest
hundredth says what a call costs, and the median what the other programs make of it; the processor's
time is that of a rank's process a call, and includes that it waits awake.
"""

import argparse
import time

import numpy as np

from collectives import init
from fabric.launching.launch import launch
from topology.units import US


def rank(size: int, calls: int) -> tuple[float, float, float]:
    """What every rank does: the fastest hundredth, the median, the processor's; microseconds."""
    with init() as comm:
        x = np.ones(max(1, size // 4), np.float32)
        out, times = np.empty_like(x), []
        for _ in range(calls // 10):
            comm.all_reduce(x, "sum", out)
        used = time.process_time()
        for _ in range(calls):
            began = time.perf_counter()
            comm.all_reduce(x, "sum", out)
            times.append(time.perf_counter() - began)
        used = (time.process_time() - used) / calls
    fastest, median = np.percentile(times, [1, 50])
    return float(fastest) / US, float(median) / US, used / US


def main() -> None:
    """Print a line for each number of ranks and each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 4096])
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--system", help="the emulated machine (default: none)")
    asked = parser.parse_args()
    print(f"{'ranks':>5} {'bytes':>6} {'fastest 1%':>10} {'median':>8} {'processor':>9}   (us)")
    for ranks in asked.ranks:
        for size in asked.sizes:
            found = launch(rank, ranks, asked.system, "zmq", args=(size, asked.calls))[0]
            print(f"{ranks:5} {size:6} {found[0]:10.1f} {found[1]:8.1f} {found[2]:9.1f}")


if __name__ == "__main__":
    main()
