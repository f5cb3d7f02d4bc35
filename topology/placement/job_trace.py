"""How full a pool of supernodes is when jobs of tightly-coupled blocks come and go.

Every assumption is an argument or stands here. The pool has more work than it can take: the queue
is never empty, so what is free is free because nothing of what waits fits. A job is a number of
blocks that begin together; a block is in one supernode, on any of its NPUs (they are alike over a
non-blocking fabric), in the one with the least room left over. Jobs hold their NPUs for a time
drawn from an exponential distribution with mean 1, whatever their size. The *allocation rate* is
the share of the pool's NPUs that jobs hold, averaged over time after a start of a fifth of the
jobs.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from topology.arguments import integer
from topology.errors import PlacementError
from topology.placement.block_sizes import BlockSizes

MOST = MappingProxyType(
    {"npus": 1 << 20, "supernodes": 1 << 10, "blocks": 16, "lookahead": 1 << 10}
)
"""What a pool and its jobs have at most."""

MOST_JOBS = 1 << 18
"""Jobs of a simulation at most."""

START = 5
"""One over the share of the jobs that are placed before anything is counted."""


@dataclass(frozen=True, slots=True)
class NpuPool:
    """``supernodes`` supernodes of ``npus`` NPUs each, and how their queue is served.

    ``blocks``: the blocks of a job. ``lookahead``: the jobs at the head of the queue that are tried
    in turn; 1: the first one alone, so a job that does not fit holds up all others. Raises
    `ArgumentError` for a number out of range.
    """

    npus: int
    supernodes: int = 1
    blocks: int = 1
    lookahead: int = 1

    def __post_init__(self) -> None:
        for name, most in MOST.items():
            object.__setattr__(self, name, integer(getattr(self, name), name, 1, most))


def allocation_rate(pool: NpuPool, sizes: BlockSizes, jobs: int = 20000, seed: int = 0) -> float:
    """The allocation rate of a pool under ``jobs`` jobs of blocks of these ``sizes``, a fraction.

    The same on every host for the same ``seed``. Raises `PlacementError` for jobs that could never
    begin or that are too few to fill the pool, `ArgumentError` for a number out of range.
    """
    jobs, seed = integer(jobs, "jobs", START, MOST_JOBS), integer(seed, "seed", 0)
    largest = int(sizes.sizes[sizes.share > 0].max())
    _check(pool, largest)
    random = np.random.Generator(np.random.PCG64(seed))
    drawn = random.choice(sizes.sizes, (jobs + pool.lookahead, pool.blocks), p=sizes.share)
    asked = [sorted(job, reverse=True) for job in drawn.tolist()]
    return _run(pool, asked, random.exponential(1.0, len(asked)).tolist(), jobs)


def _check(pool: NpuPool, largest: int) -> None:
    room = pool.npus // largest * pool.supernodes
    if room < pool.blocks:
        raise PlacementError(
            f"a job of {pool.blocks} blocks of {largest} NPUs can never begin on"
            f" {pool.supernodes} supernodes of {pool.npus} NPUs: there is room for {room} of them"
        )


def _run(pool: NpuPool, asked: list[list[int]], holds: list[float], jobs: int) -> float:
    """The rate when ``asked`` (the blocks of each job, the largest first) have begun in turn."""
    free, held = [pool.npus] * pool.supernodes, 0
    queue, begun, now, counted, since = list(range(pool.lookahead)), 0, 0.0, 0.0, 0.0
    running: list[tuple[float, int, list[int]]] = []
    while begun < jobs:
        fits = _first_that_fits(free, queue, asked)
        if fits is None:
            end, job, where = heapq.heappop(running)
            counted, now = counted + held * (end - now), end
            for supernode, size in zip(where, asked[job], strict=True):
                free[supernode] += size
            held -= sum(asked[job])
            continue
        job, where = fits
        for supernode, size in zip(where, asked[job], strict=True):
            free[supernode] -= size
        held += sum(asked[job])
        heapq.heappush(running, (now + holds[job], job, where))
        begun += 1
        queue[queue.index(job)] = pool.lookahead + begun - 1
        queue.sort()
        if begun == jobs // START:
            counted, since = 0.0, now
    if now == since:
        raise PlacementError(f"{jobs} jobs do not fill the pool: more of them are needed")
    return counted / (now - since) / (pool.npus * pool.supernodes)


def _first_that_fits(
    free: Sequence[int], queue: Sequence[int], asked: Sequence[Sequence[int]]
) -> tuple[int, list[int]] | None:
    """The first job of the queue that can begin, and the supernode of each of its blocks."""
    for job in queue:
        where = _best_fit(free, asked[job])
        if where is not None:
            return job, where
    return None


def _best_fit(free: Sequence[int], blocks: Sequence[int]) -> list[int] | None:
    """The supernode of each block, where the least room is left over; None if one does not fit."""
    left, where = list(free), []
    for size in blocks:
        fitting = [(room, number) for number, room in enumerate(left) if room >= size]
        if not fitting:
            return None
        _, best = min(fitting)
        where.append(best)
        left[best] -= size
    return where
