"""How fast MPI's own collectives are here: ``mpiexec -n 4 python benchmarks/peers_mpi.py``.

Options and output: see peers.py. The Python call is part of the time, as for Triplane.
"""

from collections.abc import Callable

import numpy as np
from peers import Peer, arguments, report

from fabric.transports.mpi.mpiexec import library

library()
from mpi4py import MPI  # noqa: E402  (only now is it the MPI of this mpiexec)

WORLD = MPI.COMM_WORLD


def name() -> str:
    """Which MPI it is, in one word."""
    return "openmpi" if "Open MPI" in MPI.Get_library_version() else "mpich"


def prepare(op: str, size: int) -> Callable[[], object]:
    """Buffers, written once so that they are really there, and the call."""
    share = max(1, size // WORLD.size)
    if op == "all_reduce":
        x, out = np.zeros((2, size // 4), np.float32) + 1
        return lambda: WORLD.Allreduce(x, out, MPI.SUM)
    if op == "all_gather":
        mine, all_of_it = np.zeros(share, np.uint8) + 1, np.zeros(share * WORLD.size, np.uint8) + 1
        return lambda: WORLD.Allgather((mine, MPI.BYTE), (all_of_it, MPI.BYTE))
    here, there = np.zeros((2, share * WORLD.size), np.uint8) + 1
    return lambda: WORLD.Alltoall((here, MPI.BYTE), (there, MPI.BYTE))


def slowest(seconds: float) -> float:
    """Of a batch, over all ranks."""
    return float(WORLD.allreduce(seconds, MPI.MAX))


if __name__ == "__main__":
    report(Peer(name(), WORLD.rank, WORLD.size, prepare, WORLD.Barrier, slowest), arguments())
