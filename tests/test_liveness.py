"""Who stands still, is cut off or fails before it has joined is told to the others, with the cause.

Ranks are sockets of the test here, and their processes some that sleep.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from collectives import init
from fabric.failure import RankLost, TransportError, WorldError
from fabric.host.curve import join
from fabric.host.liveness import GONE, RUNNING, STOPPED, birth, host, state
from fabric.host.sweep import mapped, marked, sweep
from fabric.launching import supervise
from fabric.launching.early import tell_failures
from fabric.launching.guard import GUARDED
from fabric.launching.joining import take_seat
from fabric.launching.launch import launch
from fabric.launching.mpirun import _end
from fabric.launching.seat import Seat
from fabric.launching.supervise import Watch
from fabric.settings import Settings
from fabric.transports.zmq.doorbell import nameless
from fabric.world import zmq_watch
from fabric.world.messages import Wait
from fabric.world.rank_control import RankControl
from fabric.world.wire import VERSION
from fabric.world.world import World
from fabric.world.zmq_client import ProcessLine
from fabric.world.zmq_server import Server
from topology.background import CHECK, in_background

LIMIT = 60.0
"""Seconds that anything may take."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc and signals")


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks does so at once, as only what it finds is looked at here."""
    monkeypatch.setattr(zmq_watch, "PROBE", 0.05)
    monkeypatch.setattr(zmq_watch, "CUT", 0.05)
    monkeypatch.setattr(supervise, "UNMISSED", 0.05)


def await_(come: Callable[[], object]) -> None:
    due = time.monotonic() + LIMIT
    while not come():
        assert time.monotonic() < due
        time.sleep(0.01)


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "600"], process_group=0) as process:
        yield process
        process.kill()


@contextmanager
def authority(size: int, **more: Any) -> Iterator[Server]:
    server = Server(World(size), Settings(stop_timeout=0.1), "tcp://127.0.0.1:*", **more)
    with closing(server):
        yield server


@contextmanager
def rank_of(server: Server, rank: int, pid: int) -> Iterator["zmq.Socket[bytes]"]:
    """A connection that says that it is a rank, in that process."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    join(socket, server.address, None, "")
    socket.connect(server.address)
    hello = ["hello", VERSION, "", rank, server.world.size, pid, birth(pid), host()]
    socket.send(json.dumps([hello]).encode())
    assert json.loads(socket.recv())[0][0] == "welcome"
    try:
        yield socket
    finally:
        context.destroy(linger=0)


def replies_to(socket: "zmq.Socket[bytes]") -> list[list[Any]]:
    """The next replies that there are; what only asks whether a rank is there has none."""
    while True:
        replies: list[list[Any]] = json.loads(socket.recv())
        if replies:
            return replies


def error_of(server: Server) -> WorldError:
    await_(server.ended)
    assert server.error is not None
    return server.error


@linux
def test_a_stopped_rank_is_given_up_where_no_launcher_of_ours_is(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    pid = sleeper.pid
    with (
        authority(2, watch=True) as server,
        rank_of(server, 0, os.getpid()) as other, rank_of(server, 1, pid),
    ):  # fmt: skip
        os.kill(pid, signal.SIGSTOP)
        error = error_of(server)
        assert isinstance(error, RankLost)
        assert str(error) == "rank 1 has been stopped for more than 0.1 s"
        other.send(b'[["leave"]]')
        await_(lambda: server.peers.deserted(2, os.getpid(), waited=True))
        server.peers.end_stopped()
        assert sleeper.wait(LIMIT) == -signal.SIGKILL


@linux
def test_a_job_that_is_stopped_as_a_whole_is_waited_for(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    with (
        authority(2, watch=True) as server,
        rank_of(server, 0, sleeper.pid) as socket, rank_of(server, 1, sleeper.pid),
    ):  # fmt: skip
        os.kill(sleeper.pid, signal.SIGSTOP)
        await_(lambda: state(sleeper.pid) == STOPPED)
        time.sleep(0.3)  # longer than a single rank may be stopped
        assert not server.ended(), server.error
        os.kill(sleeper.pid, signal.SIGCONT)
        socket.send(b'[["asktime", 0]]')
        assert replies_to(socket)


@pytest.mark.usefixtures("_soon")
def test_a_connection_that_ends_while_the_process_lives_is_a_lost_rank() -> None:
    """As of a rank that becomes another program."""
    with authority(2) as server, rank_of(server, 0, os.getpid()):
        with rank_of(server, 1, os.getpid()):
            pass
        error = error_of(server)
    assert isinstance(error, RankLost)
    assert error.rank == 1
    assert "rank 1 has become another program, or has closed its connection" in str(error)


@pytest.mark.usefixtures("_soon")
def test_one_that_has_left_may_hang_up() -> None:
    with authority(2) as server, rank_of(server, 0, os.getpid()) as stays:
        with rank_of(server, 1, os.getpid()) as leaves:
            leaves.send(b'[["leave"]]')
            await_(lambda: 1 in server.world.gone)
        time.sleep(0.3)  # longer than it takes to notice
        assert not server.ended()
        stays.send(b'[["asktime", 0]]')
        await_(lambda: any(reply[0] == "timereply" for reply in replies_to(stays)))


@pytest.mark.parametrize("message", [b"{", b"[1]", b'[["wait", -1]]', b'[["lost", 0, "x"]]', b""])
def test_what_cannot_be_read_of_a_rank_is_answered(message: bytes) -> None:
    with authority(1) as server, rank_of(server, 0, os.getpid()) as socket:
        socket.send(message)
        name, kind, words, rank = replies_to(socket)[0]
    assert (name, kind, rank) == ("end", "WorldError", 0)
    assert words.startswith("rank 0 has sent to the authority what it cannot read: ")


def test_what_a_rank_cannot_send_is_its_error_and_the_others() -> None:
    with (
        authority(2) as server,
        closing(ProcessLine(server.address, 0, 2)) as line,
        closing(ProcessLine(server.address, 1, 2)),
    ):
        control = RankControl(line)
        with pytest.raises(WorldError, match=r"rank 0 cannot bring .*, which is not JSON"):
            control.exchange(np.zeros(2))
        control.clock.compute(np.float32(0.5), nullcontext())  # a number like any other
        assert control.clock.now() >= 0
        line.send(Wait(np.int32(3)), now=True)  # type: ignore[arg-type]
        error = error_of(server)
        assert str(error).startswith("rank 0 cannot tell the authority what it does: ")
        with pytest.raises(WorldError, match="cannot tell the authority"):
            control.clock.now()


def test_what_fails_before_a_rank_has_joined_is_told_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRIPLANE_BIND", "tcp://10.255.255.1")
    with authority(2) as server, closing(ProcessLine(server.address, 0, 2)):
        with pytest.raises(TransportError, match="needs keys"):
            take_seat(Seat(1, 2, 0, server.address))
        error = error_of(server)
    assert isinstance(error, TransportError)
    assert str(error).startswith("rank 1: tcp://10.255.255.1:0 can be reached from other hosts")


@pytest.mark.parametrize(("rank", "size"), [(2, 2), (0, 0), (0, 10**9)])
def test_seats_that_no_world_has(rank: int, size: int) -> None:
    with pytest.raises(WorldError, match=rf"{rank}|{size}"):
        Seat(rank, size, 0, "")


class Reported:
    """What a `Watch` has reported."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def lost(self, rank: int, cause: str, delay: float = 0.0) -> None:
        self.told.append(f"{rank} {cause}")

    def left(self, rank: int) -> None:
        self.told.append(f"{rank} left")

    def late(self, ranks: Any, timeout: float) -> None:
        self.told.append(f"{sorted(ranks)} late")

    def ended(self) -> bool:
        return False


@linux
@pytest.mark.usefixtures("_soon")
def test_a_rank_that_is_stopped_after_it_has_left_is_given_up(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    reports = Reported()
    watch = Watch({3: sleeper}, reports, Settings(stop_timeout=0.1))
    os.kill(sleeper.pid, signal.SIGSTOP)
    watch.run(LIMIT)
    given_up = watch.given_up(3)
    assert str(given_up) == "rank 3 has been stopped for more than 0.1 s"
    assert reports.told[0] == "3 has been stopped for more than 0.1 s"
    assert watch.codes == {3: -signal.SIGKILL}


@linux
def test_states_of_processes(sleeper: "subprocess.Popen[bytes]") -> None:
    born = birth(sleeper.pid)
    assert state(sleeper.pid, born) == RUNNING
    assert state(sleeper.pid, "long ago") == GONE
    os.kill(sleeper.pid, signal.SIGSTOP)
    await_(lambda: state(sleeper.pid, born) == STOPPED)
    sleeper.kill()
    await_(lambda: state(sleeper.pid, born) == GONE)


@linux
def test_who_cannot_be_looked_at_is_not_gone() -> None:
    """Where this process has no descriptor left, of whatever process it is."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        found = state(os.getppid(), "some time")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert found == RUNNING


def test_without_files_that_have_no_name_there_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*given: Any) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", denied, raising=False)
    assert not nameless()


def test_a_thread_is_interrupted_while_another_one_works_for_it() -> None:
    at_work, go_on = threading.Event(), threading.Event()

    def work() -> str:
        at_work.set()
        assert go_on.wait(LIMIT)
        return "done"

    def check() -> None:
        if at_work.is_set():
            raise RankLost("rank 1 has died", 1)

    before = CHECK.set(check)
    try:
        with pytest.raises(RankLost, match="rank 1 has died"):
            in_background(work)
        go_on.set()
        CHECK.set(lambda: None)
        assert in_background(work) == "done"
        with pytest.raises(ZeroDivisionError):
            in_background(divmod, 1, 0)
    finally:
        CHECK.reset(before)
    assert in_background(divmod, 7, 2) == (3, 1)


def test_what_a_launcher_ends_when_it_is_stopped_is_told(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    def interrupt() -> None:
        if reports.told == []:
            raise KeyboardInterrupt

    reports = Reported()
    watch = Watch({3: sleeper}, reports, Settings())
    with pytest.raises(KeyboardInterrupt):
        watch.run(LIMIT, interrupt)
    assert reports.told == ["3 was ended by its launcher, which was stopped"]
    assert watch.codes == {3: -signal.SIGTERM}


def test_a_program_that_fails_before_it_joins_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: shown.append(error))
    plain, error = sys.excepthook, KeyError("no such setting")
    with authority(2) as server, closing(ProcessLine(server.address, 0, 2)):
        given = Seat(1, 2, 0, server.address, launcher=os.getppid()).environment()
        for other in ({}, {**given, "TRIPLANE_LAUNCHER": str(os.getpid())}):
            tell_failures(other, lambda: False)  # no rank, or a process that a rank has started
            assert sys.excepthook is plain
        joined = [True]
        tell_failures(given, lambda: joined[0])
        sys.excepthook(KeyError, error, None)
        assert len(server.peers) == 1
        joined.clear()
        joined.append(False)
        sys.excepthook(KeyError, error, None)
        assert str(error_of(server)) == "rank 1 raised KeyError: 'no such setting'"
    assert shown == [error, error]


def test_what_has_ended_the_world_is_heard_once_between_calls() -> None:
    heard: list[str] = []

    def body() -> None:
        comm = init()
        comm.barrier()
        if comm.rank == 1:
            raise KeyError("x")
        driver, due = comm._member.driver, time.monotonic() + LIMIT
        while not heard and time.monotonic() < due:
            try:
                driver.check_world()
            except WorldError as error:
                heard.append(str(error))
            time.sleep(0.001)
        driver.check_world()

    outcomes = launch(body, 2, None, return_exceptions=True)
    assert heard == [str(outcomes[0])]
    assert heard[0].startswith("rank 1 raised KeyError: 'x'")


MAPPER = """
import mmap, os, sys, time
with open(sys.argv[1], "w+b") as file:
    file.truncate(4096)
    mapped = mmap.mmap(file.fileno(), 4096)
os.write(1, b".")
time.sleep(500)
"""


OPENER = """
import os, sys, time
file = open(sys.argv[1], "w+b")  # and was stopped before it could map it
os.write(1, b".")
time.sleep(500)
"""


@linux
@pytest.mark.parametrize("program", [MAPPER, OPENER], ids=["mapped", "opened"])
@pytest.mark.parametrize("how", ["end", "sweep"])
def test_what_mpi_has_made_at_its_start_goes_with_ranks_that_are_ended(
    how: str, program: str
) -> None:
    """Only what a process of this world has mapped or opened, whatever else lies there."""
    unique = f"{os.getpid()}-{how}"
    ours, others = (Path(f"/dev/shm/mpich_shm_{name}-{unique}") for name in ("ours", "others"))
    others.touch()
    mark = f"{GUARDED}={unique}"
    given = {**os.environ, GUARDED: unique, "PMI_RANK": "0"}
    command = [sys.executable, "-I", "-S", "-c", program, str(ours)]
    try:
        with subprocess.Popen(
            command, env=given, stdout=subprocess.PIPE, process_group=0
        ) as rank:  # fmt: skip
            assert rank.stdout is not None
            assert rank.stdout.read(1) == b"."
            assert marked(mark) == {rank.pid}
            assert mapped(rank.pid) == {ours}
            if how == "end":
                _end(rank, 1.0, mark)
            else:
                sweep(mark)
            assert rank.wait(LIMIT) < 0
        assert not marked(mark)
        assert not ours.exists()
        assert others.exists()
    finally:
        ours.unlink(missing_ok=True)
        others.unlink()
