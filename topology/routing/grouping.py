"""Columns of millions of rows put in order and numbered, in a few passes and without comparing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined
from topology.graph import Ints, Longs

_Bits = NDArray[np.uint64]


def bits(column: NDArray[Any]) -> _Bits:
    """The same bits for the same numbers, of columns of 64-bit numbers and of int32."""
    if column.dtype == np.float64 and not column.all():
        column = column + 0.0  # which makes one of the two zeros the other
    if column.dtype == np.int32:
        column = column.astype(np.int64)
    return read_only(np.ascontiguousarray(column).view(np.uint64))


def read_only(column: NDArray[Any]) -> NDArray[Any]:
    """The same memory, which cannot be written through: kernels are compiled for that apart.

    A topology's own columns are so, and what is picked from them is not: they shall be one type.
    """
    seen = column.view()
    seen.flags.writeable = False
    return seen


@compiled
def in_groups(key: NDArray[np.integer], groups: int) -> tuple[Longs, Ints]:
    """Where each group's rows begin, int64 [groups + 1], and the rows group by group, int32.

    ``key``: the group of each row, from 0; rows of one stay in their order.
    """
    begin = np.zeros(groups + 1, np.int64)
    for row in range(len(key)):
        begin[key[row] + 1] += 1
    for group in range(groups):
        begin[group + 1] += begin[group]
    at, order = begin.copy(), np.empty(len(key), np.int32)
    for row in range(len(key)):
        order[at[key[row]]] = row
        at[key[row]] += 1
    return begin, order


@compiled
def first_of_equal(one: _Bits, other: _Bits) -> tuple[Ints, Longs]:
    """The number of each row's pair of values, int32, and the first row of each pair.

    Pairs are numbered in the order of their first rows.
    """
    room = 16
    while room < 2 * len(one):
        room *= 2
    room = min(room, 1 << 12)
    slots, first, count = np.full(room, -1), np.empty(len(one), np.int64), 0
    number = np.empty(len(one), np.int32)
    for row in range(len(one)):
        if row > 0 and one[row] == one[row - 1] and other[row] == other[row - 1]:
            number[row] = number[row - 1]
            continue
        if 2 * count >= len(slots):
            slots = _wider(slots, first[:count], one, other)
        slot = _slot(slots, first, one, other, row)
        if slots[slot] < 0:
            slots[slot] = count
            first[count] = row
            count += 1
        number[row] = slots[slot]
    return number, first[:count].copy()


@compiled
def _wider(slots: Longs, first: Longs, one: _Bits, other: _Bits) -> Longs:
    wider = np.full(4 * len(slots), -1)
    for number in range(len(first)):
        wider[_slot(wider, first, one, other, first[number])] = number
    return wider


@inlined
def _slot(slots: Longs, first: Longs, one: _Bits, other: _Bits, row: int) -> int:
    """Where a row's pair is in the table, or may be put."""
    x = one[row] * np.uint64(0x9E3779B97F4A7C15) + other[row]
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    slot = np.int64((x ^ (x >> np.uint64(32))) & np.uint64(len(slots) - 1))
    while slots[slot] >= 0 and not (
        one[first[slots[slot]]] == one[row] and other[first[slots[slot]]] == other[row]
    ):
        slot = (slot + 1) & (len(slots) - 1)
    return int(slot)


@inlined
def join(root: NDArray[np.signedinteger[Any]], a: int, b: int) -> None:
    """Put ``a`` and ``b`` into one tree; ``root``: of each number one above it, its own at the top.

    The top of a tree is its least number.
    """
    while root[a] != a:
        root[a] = root[root[a]]
        a = root[a]
    while root[b] != b:
        root[b] = root[root[b]]
        b = root[b]
    root[max(a, b)] = min(a, b)
