"""Ranks that are threads of this process."""

import contextvars
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fabric.failure import RankLost, WorldError
from fabric.host.forked import end_of_child, here
from fabric.launching.current import CURRENT
from fabric.launching.job import LaunchJob
from fabric.launching.member import local, once
from fabric.launching.outcome import WorldEnded, outcome_of
from fabric.launching.supervise import LAST_GRACE
from fabric.launching.tracing import opened
from fabric.settings import Settings
from fabric.transports.base import connector
from fabric.world.local import SharedLine
from fabric.world.world import World

if TYPE_CHECKING:
    from fabric.fabric import Fabric

WORLD_LOOK = 0.05
"""Seconds between two looks of the launcher at the world."""


SWITCH_INTERVAL = 0.0002
"""Seconds, for each rank, after which the interpreter looks whether another thread should go on."""


class _ThreadTeam:
    """The threads of a world and what they returned or raised."""

    def __init__(
        self, hub: SharedLine, settings: Settings, make: "Callable[[], Fabric | None]"
    ) -> None:
        self.hub, self.settings, self.make = hub, settings, make
        self.outcomes: dict[int, Any] = {}
        self.ended = threading.Condition()
        self._at_home = here()

    def run(self, rank: int, job: LaunchJob) -> None:
        """The body of a rank's thread."""
        join = functools.cache(
            lambda: local(self.hub, rank, self.settings, self.make, transport=job.transport)
        )
        CURRENT.set(join)
        outcome = outcome_of(job.main, job.args, join)
        end_of_child(self._at_home, outcome)
        control = self.hub.controls[rank]
        if isinstance(outcome, BaseException):  # a rank that never joined has not reported it
            control.fail(outcome)
        control.leave()
        with self.ended:
            self.outcomes[rank] = outcome
            self.ended.notify_all()

    def watch(self, threads: list[threading.Thread], timeout: float | None) -> None:
        """Return when all have ended, or, after the world's end, their grace is over."""
        due = None if timeout is None else time.monotonic() + timeout
        over: float | None = None
        while len(self.outcomes) < len(threads):
            with self.ended:
                self.ended.wait(WORLD_LOOK)
            self.hub.look(WORLD_LOOK)
            now = time.monotonic()
            if self.hub.world.error is not None:
                over = over or now + self.settings.grace
                if now > over:
                    return
            elif due is not None and now > due:
                self.hub.late(set(range(len(threads))) - self.outcomes.keys(), timeout or 0.0)

    def rest(self, ranks: int, patience: float) -> None:
        """Return when so many ranks have ended, at most after ``patience`` seconds."""
        with self.ended:
            self.ended.wait_for(lambda: len(self.outcomes) == ranks, patience)


def run_threads(job: LaunchJob) -> WorldEnded:
    """Run ``job`` with its ranks as threads; returns how it ended; see `fabric.launch`."""
    with opened(job.ranks, job.settings, job.make) as world, _longer_turns(job.ranks):
        return _run(world, job)


@contextmanager
def _longer_turns(ranks: int) -> Iterator[None]:
    """While there are hundreds of threads, have them take longer turns, as Python lets one run.

    Each thread that waits for its turn wakes up so often to ask for it: by default every 5 ms,
    which for 768 threads takes more time than their program.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(max(before, ranks * SWITCH_INTERVAL))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _run(world: World, job: LaunchJob) -> WorldEnded:
    make = once(job.make or job.settings.fabric)
    team = _ThreadTeam(SharedLine(world), job.settings, make)
    threads = [
        threading.Thread(
            target=contextvars.copy_context().run, args=(team.run, rank, job),
            name=f"rank {rank}", daemon=True,
        )
        for rank in range(job.ranks)
    ]  # fmt: skip
    connector(job.transport)  # looked up once, not by all threads at once
    for thread in threads:
        thread.start()
    try:
        team.watch(threads, job.timeout)
    except BaseException as error:  # Ctrl-C: the ranks must not go on without their launcher
        team.hub.stop(WorldError(f"the launcher was stopped by {type(error).__name__}"))
        team.rest(len(threads), LAST_GRACE)
        raise
    return WorldEnded([_outcome(team, rank) for rank in range(job.ranks)], world.error)


def _outcome(team: _ThreadTeam, rank: int) -> Any:
    running = RankLost(f"rank {rank} still runs, after {team.settings.grace:g} s of grace", rank)
    return team.outcomes.get(rank, running)
