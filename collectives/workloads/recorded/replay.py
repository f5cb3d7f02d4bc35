"""`replay`: what a recorded run costs on a machine, without its program and its data."""

from dataclasses import dataclass

import numpy as np

from collectives.workloads.recorded.remade import Remade, ReplayError
from fabric.clock.emulator import Emulator
from fabric.fabric import Fabric
from fabric.run_log.value import BEGIN, COMPUTE, SPAN, WAIT, Floats, RunLog
from fabric.settings import strict_emulator

BATCH = 256
"""Entries after which time goes on as far as it can, so that no more calls are open than need."""


@dataclass(frozen=True, eq=False)
class ReplayedRun:
    """When everything happened on another machine, in emulated seconds.

    ``begin``, ``end``: of each part of ``log``, nan where the log ends before; ``clock``: of each
    rank at its end. ``compute_scale``: what times of computing were multiplied by. ``emulator``:
    with the record of all of it, for traces.
    """

    log: RunLog
    begin: Floats
    end: Floats
    clock: Floats
    compute_scale: float
    emulator: Emulator

    @property
    def is_whole(self) -> bool:
        """Whether every call that was begun ends: the program did not stop in the middle."""
        return not bool(np.isnan(self.end).any())


def replay(
    log: RunLog, fabric: Fabric, *, as_part_of: int | None = None, compute_scale: float = 1.0
) -> ReplayedRun:
    """The calls of ``log`` on ``fabric``, in strict time, as its ranks would make them there.

    Collectives are made by the algorithm that is fastest there, unless the program asked for one.
    ``as_part_of``: of how many ranks of the fabric the log's are some; None: they are all.
    ``compute_scale``: what times of computing are multiplied by. Raises `ReplayError` for calls
    that cannot be made so, `WorldError` where the fabric has too few places, and what running ranks
    there would raise.
    """
    whole = log.ranks if as_part_of is None else as_part_of
    if whole % log.ranks:
        raise ReplayError(f"as_part_of is {whole}; it has to be a multiple of {log.ranks} ranks")
    emulator = strict_emulator(fabric, log.ranks, whole)
    _post(log, Remade(log, emulator, whole // log.ranks), emulator, compute_scale)
    for rank in range(log.ranks):
        emulator.end(rank)
    emulator.advance()
    begin, end = _times(log, emulator)
    clock = np.array([emulator.clock(rank) for rank in range(log.ranks)])
    return ReplayedRun(log, begin, end, clock, compute_scale, emulator)


def _post(log: RunLog, remade: Remade, emulator: Emulator, compute_scale: float) -> None:
    """Have every rank do what it did, in its order."""
    parts = log.parts
    columns = (column.tolist() for column in log.entries)
    for at, (rank, what, number, value) in enumerate(zip(*columns, strict=True)):
        if what == BEGIN:
            call = int(parts.call[number])
            rows, operation = remade.moved(number)
            emulator.called(call, log.call(call).words)
            emulator.begin(rank, call, log.call(call).group, rows, operation)
        elif what == WAIT:
            emulator.wait(rank, number)
        elif what == COMPUTE:
            emulator.compute(rank, value * compute_scale)
        else:
            emulator.mark(rank, number, log.spans[int(value)] if what == SPAN else None)
        if at % BATCH == BATCH - 1:
            emulator.advance()


def _times(log: RunLog, emulator: Emulator) -> tuple[Floats, Floats]:
    """Begin and end of each part."""
    known = {
        (emulator.posted_as(one.op), one.rank): (one.begin, one.end)
        for one in emulator.recorded()
        if one.rank < emulator.running
    }
    none = (np.nan, None)
    pairs = zip(log.parts.call.tolist(), log.parts.rank.tolist(), strict=True)
    found = [known.get(pair, none) for pair in pairs]
    times = np.array(found, np.float64).reshape(-1, 2)  # None is nan
    return times[:, 0].copy(), times[:, 1].copy()
