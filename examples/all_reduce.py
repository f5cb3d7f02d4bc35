"""One program for real ranks: ``triplane run -n 8 examples/all_reduce.py``, or under mpiexec."""

import numpy as np

from collectives import init

comm = init()
x = np.full(1 << 20, comm.rank, np.float32)
comm.all_reduce(x)
comm.compute(50e-6)
comm.barrier()
if comm.rank == 0:
    time, machine = comm.now() * 1e6, comm.machine("all_reduce")
    print(f"{comm.size} ranks: the sum is {x[0]:g}, after {time:.3f} us on {machine}")
comm.close()
