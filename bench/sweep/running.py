"""Points through an executor: handed out in groups that take long enough, answers as they come.

Any `concurrent.futures.Executor` will do. A worker that ends takes the points that it had with it:
these are asked again, first beside each other and then alone, so that the one to blame is known.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bench.sweep.answering import AskedPoint, PointAnswer, answers
from bench.sweep.options import SweepError
from topology.text import one_line

AIM = 0.3
"""Seconds of work that a worker is handed at once, so that handing over costs little."""

AHEAD = 2
"""Groups that are handed out for each worker: one to work on, and one to go on with."""

MOST_LOST = 20
"""Groups that may be lost one after the other, with no answer in between."""

ALONE = 2
"""How often a group is lost before its tasks are asked with nothing else going on."""

Pools = Callable[[], AbstractContextManager[tuple[Executor, int]]]
"""Opens an executor, and says how many workers it has."""


@dataclass(frozen=True)
class PointGroup:
    """Tasks that a worker gets at once; ``lost``: how often they went with a worker that ended."""

    tasks: tuple[AskedPoint, ...]
    lost: int = 0


@dataclass
class Use:
    """How well workers were used: their seconds in points, and those that they were there for."""

    busy: float = 0.0
    there: float = 0.0
    workers: int = 0

    @property
    def share(self) -> float:
        """The share of the workers' time that went into points, 0 to 1."""
        return min(self.busy / self.there, 1.0) if self.there else 0.0


@dataclass
class Queue:
    """What is still to be handed out, in the order in which it is.

    ``points``: not asked yet; ``again``: lost once, and asked beside others; ``alone``: lost twice.
    """

    points: deque[AskedPoint]
    again: deque[AskedPoint] = field(default_factory=deque)
    alone: deque[AskedPoint] = field(default_factory=deque)
    mean: float = AIM
    lost: int = 0

    @property
    def left(self) -> bool:
        """Whether anything is to be handed out."""
        return bool(self.points or self.again or self.alone)

    def next(self, workers: int, busy: int) -> PointGroup | None:
        """The next group for one of so many ``workers``, while ``busy`` groups are out."""
        if self.again:
            return PointGroup((self.again.popleft(),), 1)
        if self.points:
            size = max(1, min(int(AIM / self.mean), len(self.points) // (4 * workers)))
            return PointGroup(tuple(self.points.popleft() for _ in range(size)))
        return PointGroup((self.alone.popleft(),), ALONE) if self.alone and not busy else None

    def back(self, group: PointGroup, fault: BaseException) -> Iterator[PointAnswer]:
        """Take back a group that ``fault`` has ended; iterates over the answer if it was alone.

        Raises `SweepError` if too many were lost one after the other.
        """
        self.lost += 1
        said = one_line(f"{type(fault).__name__}: {fault}")
        if self.lost > MOST_LOST:
            raise SweepError(
                f"{self.lost} times in a row a worker has ended without answer: {said}"
            )
        if group.lost < ALONE:
            (self.alone if group.lost else self.again).extend(group.tasks)
        else:
            yield PointAnswer(group.tasks[0].key, (), f"its worker has ended: {said}", (), 0.0, "")

    def learn(self, found: list[PointAnswer]) -> list[PointAnswer]:
        """Reckon with what points have taken; returns the answers."""
        self.lost = 0
        for one in found:
            self.mean += (max(one.seconds, 1e-5) - self.mean) / 8
        return found


def run(tasks: Iterable[AskedPoint], pools: Pools, use: Use) -> Iterator[PointAnswer]:
    """Iterate over the answers at all points, as they come; ``use`` is added up.

    Raises `SweepError` if workers end again and again without an answer.
    """
    queue = Queue(deque(tasks))
    while queue.left:
        with pools() as (pool, workers):
            began, use.workers = time.perf_counter(), workers
            try:
                yield from _in_pool(queue, pool, workers, use)
            finally:
                use.there += workers * (time.perf_counter() - began)


def _in_pool(queue: Queue, pool: Executor, workers: int, use: Use) -> Iterator[PointAnswer]:
    """Answers until all is done or the pool is broken; what it had is then back in the queue."""
    out: dict[Future[list[PointAnswer]], PointGroup] = {}
    broken = False
    while not broken and _hand_out(queue, pool, workers, out):
        for future in wait(out, return_when=FIRST_COMPLETED).done:
            group, fault = out.pop(future), future.exception()
            if fault is None:
                found = queue.learn(future.result())
                use.busy += sum(one.seconds for one in found)
                yield from found
            else:
                broken |= isinstance(fault, BrokenExecutor)
                yield from queue.back(group, fault)
    for group in out.values():
        yield from queue.back(group, BrokenExecutor("another one's end has ended them all"))


def _hand_out(
    queue: Queue, pool: Executor, workers: int, out: dict[Future[list[PointAnswer]], PointGroup]
) -> bool:
    """Hand out as much as workers should have; False if nothing is out."""
    ahead = 1 if queue.again else AHEAD
    while len(out) < ahead * workers and not any(one.lost == ALONE for one in out.values()):
        group = queue.next(workers, len(out))
        if group is None:
            break
        try:
            out[pool.submit(answers, group.tasks)] = group
        except BrokenExecutor as error:
            future: Future[list[PointAnswer]] = Future()
            future.set_exception(error)
            out[future] = group
            break
    return bool(out)
