"""The machine that was chosen: its topology, with the software stack that it usually runs."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from bench.options import Selection
from fabric.simulate import Fabric
from topology.errors import TriplaneError
from topology.graph import Topology
from topology.systems import system

USES = ("collective", "low-latency", "normal")
"""What a machine is measured for: collectives, or MoE in either mode."""

STACKS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "cloudmatrix": ("hccl", "cann-ep", "sgl-kernel-npu"),
        "supernode": ("hccl", "cann-ep", "sgl-kernel-npu"),
        "dgx_h": ("nccl", "deepep-v1", "deepep-v1"),
    }
)
"""By how a system's name begins: the stack whose constants the calibration knows, for each of
`USES`. Every other system runs ``raw``: the wire alone."""


class BenchError(TriplaneError):
    """A benchmark was asked for something that it cannot do or does not know."""


def software_of(name: str, use: str = "collective") -> str:
    """The stack that a system usually runs for one of `USES`; raw is none."""
    stacks = next((stacks for prefix, stacks in STACKS.items() if name.startswith(prefix)), None)
    return "raw" if stacks is None else stacks[USES.index(use)]


def topology_of(selection: Selection) -> Topology:
    """The system that was chosen, without what has failed in it."""
    topology = system(selection.system)
    return topology.without(*selection.without) if selection.without else topology


def fabric_of(selection: Selection, use: str = "collective") -> Fabric:
    """The machine that was chosen, to be simulated; its stack is ``fabric.software``."""
    topology = topology_of(selection)
    return Fabric(
        topology, engine=selection.engine, routing=selection.routing,
        endpoint=selection.software or software_of(topology.name, use),
        planes=tuple(re.split(r"\s*,\s*", selection.planes)) if selection.planes else None,
    )  # fmt: skip
