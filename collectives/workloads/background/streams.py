"""What runs beside an operation: KV transfers, checkpoints, all-reduces, as their ranks send them.

Who sends to whom is an assumption, the same for every machine:

- ``kv``: every rank sends to the one half of the ranks further, as prefill to decode.
- ``checkpoint``: every rank sends to one of the last ranks, an eighth of all, as to storage.
- ``all_reduce``: all ranks reduce by a ring, as data-parallel training does.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from collectives.algorithms.table import schedule
from fabric.schedule.plan import TimedRows, plans
from fabric.schedule.step import Step
from topology.arguments import shown
from topology.errors import TriplaneError
from topology.names import near
from topology.units import MiB, parse, show

BLOCKS: Mapping[str, int] = MappingProxyType(
    {"kv": MiB, "checkpoint": 16 * MiB, "all_reduce": 16 * MiB}
)
"""The kinds of streams, and the bytes of a block of each: an assumption. A kind is also the name by
which a table of traffic classes has it among its operations."""


class BackgroundError(TriplaneError):
    """A stream beside an operation is wrong, or cannot be on this machine."""


@dataclass(frozen=True)
class Background:
    """A stream that every rank offers beside an operation.

    ``kind``: one of `BLOCKS`; ``rate``: bytes per second that each rank offers (of an all_reduce:
    that are reduced), inf: as much as it gets through; ``plane``: over which it goes, None: over
    those of the operation; ``within``: seconds in which a block should be through (its service
    level objective), None: nothing is asked.
    """

    kind: str
    rate: float
    plane: str | None = None
    within: float | None = None

    def __str__(self) -> str:
        over = f"@{self.plane}" if self.plane else ""
        within = "" if self.within is None else f"<{show(self.within, 'time').replace(' ', '')}"
        return f"{self.kind}:{show(self.rate, 'bandwidth').replace(' ', '')}{over}{within}"


@dataclass(frozen=True, eq=False)
class Lane:
    """Blocks that follow one another between the ranks of ``group``.

    ``rows``: of a block, at each position of the group; ``first``: which part of the time between
    two blocks passes before the first one, so that ranks do not beat in time.
    """

    group: tuple[int, ...]
    rows: tuple[TimedRows, ...]
    first: float


def background(text: str) -> Background:
    """The stream that ``text`` describes, such as ``kv:25GB/s@rdma<100us``.

    Raises `BackgroundError`.
    """
    kind, colon, more = text.partition(":")
    rest, less, objective = more.partition("<")
    amount, at, plane = rest.partition("@")
    if kind not in BLOCKS:
        raise BackgroundError(
            f"background {shown(text)}: no stream {shown(kind)}; there are {', '.join(BLOCKS)}"
            f"{near(kind, BLOCKS)}"
        )
    if not colon or (at and not plane):
        raise BackgroundError(
            f"background {shown(text)}: it has to be KIND:RATE, KIND:RATE@PLANE or either with"
            " <TIME, such as kv:25GB/s@rdma<100us"
        )
    try:
        rate = parse(amount, "bandwidth")
        within = parse(objective, "time") if less else None
    except TriplaneError as error:
        raise BackgroundError(f"background {shown(text)}: {error}") from None
    if not rate > 0:
        raise BackgroundError(f"background {shown(text)}: at {amount} nothing is ever sent")
    return Background(kind, rate, plane or None, within)


def lanes(kind: str, ranks: int) -> tuple[Lane, ...]:
    """Who sends to whom in a stream of ``kind`` over so many ranks, two or more."""
    return _LANES[kind](ranks)


def _kv(ranks: int) -> tuple[Lane, ...]:
    return _pairs([(rank, (rank + ranks // 2) % ranks) for rank in range(ranks)], BLOCKS["kv"])


def _checkpoint(ranks: int) -> tuple[Lane, ...]:
    sinks = math.ceil(ranks / 8)
    pairs = [(rank, ranks - 1 - rank % sinks) for rank in range(ranks - sinks)]
    return _pairs(pairs, BLOCKS["checkpoint"])


def _all_reduce(ranks: int) -> tuple[Lane, ...]:
    made = plans(schedule("all_reduce", ranks, BLOCKS["all_reduce"], "ring"), ranks)
    return (Lane(tuple(range(ranks)), tuple(plan.rows for plan in made), 0.0),)


_LANES: Mapping[str, Callable[[int], tuple[Lane, ...]]] = MappingProxyType(
    {"kv": _kv, "checkpoint": _checkpoint, "all_reduce": _all_reduce}
)


def _pairs(pairs: list[tuple[int, int]], block: int) -> tuple[Lane, ...]:
    rows = tuple(plan.rows for plan in plans([Step(0, 1, block)], 2))
    first = np.arange(len(pairs)) / max(len(pairs), 1)
    return tuple(Lane(pair, rows, part) for pair, part in zip(pairs, first.tolist(), strict=True))
