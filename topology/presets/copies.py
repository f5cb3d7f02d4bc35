"""Several copies of a machine as one topology, whose scale-out plane then joins them."""

import numpy as np
from numpy.typing import NDArray

from topology.draft import MOST_VERTICES, Draft, Repeated, count
from topology.errors import TopologyError
from topology.graph import CONTAINERS, NOWHERE, Ints, Topology

SWITCHES = ("leaf", "spine")
"""Ends of the kinds of switches that `topology.presets.scaleout.leaf_spine` adds to a plane."""


def copied(base: Topology, copies: int, plane: str) -> tuple[Draft, Ints]:
    """A draft of ``copies`` of ``base``, without the switches of ``plane``; its ranks' endpoints.

    The second is int32 [copies, accelerators of ``base``]. Copy k's vertices are called
    ``supernodeK.`` and what they are called in ``base``; a copy is a supernode unless ``base`` has
    several. Planes: those of ``base``, and ``plane`` if it is not one of them. Raises
    `ArgumentError` where this is too large, `TopologyError` for a base from which something has
    been taken out.
    """
    if base.removed:
        raise TopologyError(f"{base.name} lacks {', '.join(base.removed)}; copies are of a whole")
    copies = count(copies, "the number of copies")
    if copies < 1:
        raise TopologyError(f"a cluster with nodes = {copies}: it must be 1 or more")
    if copies * base.n_vertices > MOST_VERTICES:
        raise TopologyError(
            f"{copies} copies of {base.name} have {copies * base.n_vertices} endpoints and"
            f" switches; {MOST_VERTICES // base.n_vertices} copies fit in what is built link by"
            " link"
        )
    planes = base.planes if plane in base.planes else (*base.planes, plane)
    draft, ends = Draft(planes), np.arange(base.n_vertices) < base.n_endpoints
    gone = [f"{plane}-{kind}" for kind in SWITCHES]
    kept = ~np.isin(np.array(base.vertex_kinds), gone)
    for which in (ends, kept & ~ends):  # all endpoints come before all switches
        _vertices(draft, base, copies, np.flatnonzero(which))
    _links(draft, base, copies, ends, kept)
    first = np.arange(copies, dtype=np.int32)[:, None] * base.n_endpoints
    return draft, first + base.accelerators


def _vertices(draft: Draft, base: Topology, copies: int, which: NDArray[np.intp]) -> None:
    names = [base.vertex_names[v] for v in which.tolist()]
    draft.vertices(
        [f"supernode{k}.{name}" for k in range(copies) for name in names],
        [base.vertex_kinds[v] for v in which.tolist()] * copies,
        tuple(_places(base, column, copies)[:, which].ravel() for column in CONTAINERS),
        np.tile(base.in_switch[which], copies), endpoints=bool(len(which) and which[0] == 0),
    )  # fmt: skip


def _places(base: Topology, column: str, copies: int) -> Ints:
    """What each vertex of each copy sits in: int32 [copies, vertices]."""
    place: Ints = getattr(base, column)
    each = int(place.max(initial=NOWHERE)) + 1
    if column == "supernode" and each <= 1:
        place, each = np.zeros_like(place), 1
    shift = np.arange(copies, dtype=np.int32)[:, None] * each
    return np.where(place == NOWHERE, NOWHERE, place + shift).astype(np.int32)


def _links(
    draft: Draft, base: Topology, copies: int, ends: NDArray[np.bool_], kept: NDArray[np.bool_]
) -> None:
    n, inner = base.n_endpoints, kept & ~ends
    number = np.where(ends, np.arange(len(ends)), copies * n + np.cumsum(inner) - 1)
    number, stride = number.astype(np.int32), np.where(ends, n, inner.sum()).astype(np.int32)
    links = np.flatnonzero(kept[base.link_src] & kept[base.link_dst])
    src, dst = (
        Repeated(number[end[links]], copies, stride[end[links]])
        for end in (base.link_src, base.link_dst)
    )  # fmt: skip
    draft.links(src, dst, *(
        Repeated(column[links], copies)
        for column in (base.link_plane, base.link_bandwidth, base.link_latency)
    ))  # fmt: skip


def ports_of(base: Topology, plane: str) -> tuple[NDArray[np.float64], NDArray[np.float64], Ints]:
    """How the accelerators of ``base`` hang on the leaves of ``plane``.

    Bandwidth (bytes per second each way) and latency (s) of each one's link, and its leaf; empty if
    the plane has no leaves. Raises `TopologyError` where one has no link, or several.
    """
    leaf = base.of_kind(f"{plane}-leaf")
    if not len(leaf):
        return np.zeros(0), np.zeros(0), np.zeros(0, np.int32)
    up = np.flatnonzero(
        (base.link_src < base.n_endpoints) & np.isin(base.link_dst, leaf)
    )  # fmt: skip
    up = up[np.isin(base.link_src[up], base.accelerators)]
    up = up[np.argsort(base.link_src[up], kind="stable")]
    if not np.array_equal(base.link_src[up], base.accelerators):
        raise TopologyError(f"{base.name}: not every accelerator has one link to a leaf of {plane}")
    return base.link_bandwidth[up], base.link_latency[up], base.link_dst[up]
