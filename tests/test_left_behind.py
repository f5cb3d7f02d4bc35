"""What killed or stopped ranks and launchers leave goes, and nobody waits for them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from collectives import init
from collectives.adapters.torch.messages import Half
from fabric.failure import RankLost, TimedOut, WorldError
from fabric.host.curve import join
from fabric.host.folder import OWNER, PREFIX, sweep
from fabric.host.liveness import STOPPED, birth, host, state
from fabric.host.owned import write_owned
from fabric.launching import mpi_watch
from fabric.launching.guard import GUARDED
from fabric.launching.launch import launch
from fabric.launching.mpi_watch import MpiWatch
from fabric.launching.supervise import Watch, reaped
from fabric.settings import Settings
from fabric.world import zmq_server
from fabric.world.zmq_server import AT_ONCE
from tests.test_liveness import MAPPER, authority, await_, error_of, linux, rank_of, replies_to

LIMIT = 60.0


@pytest.fixture
def sleepers() -> Iterator[list["subprocess.Popen[bytes]"]]:
    mark = {**os.environ, GUARDED: "left-behind"}
    processes = [
        subprocess.Popen(["sleep", "600"], env={**mark, "PMI_RANK": str(rank)}) for rank in range(2)
    ]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


Sleepers = list["subprocess.Popen[bytes]"]


@linux
def test_a_stopped_rank_is_given_up_while_those_who_have_left_run_on(sleepers: Sleepers) -> None:
    """MPI waits at its end for all ranks."""
    with (
        authority(2, watch=True) as server,
        rank_of(server, 0, sleepers[0].pid) as leaves, rank_of(server, 1, sleepers[1].pid),
    ):  # fmt: skip
        leaves.send(b'[["leave"]]')
        await_(lambda: 0 in server.world.gone)
        sleepers[1].send_signal(signal.SIGSTOP)
        await_(lambda: server.peers.lost_processes() == {(sleepers[1].pid, birth(sleepers[1].pid))})
        server.peers.end_stopped()
        assert sleepers[1].wait(LIMIT) == -signal.SIGKILL
        assert server.peers.run()
        sleepers[0].kill()
        await_(lambda: not server.peers.run())


def test_the_folder_of_a_process_that_was_given_up_goes_though_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder, pid = tmp_path / f"{PREFIX}given-up", os.getpid()
    folder.mkdir(0o700)
    write_owned(folder / OWNER, f"{pid}\n{birth(pid)}\n{host()}\n".encode())
    sweep()
    assert folder.exists()
    sweep([(pid, "another birth")])
    assert folder.exists()
    sweep([(pid, birth(pid))])
    assert not folder.exists()


GUARDS = """
import os, sys
from pathlib import Path
from fabric.launching.guard import Guard
guard = Guard(Path(sys.argv[1]))
guard.take_away(sys.argv[2])
if sys.argv[3] == "killed":
    os.kill(os.getpid(), 9)
guard.close()
"""


@pytest.mark.parametrize("how", ["killed", "ends"])
def test_a_folder_that_the_guard_was_told_of_goes_with_a_killed_launcher(
    how: str, tmp_path: Path
) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    for path in (folder, other):
        (path / "with").mkdir(parents=True)
    subprocess.run([sys.executable, "-c", GUARDS, folder, other, how], check=how == "ends")
    await_(lambda: not folder.exists() and other.exists() == (how == "ends"))


def found(watch: MpiWatch, come: Callable[[RankLost | None], bool]) -> RankLost | None:
    due = time.monotonic() + LIMIT
    while not come(lost := watch.look()):
        assert time.monotonic() < due
        time.sleep(0.01)
    return lost


@linux
def test_a_rank_under_mpiexec_that_stands_still_is_found(
    sleepers: Sleepers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mpi_watch, "AUTHORITY", 0.0)
    watch = MpiWatch(f"{GUARDED}=left-behind", 2, 0.05)
    for process in sleepers:  # the job as a whole
        process.send_signal(signal.SIGSTOP)
        await_(lambda pid=process.pid: state(pid) == STOPPED)
    for _ in range(20):
        assert watch.look() is None
        time.sleep(0.02)
    sleepers[0].send_signal(signal.SIGCONT)
    lost = found(watch, lambda lost: lost is not None)
    assert isinstance(lost, RankLost)
    assert (lost.rank, str(lost)) == (1, "rank 1 has been stopped for more than 0.05 s")


TRACER = """
import ctypes, os, sys, time
failed = ctypes.CDLL(None, use_errno=True).ptrace(16, int(sys.argv[1]), None, None)  # PTRACE_ATTACH
os.write(1, b"-" if failed else b"+")
time.sleep(500)
"""


@contextmanager
def held(pid: int) -> Iterator[None]:
    """A debugger that has attached to a process, and never looks at what becomes of it."""
    command = [sys.executable, "-I", "-S", "-c", TRACER, str(pid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tracer:
        assert tracer.stdout is not None
        try:
            if tracer.stdout.read(1) != b"+":
                pytest.skip("no process may attach to another as a debugger here (ptrace)")
            yield
        finally:
            tracer.kill()


class NoReports:
    """Nobody misses these ranks."""

    def lost(self, rank: int, cause: str, delay: float = 0.0) -> None: ...

    def left(self, rank: int) -> None: ...

    def late(self, ranks: Iterable[int], timeout: float) -> None: ...

    def ended(self) -> bool:
        return False


@linux
@pytest.mark.parametrize("how", ["stopped", "interrupted"])
def test_a_launcher_does_not_wait_for_a_rank_that_a_debugger_holds(how: str) -> None:
    """Not even when it is killed: the debugger would have to look first."""
    with subprocess.Popen(["sleep", "600"], process_group=0) as rank:
        with held(rank.pid):
            watch = Watch({0: rank}, NoReports(), Settings(stop_timeout=0.05))
            if how == "stopped":
                watch.run()
            else:
                with pytest.raises(KeyboardInterrupt):
                    watch.run(each=_interrupt)
            assert watch.codes == {0: -signal.SIGKILL}
            assert not reaped(rank)
        assert reaped(rank)


def _interrupt() -> None:
    raise KeyboardInterrupt


@linux
def test_a_rank_under_mpiexec_that_a_debugger_holds_is_found(
    sleepers: Sleepers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mpi_watch, "KEPT", 0.05)
    watch = MpiWatch(f"{GUARDED}=left-behind", 2, 60.0)
    with held(sleepers[1].pid):
        assert watch.look() is None
        sleepers[1].kill()
        lost = found(watch, lambda lost: lost is not None)
    assert str(lost) == "rank 1 has ended, and a debugger keeps its process"


@linux
def test_shared_memory_of_ranks_that_mpiexec_has_ended_goes(tmp_path: Path) -> None:
    path = Path(f"/dev/shm/mpich_shm_left-behind-{os.getpid()}")
    given = {**os.environ, GUARDED: "left-behind", "PMI_RANK": "0"}
    command = [sys.executable, "-I", "-S", "-c", MAPPER, str(path)]
    watch = MpiWatch(f"{GUARDED}=left-behind", 1, 1.0)
    try:
        with subprocess.Popen(command, env=given, stdout=subprocess.PIPE) as rank:
            assert rank.stdout is not None
            assert rank.stdout.read(1) == b"."
            found(watch, lambda _: bool(watch._segments))
            rank.kill()
        assert path.exists()
        watch.remove_segments()
        assert not path.exists()
    finally:
        path.unlink(missing_ok=True)


def stands_still() -> None:
    if os.environ["PMI_RANK"] == "1":
        os.kill(os.getpid(), signal.SIGSTOP)
    from collectives import init

    init()


@linux
def test_a_rank_over_mpi_that_is_stopped_before_it_joins_ends_the_launch() -> None:
    with pytest.raises(RankLost, match=r"rank 1 has been stopped for more than 0.1 s"):
        launch(stands_still, 2, None, "mpi", stop_timeout=0.1, timeout=LIMIT, grace=0.1)


def test_what_strangers_send_after_the_first_message_is_not_read() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    read = []
    with authority(1) as server, rank_of(server, 0, os.getpid()) as rank:
        hello = server._hello
        server._hello = lambda *message: (read.append(message), hello(*message))[1]  # type: ignore[method-assign]
        stranger = context.socket(zmq.DEALER)
        join(stranger, server.address, None, "")  # it has the token, and yet is no rank
        stranger.connect(server.address)
        for _ in range(3 * AT_ONCE):
            stranger.send(b"{" * 5000)
        await_(lambda: server.dropped == 3 * AT_ONCE)
        rank.send(json.dumps([["now", 0]]).encode())
        assert replies_to(rank)
        context.destroy(linger=0)
    assert len(read) == 1


def test_an_end_of_a_message_to_oneself_does_not_outlive_the_world() -> None:
    def ended() -> None:
        raise WorldError("the world has ended")

    with pytest.raises(WorldError, match="the world has ended"):
        Half("a message", ended).wait()
    with pytest.raises(TimedOut, match=r"the other end was not called within 0\.01 s"):
        Half("a message", lambda: None).wait(0.01)


def test_an_authority_that_computes_for_long_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one whose engine is being compiled."""
    monkeypatch.setattr(zmq_server, "BUSY", 0.05)
    monkeypatch.setattr(zmq_server, "PARTING", 0.05)
    begun, goes_on = threading.Event(), threading.Event()

    def tick(wall: float) -> None:
        begun.set()
        goes_on.wait(LIMIT)

    with authority(1) as server:
        monkeypatch.setattr(server.world, "tick", tick)
        assert begun.wait(LIMIT)
        server.late([0], 3.0)
        assert str(error_of(server)).startswith("the ranks have not ended within 3 s, in which")
        server.close()
        assert server._thread.is_alive()
        goes_on.set()
        server._thread.join(LIMIT)
        assert not server._thread.is_alive()


def computes_without_end(begun: threading.Event, goes_on: threading.Event) -> None:
    """The thread of a rank is in the world, as one that has an engine calculate a large call."""
    comm = init()
    shared = comm._member.control._line._shared  # type: ignore[attr-defined]
    if comm.rank == 0:
        shared.world.tick = lambda wall: (begun.set(), goes_on.wait(LIMIT))
    begun.wait(LIMIT) if comm.rank else comm.barrier()
    comm.barrier()


def test_a_time_limit_ends_threads_whose_world_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fabric.world.local.BUSY", 0.05)
    begun, goes_on = threading.Event(), threading.Event()
    try:
        with pytest.raises(TimedOut, match=r"ranks 0 and 1 have not ended within 0\.3 s"):
            launch(
                computes_without_end, 2, None, "inproc", args=(begun, goes_on), timeout=0.3,
                grace=0.1,
            )  # fmt: skip
    finally:
        goes_on.set()
    assert begun.is_set()


def waits_without_end(told: list[str]) -> None:
    comm = init()
    try:
        while True:
            comm.barrier()
    except WorldError as error:
        told.append(str(error))
        raise


def test_threads_are_told_that_their_launcher_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def interrupted(*about: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fabric.launching.threads._ThreadTeam.watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        launch(waits_without_end, 3, None, "inproc", args=(told,))
    assert told == ["the launcher was stopped by KeyboardInterrupt"] * 3
