"""What traffic classes are promised of links and initiators, by packets.

A class is *due* at a link when it has had less of it than its share of the time that has passed
since it was last idle there: its ``tag`` says until when it has had its share. What is due goes
before all priorities, the class that is due for longest first; what a class gets by its priority
and weight comes on top. So a class that is served late catches up, by no more than the packets of
all classes that it may have waited for, and one that was away has no claim for that time.
"""

import numpy as np

from fabric.engines.base import Machine
from fabric.engines.guarantees import promises
from fabric.engines.packet.kinds import PacketKinds
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.priority import highest
from fabric.engines.packet.state import NONE, RECORDS, Records, State
from topology.compiled import lean_inlined


def promised(
    machine: Machine, kinds: PacketKinds, options: PacketOptions, ranks: int | None
) -> Records:
    """What each kind is promised of each link, then of each rank's initiator: see `State`.

    ``ranks``: how many send, None: as many as there are places. Empty where no class has a
    guarantee. Raises `ClassError` for one that cannot be given with the headers of packets.
    """
    given, of = machine.traffic_classes.guaranteed, machine.router.link_resource
    if not given:
        return np.zeros(0, RECORDS["promises"])
    found = promises(machine, ranks, 1 + options.header / options.mtu)
    share = np.zeros((len(of) + len(machine.places), len(kinds)))
    numbers = np.array([one.number for one in given], np.int64)
    mine = kinds.of_class[machine.traffic_classes.rows(numbers)]
    share[: len(of), mine] = np.where(of[:, None] >= 0, found.share.T[of], 0.0)
    share[len(of) :, mine] = found.initiator
    made = np.zeros(share.size, RECORDS["promises"])
    np.divide(1.0, share.ravel(), out=made["slowness"], where=share.ravel() > 0)
    return made


@lean_inlined
def due(s: State, of: int, mask: int, now: int) -> int:
    """Which of the classes in ``mask`` is due for longest; `NONE` if none of them is.

    ``of``: the number of the link, or that of links plus an initiator's rank.
    """
    owed, base, chosen = s.promises, of * len(s.kinds), NONE
    while mask > 0:
        kind = highest(mask)
        mask ^= 1 << kind
        if owed[base + kind].slowness == 0.0 or owed[base + kind].tag > now:
            continue
        if chosen == NONE or owed[base + kind].tag < owed[base + chosen].tag:
            chosen = kind
    return chosen


@lean_inlined
def given(s: State, at: int, takes: int, longest: float, now: int) -> None:
    """Note that the class that was due at place ``at`` is served for ``takes`` ps.

    ``longest``: what a packet takes at most.
    """
    late = (len(s.kinds) + 1) * longest
    s.promises[at].tag = max(s.promises[at].tag, now - late) + takes * s.promises[at].slowness
