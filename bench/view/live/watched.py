"""A world that is watched: its film, its ranks' stretches and its faults, made of batches."""

import math
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.view.live.feed import CallSpan, Kind, LiveBatch
from bench.view.live.film import CallLoad, LiveFilm
from fabric.clock.changes import ClockChanges
from fabric.clock.memory_machine import memory_machine
from fabric.endpoint.one_sided import joining
from fabric.fabric import Fabric
from fabric.faults.changes import LinkHistory
from fabric.timeline.film import pair_bytes, path_loads
from fabric.timeline.ranks import MOVE, SOFTWARE, WAIT
from topology.graph import Ints
from topology.routing.router import Router

MOST_STRETCHES = 12_000
"""Stretches of ranks that are kept: the latest."""

MOST_MARKS = 2_000
"""Changes of links, and lines of news, that are kept: the first ones."""

MOST_PARTS = 16
"""Intervals into which a call of many steps is divided."""

MOST_KINDS = 4096
"""Kinds of calls of which it is kept what they load."""


class RankStretch(NamedTuple):
    """What a rank does from ``begin`` to ``end``, in emulated seconds; see `RankStretches`."""

    rank: int
    begin: float
    end: float
    what: int
    label: int
    peer: int


class LiveMark(NamedTuple):
    """At time ``at``, in emulated seconds, something happens that ``text`` says.

    ``links``: int64, of the topology, that carry ``share`` of their bandwidth from then on; none
    where it is no fault of links.
    """

    at: float
    text: str
    share: float
    links: NDArray[np.int64]


_NO_LINKS = np.zeros(0, np.int64)


@dataclass(eq=False)
class Watched:
    """A world of the first ``size`` ranks of ``fabric``, as far as it has been told.

    ``now``: seconds; ``calls``: how many are over; ``dropped``: of how many nothing is known;
    ``end``: how the world has ended, None while it goes on. ``stretches``: the latest, of which
    ``passed`` are no longer there. ``pairs``: bytes from ranks to ranks, as in `Film`.
    """

    fabric: Fabric
    size: int
    now: float = 0.0
    calls: int = 0
    dropped: int = 0
    end: str | None = None
    version: int = 0
    passed: int = 0
    film: LiveFilm = field(init=False)
    stretches: deque[RankStretch] = field(default_factory=lambda: deque(maxlen=MOST_STRETCHES))
    marks: list[LiveMark] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.film = LiveFilm(self.fabric.router.capacity)
        self._kinds: OrderedDict[int, Kind] = OrderedDict()
        self._loads: OrderedDict[tuple[int, int], CallLoad] = OrderedDict()
        self._changes = self.fabric.changes
        self._clock = ClockChanges(self._changes, self.fabric.topology.n_links)
        self._said = 0  # changes that there are marks of
        self._routers: dict[int, Router] = {0: self.fabric.router}
        self._places: Ints | None = None
        none = np.zeros(0, np.int64)
        self.pairs = pair_bytes(none, none, none, self.size)
        self._pairs: OrderedDict[int, NDArray[np.float64]] = OrderedDict()

    def take(self, batch: LiveBatch) -> None:
        """Take in what a batch says."""
        for kind in batch.kinds:
            self._kinds[kind.number] = kind
            if len(self._kinds) > MOST_KINDS:
                self._kinds.popitem(last=False)
        self._load_film([span for span in batch.spans if span.kind in self._kinds])
        for one in batch.computed:
            self._add(RankStretch(one.rank, one.begin, one.end or one.begin, SOFTWARE, 0, -1))
        self.now, self.dropped, self.end = max(self.now, batch.now), batch.dropped, batch.end
        self.film.reach(self.now)
        self._mark(batch)
        self.version += 1

    def _load_film(self, spans: list[CallSpan]) -> None:
        """Draw calls into the film: those of a kind together, as each time costs some 100 us."""
        alike: dict[tuple[int, int], list[tuple[int, float, float]]] = defaultdict(list)
        for span in spans:
            begin, end = self._span(self._kinds[span.kind], span)
            alike[span.kind, self._state(begin)].append((span.many, begin, end))
        for (number, state), found in alike.items():
            kind, (many, begins, ends) = self._kinds[number], np.array(found).T
            self.calls += int(many.sum())
            self.pairs += many.sum() * self._pairs_of(kind)
            self.film.add(
                self._load(kind, state), many, begins, ends, self.film.label(kind.label)
            )  # fmt: skip

    def _span(self, kind: Kind, span: CallSpan) -> tuple[float, float]:
        """Draw the ranks' rows of calls; return when their transfers begin and end, in seconds."""
        label = self.film.label(kind.label)
        joined_at = [at for at in span.begin if at == at]
        came = max(joined_at, default=0.0)
        end = max((at for at in span.end if at == at), default=came)
        together = span.many == 1 and span.waits
        late = kind.ranks[span.begin.index(came)] if together and joined_at else None
        for rank, joined, over in zip(kind.ranks, span.begin, span.end, strict=True):
            if rank < self.size and joined == joined and over == over:
                moves = min(came, over) if late is not None else joined
                if late is not None and moves > joined:
                    self._add(RankStretch(rank, joined, moves, WAIT, label, late))
                self._add(RankStretch(rank, moves, over, MOVE, label, -1))
        return (came if together else min(joined_at, default=came)), end

    def _pairs_of(self, kind: Kind) -> NDArray[np.float64]:
        """Bytes from ranks to ranks of a call, as in `Film`; memory of CPUs is no rank's."""
        found = self._pairs.get(kind.number)
        if found is None:
            mine = (kind.src < self.size) & (kind.dst < self.size)
            found = pair_bytes(
                kind.src[mine].astype(np.int64), kind.dst[mine].astype(np.int64), kind.size[mine],
                self.size,
            )  # fmt: skip
            self._pairs[kind.number] = found
            if len(self._pairs) > MOST_PARTS:
                self._pairs.popitem(last=False)
        return found

    def _add(self, one: RankStretch) -> None:
        if one.end > one.begin:
            if len(self.stretches) == MOST_STRETCHES:
                self.passed += 1
            self.stretches.append(one)

    def _state(self, time: float) -> int:
        """How many changes of links there have been at ``time``, in seconds."""
        return self._clock.until(time)[0] if self._clock else 0

    def _load(self, kind: Kind, state: int) -> CallLoad:
        load = self._loads.get((kind.number, state))
        if load is None:
            load = self._loads[kind.number, state] = self._loaded(kind, self._router(state))
            if len(self._loads) > MOST_KINDS:
                self._loads.popitem(last=False)
        return load

    def _router(self, state: int) -> Router:
        """The router after so many changes of links."""
        if state not in self._routers:
            history = LinkHistory(self.fabric.topology.n_links, self._changes[:state])
            history.go(math.inf)
            now = history.states
            self._routers[state] = self.fabric.router.changed(now.share, now.routed)
            if len(self._routers) > MOST_PARTS:
                del self._routers[next(one for one in self._routers if one)]
        return self._routers[state]

    def _loaded(self, kind: Kind, router: Router) -> CallLoad:
        places = self._places_of(kind)
        known = (kind.src < len(places)) & (kind.dst < len(places))
        src, dst = (np.where(known, places[end * known], 0) for end in (kind.src, kind.dst))
        # What a fault has cut moves nothing; what goes over links that are not shown cannot be.
        there = known & router.connects(src, dst)
        if kind.plane:
            there[there] = self._goes_over(kind.plane, router, src[there], dst[there])
        row, resource, weight = path_loads(router, src[there], dst[there])
        steps, number = np.unique(kind.step[there], return_inverse=True)
        parts = max(1, min(len(steps), MOST_PARTS))
        part = number.ravel() * parts // max(1, len(steps))
        resources = len(router.capacity)
        keys, at = np.unique(part[row] * resources + resource, return_inverse=True)
        loaded = kind.size[there][row] * weight
        size = np.bincount(at.ravel(), loaded, len(keys)).astype(np.float64)
        return CallLoad(parts, keys // resources, keys % resources, size)

    def _goes_over(self, plane: str, router: Router, src: Ints, dst: Ints) -> NDArray[np.bool_]:
        """Of which pairs the machine's own path is one over ``plane``: bool [pairs]."""
        topology = self.fabric.topology
        numbers = [topology.plane(name) for name in joining(topology, plane)]
        path = router.paths(src, dst)
        return np.isin(router.table.plane[path], [-1, *numbers])

    def _places_of(self, kind: Kind) -> Ints:
        """The endpoint of each place; those beyond the ranks' are of CPUs' memory."""
        last = max(int(kind.src.max(initial=0)), int(kind.dst.max(initial=0)))
        if last < self.size:
            return self.fabric.places
        if self._places is None:
            self._places = memory_machine(self.fabric, self.size).places
        return self._places

    def _mark(self, batch: LiveBatch) -> None:
        due, _ = self._clock.until(self.now) if self._clock else (0, math.inf)
        for at, what in self._changes[self._said : due]:
            text = what.cause if what.share < 1 else "repaired"
            self.marks.append(LiveMark(at, text, what.share, what.links))
        self._said = max(self._said, due)
        self.marks += [LiveMark(at, text, 1.0, _NO_LINKS) for at, text in batch.news]
        del self.marks[MOST_MARKS:]

    def later(self, first: int) -> Iterator[RankStretch]:
        """The stretches from number ``first`` on, as far as they are still there."""
        return islice(self.stretches, max(0, first - self.passed), None)

    @property
    def reached(self) -> int:
        """The number of the next stretch."""
        return self.passed + len(self.stretches)
