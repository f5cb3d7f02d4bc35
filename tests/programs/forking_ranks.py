"""What test_forked.py runs as ranks: each forks children, which use and end what is not theirs.

``forking_ranks.py [LATE]``: with LATE, rank 1's program then ends while its process lives on.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable

import numpy as np

from collectives import Communicator, init

REFUSED = "was forked from rank"


def attempts(comm: Communicator) -> list[Callable[[], object]]:
    """What a child might do with a communicator, and with what is under it."""
    me, other = comm._member, (comm.rank + 1) % comm.size
    four = np.ones(4, np.float32)
    return [
        init,
        comm.now,
        lambda: comm.all_reduce(four),
        lambda: comm.all_reduce(four, async_op=True),
        lambda: comm.all_gather(np.zeros(comm.size, np.int8), np.zeros(1, np.int8)),
        lambda: comm.send(four, other),
        lambda: comm.compute(1.0),
        lambda: comm.split(0),
        lambda: comm.group([comm.rank]),
        lambda: me.transport.send(other, 1, 1, np.zeros(8, np.uint8)),
        lambda: me.transport.receive(other, 1, 1, 8, np.zeros(8, np.uint8)),
        lambda: me.transport.progress(0.01),
        lambda: me.control.exchange(1),
        me.control.clock.now,
        me.control.check,
    ]


def refused(do: Callable[[], object]) -> bool:
    try:
        do()
    except Exception as error:
        return REFUSED in str(error)
    return False


def child(comm: Communicator) -> int:
    """In a child: how many attempts were not refused; then it lets go of everything."""
    signal.alarm(60)
    bad = sum(not refused(do) for do in attempts(comm))
    comm.close()
    comm._member.control.leave()
    comm._member.control.fail(ValueError("a child's"))
    return bad


def forked(do: Callable[[], object]) -> int:
    """The exit code of a child that does that, and ends however that ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, from 3.12 on
        pid = os.fork()
    if pid == 0:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  (its traceback is of no interest)
        do()
        sys.exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def raises() -> None:
    raise ValueError("a child's own")


def codes(comm: Communicator) -> list[int]:
    """Fork in every way but at rank 0, while a call is under way; how the children ended."""
    work = comm.all_reduce(np.ones(1 << 16, np.float32), async_op=True)
    found = []
    if comm.rank != 0:
        found = [
            forked(lambda: os._exit(40 + child(comm))),
            forked(lambda: sys.exit(40 + child(comm))),
            forked(raises),
            subprocess.run(["true"], preexec_fn=lambda: comm.close(), check=False).returncode,
        ]
    work.wait()
    return found


def sums_right(comm: Communicator) -> bool:
    for turn in range(3):
        x = np.full(4, comm.rank + turn, np.float32)
        comm.all_reduce(x)
        if (x != sum(range(comm.size)) + turn * comm.size).any():
            return False
    return True


def main() -> tuple[list[int], bool]:
    comm = init()
    comm.all_reduce(np.zeros(4, np.float32))
    found = codes(comm)
    right = sums_right(comm)
    if "LATE" not in sys.argv:
        comm.close()
    return found, right


def late_end() -> None:
    """Rank 1's program is over, as far as others are concerned."""
    comm = init()
    began = time.monotonic()
    if comm.rank == 1:
        threading.Thread(target=time.sleep, args=(8,)).start()
        sys.exit(0)
    try:
        comm.all_reduce(np.ones(4, np.float32))
    except Exception as error:
        sys.stdout.write(f"{time.monotonic() - began < 6} {error}\n")


if __name__ == "__main__":
    sys.stdout.write(f"{main()}\n")
    sys.stdout.flush()
    if "LATE" in sys.argv:
        late_end()
