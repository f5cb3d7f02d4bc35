"""The statistics of a simulation by packets, from what was counted on the way."""

import numpy as np

from fabric.engines.packet.kinds import PacketKinds
from fabric.engines.packet.state import NOW, PICOSECONDS, WIDTH, Bytes, Floats, Longs, State
from fabric.engines.packet.watching import BINS, WINDOWS, longest_in
from fabric.timeline.packets import PERCENTILES, PacketStatistics, RoceStatistics


def statistics(state: State, kinds: PacketKinds) -> PacketStatistics:
    """What ``state`` has counted, in the order of the machine's traffic classes."""
    order = kinds.of_class if kinds.classes else np.zeros(1, np.int8)
    total, counts = state.totals[order], state.latencies.reshape(len(kinds), BINS)[order]
    packets, longest = total["packets"], total["longest"]
    peaks = state.peaks.reshape(WINDOWS, len(state.links)).T
    waits = np.flatnonzero(peaks.any(axis=1))
    used = int(np.flatnonzero(peaks.any(axis=0)).max(initial=-1)) + 1
    none = packets == 0
    return PacketStatistics(
        classes=tuple(kinds.names[kind] for kind in order), packets=packets,
        waited=_mean(total["waited"], packets) / PICOSECONDS,
        latency=np.array([_percentiles(*one) for one in zip(counts, longest, strict=True)]),
        longest=np.where(none, np.nan, longest / PICOSECONDS),
        overtaken=total["reordered"], behind=_mean(total["behind"], total["reordered"]),
        farthest=total["farthest"], window=(1 << int(state.n[WIDTH])) / PICOSECONDS,
        link=waits, queue=peaks[waits, :used], roce=_of_roce(state, order),
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
    """The mean of each class; NaN where there are none."""
    mean: Floats = np.divide(total, of, out=np.full(len(of), np.nan), where=of > 0)
    return mean


def _percentiles(counts: Longs, longest: int) -> Floats:
    """Within which time, in seconds, `PERCENTILES` of the packets in the bins are through."""
    upto = np.cumsum(counts)
    if not upto[-1]:
        return np.full(len(PERCENTILES), np.nan)
    wanted = np.ceil(np.array(PERCENTILES) / 100 * upto[-1] - 1e-9)
    found: Floats = np.minimum(longest_in(np.searchsorted(upto, wanted)), longest) / PICOSECONDS
    return found
