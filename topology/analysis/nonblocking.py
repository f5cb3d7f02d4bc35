"""Whether a plane is non-blocking, proved from its links: nothing is simulated.

First comes whether there is a path between every two endpoints (`topology.analysis.connected`):
without one nothing else is asked. Then the argument: let every flow climb to the top tier and be
split there over the top switches in one fixed proportion s, the same for all flows. Then the load
on each link is a share of what one edge switch's endpoints send, or receive, whatever the traffic
is. If all those loads fit, every traffic that the ports admit is carried at full rate.
`non_blocking` finds the best such s: an edge switch e reaches top switch v with at most c[e, v]
bytes per second (both ways), its ports have p[e], so s[v] can be min over e of c[e, v] / p[e]; the
sum of s is the share of its ports that each endpoint is sure of, under any traffic. One or more
proves the plane non-blocking. Where an endpoint has ports on several sub-planes, its flows are
split over these in one fixed proportion, in the same way. A link of unlimited bandwidth carries
whatever there is.
"""

import math
from dataclasses import dataclass

import numpy as np

from topology.analysis.clos import Mask, Plane, guaranteed, parts_of, view_of
from topology.analysis.connected import Scope, apart, components, scope
from topology.graph import Ints, Topology


@dataclass(frozen=True, slots=True)
class Blocking:
    """What `non_blocking` found on one plane. Bandwidths are in bytes per second, one way.

    - ``counted``: the kinds of endpoints whose ports count; ``endpoints``: how many have a port.
    - ``inside``: "node", "package" or "supernode" where the plane is to join only what is in one of
      these, such as NVLink; else "". ``apart``: names of two endpoints that it is to join, and that
      have no path from the first to the second; None where there are none such.
    - ``tiers``: of switches; 0 where endpoints are linked directly. ``sub_planes``: sets of
      switches that do not meet, such as the seven of UB, or the NVLink of each node.
    - ``edge_switches``: those with such endpoints; ``port_bandwidth``, ``uplink_bandwidth``: of all
      of them together (`uplink_bandwidth` is 0 where there is one tier).
    - ``oversubscription``: ports over uplinks at the switch where that is worst, ``worst``; `None`
      without uplinks, 0 where these are unlimited.
    - ``guaranteed``: the share of its ports that every endpoint is sure of, under any traffic, if
      traffic is spread evenly over sub-planes and well inside them; 1 or more is non-blocking, 0
      is where two endpoints have no path, or there are not two.
    - ``bisection``: what the first half of the edge switches of each sub-plane can send to the
      second half through the tiers above; where a sub-plane has one edge switch, half its ports.
      0 where endpoints have no path and no sub-plane has more than half of them.
    - ``reason``: why it is not proved, or ``""``.
    """

    plane: str
    counted: tuple[str, ...]
    inside: str
    apart: tuple[str, str] | None
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
        """True if every traffic that the ports admit is proved to run at full rate.

        Else see ``reason``.
        """
        return not self.reason


def non_blocking(topology: Topology, plane: str, kinds: tuple[str, ...] | None = None) -> Blocking:
    """Prove that ``plane`` carries at full rate whatever its ports admit, or say why not.

    ``kinds``: the kinds of endpoints whose ports count; by default every accelerator's, or every
    endpoint's where the plane has no accelerator. (CloudMatrix384's UB plane is non-blocking for
    its dies; with its CPUs, ports are 1.2 times the uplinks.) All endpoints of these kinds must
    reach each other, also those that a fault has left without a port; on a plane that joins only
    what is inside a node, a package or one of several supernodes, those of each. Works for
    leaf/spine and deeper Clos networks, also after faults; where switches of one tier are linked to
    each other, nothing is proved and ``reason`` says so. Raises `TopologyError` for an unknown
    plane.
    """
    rows = np.flatnonzero(topology.link_plane == topology.plane(plane))
    view = view_of(topology, rows)
    counted = _counted(topology, view, kinds)
    endpoint = np.isin(np.array(topology.vertex_kinds), counted)
    endpoint[topology.n_endpoints :] = False
    ends = np.flatnonzero(endpoint).astype(np.int32)
    whom = scope(topology, view.src, view.dst, ends)
    pair = apart(topology, view.src, view.dst, whom)
    parts = list(parts_of(topology, view, endpoint))
    joins = len(ends) > 1 and len(rows) > 0 and pair is None
    share = guaranteed(topology, view, whom, parts) if joins else 0.0
    ratio, worst = _worst(topology, view, endpoint)
    names = None if pair is None else tuple(topology.vertex_names[end] for end in pair)
    ported = np.intersect1d(ends, view.src)
    halves = pair is not None and not _mostly_together(topology, view, ported)
    return Blocking(
        plane=plane,
        counted=counted,
        inside=whom.inside,
        apart=None if names is None else (names[0], names[1]),
        endpoints=len(ported),
        tiers=max(0, int(view.tier.max(initial=0))),
        sub_planes=len(parts),
        edge_switches=sum(len(part.uplinks) for part in parts),
        port_bandwidth=float(topology.link_bandwidth[rows][endpoint[view.src]].sum()),
        uplink_bandwidth=math.fsum(float(part.uplinks.sum()) for part in parts),
        oversubscription=ratio,
        worst=worst,
        guaranteed=share,
        bisection=0.0 if halves else math.fsum(part.bisection() for part in parts),
        reason=_reason(topology, view, whom, names, share, ratio, worst),
    )


def _mostly_together(topology: Topology, view: Plane, ends: Ints) -> bool:
    """Whether some sub-plane has more than half of the endpoints."""
    label = components(topology.n_vertices, topology.n_endpoints, view.src, view.dst)
    is_end = np.isin(view.src, ends) & (view.tier[view.dst] > 0)
    pairs = np.unique(np.stack([label[view.dst[is_end]], view.src[is_end]]), axis=1)
    return bool(np.bincount(pairs[0], minlength=1).max() * 2 > len(ends))


def _counted(topology: Topology, view: Plane, kinds: tuple[str, ...] | None) -> tuple[str, ...]:
    if kinds is not None:
        return kinds
    ends = np.unique(np.concatenate([view.src, view.dst]))
    ends = ends[ends < topology.n_endpoints]
    ranks = np.intersect1d(ends, topology.accelerators)
    return tuple(sorted({topology.vertex_kinds[v] for v in (ranks if len(ranks) else ends)}))


def _worst(topology: Topology, view: Plane, endpoint: Mask) -> tuple[float | None, str]:
    """Ports over uplinks where that is worst, and the switch's name."""
    tier, size = view.tier, topology.n_vertices
    up = (tier[view.dst] == tier[view.src] + 1) & (tier[view.src] > 0)
    above = view.sums(view.src[up], view.bandwidth[up], size)
    into = (tier[view.src] == tier[view.dst] - 1) & (endpoint[view.src] | (tier[view.src] > 0))
    below = view.sums(view.dst[into], view.bandwidth[into], size)
    switches = np.flatnonzero(above > 0)
    if not len(switches):
        return None, ""
    below, above = below[switches], above[switches]
    ratio = np.where(np.isinf(above), 0.0, below / np.where(np.isinf(above), 1.0, above))
    return float(ratio.max()), topology.vertex_names[switches[int(ratio.argmax())]]


def _reason(
    topology: Topology, view: Plane, whom: Scope, pair: tuple[str, ...] | None,
    share: float, ratio: float | None, worst: str,
) -> str:  # fmt: skip
    if pair is not None:
        return _why_apart(topology, view, whom, pair)
    if len(np.unique(whom.ends)) < 2 or not len(view.src):
        return "it joins no two endpoints"
    level = np.flatnonzero((view.tier[view.src] == view.tier[view.dst]) & (view.tier[view.src] > 0))
    if len(level):
        a, b = (topology.vertex_names[end[level[0]]] for end in (view.src, view.dst))
        return f"no Clos network: {a} and {b} are of one tier and linked, so nothing is proved"
    if ratio is not None and ratio > 1 + 1e-9:
        if math.isinf(ratio):
            return f"the ports below {worst} are unlimited, and its uplinks are not"
        return f"the ports below {worst} have {ratio:.3g} times the bandwidth of its uplinks"
    if share < 1 - 1e-9:
        return f"two edge switches may share only {share:.1%} of their ports' bandwidth"
    return ""


def _why_apart(topology: Topology, view: Plane, whom: Scope, pair: tuple[str, ...]) -> str:
    for name, ends, does in ((pair[0], view.src, "begins at"), (pair[1], view.dst, "leads to")):
        if topology.index[name] not in ends:
            return f"no path from {pair[0]} to {pair[1]}: no link of it {does} {name}"
    return f"no path from {pair[0]} to {pair[1]}"
