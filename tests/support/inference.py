"""A die whose costs can be worked out by hand, and an exchange that costs what it is told."""

from collections.abc import Callable
from dataclasses import replace

from collectives.workloads.inference.accelerator import Accelerator, accelerator_of
from collectives.workloads.inference.exchange import ExpertExchange
from collectives.workloads.inference.sourced import ASSUMED, Sourced


def number(value: float) -> Sourced:
    return Sourced(value, ASSUMED, "a test")


def plain_die(**changed: float) -> Accelerator:
    """A die of 10^12 operations and 10^9 bytes per second, all reached, with nothing beside."""
    values = {
        "bf16_flops": 1e12, "low_flops": 2e12, "fp32_flops": 5e11, "memory_bandwidth": 1e9,
        "memory_capacity": 1e15,
        "attention_compute": 1.0, "attention_memory": 1.0, "prefill_attention_compute": 1.0,
        "matmul_compute": 1.0, "matmul_memory": 1.0, "vector_memory": 1.0, "gated_bytes": 2.0,
        "matrix_launch": 0.0, "vector_launch": 0.0,
        "tile_rows": 1.0, "cores": 24.0, "graph_launch": 0.0,
    } | changed  # fmt: skip
    die = accelerator_of("ascend-910c")
    return replace(die, **{name: number(value) for name, value in values.items()})  # type: ignore[arg-type]


def costs(dispatch: float, combine: float, rows: float = 1.0) -> Callable[[int], ExpertExchange]:
    """An exchange that costs the same for any number of tokens, each of which is ``rows`` rows."""

    def exchanged(tokens: int) -> ExpertExchange:
        return ExpertExchange(dispatch, combine, rows * tokens, rows * tokens, "a test")

    return exchanged
