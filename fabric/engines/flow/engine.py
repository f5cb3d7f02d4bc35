"""`Flow`, the engine in which transfers share links max-min fairly, as fluids do."""

from collections.abc import Iterable
from contextlib import suppress

from fabric.engines import in_switch
from fabric.engines.account import Account
from fabric.engines.base import (
    CHANGES,
    CLASSES,
    CONTENTION,
    GUARANTEES,
    PACKET_HASH,
    EngineError,
    Machine,
    Told,
)
from fabric.engines.columns import windows
from fabric.engines.flow.changing import ChangingSimulation
from fabric.engines.flow.run import Simulation, liberties
from fabric.engines.flow.session import FlowSession
from fabric.engines.flow.uniform.classes import FEWEST_ROWS, timed
from fabric.schedule.step import Step
from fabric.schedule.uniform import UniformSteps
from fabric.timeline.value import Timeline
from topology.arguments import number
from topology.errors import RouteError


class Flow:
    """The `Engine` that gives every transfer its max-min fair rate.

    ``tolerance``: how far durations may be off, as a fraction of them; 0 is exact. Raises
    `EngineError` for one outside 0 to 1, and `ArgumentError` if it is no number.
    """

    models = (
        frozenset({CONTENTION, CLASSES, CHANGES, GUARANTEES, PACKET_HASH})
        | in_switch.MODELS | {in_switch.TREES, in_switch.CHANGING}
    )  # fmt: skip

    def __init__(self, tolerance: float = 1e-3) -> None:
        self.tolerance = number(tolerance, "tolerance")
        if not 0 <= self.tolerance < 1:
            raise EngineError(f"the tolerance is {tolerance}, outside 0 to 1")

    def simulate(
        self, machine: Machine, steps: Iterable[Step], *, operation: str = "",
        ranks: int | None = None,
    ) -> Timeline:  # fmt: skip
        """Simulate a schedule; returns a `Timeline`. See `fabric.engines.base.Engine.simulate`."""
        return self._simulate(machine, steps, operation, ranks)

    def watch(
        self, machine: Machine, steps: Iterable[Step], told: Told, *, operation: str = "",
        ranks: int | None = None,
    ) -> Timeline:  # fmt: skip
        """The same, telling what has ended; see `fabric.engines.base.Watchable`.

        After each window of `fabric.engines.columns.WINDOW_ROWS` rows: shorter ones would be
        another answer, as far as the tolerance lets it.
        """
        return self._simulate(machine, steps, operation, ranks, told)

    def _simulate(
        self, machine: Machine, steps: Iterable[Step], operation: str, ranks: int | None,
        told: Told | None = None,
    ) -> Timeline:  # fmt: skip
        if isinstance(steps, UniformSteps) and steps.is_whole and steps.rows > FEWEST_ROWS:
            answer = timed(machine, steps, operation, ranks, liberties(self.tolerance)[0])
            if answer is not None:
                return self._bounded(answer)
        run = (
            ChangingSimulation(machine, operation, ranks, self.tolerance) if machine.changes
            else Simulation(Account(machine, operation, ranks), self.tolerance)
        )  # fmt: skip
        run.told = told
        for batch, more in windows(steps, len(machine.places), empty=bool(ranks)):
            run.window(batch, more=more)
        return self._bounded(run.timeline())

    def _bounded(self, found: Timeline) -> Timeline:
        """``found``, whose bound is its duration where only the tolerance lets that be less."""
        if found.duration < found.bound <= found.duration * (1 + self.tolerance):
            return found.bounded(found.duration)
        return found

    def compile(self, machine: Machine) -> None:
        """Compile all kernels now, or load them; see `fabric.engines.base.Compiles`."""
        with suppress(RouteError):  # of a machine that is cut in two; ranks are told when they ask
            self.simulate(machine, [Step([0, 1], [1, 0], 1)])
            if len(machine.places) > 2:  # two senders to one: other loops, for transfers that meet
                self.simulate(machine, [Step([0, 2], [1, 1], 1)])
        self.session(machine, 2).compile()

    def session(self, machine: Machine, size: int) -> FlowSession:
        """A new session of the first ``size`` ranks; see `fabric.engines.base.Engine.session`."""
        return FlowSession(machine, size, self.tolerance)
