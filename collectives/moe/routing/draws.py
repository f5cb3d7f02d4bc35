"""Draws experts without replacement, each token by itself: compiled loops over tokens.

What a token draws depends on the seed, its rank and its row there, and on nothing else: not on how
many tokens or ranks there are, on the host, or on what was drawn before. So the tokens of a batch
are the first ones of every larger batch, and more tokens are more of the same traffic.

Random numbers are a hash of these four (SplitMix64: Steele, Lea and Flood, OOPSLA 2014), weights
are whole numbers, and every draw is a place on a line on which each expert is as long as its
weight. What is out, a drawn expert or a group that the token may not have, is stepped over: no draw
is thrown away, and all is exact.
"""

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inner, inner_with_arrays
from topology.stirring import stirred

_Longs = NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


@compiled
def draw(
    chosen: _Longs, first: _Longs, seed: np.uint64, begin: _Longs, edges: _Longs, most: int
) -> None:
    """Fill ``chosen``, ``[all tokens, top_k]``: the experts of each token, in the order of draws.

    ``first``: the first row of each rank, and the end. ``begin``: where each expert begins on the
    line of weights, and the end. ``edges``: the first expert of each group, and the end;
    ``most``: groups that a token may have, 0 for no limit. So many experts there have to be.
    """
    experts, top_k = len(begin) - 1, chosen.shape[1]
    alike = begin[experts] == experts  # each is 1 long: a place is an expert
    if alike and not most:
        _draw_alike(chosen, first, seed, experts)
        return
    start, end = np.empty(top_k + most + 1, np.int64), np.empty(top_k + most + 1, np.int64)
    groups = np.empty(most, np.int64)
    for rank in range(len(first) - 1):
        for row in range(first[rank], first[rank + 1]):
            state = _of_token(seed, rank, row - first[rank])
            left, out, had = begin[experts], 0, 0
            for slot in range(top_k):
                state += _STEP
                at = _scaled(stirred(state), left)
                for i in range(out):
                    at += (end[i] - start[i]) * (at >= start[i])
                expert = at if alike else int(np.searchsorted(begin, at, "right")) - 1
                chosen[row, slot] = expert
                left -= _put(start, end, out, begin[expert], begin[expert + 1])
                out += 1
                if had < most:
                    had += _added(groups, had, int(np.searchsorted(edges, expert, "right")) - 1)
                    if had == most:
                        left -= _put_others(start, end, out, groups, edges, begin)
                        out += most + 1


@inner_with_arrays
def _draw_alike(chosen: _Longs, first: _Longs, seed: np.uint64, experts: int) -> None:
    """What `draw` does where all experts weigh the same and may be together, in half the time."""
    top_k = chosen.shape[1]
    out = np.empty(top_k, np.int64)
    for rank in range(len(first) - 1):
        for row in range(first[rank], first[rank + 1]):
            state = _of_token(seed, rank, row - first[rank])
            for slot in range(top_k):
                state += _STEP
                expert = _scaled(stirred(state), experts - slot)
                for i in range(slot):
                    expert += expert >= out[i]
                chosen[row, slot] = expert
                for i in range(slot):  # to its place, see _put
                    other = out[i]
                    out[i], expert = min(other, expert), max(other, expert)
                out[slot] = expert


@inner
def _of_token(seed: np.uint64, rank: int, token: int) -> np.uint64:
    """Where the random numbers of a token begin."""
    of_rank = stirred(seed + _STEP * np.uint64(rank + 1))
    return stirred(of_rank + _STEP * np.uint64(token + 1))


@inner
def _scaled(random: np.uint64, end: int) -> np.int64:
    """The whole part of ``random * end / 2**64``: 0 to ``end - 1``, all alike."""
    whole = np.uint64(end)
    above, below = whole >> _HALF, whole & _LOW
    high, low = random >> _HALF, random & _LOW
    middle = high * below + (low * below >> _HALF)
    carried = low * above + (middle & _LOW)
    return np.int64(high * above + (middle >> _HALF) + (carried >> _HALF))


@inner
def _put(start: _Longs, end: _Longs, size: int, begin: int, stop: int) -> int:
    """Put what is out from ``begin`` to ``stop`` in its place among the others; how long it is."""
    length = stop - begin
    for i in range(size):  # all, because no processor can foretell where the place is
        first, last = start[i], end[i]
        start[i], end[i] = min(first, begin), min(last, stop)
        begin, stop = max(first, begin), max(last, stop)
    start[size], end[size] = begin, stop
    return length


@inner
def _put_others(
    start: _Longs, end: _Longs, size: int, groups: _Longs, edges: _Longs, begin: _Longs
) -> int:
    """Put what lies between ``groups`` among what is out, and how long it is in all."""
    free, length = 0, 0
    for group in groups:
        length += _put(start, end, size, begin[free], begin[edges[group]])
        free, size = edges[group + 1], size + 1
    return length + _put(start, end, size, begin[free], begin[-1])


@inner
def _added(groups: _Longs, size: int, group: int) -> int:
    """Put a group in its place among the others if it is new; how many that adds."""
    at = size
    while at > 0 and groups[at - 1] > group:
        at -= 1
    if at > 0 and groups[at - 1] == group:
        return 0
    for i in range(size, at, -1):
        groups[i] = groups[i - 1]
    groups[at] = group
    return 1
