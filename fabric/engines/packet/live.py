"""The state of the packet engine as it grows: memory, and what goes into it and comes out of it."""

from collections.abc import Sequence

import numpy as np

from fabric.engines.base import EngineError
from fabric.engines.columns import WINDOW_ROWS
from fabric.engines.packet import steps
from fabric.engines.packet.at_rest import BUCKETS, RESERVE, at_rest, records, undealt
from fabric.engines.packet.calendar import BLOCK
from fabric.engines.packet.kinds import PacketKinds
from fabric.engines.packet.network import Network
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.roce import begin_flows, first_rates
from fabric.engines.packet.rows import Rows
from fabric.engines.packet.state import (
    BLOCKS,
    CLASSES,
    ENDED,
    FREE,
    HOPS,
    LAST_TIME,
    NONE,
    OPENED,
    PICOSECONDS,
    TIMERS,
    UNUSED,
    Bools,
    Ints,
    Longs,
    Records,
)
from fabric.engines.packet.teams import Team, check_switches, parts_of, write_team
from fabric.engines.packet.waits import stuck
from fabric.engines.room import longer, roomier

_FIRST_ROOM = 1 << 10  # packets that there is room for at first
_AT_ONCE = 1 << 11  # transfers whose records stay in a cache while all fields are written


class PacketState:
    """The engine's state on a machine with ``places`` ranks; times are in ps.

    ``promises``: of `fabric.engines.packet.promises.promised`, None: nothing is promised.
    ``lanes``: how many numbers of lanes are in use or were.
    """

    def __init__(
        self, network: Network, kinds: PacketKinds, options: PacketOptions, places: int,
        promises: Records | None = None,
    ) -> None:  # fmt: skip
        self.lanes = 0
        self._graph, self._kinds, self._places = network.graph, kinds, places
        self._seed, self._link_resource = options.seed, network.link_resource
        self._free_lanes: list[int] = []
        self.state = at_rest(network, kinds, options, places, promises)
        self.learn(network)
        self._more_packets(_FIRST_ROOM)

    @property
    def hops(self) -> int:
        """Packets that have come to the end of a link so far."""
        return int(self.state.n[HOPS])

    def learn(self, network: Network) -> None:
        """Take over the paths that have been found meanwhile.

        Raises `EngineError` where paths found before are not kept: transfers under way are on them.
        """
        before = self.state.entries["resource"]
        if not np.array_equal(network.entries.resource[: len(before)], before):
            raise EngineError(
                "the engine packet takes a schedule of one window of steps where paths are not"
                f" kept, on machines of very many endpoints; this one is longer than {WINDOW_ROWS}"
                " transfers"
            )
        self._take_paths(network)

    def replace_paths(self, network: Network) -> None:
        """Take over other paths than before; nothing is offered to the links that they begin with.

        And other bundles of links, where the network has such.
        """
        s = self.state
        self.state = s._replace(
            sets=records(0, "sets"), senders=records(0, "senders", head=NONE),
        )  # fmt: skip
        if not np.array_equal(network.link_resource, self._link_resource):
            self._link_resource = network.link_resource
            self.state = self.state._replace(**undealt(network, len(self._kinds), self._seed))
            s.links["member"] = network.bundles.member
        self._take_paths(network)

    def _take_paths(self, network: Network) -> None:
        s, sets, entries = self.state, len(network.set_begin) - 1, network.entries
        then = np.where(entries.then == NONE, NONE, entries.same[entries.then])
        of_set = longer(s.sets, sets)
        of_set["begin"], of_set["end"] = network.set_begin[:-1], network.set_begin[1:]
        begin, link_sets = _sets_of_links(network)
        s.links["begin"], s.links["end"] = begin[:-1], begin[1:]
        self.state = s._replace(
            entries=records(len(entries.more), resource=entries.resource, share=entries.share,
                             more=entries.more, then=then),
            senders=longer(s.senders, sets * CLASSES, NONE), sets=of_set,
            set_links=network.set_link, link_sets=link_sets,
        )  # fmt: skip
        self._first_rate = first_rates(network) if s.roce else np.zeros(0)
        self._more_timers()

    def add_lanes(self, ready: Longs) -> Ints:
        """New lanes, which are ``ready`` (ps) for their first steps; returns their numbers."""
        again = min(len(self._free_lanes), len(ready))
        old = [self._free_lanes.pop() for _ in range(again)]
        first, self.lanes = self.lanes, self.lanes + len(ready) - again
        new = np.array([*old, *range(first, self.lanes)], np.int32)
        s = self.state
        if self.lanes > len(s.ended):
            n = 2 * self.lanes
            self.state = s._replace(lanes=longer(s.lanes, n), ended=longer(s.ended, n))
        lanes = self.state.lanes
        lanes["head"][new], lanes["open"][new], lanes["cost"][new] = NONE, 0, 0
        lanes["ready"][new] = ready
        return new

    def free_lane(self, lane: int) -> None:
        """Let the number of a lane that has ended be used again."""
        self._free_lanes.append(lane)

    def add(self, rows: Rows, src: Ints, dst: Ints, home: Longs | None = None) -> Ints:
        """New transfers between the lanes ``src`` and ``dst``; returns their slots.

        ``home``: the place of each in the answers, None: nobody asks.
        """
        slots = self._slots(len(src))
        t = self.state.transfers
        for first in range(0, len(src), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            for name in Rows._fields[:-1]:
                t[name][slots[part]] = getattr(rows, name)[part]
        self.state.to_come[slots] = rows.to_send
        t["src"][slots], t["dst"][slots] = src, dst
        t["turn"][slots] = NONE
        t["ready"][slots], t["asked"][slots] = 0, 0
        t["home"][slots] = NONE if home is None else home
        if self.state.watching:
            self.state.sent["made"][slots], self.state.sent["latest"][slots] = 0, NONE
        t["missing"][slots] = np.where(rows.own, 1, 2)
        if self.state.roce:
            line = rows.stretch / self._first_rate[rows.set]
            begin_flows(self.state, slots, rows.to_send, line)
        return slots

    def add_teams(self, teams: Sequence[Team]) -> None:
        """Let transfers that there are meet in switches; none of them has set out."""
        if not teams:
            return
        for one in teams:
            check_switches(self.state, self._graph, one)
        roots = self._slots(sum(one.has_root for one in teams)).tolist()[::-1]
        counts = parts_of(teams, self.state.mtu)
        first = self._room_for_teams(len(teams), int(counts.sum()), teams)
        free = np.flatnonzero(self.state.teams["left"] == 0).tolist()
        for one, number, at in zip(teams, free, (first + np.cumsum(counts) - counts).tolist(),
                                   strict=False):  # fmt: skip
            root = roots.pop() if one.has_root else NONE
            write_team(self.state, number, one, root, at, self._places, len(self._kinds))

    def _room_for_teams(self, more: int, parts: int, teams: Sequence[Team]) -> int:
        """Make room for so many more teams, and parts of them; returns where the parts begin."""
        s = self.state
        there = np.flatnonzero(s.teams["left"] > 0)
        have = s.teams["parts"][there].astype(np.int64)
        size = np.where(s.teams["joins"][there], -(-s.teams["size"][there] // s.mtu), 0)
        end = int((have + size).max(initial=0))
        if end + parts > len(s.parts):  # those of teams that are no more are left out
            kept = records(2 * (int(size.sum()) + parts), "parts")
            end = int(size.sum())
            at = np.cumsum(size) - size
            for number, old, new, n in zip(there, have, at, size, strict=True):
                kept[new : new + n] = s.parts[old : old + n]
                s.teams["parts"][number] = new
            s = s._replace(parts=kept)
        s.parts["came"][end : end + parts] = 0
        most = max(len(one.slots) + 1 for one in teams)
        self.state = s._replace(
            teams=longer(s.teams, 2 * (len(there) + more)),
            members=longer(s.members, len(s.transfers), NONE),
            copies=longer(s.copies, len(s.packets), NONE),
            reserve=max(s.reserve, RESERVE + most),
        )
        return end

    def in_use(self) -> Bools:
        """Which transfers there are that have not ended: bool, over all that there is room for."""
        used = np.ones(len(self.state.transfers), bool)
        used[self.state.free_transfers[: self.state.n[UNUSED]]] = False
        if self.state.roce:
            used &= ~self.state.flows["done"]
        return used

    @property
    def moves(self) -> bool:
        """Whether any transfer has set out and not ended."""
        return bool((self.state.transfers["missing"][self.in_use()] <= 0).any())

    def set_rates(self, slots: Longs, rows: Rows) -> None:
        """Let transfers of RoCE go on with their rates on other ways, whose ``rows`` they have."""
        if not self.state.roce:
            return
        flows, line = self.state.flows, rows.stretch / self._first_rate[rows.set]
        flows["line"][slots], flows["own"][slots] = line, rows.gap
        held = flows["rate"][slots] < 1
        slowest = np.maximum(rows.gap, line / flows["rate"][slots])
        self.state.transfers["gap"][slots[held]] = slowest[held]

    def answer(self, n: int) -> None:
        """Make room for the answers of ``n`` transfers."""
        s = self.state
        self.state = s._replace(start=longer(s.start, n), finish=longer(s.finish, n))

    def run(
        self, until: int = LAST_TIME, stop: bool = False, *, for_ever: bool = True
    ) -> Ints:  # fmt: skip
        """Go on until ``until``, or with ``stop`` until a lane comes to the end of its rows.

        Returns the lanes that did. Raises `EngineError` where packets wait for one another
        ``for_ever``, and for times beyond what picoseconds can count.
        """
        while (why := steps.run(self.state, until, stop)) in (steps.ROOM, steps.MORE_FRAMES):
            if why == steps.ROOM:
                self._more_packets(len(self.state.packets))
            else:
                self.state = self.state._replace(frames=2 * self.state.frames)
                self._more_timers()
        s = self.state
        if why == steps.STUCK and for_ever:
            raise stuck(s, self._kinds, self._graph, self._places)
        if why == steps.LATE:
            raise EngineError(
                f"something happens later than {LAST_TIME / PICOSECONDS:.0f} s, which the engine"
                " packet cannot count in picoseconds: a link or a limit is too slow for it"
            )
        ended = s.ended[: s.n[ENDED]].copy()
        s.n[ENDED] = 0
        return ended

    def _slots(self, n: int) -> Ints:
        if n > self.state.n[UNUSED]:
            self._more_transfers(n)
        s = self.state
        s.n[UNUSED] -= n
        first = int(s.n[UNUSED])
        return s.free_transfers[first : first + n][::-1].copy()

    def _more_transfers(self, n: int) -> None:
        s, have = self.state, len(self.state.transfers)
        more = max(n, have)
        self.state = s._replace(
            transfers=longer(s.transfers, have + more),
            to_come=longer(s.to_come, have + more),
            sent=longer(s.sent, have + more if s.watching else 0),
            flows=longer(s.flows, have + more if s.roce else 0),
            members=longer(s.members, have + more if len(s.teams) else 0, NONE),
            numbers=longer(s.numbers, (have + more) * s.rules.window if s.roce else 0),
            free_transfers=_freed(s.free_transfers, int(s.n[UNUSED]), have, more),
        )
        s.n[UNUSED] += more
        self._more_timers()

    def _more_packets(self, more: int) -> None:
        s, have = self.state, len(self.state.packets)
        events = len(s.links) + have + more  # one of each at most
        blocks = events // (BLOCK - 1) + min(events, BUCKETS) + 1  # those that are not full
        self.state = s._replace(
            packets=longer(s.packets, have + more),
            tails=longer(s.tails, have + more if s.head else 0),
            marks=longer(s.marks, have + more if s.watching else 0),
            labels=longer(s.labels, have + more if s.roce else 0),
            copies=longer(s.copies, have + more if len(s.teams) else 0, NONE),
            free_packets=_freed(s.free_packets, int(s.n[FREE]), have, more),
            events=roomier(s.events, blocks * BLOCK, int(s.n[BLOCKS]) * BLOCK),
            opened=roomier(s.opened, events, int(s.n[OPENED])), spare=roomier(s.spare, events, 0),
        )  # fmt: skip
        s.n[FREE] += more
        self._more_timers()

    def _more_timers(self) -> None:
        """Room in the heap for every link, packet, transfer, sender, alarm and pause frame."""
        s = self.state
        n = len(s.links) + len(s.packets) + len(s.transfers) + len(s.senders) + len(s.flows)
        self.state = s._replace(heap=roomier(s.heap, n + s.frames, int(s.n[TIMERS])))


def _sets_of_links(network: Network) -> tuple[Longs, Ints]:
    """The sets that each link is in: link k is in ``of[begin[k]:begin[k + 1]]``."""
    sizes = np.diff(network.set_begin)
    of = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    begins = np.isin(of, network.set)
    link, of = network.set_link[begins], of[begins]
    order = np.argsort(link, kind="stable")
    return np.searchsorted(link[order], np.arange(len(network.per_byte) + 1)), of[order]


def _freed(free: Ints, unused: int, have: int, more: int) -> Ints:
    """The free numbers, of ``have`` so far, and ``more`` of them; the lowest are taken first."""
    new = np.arange(have + more - 1, have - 1, -1, dtype=np.int32)
    return np.concatenate([new, free[:unused], np.zeros(have - unused, np.int32)])
