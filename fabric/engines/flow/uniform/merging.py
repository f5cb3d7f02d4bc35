"""Rows that load the same resources by as much are one class: found in one pass."""

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined

_Longs = NDArray[np.int64]
_Floats = NDArray[np.float64]


@compiled
def summed(entries: _Longs, orbit: _Longs, weight: _Floats) -> tuple[_Longs, _Longs, _Floats]:
    """Each row's orbits, rising, with the sum of its weights there."""
    n = len(entries) - 1
    begin = np.zeros(n + 1, np.int64)
    found, total = np.empty(entries[n], np.int64), np.empty(entries[n])
    at = 0
    for i in range(n):
        first = at
        for e in range(entries[i], entries[i + 1]):
            k = at
            while k > first and found[k - 1] > orbit[e]:
                k -= 1
            if k > first and found[k - 1] == orbit[e]:
                total[k - 1] += weight[e]
                continue
            for m in range(at, k, -1):
                found[m], total[m] = found[m - 1], total[m - 1]
            found[k], total[k] = orbit[e], weight[e]
            at += 1
        begin[i + 1] = at
    return begin, found[:at].copy(), total[:at].copy()


@compiled
def classes(plain: _Longs, begin: _Longs, orbit: _Longs, weight: _Floats) -> tuple[_Longs, _Longs]:
    """The class of each row, and a row of each: all of a class are the same in every column.

    Classes are numbered in the order of their first rows. A table of open addressing.
    """
    n = len(plain)
    room = 16
    while room < 2 * n:
        room *= 2
    slots = np.full(room, -1)
    of_row, one, count = np.empty(n, np.int64), np.empty(n, np.int64), 0
    bits = weight.view(np.int64)
    for i in range(n):
        mixed = np.uint64(0)
        for k in range(plain.shape[1]):
            mixed = _mixed(mixed, plain[i, k])
        for e in range(begin[i], begin[i + 1]):
            mixed = _mixed(_mixed(mixed, orbit[e]), bits[e])
        slot = np.int64(mixed & np.uint64(room - 1))
        while slots[slot] >= 0 and not _same(one[slots[slot]], i, plain, begin, orbit, bits):
            slot = (slot + 1) & (room - 1)
        if slots[slot] < 0:
            slots[slot] = count
            one[count] = i
            count += 1
        of_row[i] = slots[slot]
    return of_row, one[:count].copy()


@inlined
def _mixed(mixed: np.uint64, value: int) -> np.uint64:
    x = (mixed ^ np.uint64(value)) * np.uint64(0xBF58476D1CE4E5B9)
    return x ^ (x >> np.uint64(29))


@inlined
def _same(a: int, b: int, plain: _Longs, begin: _Longs, orbit: _Longs, bits: _Longs) -> bool:
    for k in range(plain.shape[1]):
        if plain[a, k] != plain[b, k]:
            return False
    if begin[a + 1] - begin[a] != begin[b + 1] - begin[b]:
        return False
    for k in range(begin[a + 1] - begin[a]):
        e, f = begin[a] + k, begin[b] + k
        if orbit[e] != orbit[f] or bits[e] != bits[f]:
            return False
    return True
