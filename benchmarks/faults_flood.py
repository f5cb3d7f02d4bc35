"""A peer without the secret that sends what it likes: ``python benchmarks/faults_flood.py``.

Two nodes on loopback addresses, without keys, a rank on each, over TCP; the ranks make calls that
need each other and the authority all the time. First nobody disturbs them; then a stranger sends
100,000 messages of 2,000 bytes, 200 MB, to the authority, and then as much to the port of a rank,
as fast as they are taken. Prints how long calls took. Other load on the machine shows: the same
without a stranger is beside it.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import zmq
from rich.console import Console
from rich.table import Table

from collectives import init

MESSAGES, BYTES = 100_000, 2000
"""What a stranger sends."""

QUIET = 3.0
"""Seconds of calls without a stranger."""

Socket = zmq.Socket[bytes]


def pester(
    address: str, chance: random.Random, messages: int = 200, size: int = BYTES,
    kind: int = zmq.DEALER,
) -> int:  # fmt: skip
    """Send so many messages of random bytes, and go; how many were taken."""
    context: zmq.Context[Socket] = zmq.Context()
    stranger = context.socket(kind)
    stranger.linger, stranger.sndhwm = 100, 100
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


def calls(folder: Path) -> None:
    """A rank: calls until there is a file ``stop``; writes down when each began and ended."""
    comm = init()
    sockets = comm._member.transport._ways.sockets  # type: ignore[attr-defined]
    (folder / f"address{comm.rank}").write_text(sockets.address)
    x, times = np.ones(8), []
    while True:
        began = time.monotonic()
        comm.all_reduce(x, op="max")
        comm.now()
        times.append((began, time.monotonic()))
        if len(times) % 16 == 0:
            flag = np.array([float(comm.rank == 0 and (folder / "stop").exists())])
            comm.broadcast(flag, root=0)
            if flag[0]:
                break
    np.save(folder / f"calls{comm.rank}.npy", np.array(times))
    (folder / f"dropped{comm.rank}").write_text(str(comm._member.transport.dropped))  # type: ignore[attr-defined]


def measured(port: int) -> list[tuple[str, int, float, float, float]]:
    """Each phase: what a stranger did, calls, and of these p50, p99 and the longest, in ms."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [
            str(Path(sys.executable).parent / "triplane"), "run", "-n", "2", "--nnodes", "2",
            "--system", "star:2", "--rdzv-endpoint", f"127.0.0.1:{port}",
        ]  # fmt: skip
        program = [__file__, "--rank", name]
        nodes = [
            subprocess.Popen(
                [*command, "--node-rank", str(node), f"--local-addr=127.0.0.{node + 1}", *program],
                env={"TRIPLANE_SHARED_MEMORY": "0", "PYTHONPATH": str(Path(__file__).parents[1])},
            )
            for node in (0, 1)
        ]  # fmt: skip
        while not (folder / "address1").exists():
            time.sleep(0.05)
        phases = [("nothing", time.monotonic(), 0)]
        time.sleep(QUIET)
        targets = (
            ("at the authority", f"tcp://127.0.0.1:{port}", zmq.DEALER),
            ("at a rank", (folder / "address1").read_text(), zmq.PUSH),
        )
        for what, address, kind in targets:
            begun = time.monotonic()
            taken = pester(address, random.Random(1), MESSAGES, kind=kind)
            phases.append((what, begun, taken))
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


def _spread(
    times: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", begun: float, end: float
) -> tuple[float, float, float]:
    mine = times[(times[:, 1] > begun) & (times[:, 0] < end)]
    took = 1e3 * (mine[:, 1] - mine[:, 0])
    return float(np.median(took)), float(np.quantile(took, 0.99)), float(took.max())


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rank", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=29871)
    given = parser.parse_args(arguments)
    if given.rank:
        calls(Path(given.rank))
        return
    table = Table("a stranger sends", "messages", "call p50 ms", "p99 ms", "longest ms")
    for what, taken, *spread in measured(given.port):
        table.add_row(what, str(taken), *(f"{value:.2f}" for value in spread))
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
