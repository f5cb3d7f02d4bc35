"""The oracle of the flow engine: exact max-min sharing, event by event, as slow as it is obvious.

With traffic classes: the highest priority is filled first, by weights, and the next one into what
is left. What a class is promised is filled before all of that, and the rest comes on top. With
changes of links: every stream that has not ended gets its way anew at each of them.

Written from the definitions and not from the engine: every physical link by itself (nothing is
folded into bundles, nothing is left out), dicts and loops, rates found anew after every event.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain
from math import ceil, inf, log2
from types import MappingProxyType

from fabric import Costs, Step
from fabric.classes.table import TrafficClass
from fabric.faults.changes import TimedChange
from topology import RouteError, Topology

TINY = 1e-12
"""Times and levels that differ by less than this share of them are one."""


PLAIN = TrafficClass("default", 0)
ONE_CLASS = MappingProxyType({0: PLAIN})


@dataclass(frozen=True)
class Path:
    """What share of its bytes each link carries; seconds one way; the name of the plane."""

    load: dict[int, float]
    latency: float
    plane: str


NONE: frozenset[int] = frozenset()


def spray(
    topology: Topology, src: int, dst: int, planes: tuple[str, ...] | None = None,
    dead: frozenset[int] = NONE,
) -> Path:  # fmt: skip
    """All shortest paths on the first plane that has one; every vertex splits evenly over links.

    ``dead``: links that are not taken.
    """
    if src == dst:
        return Path({}, 0.0, "")
    for plane in planes or topology.planes:
        hops = _hops(topology, plane, dst, dead)
        ways = outgoing(topology, plane, dead)
        if any(int(topology.link_dst[link]) in hops for link in ways[src]):
            return _split(topology, plane, src, dst, dead)
    raise RouteError(f"no path from {src} to {dst}")


def _split(topology: Topology, plane: str, src: int, dst: int, dead: frozenset[int]) -> Path:
    hops, ways = _hops(topology, plane, dst, dead), outgoing(topology, plane, dead)
    load: dict[int, float] = {}
    here, late = {src: 1.0}, {src: 0.0}
    while set(here) != {dst}:
        there: dict[int, float] = defaultdict(float)
        delay: dict[int, float] = defaultdict(float)
        least = min(hops[int(topology.link_dst[k])] for v in here for k in ways[v]
                    if int(topology.link_dst[k]) in hops)  # fmt: skip
        for vertex, amount in here.items():
            on = [k for k in ways[vertex] if hops.get(int(topology.link_dst[k]), inf) == least]
            for link in on:
                to = int(topology.link_dst[link])
                load[link] = amount / len(on)
                there[to] += amount / len(on)
                delay[to] = max(delay[to], late[vertex] + float(topology.link_latency[link]))
        here, late = there, delay
    return Path(load, late[dst], plane)


@cache
def outgoing(topology: Topology, plane: str, dead: frozenset[int] = NONE) -> dict[int, list[int]]:
    """The links of a plane by the vertex where they begin."""
    ways: dict[int, list[int]] = {vertex: [] for vertex in range(topology.n_vertices)}
    for link in range(topology.n_links):
        if topology.link_plane[link] == topology.plane(plane) and link not in dead:
            ways[int(topology.link_src[link])].append(link)
    return ways


@cache
def _hops(topology: Topology, plane: str, dst: int, dead: frozenset[int] = NONE) -> dict[int, int]:
    """Links from each switch to ``dst``, and 0 for itself: other endpoints pass nothing on."""
    hops, changed = {dst: 0}, True
    while changed:
        changed = False
        for switch in range(topology.n_endpoints, topology.n_vertices):
            ends = [int(topology.link_dst[k]) for k in outgoing(topology, plane, dead)[switch]]
            least = min((hops[end] + 1 for end in ends if end in hops), default=inf)
            if least < hops.get(switch, inf):
                hops[switch], changed = int(least), True
    return hops


@dataclass(eq=False)
class Stream:
    """What one rank sends another in one step."""

    src: int
    dst: int
    step: int
    size: int = 0
    messages: int = 0
    reduces: bool = False
    load: dict[object, float] = field(default_factory=dict)
    ends: tuple[object, ...] = ()
    latency: float = 0.0
    limit: float = inf
    far: str = "die"
    of: TrafficClass = PLAIN
    left: float = 0.0
    start: float | None = None
    arrive: float = inf
    finish: float | None = None
    stalled: float = 0.0


@dataclass(frozen=True)
class Answer:
    """Start and finish of every row in the order of the schedule; when each rank is through.

    ``stalled``: seconds that each stood still.
    """

    start: list[float]
    finish: list[float]
    rank_finish: list[float]
    stalled: list[float]


Router = Callable[[int, int], Path]


@dataclass(eq=False)
class Changing:
    """A machine whose links change. ``route``: from endpoint to endpoint without dead links.

    ``ranks``: streams of several calls have them over again.
    """

    topology: Topology
    costs: Costs
    coming: list[TimedChange]
    route: Callable[[int, int, frozenset[int]], Path]
    ranks: int
    share: dict[int, float] = field(default_factory=dict)
    routed: dict[int, float] = field(default_factory=dict)

    def next(self) -> float:
        return self.coming[0].at if self.coming else inf

    def happen(self, now: float, streams: list[Stream], capacity: dict[object, float]) -> None:
        while self.coming and self.coming[0].at <= now:
            what = self.coming.pop(0).what
            for link in what.links.tolist():
                self.share[link] = what.share
                self.routed[link] = what.share if what.routed is None else what.routed
        for link, share in self.share.items():
            plane = self.topology.planes[self.topology.link_plane[link]]
            usable = self.costs.efficiency.get(plane, 1.0)
            capacity[link] = float(self.topology.link_bandwidth[link]) * usable * share
        dead = frozenset(link for link, share in self.routed.items() if share == 0)
        for stream in streams:
            if stream.finish is None:
                self.reroute(stream, dead, now)

    def reroute(self, stream: Stream, dead: frozenset[int], now: float) -> None:
        left, latency = stream.left, stream.latency
        ends = [
            int(self.topology.accelerators[end % self.ranks]) for end in (stream.src, stream.dst)
        ]
        try:
            way, cut = self.route(ends[0], ends[1], dead), False
        except RouteError:  # it has until it would move
            way, cut = self.route(ends[0], ends[1], NONE), True
        stream.far = _distance(self.topology, *ends, way.plane)
        _prepare(stream, way, self.costs, stream.src % self.ranks)
        stream.left = left
        if cut:
            stream.load = {NOWHERE: 1.0}
        if stream.start is not None and stream.start > now:
            stream.arrive = stream.start + stream.latency
        elif stream.start is not None:
            stream.latency = latency


NOWHERE = "nowhere"


def simulate(
    topology: Topology,
    steps: Iterable[Step],
    costs: Costs | None = None,
    *,
    ranks: int | None = None,
    planes: tuple[str, ...] | None = None,
    path: Router | None = None,
    classes: Sequence[TrafficClass] = (),
    changes: Sequence[TimedChange] = (),
    route: Callable[[int, int, frozenset[int]], Path] | None = None,
) -> Answer:
    """Rank i on the i-th accelerator. ``path``: from endpoint to endpoint; `spray` by default.

    ``route``: the same where there are ``changes``, without dead links.
    """
    steps, costs = list(steps), costs or Costs()
    named = [int(rank) for step in steps for rank in chain(step.src, step.dst)]
    ranks = max(named, default=-1) + 1 if ranks is None else ranks
    rows, streams = _streams(steps, ONE_CLASS | {one.number: one for one in classes})
    for stream in streams:
        ends = int(topology.accelerators[stream.src]), int(topology.accelerators[stream.dst])
        way = path(*ends) if path else spray(topology, *ends, planes)
        stream.far = _distance(topology, *ends, way.plane)
        _prepare(stream, way, costs)
    share = [costs.efficiency.get(plane, 1.0) for plane in topology.planes]
    capacity: dict[object, float] = {
        link: float(topology.link_bandwidth[link]) * share[topology.link_plane[link]]
        for link in range(topology.n_links)
    }
    capacity |= {f"initiator {rank}": costs.initiator_bandwidth for rank in range(ranks)}
    capacity |= {(one.name, rank): one.rate_limit for one in classes for rank in range(ranks)}
    begin = costs.launch + costs.barrier * ceil(log2(max(ranks, 1)))
    route = route or (lambda src, dst, dead: spray(topology, src, dst, planes, dead))
    changing = Changing(topology, costs, list(changes), route, ranks)
    ready = _run(streams, capacity, costs, [begin] * ranks, changing)
    start = [stream.start for stream in rows if stream.start is not None]
    finish = [stream.finish for stream in rows if stream.finish is not None]
    return Answer(start, finish, ready, [stream.stalled for stream in rows])


def _streams(
    steps: list[Step], classes: Mapping[int, TrafficClass] = ONE_CLASS
) -> tuple[list[Stream], list[Stream]]:
    """The stream of every row, and every stream once."""
    rows = []
    streams: dict[tuple[int, int, int, int, bool], Stream] = {}
    number = -1
    for step in steps:
        number += 0 if step.beside and number >= 0 else 1
        named = step.traits.column("traffic_class", len(step)).tolist()
        for row in range(len(step)):
            src, dst, of = int(step.src[row]), int(step.dst[row]), named[row]
            new = Stream(src, dst, number, of=classes[of])
            stream = streams.setdefault((number, src, dst, of, step.reduces), new)
            stream.size += int(step.size[row])
            stream.messages += 1 if step.messages is None else int(step.messages[row])
            stream.reduces = step.reduces
            rows.append(stream)
    return rows, list(streams.values())


def _distance(topology: Topology, src: int, dst: int, plane: str) -> str:
    """The smallest thing that both sit in; a package only for what does not leave it."""
    if src == dst:
        return "die"
    for name in ("package", "node", "supernode"):
        column = getattr(topology, name)
        if column[src] == column[dst] >= 0 and (name != "package" or plane == "package"):
            return name
    return "beyond"


def at(given: float | Mapping[str, float], far: str, free: float = 0.0) -> float:
    """A constant at a distance: where it has none there, that of the nearest one before it."""
    if not isinstance(given, Mapping):
        return given
    names = ["die", "package", "node", "supernode", "beyond"]
    known = [given[name] for name in names[: names.index(far) + 1] if name in given]
    return known[-1] if known else free


def _protocol(size: int, costs: Costs) -> tuple[float, float]:
    """Latency and bandwidth of the protocol that is through first."""
    ways = [
        (latency, costs.protocol_bandwidth.get(name, inf))
        for name, latency in costs.protocol_latency.items()
    ]
    return min(ways, key=lambda way: way[0] + size / way[1], default=(0.0, inf))


def _prepare(stream: Stream, way: Path, costs: Costs, rank: int | None = None) -> None:
    rank = stream.src if rank is None else rank
    stream.left = float(stream.size)
    if stream.src == stream.dst:
        return
    latency, bandwidth = _protocol(stream.size, costs)
    stream.latency = way.latency * costs.crossings + at(costs.latency, stream.far) + latency
    stream.load = {link: share for link, share in way.load.items()}
    name = stream.of.name
    stream.ends = stream.ends or ((name, "sends", stream.src), (name, "receives", stream.dst))
    if way.plane != "package":
        stream.load[f"initiator {rank}"] = 1.0
    if stream.of.rate_limit < inf:
        stream.load[stream.of.name, rank] = 1.0
    stream.limit = min(at(costs.pair_bandwidth, stream.far, inf), bandwidth)
    gap = at(costs.message_gap, stream.far)
    if gap and stream.size:
        stream.limit = min(stream.limit, stream.size / (max(stream.messages, 1) * gap))


def _run(
    streams: list[Stream], capacity: dict[object, float], costs: Costs, ready: list[float],
    changing: Changing | None = None,
) -> list[float]:  # fmt: skip
    """Let time go from event to event; gives when each rank is through."""
    todo = [
        sorted({s.step for s in streams if rank in (s.src, s.dst)}) for rank in range(len(ready))
    ]
    now = 0.0
    capacity[NOWHERE] = 0.0
    while any(stream.finish is None for stream in streams):
        if changing and changing.next() <= now:
            changing.happen(now, streams, capacity)
        for stream in streams:
            both_there = todo[stream.src][:1] == todo[stream.dst][:1] == [stream.step]
            if stream.start is None and both_there:
                stream.start = max(ready[stream.src], ready[stream.dst])
                stream.arrive = stream.start + stream.latency
        moving = [s for s in streams if s.finish is None and s.arrive <= now * (1 + TINY)]
        rate = fair_rates(moving, capacity)
        coming = [s.arrive for s in streams if s.finish is None and s not in rate]
        ends = {s: now + (_over(s.left, rate[s]) if s.left else 0.0) for s in moving}
        then = min([*coming, *ends.values(), changing.next() if changing else inf])
        cut = [s for s in moving if s.left and NOWHERE in s.load]
        if cut:
            raise RouteError(f"no path from {cut[0].src} to {cut[0].dst}")
        for stream, end in ends.items():
            if end <= then * (1 + TINY):
                stream.finish = end
            stream.left -= stream.left and rate[stream] * (then - now)
            if stream.left and any(not capacity[link] for link in stream.load):
                stream.stalled += then - now
        now = max(now, then)
        for rank in range(len(ready)):
            while todo[rank] and _through(rank, todo[rank][0], streams, costs, ready):
                todo[rank].pop(0)
    return ready


def _over(left: float, rate: float) -> float:
    return left / rate if rate else inf


def _through(rank: int, step: int, streams: list[Stream], costs: Costs, ready: list[float]) -> bool:
    """Whether a rank has finished its rows of a step; sets when it is ready for the next."""
    mine = [s for s in streams if s.step == step and rank in (s.src, s.dst)]
    ends = [s.finish for s in mine if s.finish is not None]
    if len(ends) < len(mine):
        return False
    spent = 0.0
    for stream in mine:
        if stream.src == rank:
            spent += stream.messages * at(costs.per_message, stream.far)
            spent += at(costs.per_peer, stream.far) * (stream.dst != rank)
        if stream.dst == rank:
            a_byte = at(costs.per_byte, stream.far) + costs.per_reduced_byte * stream.reduces
            spent += stream.size * a_byte
    ready[rank] = max(ends) + spent
    return True


def fair_rates(streams: list[Stream], capacity: dict[object, float]) -> dict[Stream, float]:
    """Priority after priority, each into what the ones before have left."""
    base, rate = assured(streams, capacity), dict[Stream, float]()
    for priority in sorted({stream.of.priority for stream in streams}, reverse=True):
        _fill([s for s in streams if s.of.priority == priority], capacity, rate, base)
    return {stream: more + base.get(stream, 0.0) for stream, more in rate.items()}


def assured(streams: list[Stream], capacity: dict[object, float]) -> dict[Stream, float]:
    """What streams of classes with a guarantee get of it, as if they were alone and wanted that."""
    mine = [s for s in streams if s.of.guarantee and s.load]
    ends = {end: s.of.guarantee for s in mine for end in s.ends}
    alone = [replace(s, load=s.load | dict.fromkeys(s.ends, 1.0)) for s in mine]
    rate: dict[Stream, float] = {}
    _fill(alone, capacity | ends, rate, {})
    return {stream: rate[twin] for stream, twin in zip(mine, alone, strict=True)}


def _fill(
    rising: list[Stream], capacity: dict[object, float], rate: dict[Stream, float],
    base: Mapping[Stream, float],
) -> None:  # fmt: skip
    """All rates rise together, each by its weight, until something holds a stream back.

    ``base``: what streams have already.
    """
    limit = {s: max(s.limit - base.get(s, 0.0), 0.0) / s.of.weight for s in rising}
    while rising:
        pull: dict[object, float] = defaultdict(float)
        room = dict(capacity)
        for stream in rising:
            for link, weight in stream.load.items():
                pull[link] += weight * stream.of.weight
        for stream, fixed in chain(rate.items(), base.items()):
            for link, weight in stream.load.items():
                room[link] -= fixed * weight
        # What rounding leaves of a link that others have filled is nothing.
        rest = {link: 1e-9 * capacity[link] if capacity[link] < inf else 0.0 for link in pull}
        left = {link: room[link] if room[link] > rest[link] else 0.0 for link in pull}
        level = {link: left[link] / pull[link] for link in pull}
        least = min([*level.values(), *(limit[s] for s in rising)])
        full = {link for link in level if level[link] <= least * (1 + TINY)}
        most = least * (1 + TINY)
        held = [s for s in rising if limit[s] <= most or full & set(s.load)]
        rate |= {stream: least * stream.of.weight for stream in held}
        rising = [stream for stream in rising if stream not in rate]
