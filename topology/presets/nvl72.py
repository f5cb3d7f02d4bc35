"""NVIDIA's GB200 NVL72: racks whose 72 GPUs are one NVLink domain, and clusters of such racks.

"MNNVL" is NVIDIA's tuning guide for Multi-Node NVLink Systems, "Understanding Your Grace-Blackwell
Systems" (docs.nvidia.com/multi-node-nvlink-systems). Latencies are put on links as in
`topology.presets.nvidia`.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from topology.draft import Draft, count
from topology.errors import TopologyError
from topology.graph import Ints, Topology
from topology.names import near
from topology.presets.entry import SourceRule, SystemEntry, preset
from topology.presets.nvidia import INFINIBAND, NIC_LATENCY, NVSWITCH, SWITCH_PORTS
from topology.presets.scaleout import leaf_of, leaf_spine
from topology.units import GB, US, Gbit

FAMILY = "nvl72"
"""The kind of machine that these presets make."""

GPUS_A_TRAY = 4
"""GPUs of a compute tray, two GB200 superchips (MNNVL: 18 compute trays of 4 GPUs)."""

GPUS_A_RACK = 72
"""GPUs of an NVLink domain, which is a rack (MNNVL, configuration 72x1)."""

SWITCH_CHIPS = 18
"""NVLink switch chips of a rack: 9 trays (MNNVL) of two chips (NVIDIA GB200 NVL72: 130 TB/s over
chips of 72 ports of 100 GB/s both ways)."""

NVLINK = 50 * GB
"""Each way a link from a GPU to a switch chip, one to each: 18 NVLink 5 links are 1.8 TB/s both
ways a GPU (NVIDIA GB200 NVL72 data sheet)."""

NVLINK_LATENCY = 3.33 * US
"""GPU to GPU in a rack. Assumption: as between two H800 of a server (arXiv 2505.09343, Table 5);
both cross one switch chip, and for NVLink 5 no figure of the same kind is published."""

NIC = 400 * Gbit
"""One ConnectX-7 port a GPU: 4 of 400 Gbit/s a compute tray (NVIDIA DGX GB200 data sheet; MNNVL:
"CX7")."""


@preset(FAMILY)
def gb200_nvl72(
    gpus: int = GPUS_A_RACK, *, rdma: str = "ib", nic_bandwidth: float = NIC,
    oversubscription: float = 1.0, spines: int | None = None, name: str | None = None,
) -> Topology:  # fmt: skip
    """GB200 NVL72: racks of 18 trays of 4 GPUs, each rack one NVLink domain; ``gpus`` in all.

    Planes ``nvlink`` and ``rdma``. Racks are filled one after the other; the last one may have
    fewer trays. Every GPU has a link of 50 GB/s each way to each of its rack's 18 switch chips,
    over which the hardware spreads each message: NVLink does not leave the rack. A node is a tray,
    a supernode an NVLink domain. NIC ``i`` of every tray is on rail ``i``, leaves under spines as
    in `topology.cluster`: the wiring of a DGX SuperPOD is rail-optimised; how many leaves and
    spines it has is an assumption. ``rdma``: ``"ib"`` or ``"roce"``, sets latencies only;
    ``nic_bandwidth``: of a GPU each way, ``800 * Gbit`` for GB300's ConnectX-8.

    Vertices: ``node0.gpu0`` (four a tray), ``rack0.nvswitch0`` (18 a rack), ``rdma.leafN``,
    ``rdma.spineN``. Grace CPUs are not part of it. Raises `ArgumentError`, `TopologyError`.
    """
    trays, rest = divmod(count(gpus, "gpus of gb200_nvl72"), GPUS_A_TRAY)
    if trays < 1 or rest:
        raise TopologyError(f"gb200_nvl72({gpus}): not a multiple of the {GPUS_A_TRAY} of a tray")
    if rdma not in NIC_LATENCY:
        choices = ", ".join(NIC_LATENCY)
        raise TopologyError(f"rdma is {rdma!r}, not one of {choices}{near(rdma, NIC_LATENCY)}")
    draft = Draft(("nvlink", "rdma"))
    ranks = _gpus(draft, trays)
    same, across = NIC_LATENCY[rdma]
    leaf_spine(
        draft, "rdma", ranks.ravel(),
        leaf_of(trays, np.arange(GPUS_A_TRAY), 1, SWITCH_PORTS).ravel(),
        bandwidth=nic_bandwidth, trunk=nic_bandwidth, into_leaf=same, hop=(across - same) / 2,
        radix=SWITCH_PORTS, oversubscription=oversubscription, spines=spines,
        in_switch=INFINIBAND[rdma],
    )  # fmt: skip
    return draft.freeze(name or f"gb200_nvl72({gpus})")


def _gpus(draft: Draft, trays: int) -> Ints:
    """GPUs [trays, 4], with their racks' switch chips."""
    gpu = np.arange(trays * GPUS_A_TRAY)
    rack = gpu // GPUS_A_RACK
    ranks = draft.endpoints(
        [f"node{i // GPUS_A_TRAY}.gpu{i % GPUS_A_TRAY}" for i in gpu.tolist()], "gpu",
        node=gpu // GPUS_A_TRAY, package=gpu, rack=rack, supernode=rack,
    )  # fmt: skip
    racks = np.arange(int(rack[-1]) + 1)
    chips = draft.switches(
        [f"rack{r}.nvswitch{i}" for r in racks.tolist() for i in range(SWITCH_CHIPS)], "nvswitch",
        rack=np.repeat(racks, SWITCH_CHIPS), supernode=np.repeat(racks, SWITCH_CHIPS),
        in_switch=NVSWITCH,
    ).reshape(len(racks), SWITCH_CHIPS)  # fmt: skip
    draft.connect(ranks[:, None], chips[rack], "nvlink", NVLINK, NVLINK_LATENCY)
    return ranks.reshape(trays, GPUS_A_TRAY)


_GB200 = SystemEntry(
    gb200_nvl72, "GB200 NVL72, 72 GPUs a rack: NVLink 900 GB/s, InfiniBand 400 Gbit/s a GPU",
    sized="GPUS", argument="gpus", size=576,
)  # fmt: skip

SYSTEMS: Mapping[str, SystemEntry] = MappingProxyType({"gb200": _GB200})
"""What `topology.system` can be asked for."""

SOURCES = (
    SourceRule("nvlink", "", "bandwidth", "NVLINK"),
    SourceRule("nvlink", "", "latency", "NVLINK_LATENCY"),
    SourceRule("rdma", "", "bandwidth", "NIC"),
)
"""Which constant above is the source of which number."""

PLANE_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "nvlink": "scale-up, inside a rack: every GPU on every switch chip",
        "rdma": "scale-out, a NIC a GPU, rails of leaves under spines",
    }
)
"""A sentence on what each plane is."""
