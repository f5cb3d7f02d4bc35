"""What is connected to what: supernodes, clusters and textbook networks, link by link.

>>> from topology import cloudmatrix384
>>> cloudmatrix384().without("l2.3.*", "node3").n_endpoints
940
"""

from typing import TYPE_CHECKING

from topology.analysis.nonblocking import Blocking, non_blocking
from topology.errors import RouteError, TopologyError, TriplaneError, UnitError
from topology.formats.networkx import from_networkx, to_networkx
from topology.formats.rank_table import RankTable, rank_table
from topology.formats.toml import from_toml, load, save
from topology.formats.toml_text import to_toml
from topology.graph import NOWHERE, Topology
from topology.presets.catalogue import system, systems
from topology.presets.cloudmatrix import Node, cloudmatrix384, supernode
from topology.presets.mi300x import mi300x
from topology.presets.nvidia import dgx_b200, dgx_h100, dgx_h200, dgx_h800, hgx_h20
from topology.presets.nvidia_efa import p5en, p6_b200
from topology.presets.nvl72 import gb200_nvl72
from topology.presets.scaleout import cluster
from topology.presets.shapes import fat_tree, ring, star

if TYPE_CHECKING:
    from topology.routing.router import Router
else:

    def __getattr__(name: str) -> object:
        # Routing is compiled: who only looks at a topology does not wait for numba.
        if name == "Router":
            from topology.routing.router import Router

            return Router
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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
]
