"""Broadcast: every rank receives the root's bytes, the root's own recv buffer included.

Letters in the cost lines: P is the number of ranks, S the bytes of the root's buffer, L the ranks
of a node, K the number of pieces.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms import allgather, scatter
from collectives.algorithms.scatter import edges, stand_in
from collectives.algorithms.sendrecv import transfers
from fabric.schedule.in_switch import COPIED, marks
from fabric.schedule.step import Step


def direct(ranks: int, size: int, root: int = 0) -> Iterator[Step]:
    """Send everything from the root to every rank at once.

    Steps: 1.
    Bytes sent by a rank: S (P - 1) by the root, 0 by the others.
    """
    yield from transfers(root, _from(root, ranks), size, label="broadcast")


def nvls(ranks: int, size: int, root: int = 0) -> Iterator[Step]:
    """The root sends its bytes once, and the switches copy them to every rank.

    Steps: 1.
    Bytes sent by a rank: S by the root, 0 by the others.

    Needs switches that copy data: NVSwitch's multicast, as NVSHMEM's broadcast uses it.
    """
    who = _from(root, ranks)
    yield from transfers(root, root, size, label="copy")
    yield from transfers(root, who[1:], size, label="broadcast", **marks(COPIED, ranks))


def binomial(ranks: int, size: int, root: int = 0) -> Iterator[Step]:
    """In each step every rank that has the bytes sends them to one that has not.

    Steps: ceil(log2 P).
    Bytes sent by a rank: at most S ceil(log2 P), by the root.

    Thakur, Rabenseifner, Gropp 2005.
    """
    yield from transfers(root, root, size, label="copy")
    yield from tree(_from(root, ranks), size)


def scatter_allgather(ranks: int, size: int, root: int = 0, *, itemsize: int = 1) -> Iterator[Step]:
    """Scatter the bytes of the root by halves, then all-gather them around a ring.

    Steps: ceil(log2 P) + P - 1.
    Bytes sent by a rank: at most 2 S (P - 1) / P, by the root.

    van de Geijn; Thakur, Rabenseifner, Gropp 2005.
    """
    who, cut = _from(root, ranks), edges(size, ranks, itemsize)
    yield from transfers(root, root, size, label="copy")
    yield from scatter.halves(who, cut, "recv")
    yield from allgather.around(who, cut, "recv")


def chain(
    ranks: int, size: int, root: int = 0, *, itemsize: int = 1, pieces: int = 16
) -> Iterator[Step]:
    """Pass the bytes from rank to rank in pieces, so that soon all ranks are busy with one each.

    Steps: P - 2 + K, for K ``pieces``.
    Bytes sent by a rank: S, and 0 by the last one.

    Pjesivac-Grbovic et al. 2007 ("pipeline").
    """
    who, cut = _from(root, ranks), edges(size, pieces, itemsize)
    length = np.diff(cut)
    yield from transfers(root, root, size, label="copy")
    for step in range(ranks - 2 + pieces):
        # Rank number i of the chain passes on piece step - i.
        hop = np.arange(max(0, step - pieces + 1), min(step + 1, ranks - 1))
        at = cut[step - hop]
        yield from transfers(
            who[hop], who[hop + 1], length[step - hop], at, at, reads="recv", label="broadcast"
        )


def hierarchical(
    ranks: int, size: int, root: int = 0, *, ranks_per_node: int = 16
) -> Iterator[Step]:
    """Send the bytes by a tree to one rank of each node, and from it by a tree within the node.

    Steps: ceil(log2 (P / L)) + ceil(log2 L).
    Bytes sent by a rank: at most S times that, by the root.
    """
    me, nodes = np.arange(ranks), np.arange(0, ranks, ranks_per_node)
    yield from transfers(root, root, size, label="copy")
    heads = stand_in(nodes, np.array(root), ranks, ranks_per_node)
    yield from tree(np.roll(heads, -(root // ranks_per_node)), size)
    first = me - me % ranks_per_node
    mates = np.minimum(ranks_per_node, ranks - first)
    far = (me - heads[me // ranks_per_node]) % mates
    for hop in _hops(min(ranks, ranks_per_node)):
        giver = me[(far % (2 * hop) == 0) & (far + hop < mates)]
        taker = first[giver] + (giver - first[giver] + hop) % mates[giver]
        yield from transfers(giver, taker, size, reads="recv", label="within")


def tree(who: NDArray[np.int64], size: int) -> Iterator[Step]:
    """Send the recv buffer of ``who[0]`` to all of ``who`` by a binomial tree."""
    for hop in _hops(len(who)):
        giver = np.arange(0, len(who) - hop, 2 * hop)
        yield from transfers(who[giver], who[giver + hop], size, reads="recv", label="broadcast")


def _from(root: int, ranks: int) -> NDArray[np.int64]:
    return (root + np.arange(ranks)) % ranks


def _hops(ranks: int) -> list[int]:
    return [1 << k for k in range((ranks - 1).bit_length())][::-1]
