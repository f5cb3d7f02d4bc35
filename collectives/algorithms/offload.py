"""Which algorithms a machine's switches can do: those that have data combined or copied in them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.domains import grid_of
from collectives.algorithms.table import ACROSS, ALGORITHMS, ALL, algorithm, algorithms
from fabric.engines.in_switch import CHANGING, MODELS, TREES
from fabric.fabric import Fabric
from fabric.schedule.step import ScheduleError
from topology.analysis.in_switch import can_meet, meet_in_one
from topology.graph import abilities

NAMES = tuple(
    dict.fromkeys(name for table in ALGORITHMS.values() for name, one in table.items() if one.able)
)
"""The names of algorithms in which switches combine or copy data."""


def possible(fabric: Fabric, op: str, group: Sequence[int], ranks_per_node: int) -> tuple[str, ...]:
    """The algorithms of ``op`` that the machine can do for the ranks ``group`` of ``fabric``.

    ``ranks_per_node``: as in `collectives.schedule`. Raises `ScheduleError` for an unknown
    collective.
    """
    names = tuple(algorithms(op))
    return tuple(name for name in names if not lacking(fabric, op, name, group, ranks_per_node))


def require(fabric: Fabric, op: str, name: str, group: Sequence[int], ranks_per_node: int) -> None:
    """Raise `ScheduleError` that says why, if the machine cannot do algorithm ``name`` of ``op``.

    The rest is as in `possible`.
    """
    if reason := lacking(fabric, op, name, group, ranks_per_node):
        choices = ", ".join(possible(fabric, op, group, ranks_per_node))
        raise ScheduleError(f"{op} by {name}: {reason}; it can be done by {choices}")


def lacking(fabric: Fabric, op: str, name: str, group: Sequence[int], ranks_per_node: int) -> str:
    """Why the machine cannot do algorithm ``name`` of ``op``; ``""`` where it can.

    The rest is as in `possible`.
    """
    wanted = algorithm(op, name)
    if not wanted.able or len(group) < 2:
        return ""
    if not fabric.models >= MODELS:
        return f"the engine {fabric.engine} does not model what switches do"
    if fabric.changes and CHANGING not in fabric.models:
        return f"the engine {fabric.engine} does not model what switches do while links change"
    places = fabric.places[list(group)]
    if ALL in wanted.joined:
        return _apart(fabric, [places], wanted.able) or _not_in_one(fabric, [places])
    grid = grid_of(len(places), ranks_per_node)
    if len(grid) < 2 or not _apart(fabric, [places], wanted.able):
        return f"its {len(places)} ranks are in one domain of switches, for which there is nvls"
    if grid.shape[1] == 1:
        return "no two of its ranks are in one domain of switches"
    found = _apart(fabric, places[grid], wanted.able) or _not_in_one(fabric, places[grid])
    if found or ACROSS not in wanted.joined:
        return found
    return _apart(fabric, places[grid.T], wanted.able) or _not_in_one(fabric, places[grid.T])


def _apart(fabric: Fabric, sets: Sequence[NDArray[np.int32]] | NDArray[np.int32], able: int) -> str:
    """Why not all ranks of each set are joined by able switches; ``""`` if they are."""
    topology = fabric.topology
    for places in sets:
        if len(places) > 1 and not can_meet(topology, fabric.router.planes, places, able):
            ends = topology.vertex_names[places[0]], topology.vertex_names[places[-1]]
            return (
                f"on {topology.name} the ranks from {ends[0]} to {ends[1]} have no switches between"
                f" them that can {' and '.join(abilities(able))}"
            )
    return ""


def _not_in_one(fabric: Fabric, sets: Sequence[NDArray[np.int32]] | NDArray[np.int32]) -> str:
    """Why the engine does not model what switches do between each set; ``""`` if it does."""
    topology = fabric.topology
    for places in sets:
        if TREES not in fabric.models and not meet_in_one(topology, fabric.router.planes, places):
            ends = topology.vertex_names[places[0]], topology.vertex_names[places[-1]]
            return (
                f"the engine {fabric.engine} models what one switch does, and the ranks from"
                f" {ends[0]} to {ends[1]} of {topology.name} do not all meet in one"
            )
    return ""
