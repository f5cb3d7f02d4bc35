"""AMD's servers of eight MI300X, with ConnectX-7 NICs between them."""

from collections.abc import Mapping
from types import MappingProxyType

from topology.graph import Topology
from topology.presets.entry import SourceRule, SystemEntry, preset
from topology.presets.nvidia import NODES, SWITCH_PORTS
from topology.presets.scaleout import cluster
from topology.units import GB, US, Gbit

FAMILY = "mi300x"
"""The kind of machine that these presets make."""

XGMI_LINK = 64 * GB
"""Each way a link between two GPUs of a server, one to each of the other seven (AMD CDNA 3 white
paper and MI300X platform data sheet: 128 GB/s both ways a link, 896 GB/s a GPU)."""

XGMI_LATENCY = 3.33 * US
"""GPU to GPU in a server. Assumption: as NVLink's (arXiv 2505.09343, Table 5), end to end as the
CPU sees it; no such figure is published."""

NIC = 400 * Gbit
"""One ConnectX-7 port a GPU: 8 a server, InfiniBand (uccl-project/uccl, ep/README.md)."""

NIC_LATENCY = 2.8 * US
"""GPU to GPU under one leaf (InfiniBand: arXiv 2505.09343, Table 5)."""

NIC_HOP = 0.45 * US
"""To cross one switch more: half of what a way across leaves takes longer in the same table."""


@preset(FAMILY)
def mi300x(
    nodes: int = NODES, *, oversubscription: float = 1.0, spines: int | None = None
) -> Topology:
    """``nodes`` servers of 8 MI300X: planes ``xgmi``, a full mesh without a switch, and ``rdma``.

    A pair of GPUs of a server has 64 GB/s each way. See `topology.cluster` for the wiring between
    servers, vertices and parameters. Raises `TopologyError`.
    """
    return cluster(
        nodes, fabric="xgmi", mesh=True, fabric_bandwidth=XGMI_LINK, fabric_latency=XGMI_LATENCY,
        nic_bandwidth=NIC, nic_latency=NIC_LATENCY, hop_latency=NIC_HOP, radix=SWITCH_PORTS,
        oversubscription=oversubscription, spines=spines, name=f"mi300x(nodes={nodes})",
    )  # fmt: skip


SYSTEMS: Mapping[str, SystemEntry] = MappingProxyType(
    {
        "mi300x-cx7": SystemEntry(
            mi300x, "MI300X servers: xGMI full mesh of 64 GB/s, InfiniBand 400 Gbit/s a GPU",
            sized="NODES", argument="nodes", size=NODES,
        ),
    }
)  # fmt: skip
"""What `topology.system` can be asked for."""

SOURCES = (
    SourceRule("xgmi", "", "bandwidth", "XGMI_LINK"),
    SourceRule("xgmi", "", "latency", "XGMI_LATENCY"),
    SourceRule("rdma", "", "bandwidth", "NIC"),
    SourceRule("rdma", "gpu", "latency", "NIC_LATENCY"),
    SourceRule("rdma", "rdma-spine", "latency", "NIC_HOP"),
)
"""Which constant above is the source of which number."""

PLANE_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "xgmi": "scale-up, inside a server: a link between any two GPUs",
        "rdma": "scale-out: InfiniBand, a NIC a GPU, rails of leaves under spines",
    }
)
"""A sentence on what each plane is."""
