"""Which software stacks a machine runs, and several of them as one `Endpoint`.

Real machines run one stack for collectives and another for MoE's dispatch and combine. Stacks that
a user names come first; operations that they do not know are timed by the system's usual stacks.
"""

from collections.abc import Sequence

from fabric.endpoint.costs import WIRE, Costs, Endpoint, EndpointError
from fabric.endpoint.presets import preset
from fabric.endpoint.records import stacks
from topology.graph import Topology


def usual(topology: Topology) -> Endpoint:
    """The stacks that a system of this family usually runs, as one; the wire where there are none.

    The family is `topology.provenance.Provenance.family`, the stacks are those whose record names
    it (`fabric.endpoint.records.Stack.usual`).
    """
    family = topology.provenance.family
    known = [stack for stack in stacks().values() if family in stack.usual]
    known.sort(key=lambda stack: stack.usual[family])
    return joined([preset(stack.name) for stack in known] or [preset(WIRE)])


def stacks_of(software: str | None, topology: Topology) -> Endpoint:
    """The stacks of ``topology`` where ``software`` was asked for; None: the usual ones.

    ``software``: as in `named`. Operations of which it says nothing are the usual stacks'. Raises
    `EndpointError` as `named`.
    """
    if software is None:
        return usual(topology)
    return completed(named(software), usual(topology))


def named(software: str) -> Endpoint:
    """The software stack called ``software``, or several, separated by commas, as one.

    Raises `EndpointError` for an unknown name, and for stacks that use different planes.
    """
    names = [name.strip() for name in software.split(",")]
    if len(names) != len(set(names)):
        raise EndpointError(f"software {software!r} names a stack twice")
    return joined([preset(name) for name in names])


def joined(parts: Sequence[Endpoint]) -> Endpoint:
    """Several stacks as one.

    For each operation the first stack that names it applies; if none does, the first that has
    constants for all other operations. Raises `EndpointError` for stacks that use different planes.
    """
    if len(parts) == 1:
        return parts[0]
    planes = {stack.planes for stack in parts if stack.planes is not None}
    if len(planes) > 1:
        said = "; ".join(f"{stack.name}: {', '.join(stack.planes or ())}" for stack in parts)
        raise EndpointError(f"these stacks use different planes, and one machine has one: {said}")
    return _of(parts, [{key for key in stack.by_operation} for stack in parts])


def completed(stack: Endpoint, others: Endpoint) -> Endpoint:
    """``stack``, completed by ``others`` for the operations that it does not know."""
    missing = {key for key in others.by_operation if stack.key(key) is None}
    if not missing:
        return stack
    return _of([stack, others], [set(stack.by_operation), missing])


def _of(parts: Sequence[Endpoint], keys: Sequence[set[str]]) -> Endpoint:
    by_operation: dict[str, Costs] = {}
    speakers: dict[str, str] = {}
    algorithms: dict[str, tuple[str, ...]] = {}
    small_of: dict[str, int] = {}
    for stack, own in zip(parts, keys, strict=True):
        for operation, offered in stack.algorithms.items():
            if stack.key(operation) in own and operation not in algorithms:
                algorithms[operation] = offered
        for operation, most in stack.small_of.items():
            if stack.key(operation) in own:
                small_of.setdefault(operation, most)
        for key, costs in stack.by_operation.items():
            if key in own and key not in by_operation:
                by_operation[key], speakers[key] = costs, stack.speakers.get(key, stack.name)
    smalls = {stack.small for stack, own in zip(parts, keys, strict=True) if stack.small and own}
    if len(smalls) > 1:
        names = ", ".join(stack.name for stack in parts)
        raise EndpointError(f"{names} disagree on what is small: {sorted(smalls)} bytes")
    planes = next((stack.planes for stack in parts if stack.planes is not None), None)
    name = ",".join(dict.fromkeys(speakers.values()))
    source = "; ".join(dict.fromkeys(stack.source for stack in parts))
    small = max(smalls, default=0)
    return Endpoint(name, by_operation, planes, source, small, small_of, speakers, algorithms)
