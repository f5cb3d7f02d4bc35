"""`PacketSession`: the packet engine for calls whose ranks enter while others are in flight."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from fabric.engines.base import Ended, EngineError, LinkChange, Machine
from fabric.engines.columns import RankStreams, rank_streams
from fabric.engines.packet import steps
from fabric.engines.packet.kinds import kinds
from fabric.engines.packet.live import PacketState
from fabric.engines.packet.network import network, ps
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.promises import promised
from fabric.engines.packet.rows import Rows, joined, rows
from fabric.engines.packet.state import LAST_TIME, NONE, PICOSECONDS, Bools, Ints, Longs
from fabric.engines.paths import all_paths, load
from fabric.engines.shares import Shares
from fabric.failure import CallMismatch
from fabric.schedule.plan import TimedRows
from topology.errors import RouteError

_ENDED = -2  # in `_Call.lane`: the rank's part has ended


class _Share(NamedTuple):
    """What one rank brings to a call: its streams as rows.

    ``src``, ``dst``: positions in the group; ``key``: int64, the same at both ends of a stream.
    """

    src: Ints
    dst: Ints
    key: Longs
    rows: Rows


class _Call:
    """The ranks of a call that have entered, and their streams with those that have not.

    ``lane``: int64 [ranks of the group]: the lane of each, `NONE` before it enters, `_ENDED`.
    ``key``, ``slot``: of the streams of which one end has entered; ``to_end``: lanes.
    """

    def __init__(self, ranks: int) -> None:
        self.lane = np.full(ranks, NONE)
        self.key, self.slot = np.zeros(0, np.int64), np.zeros(0, np.int32)
        self.to_end = ranks


class PacketSession:
    """The `Session` of the packet engine, for the first ``size`` ranks of ``machine``."""

    def __init__(self, machine: Machine, size: int, options: PacketOptions) -> None:
        # Statistics are a timeline's, and a session has none.
        self._machine, self._options = machine, replace(options, statistics=False)
        self._path = all_paths(machine.router, machine.places[:size])
        self._bound, self._ways = machine.paths.binding(), machine.paths.ways()
        self._network = network(machine.router, options.roce.planes)
        self._kinds = kinds(machine.traffic_classes)
        self._promises = promised(machine, self._kinds, self._options, size)
        self._shares = Shares(self._share_of)
        self.clear()

    def prepare(self, streams: RankStreams) -> None:
        """Compute what the streams load and cost; raises `RouteError`."""
        self._shares.of(streams)

    def enter(self, call: int, ready: float, streams: RankStreams) -> None:
        """Begin a rank's part of a call; see `Session.enter`."""
        self._entered.append((call, ready, streams.position, streams))

    def change(self, at: float, what: LinkChange) -> None:
        """Always raises `EngineError`: this engine does not model changes."""
        raise EngineError(
            f"the engine packet knows of no changes in time: {len(what.links)} links at {at} s"
        )

    def advance(self, until: float = math.inf) -> list[Ended]:
        """Go on to the next instant at which parts of ranks end; returns those.

        See `Session.advance`.
        """
        if self._entered:
            self._take_in()
        last = min(until * PICOSECONDS + 1e-3, LAST_TIME)
        lanes = self._live.run(int(last), stop=True)
        ready = self._live.state.lanes["ready"][lanes] / PICOSECONDS
        return [
            self._end(lane, time) for lane, time in zip(lanes.tolist(), ready.tolist(), strict=True)
        ]

    def compile(self) -> None:
        """Compile all kernels now, or load them: a call is entered and ends; all is cleared."""
        step, one = np.arange(2), np.ones(2, np.int64)
        for rank in (0, 1):
            rows = TimedRows(step, 0 * one, one, one, one, 0 * one)
            self.enter(0, 0.0, rank_streams(rows, (0, 1), rank, ""))
        with suppress(RouteError):
            while self.advance():
                pass
        self.clear()

    def clear(self) -> None:
        """Forget every call; time begins again at 0."""
        self._live = PacketState(
            self._network, self._kinds, self._options, len(self._machine.places), self._promises
        )
        self._entered: list[tuple[int, float, int, RankStreams]] = []
        self._calls: dict[int, _Call] = {}
        self._who: dict[int, tuple[int, int]] = {}  # call and position of each lane

    def _end(self, lane: int, time: float) -> Ended:
        number, position = self._who.pop(lane)
        call = self._calls[number]
        call.lane[position] = _ENDED
        call.to_end -= 1
        if not call.to_end:
            del self._calls[number]
        self._live.free_lane(lane)
        return Ended(number, position, time)

    def _share_of(self, given: RankStreams) -> _Share:
        ranks, mine, there = np.int64(len(given.group)), given.streams, given.of_world()
        machine, costs = self._machine, self._machine.software.costs(given.operation)
        path = self._path[there.src, there.dst]
        cut = np.flatnonzero(path < 0)[:1]
        if len(cut):
            places = machine.places
            machine.router.paths(places[there.src[cut]], places[there.dst[cut]])  # raises
        loads = load(there, path, self._bound, self._ways, costs)
        made = rows(machine, self._network, self._kinds, there, path, loads, costs)
        pair = (mine.step * ranks + mine.src) * ranks + mine.dst
        key = pair * len(self._kinds) + made.kind
        return _Share(mine.src, mine.dst, key, made)

    def _take_in(self) -> None:
        """Those that have entered, call by call, in an order that does not depend on theirs."""
        self._entered.sort(key=itemgetter(0, 1, 2))
        for number, some in groupby(self._entered, key=itemgetter(0)):
            mine = list(some)
            call = self._calls.setdefault(number, _Call(len(mine[0][3].group)))
            positions = [position for _, _, position, _ in mine]
            lanes = self._live.add_lanes(ps(np.array([ready for _, ready, _, _ in mine])))
            call.lane[positions] = lanes
            self._who |= {
                lane: (number, position)
                for lane, position in zip(lanes.tolist(), positions, strict=True)
            }
            self._join(call, positions, [self._shares.of(streams) for *_, streams in mine])
            steps.begin_steps(self._live.state, lanes)
        self._entered.clear()

    def _join(self, call: _Call, positions: Sequence[int], shares: Sequence[_Share]) -> None:
        """Put the streams of ranks that enter a call together with those of their peers."""
        ends = np.cumsum([0, *(len(share.key) for share in shares)])
        src, dst, key = (
            np.concatenate([getattr(share, name) for share in shares])
            for name in ("src", "dst", "key")
        )
        made = joined([share.rows for share in shares])
        old, new, alone, waiting = _matched(call.key, key, src == dst)
        # ``old``: for each row, which stream that waits is the same; ``new``: which earlier row.
        fresh = np.flatnonzero((old < 0) & (new < 0))
        slot = np.full(len(key), NONE, np.int32)
        at_src, at_dst = call.lane[src[fresh]], call.lane[dst[fresh]]
        slot[fresh] = self._live.add(made.pick(fresh), _lane(at_src), _lane(at_dst))
        slot[old >= 0] = call.slot[old[old >= 0]]
        slot[new >= 0] = slot[new[new >= 0]]
        t = self._live.state.transfers
        met = np.flatnonzero(old >= 0)
        t["src"][slot[met]], t["dst"][slot[met]] = call.lane[src[met]], call.lane[dst[met]]
        self._check(call, positions, ends, src, dst, made, slot, alone, waiting)
        call.key = np.concatenate([call.key[waiting], key[alone]])
        call.slot = np.concatenate([call.slot[waiting], slot[alone]])
        for k, position in enumerate(positions):
            mine = slot[ends[k] : ends[k + 1]]
            steps.list_rows_of(self._live.state, int(call.lane[position]), mine)

    def _check(
        self, call: _Call, positions: Sequence[int], ends: Longs, src: Ints, dst: Ints,
        made: Rows, slot: Ints, alone: Longs, waiting: Longs,
    ) -> None:  # fmt: skip
        """Raise `CallMismatch` if streams are not the same at both of their ends."""
        other = made.to_send != self._live.state.to_come[slot]
        absent = (call.lane[src] == NONE) | (call.lane[dst] == NONE)
        other[alone] |= ~absent[alone]
        bad = np.flatnonzero(other)
        if len(bad):
            i = bad[0]
            who = positions[int(np.searchsorted(ends, i, side="right")) - 1]
            raise CallMismatch(
                f"rank {who} of the group has a transfer of {made.to_send[i]} bytes from {src[i]}"
                f" to {dst[i]}{self._in_class(made.kind[i])} in step {made.step[i]}; the rank at"
                " its other end has not"
            )
        ranks = np.int64(len(call.lane))
        pair = call.key[waiting] // len(self._kinds)
        peers = np.stack([pair // ranks % ranks, pair % ranks])
        lacking = np.flatnonzero((call.lane[peers] != NONE).all(0))
        if len(lacking):
            both = peers[:, lacking[0]].tolist()
            who = next(position for position in positions if position in both)
            raise CallMismatch(f"rank {who} of the group lacks transfers that others have with it")

    def _in_class(self, kind: int) -> str:
        name = self._kinds.names[kind]
        return f" in traffic class {name}" if name else ""


def _lane(lanes: Longs) -> Ints:
    """The lanes as a transfer has them: `NONE` for ranks that are not there."""
    return np.maximum(lanes, NONE).astype(np.int32)


def _matched(waiting: Longs, key: Longs, own: Bools) -> tuple[Longs, Longs, Longs, Longs]:
    """Which rows are the other end of a stream that waits, or of an earlier row.

    Returns both for each row, `NONE` where there is none; the rows without another end that are not
    a rank's ``own``; and the streams that still wait.
    """
    n = len(waiting)
    keys = np.concatenate([waiting, key])
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    first, second = order[same], order[same + 1] - n
    old, new = np.full(len(key), NONE), np.full(len(key), NONE)
    was = first < n
    old[second[was]], new[second[~was]] = first[was], first[~was] - n
    single = np.ones(len(keys), bool)
    single[first], single[second + n] = False, False
    single[n:] &= ~own
    return old, new, np.flatnonzero(single[n:]), np.flatnonzero(single[:n])
