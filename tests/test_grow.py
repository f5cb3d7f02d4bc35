"""Spares join after a loss: the same group at all of its ranks, right data, strict time."""

import os
import random
import signal
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectives import init
from collectives.calls.communicator import Communicator
from fabric import launch
from fabric.failure import CallMismatch, RankLost, WorldError
from fabric.settings import Settings
from tests.support.surviving import Loss
from topology.errors import ArgumentError

PATIENCE = 60.0


def ran(main: Any, ranks: int, spares: int, *args: Any, **options: Any) -> list[Any]:
    return launch(
        main, ranks, spares=spares, on_loss="shrink", args=args, timeout=PATIENCE, **options
    )


def agreed(comm: Communicator) -> tuple[int, ...]:
    """The members as every rank of the group has them, told by data that each of them sends."""
    told = np.zeros((comm.size, comm.size), np.int64)
    comm.all_gather(told, np.array(comm.members, np.int64))
    assert (told == told[0]).all()
    assert comm.members[comm.rank] in comm.members
    return comm.members


def end(kill: bool) -> None:
    """The rank is no more."""
    if kill:
        os.kill(os.getpid(), signal.SIGKILL)
    raise Loss


def replaces(deaths: Sequence[int], hurry: int, kill: bool) -> Any:
    """One rank after the other ends; a spare takes its place, as long as there are any."""
    comm = init()
    me = comm.members[comm.rank]
    slow = random.Random(100 * hurry + me)
    seen, times, joined = [agreed(comm)], [], comm.joined
    turn = np.zeros(1, np.int64)
    while True:
        comm.all_reduce(turn, "max")  # a spare that has joined learns how far the others are
        x = np.array([1 << me], np.int64)
        comm.all_reduce(x)
        assert int(x[0]) == sum(1 << rank for rank in comm.members)
        times.append(comm.now())
        if int(turn[0]) == len(deaths):
            return joined, seen, times
        dead = deaths[int(turn[0])]
        if me == dead:
            end(kill)
        time.sleep(slow.choice((0, 0, 0.002)))
        comm.compute(1e-6 * (me % 3))
        with pytest.raises(RankLost):
            comm.all_reduce(x)
        comm = comm.grow(at=[comm.members.index(dead)])
        seen.append(agreed(comm))
        turn += 1


def in_place(deaths: Sequence[int], ranks: int, spares: int) -> list[tuple[int, ...]]:
    """The groups that there have to be, one after the other."""
    members, left = list(range(ranks)), list(range(ranks, ranks + spares))
    groups = [tuple(members)]
    for dead in deaths:
        place = members.index(dead)
        members[place : place + 1] = [left.pop(0)] if left else []
        groups.append(tuple(members))
    return groups


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_spares_take_the_places_of_the_lost(transport: str) -> None:
    deaths, kill = [2, 0, 4, 3], transport == "zmq"
    found = ran(replaces, 4, 2, deaths, 0, kill, transport=transport)
    wanted = in_place(deaths, 4, 2)
    for rank, outcome in enumerate(found):
        if rank in deaths:
            assert isinstance(outcome, RankLost if kill else Loss), outcome
            continue
        _, seen, _ = outcome
        assert seen == wanted[-len(seen) :]
        assert len(seen) == len(wanted) - (2 if rank == 5 else 0)


def test_strict_time_depends_on_what_ranks_do_alone() -> None:
    first, second = (ran(replaces, 4, 2, [1, 4, 0], hurry, False) for hurry in (1, 2))
    kept = [rank for rank in range(6) if rank not in (1, 4, 0)]
    times = [[found[rank][2] for rank in kept] for found in (first, second)]
    assert times[0] == times[1]
    # A spare joins when the agreement is over, not at the beginning of time.
    assert min(times[0][-1]) > 0.0
    assert times[0][-1][-1] >= 3 * Settings().loss_detection


def test_spares_that_nobody_needs_end_well() -> None:
    assert ran(simple, 3, 2) == [3, 3, 3, None, None]
    assert ran(simple, 3, 2, transport="zmq") == [3, 3, 3, None, None]


def simple() -> int:
    comm = init()
    x = np.ones(1)
    comm.all_reduce(x)
    return int(x[0])


def test_spares_join_without_a_loss_and_as_many_as_there_are() -> None:
    assert ran(widen, 2, 3) == [(5, False), (5, False), *[(5, True)] * 3]


def widen() -> tuple[int, bool]:
    comm = init()
    joined = comm.joined
    if not joined:
        comm = comm.grow(9)
    assert agreed(comm) == (0, 1, 2, 3, 4)
    return comm.size, joined


def test_lost_spares_are_passed_over() -> None:
    found = ran(one_spare_ends, 3, 2)
    assert isinstance(found[3], Loss)
    assert [found[rank] for rank in (0, 1, 2, 4)] == [(0, 1, 2, 4)] * 4


def one_spare_ends() -> Any:
    from fabric.launching.current import member

    me = member()
    if me.rank == 3:
        raise Loss
    comm = init()
    if not comm.joined:
        knows = np.zeros(1)
        while not knows[0]:  # all of them, or some would grow while others still call
            knows[0] = 3 in me.control.lost
            comm.all_reduce(knows, "min")
        comm = comm.grow()
    return agreed(comm)


def test_a_spare_that_is_lost_as_it_joins_is_lost_to_the_others() -> None:
    found = ran(ends_at_once, 3, 1)
    assert isinstance(found[3], Loss)
    assert found[:3] == [(0, 1, 2)] * 3


def ends_at_once() -> Any:
    comm = init()
    if comm.joined:
        raise Loss
    comm = comm.grow()
    while comm.size > 3:
        try:
            comm.barrier()
        except RankLost:
            comm = comm.shrink()
    return agreed(comm)


ROUND = st.tuples(st.sets(st.integers(0, 7), max_size=2), st.integers(0, 3))
"""Who ends, if they are there, and how many spares are then asked for."""


def rounds(plan: Sequence[tuple[set[int], int]]) -> Any:
    """Rounds of losses and joins; returns the members after each that the rank has seen."""
    comm = init()
    me, seen = comm.members[comm.rank], []
    turn = np.zeros(1, np.int64)
    if comm.joined:
        comm.all_reduce(turn, "max")
        seen.append(agreed(comm))
    for number in range(int(turn[0]), len(plan)):
        dead, asked = plan[number]
        if me in dead:
            raise Loss
        if dead & set(comm.members):
            with pytest.raises(RankLost):
                comm.barrier()
        comm = comm.grow(asked) if asked else comm.shrink()
        turn[0] = number + 1
        if asked:
            comm.all_reduce(turn, "max")
        seen.append(agreed(comm))
    return seen


def modelled(plan: Sequence[tuple[set[int], int]], ranks: int, spares: int) -> dict[int, Any]:
    """By rank, what `rounds` returns, or None for one that ends or is not needed."""
    members, left = list(range(ranks)), list(range(ranks, ranks + spares))
    seen: dict[int, Any] = {rank: [] for rank in members}
    for dead, asked in plan:
        gone = dead & set(members)
        for rank in gone:
            seen[rank] = None
        members = [rank for rank in members if rank not in gone]
        joins, left = left[:asked], left[asked:]
        members += joins
        for rank in members:
            seen.setdefault(rank, [])
            seen[rank].append(tuple(members))
    return {rank: seen.get(rank) for rank in range(ranks + spares)}


@given(st.lists(ROUND, max_size=4), st.sampled_from(["strict", "eager"]))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_losses_and_joins_are_as_one_after_the_other(
    plan: list[tuple[set[int], int]], sync: str
) -> None:
    plan = [(dead - {0}, asked) for dead, asked in plan]  # somebody is left
    found = ran(rounds, 4, 4, plan, sync=sync)
    wanted = modelled(plan, 4, 4)
    for rank, outcome in enumerate(found):
        if wanted[rank] is None:
            assert outcome is None or isinstance(outcome, Loss)
        else:
            assert outcome == wanted[rank]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(WorldError, match="spares is 2, and on_loss is 'end'"):
        launch(simple, 2, spares=2)
    with pytest.raises(WorldError, match=r"grow\(\) needs on_loss='shrink'"):
        launch(grows, 2, timeout=PATIENCE)
    with pytest.raises(CallMismatch, match=r"grow\(at=\[0\]\)"):
        ran(grows_apart, 2, 1)
    refused, _ = ran(grows_twice_there, 1, 1)
    assert isinstance(refused, ArgumentError)
    assert "at is [0, 0]" in str(refused)


def grows() -> None:
    init().grow()


def grows_apart() -> None:
    comm = init()
    comm.grow(at=[comm.rank])


def grows_twice_there() -> None:
    init().grow(at=[0, 0])
