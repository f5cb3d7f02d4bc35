"""Reduce: the root receives the combination of all ranks' send buffers.

No other recv buffer is touched. Letters in the cost lines: P is the number of ranks, S the bytes of
a rank's buffer.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms import reducescatter
from collectives.algorithms.scatter import edges, fold, folded
from collectives.algorithms.sendrecv import transfers
from fabric.schedule.step import Step


def direct(ranks: int, size: int, root: int = 0) -> Iterator[Step]:
    """Every rank sends its whole buffer to the root at once.

    Steps: 1.
    Bytes sent by a rank: S, and 0 by the root.
    """
    others = np.delete(np.arange(ranks), root)
    yield from transfers(root, root, size, label="copy")
    yield from transfers(others, root, size, reduces=True, label="reduce")


def binomial(ranks: int, size: int, root: int = 0) -> Iterator[Step]:
    """Ranks combine what they have in pairs, then in pairs of pairs, until the root has the result.

    Steps: ceil(log2 P).
    Bytes sent by a rank: S, and 0 by the root.

    Thakur, Rabenseifner, Gropp 2005.
    """
    who = (root + np.arange(ranks)) % ranks
    yield from transfers(who, who, size, writes="work", label="copy")
    yield from tree(who, size, "work")
    yield from transfers(root, root, size, reads="work", label="copy")


def rabenseifner(ranks: int, size: int, root: int = 0, *, itemsize: int = 1) -> Iterator[Step]:
    """Reduce-scatter by recursive halving; then each rank sends its combined chunk to the root.

    Steps: log2 P + 1; floor(log2 P) + 2 where P is no power of two.
    Bytes sent by a rank: at most S.

    Rabenseifner 2004; here the chunks go to the root in one step, not up a tree.
    """
    extra, core = folded(ranks), fold(ranks)[:-1]
    cut = edges(size, len(core), itemsize)
    yield from transfers(core, core, size, writes="work", label="copy")
    yield from transfers(extra, extra - 1, size, reduces=True, writes="work", label="fold")
    yield from reducescatter.halving(core, cut, "work")
    yield from transfers(core, root, np.diff(cut), cut[:-1], cut[:-1], reads="work", label="gather")


def tree(who: NDArray[np.int64], size: int, buffer: str) -> Iterator[Step]:
    """Combine ``size`` bytes of all of ``who`` at ``who[0]`` by a binomial tree.

    In place, in ``buffer``.
    """
    for hop in (1 << k for k in range((len(who) - 1).bit_length())):
        giver = np.arange(hop, len(who), 2 * hop)
        yield from transfers(
            who[giver], who[giver - hop], size,
            reduces=True, reads=buffer, writes=buffer, label="reduce",
        )  # fmt: skip
