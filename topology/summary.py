"""A short description of a topology for notebooks."""

from collections import Counter

import numpy as np

from topology.files.html import facts, table
from topology.graph import Topology
from topology.units import GB, NS


def as_html(topology: Topology) -> str:
    """``topology`` as HTML for a notebook: what it consists of, and its planes."""
    kinds = topology.vertex_kinds
    split = topology.n_endpoints
    about = [
        ("nodes", len(np.unique(topology.node[topology.node >= 0]))),
        ("endpoints", _counted(kinds[:split])),
        ("switches", _counted(kinds[split:])),
        ("links", f"{topology.n_links}, one way each"),
    ]
    if topology.removed:
        about.append(("without", ", ".join(topology.removed)))
    planes = []
    for number, plane in enumerate(topology.planes):
        links = topology.link_plane == number
        bandwidth = topology.link_bandwidth[links] / GB
        planes.append({
            "plane": plane, "links": int(links.sum()),
            "link_GBps": _range(bandwidth), "total_GBps": float(bandwidth.sum()),
            "latency_ns_max": float(topology.link_latency[links].max(initial=0.0) / NS),
        })  # fmt: skip
    return facts(about, topology.name) + table(planes)


def _counted(kinds: tuple[str, ...]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in Counter(kinds).items()) or "none"


def _range(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    if not len(values):
        return "-"
    low, high = f"{values.min():.4g}", f"{values.max():.4g}"
    return low if low == high else f"{low} to {high}"
