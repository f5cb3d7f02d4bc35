"""NVIDIA's eight-GPU servers in clusters: systems that CloudMatrix384 is compared with.

Racks of 72 GPUs are in `topology.presets.nvl72`.

Latencies are from DeepSeek's ISCA'25 paper (arXiv 2505.09343, Table 5: 64 B, end to end, as the CPU
sees it). The model puts the part of a path's latency that does not depend on its length on the link
out of the GPU, and half of what a cross-leaf path adds on each of its two further switches, so that
sums over paths give exactly the published figures.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from topology.errors import TopologyError
from topology.graph import MULTICAST, REDUCE, Topology
from topology.names import near
from topology.presets.entry import SourceRule, SystemEntry, preset
from topology.presets.scaleout import cluster
from topology.units import GB, US, Gbit

FAMILY = "dgx"
"""The kind of machine that these presets make."""

H100_NVLINK = 450 * GB
"""Each way a GPU: 18 NVLink 4 links of 25 GB/s (NVIDIA H100 data sheet: 900 GB/s both ways)."""

H800_NVLINK = 200 * GB
"""Each way a GPU (data sheet: 400 GB/s both ways); DeepEP calls about 160 GB/s of it usable."""

H200_NVLINK = 450 * GB
"""Each way a GPU: 18 NVLink 4 links of 25 GB/s (NVIDIA H200 data sheet: 900 GB/s both ways)."""

H20_NVLINK = 450 * GB
"""Each way a GPU: 18 NVLink 4 links of 25 GB/s (HGX H20: 900 GB/s both ways, as H100)."""

B200_NVLINK = 900 * GB
"""Each way a GPU: 18 NVLink 5 links of 50 GB/s (NVIDIA DGX B200 data sheet: 1.8 TB/s both ways)."""

NVLINK_LATENCY = 3.33 * US
"""GPU to GPU in a node (arXiv 2505.09343, Table 5), measured on H800. For the other generations of
NVLink no such figure is published: assumed alike."""

NIC = 400 * Gbit
"""One ConnectX-7 NDR port a GPU (data sheets of DGX H100, H200 and B200: 8 ports of 400 Gbit/s); a
server of H20 has four, which two GPUs share each."""

PCIE_X16 = 64 * GB
"""Each way a GPU of H20 to its NIC: a PCIe 5.0 slot, 16 lanes of 32 GT/s (PCI-SIG)."""

H20_NICS = 4
"""NICs of an H20 server. Assumption: two GPUs share a NIC, each over a PCIe 5.0 x16 slot."""

NIC_LATENCY = {"roce": (3.6 * US, 5.6 * US), "ib": (2.8 * US, 3.7 * US)}
"""Under one leaf, and across leaves (arXiv 2505.09343, Table 5)."""

NVSWITCH = MULTICAST | REDUCE
"""What the NVSwitch chips of these servers can do with data: multicast, and "SHARP in-network
reductions" (NVIDIA on HGX H100: third-generation NVSwitch; NCCL's NVLS uses both, from 2.17 on)."""

INFINIBAND = {"ib": MULTICAST | REDUCE, "roce": 0}
"""What leaves and spines can do with data: InfiniBand's Quantum-2 has SHARPv3 (NVIDIA SHARP
documentation, rev 3); of Ethernet switches nothing alike is published."""

SWITCH_PORTS = 64
"""Ports of a 400 Gbit/s leaf or spine (NVIDIA QM9700 and SN5400 class)."""

NODES = 40
"""Enough for EP320 with a rank a GPU."""


@preset(FAMILY)
def dgx_h800(
    nodes: int = NODES, *, rdma: str = "roce", oversubscription: float = 1.0,
    spines: int | None = None, name: str | None = None,
) -> Topology:  # fmt: skip
    """A cluster of ``nodes`` H800 servers: planes ``nvlink`` (200 GB/s each way) and ``rdma``.

    ``rdma`` is ``"roce"`` or ``"ib"``, and only sets latencies. See `topology.cluster` for wiring,
    vertices and the other parameters. Raises `TopologyError`.
    """
    name = name or f"dgx_h800(nodes={nodes}, rdma={rdma!r})"
    return _dgx(nodes, H800_NVLINK, rdma, oversubscription, spines, name)


@preset(FAMILY)
def dgx_h100(
    nodes: int = NODES, *, rdma: str = "ib", oversubscription: float = 1.0,
    spines: int | None = None, name: str | None = None,
) -> Topology:  # fmt: skip
    """A cluster of ``nodes`` H100 servers: as `dgx_h800`, with NVLink of 450 GB/s each way a GPU.

    Raises `TopologyError`.
    """
    name = name or f"dgx_h100(nodes={nodes}, rdma={rdma!r})"
    return _dgx(nodes, H100_NVLINK, rdma, oversubscription, spines, name)


@preset(FAMILY)
def dgx_h200(
    nodes: int = NODES, *, rdma: str = "ib", oversubscription: float = 1.0,
    spines: int | None = None, name: str | None = None,
) -> Topology:  # fmt: skip
    """A cluster of ``nodes`` H200 servers: the network of `dgx_h100`; the GPUs have more memory.

    Raises `TopologyError`.
    """
    name = name or f"dgx_h200(nodes={nodes}, rdma={rdma!r})"
    return _dgx(nodes, H200_NVLINK, rdma, oversubscription, spines, name)


@preset(FAMILY)
def dgx_b200(
    nodes: int = NODES, *, rdma: str = "ib", oversubscription: float = 1.0,
    spines: int | None = None, name: str | None = None,
) -> Topology:  # fmt: skip
    """A cluster of ``nodes`` B200 servers: as `dgx_h100`, with NVLink of 900 GB/s each way a GPU.

    Raises `TopologyError`.
    """
    name = name or f"dgx_b200(nodes={nodes}, rdma={rdma!r})"
    return _dgx(nodes, B200_NVLINK, rdma, oversubscription, spines, name)


@preset(FAMILY)
def hgx_h20(
    nodes: int = NODES, *, rdma: str = "roce", nics: int = H20_NICS,
    oversubscription: float = 1.0, spines: int | None = None, name: str | None = None,
) -> Topology:  # fmt: skip
    """A cluster of ``nodes`` H20 servers: NVLink of 450 GB/s each way a GPU, four NICs a server.

    GPUs ``2 i`` and ``2 i + 1`` of a server share its NIC ``i``, on rail ``i``. ``nics``: 8 for a
    NIC a GPU. Raises `TopologyError`.
    """
    name = name or f"hgx_h20(nodes={nodes}, rdma={rdma!r})"
    return _dgx(nodes, H20_NVLINK, rdma, oversubscription, spines, name, nics)


def _dgx(
    nodes: int, nvlink: float, rdma: str, oversubscription: float, spines: int | None, name: str,
    nics: int | None = None,
) -> Topology:  # fmt: skip
    if rdma not in NIC_LATENCY:
        choices = ", ".join(NIC_LATENCY)
        raise TopologyError(f"rdma is {rdma!r}, not one of {choices}{near(rdma, NIC_LATENCY)}")
    same, across = NIC_LATENCY[rdma]
    return cluster(
        nodes, fabric_bandwidth=nvlink, fabric_latency=NVLINK_LATENCY, nics=nics,
        host_bandwidth=PCIE_X16, nic_bandwidth=NIC, nic_latency=same,
        hop_latency=(across - same) / 2, radix=SWITCH_PORTS, oversubscription=oversubscription,
        spines=spines, in_switch=NVSWITCH, nic_in_switch=INFINIBAND[rdma], name=name,
    )  # fmt: skip


_H800 = SystemEntry(
    dgx_h800, "H800 servers: NVLink 200 GB/s, RoCE 400 Gbit/s a GPU",
    sized="NODES", argument="nodes", size=NODES,
)  # fmt: skip
_H100 = SystemEntry(
    dgx_h100, "H100 servers: NVLink 450 GB/s, InfiniBand 400 Gbit/s a GPU",
    sized="NODES", argument="nodes", size=NODES,
)  # fmt: skip
_H200 = SystemEntry(
    dgx_h200, "H200 servers: NVLink 450 GB/s, InfiniBand 400 Gbit/s a GPU",
    sized="NODES", argument="nodes", size=NODES,
)  # fmt: skip
_B200 = SystemEntry(
    dgx_b200, "B200 servers: NVLink 900 GB/s, InfiniBand 400 Gbit/s a GPU",
    sized="NODES", argument="nodes", size=NODES,
)  # fmt: skip
_H20 = SystemEntry(
    hgx_h20, "H20 servers: NVLink 450 GB/s, four NICs of 400 Gbit/s a server",
    sized="NODES", argument="nodes", size=NODES,
)  # fmt: skip

SYSTEMS: Mapping[str, SystemEntry] = MappingProxyType(
    {
        "h800": _H800,
        "h100": _H100,
        "h200": _H200,
        "b200": _B200,
        "h20": _H20,
        "dgx_h800": replace(_H800, alias_of="h800"),
        "dgx_h100": replace(_H100, alias_of="h100"),
        "dgx_h200": replace(_H200, alias_of="h200"),
        "dgx_b200": replace(_B200, alias_of="b200"),
        "hgx_h20": replace(_H20, alias_of="h20"),
    }
)
"""What `topology.system` can be asked for."""

SOURCES = (
    SourceRule("nvlink", "", "bandwidth", "H100_NVLINK", preset="dgx_h100"),
    SourceRule("nvlink", "", "bandwidth", "H800_NVLINK", preset="dgx_h800"),
    SourceRule("nvlink", "", "bandwidth", "H200_NVLINK", preset="dgx_h200"),
    SourceRule("nvlink", "", "bandwidth", "B200_NVLINK", preset="dgx_b200"),
    SourceRule("nvlink", "", "bandwidth", "H20_NVLINK", preset="hgx_h20"),
    SourceRule("nvlink", "", "latency", "NVLINK_LATENCY"),
    SourceRule("rdma", "nic", "bandwidth", "PCIE_X16", preset="hgx_h20"),
    SourceRule("rdma", "", "bandwidth", "NIC"),
)
"""Which constant above is the source of which number."""

PLANE_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "nvlink": "scale-up, inside a server",
        "rdma": "scale-out, a NIC a GPU (H20: one for two), rails of leaves under spines",
    }
)
"""A sentence on what each plane is."""
