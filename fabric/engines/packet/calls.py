"""The calls of a session: which of their ranks have entered, and how their streams meet."""

from typing import NamedTuple

import numpy as np

from fabric.engines.packet.rows import Rows
from fabric.engines.packet.state import NONE, Bools, Ints, Longs
from fabric.engines.packet.teams import TeamRows

ENDED_PART = -2  # in `MeetingRanks.lane`: the rank's part has ended


class BroughtRows(NamedTuple):
    """What one rank brings to a call: its streams as rows.

    ``src``, ``dst``: positions in the group; ``key``: int64, the same at both ends of a stream.
    ``teams``: what switches combine or copy of them for the rank, or from it; None: nothing.
    """

    src: Ints
    dst: Ints
    key: Longs
    rows: Rows
    teams: TeamRows | None = None


class MeetingRanks:
    """The ranks of a call that have entered, and their streams with those that have not.

    ``lane``: int64 [ranks of the group]: the lane of each, `NONE` before it enters, `ENDED_PART`.
    ``key``, ``slot``: of the streams of which one end has entered; ``to_end``: lanes.
    """

    def __init__(self, ranks: int) -> None:
        self.lane = np.full(ranks, NONE)
        self.key, self.slot = np.zeros(0, np.int64), np.zeros(0, np.int32)
        self.to_end = ranks


def lanes_of(lanes: Longs) -> Ints:
    """The lanes as a transfer has them: `NONE` for ranks that are not there."""
    return np.maximum(lanes, NONE).astype(np.int32)


def matched(waiting: Longs, key: Longs, own: Bools) -> tuple[Longs, Longs, Longs, Longs]:
    """Which rows are the other end of a stream that waits, or of an earlier row.

    Returns both for each row, `NONE` where there is none; the rows without another end that are not
    a rank's ``own``; and the streams that still wait.
    """
    n = len(waiting)
    keys = np.concatenate([waiting, key])
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    first, second = order[same], order[same + 1] - n
    old, new = np.full(len(key), NONE), np.full(len(key), NONE)
    was = first < n
    old[second[was]], new[second[~was]] = first[was], first[~was] - n
    single = np.ones(len(keys), bool)
    single[first], single[second + n] = False, False
    single[n:] &= ~own
    return old, new, np.flatnonzero(single[n:]), np.flatnonzero(single[:n])
