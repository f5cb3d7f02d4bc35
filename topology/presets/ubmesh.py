"""UB-Mesh, link by link: the pod of 1,024 NPUs as a full mesh of four dimensions, and its SuperPod.

"UBM" is arXiv 2503.20377, the paper that proposes it. What it does not say is marked as an
assumption.
"""

from collections.abc import Mapping
from types import MappingProxyType

from topology.draft import Draft
from topology.errors import TopologyError
from topology.graph import Ints, Topology
from topology.presets.entry import SourceRule, SystemEntry, preset
from topology.presets.full_mesh import (
    PLANES,
    backplanes,
    full_mesh,
    mesh_racks,
    racks_of,
    second_layer,
)
from topology.presets.superpod import HOP as SUPERPOD_HOP
from topology.units import GB

FAMILY = "ubmesh"
"""The kind of machine that these presets make."""

PORT = 56 * GB
"""Each way four lanes. Assumption: of 112 Gbit/s each, as Ascend 950's; UBM counts lanes alone."""

BOARD, BOARDS = 8, 8
"""NPUs of a board and boards of a rack, the two dimensions of its full mesh (UBM section 3.3.1)."""

MESH = 14 * PORT
"""Each way from an NPU to all of its rack's mesh, derived: x4 to each of 14 neighbours."""

BACKPLANES = 4
"""Of a rack, each with 256 lanes out of it (UBM section 3.3.1). With x16 an NPU for traffic between
racks (UBM section 6.3), four ports of four lanes, one to each (assumption), that is all of them;
and x56 of the NPU's x72 are left for the mesh: four lanes to each of 14 neighbours."""

GRID = 4
"""Racks in a row and in a column of a pod, each joined to the others (UBM section 3.3.3)."""

RACK_PORTS = 8
"""Ports of four lanes between the backplanes of one number in two racks of a row or column: UBM has
128 lanes between two racks. That they are spread evenly over the backplanes is an assumption."""

UP_PORTS = 16
"""Ports of four lanes of each backplane to the switches between pods, derived: 64 out of the rack,
less 8 to each of 6 racks."""

HRS_PORTS = 128
"""Ports of four lanes of a high-radix switch, 512 lanes (UBM Table 3)."""

HOP = SUPERPOD_HOP
"""To cross a switch, or to be passed on by an NPU. Assumption: as CloudMatrix384's UB switches."""


@preset(FAMILY)
def ubmesh(npus: int = 1024) -> Topology:
    """A UB-Mesh pod of 1,024 NPUs, or a SuperPod of several: ``npus`` is a multiple of 1,024.

    Endpoints ``rack0.npu0`` ..., a rank an NPU. Planes, in the order in which traffic prefers them:

    - ``mesh``: in a rack, 8 boards of 8 NPUs; an NPU has 56 GB/s each way to each of the seven
      others of its board and the seven at its place on other boards, which pass on each other's
      traffic (``rack0.npu0.ub``).
    - ``racks``: 4 x 56 GB/s an NPU, one to each of its rack's backplanes (``rack0.lrs0`` ...).
      Racks are 4 x 4 in a pod; a backplane has 448 GB/s to that of the same number in each rack of
      its row and its column, and 896 GB/s to high-radix switches (``hrs0.0`` ...), which join pods.

    Traffic takes shortest ways and is spread evenly over their links. So two racks of a pod that
    share neither row nor column use both racks between them and, of several pods, the switches too
    (what UBM calls "borrow"). Detours by longer ways are what the routing `all-path` takes. The
    65th NPU of a rack and the CPUs are left out. Raises `ArgumentError`, `TopologyError`.
    """
    racks = racks_of("ubmesh", npus, BOARDS, BOARD)
    if racks % GRID**2:
        raise TopologyError(f"ubmesh({npus}): not a multiple of the 1024 NPUs of a pod")
    draft = Draft(PLANES)
    ranks = mesh_racks(draft, racks, BOARDS, BOARD, link=PORT, hop=HOP)
    switches = backplanes(draft, ranks, BACKPLANES, PORT, HOP)
    _pods(draft, switches)
    if racks > GRID**2:
        second_layer(draft, switches, UP_PORTS, HRS_PORTS, PORT, HOP)
    return draft.freeze(f"ubmesh({npus})")


def _pods(draft: Draft, switches: Ints) -> None:
    """Join the racks of each pod, backplane by backplane."""
    grid = switches.reshape(-1, GRID, GRID, BACKPLANES)
    for row in (grid.transpose(0, 1, 3, 2), grid.transpose(0, 2, 3, 1)):
        full_mesh(draft, row, "racks", PORT, HOP, RACK_PORTS)


SYSTEMS: Mapping[str, SystemEntry] = MappingProxyType(
    {
        "ubmesh": SystemEntry(
            ubmesh, "UB-Mesh (arXiv 2503.20377): pods of 1,024 NPUs, full meshes in 4 dimensions",
            sized="NPUS", argument="npus", size=8192,
        )
    }
)  # fmt: skip
"""What `topology.system` can be asked for."""

SOURCES = (
    SourceRule("mesh", "npu", "bandwidth", "MESH"),
    SourceRule("mesh", "ub-port", "bandwidth", "PORT"),
    SourceRule("racks", "", "bandwidth", "PORT"),
    SourceRule("mesh", "ub-port", "latency", "HOP"),
    SourceRule("racks", "", "latency", "HOP"),
)
"""Which constant above is the source of which number."""

PLANE_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "mesh": "inside a rack: every NPU to its board and its column, which pass traffic on",
        "racks": "between racks: full meshes of four, and high-radix switches between pods",
    }
)
"""A sentence on what each plane is."""
