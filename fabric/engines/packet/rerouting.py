"""Packets and transfers that take other ways, as routes follow what has changed.

A transfer makes its further packets for the new ways. A packet under way stays on its old one as
far as that lives. Else it goes on from the switch where it is, or where it is about to be, if the
new ways of its transfer lead over this one; and if not, it is lost, and its bytes are sent again by
their source. One that has not left its source is made anew. On planes of RoCE a packet that finds
no way is lost on the link that it is on or waits for: its sender will miss it.
"""

from collections.abc import Callable

import numpy as np

from fabric.engines.base import EngineError
from fabric.engines.packet.live import PacketState
from fabric.engines.packet.network import NO_ENTRIES, Entries, Network, network
from fabric.engines.packet.rescheduling import (
    credit_at,
    on_the_way,
    packets_in_use,
    put_in,
    put_in_transfer,
    queues_of,
    take_back,
    take_out,
    wake,
)
from fabric.engines.packet.rows import Rows
from fabric.engines.packet.state import CLASSES, FREE, HOPS, NONE, Bools, Floats, Ints, Longs
from topology.routing.router import Router

Find = Callable[[Longs], Callable[[Network], Rows]]
"""Finds the ways of transfers, by their slots, from now on; what it returns makes their rows, when
it has the network of these ways."""

_KEPT = ("to_send", "own")
"""Of the columns of `Rows`: what a transfer under way does not take over."""

_OF_CUT = ("entry", "set", "delay")
"""What one takes over that is cut: the rest is as on the way that it had, which may come back."""


class Rerouting:
    """One change of routes, at ``now`` (ps).

    ``old``: the network so far; ``router``: that of the ways from now on; ``routed``: what routes
    know of links, float64 [links]. ``before``: the entries of old ways that are still taken;
    ``lost``, ``lost_bytes``: packets that were lost in switches that are cut off; ``turned``: those
    that a switch sent another way.
    """

    def __init__(
        self, live: PacketState, old: Network, router: Router, routed: Floats, now: int
    ) -> None:
        self._live, self._graph, self._now, self._router = live, old.graph, now, router
        self._dead, self._roce, self._net = routed == 0, old.roce, old
        self.lost = self.lost_bytes = self.turned = 0
        s = live.state
        self._ahead, self._queue = on_the_way(s, now), queues_of(s)
        under_way = packets_in_use(s) & (s.packets["entry"] != NONE)
        under_way &= self._ahead | (self._queue != NONE)
        renumbered = not np.array_equal(old.link_resource, router.link_resource)
        self._lost_way = self._without_way(old, under_way, renumbered)
        kept = np.flatnonzero(under_way & ~self._lost_way)
        self.before, entry = _kept_entries(old.entries, s.packets["entry"][kept])
        s.packets["entry"][kept] = entry

    def _without_way(self, old: Network, under_way: Bools, renumbered: bool) -> Bools:
        """Which packets have a way that leads over a dead link, or one that is named no more."""
        packets = self._live.state.packets
        if renumbered:
            return under_way
        dead = np.zeros(len(old.bundles.first), bool)
        used = old.link_resource >= 0
        dead[old.link_resource[used]] = self._dead[used]
        lost = np.zeros(len(packets), bool)
        p = np.flatnonzero(under_way)
        if not len(p):
            return lost
        lost[p] = _dead_states(old.entries, dead)[packets["entry"][p]]
        return lost

    def apply(self, find: Find, roce: tuple[str, ...]) -> Network:
        """Let transfers and packets take their new ways; returns the network of these.

        ``roce``: the planes of RoCE. Raises `EngineError` for a transfer under way whose new way is
        of a plane that recovers losses as its old one does not.
        """
        s = self._live.state
        slots = np.flatnonzero(self._live.in_use())
        rows_in = find(slots)
        net = self._net = network(self._router, roce, self.before)
        rows = rows_in(net)
        self._check_planes(slots, rows)
        listed = self._listed()
        entry = np.full(len(s.transfers), NONE)
        entry[slots] = np.where(rows.set == net.nowhere, NONE, rows.entry)
        cut = rows.set == net.nowhere
        for name in Rows._fields:
            if name not in _KEPT:
                taken = slots if name in _OF_CUT else slots[~cut]
                given = getattr(rows, name)
                s.transfers[name][taken] = given if name in _OF_CUT else given[~cut]
        self._class_of = _classes(net)
        freed = self._turn_packets(entry)
        self._live.replace_paths(net)
        self._live.set_rates(slots, rows)
        self._list_again(listed)
        for k in sorted(freed):
            wake(self._live.state, k, self._now)
        return net

    def _check_planes(self, slots: Longs, rows: Rows) -> None:
        t = self._live.state.transfers
        other = (t["roce"][slots] != rows.roce) & (t["missing"][slots] == NONE)
        other &= rows.set != self._net.nowhere
        if other.any():
            raise EngineError(
                f"a transfer of rank {rows.rank[other][0]} has to go over to a plane of RoCE, or"
                " from one to another: the engine packet cannot move one that is under way"
            )

    def _turn_packets(self, entry: Longs) -> set[int]:
        """Let packets go on, or be lost; returns links at whose ends there is room again.

        ``entry``: the first entry of each transfer's new way, over slots; `NONE`: it has none.
        """
        s, links = self._live.state, len(self._live.state.links)
        link = np.where(self._queue == NONE, NONE, self._queue % links)
        at_dead = (link != NONE) & self._dead[link] & ~self._roce[link]
        gone, freed = np.zeros(len(s.packets), bool), set[int]()
        where = np.where(link == NONE, s.packets["link"], link)
        for p in np.flatnonzero(self._lost_way | at_dead).tolist():
            way, k = int(entry[s.packets["transfer"][p]]), int(where[p])
            ahead = NONE if at_dead[p] else self._state_at(way, int(self._graph.link_dst[k]), k)
            if ahead != NONE:
                s.packets["entry"][p] = ahead
            elif self._roce[k]:
                s.labels["lost"][p], s.packets["entry"][p] = True, NONE
            else:
                gone[p] = link[p] != NONE
                self._leave(p, way, k, freed)
        for queue in np.unique(self._queue[gone]).tolist():
            take_out(s, queue, gone, self._now)
        return freed

    def _leave(self, p: int, way: int, k: int, freed: set[int]) -> None:
        """Packet p leaves link k, on which it is or for which it waits."""
        s, graph = self._live.state, self._graph
        came, node = int(s.packets["link"][p]), len(s.links) + p
        if self._ahead[p]:
            take_back(s, node)
            self._lose(p, k, freed)
            return
        if came == NONE:
            self._free(p)
            return
        here = self._state_at(way, int(graph.link_src[k]), k)
        if here == NONE:
            self._lose(p, came, freed)
            return
        s.packets["entry"][p] = here
        put_in(s, node, self._now)
        s.n[HOPS] -= 1  # it arrives there a second time
        self.turned += 1

    def _lose(self, p: int, k: int, freed: set[int]) -> None:
        """Packet p, in the buffer at the end of link k, is lost."""
        s = self._live.state
        kind, cells = int(s.packets["kind"][p]), s.packets["cells"][p]
        s.queues["credit"][credit_at(s, k, kind)] += cells
        freed.add(k)
        self.lost += 1
        self.lost_bytes += int(s.packets["size"][p])
        self._free(p)

    def _free(self, p: int) -> None:
        """Let the bytes of packet p be sent by its transfer again."""
        s = self._live.state
        s.transfers["to_send"][s.packets["transfer"][p]] += s.packets["size"][p]
        s.free_packets[s.n[FREE]] = p
        s.n[FREE] += 1

    def _state_at(self, way: int, vertex: int, k: int) -> int:
        """The first entry, of those from ``way`` on, of the state at a vertex on link k's plane."""
        if way == NONE:
            return NONE
        net, plane = self._net, int(self._graph.link_plane[k])
        begin = net.entries.begin
        end = int(begin[np.searchsorted(begin, way, side="right")])
        here = self._class_of[plane, vertex]
        for entry in range(way, end):
            of = net.entries.resource[entry]
            its = self._graph.link_plane[net.bundles.link[net.bundles.first[of]]]
            if its == plane and net.bundles.src[of] == here:
                return entry
        return NONE

    def _listed(self) -> Longs:
        """Transfers that have a packet to send, in the order in which they take turns."""
        s, listed = self._live.state, list[int]()
        behind = s.transfers["behind"]
        for i in s.senders["head"][s.senders["head"] != NONE].tolist():
            while i != NONE:
                listed.append(i)
                i = int(behind[i])
        return np.array(listed, np.int64)

    def _list_again(self, listed: Longs) -> None:
        """Offer packets of transfers to the links that their ways begin with now."""
        s = self._live.state
        t, last = s.transfers, dict[int, int]()
        limited = (t["gap"] > 0) | (t["initiator"] > 0) | (s.kinds["limit"][t["kind"]] > 0)
        has_none = listed[limited[listed] & (t["ready"][listed] == 0)]
        t["ready"][has_none] = 1  # it had no limits to pass before
        for i in listed.tolist():
            of, kind = int(t["set"][i]), int(t["kind"][i])
            sender = of * CLASSES + kind
            if sender in last:
                t["behind"][last[sender]] = i
            else:
                s.senders["head"][sender] = i
                s.sets["mask"][of] |= 1 << kind
            s.senders["tail"][sender] = last[sender] = i
            t["behind"][i] = NONE
        self._ask_again(listed)
        for of in np.flatnonzero(s.sets["mask"]).tolist():
            for k in s.set_links[s.sets["begin"][of] : s.sets["end"][of]].tolist():
                wake(s, k, self._now)

    def _ask_again(self, listed: Longs) -> None:
        """Let transfers that have got bytes back, and were through with sending, go on."""
        t = self._live.state.transfers
        idle = self._live.in_use() & (t["missing"] == NONE) & (t["to_send"] > 0)
        idle &= (t["asked"] == 0) & ~t["roce"] & (t["entry"] != NONE)
        idle[listed] = False
        for i in np.flatnonzero(idle).tolist():
            t["ready"][i] = 0
            put_in_transfer(self._live.state, i, self._now)


def _kept_entries(entries: Entries, entry: Ints) -> tuple[Entries, Ints]:
    """The ways that these path entries are of, and which they are among those."""
    if not len(entry):
        return NO_ENTRIES, entry
    way = np.searchsorted(entries.begin, entry, side="right") - 1
    kept, place = np.unique(way, return_inverse=True)
    first, size = entries.begin[kept], entries.begin[kept + 1] - entries.begin[kept]
    begin = np.concatenate([[0], np.cumsum(size)])
    which = np.repeat(first - begin[:-1], size) + np.arange(begin[-1])
    then = entries.then[which]
    moved = np.repeat(begin[:-1] - first, size)
    then = np.where(then == NONE, NONE, then + moved).astype(np.int32)
    made = Entries(
        begin, entries.resource[which], entries.share[which], entries.more[which], then,
        np.arange(len(which), dtype=np.int32),
    )  # fmt: skip
    return made, (entry - first[place] + begin[place]).astype(np.int32)


def _dead_states(entries: Entries, dead: Bools) -> Bools:
    """Whether a way leads over dead bundles from a state on: bool, over the state's first entry."""
    own = dead[entries.resource]
    starts = np.flatnonzero(np.append(1, entries.more[:-1]) == 1)
    state = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(own))))
    lost = own
    while True:
        of_state: Bools = np.logical_or.reduceat(lost, starts)[state]
        further = own | np.where(entries.then == NONE, False, of_state[entries.then])
        if np.array_equal(further, lost):
            return of_state
        lost = further


def _classes(net: Network) -> Longs:
    """The class of each vertex on each plane, as its lowest vertex: int64 [planes, vertices]."""
    graph, used = net.graph, np.flatnonzero(net.link_resource >= 0)
    found = np.full((len(graph.planes), graph.n_vertices), NONE)
    of = net.bundles.src[net.link_resource[used]]
    found[graph.link_plane[used], graph.link_src[used]] = of
    return found
