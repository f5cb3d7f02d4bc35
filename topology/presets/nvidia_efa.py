"""AWS's eight-GPU instances with EFA between them, on which published rows were measured.

The figures are those of AWS's pages on EC2 instance types. How EFA's network is wired is not
published: leaves and spines are assumed to be as in `topology.cluster`, and not to block.
"""

from collections.abc import Mapping
from types import MappingProxyType

from topology.graph import Topology
from topology.presets.entry import SourceRule, SystemEntry, preset
from topology.presets.nvidia import NODES, NVSWITCH
from topology.presets.scaleout import cluster
from topology.units import GB, US, Gbit

FAMILY = "efa"
"""The kind of machine that these presets make."""

P5EN_NVLINK = 450 * GB
"""Each way a GPU: H200's NVLink 4 (AWS on p5en: 900 GB/s both ways)."""

P6_NVLINK = 900 * GB
"""Each way a GPU: B200's NVLink 5 (AWS on p6-b200: 1,800 GB/s both ways)."""

NVLINK_LATENCY = 3.33 * US
"""GPU to GPU in an instance. Assumption: as on H800 (arXiv 2505.09343, Table 5)."""

EFA = 400 * Gbit
"""Each way a GPU: 3,200 Gbit/s an instance, in p5en 16 cards of 200 Gbit/s and in p6-b200 8 of 400
(AWS on EC2 instance types). SRD sprays packets, so a GPU's two cards of p5en are one port here."""

EFA_LATENCY = 3.6 * US
"""GPU to GPU under one leaf. Assumption: as RoCE (arXiv 2505.09343, Table 5)."""

EFA_HOP = 1.0 * US
"""To cross one switch more. Assumption: as RoCE in the same table."""

SWITCH_PORTS = 64
"""Ports of 400 Gbit/s of a leaf or spine. Assumption."""


@preset(FAMILY)
def p5en(nodes: int = NODES, *, oversubscription: float = 1.0) -> Topology:
    """``nodes`` instances p5en.48xlarge: 8 H200, NVLink of 450 GB/s, EFA of 400 Gbit/s a GPU.

    Planes and vertices as in `topology.cluster`. Raises `TopologyError`.
    """
    return _instances(nodes, P5EN_NVLINK, oversubscription, f"p5en(nodes={nodes})")


@preset(FAMILY)
def p6_b200(nodes: int = NODES, *, oversubscription: float = 1.0) -> Topology:
    """``nodes`` instances p6-b200.48xlarge: 8 B200, NVLink of 900 GB/s, EFA of 400 Gbit/s a GPU.

    Planes and vertices as in `topology.cluster`. Raises `TopologyError`.
    """
    return _instances(nodes, P6_NVLINK, oversubscription, f"p6_b200(nodes={nodes})")


def _instances(nodes: int, nvlink: float, oversubscription: float, name: str) -> Topology:
    return cluster(
        nodes, fabric_bandwidth=nvlink, fabric_latency=NVLINK_LATENCY, nic_bandwidth=EFA,
        nic_latency=EFA_LATENCY, hop_latency=EFA_HOP, radix=SWITCH_PORTS,
        oversubscription=oversubscription, in_switch=NVSWITCH, name=name,
    )  # fmt: skip


SYSTEMS: Mapping[str, SystemEntry] = MappingProxyType(
    {
        "p5en": SystemEntry(
            p5en, "AWS p5en, 8 H200: NVLink 450 GB/s, EFA 400 Gbit/s a GPU",
            sized="NODES", argument="nodes", size=NODES,
        ),
        "p6-b200": SystemEntry(
            p6_b200, "AWS p6-b200, 8 B200: NVLink 900 GB/s, EFA 400 Gbit/s a GPU",
            sized="NODES", argument="nodes", size=NODES,
        ),
    }
)  # fmt: skip
"""What `topology.system` can be asked for."""

SOURCES = (
    SourceRule("nvlink", "", "bandwidth", "P5EN_NVLINK", preset="p5en"),
    SourceRule("nvlink", "", "bandwidth", "P6_NVLINK", preset="p6_b200"),
    SourceRule("nvlink", "", "latency", "NVLINK_LATENCY"),
    SourceRule("rdma", "", "bandwidth", "EFA"),
    SourceRule("rdma", "gpu", "latency", "EFA_LATENCY"),
    SourceRule("rdma", "rdma-spine", "latency", "EFA_HOP"),
)
"""Which constant above is the source of which number."""

PLANE_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "nvlink": "scale-up, inside an instance",
        "rdma": "scale-out: EFA; the wiring is assumed rail-optimised and non-blocking",
    }
)
"""A sentence on what each plane is."""
