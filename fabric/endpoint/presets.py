"""Endpoint presets: software stacks by name, their constants as calibrated.

The constants are in ``constants.toml`` beside this file, and nowhere else: ``triplane bench
calibrate --write`` makes that file from published rows. A key there ends in its unit.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fabric.endpoint.costs import NUMBERS, Costs, Endpoint, EndpointError
from topology.names import near
from topology.units import GB, US

CONSTANTS = Path(__file__).with_name("constants.toml")
"""The constants of every preset, with the rows that they were fitted to."""

PS = 1e-12

UNITS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        name: ("_ps", PS) if name.endswith("_byte")
        else ("_GBps", GB) if name.endswith("bandwidth")
        else ("", 1.0) if name == "crossings"
        else ("_us", US)
        for name in NUMBERS
    }
)  # fmt: skip
"""The unit of each constant in the file: what its key ends in, and the SI value of one."""

ALIASES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "memfabric": (
            "hixl-fabricmem-host-4-streams",
            "the same memory-semantic path over UB, which HIXL's fabric memory mode is built on",
        ),
        "hixl-early-hccs": (
            "hixl-fabricmem-aicpu",
            "an earlier release, whose HCCS path also submits one copy after the other",
        ),
        "hixl-early-roce": ("hixl-roce", "an earlier release over the same NICs"),
    }
)
"""Stacks without rows to calibrate: whose constants they are given, and why."""


def preset(name: str) -> Endpoint:
    """The software stack called ``name``; raises `EndpointError` with the choices."""
    known = names()
    if name not in known:
        raise EndpointError(
            f"no software {name!r}; there are {', '.join(known)}{near(name, known)}"
        )
    if name in ALIASES:
        other, reason = ALIASES[name]
        return endpoint(name, {**_tables()[other], "source": f"as {other}: {reason}"})
    return endpoint(name, _tables()[name])


def names() -> list[str]:
    """The names of all software stacks that `preset` knows."""
    return [*_tables(), *ALIASES]


@cache
def _tables() -> dict[str, dict[str, Any]]:
    with CONSTANTS.open("rb") as file:
        return tomllib.load(file)


def endpoint(name: str, table: Mapping[str, Any]) -> Endpoint:
    """The software stack that a table of the constants file describes.

    Keys: ``planes``, ``source``, ``small_bytes`` and, by operation, ``costs``; "default" applies to
    all other operations. Raises `EndpointError` for an unknown constant.
    """
    by_operation = {
        "" if key == "default" else key.removeprefix("default"): _costs(name, key, constants)
        for key, constants in table.get("costs", {}).items()
    }
    planes = tuple(table["planes"]) if "planes" in table else None
    source, small = table.get("source", ""), table.get("small_bytes", 0)
    return Endpoint(name, by_operation, planes, source, small)


def _costs(stack: str, operation: str, constants: Mapping[str, Any]) -> Costs:
    known = {name + suffix: (name, unit) for name, (suffix, unit) in UNITS.items()}
    values: dict[str, Any] = {}
    for key, value in constants.items():
        if key == "efficiency":
            values[key] = MappingProxyType(dict(value))
        elif key in known:
            name, unit = known[key]
            values[name] = value * unit
        else:
            raise EndpointError(f"{stack}, {operation}: no constant {key!r}{near(key, known)}")
    return Costs(**values)
