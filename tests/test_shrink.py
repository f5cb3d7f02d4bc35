"""Ranks go on after the loss of others: which calls fail, who is left, and when."""

import functools
import signal
import threading
from typing import Any

import numpy as np
import pytest

from collectives import init
from fabric.fabric import Fabric
from fabric.failure import Deadlock, RankLost, WorldError
from fabric.launching.launch import launch as unlimited
from tests.support import surviving
from tests.support.commands import refused
from tests.support.surviving import DEAD, Loss, expected, program
from topology import star
from topology.errors import ArgumentError

launch = functools.partial(unlimited, timeout=60.0)
shrinking = functools.partial(launch, on_loss="shrink")


@pytest.mark.parametrize("seed", range(24))
def test_which_calls_fail_and_when_depends_on_what_ranks_do_alone(seed: int) -> None:
    """A slow sequential model says which fail; two runs on a host in other moods are the same."""
    what = program(seed)
    fails = expected(what)
    runs = [
        shrinking(surviving.run, what.ranks, args=(what, hurry), return_exceptions=True)
        for hurry in (2 * seed, 2 * seed + 1)
    ]
    lost = [rank for rank, number in fails.items()
            if number == DEAD or (rank == what.second and number >= 0)]  # fmt: skip
    left = tuple(rank for rank in range(what.ranks) if rank not in lost)
    for run in runs:
        for rank, outcome in enumerate(run):
            if rank in lost:
                assert isinstance(outcome, Loss)
            else:
                assert outcome[:2] == (fails[rank], left), outcome
    assert [runs[0][rank] for rank in left] == [runs[1][rank] for rank in left]


def _one_leaves() -> Any:
    comm = init()
    x = np.ones(1000)
    comm.all_reduce(x)
    comm.compute(1e-3 * (comm.rank + 1))
    if comm.rank == 2:
        comm.compute(5e-3)
        before = comm.now()
        raise Loss(str(before))
    with pytest.raises(RankLost, match=r"rank 2 raised .*Loss") as caught:
        comm.all_reduce(x)
    known = comm.now()
    smaller = comm.shrink()
    begin = smaller.now()
    work = smaller.all_reduce(np.zeros(2, np.int64), "min")
    first, last = work.times()
    return caught.value.rank, known, begin, last - first, smaller.members


@pytest.mark.parametrize("detection", [0.0, 0.25])
def test_a_loss_costs_its_detection_and_an_agreement_in_emulated_time(detection: float) -> None:
    results = shrinking(_one_leaves, 4, star(4), loss_detection=detection)
    died = float(str(results.pop(2)))
    for culprit, known, begin, call, members in results:
        assert culprit == 2
        assert members == (0, 1, 3)
        assert known == pytest.approx(died + detection, abs=1e-11)
        # All have known of it at the same time, so what follows is one all_reduce of 16 bytes.
        assert begin - known == pytest.approx(call, rel=1e-9)
        assert call > 0


def _uses_the_old_one() -> Any:
    comm = init()
    half = comm.group([0, 1])
    if comm.rank == 2:
        raise Loss("here")
    with pytest.raises(RankLost):
        comm.barrier()
    assert comm.lost == (2,)
    for broken in (comm, half):
        if broken is not None:
            with pytest.raises(RankLost, match=r"shrink\(\) it"):
                broken.barrier()
    smaller = comm.shrink()
    assert smaller.lost == ()
    for broken in (comm, half):
        if broken is not None:
            with pytest.raises(RankLost, match=r"shrink\(\) it"):
                broken.barrier()
    smaller.barrier()
    smaller = smaller.grow(1)  # there is no spare
    return smaller.members, None if half is None else half.shrink().members


def test_calls_on_what_has_lost_a_rank_are_refused_until_it_is_shrunk() -> None:
    *left, lost = shrinking(_uses_the_old_one, 3)
    assert left == [((0, 1), (0, 1))] * 2
    assert isinstance(lost, Loss)


def _shrinks_in_vain() -> Any:
    comm = init()
    with pytest.raises(WorldError, match="on_loss='shrink'"):
        comm.shrink()
    return comm.size


def test_shrink_is_refused_where_a_loss_ends_the_world() -> None:
    assert launch(_shrinks_in_vain, 2) == [2, 2]


def test_there_is_no_other_way_to_take_a_loss() -> None:
    with pytest.raises(WorldError, match="no on_loss 'grow'; there are end, shrink"):
        launch(_shrinks_in_vain, 2, on_loss="grow")
    with pytest.raises(WorldError, match="loss_detection is -1"):
        shrinking(_shrinks_in_vain, 2, loss_detection=-1)
    with pytest.raises(ArgumentError, match="loss_detection"):
        shrinking(_shrinks_in_vain, 2, loss_detection="soon")


def test_mpi_cannot_go_on() -> None:
    with pytest.raises(WorldError, match="MPI without ULFM cannot go on") as caught:
        shrinking(_shrinks_in_vain, 2, transport="mpi")
    assert "\n" not in str(caught.value)
    assert "MPI without ULFM" in refused(
        "run", "--transport", "mpi", "--on-loss", "shrink", __file__
    )


def test_a_detection_without_going_on_is_refused() -> None:
    assert "--on-loss shrink" in refused("run", "--loss-detection", "0.1", __file__)


def _all_lost() -> Any:
    init().barrier()
    raise Loss("everybody")


def test_launch_raises_where_nobody_is_left() -> None:
    with pytest.raises(Loss):
        shrinking(_all_lost, 2)


def _waits_for_one_that_shrinks() -> Any:
    comm = init()
    pair = comm.group([0, 1])
    if comm.rank == 0:
        with pytest.raises(RankLost, match=r"rank 1 has called shrink\(\)"):
            pair.recv(np.zeros(1), 1)  # type: ignore[union-attr]
    return comm.shrink().members


def test_who_waits_for_a_rank_that_shrinks_is_told() -> None:
    assert shrinking(_waits_for_one_that_shrinks, 2) == [(0, 1)] * 2


def _crosses() -> Any:
    comm = init()
    one, two = comm.group([0, 1]), comm.group([1, 0])
    (one if comm.rank else two).shrink()  # type: ignore[union-attr]


def test_two_that_shrink_different_groups_wait_for_nothing() -> None:
    with pytest.raises(Deadlock, match=r"shrink\(\)"):
        shrinking(_crosses, 2)


def _in_flight() -> Any:
    comm = init()
    x, y = np.ones(4), np.ones(300000)
    comm.barrier()
    if comm.rank == 1:
        raise Loss("here")
    works = [comm.all_reduce(x, async_op=True), comm.all_reduce(y, async_op=True)]
    for work in works:
        with pytest.raises(RankLost):
            work.wait()
    smaller = comm.shrink()
    x[:] = y[:] = 1
    again = [smaller.all_reduce(y, async_op=True), smaller.all_reduce(x, async_op=True)]
    for work in again:
        work.wait()
    return float(x[0]), float(y[-1])


@pytest.mark.parametrize("options", [
    {}, {"sync": "eager"}, {"clock": "paced"}, {"system": None}, {"transport": "zmq"},
], ids=str)  # fmt: skip
def test_calls_in_flight_fail_on_every_clock(options: dict[str, Any]) -> None:
    first, lost, *others = shrinking(_in_flight, 4, **{"system": star(4), **options})
    assert [first, *others] == [(3.0, 3.0)] * 3
    assert isinstance(lost, Loss)


def _from_any() -> Any:
    comm = init()
    if comm.rank == 1:
        raise Loss("here")
    with pytest.raises(RankLost):
        comm.irecv_any(np.zeros(1)).wait()
    return comm.shrink().size


def test_a_receive_from_anybody_fails_with_the_loss_of_one() -> None:
    first, _, third = shrinking(_from_any, 3)
    assert (first, third) == (2, 2)


@pytest.mark.parametrize("shared", ["1", "0"], ids=["memory", "sockets"])
@pytest.mark.parametrize("items", [1, 20000, 1 << 18])
def test_processes_go_on_when_others_are_killed_in_the_middle_of_calls(
    items: int, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPLANE_SHARED_MEMORY", shared)
    args = items, {1: 3, 3: 6}, signal.SIGKILL
    results = shrinking(surviving.killed_in_the_middle, 5, star(5), "zmq", args=args)
    for rank in (1, 3):
        assert isinstance(results[rank], RankLost)
        assert str(results[rank]) == f"rank {rank} was killed by SIGKILL"
    members, sums = results[0]
    assert members == (0, 2, 4)
    # Squares of the size, sums of the members: of five, of four, of three.
    assert [value for value, _ in _runs(sums)] == [10.0, 9.0, 6.0]
    assert [results[rank] for rank in (2, 4)] == [results[0]] * 2


def _runs(values: list[float]) -> list[tuple[float, int]]:
    found: list[tuple[float, int]] = []
    for value in values:
        if found and found[-1][0] == value:
            found[-1] = value, found[-1][1] + 1
        else:
            found.append((value, 1))
    return found


def test_a_rank_that_is_stopped_for_too_long_is_given_up() -> None:
    args = 1000, {1: 3}, signal.SIGSTOP
    results = shrinking(surviving.killed_in_the_middle, 3, None, "zmq", args=args, stop_timeout=0.3)
    assert results[0][0] == (0, 2)
    assert isinstance(results[1], RankLost)
    assert "has been stopped for more than 0.3 s" in str(results[1])


def test_a_transport_that_cannot_go_on_is_refused_by_name() -> None:
    from fabric.ranks.driver import resumable
    from fabric.transports.inproc import Inproc

    class Plain(Inproc):
        resumable = None  # type: ignore[assignment]

    with pytest.raises(WorldError, match="the transport Plain cannot go on"):
        resumable(Plain.__new__(Plain))


def test_threads_that_only_compute_are_told_nothing_and_end_well() -> None:
    """A loss that nobody meets is nobody's business, beyond its name."""
    gone = threading.Event()

    def main() -> Any:
        comm = init()
        comm.barrier()
        if comm.rank == 0:
            gone.set()
            raise Loss("here")
        gone.wait(60)
        return comm.rank

    results = shrinking(main, 3, Fabric(star(3)))
    assert results[1:] == [1, 2]
    assert isinstance(results[0], Loss)
