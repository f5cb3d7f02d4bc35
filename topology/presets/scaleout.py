"""Leaf/spine networks, and clusters of nodes that have one fabric inside and NICs between them."""

import inspect
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.draft import Draft, count
from topology.errors import TopologyError
from topology.graph import Ints, Topology
from topology.presets.copies import copied, ports_of
from topology.presets.entry import SystemEntry, preset
from topology.units import GB, US, Gbit


def leaf_spine(
    draft: Draft,
    plane: str,
    ports: Ints,
    leaf: NDArray[np.integer],
    *,
    bandwidth: float,
    trunk: float,
    into_leaf: float,
    hop: float,
    into_port: float = 0.0,
    radix: int,
    oversubscription: float = 1.0,
    spines: int | None = None,
    in_switch: int = 0,
) -> None:
    """Connect ``ports`` to leaf switches, and every leaf to every spine switch.

    ``ports``: vertices [N]; ``leaf``: int [N], the leaf of each. ``bandwidth`` of a port and
    ``trunk`` of one leaf-spine link are in bytes per second each way; ``into_leaf``, ``into_port``
    and ``hop`` (leaf to spine, spine to leaf) are the links' latencies in seconds. A leaf has as
    many uplinks as it needs for its ports' bandwidth to be at most ``oversubscription`` times
    theirs. ``spines`` is by default the least number that divides the uplinks evenly on switches of
    ``radix`` ports; a single leaf has none. ``in_switch``: what they can do with data, as in
    `Topology`. Adds ``PLANE.leafN`` and ``PLANE.spineN`` of kinds
    ``PLANE-leaf``, ``PLANE-spine``. Raises `TopologyError` if two tiers are not enough.
    """
    if not oversubscription > 0:
        raise TopologyError(f"oversubscription is {oversubscription}; it must be above 0")
    counts = np.bincount(leaf)
    leaves = draft.switches([f"{plane}.leaf{i}" for i in range(len(counts))], f"{plane}-leaf",
                            in_switch=in_switch)  # fmt: skip
    draft.connect(ports, leaves[leaf], plane, bandwidth, into_leaf, into_port)
    if len(leaves) == 1:
        return
    uplinks = max(1, math.ceil(counts.max() * bandwidth / (oversubscription * trunk) - 1e-9))
    spines = _spines(plane, len(leaves), uplinks, radix) if spines is None else spines
    if spines < 1:
        raise TopologyError(f"spines is {spines}; it must be 1 or more")
    tops = draft.switches([f"{plane}.spine{i}" for i in range(spines)], f"{plane}-spine",
                          in_switch=in_switch)  # fmt: skip
    parallel = math.ceil(uplinks / spines)
    draft.connect(leaves[:, None], np.repeat(tops, parallel), plane, trunk, hop, hop)


def _spines(plane: str, leaves: int, uplinks: int, radix: int) -> int:
    for spines in range(1, uplinks + 1):
        if uplinks % spines == 0 and leaves * (uplinks // spines) <= radix:
            return spines
    raise TopologyError(
        f"plane {plane}: {leaves} leaves need spines of {leaves} ports or more, not {radix}; "
        f"ask for fewer nodes, fewer rails or a number of spines"
    )


def leaf_of(
    nodes: int, rail: NDArray[np.integer], ports_each: float, radix: int, copies: int | None = None
) -> Ints:  # fmt: skip
    """The leaf switch of each port, int32 [nodes, len(rail)].

    Port ``p`` of every node is on rail ``rail[p]``, and a rail of a node takes ``ports_each`` ports
    of a leaf, half of whose ``radix`` ports face down. Leaves are numbered pod by pod, then rail by
    rail; nodes are spread evenly over the least number of pods. ``copies``: nodes are of so many
    machines, of which a pod takes whole ones or even parts, where that makes at most twice as many
    pods and leaves are no more than a spine's ports.
    """
    rails = int(rail.max()) + 1
    most = max(1, int(radix / 2 / ports_each))
    pods = math.ceil(nodes / most)
    if copies is not None:
        whole = _whole_pods(copies, nodes // copies, most)
        pods = whole if whole <= 2 * pods and whole * rails <= radix else pods
    pod = np.arange(nodes) * pods // nodes
    return (pod[:, None] * rails + rail).astype(np.int32)


def _whole_pods(copies: int, nodes: int, most: int) -> int:
    """How many pods of ``most`` nodes or fewer take copies of ``nodes`` nodes evenly."""
    if nodes > most:
        return copies * next(
            n for n in range(1, nodes + 1) if nodes % n == 0 and nodes // n <= most
        )
    return next(n for n in range(1, copies + 1) if copies % n == 0 and copies // n * nodes <= most)


NODE_RADIX = 64
"""Ports of a switch between nodes: 64 of 400 Gbit/s, as NVIDIA's Quantum-2 and Spectrum-4 have."""

MODULAR_RADIX = 768
"""Ports of a switch between supernodes: 768 of 400GE, half of them down, in SemiAnalysis's drawing
of CloudMatrix384's scale-out network, two tiers of eight rails. 384 such ports down and as many
leaves make the 165,888 NPUs, 432 supernodes, that arXiv 2506.12708v2 section 3.2 gives as 165K."""

RAILS = 8
"""Rails between machines that have no scale-out plane of their own. Assumption, as above."""


@preset()
def cluster(
    nodes: int,
    *,
    of: str | None = None,
    per_node: int = 8,
    kind: str = "gpu",
    fabric: str = "nvlink",
    switch: str = "nvswitch",
    mesh: bool = False,
    fabric_bandwidth: float = 450 * GB,
    fabric_latency: float = 3.33 * US,
    nic: str = "rdma",
    nics: int | None = None,
    nic_bandwidth: float = 400 * Gbit,
    nic_latency: float = 3.6 * US,
    host_bandwidth: float = 64 * GB,
    hop_latency: float = 1.0 * US,
    radix: int | None = None,
    oversubscription: float = 1.0,
    spines: int | None = None,
    in_switch: int = 0,
    nic_in_switch: int = 0,
    name: str | None = None,
) -> Topology:
    """Nodes of ``per_node`` accelerators with a fabric inside, and one NIC each to leaf/spine.

    Planes ``(fabric, nic)``. Inside a node one logical ``switch`` joins the accelerators: it stands
    for several chips (four NVSwitches in a DGX) over which the hardware spreads each message, so a
    fault of one chip cannot be told. NIC ``i`` of every node is on rail ``i``: a leaf a rail for
    each pod of up to ``radix / 2`` nodes, and spines over all leaves, non-blocking unless
    ``oversubscription`` says otherwise. With fewer ``nics`` a node than accelerators, neighbours
    share one: it is a vertex of its own, reached at ``host_bandwidth``. ``mesh``: no switch, a link
    of ``fabric_bandwidth`` each way between any two accelerators of a node. Bandwidths are in bytes
    per second each way an accelerator; latencies in seconds, end to end one way: ``fabric_latency``
    inside a node, ``nic_latency`` under one leaf; ``hop_latency`` is that of each of the two
    switches more across leaves. ``in_switch``, ``nic_in_switch``: what the switches of the two
    planes can do with data, as in `Topology`.
    ``of``: the name of a system, as `topology.system` takes it: then ``nodes`` counts copies of it
    (``supernode0.node0.die0`` ...), and the plane ``nic`` joins them, rail by rail: leaves of half
    of ``radix`` ports, for as many nodes as those take, under spines over all leaves. If the system
    has that plane, each accelerator keeps its own rail, port and latency there, else it gets a port
    of ``nic_bandwidth`` on one of eight rails. What shapes a node cannot be given too. Of the VPC
    plane each copy has its own. ``radix``: by default 64, and 768 between copies of a system.

    Vertices: ``nodeN.KINDi``, ``nodeN.SWITCH``, ``nodeN.nicI`` where it is shared, ``NIC.leafN``,
    ``NIC.spineN``. The defaults are those of `topology.presets.nvidia`, with sources there. Raises
    `ArgumentError`, `TopologyError`.
    """
    if of is not None:
        _only_between(locals())
        return _of_systems(
            nodes, of, nic, nic_bandwidth, nic_latency, hop_latency, radix or MODULAR_RADIX,
            oversubscription, spines, nic_in_switch, name,
        )  # fmt: skip
    radix = NODE_RADIX if radix is None else radix
    nodes, per_node = count(nodes, "nodes of a cluster"), count(per_node, "per_node of a cluster")
    count(nodes * per_node, "nodes * per_node of a cluster")
    for what, number in (("nodes", nodes), ("per_node", per_node)):
        if number < 1:
            raise TopologyError(f"a cluster with {what} = {number}: it must be 1 or more")
    draft = Draft((fabric, nic))
    every = np.arange(nodes)
    ranks = draft.endpoints(
        [f"node{n}.{kind}{i}" for n in range(nodes) for i in range(per_node)],
        kind, node=np.repeat(every, per_node), package=np.arange(nodes * per_node),
    ).reshape(nodes, per_node)  # fmt: skip
    if mesh:
        _mesh(draft, ranks, fabric, fabric_bandwidth, fabric_latency)
    else:
        hubs = draft.switches([f"node{n}.{switch}" for n in range(nodes)], switch, node=every,
                              in_switch=in_switch)  # fmt: skip
        draft.connect(ranks, hubs[:, None], fabric, fabric_bandwidth, fabric_latency)
    ports, into_leaf = ranks, nic_latency
    if nics is not None and nics != per_node:
        ports, into_leaf = _shared(draft, ranks, nic, nics, host_bandwidth, nic_latency), 0.0
    leaf_spine(
        draft, nic, ports.ravel(), leaf_of(nodes, np.arange(ports.shape[1]), 1, radix).ravel(),
        bandwidth=nic_bandwidth, trunk=nic_bandwidth, into_leaf=into_leaf, hop=hop_latency,
        radix=radix, oversubscription=oversubscription, spines=spines, in_switch=nic_in_switch,
    )  # fmt: skip
    return draft.freeze(name or f"cluster(nodes={nodes})")


def _mesh(draft: Draft, ranks: Ints, plane: str, bandwidth: float, latency: float) -> None:
    for first in range(ranks.shape[1] - 1):
        draft.connect(ranks[:, first, None], ranks[:, first + 1 :], plane, bandwidth, latency,
                      latency)  # fmt: skip


def _shared(
    draft: Draft, ranks: Ints, plane: str, nics: int, bandwidth: float, latency: float
) -> Ints:
    """NICs [nodes, nics], and the links to them from the neighbours that share each."""
    nodes, per_node = ranks.shape
    if not 1 <= nics <= per_node or per_node % nics:
        raise TopologyError(f"nics is {nics}; it must divide the {per_node} accelerators of a node")
    every = np.repeat(np.arange(nodes), nics)
    names = [f"node{n}.nic{i}" for n in range(nodes) for i in range(nics)]
    cards = draft.switches(names, "nic", node=every).reshape(nodes, nics)
    draft.connect(ranks, np.repeat(cards, per_node // nics, axis=1), plane, bandwidth, latency)
    return cards


_OF_A_NODE = ("per_node", "kind", "fabric", "switch", "mesh", "fabric_bandwidth", "fabric_latency",
              "nics", "host_bandwidth", "in_switch")  # fmt: skip


def _only_between(given: Mapping[str, Any]) -> None:
    """Refuse what shapes a node where the nodes are systems that have a shape."""
    defaults = inspect.signature(cluster).parameters
    for name in _OF_A_NODE:
        if given[name] != defaults[name].default:
            raise TopologyError(f"a cluster of {given['of']} takes no {name}: it says that itself")


def _of_systems(
    copies: int, of: str, plane: str, bandwidth: float, latency: float, hop: float, radix: int,
    oversubscription: float, spines: int | None, in_switch: int, name: str | None,
) -> Topology:  # fmt: skip
    from topology.presets.catalogue import system

    base = system(of)
    draft, ranks = copied(base, copies, plane)
    width = _node_width(base)
    own_bandwidth, own_latency, leaf = ports_of(base, plane)
    if len(leaf):
        bandwidth, latency = float(own_bandwidth.max()), float(own_latency.max())
        rail = np.unique(leaf[:width], return_inverse=True)[1]
    else:
        rail = np.arange(width) * min(RAILS, width) // width
    trunk = max(bandwidth, 400 * Gbit)
    each = float(np.bincount(rail).max() * bandwidth / trunk)
    leaves = leaf_of(ranks.size // width, rail, each, radix, copies)
    leaf_spine(
        draft, plane, ranks.ravel(), leaves.ravel(), bandwidth=bandwidth, trunk=trunk,
        into_leaf=latency, hop=hop, radix=radix, oversubscription=oversubscription, spines=spines,
        in_switch=in_switch,
    )  # fmt: skip
    made = draft.freeze(name or f"cluster({copies}, of={of!r})")
    return made.made_by(base.provenance)


def _node_width(base: Topology) -> int:
    """How many accelerators a node has; raises `TopologyError` where nodes differ."""
    nodes = base.node[base.accelerators]
    width = int((nodes == nodes[0]).sum())
    if not np.array_equal(nodes, np.repeat(nodes[::width], width)):
        raise TopologyError(f"{base.name} has nodes of several sizes: no rails are known for them")
    return width


SYSTEMS: Mapping[str, SystemEntry] = MappingProxyType(
    {
        "cloudmatrix384-cluster": SystemEntry(
            cluster, "CloudMatrix384 supernodes, joined over RDMA; 432 of them are 165,888 NPUs",
            {"of": "cloudmatrix384"}, sized="SUPERNODES", argument="nodes", size=2, optional=False,
            most=432,
        ),
        "atlas950-cluster": SystemEntry(
            cluster, "Atlas 950 SuperPoDs of 1,024 NPUs, joined by a port of 400 Gbit/s an NPU",
            {"of": "atlas950"}, sized="SUPERPODS", argument="nodes", size=2, optional=False,
            most=512,
        ),
    }
)  # fmt: skip
"""What `topology.system` can be asked for."""
