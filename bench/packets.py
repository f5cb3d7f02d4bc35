"""What records and text say of the packets of a simulation, where statistics of them were kept."""

from collections.abc import Mapping

import numpy as np

from bench.records import Value
from fabric.timeline.packets import PacketStatistics, RoceStatistics
from fabric.timeline.value import Timeline
from topology.units import US

_P50 = "packet_p50_us"


def record(timeline: Timeline) -> dict[str, Value]:
    """What a record says of the packets of a ``timeline``; nothing without statistics.

    Of each traffic class, before whose keys its name stands: how many packets there were, how long
    they waited and took, and which arrived after a later one of their transfer. And where most
    bytes waited. Of planes of RoCE, what they did to packets, and which links stood still longest.
    """
    found = timeline.packets
    if found is None:
        return {}
    values: dict[str, Value] = {}
    for k, name in enumerate(found.classes):
        values |= _of_class(found, k, f"{name}_" if name else "")
    deepest = found.deepest
    values |= {
        "queue_most_bytes": 0 if deepest is None else deepest[1],
        "queue_most_link": None if deepest is None else timeline.topology.link_name(deepest[0]),
    }
    return values if found.roce is None else values | _of_roce(timeline, found, found.roce)


def _of_roce(timeline: Timeline, found: PacketStatistics, roce: RoceStatistics) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for k, name in enumerate(found.classes):
        ahead = f"{name}_" if name else ""
        values |= {
            f"{ahead}packets_dropped": int(roce.dropped[k]),
            f"{ahead}packets_resent": int(roce.resent[k]),
            f"{ahead}packets_doubled": int(roce.doubled[k]),
            f"{ahead}packets_marked": int(roce.marked[k]), f"{ahead}cnps": int(roce.warned[k]),
            f"{ahead}pauses": int(roce.pauses[k]), f"{ahead}paused_us": float(roce.paused[k] / US),
        }  # fmt: skip
    at = int(roce.link_paused.argmax()) if roce.link_paused.any() else None
    return values | {
        "paused_most_us": 0.0 if at is None else float(roce.link_paused[at] / US),
        "paused_most_link": None if at is None else timeline.topology.link_name(int(roce.link[at])),
    }


def _of_class(found: PacketStatistics, k: int, ahead: str) -> dict[str, Value]:
    count, (p50, p99, p999) = int(found.packets[k]), found.latency[k] / US
    return {
        f"{ahead}packets": count, f"{ahead}packet_wait_us": _known(found.waited[k] / US),
        f"{ahead}{_P50}": _known(p50), f"{ahead}packet_p99_us": _known(p99),
        f"{ahead}packet_p999_us": _known(p999),
        f"{ahead}packet_longest_us": _known(found.longest[k] / US),
        f"{ahead}overtaken_percent": 100 * int(found.overtaken[k]) / count if count else None,
        f"{ahead}overtaken_by_packets": _known(found.behind[k]),
        f"{ahead}overtaken_by_most_packets": int(found.farthest[k]),
    }  # fmt: skip


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def lines(values: Mapping[str, Value]) -> list[str]:
    """What text says of the packets of a record: a line for each class that has any."""
    if "queue_most_bytes" not in values:
        return []
    classes = [key.removesuffix(_P50) for key in values if key.endswith(_P50)]
    said = [_line(values, ahead) for ahead in classes if values[f"{ahead}packets"]]
    if values["queue_most_link"]:
        most, link = values["queue_most_bytes"], values["queue_most_link"]
        said.append(f"longest queue: {most} bytes for {link}")
    if values.get("paused_most_link"):
        longest = float(values["paused_most_us"] or 0)
        said.append(f"longest paused: {values['paused_most_link']}, {longest:.4g} us")
    return said


def _line(values: Mapping[str, Value], ahead: str) -> str:
    def of(key: str) -> float:
        return float(values[f"{ahead}{key}"] or 0)

    name = f" of {ahead.removesuffix('_')}" if ahead else ""
    late = f", {of('overtaken_percent'):.3g}% overtaken" if of("overtaken_percent") else ""
    if late:
        by, most = of("overtaken_by_packets"), of("overtaken_by_most_packets")
        late += f" by {by:.3g} later ones (at most {most:.0f})"
    return (
        f"{of('packets'):.0f} packets{name}: p50 {of(_P50):.5g} us, p99 {of('packet_p99_us'):.5g}"
        f" us, p99.9 {of('packet_p999_us'):.5g} us, of which they wait"
        f" {of('packet_wait_us'):.4g} us on average{late}{_line_of_roce(values, ahead)}"
    )


_SAID = (
    ("packets_dropped", "dropped"), ("packets_resent", "sent again"),
    ("packets_doubled", "in vain"), ("packets_marked", "marked"), ("cnps", "warnings"),
    ("pauses", "pauses"),
)  # fmt: skip
"""What is said of planes of RoCE, where it is not 0."""


def _line_of_roce(values: Mapping[str, Value], ahead: str) -> str:
    counts = ((values.get(f"{ahead}{key}"), words) for key, words in _SAID)
    said = "".join(f", {count} {words}" for count, words in counts if count)
    paused = float(values.get(f"{ahead}paused_us") or 0)
    return f"{said} of {paused:.4g} us in all" if paused else said
