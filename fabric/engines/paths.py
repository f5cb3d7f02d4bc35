"""The paths between a machine's ranks as engines need them: what flows on them load and cost."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fabric.classes.table import NO_CLASSES, TRAIT, TrafficClasses
from fabric.endpoint.costs import DISTANCES, Costs, Vectors, plane_of
from fabric.engines import in_switch
from fabric.engines.columns import Streams
from topology.compiled import compiled, lean
from topology.graph import Topology
from topology.routing.router import Router
from topology.routing.routes import NO_ROUTES, Routes
from topology.routing.turns import Turned, turned

_Longs = NDArray[np.int64]
_Ints = NDArray[np.int32]
_Floats = NDArray[np.float64]
_Bytes = NDArray[np.int8]


class PathTable:
    """The paths that the ``router`` has found so far between the ranks at ``places``.

    ``places``: int32, the endpoint that each rank sits on. An operation may go over planes of its
    own (`fabric.endpoint.one_sided.over_plane`), one of the choices that the router has.
    """

    def __init__(self, router: Router, places: _Ints) -> None:
        self.router, self.places = router, places
        self._choice = {planes[-1]: number for number, planes in enumerate(router.apart, 1)}
        self._binding: tuple[int, Binding] | None = None
        self._turned: dict[tuple[int, tuple[int, ...], bool], Turned] = {}
        self._hose: dict[int, _Floats] = {}

    def of(self, src: _Ints, dst: _Ints, choice: int = 0) -> _Ints:
        """The number of the path of each pair of ranks, int32; raises `RouteError`.

        ``choice``: of planes, as `choice` returns it.
        """
        return self.router.paths(self.places[src], self.places[dst], choice)

    def choice(self, operation: str) -> int:
        """Which of the router's choices of planes an operation goes over: 0, or one apart."""
        return self._choice.get(plane_of(operation), 0) if self._choice else 0

    def between(self, size: int) -> _Ints:
        """The paths between all of the first ``size`` ranks: int32 [choices, size, size].

        -1 where there is none. All at once: which resources can hold anybody back depends on all
        paths that are used.
        """
        places, choices = self.places[:size], 1 + len(self.router.apart)
        src, dst = np.repeat(places, size), np.tile(places, size)
        path = np.full((choices, len(src)), -1, np.int32)
        which = np.stack([self.router.connects(src, dst, each) for each in range(choices)])
        # All that there are: a fault may cut somebody off.
        number, pair = (one.astype(np.int32) for one in np.nonzero(which))
        path[which] = self.router.paths(src[pair], dst[pair], number)
        return path.reshape(choices, size, size)

    def binding(self) -> "Binding":
        """Every path found so far, with only those resources that can ever limit a rate.

        A resource in the middle whose capacity is no less than that of the first (or of the last)
        resources of all paths through it together never does: the uplinks of a node carry what its
        dies can send. Nor does one without a limit. Exact, not an approximation.
        """
        kept, version = self._binding, self.router.version
        if kept is None or kept[0] != version:
            made = _binding(self.router.table, self.router.capacity)
            kept = self._binding = version, made
        return kept[1]

    def forget(self) -> bool:
        """Forget the paths found last where the router does not remember any; whether it did."""
        if self.router.forget():
            self._binding = None
            return True
        return False

    def turned(self, ranks: int, marks: tuple[int, ...], whole: bool) -> Turned:
        """The `topology.routing.turns.turned` of the first ``ranks`` ranks, found once."""
        asked = ranks, marks, whole
        if asked not in self._turned:
            self._turned[asked] = turned(self.router, self.places, ranks, marks, whole=whole)
        return self._turned[asked]

    def hose(self, ranks: int) -> _Floats:
        """The most that traffic of the first ``ranks`` ranks brings to each resource: a rate.

        Of any traffic in which no rank sends, and none receives, more than 1 byte a second; float64
        [resources]. Never less than that, and just that where all that a rank sends may take one
        way: the lower of two sums, of what each rank may send over the resource, and of what each
        may receive over it. Where nothing connects two ranks, they send each other nothing.
        """
        if ranks not in self._hose:
            path = all_paths(self.router, self.places[:ranks])
            table, n = self.router.table, len(self.router.capacity)
            src, dst = np.nonzero(path >= 0)
            of = path[src, dst]
            length = table.begin[of + 1] - table.begin[of]
            entry = np.repeat(table.begin[of] - np.cumsum(length) + length, length)
            entry += np.arange(len(entry))
            resource, weight = table.resource[entry].astype(np.int64), table.weight[entry]
            self._hose[ranks] = np.minimum(
                *(_sum_of_most(np.repeat(ends, length), resource, weight, n) for ends in (src, dst))
            )
        return self._hose[ranks]

    def ways(self, classes: TrafficClasses = NO_CLASSES, ranks: int | None = None) -> "Ways":
        """The paths found so far, and what their ends are.

        ``classes``: of the machine; ``ranks``: how many send, None: as many as there are places.
        """
        router = self.router
        return Ways(
            router.capacity, router.leaves_package, router.topology, self.places, router.table,
            classes, len(self.places) if ranks is None else ranks,
        )  # fmt: skip

    def share(self, costs: Costs) -> _Floats:
        """The fraction of each plane's links that software gets to use: float64 [planes]."""
        return np.array([costs.efficiency.get(p, 1.0) for p in self.router.topology.planes])

    def usable(self, share: _Floats) -> _Floats:
        """The usable capacity of each resource: float64 [resources], bytes per second.

        ``share``: of each plane, as `share` returns it.
        """
        usable: _Floats = self.router.capacity * share[self.router.plane]
        return usable


def _sum_of_most(of: _Longs, resource: _Longs, weight: _Floats, resources: int) -> _Floats:
    """For each resource, the sum over ranks of the largest ``weight`` that each has on it."""
    key = of * resources + resource
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    if not len(first):
        return np.zeros(resources)
    most = np.maximum.reduceat(weight[order], first)
    return np.bincount(key[first] % resources, most, resources).astype(np.float64)


def all_paths(router: Router, places: _Ints) -> _Ints:
    """The number of the path between every two of ``places``, as `PathTable.between` has it."""
    path: _Ints = PathTable(router, places).between(len(places))[0]
    return path


@dataclass(frozen=True)
class Binding:
    """Paths without the resources that cannot limit any flow; see `PathTable.binding`."""

    begin: _Longs
    resource: _Ints
    weight: _Floats
    latency: _Floats


def _binding(table: Routes, capacity: _Floats) -> Binding:
    keep = _can_limit(table.begin, table.resource, table.weight, capacity)
    begin = _begins(table.begin, keep)
    return Binding(begin, table.resource[keep], table.weight[keep], table.latency)


@compiled
def _begins(begin: _Longs, keep: NDArray[np.bool_]) -> _Longs:
    """Where each path begins among the entries that are kept."""
    kept = np.zeros(len(begin), np.int64)
    for p in range(len(begin) - 1):
        kept[p + 1] = kept[p]
        for e in range(begin[p], begin[p + 1]):
            kept[p + 1] += keep[e]
    return kept


@compiled
def _can_limit(
    begin: _Longs, resource: _Ints, weight: _Floats, capacity: _Floats
) -> NDArray[np.bool_]:
    n_paths, n = len(begin) - 1, len(capacity)
    limits = capacity < np.inf
    in_middle = limits.copy()  # and not found to let through whatever comes
    for p in range(n_paths):
        if begin[p] < begin[p + 1]:
            in_middle[resource[begin[p]]] = False
            in_middle[resource[begin[p + 1] - 1]] = False
    for side in range(2):
        behind = _behind(begin, resource, weight, capacity, in_middle, side)
        for r in range(n):
            if in_middle[r] and behind[r] <= capacity[r] * (1 + 1e-9):
                in_middle[r] = False
                limits[r] = False
    keep = np.empty(len(resource), np.bool_)
    for e in range(len(resource)):
        keep[e] = limits[resource[e]]
    return keep


_NEAREST = 2  # resources of a path that are compared with those of the one before of the same end


@compiled
def _behind(
    begin: _Longs, resource: _Ints, weight: _Floats, capacity: _Floats,
    wanted: NDArray[np.bool_], side: int,
) -> _Floats:  # fmt: skip
    """For each ``wanted`` resource, how much the ends of its paths let through.

    That is the first resource (side 0) or the last one of each path. All that comes through one end
    counts as much as its path that loads the resource most.
    """
    n = len(capacity)
    # What the paths of each end say, one end after the other. Many paths say one after the other
    # the same, which is left out: so there is little to go through in another order than theirs.
    at, through = np.zeros(n + 1, np.int64), np.empty(0)
    middle = np.empty(0, np.int32)
    last, most_last = np.empty((n, _NEAREST), np.int32), np.empty((n, _NEAREST))
    for turn in range(2):  # count, then write
        last[:] = -1
        for p in range(len(begin) - 1):
            if begin[p] == begin[p + 1]:
                continue
            own = begin[p] if side == 0 else begin[p + 1] - 1
            end, seen = resource[own], 0
            for e in range(begin[p], begin[p + 1]):
                r = resource[e]
                if not wanted[r]:
                    continue
                most = capacity[end] * weight[e] / weight[own]
                if seen < _NEAREST:
                    if last[end, seen] == r and most_last[end, seen] == most:
                        seen += 1
                        continue
                    last[end, seen], most_last[end, seen] = r, most
                    seen += 1
                if turn == 1:
                    middle[at[end]], through[at[end]] = r, most
                at[end + (turn == 0)] += 1
        if turn == 0:
            at = np.cumsum(at)
            middle, through = np.empty(at[n], np.int32), np.empty(at[n])
    return _most_of_each_end(at, middle, through, n)


@compiled
def _most_of_each_end(at: _Longs, middle: _Ints, through: _Floats, n: int) -> _Floats:
    """For each resource, the sum over ends of the most of their entries ``through`` it.

    Those of end r are from ``at[r - 1]``, of the first end from 0, to ``at[r]``.
    """
    total, most, seen = np.zeros(n), np.zeros(n), np.full(n, -1, np.int64)
    first = 0
    for end in range(n):
        for k in range(first, at[end]):
            r = middle[k]
            if seen[r] != end:
                seen[r], most[r] = end, 0.0
            if through[k] > most[r]:
                total[r] += through[k] - most[r]
                most[r] = through[k]
        first = at[end]
    return total


@dataclass(frozen=True)
class FlowLoads:
    """What the flows of a window load and cost: columns over flows, entries over resources.

    ``limits``: the rate limits that occur, rising, in bytes per second; ``limit``: each flow's
    index in them.
    """

    latency: _Floats
    src_cost: _Floats
    dst_cost: _Floats
    limit: _Ints
    limits: _Floats
    entries: _Longs
    resource: _Ints
    weight: _Floats


@dataclass(frozen=True)
class Ways:
    """What `load` must know of paths.

    ``capacity``: float64 [resources], bytes per second; ``leaves_package``: bool [paths], True for
    a path that leaves the package; ``places``: int32, the endpoint of ``topology`` that each rank
    sits on; ``table``: the paths with all of their resources. ``classes``: the traffic classes of
    the machine, on which ``ranks`` ranks send.

    After the resources of the paths, resource by resource, there are the limits of the ranks as
    initiators, then those of the ranks in each class with a rate limit, then of each class with a
    guarantee what it is promised of the sending of the ranks, and of their receiving.
    """

    capacity: _Floats
    leaves_package: NDArray[np.bool_]
    topology: Topology
    places: _Ints
    table: Routes
    classes: TrafficClasses
    ranks: int

    def without_table(self) -> "Ways":
        """The same without the paths themselves, which only switches that combine data need."""
        return replace(self, table=NO_ROUTES)

    def distance(self, src: _Ints, dst: _Ints, leaves: NDArray[np.bool_]) -> _Bytes:
        """How far apart the ranks are, as numbers of `DISTANCES`: int8.

        ``leaves``: which of them leave the package. Two ranks of one package that talk over another
        plane are as far apart as two of one node.
        """
        here, there = self.places[src], self.places[dst]
        far = self.topology.level(here, there) + np.int8(1)
        far[leaves & (far == _IN_PACKAGE)] = _IN_NODE
        far[here == there] = 0
        return far


_IN_PACKAGE, _IN_NODE = DISTANCES.index("package"), DISTANCES.index("node")

_LEAVES_UNASKED = np.zeros(0, np.bool_)
"""Which flows leave their package, where nothing depends on it."""


def load(streams: Streams, path: _Ints, bound: Binding, ways: Ways, costs: Costs) -> FlowLoads:
    """The load of flows that take these paths (indices of ``bound``).

    Raises `RouteError` for what switches on the way cannot do.
    """
    if in_switch.asked(streams):
        return _load_in_switch(streams, path, ways, costs)
    return _load(streams, path, bound, ways, costs)


def _load_in_switch(streams: Streams, path: _Ints, ways: Ways, costs: Costs) -> FlowLoads:
    table, n = ways.table, len(ways.capacity)
    in_switch.check(streams, path, table.plane, ways.topology, ways.places)
    # Which resource can be left out is known only of flows that load all alike.
    whole = Binding(table.begin, table.resource, table.weight, table.latency)
    loads = _load(streams, path, whole, ways, costs)
    apart = replace(streams, reduces=np.zeros(len(streams), np.bool_))
    received = _load(apart, path, whole, ways, costs).dst_cost
    return in_switch.adjusted(streams, loads, received, n)


def _load(streams: Streams, path: _Ints, bound: Binding, ways: Ways, costs: Costs) -> FlowLoads:
    src, dst, size = streams.src, streams.dst, streams.size
    at, is_limited = costs.vectors, costs.initiator_bandwidth < np.inf
    leaves = _LEAVES_UNASKED
    if at.is_distant or is_limited:
        leaves = _leaves(src, dst, path, ways.leaves_package)
    plain = np.zeros(len(path), np.int8)
    far = ways.distance(src, dst, leaves) if at.is_distant else plain
    protocol = plain
    if len(at.protocol_latency) > 1:
        protocol = _protocols(size, at.protocol_latency, at.protocol_bandwidth)
    limit, limits = _limits(streams, far, protocol, at)
    entries, resource, weight = _entries(
        path, bound.begin, bound.resource, bound.weight, src, leaves, len(ways.capacity), is_limited
    )  # fmt: skip
    if ways.classes.limited:
        entries, resource, weight = _with_class_limits(streams, ways, entries, resource, weight)
    if ways.classes.guaranteed:
        entries, resource, weight = _with_promises(streams, ways, entries, resource, weight)
    latency, src_cost, dst_cost = _costs(
        src, dst, streams.messages, size, streams.reduces, path, bound.latency, costs.crossings,
        far, at.is_distant, at.latency, at.per_peer, at.per_message, at.per_byte,
        costs.per_reduced_byte, protocol, at.protocol_latency,
    )  # fmt: skip
    return FlowLoads(latency, src_cost, dst_cost, limit, limits, entries, resource, weight)


@compiled
def _leaves(
    src: _Ints, dst: _Ints, path: _Ints, leaves_package: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    leaves = np.empty(len(path), np.bool_)
    for i in range(len(path)):
        leaves[i] = src[i] != dst[i] and leaves_package[path[i]]
    return leaves


@compiled
def _protocols(size: _Floats, latency: _Floats, bandwidth: _Floats) -> _Bytes:
    """The protocol of each flow: the first of those that would be through first, alone."""
    chosen = np.zeros(len(size), np.int8)
    for i in range(len(size)):
        least = np.inf
        for p in range(len(latency)):
            time = latency[p] + size[i] / bandwidth[p]
            if time < least:
                least, chosen[i] = time, p
    return chosen


@compiled
def _costs(
    src: _Ints,
    dst: _Ints,
    messages: _Floats,
    size: _Floats,
    reduces: NDArray[np.bool_],
    path: _Ints,
    way: _Floats,
    crossings: float,
    far: _Bytes,
    is_distant: bool,
    more: _Floats,
    per_peer: _Floats,
    per_message: _Floats,
    per_byte: _Floats,
    per_reduced_byte: float,
    protocol: _Bytes,
    of_protocol: _Floats,
) -> tuple[_Floats, _Floats, _Floats]:
    """Latency, and what the flow costs its two ranks; the ``way`` of a path is its latency."""
    n = len(src)
    latency, src_cost, dst_cost = np.empty(n), np.empty(n), np.empty(n)
    has_protocols, f, p = len(of_protocol) > 1, 0, 0
    for i in range(n):
        moves = src[i] != dst[i]
        if is_distant:
            f = far[i]
        if has_protocols:
            p = protocol[i]
        latency[i] = way[path[i]] * crossings + more[f] + of_protocol[p] if moves else 0.0
        src_cost[i] = messages[i] * per_message[f] + (per_peer[f] if moves else 0.0)
        dst_cost[i] = size[i] * (per_byte[f] + (per_reduced_byte if reduces[i] else 0.0))
    return latency, src_cost, dst_cost


def _limits(streams: Streams, far: _Bytes, protocol: _Bytes, at: Vectors) -> tuple[_Ints, _Floats]:
    """The limit of each flow's rate by the software; a rank that sends itself has none."""
    if not at.is_paced and len(at.rates) == 1:
        return np.zeros(len(far), np.int32), at.rates
    moves = streams.src != streams.dst
    number = np.where(moves, at.rate[far, protocol], np.int32(len(at.rates) - 1))
    if not at.is_paced:
        return number, at.rates
    with np.errstate(divide="ignore", invalid="ignore"):  # no gap, or no bytes: no limit
        paced = streams.size / (np.maximum(streams.messages, 1) * at.message_gap[far])
    paced[~(moves & (streams.size > 0))] = np.inf
    rate = np.minimum(paced, at.rates[number])
    limits, index = np.unique(np.append(rate, np.inf), return_inverse=True)
    return index[:-1].astype(np.int32), limits


@compiled
def _entries(
    path: _Ints,
    begin: _Longs,
    resource: _Ints,
    weight: _Floats,
    src: _Ints,
    leaves: NDArray[np.bool_],
    n_resources: int,
    limited: bool,
) -> tuple[_Longs, _Ints, _Floats]:
    """Each flow's resources; the limit of rank r as an initiator is resource n_resources + r."""
    entries = np.zeros(len(path) + 1, np.int64)
    for i in range(len(path)):
        more = 1 if limited and leaves[i] else 0
        entries[i + 1] = entries[i] + begin[path[i] + 1] - begin[path[i]] + more
    out_resource = np.empty(entries[-1], np.int32)
    out_weight = np.empty(entries[-1])
    for i in range(len(path)):
        at = entries[i]
        for e in range(begin[path[i]], begin[path[i] + 1]):
            out_resource[at], out_weight[at] = resource[e], weight[e]
            at += 1
        if limited and leaves[i]:
            out_resource[at], out_weight[at] = n_resources + src[i], 1.0
    return entries, out_resource, out_weight


def _with_class_limits(
    streams: Streams, ways: Ways, entries: _Longs, resource: _Ints, weight: _Floats
) -> tuple[_Longs, _Ints, _Floats]:
    """Each flow's resources, and the limit of its rank in its class where there is one."""
    numbers, first = streams.trait(TRAIT), len(ways.capacity) + ways.ranks
    which = np.full(len(streams), -1)
    for k, one in enumerate(ways.classes.limited):
        which[numbers == one.number] = first + k * ways.ranks
    limited = (which >= 0) & (streams.src != streams.dst)
    at = entries[1:][limited]
    return (
        entries + np.concatenate([[0], np.cumsum(limited)]),
        np.insert(resource, at, (which + streams.src)[limited]),
        np.insert(weight, at, 1.0),
    )


def _with_promises(
    streams: Streams, ways: Ways, entries: _Longs, resource: _Ints, weight: _Floats
) -> tuple[_Longs, _Ints, _Floats]:
    """Each flow's resources, and what its class is promised at both of its ranks, if anything."""
    numbers, ranks = streams.trait(TRAIT), ways.ranks
    first = len(ways.capacity) + ranks * (1 + len(ways.classes.limited))
    which = np.full(len(streams), -1)
    for k, one in enumerate(ways.classes.guaranteed):
        which[numbers == one.number] = first + 2 * k * ranks
    promised = (which >= 0) & (streams.src != streams.dst)
    at, both = entries[1:][promised], np.stack([streams.src, streams.dst + ranks], axis=1)
    return (
        entries + np.concatenate([[0], 2 * np.cumsum(promised)]),
        np.insert(resource, np.repeat(at, 2), (which[:, None] + both)[promised].ravel()),
        np.insert(weight, np.repeat(at, 2), 1.0),
    )


def class_limits(classes: TrafficClasses, ranks: int) -> _Floats:
    """The most bytes per second of each of ``ranks`` ranks in each limited class: float64.

    Behind them what classes are promised, which limits nobody: inf.
    """
    promises = np.full(2 * ranks * len(classes.guaranteed), np.inf)
    limits = np.repeat([one.rate_limit for one in classes.limited], ranks)
    return np.concatenate([limits.astype(np.float64), promises])


def promised(classes: TrafficClasses, ranks: int, resources: int, after: int = 0) -> _Floats:
    """What is promised of each of ``resources`` resources, bytes per second: float64 [resources].

    Those of `Ways`, and ``after`` more; inf of all but those of promises. Empty where nothing is.
    """
    if not classes.guaranteed:
        return np.zeros(0)
    found = np.full(resources, np.inf)
    rates = np.repeat([one.guarantee for one in classes.guaranteed], 2 * ranks)
    found[resources - after - len(rates) : resources - after] = rates
    return found


@lean
def carry(
    carried: _Floats,
    path: _Ints,
    size: _Floats,
    begin: _Longs,
    resource: _Ints,
    weight: _Floats,
) -> None:
    """Add the bytes of flows on these paths to ``carried``, float64 [resources]."""
    for i in range(len(path)):
        for e in range(begin[path[i]], begin[path[i] + 1]):
            carried[resource[e]] += size[i] * weight[e]
