"""An accelerator as a roofline: peaks, and the measured fractions of them, each with its source."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from collectives.workloads.inference.sourced import (
    ASSUMED,
    InferenceError,
    Sourced,
    check_known,
    packaged,
    read_toml,
    sourced,
)
from topology.files.reading import shown
from topology.names import near


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One die, as operators see it; ``dies`` of them are an accelerator as tables count them.

    Operations per second: ``bf16_flops``, ``low_flops`` in INT8 or FP8, and ``fp32_flops`` of
    matrix products in single precision. Bytes per second: ``memory_bandwidth``; bytes:
    ``memory_capacity``. Fractions of these that operators were measured to reach: of attention over
    a compressed cache and, in prefill, over keys and values of every head
    (``prefill_attention_compute``), of matrix products, and of those that only move data.
    ``gated_bytes``: of each number that the gate and up projection hands to the activation.
    Seconds that an operator costs beside its work: ``matrix_launch``, ``vector_launch``; of a whole
    graph: ``graph_launch``. ``tile_rows``: rows that a matrix product computes at once; ``cores``:
    matrix cores.
    """

    name: str
    about: str
    dies: int
    bf16_flops: Sourced
    low_flops: Sourced
    fp32_flops: Sourced
    memory_bandwidth: Sourced
    memory_capacity: Sourced
    attention_compute: Sourced
    attention_memory: Sourced
    prefill_attention_compute: Sourced
    matmul_compute: Sourced
    matmul_memory: Sourced
    vector_memory: Sourced
    gated_bytes: Sourced
    matrix_launch: Sourced
    vector_launch: Sourced
    tile_rows: Sourced
    cores: Sourced
    graph_launch: Sourced

    @property
    def tera_ops(self) -> float:
        """10^12 low-precision operations per second of an accelerator, by which papers divide."""
        return self.dies * self.low_flops.value / 1e12

    def sourced(self) -> dict[str, Sourced]:
        """Every number by name."""
        return {name: getattr(self, name) for name in _NUMBERS}


_NUMBERS = tuple(field.name for field in fields(Accelerator))[3:]
_MAY_LACK = ("fp32_flops", "prefill_attention_compute", "gated_bytes")


def _unstated(table: Mapping[str, Any]) -> dict[str, Any]:
    """Tables of the numbers that a file may leave out, made of those that it has."""
    whole, reached = table["bf16_flops"], table["attention_compute"]
    half = whole
    if isinstance(whole, dict) and isinstance(whole.get("value"), int | float):
        half = whole | {"value": whole["value"] / 2, "source": "half of bf16_flops"}
    bf16 = {"value": 2, "mark": ASSUMED, "source": "BF16"}
    return {"fp32_flops": half, "prefill_attention_compute": reached, "gated_bytes": bf16}


def accelerator_of(name: str) -> Accelerator:
    """The accelerator called ``name``, or in that TOML file; raises `InferenceError`."""
    own = packaged("accelerators")
    if name in own or name.endswith(".toml"):
        return _of_table(read_toml(own.get(name, Path(name))), name)
    raise InferenceError(
        f"no accelerator {shown(name)}; there are {', '.join(own)}, or a .toml file"
        f"{near(name, own)}"
    )


def _of_table(table: Mapping[str, Any], name: str) -> Accelerator:
    check_known(table, ["about", "dies", *_NUMBERS], name)
    for key in ("about", "dies", *_NUMBERS):
        if key not in table and key not in _MAY_LACK:
            raise InferenceError(f"{name}: {key} is missing")
    dies = table["dies"]
    if type(dies) is not int or dies < 1:
        raise InferenceError(f"{name}: dies is {shown(dies)}; it has to be an integer from 1 on")
    table = {**_unstated(table), **table}
    found = {key: sourced(table[key], f"{name}, [{key}]") for key in _NUMBERS}
    return Accelerator(Path(name).stem, str(table["about"]), dies, **found)
