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
    """Load the MPI that mpiexec belongs to, where both are installed, and see whether it will do.

    Comes before ``from mpi4py import MPI``. Raises `TransportError` where there is none, or one
    that was initialised with less than MPI_THREAD_SERIALIZED.
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
    """A `fabric.transports.base.Rendezvous` over MPI itself, among all ranks of MPI_COMM_WORLD.

    It waits for all of them without an end: for a world where nobody has failed yet.
    """
    library()
    from mpi4py import MPI

    return MPI.COMM_WORLD.allgather(mine)


def outlive_others() -> None:
    """Under MPICH's ``mpiexec -disable-auto-cleanup``, SIGUSR1 says that a rank has died.

    Whoever does not expect it dies of it too, and nobody is left to say why. A handler that the
    program has set stays.
    """
    ours = threading.current_thread() is threading.main_thread()
    if ours and "PMI_RANK" in os.environ and signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def unlink_segments(comm: "MPI.Comm") -> None:
    """Leave MPI's shared memory to the kernel, which frees it with the last rank, however it dies.

    MPI removes the files at its end only, so killed ranks would leave them for ever. All ranks of
    ``comm`` call it: each must first have opened what it needs of every other, which MPI puts off
    to the first message. Neither MPI minds that its files are gone.
    """
    import numpy as np

    ones, places = np.ones(comm.Get_size(), np.int64), np.arange(comm.Get_size())
    sent, come = np.zeros((2, comm.Get_size()), np.uint8)
    comm.Alltoallv((sent, (ones, places)), (come, (ones, places)))
    comm.Barrier()
    for path in mapped(os.getpid()):
        path.unlink(missing_ok=True)


def kept_to_the_end() -> list[object]:
    """A list for buffers that MPI may read and write until it has ended, and for its errors.

    If there is something in it when the process ends, or an exception has ended the program, then
    MPI ends first, and within `LAST`: or else SIGALRM ends all. To be called before whatever closes
    a transport at exit is registered: what is registered then comes too late.
    """
    kept: list[object] = []
    atexit.register(only_here(_finalize), kept)
    return kept


def end_soon() -> None:
    """Have SIGALRM end this process if it has not ended within `LAST`."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, LAST)


def end_without_mpi() -> None:
    """Have this process, which was forked from a rank, end without MPI's end.

    mpi4py would call MPI_Finalize in it, which speaks over the rank's own connections and waits for
    the others. So the process ends in its last exit handler, with the code that it would have had;
    one of a ``raise SystemExit(code)`` is not known there, and is 0: see `sys.exit`.
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
