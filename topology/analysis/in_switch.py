"""Which endpoints have switches between them that can copy data, or combine it, on its way."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from topology.graph import NOWHERE, Ints, Topology

_REMEMBERED = 64  # planes of topologies


@lru_cache(_REMEMBERED)
def parts(topology: Topology, plane: int) -> Ints:
    """The connected part of plane number ``plane`` that each vertex is in: int32 [vertices].

    `NOWHERE` for vertices without a link on it. Endpoints count as connecting: NVLink's switch
    chips of a rack are one part, since every GPU is on each.
    """
    rows = topology.link_plane == plane
    src, dst = topology.link_src[rows], topology.link_dst[rows]
    label = np.full(topology.n_vertices, topology.n_vertices, np.int32)
    label[src], label[dst] = src, dst
    while True:
        before = label.copy()
        np.minimum.at(label, dst, label[src])
        np.minimum.at(label, src, label[dst])
        if np.array_equal(before, label):
            label[label == topology.n_vertices] = NOWHERE
            return label


@lru_cache(_REMEMBERED)
def domains(topology: Topology, plane: int, able: int) -> Ints:
    """The part of a plane that each endpoint is in, if all of its switches are able: int32.

    ``able``: what they must be able to do, bits of `topology.graph.ABILITIES`. `NOWHERE` for
    endpoints of other parts, and of those without a switch.
    """
    label = parts(topology, plane)
    switch = np.arange(topology.n_vertices) >= topology.n_endpoints
    there = label != NOWHERE
    can = (topology.in_switch & able) == able
    refuse = np.isin(label, label[there & switch & ~can])
    has = np.isin(label, label[there & switch & can])
    ends = slice(topology.n_endpoints)
    return np.where(has & ~refuse, label, NOWHERE)[ends].astype(np.int32)


def can_meet(topology: Topology, planes: Sequence[str], endpoints: ArrayLike, able: int) -> bool:
    """Whether all ``endpoints`` (int [n]) are joined by switches that are ``able`` to do something.

    ``planes``: in order of preference; two endpoints use the first one that joins them, and all
    must use the same. ``able``: bits of `topology.graph.ABILITIES`.
    """
    ends = np.asarray(endpoints)
    for name in planes:
        plane = topology.plane(name)
        label = parts(topology, plane)[ends]
        joined = (label[1:] == label[0]) & (label[0] != NOWHERE)
        if joined.any():
            domain = domains(topology, plane, able)[ends]
            return bool(joined.all() and domain[0] != NOWHERE and (domain == domain[0]).all())
    return False


def meet_in_one(topology: Topology, planes: Sequence[str], endpoints: ArrayLike) -> bool:
    """Whether all ``endpoints`` (int [n]) have links to one and the same switch.

    ``planes``: as in `can_meet`.
    """
    ends = np.asarray(endpoints)
    for name in planes:
        plane = topology.plane(name)
        label = parts(topology, plane)[ends]
        if (label[1:] == label[0]).any() and label[0] != NOWHERE:
            mine = (topology.link_plane == plane) & np.isin(topology.link_src, ends)
            both = np.unique(np.stack([topology.link_src[mine], topology.link_dst[mine]]), axis=1)
            return bool((np.bincount(both[1])[topology.n_endpoints :] == len(ends)).any())
    return False
