"""Ranks that are processes of this host, each running a function."""

import contextlib
import functools
import multiprocessing
import os
import pickle
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any

from fabric.failure import RankLost, WorldError
from fabric.host.folder import MAX_PATH, endpoint, private_folder
from fabric.host.forked import again, end_of_child, here
from fabric.host.liveness import how_it_ended
from fabric.launching.current import CURRENT
from fabric.launching.guard import Guard, guarded
from fabric.launching.job import LaunchJob
from fabric.launching.joining import take_seat
from fabric.launching.outcome import WorldEnded, outcome_of, packed, unpacked
from fabric.launching.results import IncomingResult, send_result
from fabric.launching.seat import Seat
from fabric.launching.supervise import Watch, kill, reaped
from fabric.launching.tracing import opened
from fabric.world.zmq_server import Server


def run_processes(job: LaunchJob) -> WorldEnded:
    """Run ``job`` with its ranks as processes; returns how it ended; see `fabric.launch`."""
    token, ranks = secrets.token_hex(16), range(job.ranks)
    with (
        opened(job.ranks, job.settings, job.make) as world, private_folder() as folder,
        guarded(folder) as guard,
    ):  # fmt: skip
        server = Server(world, job.settings, endpoint(folder, "control"), token=token)
        with contextlib.closing(server):
            seats = [
                Seat(rank, job.ranks, rank, server.address, token, job.transport) for rank in ranks
            ]
            with _started(job, seats, folder, server, guard) as team:
                watch = Watch(team.children, server, job.settings)
                watch.run(job.timeout, team.collect)
            outcomes = [team.outcome(rank, watch) for rank in ranks]
            ended = WorldEnded(outcomes, server.error)
            if server.error is None and not ended.losses:  # who is lost may have started others
                guard.over()
            return ended


def _method() -> str:
    """How `multiprocessing` starts ranks: the faster way needs a socket in the temporary folder."""
    name = os.fsencode(tempfile.gettempdir()) + b"/pymp-12345678/listener-12345678"
    return "forkserver" if sys.platform == "linux" and len(name) < MAX_PATH else "spawn"


class _Child:
    """A `multiprocessing` process as `fabric.launching.supervise.Child`."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    def poll(self) -> int | None:
        return self.process.exitcode


class _ProcessTeam:
    """The processes of a world, and the results that have arrived so far."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.children: dict[int, _Child] = {}
        self.pipes: dict[int, Connection] = {}  # open until the end, or ranks would miss us
        self.coming: dict[int, IncomingResult] = {}
        self.outcomes: dict[int, Any] = {}

    def collect(self) -> None:
        """Take what has arrived of the outcomes that ranks send."""
        for rank, coming in list(self.coming.items()):
            try:
                data = coming.take()
            except (EOFError, OSError):
                del self.coming[rank]
                continue
            if data is not None:
                del self.coming[rank]
                outcome = self.outcomes[rank] = unpacked(data, rank)
                # A rank that never joined has not reported it.
                if isinstance(outcome, BaseException):
                    self._server.failed(rank, outcome)

    def outcome(self, rank: int, watch: Watch) -> Any:
        """What a rank returned or raised, or why it could do neither."""
        if rank in self.outcomes:
            return self.outcomes[rank]
        error = self._server.error
        if error is not None and (error.rank == rank or rank in watch.cut):
            return again(error)
        ended = how_it_ended(watch.codes.get(rank, 0))
        return watch.given_up(rank) or RankLost(f"rank {rank} {ended}", rank)

    def close(self) -> None:
        """Let go of processes and pipes."""
        for pipe in self.pipes.values():
            pipe.close()
        for child in self.children.values():
            if child.poll() is None:  # its start was all that there was time for
                child.process.kill()
            if reaped(child):
                child.process.close()
            else:  # or multiprocessing would wait for it when this process ends
                multiprocessing.process._children.discard(child.process)  # type: ignore[attr-defined]


@contextlib.contextmanager
def _started(
    job: LaunchJob, seats: list[Seat], folder: Path, server: Server, guard: Guard
) -> Iterator[_ProcessTeam]:
    context: Any = multiprocessing.get_context(_method())
    if (
        context.get_start_method() == "forkserver"
    ):  # what every rank needs is imported once, and they are forked
        context.set_forkserver_preload(
            ["__main__", "fabric.launching.processes", "fabric.transports.zmq.transport"]
        )
        guard.take_away(get_temp_dir())  # where what starts them listens
    team = _ProcessTeam(server)
    unnamed = job.make if job.settings.machine is None else None
    environment = {**os.environ, "TRIPLANE_FOLDER": str(folder), **guard.environment}
    try:
        for seat in seats:
            mine, theirs = context.Pipe()
            team.pipes[seat.rank], team.coming[seat.rank] = mine, IncomingResult(mine)
            process = context.Process(
                target=_body, name=f"rank {seat.rank}",
                args=(job.main, job.args, seat, unnamed, environment, theirs),
            )  # fmt: skip
            try:
                process.start()
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise WorldError(
                    f"{job.main!r} and its arguments must be such that another process can import"
                    f" them: {error}"
                ) from error
            finally:
                theirs.close()
            team.children[seat.rank] = _Child(process)
            guard.watch(team.children[seat.rank].pid)
        yield team
    finally:
        team.close()


def _body(
    main: Callable[..., Any], args: tuple[Any, ...], seat: Seat, system: Any,
    environment: dict[str, str], pipe: Connection,
) -> None:  # fmt: skip
    """What a rank's process does, in the launcher's environment of now: what starts processes, once
    for all worlds, has that of the first.
    """  # noqa: D205
    os.setpgid(0, 0)
    at_home = here()
    threading.Thread(target=_end_with_launcher, args=(pipe,), daemon=True).start()
    os.environ.clear()
    os.environ.update(environment | seat.environment())
    join = functools.cache(lambda: take_seat(seat, system))
    CURRENT.set(join)
    outcome = outcome_of(main, args, join)
    end_of_child(at_home, outcome)
    send_result(pipe, packed(outcome, seat.rank))
    pipe.close()
    sys.exit(int(isinstance(outcome, BaseException)))


def _end_with_launcher(pipe: Connection) -> None:
    """Nothing ever comes the other way, but its end: the launcher was killed."""
    with contextlib.suppress(OSError, EOFError):
        pipe.recv_bytes()
    if not pipe.closed:
        kill(os.getpid(), signal.SIGKILL)
