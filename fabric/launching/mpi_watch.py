"""The launcher's watch over ranks under mpiexec, which it has not started itself.

mpiexec notices a rank that has ended, and ends the others. It does not notice a rank that is
stopped, nor the shared memory that MPI leaves when ranks die before they have joined.
"""

import time
from contextlib import suppress
from pathlib import Path

from fabric.failure import RankLost
from fabric.host.liveness import GONE, STOPPED, birth, state
from fabric.host.sweep import PROC, mapped, marked

RANK = "PMI_RANK=", "OMPI_COMM_WORLD_RANK="
"""What is in the environment of a rank, and not of mpiexec and its helpers."""

LOOK = 0.1
"""Seconds between two looks at the ranks."""

SOON = 0.02
"""The same as long as they have shared memory that somebody has to remove."""

KEPT = 2.0
"""Seconds after which mpiexec has surely been told that a rank has ended, unless by a debugger."""

AUTHORITY = 1.0
"""Seconds that the authority has, which knows better what a rank that stands still was in."""


class MpiWatch:
    """A watch over ``ranks`` ranks under mpiexec, whose environment has ``mark``.

    A rank that is stopped for longer than ``patience`` seconds, while others run, is given up.
    """

    def __init__(self, mark: str, ranks: int, patience: float) -> None:
        self._mark, self._size, self._patience = mark, ranks, patience + AUTHORITY
        self._ranks: dict[int, int] = {}
        self._since: dict[int, float] = {}
        self._ended: dict[int, float] = {}
        self._segments = set[Path]()
        self._looked = 0.0
        self._unlinked = False

    def look(self) -> RankLost | None:
        """Look at the ranks' processes.

        Returns the error for a rank that has to be given up, or None.
        """
        now = time.monotonic()
        if now - self._looked < (LOOK if self._unlinked else SOON):
            return None
        self._looked = now
        if len(self._ranks) < self._size:
            self._ranks = {pid: _rank(pid) for pid in marked(self._mark, RANK)}
        self._note_segments()
        return self._stopped(now) or self._kept(now)

    def remove_segments(self) -> None:
        """Remove the shared memory of ranks that have ended without removing it."""
        for path in self._segments:
            path.unlink(missing_ok=True)

    def _note_segments(self) -> None:
        """Until all ranks have removed theirs, as they do when they join."""
        if not self._unlinked:
            found = set[Path]().union(*(mapped(pid) for pid in self._ranks))
            self._unlinked = bool(self._segments) and not any(path.exists() for path in found)
            self._segments |= found

    def _stopped(self, now: float) -> RankLost | None:
        standing = {pid for pid in self._ranks if state(pid) == STOPPED}
        if len(standing) == len(self._ranks):  # somebody has stopped the job as a whole
            self._since = {}
        self._since = {pid: self._since.get(pid, now) for pid in standing}
        for pid, since in self._since.items():
            if now - since > self._patience and standing != set(self._ranks):
                rank, limit = self._ranks[pid], self._patience - AUTHORITY
                return RankLost(f"rank {rank} has been stopped for more than {limit:g} s", rank)
        return None

    def _kept(self, now: float) -> RankLost | None:
        """A rank that has ended, of which mpiexec does not hear before a debugger has looked."""
        zombies = {pid for pid in self._ranks if state(pid) == GONE and birth(pid)}
        self._ended = {pid: self._ended.get(pid, now) for pid in zombies}
        for pid, since in self._ended.items():
            if now - since > KEPT:
                rank = self._ranks[pid]
                return RankLost(f"rank {rank} has ended, and a debugger keeps its process", rank)
        return None


def _rank(pid: int) -> int:
    with suppress(OSError):
        for item in (PROC / str(pid) / "environ").read_bytes().split(b"\0"):
            name, _, value = item.decode(errors="replace").partition("=")
            if f"{name}=" in RANK and value.isdigit():
                return int(value)
    return 0
