"""A topology as schedulers of clusters take it: Slurm, Kueue and Volcano.

They place jobs on hosts, so all of these files are of nodes and of what nodes are in: racks and
supernodes. `HostNames` says what hosts are called.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from topology.errors import TopologyError
from topology.formats.yaml_text import yaml_text
from topology.graph import NOWHERE, Topology

DOMAIN = "triplane.dev"
"""The prefix of the labels of nodes that Kueue's levels are named by; any other will do."""

HOSTNAME = "kubernetes.io/hostname"
"""The label of a Kubernetes node's own name."""

ROOT = "fabric"
"""The name of the switch, or HyperNode, above the containers of the uppermost level."""

_HOST = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""Names of hosts that Kubernetes takes (RFC 1123); Slurm takes them, too."""

LONGEST = 253
"""Characters of a host's name at most, in Kubernetes."""


@dataclass(frozen=True, slots=True)
class HostNames:
    """What the host of a node is called: ``pattern`` with the node's number for ``{}``.

    Raises `TopologyError` for a pattern that makes no names of hosts.
    """

    pattern: str = "node{}"

    def __post_init__(self) -> None:
        fits = self.pattern.count("{}") == 1 and _HOST.fullmatch(self.of(0))
        if not fits or len(self.pattern) > LONGEST - 10:
            raise TopologyError(
                f"hosts are called {self.pattern!r:.60}; it has to be a name of small letters,"
                " digits, - and . with {} for a node's number, such as node{}"
            )

    def of(self, node: int) -> str:
        """The name of the host of a node."""
        return self.pattern.replace("{}", str(node))

    def listed(self, nodes: Sequence[int]) -> str:
        """The names of several hosts (ascending) as Slurm's host list: ``node[0-3,7]``."""
        if len(nodes) == 1:
            return self.of(nodes[0])
        runs = groupby(enumerate(nodes), key=lambda pair: pair[1] - pair[0])
        ends = [[node for _, node in run] for _, run in runs]
        inside = ",".join(f"{a[0]}-{a[-1]}" if len(a) > 1 else str(a[0]) for a in ends)
        return self.pattern.replace("{}", f"[{inside}]")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The nodes with accelerators of a topology, and the containers above them.

    ``nodes``: their numbers, ascending. ``levels``: the container of each node, in the order of
    ``nodes``, by the name of the level, the smallest containers first; those that hold the same
    nodes as the level below are left out.
    """

    nodes: tuple[int, ...]
    levels: Mapping[str, tuple[int, ...]]

    def members(self) -> Iterator[tuple[str, str, int, list[int]]]:
        """Each container: its level, the level below ("node"), its number, and what it holds.

        The lowest level comes first.
        """
        below, inside = "node", self.nodes
        for level, container in self.levels.items():
            held: dict[int, set[int]] = {}
            for one, number in zip(inside, container, strict=True):
                held.setdefault(number, set()).add(one)
            for number in sorted(held):
                yield level, below, number, sorted(held[number])
            below, inside = level, container

    def tops(self) -> tuple[str, list[int]]:
        """The uppermost level, and its containers."""
        if not self.levels:
            return "node", list(self.nodes)
        level = [*self.levels][-1]
        return level, sorted(set(self.levels[level]))


def hierarchy(topology: Topology) -> Hierarchy:
    """The nodes and containers of a topology.

    Levels that not all nodes have are left out, and racks that are supernodes by another name.
    Raises `TopologyError` if an accelerator is in no node, a node not in one rack, or a rack not in
    one supernode.
    """
    ends = topology.accelerators
    node = topology.node[ends]
    if (node == NOWHERE).any():
        name = topology.vertex_names[ends[node == NOWHERE][0]]
        raise TopologyError(
            f"{topology.name}: {name} is in no node; schedulers place jobs on nodes"
        )
    nodes, first = np.unique(node, return_index=True)
    levels: dict[str, tuple[int, ...]] = {}
    inside, below = node, "node"
    for level in ("rack", "supernode"):
        column = getattr(topology, level)[ends]
        if (column == NOWHERE).any():
            continue
        pairs = np.unique(np.stack([inside, column], 1), axis=0)
        if len(pairs) > len(np.unique(inside)):
            twice = pairs[:-1][pairs[1:, 0] == pairs[:-1, 0]][0, 0]
            raise TopologyError(
                f"{topology.name}: {below} {twice} is in several {level}s, which no scheduler takes"
            )
        if len(np.unique(column)) < len(np.unique(inside)) or level == "supernode":
            levels[level] = tuple(column[first].tolist())
            inside, below = column, level
    if "rack" in levels and len(set(levels["rack"])) == len(set(levels.get("supernode", ()))):
        del levels["rack"]  # the same by another name
    return Hierarchy(tuple(nodes.tolist()), levels)


def slurm(topology: Topology, hosts: HostNames) -> str:
    """The topology as Slurm's ``topology.yaml`` (25.05 and later).

    A ``tree`` of racks and supernodes as switches, which is the default, and where supernodes are
    known also ``block``, with a supernode for each block. Raises `TopologyError` as `hierarchy`.
    """
    found = hierarchy(topology)
    switches: list[dict[str, str]] = []
    for level, below, number, held in found.members():
        names = HostNames(hosts.pattern if below == "node" else f"{below}{{}}").listed(held)
        kind = "nodes" if below == "node" else "children"
        switches.append({"switch": f"{level}{number}", kind: names})
    level, tops = found.tops()
    if not found.levels:
        switches.append({"switch": ROOT, "nodes": hosts.listed(tops)})
    elif len(tops) > 1:
        switches.append({"switch": ROOT, "children": HostNames(f"{level}{{}}").listed(tops)})
    described: list[dict[str, object]] = [
        {"topology": "tree", "cluster_default": True, "tree": {"switches": switches}}
    ]
    if "supernode" in found.levels:
        described.append(_blocks(found, hosts))
    return yaml_text(described)


def _blocks(found: Hierarchy, hosts: HostNames) -> dict[str, object]:
    inside: dict[int, list[int]] = {}
    for node, supernode in zip(found.nodes, found.levels["supernode"], strict=True):
        inside.setdefault(supernode, []).append(node)
    blocks = [{"block": f"supernode{number}", "nodes": hosts.listed(inside[number])}
              for number in sorted(inside)]  # fmt: skip
    least = min(map(len, inside.values()))
    return {
        "topology": "block",
        "cluster_default": False,
        "block": {"block_sizes": [least], "blocks": blocks},
    }


def kueue(topology: Topology, hosts: HostNames) -> str:
    """The topology as a ``Topology`` of Kueue (v1beta2), and the labels that its nodes need.

    The labels are comments: commands of ``kubectl``. Raises `TopologyError` as `hierarchy`.
    """
    found = hierarchy(topology)
    labels = [f"{DOMAIN}/{level}" for level in reversed(list(found.levels))]
    described = {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "Topology",
        "metadata": {"name": ROOT},
        "spec": {"levels": [{"nodeLabel": label} for label in (*labels, HOSTNAME)]},
    }
    lines = [
        f"# kubectl label node {hosts.of(node)} "
        + " ".join(
            f"{DOMAIN}/{level}={level}{container[at]}" for level, container in found.levels.items()
        )
        for at, node in enumerate(found.nodes if found.levels else ())
    ]
    return yaml_text(described) + "".join(f"{line}\n" for line in lines)


def hypernodes(topology: Topology, hosts: HostNames) -> str:
    """The topology as ``HyperNode`` resources of Volcano (v1alpha1), a YAML document each.

    Racks are of tier 1, supernodes of tier 2, and what holds all of tier 3; a level that is not
    there has no tier. Raises `TopologyError` as `hierarchy`.
    """
    found = hierarchy(topology)
    tier = {level: number for number, level in enumerate(found.levels, 1)}
    documents = [
        _hypernode(f"{level}{number}", tier[level], below, held, hosts)
        for level, below, number, held in found.members()
    ]
    level, tops = found.tops()
    if not found.levels or len(tops) > 1:
        documents.append(_hypernode(ROOT, len(tier) + 1, level, tops, hosts))
    return yaml_text(*documents)


def _hypernode(
    name: str, tier: int, below: str, held: Sequence[int], hosts: HostNames
) -> dict[str, object]:
    is_node = below == "node"
    names = [hosts.of(number) if is_node else f"{below}{number}" for number in held]
    members = [
        {"type": "Node" if is_node else "HyperNode", "selector": {"exactMatch": {"name": each}}}
        for each in names
    ]
    return {
        "apiVersion": "topology.volcano.sh/v1alpha1",
        "kind": "HyperNode",
        "metadata": {"name": name},
        "spec": {"tier": tier, "members": members},
    }
