"""Whatever goes wrong, every survivor is told who, where and why, and nothing is left behind."""

import os
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collectives import Communicator, init
from fabric.failure import (
    CallMismatch,
    Deadlock,
    RankFailed,
    RankLost,
    TimedOut,
    TransportError,
    WorldError,
    report,
)
from fabric.host.folder import PREFIX
from fabric.launching.launch import launch
from topology import star

RANKS = 3
AWAY = 2
"""The rank that is at fault."""

SYSTEMS = {"inproc": star(4), "zmq": None}
"""With an emulated machine and without one; without, processes need not load its engine."""

SUM = "all_reduce(sum, float32[4])"

both = pytest.mark.parametrize("transport", ["inproc", "zmq"])
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc and signals")


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process, folder, socket, shared memory or descriptor of a world outlives it."""
    before = traces()
    yield
    until = time.monotonic() + 5.0
    while traces() - before and time.monotonic() < until:
        time.sleep(0.05)  # threads that were told to end, and the kernel, take a moment
    assert traces() - before == set()


def traces() -> set[str]:
    """What can be left: our folders with what is in them, shared memory, processes."""
    folders = {str(path) for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _ours(path)}
    shared = {str(path) for path in Path("/dev/shm").glob(f"{PREFIX}*")}
    return folders | shared | {f"process {child.name}" for child in active_children()}


def _ours(folder: Path) -> bool:
    try:
        return (folder / "owner").read_text().split()[:1] == [str(os.getpid())]
    except OSError:
        return False


def survive(main: Callable[[Communicator], Any], transport: str, **more: Any) -> list[Any]:
    """What each rank got, an exception where one was raised."""
    more = {"timeout": 120, **more}
    return launch(
        _body, RANKS, SYSTEMS[transport], transport, args=(main,), return_exceptions=True, **more
    )


def _body(main: Callable[[Communicator], Any]) -> Any:
    with init() as comm:
        comm.all_reduce(np.zeros(4, np.float32))
        return main(comm)


def told(outcomes: list[Any], kind: type[WorldError], *words: str) -> WorldError:
    """What all survivors were told, which is one and the same and has all of these words."""
    errors = [outcome for rank, outcome in enumerate(outcomes) if rank != AWAY]
    assert [type(error) for error in errors] == [kind] * (RANKS - 1), errors
    message = str(errors[0])
    assert {str(error) for error in errors} == {message}
    for word in words:
        assert word in message
    return errors[0]


def reduce_and_go(comm: Communicator) -> None:
    comm.all_reduce(np.zeros(4, np.float32))


def another_operation(comm: Communicator) -> None:
    if comm.rank == AWAY:
        comm.broadcast(np.zeros(4, np.float32))
    reduce_and_go(comm)


def another_size(comm: Communicator) -> None:
    comm.all_reduce(np.zeros(5 if comm.rank == AWAY else 4, np.float32))


def another_type(comm: Communicator) -> None:
    comm.all_reduce(np.zeros(4, np.int32 if comm.rank == AWAY else np.float32))


def another_reduction(comm: Communicator) -> None:
    comm.all_reduce(np.zeros(4, np.float32), op="max" if comm.rank == AWAY else "sum")


def another_root(comm: Communicator) -> None:
    comm.broadcast(np.zeros(4, np.float32), root=1 if comm.rank == AWAY else 0)


@both
@pytest.mark.parametrize(
    ("main", "usual", "odd"),
    [
        (another_operation, SUM, "broadcast("),
        (another_size, SUM, "all_reduce(sum, float32[5])"),
        (another_type, SUM, "all_reduce(sum, int32[4])"),
        (another_reduction, SUM, "all_reduce(max, float32[4])"),
        (another_root, "broadcast(", "broadcast("),
    ],
)
def test_calls_that_do_not_match(
    main: Callable[[Communicator], Any], usual: str, odd: str, transport: str
) -> None:
    outcomes = survive(main, transport)
    error = told(outcomes, CallMismatch, f"ranks 0 and 1 called {usual}", f"rank 2 called {odd}")
    assert error.rank == AWAY
    assert str(outcomes[AWAY]) == str(error)


def raises(comm: Communicator) -> None:
    if comm.rank == AWAY:
        raise KeyError("boo")
    reduce_and_go(comm)


@both
def test_a_rank_that_raises(transport: str) -> None:
    outcomes = survive(raises, transport)
    error = told(outcomes, RankFailed, "rank 2 raised KeyError: 'boo'", SUM)
    assert error.rank == AWAY
    assert type(outcomes[AWAY]) is KeyError


@both
def test_what_launch_raises_is_the_cause(transport: str) -> None:
    with pytest.raises(KeyError, match="boo"):
        launch(_body, RANKS, SYSTEMS[transport], transport, args=(raises,), timeout=60)


def ends(comm: Communicator) -> str:
    if comm.rank == AWAY:
        return "done"
    reduce_and_go(comm)
    return "not reached"


@both
def test_a_rank_that_never_calls(transport: str) -> None:
    outcomes = survive(ends, transport)
    error = told(
        outcomes, RankLost, f"rank 2 has ended without calling {SUM}, in which ranks 0 and 1 wait"
    )
    assert error.rank == AWAY
    assert outcomes[AWAY] == "done"


def is_late(comm: Communicator) -> None:
    if comm.rank == AWAY:
        time.sleep(1.0)
    comm.all_reduce(np.zeros(4, np.float32), timeout=0.2 if comm.rank == 0 else None)


@both
def test_a_rank_that_comes_too_late(transport: str) -> None:
    outcomes = survive(is_late, transport)
    told(outcomes, TimedOut, SUM, "0.2 s")


def computes_for_ever(comm: Communicator) -> None:
    while comm.rank == AWAY:
        time.sleep(0.05)
        comm.compute(0.0)
    reduce_and_go(comm)


@both
def test_a_program_that_never_ends(transport: str) -> None:
    began = time.monotonic()
    assert survive(reduce_and_go, transport) == [None] * RANKS
    enough = round(0.5 + 4 * (time.monotonic() - began), 1)  # for all to come, on this host now
    outcomes = survive(computes_for_ever, transport, timeout=enough, grace=0.5)
    told(outcomes, TimedOut, f"have not ended within {enough:g} s", f"wait in {SUM} for rank 2")


def waits_across(comm: Communicator) -> None:
    if comm.rank != AWAY:
        comm.recv(np.zeros(4, np.float32), 1 - comm.rank)


@both
def test_ranks_that_wait_for_each_other(transport: str) -> None:
    outcomes = survive(waits_across, transport)
    told(outcomes, Deadlock, "rank 0 waits in send_recv(", "rank 1 waits in send_recv(")


def kills_itself(comm: Communicator) -> None:
    x = np.zeros(1 << 22, np.float32)
    work = comm.all_reduce(x, async_op=True)
    if comm.rank == AWAY:
        time.sleep(0.05)  # what it does is told by then
        os.kill(os.getpid(), signal.SIGKILL)
    for _ in range(1000):
        work.wait()
        work = comm.all_reduce(x, async_op=True)


@linux
def test_a_rank_that_is_killed_in_the_middle_of_a_collective() -> None:
    outcomes = survive(kills_itself, "zmq")
    error = told(outcomes, RankLost, "rank 2 was killed by SIGKILL", "all_reduce(sum, float32")
    assert error.rank == AWAY
    assert str(outcomes[AWAY]) == str(error)


def stops_itself(comm: Communicator) -> None:
    if comm.rank == AWAY:
        os.kill(os.getpid(), signal.SIGSTOP)
    reduce_and_go(comm)


@linux
def test_a_rank_that_is_stopped() -> None:
    outcomes = survive(stops_itself, "zmq", stop_timeout=0.5, grace=0.5)
    error = told(outcomes, RankLost, "rank 2 has been stopped for more than 0.5 s", SUM)
    assert error.rank == AWAY


def stops_for_a_moment(comm: Communicator) -> None:
    if comm.rank == AWAY:
        pid = os.getpid()
        os.system(f"(sleep 0.3; kill -CONT {pid}) & kill -STOP {pid}")
    reduce_and_go(comm)


@linux
def test_a_rank_that_is_stopped_for_a_moment_is_waited_for() -> None:
    assert survive(stops_for_a_moment, "zmq", stop_timeout=20.0) == [None] * RANKS


def has_no_room() -> None:
    rank = int(os.environ["RANK"])
    if rank == AWAY:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    with init() as comm:
        comm.all_reduce(np.zeros(1 << 20, np.float32))


@linux
def test_a_rank_without_room_for_shared_memory() -> None:
    outcomes = launch(
        has_no_room, RANKS, None, "zmq", timeout=60, return_exceptions=True, grace=2.0
    )
    assert type(outcomes[AWAY]) is TransportError
    told(outcomes, TransportError, "rank 2")


def survives_garbage(comm: Communicator) -> float:
    x = np.ones(4, np.float32)
    for _ in range(50):
        comm.all_reduce(x, op="max")
    return float(x[0])


def test_a_stranger_at_the_authority_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are no ZeroMQ, and ZeroMQ messages that are no records."""
    import zmq

    from fabric.host.curve import join
    from fabric.launching import processes

    addresses: list[str] = []
    dropped: list[int] = []

    class Visited(processes.Server):
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(given[0], given[1], "tcp://127.0.0.1:*", **more)
            addresses.append(self.address)
            self.context = zmq.Context()
            self.stranger = self.context.socket(zmq.DEALER)
            self.stranger.linger = 0
            join(self.stranger, self.address, None, more["token"])
            self.stranger.connect(self.address)
            for garbage in (b"", b"{", b"[]", b"[1]", b'[["hello"]]', b'[["leave"]]', b"[" * 9999):
                self.stranger.send_multipart([garbage, b"\xff" * 100])
                self.stranger.send(garbage)
            self.stranger.send(b'["' + b"x" * 10_000 + b'"]')
            host, port = self.address.removeprefix("tcp://").split(":")
            with socket.create_connection((host, int(port)), timeout=5.0) as raw:
                raw.sendall(os.urandom(1000))

        def close(self) -> None:
            super().close()
            dropped.append(self.dropped)
            self.context.destroy(linger=0)

    monkeypatch.setattr(processes, "Server", Visited)
    assert survive(survives_garbage, "zmq") == [1.0] * RANKS
    assert dropped[0] >= 15


def test_an_address_that_is_in_use_is_named() -> None:
    from fabric.settings import Settings
    from fabric.world.world import World
    from fabric.world.zmq_server import Server

    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TransportError, match=f"cannot listen at {address}: Address already"):
            Server(World(1), Settings(), address)


def test_an_address_that_others_can_reach_needs_keys() -> None:
    from fabric.settings import Settings
    from fabric.world.world import World
    from fabric.world.zmq_server import Server

    with pytest.raises(TransportError, match="needs keys"):
        Server(World(1), Settings(), "tcp://0.0.0.0:*")


@both
def test_a_function_that_cannot_be_imported_is_refused(transport: str) -> None:
    if transport == "inproc":
        assert launch(lambda: 1, 2, None, transport) == [1, 1]
    else:
        with pytest.raises(WorldError, match="another process can import"):
            launch(lambda: 1, 2, None, transport)


class Unspeakable(Exception):
    """Has no text, and no copy."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __reduce__(self) -> Any:
        raise SystemExit(7)

    def __bool__(self) -> bool:
        raise ValueError("neither")


def raises_oddly(comm: Communicator) -> None:
    if comm.rank == AWAY:
        raise Unspeakable
    reduce_and_go(comm)


@both
def test_an_exception_that_cannot_be_told_is_told_by_its_type(transport: str) -> None:
    outcomes = survive(raises_oddly, transport)
    error = told(
        outcomes, RankFailed, "rank 2 raised Unspeakable: its text cannot be had", "RuntimeError"
    )
    assert error.rank == AWAY
    assert type(outcomes[AWAY]) is (Unspeakable if transport == "inproc" else RankFailed)


class Unloadable:
    def __reduce__(self) -> Any:
        return _boom, ()


def _boom() -> None:
    raise TypeError("cannot be made here")


def returns_oddly(comm: Communicator) -> Any:
    comm.barrier()
    return [lambda: 1, Unloadable(), RankFailed("mine", 99)][comm.rank]


def test_results_that_cannot_come_back_are_named() -> None:
    first, second, third = survive(returns_oddly, "zmq")
    assert "rank 0 returned a function that cannot be handed back: pickle raises" in str(first)
    assert "rank 1 returned a result that cannot be handed back: pickle raises TypeError" in str(
        second
    )
    assert (type(third), third.rank) == (RankFailed, 99)


def test_whose_fault_it_is_may_be_nobody_of_this_world() -> None:
    with pytest.raises(RankFailed, match="mine"):
        launch(_body, RANKS, None, args=(blames_nobody,), timeout=60)


def blames_nobody(comm: Communicator) -> None:
    if comm.rank == AWAY:
        raise RankFailed("mine", 99)
    reduce_and_go(comm)


class TimedOut2(TimedOut):
    """Of a program's own."""


@pytest.mark.parametrize(
    ("error", "kind", "words", "rank"),
    [
        (KeyError("x"), "KeyError", "'x'", None),
        (RankLost("gone", 1), "RankLost", "gone", 1),
        (RankLost("gone", 3), "RankLost", "gone", None),
        (RankLost("gone", -1), "RankLost", "gone", None),
        (RankLost("gone", "1"), "RankLost", "gone", None),  # type: ignore[arg-type]
        (TimedOut2("late", 1), "TimedOut2", "late", 1),
        (type("Deadlock", (Exception,), {})("own"), f"{__name__}.Deadlock", "own", None),
        (ValueError("x" * 10_000), "ValueError", "x" * 4000 + "... (10000 characters)", None),
        (ValueError("\udcff\n"), "ValueError", "\udcff\n", None),
        (SystemExit(3), "SystemExit", "3", None),
    ],
)
def test_reports(error: BaseException, kind: str, words: str, rank: int | None) -> None:
    assert report(error, 3) == (kind, words, rank)
