import gc
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from fabric.failure import CallMismatch, RankLost, TransportError
from fabric.host.curve import Keys
from fabric.transports import conformance
from fabric.transports.base import SMALL, Rendezvous, Transport, connector, transports
from fabric.transports.zmq import reach
from fabric.transports.zmq.reach import FOLDER, SHARED_MEMORY
from fabric.transports.zmq.sockets import BIND
from tests.support.worlds import connected, finish, good, noise, processes, run, threads

WORLDS = (1, 2, 3, 4, 7)
SOCKETS = {SHARED_MEMORY: "0"}


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves a file or an open descriptor."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in (BIND, FOLDER, SHARED_MEMORY):
        monkeypatch.delenv(name, raising=False)
    gc.collect()
    before = _open()
    yield
    gc.collect()
    assert _open() == before
    assert list(tmp_path.iterdir()) == []


def _open() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def conforms(name: str, ranks: int) -> None:
    def main(rank: int, exchange: Rendezvous) -> None:
        conformance.check(connector(name), rank, ranks, exchange)

    good(threads(ranks, main))


@pytest.mark.parametrize("ranks", WORLDS)
def test_threads_conform(ranks: int) -> None:
    conforms("inproc", ranks)


@pytest.mark.parametrize("ranks", WORLDS)
def test_processes_conform(ranks: int) -> None:
    run("check", ranks)


@pytest.mark.parametrize("ranks", [1, 3])
def test_sockets_conform(ranks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHARED_MEMORY, "0")
    conforms("zmq", ranks)


def test_processes_over_tcp_conform() -> None:
    run("check", 3, {**SOCKETS, BIND: "tcp://127.0.0.1"})


def test_sockets_with_keys_conform(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**Keys.make().environment(), **SOCKETS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(BIND, "tcp://127.0.0.1")
    conforms("zmq", 3)


def test_rings_alone_conform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabric.transports.zmq.shm.memory_of", lambda *_: None)
    conforms("zmq", 3)


def test_files_with_names_conform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabric.transports.zmq.reach.nameless", lambda: False)
    conforms("zmq", 3)


def test_a_rank_that_cannot_be_opened_is_reached_by_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = reach.open_neighbour
    monkeypatch.setattr(
        "fabric.transports.zmq.reach.open_neighbour",
        lambda peer, ranks, door: None if peer == 1 else opened(peer, ranks, door),
    )
    conforms("zmq", 4)


def test_all_transports_are_found() -> None:
    assert {"inproc", "mpi", "zmq"} <= set(transports())


def test_an_unknown_transport_is_refused_with_the_choices() -> None:
    with pytest.raises(TransportError, match=r"no transport 'pigeon'; there are inproc, mpi, zmq"):
        connector("pigeon")


@pytest.mark.parametrize("name", ["inproc", "zmq"])
def test_a_mismatch_names_both_sides(name: str) -> None:
    def main(transport: Transport) -> str:
        if transport.rank == 0:
            finish(transport, transport.send(1, 5, 0xAA, noise(1, 100)))
            return ""
        with pytest.raises(CallMismatch) as caught:
            finish(transport, transport.receive(0, 5, 0xBB, 60, np.zeros(60, np.uint8)))
        return str(caught.value)

    message = good(connected(name, 2, main))[1]
    assert message == (
        "rank 1 waits for 60 bytes from rank 0 in call 0x000000bb, and rank 0 has sent 100 bytes"
        " in call 0x000000aa (tag 0x5)"
    )


@pytest.mark.parametrize("name", ["inproc", "zmq"])
def test_who_sends_to_one_that_has_closed_learns_it(name: str) -> None:
    def main(rank: int, exchange: Rendezvous) -> list[Any]:
        transport = connector(name)(rank, 2, exchange)
        try:
            if rank == 1:
                exchange("the other has sent what cannot be taken at once")
                transport.close()
                exchange("closed")
                return []
            early = transport.send(1, 1, 0, noise(1, 8 << 20))
            exchange("sent")
            exchange("closed")
            late = transport.send(1, 2, 0, noise(1, SMALL))
            for request in (early, late):
                with pytest.raises(RankLost, match="rank 1 has closed its transport"):
                    finish(transport, request)
            return [early.error, late.error]
        finally:
            transport.close()

    for error in good(threads(2, main))[0]:
        assert error.rank == 1


@pytest.mark.parametrize("name", ["inproc", "zmq"])
def test_what_is_closed_or_does_not_exist_is_refused(name: str) -> None:
    def main(transport: Transport) -> None:
        nothing = np.zeros(0, np.uint8)
        for peer in (-1, 2):
            with pytest.raises(TransportError, match=f"names rank {peer}; there are ranks 0 to 1"):
                transport.send(peer, 0, 0, nothing)
        with pytest.raises(TransportError, match="there are ranks 0 to 1"):
            transport.receive(2, 0, 0, 0, nothing)
        transport.close()
        for attempt in (
            lambda: transport.send(1 - transport.rank, 0, 0, nothing),
            lambda: transport.receive(1 - transport.rank, 0, 0, 0, nothing),
        ):
            with pytest.raises(TransportError, match=f"of rank {transport.rank} is closed"):
                attempt()
        assert not transport.progress(0.01)
        transport.wake()

    good(connected(name, 2, main))


def test_shared_memory_needs_no_socket_and_no_file(tmp_path: Path) -> None:
    def main(transport: Transport) -> list[Path]:
        return list(tmp_path.iterdir())

    assert good(connected("zmq", 3, main)) == [[], [], []]


def test_a_folder_that_was_given_is_used_and_kept(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("given")
    monkeypatch.setenv(FOLDER, str(folder))
    monkeypatch.setenv(SHARED_MEMORY, "0")

    def main(transport: Transport) -> list[str]:
        return sorted(path.name for path in folder.iterdir())

    assert good(connected("zmq", 2, main))[0] == ["0.socket", "1.socket"]
    assert list(folder.iterdir()) == []


def test_no_room_names_the_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(transport: Transport) -> None:
        monkeypatch.setattr("os.posix_fallocate", _full)
        transport.send(1 - transport.rank, 0, 0, noise(1, 100))

    for rank, error in enumerate(connected("zmq", 2, main)):
        assert isinstance(error, TransportError)
        expected = f"no room in shared memory: rank {rank} needs 1048576 bytes for its messages to"
        assert str(error).startswith(expected)


def _full(*_: int) -> None:
    raise OSError(28, "No space left on device")


def test_no_room_for_anything_is_told_when_connecting() -> None:
    with processes("small_files", 2) as world:
        for rank in range(2):
            message = world.hear(rank)["error"]
            assert message.startswith(f"no room in shared memory: rank {rank} needs ")
        assert [code for code, _ in world.end()] == [0, 0]


def test_an_address_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv(SHARED_MEMORY, "0")
        monkeypatch.setenv(BIND, f"tcp://127.0.0.1:{port}")
        error = connected("zmq", 2, lambda _: None)[0]
    assert isinstance(error, TransportError)
    assert f"rank 0 cannot listen at tcp://127.0.0.1:{port}: Address already in use" in str(error)


@pytest.mark.parametrize(
    ("bind", "words"),
    [
        ("tcp://192.0.2.1", "192.0.2.1:0 can be reached from other hosts, so it needs keys"),
        ("tcp://0.0.0.0", "must be ipc, tcp://ADDRESS or tcp://ADDRESS:PORT"),
        ("udp://127.0.0.1", "must be ipc, tcp://ADDRESS or tcp://ADDRESS:PORT"),
        ("tcp://127.0.0.1:65535", "rank 1 would have port 65536"),
    ],
)
def test_what_may_not_be_listened_at_is_refused(
    bind: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BIND, bind)  # though nobody needs a socket
    error = connected("zmq", 2, lambda _: None)[1]
    assert isinstance(error, TransportError)
    assert words in str(error)


@pytest.mark.parametrize("whose", ["none", "another", "no token", "another token"])
def test_a_peer_without_the_key_gets_nothing(whose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {} if "token" in whose else Keys.make().environment()
    for name, value in {**keys, **SOCKETS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(BIND, "tcp://127.0.0.1")

    def main(transport: Transport) -> tuple[bool, int]:
        sockets = transport._ways.sockets  # type: ignore[attr-defined]
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stranger = context.socket(zmq.PUSH)
        stranger.linger, stranger.immediate = 0, 1
        if whose == "another":
            public, stranger.curve_secretkey = zmq.curve_keypair()
            stranger.curve_publickey = public
            stranger.curve_serverkey = os.environ["TRIPLANE_CURVE_PUBLIC"].encode()
        if whose == "another token":
            stranger.plain_username, stranger.plain_password = b"rank", b"token " + b"0" * 32
        stranger.connect(sockets.address)
        for _ in range(20):
            transport.progress(0.01)
        admitted = bool(stranger.poll(50, zmq.POLLOUT))
        _exchange_something(transport)
        stranger.close()
        context.term()
        return admitted, transport.dropped  # type: ignore[attr-defined]

    assert good(connected("zmq", 2, main)) == [(False, 0), (False, 0)]


def _exchange_something(transport: Transport) -> None:
    room = np.zeros(100_000, np.uint8)
    peer = 1 - transport.rank
    finish(
        transport,
        transport.receive(peer, 1, 1, room.size, room),
        transport.send(peer, 1, 1, noise(peer, room.size)),
    )
    assert (room == noise(transport.rank, room.size)).all()


@pytest.mark.parametrize("how", [{}, SOCKETS], ids=["memory", "sockets"])
def test_a_killed_rank_leaves_nothing(
    how: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It dies amid streams both ways; the others are ended as their launcher would end them."""
    folder = tmp_path_factory.mktemp("world")
    with processes("stream", 3, {**how, FOLDER: str(folder)}) as world:
        for _ in range(3 if how else 2):
            world.exchange()
        assert [world.hear(rank) for rank in range(3)] == ["connected"] * 3
        world.kill(1)
        assert world.ranks[1].wait(60) == -signal.SIGKILL
        children = [process.pid for process in world.ranks]
        held = _held(children)
        assert held > 0 or how
        for rank in (0, 2):
            world.kill(rank)
        world.end()
    assert _held(children) == 0
    left = {path.name for path in folder.iterdir()}
    assert left <= ({"0.socket", "1.socket", "2.socket"} if how else set())  # the launcher's folder


def _held(processes: list[int]) -> int:
    """Mappings of our shared memory that those processes still have."""
    count = 0
    for process in processes:
        maps = Path(f"/proc/{process}/maps")
        if maps.exists():
            count += maps.read_text().count("memfd:triplane")
    return count
