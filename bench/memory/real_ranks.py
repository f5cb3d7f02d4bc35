"""One-sided accesses between real ranks: emulated times, this host's, and every byte checked."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.memory.measure import AccessRow, AccessTimes, row
from bench.memory.request import AccessBench
from collectives import init
from collectives.memory.window import Window
from fabric.launching.launch import launch

if TYPE_CHECKING:
    from collectives.calls.communicator import Communicator
    from collectives.memory.work import MemoryWork

APART = 1.0
"""Emulated seconds from one row to the next: much more than it takes to agree on when."""


@dataclass(frozen=True, slots=True)
class AccessJob:
    """A row for real ranks: ``pairs`` as `AccessBench.pairs`; the rest as in `AccessFlags`."""

    op: str
    size: int
    blocks: int
    window: int
    pairs: tuple[tuple[int, int], ...]
    local: str
    remote: str
    iters: int
    warmup: int


@dataclass(frozen=True, slots=True)
class AccessSample:
    """What a rank measured of a row: seconds of its accesses, and bytes that are wrong.

    ``ends``: of each access, emulated seconds from the common begin; ``wall``: of all together.
    """

    ends: tuple[float, ...]
    wall: float
    wrong: int


def sweep(bench: AccessBench, transport: str) -> Iterator[AccessRow]:
    """Measure every row between real ranks, which live for the whole sweep.

    Wall times are the mean of ``iters`` windows of accesses, each waited for, after ``warmup``.
    """
    flags = bench.flags
    jobs = [
        AccessJob(
            bench.op, size, flags.blocks_of(size), flags.window, tuple(bench.pairs), flags.local,
            flags.remote, flags.iters, flags.warmup,
        )
        for size in flags.sizes()
    ]  # fmt: skip
    began = time.perf_counter()
    samples = launch(main, flags.world, bench.fabric, transport, args=(jobs,))
    host_time = (time.perf_counter() - began) / len(jobs)
    for job, of_ranks in zip(jobs, zip(*samples, strict=True), strict=True):
        yield row(bench, job.size, _times(of_ranks, flags.window), transport, host_time)


def _times(samples: Sequence[AccessSample], window: int) -> AccessTimes:
    ends = [end for sample in samples for end in sample.ends]
    wall = max(sample.wall for sample in samples)
    by_pair = [
        end
        for sample in samples
        for pair in range(len(sample.ends) // window)
        for end in sample.ends[pair :: len(sample.ends) // window]
    ]
    return AccessTimes(
        max(ends), sum(ends) / len(ends), tuple(by_pair), wall,
        sum(sample.wrong for sample in samples),
    )  # fmt: skip


def main(jobs: Sequence[AccessJob]) -> list[AccessSample]:
    """Run every job as one rank of `sweep`; returns what it measured."""
    with init() as comm:
        return [_measured(comm, job) for job in jobs]


def _measured(comm: "Communicator", job: AccessJob) -> AccessSample:
    mine = [target for rank, target in job.pairs if rank == comm.rank]
    bulk = job.size * job.blocks
    with Window(comm, bulk * comm.size, device=job.remote, name=job.op) as window:
        if job.op == "get":
            for rank in range(comm.size):
                window.local[rank * bulk : (rank + 1) * bulk] = _pattern(bulk, comm.rank, rank)
        rooms = [np.zeros(bulk, np.uint8) for _ in mine]
        if job.op == "put":
            rooms = [_pattern(bulk, target, comm.rank) for target in mine]
        begin = _together(comm)
        ends = _accesses(comm, window, job, mine, rooms)
        comm.barrier()
        wrong = _wrong(comm, window, job, mine, rooms)
        for _ in range(job.warmup):
            _accesses(comm, window, job, mine, rooms)
        comm.barrier()
        began = time.perf_counter()
        for _ in range(job.iters):
            _window_of(comm, window, job, mine, rooms)
            window.flush()
        wall = (time.perf_counter() - began) / job.iters if mine else 0.0
        comm.barrier()
    return AccessSample(tuple(end - begin for end in ends), wall, wrong)


def _pattern(size: int, target: int, initiator: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """The bytes of ``initiator`` in the memory of ``target``."""
    return ((np.arange(size) * 7 + target * 31 + initiator + 1) % 251).astype(np.uint8)


def _accesses(
    comm: "Communicator", window: Window, job: AccessJob, mine: Sequence[int],
    rooms: Sequence[np.ndarray[tuple[int], np.dtype[np.uint8]]],
) -> list[float]:  # fmt: skip
    works = _window_of(comm, window, job, mine, rooms)
    window.flush()
    return [work.times()[1] for work in works]


def _window_of(
    comm: "Communicator", window: Window, job: AccessJob, mine: Sequence[int],
    rooms: Sequence[np.ndarray[tuple[int], np.dtype[np.uint8]]],
) -> "list[MemoryWork]":  # fmt: skip
    """Begin as many accesses to each target as are to be outstanding."""
    bulk, works = job.size * job.blocks, []
    for _ in range(job.window):
        for target, room in zip(mine, rooms, strict=True):
            at = comm.rank * bulk
            pieces = [
                (room[first : first + job.size], at + first) for first in range(0, bulk, job.size)
            ]
            if job.op == "put":
                works.append(window.putv(pieces, target, source=job.local, async_op=True))
            else:
                works.append(window.getv(pieces, target, into=job.local, async_op=True))
    return works


def _wrong(
    comm: "Communicator", window: Window, job: AccessJob, mine: Sequence[int],
    rooms: Sequence[np.ndarray[tuple[int], np.dtype[np.uint8]]],
) -> int:  # fmt: skip
    bulk = job.size * job.blocks
    if job.op == "get":
        return sum(
            int((room != _pattern(bulk, target, comm.rank)).sum())
            for target, room in zip(mine, rooms, strict=True)
        )
    return sum(
        int((window.local[rank * bulk : (rank + 1) * bulk] != _pattern(bulk, target, rank)).sum())
        for rank, target in job.pairs if target == comm.rank
    )  # fmt: skip


def _together(comm: "Communicator") -> float:
    """Bring the emulated clocks of all ranks to one time, which is returned."""
    latest = np.array([comm.now()])
    comm.all_reduce(latest, "max")
    start = float(latest[0]) + APART
    comm.compute(start - comm.now())
    return comm.now()
