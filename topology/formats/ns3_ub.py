"""Networks of ns-3-UB in: the ``node.csv``, ``topology.csv`` and ``routing_table.csv`` of a case.

ns-3-UB is the packet simulator of the UnifiedBus; a case is a folder of such files. A node that
passes a packet on, and the device that sends it, take its ``forwardDelay``; a link takes its delay.
Devices pass on what is for others where the routing table says so.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from topology.draft import Draft
from topology.errors import TopologyError
from topology.files.reading import Error, read_text, shown, whole
from topology.files.tables import NumberedLine, read_table
from topology.graph import Topology
from topology.names import near
from topology.units import NS, Gbit, Mbit

PLANE = "ub"
"""The one plane of a case."""

MOST_NODES = 1 << 16
"""Nodes of a case at most: an address of UB has 16 bits for them."""

MOST_PORTS = 1 << 16
"""Ports of a node at most."""

ALLOCATION = "10ns"
"""``ns3::UbSwitchAllocator::AllocationTime`` where neither node nor case says another."""

DEVICE, SWITCH = "DEVICE", "SWITCH"

_ATTRIBUTE = re.compile(r'(default|global)\s+(\S+)\s+"([^"]*)"')
_RATE = re.compile(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([kKMGT]?)(bps|b/s|Bps|B/s)")
_RATES = {"": Mbit / 1e6, "k": Mbit / 1e3, "K": Mbit / 1e3, "M": Mbit, "G": Gbit, "T": Gbit * 1e3}
_TIME = re.compile(r"\+?([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(ps|ns|us|ms|s)")
_PICOSECONDS = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12}


class CaseNode(NamedTuple):
    """A node of a case: whether it is a device, how many ports it has, and its delay in ps."""

    is_device: bool
    ports: int
    forward: int


class CaseLink(NamedTuple):
    """A link of a case: nodes and ports of its ends, bytes per second each way, delay in ps."""

    ends: tuple[int, int]
    ports: tuple[int, int]
    bandwidth: float
    delay: int


class CaseRoute(NamedTuple):
    """The ports of a node that lead to another one with the least metric of a row."""

    node: int
    to: int
    ports: frozenset[int]
    metric: int


def is_case(path: Path) -> bool:
    """True if ``path`` is the folder of a case."""
    return (path / "node.csv").is_file() and (path / "topology.csv").is_file()


def ub_case(path: str | Path) -> Topology:
    """The network of the case in the folder ``path``.

    Devices are the endpoints ``device0`` .., switches ``switch4`` .., by their ids; a device that
    passes on what is for others has a router, as ASTRA-sim's NPUs do, which costs its forwardDelay.
    Raises `TopologyError` naming file, line and fault.
    """
    folder = Path(path)
    nodes = case_nodes(folder)
    links = case_links(folder, nodes)
    passing = passing_on(case_routes(folder, nodes, links), nodes, links)
    draft = Draft((PLANE,))
    devices = [id_ for id_, node in enumerate(nodes) if node.is_device]
    ends = draft.endpoints([f"device{id_}" for id_ in devices], "device")
    vertex = dict(zip(devices, ends.tolist(), strict=True))
    inner = sorted(passing)
    routers = draft.switches([f"device{id_}.router" for id_ in inner], "router")
    if inner:
        draft.connect([vertex[id_] for id_ in inner], routers, PLANE, np.inf, 0.0)
    vertex |= dict(zip(inner, routers.tolist(), strict=True))
    others = [id_ for id_, node in enumerate(nodes) if not node.is_device]
    vertex |= dict(
        zip(others, draft.switches([f"switch{id_}" for id_ in others], "switch").tolist(),
            strict=True)
    )  # fmt: skip
    for link in links:
        (a, b), pair = link.ends, [nodes[id_] for id_ in link.ends]
        there, back = (seconds(link.delay + took(*way)) for way in (pair, pair[::-1]))
        draft.connect(vertex[a], vertex[b], PLANE, link.bandwidth, there, back)
    return draft.freeze(folder.resolve().name or "case")


def took(leaves: CaseNode, enters: CaseNode) -> int:
    """Picoseconds in nodes that a link from one to the other carries.

    A device's for what leaves it, a switch's for what enters it: each is on a way once.
    """
    return (leaves.forward if leaves.is_device else 0) + (0 if enters.is_device else enters.forward)


def seconds(picoseconds: int) -> float:
    """Picoseconds in seconds, the same to the bit as a literal in ns."""
    return picoseconds / 1000 * NS


def case_attributes(folder: Path) -> dict[str, str]:
    """What ``network_attribute.txt`` sets, by name; nothing where a case has no such file."""
    path = folder / "network_attribute.txt"
    if not path.exists():
        return {}
    return {
        found[2]: found[3]
        for line in read_text(path, TopologyError).split("\n")
        if (found := _ATTRIBUTE.match(line.strip()))
    }


def case_nodes(folder: Path) -> list[CaseNode]:
    """The nodes of a case by their ids; raises `TopologyError` naming file, line and fault."""
    path = folder / "node.csv"
    usual = _time(
        case_attributes(folder).get("ns3::UbSwitchAllocator::AllocationTime", ALLOCATION),
        f"{folder / 'network_attribute.txt'}: AllocationTime",
    )
    found: dict[int, CaseNode] = {}
    for where, cells in lines_of(path, ("nodeId", "nodeType", "portNum"), TopologyError):
        kind = cells[1]
        if kind not in (DEVICE, SWITCH):
            raise TopologyError(
                f"{where}: nodeType is {shown(kind)}; there are {DEVICE}, {SWITCH}"
                f"{near(kind, (DEVICE, SWITCH))}"
            )
        ports = number(cells[2], 0, MOST_PORTS, f"{where}: portNum", TopologyError)
        given = cells[3] if len(cells) > 3 else ""
        node = CaseNode(kind == DEVICE, ports, _time(given, where) if given else usual)
        found |= dict.fromkeys(_range(cells[0], where), node)
    if sorted(found) != list(range(len(found))) or not any(n.is_device for n in found.values()):
        raise TopologyError(
            f"{path}: ids of nodes go from 0 without a gap, and one is a {DEVICE} at least"
        )
    return [found[id_] for id_ in range(len(found))]


def _range(text: str, where: str) -> range:
    first, dots, last = text.partition("..")
    begin = number(first, 0, MOST_NODES - 1, f"{where}: nodeId", TopologyError)
    if not dots:
        return range(begin, begin + 1)
    return range(begin, 1 + number(last, begin, MOST_NODES - 1, f"{where}: nodeId", TopologyError))


def case_links(folder: Path, nodes: list[CaseNode]) -> list[CaseLink]:
    """The links of a case in order; raises `TopologyError` naming file, line and fault."""
    path = folder / "topology.csv"
    found, taken = list[CaseLink](), dict[tuple[int, int], str]()
    titles = ("nodeId1", "portId1", "nodeId2", "portId2", "bandwidth", "delay")
    for where, cells in lines_of(path, titles, TopologyError):
        ends, ports = list[int](), list[int]()
        for at in (0, 2):
            end = number(cells[at], 0, len(nodes) - 1, f"{where}: {titles[at]}", TopologyError)
            most = nodes[end].ports - 1
            port = number(cells[at + 1], 0, most, f"{where}: {titles[at + 1]}", TopologyError)
            if (end, port) in taken:
                raise TopologyError(
                    f"{where}: port {port} of node {end} has a link already, {taken[end, port]}"
                )
            taken[end, port] = f"in {where.rpartition(': ')[2]}"
            ends.append(end)
            ports.append(port)
        if ends[0] == ends[1]:
            raise TopologyError(f"{where}: a link from node {ends[0]} to itself")
        found.append(
            CaseLink((ends[0], ends[1]), (ports[0], ports[1]), _rate(cells[4], where),
                     _time(cells[5], where))
        )  # fmt: skip
    return found


def passing_on(
    routes: Iterable[CaseRoute], nodes: Sequence[CaseNode], links: Sequence[CaseLink]
) -> set[int]:  # fmt: skip
    """The devices over which routes to others lead."""
    leads, found = _leads(links), set[int]()
    for route in routes:
        for port in route.ports:
            following = leads[route.node, port]
            if following != route.to and nodes[following].is_device:
                found.add(following)
    return found


def _leads(links: Sequence[CaseLink]) -> dict[tuple[int, int], int]:
    """Where the link of each port of each node leads."""
    found: dict[tuple[int, int], int] = {}
    for link in links:
        (a, b), (at, to) = link.ends, link.ports
        found[a, at], found[b, to] = b, a
    return found


def case_routes(
    folder: Path, nodes: Sequence[CaseNode], links: Sequence[CaseLink]
) -> Iterator[CaseRoute]:  # fmt: skip
    """The rows of the routing table of a case, the ports of their least metric each.

    Raises `TopologyError` naming file, line and fault, of the other ports too.
    """
    path, leads = folder / "routing_table.csv", _leads(links)
    titles = ("nodeId", "dstNodeId", "dstPortId", "outPorts", "metrics")
    for where, cells in lines_of(path, titles, TopologyError):
        node, to = (
            number(cells[at], 0, len(nodes) - 1, f"{where}: {titles[at]}", TopologyError)
            for at in (0, 1)
        )
        outs, metrics = (
            [number(text, 0, MOST_PORTS, f"{where}: {titles[at]}", TopologyError)
             for text in cells[at].split()]
            for at in (3, 4)
        )  # fmt: skip
        if not outs or len(outs) != len(metrics):
            raise TopologyError(
                f"{where}: {len(outs)} outPorts with {len(metrics)} metrics; one each is needed"
            )
        for port in outs:
            if (node, port) not in leads:
                raise TopologyError(f"{where}: port {port} of node {node} has no link")
        least = min(metrics)
        best = frozenset(p for p, m in zip(outs, metrics, strict=True) if m == least)
        yield CaseRoute(node, to, best, least)


# --- Cells


def lines_of(
    path: Path, titles: tuple[str, ...], error: Error
) -> Iterator[tuple[str, list[str]]]:  # fmt: skip
    """The lines of a CSV file of a case below its titles: where each stands, and its cells.

    ``titles``: of the cells that each needs. The first line is passed over, as there.
    """
    lines: list[NumberedLine] = read_table(path, error)
    for line in lines[1:]:
        where = f"{path}: line {line.number}"
        if len(line.cells) < len(titles):
            raise error(f"{where}: {len(line.cells)} cells; {', '.join(titles)} are needed")
        yield where, line.cells


def number(text: str, low: int, high: int, where: str, error: Error) -> int:
    """The whole number in a cell; raises ``error`` for another one, naming ``where``."""
    value = whole(text, low, high)
    if value is None:
        raise error(f"{where} is {shown(text)}; a number from {low} to {high} is needed")
    return value


def time_of(text: str, where: str, error: Error) -> int:
    """Picoseconds of a time as ns-3 reads it, such as ``20ns`` or ``+20ns``."""
    found = _TIME.fullmatch(text.strip())
    try:
        value = round(float(found[1]) * _PICOSECONDS[found[2]]) if found else -1
    except (ValueError, OverflowError):
        value = -1
    if not 0 <= value <= 10**18:
        raise error(f"{where}: {shown(text)} is no time, such as 20ns or 1.5us")
    return value


def _time(text: str, where: str) -> int:
    return time_of(text, where, TopologyError)


def _rate(text: str, where: str) -> float:
    """Bytes per second of a DataRate of ns-3."""
    found = _RATE.fullmatch(text.strip())
    try:
        value = float(found[1]) * _RATES[found[2]] if found else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value < 1e18:
        raise TopologyError(f"{where}: {shown(text)} is no bandwidth, such as 400Gbps")
    return value * 8 if found and found[3].startswith("B") else value
