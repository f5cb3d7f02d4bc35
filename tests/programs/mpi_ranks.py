"""What test_mpi.py runs under mpiexec: every check in turn, on every rank; exits 0 if all hold."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from fabric.failure import TransportError
from fabric.host.sweep import SEGMENTS
from fabric.transports import conformance
from fabric.transports.base import Bytes, Request
from fabric.transports.mpi import transport as mpi
from fabric.transports.mpi.mpiexec import exchange, library

library()
from mpi4py import MPI  # noqa: E402  (only now is it the MPI of this mpiexec)

WORLD = MPI.COMM_WORLD


def expect(transport: mpi.Mpi, peer: int, tag: int, mark: int, size: int) -> tuple[Request, Bytes]:
    got = np.zeros(size, np.uint8)

    def take(at: int, piece: Bytes) -> None:
        got[at : at + piece.size] = piece

    return transport.receive(peer, tag, mark, size, take), got


def finish(transport: mpi.Mpi, requests: Iterable[Request], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    for request in requests:
        while not request.done:
            transport.progress(0.5)
            assert time.monotonic() < deadline, f"not done: {request}, rank {request.peer}"


def storm_equals_alltoallv(transport: mpi.Mpi) -> None:
    """Random counts; MPI's own collective is the oracle."""
    counts = np.random.default_rng(3).integers(0, 40_000, (10, transport.size, transport.size))
    for tag, count in enumerate(counts):
        rows, columns = count[transport.rank], count[:, transport.rank]
        noise = np.random.default_rng((transport.rank, tag))
        mine = noise.integers(0, 256, int(rows.sum()), np.uint8)
        theirs = np.zeros(int(columns.sum()), np.uint8)
        WORLD.Alltoallv(
            (mine, (rows, rows.cumsum() - rows), MPI.BYTE),
            (theirs, (columns, columns.cumsum() - columns), MPI.BYTE),
        )
        parts = np.split(mine, rows.cumsum()[:-1])
        sent = [transport.send(peer, tag, tag, part) for peer, part in enumerate(parts)]
        come = [expect(transport, peer, tag, tag, int(n)) for peer, n in enumerate(columns)]
        finish(transport, [*sent, *(request for request, _ in come)])
        assert (np.concatenate([got for _, got in come]) == theirs).all()


def more_than_mpi_takes_at_once(transport: mpi.Mpi) -> None:
    """Nothing is lost, nobody blocks; the largest tag and mark there are."""
    after, before = (transport.rank + 1) % transport.size, (transport.rank - 1) % transport.size
    many, texts = mpi.BACKLOG + 300, [np.full(k % 5, k % 251, np.uint8) for k in range(1255)]
    tag, mark = 2**64 - 1, 2**32 - 1
    sent = [transport.send(after, tag, mark, texts[k % 1255]) for k in range(many)]
    come = [expect(transport, before, tag, mark, k % 5) for k in range(many)]
    finish(transport, [*sent, *(request for request, _ in come)])
    assert all((got == texts[k % 1255]).all() for k, (_, got) in enumerate(come))


def closing(transport: mpi.Mpi) -> None:
    """What was done has been sent, and what was not is dropped, small or large."""
    after, before = (transport.rank + 1) % transport.size, (transport.rank - 1) % transport.size
    request, got = expect(transport, before, 8, 0, 5)
    transport.send(after, 8, 0, np.arange(5, dtype=np.uint8))
    transport.send(after, 9, 0, np.zeros(1 << 20, np.uint8))
    expect(transport, before, 10, 0, 100)
    finish(transport, [request])
    assert (got == np.arange(5)).all()
    transport.close()
    transport.close()
    for call in (
        lambda: transport.send(0, 1, 1, got),
        lambda: transport.receive(0, 1, 1, 1, print),
        lambda: transport.progress(0.0),
    ):
        assert refused(call)


def refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except TransportError:
        return True
    return False


def wrong_worlds() -> None:
    """Every rank learns that MPI has another number of ranks; no rank is sent to that is not."""
    assert refused(lambda: mpi.connect(WORLD.rank, WORLD.size + 1, exchange))
    transport = mpi.connect(WORLD.rank, WORLD.size, exchange)
    assert refused(lambda: transport.send(WORLD.size, 1, 1, np.zeros(1, np.uint8)))
    transport.close()


def nothing_is_left_for_the_killed() -> None:
    """MPI's shared memory has no name any more, so it goes with its processes."""
    WORLD.Barrier()
    maps = Path("/proc/self/maps")
    mapped = maps.read_text().splitlines() if maps.exists() else []
    named = [line for line in mapped if any(begin in line for begin in SEGMENTS)]
    assert named or WORLD.size == 1 or not mapped
    assert all(line.endswith("(deleted)") for line in named)


def main() -> None:
    # the conformance with ranks numbered otherwise than MPI's, the rest as they are
    conformance.check(mpi.connect, WORLD.size - 1 - WORLD.rank, WORLD.size, exchange)
    transport = mpi.connect(WORLD.rank, WORLD.size, exchange)
    storm_equals_alltoallv(transport)
    more_than_mpi_takes_at_once(transport)
    closing(transport)
    wrong_worlds()
    nothing_is_left_for_the_killed()
    assert "PMI_RANK" not in os.environ or signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN
    sys.stdout.write(f"rank {WORLD.rank} is well\n")


if __name__ == "__main__":
    main()
