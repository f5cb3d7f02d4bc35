"""A peer without the secret that sends what it likes: ``python benchmarks/faults_flood.py``.

Two nodes on loopback addresses, without keys, a rank on each, over TCP; the ranks make calls that
need each other and the authority all the time. First nobody disturbs them; then a stranger sends up
to 100,000 messages of 2,000 bytes, 200 MB, to the authority, and then as much to the port of a
rank, as fast as they are taken: as ZeroMQ messages without and with another token, and as bytes
over connection after connection. Prints how long calls took. A stranger also needs a processor, as
other programs of the host do, and a rank may have to wait for one: so the table has the longest
call, and the longest of what is left if from each the longest wait of a thread of the ranks and
their launchers is subtracted.
"""

import argparse
import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import zmq
from rich.console import Console
from rich.table import Table

from collectives import Communicator, init
from fabric.host.curve import join

MESSAGES, BYTES = 100_000, 2000
"""What a stranger sends."""

QUIET = 3.0
"""Seconds of calls without a stranger."""

MOST = 15.0
"""Seconds after which a stranger goes whose messages are not taken."""

Socket = zmq.Socket[bytes]


def pester(
    address: str, chance: random.Random, messages: int = 200, size: int = BYTES,
    kind: int = zmq.DEALER, token: str | None = None,
) -> int:  # fmt: skip
    """Send so many messages of random bytes, and go; how many were taken.

    ``token``: presented before; None: none is.
    """
    context: zmq.Context[Socket] = zmq.Context()
    stranger = context.socket(kind)
    stranger.linger, stranger.sndhwm = 100, 100
    if token is not None:
        join(stranger, address, None, token)
    stranger.connect(address)
    noise, taken = chance.randbytes(2 * size), 0
    for _ in range(messages):
        if not stranger.poll(2000, zmq.POLLOUT):
            break
        at = chance.randrange(size)
        stranger.send(noise[at : at + size])
        taken += 1
    stranger.close()
    context.term()
    return taken


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"PLAIN".ljust(20, b"\0") + bytes(32)
"""How a ZeroMQ peer begins that will present a token."""


def bytes_of(size: int, messages: int, address: str) -> int:
    """Send bytes of so many messages over a connection, and another when it is cut, and another."""
    host, port = address.removeprefix("tcp://").split(":")
    noise, taken, due = random.Random(2).randbytes(size), 0, time.monotonic() + MOST
    while taken < messages and time.monotonic() < due:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 2.0) as one:
            one.sendall(GREETING)
            while taken < messages:
                one.sendall(noise)
                taken += 1
    return taken


def with_token(address: str, kind: int) -> int:
    """Send messages as one who has another world's token."""
    return pester(address, random.Random(1), MESSAGES, kind=kind, token="another")


STRANGERS: dict[str, Callable[[str, int], int]] = {
    "messages": lambda address, kind: pester(address, random.Random(1), MESSAGES, kind=kind),
    "messages, another token": with_token,
    "bytes": lambda address, kind: bytes_of(BYTES, MESSAGES, address),
}
"""What strangers do at an address, given the kind of socket that fits; how many were taken."""


class Waits:
    """How long the threads of processes have been ready to run, and had no processor.

    ``pids``: the processes; what threads they have later does not count.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        tasks = (path for pid in pids for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        self._files = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in tasks]
        self._before = self._read()

    def longest(self) -> float:
        """The longest that one thread has waited since the last call of this, in seconds."""
        now = self._read()
        waited, self._before = int((now - self._before).max()), now
        return waited * 1e-9

    def _read(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return np.array([int(os.pread(file, 64, 0).split()[1]) for file in self._files])


def everybody(comm: Communicator, folder: Path) -> list[int]:
    """The processes of both ranks and of their launchers, one of which is the authority."""
    (folder / f"pids{comm.rank}").write_text(f"{os.getpid()} {os.getppid()}")
    comm.barrier()
    return [int(pid) for path in folder.glob("pids*") for pid in path.read_text().split()]


def calls(folder: Path) -> None:
    """A rank: calls until there is a file ``stop``; writes down when each began and ended."""
    comm = init()
    sockets = comm._member.transport._ways.sockets  # type: ignore[attr-defined]
    (folder / f"address{comm.rank}").write_text(sockets.address)
    x, times = np.ones(8), []
    waits = Waits(everybody(comm, folder))
    while True:
        began = time.monotonic()
        comm.all_reduce(x, op="max")
        comm.now()
        times.append((began, time.monotonic(), waits.longest()))
        if len(times) % 16 == 0:
            flag = np.array([float(comm.rank == 0 and (folder / "stop").exists())])
            comm.broadcast(flag, root=0)
            if flag[0]:
                break
    np.save(folder / f"calls{comm.rank}.npy", np.array(times))


Phase = tuple[str, int, int, float, float, float, float]
"""What a stranger did, how many messages of it were taken, calls, and of these p50, p99, the
longest, and the longest without waits for a processor, in ms."""


def measured(port: int) -> list[Phase]:
    """Each phase."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nodes = [started(node, port, name) for node in (0, 1)]
        while not (folder / "address1").exists():
            time.sleep(0.05)
        time.sleep(1.0)  # first calls take longer
        phases = [("nothing", time.monotonic(), 0)]
        time.sleep(QUIET)
        rank = (folder / "address1").read_text()
        for where, address, kind in (
            ("authority", f"tcp://127.0.0.1:{port}", zmq.DEALER), ("rank", rank, zmq.PUSH),
        ):  # fmt: skip
            for what, stranger in STRANGERS.items():
                begun = time.monotonic()
                phases.append((f"{what}, at the {where}", begun, stranger(address, kind)))
        ended = time.monotonic()
        (folder / "stop").touch()
        for node in nodes:
            node.wait(60)
        times = np.concatenate([np.load(folder / f"calls{rank}.npy") for rank in (0, 1)])
        ends = [phase[1] for phase in phases[1:]] + [ended]
        return [
            (what, taken, *_spread(times, begun, end))
            for (what, begun, taken), end in zip(phases, ends, strict=True)
        ]


def started(node: int, port: int, folder: str) -> "subprocess.Popen[bytes]":
    """The launcher of a node with one rank."""
    return subprocess.Popen(
        [
            str(Path(sys.executable).parent / "triplane"), "run", "-n", "2", "--nnodes", "2",
            "--system", "star:2", "--rdzv-endpoint", f"127.0.0.1:{port}", "--node-rank", str(node),
            f"--local-addr=127.0.0.{node + 1}", __file__, "--rank", folder,
        ],
        env={"TRIPLANE_SHARED_MEMORY": "0", "PYTHONPATH": str(Path(__file__).parents[1])},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _spread(
    times: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", begun: float, end: float
) -> tuple[int, float, float, float, float]:
    mine = times[(times[:, 1] > begun) & (times[:, 0] < end)]
    took = 1e3 * (mine[:, 1] - mine[:, 0])
    net = took - 1e3 * mine[:, 2]
    return (
        len(took), float(np.median(took)), float(np.quantile(took, 0.99)), float(took.max()),
        float(net.max()),
    )  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rank", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=29871)
    parser.add_argument("--times", type=int, default=1, help="how often all is done")
    given = parser.parse_args(arguments)
    if given.rank:
        calls(Path(given.rank))
        return
    for _ in range(given.times):
        table = Table("a stranger sends", "taken", "calls", "p50 ms", "p99 ms", "longest ms", "net")
        for what, taken, number, *spread in measured(given.port):
            table.add_row(what, str(taken), str(number), *(f"{value:.2f}" for value in spread))
        Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
