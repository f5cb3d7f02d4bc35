"""Many clients of a pool of processes at once: ``pool_clients.py ADDRESS CLIENTS OPERATIONS``.

Each puts and gets values that say of which key they are, and ends with exit code 1 if one is not
what was put. With ``KILLED`` as fourth argument that many are killed in the middle.
"""

import os
import random
import signal
import sys
from collections.abc import Callable

import numpy as np

from collectives.memory.pool.core.errors import PoolFull
from collectives.memory.pool.pool import Pool

KEYS = 40
SIZES = (10, 3000, 9000, 70_000, 300_000)


def value_of(key: str, seed: int) -> bytes:
    """Bytes that begin with key and seed, and follow from them."""
    head = f"{key} {seed} ".encode()
    size = SIZES[seed % len(SIZES)]
    return head + np.random.default_rng([seed, len(key)]).bytes(size)


def is_whole(key: str, value: bytes) -> bool:
    """Whether somebody has put ``value`` under ``key``."""
    name, seed = bytes(value[:40]).split(b" ")[:2]
    return name.decode() == key and value == value_of(key, int(seed))


def client(address: str, number: int, operations: int) -> int:
    """The number of values that were wrong."""
    chance, wrong = random.Random(number), 0
    with Pool.connect(address) as pool:
        room = bytearray(max(SIZES) + 100)
        for at in range(operations):
            key = f"key{chance.randrange(KEYS)}"
            kind = chance.random()
            if kind < 0.4:
                try:
                    pool.put(key, value_of(key, number * operations + at))
                except PoolFull:
                    wrong += 0
            elif kind < 0.7:
                value = pool.get(key)
                wrong += value is not None and not is_whole(key, value)
            elif kind < 0.9:
                size = pool.get_into(key, room)
                wrong += size is not None and not is_whole(key, bytes(room[:size]))
            else:
                pool.remove(key)
    return wrong


def _forked(do: Callable[[], int]) -> int:
    pid = os.fork()
    if not pid:
        code = 2
        try:
            code = min(do(), 1)
        finally:
            os._exit(code)
    return pid


def main(arguments: list[str]) -> int:
    """Run the clients; returns the number of those that have found something wrong."""
    address, clients, operations = arguments[0], int(arguments[1]), int(arguments[2])
    killed = int(arguments[3]) if len(arguments) > 3 else 0
    pids = [
        _forked(lambda n=number: client(address, n, operations if n >= killed else 1 << 40))  # type: ignore[misc]
        for number in range(clients)
    ]
    codes = [os.waitpid(pid, 0)[1] for pid in pids[killed:]]
    for pid in pids[:killed]:  # they go on and on, so they are in the middle of something
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return sum(code != 0 for code in codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
