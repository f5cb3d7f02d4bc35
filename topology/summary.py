"""What a topology is made of, counted once: for notebooks, tables and records."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from topology.files.html import facts, table
from topology.units import GB, NS

if TYPE_CHECKING:
    from topology.graph import Topology


@dataclass(frozen=True, slots=True, eq=False)
class PlaneSummary:
    """The links of one plane.

    ``bandwidths``: float64, the different ones of a link each way, slowest first; ``total``: of all
    links together, bytes per second; ``latency``: the longest of a link, seconds.
    """

    name: str
    links: int
    bandwidths: NDArray[np.float64]
    total: float
    latency: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The parts of a topology.

    ``nodes``: how many; ``endpoints``, ``switches``: how many of each kind, by kind in order of
    appearance; ``ranks``: endpoints that ranks run on; ``links``: one way each.
    """

    nodes: int
    endpoints: Counter[str]
    switches: Counter[str]
    ranks: int
    links: int
    planes: tuple[PlaneSummary, ...]


def summary(topology: "Topology") -> Summary:
    """Count what ``topology`` is made of."""
    kinds, split = topology.vertex_kinds, topology.n_endpoints
    return Summary(
        len(np.unique(topology.node[topology.node >= 0])),
        Counter(kinds[:split]), Counter(kinds[split:]), len(topology.accelerators),
        topology.n_links, tuple(plane_summary(topology, plane) for plane in topology.planes),
    )  # fmt: skip


def plane_summary(topology: "Topology", plane: str) -> PlaneSummary:
    """Count the links of one plane; `TopologyError` where there is no such plane."""
    links = topology.link_plane == topology.plane(plane)
    bandwidth, latency = topology.link_bandwidth[links], topology.link_latency[links]
    return PlaneSummary(
        plane, int(links.sum()), np.unique(bandwidth), float(bandwidth.sum()),
        float(latency.max(initial=0.0)),
    )  # fmt: skip


def counted(kinds: Counter[str]) -> str:
    """``768 die, 192 cpu``; ``none`` where there are none."""
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"


def as_html(topology: "Topology") -> str:
    """``topology`` as HTML for a notebook: what it consists of, and its planes."""
    found = summary(topology)
    about: list[tuple[str, object]] = [
        ("nodes", found.nodes), ("endpoints", counted(found.endpoints)),
        ("switches", counted(found.switches)), ("links", f"{found.links}, one way each"),
    ]  # fmt: skip
    if topology.removed:
        about.append(("without", ", ".join(topology.removed)))
    planes = [
        {
            "plane": plane.name, "links": plane.links, "link_GBps": _range(plane.bandwidths / GB),
            "total_GBps": plane.total / GB, "latency_ns_max": plane.latency / NS,
        }
        for plane in found.planes
    ]  # fmt: skip
    return facts(about, topology.name) + table(planes)


def _range(values: Sequence[float] | NDArray[np.float64]) -> str:
    """The first and the last of ascending values."""
    if not len(values):
        return "-"
    low, high = f"{values[0]:.4g}", f"{values[-1]:.4g}"
    return low if low == high else f"{low} to {high}"
