"""What the communication of a served instance stands on."""

from collections.abc import Iterable, Iterator, Sequence

from bench import workload_standing
from bench.machine import span
from bench.published.standing import Question, Standing, standing
from bench.serving.setting import ServedInstance
from collectives.workloads.inference.prefill import redistributed_bytes
from topology.presets.catalogue import short_name


def standings(
    own: ServedInstance, operations: Sequence[str], tokens: Iterable[float]
) -> list[Standing]:
    """What ``operations`` of MoE stand on, each with so many ``tokens`` of a rank."""
    fabric, ranks, name = own.fabric, own.deployment.ranks, _system(own)
    software = fabric.software
    return [
        standing(
            Question(
                software.stack(operation), operation, software.key(operation), name,
                ranks, tokens=number, distance=span(fabric.topology, fabric.places[:ranks]),
            )
        )
        for number in tokens for operation in operations
    ]  # fmt: skip


def redistribution_standings(
    own: ServedInstance, computed: int, cached: int = 0
) -> Iterator[Standing]:
    """Iterate over what the collectives around attention stand on, where tokens are sharded.

    ``computed``, ``cached``: tokens of a die.
    """
    ranks = own.deployment.ranks
    sizes = redistributed_bytes(own.model, ranks, computed, cached)
    calls = [
        (op, ranks, size) for op, size in zip(("all_gather", "all_to_all"), sizes, strict=True)
    ]
    return workload_standing.standings(calls, own.fabric, _system(own))


def _system(own: ServedInstance) -> str:
    """The name of the instance's machine without its size."""
    fabric = own.fabric
    return short_name(fabric.spec.system if fabric.spec else fabric.topology.name)
