"""One simulation by packets: a schedule's steps in batches, and the timeline of them."""

from dataclasses import replace

import numpy as np

from fabric.engines import in_switch
from fabric.engines.account import Account, Loaded
from fabric.engines.columns import Batch, Streams
from fabric.engines.packet import steps
from fabric.engines.packet.kinds import kinds
from fabric.engines.packet.live import PacketState
from fabric.engines.packet.network import Network, network, ps
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.promises import promised
from fabric.engines.packet.rows import Rows, rows
from fabric.engines.packet.state import LAST_TIME, PICOSECONDS, Ints, State
from fabric.engines.packet.statistics import statistics
from fabric.engines.packet.teams import team_rows, teams_of
from fabric.engines.packet.watcher import Watcher
from fabric.timeline.value import Timeline


class PacketSimulation:
    """One simulation, of the schedule that ``account`` counts."""

    def __init__(self, account: Account, options: PacketOptions) -> None:
        self.account, self._options = account, options
        self._live: PacketState | None = None
        self._kinds = kinds(account.machine.traffic_classes)
        self._net: Network | None = None  # with the paths of the router's ``version``
        self._version = 0
        self._sizes: list[int] = []
        self.watcher: Watcher | None = None

    def batch(self, batch: Batch, more: bool) -> None:
        """Take a batch of steps; ``more``: True if another follows, before which nothing ends."""
        account, streams = self.account, batch.streams
        account.open(batch)
        loaded = account.load(streams)
        account.count(streams, loaded)
        live, mine = self._taken(streams, loaded)
        first = sum(self._sizes)
        self._sizes.append(len(streams))
        live.answer(first + len(streams))
        slots = live.add(mine, streams.src, streams.dst, np.arange(first, first + len(streams)))
        if in_switch.asked(streams):
            self._meet(live, streams, loaded, slots)
        if self.watcher is not None:
            self.watcher.follow(streams)
        steps.list_rows(live.state, slots)
        steps.begin_steps(live.state, np.arange(live.lanes, dtype=np.int32))
        self._run(live, more)
        if self.watcher is not None:
            self.watcher.tell(live)

    def _meet(self, live: PacketState, streams: Streams, loaded: Loaded, slots: Ints) -> None:
        """Let the transfers meet in switches that these are to combine or copy."""
        machine, net = self.account.machine, self._net
        assert net is not None
        found = team_rows(machine, net, streams, loaded.path, machine.paths.of)
        live.add_teams(teams_of(slots, found, streams.step, streams.size.astype(np.int64)))

    def _taken(self, streams: Streams, loaded: Loaded) -> tuple[PacketState, Rows]:
        """The engine's state with the paths of these ``streams``, and rows of these."""
        machine, net, live = self.account.machine, self._net, self._live
        if net is None or self._version != machine.router.version:
            net = network(machine.router, self._options.roce.planes)
            self._version = machine.router.version
        if live is None:
            live = self._begin(net)
        elif net is not self._net:
            live.learn(net)
        self._net = net
        return live, rows(
            machine, net, self._kinds, streams, loaded.path, loaded.loads, self.account.costs
        )

    def _begin(self, net: Network) -> PacketState:
        """The engine's state at the begin of the first batch."""
        account, places = self.account, len(self.account.machine.places)
        owed = promised(account.machine, self._kinds, self._options, account.given)
        live = self._live = PacketState(net, self._kinds, self._options, places, owed)
        ranks = account.given if account.given is not None else places
        live.add_lanes(np.full(ranks, ps(np.array(account.begin))))
        return live

    def _run(self, live: PacketState, more: bool) -> None:
        if self.watcher is None or not self.watcher.run(live, stop=more):
            live.run(LAST_TIME, stop=more)

    @property
    def hops(self) -> int:
        """Packets that have come to the end of a link so far."""
        return 0 if self._live is None else self._live.hops

    @property
    def state(self) -> State | None:
        """The engine's state; None before the first batch."""
        return None if self._live is None else self._live.state

    def timeline(self) -> Timeline:
        """The finished `Timeline`, once every batch has run."""
        live, places = self._live, len(self.account.machine.places)
        if live is None:
            return self.account.timeline([], [], np.zeros(places))
        ends = np.cumsum(self._sizes)[:-1]
        state, n = live.state, sum(self._sizes)
        start, finish = (
            np.split(times[:n] / PICOSECONDS, ends) for times in (state.start, state.finish)
        )
        ready = np.zeros(places)
        ready[: live.lanes] = state.lanes["ready"][: live.lanes] / PICOSECONDS
        timeline = self.account.timeline(start, finish, ready)
        if not self._options.statistics:
            return timeline
        return replace(timeline, packets=statistics(state, self._kinds))
