"""Small worlds for tests of transports: ranks as threads, or as processes of a rank program."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from fabric.failure import WorldError
from fabric.host.curve import join
from fabric.transports.base import Bytes, Rendezvous, Request, Transport, connector

PATIENCE = 90.0
ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "programs"


def free_port() -> int:
    """A port of this host that nothing listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def threads(ranks: int, main: Callable[[int, Rendezvous], Any]) -> list[Any]:
    """What ``main(rank, exchange)`` returns, or the exception it raises, for each rank."""
    barrier, brought = threading.Barrier(ranks), [None] * ranks
    results: list[Any] = [TimeoutError("it has not ended")] * ranks

    def run(rank: int) -> None:
        def exchange(mine: Any) -> list[Any]:
            brought[rank] = mine
            barrier.wait(PATIENCE)
            everything = list(brought)
            barrier.wait(PATIENCE)
            return everything

        try:
            results[rank] = main(rank, exchange)
        except Exception as error:
            results[rank] = error
            barrier.abort()

    running = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(ranks)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(PATIENCE)
    return results


def connected(name: str, ranks: int, main: Callable[[Transport], Any]) -> list[Any]:
    """The same, with a transport for each rank, closed in the end."""

    def run(rank: int, exchange: Rendezvous) -> Any:
        transport = connector(name)(rank, ranks, exchange)
        try:
            return main(transport)
        finally:
            with suppress(threading.BrokenBarrierError):  # another rank has failed
                exchange(None)
            transport.close()

    return threads(ranks, run)


def good(results: list[Any]) -> list[Any]:
    """The results, if no rank has failed; else what failed first, not what that led to."""
    for result in sorted(
        (r for r in results if isinstance(r, Exception)),
        key=lambda error: isinstance(error, threading.BrokenBarrierError),
    ):
        raise result
    return results


def finish(transport: Transport, *requests: Request) -> None:
    """Drive until all are done; raises what ended one."""
    deadline = time.monotonic() + PATIENCE
    for request in requests:
        while not request.done:
            transport.progress(0.05)
            if time.monotonic() > deadline:
                raise TimeoutError(f"rank {transport.rank} waits for rank {request.peer}")
        if request.error is not None:
            raise request.error


def noise(seed: int, size: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


@contextmanager
def sender(address: str, token: bytes) -> Iterator["zmq.Socket[bytes]"]:
    """A socket of somebody who knows the address of a rank's socket, and the token."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.linger = 1000
    join(socket, address, None, token.hex())
    socket.connect(address)
    try:
        yield socket
    finally:
        socket.close()
        context.term()


class Processes:
    """Ranks as processes of ``transport_ranks.py``: they say a line of JSON, and hear one."""

    def __init__(self, program: str, ranks: int, environment: Mapping[str, str]) -> None:
        self.ranks = [
            subprocess.Popen(
                [sys.executable, "-W", "error", PROGRAMS / "transport_ranks.py", program,
                 str(rank), str(ranks)],
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for rank in range(ranks)
        ]  # fmt: skip

    def hear(self, rank: int) -> Any:
        """The next thing that a rank says; None where it has ended."""
        stdout = self.ranks[rank].stdout
        if stdout is None or not select.select([stdout], [], [], PATIENCE)[0]:
            raise TimeoutError(f"rank {rank} says nothing")
        line = stdout.readline()
        return json.loads(line) if line else None

    def tell(self, rank: int, what: Any) -> None:
        stdin = self.ranks[rank].stdin
        if stdin is not None:
            stdin.write(json.dumps(what) + "\n")
            stdin.flush()

    def serve(self) -> None:
        """Exchange what all ranks bring until they end."""
        while True:
            brought = [self.hear(rank) for rank in range(len(self.ranks))]
            if None in brought:
                return
            self.give(brought)

    def exchange(self) -> None:
        self.give([self.hear(rank) for rank in range(len(self.ranks))])

    def give(self, brought: list[Any]) -> None:
        for rank in range(len(self.ranks)):
            self.tell(rank, [item["brings"] for item in brought])

    def end(self) -> list[tuple[int, str]]:
        """Exit code and stderr of each."""
        ended = []
        for process in self.ranks:
            _, errors = process.communicate(timeout=PATIENCE)
            ended.append((process.returncode, errors))
        return ended

    def kill(self, rank: int, number: int = signal.SIGKILL) -> None:
        self.ranks[rank].send_signal(number)


@contextmanager
def processes(
    program: str, ranks: int, environment: Mapping[str, str] | None = None
) -> Iterator[Processes]:
    """Ranks as processes; whatever happens, none of them is left."""
    world = Processes(program, ranks, environment or {})
    try:
        yield world
    finally:
        for process in world.ranks:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def run(program: str, ranks: int, environment: Mapping[str, str] | None = None) -> None:
    """Run a rank program to its end; raises what its ranks say where one fails."""
    with processes(program, ranks, environment) as world:
        world.serve()
        ended = world.end()
    if any(code for code, _ in ended):
        raise WorldError("\n".join(errors for _, errors in ended))
