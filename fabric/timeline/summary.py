"""A short summary of a simulation, for notebooks."""

from typing import TYPE_CHECKING

import numpy as np

from topology.files.html import bars, facts
from topology.units import US

if TYPE_CHECKING:
    from fabric.timeline.value import Timeline

BUSIEST = 8
"""Links, or bundles of them, that are listed."""


def _transfers(timeline: "Timeline") -> list[tuple[str, object]]:
    if timeline.of_classes:  # one by one they may be too many
        return [("transfers", "timed by classes")]
    return [("transfers", len(timeline.src)), ("bytes", f"{int(timeline.size.sum()):,}")]


def as_html(timeline: "Timeline") -> str:
    """``timeline`` as HTML for a notebook: its times, what bounds it, and the busiest links."""
    duration, bound = timeline.duration, timeline.bound
    about = [
        ("system", timeline.topology.name), ("software", timeline.software or "-"),
        ("operation", timeline.operation or "-"), ("ranks", timeline.ranks),
        *_transfers(timeline),
        ("duration", f"{duration / US:,.4f} us"),
        ("no engine may answer less than", f"{bound / US:,.4f} us"),
        ("set by", str(timeline.bottleneck)),
    ]  # fmt: skip
    if timeline.link_imbalance is not None:
        about.append(("busiest link over those beside it", f"{timeline.link_imbalance:.4g}"))
    busy = timeline.resource_bytes / timeline.router.capacity
    most = np.argsort(-busy, kind="stable")[:BUSIEST]
    shares = [
        (timeline.router.name(int(r)), float(busy[r]) / duration) for r in most if busy[r] > 0
    ]
    listed = bars(shares, "busiest links, of the duration") if shares else ""
    return facts(about, timeline.title or "timeline") + listed
