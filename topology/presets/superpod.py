"""Huawei's Atlas 950 and Atlas 960 SuperPoDs, link by link: racks of full meshes under a Clos.

Announced machines: no measurement of one is published. "HC25" is Xu Zhijun's keynote at HUAWEI
CONNECT 2025, "WAIC" Huawei's news of 2026-07-17, "A950" the white paper on Ascend 950, "HCCL" the
rule that a test fixture of Huawei's hcomm follows (test/legacy/st, "Atlas 950 SuperPod 2D", commit
8958adbf03: product data, no data sheet), "UBM" is arXiv 2503.20377. What none of them says is
marked as an assumption.
"""

from collections.abc import Mapping
from types import MappingProxyType

from topology.draft import Draft
from topology.graph import Topology
from topology.presets.entry import SourceRule, SystemEntry, preset
from topology.presets.full_mesh import PLANES, backplanes, mesh_racks, racks_of, second_layer
from topology.units import GB, NS

FAMILY = "atlas"
"""The kind of machine that these presets make."""

PORT = 56 * GB
"""Each way a port of Ascend 950: four lanes of 112 Gbit/s (A950: 72 lanes, 18 ports, 2,016 GB/s
both ways). The rate of the lane, without what its coding takes."""

MESH_950 = 14 * PORT
"""Each way from an NPU of Atlas 950 to all of its mesh, derived: 14 of its ports."""

SIDE = 8
"""A rack's 64 NPUs are 8 rows of 8; every NPU has a port to each other one of its row and of its
column (HCCL: 448 of the 640 edges; a few of the fixture's columns are wrong, the rule is not)."""

CLOS_PORTS = 4
"""Ports of an NPU into the network between racks (HCCL: 7 + 7 + 4 of 18). That each goes to another
backplane of the rack is an assumption, as is the backplane's being one logical switch: UBM has four
backplanes of low-radix chips a rack."""

NPUS_950 = 1024
"""As shown and in the catalogue in 2026 (WAIC); 8,192 are planned (HC25: 128 racks and 32 of
switches)."""

NPUS_960 = 15488
"""HC25: 176 racks and 44 of switches, hence 88 NPUs a rack."""

RACK_960 = (8, 11)
"""Rows and columns of a rack of Atlas 960. Assumption: 88 NPUs as a full mesh of two dimensions."""

BANDWIDTH_960 = 1100 * GB
"""Each way an NPU of Atlas 960, derived: 34 PB/s both ways (HC25) over 15,488."""

MESH_SHARE_960 = 14 / 18
"""Of it for the mesh. Assumption: as on Atlas 950."""

NPU_MESH_960 = BANDWIDTH_960 * MESH_SHARE_960
"""Each way from an NPU of Atlas 960 to all of its mesh, derived."""

MESH_960 = NPU_MESH_960 / (sum(RACK_960) - 2)
"""Each way between two NPUs of a row or column of Atlas 960, derived: 17 neighbours share alike.
How many ports an NPU has is not published; HC25 says that Ascend 960 has twice those of 950."""

CLOS_960 = BANDWIDTH_960 * (1 - MESH_SHARE_960) / CLOS_PORTS
"""Each way from an NPU of Atlas 960 to a backplane, derived. Assumption: four, as on Atlas 950."""

HRS_950, HRS_960 = 128, 176
"""Ports of a switch of the second layer: one a rack of the whole machine. Assumption; HC25's racks
fit it: 256 switches of 128 ports (UBM's high-radix switch has 512 lanes) and 352 of 176 are both
eight a rack of switches."""

HOP = 187.5 * NS
"""To cross a switch, or to be passed on by an NPU. Assumption: as CloudMatrix384's UB switches
(`topology.presets.cloudmatrix.UB_HOP`). Published are 2.1 us from NPU to NPU across racks (HC25)
and 3 us there and back (WAIC), with the software at both ends."""


@preset(FAMILY)
def atlas950(npus: int = NPUS_950, *, hrs_ports: int = HRS_950) -> Topology:
    """Atlas 950 SuperPoD: racks of 64 Ascend 950 NPUs, each an 8 x 8 full mesh, under a Clos.

    Endpoints ``rack0.npu0`` ..., a rank an NPU. Planes, in the order in which traffic prefers them:

    - ``mesh``: 14 ports of 56 GB/s each way an NPU, to the seven others of its row and the seven of
      its column. Two NPUs of neither are two links apart, by either of two ways: NPUs pass on each
      other's traffic (``rack0.npu0.ub``).
    - ``racks``: 4 ports of 56 GB/s, one to each of the rack's backplanes (``rack0.lrs0`` ...), over
      which go 64 uplinks each to the switches of the second layer (``hrs0.0`` ...), without
      oversubscription. That is 224 GB/s an NPU between racks, 4.5 times less than all its ports.

    ``npus``: a multiple of 64; up to ``hrs_ports`` racks. Assumed, as no data sheet says it: what
    is between the racks' backplanes, latencies, and that traffic inside a rack keeps to the
    shortest ways of the mesh (HCCL may use the other ports there too). The CPUs, and the ports of
    UBoE and RoCE that join such machines to clusters, are left out. Raises `ArgumentError`,
    `TopologyError`.
    """
    return _superpod("atlas950", npus, (SIDE, SIDE), PORT, PORT, hrs_ports)


@preset(FAMILY)
def atlas960(npus: int = NPUS_960, *, hrs_ports: int = HRS_960) -> Topology:
    """Atlas 960 SuperPoD: as `atlas950`, with racks of 88 Ascend 960 NPUs, 8 x 11, of 1.1 TB/s.

    Published are the number of NPUs, of racks, and the bandwidth of all; all else is assumed to be
    as in Atlas 950. ``npus``: a multiple of 88. Raises `ArgumentError`, `TopologyError`.
    """
    return _superpod("atlas960", npus, RACK_960, MESH_960, CLOS_960, hrs_ports)


def _superpod(
    name: str, npus: int, rack: tuple[int, int], mesh: float, clos: float, hrs_ports: int
) -> Topology:
    racks = racks_of(name, npus, *rack)
    draft = Draft(PLANES)
    ranks = mesh_racks(draft, racks, *rack, link=mesh, hop=HOP)
    leaves = backplanes(draft, ranks, CLOS_PORTS, clos, HOP)
    second_layer(draft, leaves, ranks.shape[1], hrs_ports, clos, HOP)
    return draft.freeze(f"{name}({npus})")


SYSTEMS: Mapping[str, SystemEntry] = MappingProxyType(
    {
        "atlas950": SystemEntry(
            atlas950, "Atlas 950 SuperPoD: racks of 64 NPUs as full meshes, 1,024 (8,192 planned)",
            sized="NPUS", argument="npus", size=8192,
        ),
        "atlas960": SystemEntry(
            atlas960, "Atlas 960 SuperPoD, planned: racks of 88 NPUs as full meshes, 15,488",
            sized="NPUS", argument="npus", size=1408,
        ),
    }
)  # fmt: skip
"""What `topology.system` can be asked for."""

SOURCES = (
    SourceRule("mesh", "ub-port", "latency", "HOP"),
    SourceRule("racks", "", "latency", "HOP"),
    SourceRule("mesh", "npu", "bandwidth", "MESH_950", preset="atlas950"),
    SourceRule("mesh", "ub-port", "bandwidth", "PORT", preset="atlas950"),
    SourceRule("racks", "", "bandwidth", "PORT", preset="atlas950"),
    SourceRule("mesh", "npu", "bandwidth", "NPU_MESH_960", preset="atlas960"),
    SourceRule("mesh", "ub-port", "bandwidth", "MESH_960", preset="atlas960"),
    SourceRule("racks", "", "bandwidth", "CLOS_960", preset="atlas960"),
)
"""Which constant above is the source of which number."""

PLANE_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "mesh": "inside a rack: every NPU to all of its row and its column, which pass traffic on",
        "racks": "between racks: four backplanes a rack, each with a second layer of its own",
    }
)
"""A sentence on what each plane is."""
