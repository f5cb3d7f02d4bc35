"""What matters to the rows of a collective benchmark."""

from collections.abc import Iterator
from dataclasses import replace

from bench.collectives.measure import Benchmark, Task, chosen, found, operation_of, tasks
from bench.options import DATATYPES
from bench.sensitivity import Effect, effects
from fabric.fabric import Fabric


def effects_of_rows(bench: Benchmark) -> Iterator[list[Effect]]:
    """Iterate over the effects on each row, the largest first.

    What has been simulated is not simulated again. Where the library chooses the algorithm, it
    chooses anew after each change.
    """
    known: dict[tuple[str, int, int, int], list[Effect]] = {}
    for task in tasks(bench):
        key = task.algorithm, task.argument, max(task.root, 0), DATATYPES[task.datatype]
        if key not in known:
            known[key] = _effects(bench, task)
        yield known[key]


def _effects(bench: Benchmark, task: Task) -> list[Effect]:
    def time(fabric: Fabric) -> float:
        other = replace(bench, fabric=fabric)
        algorithm = task.algorithm
        if not bench.algorithms:
            algorithm = chosen(other, task.argument, DATATYPES[task.datatype], max(task.root, 0))
        return found(other, replace(task, algorithm=algorithm)).time

    return effects(bench.fabric, (operation_of(bench, task),), time)
