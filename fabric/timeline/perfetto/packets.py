"""What an engine of packets has counted, in a trace: queues, and what became of packets in time.

A process has a counter for each of the longest queues, of the most bytes that waited there. One for
each traffic class has counters of what became of its packets, in the same stretches of time, and on
a track marks where packets begin to be dropped or sent again, or links to be stopped, after none
were in the stretch before.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fabric.timeline.packets import PacketCourse, PacketStatistics
from fabric.timeline.perfetto.events import Event, instant, levels, nanoseconds, process, track
from topology.units import US

if TYPE_CHECKING:
    from fabric.timeline.value import Timeline

LINKS = 64
"""Links with the longest queues, which get counters."""

COUNTERS: Mapping[str, tuple[str, str, float]] = MappingProxyType({
    "packets": ("packets that arrived", "packets", 1.0),
    "waited": ("mean wait for a link", "us", US),
    "longest": ("longest time of a packet", "us", US),
    "overtaken": ("packets that were overtaken", "packets", 1.0),
    "farthest": ("overtaken by at most", "packets", 1.0),
    "dropped": ("dropped", "packets", 1.0),
    "resent": ("sent again", "packets", 1.0),
    "marked": ("marked (ECN)", "packets", 1.0),
    "pauses": ("links that were stopped (PFC)", "times", 1.0),
    "paused": ("stopped, all links", "us", US),
})  # fmt: skip
"""Of each field of `PacketCourse`: what its counter is called, its unit, and how much that is."""

MARKED: Mapping[str, str] = MappingProxyType({
    "dropped": "packets are dropped", "resent": "packets are sent again",
    "pauses": "links are stopped",
})  # fmt: skip
"""What gets a mark where it begins."""


def packet_events(timeline: "Timeline", packets: PacketStatistics, pid: int) -> Iterator[Event]:
    """The events of what ``packets`` says, in processes from number ``pid`` on."""
    edges = nanoseconds(packets.window * np.arange(packets.queue.shape[1] + 1))
    deepest = np.argsort(-packets.queue.max(axis=1, initial=0), kind="stable")[:LINKS]
    if len(deepest):
        yield from process(pid, "links: queue", pid)
    for k in deepest.tolist():
        name = timeline.topology.link_name(int(packets.link[k]))
        yield from levels(pid, name, "bytes", edges, np.append(packets.queue[k], 0.0))
    for number, name in enumerate(packets.classes):
        if packets.packets[number] or packets.course.dropped[number].any():
            yield from _class_events(packets.course, number, name, edges, pid + 1 + number)


def _class_events(
    course: PacketCourse, number: int, name: str, edges: NDArray[np.int64], pid: int
) -> Iterator[Event]:
    yield from process(pid, f"packets of {name}" if name else "packets", pid)
    for field, (title, unit, scale) in COUNTERS.items():
        values: NDArray[Any] = getattr(course, field)[number]
        there = np.nan_to_num(values / scale)
        if there.any():
            yield from levels(pid, title, unit, edges, np.append(there, 0.0))
    begins = [
        (int(at), words, int(values[at]))
        for field, words in MARKED.items()
        for values in [getattr(course, field)[number]]
        for at in np.flatnonzero((values > 0) & (np.append(0, values[:-1]) == 0))
    ]
    if begins:
        yield from track(pid, 1, "what begins")
    for at, words, many in sorted(begins):
        yield instant((pid, 1), words, int(edges[at]), in_this_stretch=many)
