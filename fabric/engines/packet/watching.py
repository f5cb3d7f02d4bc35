"""What is counted of packets where statistics are asked for: waiting, latencies, order, queues.

Memory is bounded. Times are counted in bins, `PARTS` of the same width in each octave, so that a
percentile is off by less than a part in `PARTS`. Of the bytes that wait for a link the most is kept
in each of `WINDOWS` stretches of time; when time goes on beyond them, each two become one.
"""

import numpy as np

from fabric.engines.packet.state import WIDTH, Longs, Records, State
from topology.compiled import inlined, inner, lean_inlined

PARTS = 128
"""Bins of an octave: times are counted to within a part in so many."""

BINS = 56 * PARTS
"""Bins of all times that there are, see `bin_of`."""

WINDOWS = 256
"""Stretches of time of each link at most."""

FIRST_WIDTH = 16
"""Binary logarithm of the first stretches, ps: 66 ns; an assumption of what is of interest."""


@lean_inlined
def note_made(s: State, p: int, i: int, now: int) -> None:
    """Packet p of transfer i is at its first link."""
    if s.watching:
        s.marks[p].made, s.marks[p].number = now, s.sent[i].made
        if len(s.roce) > 0 and s.transfers[i].roce:
            s.marks[p].number = s.labels[p].number
        s.sent[i].made += 1


@lean_inlined
def note_waiting(s: State, k: int, p: int, now: int) -> None:
    """Packet p waits for link k."""
    if s.watching:
        s.marks[p].since = now
        _level(s.n, s.depths, s.peaks, k, s.packets[p].size + s.header, now)


@lean_inlined
def note_begun(s: State, k: int, p: int, now: int) -> None:
    """Link k begins to send packet p."""
    if s.watching:
        kind = s.packets[p].kind
        waited = now - s.marks[p].since
        s.totals[kind].hops += 1
        s.totals[kind].waited += waited
        _level(s.n, s.depths, s.peaks, k, -(s.packets[p].size + s.header), now)


@lean_inlined
def note_arrived(s: State, p: int, now: int) -> None:
    """Packet p is at the end of its path."""
    if s.watching:
        kind, i, number = s.packets[p].kind, s.packets[p].transfer, s.marks[p].number
        totals, sent = s.totals, s.sent
        took = now - s.marks[p].made
        totals[kind].packets += 1
        totals[kind].longest = max(totals[kind].longest, took)
        s.latencies[kind * BINS + bin_of(took)] += 1
        behind = sent[i].latest - number
        sent[i].latest = max(sent[i].latest, number)
        if behind > 0:
            totals[kind].reordered += 1
            totals[kind].behind += behind
            totals[kind].farthest = max(totals[kind].farthest, behind)


@inlined
def bin_of(time: int) -> int:
    """The bin in which a time of 0 ps or more is counted; see `longest_in`."""
    shift, step = 0, 32
    while step > 0:
        if time >> (shift + step) >= PARTS:
            shift += step
        step >>= 1
    return shift * PARTS + (time >> shift)


def longest_in(bins: Longs) -> Longs:
    """The longest time that is counted in each of the bins, ps."""
    shift = np.maximum(bins // PARTS - 1, 0)
    longest: Longs = ((bins - shift * PARTS + 1) << shift) - 1
    return longest


@inner
def _level(n: Longs, depths: Records, peaks: Longs, k: int, more: int, now: int) -> None:
    """The bytes that wait for link k become ``more``, or fewer; until now there were others."""
    since, waiting = depths[k].since, depths[k].waiting
    depths[k].since, depths[k].waiting = now, waiting + more
    if waiting == 0 or since == now:
        return
    while (now - 1) >> n[WIDTH] >= WINDOWS:
        _halve(n, peaks, len(depths))
    links = len(depths)  # what happens at a time lies together: links of one stretch of time
    for window in range(since >> n[WIDTH], ((now - 1) >> n[WIDTH]) + 1):
        at = window * links + k
        peaks[at] = max(peaks[at], waiting)


@inner
def _halve(n: Longs, peaks: Longs, links: int) -> None:
    """Make one stretch of time of each two."""
    n[WIDTH] += 1
    for window in range(WINDOWS // 2):
        for k in range(links):
            both = 2 * window * links + k
            peaks[window * links + k] = max(peaks[both], peaks[both + links])
    peaks[WINDOWS // 2 * links :] = 0
