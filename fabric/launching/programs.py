"""Ranks that are programs: processes of this host, its share of the ranks, or threads."""

import os
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from fabric.failure import RankFailed, WorldError
from fabric.host.curve import Keys
from fabric.host.folder import private_folder
from fabric.host.liveness import birth, how_it_ended
from fabric.launching.guard import Guard, guarded
from fabric.launching.job import LaunchJob, checked_size
from fabric.launching.joining import JOIN_PATIENCE
from fabric.launching.nodes import Agent, Nodes
from fabric.launching.outcome import Exit, WorldEnded
from fabric.launching.seat import Seat
from fabric.launching.supervise import Watch, reaped
from fabric.launching.threads import run_threads
from fabric.launching.tracing import opened
from fabric.settings import Settings
from fabric.transports.base import located
from fabric.world.zmq_server import Server

ALONE = Nodes()


def run_program_processes(
    command: Sequence[str], ranks: int, settings: Settings, *,
    nodes: Nodes = ALONE, keys: Keys | None = None, timeout: float | None = None,
    transport: str = "zmq",
) -> Exit:  # fmt: skip
    """Run a command as each of ``ranks`` ranks, or this node's share, until all have ended.

    Their output goes where the caller's goes. ``keys``: needed where nodes meet at an address
    beyond the loopback. ``timeout``: in seconds. Raises `WorldError` if they cannot be started.
    """
    mine = nodes.share(checked_size(ranks))
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder())
        guard = stack.enter_context(guarded(folder))
        meeting = stack.enter_context(nodes.meeting(folder, keys))
        address, token = meeting.address, meeting.token
        authority: Server | Agent
        if nodes.rank == 0:
            world = stack.enter_context(opened(ranks, settings))
            authority = Server(world, settings, address, token=token, keys=keys)
            address = authority.address
            meeting.opened()
            authority.expect(nodes.others(ranks), JOIN_PATIENCE)
        else:
            authority = Agent(address, mine, ranks, token, keys)
        stack.enter_context(closing(authority))
        pid, connects = os.getpid(), located(transport)  # so that no rank has to look
        seats = [
            Seat(rank, ranks, place, address, token, connects, keys, pid, birth(pid))
            for place, rank in enumerate(mine)
        ]
        given = {
            **os.environ, **nodes.environment(), "TRIPLANE_FOLDER": str(folder),
            "LOCAL_WORLD_SIZE": str(len(mine)), **guard.environment,
        }  # fmt: skip
        with _started(command, seats, given, guard) as children:
            watch = Watch(children, authority, settings)
            watch.run(timeout)
        authority.rest()
        ended = _exit(authority.error, watch, settings.survives)
        if ended.error is None and not ended.lost:  # who is lost may have started others
            guard.over()
        return ended


@contextmanager
def _started(
    command: Sequence[str], seats: Sequence[Seat], given: Mapping[str, str], guard: Guard
) -> Iterator[dict[int, "subprocess.Popen[bytes]"]]:
    children: dict[int, subprocess.Popen[bytes]] = {}
    try:
        for seat in seats:
            children[seat.rank] = subprocess.Popen(
                command, env={**given, **seat.environment()}, stdin=subprocess.DEVNULL,
                process_group=0,
            )  # fmt: skip
            guard.watch(children[seat.rank].pid)
        yield children
    finally:
        for child in children.values():
            if child.poll() is None:  # its start was all that there was time for
                child.kill()
            reaped(child)


def _exit(error: WorldError | None, watch: Watch, survives: bool) -> Exit:
    """Not well, where any program has not; of those that were cut, the code means nothing.

    ``survives``: well, where any program has and the world goes on after losses.
    """
    codes = sorted(watch.codes.items())
    bad = {rank: code for rank, code in codes if code != 0 and rank not in watch.cut}
    if survives and error is None and len(bad) < len(codes):
        lost = (
            str(watch.given_up(rank) or f"rank {rank} {how_it_ended(code)}")
            for rank, code in bad.items()
        )
        return Exit(lost=tuple(lost))
    if error is None and bad:
        rank, code = next(iter(bad.items()))
        error = watch.given_up(rank) or RankFailed(f"rank {rank} {how_it_ended(code)}", rank)
    if error is None:
        return Exit()
    code = bad.get(-1 if error.rank is None else error.rank, 1)
    return Exit(error, code if code > 0 else 128 - code)


def run_in_threads(
    program: Path,
    args: Sequence[str],
    ranks: int,
    settings: Settings,
    timeout: float | None,
    transport: str = "inproc",
) -> WorldEnded:
    """Run a Python program as each of ``ranks`` threads of this process; returns how it ended.

    The ranks share what a process has once: standard output, ``sys.argv``, the modules that they
    import, the working directory. ``timeout``: in seconds. Raises `OSError`, `SyntaxError` for a
    program that cannot be read.
    """
    code = compile(program.read_bytes(), str(program), "exec", dont_inherit=True)
    before = sys.argv, sys.path[0], sys.modules["__main__"]
    mains = [_main(program) for _ in range(checked_size(ranks))]
    sys.argv, sys.path[0] = [str(program), *args], str(program.resolve().parent)
    sys.modules["__main__"] = mains[0]
    seats = iter(mains)  # a list's iterator gives each thread another one

    def body() -> None:
        exec(code, next(seats).__dict__)

    try:
        return run_threads(LaunchJob(body, ranks, settings, timeout=timeout))
    finally:
        sys.argv, sys.path[0], sys.modules["__main__"] = before


def _main(program: Path) -> types.ModuleType:
    module = types.ModuleType("__main__")
    module.__file__ = str(program)
    return module
