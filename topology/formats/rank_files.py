"""A placement as launchers and schedulers take it: rank files, host lists, tables, annotations.

``places``: the endpoint of each rank, int32 [ranks], of a topology with nothing taken out, so that
a device has its number on the real host.
"""

import json
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from topology.errors import PlacementError
from topology.formats.schedulers import HostNames
from topology.formats.yaml_text import yaml_text
from topology.graph import NOWHERE, Ints, Topology


def open_mpi(topology: Topology, places: Ints, hosts: HostNames) -> str:
    """The placement as a rank file of Open MPI (``mpirun --rankfile``), one line a rank.

    The slot, a core of the host, is the number of the device on its node. Raises `PlacementError`
    for an endpoint in no node.
    """
    seats = _seats(topology, places)
    return "".join(
        f"rank {rank}={hosts.of(node)} slot={device}\n"
        for rank, (node, device) in enumerate(seats)
    )  # fmt: skip


def host_list(topology: Topology, places: Ints, hosts: HostNames) -> str:
    """The placement as one host a line, in order of ranks.

    That is the machine file of MPICH (``mpiexec -f``) and Slurm's ``SLURM_HOSTFILE`` with
    ``--distribution=arbitrary``. Raises `PlacementError` for an endpoint in no node.
    """
    return "".join(f"{hosts.of(node)}\n" for node, _ in _seats(topology, places))


def hccl(topology: Topology, places: Ints, hosts: HostNames) -> str:
    """The placement as an HCCL rank table: version 1.2 where supernodes are known, else 1.0.

    Without the addresses of devices, which no topology has: HCCL's own tools fill these in. Raises
    `PlacementError` for an endpoint in no node.
    """
    devices: dict[int, list[dict[str, str]]] = {}
    for rank, (node, device) in enumerate(_seats(topology, places)):
        devices.setdefault(node, []).append({"device_id": str(device), "rank_id": str(rank)})
    servers = [{"server_id": hosts.of(node), "device": devices[node]} for node in sorted(devices)]
    table: dict[str, object] = {
        "version": "1.0", "status": "completed", "server_count": str(len(servers)),
        "server_list": servers,
    }  # fmt: skip
    supernode = dict(zip(topology.node[places].tolist(), topology.supernode[places].tolist(),
                         strict=True))  # fmt: skip
    if NOWHERE not in supernode.values():
        pods: dict[int, list[dict[str, str]]] = {}
        for node in sorted(devices):
            pods.setdefault(supernode[node], []).append({"server_id": hosts.of(node)})
        table |= {"version": "1.2", "super_pod_list": [
            {"super_pod_id": str(pod), "server_list": pods[pod]} for pod in sorted(pods)
        ]}  # fmt: skip
    return json.dumps(table, indent=1) + "\n"


def sp_block(topology: Topology, sizes: Sequence[int]) -> str:
    """The annotation by which MindCluster places blocks of these ``sizes`` in ranks, as YAML.

    ``sp-block`` is the devices (dies) of a logical supernode, of which a job has one or more of the
    same size. Raises `PlacementError` for blocks of several sizes, and for one that is larger than
    a node and not whole nodes.
    """
    if len(set(sizes)) > 1:
        raise PlacementError(
            f"blocks of {min(sizes)} to {max(sizes)} ranks; sp-block is one size for all of a job"
        )
    node = int(np.bincount(topology.node[topology.accelerators] + 1)[1:].max(initial=0))
    if not node or (sizes[0] > node and sizes[0] % node):
        raise PlacementError(
            f"a block of {sizes[0]} ranks is no number of whole nodes of {topology.name}, which"
            f" have {node} endpoints for ranks"
        )
    return yaml_text({"metadata": {"annotations": {"sp-block": str(sizes[0])}}})


def _seats(topology: Topology, places: Ints) -> list[tuple[int, int]]:
    """Node and device of each rank: its number among the accelerators of the node."""
    ends = topology.accelerators
    node = topology.node[ends]
    order = np.lexsort((ends, node))
    begin = np.flatnonzero(np.diff(node[order], prepend=node[order][0] - 1))
    counts = [b - a for a, b in pairwise([*begin.tolist(), len(order)])]
    device = np.full(topology.n_endpoints, NOWHERE)
    device[ends[order]] = np.concatenate([np.arange(count) for count in counts])
    for end in places.tolist():
        if topology.node[end] == NOWHERE:
            name = topology.vertex_names[end]
            raise PlacementError(f"{name} of {topology.name} is in no node, so on no host")
    return list(zip(topology.node[places].tolist(), device[places].tolist(), strict=True))
