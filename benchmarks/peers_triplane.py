"""How fast Triplane's collectives are here: ``python benchmarks/peers_triplane.py --ranks 4``.

``--system`` is the emulated machine, none by default; ``--transport`` inproc (threads) or zmq
(processes). The algorithm is `collectives.default`'s, with a machine and without. The other
options and the output: see peers.py.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers import Peer, arguments, report

from collectives import Communicator, default, init
from fabric.launching.launch import launch


def filled(comm: Communicator, *shape: int, dtype: type = np.uint8) -> NDArray[Any]:
    """A shared array of ones."""
    array = comm.empty(shape, dtype)
    array.fill(1)
    return array


def prepare(comm: Communicator, op: str, size: int) -> Callable[[], object]:
    """Buffers, written once so that they are really there, and the call."""
    share = max(1, size // comm.size)
    algorithm = default(op, comm.size, size)
    if op == "all_reduce":
        x, out = filled(comm, 2, size // 4, dtype=np.float32)
        return lambda: comm.all_reduce(x, "sum", out, algorithm=algorithm)
    if op == "all_gather":
        mine, whole = filled(comm, share), filled(comm, share * comm.size)
        return lambda: comm.all_gather(whole, mine, algorithm=algorithm)
    here, there = filled(comm, 2, share * comm.size)
    return lambda: comm.all_to_all(there, here, algorithm=algorithm)


def slowest(comm: Communicator, seconds: float) -> float:
    """Of a batch, over all ranks."""
    time = np.array([seconds])
    comm.all_reduce(time, "max")
    return float(time[0])


def rank(name: str, rest: Sequence[str]) -> None:
    """What every rank does."""
    with init() as comm:
        report(
            Peer(
                name, comm.rank, comm.size, lambda op, size: prepare(comm, op, size),
                comm.barrier, lambda seconds: slowest(comm, seconds),
            ),
            arguments(rest),
        )  # fmt: skip


def main() -> None:
    """Start the ranks, and wait for them."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--system")
    parser.add_argument("--transport", default="zmq")
    given, rest = parser.parse_known_args()
    name = f"triplane+{given.system}" if given.system else "triplane"
    launch(rank, given.ranks, given.system, given.transport, args=(name, rest))


if __name__ == "__main__":
    main()
