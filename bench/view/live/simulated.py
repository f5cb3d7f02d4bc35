"""A simulation is watched while it goes on: within a row, row after row, or by operations.

The page is that of a world that runs. A simulation does not wait for it: a thread passes on what it
is given, and what comes while too much waits is counted as not shown.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from bench.view.live.feed import CallSpan, Kind, LiveBatch
from bench.view.live.page_process import PageProcess
from bench.view.live.process import Order
from collectives.workloads.replay import EndedOperation
from collectives.workloads.workload import CALC
from fabric.clock.record import Stretch
from fabric.engines.base import EndedTransfers, Told
from fabric.fabric import Fabric
from fabric.timeline.value import Timeline
from topology.labels import label

MOST_WAITING = 64
"""Batches that wait to be passed on, at most."""

MOST_ROWS = 4_000_000
"""Transfers of a timeline that are shown; of a longer one only the time."""

MOST_PARTS = 48
"""Parts into which a timeline is cut, each shown as one call, at most."""

MOST_STRETCHES = 6000
"""Stretches of ranks of a timeline, about."""

LOOK = 0.1
"""Seconds between two batches of operations."""

OVER = "the simulation is over"
STOPPED = "the simulation has ended before its end"

_Floats = NDArray[np.float64]
_Longs = NDArray[np.int64]


class SimulationPage:
    """What a page is told of a simulation of up to ``ranks`` ranks of ``fabric``.

    ``now``: seconds, where the clock of the page is.
    """

    def __init__(self, fabric: Fabric, ranks: int) -> None:
        self.now = 0.0
        self._kinds, self._dropped = 0, 0
        self._waiting: queue.Queue[LiveBatch | None] = queue.Queue(MOST_WAITING)
        self._page = PageProcess(Order(fabric, ranks))
        self.watched = self._page.watched
        self._thread = threading.Thread(target=self._tell, name="triplane live tell", daemon=True)
        self._thread.start()
        self._ended: list[EndedOperation] = []
        self._told = time.monotonic()

    def simulated(self, run: Callable[[Told], Timeline], name: str, operation: str) -> Timeline:
        """Run a simulation after what the page has, and show what moves as soon as it has ended.

        ``run``: simulates, and passes on what it is given to the engine; ``name``: what the row is,
        for a mark where it begins; ``operation``: what its transfers are called. Returns what
        ``run`` does.
        """
        begin, parts = self.now, 0
        self._put(LiveBatch(begin, news=((begin, name),)))

        def told(ended: EndedTransfers) -> None:
            nonlocal parts
            parts += 1
            kind_span = _call(
                self._kinds, operation, ended.src.astype(np.int64), ended.dst.astype(np.int64),
                ended.size, ended.step, ended.start + begin, ended.finish + begin,
            )  # fmt: skip
            self._kinds += 1
            self.now = max(self.now, begin + float(ended.finish.max()))
            self._put(LiveBatch(self.now, (kind_span[0],), (kind_span[1],)))

        timeline = run(told)
        if parts:
            self.now = begin + timeline.duration
            self._put(LiveBatch(self.now))
        else:
            self._show(timeline, begin, name, ())
        return timeline

    def show(self, timeline: Timeline, name: str) -> None:
        """Add a timeline after what the page has, and a mark that says what it is."""
        self._show(timeline, self.now, name, ((self.now, name),))

    def _show(
        self, timeline: Timeline, begin: float, name: str, marks: tuple[tuple[float, str], ...]
    ) -> None:  # fmt: skip
        self.now, news = begin + timeline.duration, [*marks]
        kinds: list[Kind] = []
        spans: list[CallSpan] = []
        if timeline.of_classes or len(timeline.src) > MOST_ROWS:
            news.append((begin, f"{name}: too many transfers to be shown one by one"))
        else:
            for kind, span in calls_of(timeline, begin, self._kinds):
                kinds.append(kind)
                spans.append(span)
            self._kinds += len(kinds)
        self._put(LiveBatch(self.now, tuple(kinds), tuple(spans), news=tuple(news)))

    def ended(self, one: EndedOperation) -> None:
        """An operation of a replay is over; several are told together."""
        self._ended.append(one)
        if time.monotonic() - self._told >= LOOK:
            self._pass_on()

    def close(self, end: str) -> None:
        """Tell how the simulation has ended, and end the process."""
        self._pass_on()
        self._waiting.put(LiveBatch(self.now, dropped=self._dropped, end=end))
        self._waiting.put(None)
        self._thread.join()
        self._page.close()

    def _pass_on(self) -> None:
        done, self._ended, self._told = self._ended, [], time.monotonic()
        if not done:
            return
        self.now = max(self.now, max(one.finish for one in done))
        computed = tuple(
            Stretch(one.rank, one.name, one.start, one.finish) for one in done if one.kind == CALC
        )
        moved = [one for one in done if len(one.src)]
        kind_span = _together(moved, self._kinds) if moved else None
        kinds, spans = ((kind_span[0],), (kind_span[1],)) if kind_span else ((), ())
        self._kinds += len(kinds)
        self._put(LiveBatch(self.now, kinds, spans, computed))

    def _put(self, batch: LiveBatch) -> None:
        try:
            self._waiting.put_nowait(batch)
        except queue.Full:
            self._dropped += len(batch.spans) + len(batch.computed)

    def _tell(self) -> None:
        batches = iter(self._waiting.get, None)
        self._page.tell(batches)
        for _ in batches:  # nobody hears any more, but the simulation goes on
            pass


@contextmanager
def simulation_page(fabric: Fabric, ranks: int, *, wait: bool = False) -> Iterator[SimulationPage]:
    """A context manager during which a page shows a simulation.

    ``wait``: begin when a browser watches.
    """
    shown, end = SimulationPage(fabric, ranks), STOPPED
    try:
        if wait:
            shown.watched.wait()
        yield shown
        end = OVER
    finally:
        shown.close(end)


def calls_of(timeline: Timeline, begin: float, first: int) -> Iterator[tuple[Kind, CallSpan]]:
    """A timeline that begins at ``begin`` (s) as calls, each of some steps of one label.

    Their kinds are numbered from ``first`` on.
    """
    step = timeline.step
    if not len(step):
        return
    count = int(step.max()) + 1
    parts = max(1, min(count, MOST_PARTS, MOST_STRETCHES // max(1, timeline.ranks)))
    names = [*timeline.labels, *[""] * (count - len(timeline.labels))]
    part = np.arange(count) * parts // count
    number = np.array([names.index(name) for name in names]) * parts + part
    of_row = np.unique(number, return_inverse=True)[1].ravel()[step]
    order = np.argsort(of_row, kind="stable")
    bounds = np.searchsorted(of_row[order], np.arange(of_row.max() + 2))
    columns = timeline.src, timeline.dst, timeline.size, step
    times = timeline.start + begin, timeline.finish + begin
    for at, (low, high) in enumerate(itertools.pairwise(bounds.tolist())):
        rows = order[low:high]
        if len(rows):
            name = names[int(step[rows[0]])] or timeline.operation or "transfers"
            src, dst, size, steps = (column[rows] for column in columns)
            start, finish = (column[rows] for column in times)
            yield _call(first + at, name, src, dst, size, steps, start, finish)


def _call(
    number: int, name: str, src: _Longs, dst: _Longs, size: _Longs | _Floats, step: _Longs,
    start: _Floats, finish: _Floats,
) -> tuple[Kind, CallSpan]:  # fmt: skip
    """Transfers as one call, in which each rank is from its first to its last."""
    ranks, place = np.unique(np.concatenate([src, dst]), return_inverse=True)
    begin, end = np.full(len(ranks), np.inf), np.zeros(len(ranks))
    np.minimum.at(begin, place.ravel(), np.tile(start, 2))
    np.maximum.at(end, place.ravel(), np.tile(finish, 2))
    kind = Kind(
        number, label(name), tuple(ranks.tolist()), src.astype(np.int32), dst.astype(np.int32),
        size.astype(np.float64), step.astype(np.int64),
    )  # fmt: skip
    return kind, CallSpan(number, 1, tuple(begin.tolist()), tuple(end.tolist()), waits=False)


def _together(moved: Sequence[EndedOperation], number: int) -> tuple[Kind, CallSpan]:
    """Operations that have ended since the last look, as one call."""
    src, dst, size = (
        np.concatenate([np.asarray(getattr(one, name)) for one in moved])
        for name in ("src", "dst", "size")
    )
    many = [len(one.src) for one in moved]
    start, finish = (
        np.repeat([getattr(one, name) for one in moved], many) for name in ("start", "finish")
    )
    name = moved[0].name if len({one.name for one in moved}) == 1 else "messages"
    return _call(number, name, src, dst, size, np.zeros(len(src), np.int64), start, finish)
