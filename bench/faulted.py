"""What records and text say of faults in time during what is measured."""

from collections.abc import Mapping

from bench.records import Value
from fabric.timeline.value import Timeline
from topology.units import US


def record(timeline: Timeline) -> dict[str, Value]:
    """What a record says of faults; empty where the machine has none.

    How many changes of links there were until the end, how many transfers stood still because a way
    was dead and nobody knew yet, for how long at most, and how many bytes they had to go.
    """
    faulted = timeline.faulted
    if faulted is None:
        return {}
    return {
        "link_changes": len(faulted.marks), "stalled_transfers": faulted.stood,
        "stalled_us": faulted.longest / US, "late_bytes": faulted.late,
    }  # fmt: skip


def lines(values: Mapping[str, Value]) -> list[str]:
    """What text says of a record's faults, a line."""
    if "link_changes" not in values:
        return []
    still = "no transfer stood still"
    if values["stalled_transfers"]:
        still = (
            f"{values['stalled_transfers']} transfers stood still, for {values['stalled_us']:.5g}"
            f" us at most, with {values['late_bytes']:.5g} bytes to go"
        )
    return [f"faults: {values['link_changes']} changes of links; {still}"]
