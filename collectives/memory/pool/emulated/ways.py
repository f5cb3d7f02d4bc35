"""How bytes get between an NPU and the DRAM of a pool on a machine, over UB or over VPC.

Over UB a die reads and writes the DRAM of any CPU itself. Over VPC the bytes go between the CPUs of
two nodes, as only CPUs are on that plane, and between a die and a CPU of its own node over UB.
"""

from copy import copy
from itertools import islice, zip_longest

import numpy as np

from collectives.memory.pool.core.errors import PoolError
from fabric.endpoint.costs import FREE
from fabric.fabric import Fabric
from fabric.machine import MachineSpec

READ, WRITE = "read:cpu", "write:cpu"
"""The operations by which a die reaches the memory of a CPU, see `fabric.endpoint.costs`."""

SOFTWARE = "raw"
"""The stack where none is named: reads and writes of CPU memory as Table 1 of the paper has them
(arXiv 2506.12708v2)."""

POOL_PLANES = ("ub", "vpc")

_Leg = tuple[str, int, int]


class PoolWays:
    """A machine with ``clients`` dies as its first ranks, and the CPU sockets of ``nodes`` nodes.

    Each socket is a server of the pool; clients are spread evenly over the first ``client_nodes``
    nodes (None: over all). ``plane``: one of `POOL_PLANES`. Raises `PoolError` for a machine that
    does not have these.
    """

    def __init__(
        self, machine: MachineSpec, plane: str, clients: int, nodes: int,
        client_nodes: int | None = None,
    ) -> None:  # fmt: skip
        if plane not in POOL_PLANES:
            raise PoolError(f"no pool over plane {plane!r}; there are {', '.join(POOL_PLANES)}")
        topology = machine.topology()
        dies, cpus = topology.accelerators, topology.of_kind("cpu")
        missing = [name for name in ("ub", plane) if name not in topology.planes]
        if missing or not len(cpus):
            raise PoolError(
                f"{machine.system} has no {f'plane {missing[0]}' if missing else 'CPU endpoints'}:"
                " a pool is the DRAM of CPUs, which dies reach over UB"
            )
        there = np.unique(topology.node[cpus])
        if not 1 <= nodes <= len(there):
            raise PoolError(f"{nodes} nodes; {machine.system} has {len(there)} with CPUs")
        chosen = there[:nodes]
        cpus = cpus[np.isin(topology.node[cpus], chosen)]
        ours = _spread(
            [dies[topology.node[dies] == node].tolist() for node in chosen[:client_nodes]], clients
        )
        places = tuple(int(place) for place in [*ours, *cpus])
        planes = ("package", plane, "ub") if plane == "vpc" else ("package", "ub")
        known = tuple(name for name in planes if name in topology.planes)
        software = machine.software or SOFTWARE
        self.fabric: Fabric = machine.changed(
            software=software, planes=known, placement=places
        ).build()
        for operation in (READ, WRITE):
            key = self.fabric.software.key(operation) or ""
            if not key.startswith(operation.partition(":")[0]):  # "": of collectives and others
                raise PoolError(f"software {software} has no costs for {operation}")
        self.software, self.plane, self.clients = software, plane, clients
        self.servers = {
            topology.vertex_names[cpu]: clients + at for at, cpu in enumerate(cpus.tolist())
        }
        self.node = {name: int(topology.node[cpu]) for name, cpu in
                     zip(self.servers, cpus.tolist(), strict=True)}  # fmt: skip
        self._nodes = [int(topology.node[die]) for die in ours]

    def on(self, fabric: Fabric) -> "PoolWays":
        """The same with its transfers on another ``fabric``, of the same places."""
        other = copy(self)
        other.fabric = fabric
        return other

    def legs(self, client: int, server: str, reads: bool) -> tuple[_Leg, ...]:
        """The transfers that a block takes, one after the other: operation, source, destination.

        These are ranks of the fabric.
        """
        far, node = self.servers[server], self._nodes[client]
        operation = READ if reads else WRITE
        if self.plane == "ub" or self.node[server] == node:
            return ((operation, far, client),) if reads else ((operation, client, far),)
        near = [rank for name, rank in self.servers.items() if self.node[name] == node]
        home = near[client % len(near)]
        if reads:
            return ((FREE, far, home), (operation, home, client))
        return ((operation, client, home), (FREE, home, far))


def _spread(dies: list[list[int]], clients: int) -> list[int]:
    """So many dies, evenly over nodes: ``dies`` has those of each node."""
    if not 1 <= clients <= sum(map(len, dies)):
        raise PoolError(f"{clients} clients; {len(dies)} nodes have {sum(map(len, dies))} dies")
    if clients < len(dies):
        return [dies[at * len(dies) // clients][0] for at in range(clients)]
    in_turn = (die for some in zip_longest(*dies) for die in some if die is not None)
    return [*islice(in_turn, clients)]
