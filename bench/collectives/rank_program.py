"""What a rank does in a benchmark on a real transport: run the jobs, time them, check the data."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.collectives.test_data import POISON, Array, RowJob, given, wanted, wrong
from collectives import init
from collectives.algorithms.table import schedule
from fabric.schedule.plan import plan

if TYPE_CHECKING:
    from collectives.calls.communicator import Communicator


APART = 1.0
"""Emulated seconds from one row to the next: much more than it takes to agree on when."""


@dataclass(frozen=True, slots=True)
class RankSample:
    """What a rank measured of a row: seconds an operation, and elements that are wrong.

    ``emulated``: on the emulated clock; ``wall``: on its host's; ``wrong``: None if not checked.
    """

    emulated: float
    wall: float
    wrong: int | None


def main(jobs: Sequence[RowJob]) -> list[RankSample]:
    """Run every job as one rank of `bench.collectives.real_ranks.sweep`.

    Returns what it measured.
    """
    with init() as comm:
        return [_measured(comm, job) for job in jobs]


def _measured(comm: "Communicator", job: RowJob) -> RankSample:
    sent, expected = given(job, comm.rank, comm.size), wanted(job, comm.rank, comm.size)
    room = np.full(expected.nbytes, POISON, np.uint8).view(job.dtype)
    if job.op == "broadcast" and comm.rank == job.root:
        room = sent
    operation = _operation(comm, job, sent, room)
    begin = _together(comm)
    operation()
    emulated = comm.now() - begin
    found = wrong(room, expected) if job.check else None
    for _ in range(job.warmup):
        operation()
    comm.barrier()
    began = time.perf_counter()
    for _ in range(job.iters):
        operation()
    return RankSample(emulated, (time.perf_counter() - began) / job.iters, found)


def _together(comm: "Communicator") -> float:
    """Bring the emulated clocks of all ranks to one time, which is returned.

    So an operation is timed from a common start, as in a simulation.
    """
    latest = np.array([comm.now()])
    comm.all_reduce(latest, "max")
    start = float(latest[0]) + APART
    comm.compute(start - comm.now())
    return start


def _operation(comm: "Communicator", job: RowJob, x: Array, out: Array) -> Callable[[], object]:
    """One operation, out of place where there is a choice."""
    by, items = job.algorithm, job.dtype.itemsize
    if job.op == "send_recv":  # nccl-tests' ring in one group call: a schedule like any other
        mine = plan(schedule("send_recv", comm.size, job.size, by), comm.size, comm.rank)
        return lambda: comm.run(mine, x, out, operation=job.operation, name="send_recv")
    if job.counts is not None:
        sizes = np.array(job.counts) // items
        sends, receives = sizes[comm.rank].tolist(), sizes[:, comm.rank].tolist()
        return lambda: comm.all_to_all_v(out, x, sends, receives, algorithm=by)
    calls: dict[str, Callable[[], object]] = {
        "all_reduce": lambda: comm.all_reduce(x, job.redop, out, algorithm=by),
        "all_gather": lambda: comm.all_gather(out, x, algorithm=by),
        "reduce_scatter": lambda: comm.reduce_scatter(out, x, job.redop, algorithm=by),
        "broadcast": lambda: comm.broadcast(out, job.root, algorithm=by),
        "reduce": lambda: comm.reduce(x, job.root, job.redop, out, algorithm=by),
        "gather": lambda: comm.gather(out, x, job.root, algorithm=by),
        "scatter": lambda: comm.scatter(out, x, job.root, algorithm=by),
        "all_to_all": lambda: comm.all_to_all(out, x, algorithm=by),
        "barrier": lambda: comm.barrier(),
    }
    return calls[job.op]
