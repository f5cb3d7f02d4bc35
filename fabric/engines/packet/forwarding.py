"""How packets move: links send what waits for them, switches pass on, endpoints deal out.

A link sends one packet at a time: what a class is promised, then the highest priority first, those
of one by their weights, and a class in order of arrival; if there is room for it in the buffer at
its end (credits). A packet's room is free again when the next link begins to send it. A switch
passes on what has arrived whole (store and forward), or what begins to arrive (cut-through): then a
link is busy at least until the packet's last byte has come in.
"""

import numpy as np

from fabric.engines.packet.buffers import admit, is_lost, release, send_into
from fabric.engines.packet.calendar import schedule
from fabric.engines.packet.in_a_switch import leaves_room, met
from fabric.engines.packet.offering import ready_to_send
from fabric.engines.packet.priority import highest, least_served, served
from fabric.engines.packet.promises import due, given
from fabric.engines.packet.recovery import lose, receive
from fabric.engines.packet.sending import emit, enqueue
from fabric.engines.packet.spraying import ahead, deal, in_turn
from fabric.engines.packet.state import (
    BEGUN,
    FREE,
    HOPS,
    NONE,
    ON_STACK,
    State,
    credit_of,
    is_of_team,
    queue_of,
    sender_of,
)
from fabric.engines.packet.watching import note_arrived, note_begun
from topology.compiled import inner, lean_inlined
from topology.prefetch import prefetch


@lean_inlined
def settle(s: State, now: int) -> None:
    """Let all links on the stack send what they can."""
    n, stack, links = s.n, s.stack, s.links
    while n[ON_STACK] > 0:
        n[ON_STACK] -= 1
        k = stack[n[ON_STACK]]
        links[k].stacked = False
        _send(s, k, now)


@lean_inlined
def _send(s: State, k: int, now: int) -> None:
    """Link k begins with a packet, if it is free and there is one that may go."""
    links, kinds, sets, link_sets = s.links, s.kinds, s.sets, s.link_sets
    if now < links[k].free:
        if not links[k].waking:
            links[k].waking = True
            schedule(s, k, links[k].free)
        return
    classes = links[k].mask
    for x in range(links[k].begin, links[k].end):
        classes |= sets[link_sets[x]].mask
    if len(s.promises) > 0 and _sent_what_is_due(s, k, classes, now):
        return
    while classes > 0:
        kind = highest(classes)
        alike = kinds[kind].alike & classes
        if alike == 1 << kind:
            chosen = kind if _can_send(s, k, kind, now) else NONE
        else:
            chosen = _by_weight(s, k, alike, now)
        if chosen != NONE:
            _begin(s, k, chosen, now)
            return
        classes ^= alike


@lean_inlined
def _can_send(s: State, k: int, kind: int, now: int) -> bool:
    """Whether link k has a packet of a class, and room for it at its end."""
    queues, queue = s.queues, queue_of(len(s.links), k, kind)
    if len(s.roce) > 0 and s.ports[queue].stopped:
        return False
    if queues[queue].first == NONE:
        for x in range(s.links[k].begin, s.links[k].end):
            emit(s, s.link_sets[x], kind, k, now)
            if queues[queue].first != NONE:
                break
        if queues[queue].first == NONE:
            return False
    room = queues[credit_of(s, k, kind)].credit
    return bool(room >= s.full or room >= s.packets[queues[queue].first].cells)


@inner
def _sent_what_is_due(s: State, k: int, classes: int, now: int) -> bool:
    """Whether one of these classes is due at link k, which begins with a packet of it then.

    Apart from `_send`, as that has to be quick where nothing is promised.
    """
    kind = due(s, k, _able(s, k, classes, now), now)
    if kind == NONE:
        return False
    at, tag, reached = k * len(s.kinds) + kind, 0.0, 0.0
    lead = k * len(s.kinds) + s.kinds[kind].lead
    if len(s.shares) > 0:
        tag, reached = s.shares[at].tag, s.shares[lead].reached
    _begin(s, k, kind, now)
    given(s, at, s.links[k].free - now, (s.mtu + s.header) * s.links[k].per_byte, now)
    if len(s.shares) > 0:  # what is left is shared on top, as if this had not been
        s.shares[at].tag, s.shares[lead].reached = tag, reached
    return True


@inner
def _by_weight(s: State, k: int, alike: int, now: int) -> int:
    """Which class of one priority is to send over link k; `NONE` if none of them can."""
    able = _able(s, k, alike, now)
    return least_served(s, k, able) if able else NONE


@inner
def _able(s: State, k: int, classes: int, now: int) -> int:
    """Those of the classes that have a packet that link k can send."""
    able, kind = 0, 0
    while classes >> kind:
        if classes >> kind & 1 and _can_send(s, k, kind, now):
            able |= 1 << kind
        kind += 1
    return able


@lean_inlined
def _begin(s: State, k: int, kind: int, now: int) -> None:
    """Link k sends the first packet of its queue of a class."""
    links, queues, packets, sets, senders = s.links, s.queues, s.packets, s.sets, s.senders
    queue = queue_of(len(links), k, kind)
    p = queues[queue].first
    behind, came, cells = packets[p].behind, packets[p].link, packets[p].cells
    queues[queue].first = behind
    queues[queue].waiting -= 1
    if behind == NONE:
        links[k].mask &= ~(1 << kind)
    else:
        prefetch(packets, behind)
        if s.watching:
            prefetch(s.marks, behind)
    queues[credit_of(s, k, kind)].credit -= cells
    if came != NONE and (len(s.teams) == 0 or leaves_room(s, p)):
        _give_back(s, came, kind, cells, now)
    if len(s.roce) > 0:
        s.n[BEGUN] += 1
        send_into(s, k, queue, p)
        if s.ends[k] != NONE:
            s.ports[queue].bytes -= packets[p].size + s.header
            if came != NONE:
                release(s, came, p, now)
    packets[p].link = k
    note_begun(s, k, p, now)
    until = now + int(np.ceil(packets[p].wire * links[k].per_byte - 1e-3))
    crosses, passed = int(links[k].latency * packets[p].crossing), until
    if s.head > 0:
        until = max(until, s.tails[p])
        s.tails[p] = until + crosses
        passed = until
        if packets[p].entry != NONE:
            passed = min(until, now + int(np.ceil(s.head * links[k].per_byte - 1e-3)))
    links[k].free = until
    if s.kinds[kind].alike != 1 << kind:
        served(s, k, kind, until - now)
    schedule(s, len(links) + p, passed + crosses)
    more = links[k].mask
    for x in range(links[k].begin, links[k].end):
        of = s.link_sets[x]
        sender = sender_of(of, kind)
        if senders[sender].stalled == k:
            senders[sender].stalled = NONE
            for y in range(sets[of].begin, sets[of].end):
                if s.set_links[y] != k:
                    ready_to_send(s, s.set_links[y])
        more |= sets[of].mask
    if more != 0 and not links[k].waking:
        links[k].waking = True
        schedule(s, k, until)


@lean_inlined
def _give_back(s: State, k: int, kind: int, cells: int, now: int) -> None:
    """A packet has left the buffer at the end of link k."""
    links = s.links
    s.queues[credit_of(s, k, kind)].credit += cells
    if links[k].free <= now and not links[k].waking:
        ready_to_send(s, k)


@lean_inlined
def arrive(s: State, p: int, now: int) -> bool:
    """Packet p is at the end of its link; returns True if that is the end of its path.

    With cut-through it is its head that is there, but at the end of its path all of it.
    """
    links, packets, entries = s.links, s.packets, s.entries
    s.n[HOPS] += 1
    k, entry, kind = packets[p].link, packets[p].entry, packets[p].kind
    if len(s.roce) > 0 and is_lost(s, k, p):
        _give_back(s, k, kind, packets[p].cells, now)
        lose(s, p)
        return False
    if entry == NONE:
        _give_back(s, k, kind, packets[p].cells, now)
        if len(s.roce) > 0 and s.transfers[packets[p].transfer].roce:
            return receive(s, p, now)
        note_arrived(s, p, now)
        s.free_packets[s.n[FREE]] = p
        s.n[FREE] += 1
        return True
    if is_of_team(s, packets[p].transfer):
        p = met(s, p, now)
        if p == NONE:
            return False
        k, entry = packets[p].link, packets[p].entry
    if len(s.roce) > 0 and s.ends[k] != NONE and not admit(s, k, p, now):
        _give_back(s, k, kind, packets[p].cells, now)
        lose(s, p)
        return False
    member = links[k].member
    chosen = ahead(s, entry, member, kind)
    port = in_turn(s, chosen, member, kind)
    deal(s, entry, chosen, member, kind)
    packets[p].entry = entries[chosen].then
    enqueue(s, port, kind, p, now)
    if not links[port].waking:
        ready_to_send(s, port)
    return False
