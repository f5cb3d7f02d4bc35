"""A simulation of a machine that changes on the way: run from change to change.

At a change every transfer that has not ended is given the ways that are taken from then on, and
goes on with the bytes that it has left. A transfer of which a way is dead before that is known
stands still, as it has one rate over all of its ways; so does one that has no way left, which is an
error as soon as it would move.
"""

import numpy as np
from numpy.typing import NDArray

from fabric.engines import in_switch
from fabric.engines.account import Account
from fabric.engines.base import Machine
from fabric.engines.changed import (
    ChangedMachine,
    MachineStates,
    StateLoads,
    load_in,
    prepared,
)
from fabric.engines.flow import events
from fabric.engines.flow.in_flight import alike
from fabric.engines.flow.run import Simulation, StreamState
from fabric.engines.paths import carry
from fabric.faults.changes import LinkHistory
from fabric.schedule.step import ScheduleError
from fabric.timeline.faults import Faulted, marks_until
from fabric.timeline.value import Timeline

_Floats = NDArray[np.float64]
_Mask = NDArray[np.bool_]

NEVER = 1e300
"""Seconds: a time that is never reached; what stands still would end at an infinite one."""


class ChangingSimulation(Simulation):
    """A `Simulation` of a machine with changes."""

    def __init__(
        self, machine: Machine, operation: str, ranks: int | None, tolerance: float
    ) -> None:
        built, self._changes = prepared(machine), machine.changes
        self._history = LinkHistory(machine.topology.n_links, machine.changes)
        self._states = MachineStates(built)
        super().__init__(Account(built, operation, ranks), tolerance)
        self._moved = np.zeros(len(built.router.capacity))
        self._stalled: list[_Floats] = []
        self._late: list[_Floats] = []

    def _advance(self, state: StreamState, old: int, more: bool) -> None:
        loaded = self.account.load(state.streams, old)
        self.account.count(state.streams, loaded, old)
        self._stalled.append(np.zeros(len(self.start[-1])))
        self._late.append(np.zeros(len(self.start[-1])))
        self.carried = self._through(state, more)

    def _through(self, state: StreamState, more: bool) -> StreamState | None:
        """Run from change to change; what is left when ranks wait for ``more`` steps."""
        while True:
            self._history.go(self.time)
            machine, until = self._states.of(self._history.states), self._history.next
            idle = self._segment(state, machine, min(until, NEVER), more)
            left = state.status != events.DONE
            if not left.any():
                return None
            state = state.pick(left)
            early = (state.status == events.UNDER_WAY) & (state.start > until)
            state.status[early] = events.WAITING  # to set out after the change, on other ways
            if idle:
                return state
            if until == np.inf:
                raise ScheduleError(f"{left.sum()} transfers never end: no bandwidth is left")
            self.time = until

    def _segment(
        self, state: StreamState, machine: ChangedMachine, until: float, more: bool
    ) -> bool:
        """Run up to the next change; returns True if a rank waits for more steps before that."""
        built, begin = self.account.capacity, self.time
        n, costs = len(machine.router.capacity), self.account.costs
        of_links = machine.paths.usable(machine.paths.share(costs))
        capacity = np.concatenate([of_links, built[n:], [0.0]])
        nowhere, before = len(built), state.left.copy()
        loaded, finish = load_in(machine, state.streams, costs, nowhere), np.zeros(len(state.left))
        window = self._window(state, loaded.loads, finish)
        order = alike(len(state.left))
        flows = self._run(window, state, loaded.loads, more, capacity, order, until)
        moving = state.status == events.IN_FLIGHT
        if flows.load[nowhere] > 0:
            self._raise_cut(state, machine, _loading(loaded, capacity, nowhere) & moving, begin)
        done = state.status == events.DONE
        state.left[done] = 0.0
        self._tell(state, finish, done)
        self._note(state, finish, done)
        self._count_moved(state, loaded, before - state.left)
        self._count_stalled(state, moving & _loading(loaded, capacity), begin)
        return more and bool(window.n[events.IDLE] > 0)

    def _raise_cut(
        self, state: StreamState, machine: ChangedMachine, which: _Mask, begin: float
    ) -> None:
        since = np.maximum(state.arrive, begin)
        first = np.flatnonzero(which)[since[which].argmin()]
        src, dst = int(state.streams.src[first]), int(state.streams.dst[first])
        raise machine.cut(src, dst, float(since[first]))

    def _count_moved(self, state: StreamState, loaded: StateLoads, moved: _Floats) -> None:
        """Add the bytes that went over each resource of the machine."""
        if in_switch.asked(state.streams):
            loads = loaded.loads
            size = np.repeat(moved, np.diff(loads.entries)) * loads.weight
            self._moved += np.bincount(loads.resource, size, len(self._moved))[: len(self._moved)]
            return
        table = loaded.table
        carry(self._moved, loaded.path, moved, table.begin, table.resource, table.weight)

    def _count_stalled(self, state: StreamState, which: _Mask, begin: float) -> None:
        """Note how long those that stood still have done so, and with how many bytes."""
        first = 0
        for stalled, late in zip(self._stalled, self._late, strict=True):
            here = which & (state.home >= first) & (state.home < first + len(stalled))
            at = state.home[here] - first
            stalled[at] += np.maximum(self.time - np.maximum(state.arrive[here], begin), 0.0)
            late[at] = np.maximum(late[at], state.left[here])
            first += len(stalled)

    def timeline(self) -> Timeline:
        """The finished `Timeline`, once every window has run."""
        end = float(self.ready.max(initial=0.0))
        streams = [batch.stream for batch in self.account.batches]
        rows = [stalled[stream] for stalled, stream in zip(self._stalled, streams, strict=True)]
        late = float(sum(one.sum() for one in self._late))
        faulted = Faulted(
            marks_until(self._changes, end), np.concatenate([np.zeros(0), *rows]), late
        )
        found = self.account.timeline(self.start, self.finish, self.ready)
        return found.with_faults(faulted, self._moved)


def _loading(loaded: StateLoads, capacity: _Floats, resource: int | None = None) -> _Mask:
    """Which flows load what carries nothing, or this ``resource``: bool [flows]."""
    loads = loaded.loads
    dead = capacity[loads.resource] == 0 if resource is None else loads.resource == resource
    owner = np.repeat(np.arange(len(loads.entries) - 1), np.diff(loads.entries))
    return np.bincount(owner[dead], minlength=len(loads.entries) - 1) > 0
