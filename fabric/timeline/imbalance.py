"""How unevenly links are loaded that even spray would load alike: what hashing makes of them."""

from typing import TYPE_CHECKING

import numpy as np

from topology.routing.fold import fold
from topology.routing.policies import EvenSpray, PerPacketHash

if TYPE_CHECKING:
    from fabric.timeline.value import Timeline


def link_imbalance(timeline: "Timeline") -> float:
    """The time that the busiest link needs for its bytes, over the mean of those beside it.

    Beside a link are all links over which even spray shares what crosses any of them, such as the
    112 from a node's L1 chips to L2 chips. 1 where nothing is sent.
    """
    graph, busy = timeline.topology, timeline.link_busy
    if not busy.max(initial=0.0):
        return 1.0
    link = int(np.argmax(busy))
    folded = fold(graph, int(graph.link_plane[link]), apart=False)
    mine = folded.bundle[np.searchsorted(folded.link_of_plane, link)]
    return float(busy[link] / busy[folded.link_of_plane[folded.bundle == mine]].mean())


def is_even(timeline: "Timeline") -> bool:
    """Whether the routing policy loads links alike that are alike, so that there is no imbalance.

    Hashing each packet does so as far as an engine without packets can tell.
    """
    return isinstance(timeline.router.rule, EvenSpray | PerPacketHash)
