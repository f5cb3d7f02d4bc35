"""A million messages across worlds that are killed and restarted: ``python benchmarks/soak.py``.

Every rank of a world of processes sends blocks of random lengths and contents to every other, and
checks each byte of what it receives. In every second world one rank is killed with SIGKILL in the
middle; the others must be told. After each world nothing may be left: processes, descriptors,
folders, shared memory. Prints a line a world, and what there was in all.

With ``--launches 900 --transport inproc`` it makes so many launches one after the other, every
tenth with a rank that raises, and prints memory, threads and descriptors of this process meanwhile.
"""

import argparse
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import time
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np

from collectives import Communicator, init
from fabric.failure import RankLost, WorldError
from fabric.host.folder import OWNER, PREFIX
from fabric.launching.launch import launch
from fabric.transports.base import Bytes

RANKS = 4
LONGEST = 20_000
"""Bytes of a block at most: on both sides of what goes in one piece."""

LEAST = 200
"""Rounds of a world that is to be killed before that happens."""


def block(seed: int, number: int, src: int, dst: int) -> Bytes:
    """What rank ``src`` sends to rank ``dst`` in a round: both can work it out."""
    chance = random.Random(f"{seed} {number} {src} {dst}")
    # Most messages are short.
    return np.frombuffer(chance.randbytes(chance.choice((0, 8, 64, 700, LONGEST))), np.uint8)


def rank_main(seed: int, rounds: int, killed_at: int, tally: str) -> int:
    """One rank's life; counts the messages that came right in its place of the file ``tally``."""
    return _rounds(init(), seed, rounds, killed_at, np.memmap(tally, np.int64, "r+"))


def _rounds(comm: Communicator, seed: int, rounds: int, killed_at: int, counts: Any) -> int:
    me = comm.rank
    for number in range(rounds):
        if number == killed_at and me == seed % RANKS:
            os.kill(os.getpid(), signal.SIGKILL)
        sent = [block(seed, number, me, peer) for peer in range(RANKS)]
        due = [block(seed, number, peer, me) for peer in range(RANKS)]
        came = np.full(sum(map(len, due)), 0xA5, np.uint8)
        comm.all_to_all_v(came, np.concatenate(sent), [*map(len, sent)], [*map(len, due)])
        if not np.array_equal(came, np.concatenate(due)):
            raise ValueError(f"rank {me} received wrong bytes in round {number} of world {seed}")
        counts[me] += RANKS - 1
    return rounds


def traces() -> set[str]:
    """What could be left behind on this host, of this process's worlds."""
    descriptors = Path("/proc/self/fd")
    open_now = {f"descriptor {os.readlink(fd)}" for fd in descriptors.iterdir() if fd.is_symlink()}
    folders = {str(path) for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _ours(path)}
    shared = {str(path) for path in Path("/dev/shm").glob("*triplane*")}  # MPIs have theirs there
    return folders | shared | open_now | {f"process {child.pid}" for child in active_children()}


def _ours(folder: Path) -> bool:
    """Not of another launcher, who is about his own business."""
    try:
        return (folder / OWNER).read_text("utf-8").split()[:1] == [str(os.getpid())]
    except OSError:  # it is just being made or taken away, by somebody else
        return False


def _resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def soak(messages: int, rounds: int, seed: int) -> int:
    """Run worlds until so many messages came right; how many things went wrong."""
    chance, wrong, total, worlds = random.Random(seed), 0, 0, 0
    before: set[str] | None = None
    begun = time.perf_counter()
    with tempfile.NamedTemporaryFile() as tally:
        while total < messages:
            worlds += 1
            kill = worlds % 2 == 0
            at = chance.randrange(LEAST, rounds) if kill else -1
            os.truncate(tally.name, 0)
            os.truncate(tally.name, 8 * RANKS)
            said = _world(seed + worlds, rounds, at, tally.name)
            came = int(np.fromfile(tally.name, np.int64).sum())
            total += came
            right = said.startswith("RankLost") if kill else said == "well"
            # The first world leaves what is made once, such as the server that starts processes.
            time.sleep(0.05)
            left = set() if before is None else traces() - before
            before = traces() if before is None else before
            wrong += (not right) + len(left)
            memory = _resident() // 1_000_000
            print(
                f"world {worlds}: {came} messages came right, ended: {said}; left behind:"
                f" {', '.join(sorted(left)) or 'nothing'}; {memory} MB", flush=True,
            )  # fmt: skip
    took = time.perf_counter() - begun
    print(f"{total} messages in {worlds} worlds and {took:.0f} s: {wrong} things went wrong")
    return wrong


def _world(seed: int, rounds: int, killed_at: int, tally: str) -> str:
    try:
        launch(
            rank_main, ranks=RANKS, system=None, transport="zmq",
            args=(seed, rounds, killed_at, tally), timeout=300.0, grace=2.0,
        )  # fmt: skip
    except WorldError as error:
        killed = isinstance(error, RankLost) and "SIGKILL" in str(error)
        return f"{type(error).__name__}: {error}" if killed else f"{error!r}"
    return "well"


def once(number: int) -> float:
    """A rank's life in one of many launches."""
    comm = init()
    x = np.full(1000, float(comm.rank))
    comm.all_reduce(x, async_op=True).wait()
    if number % 10 == 0 and comm.rank == 1:
        raise ValueError("a fault of the program")
    comm.barrier()
    return float(x[0])


def _row(*cells: object) -> None:
    print("".join(f"{cell:>13}" for cell in cells), flush=True)


def launches(count: int, transport: str) -> int:
    """Launch so many times; 1 where memory, threads or descriptors have not stayed as they were."""
    begun, seen = time.perf_counter(), []
    _row("launches", "MB", "threads", "descriptors", "seconds")
    for number in range(1, count + 1):
        results = launch(
            once, RANKS, "star:4" if number % 2 else None, transport, args=(number,),
            return_exceptions=True, timeout=60.0,
        )  # fmt: skip
        if number % 10:
            assert results == [sum(range(RANKS))] * RANKS, results
        if number % max(count // 10, 1) == 0:
            gc.collect()
            time.sleep(0.05)
            here = _resident() / 1e6, threading.active_count(), len(os.listdir("/proc/self/fd"))
            seen.append(here)
            _row(number, f"{here[0]:.1f}", *here[1:], f"{time.perf_counter() - begun:.0f}")
    flat = seen[-1][0] < 1.05 * seen[len(seen) // 3][0] and seen[-1][1:] == seen[0][1:]
    print("flat" if flat else "not flat")
    return int(not flat)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10_000, help="of a world")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--launches", type=int, metavar="N", help="only launch so many times")
    parser.add_argument("--transport", choices=("inproc", "zmq"), default="inproc")
    given = parser.parse_args()
    if given.launches:
        sys.exit(launches(given.launches, given.transport))
    sys.exit(1 if soak(given.messages, given.rounds, given.seed) else 0)
