"""What a process that mpiexec has started must know of MPI: which one it is, and how it ends."""

import atexit
import functools
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from fabric.failure import TransportError, exit_code
from fabric.host.forked import only_here
from fabric.host.sweep import mapped

if TYPE_CHECKING:
    from mpi4py import MPI

LAST = 5.0
"""Seconds that MPI is given to end in a process that has failed or was in the midst of things.

It waits for all ranks then, and Open MPI for a dead one too, for ever. As long as the survivors of
a failure are given (`fabric.settings.Settings.grace`), who may still want to save something.
"""


def library() -> None:
    """Load the MPI library that belongs to the mpiexec in use, and check it.

    Must precede ``from mpi4py import MPI``. Raises `TransportError` if there is none, or if it was
    initialised with less than MPI_THREAD_SERIALIZED.
    """
    if "OMPI_COMM_WORLD_RANK" in os.environ:  # mpi4py would first look for another one
        os.environ.setdefault("MPI4PY_MPIABI", "openmpi")
    _ends_in_time()  # whatever comes after MPI's start
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise TransportError(
            f"cannot load MPI ({error}); it comes with: pip install 'triplane[mpi]'"
        ) from error
    if MPI.Query_thread() < MPI.THREAD_SERIALIZED:
        raise TransportError(
            "MPI was initialised for one thread only, and Triplane needs MPI_THREAD_SERIALIZED "
            "or MPI_THREAD_MULTIPLE: set mpi4py.rc.thread_level before mpi4py.MPI is imported"
        )


@functools.cache
def _ends_in_time() -> None:
    """See that this process ends also where the others are not at their ends."""
    atexit.register(only_here(_finalize), [])


def exchange(mine: Any) -> Sequence[Any]:
    """An exchange over MPI: what each rank of MPI_COMM_WORLD passed, in rank order.

    It waits for all of them without a limit: use it only while no rank has failed.
    """
    library()
    from mpi4py import MPI

    return MPI.COMM_WORLD.allgather(mine)


def outlive_others() -> None:
    """Ignore SIGUSR1, by which MPICH's ``mpiexec -disable-auto-cleanup`` reports a dead rank.

    Without a handler the signal would kill every survivor. A handler that the program has set
    stays.
    """
    ours = threading.current_thread() is threading.main_thread()
    if ours and "PMI_RANK" in os.environ and signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def unlink_segments(comm: "MPI.Comm") -> None:
    """Remove the files of MPI's shared memory, so that the kernel frees it with the last rank.

    MPI removes the files only at its end, so killed ranks would leave them for ever. All ranks of
    ``comm`` call it. It first sends a message between every two of them, since MPI opens the files
    at the first message. MPI works on without the files.
    """
    import numpy as np

    ones, places = np.ones(comm.Get_size(), np.int64), np.arange(comm.Get_size())
    sent, come = np.zeros((2, comm.Get_size()), np.uint8)
    comm.Alltoallv((sent, (ones, places)), (come, (ones, places)))
    comm.Barrier()
    for path in mapped(os.getpid()):
        path.unlink(missing_ok=True)


def kept_to_the_end() -> list[object]:
    """A list for buffers that MPI may use until it has ended, and for its errors.

    If there is anything in it when the process ends, or an exception has ended the program, MPI is
    finalised first, within `LAST` seconds, or else SIGALRM ends the process. Call this before
    anything that closes a transport is registered with atexit, as handlers run in reverse order.
    """
    kept: list[object] = []
    atexit.register(only_here(_finalize), kept)
    return kept


def end_soon() -> None:
    """Have SIGALRM end this process if it has not ended within `LAST`."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, LAST)


def end_without_mpi() -> None:
    """Let this process, which was forked from a rank, end without calling MPI_Finalize.

    mpi4py would call it, which would use the rank's connections and wait for the others. So the
    process ends in its last exit handler, with the exit code that it would have had, except that
    the code of a ``raise SystemExit(code)`` is not known there, and becomes 0; that of `sys.exit`
    is kept.
    """
    code, plain = [0], sys.exit

    def noted(status: Any = None) -> NoReturn:
        code[0] = exit_code(status)
        plain(status)

    def end() -> None:
        atexit.unregister(end)
        atexit._run_exitfuncs()  # those that were registered before
        os._exit(1 if hasattr(sys, "last_value") else code[0])

    sys.exit = noted
    atexit.register(end)


def _finalize(kept: list[object]) -> None:
    failed = hasattr(sys, "last_value")  # the interpreter leaves it when it has shown a traceback
    if not (kept or failed):
        return
    from mpi4py import MPI

    if MPI.Is_finalized():
        return
    end_soon()
    MPI.Finalize()
    signal.setitimer(signal.ITIMER_REAL, 0)
