"""Programs of ranks that go on after losses, and which of their calls have to fail."""

import random
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from collectives import init
from collectives.calls.communicator import Communicator
from fabric.failure import RankLost

DEAD, OVER = -1, -2
"""Instead of the number of a call: the rank has ended before any failed; all of its are over."""


class Loss(Exception):
    """What ends a rank in these tests."""


class GroupCall(NamedTuple):
    """A call of a program: who takes part, what it is ("send", "broadcast", ...), and its items."""

    group: tuple[int, ...]
    kind: str
    items: int


class Program(NamedTuple):
    """Calls that ranks make in this order, each those of its groups.

    Rank ``dead`` ends before its own call number ``at``. Rank ``second`` ends when it learns of
    that, if it does.
    """

    ranks: int
    calls: Sequence[GroupCall]
    dead: int
    at: int
    second: int


def program(seed: int) -> Program:
    """A random program."""
    rng = random.Random(seed)
    ranks = rng.randint(3, 6)
    calls = []
    for _ in range(rng.randint(4, 12)):
        kind = rng.choice(("send", "broadcast", "all_reduce"))
        size = 2 if kind == "send" else rng.randint(1, ranks)
        group = tuple(rng.sample(range(ranks), size))
        calls.append(GroupCall(group, kind, rng.choice((1, 100, 5000))))
    calls.append(GroupCall(tuple(range(ranks)), "all_reduce", 1))  # everybody has one
    dead = rng.randrange(ranks)
    at = rng.randrange(sum(dead in call.group for call in calls))
    return Program(ranks, calls, dead, at, rng.choice((DEAD, rng.randrange(ranks))))


def expected(what: Program) -> dict[int, int]:
    """By rank, the number of the call that fails for it, `DEAD` or `OVER`.

    One after the other: a call is made when all of its ranks have come to it, and fails for those
    that have when one of the others never comes, as it has ended, or as a call has failed for it.
    """
    turn = dict.fromkeys(range(what.ranks), 0)
    mine = {r: [n for n, call in enumerate(what.calls) if r in call.group] for r in turn}
    mine[what.dead] = mine[what.dead][: what.at]
    ends: dict[int, int] = {}

    def at(rank: int) -> int | None:
        return mine[rank][turn[rank]] if turn[rank] < len(mine[rank]) else None

    before = None
    while before != (before := (dict(turn), dict(ends))):
        for rank in turn:
            number = at(rank)
            if rank in ends:
                continue
            if number is None:
                ends[rank] = DEAD if rank == what.dead else OVER
                continue
            group = what.calls[number].group
            if all(one not in ends and at(one) == number for one in group):
                turn.update({one: turn[one] + 1 for one in group})
            elif any(one in ends and number not in mine[one][: turn[one]] for one in group):
                ends[rank] = number
    return ends


def run(what: Program, hurry: int) -> tuple[Any, ...]:
    """A rank of the program; afterwards the survivors shrink, and go on.

    ``hurry``: a seed for how slow each rank is here and there on this host. Returns the call that
    failed, who is left, and emulated times.
    """
    comm, failed = init(), OVER
    slow = random.Random(1000 * hurry + comm.rank)
    groups: dict[tuple[int, ...], Communicator | None] = {}
    mine = [n for n, call in enumerate(what.calls) if comm.rank in call.group]
    times = []
    for turn, number in enumerate(mine):
        group = what.calls[number].group
        if group not in groups:
            groups[group] = comm.group(group)
        if comm.rank == what.dead and turn == what.at:
            raise Loss("first")
        comm.compute(1e-5 * ((7 * number + 3 * comm.rank) % 11))
        _dawdle(slow)
        try:
            _call(groups[group], what.calls[number], number)
        except RankLost:
            failed = number
            break
    if failed != OVER and comm.rank == what.second:
        raise Loss("second")
    _dawdle(slow)
    if comm.rank % 2:
        times.append(comm.now())
    return failed, *_go_on(comm.shrink()), *times


def _dawdle(slow: random.Random) -> None:
    if slow.random() < 0.25:
        time.sleep(slow.random() * 0.01)


def _call(comm: Communicator | None, what: GroupCall, number: int) -> None:
    assert comm is not None
    x = np.full(what.items, float(comm.members[comm.rank]))
    if what.kind == "send":
        if comm.rank == 0:
            comm.send(x, 1)
        else:
            comm.recv(x, 0)
            np.testing.assert_array_equal(x, what.group[0])
    elif what.kind == "broadcast":
        comm.broadcast(x, number % comm.size)
        np.testing.assert_array_equal(x, what.group[number % comm.size])
    else:
        comm.all_reduce(x)
        np.testing.assert_array_equal(x, sum(what.group))


def _go_on(comm: Communicator) -> tuple[Any, ...]:
    """All kinds of calls on what is left."""
    works = []
    for items in (1, 5000, 70000):
        x = np.full(items, float(comm.members[comm.rank]))
        works.append((comm.all_reduce(x, async_op=True), x))
    for work, x in works:
        work.wait()
        np.testing.assert_array_equal(x, sum(comm.members))
    half = comm.split(comm.rank % 2)
    assert half is not None
    ones = np.ones(3)
    half.all_reduce(ones)
    np.testing.assert_array_equal(ones, half.size)
    return comm.members, comm.now()


def killed_in_the_middle(items: int, kills: dict[int, int], signal: int) -> tuple[Any, ...]:
    """Calls of so many items; each rank of ``kills`` sends itself a signal at that call of its own.

    Another thread does, while the call is made. Returns who is left, and all sums.
    """
    import os
    import threading

    comm, sums = init(), []
    me, x = comm.rank, np.empty(items)
    while len(sums) < 12:
        if kills.get(me) == len(sums):
            delay = 0.0005 * (1 + me)
            threading.Timer(delay, os.kill, [os.getpid(), signal]).start()
        try:
            x[:] = comm.members[comm.rank]
            comm.all_reduce(x)
            out = np.empty(items * comm.size)
            comm.all_gather(out, x)
        except RankLost:
            comm = comm.shrink()
            continue
        np.testing.assert_array_equal(out, out[0])
        sums.append(float(out[0]))
    return comm.members, sums
