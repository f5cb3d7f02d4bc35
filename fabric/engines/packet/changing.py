"""Packets on a machine that changes while they are under way.

What links carry changes at once (`fabric.engines.packet.wires`); which ways are taken follows when
it is known (`fabric.engines.packet.rerouting`).
"""

from collections.abc import Callable

import numpy as np

from fabric.engines.base import EngineError
from fabric.engines.changed import ChangedMachine, MachineStates
from fabric.engines.packet.live import PacketState
from fabric.engines.packet.network import NO_ENTRIES, Network, network, ps
from fabric.engines.packet.options import WHOLE, PacketOptions
from fabric.engines.packet.rerouting import Find, Rerouting
from fabric.engines.packet.state import LAST_TIME, NONE, NOW, PICOSECONDS, Longs
from fabric.engines.packet.wires import PacketLinks, waits
from fabric.faults.changes import LinkHistory
from fabric.timeline.faults import PacketsOnFaults

Stood = Callable[[Longs, Longs], None]
"""Takes transfers that had packets wait for a dead link, and how long, ps."""


class ChangingNetwork:
    """The network of a machine, in its ``states``, whose links change as ``history`` says.

    ``built``: the network of its paths as built. ``now``: the machine in its present state, as far
    as routes know; ``network``: that of its paths. Raises `EngineError` for cut-through.
    """

    def __init__(
        self, states: MachineStates, built: Network, history: LinkHistory, options: PacketOptions
    ) -> None:
        if options.switching != WHOLE:
            raise EngineError(
                f"switching is {options.switching}, which the engine packet does not model where"
                f" links change in time; {WHOLE} it does"
            )
        self.history, self.network, self._roce = history, built, options.roce.planes
        self._states, self._wires = states, PacketLinks(built)
        self.now = self._states.of(history.states)
        self._routed, self._begin = history.states.routed, 0.0
        self._moved = PacketsOnFaults(0, 0, 0, 0)
        self._before, self._version = NO_ENTRIES, self.now.router.version

    def learn(self, live: PacketState) -> Network:
        """The network, with the paths that have been found meanwhile in the present state."""
        if self._version != self.now.router.version:
            self.network = network(self.now.router, self._roce, self._before)
            live.learn(self.network)
            self._version = self.now.router.version
        return self.network

    def go(self, live: PacketState, time: float, find: Find, stood: Stood) -> None:
        """Let all changes happen that are due until ``time``, in seconds.

        ``find``: finds ways in the state `now`, see `Find`.
        """
        if not self.history.go(time):
            return
        at = max(int(ps(np.array(time))), int(live.state.n[NOW]))
        live.state.n[NOW] = at
        states, wires, self._begin = self.history.states, self._wires, time
        back = wires.change(live, states, at)
        known = np.flatnonzero((states.routed == 0) & (self._routed > 0) & (states.share == 0))
        held = np.append(back, known)
        held = held[~self.network.roce[held]]
        if len(held):
            stood(*waits(live.state, held, wires.dead_since, at))
        wires.dead_since[back] = LAST_TIME
        if not np.array_equal(states.routed, self._routed):
            self._routed = states.routed
            self._reroute(live, at, find)

    def _reroute(self, live: PacketState, at: int, find: Find) -> None:
        self.now = self._states.of(self.history.states)
        change = Rerouting(live, self.network, self.now.router, self._routed, at)
        self._before = change.before
        self.network = change.apply(find, self._roce)
        self._version = self.now.router.version
        lost, size, turned, _ = self._moved
        self._moved = PacketsOnFaults(
            lost + change.lost, size + change.lost_bytes, turned + change.turned, 0
        )

    @property
    def stop(self) -> int:
        """The last instant before the next change, ps."""
        following = self.history.next
        if following >= LAST_TIME / PICOSECONDS:
            return LAST_TIME
        return int(ps(np.array(following))) - 1

    def machine(self) -> ChangedMachine:
        """The machine in its present state, with what is broken now."""
        return self._states.of(self.history.states)

    def cut(self, live: PacketState) -> tuple[int, float] | None:
        """A transfer that would move and has no way, and since when (s); the first of those."""
        t = live.state.transfers
        found = (t["set"] == self.network.nowhere) & (t["missing"] == NONE) & (t["to_send"] > 0)
        which = np.flatnonzero(found & live.in_use())
        if not len(which):
            return None
        begin = (t["start"][which] + t["delay"][which]) / PICOSECONDS
        since = np.maximum(begin, self._begin)
        first = int(since.argmin())
        return int(which[first]), float(since[first])

    def moved(self, live: PacketState) -> PacketsOnFaults:
        """What became of packets so far, with those that RoCE lost on links."""
        lost, size, turned, _ = self._moved
        if live.state.roce:
            lost += int(live.state.losses["faulty"].sum())
            size += int(live.state.losses["faulty_bytes"].sum())
        return PacketsOnFaults(lost, size, turned, self._wires.replayed)
