"""The pool of blocks beside memcpy: blocks of 1 MiB, and small values, here and between processes.

    python benchmarks/pool.py [--clients 8] [--seconds 1] [--blocks 16 64]

All ratios are of one run, each beside a copy that was measured right before it, of as many blocks:
few that caches hold, and many that they do not. (Between the two a copy may be in them while the
pool, which moves from place to place, is not.) Times are those that a tenth of the calls stays
below, of copies as of the pool: where the machine does other things, too, longer calls are
interrupted more often. Values and memory are warm: the first use of a page costs more, for a copy
as for the pool.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier

from collectives.memory.pool.hosted.serving import serving
from collectives.memory.pool.pool import Pool

BLOCK, BATCH = 1 << 20, 8
SMALL = 100
GB = 1e9


def seconds(do: Callable[[int], object], least: float) -> float:
    """The time that a tenth of the calls of ``least`` seconds stays below; 20 calls or more."""
    took: list[float] = []
    end = time.perf_counter() + least
    while len(took) < 20 or time.perf_counter() < end:
        begin = time.perf_counter()
        do(len(took))
        took.append(time.perf_counter() - begin)
    return sorted(took)[len(took) // 10]


def copying(least: float, count: int) -> float:
    """Bytes per second of copies of a block, each from and to another place, of so many."""
    source, target = memoryview(bytearray(count * BLOCK)), memoryview(bytearray(count * BLOCK))
    source[:] = os.urandom(BLOCK) * count

    def copy(at: int) -> None:
        first = at % count * BLOCK
        target[first : first + BLOCK] = source[first : first + BLOCK]

    for at in range(count):
        copy(at)
    return BLOCK / seconds(copy, least)


def blocks(pool: Pool, where: str, least: float, count: int) -> None:
    """Print the bandwidth of so many blocks, one a call and several, beside copies."""
    room = memoryview(bytearray(count * BLOCK))
    values = [memoryview(os.urandom(BLOCK)) for _ in range(count)]
    rooms = [room[at * BLOCK : (at + 1) * BLOCK] for at in range(count)]
    keys = [f"block {at}" for at in range(count)]

    def some(at: int) -> list[int]:
        return [(at * BATCH + n) % count for n in range(BATCH)]

    calls: dict[str, tuple[Callable[[int], object], int]] = {
        "put": (lambda at: pool.put(keys[at % count], values[at % count]), 1),
        "get_into": (lambda at: pool.get_into(keys[at % count], rooms[at % count]), 1),
        "get": (lambda at: pool.get(keys[at % count]), 1),
        f"batch_put of {BATCH}": (
            lambda at: pool.batch_put({keys[n]: values[n] for n in some(at)}), BATCH
        ),
        f"batch_get_into of {BATCH}": (
            lambda at: pool.batch_get_into(
                [keys[n] for n in some(at)], [rooms[n] for n in some(at)]
            ), BATCH,
        ),
    }  # fmt: skip
    for _ in range(3):
        pool.batch_put(dict(zip(keys, values, strict=True)))
        pool.batch_get_into(keys, rooms)
    for name, (call, many) in calls.items():
        copied = copying(least / 2, count)
        rate = many * BLOCK / seconds(call, least)
        print(
            f"{where:20} {name:22} {count} x 1 MiB {rate / GB:8.2f} GB/s   "
            f"{rate / copied:5.2f} of memcpy"
        )


def small(pool: Pool, where: str, least: float, keys: int = 1000) -> None:
    """Print how many small values can be put and read a second, one a call."""
    value = bytes(SMALL)
    pool.batch_put({f"small {at}": value for at in range(keys)})
    for name, call in (
        ("put", lambda at: pool.put(f"small {at % keys}", value)),
        ("get", lambda at: pool.get(f"small {at % keys}")),
        ("exists", lambda at: pool.exists(f"small {at % keys}")),
    ):
        print(f"{where:20} {name:22} {SMALL} B {1 / seconds(call, least):10.0f} a second")


def client(address: str, number: int, least: float, begin: Barrier) -> int:
    """Put and read small values for some time; returns how many."""
    value, done = bytes(SMALL), 0
    with Pool.connect(address) as pool:
        pool.put("small", value)
        begin.wait()
        end = time.perf_counter() + least
        while time.perf_counter() < end:
            key = f"{number} {done % 100}"
            pool.put(key, value)
            pool.get(key)
            done += 2
    return done


def _client(
    given: tuple[str, int, float], begin: Barrier, told: "multiprocessing.Queue[int]"
) -> None:
    told.put(client(*given, begin))


def many(address: str, clients: int, least: float) -> None:
    """Print how many small values so many processes put and read a second together."""
    context = multiprocessing.get_context("spawn")
    begin, told = context.Barrier(clients), context.Queue()
    processes = [
        context.Process(target=_client, args=((address, number, least), begin, told))
        for number in range(clients)
    ]
    for process in processes:
        process.start()
    total = sum(told.get(timeout=120) for _ in processes)
    for process in processes:
        process.join()
    print(
        f"{f'{clients} processes':20} {'put and get':22} {SMALL} B {total / least:10.0f} a second"
    )


def main() -> None:
    """Measure it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--blocks", type=int, nargs="+", default=[16, 64], metavar="COUNT")
    given = parser.parse_args()
    with Pool.local(given.servers) as pool:
        for count in given.blocks:
            blocks(pool, "one process", given.seconds, count)
        small(pool, "one process", given.seconds)
    with serving(given.servers) as address:
        with Pool.connect(address) as pool:
            for count in given.blocks:
                blocks(pool, "between processes", given.seconds, count)
            small(pool, "between processes", given.seconds)
        many(address, given.clients, given.seconds)


if __name__ == "__main__":
    main()
