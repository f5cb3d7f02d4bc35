"""A topology out as the network of a case of ns-3-UB: its nodes, cables, routes and channels.

What a case cannot say is refused: a link that has none like it back, one of unlimited bandwidth
(but to a router of an endpoint's own: the two are one device), latencies that are no sums of a
cable's delay and what its ends take. Routes are the shortest ways over the first plane that
connects two devices, to each of their ports; traffic is spread over them.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from topology.errors import TopologyError
from topology.files.output import text_file
from topology.formats.ns3_ub import DEVICE, SWITCH, CaseLink, CaseNode
from topology.formats.ns3_ub_ways import Outs, UbNetwork, ways
from topology.graph import Topology

MOST_ROWS = 1 << 22
"""Rows of a routing table at most, a hundred megabytes of text."""

PRIORITY = 7
"""Of all channels and tasks; 0 is for control frames there."""

ATTRIBUTES = """\
default ns3::UbApp::EnableMultiPath "true"
default ns3::UbSwitchAllocator::AllocationTime "0ns"
default ns3::UbTransportChannel::UsePacketSpray "true"
default ns3::UbTransportChannel::UseShortestPaths "true"
global UB_FAULT_ENABLE "false"
global UB_PRIORITY_NUM "16"
global UB_VL_NUM "16"
global UB_CC_ENABLED "false"
"""
"""``network_attribute.txt``: what our engines take for granted too; the rest is as usual there."""

FILES = ("network_attribute.txt", "node.csv", "topology.csv", "routing_table.csv",
         "transport_channel.csv")  # fmt: skip
"""What `write_network` writes into a folder."""


class Cable(NamedTuple):
    """Two links, there and back: nodes, bytes per second each way, picoseconds of either link.

    ``row``: of the first of them in its topology.
    """

    row: int
    ends: tuple[int, int]
    bandwidth: float
    plane: int
    there: int
    back: int
    name: str


def ub_network(topology: Topology, planes: Sequence[str] = ()) -> UbNetwork:
    """What a case has of ``planes`` of the topology (all of them by default), preferred one first.

    Raises `TopologyError` for what it cannot have, naming the link or plane.
    """
    order = [topology.plane(name) for name in planes or topology.planes]
    node_of, passes = _nodes_of(topology, order)
    cables = [cable for plane in order for cable in _cables(topology, plane, node_of)]
    cables.sort(key=lambda cable: cable.row)
    count = max(node_of.values()) + 1
    of_endpoint = tuple(node_of[end] for end in range(topology.n_endpoints))
    devices = set(of_endpoint)
    ports, links = [0] * count, list[CaseLink]()
    leaves, enters = _taken(cables, devices, count)
    for cable in cables:
        (a, b), at = cable.ends, (ports[cable.ends[0]], ports[cable.ends[1]])
        ports[a], ports[b] = ports[a] + 1, ports[b] + 1
        links.append(CaseLink((a, b), at, cable.bandwidth, cable.there - leaves[a] - enters[b]))
    nodes = [
        CaseNode(node in devices, ports[node], leaves[node] + enters[node]) for node in range(count)
    ]
    rank = {plane: at for at, plane in enumerate(order)}
    return UbNetwork(
        tuple(nodes), tuple(links), tuple(rank[cable.plane] for cable in cables),
        frozenset(passes), of_endpoint,
    )  # fmt: skip


def _nodes_of(topology: Topology, order: Sequence[int]) -> tuple[dict[int, int], set[int]]:
    """The node of each vertex, and those that pass on; an endpoint and its router are one node.

    Switches of other planes than these have none.
    """
    used = np.isin(topology.link_plane, order)
    free = used & np.isinf(topology.link_bandwidth)
    owner: dict[int, int] = {}
    for link in np.flatnonzero(free).tolist():
        a, b = int(topology.link_src[link]), int(topology.link_dst[link])
        end, router = min(a, b), max(a, b)
        if end >= topology.n_endpoints or router < topology.n_endpoints or (
            owner.setdefault(router, end) != end or topology.link_latency[link]
        ):  # fmt: skip
            raise TopologyError(
                f"{topology.name}: {topology.link_name(link)} has unlimited bandwidth, which"
                " ns-3-UB has not"
            )
    ends = list(range(topology.n_endpoints))
    linked = np.unique([topology.link_src[used], topology.link_dst[used]]).tolist()
    rest = [v for v in linked if v >= topology.n_endpoints and v not in owner]
    ids = _named(topology, ends + rest) or range(len(ends) + len(rest))
    node_of = dict(zip(ends + rest, ids, strict=True))
    node_of |= {router: node_of[end] for router, end in owner.items()}
    return node_of, {node_of[v] for v in (*rest, *owner)}


def _named(topology: Topology, vertices: Sequence[int]) -> list[int] | None:
    """The ids in names as `ub_case` gives them, such as ``device0``; None where they are others."""
    found = [
        re.fullmatch(r"(?:device|switch)(0|[1-9][0-9]{0,8})", topology.vertex_names[v])
        for v in vertices
    ]
    ids = [int(match[1]) for match in found if match]
    return ids if sorted(ids) == list(range(len(vertices))) else None


def _cables(topology: Topology, plane: int, node_of: Mapping[int, int]) -> Iterator[Cable]:
    """Two links, there and back, each; in a pair of nodes those of like bandwidth and order."""
    waiting: dict[tuple[int, int, float], deque[int]] = defaultdict(deque)
    for link in np.flatnonzero(topology.link_plane == plane).tolist():
        a, b = (node_of[int(v[link])] for v in (topology.link_src, topology.link_dst))
        bandwidth = float(topology.link_bandwidth[link])
        back = waiting[b, a, bandwidth]
        if a == b:
            continue
        if not back:
            waiting[a, b, bandwidth].append(link)
            continue
        first = back.popleft()
        there, again = (round(float(topology.link_latency[at]) * 1e12) for at in (first, link))
        yield Cable(first, (b, a), bandwidth, plane, there, again, topology.link_name(first))
    for left in waiting.values():
        if left:
            raise TopologyError(
                f"{topology.name}: {topology.link_name(left[0])} has no link back of the same"
                " bandwidth; ns-3-UB has cables, both ways alike"
            )


def _taken(
    cables: Sequence[Cable], devices: set[int], count: int
) -> tuple[list[int], list[int]]:  # fmt: skip
    """Picoseconds that each node takes of what leaves it (devices), and enters it (switches).

    A link's latency is its cable's delay with both, so the difference of a cable's two latencies is
    that of its ends' levels: what a device takes, or less than nothing: what a switch does.
    """
    beside: dict[int, list[tuple[int, int, Cable]]] = defaultdict(list)
    for cable in cables:
        (a, b), more = cable.ends, cable.there - cable.back
        beside[a].append((b, -more, cable))
        beside[b].append((a, more, cable))
    leaves, enters, level = [0] * count, [0] * count, dict[int, int]()
    for begin in range(count):
        if begin in level:
            continue
        level[begin], part = 0, [begin]
        for node in part:
            for other, more, cable in beside[node]:
                if other not in level:
                    level[other] = level[node] + more
                    part.append(other)
                elif level[other] != level[node] + more:
                    raise _no_sum(cable)
        mine = [cable for node in part for _, _, cable in beside[node]]
        lift = _lift(part, mine, level, devices)
        for node in part:
            (leaves if node in devices else enters)[node] = abs(level[node] + lift)
    return leaves, enters


def _lift(
    part: Sequence[int], cables: Sequence[Cable], level: Mapping[int, int], devices: set[int]
) -> int:  # fmt: skip
    """What is added to the levels of a connected part, such that nothing takes less than no time.

    The least such, so devices take nothing where that can be.
    """
    low = max((-level[node] for node in part if node in devices), default=-(1 << 60))
    high = min((-level[node] for node in part if node not in devices), default=1 << 60)
    for cable in cables:
        (a, b), inside = cable.ends, [end in devices for end in cable.ends]
        if all(inside):  # its delay is what the sender leaves of the latency
            high = min(high, cable.there - level[a], cable.back - level[b])
        elif not any(inside):
            low = max(low, -level[b] - cable.there, -level[a] - cable.back)
        if low > high:
            raise _no_sum(cable)
    return low if low > -(1 << 60) else min(high, 0)


def _no_sum(cable: Cable) -> TopologyError:
    return TopologyError(
        f"latencies of {cable.name} and of the links around it are no sums of a cable's delay and"
        " what switches take, as ns-3-UB has them; fewer planes may be"
    )


# --- Files


def write_network(
    folder: str | Path, network: UbNetwork, pairs: Iterable[tuple[int, int]] | None = None
) -> None:  # fmt: skip
    """Write `FILES` of the network into ``folder``, which is made where there is none.

    ``pairs``: the endpoints that talk to each other, which have routes and channels; by default all
    endpoints have routes, and no channels are written: ns-3-UB makes what tasks need. Raises
    `TopologyError` for two that nothing connects, and for more than `MOST_ROWS` routes, `OSError`.
    """
    if pairs is None:
        ends = sorted(network.of_endpoint)
        talking = None
    else:
        talking = sorted({_in_order(*(network.of_endpoint[end] for end in pair)) for pair in pairs})
        ends = sorted({end for pair in talking for end in pair})
    rows, channels = _rows(network, ends, talking)
    path = Path(folder)
    path.mkdir(exist_ok=True)
    texts = {
        "network_attribute.txt": ATTRIBUTES.splitlines(), "node.csv": _node_lines(network),
        "topology.csv": _link_lines(network), "routing_table.csv": rows,
        "transport_channel.csv": channels,
    }  # fmt: skip
    for name, lines in texts.items():
        if name == "transport_channel.csv" and talking is None:
            (path / name).unlink(missing_ok=True)
            continue
        with text_file(path / name) as file:
            file.writelines(f"{line}\n" for line in lines)


def _in_order(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _node_lines(network: UbNetwork) -> Iterator[str]:
    yield "nodeId,nodeType,portNum,forwardDelay"
    for id_, node in enumerate(network.nodes):
        kind = DEVICE if node.is_device else SWITCH
        yield f"{id_},{kind},{node.ports},{_time_text(node.forward)}"


def _link_lines(network: UbNetwork) -> Iterator[str]:
    yield "nodeId1,portId1,nodeId2,portId2,bandwidth,delay"
    for (a, b), (at, to), bandwidth, delay in network.links:
        yield f"{a},{at},{b},{to},{_rate_text(bandwidth)},{_time_text(delay)}"


def _rows(
    network: UbNetwork, ends: Sequence[int], talking: Sequence[tuple[int, int]] | None
) -> tuple[list[str], list[str]]:  # fmt: skip
    """The lines of the routing table and of the channels."""
    rows = ["nodeId,dstNodeId,dstPortId,outPorts,metrics"]
    asked = set(talking or ())
    found: dict[tuple[int, int], tuple[Outs, int]] = {}
    for target, hops, nodes in ways(network, ends, ends):
        for node, outs in nodes.items():
            for to, ports in sorted(outs.items()):
                metrics = " ".join([str(hops)] * len(ports))
                rows.append(f"{node},{target},{to},{' '.join(map(str, sorted(ports)))},{metrics}")
            if (node, target) in asked:
                found[node, target] = outs, hops
        if len(rows) > MOST_ROWS:
            raise TopologyError(
                f"a routing table between {len(ends)} devices has more than {MOST_ROWS} rows; a"
                " schedule of fewer ranks, or fewer planes, needs fewer"
            )
    for pair in asked - found.keys():
        raise TopologyError(f"nothing connects nodes {pair[0]} and {pair[1]} of the case")
    return rows, list(_channel_lines(found))


def _channel_lines(found: Mapping[tuple[int, int], tuple[Outs, int]]) -> Iterator[str]:
    """A channel from each port on a shortest way, to the ports of the other in turn."""
    yield "nodeId1,portId1,tpn1,nodeId2,portId2,tpn2,priority,metric"
    numbers: dict[int, int] = defaultdict(int)
    for (a, b), (outs, hops) in sorted(found.items()):
        reached: dict[int, list[int]] = defaultdict(list)
        for to, ports in sorted(outs.items()):
            for port in ports:
                reached[port].append(to)
        for turn, (port, ends) in enumerate(sorted(reached.items())):
            to = ends[turn % len(ends)]
            yield f"{a},{port},{numbers[a]},{b},{to},{numbers[b]},{PRIORITY},{hops}"
            numbers[a], numbers[b] = numbers[a] + 1, numbers[b] + 1


def _time_text(picoseconds: int) -> str:
    """A time as ns-3 reads it: whole nanoseconds where it is some."""
    whole, rest = divmod(picoseconds, 1000)
    return f"{picoseconds}ps" if rest else f"{whole}ns"


def _rate_text(bandwidth: float) -> str:
    """A DataRate of ns-3, to the bit per second."""
    bits = round(bandwidth * 8)
    whole, rest = divmod(bits, 10**9)
    return f"{bits}bps" if rest else f"{whole}Gbps"
