"""The files that a benchmark writes about one simulation: traces, timeline, heat map, schedules."""

from collections.abc import Sequence

import click

from bench.options import Output
from fabric.timeline.sequence import in_sequence
from fabric.timeline.value import Timeline


def check_simulated(output: Output, transport: str) -> None:
    """Raise `click.UsageError` for a file that only a simulation can write, if real ranks run."""
    for name in ("timeline", "heatmap", "goal", "chakra") if transport != "sim" else ():
        if getattr(output, name):
            raise click.UsageError(
                f"--{name} is of a simulation, and does not go with --transport {transport};"
                " --trace does"
            )


def wanted(output: Output) -> bool:
    """True if any file of a simulation was asked for."""
    return any((output.trace, output.timeline, output.heatmap, output.goal, output.chakra))


def write(timeline: Timeline, output: Output, before: Sequence[Timeline] = ()) -> None:
    """Write the files that were asked for; raises `OSError`, `TraceError`, `WorkloadError`.

    ``before``: timelines that come before this one in the file of the timeline.
    """
    if output.trace:
        timeline.to_perfetto(output.trace)
    if output.timeline:
        in_sequence([*before, timeline]).save(output.timeline)
    if output.heatmap:
        from bench.heatmap import draw

        draw(timeline, output.heatmap)
    if output.goal or output.chakra:
        from collectives.workloads import goal, of_timeline
        from collectives.workloads.chakra import trace as chakra

        workload = of_timeline(timeline)
        if output.goal:
            goal.save(workload, output.goal)
        if output.chakra:
            chakra.save(workload, output.chakra)
