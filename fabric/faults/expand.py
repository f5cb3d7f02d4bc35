"""From faults to changes of links: pure, and the same bits on every host.

A thing that breaks is broken in some spans of time. For each link those of all things that it is
part of are laid over each other: shares are multiplied. What routes know follows what links carry
once that has lasted for the detection delay: nobody routes around a link that is dead for less.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.faults.changes import LinkChange, TimedChange
from fabric.faults.table import Fault, FaultError, FaultPlan
from fabric.faults.things import things_of
from topology.graph import Topology

_Longs = NDArray[np.int64]

MOST = 20_000
"""Changes of a plan at most: each costs new rates for all that is in flight."""


class _Span(NamedTuple):
    """A thing is broken from ``begin`` to ``end``, in seconds.

    ``share``: what it still carries; ``seen``: by what share routes will go; ``loss``: the part of
    its packets that it loses; ``cause``: words.
    """

    begin: float
    end: float
    share: float
    seen: float
    loss: float
    cause: str


class _State(NamedTuple):
    """What holds of a link for some time: as in `_Span`, of all things together."""

    share: float
    seen: float
    loss: float
    cause: str


_AS_BUILT = _State(1.0, 1.0, 0.0, "")


def changes_of(plan: FaultPlan, topology: Topology) -> tuple[TimedChange, ...]:
    """What changes of the links of ``topology``, in order of time.

    Raises `FaultError` if these are more than `MOST`, `TopologyError` for an unknown name.
    """
    spans: list[_Span] = []
    broken: list[tuple[_Longs, slice]] = []
    for number, fault in enumerate(plan.faults):
        for at, (name, links) in enumerate(things_of(topology, fault)):
            chance = np.random.PCG64([plan.seed, number, at])
            first = len(spans)
            for span in _spans(fault, name, chance):
                spans.append(span)
                if 2 * len(spans) > MOST:
                    raise FaultError(
                        f"faults[{number}] of {name}: that makes more than {MOST} changes of links;"
                        " take an earlier until, or a longer period or mtbf"
                    )
            broken.append((links, slice(first, len(spans))))
    found = [
        TimedChange(at, LinkChange(links, now.share, routed, now.cause, now.loss))
        for links, over in _overlays(broken, topology.n_links)
        for at, routed, now in _history([s for one in over for s in spans[one]], plan.delay)
    ]
    if len(found) > MOST:
        raise FaultError(
            f"the faults make {len(found)} changes of links; {MOST} are possible: take fewer"
            " faults, an earlier until, or a longer period or mtbf"
        )
    return tuple(sorted(found, key=lambda one: (one.at, int(one.what.links[0]))))


def _spans(fault: Fault, name: str, chance: np.random.PCG64) -> Iterator[_Span]:
    share = {"degraded": fault.share, "lossy": 1 - (fault.loss or 0.0)}.get(fault.kind) or 0.0
    seen = 1.0 if fault.kind == "lossy" else share
    words = {
        "degraded": f"degraded to {share:.4g}", "lossy": f"losing {fault.loss or 0:.4g}",
    }.get(fault.kind, fault.kind)  # fmt: skip
    for begin, end in _times(fault, chance):
        for first, last in _flaps(fault, begin, end):
            yield _Span(first, last, share, seen, fault.loss or 0.0, f"{name} {words}")


def _times(fault: Fault, chance: np.random.PCG64) -> Iterator[tuple[float, float]]:
    """When a thing is broken, from failure to repair."""
    if fault.mtbf is None or fault.mttr is None:
        yield fault.start, fault.until
        return
    time = fault.start
    while True:
        time += fault.mtbf * _exponential(chance)
        if time >= fault.until:
            return
        end = time + fault.mttr * _exponential(chance)
        yield time, min(end, fault.until)
        time = end


def _exponential(chance: np.random.PCG64) -> float:
    """A draw with mean 1, by von Neumann's way: it only compares, and no logarithm can differ."""
    whole = 0
    while True:
        first = least = _uniform(chance)
        falling = 1
        while (new := _uniform(chance)) < least:
            least = new
            falling += 1
        if falling % 2:
            return whole + first
        whole += 1


def _uniform(chance: np.random.PCG64) -> float:
    """From 0 to 1, of raw bits: numpy's own ways from them may change with its version."""
    return float(int(chance.random_raw()) >> 11) / (1 << 53)


def _flaps(fault: Fault, begin: float, end: float) -> Iterator[tuple[float, float]]:
    if fault.period is None or fault.duty is None:
        yield begin, end
        return
    number, first = 0, begin
    while first < end:
        yield first, min(first + fault.duty * fault.period, end)
        number += 1
        first = begin + number * fault.period


def _overlays(
    broken: Sequence[tuple[_Longs, slice]], n_links: int
) -> Iterator[tuple[_Longs, list[slice]]]:
    """Links that are part of the same things, and the spans of these; each link once."""
    mark = np.zeros(n_links, np.int64)
    of: list[list[slice]] = [[]]
    for links, spans in broken:
        before, place = np.unique(mark[links], return_inverse=True)
        mark[links] = len(of) + place
        of += [[*of[int(one)], spans] for one in before]
    for number in np.unique(mark[mark > 0]).tolist():
        yield np.flatnonzero(mark == number), of[number]


def _history(spans: Sequence[_Span], delay: float) -> Iterator[tuple[float, float, _State]]:
    """When what a link carries or what routes know of it changes: time, what they know, what is."""
    carried = list(_laid(spans))
    routed, state = 1.0, _AS_BUILT
    by_time, known = dict(carried), dict(_noticed(carried, delay))
    for at in sorted(by_time.keys() | known.keys()):
        state = by_time.get(at, state)
        routed = known.get(at, routed)
        yield at, routed, state


def _laid(spans: Sequence[_Span]) -> Iterator[tuple[float, _State]]:
    """From when on what holds."""
    edges: dict[float, tuple[list[int], list[int]]] = {}  # which begin and which end, by time
    for number, span in enumerate(spans):
        edges.setdefault(span.begin, ([], []))[0].append(number)
        edges.setdefault(span.end, ([], []))[1].append(number)
    last, broken = _AS_BUILT, set[int]()
    for time in sorted(edges.keys() - {math.inf}):
        broken |= {*edges[time][0]}
        broken -= {*edges[time][1]}
        now = [spans[number] for number in sorted(broken)]
        state = _State(
            _product(s.share for s in now), _product(s.seen for s in now),
            1 - _product(1 - s.loss for s in now),
            ", ".join(dict.fromkeys(span.cause for span in now)),
        )  # fmt: skip
        if state != last:
            yield time, state
        last = state


def _product(shares: Iterable[float]) -> float:
    return math.prod(shares, start=1.0)


def _noticed(
    carried: Sequence[tuple[float, _State]], delay: float
) -> Iterator[tuple[float, float]]:
    """From when on routes go by which share: by what has lasted for ``delay`` seconds."""
    known = 1.0
    for row, (at, (_, seen, *_)) in enumerate(carried):
        later = row
        while later + 1 < len(carried) and carried[later + 1][1].seen == seen:
            later += 1  # the same to be seen, for another cause
        end = carried[later + 1][0] if later + 1 < len(carried) else math.inf
        if seen != known and at + delay < end:
            known = seen
            yield at + delay, seen
