"""Gather: the root receives the blocks of all ranks, in the order of ranks.

Letters in the cost lines: P is the number of ranks, S the bytes of one block.
"""

from collections.abc import Iterator

import numpy as np

from collectives.algorithms.sendrecv import transfers
from fabric.schedule.step import Step


def direct(ranks: int, size: int, root: int = 0) -> Iterator[Step]:
    """Every rank sends the root its block at once.

    Steps: 1.
    Bytes sent by a rank: S, and 0 by the root.
    """
    me = np.arange(ranks)
    yield from transfers(me, root, size, 0, me * size, label="gather")


def binomial(ranks: int, size: int, root: int = 0) -> Iterator[Step]:
    """Ranks pass on their blocks in pairs, then pairs of pairs, until the root has all.

    Steps: ceil(log2 P).
    Bytes sent by a rank: at most S P / 2, and 0 by the root.

    Thakur, Rabenseifner, Gropp 2005.
    """
    who = (root + np.arange(ranks)) % ranks
    yield from transfers(who, who, size, writes="work", label="copy")
    for far in (1 << k for k in range((ranks - 1).bit_length())):
        giver = np.arange(far, ranks, 2 * far)
        blocks = np.minimum(far, ranks - giver)
        yield from transfers(
            who[giver], who[giver - far], blocks * size, 0, far * size,
            reads="work", writes="work", label="gather",
        )  # fmt: skip
    # The root has its own block first; in its recv buffer rank 0's is.
    pieces = np.array([ranks - root, root]) * size
    yield from transfers(root, root, pieces, [0, pieces[0]], [root * size, 0], reads="work")
