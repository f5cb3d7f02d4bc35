"""What matters to the cost of the worst failure."""

from collections.abc import Sequence

from bench.faults.sweep import Sweep, Sweeper
from bench.faults.workload import Altered
from bench.machine import BenchError
from bench.sensitivity import Effect, Knob, effects_of, exact, knobs
from fabric.fabric import Fabric
from topology.analysis.elements import Element


def effects_of_sweep(sweeper: Sweeper, found: Sweep, cases: Sequence[Element]) -> list[Effect]:
    """How the largest slowdown of a sweep over ``cases`` follows each number, the largest first.

    All failures are timed anew after each change, as another one may then be the worst. Raises
    `BenchError` where the workload runs after none of them.
    """
    if found.worst is None:
        raise BenchError(
            f"--sensitivity is of the worst failure after which the workload runs: of"
            f" {found.count} of kind {found.kind} there is none"
        )
    groups = sweeper.groups(cases)  # whom nobody can tell apart does not depend on the numbers

    def worst(altered: Altered) -> float:
        other = Sweeper(sweeper.machine, sweeper.asked, altered=altered)
        return max(one.slowdown or 0.0 for one in map(other.failure, groups))

    fabric, operation = sweeper.workload.timed_by(sweeper.machine)
    numbers = [_of_every(knob, fabric) for knob in knobs(fabric, (operation,))]
    return effects_of(numbers, exact, worst)


def _of_every(knob: Knob[Fabric], whole: Fabric) -> Knob[Altered]:
    """The number on the fabric of every machine; ``whole``: that of one with nothing broken."""

    def changed(first: Altered, fraction: float) -> Altered | None:
        if knob.changed(whole, fraction) is None:
            return None

        def both(fabric: Fabric) -> Fabric:
            other = knob.changed(first(fabric), fraction)
            assert other is not None  # it could be changed above, by the same software
            return other

        return both

    return knob.changing(changed)
