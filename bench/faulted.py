"""What records and text say of faults in time during what is measured."""

from collections.abc import Mapping

from bench.records import Value
from fabric.timeline.faults import PacketsOnFaults
from fabric.timeline.value import Timeline
from topology.units import US


def record(timeline: Timeline) -> dict[str, Value]:
    """What a record says of faults; empty where the machine has none.

    How many changes of links there were until the end, how many transfers stood still because a way
    was dead and nobody knew yet, for how long at most, and how many bytes they had to go. Of an
    engine with packets also what became of these.
    """
    faulted = timeline.faulted
    if faulted is None:
        return {}
    return {
        "link_changes": len(faulted.marks), "stalled_transfers": faulted.stood,
        "stalled_us": faulted.longest / US, "late_bytes": faulted.late,
        **_of_packets(faulted.packets),
    }  # fmt: skip


def _of_packets(packets: PacketsOnFaults | None) -> dict[str, Value]:
    if packets is None:
        return {}
    return {
        "lost_packets": packets.lost, "lost_bytes": packets.lost_bytes,
        "turned_packets": packets.turned, "replayed_packets": packets.replayed,
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
    if "lost_packets" in values:
        lost = ("lost_packets", "lost_bytes", "turned_packets", "replayed_packets")
        still += f"; {PacketsOnFaults(*(int(values[name] or 0) for name in lost))}"
    return [f"faults: {values['link_changes']} changes of links; {still}"]
