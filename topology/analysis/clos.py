"""A plane as tiers of switches over endpoints, and the share of its ports that traffic is sure of.

Nothing here asks whether there are paths: `topology.analysis.nonblocking` does, and then proves
with this.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topology.analysis.connected import Scope, components
from topology.graph import Floats, Ints, Topology

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Plane:
    """The links of one plane, and each vertex's tier on it: 0 for endpoints, -1 for others'.

    ``bandwidth``: bytes per second; an unlimited link counts as `_MUCH` times more than all others
    together, so that sums and proportions can be computed; a sum above ``limit`` is unlimited.
    """

    src: Ints
    dst: Ints
    bandwidth: Floats
    tier: NDArray[np.int64]
    limit: float

    def unlimited(self, sums: Floats) -> Floats:
        """``sums`` of bandwidths, with infinity where an unlimited link is part of the sum."""
        return np.where(sums > self.limit, np.inf, sums)

    def sums(self, number: NDArray[np.integer], bandwidth: Floats, size: int = 0) -> Floats:
        """The sum of ``bandwidth`` (bytes per second) for each value of ``number``, float64.

        ``number``: int [N], a group for each bandwidth. The result has an entry for each group from
        0 on, at least ``size``; a sum with an unlimited link in it is infinite.
        """
        return self.unlimited(np.bincount(number, bandwidth, minlength=size).astype(np.float64))


_MUCH = 1e9
"""How much more than all others together an unlimited link is taken to carry."""


def view_of(topology: Topology, rows: NDArray[np.integer]) -> Plane:
    """The plane that consists of the links numbered ``rows``.

    Infinite bandwidths become large finite ones.
    """
    src, dst = topology.link_src[rows], topology.link_dst[rows]
    given = topology.link_bandwidth[rows]
    finite = np.isfinite(given)
    total = float(given[finite].sum()) or 1.0
    bandwidth = np.where(finite, given, total * _MUCH * max(len(given), 1))
    return Plane(src, dst, bandwidth, tiers(topology, src, dst), 2 * total)


def over(part: Floats, whole: Floats) -> Floats:
    """``part / whole``, element by element.

    Infinite where ``part`` is unlimited or ``whole`` is 0.
    """
    shares = np.full(np.broadcast_shapes(part.shape, whole.shape), np.inf)
    np.divide(part, whole, out=shares, where=np.isfinite(part) & (whole > 0))
    return shares


@dataclass(frozen=True, slots=True)
class SubPlane:
    """One sub-plane's bandwidths in bytes per second.

    ``ports_out``, ``ports_in``: [E], of all ports out of and into each edge switch; ``up``,
    ``down``: [E, top switches], what an edge switch reaches each top switch with; ``uplinks``: [E].
    """

    ports_out: Floats
    ports_in: Floats
    up: Floats
    down: Floats
    uplinks: Floats

    def guaranteed(self) -> float:
        """The share (0 to 1) of its port that each of its endpoints gets under any traffic."""
        used = self.ports_out + self.ports_in > 0
        if used.sum() < 2:
            return 1.0
        shares = [
            over(self.up[used], self.ports_out[used, None]),
            over(self.down[used], self.ports_in[used, None]),
        ]
        share = float(np.minimum(*shares).min(axis=0).sum())
        return share if np.isfinite(share) else 1.0

    def bisection(self) -> float:
        """Bytes per second that the first half of the edge switches can send to the second half."""
        half = len(self.uplinks) // 2
        if not half:
            return float(self.ports_out.sum()) / 2
        return float(np.minimum(self.up[:half].sum(axis=0), self.down[half:].sum(axis=0)).sum())


def guaranteed(topology: Topology, view: Plane, whom: Scope, parts: Sequence[SubPlane]) -> float:
    """The share (0 to 1) of its port that every endpoint gets under any traffic.

    It holds if all endpoints of ``whom`` reach each other; ``parts`` are the sub-planes.
    """
    if not (np.isin(view.src, whom.ends) & (view.tier[view.dst] > 0)).any():
        return _directly(topology, view, whom)
    out = _attached(topology, view, whom, view.src, view.dst)
    into = _attached(topology, view, whom, view.dst, view.src)
    spread = _spread(whom, out, into)
    return min((part.guaranteed() for part in parts), default=1.0) * spread


def _directly(topology: Topology, view: Plane, whom: Scope) -> float:
    """The same where every two are linked to each other: a flow has the links of its pair alone."""
    size = topology.n_vertices
    out = view.sums(view.src, view.bandwidth, size)
    into = view.sums(view.dst, view.bandwidth, size)
    rows = np.flatnonzero(np.isin(view.src, whom.ends) & np.isin(view.dst, whom.ends))
    ends = np.stack([view.src[rows], view.dst[rows]])
    pairs, number = np.unique(ends, axis=1, return_inverse=True)
    linked = view.sums(number.ravel(), view.bandwidth[rows])
    asked = np.minimum(out[pairs[0]], into[pairs[1]])
    return float(np.minimum(over(linked, asked), 1.0).min(initial=1.0))


_Shares = Mapping[tuple[int, int], float]
"""By endpoint and sub-plane: the share of the endpoint's bandwidth, one way, that is there."""


def _attached(topology: Topology, view: Plane, whom: Scope, near: Ints, far: Ints) -> _Shares:
    """``near``, ``far``: links' ends as endpoints see them, (src, dst) of what they send."""
    label = components(topology.n_vertices, topology.n_endpoints, view.src, view.dst)
    ports = view.sums(near, view.bandwidth, topology.n_vertices)
    rows = np.flatnonzero(np.isin(near, whom.ends) & (view.tier[far] > 0))
    ends = np.stack([near[rows].astype(np.int64), label[far[rows]]])
    pairs, number = np.unique(ends, axis=1, return_inverse=True)
    mine = view.sums(number.ravel(), view.bandwidth[rows])
    shares = np.minimum(over(mine, ports[pairs[0]]), 1.0)
    return dict(zip(zip(*pairs.tolist(), strict=True), shares.tolist(), strict=True))


def _spread(whom: Scope, out: _Shares, into: _Shares) -> float:
    """How much of all ports is there in one proportion over sub-planes, the least of any group.

    What an endpoint has on a sub-plane beyond that share is left out, as no other meets it there.
    """
    group = dict(zip(whom.ends.tolist(), whom.group.tolist(), strict=True))
    size = Counter(group.values())
    found: dict[tuple[int, int], list[float]] = defaultdict(list)
    for (end, place), share in out.items():
        found[group[end], place].append(min(share, into.get((end, place), 0.0)))
    sums = {each: 0.0 for each, count in size.items() if count > 1}
    for (each, _), shares in found.items():
        if each in sums and len(shares) == size[each]:
            sums[each] += min(shares)
    least = min(sums.values(), default=1.0)
    return 1.0 if least > 1 - 1e-9 else least


def tiers(topology: Topology, src: Ints, dst: Ints) -> NDArray[np.int64]:
    """Each vertex's distance in links from its nearest endpoint: int64 [vertices], -1 for none."""
    tier = np.full(topology.n_vertices, -1, dtype=np.int64)
    tier[: topology.n_endpoints] = 0
    for depth in range(topology.n_vertices):
        found = np.concatenate([dst[tier[src] == depth], src[tier[dst] == depth]])
        found = found[tier[found] < 0]
        if not len(found):
            break
        tier[found] = depth + 1
    return tier


def parts_of(topology: Topology, view: Plane, endpoint: Mask) -> Iterator[SubPlane]:
    """Iterate over the sub-planes that contain counted endpoints, each with its reach matrices.

    ``endpoint``: bool [vertices], the endpoints that count.
    """
    label = components(topology.n_vertices, topology.n_endpoints, view.src, view.dst)
    size = topology.n_vertices
    ends = endpoint[view.src] & (view.tier[view.dst] == 1)
    back = endpoint[view.dst] & (view.tier[view.src] == 1)
    above = view.tier[view.dst] == view.tier[view.src] + 1
    for part in np.unique(label[view.dst[ends]]):
        inside = label == part
        edges = np.flatnonzero(inside & (view.tier == 1))
        yield SubPlane(
            ports_out=view.sums(view.dst[ends], view.bandwidth[ends], size)[edges],
            ports_in=view.sums(view.src[back], view.bandwidth[back], size)[edges],
            up=view.unlimited(_reach(view, view.src, view.dst, inside)),
            down=view.unlimited(_reach(view, view.dst, view.src, inside)),
            uplinks=view.sums(view.src[above], view.bandwidth[above], size)[edges],
        )


def _reach(view: Plane, low: Ints, high: Ints, inside: Mask) -> Floats:
    """Bytes per second between each edge switch and each top switch, [E, tops], one way.

    ``low`` and ``high`` are the links' ends as seen from below: (src, dst) on the way up. Each tier
    spreads over its links in proportion to them, and passes on no more than they carry.
    """
    flow: Floats | None = None
    for tier in range(1, max(2, int(view.tier[inside].max()))):
        links = inside[low] & (view.tier[low] == tier) & (view.tier[high] == tier + 1)
        lower = np.flatnonzero(inside & (view.tier == tier))
        upper = np.flatnonzero(inside & (view.tier == tier + 1))
        wide = np.zeros((len(lower), len(upper)))
        ends = np.searchsorted(lower, low[links]), np.searchsorted(upper, high[links])
        np.add.at(wide, ends, view.bandwidth[links])
        if flow is None:
            flow = wide
        else:
            flow = flow @ (wide / np.maximum(np.maximum(wide.sum(1), flow.sum(0)), 1e-300)[:, None])
    assert flow is not None
    return flow
