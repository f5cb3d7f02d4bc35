"""CloudMatrix384 and its relatives, link by link: UB, RDMA and VPC on one object.

"P2" is arXiv 2506.12708v2, the paper that describes the machine. What it does not say is marked as
an assumption here. A link into a switch carries the time to cross that switch; a link into an
endpoint carries none.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from topology.draft import Draft, count
from topology.errors import TopologyError
from topology.files.reading import shown
from topology.graph import Ints, Topology
from topology.presets.entry import SourceRule, SystemEntry, preset
from topology.presets.scaleout import leaf_of, leaf_spine
from topology.units import GB, NS, US, Gbit

FAMILY = "cloudmatrix"
"""The kind of machine that these presets make."""

PLANES = ("package", "ub", "rdma", "vpc")
"""In the order in which traffic prefers them; P2 counts the last three, the first is on chip."""

UB_LINK = 28 * GB
"""Each way a UB link: 224 Gbit/s a transceiver (P2 section 3.3.1); a die has seven, 196 GB/s."""

UB_HOP = 187.5 * NS
"""To cross one UB switch. Derived from P2 Table 1: inter- less intra-node latency is 0.7 to 0.8 us
for a round trip with four switches more, 175 to 200 ns each. Huawei's page on the Atlas 900 A3
SuperPoD says 200 ns a hop."""

PACKAGE_LINK = 270 * GB
"""Each way between the two dies of a package (P2 section 3.3.1: 540 GB/s both ways together)."""

PACKAGE_LATENCY = 200 * NS
"""Die to die in a package: StrataCL (arXiv 2607.26444) Table 1, 0.2 us; UBEP (arXiv 2607.06202)
table 2.2, 218 ns. Both second-hand."""

CPU_PORT = 160 * GB
"""Each way a CPU socket on the UB plane (P2 section 3.3.2). Even spread over its node's L1 chips is
an assumption."""

RDMA_PORT = 200 * Gbit
"""Each way a die; 400 Gbit/s an NPU, RoCE, no CPU (P2 section 3.2)."""

RDMA_TRUNK = 400 * Gbit
"""Each way a leaf-spine link. Assumption: the 400GE ports of SemiAnalysis's bill of materials."""

RDMA_RAILS = 8
"""Assumption: NPU i of every node is on rail i, both dies. SemiAnalysis draws eight rails in two
tiers, and a node's rear panel has 8 x 400GE for RoCE."""

RDMA_LEAF = 3.6 * US
"""Out of a die and through the leaf: 2.6 us for both NICs and 1.0 us for the switch. Assumption:
the NICs are like those of arXiv 2505.09343 Table 5 (RoCE, 64 B: 3.6 us under one leaf)."""

RDMA_HOP = 1.0 * US
"""To cross one RoCE switch more: the same table has 5.6 us across leaves, two switches more."""

VPC_PORT = 400 * Gbit
"""Each way a node, through its Qingtian card (P2 section 3.2)."""

VPC_CARD = 5.0 * US
"""To cross a Qingtian card. Assumption, no figure is published: a virtual network's forwarding."""

VPC_HOP = 1.0 * US
"""To cross one switch of the VPC plane. Assumption: as `RDMA_HOP`."""

ETHERNET_PORTS = 128
"""Ports of 400 Gbit/s on a leaf or spine. Assumption: the 51.2 Tbit/s class."""

NODES_A_RACK = 4
"""48 nodes in 12 compute racks (P2 section 3.2: 16 racks, 4 of them for L2 switches). Which node
stands in which is not published: here they go in order."""

L2_PORTS = 48
"""UB ports of an L2 chip, one a node of a full CloudMatrix384 (P2 section 3.3.3)."""

L2_PER_LOGICAL = 2
"""Physical L2 chips a logical switch (P2 Table 11)."""


@dataclass(frozen=True, slots=True)
class Node:
    """The composition of a node; the default is CloudMatrix384's (P2 sections 3.2 and 3.3).

    Counts, then bandwidths in bytes per second each way, then seconds. Every die has one link of
    ``ub_link`` to each of the ``sub_planes`` L1 chips; ``uplinks``: those of an L1 chip, None: as
    many as dies, so that its uplinks match its dies.
    """

    npus: int = 8
    dies_per_npu: int = 2
    cpus: int = 4
    sub_planes: int = 7
    uplinks: int | None = None
    ub_link: float = UB_LINK
    package_link: float = PACKAGE_LINK
    cpu_port: float = CPU_PORT
    rdma_port: float = RDMA_PORT
    ub_hop: float = UB_HOP

    @property
    def dies(self) -> int:
        """Number of dies in a node."""
        return self.npus * self.dies_per_npu

    @property
    def l1_uplinks(self) -> int:
        """Number of links from an L1 chip up to the L2 chips of its sub-plane."""
        return self.dies if self.uplinks is None else self.uplinks


@preset(FAMILY)
def cloudmatrix384(
    *, rails: int = RDMA_RAILS, oversubscription: float = 1.0, spines: int | None = None
) -> Topology:
    """The CloudMatrix384 of the paper: 384 NPUs, 768 dies, 192 CPUs on three planes.

    Endpoints: dies ``node0.die0`` to ``node47.die15`` (numbers 0 to 767), then CPU sockets
    ``node0.cpu0`` to ``node47.cpu3``. Planes, in the order in which traffic prefers them:

    - ``package``: a link of 270 GB/s each way between the two dies of an NPU; not a switch's.
    - ``ub``: one link of 28 GB/s each way from every die to each of its node's seven L1 chips
      (``node0.l1.0`` ...), and from every L1 chip to each of the 16 L2 chips of its sub-plane
      (``l2.0.0`` ... ``l2.6.15``, 48 ports each). CPUs: 160 GB/s spread over the seven L1 chips.
    - ``rdma``: 200 Gbit/s a die.
    - ``vpc``: the four CPUs of a node hang on its Qingtian card (``node0.qingtian``, a switch), and
      the card has 400 Gbit/s. Dies have no way onto this plane of their own: P2 gives it to
      management, storage and CPU services.

    Not published, hence assumed: how the ``rdma`` and ``vpc`` planes are wired between nodes. Here
    ``rdma`` is rail-optimised: NPU ``i`` of every node is on leaf ``i`` (``rails``; 16 puts every
    die on its own), leaves on spines of 128 x 400 Gbit/s without ``oversubscription``; ``vpc``
    is a single leaf. Also assumed: RoCE and VPC latencies, and the CPUs' even spread.
    """
    return supernode(
        384, rails=rails, oversubscription=oversubscription, spines=spines, name="cloudmatrix384"
    )


@preset(FAMILY)
def supernode(
    npus: int = 384,
    *,
    node: Node | Mapping[str, Any] | None = None,
    l2_chips: int | None = None,
    l2_ports: int | None = None,
    rails: int = RDMA_RAILS,
    oversubscription: float = 1.0,
    spines: int | None = None,
    name: str | None = None,
) -> Topology:
    """A supernode of any size, wired like `cloudmatrix384`, which is the default.

    ``node``: a `Node`, or those of its fields that are not the default, by name. ``l2_chips`` of
    ``l2_ports`` ports make up the second layer of each sub-plane. A chip has 48
    ports, or one a node where there are more nodes than that (8,192 NPUs take 1,024); there are so
    many chips that all L1 uplinks find a port, in whole logical switches of two. That gives P2's
    Table 11: 16 chips for 384 and 352 NPUs, 12 for 288 and 256, 8 for 192, at its port utilisation.

    The uplinks of a sub-plane are dealt to its chips in turn, node after node: each L1 chip keeps
    all 16, each L2 chip gets equally many, give or take one. Where the chips divide 16, as 16 and 8
    do, every node is wired alike and the fabric is non-blocking. With 12, a node has two links to 4
    of them and one to 8, and which 4 changes from node to node (no wiring of 16 links to 12 chips
    avoids that within 48 ports): uniform traffic over 288 NPUs can still run at full rate, but two
    nodes alone reach only 12 of 16 links. `topology.non_blocking` tells; ``l2_chips=16`` avoids it.
    The paper's own wiring for these sizes is not published.

    Raises `ArgumentError` for a size that is no number, or too large; `TopologyError` for one that
    is no whole number of nodes, or too few ports.
    """
    node, npus = _node(node), count(npus, "npus of a supernode")
    for part in ("npus", "dies_per_npu", "sub_planes", "l1_uplinks"):
        if getattr(node, part) < 1:
            raise TopologyError(f"a node with {part} = {getattr(node, part)}: it must be 1 or more")
    nodes, rest = divmod(npus, node.npus)
    if nodes < 1 or rest:
        raise TopologyError(f"supernode({npus}): not a multiple of the {node.npus} NPUs of a node")
    draft = Draft(PLANES)
    dies, cpus = _endpoints(draft, nodes, node)
    for first in range(node.dies_per_npu - 1):
        pairs = dies.reshape(nodes, node.npus, node.dies_per_npu)
        draft.connect(
            pairs[..., first, None], pairs[..., first + 1 :], "package",
            node.package_link, PACKAGE_LATENCY, PACKAGE_LATENCY,
        )  # fmt: skip
    _ub(draft, node, dies, cpus, _second_layer(npus, nodes, node, l2_chips, l2_ports))
    _rdma(draft, node, dies, rails, oversubscription, spines)
    _vpc(draft, cpus)
    return draft.freeze(name or f"supernode({npus})")


def _node(given: Node | Mapping[str, Any] | None) -> Node:
    if given is None or isinstance(given, Node):
        return given or Node()
    known = [one.name for one in fields(Node)]
    for name in given:
        if name not in known:
            raise TopologyError(f"a node has no {shown(name)}; it has {', '.join(known)}")
    return Node(**given)


def _endpoints(draft: Draft, nodes: int, node: Node) -> tuple[Ints, Ints]:
    """Dies [nodes, dies] and CPU sockets [nodes, cpus]; dies first, so that rank i is vertex i."""
    every = np.arange(nodes)
    racks = every // NODES_A_RACK
    dies = draft.endpoints(
        [f"node{n}.die{d}" for n in range(nodes) for d in range(node.dies)], "die",
        node=np.repeat(every, node.dies), package=np.arange(nodes * node.dies) // node.dies_per_npu,
        rack=np.repeat(racks, node.dies), supernode=0,
    )  # fmt: skip
    cpus = draft.endpoints(
        [f"node{n}.cpu{c}" for n in range(nodes) for c in range(node.cpus)], "cpu",
        node=np.repeat(every, node.cpus), rack=np.repeat(racks, node.cpus), supernode=0,
    )  # fmt: skip
    return dies.reshape(nodes, node.dies), cpus.reshape(nodes, node.cpus)


def _second_layer(npus: int, nodes: int, node: Node, chips: int | None, ports: int | None) -> int:
    """L2 chips a sub-plane."""
    uplinks = nodes * node.l1_uplinks
    ports = max(L2_PORTS, nodes) if ports is None else ports
    logical = math.ceil(uplinks / max(ports, 1) / L2_PER_LOGICAL)
    chips = logical * L2_PER_LOGICAL if chips is None else chips
    if chips < 1 or ports < 1 or chips * ports < uplinks:
        needed = math.ceil(uplinks / max(chips, 1)), math.ceil(uplinks / max(ports, 1))
        raise TopologyError(
            f"supernode({npus}): {nodes} nodes have {uplinks} uplinks a sub-plane; {chips} L2 "
            f"chips of {ports} ports cannot take them, at least {needed[0]} ports or {needed[1]} "
            f"chips are needed"
        )
    return chips


def _ub(draft: Draft, node: Node, dies: Ints, cpus: Ints, chips: int) -> None:
    nodes, planes = len(dies), node.sub_planes
    l1 = draft.switches(
        [f"node{n}.l1.{s}" for n in range(nodes) for s in range(planes)], "l1",
        node=np.repeat(np.arange(nodes), planes),
        rack=np.repeat(np.arange(nodes) // NODES_A_RACK, planes), supernode=0,
    ).reshape(nodes, planes)  # fmt: skip
    l2 = draft.switches([f"l2.{s}.{c}" for s in range(planes) for c in range(chips)], "l2",
                        supernode=0)  # fmt: skip
    hop = node.ub_hop
    draft.connect(dies[:, :, None], l1[:, None, :], "ub", node.ub_link, hop)
    if cpus.size:
        draft.connect(cpus[:, :, None], l1[:, None, :], "ub", node.cpu_port / planes, hop)
    chip = np.arange(nodes * node.l1_uplinks).reshape(nodes, 1, node.l1_uplinks) % chips
    above = l2.reshape(planes, chips)[np.arange(planes)[:, None], chip]
    draft.connect(l1[:, :, None], above, "ub", node.ub_link, hop, hop)


def _rdma(
    draft: Draft, node: Node, dies: Ints, rails: int, oversubscription: float, spines: int | None
) -> None:
    if not 1 <= rails <= node.dies:
        raise TopologyError(f"rails is {rails}; a node of {node.dies} dies has 1 to {node.dies}")
    rail = np.arange(node.dies) * rails // node.dies
    ports_each = float(np.bincount(rail).max()) * node.rdma_port / RDMA_TRUNK
    leaf_spine(
        draft, "rdma", dies.ravel(), leaf_of(len(dies), rail, ports_each, ETHERNET_PORTS).ravel(),
        bandwidth=node.rdma_port, trunk=RDMA_TRUNK, into_leaf=RDMA_LEAF, hop=RDMA_HOP,
        radix=ETHERNET_PORTS, oversubscription=oversubscription, spines=spines,
    )  # fmt: skip


def _vpc(draft: Draft, cpus: Ints) -> None:
    if not cpus.size:
        return
    nodes = len(cpus)
    cards = draft.switches(
        [f"node{n}.qingtian" for n in range(nodes)], "qingtian", node=np.arange(nodes),
        rack=np.arange(nodes) // NODES_A_RACK, supernode=0,
    )  # fmt: skip
    draft.connect(cpus, cards[:, None], "vpc", VPC_PORT, VPC_CARD)
    leaf_spine(
        draft, "vpc", cards, leaf_of(nodes, np.array([0]), 1, ETHERNET_PORTS).ravel(),
        bandwidth=VPC_PORT, trunk=VPC_PORT, into_leaf=VPC_HOP, into_port=VPC_CARD, hop=VPC_HOP,
        radix=ETHERNET_PORTS,
    )  # fmt: skip


SYSTEMS: Mapping[str, SystemEntry] = MappingProxyType(
    {
        "cloudmatrix384": SystemEntry(
            cloudmatrix384, "48 nodes, 384 NPUs (768 dies): UB, RDMA and VPC planes"
        ),
        **{
            f"cloudmatrix{npus}": SystemEntry(
                supernode,
                f"CloudMatrix384's logical supernode of {npus} NPUs ({npus // 8} nodes)",
                {"npus": npus, "name": f"cloudmatrix{npus}"},
            )
            for npus in (352, 288, 256, 192)
        },
        "supernode": SystemEntry(
            supernode, "CloudMatrix384's wiring, any size",
            sized="NPUS", argument="npus", size=8192, optional=False,
        ),
    }
)  # fmt: skip
"""What `topology.system` can be asked for."""

SOURCES = (
    SourceRule("ub", "die", "bandwidth", "UB_LINK"),
    SourceRule("ub", "l2", "bandwidth", "UB_LINK"),
    SourceRule("ub", "", "latency", "UB_HOP"),
    SourceRule("package", "", "bandwidth", "PACKAGE_LINK"),
    SourceRule("package", "", "latency", "PACKAGE_LATENCY"),
    SourceRule("rdma", "die", "bandwidth", "RDMA_PORT"),
    SourceRule("rdma", "die", "latency", "RDMA_LEAF"),
    SourceRule("rdma", "rdma-spine", "bandwidth", "RDMA_TRUNK"),
    SourceRule("rdma", "rdma-spine", "latency", "RDMA_HOP"),
    SourceRule("vpc", "", "bandwidth", "VPC_PORT"),
    SourceRule("vpc", "cpu", "latency", "VPC_CARD"),
    SourceRule("vpc", "vpc-leaf", "latency", "VPC_HOP"),
    SourceRule("ub", "cpu", "bandwidth", "CPU_PORT", Node().sub_planes),
)
"""Which constant above is the source of which number."""

PLANE_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "package": "between the two dies of an NPU, on the package",
        "ub": "scale-up: every die to every die over L1 and L2 chips, non-blocking",
        "rdma": "scale-out: RoCE, one port a die; the wiring is assumed rail-optimised",
        "vpc": "data centre network of the CPUs, through a Qingtian card a node",
    }
)
"""A sentence on what each plane is."""
