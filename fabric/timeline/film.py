"""A timeline as a film: what each link carries in each of some hundred intervals of time.

An engine says when each transfer began and when its last byte arrived. Here its bytes are spread
evenly over that time and over its path: a link's bytes over the whole run are exact, the moments
within a transfer are its mean. If several transfers share a link at changing rates, this mean may
exceed the link's bandwidth for a while; pictures show that as full.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.timeline.packets import PacketStatistics
from fabric.timeline.ranks import RankStretches, rank_stretches
from fabric.timeline.value import Timeline
from topology.graph import Ints
from topology.routing.router import Router
from topology.units import GB, US

BINS = 160
"""Stretches of time that a run is cut into."""

MOST_CELLS = 16_000_000
"""Links times stretches at most: a run over more links is cut into fewer."""

MOST_CELLS_ACROSS = 128
"""Cells of the matrix of pairs along a side: of more ranks, several share one."""

MOST_CLASSES = 8
"""As many classes of traffic as people can tell apart by colour."""

_CHUNK = 1 << 20  # rows at a time

_Floats = NDArray[np.float64]
_Longs = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Film:
    """The traffic of one run.

    Links that every transfer loads alike share a *resource*. Over R resources and B bins of equal
    length:

    - ``duration``: seconds; ``title``: text; ``facts``: pairs of texts.
    - ``resource``: int64 [links of the topology], -1 for links that no transfer may use.
    - ``utilisation``: float64 [R, B], the fraction of a link's bandwidth in use, mean of the bin.
    - ``backlog``: float64 [R, B], seconds that a link would take for everything that has been sent
      and has not yet crossed it, at the end of the bin.
    - ``main_label``: int64 [R, B], of ``labels``: the class of most of the bytes of the bin.
    - ``link_bytes``: float64 [links].
    - ``pairs``: float64 [n, n], bytes from ranks to ranks, ``pairs_of`` neighbours in a cell.
    - ``packets``: what an engine of packets counted; None where nothing was.
    """

    title: str
    duration: float
    facts: tuple[tuple[str, str], ...]
    resource: _Longs
    utilisation: _Floats
    backlog: _Floats
    main_label: _Longs
    labels: tuple[str, ...]
    link_bytes: _Floats
    ranks: RankStretches | None = None
    pairs: _Floats = field(default_factory=lambda: np.zeros((1, 1)))
    pairs_of: int = 1
    packets: PacketStatistics | None = None


def film_of(timeline: Timeline, *, title: str = "", bins: int = BINS) -> Film:
    """The columns that the page plays: what each link carries in each of ``bins`` intervals.

    ``title``: the name of the run; by default the timeline's own title, or a description of it. A
    class of traffic is the label of a step; of steps without labels it is their range.
    """
    router, duration = timeline.router, timeline.duration or 1.0
    resources = len(router.capacity)
    bins = max(8, min(bins, MOST_CELLS // max(1, resources)))
    labels, label_of_step = classes(timeline)
    grid = _Grid(resources, bins, duration)
    carried = np.zeros((resources, bins))
    posted = np.zeros((resources, bins))
    most, main = np.zeros((resources, bins)), np.zeros((resources, bins), np.int64)
    for number in range(len(labels)):
        rows = np.flatnonzero(label_of_step[timeline.step] == number)
        moved, come = _deposited(timeline, rows, grid)
        carried += moved
        posted += come
        main[moved > most] = number
        most = np.maximum(most, moved)
    capacity = router.capacity[:, None]
    waiting = np.maximum(0.0, np.cumsum(posted, axis=1) - np.cumsum(carried, axis=1))
    waiting[waiting < 1e-9 * posted.sum(axis=1, keepdims=True)] = 0.0  # what rounding leaves
    return Film(
        title=title or timeline.title or _called(timeline),
        duration=timeline.duration, facts=_facts(timeline),
        resource=router.link_resource.astype(np.int64),
        utilisation=carried / capacity / (duration / bins), backlog=waiting / capacity,
        main_label=main, labels=labels, link_bytes=timeline.link_bytes,
        ranks=rank_stretches(timeline, label_of_step),
        pairs=pair_bytes(timeline.src, timeline.dst, timeline.size, timeline.ranks),
        pairs_of=ranks_of_cell(timeline.ranks), packets=timeline.packets,
    )  # fmt: skip


def ranks_of_cell(ranks: int) -> int:
    """How many neighbouring ranks share a cell of the matrix of pairs."""
    return max(1, -(-ranks // MOST_CELLS_ACROSS))


def pair_bytes(src: _Longs, dst: _Longs, size: NDArray[Any], ranks: int) -> _Floats:
    """Bytes from each cell of ranks to each, of transfers as columns: float64 [n, n]."""
    many = ranks_of_cell(ranks)
    cells = max(1, -(-ranks // many))
    total = np.bincount(src // many * cells + dst // many, size, cells * cells)
    return total.astype(np.float64).reshape(cells, cells)


def classes(timeline: Timeline) -> tuple[tuple[str, ...], _Longs]:
    """The classes of a timeline's steps (at most `MOST_CLASSES` names), and each step's class."""
    count = max(len(timeline.labels), int(timeline.step.max(initial=-1)) + 1, 1)
    given = [*timeline.labels, *[""] * (count - len(timeline.labels))]
    if not any(given):
        return _ranges(count)
    names = list(dict.fromkeys(name or "unnamed" for name in given))
    number = np.array([names.index(name or "unnamed") for name in given])
    if len(names) <= MOST_CLASSES:
        return tuple(names), number
    size = np.bincount(number[timeline.step], timeline.size, len(names))
    kept = np.sort(np.argsort(-size, kind="stable")[: MOST_CLASSES - 1])
    place = np.full(len(names), MOST_CLASSES - 1)
    place[kept] = np.arange(len(kept))
    return (*(names[k] for k in kept), "others"), place[number]


def _ranges(count: int) -> tuple[tuple[str, ...], _Longs]:
    """Steps without names, in equal ranges."""
    parts = min(count, MOST_CLASSES)
    part = np.arange(count) * parts // count
    bounds = [np.flatnonzero(part == k)[[0, -1]] for k in range(parts)]
    names = tuple(f"step {a}" if a == b else f"steps {a} to {b}" for a, b in bounds)
    return names, part


class _Grid:
    """R resources by B intervals of time, each of ``width`` seconds."""

    def __init__(self, resources: int, bins: int, duration: float) -> None:
        self.resources, self.bins, self.width = resources, bins, duration / bins

    def added(self, resource: _Longs, at: _Longs, amount: _Floats) -> _Floats:
        """float64 [R, B + 1]: ``amount`` summed by resource and column ``at``."""
        columns = self.bins + 1
        flat = resource * columns + np.clip(at, 0, self.bins)
        total: _Floats = np.bincount(flat, amount, self.resources * columns).astype(np.float64)
        return total.reshape(-1, columns)

    def moved(self, resource: _Longs, start: _Floats, end: _Floats, amount: _Floats) -> _Floats:
        """float64 [R, B]: bytes in each stretch, of amounts spread evenly from start to end."""
        rate = amount / (end - start)
        # What has gone over by time t is rate * (t - start) from start on, less the same from end.
        slope, offset = np.zeros((2, self.resources, self.bins + 1))
        for time, change in ((start, rate), (end, -rate)):
            at = np.ceil(time / self.width).astype(np.int64)
            slope += self.added(resource, at, change)
            offset -= self.added(resource, at, change * time)
        edges = np.arange(self.bins + 1) * self.width
        gone = np.cumsum(slope, axis=1) * edges + np.cumsum(offset, axis=1)
        return np.maximum(0.0, np.diff(gone, axis=1))


def _deposited(timeline: Timeline, rows: _Longs, grid: _Grid) -> tuple[_Floats, _Floats]:
    """Bytes that some rows carry, and that they set out with, in each stretch: float64 [R, B]."""
    moved, posted = np.zeros((2, grid.resources, grid.bins))
    for at in range(0, len(rows), _CHUNK):
        part = rows[at : at + _CHUNK]
        places = timeline.places
        of, resource, weight = path_loads(
            timeline.router, places[timeline.src[part]], places[timeline.dst[part]]
        )
        row = part[of]
        amount = timeline.size[row] * weight
        start = timeline.start[row]
        end = np.maximum(timeline.finish[row], start + 1e-6 * grid.width)
        moved += grid.moved(resource, start, end, amount)
        came = np.minimum((start / grid.width).astype(np.int64), grid.bins - 1)
        posted += grid.added(resource, came, amount)[:, :-1]
    return moved, posted


def path_loads(router: Router, src: Ints, dst: Ints) -> tuple[_Longs, _Longs, _Floats]:
    """What transfers load: each once for every resource on its path: its row, resource, weight.

    ``src``, ``dst``: int32, endpoints of the topology; rows count from 0. ``weight``: the fraction
    of its bytes. Raises `RouteError` if two endpoints are not connected.
    """
    path = router.paths(src, dst)
    table = router.table
    length = np.diff(table.begin)[path]
    entry = np.repeat(table.begin[path] - np.cumsum(length) + length, length)
    entry += np.arange(len(entry))
    row = np.repeat(np.arange(len(path)), length)
    return row, table.resource[entry].astype(np.int64), table.weight[entry]


def _called(timeline: Timeline) -> str:
    parts = (timeline.operation, f"{timeline.ranks} ranks", timeline.software)
    return ", ".join(part for part in parts if part)


def _facts(timeline: Timeline) -> tuple[tuple[str, str], ...]:
    return (
        ("ranks", f"{timeline.ranks}"),
        ("software", timeline.software or "raw"),
        ("transfers", f"{len(timeline.size)}"),
        ("bytes sent", f"{timeline.size.sum() / GB:.4g} GB"),
        ("bound", f"{timeline.bound / US:.4g} us"),
        ("set by", str(timeline.bottleneck)),
    )
