"""Operations on one machine at once, in a session of its engine: when each is through."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collectives.workloads.background.streams import BackgroundError
from fabric.clock.calls import Catalogue
from fabric.fabric import Fabric
from fabric.schedule.plan import plans
from fabric.schedule.step import Step


@dataclass(frozen=True)
class TimedOperation:
    """An operation that all ranks begin at ``begin``, in seconds; else as in `Fabric.simulate`."""

    steps: Iterable[Step]
    operation: str = ""
    begin: float = 0.0


def together(
    fabric: Fabric, operations: Sequence[TimedOperation], *, ranks: int
) -> tuple[float, ...]:
    """Seconds that each operation takes, from its begin to the end of its last rank.

    They share links, and the limits of each rank, as calls of running ranks do. Raises
    `BackgroundError` if one can never end, and as a session of the engine does.
    """
    session = fabric.session(ranks)
    catalogue = Catalogue(fabric, ranks, session)
    for number, one in enumerate(operations):
        family = catalogue.family(one.operation, tuple(range(ranks)))
        for rank, plan in enumerate(plans(one.steps, ranks)):
            part = catalogue.part(family, plan.rows, rank)
            session.enter(number, one.begin + family.start, part.streams)
    last, left = [one.begin for one in operations], ranks * len(operations)
    while left:
        ended = session.advance(math.inf)
        if not ended:
            raise BackgroundError("transfers never end: no bandwidth is left")
        for end in ended:
            last[end.call] = max(last[end.call], end.time)
        left -= len(ended)
    return tuple(end - one.begin for end, one in zip(last, operations, strict=True))
