"""Where the numbers of a topology come from: what the presets say of their own constants.

A preset's module documents each constant in the text below it. That text is read here, from the
module's source, so the page says what the preset says and cannot drift from it. A number whose
value is not that of a constant gets no source.
"""

import ast
import inspect
import re
from itertools import pairwise
from types import ModuleType
from typing import Any

from topology.graph import Topology
from topology.presets import cloudmatrix, nvidia

PAPER = "arXiv 2506.12708v2"
"""What the preset calls P2: the paper that describes CloudMatrix384."""

_CLOUDMATRIX = (
    # plane, an end's kind ("" for any), what, constant
    ("ub", "die", "bandwidth", "UB_LINK"),
    ("ub", "l2", "bandwidth", "UB_LINK"),
    ("ub", "", "latency", "UB_HOP"),
    ("package", "", "bandwidth", "PACKAGE_LINK"),
    ("package", "", "latency", "PACKAGE_LATENCY"),
    ("rdma", "die", "bandwidth", "RDMA_PORT"),
    ("rdma", "die", "latency", "RDMA_LEAF"),
    ("rdma", "rdma-spine", "bandwidth", "RDMA_TRUNK"),
    ("rdma", "rdma-spine", "latency", "RDMA_HOP"),
    ("vpc", "", "bandwidth", "VPC_PORT"),
    ("vpc", "cpu", "latency", "VPC_CARD"),
    ("vpc", "vpc-leaf", "latency", "VPC_HOP"),
)
_NVIDIA = (
    ("nvlink", "", "bandwidth", "H100_NVLINK"),
    ("nvlink", "", "bandwidth", "H800_NVLINK"),
    ("nvlink", "", "latency", "NVLINK_LATENCY"),
    ("rdma", "", "bandwidth", "NIC"),
)


def sources(topology: Topology) -> list[dict[str, Any]]:
    """Where the bandwidths and latencies of a preset come from, a list of records.

    ``plane``: its number; ``kind``: the kind of vertex at an end of the link, ``""`` for any;
    ``quantity``: ``"bandwidth"`` or ``"latency"``; ``value``: the number (bytes per second, or
    seconds); ``text``: the constant's docstring and its module. Empty if the topology is not a
    preset's.
    """
    module, rules = _preset(topology)
    if module is None:
        return []
    told = constants(module)
    found = [
        {
            "plane": topology.planes.index(plane), "kind": kind, "quantity": quantity,
            "value": getattr(module, constant), "text": f"{told[constant]} ({_where(module)})",
        }
        for plane, kind, quantity, constant in rules
        if plane in topology.planes and constant in told
        and isinstance(getattr(module, constant), float)
    ]  # fmt: skip
    if module is cloudmatrix and "ub" in topology.planes:
        found.append({
            "plane": topology.planes.index("ub"), "kind": "cpu", "quantity": "bandwidth",
            "value": cloudmatrix.CPU_PORT / cloudmatrix.Node().sub_planes,
            "text": f"{told['CPU_PORT']} ({_where(module)})",
        })  # fmt: skip
    return found


def plane_notes(topology: Topology, plane: int) -> str:
    """One sentence that describes a plane of a preset; ``""`` for other topologies.

    ``plane``: its number in ``topology.planes``.
    """
    module, _ = _preset(topology)
    notes = {
        cloudmatrix: {
            "package": "between the two dies of an NPU, on the package",
            "ub": "scale-up: every die to every die over L1 and L2 chips, non-blocking",
            "rdma": "scale-out: RoCE, one port a die; the wiring is assumed rail-optimised",
            "vpc": "data centre network of the CPUs, through a Qingtian card a node",
        },
        nvidia: {
            "nvlink": "scale-up, inside a server",
            "rdma": "scale-out, a NIC a GPU, rails of leaves under spines",
        },
    }
    return notes.get(module, {}).get(topology.planes[plane], "") if module else ""


def constants(module: ModuleType) -> dict[str, str]:
    """The docstrings below the constants of a module, each on one line, by the constant's name."""
    try:
        body = ast.parse(inspect.getsource(module)).body
    except OSError:  # installed without its source: there is nothing to read
        return {}
    found = {}
    for first, second in pairwise(body):
        text = _text(second)
        if isinstance(first, ast.Assign) and isinstance(first.targets[0], ast.Name) and text:
            found[first.targets[0].id] = re.sub(r"\bP2\b", PAPER, " ".join(text.split()))
    return found


def _text(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value if isinstance(node.value.value, str) else ""
    return ""


def _where(module: ModuleType) -> str:
    return f"{module.__name__.replace('.', '/')}.py"


def _preset(topology: Topology) -> tuple[ModuleType | None, tuple[tuple[str, str, str, str], ...]]:
    name = topology.name
    if name.startswith(("cloudmatrix", "supernode")) and {"l1", "l2"} <= set(topology.vertex_kinds):
        return cloudmatrix, _CLOUDMATRIX
    if name.startswith(("dgx_h800", "dgx_h100")):
        return nvidia, _NVIDIA
    return None, ()
