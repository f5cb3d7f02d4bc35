"""What tests/support/worlds.py runs as a process: one rank of a world over the zmq transport."""

import json
import os
import resource
import sys
from typing import Any

import numpy as np

from fabric.failure import TransportError
from fabric.transports import conformance
from fabric.transports.base import Transport
from fabric.transports.zmq import transport as zeromq
from tests.support.worlds import finish, noise


def say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def exchange(mine: Any) -> list[Any]:
    say({"brings": mine})
    everything: list[Any] = json.loads(sys.stdin.readline())
    return everything


def check(rank: int, size: int) -> None:
    """The whole contract; and nothing is left open."""
    before = len(os.listdir("/proc/self/fd"))
    conformance.check(zeromq.connect, rank, size, exchange)
    assert len(os.listdir("/proc/self/fd")) == before
    with open("/proc/self/maps") as maps:
        assert "memfd:triplane" not in maps.read()


def connect(rank: int, size: int) -> None:
    """Only that, and goodbye."""
    zeromq.connect(rank, size, exchange).close()


def stream(rank: int, size: int) -> None:
    """All send to all, large and small, until somebody ends it."""
    transport = zeromq.connect(rank, size, exchange)
    say("connected")
    others = [(rank + k) % size for k in range(1, size)]
    try:
        for turn in range(1 << 40):
            _all_to_all(transport, others, turn)
    finally:
        transport.close()


def _all_to_all(transport: Transport, others: list[int], turn: int) -> None:
    length = (3 << 20) + 5 if turn % 3 == 0 else 1000
    rooms = {peer: np.zeros(length, np.uint8) for peer in others}
    requests = [transport.receive(p, turn, 0, length, room) for p, room in rooms.items()]
    requests += [transport.send(p, turn, 0, noise(turn, length)) for p in others]
    finish(transport, *requests)
    for room in rooms.values():
        assert (room == noise(turn, length)).all()


def small_files(rank: int, size: int) -> None:
    """There may be no file as large as the shared memory has to be."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    try:
        zeromq.connect(rank, size, exchange)
    except TransportError as error:
        say({"error": str(error)})


PROGRAMS = {"check": check, "connect": connect, "stream": stream, "small_files": small_files}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
