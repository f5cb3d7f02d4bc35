"""The machine that was chosen: its topology, with the software stacks that it usually runs."""

import re
from pathlib import Path

import numpy as np

from bench.options import Selection
from fabric.endpoint.stacks import named, stacks_of
from fabric.fabric import Fabric
from topology.errors import TopologyError, TriplaneError
from topology.formats.rank_table import rank_table
from topology.graph import Ints, Topology
from topology.presets.catalogue import system


class BenchError(TriplaneError):
    """A benchmark was asked for something unknown or impossible."""


def topology_of(selection: Selection) -> Topology:
    """The system that was chosen, without the parts that were taken out; raises `TopologyError`."""
    topology = system(selection.system)
    return topology.without(*selection.without) if selection.without else topology


def fabric_of(selection: Selection) -> Fabric:
    """The machine that was chosen, ready to simulate; `stack` names the software of an operation.

    Raises `TriplaneError` for a wrong choice.
    """
    topology = topology_of(selection)
    return Fabric(
        topology, engine=selection.engine, routing=selection.routing,
        endpoint=stacks_of(selection.software, topology.provenance.family),
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
    if selection.software is not None:
        asked = named(selection.software)
        if asked.key(operation) is None:
            raise BenchError(
                f"--software {selection.software} has no costs for {operation}: {asked.known()};"
                f" on {fabric.topology.name} {speaks} has"
            )
    return speaks
