"""Send and receive: transfers between two ranks, of which every other collective is made.

In the cost lines S is the ``size`` in bytes.
"""

from collections.abc import Iterator
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabric.schedule.step import Step
from fabric.schedule.traits import GivenTraits


def transfers(
    src: ArrayLike,
    dst: ArrayLike,
    size: ArrayLike,
    src_at: ArrayLike = 0,
    dst_at: ArrayLike = 0,
    *,
    reduces: bool = False,
    reads: str = "send",
    writes: str = "recv",
    label: str = "",
    **traits: Unpack[GivenTraits],
) -> Iterator[Step]:
    """Yield the `Step` of these arguments without rows of 0 bytes; nothing if no row is left.

    An empty row is still a message, and would cost one: algorithms that cut a buffer into more
    parts than it has items must not send the empty parts.
    """
    step = Step(
        src, dst, size, src_at, dst_at, reduces=reduces, reads=reads, writes=writes, label=label,
        **traits,
    )  # fmt: skip
    if not np.logical_and.reduce(step.size):
        step = step.pick(step.size > 0)
    if len(step):
        yield step


def pairs(ranks: int, first: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``src`` and ``dst`` of every pair of ranks whose distance ``(dst - src) % ranks >= first``.

    Sources ascend, so that rows which reduce at one target do so in the order of ranks. A source
    begins with its next neighbour, so that not all of them send to rank 0 first.
    """
    me = np.arange(ranks)
    src = np.repeat(me, ranks - first)
    dst = np.add.outer(me, np.arange(first, ranks)).ravel()
    dst[dst >= ranks] -= ranks
    return src, dst


def shift(ranks: int, size: int) -> Iterator[Step]:
    """Each rank sends ``size`` bytes to the next one and receives as many from the one before.

    Steps: 1.
    Bytes sent by a rank: S.

    The pattern of nccl-tests' sendrecv.
    """
    me = np.arange(ranks)
    yield from transfers(me, np.roll(me, -1), size, label="send-recv")
