"""Faults in traces: a mark across all tracks where links break and where they are back."""

from collections.abc import Iterable, Iterator

from fabric.timeline.faults import FaultMark
from fabric.timeline.perfetto.events import Event, instant, nanoseconds, process, track

_TRACK = 1


def fault_events(marks: Iterable[FaultMark], pid: int) -> Iterator[Event]:
    """The events of the ``marks``, on a track of a process of their own, number ``pid``."""
    listed = list(marks)
    if not listed:
        return
    yield from process(pid, "faults", 0)
    yield from track(pid, _TRACK, "links")
    for mark in listed:
        yield instant(
            (pid, _TRACK), str(mark), int(nanoseconds(mark.at)), share=mark.share,
            routed=mark.routed,
        )  # fmt: skip
