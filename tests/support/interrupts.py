"""A rank that an exception out of a signal handler interrupts, wherever it is."""

import signal
from typing import Any, NoReturn

import numpy as np

from collectives import init


def calls_without_end(delay: float) -> None:
    """Asynchronous calls until rank 0 is interrupted, ``delay`` seconds after the first."""

    def interrupt(*about: Any) -> NoReturn:
        raise KeyboardInterrupt("at some moment")

    with init() as comm:
        comm.all_reduce(np.ones(8), async_op=True).wait()
        if comm.rank == 0:
            signal.signal(signal.SIGALRM, interrupt)
            signal.setitimer(signal.ITIMER_REAL, delay)
        while True:
            for work in [comm.all_reduce(np.ones(8), async_op=True) for _ in range(3)]:
                work.wait()
            comm.now()
