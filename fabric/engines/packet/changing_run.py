"""A simulation by packets of a machine that changes on the way: run from change to change."""

from collections.abc import Callable
from functools import partial

import numpy as np

from fabric.engines import in_switch
from fabric.engines.account import Account, Loaded
from fabric.engines.base import EngineError, Machine
from fabric.engines.changed import MachineStates, load_in, prepared
from fabric.engines.columns import NO_STREAMS, Streams
from fabric.engines.packet.changing import ChangingNetwork
from fabric.engines.packet.live import PacketState
from fabric.engines.packet.network import Network, network
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.rows import Rows, rows
from fabric.engines.packet.simulation import PacketSimulation
from fabric.engines.packet.state import PICOSECONDS, Ints, Longs
from fabric.engines.packet.teams import NO_CHANGES
from fabric.engines.paths import carry
from fabric.faults.changes import LinkHistory
from fabric.timeline.faults import Faulted, marks_until
from fabric.timeline.value import Timeline


class ChangingPacketSimulation(PacketSimulation):
    """A `PacketSimulation` of a ``machine`` with changes."""

    def __init__(
        self, machine: Machine, operation: str, ranks: int | None, options: PacketOptions
    ) -> None:
        built, self._changes = prepared(machine), machine.changes
        super().__init__(Account(built, operation, ranks), options)
        history, states = (
            LinkHistory(machine.topology.n_links, machine.changes),
            MachineStates(built),
        )
        net = network(states.of(history.states).router, options.roce.planes)
        self._changing = ChangingNetwork(states, net, history, options)
        self._streams, self._table = NO_STREAMS, built.router.table
        self._path = np.zeros(0, np.int32)  # of each stream, in the present state
        self._left = np.zeros(0, np.int64)  # bytes that each had to go when that began
        self._moved = np.zeros(len(built.router.capacity))
        self._stalled, self._late = np.zeros(0), np.zeros(0)

    def _taken(self, streams: Streams, loaded: Loaded) -> tuple[PacketState, Rows]:
        changing, live = self._changing, self._live
        if in_switch.asked(streams):
            raise EngineError(NO_CHANGES)
        if live is None:
            live = self._begin(changing.network)
            self._go(live, 0.0)
        path, rows_in = self._found(streams)
        self._streams = self._streams.then(streams)
        self._path = np.concatenate([self._path, path])
        self._left = np.concatenate([self._left, streams.size.astype(np.int64)])
        for name in ("_stalled", "_late"):
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(len(path))]))
        self._table = changing.now.router.table
        return live, rows_in(changing.learn(live))

    def _found(self, streams: Streams) -> tuple[Ints, Callable[[Network], Rows]]:
        """The paths of ``streams`` in the present state, and what makes rows of them."""
        machine, costs = self._changing.now, self.account.costs
        found = load_in(machine, streams, costs, len(self.account.capacity))
        cut = ~machine.router.connects(machine.places[streams.src], machine.places[streams.dst])

        def rows_in(net: Network) -> Rows:
            return rows(machine, net, self._kinds, streams, found.path, found.loads, costs, cut)

        return found.path, rows_in

    def _go(self, live: PacketState, time: float) -> None:
        self._changing.go(live, time, partial(self._find, live), partial(self._stood, live))

    def _find(self, live: PacketState, slots: Longs) -> Callable[[Network], Rows]:
        self._count_moved(live)
        home = live.state.transfers["home"][slots]
        path, rows_in = self._found(self._streams.pick(home))
        self._path[:] = 0
        self._path[home] = path
        self._table = self._changing.now.router.table
        return rows_in

    def _stood(self, live: PacketState, slots: Longs, waited: Longs) -> None:
        """Note how long transfers had packets at dead links, ps, and with how many bytes."""
        home = live.state.transfers["home"][slots]
        self._stalled[home] += waited / PICOSECONDS
        self._late[home] = np.maximum(self._late[home], live.state.to_come[slots])

    def _count_moved(self, live: PacketState) -> None:
        """Add the bytes that went over each resource since the last change of ways."""
        slots = np.flatnonzero(live.in_use())
        left = np.zeros(len(self._left), np.int64)
        left[live.state.transfers["home"][slots]] = live.state.to_come[slots]
        moved, table = (self._left - left).astype(np.float64), self._table
        carry(self._moved, self._path, moved, table.begin, table.resource, table.weight)
        self._left = left

    def _run(self, live: PacketState, more: bool) -> None:
        changing = self._changing
        while True:
            last = changing.history.next == np.inf
            ended = live.run(changing.stop, stop=more, for_ever=last)
            self._check_cut(live)
            if last or (more and len(ended)) or not live.in_use().any():
                return
            self._go(live, changing.history.next)
            self._check_cut(live)

    def _check_cut(self, live: PacketState) -> None:
        """Raise `RouteError` if there is a transfer between ranks that nothing connects."""
        found = self._changing.cut(live)
        if found is not None:
            stream, since = live.state.transfers["home"][found[0]], found[1]
            src, dst = int(self._streams.src[stream]), int(self._streams.dst[stream])
            raise self._changing.machine().cut(src, dst, since)

    def timeline(self) -> Timeline:
        """The finished `Timeline`, once every batch has run."""
        found = super().timeline()
        if self._live is not None:
            self._count_moved(self._live)
        firsts = np.cumsum([0, *self._sizes])
        rows_of = [
            self._stalled[first + batch.stream]
            for first, batch in zip(firsts[:-1], self.account.batches, strict=True)
        ]
        end, live = float(found.rank_finish.max(initial=0.0)), self._live
        faulted = Faulted(
            marks_until(self._changes, end),
            np.concatenate([np.zeros(0), *rows_of]),
            float(self._late.sum()),
            None if live is None else self._changing.moved(live),
        )
        return found.with_faults(faulted, self._moved)
