"""Which class goes next at a link or an initiator: the highest priority, and within one by weight.

Classes of one priority share by start-time fair queueing (Goyal, Vin, Cheng 1996), which is
weighted round robin for packets of any size: each class has a ``tag``, its time of service so far
over its weight, and that with the lowest goes next. A class that had nothing to send, or no room
to send it to, goes on from what the others have ``reached``: it gets nothing for that time.
"""

from fabric.engines.packet.state import NONE, State
from topology.compiled import lean_inlined


@lean_inlined
def highest(mask: int) -> int:
    """The number of the highest bit of ``mask``, which has one."""
    kind = 0
    while mask >> (kind + 1):
        kind += 1
    return kind


@lean_inlined
def least_served(s: State, of: int, mask: int) -> int:
    """Which of the classes in ``mask``, all of one priority, goes next.

    ``of``: the number of the link, or that of links plus an initiator's rank. Of those that are
    served alike it is the one with the lower tag, then the higher class.
    """
    shares, base, chosen, best = s.shares, of * len(s.kinds), NONE, 0.0
    reached = shares[base + s.kinds[highest(mask)].lead].reached
    while mask > 0:
        kind = highest(mask)
        mask ^= 1 << kind
        tag = shares[base + kind].tag
        start = max(tag, reached)
        if chosen == NONE or start < best or (start == best and tag < shares[base + chosen].tag):
            chosen, best = kind, start
    return chosen


@lean_inlined
def served(s: State, of: int, kind: int, takes: int) -> None:
    """Note that a class is served for ``takes`` ps by a link or an initiator."""
    shares, base = s.shares, of * len(s.kinds)
    lead = base + s.kinds[kind].lead
    start = max(shares[base + kind].tag, shares[lead].reached)
    shares[lead].reached = start
    shares[base + kind].tag = start + takes * s.kinds[kind].slowness
