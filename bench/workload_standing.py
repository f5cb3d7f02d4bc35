"""What replays stand on: of a workload, every operation in it; of a pool, its reads and writes."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.cases.operations import OPERATIONS
from bench.published.standing import Question, Standing, standing
from collectives.memory.pool.emulated.replay import BlockShape
from collectives.memory.pool.emulated.ways import READ, WRITE, PoolWays
from collectives.workloads import Workload
from collectives.workloads.chakra.trace import sizes
from collectives.workloads.workload import COLLECTIVE, COLLECTIVES, SEND
from fabric.endpoint.costs import MESSAGE
from fabric.fabric import Fabric

Call = tuple[str, int, int]
"""An operation, its ranks, and its bytes as `collectives.algorithms.table.schedule` counts them."""


def calls(w: Workload) -> list[Call]:
    """The operations of a workload that the fabric times: the smallest and the largest of each."""
    group = np.array([len(ranks) for ranks in w.groups])
    sent, which = w.size[w.kind == SEND], w.kind == COLLECTIVE
    found = [(MESSAGE, 2, size) for size in _ends(sent)]
    kinds = np.stack([w.collective[which], group[w.group[which]]])
    for number, ranks in np.unique(kinds, axis=1).T.tolist():
        name, mine = COLLECTIVES[number], (kinds[0] == number) & (kinds[1] == ranks)
        found += [(name, ranks, sizes(name, size, ranks)) for size in _ends(w.size[which][mine])]
    return found


def _ends(size: NDArray[np.int64]) -> list[int]:
    return sorted({int(size.min()), int(size.max())}) if len(size) else []


def standings(found: Sequence[Call], fabric: Fabric, system: str) -> Iterator[Standing]:
    """Iterate over what each operation stands on."""
    software = fabric.software
    for operation, ranks, size in found:
        whole = size * (ranks if OPERATIONS[operation].shared else 1)
        key = software.key(software.regime(operation, size))
        yield standing(
            Question(software.stack(operation), operation, key, system, ranks, size=whole)
        )


def of_ways(ways: PoolWays, block: BlockShape, system: str) -> Iterator[Standing]:
    """Iterate over what reads and writes of a block's pieces stand on; ``system``: its name."""
    software, size = ways.fabric.software, max(1, block.bytes // block.pieces)
    for operation in (READ, WRITE):
        key = software.key(software.regime(operation, size))
        yield standing(Question(software.stack(operation), operation, key, system, 2, size=size))


def regimes(found: Sequence[Call], fabric: Fabric) -> list[str]:
    """Each operation with the variant that its size has, once."""
    regime = fabric.software.regime
    return list(dict.fromkeys(regime(operation, size) for operation, _, size in found))
