"""Whether a plane is non-blocking, proved from its links: nothing is simulated.

The argument. Let every flow climb to the top tier and be split there over the top switches in one
fixed proportion s, the same for all flows. Then the load on each link is a share of what one edge
switch's endpoints send, or receive, whatever the traffic is. If all those loads fit, every traffic
that the ports admit is carried at full rate. `non_blocking` finds the best such s: an edge switch e
reaches top switch v with at most c[e, v] bytes per second (both ways), its ports have p[e], so
s[v] can be min over e of c[e, v] / p[e]; the sum of s is the share of its ports that each endpoint
is sure of, under any traffic. One or more proves the plane non-blocking.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topology.graph import Floats, Ints, Topology

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Blocking:
    """What `non_blocking` found on one plane. Bandwidths are in bytes per second, one way.

    - ``counted``: the kinds of endpoints whose ports count; ``endpoints``: how many have a port.
    - ``tiers``: of switches; 0 where endpoints are linked directly. ``sub_planes``: sets of
      switches that do not meet, such as the seven of UB, or the NVLink of each node.
    - ``edge_switches``: those with such endpoints; ``port_bandwidth``, ``uplink_bandwidth``: of all
      of them together (`uplink_bandwidth` is 0 where there is one tier).
    - ``oversubscription``: ports over uplinks at the switch where that is worst, ``worst``; `None`
      without uplinks.
    - ``guaranteed``: the share of its ports that every endpoint is sure of, under any traffic, if
      traffic is spread evenly over sub-planes and well inside them; 1 or more is non-blocking.
    - ``bisection``: what the first half of the edge switches of each sub-plane can send to the
      second half through the tiers above; where a sub-plane has one edge switch, half its ports.
    - ``reason``: why it is not proved, or ``""``.
    """

    plane: str
    counted: tuple[str, ...]
    endpoints: int
    tiers: int
    sub_planes: int
    edge_switches: int
    port_bandwidth: float
    uplink_bandwidth: float
    oversubscription: float | None
    worst: str
    guaranteed: float
    bisection: float
    reason: str

    @property
    def non_blocking(self) -> bool:
        """Whether every traffic that the ports admit is proved to be carried at full rate."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class _Plane:
    """The links of one plane, and each vertex's tier on it: 0 for endpoints, -1 for others'."""

    src: Ints
    dst: Ints
    bandwidth: Floats
    tier: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Part:
    """One sub-plane: ports [E] out of and into its edge switches, reach [E, top switches]."""

    ports_out: Floats
    ports_in: Floats
    up: Floats
    down: Floats
    uplinks: Floats

    def guaranteed(self) -> float:
        used = self.ports_out + self.ports_in > 0
        if used.sum() < 2:
            return 1.0
        shares = [
            self.up[used] / np.maximum(self.ports_out[used, None], 1e-300),
            self.down[used] / np.maximum(self.ports_in[used, None], 1e-300),
        ]
        return float(np.minimum(*shares).min(axis=0).sum())

    def bisection(self) -> float:
        half = len(self.uplinks) // 2
        if not half:
            return float(self.ports_out.sum()) / 2
        return float(np.minimum(self.up[:half].sum(axis=0), self.down[half:].sum(axis=0)).sum())


def non_blocking(topology: Topology, plane: str, kinds: tuple[str, ...] | None = None) -> Blocking:
    """Prove that ``plane`` carries at full rate whatever its ports admit, or say why not.

    ``kinds``: the kinds of endpoints whose ports count; by default every accelerator's, or every
    endpoint's where the plane has no accelerator. (CloudMatrix384's UB plane is non-blocking for
    its dies; with its CPUs, ports are 1.2 times the uplinks.) Works for leaf/spine and deeper Clos
    networks, also after faults; where switches of one tier are linked to each other, nothing is
    proved and ``reason`` says so. Raises `TopologyError` for an unknown plane.
    """
    rows = np.flatnonzero(topology.link_plane == topology.plane(plane))
    src, dst = topology.link_src[rows], topology.link_dst[rows]
    view = _Plane(src, dst, topology.link_bandwidth[rows], tiers(topology, src, dst))
    counted = _counted(topology, view, kinds)
    endpoint = np.isin(np.array(topology.vertex_kinds), counted)
    endpoint[topology.n_endpoints :] = False
    parts = list(_parts(topology, view, endpoint))
    guaranteed = min((part.guaranteed() for part in parts), default=1.0)
    ratio, worst = _worst(topology, view, endpoint)
    return Blocking(
        plane=plane,
        counted=counted,
        endpoints=len(np.intersect1d(np.flatnonzero(endpoint), src)),
        tiers=max(0, int(view.tier.max())),
        sub_planes=len(parts),
        edge_switches=sum(len(part.uplinks) for part in parts),
        port_bandwidth=float(view.bandwidth[endpoint[src]].sum()),
        uplink_bandwidth=math.fsum(float(part.uplinks.sum()) for part in parts),
        oversubscription=ratio,
        worst=worst,
        guaranteed=guaranteed,
        bisection=math.fsum(part.bisection() for part in parts),
        reason=_reason(topology, view, guaranteed, ratio, worst),
    )


def tiers(topology: Topology, src: Ints, dst: Ints) -> NDArray[np.int64]:
    """How many links away from its nearest endpoint each vertex is; -1 where it has none."""
    tier = np.full(topology.n_vertices, -1, dtype=np.int64)
    tier[: topology.n_endpoints] = 0
    for depth in range(topology.n_vertices):
        found = np.concatenate([dst[tier[src] == depth], src[tier[dst] == depth]])
        found = found[tier[found] < 0]
        if not len(found):
            break
        tier[found] = depth + 1
    return tier


def _counted(topology: Topology, view: _Plane, kinds: tuple[str, ...] | None) -> tuple[str, ...]:
    if kinds is not None:
        return kinds
    ends = np.unique(view.src[view.src < topology.n_endpoints])
    ranks = np.intersect1d(ends, topology.accelerators)
    return tuple(sorted({topology.vertex_kinds[v] for v in (ranks if len(ranks) else ends)}))


def _parts(topology: Topology, view: _Plane, endpoint: Mask) -> Iterator[_Part]:
    """The sub-planes that have counted endpoints, each with its reach matrices."""
    label = _labels(topology, view)
    ends = endpoint[view.src] & (view.tier[view.dst] == 1)
    for part in np.unique(label[view.dst[ends]]):
        inside = label == part
        edges = np.flatnonzero(inside & (view.tier == 1))
        yield _Part(
            ports_out=_sums(view.dst[ends], view.bandwidth[ends], edges),
            ports_in=_ports_in(view, endpoint, edges),
            up=_reach(view, view.src, view.dst, inside),
            down=_reach(view, view.dst, view.src, inside),
            uplinks=_uplinks(view, edges),
        )


def _labels(topology: Topology, view: _Plane) -> NDArray[np.int64]:
    """The least vertex that each vertex reaches through switches only: one value a sub-plane."""
    label = np.arange(topology.n_vertices, dtype=np.int64)
    between = (view.tier[view.src] > 0) & (view.tier[view.dst] > 0)
    src, dst = view.src[between], view.dst[between]
    while True:
        before = label.copy()
        np.minimum.at(label, dst, label[src])
        np.minimum.at(label, src, label[dst])
        if np.array_equal(before, label):
            return label


def _sums(vertex: Ints, bandwidth: Floats, wanted: NDArray[np.int64]) -> Floats:
    sums = np.bincount(vertex, bandwidth, minlength=int(wanted.max()) + 1)
    return sums[wanted].astype(np.float64)


def _ports_in(view: _Plane, endpoint: Mask, edges: NDArray[np.int64]) -> Floats:
    ends = endpoint[view.dst] & (view.tier[view.src] == 1)
    return _sums(view.src[ends], view.bandwidth[ends], edges)


def _uplinks(view: _Plane, edges: NDArray[np.int64]) -> Floats:
    up = view.tier[view.dst] == view.tier[view.src] + 1
    return _sums(view.src[up], view.bandwidth[up], edges)


def _reach(view: _Plane, low: Ints, high: Ints, inside: Mask) -> Floats:
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


def _worst(topology: Topology, view: _Plane, endpoint: Mask) -> tuple[float | None, str]:
    """Ports over uplinks where that is worst, and the switch's name."""
    tier, size = view.tier, topology.n_vertices
    up = (tier[view.dst] == tier[view.src] + 1) & (tier[view.src] > 0)
    above = np.bincount(view.src[up], view.bandwidth[up], minlength=size)
    into = (tier[view.src] == tier[view.dst] - 1) & (endpoint[view.src] | (tier[view.src] > 0))
    below = np.bincount(view.dst[into], view.bandwidth[into], minlength=size)
    switches = np.flatnonzero(above > 0)
    if not len(switches):
        return None, ""
    ratio = below[switches] / above[switches]
    return float(ratio.max()), topology.vertex_names[switches[int(ratio.argmax())]]


def _reason(
    topology: Topology, view: _Plane, guaranteed: float, ratio: float | None, worst: str
) -> str:
    level = np.flatnonzero((view.tier[view.src] == view.tier[view.dst]) & (view.tier[view.src] > 0))
    if len(level):
        a, b = (topology.vertex_names[end[level[0]]] for end in (view.src, view.dst))
        return f"no Clos network: {a} and {b} are of one tier and linked, so nothing is proved"
    if ratio is not None and ratio > 1 + 1e-9:
        return f"the ports below {worst} have {ratio:.3g} times the bandwidth of its uplinks"
    if guaranteed < 1 - 1e-9:
        return f"two edge switches may share only {guaranteed:.1%} of their ports' bandwidth"
    return ""
