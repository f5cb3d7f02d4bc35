"""Checks of the machine that was chosen: room for the ranks, and software for the operation."""

from fabric.endpoint.stacks import named
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from topology.errors import TriplaneError


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


def fabric_of(selection: Selection) -> Fabric:
    """The machine that was chosen, ready to simulate; `stack` names the software of an operation.

    Raises `TriplaneError` for a wrong choice.
    """
    topology = topology_of(selection)
    return Fabric(
        topology, engine=selection.engine, routing=selection.routing,
        endpoint=stacks_of(selection.software, topology),
        planes=tuple(re.split(r"\s*,\s*", selection.planes.strip())) if selection.planes else None,
        placement=_placement(selection, topology),
    )  # fmt: skip


def _placement(selection: Selection, topology: Topology) -> Ints | None:
    """Where the rank table puts the ranks on what is left of the system; None: in order."""
    if selection.rank_table is None:
        return None
    path, part = selection.rank_table, None
    if not Path(path).exists() and ":" in path:
        path, _, part = path.rpartition(":")
    whole = system(selection.system)  # devices are counted with those that have failed
    table = rank_table(path, part)
    try:
        places = table.placement(whole)
    except TopologyError as error:
        raise TopologyError(f"{path}: {error}") from None
    return np.array([topology.vertex(whole.vertex_names[at]) for at in places], np.int32)


def check_fits(ranks: int, fabric: Fabric, selection: Selection) -> None:
    """Raise `BenchError` for more ranks than the machine or the rank table has places."""
    places, table = len(fabric.places), selection.rank_table
    if ranks > places and table is None:
        raise BenchError(
            f"{ranks} ranks do not fit on {selection.system}: it has {places} places for one"
        )
    if ranks > places:
        raise BenchError(f"{ranks} ranks are asked for, and the rank table {table} has {places}")


def stack(fabric: Fabric, selection: Selection, operation: str) -> str:
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
