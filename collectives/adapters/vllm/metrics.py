"""Prometheus metrics of a worker's steps and calls, beside vLLM's own."""

import os
from collections.abc import Sequence

from collectives.adapters.step_log import StepEntry

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable of prometheus_client by which processes show metrics as one."""

BUCKETS = tuple(step * 10.0**power for power in range(-6, 0) for step in (1, 2, 5))
"""Upper bounds in seconds of the histogram of steps: 1 us to 0.5 s."""

REQUESTS = "requests"
"""The kind of steps that requests have asked for."""


class StepMetrics:
    """What vLLM's server shows at /metrics of the steps and calls of one rank, in emulated time."""

    def __init__(self, rank: int) -> None:
        from prometheus_client import Counter, Histogram

        self._rank = str(rank)
        self._steps = Histogram(
            "triplane_step_seconds", "Emulated time from first call of a step to end of last",
            ["rank", "kind"], buckets=BUCKETS,
        )  # fmt: skip
        self._calls = Counter(
            "triplane_call_seconds", "Emulated time of calls between ranks",
            ["rank", "operation", "kind"],
        )  # fmt: skip

    @staticmethod
    def shown(rank: int) -> "StepMetrics | None":
        """The metrics of a worker; None where its processes do not share metrics (`FOLDER`)."""
        return StepMetrics(rank) if os.environ.get(FOLDER) else None

    def learn(self, rows: Sequence[StepEntry]) -> None:
        """Count the calls of one step, which is over."""
        if not rows:
            return
        kind = rows[0].kind or REQUESTS
        spent = max(row.end for row in rows) - min(row.begin for row in rows)
        self._steps.labels(self._rank, kind).observe(spent)
        for row in rows:
            self._calls.labels(self._rank, row.operation, kind).inc(row.duration)
