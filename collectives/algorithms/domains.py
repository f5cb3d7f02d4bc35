"""All-reduce over several domains of switches that combine and copy data, NVLink's above all.

Letters in the cost lines: P is the number of ranks, S the bytes of a rank's buffer, L the ranks of
a domain, D the domains, K the number of pieces.

The buffer is cut into pieces that follow one another through the stages of the algorithm: a step
has one stage of each piece that is under way. Within a domain the switches do the work: rank j of
each domain stands in for them for the j-th part of a piece, its stripe, and exchanges it with the
ranks j of the other domains.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.scatter import edges
from collectives.algorithms.sendrecv import transfers
from fabric.schedule.in_switch import REDUCED, RETURNED
from fabric.schedule.step import Step

PIECE = 4 << 20
"""Bytes of a piece at least: NCCL's default buffer (NCCL_BUFFSIZE), by which it cuts."""

MOST_PIECES = 16
"""Pieces at most: more only add steps, each of which costs a latency here."""

_Longs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one stage of one piece, int64; ``kind``, ``ranks``: what switches do with them."""

    src: _Longs
    dst: _Longs
    at: _Longs
    size: _Longs
    kind: int = 0
    ranks: int = 0


@dataclass(frozen=True, slots=True)
class _Stage:
    """``rows`` of a piece, given the bounds of its stripes and the size of an item.

    ``reduces``, ``label``: as in `Step`.
    """

    rows: Callable[[_Longs, int], _Rows]
    reduces: bool
    label: str


def nvls_tree(
    ranks: int, size: int, *, itemsize: int = 1, ranks_per_node: int = 8
) -> Iterator[Step]:
    """Combine within domains in their switches, and between domains by two binary trees.

    Steps: at most 2 (K + 2 ceil(log2 D) + 1), of which two are beside each other.
    Bytes sent by a rank: S within its domain, and at most 2 S / L between domains.

    NCCL's NVLSTree. Half of the domains' parts go over one tree and half over its mirror image, so
    that no rank is in the middle of both (Sanders, Speck, Traff 2009). A domain is as many ranks as
    a node of ``ranks_per_node``.
    """
    grid = grid_of(ranks, ranks_per_node)
    stages = [_within(grid), *_up(grid), *_down(grid), _back(grid)]
    yield from _pipelined(grid, size, itemsize, stages)


def sharp(ranks: int, size: int, *, itemsize: int = 1, ranks_per_node: int = 8) -> Iterator[Step]:
    """Combine within domains in their switches, and between domains in those of the network.

    Steps: at most 2 (K + 3), of which two are beside each other.
    Bytes sent by a rank: S within its domain, and S / L between domains.

    NCCL's NVLS over several nodes with InfiniBand SHARP. Needs switches of both planes that combine
    and copy data.
    """
    grid = grid_of(ranks, ranks_per_node)
    stages = [_within(grid), _across(grid), _across_back(grid), _back(grid)]
    yield from _pipelined(grid, size, itemsize, stages)


def grid_of(ranks: int, ranks_per_node: int) -> _Longs:
    """The ranks by domain and place in it: int64 [D, L].

    Where they are no whole number of nodes, a domain is an equal part of a node.
    """
    return np.arange(ranks).reshape(-1, math.gcd(ranks, min(ranks, ranks_per_node)))


def _pipelined(grid: _Longs, size: int, itemsize: int, stages: Sequence[_Stage]) -> Iterator[Step]:
    """The steps in which piece p is at stage s in turn p + s: what reduces, and the rest beside."""
    me = grid.ravel()
    yield from transfers(me, me, size, label="copy")
    pieces = edges(size, max(1, min(MOST_PIECES, size // PIECE)), itemsize)
    stripes = [
        start + edges(end - start, grid.shape[1], itemsize)
        for start, end in zip(pieces[:-1].tolist(), pieces[1:].tolist(), strict=True)
    ]
    for now in range(len(stripes) + len(stages) - 1):
        here = [(stage, now - s) for s, stage in enumerate(stages) if 0 <= now - s < len(stripes)]
        begun = False
        for reduces in (True, False):
            mine = [(stage, stripes[p]) for stage, p in here if stage.reduces == reduces]
            rows = [(stage.rows(cut, itemsize), stage.label) for stage, cut in mine]
            for step in _step(rows, reduces, beside=begun):
                yield step
                begun = True


def _step(parts: Sequence[tuple[_Rows, str]], reduces: bool, *, beside: bool) -> Iterator[Step]:
    """One step of all rows that have bytes."""
    full = [(rows, rows.size > 0) for rows, _ in parts]
    columns = [
        np.concatenate([np.zeros(0, np.int64), *(getattr(rows, name)[kept] for rows, kept in full)])
        for name in ("src", "dst", "size", "at")
    ]
    src, dst, length, at = columns
    if not len(src):
        return
    counts = [int(kept.sum()) for _, kept in full]
    kind, ranks = (
        np.repeat(np.array([getattr(rows, name) for rows, _ in full]), counts)
        for name in ("kind", "ranks")
    )
    yield Step(
        src, dst, length, at, at, reduces=reduces, reads="recv", writes="recv",
        label=parts[0][1], beside=beside, in_switch=kind, in_switch_ranks=ranks,
    )  # fmt: skip


def _within(grid: _Longs) -> _Stage:
    """Each rank sends every other of its domain that one's stripe: the switches combine."""
    return _Stage(lambda cut, _: _exchange(grid, cut, REDUCED), True, "in switch")


def _back(grid: _Longs) -> _Stage:
    return _Stage(lambda cut, _: _exchange(grid, cut, RETURNED), False, "returned")


def _exchange(grid: _Longs, cut: _Longs, kind: int) -> _Rows:
    """Rows of all pairs of places within domains, in the order of sources.

    The stripe is that of the destination for `REDUCED`, of the source for `RETURNED`.
    """
    domains, width = grid.shape
    src, dst = (
        np.broadcast_to(a, (domains, width, width)).ravel()
        for a in (grid[:, :, None], grid[:, None, :])
    )
    away = src != dst
    src, dst = src[away], dst[away]
    stripe = (dst if kind == REDUCED else src) % width
    return _Rows(src, dst, cut[stripe], np.diff(cut)[stripe], kind, width)


def _across(grid: _Longs) -> _Stage:
    return _Stage(lambda cut, item: _over(grid, cut, item, REDUCED), True, "sharp")


def _across_back(grid: _Longs) -> _Stage:
    return _Stage(lambda cut, item: _over(grid, cut, item, RETURNED), False, "returned")


def _over(grid: _Longs, cut: _Longs, itemsize: int, kind: int) -> _Rows:
    """Rows of all pairs of domains at each place; every domain stands in for a part of a stripe.

    As in `_exchange`, the part is the destination's for `REDUCED`, the source's for `RETURNED`.
    """
    domains, width = grid.shape
    shape = (domains, domains, width)
    a, b, place = (axis.ravel() for axis in np.indices(shape))
    away = a != b
    a, b, place = a[away], b[away], place[away]
    owner = b if kind == REDUCED else a
    begin, items = cut[:-1][place], np.diff(cut)[place] // itemsize
    first, last = (begin + items * part // domains * itemsize for part in (owner, owner + 1))
    return _Rows(grid[a, place], grid[b, place], first, last - first, kind, domains)


def _up(grid: _Longs) -> list[_Stage]:
    """The stages of combining by trees, the deepest level first."""
    return [
        _Stage(_tree_level(grid, level, up=True), True, "tree")
        for level in range(len(grid).bit_length() - 1, 0, -1)
    ]


def _down(grid: _Longs) -> list[_Stage]:
    return [
        _Stage(_tree_level(grid, level, up=False), False, "tree")
        for level in range(1, len(grid).bit_length())
    ]


def _tree_level(grid: _Longs, level: int, *, up: bool) -> Callable[[_Longs, int], _Rows]:
    """The rows between level ``level`` of the binary trees of domains and the one above it.

    Domain d of a tree hangs under (d - 1) // 2; the second tree counts domains from the end.
    """
    domains, width = grid.shape
    child = np.arange((1 << level) - 1, min((1 << level + 1) - 1, domains))

    def rows(cut: _Longs, itemsize: int) -> _Rows:
        half = cut[:-1] + np.diff(cut) // itemsize // 2 * itemsize
        parts = []
        for mirrored, first, last in ((False, cut[:-1], half), (True, half, cut[1:])):
            low, high = (domains - 1 - d if mirrored else d for d in (child, (child - 1) // 2))
            src, dst = (grid[d].ravel() for d in ((low, high) if up else (high, low)))
            place = np.tile(np.arange(width), len(child))
            parts.append((src, dst, first[place], (last - first)[place]))
        src, dst, at, length = (np.concatenate(pair) for pair in zip(*parts, strict=True))
        return _Rows(src, dst, at, length)

    return rows
