"""`FlowSession`: the flow engine for calls whose ranks enter while others are in flight."""

import math
from itertools import groupby
from operator import itemgetter

import numpy as np

from fabric.engines.base import Ended, EngineError, LinkChange, Machine
from fabric.engines.changed import KeptByState, MachineStates
from fabric.engines.columns import RankStreams, rank_streams
from fabric.engines.flow.changing import NEVER
from fabric.engines.flow.live import Live, PeersHere
from fabric.engines.flow.placed import PlacedMachine, RankShare
from fabric.engines.shares import Shares
from fabric.faults.changes import LinkHistory, LinkStates, TimedChange
from fabric.schedule.plan import TimedRows

_COMPILED = 8  # transfers of one link: more than there is room for at first, which is grown, too

_State = tuple[PlacedMachine, Shares[RankShare]]


class FlowSession:
    """The `Session` of the flow engine, for the first ``size`` ranks of ``machine``."""

    def __init__(self, machine: Machine, size: int, tolerance: float) -> None:
        self._machine, self._size, self._tolerance = machine, size, tolerance
        placed = PlacedMachine(machine, size)
        self._built = self._now = placed, Shares(placed.share)
        self._live = self._new_live()
        self._entered: list[tuple[int, float, int, RankStreams]] = []
        self._who: list[tuple[int, int]] = []  # call and position of each lane
        self._brought: list[RankStreams] = []  # by each lane
        self._peers: dict[int, PeersHere] = {}  # by call
        self._history = LinkHistory(machine.topology.n_links)
        self._machines = MachineStates(machine)
        self._states = KeptByState(self._placed)

    def _new_live(self) -> Live:
        placed, _ = self._built
        return Live(placed.capacity, self._tolerance, placed.classes, placed.promise)

    def prepare(self, streams: RankStreams) -> None:
        """Compute what the streams load and cost as built; raises `RouteError`."""
        self._built[1].of(streams)

    def enter(self, call: int, ready: float, streams: RankStreams) -> None:
        """Begin a rank's part of a call; see `Session.enter`."""
        self._entered.append((call, ready, streams.position, streams))

    def change(self, at: float, what: LinkChange) -> None:
        """Change links at a time; see `Session.change`."""
        if not self._live.time <= at < math.inf:
            raise EngineError(
                f"a change of {len(what.links)} links at {at} s; it is {self._live.time} s already"
            )
        self._history.add(TimedChange(at, what))

    def advance(self, until: float = math.inf) -> list[Ended]:
        """Go on to the next instant at which parts of ranks end; returns those.

        See `Session.advance`.
        """
        if self._history.next <= self._live.time:
            self._change(self._live.time)
        if self._entered:
            self._take_in()
        if self._history.next < math.inf or self._now is not self._built:
            ended = self._through_changes(until)
        else:
            ended = self._live.go(until)
        who = self._who
        found = [Ended(*who[lane], end) for lane, end in ended]
        if self._live.crowded:
            self._forget_ended()
        return found

    def _through_changes(self, until: float) -> list[tuple[int, float]]:
        """Go on to the next ends, from change to change; a change that nothing reaches waits."""
        while True:
            stop, before = min(until, self._history.next), self._live.time
            ended = self._live.go(min(stop, NEVER))
            self._check_cut()
            if self._live.time >= NEVER:
                self._live.time = before
            if ended or stop == until or not self._live.moves:
                return ended
            self._change(stop)

    def _change(self, at: float) -> None:
        """Let what is due at a time happen to what is in flight."""
        self._history.go(at)
        state = self._states.of(self._history.states)
        if state is self._now:
            return
        self._forget_ended()
        self._now = state
        self._live.change(state[0].capacity, [*map(state[1].of, self._brought)], at)

    def _placed(self, states: LinkStates) -> _State:
        placed = PlacedMachine(self._machines.of(states), self._size)
        return placed, Shares(placed.share)

    def _check_cut(self) -> None:
        """Raise `RouteError` if there is a transfer between two ranks that nothing connects."""
        placed, _ = self._now
        found = self._live.standing(len(placed.capacity) - 1) if placed.changed else None
        if found is not None:
            lanes, since = found[:2], found[2]
            src, dst = (self._brought[lane].group[self._who[lane][1]] for lane in lanes)
            operation = self._brought[lanes[0]].operation
            machine = self._machines.of(self._history.states)
            raise machine.cut(src, dst, max(since, self._history.last), operation)

    def clear(self) -> None:
        """Forget every call and every change; time begins again at 0."""
        if self._now is self._built:
            self._live.reset()
        else:
            self._now, self._live = self._built, self._new_live()
        if self._history:  # else it is as new: the states of all links need not be made again
            self._history = LinkHistory(self._machine.topology.n_links)
        self._entered.clear()
        self._who.clear()
        self._brought.clear()
        self._peers.clear()

    def compile(self) -> None:
        """Compile all kernels now, or load them: a call comes and goes, and then all is cleared."""
        step, one = np.arange(_COMPILED), np.ones(_COMPILED, np.int64)
        rows = TimedRows(step, 0 * one, one, one, one, 0 * one)
        for rank in (0, 1):
            self.enter(0, 0.0, rank_streams(rows, (0, 1), rank, ""))
        if self._machine.changes:
            links = np.arange(self._machine.topology.n_links)
            self.change(0.0, LinkChange(links, 0.5, 1.0))
        while self.advance():
            pass
        self._forget_ended()
        self.clear()

    def _take_in(self) -> None:
        """Those that have entered, call by call, in an order that does not depend on theirs."""
        self._entered.sort(key=itemgetter(0, 1, 2))
        share = self._now[1].of
        for call, some in groupby(self._entered, key=itemgetter(0)):
            _, ready, positions, streams = zip(*some, strict=True)
            if call not in self._peers:
                self._peers[call] = PeersHere(len(streams[0].group))
            self._live.add(self._peers[call], positions, [*map(share, streams)], ready)
            self._who += [(call, position) for position in positions]
            self._brought += streams
        self._entered.clear()

    def _forget_ended(self) -> None:
        """Forget what has ended: in a program without a pause, nothing else ever would."""
        number = self._live.compact([peers.lane for peers in self._peers.values()])
        stay = [*zip(self._who, self._brought, number.tolist(), strict=True)]
        self._who = [who for who, _, n in stay if n >= 0]
        self._brought = [streams for _, streams, n in stay if n >= 0]
        going = {call for call, _ in self._who}
        self._peers = {call: peers for call, peers in self._peers.items() if call in going}
