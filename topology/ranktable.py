"""Rank tables: HCCL's JSON that says which rank is which device, as a placement on a topology.

Versions 1.0 and 1.2 (with super pods), as CANN's guide to HCCL describes them. A server is a node
of the topology and a device one of its accelerators: of an Atlas A3 a die.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from topology.errors import TopologyError
from topology.graph import Ints, Topology

VERSIONS = ("1.0", "1.2")


class Seat(NamedTuple):
    """Where a rank is. ``device``: its number on the server; ``super_device``: in the super pod."""

    server: str
    device: int
    super_device: int | None


@dataclass(frozen=True, slots=True)
class RankTable:
    """``seats``: of every rank. ``servers``: in order. ``super_pods``: the servers of each."""

    seats: tuple[Seat, ...]
    servers: tuple[str, ...]
    super_pods: Mapping[str, tuple[str, ...]]

    @property
    def ranks(self) -> int:
        """How many there are."""
        return len(self.seats)

    def placement(self, topology: Topology, nodes: Mapping[str, int] | None = None) -> Ints:
        """The endpoint of each rank, int32 ``[ranks]``: what `fabric.Fabric` takes.

        ``nodes``: the topology's node that each server is; None: they are its first nodes, super
        pod by super pod, in the order of the table. Raises `TopologyError` for a server or device
        that the topology has no place for.
        """
        number = self._numbers() if nodes is None else nodes
        missing = [server for server in self.servers if server not in number]
        if missing:
            raise TopologyError(f"no node is given for the servers {', '.join(missing)}")
        devices = _devices(topology)
        return np.array([_place(topology, devices, number, seat) for seat in self.seats], np.int32)

    def _numbers(self) -> dict[str, int]:
        listed = [server for servers in self.super_pods.values() for server in servers]
        order = dict.fromkeys([*listed, *self.servers])
        return {server: node for node, server in enumerate(order)}


def rank_table(source: str | Path | Mapping[str, Any]) -> RankTable:
    """Read a rank table: a file, or what is in one.

    Raises `TopologyError` that says what of it cannot be, and `OSError`.
    """
    if isinstance(source, Mapping):
        return _read("the rank table", source)
    try:
        content = json.loads(Path(source).read_text(encoding="utf-8"))
    except ValueError as error:
        raise TopologyError(f"{source} is no JSON: {error}") from None
    if not isinstance(content, Mapping):
        raise TopologyError(f"{source} has no object at its top")
    return _read(str(source), content)


def _read(name: str, table: Mapping[str, Any]) -> RankTable:
    version, status = table.get("version", "1.0"), table.get("status", "completed")
    if version not in VERSIONS:
        raise TopologyError(f"{name} is of version {version!r}; there are {', '.join(VERSIONS)}")
    if status != "completed":
        raise TopologyError(f"{name} is {status!r}; it has to be 'completed'")
    servers = _objects(name, table, "server_list")
    names = tuple(_text(name, server, "server_id") for server in servers)
    if len(set(names)) != len(names):
        raise TopologyError(f"{name} has a server twice: {', '.join(names)}")
    seats: dict[int, Seat] = {}
    for server, server_name in zip(servers, names, strict=True):
        for device in _objects(f"{name}, server {server_name}", server, "device"):
            _seat(name, server_name, device, seats)
    ranks = sorted(seats)
    if ranks != list(range(len(ranks))):
        raise TopologyError(f"{name} has the ranks {_some(ranks)}; they have to be 0 and up")
    return RankTable(tuple(seats[rank] for rank in ranks), names, _super_pods(name, table, names))


def _seat(name: str, server: str, device: Mapping[str, Any], seats: dict[int, Seat]) -> None:
    where = f"{name}, server {server}"
    rank, number = _number(where, device, "rank_id"), _number(where, device, "device_id")
    inside = _number(where, device, "super_device_id") if "super_device_id" in device else None
    if rank in seats:
        raise TopologyError(f"{name} has rank {rank} twice")
    if any((seat.server, seat.device) == (server, number) for seat in seats.values()):
        raise TopologyError(f"{where} has device {number} twice")
    seats[rank] = Seat(server, number, inside)


def _super_pods(
    name: str, table: Mapping[str, Any], servers: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    pods = {}
    for pod in _objects(name, table, "super_pod_list") if "super_pod_list" in table else []:
        pod_name = _text(name, pod, "super_pod_id")
        listed = _objects(f"{name}, super pod {pod_name}", pod, "server_list")
        pods[pod_name] = tuple(_text(name, server, "server_id") for server in listed)
    known = [server for pod in pods.values() for server in pod]
    if pods and sorted(known) != sorted(servers):
        raise TopologyError(
            f"{name} has the servers {_some(sorted(servers))}, and in super pods"
            f" {_some(sorted(known))}; each has to be in one"
        )
    return pods


def _devices(topology: Topology) -> dict[int, list[int]]:
    """The accelerators of each node, in order."""
    devices: dict[int, list[int]] = {}
    for endpoint in topology.accelerators.tolist():
        devices.setdefault(int(topology.node[endpoint]), []).append(endpoint)
    return devices


def _place(
    topology: Topology, devices: dict[int, list[int]], nodes: Mapping[str, int], seat: Seat
) -> int:
    node = nodes[seat.server]
    if node not in devices:
        raise TopologyError(
            f"server {seat.server} is node {node}; {topology.name} has nodes of accelerators"
            f" {_some(sorted(devices))}"
        )
    there = devices[node]
    if not 0 <= seat.device < len(there):
        raise TopologyError(
            f"server {seat.server} has a device {seat.device}; node {node} of {topology.name} has"
            f" devices 0 to {len(there) - 1}"
        )
    return there[seat.device]


def _objects(name: str, table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = table.get(key)
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise TopologyError(f"{key} of {name} has to be a list of objects")
    return found


def _text(name: str, table: Mapping[str, Any], key: str) -> str:
    found = table.get(key)
    if not isinstance(found, str) or not found:
        raise TopologyError(f"{key} in {name} is {found!r}; it has to be a name")
    return found


def _number(name: str, table: Mapping[str, Any], key: str) -> int:
    found = str(table.get(key, ""))
    if not found.isdecimal():
        raise TopologyError(f"{key} in {name} is {table.get(key)!r}; it has to be a number")
    return int(found)


def _some(things: list[Any]) -> str:
    whole = ", ".join(map(str, things))
    return whole if len(things) <= 8 else f"{', '.join(map(str, things[:4]))}, ... {things[-1]}"
