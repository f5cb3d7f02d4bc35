"""The statistics of a simulation by packets, from what was counted on the way."""

import numpy as np

from fabric.engines.packet.kinds import PacketKinds
from fabric.engines.packet.state import NOW, PICOSECONDS, WIDTH, Bytes, Floats, Longs, State
from fabric.engines.packet.watching import (
    ARRIVED,
    BEGUN_WITH,
    BEHIND,
    BINS,
    DROPPED,
    FARTHEST,
    FIELDS,
    LONGEST,
    MARKED,
    PAUSED,
    PAUSES,
    REORDERED,
    RESENT,
    WAITED,
    WINDOWS,
    longest_in,
    peaks_of,
)
from fabric.timeline.packets import PERCENTILES, PacketCourse, PacketStatistics, RoceStatistics


def statistics(state: State, kinds: PacketKinds) -> PacketStatistics:
    """What ``state`` has counted, in the order of the machine's traffic classes."""
    order = kinds.of_class if kinds.classes else np.zeros(1, np.int8)
    counts = state.latencies.reshape(len(kinds), BINS)[order]
    course = _course(state, len(kinds))[order]
    total, most = course.sum(axis=1), course.max(axis=1)
    packets, longest = total[:, ARRIVED], most[:, LONGEST]
    peaks = peaks_of(state)
    waits = np.flatnonzero(peaks.any(axis=1))
    used = int(np.flatnonzero(peaks.any(axis=0) | course.any(axis=(0, 2))).max(initial=-1)) + 1
    return PacketStatistics(
        classes=tuple(kinds.names[kind] for kind in order), packets=packets,
        waited=_mean(total[:, WAITED], packets) / PICOSECONDS,
        latency=np.array([_percentiles(*one) for one in zip(counts, longest, strict=True)]),
        longest=np.where(packets == 0, np.nan, longest / PICOSECONDS),
        overtaken=total[:, REORDERED], behind=_mean(total[:, BEHIND], total[:, REORDERED]),
        farthest=most[:, FARTHEST], window=(1 << int(state.n[WIDTH])) / PICOSECONDS,
        link=waits, queue=peaks[waits, :used], roce=_of_roce(state, order),
        course=_in_time(course[:, :used]),
    )  # fmt: skip


def _course(state: State, kinds: int) -> Longs:
    """The numbers of each class in each stretch: int64 [kinds, WINDOWS, FIELDS].

    With the time for which links are stopped that have not been let go on.
    """
    course = state.courses.reshape(WINDOWS, kinds, FIELDS).swapaxes(0, 1).copy()
    begin = np.arange(WINDOWS, dtype=np.int64) << state.n[WIDTH]
    end = np.minimum(begin + (1 << int(state.n[WIDTH])), state.n[NOW])
    for port in np.flatnonzero(state.ports["stopped"] if state.roce else ()).tolist():
        still = np.maximum(end - np.maximum(begin, state.ports["since"][port]), 0)
        course[port // len(state.links), :, PAUSED] += still
    return course


def _in_time(course: Longs) -> PacketCourse:
    """``course``: int64 [classes, windows, FIELDS]."""
    arrived, begun = course[..., ARRIVED], course[..., BEGUN_WITH]
    return PacketCourse(
        packets=arrived, waited=_mean(course[..., WAITED], begun) / PICOSECONDS,
        longest=np.where(arrived > 0, course[..., LONGEST] / PICOSECONDS, np.nan),
        overtaken=course[..., REORDERED], farthest=course[..., FARTHEST],
        dropped=course[..., DROPPED], resent=course[..., RESENT], marked=course[..., MARKED],
        pauses=course[..., PAUSES], paused=course[..., PAUSED] / PICOSECONDS,
    )  # fmt: skip


def _of_roce(state: State, order: Bytes) -> RoceStatistics | None:
    """What planes of RoCE did; ``order``: the kind of each class."""
    if not state.roce:
        return None
    ports = state.ports.reshape(-1, len(state.links))
    still = np.where(ports["stopped"], state.n[NOW] - ports["since"], 0)
    paused, lost = (ports["paused"] + still) / PICOSECONDS, state.losses[order]
    of_link, dropped = paused.sum(axis=0), ports["dropped"].sum(axis=0)
    link = np.flatnonzero((of_link > 0) | (dropped > 0))
    return RoceStatistics(
        lost["dropped"], lost["resent"], lost["doubled"], lost["marked"], lost["warned"],
        pauses=ports["pauses"].sum(axis=1)[order], paused=paused.sum(axis=1)[order],
        link=link, link_paused=of_link[link], link_dropped=dropped[link],
    )  # fmt: skip


def _mean(total: Longs, of: Longs) -> Floats:
    """The means; NaN where there are none."""
    mean: Floats = np.divide(total, of, out=np.full(of.shape, np.nan), where=of > 0)
    return mean


def _percentiles(counts: Longs, longest: int) -> Floats:
    """Within which time, in seconds, `PERCENTILES` of the packets in the bins are through."""
    upto = np.cumsum(counts)
    if not upto[-1]:
        return np.full(len(PERCENTILES), np.nan)
    wanted = np.ceil(np.array(PERCENTILES) / 100 * upto[-1] - 1e-9)
    found: Floats = np.minimum(longest_in(np.searchsorted(upto, wanted)), longest) / PICOSECONDS
    return found
