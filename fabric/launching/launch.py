"""Launch: runs n ranks as threads of this process or as processes of this host, to their end."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabric.failure import WorldError
from fabric.launching.job import LaunchJob, checked_size
from fabric.machine import MachineSpec, as_text
from fabric.settings import NO_SHRINK_UNDER_MPI, NO_SYSTEM, Settings
from fabric.transports.base import every_transport, ranks_of
from topology.arguments import flag, limit, shown
from topology.errors import ArgumentError

if TYPE_CHECKING:
    from fabric.fabric import Fabric
    from fabric.launching.outcome import WorldEnded
    from topology.graph import Topology


def launch(
    main: Callable[..., Any],
    ranks: int = 8,
    system: "str | Path | MachineSpec | Topology | Fabric | None" = "cloudmatrix384",
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
    record: str | Path | None = None,
    as_part_of: int | None = None,
    on_loss: str = "end",
    loss_detection: float = 0.01,
    live: bool = False,
    spares: int = 0,
) -> list[Any]:
    """Run ``main(*args)`` as each of ``ranks`` ranks; returns the list of what each rank returned.

    ``main`` calls `collectives.init` to get its communicator. ``system``: the emulated machine:
    a name or a path as in `topology.system`, a `MachineSpec`, a `Topology`, a `Fabric`; None or
    "none" for none. ``transport``: "inproc" runs ranks as threads; "zmq", and under mpiexec
    "mpi", as processes, which import ``main`` and get ``args`` by pickle. ``software``: the stacks
    that time calls, as in `MachineSpec`; a `Fabric` has its own. ``clock``, ``sync``, ``scale``,
    ``grace``, ``stop_timeout``, ``on_loss``, ``loss_detection``, ``live``: as in `Settings`.
    ``timeout``: seconds after which it ends with a `TimedOut`. ``trace``: the file of a trace for
    ui.perfetto.dev. ``record``: the file that gets all calls, for ``triplane replay``.
    ``as_part_of``: of how many ranks of the machine these are some; the others are modelled, as in
    `Settings`. ``spares``: so many ranks more, which wait in `collectives.init` until others take
    them in after a loss (`Communicator.grow`); the list has what they return, too, None for those
    that nobody needed.

    Raises the first failure: what ``main`` raised in the rank that failed, or the `WorldError` that
    all others saw; `ArgumentError` for a wrong argument. With ``return_exceptions`` nothing of this
    is raised, and the list has for each rank what it returned or raised. So it is, too, with
    ``on_loss="shrink"`` if any rank returns and nothing has ended the world as a whole: a rank that
    was lost has the exception that it raised, or a `RankLost` that says what became of it.
    """
    count, most = checked_size(ranks), limit(timeout)
    quiet = flag(return_exceptions, "return_exceptions")
    if not callable(main):
        raise ArgumentError(f"main is {shown(main)}; it has to be what each rank calls")
    if not isinstance(args, list | tuple):
        raise ArgumentError(f"args is {shown(args)}; it has to be a list or tuple of arguments")
    machine, make = _machine(system, software)
    settings = Settings(
        machine, clock, sync, scale, grace=grace, stop_timeout=stop_timeout,
        trace=None if trace is None else _file(trace, "trace"),
        record=None if record is None else _file(record, "record"), as_part_of=as_part_of,
        on_loss=on_loss, loss_detection=loss_detection, live=live, spares=spares,
    )  # fmt: skip
    if settings.survives and transport in every_transport() and ranks_of(transport) == "mpi":
        raise WorldError(NO_SHRINK_UNDER_MPI)
    count = checked_size(count + settings.spares)
    ended = _runner(transport)(LaunchJob(main, count, settings, tuple(args), most, make, transport))
    survived = settings.survives and ended.error is None and ended.any_returned
    return ended.handed_over() if quiet or survived else ended.results()


def _machine(
    system: Any, software: str | None
) -> "tuple[MachineSpec | None, Callable[[], Fabric] | None]":
    """The description of the machine, and what makes it if it was passed as an object."""
    if system is None or (isinstance(system, str | Path) and str(system) == NO_SYSTEM):
        return None, None
    if isinstance(system, str | Path | MachineSpec):
        spec = system if isinstance(system, MachineSpec) else MachineSpec(as_text(system))
        return (spec if software is None else replace(spec, software=software)), None
    from fabric.fabric import Fabric
    from topology.graph import Topology

    if isinstance(system, Fabric):
        return system.spec, partial(_itself, system)
    if isinstance(system, Topology):
        return None, partial(_on, system, software)
    raise ArgumentError(
        f"system is {shown(system)}; it has to be a name, a path, a MachineSpec, a Topology, a"
        " Fabric or None"
    )


def _itself(fabric: "Fabric") -> "Fabric":
    return fabric


def _on(topology: "Topology", software: str | None) -> "Fabric":
    """The machine of a topology; a rank that only moves bytes never calls this."""
    from fabric.endpoint.stacks import stacks_of
    from fabric.fabric import Fabric

    return Fabric(topology, endpoint=stacks_of(software, topology))


def _file(path: Any, name: str) -> str:
    if not isinstance(path, str | Path):
        raise ArgumentError(f"{name} is {shown(path)}; it has to be a path")
    return str(Path(path).absolute())


def _runner(transport: Any) -> "Callable[[LaunchJob], WorldEnded]":
    """What runs ranks as the transport of this name declares; here an unknown one is refused."""
    if not isinstance(transport, str) or transport not in every_transport():
        names = ", ".join(every_transport())
        raise WorldError(f"launch knows no transport {shown(transport)}; there are {names}")
    ranks = ranks_of(transport)
    if ranks == "threads":
        from fabric.launching.threads import run_threads

        return run_threads
    if ranks == "processes":
        from fabric.launching.processes import run_processes

        return run_processes
    from fabric.launching.mpirun import run_mpi

    return run_mpi
