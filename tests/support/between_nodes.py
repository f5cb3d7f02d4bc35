"""Closed forms of CloudMatrix384: the 16 dies of a node send to the 16 of another one."""

from itertools import pairwise

import numpy as np

from fabric import Step
from topology import cloudmatrix384
from topology.units import GB

FULL = cloudmatrix384()
BYTES = 112 * 10**6
DIES = [Step(np.arange(16), np.arange(16, 32), BYTES)]
WAY = ("node0.die0", "node0.l1.0", "l2.0.0", "node1.l1.0", "node1.die0")
ENDS = zip(FULL.link_src.tolist(), FULL.link_dst.tolist(), strict=True)
LINK = {ends: link for link, ends in enumerate(ENDS)}
LATENCY = sum(
    float(FULL.link_latency[LINK[FULL.vertex(one), FULL.vertex(next_one)]])
    for one, next_one in pairwise(WAY)
)
"""Seconds over the way between two dies of the two nodes."""
WIRE = BYTES / (7 * 28 * GB)
"""Seconds in which a die's links carry its bytes."""
AT = LATENCY + 0.4 * WIRE
CHIP = "l2.3.4"
"""One of the 112 that the bytes go through."""
