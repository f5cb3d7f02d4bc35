"""What test_mpi.py runs under mpiexec: rank 1 kills itself; the others write what they notice.

``mpi_killed.py FOLDER``: a survivor's file there has its rank as the name.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from fabric.failure import RankLost
from fabric.transports.mpi import transport as mpi
from fabric.transports.mpi.mpiexec import exchange, library

library()
from mpi4py import MPI  # noqa: E402  (only now is it the MPI of this mpiexec)

WORLD = MPI.COMM_WORLD


def main() -> None:
    transport = mpi.connect(WORLD.rank, WORLD.size, exchange)
    WORLD.Barrier()
    time.sleep(0.3)  # so that the launcher has nothing to tell it any more
    if WORLD.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    noticed = "nothing"
    transport.receive(1, 1, 1, 8, lambda at, piece: None)
    transport.send((WORLD.rank + 2) % WORLD.size, 1, 1, np.zeros(8, np.uint8))
    try:
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            transport.progress(0.2)
    except RankLost as error:
        noticed = f"{error.rank}: {error}"
    transport.close()
    Path(sys.argv[1], str(WORLD.rank)).write_text(noticed)


if __name__ == "__main__":
    main()
