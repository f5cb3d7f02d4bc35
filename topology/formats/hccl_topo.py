"""HCCL's ``topo.json``, version 2.0, in: the NPUs of a server and the links between their ports.

A ``PEER2PEER`` edge is a cable for each port that it names, from NPU to NPU; they make up the plane
``mesh``. A ``PEER2NET`` edge leads to a network that the file says no more of than its number
(``topo_instance_id``): a switch here, on a plane for each layer (``net0``, ``net1`` ...). A port
that several layers use counts for the lowest one. Edges of a host's network card (``position``
``HOST``) are left out.

The file has no bandwidth and no latency: they are arguments, whose defaults are those of the
Ascend 950, for which version 2.0 was made.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from topology.draft import Draft
from topology.errors import TopologyError
from topology.files.reading import json_of, read_text, shown, whole
from topology.formats.rank_table_forms import check_count, objects_in
from topology.graph import Topology
from topology.units import GB, NS

VERSION = "2.0"

PORT = 56 * GB
"""Bytes per second each way a port: 2,016 GB/s both ways over 18 ports of an Ascend 950 (Huawei
Connect 2025)."""

HOP = 200 * NS
"""Seconds to cross a switch. Assumption: as Huawei says of the Atlas 900 A3; none is published."""

MOST_BYTES = 1 << 25
"""Bytes of a file at most: ten times those of a file of 1,024 NPUs."""

MOST_PEERS = 1 << 12
"""NPUs of a file at most; HCCL's guide has 65, and its tests 1,024."""

MOST_EDGES = 1 << 17
"""Edges of a file at most."""

MOST_PORTS = 1 << 18
"""Ports that all edges of a file name together, at most."""

LAYERS = 8
"""Layers of a network: ``net_layer`` is from 0 to one less."""

LINKS = ("PEER2PEER", "PEER2NET")
_POSITIONS = ("DEVICE", "HOST")
_PORT = re.compile(r"[0-9]{1,3}/[0-9]{1,3}")


class PortEdge(NamedTuple):
    """An edge: NPU ``a`` with its ports, and NPU ``b`` with its own or (-1, none) a network.

    ``where`` is what errors call it; ``instance``: the number of the network.
    """

    where: str
    layer: int
    a: int
    a_ports: tuple[str, ...]
    b: int
    b_ports: tuple[str, ...]
    instance: int


def hccl_topo(
    source: str | Path | Mapping[str, Any], port: float = PORT, hop: float = HOP
) -> Topology:
    """The server in a ``topo.json`` at ``source``, or in its parsed content, as a topology.

    ``port``: bytes per second each way of a port; ``hop``: seconds to cross a switch. Endpoints are
    ``npu0`` ... in order of ``local_id``, all in one node. Raises `TopologyError` that names what
    is wrong.
    """
    if isinstance(source, Mapping):
        return _read("topo.json", source, port, hop)
    name = str(source)
    content = json_of(read_text(source, TopologyError, MOST_BYTES), name, TopologyError)
    if not isinstance(content, Mapping):
        raise TopologyError(f"{name} has no object at its top")
    return _read(name, content, port, hop)


def _read(name: str, content: Mapping[str, Any], port: float, hop: float) -> Topology:
    if content.get("version") != VERSION:
        version = shown(content.get("version"))
        raise TopologyError(f"version of {name} is {version}; {VERSION} is read")
    peers = _peers(name, content)
    edges = [edge for edge in _edges(name, content, peers) if edge is not None]
    ports = sum(len(edge.a_ports) for edge in edges)
    if ports > MOST_PORTS:
        raise TopologyError(f"edges of {name} name {ports} ports; {MOST_PORTS} are read")
    nets = sorted({(edge.layer, edge.instance) for edge in edges if edge.b < 0})
    meshes = ["mesh"] if any(edge.b >= 0 for edge in edges) else []
    draft = Draft((*meshes, *dict.fromkeys(f"net{layer}" for layer, _ in nets)))
    if not draft.planes:
        raise TopologyError(f"{name} has no edges between NPUs, or to a network, so no links")
    number = {
        peer: int(draft.endpoints([f"npu{peer}"], "npu", node=0, package=peer)[0]) for peer in peers
    }
    switch = {net: int(draft.switches([f"net{net[0]}.{net[1]}"], "net")[0]) for net in nets}
    taken: dict[tuple[int, str], str] = {}
    for edge in sorted(edges, key=lambda edge: (edge.b < 0, edge.layer)):
        if edge.b >= 0:
            for pair in zip(edge.a_ports, edge.b_ports, strict=True):
                _take(name, taken, edge, pair)
                draft.connect(number[edge.a], number[edge.b], "mesh", port, 0.0)
        else:
            for each in edge.a_ports:
                if taken.setdefault((edge.a, each), edge.where) == edge.where:
                    draft.connect(number[edge.a], switch[edge.layer, edge.instance],
                                  f"net{edge.layer}", port, hop)  # fmt: skip
    return draft.freeze(_title(content))


def _take(
    name: str, taken: dict[tuple[int, str], str], edge: PortEdge, pair: tuple[str, str]
) -> None:
    for peer, port in ((edge.a, pair[0]), (edge.b, pair[1])):
        other = taken.setdefault((peer, port), edge.where)
        if other != edge.where:
            raise TopologyError(
                f"{name}: port {port} of NPU {peer} is in {other} and in {edge.where}; a cable has"
                " two ends"
            )


def _title(content: Mapping[str, Any]) -> str:
    given = content.get("hardware_type", content.get("hardwareType"))
    return given if isinstance(given, str) and 0 < len(given) <= 100 else "topo.json"


def _peers(name: str, content: Mapping[str, Any]) -> list[int]:
    listed = objects_in(name, content, "peer_list")
    check_count(name, content, "peer_count", len(listed))
    if not 1 <= len(listed) <= MOST_PEERS:
        raise TopologyError(f"{name} has {len(listed)} NPUs; 1 to {MOST_PEERS} are read")
    found = [_number(name, f"peer {at}", peer, "local_id", MOST_PEERS) for at, peer in
             enumerate(listed)]  # fmt: skip
    twice = next((peer for peer in found if found.count(peer) > 1), None) if (
        len(set(found)) < len(found)) else None  # fmt: skip
    if twice is not None:
        raise TopologyError(f"{name} has NPU {twice} twice in peer_list")
    return sorted(found)


def _edges(name: str, content: Mapping[str, Any], peers: list[int]) -> Iterator[PortEdge | None]:
    listed = objects_in(name, content, "edge_list")
    check_count(name, content, "edge_count", len(listed))
    if len(listed) > MOST_EDGES:
        raise TopologyError(f"{name} has {len(listed)} edges; {MOST_EDGES} are read")
    known = set(peers)
    for at, edge in enumerate(listed):
        yield _edge(name, f"edge {at}", edge, known)


def _edge(name: str, where: str, edge: Mapping[str, Any], peers: set[int]) -> PortEdge | None:
    """An edge, checked; None for one that is left out."""
    kind = _one_of(name, where, edge, "link_type", LINKS)
    position = _one_of(name, where, {"position": "DEVICE", **edge}, "position", _POSITIONS)
    layer = _number(name, where, {"net_layer": 0, **edge}, "net_layer", LAYERS - 1)
    instance = _number(name, where, {"topo_instance_id": 0, **edge}, "topo_instance_id", 2**32 - 1)
    a = _peer(name, where, edge, "local_a", peers)
    if position == "HOST":
        return None
    a_ports = _ports(name, where, edge, "local_a_ports")
    if kind == "PEER2NET":
        return PortEdge(where, layer, a, a_ports, -1, (), instance)
    b = _peer(name, where, edge, "local_b", peers)
    b_ports = _ports(name, where, edge, "local_b_ports")
    if a == b or len(a_ports) != len(b_ports):
        raise TopologyError(
            f"{name}: {where} leads from {len(a_ports)} ports of NPU {a} to {len(b_ports)} of"
            f" NPU {b}; it has to be as many, of two NPUs"
        )
    return PortEdge(where, layer, a, a_ports, b, b_ports, instance)


def _one_of(
    name: str, where: str, edge: Mapping[str, Any], key: str, choices: tuple[str, ...]
) -> str:
    found = edge.get(key)
    if found not in choices:
        raise TopologyError(
            f"{name}: {key} of {where} is {shown(found)}; it has to be {' or '.join(choices)}"
        )
    return str(found)


def _number(name: str, where: str, table: Mapping[str, Any], key: str, most: int) -> int:
    found = whole(table.get(key), 0, most)
    if found is None:
        raise TopologyError(
            f"{name}: {key} of {where} is {shown(table.get(key))}; it has to be 0 to {most}"
        )
    return found


def _peer(name: str, where: str, edge: Mapping[str, Any], key: str, peers: set[int]) -> int:
    found = _number(name, where, edge, key, MOST_PEERS)
    if found not in peers:
        raise TopologyError(f"{name}: {key} of {where} is {found}, which is not in peer_list")
    return found


def _ports(name: str, where: str, edge: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = edge.get(key)
    good = isinstance(found, list) and 0 < len(found) <= 64 and all(
        isinstance(port, str) and _PORT.fullmatch(port) for port in found
    )  # fmt: skip
    if not good or len(set(found or ())) < len(found or ()):
        raise TopologyError(
            f"{name}: {key} of {where} is {shown(found)}; it has to be a list of ports, each once,"
            ' such as ["0/1"]'
        )
    return tuple(found or ())
