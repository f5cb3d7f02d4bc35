"""`PacketSession`: the packet engine for calls whose ranks enter while others are in flight."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise
from operator import itemgetter

import numpy as np

from fabric.engines import in_switch
from fabric.engines.base import Ended, EngineError, LinkChange, Machine
from fabric.engines.changed import ChangedMachine, MachineStates, load_in
from fabric.engines.columns import RankStreams, rank_streams
from fabric.engines.packet import steps
from fabric.engines.packet.calls import ENDED_PART, BroughtRows, MeetingRanks, lanes_of, matched
from fabric.engines.packet.changing import ChangingNetwork
from fabric.engines.packet.kinds import kinds
from fabric.engines.packet.live import PacketState
from fabric.engines.packet.network import Network, network, ps
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.promises import promised
from fabric.engines.packet.rows import NO_ROWS, Rows, joined, rows
from fabric.engines.packet.state import LAST_TIME, NONE, NOW, PICOSECONDS, Ints, Longs
from fabric.engines.packet.teams import NO_CHANGES, team_rows, teams_of
from fabric.engines.paths import load
from fabric.engines.shares import Shares
from fabric.failure import CallMismatch
from fabric.faults.changes import LinkHistory, TimedChange
from fabric.schedule.plan import TimedRows
from topology.errors import RouteError


class PacketSession:
    """The `Session` of the packet engine, for the first ``size`` ranks of ``machine``."""

    def __init__(self, machine: Machine, size: int, options: PacketOptions) -> None:
        # Statistics are a timeline's, and a session has none.
        self._machine, self._options = machine, replace(options, statistics=False)
        self._size, self._states = size, MachineStates(machine)
        self._path = machine.paths.between(size)
        self._bound, self._ways = machine.paths.binding(), machine.paths.ways()
        self._network = network(machine.router, options.roce.planes)
        self._kinds = kinds(machine.traffic_classes)
        self._sorts = len(self._kinds) * (in_switch.KINDS + 1)  # of streams between two ranks
        self._promises = promised(machine, self._kinds, self._options, size)
        self._as_built = Shares(self._share_of)
        self._changing: ChangingNetwork | None = None
        self.clear()

    def prepare(self, streams: RankStreams) -> None:
        """Compute what the streams load and cost; raises `RouteError`."""
        self._as_built.of(streams)

    def enter(self, call: int, ready: float, streams: RankStreams) -> None:
        """Begin a rank's part of a call; see `Session.enter`."""
        self._entered.append((call, ready, streams.position, streams))

    def change(self, at: float, what: LinkChange) -> None:
        """Change links at a time; see `Session.change`."""
        now = float(self._live.state.n[NOW] / PICOSECONDS)
        if not now <= at < math.inf:
            raise EngineError(
                f"a change of {len(what.links)} links at {at} s; it is {now} s already"
            )
        if self._meets:
            raise EngineError(NO_CHANGES)
        if self._changing is None:
            history = LinkHistory(self._machine.topology.n_links)
            self._changing = ChangingNetwork(self._states, self._network, history, self._options)
        self._changing.history.add(TimedChange(at, what))

    def advance(self, until: float = math.inf) -> list[Ended]:
        """Go on to the next instant at which parts of ranks end; returns those.

        See `Session.advance`.
        """
        changing, now = self._changing, self._live.state.n[NOW] / PICOSECONDS
        if changing is not None and changing.history.next <= now:
            self._go(changing, float(now))
        if self._entered:
            self._take_in()
        last = int(min(until * PICOSECONDS + 1e-3, LAST_TIME))
        if changing is None:
            lanes = self._live.run(last, stop=True)
        else:
            lanes = self._through_changes(changing, last)
        ready = self._live.state.lanes["ready"][lanes] / PICOSECONDS
        return [
            self._end(lane, time) for lane, time in zip(lanes.tolist(), ready.tolist(), strict=True)
        ]

    def _through_changes(self, changing: ChangingNetwork, last: int) -> Ints:
        """Go on to the next ends, from change to change; a change that nothing reaches waits."""
        while True:
            stop, following = min(last, changing.stop), changing.history.next
            lanes = self._live.run(stop, stop=True, for_ever=following == math.inf)
            self._check_cut(changing)
            if len(lanes) or stop == last or not self._live.moves:
                return lanes
            self._go(changing, following)
            self._check_cut(changing)

    def _go(self, changing: ChangingNetwork, time: float) -> None:
        changing.go(self._live, time, partial(self._find, changing), lambda slots, waited: None)

    def _find(self, changing: ChangingNetwork, slots: Longs) -> Callable[[Network], Rows]:
        """What makes the rows of transfers under way, on the ways of the present state."""
        machine = changing.now
        machine.paths.between(self._size)

        def rows_in(net: Network) -> Rows:
            self._shares = Shares(partial(self._share_in, machine, net))
            return self._rows_of(slots)

        return rows_in

    def _rows_of(self, slots: Longs) -> Rows:
        """The rows of transfers under way, from what their ranks have brought."""
        t = self._live.state.transfers
        found, parts = [np.zeros(0, np.int32)], [NO_ROWS]
        for lane, (streams, mine) in self._brought.items():
            made = self._shares.of(streams).rows
            here = (t["src"][mine] == lane) | (t["dst"][mine] == lane)
            here &= (t["step"][mine] == made.step) & (t["order"][mine] == made.order)
            which = np.flatnonzero(here)  # a transfer that has ended has given its place away
            found.append(mine[which])
            parts.append(made.pick(which))
        at = np.zeros(len(t), np.int64)
        every = np.concatenate(found)
        at[every] = np.arange(len(every))
        return joined(parts).pick(at[slots])

    def _share_in(self, machine: ChangedMachine, net: Network, given: RankStreams) -> BroughtRows:
        """As `_share_of`, in a state of the machine."""
        there, costs = given.of_world(), machine.software.costs(given.operation)
        src, dst = machine.places[there.src], machine.places[there.dst]
        choice = machine.paths.choice(given.operation)
        found = load_in(machine, there, costs, len(machine.router.capacity), choice)
        cut = ~machine.router.connects(src, dst, choice)
        made = rows(machine, net, self._kinds, there, found.path, found.loads, costs, cut)
        return self._keyed(given, made)

    def _check_cut(self, changing: ChangingNetwork) -> None:
        """Raise `RouteError` if there is a transfer between ranks that nothing connects."""
        found = changing.cut(self._live)
        if found is not None:
            t, places = self._live.state.transfers, len(self._machine.places)
            src = int(t["rank"][found[0]])
            dst = (int(t["order"][found[0]]) // len(self._kinds) // places + src) % places
            operation = self._brought[int(t["src"][found[0]])][0].operation
            raise changing.machine().cut(src, dst, found[1], operation)

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
        self._shares = self._as_built
        self._changing, self._meets = None, False
        self._brought: dict[int, tuple[RankStreams, Ints]] = {}  # by each lane, with the slots
        self._entered: list[tuple[int, float, int, RankStreams]] = []
        self._calls: dict[int, MeetingRanks] = {}
        self._who: dict[int, tuple[int, int]] = {}  # call and position of each lane

    def _end(self, lane: int, time: float) -> Ended:
        number, position = self._who.pop(lane)
        call = self._calls[number]
        call.lane[position] = ENDED_PART
        call.to_end -= 1
        if not call.to_end:
            del self._calls[number]
        self._live.free_lane(lane)
        del self._brought[lane]
        return Ended(number, position, time)

    def _share_of(self, given: RankStreams) -> BroughtRows:
        there = given.of_world()
        machine, costs = self._machine, self._machine.software.costs(given.operation)
        choice = machine.paths.choice(given.operation)
        path = self._path[choice, there.src, there.dst]
        cut = np.flatnonzero(path < 0)[:1]
        if len(cut):
            places = machine.places
            machine.router.paths(places[there.src[cut]], places[there.dst[cut]], choice)  # raises
        loads = load(there, path, self._bound, self._ways, costs)
        made = rows(machine, self._network, self._kinds, there, path, loads, costs)
        share = self._keyed(given, made)
        if not in_switch.asked(there):
            return share
        teams = team_rows(machine, self._network, there, path, partial(self._paths, choice))
        teams.kind[teams.root != given.group[given.position]] = 0  # others know all of theirs
        return share._replace(teams=teams)

    def _paths(self, choice: int, src: Ints, dst: Ints) -> Ints:
        """The paths between ranks over a choice of planes, which have been found."""
        found: Ints = self._path[choice, src, dst]
        return found

    def _keyed(self, given: RankStreams, made: Rows) -> BroughtRows:
        ranks, mine = np.int64(len(given.group)), given.streams
        pair = (mine.step * ranks + mine.src) * ranks + mine.dst
        key = pair * self._sorts + made.kind + len(self._kinds) * mine.trait(in_switch.KIND)
        return BroughtRows(mine.src, mine.dst, key, made)

    def _take_in(self) -> None:
        """Those that have entered, call by call, in an order that does not depend on theirs."""
        self._entered.sort(key=itemgetter(0, 1, 2))
        for number, some in groupby(self._entered, key=itemgetter(0)):
            mine = list(some)
            call = self._calls.setdefault(number, MeetingRanks(len(mine[0][3].group)))
            positions = [position for _, _, position, _ in mine]
            lanes = self._live.add_lanes(ps(np.array([ready for _, ready, _, _ in mine])))
            call.lane[positions] = lanes
            self._who |= {
                lane: (number, position)
                for lane, position in zip(lanes.tolist(), positions, strict=True)
            }
            slots = self._join(call, positions, [self._shares.of(streams) for *_, streams in mine])
            self._brought |= {
                lane: (streams, its)
                for lane, (*_, streams), its in zip(lanes.tolist(), mine, slots, strict=True)
            }
            steps.begin_steps(self._live.state, lanes)
        self._entered.clear()

    def _join(
        self, call: MeetingRanks, positions: Sequence[int], shares: Sequence[BroughtRows]
    ) -> list[Ints]:  # fmt: skip
        """Put the streams of ranks that enter a call together with those of their peers.

        Returns the slots of the transfers of each rank, in order of its streams.
        """
        ends = np.cumsum([0, *(len(share.key) for share in shares)])
        src, dst, key = (
            np.concatenate([getattr(share, name) for share in shares])
            for name in ("src", "dst", "key")
        )
        made = joined([share.rows for share in shares])
        old, new, alone, waiting = matched(call.key, key, src == dst)
        # ``old``: for each row, which stream that waits is the same; ``new``: which earlier row.
        fresh = np.flatnonzero((old < 0) & (new < 0))
        slot = np.full(len(key), NONE, np.int32)
        at_src, at_dst = call.lane[src[fresh]], call.lane[dst[fresh]]
        slot[fresh] = self._live.add(made.pick(fresh), lanes_of(at_src), lanes_of(at_dst))
        slot[old >= 0] = call.slot[old[old >= 0]]
        slot[new >= 0] = slot[new[new >= 0]]
        t = self._live.state.transfers
        met = np.flatnonzero(old >= 0)
        t["src"][slot[met]], t["dst"][slot[met]] = call.lane[src[met]], call.lane[dst[met]]
        self._check(call, positions, ends, src, dst, made, slot, alone, waiting)
        call.key = np.concatenate([call.key[waiting], key[alone]])
        call.slot = np.concatenate([call.slot[waiting], slot[alone]])
        slots = [slot[first:end] for first, end in pairwise(ends.tolist())]
        self._meet(shares, slots)
        for position, mine in zip(positions, slots, strict=True):
            steps.list_rows_of(self._live.state, int(call.lane[position]), mine)
        return slots

    def _meet(self, shares: Sequence[BroughtRows], slots: Sequence[Ints]) -> None:
        """Let transfers meet in switches, of ranks for which these combine data, or copy theirs."""
        for share, mine in zip(shares, slots, strict=True):
            if share.teams is not None:
                if self._changing is not None:
                    raise EngineError(NO_CHANGES)
                self._meets, made = True, share.rows
                self._live.add_teams(teams_of(mine, share.teams, made.step, made.to_send))

    def _check(
        self, call: MeetingRanks, positions: Sequence[int], ends: Longs, src: Ints, dst: Ints,
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
        pair = call.key[waiting] // self._sorts
        peers = np.stack([pair // ranks % ranks, pair % ranks])
        lacking = np.flatnonzero((call.lane[peers] != NONE).all(0))
        if len(lacking):
            both = peers[:, lacking[0]].tolist()
            who = next(position for position in positions if position in both)
            raise CallMismatch(f"rank {who} of the group lacks transfers that others have with it")

    def _in_class(self, kind: int) -> str:
        name = self._kinds.names[kind]
        return f" in traffic class {name}" if name else ""
