"""Small textbook networks, for tests and teaching: plane ``net``, endpoints of kind ``host``.

``latency`` is that of each switch on the way, in seconds: end to end one way it is ``latency`` in a
star, ``d + 1`` times that between hosts ``d`` apart in a ring, and 1, 3 or 5 times in a fat tree.
``bandwidth`` is that of every link, each way, in bytes per second. Each host is a node.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from topology.draft import Draft, count
from topology.errors import TopologyError
from topology.graph import Ints, Topology
from topology.presets.entry import SystemEntry, preset
from topology.units import GB, US

BANDWIDTH = 196 * GB
"""A CloudMatrix384 die's UB port: the peers were measured on stars of it (docs: speed budget)."""

LATENCY = 1 * US
"""As in the same measurements: 1 us end to end over a star."""


@preset()
def star(n: int, *, bandwidth: float = BANDWIDTH, latency: float = LATENCY) -> Topology:
    """``n`` hosts on one switch: an ideal fabric, limited only by its ports.

    Vertices are ``host0`` ... and ``switch``. ``bandwidth`` of a port is in bytes per second each
    way, ``latency`` from host to host in seconds. Raises `ArgumentError`, `TopologyError`.
    """
    n = count(n, "n of a star")
    draft, hosts = _hosts("star", n)
    switch = draft.switches(["switch"], "switch")
    draft.connect(hosts, switch, "net", bandwidth, latency)
    return draft.freeze(f"star({n})")


@preset()
def ring(n: int, *, bandwidth: float = BANDWIDTH, latency: float = LATENCY) -> Topology:
    """``n`` hosts with a router each, and a link each way between neighbouring routers.

    Vertices are ``host0`` ..., ``router0`` ...: endpoints do not forward traffic, so routers must.
    Two hosts have one link each way between their routers. ``bandwidth`` of a link is in bytes per
    second each way, ``latency`` into a router in seconds. Raises `ArgumentError`, `TopologyError`.
    """
    n = count(n, "n of a ring")
    draft, hosts = _hosts("ring", n)
    routers = draft.switches([f"router{i}" for i in range(n)], "router", node=np.arange(n))
    draft.connect(hosts, routers, "net", bandwidth, latency)
    edges = {1: 0, 2: 1}.get(n, n)
    draft.connect(routers[:edges], np.roll(routers, -1)[:edges], "net", bandwidth, latency, latency)
    return draft.freeze(f"ring({n})")


@preset()
def fat_tree(k: int, *, bandwidth: float = BANDWIDTH, latency: float = LATENCY) -> Topology:
    """The k-ary fat tree of three tiers: k**3/4 hosts, non-blocking, of switches with k ports.

    ``k`` pods of k/2 edge and k/2 aggregation switches, and (k/2)**2 core switches (Al-Fares et
    al., SIGCOMM 2008): ``host0``, ``pod0.edge0``, ``pod0.agg0``, ``core0`` ... ``bandwidth`` of a
    link is in bytes per second each way, ``latency`` into a switch in seconds. Raises
    `TopologyError` if ``k`` is not an even number of 2 or more.
    """
    k = count(k, "k of a fat tree")
    if k < 2 or k % 2:
        raise TopologyError(f"fat_tree({k}): k must be an even number of 2 or more")
    half = k // 2
    count(k * half * half, f"the number of hosts of fat_tree({k})")
    draft, hosts = _hosts("fat_tree", k * half * half)
    pods = [f"pod{pod}.{{}}{i}" for pod in range(k) for i in range(half)]
    edges = draft.switches([pod.format("edge") for pod in pods], "edge").reshape(k, half, 1)
    aggs = draft.switches([pod.format("agg") for pod in pods], "agg").reshape(k, 1, half)
    cores = draft.switches([f"core{i}" for i in range(half * half)], "core").reshape(half, half)
    draft.connect(hosts.reshape(k, half, half), edges, "net", bandwidth, latency)
    draft.connect(edges, aggs, "net", bandwidth, latency, latency)
    draft.connect(aggs.reshape(k, half, 1), cores, "net", bandwidth, latency, latency)
    return draft.freeze(f"fat_tree({k})")


def _hosts(shape: str, n: int) -> tuple[Draft, Ints]:
    if n < 1:
        raise TopologyError(f"{shape}({n}): a network needs a host")
    draft = Draft(("net",))
    return draft, draft.endpoints([f"host{i}" for i in range(n)], "host", node=np.arange(n))


SYSTEMS: Mapping[str, SystemEntry] = MappingProxyType(
    {
        "star": SystemEntry(
            star, "N hosts on one switch: the ideal fabric",
            sized="N", argument="n", size=8, optional=False,
        ),
        "ring": SystemEntry(
            ring, "N hosts with a router each, in a ring",
            sized="N", argument="n", size=8, optional=False,
        ),
        "fat_tree": SystemEntry(
            fat_tree, "fat tree of three tiers, K^3/4 hosts",
            sized="K", argument="k", size=4, optional=False, most=128,
        ),
    }
)  # fmt: skip
"""What `topology.system` can be asked for."""
