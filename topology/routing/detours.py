"""The kernel of all-path routing: shortest ways, and detours of one hop at the first switch."""

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, inlined
from topology.graph import Floats, Ints, Longs
from topology.routing.hops import FAR, Hops, hops_to
from topology.routing.walk import FoldedPlane, nearest

_WIDEST = 1e30
"""Bytes per second that an unlimited link counts as."""


@compiled
def walk_all_paths(
    src: Ints, dst: Ints, plane: FoldedPlane, n: int, direct: float
) -> tuple[Longs, Ints, Floats, Floats]:
    """Ways of each pair as `topology.routing.walk.walk` returns them, with detours.

    ``direct``: the share of shortest ways; below 0: links in proportion to their bandwidth.
    """
    begin, target, resource, latency = plane.begin, plane.target, plane.resource, plane.latency
    distance, classes = plane.distance, len(plane.begin) - 1
    size, delay = np.zeros(len(src), np.int64), np.zeros(len(src))
    out_resource, out_weight = np.empty(8 * len(src) + 64, np.int32), np.empty(8 * len(src) + 64)
    filled = 0
    here, aside = np.empty(classes, np.int64), np.empty(classes, np.int64)
    there = np.empty(classes, np.int64)
    held, late, first = np.zeros(classes), np.zeros(classes), np.zeros(classes, np.bool_)
    for row in range(len(src)):
        end, started = dst[row], filled
        hops = nearest(src[row], end, begin, target, distance, n)
        # Stages: 0, the source; 1, the first switches; 2, those that detours go to; then the rest.
        stage, count, beside, found = 0, 1, 0, 0
        here[0], held[src[row]], late[src[row]] = src[row], 1.0, 0.0
        if hops == int(FAR):
            count, held[src[row]] = 0, 0.0
        while count:
            goal = hops if stage == 0 else hops - 1 if stage < 3 else hops + 1 - stage
            for h in range(count):
                c = here[h]
                amount, soon = held[c], late[c]
                held[c], late[c] = 0.0, 0.0
                further = 0.0
                if stage == 1 and direct != 1.0:
                    for e in range(begin[c], begin[c + 1]):
                        if _is_detour(target[e], end, hops, first, distance, n):
                            further += min(plane.bandwidth[e], _WIDEST)
                wide, nearer = further > 0 and direct < 0, 0.0
                for e in range(begin[c], begin[c + 1]):
                    if hops_to(target[e], end, distance, n) == goal:
                        nearer += min(plane.bandwidth[e], _WIDEST) if wide else plane.share[e]
                for e in range(begin[c], begin[c + 1]):
                    to, strength = target[e], 0.0
                    around = further > 0 and _is_detour(to, end, hops, first, distance, n)
                    if around or wide:
                        strength = min(plane.bandwidth[e], _WIDEST)
                    else:
                        strength = plane.share[e]
                    if not around and hops_to(to, end, distance, n) != goal:
                        continue
                    whole = nearer
                    if wide:
                        whole = nearer + further
                    elif further > 0:
                        whole = further / (1 - direct) if around else nearer / direct
                    part = amount * (strength / whole)
                    if filled == len(out_resource):
                        out_resource = np.append(out_resource, np.empty_like(out_resource))
                        out_weight = np.append(out_weight, np.empty_like(out_weight))
                    out_resource[filled], out_weight[filled] = resource[e], part
                    filled += 1
                    late[to] = max(late[to], soon + latency[e])
                    if to == end:
                        delay[row] = max(delay[row], late[to])
                    elif held[to] == 0.0 and around:
                        aside[beside] = to
                        beside += 1
                    elif held[to] == 0.0:
                        there[found] = to
                        found += 1
                    held[to] += part
            if stage == 0:
                for h in range(found):
                    first[there[h]] = True
            if stage == 1:
                for h in range(count):
                    first[here[h]] = False
            if stage == 1 and beside:
                here[:beside] = aside[:beside]
                count, beside, stage = beside, 0, 2
                continue
            here[:found] = there[:found]
            count, found, stage = found, 0, 1 if stage == 0 else max(stage + 1, 3)
        held[end], late[end] = 0.0, 0.0
        size[row] = filled - started
    return size, out_resource[:filled].copy(), out_weight[:filled].copy(), delay


@inlined
def _is_detour(
    to: int, end: int, hops: int, first: NDArray[np.bool_], distance: Hops, n: int
) -> bool:
    """Whether a link to ``to`` begins a detour: a switch as far away as the first ones, not one."""
    return to >= n and not first[to] and hops_to(to, end, distance, n) == hops


@compiled
def has_detours(plane: FoldedPlane, n: int) -> bool:
    """Whether all-path routing has a detour for any two endpoints that are not far apart.

    That is a switch that leads to another, and both to a third one that leads to an endpoint.
    """
    begin, target = plane.begin, plane.target
    near = np.zeros(len(begin) - 1, np.bool_)
    for c in range(n, len(begin) - 1):
        for e in range(begin[c], begin[c + 1]):
            if target[e] >= n:
                near[target[e]] = True
        for e in range(begin[c], begin[c + 1]):
            over = target[e]
            if over < n or over == c:
                continue
            for k in range(begin[over], begin[over + 1]):
                third = target[k]
                if third >= n and third != c and near[third]:
                    for m in range(begin[third], begin[third + 1]):
                        if target[m] < n:
                            return True
        for e in range(begin[c], begin[c + 1]):
            if target[e] >= n:
                near[target[e]] = False
    return False
