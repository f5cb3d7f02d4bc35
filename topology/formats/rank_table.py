"""Rank tables: HCCL's JSON that says which rank is which device, as a placement on a topology.

Versions 1.0 and 1.2 (with super pods), as CANN's guide to HCCL describes them. A server is a node
of the topology and a device one of its accelerators: of an Atlas A3 a die. Other forms that
Huawei's tools write are read too, see `topology.formats.rank_table_forms`.

A rank's place follows from ``rank_id``, ``server_id``, ``device_id`` and the order of super pods
alone. Counts (``server_count`` and so on) have to agree with what is listed; all other keys, such
as addresses and ports, decide nothing here and may be anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from topology.errors import TopologyError
from topology.files.reading import shown, whole
from topology.formats.rank_table_forms import (
    MOST,
    check_count,
    content_of,
    current_form,
    name_in,
    objects_in,
)
from topology.graph import Ints, Topology

VERSIONS = ("1.0", "1.2")


class DevicePlace(NamedTuple):
    """A rank's device: ``device``, its number on the server; ``super_device``: in the super pod."""

    server: str
    device: int
    super_device: int | None


@dataclass(frozen=True, slots=True)
class RankTable:
    """A rank table as read: places, servers and super pods.

    ``seats``: the device of every rank, in order of ranks. ``servers``: their names in order.
    ``super_pods``: the servers of each.
    """

    seats: tuple[DevicePlace, ...]
    servers: tuple[str, ...]
    super_pods: Mapping[str, tuple[str, ...]]

    @property
    def ranks(self) -> int:
        """Number of ranks in the table."""
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
            raise TopologyError(f"no node is given for the servers {_some(missing)}")
        devices = _devices(topology)
        return np.array([_place(topology, devices, number, seat) for seat in self.seats], np.int32)

    def _numbers(self) -> dict[str, int]:
        listed = [server for servers in self.super_pods.values() for server in servers]
        order = dict.fromkeys([*listed, *self.servers])
        return {server: node for node, server in enumerate(order)}


def rank_table(source: str | Path | Mapping[str, Any], part: str | None = None) -> RankTable:
    """Read an HCCL rank table, from the file at ``source`` or from its parsed content.

    ``part``: for a table that lists several worlds, which of them: ``"prefill"``, ``"decode"``, or
    the id of a group. Raises `TopologyError` that names what is wrong.
    """
    if isinstance(source, Mapping):
        return _read("the rank table", source, part)
    return _read(str(source), content_of(source), part)


def _read(name: str, given: Mapping[str, Any] | str, part: str | None) -> RankTable:
    table = current_form(name, given, part)
    version, status = table.get("version", "1.0"), table.get("status", "completed")
    if version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise TopologyError(f"{name} is of version {shown(version)}; there are {known}")
    if status != "completed":
        raise TopologyError(f"{name} is {shown(status)}; it has to be 'completed'")
    servers = objects_in(name, table, "server_list")
    check_count(name, table, "server_count", len(servers))
    names = tuple(name_in(name, server, "server_id") for server in servers)
    if len(set(names)) != len(names):
        raise TopologyError(f"{name} has a server twice: {_some(list(names))}")
    seats = _seats(name, dict(zip(names, servers, strict=True)))
    ranks = sorted(seats)
    if not ranks or ranks != list(range(len(ranks))):
        raise TopologyError(f"{name} has the ranks {_some(ranks)}; they have to be 0 and up")
    pods = _super_pods(name, table, names)
    return RankTable(tuple(seats[rank] for rank in ranks), names, pods)


def _seats(name: str, servers: Mapping[str, Mapping[str, Any]]) -> dict[int, DevicePlace]:
    seats: dict[int, DevicePlace] = {}
    for server, table in servers.items():
        where = f"{name}, server {shown(server)}"
        devices = objects_in(where, table, "device")
        check_count(where, table, "device_count", len(devices))
        taken: set[int] = set()
        for device in devices:
            rank, seat = _seat(where, server, device)
            if rank in seats:
                raise TopologyError(f"{name} has rank {rank} twice")
            if seat.device in taken:
                raise TopologyError(f"{where} has device {seat.device} twice")
            taken.add(seat.device)
            seats[rank] = seat
    return seats


def _seat(where: str, server: str, device: Mapping[str, Any]) -> tuple[int, DevicePlace]:
    rank, number = _number(where, device, "rank_id"), _number(where, device, "device_id")
    inside = None
    if "super_device_id" in device:
        inside = _number(where, device, "super_device_id", 1 << 62)
    return rank, DevicePlace(server, number, inside)


def _super_pods(
    name: str, table: Mapping[str, Any], servers: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    pods: dict[str, tuple[str, ...]] = {}
    for pod in objects_in(name, table, "super_pod_list") if "super_pod_list" in table else []:
        pod_name = name_in(name, pod, "super_pod_id")
        if pod_name in pods:
            raise TopologyError(f"{name} has super pod {shown(pod_name)} twice")
        listed = objects_in(f"{name}, super pod {shown(pod_name)}", pod, "server_list")
        pods[pod_name] = tuple(name_in(name, server, "server_id") for server in listed)
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
    topology: Topology, devices: dict[int, list[int]], nodes: Mapping[str, int], seat: DevicePlace
) -> int:
    node = nodes[seat.server]
    if node not in devices:
        raise TopologyError(
            f"server {seat.server} is node {shown(node)}; {topology.name} has nodes of accelerators"
            f" {_some(sorted(devices))}"
        )
    there = devices[node]
    if not 0 <= seat.device < len(there):
        raise TopologyError(
            f"server {seat.server} has a device {seat.device}; node {node} of {topology.name} has"
            f" devices 0 to {len(there) - 1}"
        )
    return there[seat.device]


def _number(name: str, table: Mapping[str, Any], key: str, most: int = MOST) -> int:
    if key not in table:
        raise TopologyError(f"{key} in {name} is missing; it has to be a number")
    found = whole(table[key], 0, most)
    if found is None:
        raise TopologyError(
            f"{key} in {name} is {shown(table[key])}; it has to be a number, 0 to {most}"
        )
    return found


def _some(things: list[Any]) -> str:
    texts = [str(thing)[:60] for thing in things]
    if len(texts) > 8:
        texts = [*texts[:4], f"... {texts[-1]}"]
    return ", ".join(texts) or "none"
