"""Checks of the machine that was chosen: room for the ranks, and software for the operation."""

from fabric.endpoint.costs import DISTANCES
from fabric.endpoint.stacks import named
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from topology.errors import TriplaneError
from topology.graph import LEVELS, Ints, Topology


class BenchError(TriplaneError):
    """A benchmark was asked for something unknown or impossible."""


def check_fits(ranks: int, fabric: Fabric) -> None:
    """Raise `BenchError` for more ranks than the machine or its placement has places."""
    places, machine = len(fabric.places), fabric.spec
    if ranks <= places:
        return
    if fabric.placement is None:
        system = fabric.topology.name if machine is None else machine.system
        raise BenchError(f"{ranks} ranks do not fit on {system}: it has {places} places for one")
    table = machine and machine.placement
    where = f"rank table {table}" if isinstance(table, str) else "placement"
    raise BenchError(f"{ranks} ranks are asked for, and the {where} has {places}")


def stack(fabric: Fabric, machine: MachineSpec, operation: str) -> str:
    """The name of the software stack that times ``operation``.

    Raises `BenchError` if stacks were named and none has costs for it.
    """
    speaks = fabric.software.stack(operation)
    if machine.software is not None:
        asked = named(machine.software)
        if asked.key(operation) is None:
            raise BenchError(
                f"--software {machine.software} has no costs for {operation}: {asked.known()};"
                f" on {fabric.topology.name} {speaks} has"
            )
    return speaks


def span(topology: Topology, places: Ints) -> str:
    """How far apart ranks on these endpoints (int [ranks]) are at most: one of `DISTANCES`."""
    if len(set(places.tolist())) < 2:
        return DISTANCES[0]
    return LEVELS[int(topology.level(places[0], places[places != places[0]]).max())]
