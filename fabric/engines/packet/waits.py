"""Who waits for whom when packets wait for one another for ever: the links of a cycle of buffers.

A link waits for another if packets that came over it wait for the other: they hold the room at its
end that it needs. Links that wait for each other in a circle will do so for ever.
"""

from collections.abc import Iterator

import numpy as np

from fabric.engines.base import EngineError
from fabric.engines.packet.kinds import PacketKinds
from fabric.engines.packet.state import FREE, NONE, Ints, Longs, State
from topology.graph import Topology

_NAMED = 12  # links and pairs of ranks of a cycle that an error names


def stuck(state: State, kinds: PacketKinds, graph: Topology, places: int) -> EngineError:
    """The error for packets that wait for one another for ever: names the links, and who waits.

    ``places``: how many ranks the machine has.
    """
    waits = _waits(state)
    cycle = _cycle(waits)
    count = len(state.packets) - int(state.n[FREE])
    if not cycle:  # cannot be as far as we know
        return EngineError(f"{count} packets wait for room in buffers for ever")
    links = len(state.links)
    names = [graph.link_name(queue % links) for queue in cycle]
    classes = {kinds.names[queue // links] for queue in cycle} - {""}
    packets = [waits[one][other] for one, other in zip(cycle, [*cycle[1:], cycle[0]], strict=True)]
    pairs = _pairs(state, np.array(packets), len(kinds), places)
    in_class = f" in traffic class {', '.join(sorted(classes))}" if classes else ""
    return EngineError(
        f"deadlock: {count} packets wait for one another for ever{in_class}. The buffers at the"
        f" ends of {len(cycle)} links are full of packets for the next of them, in a circle:"
        f" {_listed(names)}. Ranks that wait: {_listed(pairs)}"
    )


def _waits(state: State) -> dict[int, dict[int, int]]:
    """For which queues each queue waits, with the first packet that holds its room."""
    found: dict[int, dict[int, int]] = {}
    for queue, p in _waiting(state):
        came, kind = int(state.packets["link"][p]), int(state.packets["kind"][p])
        if came != NONE:
            mine = kind * len(state.links) + came
            found.setdefault(mine, {}).setdefault(queue, p)
    if not state.apart:  # any class may hold the room of all others
        return _of_links(found, len(state.links))
    return found


def _of_links(found: dict[int, dict[int, int]], links: int) -> dict[int, dict[int, int]]:
    """The same where the classes of a link share its buffer."""
    merged: dict[int, dict[int, int]] = {}
    for queue, others in found.items():
        for other, p in others.items():
            merged.setdefault(queue % links, {}).setdefault(other % links, p)
    return merged


def _waiting(state: State) -> Iterator[tuple[int, int]]:
    """Every packet that waits for a link, with the number of its queue."""
    behind = state.packets["behind"]
    for queue in np.flatnonzero(state.queues["first"] != NONE).tolist():
        p = int(state.queues["first"][queue])
        while p != NONE:
            yield queue, p
            p = int(behind[p])


def _cycle(waits: dict[int, dict[int, int]]) -> list[int]:
    """The first circle in a graph, its lowest number first; empty if there is none."""
    left: set[int] = set()  # from where no circle is reached
    for first in sorted(waits):
        way, on_way = [first], {first: 0}
        ahead = [iter(sorted(waits[first]))]
        while way:
            step = next(ahead[-1], None)
            if step is None:
                left.add(way[-1])
                del on_way[way.pop()]
                ahead.pop()
            elif step in on_way:
                circle = way[on_way[step] :]
                low = circle.index(min(circle))
                return circle[low:] + circle[:low]
            elif step in waits and step not in left:
                on_way[step] = len(way)
                way.append(step)
                ahead.append(iter(sorted(waits[step])))
    return []


def _pairs(state: State, packets: Longs, kinds: int, places: int) -> list[str]:
    """The ranks that these packets are from and for, each pair once."""
    transfers: Ints = state.packets["transfer"][packets]
    src = state.transfers["rank"][transfers].astype(np.int64)
    dst = (state.transfers["order"][transfers] // kinds // places + src) % places
    both = zip(src.tolist(), dst.tolist(), strict=True)
    return list(dict.fromkeys(f"{one} for {other}" for one, other in both))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
