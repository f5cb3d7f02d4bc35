"""Limits of pairs, classes and initiators: what must have made a packet before it may be sent.

A packet passes them one after another. An initiator makes one packet at a time: the highest
priority first, those of one by their weights, and a class in the order in which they were asked
for. So that a class above never waits for more than the packet that is being made, a transfer asks
for its next packet while one is still to be sent. Where there is one class it asks for one at a
time, and an initiator has packets in the order in which they were asked for.
"""

import numpy as np

from fabric.engines.packet.calendar import later
from fabric.engines.packet.offering import offer, wake_links
from fabric.engines.packet.priority import highest, least_served, served
from fabric.engines.packet.promises import due, given
from fabric.engines.packet.state import CLASS, INITIATOR, NONE, PAIR, TRANSFER, State
from topology.compiled import inner, lean_inlined
from topology.prefetch import prefetch

_AHEAD = 2  # packets that a transfer may have made and not sent, where there are several classes


@lean_inlined
def is_limited(s: State, i: int) -> bool:
    """Whether packets of transfer i have a limit to pass."""
    t = s.transfers
    return bool(t[i].gap > 0.0 or t[i].initiator > 0.0 or s.kinds[t[i].kind].limit > 0.0)


@inner
def ask(s: State, i: int, now: int) -> None:
    """Let transfer i send packets as soon as its limits have made them."""
    transfers = s.transfers
    if len(s.kinds) == 1 or not is_limited(s, i):
        transfers[i].asked = 1
        if _passes(s, i, PAIR, now):
            _made(s, i)
        return
    _ask_ahead(s, i, now)


@inner
def made_by_limit(s: State, i: int, now: int) -> None:
    """The limit that has the next packet of transfer i has made it."""
    has, several = s.transfers[i].granted, len(s.kinds) > 1
    if has == INITIATOR and not several:
        _next_in_line(s, i)
    if _passes(s, i, has + 1, now):
        _made(s, i)
        if several:
            _ask_ahead(s, i, now)
    if has == INITIATOR and several:
        _next_of_initiator(s, s.transfers[i].rank, now)


@lean_inlined
def _ask_ahead(s: State, i: int, now: int) -> None:
    t, mtu = s.transfers, np.int64(s.mtu)
    while t[i].asked == 0 and t[i].ready < _AHEAD and t[i].to_send > t[i].ready * mtu:
        t[i].asked = 1
        if _passes(s, i, PAIR, now):
            _made(s, i)


@lean_inlined
def _made(s: State, i: int) -> None:
    """The packet that transfer i has asked for may be sent."""
    s.transfers[i].asked = 0
    s.transfers[i].ready += 1
    if s.transfers[i].ready > 1:
        return
    if len(s.roce) > 0:
        s.flows[i].idle = False
    if offer(s, i):
        wake_links(s, s.transfers[i].set)


@lean_inlined
def _passes(s: State, i: int, limit: int, now: int) -> bool:
    """Whether the next packet of transfer i passes this limit and those behind it at once.

    Else the one that has it says when it is made.
    """
    transfers, kind = s.transfers, s.transfers[i].kind
    if limit == PAIR and transfers[i].gap > 0.0:
        takes = _takes(s, i, transfers[i].gap)
        transfers[i].paced = max(transfers[i].paced, now - takes) + takes
        if transfers[i].paced > now:
            transfers[i].granted = PAIR
            later(s, transfers[i].paced, transfers[i].order, i * 4 + TRANSFER)
            return False
    if limit <= CLASS and s.kinds[kind].limit > 0.0:
        _limit_class(s, i, kind, now)
        return False
    if limit <= INITIATOR and transfers[i].initiator > 0.0:
        transfers[i].granted = INITIATOR
        if len(s.kinds) == 1:
            _reserve(s, i, now)
        elif s.initiators[transfers[i].rank].busy:
            _wait_for_initiator(s, i)
        else:
            _serve(s, i, False, now)
        return False
    return True


@lean_inlined
def _limit_class(s: State, i: int, kind: int, now: int) -> None:
    """The limit of a class makes the next packet of transfer i, after those of its rank before.

    As if it had been asked for as soon as this one had made the packet before, but not longer ago
    than it takes: what a packet waits for behind this limit does not slow it down.
    """
    transfers, at = s.transfers, s.transfers[i].rank * len(s.kinds) + kind
    takes = _takes(s, i, s.kinds[kind].limit)
    until = max(s.limited[at], transfers[i].passed, now - takes) + takes
    s.limited[at], transfers[i].passed = until, until
    transfers[i].granted = CLASS
    later(s, max(until, now), transfers[i].order, i * 4 + TRANSFER)


@lean_inlined
def _takes(s: State, i: int, per_byte: float) -> int:
    """How long a limit takes for the next packet of transfer i, ps."""
    mtu = np.int64(s.mtu)
    size = max(min(mtu, s.transfers[i].to_send - s.transfers[i].ready * mtu), 0)
    return int(np.ceil(size * per_byte - 1e-3))


@lean_inlined
def _reserve(s: State, i: int, now: int) -> None:
    """The initiator makes the next packet of transfer i after all that were asked for before.

    Of each initiator only the first one in line is in the heap, which so stays small.
    """
    rank = s.transfers[i].rank
    takes = _takes(s, i, s.transfers[i].initiator)
    until = max(s.initiators[rank].until, now) + takes
    s.initiators[rank].until = until
    s.transfers[i].made = until
    if takes == 0:  # at the same time as the one before: then not order of asking decides
        later(s, until, s.transfers[i].order, i * 4 + TRANSFER)
        return
    last, first = s.waiting[rank].last, s.waiting[rank].first
    s.transfers[i].asks_behind = NONE
    s.waiting[rank].last = i
    if first != NONE:
        s.transfers[last].asks_behind = i
        return
    s.waiting[rank].first = i
    later(s, until, s.transfers[i].order, i * 4 + TRANSFER)


@lean_inlined
def _next_in_line(s: State, i: int) -> None:
    """An initiator has made a packet of transfer i: the next one in its line comes after that."""
    rank = s.transfers[i].rank
    if s.waiting[rank].first != i:  # it took no time, and never was in the line
        return
    behind = s.transfers[i].asks_behind
    s.waiting[rank].first = behind
    if behind != NONE:
        later(s, s.transfers[behind].made, s.transfers[behind].order, behind * 4 + TRANSFER)
        prefetch(s.entries, s.transfers[behind].entry)
        after = s.transfers[behind].asks_behind
        if after != NONE:
            prefetch(s.transfers, after)


@lean_inlined
def _serve(s: State, i: int, is_due: bool, now: int) -> None:
    """The initiator makes the next packet of transfer i, which its class may have been due."""
    rank, kind = s.transfers[i].rank, s.transfers[i].kind
    takes = _takes(s, i, s.transfers[i].initiator)
    s.initiators[rank].busy = True
    if is_due:
        at = (len(s.links) + rank) * len(s.kinds) + kind
        given(s, at, takes, s.mtu * s.transfers[i].initiator, now)
    elif s.kinds[kind].alike != 1 << kind:
        served(s, len(s.links) + rank, kind, takes)
    later(s, now + takes, s.transfers[i].order, i * 4 + TRANSFER)


@lean_inlined
def _wait_for_initiator(s: State, i: int) -> None:
    rank, kind = s.transfers[i].rank, s.transfers[i].kind
    at = rank * len(s.kinds) + kind
    s.transfers[i].asks_behind = NONE
    if s.initiators[rank].mask >> kind & 1:
        s.transfers[s.waiting[at].last].asks_behind = i
    else:
        s.initiators[rank].mask |= 1 << kind
        s.waiting[at].first = i
    s.waiting[at].last = i


@lean_inlined
def _next_of_initiator(s: State, rank: int, now: int) -> None:
    """An initiator has made a packet, and takes the next one that waits for it."""
    s.initiators[rank].busy = False
    mask = s.initiators[rank].mask
    if mask == 0:
        return
    kind = due(s, len(s.links) + rank, mask, now) if len(s.promises) > 0 else NONE
    is_due = kind != NONE
    if not is_due:
        kind = highest(mask)
    if not is_due and s.kinds[kind].alike & mask != 1 << kind:
        kind = least_served(s, len(s.links) + rank, s.kinds[kind].alike & mask)
    at = rank * len(s.kinds) + kind
    i = s.waiting[at].first
    s.waiting[at].first = s.transfers[i].asks_behind
    if s.transfers[i].asks_behind == NONE:
        s.initiators[rank].mask ^= 1 << kind
    _serve(s, i, is_due, now)
