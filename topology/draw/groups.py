"""Which vertices a picture puts together: nodes, racks of nodes, and switches outside of nodes."""

from dataclasses import dataclass

import numpy as np

from topology.graph import NOWHERE, Ints, Topology


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of a picture: every vertex is in one.

    - ``of``: int32 [vertices], the group of each.
    - ``names``, ``kinds``: text [groups]. A kind is ``"node"``, or ``"switches"`` outside nodes.
    - ``rack``: int32 [groups], the rack of a node, `NOWHERE` where there are no racks.
    - ``plane``: int32 [groups], that of most of its links; `NOWHERE` for nodes.
    """

    of: Ints
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    rack: Ints
    plane: Ints


_Key = tuple[bool, int | str, str]
"""Whether it stands outside of nodes; the node's number, or the name's stem; what is in it."""


def groups(topology: Topology) -> Boxes:
    """The boxes of ``topology``: nodes in order, lone endpoints, then switches by name stem."""
    keys = [_key(topology, vertex) for vertex in range(topology.n_vertices)]
    order = sorted(dict.fromkeys(keys), key=lambda key: key[0])  # stable: order of first vertices
    number = {key: i for i, key in enumerate(order)}
    of = np.array([number[key] for key in keys], np.int32)
    kinds = tuple("switches" if key[0] else "node" for key in order)
    first = np.unique(of, return_index=True)[1]
    rack = np.where([kind == "node" for kind in kinds], topology.rack[first], NOWHERE)
    names = tuple(_name(key, order) for key in order)
    plane = np.where([kind == "node" for kind in kinds], NOWHERE, _planes(topology, of, len(order)))
    return Boxes(of, names, kinds, rack.astype(np.int32), plane.astype(np.int32))


def _key(topology: Topology, vertex: int) -> _Key:
    name, node = topology.vertex_names[vertex], int(topology.node[vertex])
    if node != NOWHERE:
        return False, node, ""
    if vertex < topology.n_endpoints:
        return False, name, ""
    return True, name.rpartition(".")[0], topology.vertex_kinds[vertex]


def _name(key: _Key, every: list[_Key]) -> str:
    outside, stem, kind = key
    if not outside:
        return f"node{stem}" if isinstance(stem, int) else stem
    if kind == "l2":
        return f"sub-plane {stem.rpartition('.')[2]}" if isinstance(stem, str) else kind
    alone = sum(other[2] == kind for other in every) == 1
    return kind if alone or not stem else f"{stem} {kind}"


def _planes(topology: Topology, of: Ints, count: int) -> Ints:
    """The plane of most links that end in each group."""
    planes = len(topology.planes)
    at = of[topology.link_dst].astype(np.int64) * planes + topology.link_plane
    votes = np.bincount(at, minlength=count * planes).reshape(count, planes)
    most: Ints = votes.argmax(axis=1).astype(np.int32)
    return most
