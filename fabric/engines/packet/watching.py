"""What is counted of packets where statistics are asked for: waiting, latencies, order, queues.

Memory is bounded. Times are counted in bins, `PARTS` of the same width in each octave, so that a
percentile is off by less than a part in `PARTS`. There are `WINDOWS` stretches of time; of each is
kept the most of the bytes that wait for a link, and what became of the packets of each class. When
time goes on beyond them, each two become one.
"""

import numpy as np

from fabric.engines.packet.state import NOW, WIDTH, Longs, State
from topology.compiled import inlined, inner, lean_inlined

PARTS = 128
"""Bins of an octave: times are counted to within a part in so many."""

BINS = 56 * PARTS
"""Bins of all times that there are, see `bin_of`."""

WINDOWS = 256
"""Stretches of time of each link at most."""

FIRST_WIDTH = 16
"""Binary logarithm of the first stretches, ps: 66 ns; an assumption of what is of interest."""


(ARRIVED, BEGUN_WITH, WAITED, REORDERED, BEHIND, DROPPED, RESENT, MARKED, PAUSES, PAUSED,
 LONGEST, FARTHEST) = range(12)  # fmt: skip
"""What is kept of each class in each stretch of time: packets that arrived; that a link began with,
and how long these had waited for it, ps; that arrived behind a later one, and by how many places;
that were dropped, sent again, marked; how often links were stopped, and how long, ps of all
together; the longest latency, ps, and by how many places one was overtaken at most."""

FIELDS = FARTHEST + 1
"""Numbers of a class in a stretch of time; those from `LONGEST` on are maxima, the others sums."""


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
        _level(s, k, s.packets[p].size + s.header, now)


@lean_inlined
def note_begun(s: State, k: int, p: int, now: int) -> None:
    """Link k begins to send packet p."""
    if s.watching:
        at = _stretch(s, s.packets[p].kind, now)
        s.courses[at + BEGUN_WITH] += 1
        s.courses[at + WAITED] += now - s.marks[p].since
        _level(s, k, -(s.packets[p].size + s.header), now)


@lean_inlined
def note_arrived(s: State, p: int, now: int) -> None:
    """Packet p is at the end of its path."""
    if s.watching:
        kind, i, number = s.packets[p].kind, s.packets[p].transfer, s.marks[p].number
        courses, sent, at = s.courses, s.sent, _stretch(s, kind, now)
        took = now - s.marks[p].made
        courses[at + ARRIVED] += 1
        courses[at + LONGEST] = max(courses[at + LONGEST], took)
        s.latencies[kind * BINS + bin_of(took)] += 1
        behind = np.int64(sent[i].latest - number)
        sent[i].latest = max(sent[i].latest, number)
        if behind > 0:
            courses[at + REORDERED] += 1
            courses[at + BEHIND] += behind
            courses[at + FARTHEST] = max(courses[at + FARTHEST], behind)


@inner
def note(s: State, kind: int, what: int) -> None:
    """Something happens now to a packet of a class, or to a link: one of `DROPPED` ... `PAUSES`."""
    if s.watching:
        s.courses[_stretch(s, kind, s.n[NOW]) + what] += 1


@inner
def note_paused(s: State, kind: int, since: int, now: int) -> None:
    """A class was stopped at a link until now."""
    if not s.watching or since == now:
        return
    _stretch(s, kind, now - 1)
    for window in range(since >> s.n[WIDTH], ((now - 1) >> s.n[WIDTH]) + 1):
        begin, end = window << s.n[WIDTH], (window + 1) << s.n[WIDTH]
        of_it = min(end, now) - max(begin, since)
        s.courses[(window * len(s.kinds) + kind) * FIELDS + PAUSED] += of_it


@lean_inlined
def _stretch(s: State, kind: int, at: int) -> int:
    """Where the numbers of a class begin in the stretch of time that ``at`` lies in."""
    while at >> s.n[WIDTH] >= WINDOWS:
        _halve(s)
    return int(((at >> s.n[WIDTH]) * len(s.kinds) + kind) * FIELDS)


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
def _level(s: State, k: int, more: int, now: int) -> None:
    """The bytes that wait for link k become ``more``, or fewer; until now there were others."""
    depths, peaks = s.depths, s.peaks
    since, waiting = depths[k].since, depths[k].waiting
    depths[k].since, depths[k].waiting = now, waiting + more
    if waiting == 0 or since == now:
        return
    while (now - 1) >> s.n[WIDTH] >= WINDOWS:
        _halve(s)
    first, last = since >> s.n[WIDTH], (now - 1) >> s.n[WIDTH]
    if depths[k].window == last:
        depths[k].most = max(depths[k].most, waiting)
        return
    _keep_most(s, k)
    links = len(depths)  # what happens at a time lies together: links of one stretch of time
    for window in range(first, last):
        at = window * links + k
        peaks[at] = max(peaks[at], waiting)
    depths[k].window, depths[k].most = last, waiting


@lean_inlined
def _keep_most(s: State, k: int) -> None:
    """Keep the most of the bytes that have waited for link k in the stretch of time so far."""
    at = s.depths[k].window * len(s.depths) + k
    s.peaks[at] = max(s.peaks[at], s.depths[k].most)


def peaks_of(s: State) -> Longs:
    """The most of the bytes that waited for each link in each stretch: int64 [links, WINDOWS]."""
    links = len(s.depths)
    peaks: Longs = s.peaks.reshape(WINDOWS, links).copy()
    last = (s.depths["window"], np.arange(links))
    peaks[last] = np.maximum(peaks[last], s.depths["most"])
    return peaks.T


@inner
def _halve(s: State) -> None:
    """Make one stretch of time of each two."""
    links, numbers, peaks = len(s.depths), len(s.kinds) * FIELDS, s.peaks
    s.n[WIDTH] += 1
    for k in range(links):
        _keep_most(s, k)
        s.depths[k].window >>= 1
    for window in range(WINDOWS // 2):
        at = window * links
        for k in range(at, at + links):
            first, second = peaks[at + k], peaks[at + links + k]
            peaks[k] = first if first > second else second
        for x in range(numbers):
            both = 2 * window * numbers + x
            first, second = s.courses[both], s.courses[both + numbers]
            largest = x % FIELDS >= LONGEST
            s.courses[window * numbers + x] = max(first, second) if largest else first + second
    s.peaks[WINDOWS // 2 * links :] = 0
    s.courses[WINDOWS // 2 * numbers :] = 0
