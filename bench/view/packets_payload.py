"""The part of the page's data on the packets of a run: by traffic class, and in time."""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.view.topology_payload import Shown
from fabric.timeline.packets import PERCENTILES, PacketCourse, PacketStatistics
from topology.labels import label
from topology.units import US

QUEUES = 12
"""Links with the longest queues, which are drawn."""


def packets_part(found: PacketStatistics, view: Shown) -> dict[str, Any]:
    """The page's data, a dict for `bench.view.packing.pack`.

    Of classes that had packets, or lost some. ``view``: what the links are part of.
    """
    used = np.flatnonzero((found.packets > 0) | found.course.dropped.any(axis=1))
    deepest = np.argsort(-found.queue.max(axis=1, initial=0), kind="stable")[:QUEUES]
    return {
        "window": found.window,
        "windows": found.queue.shape[1],
        "classes": [
            {"name": label(found.classes[k] or "packets"), "facts": _facts(found, k)}
            for k in used.tolist()
        ],
        "course": {one.name: _column(getattr(found.course, one.name)[used])
                   for one in fields(PacketCourse)},
        "queues": [
            {"name": label(view.whole.link_name(int(view.links[found.link[k]]))),
             "bytes": _column(found.queue[k])}
            for k in deepest.tolist()
        ],
    }  # fmt: skip


def _column(values: NDArray[Any]) -> NDArray[np.float32]:
    column: NDArray[np.float32] = np.nan_to_num(values).astype(np.float32).ravel()
    return column


def _facts(found: PacketStatistics, k: int) -> list[list[str]]:
    """Pairs of texts on one class, in all."""
    shares = [f"{share:g}%" for share in PERCENTILES]
    facts = [
        ("arrived", f"{found.packets[k]:,}"),
        ("mean wait for links", _us(found.waited[k])),
        *((f"{share} take at most", _us(time))
          for share, time in zip(shares, found.latency[k].tolist(), strict=True)),
        ("the longest", _us(found.longest[k])),
        ("overtaken by later ones", f"{found.overtaken[k]:,}"),
        ("by at most", f"{found.farthest[k]:,} places" if found.overtaken[k] else ""),
    ]  # fmt: skip
    roce = found.roce
    if roce is not None:
        facts += [
            ("dropped", f"{roce.dropped[k]:,}"), ("sent again", f"{roce.resent[k]:,}"),
            ("in vain", f"{roce.doubled[k]:,}"), ("marked (ECN)", f"{roce.marked[k]:,}"),
            ("warnings (CNP)", f"{roce.warned[k]:,}"),
            ("links stopped (PFC)", f"{roce.pauses[k]:,} times"),
            ("for, all together", _us(roce.paused[k])),
        ]  # fmt: skip
    return [[name, text] for name, text in facts]


def _us(seconds: float) -> str:
    return "" if np.isnan(seconds) else f"{seconds / US:.4g} us"
