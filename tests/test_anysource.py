"""Receives from whichever rank sends first, on every transport that threads and processes have."""

import numpy as np
import pytest

from collectives import init
from fabric import launch
from fabric.failure import TimedOut

RANKS, EACH = 4, 5


def gathered() -> dict[int, list[float]]:
    """What rank 0 gets from each other rank, by receives that name nobody."""
    got: dict[int, list[float]] = {}
    with init() as comm:
        if comm.rank:
            for k in range(EACH):
                comm.send(np.full(3, 10.0 * comm.rank + k), 0, tag=1)
            comm.send(np.full(1 << 20, comm.rank, np.uint8), 0, tag=2)
        else:
            for _ in range(EACH * (comm.size - 1)):
                x = np.zeros(3)
                work = comm.irecv_any(x, tag=1)
                assert work.source in range(-1, comm.size)
                work.wait()
                begin, end = work.times()
                assert begin < end <= comm.now()
                got.setdefault(work.source, []).append(float(x[1]))
            large = [np.zeros(1 << 20, np.uint8) for _ in range(1, comm.size)]
            works = [comm.irecv_any(each, tag=2) for each in large]
            for work, each in zip(works, large, strict=True):
                work.wait()
                assert (each == work.source).all()
            assert sorted(work.source for work in works) == list(range(1, comm.size))
    return got


def unanswered() -> str:
    with init() as comm:
        if comm.rank == 0:
            begun = comm.irecv_any(np.zeros(1))
            with pytest.raises(TimedOut) as late:
                begun.wait(0.05)
            comm.barrier()
            begun.wait()  # it still goes on
            assert begun.source == 1
            return str(late.value)
        comm.barrier()
        comm.send(np.ones(1), 0)
        return ""


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
@pytest.mark.parametrize("sync", ["strict", "eager"])
def test_each_message_comes_once_and_in_its_senders_order(transport: str, sync: str) -> None:
    want = {rank: [10.0 * rank + k for k in range(EACH)] for rank in range(1, RANKS)}
    assert launch(gathered, RANKS, transport=transport, sync=sync)[0] == want


def test_where_nobody_sends_only_a_time_out_ends_it() -> None:
    said = launch(unanswered, 2, sync="eager")[0]
    assert "recv(float64[1], any rank, tag 0) was not over after 0.05 s" in said


def found_late() -> tuple[int, bool]:
    with init() as comm:
        if comm.rank:
            comm.compute(0.02)
            comm.send(np.ones(1), 0)
            return 0, True
        work = comm.irecv_any(np.zeros(1))
        work.wait()
        work.wait()  # again: it is over
        begin, end = work.times()
        return work.source, begin < end <= comm.now()


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_on_paced_time_it_ends_when_the_receive_that_was_found_does(transport: str) -> None:
    ended = launch(found_late, 2, "star:4", transport, clock="paced", scale=1.0, timeout=60.0)
    assert ended == [(1, True), (0, True)]
