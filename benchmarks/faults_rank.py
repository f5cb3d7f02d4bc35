"""A rank of ``faults.py``: random calls whose every byte is checked, until it is told to stop.

It writes what happens to it, and when, to a file of its own in the trial's folder; if it is the
victim of a fault that comes from inside, it makes the fault.
"""

import contextlib
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from collectives import Communicator, init
from collectives.moe import LowLatency, Normal
from fabric.launching.launch import launch

LOOK = 4
"""Calls between two looks whether the ranks are to stop."""

SIZES = 1, 7, 64, 1000, 40_000
"""Items of 8 bytes in a call."""


@dataclass(frozen=True)
class Order:
    """What a rank is to do: calls by ``seed``, and as rank ``victim`` a fault before call ``at``.

    ``folder``: of the trial; ``asynchronous``: only such calls.
    """

    folder: str
    seed: str
    kind: str
    victim: int
    at: int
    asynchronous: bool

    @staticmethod
    def of(words: list[str]) -> "Order":
        """From a command line."""
        folder, seed, kind, victim, at, asynchronous = words
        return Order(folder, seed, kind, int(victim), int(at), asynchronous == "True")

    def words(self) -> list[str]:
        """For a command line."""
        return [str(value) for value in astuple(self)]


class Diary:
    """What one rank tells the oracle: lines ``TIME EVENT WORDS`` of a file ``PID.NUMBER.diary``."""

    def __init__(self, folder: str) -> None:
        name = f"{os.getpid()}.{threading.get_ident()}.diary"
        self._file = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(self, event: str, words: object = "") -> None:
        """Write down what has happened now."""
        line = f"{time.monotonic():.4f} {event} {' '.join(str(words).split())}\n"
        os.write(self._file, line.encode(errors="replace"))


class WrongBytes(Exception):
    """A call has brought other bytes than it should."""


def same(come: Any, due: Any) -> None:
    """Raise `WrongBytes` where two arrays differ."""
    if not np.array_equal(np.asarray(come), np.asarray(due)):
        raise WrongBytes(f"{come!r:.100} instead of {due!r:.100}")


def part(size: int, rank: int, turn: int) -> Any:
    """What a rank brings to a call."""
    return np.arange(size, dtype=np.float64) % 97 + 1000 * rank + turn


Call = Callable[[Communicator, random.Random, int], None]


def all_reduce(comm: Communicator, chance: random.Random, turn: int) -> None:
    """The sum of all."""
    size = chance.choice(SIZES)
    x = part(size, comm.rank, turn)
    comm.all_reduce(x)
    same(x, sum(part(size, rank, turn) for rank in range(comm.size)))


def all_gather(comm: Communicator, chance: random.Random, turn: int) -> None:
    """Those of all."""
    size = chance.choice(SIZES)
    out = np.zeros(size * comm.size)
    comm.all_gather(out, part(size, comm.rank, turn))
    same(out, np.concatenate([part(size, rank, turn) for rank in range(comm.size)]))


def reduce_scatter(comm: Communicator, chance: random.Random, turn: int) -> None:
    """The rank's part of the sum of all."""
    size = chance.choice(SIZES)
    out = np.zeros(size)
    comm.reduce_scatter(out, part(size * comm.size, comm.rank, turn))
    total = sum(part(size * comm.size, rank, turn) for rank in range(comm.size))
    same(out, total[size * comm.rank :][:size])


def broadcast(comm: Communicator, chance: random.Random, turn: int) -> None:
    """That of one."""
    size, root = chance.choice(SIZES), chance.randrange(comm.size)
    x = part(size, comm.rank, turn)
    comm.broadcast(x, root=root)
    same(x, part(size, root, turn))


def all_to_all_v(comm: Communicator, chance: random.Random, turn: int) -> None:
    """Parts of random sizes."""
    counts = [[chance.choice((0, *SIZES)) for _ in range(comm.size)] for _ in range(comm.size)]
    send, recv = counts[comm.rank], [row[comm.rank] for row in counts]
    out = np.zeros(sum(recv))
    comm.all_to_all_v(out, np.concatenate([part(n, comm.rank, turn) for n in send]), send, recv)
    same(out, np.concatenate([part(n, rank, turn) for rank, n in enumerate(recv)]))


def ring(comm: Communicator, chance: random.Random, turn: int) -> None:
    """To the next rank, from the one before."""
    size = chance.choice(SIZES)
    out = np.zeros(size)
    before, after = (comm.rank - 1) % comm.size, (comm.rank + 1) % comm.size
    works = [comm.irecv(out, before), comm.isend(part(size, comm.rank, turn), after)]
    for work in works:
        work.wait()
    same(out, part(size, before, turn))


def several(comm: Communicator, chance: random.Random, turn: int) -> None:
    """Calls that are under way together."""
    size = chance.choice(SIZES)
    xs = [part(size, comm.rank, turn + number) for number in range(3)]
    works = [comm.all_reduce(x, async_op=True) for x in xs]
    for number, work in enumerate(works):
        work.wait()
        same(xs[number], sum(part(size, rank, turn + number) for rank in range(comm.size)))


def split(comm: Communicator, chance: random.Random, turn: int) -> None:
    """A smaller group, and a call of it."""
    mine = range(comm.rank % 2, comm.size, 2)
    group = comm.split(comm.rank % 2, comm.rank)
    assert group is not None
    x = part(64, comm.rank, turn)
    group.all_reduce(x)
    same(x, sum(part(64, rank, turn) for rank in mine))


def barrier(comm: Communicator, chance: random.Random, turn: int) -> None:
    """And the time."""
    comm.barrier()
    comm.now()


def tokens(comm: Communicator, chance: random.Random, turn: int) -> None:
    """A layer's dispatch and combine; experts do nothing."""
    noise = np.random.default_rng((turn, comm.rank))
    experts = 2 * comm.size
    x = noise.integers(0, 9, (8, 64)).astype(np.float32)
    choices = np.stack([noise.permutation(experts)[:2] for _ in range(8)])
    weights = np.full((8, 2), 0.5, np.float32)
    if chance.random() < 0.5:
        few = LowLatency(comm, experts=experts, hidden=64, max_tokens=8)
        got, handle, _ = few.dispatch(x, choices)
        same(few.combine(got.x, handle, weights)[0], x)
    else:
        many = Normal(comm, experts=experts, hidden=64)
        come, back, _ = many.dispatch(x, choices, weights)
        copies = [[len({*row // 2})] for row in choices]
        same(many.combine(come.x, back)[0], x * np.array(copies))


CALLS: tuple[Call, ...] = (
    all_reduce, all_gather, reduce_scatter, broadcast, all_to_all_v, ring, several, split, barrier,
    tokens,
)  # fmt: skip


def interrupt() -> None:
    """An exception out of a signal handler, at a random moment from now on."""

    def raises(*about: Any) -> None:
        raise KeyboardInterrupt("at some moment")

    signal.signal(signal.SIGALRM, raises)
    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0002, 0.02))


def become_another() -> None:
    """The process goes on as another program."""
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"])


def raise_an_error() -> None:
    """The program fails."""
    raise ValueError("a fault of the program")


def exhaust() -> None:
    """All descriptors are taken, by the program."""
    with contextlib.suppress(OSError):
        while True:
            os.dup(0)


def connections() -> list[tuple[int, bool]]:
    """The descriptors of this process's connections, and whether it is that to the authority."""
    control = os.environ.get("TRIPLANE_CONTROL", "").partition("://")[2]
    found = []
    for name in os.listdir("/proc/self/fd"):
        with (
            contextlib.suppress(OSError, IndexError),
            socket.socket(fileno=os.dup(int(name))) as one,
        ):
            if one.family in (socket.AF_INET, socket.AF_UNIX) and one.type == socket.SOCK_STREAM:
                peer, own = one.getpeername(), one.getsockname()
                if peer or own:  # and no pair of this process
                    at = peer if isinstance(peer, str) else f"{peer[0]}:{peer[1]}"
                    found.append((int(name), at == control or at.endswith("/control")))
    return found


def cut(control: bool) -> None:
    """All connections to other ranks are cut, or that to the authority."""
    for descriptor, is_control in connections():
        if is_control == control:
            with socket.socket(fileno=os.dup(descriptor)) as one:
                one.shutdown(socket.SHUT_RDWR)


def delete() -> None:
    """Somebody cleans up the temporary folder."""
    for path in Path(os.environ["TMPDIR"]).rglob("*"):
        if path.is_socket():
            path.unlink(missing_ok=True)


INSIDE: dict[str, Callable[[], None]] = {
    "os._exit(3)": lambda: os._exit(3),
    "os._exit(0)": lambda: os._exit(0),
    "sys.exit(4)": lambda: sys.exit(4),
    "exception": raise_an_error,
    "exec": become_another,
    "interrupt": interrupt,
    "descriptors": exhaust,
    "cut data": lambda: cut(control=False),
    "cut control": lambda: cut(control=True),
    "sockets deleted": delete,
}
"""Faults that a rank makes itself."""


def run(order: Order) -> None:
    """The life of a rank."""
    diary = Diary(order.folder)
    diary.say("started", os.environ.get("RANK", ""))
    try:
        comm = init()
        diary.say("joined", f"{comm.rank} {os.environ.get('TRIPLANE_CONTROL', '')}")
        calls(comm, order, diary)
        diary.say("leaving")
        if order.asynchronous:
            comm.close()
    except WrongBytes as error:
        diary.say("wrong", error)
        raise
    except BaseException as error:
        diary.say("told", f"{type(error).__name__}: {error}")
        raise
    diary.say("done")


def calls(comm: Communicator, order: Order, diary: Diary) -> None:
    """Random calls, the same on all ranks, until rank 0 sees that it is enough."""
    stop = Path(order.folder, "stop")
    for turn in range(1 << 30):
        if turn == order.at and comm.rank == order.victim and order.kind in INSIDE:
            diary.say("fault", order.kind)
            INSIDE[order.kind]()
        chance = random.Random(f"{order.seed} {turn}")
        call = several if order.asynchronous else chance.choice(CALLS)
        call(comm, chance, turn)
        if turn % LOOK == 0:
            flag = np.array([float(comm.rank == 0 and stop.exists())])
            comm.broadcast(flag, root=0)
            if flag[0]:
                return


if __name__ == "__main__":
    if sys.argv[1] == "--launch":
        count, transport, *words = sys.argv[2:]
        launch(
            run, int(count), None if random.random() < 0.5 else "star:4", transport,
            args=(Order.of(words),), grace=2.0,
        )  # fmt: skip
    else:
        run(Order.of(sys.argv[1:]))
