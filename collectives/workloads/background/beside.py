"""An operation with streams beside it, in a session of the machine's engine.

They go on until its last rank is through; see `StreamSession`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collectives.workloads.background.session import StreamAnswer, StreamSession, by_plane
from collectives.workloads.background.streams import Background, BackgroundError
from fabric.clock.calls import Catalogue
from fabric.engines.base import Session
from fabric.fabric import Fabric
from fabric.schedule.plan import TimedRows, plans
from fabric.schedule.step import Step


@dataclass(frozen=True)
class Beside:
    """An operation beside streams: ``time`` and ``alone`` in seconds, and what the streams got."""

    time: float
    alone: float
    streams: tuple[StreamAnswer, ...]

    @property
    def leakage(self) -> float:
        """By which fraction of its time alone the operation takes longer beside the streams."""
        return self.time / self.alone - 1 if self.alone > 0 else 0.0


def beside(
    fabric: Fabric, steps: Iterable[Step], streams: Sequence[Background], *, ranks: int,
    operation: str = "", size: int | None = None,
) -> Beside:  # fmt: skip
    """Time an operation of ``ranks`` ranks with these streams beside it.

    ``steps``, ``operation``, ``size``: as in `Fabric.simulate`. Raises `BackgroundError` for
    streams that cannot be on the machine, and as a session of the engine does.
    """
    check_streams(fabric, streams, ranks)
    shares = [plan.rows for plan in plans(steps, ranks)]
    alone = _time(fabric, fabric.session(ranks), shares, operation, size)
    session = StreamSession(fabric, streams, ranks, alone=alone)
    time = _time(fabric, session, shares, operation, size)
    return Beside(time, alone, session.answers(time))


def _time(
    fabric: Fabric, session: Session, shares: Sequence[TimedRows], operation: str, size: int | None
) -> float:
    """Seconds until the last rank of an operation that begins at once is through."""
    ranks = len(shares)
    catalogue = Catalogue(fabric, ranks, session)
    family = catalogue.family(operation, tuple(range(ranks)), size)
    for rank, rows in enumerate(shares):
        session.enter(0, family.start, catalogue.part(family, rows, rank).streams)
    last, left = 0.0, ranks
    while left:
        ends = session.advance(math.inf)
        if not ends:
            raise BackgroundError(f"transfers of {operation} never end: no bandwidth is left")
        left -= len(ends)
        last = max([last, *(end.time for end in ends)])
    return last


def seconds_of(
    fabric: Fabric, steps: Iterable[Step], streams: Sequence[Background], *, ranks: int,
    operation: str = "", size: int | None = None,
) -> float:  # fmt: skip
    """Seconds that an operation takes beside ``streams``, or alone where there are none.

    As `beside`, and as `Fabric.simulate`.
    """
    if not streams:
        return fabric.simulate(steps, operation=operation, size=size, ranks=ranks).duration
    return beside(fabric, steps, streams, ranks=ranks, operation=operation, size=size).time


def check_streams(fabric: Fabric, streams: Sequence[Background], ranks: int) -> None:
    """Raise `BackgroundError` for streams that cannot be beside an operation of so many ranks."""
    by_plane(fabric, streams, ranks)
