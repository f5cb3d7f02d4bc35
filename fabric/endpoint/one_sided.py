"""What one-sided reads and writes of a rank's memory cost: which stack's constants time them.

A stack that names ``read`` and ``write``, or whose other constants were measured of nothing else
(`fabric.endpoint.records.Stack.one_sided`), times them itself. Collective libraries have constants
for "every other operation", too, which are of kernels that ranks launch together: these do not
apply to an access that its target makes no call for. Where no stack says anything, it is the wire
there and back, as the initiator waits for an answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from fabric.endpoint.costs import WIRE, Costs, Endpoint
from fabric.endpoint.presets import preset
from fabric.endpoint.records import record_of, stacks
from topology.graph import Topology
from topology.routing.router import PACKAGE

READ, WRITE = "read", "write"
"""The operations: an atomic on a word is a read of 8 bytes."""

SIDES: Mapping[tuple[bool, bool], str] = MappingProxyType(
    {
        (False, False): "", (False, True): ":cpu",
        (True, False): ":local-cpu", (True, True): ":both-cpu",
    }
)  # fmt: skip
"""Variants of a read or write by whether the initiator's and the far memory are a CPU's."""

THERE_AND_BACK = Costs(crossings=2.0)
"""The wire alone, for an initiator that waits for the answer."""


def with_memory(endpoint: Endpoint, topology: Topology, planes: tuple[str, ...]) -> Endpoint:
    """``endpoint`` with constants for one-sided reads and writes, its own if it has any.

    ``planes``: those that the machine uses, in order of preference; the first one beyond a package
    says what a system's usual stack for them is (`fabric.endpoint.records.Stack.memory_of`).
    """
    family, plane = topology.provenance.family, _main(planes)
    lacking = [name for name in (READ, WRITE) if not _speaks(endpoint, name, family, plane)]
    if not lacking:
        return endpoint
    usual = None if endpoint.name == WIRE else _usual(family, plane)
    by_operation = {
        key: costs for key, costs in endpoint.by_operation.items() if _stem(key) not in lacking
    }
    speakers = {key: endpoint.speakers.get(key, endpoint.name) for key in by_operation}
    for operation in lacking:
        given = {operation: THERE_AND_BACK} if usual is None else _of(usual, operation)
        by_operation |= given
        speakers |= dict.fromkeys(given, usual.name if usual else WIRE)
    return replace(endpoint, by_operation=by_operation, speakers=speakers)


def joining(topology: Topology, plane: str) -> tuple[str, ...]:
    """The planes that memory is reached over where ``plane`` is asked for, in order of preference.

    The dies of a package reach each other over its own link, which is a part of UB.
    """
    return (PACKAGE, plane) if plane == "ub" and PACKAGE in topology.planes else (plane,)


def over_planes(endpoint: Endpoint, topology: Topology, planes: Sequence[str]) -> Endpoint:
    """``endpoint``, which has constants of reads and writes, with those over other planes.

    ``planes``: each gives variants such as ``"read:@rdma"`` (`over_plane`), with the constants that
    `with_memory` has where that plane is the machine's. Raises `EndpointError`.
    """
    by_operation, speakers = dict(endpoint.by_operation), dict(endpoint.speakers)
    for plane in planes:
        made = with_memory(endpoint, topology, joining(topology, plane))
        for operation in (READ, WRITE):
            for key, costs in _of(made, operation).items():
                name = over_plane(key, plane)
                by_operation[name], speakers[name] = costs, made.stack(key)
    return replace(endpoint, by_operation=by_operation, speakers=speakers)


def over_plane(operation: str, plane: str) -> str:
    """The variant of an operation that goes over ``plane``; itself for none, ""."""
    stem, colon, side = operation.partition(":")
    return f"{stem}:@{plane}{colon}{side}" if plane else operation


def _speaks(endpoint: Endpoint, operation: str, family: str, plane: str) -> bool:
    """Whether the stack's own constants for an operation are of one-sided accesses here."""
    key = endpoint.key(operation)
    if key is None:
        return False
    record = record_of(endpoint.speakers.get(key, endpoint.name))
    if _stem(key) == operation:
        return not record.memory_of or record.memory_of.get(family) == plane
    return record.one_sided


def _stem(key: str) -> str:
    return key.partition(":")[0]


def _main(planes: tuple[str, ...]) -> str:
    return next((plane for plane in planes if plane != PACKAGE), PACKAGE)


def _usual(family: str, plane: str) -> Endpoint | None:
    names = (name for name, one in stacks().items() if one.memory_of.get(family) == plane)
    found = next(names, None)
    return None if found is None else preset(found)


def _of(stack: Endpoint, operation: str) -> dict[str, Costs]:
    """What ``stack`` has of an operation, by key: constants of its own, or those of all others."""
    own = {key: costs for key, costs in stack.by_operation.items() if _stem(key) == operation}
    others = {
        f"{operation}{key}": costs for key, costs in stack.by_operation.items() if not _stem(key)
    }  # fmt: skip
    return own or others
