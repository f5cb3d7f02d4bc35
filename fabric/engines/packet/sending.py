"""How endpoints make packets: transfers take turns at the links that their paths begin with."""

import numpy as np

from fabric.engines.packet.buffers import join
from fabric.engines.packet.calendar import later
from fabric.engines.packet.limits import ask, is_limited
from fabric.engines.packet.offering import offer, ready_to_send
from fabric.engines.packet.recovery import is_blocked, number, rest
from fabric.engines.packet.spraying import ahead, deal_own, own_turn
from fabric.engines.packet.state import (
    AGAIN,
    FREE,
    NO_ROOM,
    NONE,
    State,
    is_of_team,
    queue_of,
    sender_of,
)
from fabric.engines.packet.watching import note_made, note_waiting
from topology.compiled import inner, lean_inlined
from topology.prefetch import prefetch


@lean_inlined
def enqueue(s: State, k: int, kind: int, p: int, now: int) -> None:
    """Let packet p wait for link k."""
    links, queues, packets = s.links, s.queues, s.packets
    queue = queue_of(len(links), k, kind)
    packets[p].behind = NONE
    if queues[queue].first == NONE:
        queues[queue].first = p
        links[k].mask |= 1 << kind
    else:
        packets[queues[queue].last].behind = p
    queues[queue].last = p
    queues[queue].waiting += 1
    if len(s.roce) > 0 and s.ends[k] != NONE:
        join(s, queue, p)
    note_waiting(s, k, p, now)


@lean_inlined
def emit(s: State, of: int, kind: int, k: int, now: int) -> None:
    """Make packets for the links of a set in turn, until link k has one.

    The links share packets evenly, so all wait while the one whose turn it is has ``s.depth``
    packets waiting.
    """
    links, queues, senders, transfers = s.links, s.queues, s.senders, s.transfers
    sender, mine = sender_of(of, kind), queue_of(len(links), k, kind)
    while queues[mine].first == NONE:
        i = senders[sender].head
        if i == NONE:
            return
        if s.n[FREE] == 0:  # room is made before the next event
            if senders[sender].stalled != NO_ROOM:
                senders[sender].stalled = NO_ROOM
                later(s, now, sender, sender * 4 + AGAIN)
            return
        if len(s.roce) > 0 and transfers[i].roce and is_blocked(s, i):
            _take_out(s, sender, of, kind, i)
            rest(s, i)
            continue
        entry = transfers[i].entry
        chosen = ahead(s, entry, 0, kind)
        port = own_turn(s, i, chosen)
        if port != k and queues[queue_of(len(links), port, kind)].waiting >= s.depth:
            senders[sender].stalled = port
            return
        deal_own(s, i, entry)
        p = _packet(s, i, kind, chosen, now)
        if len(s.teams) > 0:
            _number_in_team(s, i, p)
        note_made(s, p, i, now)
        enqueue(s, port, kind, p, now)
        if port != k:
            ready_to_send(s, port)
        _had_its_turn(s, sender, of, kind, i, now)


@lean_inlined
def _packet(s: State, i: int, kind: int, chosen: int, now: int) -> int:
    """The next packet of transfer i."""
    packets, transfers = s.packets, s.transfers
    s.n[FREE] -= 1
    p = s.free_packets[s.n[FREE]]
    size = min(np.int64(s.mtu), transfers[i].to_send)
    if len(s.roce) > 0:
        s.labels[p].returning = False
        if transfers[i].roce:
            size = number(s, i, p, now)
    transfers[i].to_send -= size
    packets[p].transfer, packets[p].link = i, NONE
    if s.head > 0:
        s.tails[p] = 0
    packets[p].entry, packets[p].kind = s.entries[chosen].then, kind
    packets[p].size = size
    packets[p].wire = (size + s.header) * transfers[i].stretch
    packets[p].crossing = transfers[i].crossing
    packets[p].cells = (size + s.header + s.cell - 1) // s.cell
    return int(p)


@inner
def _number_in_team(s: State, i: int, p: int) -> None:
    """Packet p is the one that transfer i has sent last: its number, if that is of a team."""
    s.copies[p].of = NONE
    if is_of_team(s, i):
        sent = s.teams[s.members[i].team].size - s.transfers[i].to_send
        s.copies[p].number = (sent - 1) // s.mtu


@lean_inlined
def _had_its_turn(s: State, sender: int, of: int, kind: int, i: int, now: int) -> None:
    """Transfer i, the first in its list, goes to the end of it, or waits for a limit, or out."""
    transfers = s.transfers
    _take_out(s, sender, of, kind, i)
    if len(s.roce) > 0 and transfers[i].roce and transfers[i].to_send == 0:
        rest(s, i)
    if transfers[i].to_send == 0:
        return
    if not is_limited(s, i):
        offer(s, i)
        return
    transfers[i].ready -= 1
    if transfers[i].ready > 0:
        offer(s, i)
    ask(s, i, now)


@lean_inlined
def _take_out(s: State, sender: int, of: int, kind: int, i: int) -> None:
    """Take transfer i, the first in its sender's list, out of it."""
    behind = s.transfers[i].behind
    s.senders[sender].head = behind
    if behind == NONE:
        s.sets[of].mask &= ~(1 << kind)
        return
    if s.senders[sender].ahead == i:
        s.senders[sender].ahead = behind
    prefetch(s.entries, s.transfers[behind].entry)
    after = s.transfers[behind].behind
    if after != NONE:
        prefetch(s.transfers, after)
