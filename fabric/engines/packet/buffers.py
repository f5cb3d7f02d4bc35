"""Buffers of switches of RoCE planes: what is dropped, paused and marked.

A packet lies in the buffer of a switch from its arrival until its next link begins to send it. All
ports share the buffer. Without PFC a packet is dropped that finds no room in it. With PFC (IEEE
802.1Qbb) each port and class has ``headroom`` beside the shared room, as in the switch of HPCC's
ns-3 (alibaba-edu/High-Precision-Congestion-Control, switch-mmu.cc): what has come over the port and
exceeds its threshold goes there, and the switch asks the port's sender to stop this class until it
has less. What comes before the sender has heard of it must find headroom, or is dropped.

A packet that joins a queue is marked (ECN) by the bytes that wait before it, as by RED: never up to
``low``, always from ``high`` on, in between with a probability that rises to ``most``.

A dead link goes on being sent to, as nobody knows yet, and what is on it is lost.
"""

import numpy as np

from fabric.engines.packet.calendar import push
from fabric.engines.packet.offering import ready_to_send
from fabric.engines.packet.on_roce import on_roce
from fabric.engines.packet.state import (
    COUNTED,
    FRAMES,
    NONE,
    PAUSE,
    RESUME,
    ROCE,
    State,
    queue_of,
)
from fabric.engines.packet.watching import DROPPED, MARKED, PAUSES, note, note_paused
from topology.compiled import inner

_FREE_PARTS = 8  # a port may have an eighth of what is free: HPCC's switch, pfc_a_shift = 3
_FACTOR, _SUMMAND = 6364136223846793005, 1442695040888963407  # of Knuth's MMIX generator
_PARTS = float(1 << 53)


@on_roce(otherwise=True)
@inner
def admit(s: State, k: int, p: int, now: int) -> bool:
    """Put packet p, which has come over link k, into the switch's buffer; False: it is dropped."""
    ports, switch = s.ports, s.ends[k]
    kind = s.packets[p].kind
    port, size = queue_of(len(s.links), k, kind), np.int64(s.packets[p].size + s.header)
    free = s.switches[switch].room - s.switches[switch].used
    if not s.rules.pfc:
        if size > free:
            _drop(s, port, kind)
            return False
        s.switches[switch].used += size
        ports[port].held += size
        return True
    threshold = _threshold(s, switch)
    if ports[port].held + size <= threshold:
        ports[port].held += size
        s.switches[switch].used += size
    elif ports[port].over + size <= ports[port].headroom:
        ports[port].over += size
    else:
        _drop(s, port, kind)
        return False
    if not ports[port].pausing and (ports[port].over > 0 or ports[port].held >= threshold):
        ports[port].pausing = True
        _tell(s, k, port, PAUSE, now)
    return True


@on_roce(otherwise=None)
@inner
def send_into(s: State, k: int, queue: int, p: int) -> None:
    """Link k begins with packet p of a queue: whether a fault takes it on its way."""
    if s.ends[k] == NONE or s.ports[queue].loss == 0.0:
        return
    if s.ports[queue].loss >= 1.0 or _cast(s, queue) < s.ports[queue].loss:
        s.labels[p].lost = True


@on_roce(otherwise=False)
@inner
def is_lost(s: State, k: int, p: int) -> bool:
    """Whether a fault has taken packet p on its way over link k; counts it."""
    if s.ends[k] == NONE or not s.labels[p].lost:
        return False
    kind = s.packets[p].kind
    s.losses[kind].faulty += 1
    s.losses[kind].faulty_bytes += s.packets[p].size
    return True


@on_roce(otherwise=None)
@inner
def release(s: State, k: int, p: int, now: int) -> None:
    """Packet p, which has come over link k, leaves the switch's buffer."""
    ports, switch = s.ports, s.ends[k]
    port, size = queue_of(len(s.links), k, s.packets[p].kind), s.packets[p].size + s.header
    from_over = min(ports[port].over, np.int64(size))
    ports[port].over -= from_over
    ports[port].held -= size - from_over
    s.switches[switch].used -= size - from_over
    if not ports[port].pausing or ports[port].over > 0:
        return
    held = ports[port].held
    if held == 0 or held + s.rules.resume <= _threshold(s, switch):
        ports[port].pausing = False
        _tell(s, k, port, RESUME, now)


@inner
def _threshold(s: State, switch: int) -> int:
    """Bytes that a port of the switch may hold of a class."""
    if s.rules.xoff != NONE:
        return int(s.rules.xoff)
    return int(max(s.switches[switch].room - s.switches[switch].used, 0) // _FREE_PARTS)


@inner
def _tell(s: State, k: int, port: int, what: int, now: int) -> None:
    """Send a frame to the sender of link k: it takes as long as the link's latency."""
    takes = s.links[k].latency + int(np.ceil(s.rules.frame * s.links[k].per_byte - 1e-3))
    s.n[COUNTED] += 1
    s.n[FRAMES] += 1
    push(s.heap, s.n, now + takes, s.n[COUNTED], (port * 4 + what) * 4 + ROCE)


@on_roce(otherwise=None)
@inner
def hear(s: State, port: int, what: int, now: int) -> None:
    """A frame for a queue has arrived at its link's sender."""
    ports, k = s.ports, port % len(s.links)
    s.n[FRAMES] -= 1
    if what == PAUSE:
        ports[port].stopped = True
        ports[port].since = now
        ports[port].pauses += 1
        note(s, port // len(s.links), PAUSES)
        return
    ports[port].stopped = False
    ports[port].paused += now - ports[port].since
    note_paused(s, port // len(s.links), ports[port].since, now)
    if not s.links[k].waking:
        ready_to_send(s, k)


@on_roce(otherwise=None)
@inner
def join(s: State, queue: int, p: int) -> None:
    """Packet p joins the queue of a link, and may be marked if it is at a switch."""
    ports, size = s.ports, s.packets[p].size + s.header
    waits = ports[queue].bytes
    ports[queue].bytes += size
    if s.packets[p].link == NONE or s.labels[p].marked or waits <= ports[queue].low:
        return
    if waits < ports[queue].high:
        part = (waits - ports[queue].low) / (ports[queue].high - ports[queue].low)
        if _cast(s, queue) >= part * s.rules.most:
            return
    s.labels[p].marked = True
    s.losses[s.packets[p].kind].marked += 1
    note(s, s.packets[p].kind, MARKED)


@inner
def _cast(s: State, port: int) -> float:
    """Throw the dice of a port and class: a number from 0 to 1."""
    dice = s.ports[port].dice * _FACTOR + _SUMMAND
    s.ports[port].dice = dice
    return float(((dice >> 11) & ((1 << 53) - 1)) / _PARTS)


@inner
def _drop(s: State, port: int, kind: int) -> None:
    s.ports[port].dropped += 1
    s.losses[kind].dropped += 1
    note(s, kind, DROPPED)
