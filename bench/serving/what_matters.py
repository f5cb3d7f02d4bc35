"""What matters to a step: numbers of the die, of software and of links, each moved by a tenth."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any

from bench.sensitivity import Effect, Knob, effects_of, knobs
from bench.serving.setting import ServedInstance
from fabric.fabric import Fabric

LEAST = 1e-3
"""The fraction of a step from which on a change matters: less is the fabric's tolerance, without
which a dispatch of 320 ranks would take half a minute to time."""

DIE, LOAD = "die", "load"
"""What a number can be of, beside software and links: the accelerator, or its deployment."""

_COUNTED = ("memory_capacity", "tile_rows", "cores")
"""Numbers of a die that hold a step or do not, or are whole: a tenth of them says nothing."""


def effects_of_step(
    own: ServedInstance, operations: tuple[str, ...], time: Callable[[ServedInstance], float]
) -> list[Effect]:
    """How ``time(own)``, in seconds, follows each number behind it, the largest effect first.

    ``operations``: that the fabric times in it; all their regimes count.
    """
    return effects_of(_numbers(own, operations), own, time, LEAST)


def _numbers(own: ServedInstance, operations: tuple[str, ...]) -> Iterator[Knob[ServedInstance]]:
    for knob in knobs(own.fabric, regimes(own.fabric, operations)):
        yield knob.within(attrgetter("fabric"), lambda own, fabric: replace(own, fabric=fabric))
    yield from numbers_of_dies(own)
    yield from numbers_of_load(own)


def regimes(fabric: Fabric, operations: tuple[str, ...]) -> list[str]:
    """The operations with all their regimes, as far as the fabric's software has them."""
    return [
        key for key in fabric.software.by_operation
        if key in operations
        or (key.partition(":")[0] in operations and not key.endswith(":normal"))  # another mode
    ]  # fmt: skip


def numbers_of_dies(own: ServedInstance) -> Iterator[Knob[ServedInstance]]:
    """Iterate over the numbers of an instance's accelerator."""
    for name, number in own.die.sourced().items():
        if name not in _COUNTED and number.value:
            yield Knob(DIE, name, number.value, "", _on_die(name))


def numbers_of_load(own: ServedInstance) -> Iterator[Knob[ServedInstance]]:
    """Iterate over the numbers of how its load is spread: one, where it is drawn and not even."""
    load = own.deployment.imbalance
    if load.value > 1 and own.routing_file is None:
        yield Knob(LOAD, "imbalance", load.value, "", _loaded)


def _on_die(name: str) -> Callable[[ServedInstance, float], ServedInstance | None]:
    def changed(own: ServedInstance, fraction: float) -> ServedInstance | None:
        number = own.die.sourced()[name]
        more = number.value * (1 + fraction)
        if number.value <= 1 < more and name.endswith(("_compute", "_memory")):
            return None  # a fraction of a peak
        other: dict[str, Any] = {name: replace(number, value=more)}
        return replace(own, die=replace(own.die, **other))

    return changed


def _loaded(own: ServedInstance, fraction: float) -> ServedInstance | None:
    load = own.deployment.imbalance
    more = load.value * (1 + fraction)
    if more < 1:
        return None
    return replace(own, deployment=replace(own.deployment, imbalance=replace(load, value=more)))
