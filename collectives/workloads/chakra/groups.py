"""Who takes part in a collective of a Chakra trace: everybody, a named group, or a dimension's.

- ``pg_name`` (or ``comm_group``, an older name of it) names a group, which a metadata node of
  PyTorch's process groups lists, or a file beside the trace (ASTRA-sim's
  ``--comm-group-configuration``). Ranks may have groups of the same name that differ. A name that
  is nowhere listed is refused, but ``"0"`` and ``""``, which are everybody, as in ASTRA-sim.
- ``involved_dim`` says along which dimensions of the network ranks meet. All of them are
  everybody; some need to know how many ranks lie along each (ASTRA-sim's ``npus_count``).
- ``comm_tag`` tells calls of one group apart: calls of one tag meet in order.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collectives.workloads.chakra.nodes import ChakraNode, Unread
from collectives.workloads.workload import WorkloadError
from topology.files.reading import json_of, read_json, shown, whole

EVERYBODY = ("", "0")
"""Names of the group of all ranks, where no other group has them."""


def read_groups(path: str | Path) -> dict[str, tuple[int, ...]]:
    """The ranks of each group by its name: ``{"1": [0, 1], ...}``, as in ASTRA-sim's file.

    Raises `WorkloadError` naming file and fault.
    """
    given = read_json(path, WorkloadError)
    if not isinstance(given, dict):
        raise WorkloadError(
            f"{path} is no file of groups: it has to be an object of lists of ranks"
        )
    return {name: _ranks(f"{path}: group {shown(name)}", ranks) for name, ranks in given.items()}


def groups_in(node: ChakraNode, ranks: int) -> dict[str, tuple[int, ...]]:
    """The process groups of PyTorch that a metadata node lists, by name.

    An empty list means all ``ranks``.

    Raises `WorkloadError` for a list that is malformed.
    """
    begin, end = node.inputs.find("[{"), node.inputs.rfind("}]")
    if begin < 0 or end < begin or "pg_name" not in node.inputs:
        return {}
    listed = json_of(node.inputs[begin : end + 2], f"the process groups of {node}", WorkloadError)
    found: dict[str, tuple[int, ...]] = {}
    for one in listed:
        if not isinstance(one, dict) or not {"pg_name", "ranks"} <= one.keys():
            raise WorkloadError(f"{node} lists process groups without pg_name and ranks")
        name = one["pg_name"] if isinstance(one["pg_name"], str) else shown(one["pg_name"])
        members = _ranks(f"{node}: group {shown(name)}", one["ranks"]) or tuple(range(ranks))
        if found.setdefault(name, members) != members:
            raise WorkloadError(f"{node} lists group {shown(name)} twice, with other ranks")
    return found


def _ranks(where: str, given: Any) -> tuple[int, ...]:
    if not isinstance(given, list):
        raise WorkloadError(f"{where} is {shown(given)}; a list of ranks is expected")
    found = [None if isinstance(one, str) else whole(one, 0, 1 << 31) for one in given]
    for rank, one in zip(found, given, strict=True):
        if rank is None:
            raise WorkloadError(f"{where} has {shown(one)}, which is no rank")
    return tuple(rank for rank in found if rank is not None)


@dataclass
class GroupTable:
    """The groups of a workload as it is read: for each set of ranks, its number.

    ``dimensions``: ranks along each dimension, the first one next to each other; or unknown.
    """

    ranks: int
    dimensions: tuple[int, ...] = ()
    _places: dict[tuple[str, tuple[int, ...], int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dimensions and math.prod(self.dimensions) != self.ranks:
            raise WorkloadError(
                f"dimensions of {' x '.join(map(str, self.dimensions))} are not {self.ranks} ranks"
            )

    @property
    def listed(self) -> tuple[tuple[int, ...], ...]:
        """The ranks of every group; the first group is all ranks."""
        return (tuple(range(self.ranks)), *(ranks for _, ranks, _ in self._places))

    def place(self, name: str, ranks: tuple[int, ...], tag: int = 0) -> int:
        """The index of a group in `listed`; it is added if it is new."""
        return self._places.setdefault((name, ranks, tag), len(self._places) + 1)

    def of(self, node: ChakraNode, rank: int, named: Mapping[str, tuple[int, ...]]) -> int:
        """The index of a collective's group in `listed`; ``named``: the groups that ``rank`` knows.

        Raises `WorkloadError` for an unknown group, and for one with dimensions besides.
        """
        tag, name = node.number("comm_tag"), _group_name(node)
        everybody = tuple(range(self.ranks))
        members = self._along(node, rank)
        if members is not None and name not in EVERYBODY:
            raise WorkloadError(
                f"{node} has both a group and an involved_dim that is not all; one is expected"
            )
        if members is not None:
            return self.place(f"dimensions {members}", members, tag)
        if name in named:
            return self.place(name, named[name], tag)
        if name not in EVERYBODY:
            known = ", ".join(named) or "none"
            raise WorkloadError(
                f"pg_name of node {node.id} is {name!r:.40}; known are {known:.200}; the groups'"
                " file (--comm-groups) may list more"
            )
        return self.place("", everybody, tag) if tag else 0

    def _along(self, node: ChakraNode, rank: int) -> tuple[int, ...] | None:
        """The ranks that ``rank`` meets along the dimensions of a node; None: everybody."""
        given = node.attributes.get("involved_dim", ())
        if not isinstance(given, tuple):
            said = given if isinstance(given, Unread) else repr(given)
            raise WorkloadError(f"involved_dim of {node} is {said!s:.40}, not a list of bools")
        if all(given):
            return None
        if not self.dimensions:
            raise WorkloadError(
                f"involved_dim of {node} is {shown(list(given))}, and how many ranks lie along each"
                " dimension is not known: give --dimensions, such as 2,2 (ASTRA-sim's npus_count)"
            )
        if len(given) != len(self.dimensions) or not any(given):
            raise WorkloadError(
                f"involved_dim of {node} is {shown(list(given))}; {len(self.dimensions)} are"
                " expected, one of them true at least"
            )
        members, stride = [rank], 1
        for size, involved in zip(self.dimensions, given, strict=True):
            if involved:
                members = [
                    one + (at - one // stride % size) * stride for at in range(size)
                    for one in members
                ]  # fmt: skip
            stride *= size
        return tuple(sorted(members))


def _group_name(node: ChakraNode) -> str:
    name = node.text("pg_name")
    if "comm_group" not in node.attributes:
        return name
    older = str(node.number("comm_group"))
    if name and name != older:
        raise WorkloadError(f"{node} has pg_name {name!r:.40} and comm_group {older}")
    return older
