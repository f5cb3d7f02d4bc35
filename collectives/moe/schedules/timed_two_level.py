"""The rows of one rank of the two-level mode, from what that rank knows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectives.moe.routing.routing import Ints
from collectives.moe.schedules.two_level import BOTH
from fabric.schedule.plan import Plan, PlanStep


@dataclass(frozen=True, eq=False, slots=True)
class Chunked:
    """Tokens by chunk that pass ``rank``, all others 0; nodes have ``width`` ranks.

    ``to_node``: ``[chunks, src, node]``, where the rank is the source, or the relay of that node;
    ``to_rank``: ``[chunks, src, dst]``, where it is the relay or the destination.
    """

    rank: int
    width: int
    to_node: Ints
    to_rank: Ints


def relays(ranks: int, width: int) -> NDArray[np.int64]:
    """Which rank takes what each source sends to each node: ``[src, node]``."""
    node, src = np.arange(ranks // width), np.arange(ranks)[:, None]
    relay: NDArray[np.int64] = node * width + src % width
    return relay


def plan(known: Chunked, size: int, *, back: bool) -> Plan:
    """Rows of `normal.dispatch` with ``exact=False``, or of `normal.combine` with ``back``."""
    ranks = known.to_rank.shape[1]
    return Plan(known.rank, ranks, tuple(_parts(known, size, back)))


def _parts(known: Chunked, size: int, back: bool) -> Iterator[PlanStep]:
    chunks, ranks, nodes = known.to_node.shape
    relay = relays(ranks, known.width)
    own = np.arange(ranks)[:, None] // known.width == np.arange(nodes)
    ticks = range(chunks + 1)
    for number, tick in enumerate(reversed(ticks) if back else ticks):
        columns = []
        if tick < chunks:
            src, node = np.nonzero(known.to_node[tick] * ~own)
            columns.append((src, relay[src, node], known.to_node[tick][src, node]))
        if tick > 0:
            src, dst = np.nonzero(known.to_rank[tick - 1])
            columns.append((relay[src, dst // known.width], dst, known.to_rank[tick - 1][src, dst]))
        begin, end, n = (np.concatenate(column) for column in zip(*columns, strict=True))
        if len(n):
            yield _part(number, (end, begin) if back else (begin, end), n, size, back)


def _part(number: int, ends: tuple[Ints, Ints], n: Ints, size: int, back: bool) -> PlanStep:
    nowhere = np.zeros_like(n)
    return PlanStep(number, *ends, n * size, nowhere, nowhere, n, back, "recv", "recv", BOTH)
