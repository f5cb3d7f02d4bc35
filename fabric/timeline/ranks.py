"""What every rank did when, for whom it waited, and the chain of transfers that set the end.

A rank begins its rows of a step when it has finished those of the step before, and a row when both
of its ranks have reached it. So the earlier one waits for the other; and from the last transfer of
the last rank one can go back, at each transfer, to the rank that reached it later, to the begin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabric.timeline.value import Timeline

MOST_ROWS = 4_000_000
"""Transfers of a timeline whose stretches are worked out; longer ones have none."""

MOST_STRETCHES = 40_000
"""Stretches that a picture shows; where there are more, steps next to each other are joined."""

_Floats = NDArray[np.float64]
_Longs = NDArray[np.int64]


WAIT, MOVE, SOFTWARE = 0, 1, 2
"""What a rank does in a stretch of time: waits for another, moves bytes, spends time in its
own software."""


@dataclass(frozen=True, eq=False)
class RankStretches:
    """What every rank did when, as rows.

    ``rank``: int64; ``begin``, ``end``: float64, seconds; ``what``: int64, `WAIT`, `MOVE` or
    `SOFTWARE`; ``label``: int64, of `Film.labels`; ``peer``: int64, the rank that it waited for or
    that set its end, -1 for none; ``critical``: bool, whether the row is on the critical path.
    ``ranks``: how many; ``place``: int64 [ranks], the vertex of each.
    """

    rank: _Longs
    begin: _Floats
    end: _Floats
    what: _Longs
    label: _Longs
    peer: _Longs
    critical: NDArray[np.bool_]
    ranks: int
    place: _Longs


@dataclass(frozen=True)
class Visits:
    """The part of each rank in each step that it has rows in.

    In order of rank, then step: ``rank``, ``step``; ``ready``: float64, when it had finished the
    step before (0 for the first); ``start``, ``end``: of its first and last row; ``first`` and
    ``last``: int64, those rows of the timeline. ``of_src``, ``of_dst``: int64 [rows], the visit of
    each row's two ranks.
    """

    rank: _Longs
    step: _Longs
    ready: _Floats
    start: _Floats
    end: _Floats
    first: _Longs
    last: _Longs
    of_src: _Longs
    of_dst: _Longs


def visits(timeline: Timeline) -> Visits:
    """Each rank's part in each step: when it was ready, began and ended (s), and its rows."""
    rows = np.arange(len(timeline.src))
    rank, step = np.concatenate([timeline.src, timeline.dst]), np.tile(timeline.step, 2)
    row = np.tile(rows, 2)
    key = rank * (int(step.max(initial=0)) + 1) + step
    unique, at = np.unique(key, return_inverse=True)
    start, end = timeline.start[row], timeline.finish[row]
    by_start = np.lexsort((-start, at))  # the last of each visit in this order started first
    by_end = np.lexsort((end, at))
    bounds = np.searchsorted(at[by_end], np.arange(len(unique)), side="right") - 1
    first, last = row[by_start[bounds]], row[by_end[bounds]]
    of_rank = rank[by_end[bounds]]
    finish = timeline.finish[last]
    same = np.append(False, of_rank[1:] == of_rank[:-1])
    ready = np.where(same, np.append(0.0, finish[:-1]), 0.0)
    return Visits(
        of_rank, timeline.step[last], ready, timeline.start[first], finish, first, last,
        at[: len(rows)], at[len(rows) :],
    )  # fmt: skip


def critical_path(timeline: Timeline, found: Visits) -> list[tuple[int, int]]:
    """The chain of waits that sets the end: (rank, row that ended its step), last first."""
    if not len(found.rank):
        return []
    ends = np.flatnonzero(np.append(found.rank[1:] != found.rank[:-1], True))
    visit = int(ends[timeline.rank_finish[found.rank[ends]].argmax()])
    chain = []
    while True:
        row = int(found.last[visit])
        chain.append((int(found.rank[visit]), row))
        both = (int(found.of_src[row]), int(found.of_dst[row]))
        later = max(both, key=lambda v: float(found.ready[v]))
        if found.ready[later] <= 0.0 or found.rank[later - 1] != found.rank[later]:
            return chain
        visit = later - 1


def rank_stretches(timeline: Timeline, label_of_step: _Longs) -> RankStretches | None:
    """What each rank does when: moving bytes, waiting, or software; None beyond `MOST_ROWS` rows.

    The gap before a transfer counts as software time of the slower of its two ranks, and the rest
    as waiting. ``label_of_step``: int [steps], the class of each step. Beyond `MOST_STRETCHES`
    steps of ranks, neighbouring ones are merged.
    """
    if len(timeline.src) > MOST_ROWS:
        return None
    found = visits(timeline)
    path = critical_path(timeline, found)
    begin, end = _stretches(found)
    rank, label = found.rank[begin], label_of_step[found.step[begin]]
    ready, start, first, last = (
        found.ready[begin], found.start[begin], found.first[begin], found.last[end],
    )  # fmt: skip
    partner = np.where(found.of_src[first] == begin, found.of_dst[first], found.of_src[first])
    late = np.minimum(start - ready, timeline.start[first] - found.ready[partner])
    came = ready + np.maximum(late, 0.0)
    nobody = np.full(len(rank), -1)
    waited_for, ended_with = (_peer(timeline, row, rank) for row in (first, last))
    finish = _last_finish(timeline, found)
    ranks = np.arange(timeline.ranks)
    return _drawn(
        timeline,
        [
            (rank, ready, came, nobody + 1 + SOFTWARE, label, nobody),
            (rank, came, start, nobody + 1 + WAIT, label, waited_for),
            (rank, start, found.end[end], nobody + 1 + MOVE, label, ended_with),
            (ranks, finish, timeline.rank_finish, ranks * 0 + SOFTWARE, ranks * 0, ranks * 0 - 1),
        ],
        path,
        label_of_step,
    )


_Part = tuple[_Longs, _Floats, _Floats, _Longs, _Longs, _Longs]


def _drawn(
    timeline: Timeline, parts: list[_Part], path: list[tuple[int, int]], label_of_step: _Longs
) -> RankStretches:
    """All stretches that last, then the critical path's."""
    on_path, row = np.array(path, np.int64).reshape(-1, 2).T
    critical: _Part = (
        on_path, timeline.start[row], timeline.finish[row], row * 0 + MOVE,
        label_of_step[timeline.step[row]], _peer(timeline, row, on_path),
    )  # fmt: skip
    rank, begin, end, what, label, peer = (
        np.concatenate(columns) for columns in zip(*parts, critical, strict=True)
    )
    marked = np.arange(len(rank)) >= len(rank) - len(path)
    lasts = marked | (end - begin > 1e-6 * timeline.duration)
    places = timeline.places[: timeline.ranks].astype(np.int64)
    return RankStretches(
        rank[lasts], begin[lasts], end[lasts], what[lasts], label[lasts], peer[lasts],
        marked[lasts], timeline.ranks, places,
    )  # fmt: skip


def _stretches(found: Visits) -> tuple[_Longs, _Longs]:
    """The first and the last visit of each stretch that is drawn as one: int64 each."""
    count = len(found.rank)
    if not count:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    together = max(1, -(-count // MOST_STRETCHES))
    part = found.step // together
    change = (found.rank[1:] != found.rank[:-1]) | (part[1:] != part[:-1])
    return np.flatnonzero(np.append(True, change)), np.flatnonzero(np.append(change, True))


def _peer(timeline: Timeline, row: _Longs, rank: _Longs) -> _Longs:
    return np.where(timeline.src[row] == rank, timeline.dst[row], timeline.src[row])


def _last_finish(timeline: Timeline, found: Visits) -> _Floats:
    """When each rank's last row was through, float64 [ranks]."""
    finish = np.zeros(timeline.ranks)
    np.maximum.at(finish, found.rank, found.end)
    return finish
