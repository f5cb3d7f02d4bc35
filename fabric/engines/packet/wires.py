"""Links that carry less, nothing or more again while packets are on them.

What a link has sent whole when it dies arrives. With credits nothing is lost on it: its sender
begins with the packet that was being sent anew as soon as the link is back (UB's link layer has a
replay buffer). A packet goes on as fast as the link is then. A link that loses packets repeats
them, and so takes longer for each, by the mean. Links of RoCE do not repeat anything: a dead one
goes on being sent to, in vain, as are those that a lossy one loses.
"""

import math

import numpy as np

from fabric.engines.packet.live import PacketState
from fabric.engines.packet.network import Network
from fabric.engines.packet.rescheduling import (
    credit_at,
    note_level,
    on_the_way,
    put_in,
    queues_of,
    take_back,
)
from fabric.engines.packet.state import LAST_TIME, NONE, Bools, Floats, Longs, State
from fabric.faults.changes import LinkStates


class PacketLinks:
    """The links of a network, and what became of what was on them.

    ``share``: what each carries, as in `LinkStates`; ``dead_since``: ps, `LAST_TIME` of those that
    carry; ``replayed``: packets that links have begun with again.
    """

    def __init__(self, network: Network) -> None:
        self._network, n = network, len(network.per_byte)
        self._graph = network.graph
        self.share, self._speed, self._loss = np.ones(n), np.ones(n), np.zeros(n)
        self.dead_since = np.full(n, LAST_TIME)
        self.replayed = 0

    def change(self, live: PacketState, states: LinkStates, now: int) -> Longs:
        """Let links be in these ``states`` from ``now`` (ps) on; returns those that are back."""
        s, roce = live.state, self._network.roce
        speed = np.where(roce, self._of_roce(states), states.share)
        changed = np.flatnonzero((speed != self._speed) | (states.loss != self._loss)
                                 | (states.share != self.share))  # fmt: skip
        ahead = on_the_way(s, now) if len(changed) else np.zeros(0, bool)
        for k in changed.tolist():
            sent = self._being_sent(s, k, ahead, now)
            if roce[k]:
                self._change_roce(s, k, sent, states)
            if speed[k] == self._speed[k]:
                continue
            if speed[k] > 0:
                s.links["per_byte"][k] = self._network.per_byte[k] / speed[k]
            if speed[k] == 0:
                self._dies(s, k, sent, now)
            elif self._speed[k] == 0:
                s.links["free"][k], s.links["waking"][k] = now, True
                put_in(s, k, now)
            elif sent != NONE:
                _goes_on(s, k, sent, self._speed[k] / speed[k], now)
        back: Longs = changed[(self.share[changed] == 0) & (states.share[changed] > 0)]
        dead = (states.share == 0) & (self.dead_since == LAST_TIME)
        self.share, self._speed, self._loss = states.share, speed, states.loss
        self.dead_since[dead] = now
        return back

    def _being_sent(self, s: State, k: int, ahead: Bools, now: int) -> int:
        """The packet that link k is sending, the last that arrives of those on it; or `NONE`."""
        if s.links["free"][k] <= now or self._speed[k] == 0:
            return NONE
        on_it = np.flatnonzero(ahead & (s.packets["link"] == k))
        return int(on_it[s.packets["when"][on_it].argmax()])

    def _of_roce(self, states: LinkStates) -> Floats:
        """What links of RoCE carry: their packets are lost after they were sent."""
        kept = 1 - states.loss
        speed = np.divide(states.share, kept, out=np.ones(len(kept)), where=kept > 0)
        return np.where(states.share > 0, np.where(states.loss > 0, speed, states.share), 1.0)

    def _change_roce(self, s: State, k: int, sent: int, states: LinkStates) -> None:
        loss = 1.0 if states.share[k] == 0 else float(states.loss[k])
        if loss == 1 and sent != NONE:
            s.labels["lost"][sent] = True
        s.ports["loss"].reshape(-1, len(s.links))[:, k] = loss

    def _dies(self, s: State, k: int, sent: int, now: int) -> None:
        """What link k is sending waits for it again, before all others."""
        if s.links["waking"][k]:
            take_back(s, k)
        s.links["free"][k], s.links["waking"][k] = LAST_TIME, True
        if sent != NONE:
            take_back(s, len(s.links) + sent)
            self._waits_again(s, k, sent, now)
            self.replayed += 1

    def _waits_again(self, s: State, k: int, p: int, now: int) -> None:
        """Put packet p at the head of the queue of link k, in whose replay buffer it is.

        It takes the room of some link that leads to this switch, until it has gone.
        """
        kind, cells, came = int(s.packets["kind"][p]), s.packets["cells"][p], self._into(k)
        queue = kind * len(s.links) + k
        s.queues["credit"][credit_at(s, k, kind)] += cells
        if came != NONE:
            s.queues["credit"][credit_at(s, came, kind)] -= cells
        first = s.queues["first"][queue]
        s.packets["link"][p], s.packets["behind"][p] = came, first
        if first == NONE:
            s.queues["last"][queue] = p
        s.queues["first"][queue] = p
        s.queues["waiting"][queue] += 1
        s.links["mask"][k] |= 1 << kind
        note_level(s, queue, p, 1, now)

    def _into(self, k: int) -> int:
        """The first link of the same plane to where link k begins; `NONE` at an endpoint."""
        graph = self._graph
        if graph.link_src[k] < graph.n_endpoints:
            return NONE
        same = (graph.link_dst == graph.link_src[k]) & (graph.link_plane == graph.link_plane[k])
        return int(same.argmax()) if same.any() else NONE


def _goes_on(s: State, k: int, sent: int, slower: float, now: int) -> None:
    """The packet that link k is sending takes ``slower`` times as long for the rest of it."""
    until = int(s.links["free"][k])
    later = now + math.ceil((until - now) * slower - 1e-3)
    s.links["free"][k] = later
    if s.links["waking"][k]:
        take_back(s, k)
        put_in(s, k, later)
    node, arrival = len(s.links) + sent, int(s.packets["when"][sent])
    take_back(s, node)
    put_in(s, node, arrival + later - until)


def waits(s: State, links: Longs, dead_since: Longs, now: int) -> tuple[Longs, Longs]:
    """Transfers with packets that wait for these dead ``links``, and how long one does, ps.

    Each transfer once, with the longest wait, since it was there or the link died.
    """
    queue = queues_of(s)
    link = np.where(queue == NONE, NONE, queue % len(s.links))
    p = np.flatnonzero(np.isin(link, links))
    transfer = s.packets["transfer"][p].astype(np.int64)
    came = s.packets["when"][p]
    made = s.transfers["start"][transfer] + s.transfers["delay"][transfer]
    there = np.where(s.packets["link"][p] == NONE, made, came)
    waited = now - np.maximum(there, dead_since[link[p]])
    of, which = np.unique(transfer, return_inverse=True)
    longest = np.zeros(len(of), np.int64)
    np.maximum.at(longest, which, waited)
    return of, longest
