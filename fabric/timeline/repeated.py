"""A long run that repeats a few operations, as one film: a decoding step with its many layers.

Every repetition of an operation carries what one does; each is laid over the film from when it
begins. So bytes are exact, and moments as exact as `PARTS` parts of an operation are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabric.timeline.film import BINS, MOST_CELLS, Film, film_of, ranks_of_cell
from fabric.timeline.ranks import RankStretches
from fabric.timeline.value import Timeline

PARTS = 16
"""Intervals of an operation that are told apart."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RepeatedRun:
    """An operation, what pictures call it, and when it begins, in seconds: float64 [times]."""

    timeline: Timeline
    label: str
    begins: _Floats


def film_of_repeated(
    parts: Sequence[RepeatedRun], duration: float, ranks: RankStretches, *, labels: Sequence[str],
    title: str, facts: Sequence[tuple[str, str]] = (), bins: int = BINS,
) -> Film:  # fmt: skip
    """The film of operations of one machine that begin again and again, within ``duration`` s.

    ``labels``: the classes of traffic, of which ``ranks`` and the parts have theirs.
    """
    first = parts[0].timeline
    router = first.router
    bins = max(8, min(bins, MOST_CELLS // max(1, len(router.capacity))))
    carried, waiting, most = (np.zeros((len(router.capacity), bins)) for _ in range(3))
    main = np.zeros(carried.shape, np.int64)
    link_bytes, pairs = np.zeros(router.topology.n_links), np.zeros((1, 1))
    for part in parts:
        if not part.timeline.duration:
            continue
        one = film_of(part.timeline, bins=PARTS)
        cut = one.utilisation.shape[1]
        amount = one.utilisation * router.capacity[:, None] * (one.duration / cut)
        shares = _shares(part.begins, part.timeline.duration, cut, duration, bins)
        moved = amount @ shares
        carried += moved
        waiting += one.backlog @ _under_way(part, cut, duration, bins)
        main[moved > most] = labels.index(part.label)
        most = np.maximum(most, moved)
        link_bytes = link_bytes + len(part.begins) * one.link_bytes
        pairs = pairs + len(part.begins) * one.pairs
    return Film(
        title=title, duration=duration, facts=tuple(facts),
        resource=router.link_resource.astype(np.int64),
        utilisation=carried / router.capacity[:, None] / (duration / bins), backlog=waiting,
        main_label=main, labels=tuple(labels), link_bytes=link_bytes, ranks=ranks, pairs=pairs,
        pairs_of=ranks_of_cell(first.ranks),
    )  # fmt: skip


def _shares(
    begins: _Floats, lasts: float, parts: int, duration: float, bins: int
) -> _Floats:  # fmt: skip
    """How much of each part of an operation lies in each interval, all times: [parts, bins]."""
    width, length = duration / bins, lasts / parts
    found = np.zeros((parts, bins))
    edges = np.arange(bins + 1) * width
    for part in range(parts):
        since = begins[:, None] + part * length
        common = np.clip(edges[None, :], since, since + length)
        found[part] = np.diff(common, axis=1).sum(axis=0) / length
    return found


def _under_way(part: RepeatedRun, parts: int, duration: float, bins: int) -> _Floats:
    """In which of its parts an operation is at the end of each interval: 0 or 1, [parts, bins]."""
    found = np.zeros((parts, bins))
    ends = np.arange(1, bins + 1) * (duration / bins)
    since = (ends[None, :] - part.begins[:, None]) / (part.timeline.duration / parts)
    for at in np.floor(since).astype(np.int64):
        inside = (at >= 0) & (at < parts)
        found[at[inside], np.flatnonzero(inside)] = 1.0
    return found
