"""Barrier: no rank leaves before every rank has arrived.

In the cost lines P is the number of ranks.
"""

from collections.abc import Iterator

import numpy as np

from fabric.schedule.step import Step


def dissemination(ranks: int) -> Iterator[Step]:
    """In step k each rank notifies the rank 2^k places on that all it heard of have arrived.

    Steps: ceil(log2 P).
    Bytes sent by a rank: 0; a message without bytes in each step.

    Hensgen, Finkel, Manber 1988.
    """
    me = np.arange(ranks)
    for far in (1 << k for k in range((ranks - 1).bit_length())):
        yield Step(me, (me + far) % ranks, 0, label="barrier")
