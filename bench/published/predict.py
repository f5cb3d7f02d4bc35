"""What the model says of a published row: simulated, in the row's own unit."""

from dataclasses import dataclass, replace

from bench.published.apart import apart
from bench.published.case import NotModelledError, PublishedCase, machine_of, workload
from bench.published.rows import PublishedRow
from collectives.algorithms.offload import lacking
from fabric.endpoint.costs import Endpoint
from fabric.endpoint.presets import preset
from fabric.endpoint.records import record_of
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from fabric.timeline.value import Timeline
from topology.errors import TriplaneError
from topology.units import BANDWIDTHS, TIMES


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of a row: ``value`` in the row's unit, or None and the ``reason``.

    ``aside``: what it says of a row that is not of the question that its columns ask
    (`bench.published.apart`), and has no ``value``.

    ``endpoint``, ``case``, ``machine``: what was simulated, by which software, on which machine,
    and ``time``: seconds that it took; None where nothing was.
    """

    row: PublishedRow
    value: float | None
    reason: str | None = None
    endpoint: Endpoint | None = None
    case: PublishedCase | None = None
    machine: MachineSpec | None = None
    time: float | None = None
    aside: float | None = None

    @property
    def error_percent(self) -> float | None:
        """The signed error in percent of the published value; None if either value is missing."""
        return self._off(self.value)

    @property
    def apart_percent(self) -> float | None:
        """By how many percent ``aside`` is above the published value; None if there is none."""
        return self._off(self.aside)

    def _off(self, value: float | None) -> float | None:
        if value is None or self.row.value is None:
            return None
        return 100 * (value - self.row.value) / self.row.value


def predict(row: PublishedRow, engine: str = "flow") -> Prediction:
    """The prediction of a row by its stack's preset.

    Errors of the row become the prediction's ``reason``, without a value.
    """
    try:
        endpoint = endpoint_of(row)
        case = workload(row, endpoint)
        _scale(row)
        time = duration(fabric_of(case, endpoint, engine), case)
        machine = machine_of(row, case, endpoint, engine)
        value = in_unit(row, case, time)
        found = Prediction(row, value, None, endpoint, case, machine, time)
        return _set_aside(found, why) if (why := apart(row.id)) else found
    except TriplaneError as error:
        return Prediction(row, None, str(error))


def _set_aside(found: Prediction, why: str) -> Prediction:
    """``found`` without a value, for a row that measured something else than its columns ask."""
    said = f"the model, asked as the row has it, says {found.value:.4g} {found.row.unit}"
    off = f" ({found.error_percent:+.0f}%)"
    return replace(found, value=None, reason=f"{why}; {said}{off}", aside=found.value)


def endpoint_of(row: PublishedRow) -> Endpoint:
    """The software stack that times a row; raises `EndpointError`, `NotModelledError`."""
    if row.problem:
        raise NotModelledError(row.problem)
    stack = record_of(row.software)
    if stack.not_modelled:
        raise NotModelledError(stack.not_modelled)
    asked = (row.op, row.mode, row.system)
    instead = next((stack.stand_ins[one] for one in asked if one in stack.stand_ins), None)
    return preset(instead or row.software)


def in_unit(row: PublishedRow, task: PublishedCase, time: float) -> float:
    """The value that a row's benchmark prints for a time in seconds; raises `NotModelledError`."""
    if row.metric == "latency":
        return time / _scale(row)
    if not time > 0:
        raise NotModelledError(f"{row.op} takes no time, so that it has no bandwidth")
    return task.moved * (task.bus_factor if row.metric == "busbw" else 1.0) / time / _scale(row)


METRICS = {
    "latency": TIMES, "bandwidth": BANDWIDTHS, "algbw": BANDWIDTHS, "busbw": BANDWIDTHS,
    "bottleneck_bandwidth": BANDWIDTHS,
}  # fmt: skip
"""Metrics, each with its units."""

SPELLINGS = {"µs": "us", "μs": "us", "usec": "us", "msec": "ms", "GBps": "GB/s", "Gbps": "Gbit/s"}
"""Other ways to write a unit."""


def _scale(row: PublishedRow) -> float:
    if row.metric not in METRICS:
        raise NotModelledError(f"no metric {row.metric!r}; there are {', '.join(METRICS)}")
    units = METRICS[row.metric]
    unit = SPELLINGS.get(row.unit, row.unit)
    if unit not in units:
        raise NotModelledError(f"{row.metric} in {row.unit!r}; it can be in {', '.join(units)}")
    return units[unit]


def fabric_of(task: PublishedCase, endpoint: Endpoint, engine: str = "flow") -> Fabric:
    """The machine that a row was measured on, with its software; raises `TriplaneError`."""
    return Fabric(
        task.topology, engine=engine, endpoint=endpoint, planes=task.planes,
        placement=task.places,
    )  # fmt: skip


def duration(fabric: Fabric, task: PublishedCase) -> float:
    """Seconds that a row's schedule takes; of several draws the mean. Raises `TriplaneError`."""
    drawn = [task, *(replace(task, steps=steps) for steps in task.draws)]
    return sum(fastest(fabric, each).duration for each in drawn) / len(drawn)


def fastest(fabric: Fabric, task: PublishedCase) -> Timeline:
    """The simulation of a row's schedule, of several the one that is through first.

    Raises `TriplaneError`.
    """
    group, node = range(task.ranks), task.topology.node_width(task.topology.accelerators)
    stem = task.operation.partition(":")[0]
    ways = [
        (steps, operation) for name, (operation, steps) in task.ways.items()
        if not lacking(fabric, stem, name, group, node)
    ]  # fmt: skip
    found = [
        fabric.simulate(steps(), operation=operation, ranks=task.ranks)
        for steps, operation in ways or [(task.steps, task.operation)]
    ]
    return min(found, key=lambda one: one.duration)


def answered(row: PublishedRow, engine: str = "flow") -> Timeline:
    """The simulation behind the prediction of a row, with its machine; raises `TriplaneError`."""
    endpoint = endpoint_of(row)
    task = workload(row, endpoint)
    return fastest(machine_of(row, task, endpoint, engine).build(), task)
