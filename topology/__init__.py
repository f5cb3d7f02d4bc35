"""What is connected to what: supernodes, clusters and textbook networks, link by link.

>>> from topology import cloudmatrix384
>>> cloudmatrix384().without("l2.3.*", "node3").n_endpoints
940
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from topology.errors import RouteError, TopologyError, TriplaneError, UnitError
from topology.graph import NOWHERE, Topology

if TYPE_CHECKING:
    from topology.analysis.nonblocking import Blocking, non_blocking
    from topology.formats.networkx import from_networkx, to_networkx
    from topology.formats.rank_table import RankTable, rank_table
    from topology.formats.toml import from_toml, load, save
    from topology.formats.toml_text import to_toml
    from topology.presets.catalogue import system, systems
    from topology.presets.cloudmatrix import Node, cloudmatrix384, supernode
    from topology.presets.mi300x import mi300x
    from topology.presets.nvidia import dgx_b200, dgx_h100, dgx_h200, dgx_h800, hgx_h20
    from topology.presets.nvidia_efa import p5en, p6_b200
    from topology.presets.nvl72 import gb200_nvl72
    from topology.presets.scaleout import cluster
    from topology.presets.shapes import fat_tree, ring, star
    from topology.presets.superpod import atlas950, atlas960
    from topology.presets.ubmesh import ubmesh
    from topology.routing.router import Router

_LATER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "analysis.nonblocking": ("Blocking", "non_blocking"),
        "formats.networkx": ("from_networkx", "to_networkx"),
        "formats.rank_table": ("RankTable", "rank_table"),
        "formats.toml": ("from_toml", "load", "save"),
        "formats.toml_text": ("to_toml",),
        "presets.superpod": ("atlas950", "atlas960"),
        "presets.catalogue": ("system", "systems"),
        "presets.cloudmatrix": ("Node", "cloudmatrix384", "supernode"),
        "presets.mi300x": ("mi300x",),
        "presets.nvidia": ("dgx_b200", "dgx_h100", "dgx_h200", "dgx_h800", "hgx_h20"),
        "presets.nvidia_efa": ("p5en", "p6_b200"),
        "presets.nvl72": ("gb200_nvl72",),
        "presets.scaleout": ("cluster",),
        "presets.shapes": ("fat_tree", "ring", "star"),
        "presets.ubmesh": ("ubmesh",),
        "routing.router": ("Router",),
    }
)


def __getattr__(name: str) -> object:
    """Load what is asked for: a rank that only moves bytes starts without presets and files."""
    for module, names in _LATER.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "NOWHERE",
    "Blocking",
    "Node",
    "RankTable",
    "RouteError",
    "Router",
    "Topology",
    "TopologyError",
    "TriplaneError",
    "UnitError",
    "atlas950",
    "atlas960",
    "cloudmatrix384",
    "cluster",
    "dgx_b200",
    "dgx_h100",
    "dgx_h200",
    "dgx_h800",
    "fat_tree",
    "from_networkx",
    "from_toml",
    "gb200_nvl72",
    "hgx_h20",
    "load",
    "mi300x",
    "non_blocking",
    "p5en",
    "p6_b200",
    "rank_table",
    "ring",
    "save",
    "star",
    "supernode",
    "system",
    "systems",
    "to_networkx",
    "to_toml",
    "ubmesh",
]
