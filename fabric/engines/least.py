"""The closed form of a schedule by itself: the least time that any engine may answer."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fabric.endpoint.costs import Costs
from fabric.engines.bounds import Chain, Columns, extend, make_chain
from fabric.engines.columns import Batch, batches, carry, load
from fabric.schedule.step import Step

if TYPE_CHECKING:
    from fabric.fabric import Fabric

_Floats = NDArray[np.float64]

_ROWS = 1 << 14  # rows between two looks at whether it is enough


def least(
    fabric: "Fabric", steps: Iterable[Step], ranks: int, *, operation: str = "",
    above: float = math.inf,
) -> float:  # fmt: skip
    """A lower bound in seconds of a schedule's time; stops early once the bound exceeds ``above``.

    If it stops early, it returns the bound so far, which is more than ``above``. ``ranks``,
    ``operation``: as in `Fabric.simulate`, whose duration is never less. Serves to compare
    schedules without simulating most of them; `Timeline.bound` has the bound of a simulated one.
    """
    costs = fabric.software.costs(operation)
    usable = np.array([costs.efficiency.get(name, 1.0) for name in fabric.topology.planes])
    wires = fabric.router.capacity * usable[fabric.router.plane]
    limits = np.full(len(fabric.places), costs.initiator_bandwidth)
    capacity, carried = np.concatenate([wires, limits]), np.zeros(len(wires))
    chain, time = make_chain(len(fabric.places)), 0.0
    for batch in batches(iter(steps), len(fabric.places), _ROWS):
        _add(fabric, batch, costs, chain, capacity, carried)
        alone = float((chain.wire + chain.latency + chain.cost).max(initial=0.0))
        time = max(alone, float((carried / wires).max(initial=0.0))) + costs.start(ranks)
        if time > above:
            break
    return time


def _add(
    fabric: "Fabric", batch: Batch, costs: Costs, chain: Chain, capacity: _Floats,
    carried: _Floats,
) -> None:  # fmt: skip
    streams, router = batch.streams, fabric.router
    path = router.paths(fabric.places[streams.src], fabric.places[streams.dst])
    loads = load(streams, path, fabric.binding(), router, costs)
    extend(chain, Columns(
        streams.step, streams.src, streams.dst, loads.src_cost, loads.dst_cost, loads.latency,
        streams.size, loads.limits[loads.limit], loads.entries, loads.resource, loads.weight,
    ), capacity)  # fmt: skip
    table = router.table
    carry(carried, path, streams.size, table.begin, table.resource, table.weight)
