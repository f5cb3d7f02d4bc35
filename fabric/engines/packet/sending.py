"""How endpoints make packets: transfers take turns, within the limits of pairs and initiators."""

import numpy as np

from fabric.engines.packet.calendar import later
from fabric.engines.packet.spraying import ahead, deal_own, own_turn
from fabric.engines.packet.state import (
    AGAIN,
    FREE,
    NO_ROOM,
    NONE,
    ON_STACK,
    TRANSFER,
    State,
    queue_of,
    sender_of,
)
from topology.compiled import lean, lean_inlined


@lean_inlined
def ready_to_send(s: State, k: int) -> None:
    """Note that link k may be able to send something."""
    if not s.links[k].stacked:
        s.links[k].stacked = True
        s.stack[s.n[ON_STACK]] = k
        s.n[ON_STACK] += 1


@lean_inlined
def enqueue(s: State, k: int, kind: int, p: int) -> None:
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
        entry = transfers[i].entry
        chosen = ahead(s, entry, 0)
        port = own_turn(s, i, chosen)
        if port != k and queues[queue_of(len(links), port, kind)].waiting >= s.depth:
            senders[sender].stalled = port
            return
        deal_own(s, i, entry)
        enqueue(s, port, kind, _packet(s, i, kind, chosen))
        if port != k:
            ready_to_send(s, port)
        _had_its_turn(s, sender, of, kind, i, now)


@lean_inlined
def _packet(s: State, i: int, kind: int, chosen: int) -> int:
    """The next packet of transfer i."""
    packets, transfers = s.packets, s.transfers
    s.n[FREE] -= 1
    p = s.free_packets[s.n[FREE]]
    size = min(np.int64(s.mtu), transfers[i].to_send)
    transfers[i].to_send -= size
    packets[p].transfer, packets[p].link = i, NONE
    packets[p].entry, packets[p].kind = s.entries[chosen].then, kind
    packets[p].size = size
    packets[p].wire = (size + s.header) * transfers[i].stretch
    packets[p].crossing = transfers[i].crossing
    packets[p].cells = (size + s.header + s.cell - 1) // s.cell
    return int(p)


@lean_inlined
def _had_its_turn(s: State, sender: int, of: int, kind: int, i: int, now: int) -> None:
    """Transfer i, the first in its list, goes to the end of it, or waits for a limit, or out."""
    senders, transfers = s.senders, s.transfers
    senders[sender].head = transfers[i].behind
    if transfers[i].behind == NONE:
        s.sets[of].mask &= ~(1 << kind)
    if transfers[i].to_send == 0:
        return
    if transfers[i].gap > 0.0 or transfers[i].initiator > 0.0:
        grant(s, i, now)
    else:
        offer(s, i)


@lean_inlined
def offer(s: State, i: int) -> bool:
    """Put transfer i at the end of its sender's list; returns True if that was empty."""
    senders, transfers = s.senders, s.transfers
    kind, of = transfers[i].kind, transfers[i].set
    sender = sender_of(of, kind)
    transfers[i].behind = NONE
    empty = senders[sender].head == NONE
    if empty:
        senders[sender].head = i
        s.sets[of].mask |= 1 << kind
    else:
        transfers[senders[sender].tail].behind = i
    senders[sender].tail = i
    return bool(empty)


@lean_inlined
def wake_links(s: State, of: int) -> None:
    """The links of a set may have something to send."""
    for x in range(s.sets[of].begin, s.sets[of].end):
        k = s.set_links[x]
        if not s.links[k].waking:
            ready_to_send(s, k)


@lean
def grant(s: State, i: int, now: int) -> None:
    """Let transfer i send its next packet as soon as its pair and its initiator may.

    A limit is a machine that must have made a packet whole before it goes.
    """
    transfers = s.transfers
    if transfers[i].gap > 0.0:
        size = min(np.int64(s.mtu), transfers[i].to_send)
        takes = np.int64(np.ceil(size * transfers[i].gap - 1e-3))
        transfers[i].paced = max(transfers[i].paced, now - takes) + takes
        if transfers[i].paced > now:
            transfers[i].granted = 0
            later(s, transfers[i].paced, transfers[i].order, i * 4 + TRANSFER)
            return
    if transfers[i].initiator > 0.0:
        _ask_initiator(s, i, now)
    elif offer(s, i):
        wake_links(s, transfers[i].set)


@lean_inlined
def _ask_initiator(s: State, i: int, now: int) -> None:
    transfers, initiators = s.transfers, s.initiators
    size, rank = min(np.int64(s.mtu), transfers[i].to_send), transfers[i].rank
    takes = np.int64(np.ceil(size * transfers[i].initiator - 1e-3))
    initiators[rank] = max(initiators[rank], now) + takes
    transfers[i].granted = 1
    later(s, initiators[rank], transfers[i].order, i * 4 + TRANSFER)


@lean
def may_send(s: State, i: int, now: int) -> None:
    """The time has come for which transfer i waited."""
    transfers = s.transfers
    if transfers[i].initiator > 0.0 and transfers[i].granted == 0:
        _ask_initiator(s, i, now)
    elif offer(s, i):
        wake_links(s, transfers[i].set)
