"""The one ordering rule: ranks take their rows step by step; rows set out when both are there."""

from fabric.engines.packet.buffers import hear
from fabric.engines.packet.calendar import coming, later, node_of, pop
from fabric.engines.packet.forwarding import arrive, settle
from fabric.engines.packet.in_a_switch import begin_member, got_by_all, leave_team
from fabric.engines.packet.limits import ask, made_by_limit
from fabric.engines.packet.offering import wake_links
from fabric.engines.packet.priority import highest
from fabric.engines.packet.recovery import acknowledged, arrived, free_if_over, ring
from fabric.engines.packet.state import (
    AGAIN,
    ALARM,
    AT,
    CLASSES,
    ENDED,
    FRAMES,
    FREE,
    LAST_TIME,
    MOVING,
    NONE,
    NOW,
    ON_STACK,
    OPENED,
    PENDING,
    ROCE,
    TIMERS,
    TRANSFER,
    UNUSED,
    WIRE,
    Ints,
    State,
    is_of_team,
    queue_of,
    sender_of,
)
from topology.compiled import inner, lean, lean_inlined
from topology.prefetch import prefetch

DONE, ROOM, STUCK, LATE, MORE_FRAMES = range(5)
"""Why `run` has returned: what it was to wait for has happened; packets need more room; packets
wait for one another for ever; an event lies beyond the last time; pause frames need more room."""

_FAR, _NEAR = 8, 4  # events: memory takes about as long as a few of them do


@lean
def list_rows(s: State, slots: Ints) -> None:
    """Put new transfers, in order of steps, at the ends of the lists of their lanes."""
    transfers = s.transfers
    for i in slots:
        _append(s, transfers[i].src, i)
        if transfers[i].dst != transfers[i].src:
            _append(s, transfers[i].dst, i)


@lean
def list_rows_of(s: State, lane: int, slots: Ints) -> None:
    """Put the transfers of one lane, in order of steps, at the end of its list."""
    for i in slots:
        _append(s, lane, i)


@lean_inlined
def _append(s: State, lane: int, i: int) -> None:
    lanes, transfers = s.lanes, s.transfers
    if lanes[lane].head == NONE:
        lanes[lane].head = i
    else:
        last = lanes[lane].tail
        if transfers[last].src == lane:
            transfers[last].next_of_src = i
        else:
            transfers[last].next_of_dst = i
    lanes[lane].tail = i
    if transfers[i].src == lane:
        transfers[i].next_of_src = NONE
    if transfers[i].dst == lane:
        transfers[i].next_of_dst = NONE


@lean
def begin_steps(s: State, lanes: Ints) -> None:
    """Let lanes without open rows begin their next step."""
    for lane in lanes:
        if s.lanes[lane].open == 0:
            _begin_step(s, lane, s.n[NOW])


@inner
def _begin_step(s: State, lane: int, now: int) -> None:
    lanes, transfers = s.lanes, s.transfers
    i = lanes[lane].head
    if i == NONE:
        s.ended[s.n[ENDED]] = lane
        s.n[ENDED] += 1
        return
    step = transfers[i].step
    while i != NONE and transfers[i].step == step:
        lanes[lane].open += 1
        transfers[i].missing -= 1
        if transfers[i].missing == 0:
            start = max(lanes[transfers[i].src].ready, lanes[transfers[i].dst].ready)
            transfers[i].start = start
            _set_out(s, i, start, now)
        at_src = transfers[i].src == lane
        i = transfers[i].next_of_src if at_src else transfers[i].next_of_dst
    lanes[lane].head = i


@lean_inlined
def _set_out(s: State, i: int, start: int, now: int) -> None:
    transfers = s.transfers
    has_packets = transfers[i].entry != NONE and transfers[i].to_send > 0
    if len(s.roce) > 0:
        s.n[MOVING] += 1
    begin = start + (transfers[i].delay if has_packets else transfers[i].latency)
    transfers[i].paced, transfers[i].passed = begin, begin
    transfers[i].granted = 0
    later(s, max(begin, now), transfers[i].order, i * 4 + TRANSFER)


@inner
def _end(s: State, i: int, now: int) -> None:
    """Transfer i has arrived; ranks that are thereby through with their step begin the next."""
    transfers, lanes = s.transfers, s.lanes
    src, dst, home = transfers[i].src, transfers[i].dst, transfers[i].home
    if home != NONE:
        s.start[home], s.finish[home] = transfers[i].start, now
    if is_of_team(s, i):
        leave_team(s, i)
    if len(s.roce) > 0:
        s.n[MOVING] -= 1
    if len(s.roce) > 0 and transfers[i].roce:
        arrived(s, i)
    else:
        s.free_transfers[s.n[UNUSED]] = i
        s.n[UNUSED] += 1
    lanes[src].cost += transfers[i].src_cost
    lanes[dst].cost += transfers[i].dst_cost
    for side in range(2 if src != dst else 1):
        lane = src if side == 0 else dst
        lanes[lane].open -= 1
        if lanes[lane].open == 0:
            lanes[lane].ready = now + lanes[lane].cost
            lanes[lane].cost = 0
            _begin_step(s, lane, now)


@inner
def _timer(s: State, now: int) -> None:
    """Handle the first entry of the heap."""
    transfers = s.transfers
    what = pop(s.heap, s.n)
    of, kind = what >> 2, what & 3
    if kind == TRANSFER:
        if transfers[of].missing != 0:
            made_by_limit(s, of, now)
            if len(s.roce) > 0 and transfers[of].roce:
                free_if_over(s, of)
            return
        transfers[of].missing = NONE  # from now on it is its packets that it waits for
        if transfers[of].entry == NONE or s.to_come[of] == 0:
            _end(s, of, now)
        elif is_of_team(s, of):
            begin_member(s, of, now)
        else:
            ask(s, of, now)
    elif kind == AGAIN:
        s.senders[of].stalled = NONE
        wake_links(s, of // CLASSES)
    elif len(s.roce) > 0 and kind == ROCE:
        if of & 3 == ALARM:
            ring(s, of >> 2, now)
        else:
            hear(s, of >> 2, of & 3, now)
    else:
        _wire(s, of, now)


@lean_inlined
def _wire(s: State, node: int, now: int) -> None:
    """A link is free again, or a packet has arrived."""
    links = s.links
    if node < len(links):
        links[node].waking = False
        links[node].stacked = True
        s.stack[0] = node
        s.n[ON_STACK] = 1
        return
    p = node - len(links)
    if len(s.roce) > 0 and s.labels[p].returning:
        acknowledged(s, p, now)
        return
    if arrive(s, p, now):
        i = s.packets[p].transfer
        if is_of_team(s, i) and got_by_all(s, i):
            _all_get(s, i, s.packets[p].size, now)
            return
        s.to_come[i] -= s.packets[p].size
        if s.to_come[i] == 0:
            _end(s, i, now)


@inner
def _all_get(s: State, i: int, size: int, now: int) -> None:
    """So many bytes have arrived of every transfer of the team of transfer i."""
    m = s.teams[s.members[i].team].first
    while m != NONE:
        following = s.members[m].following
        s.to_come[m] -= size
        if s.to_come[m] == 0:
            _end(s, m, now)
        m = following


@lean_inlined
def _look_ahead(s: State) -> None:
    """Have memory read that events need which come some others later: first what says where."""
    n, links, packets = s.n, len(s.links), s.packets
    if n[AT] + _FAR < n[OPENED]:
        node = node_of(s.opened[n[AT] + _FAR])
        if node < links:
            if s.links[node].mask > 0:
                p = s.queues[queue_of(links, node, highest(s.links[node].mask))].first
                prefetch(packets, p)
                if s.watching:
                    prefetch(s.marks, p)
            _look_down_the_list(s, node)
        elif packets[node - links].entry == NONE:
            prefetch(s.to_come, packets[node - links].transfer)
    if n[AT] + _NEAR < n[OPENED]:
        p = node_of(s.opened[n[AT] + _NEAR]) - links
        if p >= 0 and packets[p].entry != NONE:
            prefetch(s.entries, packets[p].entry)
        elif p >= 0 and s.to_come[packets[p].transfer] == packets[p].size:
            prefetch(s.transfers, packets[p].transfer)


@lean_inlined
def _look_down_the_list(s: State, k: int) -> None:
    """Have one more transfer read of those that wait to send over link k.

    Many of its events need none, and then one needs several.
    """
    if s.links[k].begin == s.links[k].end:
        return
    of, transfers, senders = s.link_sets[s.links[k].begin], s.transfers, s.senders
    if s.sets[of].mask == 0:
        return
    sender = sender_of(of, highest(s.sets[of].mask))
    i = senders[sender].ahead
    if i == NONE:
        i = senders[sender].head
    prefetch(s.entries, transfers[i].entry)
    senders[sender].ahead = transfers[i].behind
    if transfers[i].behind != NONE:
        prefetch(transfers, transfers[i].behind)


@lean
def run(s: State, until: int, stop: bool) -> int:
    """Handle events, at most ``until`` then; returns one of `DONE` ... `LATE`.

    ``stop``: True to return when lanes have ended, after all that happens at that instant.
    """
    n = s.n
    while True:
        if n[FREE] < s.reserve:
            return ROOM
        if len(s.roce) > 0:
            if n[MOVING] == 0:  # what is still under way are answers, for which nobody waits
                return DONE
            if n[FRAMES] + len(s.links) >= s.frames:  # an event makes each link send one at most
                return MORE_FRAMES
        time = coming(s, until)
        if stop and n[ENDED] > 0 and time > n[NOW]:
            return DONE
        if time > until or time >= LAST_TIME:
            break
        n[NOW] = time
        if n[TIMERS] > 0 and s.heap[0].time <= time:
            _timer(s, time)
        else:
            node = node_of(s.opened[n[AT]])
            n[AT] += 1
            _look_ahead(s)
            _wire(s, node, time)
        # Transfers that set out together take turns from their first packet on.
        if n[TIMERS] == 0 or s.heap[0].time > time or s.heap[0].what & 3 == WIRE:
            settle(s, time)
    if time < LAST_TIME:
        return DONE
    if n[TIMERS] > 0 or n[PENDING] > 0 or n[AT] < n[OPENED]:
        return LATE
    return STUCK if n[FREE] < len(s.free_packets) else DONE
