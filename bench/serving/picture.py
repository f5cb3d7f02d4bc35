"""Where the time of a step goes, as text and as a trace for ui.perfetto.dev."""

from collections.abc import Sequence
from pathlib import Path

from bench.records import Record, as_table
from collectives.workloads.inference.accelerator import Accelerator
from collectives.workloads.inference.deployment import Deployment
from collectives.workloads.inference.operators import Operator
from collectives.workloads.inference.overlap import OperatorSchedule
from collectives.workloads.inference.sourced import Sourced
from fabric.timeline.perfetto.events import nanoseconds, process, slice_of, track, write
from topology.units import MS, US

_WIDTH = 40


def bars(schedule: OperatorSchedule) -> str:
    """The critical path by operator: seconds, part of the step, and a bar."""
    total = schedule.seconds
    found = sorted(schedule.critical_seconds().items(), key=lambda one: -one[1])
    rows: list[Record] = [
        {"critical path": name, "ms": seconds / MS, "%": 100 * seconds / total,
         "": "#" * round(_WIDTH * seconds / total)}
        for name, seconds in found if seconds > 0
    ]  # fmt: skip
    return as_table(rows)


def operators(layer: Sequence[Operator]) -> str:
    """The operators of a layer's micro-batch: stream, time, and what the time stands on."""
    rows: list[Record] = [
        {"operator": one.name, "stream": one.stream, "us": one.seconds / US,
         "stands on": one.basis}
        for one in layer
    ]  # fmt: skip
    return as_table(rows)


def numbers(die: Accelerator, deployment: Deployment) -> str:
    """Every number of the accelerator and the deployment, with its mark and source."""
    found: dict[str, Sourced] = {**die.sourced(), "imbalance": deployment.imbalance}
    rows: list[Record] = [
        {"number": name, "value": one.value, "mark": one.mark, "source": one.source}
        for name, one in found.items()
    ]
    return as_table(rows)


def trace(schedule: OperatorSchedule, path: Path, title: str) -> None:
    """Write a trace with a track for each stream; raises `TraceError`."""
    streams = list(dict.fromkeys(row.operator.stream for row in schedule.rows))
    events = [*process(1, title, 0)]
    for number, stream in enumerate(streams, 1):
        events += track(1, number, stream)
    for row in schedule.rows:
        begin, end = nanoseconds([row.begin, row.end]).tolist()
        where = (1, streams.index(row.operator.stream) + 1)
        events.append(
            slice_of(where, row.operator.name, begin, end, micro_batch=row.chain,
                     stands_on=row.operator.basis)
        )  # fmt: skip
    write(events, path, {"title": title})
