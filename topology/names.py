"""How a text names vertices: by name, by group, by node, by pattern.

And similar names for typos.
"""

import fnmatch
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from topology.graph import Topology

Vertices = NDArray[np.int32]

LONGEST = 100
"""Characters of a name that near misses are looked for."""


def near(name: str, choices: Iterable[str]) -> str:
    """The end of an error message with the choices similar to ``name``, ``""`` if there are none.

    For example ``"; near it: node3, node13"``.
    """
    from difflib import get_close_matches  # for mistakes alone, and it takes a while

    # Comparing takes the product of the lengths, and nobody mistypes a text of pages.
    short = [choice for choice in choices if len(choice) <= LONGEST]
    found = get_close_matches(name, short, n=3, cutoff=0.6) if len(name) <= LONGEST else []
    return f"; near it: {', '.join(found)}" if found else ""


def vertices_called(topology: "Topology", text: str) -> Vertices:
    """The vertices that ``text`` means, int32 in ascending order; empty if it means nothing.

    The first of these that finds any: the name of one vertex (``node3.die11``); a pattern
    (``l2.3.*``, as in `fnmatch`); a node by its number (``node3``); a group, which is everything
    whose name goes on after a dot (``l2.3`` is the whole of sub-plane 3's second layer).
    """
    if text in topology.index:
        return np.array([topology.index[text]], dtype=np.int32)
    if set(text) & set("*?["):
        matches = re.compile(fnmatch.translate(text)).match
        return _where(bool(matches(name)) for name in topology.vertex_names)
    node = re.fullmatch(r"node(\d{1,9})", text)
    of_node = np.flatnonzero(topology.node == int(node[1])) if node else np.array([])
    if len(of_node):
        return of_node.astype(np.int32)
    return _where(name.startswith(f"{text}.") for name in topology.vertex_names)


def groups(topology: "Topology") -> list[str]:
    """All names that `vertices_called` knows besides patterns: vertices, nodes and groups."""
    nodes = {f"node{node}" for node in np.unique(topology.node) if node >= 0}
    dotted = {name.rpartition(".")[0] for name in topology.vertex_names}
    return [*topology.vertex_names, *sorted((nodes | dotted) - {""} - topology.index.keys())]


def _where(mask: Iterable[bool]) -> Vertices:
    return np.flatnonzero(np.fromiter(mask, dtype=np.bool_)).astype(np.int32)
