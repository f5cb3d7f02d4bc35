"""Launch: n ranks as threads of this process or as processes of this host, to their end."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabric.failure import WorldError
from fabric.launching.job import Job
from fabric.settings import Settings

if TYPE_CHECKING:
    from fabric.launching.outcome import Ended
    from fabric.simulate import Fabric
    from topology.graph import Topology


def launch(
    main: Callable[..., Any],
    ranks: int = 8,
    system: "str | Path | Topology | Fabric | None" = "cloudmatrix384",
    transport: str = "inproc",
    *,
    software: str | None = None,
    clock: str = "virtual",
    sync: str = "strict",
    scale: float = 1.0,
    args: Sequence[Any] = (),
    timeout: float | None = None,
    grace: float = 5.0,
    stop_timeout: float = 1.5,
    return_exceptions: bool = False,
    trace: str | Path | None = None,
) -> list[Any]:
    """What each of ``ranks`` ranks returned from ``main(*args)``; each calls `collectives.init`.

    ``transport``: "inproc" runs them as threads; "zmq", and under mpiexec "mpi", as processes,
    which import ``main`` and get ``args`` by pickle. ``system``, ``software``, ``clock``,
    ``sync``, ``scale``, ``grace``, ``stop_timeout``: as in `Settings`. ``timeout``: seconds after
    which it ends with a `TimedOut`. ``trace``: the file that gets a trace for ui.perfetto.dev.

    What went wrong first is raised: what ``main`` raised in the rank that failed, or the
    `WorldError` that all others saw; with ``return_exceptions`` it is returned instead, for each
    rank what it returned or raised.
    """
    if ranks < 1:
        raise WorldError(f"a world has at least one rank, {ranks} are asked for")
    named = str(system) if isinstance(system, str | Path) else None
    settings = Settings(
        named, software, clock, sync, scale, grace=grace, stop_timeout=stop_timeout,
        trace=None if trace is None else str(Path(trace).absolute()),
    )  # fmt: skip
    ended = _runner(transport)(Job(main, ranks, system, settings, tuple(args), timeout))
    return ended.outcomes if return_exceptions else ended.results()


def _runner(transport: str) -> "Callable[[Job], Ended]":
    if transport == "inproc":
        from fabric.launching.threads import run_threads

        return run_threads
    if transport == "zmq":
        from fabric.launching.processes import run_processes

        return run_processes
    if transport == "mpi":
        from fabric.launching.mpirun import run_mpi

        return run_mpi
    raise WorldError(f"launch knows no transport {transport!r}; there are inproc, zmq, mpi")
