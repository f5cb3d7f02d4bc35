"""Events that are taken back, and others in their place, while no kernel runs.

At a change of the machine all that was due before it has happened, and nothing of its own instant.
"""

from typing import Any

import numpy as np

from fabric.engines.packet.calendar import BLOCK, NODE, pop, push
from fabric.engines.packet.state import (
    AT,
    COUNTED,
    CURSOR,
    FREE,
    NONE,
    OPENED,
    PENDING,
    SPARE,
    TIMERS,
    TRANSFER,
    WIRE,
    Bools,
    Longs,
    State,
)

_OF_TRANSFERS = 1 << 60


def put_in(s: State, node: int, time: int) -> None:
    """Let the event of a link or packet happen at ``time``, ps; it has none yet."""
    _record_of(s, node)["when"] = time
    s.n[COUNTED] += 1
    push(s.heap, s.n, time, int(s.n[COUNTED]), node * 4 + WIRE)


def put_in_transfer(s: State, i: int, time: int) -> None:
    """Let transfer i ask for its limits at ``time``, ps, as if it had just set out."""
    s.transfers["missing"][i] = 0
    order = int(s.transfers["order"][i])
    push(s.heap, s.n, time, _OF_TRANSFERS + order, int(i) * 4 + TRANSFER)


def wake(s: State, k: int, now: int) -> None:
    """Let link k look for what it may send, if it is free."""
    if not s.links["waking"][k] and s.links["free"][k] <= now:
        s.links["waking"][k] = True
        put_in(s, k, now)


def take_back(s: State, node: int) -> None:
    """Take back the event of a link or packet, which has one."""
    if not (_out_of_bucket(s, node) or _out_of_opened(s, node)):
        _out_of_heap(s, node * 4 + WIRE)
    _record_of(s, node)["when"] = NONE


def _record_of(s: State, node: int) -> Any:
    """The record of a link or packet."""
    return s.links[node] if node < len(s.links) else s.packets[node - len(s.links)]


def _out_of_bucket(s: State, node: int) -> bool:
    bucket = int(_record_of(s, node)["when"]) >> s.shift
    if not 0 <= bucket - int(s.n[CURSOR]) < len(s.buckets):
        return False
    bucket &= len(s.buckets) - 1
    blocks = _blocks(s, bucket)
    places = np.array([b * BLOCK + x for b in blocks for x in range(1, BLOCK)], np.int64)
    places = places[: len(places) - int(s.buckets["left"][bucket])]
    there = np.flatnonzero((s.events[places] & NODE) == node)
    if not len(there):
        return False
    at = int(there[0])
    s.events[places[at:-1]] = s.events[places[at + 1 :]]
    s.buckets["left"][bucket] += 1
    if s.buckets["left"][bucket] == BLOCK - 1:  # the last block is empty
        s.events[blocks[-1] * BLOCK], s.n[SPARE] = s.n[SPARE], blocks[-1]
        s.buckets["last"][bucket] = blocks[-2] if len(blocks) > 1 else NONE
        s.buckets["left"][bucket] = 0
    s.n[PENDING] -= 1
    return True


def _blocks(s: State, bucket: int) -> list[int]:
    """The blocks of a bucket, in order."""
    last, found = int(s.buckets["last"][bucket]), list[int]()
    block = int(s.buckets["first"][bucket])
    while last != NONE:
        found.append(block)
        if block == last:
            break
        block = int(s.events[block * BLOCK])
    return found


def _out_of_opened(s: State, node: int) -> bool:
    first, end = int(s.n[AT]), int(s.n[OPENED])
    there = np.flatnonzero((s.opened[first:end] & NODE) == node)
    if not len(there):
        return False
    at = first + int(there[0])
    s.opened[at : end - 1] = s.opened[at + 1 : end].copy()
    s.n[OPENED] -= 1
    return True


def _out_of_heap(s: State, what: int) -> None:
    heap = s.heap
    k = int(np.flatnonzero(heap["what"][: s.n[TIMERS]] == what)[0])
    while k > 0:  # it becomes the first one
        parent = (k - 1) >> 1
        heap[k] = heap[parent]
        k = parent
    pop(heap, s.n)


def packets_in_use(s: State) -> Bools:
    """Which packets there are: bool, over all that there is room for."""
    used = np.ones(len(s.packets), bool)
    used[s.free_packets[: s.n[FREE]]] = False
    return used


def on_the_way(s: State, now: int) -> Bools:
    """Which packets are on a link, with an arrival ahead: bool; answers are not."""
    ahead: Bools = packets_in_use(s) & (s.packets["when"] >= now)
    if s.roce:
        ahead &= ~s.labels["returning"][: len(s.packets)]
    return ahead


def queues_of(s: State) -> Longs:
    """The queue in which each packet waits, int64; `NONE` for those that do not."""
    at = np.full(len(s.packets), NONE)
    queue = np.flatnonzero(s.queues["first"] != NONE)
    p, behind = s.queues["first"][queue], s.packets["behind"]
    while len(p):
        at[p] = queue
        p = behind[p]
        queue, p = queue[p != NONE], p[p != NONE]
    return at


def take_out(s: State, queue: int, gone: Bools, now: int) -> None:
    """Take those packets out of a queue that are ``gone``, bool over packets."""
    stay, p = [], int(s.queues["first"][queue])
    while p != NONE:
        if not gone[p]:
            stay.append(p)
        else:
            s.queues["waiting"][queue] -= 1
            note_level(s, queue, p, -1, now)
        p = int(s.packets["behind"][p])
    k, kind = queue % len(s.links), queue // len(s.links)
    s.queues["first"][queue], s.queues["last"][queue] = (
        (stay[0], stay[-1]) if stay else (NONE, NONE)
    )
    s.packets["behind"][stay] = [*stay[1:], NONE] if stay else []
    if not stay:
        s.links["mask"][k] &= ~(1 << kind)


def note_level(s: State, queue: int, p: int, sign: int, now: int) -> None:
    """Note that packet p waits for a queue's link, or (``sign`` -1) does no more."""
    size = int(s.packets["size"][p]) + s.header
    if s.roce and s.ends[queue % len(s.links)] != NONE:
        s.ports["bytes"][queue] += sign * size
    if s.watching:
        k = queue % len(s.links)
        s.depths["since"][k] = now
        s.depths["waiting"][k] += sign * size
        s.marks["since"][p] = now


def credit_at(s: State, k: int, kind: int) -> int:
    """The queue that has the credit of a class on link k."""
    return kind * s.apart * len(s.links) + k
