"""The machine that was chosen: its topology, with the software stacks that it usually runs."""

import re

from bench.options import Selection
from fabric.simulate import Fabric
from fabric.stacks import named, stacks_of
from topology.errors import TriplaneError
from topology.graph import Topology
from topology.systems import system


class BenchError(TriplaneError):
    """A benchmark was asked for something that it cannot do or does not know."""


def topology_of(selection: Selection) -> Topology:
    """The system that was chosen, without what has failed in it."""
    topology = system(selection.system)
    return topology.without(*selection.without) if selection.without else topology


def fabric_of(selection: Selection) -> Fabric:
    """The machine that was chosen, to be simulated; see `stack` for what it speaks."""
    topology = topology_of(selection)
    return Fabric(
        topology, engine=selection.engine, routing=selection.routing,
        endpoint=stacks_of(selection.software, topology.name),
        planes=tuple(re.split(r"\s*,\s*", selection.planes)) if selection.planes else None,
    )  # fmt: skip


def stack(fabric: Fabric, selection: Selection, operation: str) -> str:
    """The name of the software stack by which ``operation`` is timed.

    Raises `BenchError` where stacks were named that say nothing of it.
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
