"""Transfers of RoCE planes: packets have numbers, are acknowledged, and are sent again if lost.

Every packet that arrives is answered; an answer takes the latency of the way and no bandwidth. A
packet's record is that of its answer afterwards. With *selective repeat* the receiver takes packets
in any order and says which has come; with *go-back-N* it takes them in order only, and asks once
for the first that is missing, from which on the sender sends all of them again. A packet is lost,
for a sender that repeats selectively, when more later ones were acknowledged than may overtake it.
Else the sender's alarm rings when nothing was acknowledged for a ``timeout``: then all that is not
acknowledged is taken for lost.
"""

import numpy as np

from fabric.engines.packet.calendar import later, schedule
from fabric.engines.packet.limits import ask
from fabric.engines.packet.offering import offer, wake_links
from fabric.engines.packet.on_roce import on_roce
from fabric.engines.packet.rate_control import note_sent, slow_down
from fabric.engines.packet.state import (
    ALARM,
    ALARMS,
    AT,
    BEGUN,
    FREE,
    NONE,
    OPENED,
    PENDING,
    ROCE,
    TIMERS,
    UNUSED,
    State,
)
from fabric.engines.packet.watching import RESENT, note, note_arrived
from topology.compiled import inner

_GOT, _KEPT, _REPEAT = 1, 2, 4
"""Of a packet in the window: it has arrived; the sender knows; it is to be sent again."""


@on_roce(otherwise=False)
@inner
def is_blocked(s: State, i: int) -> bool:
    """Whether the sender of transfer i may not send any packet now."""
    f = s.flows
    if f[i].done:
        return True
    if f[i].lost > 0:
        return False
    sent_all = np.int64(f[i].next) * s.mtu >= f[i].total
    return bool(sent_all or f[i].next - f[i].first >= s.rules.window)


@on_roce(otherwise=0)
@inner
def number(s: State, i: int, p: int, now: int) -> int:
    """Let packet p be the next one of transfer i; returns its size, bytes."""
    f, kind = s.flows, s.transfers[i].kind
    if f[i].lost > 0:
        x = f[i].first
        while not _has(s, i, x, _REPEAT):
            x += 1
        s.numbers[i * s.rules.window + x % s.rules.window] ^= _REPEAT
        f[i].lost -= 1
        s.losses[kind].resent += 1
        note(s, kind, RESENT)
    else:
        x = f[i].next
        f[i].next += 1
        if x < f[i].top:
            s.losses[kind].resent += 1
            note(s, kind, RESENT)
        else:
            f[i].top = x + 1
    s.labels[p].number = x
    s.labels[p].marked, s.labels[p].returning = False, False
    s.labels[p].refused, s.labels[p].warned, s.labels[p].lost = False, False, False
    f[i].out += 1
    if x == f[i].first:
        f[i].deadline = now + s.rules.timeout
    _arm(s, i)
    size = _size(s, i, x)
    if s.rules.dcqcn:
        note_sent(s, i, size, now)
    return size


@on_roce(otherwise=None)
@inner
def rest(s: State, i: int) -> None:
    """Transfer i is in no list any more, as it has nothing that it may send."""
    s.flows[i].idle = True
    if s.transfers[i].to_send == 0:
        s.transfers[i].ready = 0
    free_if_over(s, i)


@on_roce(otherwise=False)
@inner
def receive(s: State, p: int, now: int) -> bool:
    """Packet p has come to its receiver, who answers; returns True if it takes the packet."""
    f, i, x = s.flows, s.packets[p].transfer, s.labels[p].number
    kind, fresh = s.packets[p].kind, False
    if s.rules.go_back:
        fresh = x == f[i].expected
        if fresh:
            f[i].expected += 1
        elif x > f[i].expected and f[i].asked != f[i].expected:
            f[i].asked = f[i].expected
            s.labels[p].refused = True
    elif x >= f[i].expected and not _has(s, i, x, _GOT):
        fresh = True
        s.numbers[i * s.rules.window + x % s.rules.window] |= _GOT
        while _has(s, i, f[i].expected, _GOT):
            s.numbers[i * s.rules.window + f[i].expected % s.rules.window] ^= _GOT
            f[i].expected += 1
    if fresh:
        note_arrived(s, p, now)
    else:
        s.losses[kind].doubled += 1
    if s.labels[p].marked and s.rules.dcqcn and now - f[i].cnp >= s.rules.cnp:
        f[i].cnp = now
        s.labels[p].warned = True
        s.losses[kind].warned += 1
    s.labels[p].upto, s.labels[p].returning = f[i].expected, True
    schedule(s, len(s.links) + p, now + s.transfers[i].back)
    return fresh


@on_roce(otherwise=None)
@inner
def acknowledged(s: State, p: int, now: int) -> None:
    """The answer to packet p has come to its sender."""
    f, i, label = s.flows, s.packets[p].transfer, s.labels[p]
    x, upto, refused, warned = label.number, label.upto, label.refused, label.warned
    lose(s, p)
    if f[i].done:
        return
    f[i].deadline = now + s.rules.timeout
    if warned:
        slow_down(s, i, now)
    if s.rules.go_back:
        f[i].first = max(f[i].first, upto)
        if refused or f[i].next < f[i].first:
            _go_to(s, i, f[i].first)
    else:
        _note_kept(s, i, x, upto)
        _look_for_lost(s, i, x)
    _go_on(s, i, now)


@on_roce(otherwise=None)
@inner
def lose(s: State, p: int) -> None:
    """Packet p, or the answer to it, is no more."""
    i = s.packets[p].transfer
    s.free_packets[s.n[FREE]] = p
    s.n[FREE] += 1
    s.flows[i].out -= 1
    free_if_over(s, i)


@on_roce(otherwise=None)
@inner
def ring(s: State, i: int, now: int) -> None:
    """The alarm of transfer i rings.

    It is not set again where nothing moves in the whole network, nor will: there all is stuck.
    """
    f, n = s.flows, s.n
    f[i].alarm = False
    n[ALARMS] -= 1
    if f[i].done:
        free_if_over(s, i)
        return
    if now < f[i].deadline:
        _arm(s, i)
        return
    if f[i].first >= f[i].top:
        return
    alone = n[TIMERS] == n[ALARMS] and n[PENDING] == 0 and n[AT] >= n[OPENED]
    if alone and f[i].begun == n[BEGUN]:
        return
    f[i].begun = n[BEGUN]
    f[i].deadline = now + s.rules.timeout
    if s.rules.go_back:
        _go_to(s, i, f[i].first)
    else:
        for x in range(f[i].first, f[i].next):
            _repeat(s, i, x)
    _arm(s, i)
    _go_on(s, i, now)


@on_roce(otherwise=None)
@inner
def arrived(s: State, i: int) -> None:
    """All of transfer i has arrived; its sender will hear of it."""
    s.flows[i].done = True
    s.flows[i].lost = 0
    s.transfers[i].to_send = 0
    if not s.flows[i].idle:
        wake_links(s, s.transfers[i].set)
    free_if_over(s, i)


@on_roce(otherwise=None)
@inner
def free_if_over(s: State, i: int) -> None:
    """Let the place of transfer i be used again if nothing refers to it any more."""
    f = s.flows
    if f[i].done and f[i].idle and f[i].out == 0 and not f[i].alarm and s.transfers[i].asked == 0:
        f[i].idle = False  # so that it is freed once
        s.free_transfers[s.n[UNUSED]] = i
        s.n[UNUSED] += 1


@inner
def _size(s: State, i: int, x: int) -> int:
    return int(min(np.int64(s.mtu), s.flows[i].total - np.int64(x) * s.mtu))


@inner
def _has(s: State, i: int, x: int, what: int) -> bool:
    return bool(s.numbers[i * s.rules.window + x % s.rules.window] & what)


@inner
def _arm(s: State, i: int) -> None:
    """See to it that the alarm of transfer i is set."""
    if not s.flows[i].alarm:
        s.flows[i].alarm = True
        s.n[ALARMS] += 1
        later(s, s.flows[i].deadline, s.transfers[i].order, (i * 4 + ALARM) * 4 + ROCE)


@inner
def _go_to(s: State, i: int, x: int) -> None:
    """Let packet x be the next that transfer i sends, and all behind it."""
    s.flows[i].next = x
    s.transfers[i].to_send = max(s.flows[i].total - np.int64(x) * s.mtu, 0)


@inner
def _note_kept(s: State, i: int, x: int, upto: int) -> None:
    """The receiver has packet x, and all before ``upto``."""
    f = s.flows
    if x >= f[i].first:
        s.numbers[i * s.rules.window + x % s.rules.window] |= _KEPT
        _take_back(s, i, x)
    while f[i].first < upto or (f[i].first < f[i].next and _has(s, i, f[i].first, _KEPT)):
        _take_back(s, i, f[i].first)
        s.numbers[i * s.rules.window + f[i].first % s.rules.window] &= _GOT
        f[i].first += 1


@inner
def _take_back(s: State, i: int, x: int) -> None:
    """Packet x need not be sent again."""
    if _has(s, i, x, _REPEAT):
        s.numbers[i * s.rules.window + x % s.rules.window] ^= _REPEAT
        s.flows[i].lost -= 1
        s.transfers[i].to_send -= _size(s, i, x)


@inner
def _look_for_lost(s: State, i: int, x: int) -> None:
    """Packets that packet x has overtaken by more than may be are lost; each is looked at once."""
    f, may = s.flows, s.rules.reordering
    if may == NONE:
        if not s.transfers[i].ordered:
            return
        may = 0
    for y in range(max(f[i].seen, f[i].first), x - may):
        _repeat(s, i, y)
    f[i].seen = max(f[i].seen, x - may)


@inner
def _repeat(s: State, i: int, x: int) -> None:
    """Packet x is to be sent again, unless it has arrived."""
    if not _has(s, i, x, _KEPT | _REPEAT):
        s.numbers[i * s.rules.window + x % s.rules.window] |= _REPEAT
        s.flows[i].lost += 1
        s.transfers[i].to_send += _size(s, i, x)


@inner
def _go_on(s: State, i: int, now: int) -> None:
    """Let transfer i send again if it could not, and may now."""
    if not s.flows[i].idle or is_blocked(s, i):
        return
    s.flows[i].idle = False
    if s.transfers[i].ready > 0:
        if offer(s, i):
            wake_links(s, s.transfers[i].set)
    elif s.transfers[i].asked == 0:
        ask(s, i, now)
    else:
        s.flows[i].idle = True  # it is offered when its limit has made the packet
