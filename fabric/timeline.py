"""Timeline: when everything happened, what the links carried, and what set the time."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topology.routes import Router
from topology.units import US

_Floats = NDArray[np.float64]
_Longs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What sets the least time: ``kind`` is link, limit, latency or endpoint.

    ``time``: seconds of the bound that it accounts for; ``share``: that over the duration.
    """

    kind: str
    name: str
    time: float
    share: float

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.time / US:.4g} us, {self.share:.0%}"


@dataclass(frozen=True, eq=False)
class Timeline:
    """The answer of an engine.

    - ``src``, ``dst``, ``size``, ``step``: int64 [rows], the schedule's rows in order.
    - ``start``, ``finish``: float64 [rows], seconds: set out, last byte there.
    - ``rank_finish``: float64 [ranks]; ``duration``: the last of them.
    - ``bound``: seconds, the closed form that no engine can beat; ``bottleneck``: what sets it.
    """

    src: _Longs
    dst: _Longs
    size: _Longs
    step: _Longs
    start: _Floats
    finish: _Floats
    rank_finish: _Floats
    bound: float
    bottleneck: Bottleneck
    labels: tuple[str, ...]
    resource_bytes: _Floats
    router: Router

    @property
    def duration(self) -> float:
        """Seconds until the last rank is through."""
        return float(self.rank_finish.max(initial=0.0))

    @cached_property
    def link_bytes(self) -> _Floats:
        """float64 [links of the topology]: bytes that each physical link carried."""
        resource = self.router.link_resource
        used = resource >= 0
        alike = np.bincount(resource[used], minlength=len(self.resource_bytes))
        carried = np.zeros(len(resource))
        carried[used] = (self.resource_bytes / np.maximum(alike, 1))[resource[used]]
        return carried

    @cached_property
    def link_busy(self) -> _Floats:
        """float64 [links]: seconds that each link needs for its bytes at full speed."""
        return self.link_bytes / self.router.topology.link_bandwidth

    def to_perfetto(self, path: str | Path) -> None:
        """Write a trace for ui.perfetto.dev: a track a rank, a slice a transfer that it sends."""
        ranks = np.unique(self.src)
        names = [
            {
                "ph": "M",
                "name": "thread_name",
                "pid": 0,
                "tid": int(r),
                "args": {"name": f"rank {r}"},
            }
            for r in ranks
        ]
        slices = [self._slice(row) for row in range(len(self.src))]
        Path(path).write_text(json.dumps({"traceEvents": names + slices, "displayTimeUnit": "ns"}))

    def _slice(self, row: int) -> dict[str, object]:
        start, finish = float(self.start[row]), float(self.finish[row])
        label = self.labels[self.step[row]] or f"step {self.step[row]}"
        return {
            "ph": "X", "pid": 0, "tid": int(self.src[row]), "ts": start / US,
            "dur": (finish - start) / US, "name": f"{label} to {self.dst[row]}",
            "args": {"bytes": int(self.size[row])},
        }  # fmt: skip
