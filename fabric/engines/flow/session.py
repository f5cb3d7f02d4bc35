"""`FlowSession`: the flow engine for calls whose ranks enter while others are in flight."""

import math
from itertools import groupby
from operator import itemgetter

import numpy as np

from fabric.engines.base import Ended, EngineError, LinkChange, Machine
from fabric.engines.columns import RankStreams, rank_streams
from fabric.engines.flow.live import Live, PeersHere
from fabric.engines.flow.placed import PlacedMachine
from fabric.engines.shares import Shares
from fabric.schedule.plan import TimedRows

_COMPILED = 8  # transfers of one link: more than there is room for at first, which is grown, too


class FlowSession:
    """The `Session` of the flow engine, for the first ``size`` ranks of ``machine``."""

    def __init__(self, machine: Machine, size: int, tolerance: float) -> None:
        self._placed = PlacedMachine(machine, size)
        self._live = Live(self._placed.capacity, tolerance, self._placed.classes)
        self._shares = Shares(self._placed.share)
        self._entered: list[tuple[int, float, int, RankStreams]] = []
        self._who: list[tuple[int, int]] = []  # call and position of each lane
        self._peers: dict[int, PeersHere] = {}  # by call

    def prepare(self, streams: RankStreams) -> None:
        """Compute what the streams load and cost; raises `RouteError`."""
        self._shares.of(streams)

    def enter(self, call: int, ready: float, streams: RankStreams) -> None:
        """Begin a rank's part of a call; see `Session.enter`."""
        self._entered.append((call, ready, streams.position, streams))

    def change(self, at: float, what: LinkChange) -> None:
        """Always raises `EngineError`: this engine does not model changes."""
        raise EngineError(
            f"the engine flow knows of no changes in time: {len(what.links)} links at {at} s"
        )

    def advance(self, until: float = math.inf) -> list[Ended]:
        """Go on to the next instant at which parts of ranks end; returns those.

        See `Session.advance`.
        """
        if self._entered:
            self._take_in()
        who = self._who
        ended = [Ended(*who[lane], end) for lane, end in self._live.go(until)]
        if self._live.crowded:
            self._forget_ended()
        return ended

    def clear(self) -> None:
        """Forget every call; time begins again at 0."""
        self._live.reset()
        self._entered.clear()
        self._who.clear()
        self._peers.clear()

    def compile(self) -> None:
        """Compile all kernels now, or load them: a call comes and goes, and then all is cleared."""
        step, one = np.arange(_COMPILED), np.ones(_COMPILED, np.int64)
        rows = TimedRows(step, 0 * one, one, one, one, 0 * one)
        for rank in (0, 1):
            self.enter(0, 0.0, rank_streams(rows, (0, 1), rank, ""))
        while self.advance():
            pass
        self._forget_ended()
        self.clear()

    def _take_in(self) -> None:
        """Those that have entered, call by call, in an order that does not depend on theirs."""
        self._entered.sort(key=itemgetter(0, 1, 2))
        for call, some in groupby(self._entered, key=itemgetter(0)):
            _, ready, positions, streams = zip(*some, strict=True)
            if call not in self._peers:
                self._peers[call] = PeersHere(len(streams[0].group))
            shares = [*map(self._shares.of, streams)]
            self._live.add(self._peers[call], positions, shares, ready)
            self._who += [(call, position) for position in positions]
        self._entered.clear()

    def _forget_ended(self) -> None:
        """Forget what has ended: in a program without a pause, nothing else ever would."""
        number = self._live.compact([peers.lane for peers in self._peers.values()])
        self._who = [who for who, n in zip(self._who, number.tolist(), strict=True) if n >= 0]
        going = {call for call, _ in self._who}
        self._peers = {call: peers for call, peers in self._peers.items() if call in going}
