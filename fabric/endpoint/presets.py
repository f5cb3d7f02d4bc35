"""Software stacks by name, with their constants.

What is known of a stack is in ``stacks.toml`` and what is fitted in ``constants.toml``, both beside
this file, and nowhere else; see `fabric.endpoint.records`, also
for a user's own. A key there ends in its unit.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from fabric.endpoint.costs import NUMBERS, TABLES, Costs, Endpoint, EndpointError
from fabric.endpoint.records import Stack, fitted, is_file, record_of, stacks
from topology.names import near
from topology.units import GB, US

DEFAULT = "default"
"""How the files call every operation that has no constants of its own."""

PS = 1e-12

UNITS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        name: ("_ps", PS) if name.endswith("_byte")
        else ("_GBps", GB) if name.endswith("bandwidth")
        else ("", 1.0) if name == "crossings"
        else ("_us", US)
        for name in (*NUMBERS, *TABLES)
        if name != "efficiency"
    }
)  # fmt: skip
"""The unit of each constant in the file: what its key ends in, and the SI value of one."""


def preset(name: str) -> Endpoint:
    """The software stack called ``name``, or the user's own in the TOML file at the path ``name``.

    Raises `EndpointError` with the choices, and for a file that is wrong.
    """
    if is_file(name):
        return _of_file(name)
    known = names()
    if name not in known:
        raise EndpointError(
            f"no software {name!r}; there are {', '.join(known)}, or a TOML file's path"
            f"{near(name, known)}"
        )
    stack = stacks()[name]
    if stack.constants_of:
        return _lent(stack, stacks()[stack.constants_of])
    return endpoint(stack, _constants(stack))


def _of_file(path: str) -> Endpoint:
    stack = record_of(path)
    lender = stacks().get(stack.constants_of)
    try:
        return _lent(stack, lender) if lender else endpoint(stack, _constants(stack))
    except EndpointError as error:
        text = str(error)
        raise EndpointError(text if text.startswith(path) else f"{path}: {text}") from None


def names() -> list[str]:
    """The names of all software stacks that `preset` takes."""
    return [name for name, stack in stacks().items() if not stack.not_modelled]


def _lent(stack: Stack, lender: Stack) -> Endpoint:
    """``stack`` with the constants of ``lender``, but for those of its own record."""
    costs = {
        key: {**known, **stack.costs.get(key, {})} for key, known in _constants(lender).items()
    }
    made = endpoint(lender, costs)
    return replace(
        made, name=stack.name, source=f"as {lender.name}: {stack.why}",
        planes=made.planes if stack.planes is None else stack.planes,
    )  # fmt: skip


def _constants(stack: Stack) -> dict[str, Mapping[str, Any]]:
    """The constants of a stack that is given none of another's, as the files write them."""
    costs = {**fitted().get(stack.name, {}).get("costs", {}), **stack.costs}
    if stack.others_free:
        costs["default"] = {}
    return costs


def endpoint(stack: Stack, costs: Mapping[str, Mapping[str, Any]]) -> Endpoint:
    """The `Endpoint` of ``stack`` with the constants ``costs``, written as in ``constants.toml``.

    ``costs``: by operation, "default" is every other. Raises `EndpointError` for an unknown
    constant.
    """
    by_operation = {
        operation_of(key): _costs(stack.name, key, constants) for key, constants in costs.items()
    }
    return Endpoint(
        stack.name, by_operation, stack.planes, stack.source, stack.small_bytes,
        dict(stack.small_bytes_of),
        algorithms={op: tuple(names) for op, names in stack.algorithms.items()},
    )  # fmt: skip


def operation_of(key: str) -> str:
    """The operation that a key of the files means.

    "default" is ``""``, which stands for all others.
    """
    stem, colon, variant = key.partition(":")
    return f"{'' if stem == DEFAULT else stem}{colon}{variant}"


def key_of(operation: str) -> str:
    """The key by which the files call an operation of `Endpoint.by_operation`.

    See `operation_of`.
    """
    stem, colon, variant = operation.partition(":")
    return f"{stem or DEFAULT}{colon}{variant}"


def _costs(stack: str, operation: str, constants: Mapping[str, Any]) -> Costs:
    known = {name + suffix: (name, unit) for name, (suffix, unit) in UNITS.items()}
    known["efficiency"] = ("efficiency", 1.0)
    values: dict[str, Any] = {}
    for key, value in constants.items():
        if key not in known:
            raise EndpointError(f"{stack}, {operation}: no constant {key!r}{near(key, known)}")
        name, unit = known[key]
        if isinstance(value, Mapping):
            values[name] = MappingProxyType({part: one * unit for part, one in value.items()})
        else:
            values[name] = value * unit
    return Costs(**values)
